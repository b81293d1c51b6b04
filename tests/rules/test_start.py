"""What is said of the start: of its files, programs and scripts, of the apps that servers import, and of ports."""

from __future__ import annotations

import os

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from spaceops.preflight import check
from spaceops.rules import all_rules
from spaceops.rules.examples import GOOD, write

EXAMPLES = int(os.environ.get("SPACEOPS_EXAMPLES", 20))
OURS = ("start", "listening", "apps", "nginx")
CODES = [code for code, rule in all_rules().items() if rule.body.__module__.rpartition(".")[2] in OURS]
CMD = 'CMD ["uvicorn", "main:app", "--host", "0.0.0.0", "--port", "7860"]'
APP = GOOD["main.py"]
SERVE = "uvicorn main:app --host 0.0.0.0 --port 7860"
SLIM = "FROM python:3.13-slim\nWORKDIR /app\nCOPY requirements.txt .\nRUN pip install -r requirements.txt\nCOPY . .\n"
NODE = "FROM node:22-slim\nWORKDIR /app\nCOPY . .\nRUN npm ci\n"


def cmd(line, before=""):
    """The good Dockerfile with another CMD."""
    return {"Dockerfile": GOOD["Dockerfile"].replace(CMD, f"{before}{line}")}


def script(text, line='CMD ["bash", "start.sh"]', before=""):
    return {**cmd(line, before), "start.sh": text}


def found(folder, change, codes=CODES):
    """The codes and severities that are found, of the rules tested here."""
    report = check(write(folder, change), select=codes)
    assert () == report.notes
    return {finding.code: str(finding.severity) for finding in report}


def one(folder, change, code):
    (finding,) = check(write(folder, change), select=[code])
    return finding


REQUIREMENTS = {
    "requirements.txt": "fastapi==0.116.1\nuvicorn==0.35.0\ngunicorn==23.0.0\nflask==3.1.1\ngradio==5.42.0\n"
}

