"""Files on their way in: what is asked first, and the three ways that large ones come."""

from __future__ import annotations

import base64
import hashlib
import os
import struct
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import lz4.frame
import pytest
from huggingface_hub import HfApi
from huggingface_hub.utils import get_session

from spaceops.localhub import LocalHub
from spaceops.localhub.lfs import LargeFiles, WrongContent
from spaceops.localhub.store import Repo
from spaceops.localhub.xet import Malformed, Xet
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


def test_pull_requests_are_not_there_yet(ask: Asker, model: str) -> None:
    for path in (f"/api/models/{model}/preupload/main", f"/api/models/{model}/commit/main"):
        assert 501 == ask("POST", f"{path}?create_pr=1", json={"files": []}).status_code


def test_the_default_way_brings_15_mb_through_xet(
    api: HfApi, localhub: LocalHub, model: str, big: Path, tmp_path: Path
) -> None:
    localhub.requests.clear()
    api.upload_file(path_or_fileobj=big, path_in_repo="weights.bin", repo_id=model)

    assert any("/xorbs/" in path for _, path in localhub.requests)
    entry = api.get_paths_info(model, ["weights.bin"])[0]
    assert (BIG, sha256(big)) == (entry.size, entry.lfs.sha256)
    assert sha256(big) == sha256(Path(api.hf_hub_download(model, "weights.bin", cache_dir=tmp_path)))


def test_many_files_of_many_kinds_come_in_one_folder(api: HfApi, model: str, tmp_path: Path) -> None:
    source = tmp_path / "source"
    source.mkdir()
    rows = struct.pack("<4000f", *range(4000))  # numbers: packed by the client in groups of four
    contents = {"rows.npy": rows * 20, "zeros.bin": bytes(200_000), "noise.bin": os.urandom(150_000), "a.txt": b"text"}
    contents |= {f"small-{number}.bin": os.urandom(3000) for number in range(20)}
    for path, content in contents.items():
        (source / path).write_bytes(content)

    api.upload_folder(folder_path=source, repo_id=model)

    folder = Path(api.snapshot_download(model, cache_dir=tmp_path / "cache"))
    assert contents == {path: (folder / path).read_bytes() for path in contents}


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
    body = {"operation": "upload", "objects": []}
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
    assert "upload it first" in answer.json()["error"]


def test_a_large_body_arrives_whole(api: HfApi, ask: Asker, model: str) -> None:
    content = os.urandom(6_000_000)
    line = ("file", {"path": "x", "content": base64.b64encode(content).decode(), "encoding": "base64"})

    answer = ask("POST", f"/api/models/{model}/commit/main", content=ndjson(HEADER, line))

    assert answer.json()["commitOid"] == api.model_info(model).sha
    assert content == ask("GET", f"/{model}/resolve/main/x").content


# Xet, one layer below the client


class Shards:
    """Makes xorbs and shards as a client does."""

    @staticmethod
    def xorb(*chunks: bytes, scheme: int = 0) -> bytes:
        packed = [chunk if scheme == 0 else lz4.frame.compress(chunk) for chunk in chunks]
        heads = [
            bytes([0]) + len(out).to_bytes(3, "little") + bytes([scheme]) + len(chunk).to_bytes(3, "little")
            for chunk, out in zip(chunks, packed, strict=True)
        ]
        return b"".join(head + out for head, out in zip(heads, packed, strict=True))

    @staticmethod
    def shard(sha: str, *terms: tuple[str, int, int], verified: bool = False) -> bytes:
        flags = 1 << 30 | (1 << 31 if verified else 0)
        file = bytes(32) + struct.pack("<IIQ", flags, len(terms), 0)
        rows = [Shards.hash(xorb) + struct.pack("<IIII", 0, 0, start, end) for xorb, start, end in terms]
        checks = bytes(48 * len(terms)) if verified else b""
        return bytes(48) + file + b"".join(rows) + checks + Shards.hash(sha) + bytes(16) + b"\xff" * 32 + bytes(16)

    @staticmethod
    def hash(text: str) -> bytes:
        return struct.pack("<4Q", *(int(text[start : start + 16], 16) for start in range(0, 64, 16)))


XORB = "ab" * 32
REPO = Repo(
    id="0" * 24, kind="model", namespace="a", name="b", visibility="public", sdk=None, created_at="", creator="a"
)


@pytest.fixture
def files(tmp_path: Path) -> LargeFiles:
    return LargeFiles(tmp_path)


@pytest.fixture
def xet(tmp_path: Path, files: LargeFiles) -> Xet:
    return Xet(tmp_path, files)


def keep(xet: Xet, content: bytes, name: str = XORB) -> bool:
    with xet.incoming() as arrived:
        arrived.write(content)
        return xet.keep(name, arrived)


@pytest.fixture(params=[0, 1])
def scheme(request: pytest.FixtureRequest) -> Iterator[int]:
    yield request.param


