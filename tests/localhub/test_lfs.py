"""Large files by LFS: in parts, at once, cut off, and wrong in every way; with git-lfs and below it."""

from __future__ import annotations

import hashlib
import os
import socket
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import httpx2 as httpx
import pytest
from huggingface_hub import HfApi

from spaceops.localhub import LocalHub
from spaceops.localhub.routes.lfs import LARGEST, OBJECTS_PER_CALL, PART
from tests.localhub.conftest import Asker, Runner, git_url

CONTENT = os.urandom(PART) + b"the second part"


def sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def batch(ask: Asker, model: str, *objects: tuple[str, int], token: str = "hf_ada", **more: Any) -> dict[str, Any]:
    body = {"operation": "upload", "transfers": ["basic", "multipart"], "ref": {"name": "refs/heads/main"}, **more}
    body["objects"] = [{"oid": oid, "size": size} for oid, size in objects]
    answer = ask("POST", f"/{model}.git/info/lfs/objects/batch", token=token, json=body)
    assert 200 == answer.status_code, answer.text
    found: dict[str, Any] = answer.json()
    return found


class Upload:
    """A large file on its way, in parts."""

    def __init__(self, ask: Asker, model: str, content: bytes = CONTENT, token: str = "hf_ada") -> None:
        self.ask, self.model, self.content, self.oid = ask, model, content, sha256(content)
        [found] = batch(ask, model, (self.oid, len(content)), token=token)["objects"]
        action = found["actions"]["upload"]
        self.size = int(action["header"].pop("chunk_size"))
        self.addresses = [self._path(action["header"][number]) for number in sorted(action["header"])]
        self.end = self._path(action["href"])

    def _path(self, address: str) -> str:
        return "/lfs/" + address.partition("/lfs/")[2]

    def put(self, number: int, content: bytes | None = None) -> httpx.Response:
        own = self.content[(number - 1) * self.size : number * self.size]
        return self.ask("PUT", self.addresses[number - 1], token=None, content=own if content is None else content)

    def complete(self, *etags: str) -> httpx.Response:
        sent = [{"partNumber": number, "etag": etag} for number, etag in enumerate(etags, 1)]
        return self.ask("POST", self.end, token=None, json={"oid": self.oid, "parts": sent})

    def is_there(self) -> bool:
        return "actions" not in batch(self.ask, self.model, (self.oid, len(self.content)))["objects"][0]


@pytest.fixture
def upload(ask: Asker, model: str) -> Upload:
    return Upload(ask, model)


def test_a_file_comes_in_parts_in_any_order_and_more_than_once(upload: Upload, localhub: LocalHub) -> None:
    upload.put(2)
    upload.put(1)
    etags = [upload.put(number).headers["ETag"] for number in (1, 2)]
    assert not upload.is_there()

    assert 200 == upload.complete(*etags).status_code

    assert upload.is_there()
    assert [] == list((localhub.folder / "parts").iterdir())
    assert 200 == upload.complete(*etags).status_code  # as a client does that did not hear the first answer


def test_a_part_must_be_the_whole_part(upload: Upload) -> None:
    assert 400 == upload.put(2, b"short").status_code
    assert 400 == upload.put(2, b"much longer than the second part").status_code
    assert 400 == upload.put(1, CONTENT[: PART - 1]).status_code
    for number in ("0", "3", "x", "-1", "99999999999"):
        address = upload.addresses[0].replace("part=1", f"part={number}")
        assert 400 == upload.ask("PUT", address, token=None, content=b"x").status_code


def test_a_file_is_complete_with_all_its_parts_only(upload: Upload) -> None:
    etags = [upload.put(number).headers["ETag"] for number in (1, 2)]

    assert 400 == upload.complete().status_code
    assert 400 == upload.complete(etags[0]).status_code
    assert 400 == upload.complete(*etags, etags[1]).status_code
    assert 400 == upload.complete(etags[0], sha256(b"never sent")).status_code
    assert 400 == upload.complete(etags[0], "../../../hub.sqlite3").status_code
    assert 400 == upload.ask("POST", upload.end, token=None, json={"parts": 5}).status_code
    assert not upload.is_there()
    assert 200 == upload.complete(*etags).status_code


