"""Volumes: an app finds buckets and the files of repositories as folders, if whoever attached them may read them."""

from __future__ import annotations

import itertools
import os
from pathlib import Path
from typing import Any

import pytest
from huggingface_hub import CommitOperationAdd, HfApi, SpaceHardware, Volume
from huggingface_hub.errors import BadRequestError, HfHubHTTPError, RevisionNotFoundError
from huggingface_hub.utils import get_session

from spaceops.localhub import LocalHub
from tests.localhub.conftest import Asker

NUMBERS = itertools.count(1)
DOCKERFILE = 'FROM python:3.11\nWORKDIR /app\nCOPY . .\nCMD ["python", "app.py", "7860"]\n'
APP = """
import http.server, pathlib, sys

class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        try:
            path = pathlib.Path(self.path)
            names = sorted(str(file.relative_to(path)) for file in path.rglob("*") if file.is_file())
            self.answer(200, "\\n".join(names).encode() if path.is_dir() else path.read_bytes())
        except OSError as error:
            self.answer(404, str(error).encode())

    def do_PUT(self):
        try:
            with pathlib.Path(self.path).open("wb") as file:
                file.write(self.rfile.read(int(self.headers["Content-Length"])))
            self.answer(200, b"")
        except OSError as error:
            self.answer(403, str(error).encode())

    def answer(self, status, body):
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *args):
        pass

http.server.ThreadingHTTPServer(("0.0.0.0", int(sys.argv[1])), Handler).serve_forever()
"""


@pytest.fixture
def bucket(api: HfApi) -> str:
    return api.create_bucket(f"ada/state-{next(NUMBERS)}").bucket_id


def deploy(api: HfApi, volumes: list[Volume]) -> str:
    """A Space that runs, and answers with the files that it finds at the path of the address."""
    name = f"reader-{next(NUMBERS)}"
    space = api.create_repo(name, repo_type="space", space_sdk="docker", space_volumes=volumes).repo_id
    files = {"Dockerfile": DOCKERFILE, "app.py": APP}
    operations = [CommitOperationAdd(path, text.encode()) for path, text in files.items()]
    api.create_commit(space, operations, repo_type="space", commit_message="app")
    runtime = api.wait_for_space(space)
    assert "RUNNING" == runtime.stage, runtime.raw
    return space


def read(api: HfApi, space: str, path: str) -> bytes | None:
    """What the app finds."""
    answer = get_session().get(f"{api.space_info(space).host}{path}")
    return answer.content if 200 == answer.status_code else None


def write(api: HfApi, space: str, path: str, content: bytes) -> int:
    """Let the app write."""
    return get_session().put(f"{api.space_info(space).host}{path}", content=content).status_code


def restarted(api: HfApi, space: str) -> Any:
    api.restart_space(space)
    return api.wait_for_space(space)


def test_an_app_reads_and_writes_a_bucket(api: HfApi, bucket: str) -> None:
    api.batch_bucket_files(bucket, add=[(b"before", "sub/before.txt")])
    space = deploy(api, [Volume(type="bucket", source=bucket, mount_path="/data")])
    assert b"before" == read(api, space, "/data/sub/before.txt")
    api.batch_bucket_files(bucket, add=[(b"meanwhile", "sub/meanwhile.txt")])
    assert b"meanwhile" == read(api, space, "/data/sub/meanwhile.txt")
    assert 200 == write(api, space, "/data/by-the-app.txt", b"written")
    assert ["by-the-app.txt", "sub/before.txt", "sub/meanwhile.txt"] == [f.path for f in api.list_bucket_tree(bucket)]
    assert "RUNNING" == restarted(api, space).stage
    assert b"written" == read(api, space, "/data/by-the-app.txt")