@pytest.mark.parametrize("verified", [False, True])
def test_a_file_is_put_together_of_the_chunks_that_it_names(
    xet: Xet, files: LargeFiles, scheme: int, verified: bool
) -> None:
    keep(xet, Shards.xorb(b"zero", b"one", b"two", scheme=scheme) + b"XETBLOB and more")
    content = b"onetwo" + b"zero"
    sha = hashlib.sha256(content).hexdigest()

    xet.assemble(Shards.shard(sha, (XORB, 1, 3), (XORB, 0, 1), verified=verified), REPO)

    assert content == files.path(REPO, sha).read_bytes()


def test_bytes_in_groups_of_four_are_put_in_order(xet: Xet, files: LargeFiles) -> None:
    content = bytes(range(11))
    grouped = b"".join(content[offset::4] for offset in range(4))
    keep(xet, Shards.xorb(grouped, scheme=2))
    sha = hashlib.sha256(content).hexdigest()

    xet.assemble(Shards.shard(sha, (XORB, 0, 1)), REPO)

    assert content == files.path(REPO, sha).read_bytes()


def test_a_block_is_new_once(xet: Xet) -> None:
    assert [True, False] == [keep(xet, Shards.xorb(b"x")), keep(xet, Shards.xorb(b"x"))]


@pytest.mark.parametrize(
    "content",
    [b"x", b"\x01" + bytes(7), Shards.xorb(b"text")[:-1], bytes([0, 1, 0, 0, 0, 255, 255, 255, 65])],
    ids=["cut", "version", "short", "huge"],
)
def test_what_is_no_block_is_refused(xet: Xet, content: bytes) -> None:
    with pytest.raises(Malformed):
        keep(xet, content)


@pytest.mark.parametrize(
    "term", [("cd" * 32, 0, 1), (XORB, 0, 9), (XORB, 1, 1)], ids=["no block", "no chunk", "nothing"]
)
def test_a_recipe_that_leads_nowhere_is_refused(xet: Xet, files: LargeFiles, term: tuple[str, int, int]) -> None:
    keep(xet, Shards.xorb(b"text"))

    with pytest.raises(Malformed):
        xet.assemble(Shards.shard("0" * 64, term), REPO)


def test_a_recipe_that_makes_another_file_is_refused(xet: Xet, files: LargeFiles) -> None:
    keep(xet, Shards.xorb(b"text"))

    with pytest.raises(WrongContent):
        xet.assemble(Shards.shard("0" * 64, (XORB, 0, 1)), REPO)
    assert files.size(REPO, "0" * 64) is None


@pytest.mark.parametrize("scheme_byte", [1, 3])
def test_a_chunk_that_cannot_be_unpacked_is_refused(xet: Xet, scheme_byte: int) -> None:
    block = bytearray(Shards.xorb(b"text"))
    block[4] = scheme_byte
    keep(xet, bytes(block))

    with pytest.raises(Malformed):
        xet.assemble(Shards.shard("0" * 64, (XORB, 0, 1)), REPO)


def test_a_chunk_cannot_unfold_into_more_than_it_says(xet: Xet) -> None:
    packed = lz4.frame.compress(bytes(50 << 20))
    keep(xet, bytes([0]) + len(packed).to_bytes(3, "little") + bytes([1, 4, 0, 0]) + packed)

    with pytest.raises(Malformed, match="another size"):
        xet.assemble(Shards.shard("0" * 64, (XORB, 0, 1)), REPO)


def test_a_shard_that_is_cut_off_is_refused_and_never_an_error_of_ours(ask: Asker, model: str) -> None:
    grant = ask("GET", f"/api/models/{model}/xet-write-token/main").json()
    whole = Shards.shard("0" * 64, (XORB, 0, 1))
    path = "/cas/" + grant["casUrl"].partition("/cas/")[2]

    for length in range(0, len(whole), 7):
        answer = ask("POST", f"{path}/v2/shards", token=grant["accessToken"], content=whole[:length])
        assert 400 == answer.status_code


def test_blocks_need_the_ticket_of_the_repository(ask: Asker, localhub: LocalHub, model: str) -> None:
    grant = ask("GET", f"/api/models/{model}/xet-write-token/main").json()
    path = f"{grant['casUrl'].removeprefix(localhub.url)}/v1/xorbs/default/{XORB}"

    for token in (None, "hf_ada", grant["accessToken"][:-1]):
        assert 403 == ask("POST", path, token=token, content=Shards.xorb(b"x")).status_code
    assert 400 == ask("POST", path, token=grant["accessToken"], content=b"no block").status_code
    assert {"was_inserted": True} == ask(
        "POST", path, token=grant["accessToken"], content=Shards.xorb(b"unique to this test")
    ).json()


def test_the_address_of_blocks_differs_between_data_folders(localhub: LocalHub, model: str) -> None:
    """The client remembers per address which blocks it sent; a new data folder must not look like an old one."""

    def instance(hub: LocalHub, token: str, name: str) -> str:
        headers = {"Authorization": f"Bearer {token}"}
        path = f"{hub.url}/api/models/{name}/xet-write-token/main"
        return str(get_session().get(path, headers=headers).json()["casUrl"]).rpartition("/")[2]

    with LocalHub() as other:
        name = HfApi(endpoint=other.url, token=other.token).create_repo("demo/x").repo_id

        assert instance(localhub, "hf_ada", model) != instance(other, other.token, name)
    assert instance(localhub, "hf_ada", model) == instance(localhub, "hf_ada", model)
