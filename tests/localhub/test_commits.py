"""Commits through the API: what they may say, what they keep, and what they cost."""

from __future__ import annotations

import base64
import re
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx2 as httpx
import psutil
import pytest
from huggingface_hub import CommitOperationAdd, CommitOperationDelete, HfApi
from huggingface_hub.errors import HfHubHTTPError

from spaceops.localhub import LocalHub
from spaceops.localhub.trees import MOST_ENTRIES
from tests.localhub.conftest import Asker, Runner, git_url, ndjson

HEADER = ("header", {"summary": "a commit"})
Change = tuple[str, dict[str, Any]]


def add(path: str, content: str = "x") -> Change:
    return "file", {"path": path, "content": content, "encoding": "utf-8"}


def delete(path: str) -> Change:
    return "deletedFolder" if path.endswith("/") else "deletedFile", {"path": path}


def post(ask: Asker, model: str, *changes: Change, revision: str = "main", **header: Any) -> httpx.Response:
    start = ("header", {"summary": "a commit", **header})
    return ask("POST", f"/api/models/{model}/commit/{revision}", content=ndjson(start, *changes))


def files(api: HfApi, model: str, revision: str = "main") -> list[str]:
    return sorted(set(api.list_repo_files(model, revision=revision)) - {".gitattributes"})


def test_a_commit_says_what_it_was_told(api: HfApi, ask: Asker, localhub: LocalHub, model: str) -> None:
    answer = post(ask, model, add("ünï/🚀.txt", "é"), summary="Títle", description="first\n\nsecond").json()

    sha = api.model_info(model).sha
    assert {
        "success": True,
        "commitOid": sha,
        "commitUrl": f"{localhub.url}/{model}/commit/{sha}",
        "hookOutput": "",
    } == answer
    made = api.list_repo_commits(model)[0]
    assert ("Títle", "first\n\nsecond") == (made.title, made.message)
    assert "é" == ask("GET", f"/{model}/resolve/main/%C3%BCn%C3%AF/%F0%9F%9A%80.txt").text


def test_changes_apply_in_their_order(api: HfApi, ask: Asker, model: str) -> None:
    post(ask, model, add("old/a.txt"), add("old/b.txt"), add("x.txt"))

    post(ask, model, delete("old/"), add("old/c.txt"), delete("x.txt"), add("y.txt", "1"), add("y.txt", "2"))

    assert ["old/c.txt", "y.txt"] == files(api, model)
    assert "2" == ask("GET", f"/{model}/resolve/main/y.txt").text


@pytest.mark.parametrize("revision", ["dev", "refs%2Fheads%2Fdev"])
def test_a_branch_has_two_names(api: HfApi, ask: Asker, model: str, revision: str) -> None:
    api.create_branch(model, branch="dev")

    assert 200 == post(ask, model, add("dev.txt"), revision=revision).status_code

    assert (["dev.txt"], []) == (files(api, model, "dev"), files(api, model))


def test_only_branches_take_commits(api: HfApi, ask: Asker, model: str) -> None:
    api.create_tag(model, tag="v1")

    for revision in ("v1", "nope", str(api.model_info(model).sha), "refs%2Ftags%2Fv1", "HEAD", "main~1", "-x", "%00"):
        answer = post(ask, model, add("x"), revision=revision)
        assert (404, "RevisionNotFound") == (answer.status_code, answer.headers["X-Error-Code"])


def test_a_parent_may_be_short_and_must_be_the_last_commit(api: HfApi, ask: Asker, model: str) -> None:
    first = str(api.model_info(model).sha)
    second = post(ask, model, add("x"), parentCommit=first[:7]).json()["commitOid"]

    stale = post(ask, model, add("y"), parentCommit=first)

    assert 412 == stale.status_code
    assert "The branch was updated since you opened this page." in stale.json()["error"]
    assert 200 == post(ask, model, add("y"), parentCommit=second.upper()).status_code
    for parent in ("main", "abc", "--help", first + "0"):
        assert 400 == post(ask, model, add("z"), parentCommit=parent).status_code