def test_an_app_finds_the_files_of_repositories_at_their_revisions(api: HfApi, model: str, tmp_path: Path) -> None:
    weights = os.urandom(100_000)
    first = api.upload_file(path_or_fileobj=weights, path_in_repo="sub/weights.safetensors", repo_id=model).oid
    api.upload_file(path_or_fileobj=b"new", path_in_repo="sub/new.txt", repo_id=model)
    dataset = api.create_repo(f"ada/texts-{next(NUMBERS)}", repo_type="dataset").repo_id
    volumes = [
        Volume(type="model", source=model, mount_path="/models/now"),
        Volume(type="model", source=model, mount_path="/models/then", revision=first),
        Volume(type="model", source=model, mount_path="/models/sub", path="sub"),
        Volume(type="dataset", source=dataset, mount_path="/texts"),
    ]
    space = deploy(api, volumes)
    assert b".gitattributes\nsub/new.txt\nsub/weights.safetensors" == read(api, space, "/models/now")
    assert b".gitattributes\nsub/weights.safetensors" == read(api, space, "/models/then")
    assert weights == read(api, space, "/models/then/sub/weights.safetensors")
    assert b"new.txt\nweights.safetensors" == read(api, space, "/models/sub")
    assert b".gitattributes" == read(api, space, "/texts")
    api.upload_file(path_or_fileobj=b"newer", path_in_repo="sub/new.txt", repo_id=model)
    assert b"new" == read(api, space, "/models/now/sub/new.txt")
    restarted(api, space)
    assert b"newer" == read(api, space, "/models/now/sub/new.txt")


def test_what_is_for_reading_only_cannot_be_written(api: HfApi, bucket: str, model: str) -> None:
    api.batch_bucket_files(bucket, add=[(b"kept", "file")])
    volumes = [
        Volume(type="bucket", source=bucket, mount_path="/data", read_only=True),
        Volume(type="model", source=model, mount_path="/model", read_only=False),
    ]
    space = deploy(api, volumes)
    for path in ("/data/file", "/data/new", "/model/.gitattributes", "/model/new"):
        assert 403 == write(api, space, path, b"changed")
    assert b"kept" == read(api, space, "/data/file")


def test_a_folder_of_a_bucket_is_a_volume_too_and_stays_when_it_is_empty(api: HfApi, bucket: str) -> None:
    api.batch_bucket_files(bucket, add=[(b"other", "other/file"), (b"mine", "mine/deep/file")])
    space = deploy(api, [Volume(type="bucket", source=bucket, mount_path="/data", path="mine/deep")])
    assert b"file" == read(api, space, "/data")
    api.batch_bucket_files(bucket, delete=["mine/deep/file"])
    assert 200 == write(api, space, "/data/again", b"x")
    assert ["mine/deep/again", "other/file"] == [file.path for file in api.list_bucket_tree(bucket)]


def test_the_source_of_a_volume_may_be_renamed(api: HfApi, bucket: str) -> None:
    space = deploy(api, [Volume(type="bucket", source=bucket, mount_path="/data")])
    write(api, space, "/data/kept", b"kept")
    api.move_bucket(bucket, f"Acme/moved-{next(NUMBERS)}")
    api.create_bucket(bucket)
    assert "RUNNING" == restarted(api, space).stage
    assert b"kept" == read(api, space, "/data/kept")


@pytest.mark.parametrize("kind", ["bucket", "model"])
def test_a_start_fails_when_the_source_of_a_volume_is_gone(api: HfApi, bucket: str, model: str, kind: str) -> None:
    source = bucket if kind == "bucket" else model
    space = deploy(api, [Volume(type=kind, source=source, mount_path="/data")])
    api.delete_bucket(bucket) if kind == "bucket" else api.delete_repo(model)
    assert "RUNNING" == api.get_space_runtime(space).stage
    runtime = restarted(api, space)
    assert "RUNTIME_ERROR" == runtime.stage
    message = (
        f"Initialization step 'hf-mount' failed with exit code: 1. Reason: {kind} {source} does not exist any more"
    )
    assert message == runtime.raw["errorMessage"]
    assert any(f"{kind} {source} does not exist" in line for line in api.fetch_space_logs(space))
    api.delete_space_volumes(space)
    assert "RUNNING" == api.wait_for_space(space).stage


def test_a_branch_that_is_gone_fails_the_start_too(api: HfApi, model: str) -> None:
    api.create_branch(model, branch="side")
    space = deploy(api, [Volume(type="model", source=model, mount_path="/model", revision="side")])
    api.delete_branch(model, branch="side")
    assert f"model {model} has no revision side" in restarted(api, space).raw["errorMessage"]


# who may attach what


def attach(api: HfApi, space: str, **volume: Any) -> None:
    api.set_space_volumes(space, [Volume(**{"type": "bucket", "mount_path": "/data", **volume})])