FAILING = {
    "another port": (cmd(CMD.replace("7860", "8000")), {"app-port-mismatch": "error"}),
    "another app_port": ({"README.md": ("7860", "8080")}, {"app-port-mismatch": "error"}),
    "another default": (cmd('CMD ["uvicorn", "main:app", "--host", "0.0.0.0"]'), {"app-port-mismatch": "error"}),
    "a port that a variable may change": (
        cmd(f"CMD {SERVE.replace('7860', '${PORT:-8000}')}"),
        {"app-port-mismatch": "warning"},
    ),
    "a port of ENV": (
        cmd(f"CMD {SERVE.replace('7860', '$PORT')}", "ENV PORT=8000\n"),
        {"app-port-mismatch": "warning"},
    ),
    "a port in space.toml": (
        {
            **cmd(f"CMD {SERVE.replace('7860', '$PORT')}"),
            "space.toml": 'repo_id = "acme/hello"\n[variables]\nPORT = "8000"\n',
        },
        {"app-port-mismatch": "error"},
    ),
    "a port in a script": (
        script(f"#!/bin/bash\nset -e\nexec {SERVE.replace('7860', '80')}\n"),
        {"app-port-mismatch": "error"},
    ),
    "loopback by default": (cmd('CMD ["uvicorn", "main:app", "--port", "7860"]'), {"bind-loopback": "error"}),
    "loopback by name": (cmd(CMD.replace("0.0.0.0", "localhost")), {"bind-loopback": "error"}),
    "both": (cmd('CMD ["uvicorn", "main:app"]'), {"app-port-mismatch": "error", "bind-loopback": "error"}),
    "Flask as it is written": (
        {
            **REQUIREMENTS,
            **cmd('CMD ["python", "main.py"]'),
            "main.py": "from flask import Flask\napp = Flask(__name__)\nif __name__ == '__main__':\n    app.run()\n",
        },
        {"app-port-mismatch": "error", "bind-loopback": "error"},
    ),
    "Gradio as it is written": (
        {
            **REQUIREMENTS,
            **cmd('CMD ["python", "main.py"]'),
            "main.py": "import gradio as gr\ndemo = gr.Interface(str, 'text', 'text')\ndemo.launch()\n",
        },
        {"bind-loopback": "warning"},
    ),
    "a module in a folder": (
        {"main.py": None, "src/main.py": APP},
        {"asgi-module-missing": "error"},
    ),
    "a module in another folder of the image": (
        {"Dockerfile": ("COPY --chown=user . .", "COPY --chown=user . ./code/")},
        {"asgi-module-missing": "error"},
    ),
    "a file name for a module": (cmd(CMD.replace("main:app", "main.py:app")), {"asgi-module-missing": "error"}),
    "a path for a module": (cmd(CMD.replace("main:app", "./main:app")), {}),
    "another folder": (
        cmd(CMD.replace('"main:app"', '"main:app", "--app-dir", "api"')),
        {"asgi-module-missing": "error"},
    ),
    "a missing name": (cmd(CMD.replace("main:app", "main:application")), {"asgi-attr-missing": "error"}),
    "no name": (cmd(CMD.replace("main:app", "main")), {"asgi-attr-missing": "error"}),
    "a missing factory": (
        {**REQUIREMENTS, **cmd('CMD ["gunicorn", "-b", "0.0.0.0:7860", "main:create_app()"]')},
        {"asgi-attr-missing": "error"},
    ),
    "a module for gunicorn": (
        {**REQUIREMENTS, **cmd('CMD ["gunicorn", "-b", "0.0.0.0:7860", "app:app"]')},
        {"gunicorn-module": "error"},
    ),
    "a file of another case": (cmd('CMD ["python", "Main.py"]'), {"start-file-missing": "error"}),
    "a file that is ignored": (
        {**cmd('CMD ["python", "app.py"]'), "app.py": "print(1)\n", ".dockerignore": "app.py\n"},
        {"start-file-missing": "error"},
    ),
    "a script that is not there": (cmd('CMD ["bash", "run.sh"]'), {"start-file-missing": "error"}),
    "a program of no requirement": (
        {
            "requirements.txt": "fastapi==0.116.1\n",
            **cmd('CMD ["uvicorn", "main:app", "--host", "0.0.0.0", "--port", "7860"]'),
        },
        {"command-not-found": "error"},
    ),
    "a folder that PATH lacks": (
        {"Dockerfile": ("ENV HOME=/home/user PATH=/home/user/.local/bin:$PATH", "ENV HOME=/home/user")},
        {"command-not-found": "error"},
    ),
    "a program of another image": (
        cmd('CMD ["node", "app.js"]'),
        {"command-not-found": "error", "start-file-missing": "error"},
    ),
    "no command": (cmd(""), {"cmd-missing": "error"}),
    "everything in the background": (script(f"#!/bin/bash\n{SERVE} &\n"), {"cmd-missing": "error"}),
    "Windows line ends": (
        script(f"#!/bin/bash\r\nexec {SERVE}\r\n", 'CMD ["./start.sh"]', "RUN chmod +x start.sh\n"),
        {"exec-not-found-crlf": "error"},
    ),
    "Windows line ends under bash": (script(f"#!/bin/bash\r\nexec {SERVE}\r\n"), {"exec-not-found-crlf": "warning"}),
    "bash on Alpine": (
        {
            "Dockerfile": "FROM python:3.13-alpine\nWORKDIR /app\nCOPY . .\nRUN pip install -r requirements.txt && "
            'chmod +x start.sh\nCMD ["./start.sh"]\n',
            "start.sh": f"#!/bin/bash\nexec {SERVE}\n",
        },
        {"exec-not-found-crlf": "error"},
    ),
    "no first line": (
        script(f"exec {SERVE}\n", 'CMD ["./start.sh"]', "RUN chmod +x start.sh\n"),
        {"shebang-missing": "error"},
    ),
    "no mark": (script(f"#!/bin/bash\nexec {SERVE}\n", 'CMD ["./start.sh"]'), {"script-not-executable": "warning"}),
    "a script that package.json lacks": (
        {"Dockerfile": NODE + 'CMD ["npm", "run", "web"]\n', "package.json": '{"scripts": {"start": "node web.js"}}'},
        {"npm-script-missing": "error"},
    ),
    "a variable without a shell": (cmd(CMD.replace('"7860"', '"$PORT"')), {"variable-not-expanded": "error"}),
}


@pytest.mark.parametrize(("change", "expected"), FAILING.values(), ids=FAILING)
def test_what_fails_is_found(change, expected, tmp_path):
    assert expected == found(tmp_path, change)