def test_of_many_commits_on_one_parent_one_is_made(api: HfApi, ask: Asker, model: str) -> None:
    parent = api.model_info(model).sha
    said: list[int] = []

    def commit(number: int) -> None:
        said.append(post(ask, model, add(f"{number}.txt"), parentCommit=parent).status_code)

    threads = [threading.Thread(target=commit, args=(number,)) for number in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert [200, *[412] * 5] == sorted(said)
    assert 2 == len(api.list_repo_commits(model))


def test_what_changes_nothing_is_no_commit(api: HfApi, ask: Asker, model: str) -> None:
    api.upload_file(path_or_fileobj=b"\0large", path_in_repo="x.bin", repo_id=model)
    before = post(ask, model, add("a.txt", "same")).json()["commitOid"]
    large = api.get_paths_info(model, ["x.bin"])[0].lfs
    again = ("lfsFile", {"path": "x.bin", "algo": "sha256", "oid": large.sha256, "size": large.size})

    for changes in ([], [add("a.txt", "same")], [again], [again, add("a.txt", "same")]):
        answer = post(ask, model, *changes)
        assert (200, before) == (answer.status_code, answer.json()["commitOid"])
    assert before == api.model_info(model).sha
    assert before != post(ask, model, add("a.txt", "other")).json()["commitOid"]


def test_what_changes_nothing_builds_no_space(api: HfApi, ask: Asker, localhub: LocalHub, space: str) -> None:
    upload = ("file", {"path": "Dockerfile", "content": "FROM alpine\n", "encoding": "utf-8"})
    for _ in range(2):
        answer = ask("POST", f"/api/spaces/{space}/commit/main", content=ndjson(HEADER, upload))
        assert "BUILD_ERROR" == api.wait_for_space(space).stage

    assert answer.json()["commitOid"] == api.space_info(space).sha
    assert 1 == localhub.counters(space)["rebuilds"]


@pytest.mark.parametrize(
    "changes",
    [
        [add("a"), add("a/b")],
        [add("a/b"), add("a")],
        [add("file.txt/b")],
        [add("file.txt/b/c")],
        [add("folder")],
        [delete("file.txt"), add("folder/x.txt/y")],
    ],
)
def test_nothing_is_a_file_and_a_folder(api: HfApi, ask: Asker, model: str, changes: list[Change]) -> None:
    before = post(ask, model, add("file.txt"), add("folder/x.txt")).json()["commitOid"]

    answer = post(ask, model, *changes)

    assert 422 == answer.status_code
    assert before == api.model_info(model).sha


def test_a_file_may_take_the_place_of_a_folder_that_goes_and_the_other_way_round(
    api: HfApi, ask: Asker, model: str
) -> None:
    post(ask, model, add("file.txt"), add("folder/x.txt"))

    answer = post(ask, model, delete("file.txt"), add("file.txt/now"), delete("folder/"), add("folder"))

    assert 200 == answer.status_code, answer.text
    assert ["file.txt/now", "folder"] == files(api, model)


def test_what_is_not_there_cannot_go(api: HfApi, ask: Asker, model: str) -> None:
    post(ask, model, add("folder/x.txt"))

    for change in (delete("nope.txt"), delete("nope/"), delete("folder/x.txt/y"), delete("FOLDER/")):
        answer = post(ask, model, add("y"), change)
        assert (404, "EntryNotFound") == (answer.status_code, answer.headers["X-Error-Code"])
        assert "A file with this name doesn't exist" in answer.json()["error"]
    assert ["folder/x.txt"] == files(api, model)
    assert 200 == post(ask, model, ("deletedFile", {"path": "folder"})).status_code


def test_exec_bits_and_symlinks_stay(
    run: Runner, api: HfApi, ask: Asker, localhub: LocalHub, model: str, tmp_path: Path
) -> None:
    folder = tmp_path / "clone"
    run("git", "clone", "--quiet", git_url(localhub, model), str(folder))
    (folder / "run.sh").write_text("#!/bin/sh\n")
    (folder / "run.sh").chmod(0o755)
    (folder / "link").symlink_to("run.sh")
    run("git", "add", "--all", cwd=folder)
    run("git", "commit", "--quiet", "-m", "x", cwd=folder)
    run("git", "push", "--quiet", cwd=folder)

    post(ask, model, add("run.sh", "#!/bin/sh\necho\n"), add("other"))
    run("git", "pull", "--quiet", cwd=folder)

    assert (folder / "link").is_symlink()
    assert (folder / "run.sh").stat().st_mode & 0o100
    post(ask, model, add("link", "a file now"))
    run("git", "pull", "--quiet", cwd=folder)
    assert ("a file now", False) == ((folder / "link").read_text(), (folder / "link").is_symlink())


def test_a_gitattributes_file_in_the_same_commit_is_added_to(api: HfApi, ask: Asker, model: str) -> None:
    api.upload_file(path_or_fileobj=b"\0large", path_in_repo="x.bin", repo_id=model)
    oid = api.get_paths_info(model, ["x.bin"])[0].lfs.sha256
    copy = ("lfsFile", {"path": "sub/copy.txt", "algo": "sha256", "oid": oid})

    post(ask, model, add(".gitattributes", "*.mine text"), copy)

    text = ask("GET", f"/{model}/resolve/main/.gitattributes").text
    assert "*.mine text\nsub/copy.txt filter=lfs diff=lfs merge=lfs -text\n" == text


LINES = [
    b"",
    b"\n\n",
    b"{",
    b"[]",
    b'"x"',
    b'{"key": "header"}',
    b'{"key": "header", "value": {}}',
    b'{"key": "header", "value": {"summary": 5}}',
    b'{"key": "header", "value": {"summary": ""}}',
    b'{"key": "header", "value": {"summary": "\\ud800"}}',
    b"\xff\xfe",
    ndjson(add("x")),
    ndjson(HEADER, ("file", {"path": "x"})),
    ndjson(HEADER, ("file", {"path": 5, "content": ""})),
    ndjson(HEADER, ("file", {"path": "x", "content": "a", "encoding": "base64"})),
    ndjson(HEADER, ("file", {"path": "x", "content": "a", "encoding": "rot13"})),
    ndjson(HEADER, ("lfsFile", {"path": "x", "oid": "0" * 64, "algo": "md5"})),
    ndjson(HEADER, ("lfsFile", {"path": "x", "oid": "0" * 64, "size": -5})),
    ndjson(HEADER, ("symlink", {"path": "x", "content": "/etc"})),
    ndjson(HEADER) + b'{"key": "file", "value": ' + b"[" * 5000,
    ndjson(HEADER) + b'{"key": "deletedFile", "value": {"path": "\\ud800"}}',
    ndjson(HEADER) + b'{"key": "file", "value": {"path": "x", "content": "\\ud800"}}',
]


@pytest.mark.parametrize("body", LINES, ids=range(len(LINES)))
def test_a_body_that_makes_no_sense_is_refused(api: HfApi, ask: Asker, model: str, body: bytes) -> None:
    before = api.model_info(model).sha

    answer = ask("POST", f"/api/models/{model}/commit/main", content=body)

    assert answer.status_code in (400, 422)
    assert answer.json()["error"]
    assert before == api.model_info(model).sha


def test_a_line_that_does_not_end_is_too_large(ask: Asker, model: str) -> None:
    def body() -> Iterator[bytes]:
        yield ndjson(HEADER) + b'{"key": "file", "value": {"path": "x", "content": "'
        for _ in range(65):
            yield b"A" * (1 << 20)

    assert 413 == ask("POST", f"/api/models/{model}/commit/main", content=body()).status_code


def test_ten_thousand_files_come_in_one_commit(api: HfApi, ask: Asker, model: str) -> None:
    changes = [add(f"{number % 10}/{number}.txt", str(number)) for number in range(10_000)]

    answer = ask("POST", f"/api/models/{model}/commit/main", content=ndjson(HEADER, *changes), timeout=60)

    assert 200 == answer.status_code
    assert "9999" == ask("GET", f"/{model}/resolve/main/9/9999.txt").text
    assert 10_000 == len(files(api, model))


def test_a_folder_has_ten_thousand_entries_at_most(api: HfApi, ask: Asker, model: str) -> None:
    full = [add(f"data/{number}") for number in range(MOST_ENTRIES)]
    assert 200 == ask("POST", f"/api/models/{model}/commit/main", content=ndjson(HEADER, *full), timeout=60).status_code

    refused = post(ask, model, add("data/sub/one more"))

    assert 400 == refused.status_code
    assert "too many files per directory" in refused.json()["error"]
    assert "/data/" in refused.json()["error"]
    assert 200 == post(ask, model, delete("data/5"), add("data/sub/one more"), add("elsewhere")).status_code


def big_body() -> Iterator[bytes]:
    """14 files of 7.5 MB in base64: all that the client sends in one commit."""
    yield ndjson(HEADER)
    for number in range(14):
        content = base64.b64encode(bytes([number]) * 7_500_000).decode()
        yield ndjson(("file", {"path": f"{number}", "content": content, "encoding": "base64"}))


def test_a_body_of_140_mb_takes_little_memory(tmp_path: Path) -> None:
    words = [sys.executable, "-m", "spaceops", "hub", "serve", "--data", str(tmp_path), "--port", "0"]
    with subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True) as server:
        assert server.stdout
        url = server.stdout.readline().split()[1]
        HfApi(endpoint=url, token="hf_local").create_repo("demo/big")
        process, sizes, over = psutil.Process(server.pid), list[int](), threading.Event()

        def watch() -> None:
            while not over.wait(0.01):
                sizes.append(process.memory_info().rss)

        watching = threading.Thread(target=watch)
        watching.start()
        with httpx.Client(timeout=60, trust_env=False, headers={"Authorization": "Bearer hf_local"}) as client:
            answer = client.post(f"{url}/api/models/demo/big/commit/main", content=big_body())
        over.set()
        watching.join()
        server.terminate()

    assert 200 == answer.status_code, answer.text
    assert max(sizes) - sizes[0] < 64 << 20