def test_wrong_parts_make_no_file_and_are_in_nobodys_way(upload: Upload) -> None:
    right = [upload.put(number).headers["ETag"] for number in (1, 2)]
    wrong = upload.put(2, b"the-second-part").headers["ETag"]

    answer = upload.complete(right[0], wrong)

    assert (400, False) == (answer.status_code, upload.is_there())
    assert 200 == upload.complete(*right).status_code


def test_parts_that_were_acknowledged_outlive_the_server(tmp_path: Path) -> None:
    def ask_of(hub: LocalHub) -> Asker:
        return Asker(stack.enter_context(httpx.Client(base_url=hub.url, timeout=20, trust_env=False)))

    with ExitStack() as stack:
        with LocalHub(tmp_path) as hub:
            model = HfApi(endpoint=hub.url, token=hub.token).create_repo("demo/x").repo_id
            upload = Upload(ask_of(hub), model, token=hub.token)
            first = upload.put(1).headers["ETag"]
        with LocalHub(tmp_path) as hub:
            upload.ask = ask_of(hub)
            assert 200 == upload.complete(first, upload.put(2).headers["ETag"]).status_code


def test_two_clients_that_send_the_same_file_at_once_are_both_right(ask: Asker, model: str) -> None:
    with ThreadPoolExecutor(4) as pool:
        uploads = [Upload(ask, model) for _ in range(4)]
        etags = list(pool.map(lambda one: [one.put(number).headers["ETag"] for number in (1, 2)], uploads))
        ends = list(pool.map(lambda one, tags: one.complete(*tags).status_code, uploads, etags))

    assert [200] * 4 == ends


def test_many_whole_uploads_of_one_file_at_once_are_all_right(ask: Asker, model: str) -> None:
    content = os.urandom(1_000_000)
    [found] = batch(ask, model, (sha256(content), len(content)))["objects"]
    address = "/lfs/" + found["actions"]["upload"]["href"].partition("/lfs/")[2]

    with ThreadPoolExecutor(4) as pool:
        answers = list(pool.map(lambda _: ask("PUT", address, token=None, content=content), range(4)))

    assert [200] * 4 == [answer.status_code for answer in answers]


