"""What is said about what the app does: its paths, models, cookies, and the world outside."""

from __future__ import annotations

import pytest

from spaceops.preflight import check
from spaceops.rules.examples import GOOD, write

HEAD = "from fastapi import APIRouter, FastAPI, Response\n\napp = FastAPI()\n"
FASTAPI = GOOD["requirements.txt"]
CPU = 'repo_id = "acme/hello"\nhardware = "cpu-basic"\n'


def said(folder, code, main, **changes):
    """Where a rule speaks."""
    named = {name.replace("__", "/").replace("_", "."): content for name, content in changes.items()}
    return [one.where for one in check(write(folder, {"main.py": main, **named}), select=[code])]


WITHOUT_ROOT = {
    "no route": HEAD,
    "another path": f'{HEAD}@app.get("/hello")\ndef hello(): ...\n',
    "only POST": f'{HEAD}@app.post("/")\ndef hello(): ...\n',
    "a prefix": f'{HEAD}api = APIRouter(prefix="/api")\n@api.get("/")\ndef hello(): ...\napp.include_router(api)\n',
    "Flask": 'from flask import Flask\napp = Flask(__name__)\n@app.route("/x")\ndef hello(): ...\n',
}


@pytest.mark.parametrize("main", WITHOUT_ROOT.values(), ids=WITHOUT_ROOT)
def test_an_app_without_a_root_is_told(main, tmp_path):
    assert 1 == len(said(tmp_path, "root-404", main))


WITH_ROOT = {
    "a router": f'{HEAD}api = APIRouter()\n@api.get("/")\ndef hello(): ...\napp.include_router(api)\n',
    "api_route": f'{HEAD}@app.api_route("/", methods=["GET", "HEAD"])\ndef hello(): ...\n',
    "the documentation": 'from fastapi import FastAPI\napp = FastAPI(docs_url="/")\n',
    "any path": f'{HEAD}@app.get("/{{path:path}}")\ndef hello(): ...\n',
    "files": f'{HEAD}app.mount("/", object())\n',
    "gradio": f'{HEAD}import gradio as gr\napp = gr.mount_gradio_app(app, None, path="")\n',
    "something else that gets the app": f"{HEAD}from pages import add\nadd(app)\n",
    "a middleware": f'{HEAD}@app.middleware("http")\nasync def all(request, call_next): ...\n',
    "a page for 404": f"{HEAD}@app.exception_handler(404)\nasync def lost(request, error): ...\n",
    "routers in a list": f"{HEAD}for one in []:\n    app.include_router(one)\n",
    "a path that is not known": f"{HEAD}import os\n@app.get(os.environ['HOME_PATH'])\ndef hello(): ...\n",
    "two apps": f'{HEAD}inner = FastAPI()\n@inner.get("/x")\ndef hello(): ...\n',
    "add_api_route": f'{HEAD}app.add_api_route("/", print)\n',
    "Flask's": 'from flask import Flask\napp = Flask(__name__)\n@app.route("/")\ndef hello(): ...\n',
    "a blueprint": (
        'from flask import Blueprint, Flask\npages = Blueprint("p", __name__)\n@pages.route("/")\ndef hello(): ...\n'
        "app = Flask(__name__)\napp.register_blueprint(pages)\n"
    ),
    "no app": "async def app(scope, receive, send): ...\n",
}


@pytest.mark.parametrize("main", WITH_ROOT.values(), ids=WITH_ROOT)
def test_an_app_that_may_have_a_root_is_left_alone(main, tmp_path):
    assert [] == said(tmp_path, "root-404", main, pages_py="def add(app): ...\n")


def test_a_base_path_is_shown_instead_of_the_root(tmp_path):
    readme = ("app_port: 7860", "app_port: 7860\nbase_path: /docs")

    assert [] == said(tmp_path, "root-404", HEAD, README_md=readme)


@pytest.mark.parametrize(
    ("host", "port", "count"), [("127.0.0.1", 8000, 0), ("0.0.0.0", 8000, 0), ("0.0.0.0", 7860, 1)]
)
def test_an_app_behind_another_server_need_not_answer_the_root(host, port, count, tmp_path):
    start = f"#!/bin/sh\nuvicorn main:app --host {host} --port {port} &\nexec ./pages\n"

    said_of = said(
        tmp_path,
        "root-404",
        HEAD,
        start_sh=start,
        Dockerfile=('CMD ["uvicorn", "main:app", "--host", "0.0.0.0", "--port", "7860"]', 'CMD ["sh", "start.sh"]'),
    )

    assert count == len(said_of)


def test_routers_of_other_files_count(tmp_path):
    imports = "from api import pages\nfrom api.more import router as more\n"
    main = f'{HEAD}{imports}app.include_router(pages.router)\napp.include_router(more, prefix="/more")\n'
    router = 'from fastapi import APIRouter\nrouter = APIRouter()\n@router.get("{}")\ndef hello(): ...\n'

    assert [] == said(tmp_path, "root-404", main, api__pages_py=router.format("/"), api__more_py=router.format("/x"))
    other = tmp_path / "other"
    assert ["main.py:3"] == said(
        other, "root-404", main, api__pages_py=router.format("/y"), api__more_py=router.format("/x")
    )