def test_a_pointer_in_place_of_a_large_file_is_refused_unless_the_file_is_there(
    api: HfApi, ask: Asker, model: str
) -> None:
    api.upload_file(path_or_fileobj=b"\0large", path_in_repo="x.bin", repo_id=model)
    known = ask("GET", f"/{model}/raw/main/x.bin").text

    for lost in (known.replace("size 6", "size 7"), re.sub("[0-9a-f]{64}", "0" * 64, known)):
        answer = post(ask, model, add("y.bin", lost))
        assert 400 == answer.status_code
        assert "an LFS pointer pointed to a file that does not exist" in answer.json()["error"]
    assert 200 == post(ask, model, add("y.bin", known)).status_code
    assert b"\0large" == ask("GET", f"/{model}/resolve/main/y.bin").content


def test_the_client_deletes_what_patterns_name(api: HfApi, model: str, tmp_path: Path) -> None:
    for name in ("a.txt", "b.txt", "keep.md"):
        (tmp_path / name).write_text(name)
    api.upload_folder(repo_id=model, folder_path=tmp_path)
    (tmp_path / "a.txt").unlink()

    api.upload_folder(repo_id=model, folder_path=tmp_path, delete_patterns="*.txt")

    assert ["b.txt", "keep.md"] == files(api, model)
    api.delete_files(model, ["*.txt"])
    api.delete_file("keep.md", model)
    assert [] == files(api, model)


def test_one_operation_that_fails_spoils_all(api: HfApi, model: str) -> None:
    operations = [CommitOperationAdd("x.txt", b"x"), CommitOperationDelete("nope.txt")]

    with pytest.raises(HfHubHTTPError, match="doesn't exist"):
        api.create_commit(model, operations, commit_message="x")

    assert [] == files(api, model)