def test_an_upload_that_breaks_off_leaves_nothing(ask: Asker, localhub: LocalHub, model: str) -> None:
    [found] = batch(ask, model, (sha256(CONTENT), len(CONTENT)), transfers=["basic"])["objects"]
    address = "/lfs/" + found["actions"]["upload"]["href"].partition("/lfs/")[2]
    host, port = localhub.url.removeprefix("http://").split(":")
    arriving = localhub.folder / "tmp"

    with socket.create_connection((host, int(port))) as connection:
        head = f"PUT {address} HTTP/1.1\r\nHost: {host}:{port}\r\nContent-Length: {len(CONTENT)}\r\n\r\n"
        connection.sendall(head.encode() + CONTENT[: PART // 2])
        until(lambda: any(file.stat().st_size for file in arriving.iterdir()))

    until(lambda: not list(arriving.iterdir()))
    assert "actions" in batch(ask, model, (sha256(CONTENT), len(CONTENT)))["objects"][0]


def until(condition: Any, seconds: float = 20) -> None:
    """Wait until something is so."""
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.01)


def test_the_addresses_of_parts_are_in_order_also_as_text(ask: Asker, model: str) -> None:
    """git-lfs hands the header to its agent sorted as text, and the agent sends the parts in that order."""
    found = batch(ask, model, ("1" * 64, 25 * PART), ("2" * 64, 5), ("3" * 64, LARGEST))
    headers = [one["actions"]["upload"]["header"] for one in found["objects"]]

    assert "multipart" == found["transfer"]
    for header, count in zip(headers, (25, 1, 10_000), strict=True):
        numbers = sorted(key for key in header if key.isdigit())
        assert [f"part={number}" for number in range(1, count + 1)] == [
            header[number].rpartition("&")[2] for number in numbers
        ]
    assert "chunk_size" in headers[1]  # the agent cannot do without, however small the file


def test_nobody_gets_parts_who_did_not_ask_for_them(ask: Asker, model: str) -> None:
    big, small = ("1" * 64, 25 * PART), ("2" * 64, 5)

    assert "basic" == batch(ask, model, big, transfers=["basic", "ssh"])["transfer"]
    assert "basic" == batch(ask, model, small)["transfer"]


def test_each_object_is_answered_for_itself(ask: Asker, model: str) -> None:
    upload = Upload(ask, model, b"x" * (PART + 1))
    upload.complete(*(upload.put(number).headers["ETag"] for number in (1, 2)))

    objects = batch(
        ask,
        model,
        (upload.oid, PART + 1),
        (upload.oid, 5),
        ("1" * 64, LARGEST + 1),
        ("1" * 64, 10**30),
        ("A" * 64, 1),
        ("1" * 64, 1),
    )["objects"]

    assert [None, 422, 422, 422, 422, None] == [one.get("error", {}).get("code") for one in objects]
    assert ["actions" in one for one in objects] == [False] * 5 + [True]


@pytest.mark.parametrize(
    "body",
    [
        {"operation": "steal", "objects": []},
        {"operation": "upload"},
        {"operation": "upload", "objects": [{"oid": 5, "size": "x"}]},
        [],
    ],
)
def test_a_batch_that_makes_no_sense_is_refused(ask: Asker, model: str, body: Any) -> None:
    assert 400 == ask("POST", f"/{model}.git/info/lfs/objects/batch", json=body).status_code


def test_a_batch_has_so_many_objects_and_no_more(ask: Asker, model: str) -> None:
    objects = [{"oid": "1" * 64, "size": 1}] * (OBJECTS_PER_CALL + 1)
    body = {"operation": "download", "objects": objects}

    assert 413 == ask("POST", f"/{model}.git/info/lfs/objects/batch", json=body).status_code


def test_an_upload_for_a_repository_that_is_gone_leaves_nothing(
    api: HfApi, ask: Asker, localhub: LocalHub, model: str
) -> None:
    upload = Upload(ask, model)
    api.delete_repo(model)

    assert 401 == upload.put(1).status_code
    assert [] == list((localhub.folder / "parts").glob("*"))


@pytest.fixture
def clone(run: Runner, localhub: LocalHub, model: str, tmp_path: Path) -> Iterator[Path]:
    """A clone in which git-lfs knows files named .bin."""
    run("git", "clone", "--quiet", git_url(localhub, model), "here")
    run("git", "lfs", "install", "--local", cwd=tmp_path / "here")
    yield tmp_path / "here"


@pytest.mark.parametrize("in_parts", [True, False])
def test_git_lfs_pushes_large_files_whole_and_in_parts(
    run: Runner, api: HfApi, localhub: LocalHub, model: str, clone: Path, tmp_path: Path, in_parts: bool
) -> None:
    if in_parts:
        run("hf", "lfs-enable-largefiles", ".", cwd=clone)
        run("git", "config", "lfs.concurrenttransfers", "1", cwd=clone)  # each agent takes its second to start
    (clone / "big.bin").write_bytes(CONTENT)
    (clone / "small.bin").write_bytes(b"\0small")
    run("git", "add", ".", cwd=clone)
    run("git", "commit", "--quiet", "-m", "large", cwd=clone)
    localhub.requests.clear()

    run("git", "push", "--quiet", cwd=clone)

    puts = sum(method == "PUT" for method, _ in localhub.requests)
    assert (3 if in_parts else 2) == puts
    folder = Path(api.snapshot_download(model, cache_dir=tmp_path / "cache"))
    assert (CONTENT, b"\0small") == ((folder / "big.bin").read_bytes(), (folder / "small.bin").read_bytes())
    run("git", "clone", "--quiet", git_url(localhub, model), "there")
    run("git", "lfs", "pull", cwd=tmp_path / "there")
    assert CONTENT == (tmp_path / "there" / "big.bin").read_bytes()