RUNNING = {
    "a module through PYTHONPATH": {
        "Dockerfile": ("USER user", "ENV PYTHONPATH=/home/user/app/src\nUSER user"),
        "main.py": None,
        "src/main.py": APP,
    },
    "a module in the working directory of a script": {
        **script(f"#!/bin/bash\ncd src\nexec {SERVE}\n"),
        "main.py": None,
        "src/main.py": APP,
    },
    "a module of --app-dir": {
        **cmd(CMD.replace('"main:app"', '"main:app", "--app-dir", "src"')),
        "main.py": None,
        "src/main.py": APP,
    },
    "a package": {**cmd(CMD.replace("main:app", "pkg.main:app")), "pkg/main.py": APP},
    "a package's own file": {**cmd(CMD.replace("main:app", "pkg:app")), "pkg/__init__.py": "from .made import app\n"},
    "a submodule of the name": {
        **cmd(CMD.replace("main:app", "pkg:app")),
        "pkg/__init__.py": "from .app import other\n",
        "pkg/app.py": "other = 1\n",
    },
    "an installed package": {
        **cmd(CMD.replace("main:app", "titiler.application.main:app")),
        "requirements.txt": "titiler.application==0.22.0\nuvicorn==0.35.0\n",
    },
    "a package that installs itself": {
        "Dockerfile": (
            "COPY --chown=user . .",
            "COPY --chown=user . .\nRUN pip install .",
        ),
        "main.py": None,
        "src/main.py": APP,
        "pyproject.toml": '[project]\nname = "main"\nversion = "1"\n',
    },
    "a module that a stage brings": {
        "Dockerfile": "FROM python:3.13-slim AS made\nRUN python -c 1 > /main.py\n"
        + SLIM
        + "COPY --from=made /main.py /app/main.py\n"
        + CMD,
        "main.py": None,
    },
    "a module that RUN fetches": {
        "Dockerfile": SLIM + "RUN git clone https://example.com/x . \n" + CMD,
        "main.py": None,
    },
    "a module of a submodule": {"main.py": None, ".gitmodules": '[submodule "main"]\n'},
    "a name from a star": {"main.py": "from made import *\n"},
    "a name in a condition": {"main.py": "try:\n    from a import app\nexcept ImportError:\n    app = None\n"},
    "a name of a tuple": {"main.py": "app, db = make()\n"},
    "a name of a with": {"main.py": "with make() as app:\n    pass\n"},
    "a name of a walrus": {"main.py": "if (app := make()):\n    pass\n"},
    "a name of a function": {**cmd(CMD.replace('"]', '", "--factory"]')), "main.py": "def app():\n    ...\n"},
    "a name that is set": {"main.py": "globals()['app'] = make()\n"},
    "a name of __getattr__": {"main.py": "def __getattr__(name):\n    return make(name)\n"},
    "a name that a RUN writes": {
        "Dockerfile": ("CMD", "RUN sed -i 's/application/app/' main.py\nCMD"),
        "main.py": "application = 1\n",
    },
    "a name that a program writes": {
        "Dockerfile": ("CMD", "RUN python patch.py\nCMD"),
        "main.py": "application = 1\n",
        "patch.py": "open('main.py', 'w').write('app = 1')\n",
    },
    "a script of npm that RUN writes": {
        "Dockerfile": NODE + 'RUN npm pkg set scripts.start="node x.js"\nCMD ["npm", "start"]\n',
        "package.json": "{}",
    },
    "a proxy in front": {
        **script("#!/bin/bash\nuvicorn main:app --port 8000 &\n./proxy\n"),
        "proxy": "#!/usr/bin/env python3\nimport proxying\n",
    },
    "a worker that is missing": script(f"#!/bin/bash\npython worker.py &\nexec {SERVE}\n"),
    "a migration that is missing": script(f"#!/bin/bash\npython migrate.py\nexec {SERVE}\n"),
    "a program that is missing beside another": script(f"#!/bin/bash\nnode x.js &\nexec {SERVE}\n"),
    "a proxy in Node in front": {
        "Dockerfile": NODE + 'CMD ["npm", "start"]\n',
        "package.json": '{"scripts": {"start": "node proxy.js"}}',
        "proxy.js": "http.listen(process.env.PORT || 7860)",
    },
    "an address of IPv6": cmd(CMD.replace("0.0.0.0", "::")),
    "a port of a variable of the Space": {
        **cmd(f"CMD {SERVE.replace('7860', '$PORT')}", "ENV PORT=8000\n"),
        "space.toml": 'repo_id = "acme/hello"\n[variables]\nPORT = "7860"\n',
    },
    "a server inside the program": {
        **cmd('CMD ["python", "main.py"]'),
        "main.py": "from made import serve\n\nserve()\n",
    },
    "several servers, one of them there": {
        **cmd('CMD ["python", "main.py"]'),
        "main.py": "import os, uvicorn\nif os.getenv('X'):\n    uvicorn.run('a:b', port=80)\nelse:\n"
        "    uvicorn.run('a:b', host='0.0.0.0', port=7860)\n",
    },
    "a start of the base image": {"Dockerfile": "FROM ghcr.io/acme/base:1\nCOPY . /srv\n"},
    "an unknown base with a command": {"Dockerfile": f"FROM ghcr.io/acme/base:1\nCOPY . .\n{CMD}\n"},
    "a script of the base image": {"Dockerfile": "FROM nginx:1.27\nRUN x > /etc/nginx/conf.d/default.conf\n"},
    "a file that the build makes": {
        "Dockerfile": NODE + 'RUN npm run build\nCMD ["node", "dist/server.js"]\n',
        "package.json": '{"scripts": {"build": "tsc"}}',
    },
    "a script that RUN writes": cmd('CMD ["./run.sh"]', "RUN echo '#!/bin/sh' > run.sh && chmod +x run.sh\n"),
    "a script of a here-document": cmd('CMD ["/run.sh"]', "COPY --chmod=755 <<EOF /run.sh\n#!/bin/sh\nexec x\nEOF\n"),
    "a program that apt installs": {
        "Dockerfile": "FROM python:3.13-slim\nRUN apt-get update && apt-get install -y nodejs\nWORKDIR /app\nCOPY . .\n"
        'CMD ["node", "app.js"]\n',
        "app.js": "http.listen(7860)",
    },
    "a program of another package": {"requirements.txt": "fastapi[standard]==0.116.1\n"},
    "a program of a copied environment": {
        "Dockerfile": "FROM python:3.13-slim AS b\nRUN pip install uvicorn --target /x\nFROM python:3.13-slim\n"
        f"WORKDIR /app\nCOPY --from=b /x /x\nCOPY . .\n{CMD}\n",
        "requirements.txt": None,
    },
    "a program beside uv": {"Dockerfile": SLIM.replace("pip install", "uv sync") + CMD.replace("[", '["uv", "run", ')},
    "pip by root": {"Dockerfile": SLIM + "RUN useradd -m user\nUSER user\n" + CMD},
    "line ends that RUN mends": script(
        f"#!/bin/bash\r\nexec {SERVE}\r\n", 'CMD ["./start.sh"]', "RUN sed -i 's/\\r//' *.sh && chmod +x *.sh\n"
    ),
    "a mark of COPY": {
        "Dockerfile": ("COPY --chown=user . .\n" + CMD, 'COPY --chown=user --chmod=755 . .\nCMD ["./start.sh"]'),
        "start.sh": f"#!/bin/bash\nexec {SERVE}\n",
    },
    "a script that waits": script(f"#!/bin/bash\n{SERVE} &\npython -m http.server 9000 &\nwait -n\n"),
    "a script that ends in tail": {
        **script(f"#!/bin/bash\nnohup {SERVE} &\ntail -f /dev/null\n"),
    },
    "no first line under tini": script(
        f"exec {SERVE}\n", 'ENTRYPOINT ["tini", "--", "./start.sh"]', "RUN chmod +x start.sh && pip install tini\n"
    ),
    "a variable in single quotes of a shell": cmd(f"CMD sh -c 'exec {SERVE.replace('7860', '${PORT:-7860}')}'"),
    "a prompt that an entrypoint makes useful": {**cmd('ENTRYPOINT ["./entry"]'), "entry": b"\x7fELF\0"},
}  # fmt: skip


