"""What a file's address answers: ranges, conditions, names; the same for small files and large ones."""

from __future__ import annotations

import pytest
from huggingface_hub import CommitOperationAdd, HfApi

from spaceops.localhub import LocalHub
from tests.localhub.conftest import Asker

SMALL, LARGE = b"0123456789" * 10, bytes(range(256)) * 5000


FILES = {"small.txt": SMALL, "large.bin": LARGE, "empty.txt": b""}


@pytest.fixture(scope="module", autouse=True)
def _files(localhub: LocalHub) -> None:
    """A model with the three files."""
    api = HfApi(endpoint=localhub.url, token="hf_ada")
    api.create_repo("ada/content")
    operations = [CommitOperationAdd(f"a/{name}", content) for name, content in FILES.items()]
    api.create_commit("ada/content", operations, commit_message="add")


@pytest.fixture(params=FILES)
def file(request: pytest.FixtureRequest) -> tuple[str, bytes]:
    """The address of a file, and its content."""
    return f"/ada/content/resolve/main/a/{request.param}", FILES[request.param]


def test_a_client_that_has_it_is_told_so(ask: Asker, file: tuple[str, bytes]) -> None:
    address, content = file
    etag = ask("HEAD", address).headers["ETag"]

    for known in (etag, f"W/{etag}", f'"other", {etag}', "*"):
        answer = ask("GET", address, headers={"If-None-Match": known})
        assert (304, b"", etag) == (answer.status_code, answer.content, answer.headers["ETag"])
        assert 40 == len(answer.headers["X-Repo-Commit"])
    assert content == ask("GET", address, headers={"If-None-Match": '"other"'}).content


@pytest.mark.parametrize("asked", ["bytes=0-0", "bytes=5-", "bytes=-7", "bytes=2-9999999", "bytes=-9999999"])
def test_a_part_is_exactly_that_part(ask: Asker, file: tuple[str, bytes], asked: str) -> None:
    address, content = file
    first, _, last = asked.removeprefix("bytes=").partition("-")
    part = content[-int(last) :] if not first else content[int(first) : int(last) + 1 if last else None]
    answer, head = (ask(method, address, headers={"Range": asked}) for method in ("GET", "HEAD"))

    assert (206 if part else 416) == answer.status_code == head.status_code
    if part:
        start = content.index(part) if first else len(content) - len(part)
        assert part == answer.content
        assert f"bytes {start}-{start + len(part) - 1}/{len(content)}" == answer.headers["Content-Range"]
        assert str(len(part)) == answer.headers["Content-Length"] == head.headers["Content-Length"]
    else:
        assert f"bytes */{len(content)}" == answer.headers["Content-Range"]


@pytest.mark.parametrize("asked", ["bytes=-", "bytes=x-y", "lines=1-2", "bytes=0-1,4-5", "bytes", ""])
def test_what_is_no_single_range_is_answered_with_everything(ask: Asker, file: tuple[str, bytes], asked: str) -> None:
    address, content = file
    answer = ask("GET", address, headers={"Range": asked})

    assert (200, content) == (answer.status_code, answer.content)


@pytest.mark.parametrize("asked", ["bytes=9999999-", "bytes=5-2", "bytes=-0"])
def test_bytes_that_there_are_not(ask: Asker, file: tuple[str, bytes], asked: str) -> None:
    address, content = file
    answer = ask("GET", address, headers={"Range": asked})

    assert (416, f"bytes */{len(content)}") == (answer.status_code, answer.headers["Content-Range"])
    assert f"There are {len(content)} bytes" == answer.json()["error"]


def test_a_part_of_what_has_changed_meanwhile_is_everything(ask: Asker, file: tuple[str, bytes]) -> None:
    address, content = file
    etag = ask("HEAD", address).headers["ETag"]

    changed = ask("GET", address, headers={"Range": "bytes=0-2", "If-Range": '"other"'})
    assert (200, content) == (changed.status_code, changed.content)
    same = ask("GET", address, headers={"Range": "bytes=0-2", "If-Range": etag})
    assert (206 if content else 416) == same.status_code


def test_the_same_is_said_of_a_file_without_its_content(ask: Asker, file: tuple[str, bytes]) -> None:
    address, content = file
    head, whole = ask("HEAD", address), ask("GET", address)
    differ = {"date", "x-request-id", "ratelimit"}

    assert b"" == head.content
    assert str(len(content)) == head.headers["Content-Length"]
    assert {k: v for k, v in head.headers.items() if k not in differ} == {
        k: v for k, v in whole.headers.items() if k not in differ
    }


@pytest.mark.parametrize(
    ("name", "plain", "encoded"),
    [("plain.txt", "plain.txt", "plain.txt"), ('fö"o;.txt', "f__o;.txt", "f%C3%B6%22o%3B.txt")],
)
def test_a_browser_is_told_the_name(api: HfApi, ask: Asker, model: str, name: str, plain: str, encoded: str) -> None:
    api.create_commit(model, [CommitOperationAdd(f"b/{name}", b"x")], commit_message="add")
    shown, saved = (ask("GET", f"/{model}/resolve/main/b/{name}{query}") for query in ("", "?download=true"))

    assert f"inline; filename*=UTF-8''{encoded}; filename=\"{plain}\";" == shown.headers["Content-Disposition"]
    assert saved.headers["Content-Disposition"].startswith("attachment;")
