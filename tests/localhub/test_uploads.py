"""Files on their way in: what is asked first, and the three ways that large ones come."""

from __future__ import annotations

import base64
import hashlib
import os
from pathlib import Path
from typing import Any

import pytest
from huggingface_hub import HfApi

from spaceops.localhub import LocalHub
from tests.localhub.conftest import Asker, Runner, ndjson

BIG = 15_000_000  # bytes
HEADER = ("header", {"summary": "a commit"})


@pytest.fixture(scope="module")
def big(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A file of 15 MB that no one can compress."""
    file = tmp_path_factory.mktemp("big") / "weights.bin"
    file.write_bytes(os.urandom(BIG))
    return file


def sha256(file: Path) -> str:
    return hashlib.sha256(file.read_bytes()).hexdigest()


def preupload(ask: Asker, model: str, *files: dict[str, Any], **more: Any) -> dict[str, dict[str, Any]]:
    answer = ask("POST", f"/api/models/{model}/preupload/main", json={"files": list(files), **more})
    assert 200 == answer.status_code, answer.text
    return {file["path"]: file for file in answer.json()["files"]}


def sample(path: str, content: bytes, size: int | None = None) -> dict[str, Any]:
    size = len(content) if size is None else size
    return {"path": path, "sample": base64.b64encode(content[:512]).decode(), "size": size}


def test_what_is_binary_large_or_tracked_goes_the_way_of_large_files(ask: Asker, model: str) -> None:
    modes = preupload(
        ask,
        model,
        sample("text.txt", b"text"),
        sample("nul.txt", b"a\0b"),
        sample("huge.txt", b"text", size=10_000_001),
        sample("text.safetensors", b"text"),
        sample("empty.bin", b""),
    )

    assert {
        "text.txt": "regular",
        "nul.txt": "lfs",
        "huge.txt": "lfs",
        "text.safetensors": "lfs",
        "empty.bin": "regular",
    } == {path: mode["uploadMode"] for path, mode in modes.items()}


def test_a_gitattributes_file_of_the_repository_counts(api: HfApi, ask: Asker, model: str) -> None:
    api.upload_file(path_or_fileobj=b"*.csv filter=lfs\n", path_in_repo=".gitattributes", repo_id=model)

    modes = preupload(ask, model, sample("x.csv", b"1,2"), sample("x.bin", b"text"))

    assert ("lfs", "regular") == (modes["x.csv"]["uploadMode"], modes["x.bin"]["uploadMode"])


def test_what_gitignore_names_is_ignored(api: HfApi, ask: Asker, model: str) -> None:
    api.upload_file(path_or_fileobj=b"*.log\n[z-a]\n!\n", path_in_repo=".gitignore", repo_id=model)
    files = [sample("x.log", b"1"), sample("sub/x.log", b"1"), sample("x.txt", b"1")]

    there = preupload(ask, model, *files)
    sent = preupload(ask, model, *files, gitIgnore="*.txt\n")

    assert [True, True, False] == [mode["shouldIgnore"] for mode in there.values()]
    assert [False, False, True] == [mode["shouldIgnore"] for mode in sent.values()]


def test_the_rules_of_folders_count(api: HfApi, ask: Asker, model: str) -> None:
    api.upload_file(path_or_fileobj=b"*.csv filter=lfs\n", path_in_repo="data/.gitattributes", repo_id=model)
    api.upload_file(path_or_fileobj=b"*.tmp\n", path_in_repo="data/.gitignore", repo_id=model)
    files = [sample(path, b"1,2") for path in ("x.csv", "data/x.csv", "data/1/x.csv", "x.tmp", "data/1/x.tmp")]

    modes = preupload(ask, model, *files, gitIgnore="x.csv\n")

    assert {"data/x.csv", "data/1/x.csv"} == {path for path, mode in modes.items() if mode["uploadMode"] == "lfs"}
    assert {"x.csv", "data/x.csv", "data/1/x.csv", "data/1/x.tmp"} == {
        path for path, mode in modes.items() if mode["shouldIgnore"]
    }


def test_a_file_that_is_there_already_makes_no_commit(api: HfApi, localhub: LocalHub, model: str) -> None:
    upload = {"path_or_fileobj": b"\0same", "path_in_repo": "x.bin", "repo_id": model}
    first = api.upload_file(**upload)
    localhub.requests.clear()

    second = api.upload_file(**upload)

    assert first.oid == second.oid
    assert not any("/commit/" in path or "/xorbs/" in path for _, path in localhub.requests)


def test_too_many_files_in_one_question_are_refused(ask: Asker, model: str) -> None:
    body = {"files": [sample(f"{number}.txt", b"x") for number in range(257)]}

    assert 413 == ask("POST", f"/api/models/{model}/preupload/main", json=body).status_code


def test_without_xet_15_mb_come_in_parts(run: Runner, api: HfApi, localhub: LocalHub, model: str, big: Path) -> None:
    localhub.requests.clear()
    run("hf", "upload", model, str(big), "weights.bin", HF_HUB_DISABLE_XET="1")

    uploads = [method for method, path in localhub.requests if path.startswith("/lfs/upload/")]
    assert ["PUT", "PUT", "POST"] == sorted(uploads, reverse=True)
    assert sha256(big) == api.get_paths_info(model, ["weights.bin"])[0].lfs.sha256


def test_without_xet_a_smaller_file_comes_in_one_piece(
    run: Runner, api: HfApi, localhub: LocalHub, model: str, tmp_path: Path
) -> None:
    file = tmp_path / "x.bin"
    file.write_bytes(os.urandom(2_000_000))
    localhub.requests.clear()
    run("hf", "upload", model, str(file), "x.bin", HF_HUB_DISABLE_XET="1")

    assert ["PUT"] == [method for method, path in localhub.requests if path.startswith("/lfs/upload/")]
    assert sha256(file) == api.get_paths_info(model, ["x.bin"])[0].lfs.sha256


def batch(ask: Asker, model: str, content: bytes, operation: str = "upload", **more: Any) -> dict[str, Any]:
    wanted = {"oid": hashlib.sha256(content).hexdigest(), "size": len(content)}
    body = {"operation": operation, "transfers": ["basic"], "objects": [wanted], **more}
    answer = ask("POST", f"/{model}.git/info/lfs/objects/batch", json=body)
    assert 200 == answer.status_code, answer.text
    found: dict[str, Any] = answer.json()["objects"][0]
    return found


def path_of(localhub: LocalHub, action: dict[str, Any]) -> str:
    return str(action["href"]).removeprefix(localhub.url)


def test_an_address_for_an_upload_needs_no_token_and_is_good_for_one_file(
    ask: Asker, localhub: LocalHub, model: str
) -> None:
    actions = batch(ask, model, b"content")["actions"]
    address, verify = path_of(localhub, actions["upload"]), path_of(localhub, actions["verify"])

    assert 404 == ask("POST", verify, token=None, json={}).status_code
    assert 400 == ask("PUT", address, token=None, content=b"other!!").status_code
    assert 400 == ask("PUT", address, token=None, content=b"content and more").status_code
    assert 200 == ask("PUT", address, token=None, content=b"content").status_code
    assert 200 == ask("POST", verify, token=None, json={}).status_code
    assert "actions" not in batch(ask, model, b"content")


@pytest.mark.parametrize("change", [("ticket=", "ticket=1"), ("size=7", "size=8"), ("upload", "download")])
def test_an_address_that_was_changed_opens_nothing(
    ask: Asker, localhub: LocalHub, model: str, change: tuple[str, str]
) -> None:
    address = path_of(localhub, batch(ask, model, b"content")["actions"]["upload"])
    method = "GET" if "download" in change else "PUT"

    answer = ask(method, address.replace(*change), token=None, content=b"content")

    assert 403 == answer.status_code


def test_a_download_in_lfs_terms(api: HfApi, ask: Asker, localhub: LocalHub, model: str) -> None:
    api.upload_file(path_or_fileobj=b"\0content", path_in_repo="x.bin", repo_id=model)

    found = batch(ask, model, b"\0content", "download")
    missing = batch(ask, model, b"nope", "download")

    address = path_of(localhub, found["actions"]["download"])
    assert b"cont" == ask("GET", address, token=None, headers={"Range": "bytes=1-4"}).content
    assert 404 == missing["error"]["code"]


def test_an_upload_wants_the_right_to_write(ask: Asker, model: str) -> None:
    body = {"operation": "upload", "objects": [], "ref": {"name": "refs/heads/main"}}
    path = f"/{model}.git/info/lfs/objects/batch"

    assert 401 == ask("POST", path, token=None, json=body).status_code
    assert 403 == ask("POST", path, token="hf_bob", json=body).status_code
    assert 403 == ask("GET", f"/api/models/{model}/xet-write-token/main", token="hf_bob").status_code


@pytest.mark.parametrize("wanted", [{"oid": "x", "size": 1}, {"oid": "0" * 64, "size": -1}])
def test_a_large_file_that_cannot_be_is_refused_by_itself(ask: Asker, model: str, wanted: dict[str, Any]) -> None:
    body = {"operation": "upload", "objects": [wanted, {"oid": "1" * 64, "size": 1}]}
    bad, good = ask("POST", f"/{model}.git/info/lfs/objects/batch", json=body).json()["objects"]

    assert 422 == bad["error"]["code"]
    assert "upload" in good["actions"]


def test_a_commit_needs_its_large_files_first(ask: Asker, model: str) -> None:
    line = ("lfsFile", {"path": "x.bin", "algo": "sha256", "oid": "0" * 64, "size": 5})

    answer = ask("POST", f"/api/models/{model}/commit/main", content=ndjson(HEADER, line))

    assert 400 == answer.status_code
    assert "a file that does not exist" in answer.json()["error"]


def test_a_large_body_arrives_whole(api: HfApi, ask: Asker, model: str) -> None:
    content = os.urandom(6_000_000)
    line = ("file", {"path": "x", "content": base64.b64encode(content).decode(), "encoding": "base64"})

    answer = ask("POST", f"/api/models/{model}/commit/main", content=ndjson(HEADER, line))

    assert answer.json()["commitOid"] == api.model_info(model).sha
    assert content == ask("GET", f"/{model}/resolve/main/x").content