@pytest.mark.parametrize("change", RUNNING.values(), ids=RUNNING)
def test_what_may_run_gets_no_error(change, tmp_path):
    assert "error" not in found(tmp_path, change).values()


SILENT = ["a package", "a name of a tuple", "an address of IPv6", "a script that waits", "a program of another package",
          "pip by root", "a mark of COPY", "a server inside the program"]  # fmt: skip


@pytest.mark.parametrize("name", SILENT)
def test_what_surely_runs_gets_nothing(name, tmp_path):
    assert {} == found(tmp_path, RUNNING[name])


@pytest.mark.parametrize(
    ("change", "code", "where", "message", "hint"),
    [
        (
            cmd(CMD.replace("7860", "8000")),
            "app-port-mismatch",
            "Dockerfile:9",
            "The server (uvicorn) listens on port 8000, but README.md says app_port: 7860: the Hub sends all traffic "
            "there, and the Space would never leave Starting",
            "Write app_port: 8000 in README.md; or let the server listen on 7860: --port 7860",
        ),
        (
            cmd('CMD ["uvicorn", "main:app", "--port", "7860"]'),
            "bind-loopback",
            "Dockerfile:9",
            "The server (uvicorn) listens on 127.0.0.1, where only programs in the same container reach it: the Hub's "
            "requests come from outside",
            "Let it listen on every address: --host 0.0.0.0",
        ),
        (
            {"main.py": None, "src/main.py": APP},
            "asgi-module-missing",
            "Dockerfile:9",
            "The server (uvicorn) is told to import main:app, but there is no main.py in /home/user/app, where it "
            "looks",
            "Write src.main:app in place of main:app.",
        ),
        (
            {"main.py": ("app = FastAPI()\n\n\n@app", "api = FastAPI()\n\n\n@api")},
            "asgi-attr-missing",
            "Dockerfile:9",
            "The server (uvicorn) takes the name app from main.py, and the file has no such name",
            "Write main:api",
        ),
        (
            cmd('CMD ["python", "src/app.py"]') | {"app.py": "print(1)\n"},
            "start-file-missing",
            "Dockerfile:9",
            "The start command names app.py, and there is no such file in /home/user/app/src of the image",
            "It is app.py there: write that path.",
        ),
        (
            {"requirements.txt": "fastapi==0.116.1\n"},
            "command-not-found",
            "Dockerfile:9",
            "The container starts uvicorn, and no package that is installed brings it",
            "Add uvicorn to requirements.txt.",
        ),
        (
            {"Dockerfile": ("ENV HOME=/home/user PATH=/home/user/.local/bin:$PATH", "ENV HOME=/home/user")},
            "command-not-found",
            "Dockerfile:9",
            "The user user installs uvicorn into /home/user/.local/bin (line 7), and PATH does not name that folder: "
            "the program is not found",
            "Write ENV PATH=/home/user/.local/bin:$PATH in the Dockerfile.",
        ),
    ],
)  # fmt: skip
def test_a_finding_says_what_and_why_and_how_it_is_mended(change, code, where, message, hint, tmp_path):
    finding = one(tmp_path, change, code)

    assert (where, message, hint) == (finding.where, finding.message, finding.hint)