@pytest.fixture
def his(localhub: LocalHub, api: HfApi) -> tuple[HfApi, str]:
    """Bob, and a Space of his that he may attach volumes to."""
    bob = HfApi(endpoint=localhub.url, token="hf_bob")
    name = f"bob/space-{next(NUMBERS)}"
    hardware = SpaceHardware.T4_SMALL  # the free one takes a plan
    return bob, bob.create_repo(name, repo_type="space", space_sdk="docker", space_hardware=hardware).repo_id


def test_what_one_may_not_read_cannot_be_attached(api: HfApi, his: tuple[HfApi, str], bucket: str, model: str) -> None:
    bob, space = his
    attach(bob, space, source=bucket, read_only=True)
    with pytest.raises(HfHubHTTPError) as caught:
        attach(bob, space, source=bucket)
    assert 403 == caught.value.response.status_code
    attach(bob, space, type="model", source=model)
    api.update_bucket_settings(bucket, private=True)
    api.update_repo_settings(model, private=True)
    for kind, source in (("bucket", bucket), ("model", model), ("model", "ada/nothing"), ("bucket", "no/body")):
        with pytest.raises(BadRequestError, match="does not exist, or you may not read it"):
            attach(bob, space, type=kind, source=source, read_only=True)
    with pytest.raises(HfHubHTTPError):
        bob.create_repo(
            f"bob/another-{next(NUMBERS)}",
            repo_type="space",
            space_sdk="static",
            space_volumes=[Volume(type="bucket", source=bucket, mount_path="/data", read_only=True)],
        )
    assert ["model"] == [volume.type for volume in bob.get_space_runtime(space).volumes or []]


def test_a_gated_model_is_attached_by_its_own_people_only(
    api: HfApi, his: tuple[HfApi, str], space: str, model: str
) -> None:
    api.update_repo_settings(model, gated="manual")
    attach(api, space, type="model", source=model)
    with pytest.raises(HfHubHTTPError) as caught:
        attach(his[0], his[1], type="model", source=model)
    assert 403 == caught.value.response.status_code


def test_a_revision_that_is_not_there_cannot_be_attached(api: HfApi, space: str, model: str) -> None:
    with pytest.raises(RevisionNotFoundError):
        attach(api, space, type="model", source=model, revision="nope")


@pytest.mark.parametrize(
    "wrong",
    [
        {"path": "../x"},
        {"path": "a/../../b"},
        {"path": "a\0"},
        {"mount_path": "data"},
        {"mount_path": "/"},
        {"mount_path": "/a/../b"},
        {"mount_path": "/a\0"},
        {"source": "state"},
        {"source": "a/b/c"},
    ],
)
def test_paths_that_lead_elsewhere_cannot_be_attached(
    api: HfApi, space: str, bucket: str, wrong: dict[str, str]
) -> None:
    with pytest.raises(BadRequestError):
        attach(api, space, **{"source": bucket, **wrong})


def test_two_volumes_have_two_places(ask: Asker, space: str, bucket: str) -> None:
    one = {"type": "bucket", "source": bucket, "mountPath": "/data"}
    twice = [one, {**one, "mountPath": "/data/"}]
    assert 400 == ask("PUT", f"/api/spaces/{space}/volumes", json={"volumes": twice}).status_code


# what stays on the disk


def test_what_no_space_has_any_more_is_removed_at_the_next_start(tmp_path: Path) -> None:
    with LocalHub(tmp_path / "data") as hub:
        api = HfApi(endpoint=hub.url, token=hub.token)
        model = api.create_repo("demo/model").repo_id
        used = deploy(api, [Volume(type="model", source=model, mount_path="/model")])
        former = {folder.name for folder in (hub.folder / "mounts").iterdir()}
        api.upload_file(path_or_fileobj=b"x", path_in_repo="x", repo_id=model)
        restarted(api, used)
        assert 2 == len(list((hub.folder / "mounts").iterdir()))
    with LocalHub(tmp_path / "data") as hub:
        api = HfApi(endpoint=hub.url, token=hub.token)
        assert "RUNNING" == api.wait_for_space(used).stage
        assert b".gitattributes\nx" == read(api, used, "/model")
        (left,) = (hub.folder / "mounts").iterdir()
        assert left.name not in former
        assert not os.access(left / "x", os.W_OK) or 0 == os.getuid()