@pytest.mark.parametrize(
    ("parameters", "count"),
    [
        ("text: str", 1),
        ("prompt: str", 1),
        ("text: str = Body()", 0),
        ("text: str = 'x'", 0),
        ("text: Text", 0),
        ("user_id: str", 0),
        ("text: str, user: User", 0),
        ("", 0),
    ],
)
def test_a_text_in_the_address_of_a_post_is_told(parameters, count, tmp_path):
    main = f'{HEAD}@app.post("/analyze")\ndef analyze({parameters}): ...\n'

    assert count == len(said(tmp_path, "query-parameter-body", main))


@pytest.mark.parametrize(
    ("code", "count"),
    [
        ('model.to("cuda")', 1),
        ('model.to("cuda:0")', 1),
        ("model.cuda()", 1),
        ('pipeline("x", device="cuda")', 1),
        ('device = torch.device("cuda")', 1),
        ('model.to("cpu")', 0),
        ("model.to(device)", 0),
        ('if torch.cuda.is_available():\n    model.to("cuda")', 0),
        ('device = "cuda" if torch.cuda.is_available() else "cpu"\nmodel.to(device)', 0),
        ('try:\n    model.to("cuda")\nexcept RuntimeError:\n    pass', 0),
    ],
)
def test_cuda_on_cpu_hardware_is_told_unless_it_is_asked_for(code, count, tmp_path):
    main = f"import torch\n{HEAD}{code}\n"

    assert count == len(said(tmp_path, "torch-no-nvidia-driver", main, space_toml=CPU))
    gpu = CPU.replace("cpu-basic", "t4-small")
    assert [] == said(tmp_path / "gpu", "torch-no-nvidia-driver", main, space_toml=gpu)


LOADS = "from transformers import AutoModel, pipeline\nfrom fastapi import FastAPI\napp = FastAPI()\n"


@pytest.mark.parametrize(
    ("code", "count"),
    [
        ("model = AutoModel.from_pretrained('acme/mood')", 1),
        ("classify = pipeline('x')", 1),
        ("def load():\n    return pipeline('x')", 0),
        ("if __name__ == '__main__':\n    classify = pipeline('x')", 1),
        ("try:\n    classify = pipeline('x')\nexcept OSError:\n    pass", 0),
    ],
)
def test_a_model_that_is_loaded_before_the_port_is_open_is_told(code, count, tmp_path):
    assert count == len(said(tmp_path, "model-load-at-import", f"{LOADS}{code}\n"))


def test_a_model_that_the_image_holds_loads_fast_enough(tmp_path):
    fetch = ("USER user\n", "USER user\nRUN hf download acme/mood\n")

    assert [] == said(tmp_path, "model-load-at-import", f"{LOADS}classify = pipeline('x')\n", Dockerfile=fetch)


@pytest.mark.parametrize(
    ("code", "count"),
    [
        ('os.path.exists("/data")', 1),
        ('FOLDER = "/data"\nif os.path.isdir(FOLDER):\n    pass', 1),
        ('os.path.exists("/data/model.bin")', 0),
        ('os.path.exists("data")', 0),
        ('os.path.ismount("/data")', 0),
    ],
)
def test_a_check_for_the_folder_data_is_told(code, count, tmp_path):
    assert count == len(said(tmp_path, "data-folder-check", f"import os\n{HEAD}{code}\n"))
    toml = 'repo_id = "acme/hello"\n[[volumes]]\nsource = "hf://buckets/acme/state"\nmount = "/data"\n'
    assert [] == said(tmp_path / "mounted", "data-folder-check", f"import os\n{HEAD}{code}\n", space_toml=toml)


@pytest.mark.parametrize(
    ("line", "count"),
    [
        ('headers = {"X-Frame-Options": "SAMEORIGIN"}', 1),
        ("X_FRAME_OPTIONS = 'DENY'", 1),
        ("policy = \"frame-ancestors 'none'; default-src 'self'\"", 1),
        ("# X-Frame-Options: DENY", 0),
        ("X_FRAME_OPTIONS = 'ALLOWALL'", 0),
        ("policy = \"frame-ancestors 'self' https://huggingface.co\"", 0),
    ],
)
def test_a_header_that_forbids_frames_is_told(line, count, tmp_path):
    assert count == len(said(tmp_path, "x-frame-options", f"{HEAD}{line}\n"))


@pytest.mark.parametrize(
    ("code", "count"),
    [
        ("async def wait():\n    time.sleep(5)", 1),
        ("def wait():\n    time.sleep(5)", 0),
        ("async def wait():\n    await asyncio.sleep(5)", 0),
    ],
)
def test_waiting_in_an_async_route_is_told(code, count, tmp_path):
    main = f'import asyncio, time\n{HEAD}@app.get("/wait")\n{code}\n'

    assert count == len(said(tmp_path, "blocking-in-async", main))


def test_a_temporary_file_that_is_deleted_is_fine(tmp_path):
    keeps = f"import os, tempfile\n{HEAD}def keep():\n    file = tempfile.NamedTemporaryFile(delete=False)\n"

    assert ["main.py:6"] == said(tmp_path, "temporary-files-kept", keeps)
    assert [] == said(tmp_path / "b", "temporary-files-kept", f"{keeps}    os.unlink(file.name)\n")