@pytest.mark.parametrize(
    ("line", "mended"),
    [
        ('["uvicorn", "main:app", "--port=7860"]', '["uvicorn", "main:app", "--port=7860", "--host", "0.0.0.0"]'),
        ('["uvicorn","m:a","--host","127.0.0.1"]', '["uvicorn","m:a","--host","0.0.0.0"]'),
        ('[ "uvicorn", "m:a", "--host=localhost" ]', '[ "uvicorn", "m:a", "--host=0.0.0.0" ]'),
    ],
)  # fmt: skip
def test_a_server_on_loopback_is_mended_in_its_line(line, mended, tmp_path):
    finding = one(
        tmp_path, cmd(f"CMD {line}") | {"README.md": ("7860", "7860" if "7860" in line else "8000")}, "bind-loopback"
    )
    assert finding.fix is not None
    text = (finding.fix.files["Dockerfile"] or b"").decode()

    assert GOOD["Dockerfile"].replace(CMD, f"CMD {mended}") == text
    assert () == check(write(tmp_path, {"Dockerfile": text}), select=["bind-loopback"]).findings


def test_a_shell_form_on_loopback_is_not_edited(tmp_path):
    assert one(tmp_path, cmd("CMD uvicorn main:app --port 7860"), "bind-loopback").fix is None


def test_another_app_port_is_only_proposed(tmp_path):
    finding = one(tmp_path, cmd(CMD.replace("7860", "8000")), "app-port-mismatch")

    assert finding.fix is not None
    assert not finding.fix.safe
    assert b"app_port: 8000" in (finding.fix.files["README.md"] or b"")


def test_a_missing_app_port_is_proposed_as_a_line_more(tmp_path):
    change = {**cmd(CMD.replace("7860", "8000")), "README.md": ("app_port: 7860\n", "")}
    finding = one(tmp_path, change, "app-port-mismatch")

    assert "the Hub's default app_port is 7860" in finding.message
    assert finding.fix is not None
    proposed = (finding.fix.files["README.md"] or b"").decode()
    assert GOOD["README.md"].replace("app_port: 7860\n", "") == proposed.replace("app_port: 8000\n", "")
    assert () == check(write(tmp_path / "mended", change | {"README.md": proposed}), select=[finding.code]).findings


def test_a_front_matter_in_braces_gets_no_line_more(tmp_path):
    readme = "---\n{title: Hello, sdk: docker}\n---\n"

    assert one(tmp_path, {**cmd(CMD.replace("7860", "8000")), "README.md": readme}, "app-port-mismatch").fix is None


def test_a_mark_that_a_checkout_keeps_is_enough_without_space_toml(tmp_path):
    change = {**script(f"#!/bin/bash\nexec {SERVE}\n", 'CMD ["./start.sh"]'), "space.toml": None}
    write(tmp_path, change)
    (tmp_path / "start.sh").chmod(0o755)

    assert () == check(tmp_path, select=["script-not-executable"]).findings


@given(
    st.text(max_size=80),
    st.sampled_from(["CMD {}", 'CMD ["bash", "-c", "{}"]', "ENTRYPOINT {}", "RUN {}\nCMD python main.py"]),
)
@settings(max_examples=EXAMPLES)
def test_no_start_makes_a_rule_fail(tmp_path_factory, text, form):
    line = form.replace("{}", text.replace("\n", " "))
    change = {**cmd(line), "start.sh": text, "main.py": text, "nginx.conf": text}
    encodable = {
        path: one.encode(errors="replace").decode() if isinstance(one, str) else one for path, one in change.items()
    }

    assert () == check(write(tmp_path_factory.mktemp("s"), encodable), select=CODES).notes


CURL = {
    "a file of another name": ("curl -fsSL -o /usr/local/bin/tool https://example.com/tool-linux", True),
    "its output": ("curl -fsS https://example.com/health", True),
    "this file": ("curl -fsSL -o run.py https://example.com/latest", False),
    "the name that the address has": ("curl -fsSLO https://example.com/tools/app/run.py", False),
    "a name that the server gives": ("curl -fsSLJO https://example.com/latest", False),
    "an archive": ("curl -fsSL https://example.com/app.tar.gz | tar xz", False),
    "a script that runs": ("curl -fsSL https://example.com/install.sh | sh", False),
}


@pytest.mark.parametrize(("command", "is_missed"), CURL.values(), ids=CURL)
def test_curl_makes_the_file_that_it_names_and_no_other(command, is_missed, tmp_path):
    change = cmd('CMD ["python", "run.py"]', f"RUN {command}\n")

    assert is_missed == ("start-file-missing" in found(tmp_path, change))


@pytest.mark.parametrize(
    "options", ["--max-old-space-size=256", "--experimental-sqlite", "--no-warnings --env-file=.e"]
)
def test_the_file_that_node_runs_stands_behind_its_options(options, tmp_path):
    change = {"Dockerfile": f"{NODE}CMD node {options} index.js\n", "package.json": "{}", "server.js": ""}

    assert "error" == found(tmp_path, change)["start-file-missing"]


@pytest.mark.parametrize("options", ["--import ./instrument.mjs", "-r dotenv/config", "--loader x.mjs"])
def test_what_an_option_of_node_takes_is_not_the_file_that_it_runs(options, tmp_path):
    change = {"Dockerfile": f"{NODE}CMD node {options} server.js\n", "package.json": "{}", "server.js": ""}

    assert "start-file-missing" not in found(tmp_path, change)
