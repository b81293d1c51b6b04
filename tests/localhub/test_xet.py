"""Large files by Xet: what the unmodified client does, and below it what may come that no client sends."""

from __future__ import annotations

import hashlib
import os
import signal
import struct
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import lz4.frame
import pytest
from huggingface_hub import CommitOperationCopy, HfApi, hf_hub_download
from huggingface_hub.utils import HfHubHTTPError, get_session

from spaceops.localhub import LocalHub
from spaceops.localhub.lfs import LargeFiles, WrongContent
from spaceops.localhub.store import Repo, Store, connect
from spaceops.localhub.vault import Vault
from spaceops.localhub.xet import Xet
from spaceops.localhub.xorbs import LARGEST_CHUNK, MADE_CHUNK, MADE_CHUNKS, Made, Malformed, Piece, made_size, pieces
from tests.localhub.conftest import Asker, Runner

BIG = 15_000_000  # bytes


@pytest.fixture(scope="module")
def big(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A file of 15 MB that no one can compress."""
    file = tmp_path_factory.mktemp("big") / "weights.bin"
    file.write_bytes(os.urandom(BIG))
    return file


def sha256(file: Path) -> str:
    return hashlib.sha256(file.read_bytes()).hexdigest()


def paths_asked(localhub: LocalHub, part: str) -> int:
    return sum(part in path for _, path in localhub.requests)


def test_the_default_way_brings_15_mb_through_xet_and_back(
    api: HfApi, localhub: LocalHub, model: str, big: Path, tmp_path: Path
) -> None:
    localhub.requests.clear()
    api.upload_file(path_or_fileobj=big, path_in_repo="weights.bin", repo_id=model)
    assert paths_asked(localhub, "/xorbs/default/")

    entry = api.get_paths_info(model, ["weights.bin"])[0]
    assert (BIG, sha256(big)) == (entry.size, entry.lfs.sha256)
    assert sha256(big) == sha256(Path(api.hf_hub_download(model, "weights.bin", cache_dir=tmp_path)))
    assert paths_asked(localhub, f"/reconstructions/{entry.xet_hash}")
    assert paths_asked(localhub, f"/xorbs/{entry.xet_hash}/0")


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


def test_what_came_another_way_can_be_had_by_xet_too(
    run: Runner, api: HfApi, localhub: LocalHub, model: str, big: Path, tmp_path: Path
) -> None:
    run("hf", "upload", model, str(big), "weights.bin", HF_HUB_DISABLE_XET="1")
    localhub.requests.clear()

    folder = Path(api.snapshot_download(model, cache_dir=tmp_path / "cache"))

    assert sha256(big) == sha256(folder / "weights.bin")
    assert paths_asked(localhub, "/reconstructions/")


def test_a_client_without_xet_gets_the_same_bytes(
    run: Runner, api: HfApi, localhub: LocalHub, model: str, big: Path, tmp_path: Path
) -> None:
    api.upload_file(path_or_fileobj=big, path_in_repo="weights.bin", repo_id=model)
    localhub.requests.clear()

    run("hf", "download", model, "--local-dir", str(tmp_path / "here"), HF_HUB_DISABLE_XET="1")

    assert sha256(big) == sha256(tmp_path / "here" / "weights.bin")
    assert not paths_asked(localhub, "/cas/")


def test_the_same_content_in_two_repositories_comes_twice(api: HfApi, model: str, big: Path) -> None:
    """The client remembers what it sent by address; nobody's file is made of what was sent for another repository."""
    other = api.create_repo(f"{model}-other").repo_id
    for repo_id in (model, other):
        api.upload_file(path_or_fileobj=big, path_in_repo="weights.bin", repo_id=repo_id)

    hashes = {api.get_paths_info(repo_id, ["weights.bin"])[0].xet_hash for repo_id in (model, other)}
    assert 1 == len(hashes)


def test_a_file_that_changed_a_little_sends_little(api: HfApi, model: str, big: Path, tmp_path: Path) -> None:
    api.upload_file(path_or_fileobj=big, path_in_repo="weights.bin", repo_id=model)
    changed = big.read_bytes()[:-1000] + b"the end"

    api.upload_file(path_or_fileobj=changed, path_in_repo="weights.bin", repo_id=model)

    assert changed == Path(api.hf_hub_download(model, "weights.bin", cache_dir=tmp_path)).read_bytes()


@contextmanager
def serving(folder: Path) -> Iterator[HfApi]:
    """A server in a process of its own, which is killed in the end."""
    command = [sys.executable, "-m", "spaceops", "hub", "serve", "--data", folder, "--port", "0"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True) as process:
        assert process.stdout
        yield HfApi(endpoint=process.stdout.readline().split()[-1], token="hf_local")
        process.send_signal(signal.SIGKILL)


def test_what_was_uploaded_outlives_a_server_that_is_killed(big: Path, tmp_path: Path) -> None:
    with serving(tmp_path / "data") as api:
        api.create_repo("demo/x")
        api.upload_file(path_or_fileobj=big, path_in_repo="weights.bin", repo_id="demo/x")
        [before] = api.get_paths_info("demo/x", ["weights.bin"])
    with serving(tmp_path / "data") as api:
        [after] = api.get_paths_info("demo/x", ["weights.bin"])
        assert (before.xet_hash, before.lfs) == (after.xet_hash, after.lfs)
        assert sha256(big) == sha256(Path(api.hf_hub_download("demo/x", "weights.bin", cache_dir=tmp_path / "cache")))


# Copies between repositories


def copy(api: HfApi, source: str, target: str) -> None:
    operation = CommitOperationCopy(
        src_path_in_repo="weights.bin", path_in_repo="copy.bin", src_repo_id=source, src_repo_type="model"
    )
    api.create_commit(target, [operation], commit_message="copy")


def test_a_large_file_is_copied_to_another_repository(api: HfApi, localhub: LocalHub, model: str, big: Path) -> None:
    api.upload_file(path_or_fileobj=big, path_in_repo="weights.bin", repo_id=model)
    target = api.create_repo(f"{model}-copy").repo_id
    localhub.requests.clear()

    copy(api, model, target)

    assert not paths_asked(localhub, "/cas/")
    source, copied = (api.get_paths_info(*where)[0] for where in ((model, ["weights.bin"]), (target, ["copy.bin"])))
    assert (source.size, source.xet_hash, source.lfs) == (copied.size, copied.xet_hash, copied.lfs)
    api.delete_repo(model)
    assert sha256(big) == sha256(Path(hf_hub_download(target, "copy.bin", endpoint=localhub.url, token="hf_ada")))


def test_a_small_file_is_copied_to_another_repository(api: HfApi, model: str, tmp_path: Path) -> None:
    api.upload_file(path_or_fileobj=b"small", path_in_repo="weights.bin", repo_id=model)
    target = api.create_repo(f"{model}-copy").repo_id

    copy(api, model, target)

    assert b"small" == Path(api.hf_hub_download(target, "copy.bin", cache_dir=tmp_path)).read_bytes()


def duplicate(ask: Asker, source: str, target: str, sha: str, token: str = "hf_ada") -> tuple[int, list[str]]:
    files = [{"xetHash": sha, "sha256": sha, "filename": "weights.bin"}]
    body = {"target": {"type": "model", "name": target}, "files": files}
    answer = ask("POST", f"/api/models/{source}/lfs-files/duplicate", token=token, json=body)
    return answer.status_code, [failure["sha256"] for failure in answer.json().get("failed", [])]


def test_only_who_may_read_the_one_and_write_the_other_may_copy(api: HfApi, ask: Asker, model: str) -> None:
    api.upload_file(path_or_fileobj=b"\0secret", path_in_repo="weights.bin", repo_id=model)
    api.update_repo_settings(model, visibility="private")
    bobs = HfApi(endpoint=api.endpoint, token="hf_bob").create_repo(f"bob/{model.partition('/')[2]}").repo_id
    sha = hashlib.sha256(b"\0secret").hexdigest()

    assert (404, []) == duplicate(ask, model, bobs, sha, token="hf_bob")
    assert (404, []) == duplicate(ask, bobs, model, sha, token="hf_bob")
    assert (403, []) == duplicate(ask, bobs, bobs, sha, token="hf_ron")
    assert (200, [sha]) == duplicate(ask, bobs, bobs, sha, token="hf_bob")


def test_knowing_its_hashes_gives_nobody_the_content_of_a_file(api: HfApi, ask: Asker, model: str) -> None:
    api.upload_file(path_or_fileobj=b"\0secret", path_in_repo="weights.bin", repo_id=model)
    name = api.get_paths_info(model, ["weights.bin"])[0].xet_hash
    api.update_repo_settings(model, visibility="private")
    bob = HfApi(endpoint=api.endpoint, token="hf_bob")
    bobs = bob.create_repo(f"bob/{model.partition('/')[2]}").repo_id
    path, token = grant(ask, bobs, "read", token="hf_bob")

    assert 404 == ask("GET", f"{path}/v2/reconstructions/{name}", token=token).status_code
    operation = CommitOperationCopy("weights.bin", "x", src_repo_id=model, src_repo_type="model")
    with pytest.raises(HfHubHTTPError):
        bob.create_commit(bobs, [operation], commit_message="steal")


# One layer below the client: downloads


def grant(ask: Asker, model: str, kind: str, token: str = "hf_ada") -> tuple[str, str]:
    """The path below which Xet is, and a token for it."""
    answer = ask("GET", f"/api/models/{model}/xet-{kind}-token/main", token=token).json()
    return "/cas/" + answer["casUrl"].partition("/cas/")[2], answer["accessToken"]


def unpacked(block: bytes) -> bytes:
    content = b""
    while block:
        size = int.from_bytes(block[1:4], "little")
        content, block = content + block[8 : 8 + size], block[8 + size :]
    return content


@pytest.fixture(scope="module")
def stored(localhub: LocalHub, big: Path) -> tuple[str, bytes]:
    """A repository with a large file, and its content."""
    api = HfApi(endpoint=localhub.url, token="hf_ada")
    repo_id = api.create_repo("ada/stored").repo_id
    api.upload_file(path_or_fileobj=big, path_in_repo="weights.bin", repo_id=repo_id)
    return repo_id, big.read_bytes()


@pytest.mark.parametrize("version", ["v1", "v2"])
@pytest.mark.parametrize("start, end", [(0, None), (0, BIG), (5, 5), (MADE_CHUNK - 1, MADE_CHUNK), (BIG - 1, BIG)])
def test_a_range_of_a_file_is_made_of_chunks(
    ask: Asker, localhub: LocalHub, stored: tuple[str, bytes], version: str, start: int, end: int | None
) -> None:
    repo_id, content = stored
    path, token = grant(ask, repo_id, "read")
    name = ask("GET", f"/{repo_id}/resolve/main/weights.bin", headers={"Range": "bytes=0-0"}).headers["X-Xet-Hash"]
    headers = {} if end is None else {"Range": f"bytes={start}-{end}"}

    found = ask("GET", f"{path}/{version}/reconstructions/{name}", token=token, headers=headers).json()

    whole = b""
    for term in found["terms"]:
        fetch = found["fetch_info" if version == "v1" else "xorbs"][term["hash"]][0]
        span = fetch["url_range"] if version == "v1" else fetch["ranges"][0]["bytes"]
        block = get_session().get(fetch["url"], headers={"Range": f"bytes={span['start']}-{span['end']}"})
        assert 206 == block.status_code
        assert term["unpacked_length"] == len(unpacked(block.content))
        whole += unpacked(block.content)
    asked = content[start : BIG if end is None else end + 1]
    assert whole[found["offset_into_first_range"] :][: len(asked)] == asked


def test_what_is_not_there_cannot_be_got(ask: Asker, localhub: LocalHub, stored: tuple[str, bytes]) -> None:
    repo_id, _ = stored
    path, token = grant(ask, repo_id, "read")
    name = ask("GET", f"/{repo_id}/resolve/main/weights.bin", headers={"Range": "bytes=0-0"}).headers["X-Xet-Hash"]
    whole = f"{path}/v2/reconstructions/{name}"
    [fetch] = next(iter(ask("GET", whole, token=token).json()["xorbs"].values()))
    block = fetch["url"].removeprefix(localhub.url)

    assert 416 == ask("GET", whole, token=token, headers={"Range": f"bytes={BIG}-"}).status_code
    assert 404 == ask("GET", f"{path}/v2/reconstructions/{'0' * 64}", token=token).status_code
    assert 404 == ask("GET", f"{path}/v2/reconstructions/..%2f..%2fhub.sqlite3", token=token).status_code
    assert 403 == ask("GET", whole, token=None).status_code
    assert 403 == ask("POST", f"{path}/v1/xorbs/default/{XORB}", token=token, content=b"x").status_code
    assert 416 == ask("GET", block, token=None, headers={"Range": "bytes=99999999-"}).status_code
    assert 200 == ask("GET", block, token=None).status_code
    assert 403 == ask("GET", block.replace("/0?", "/1?"), token=None).status_code
    assert 403 == ask("GET", block.partition("?")[0], token=None).status_code


@pytest.mark.parametrize("size", [1, MADE_CHUNK, MADE_CHUNK * MADE_CHUNKS, MADE_CHUNK * MADE_CHUNKS * 2 + 5])
def test_pieces_cover_a_file_of_any_size(size: int) -> None:
    before, found = pieces(size, 0, size)

    assert (0, size) == (before, sum(piece.length for piece in found))
    assert [made_size(size, piece.number) - 1 for piece in found] == [piece.span[1] for piece in found]
    assert made_size(size, len(found)) <= 0


def read(file: Path, size: int, piece: Piece) -> bytes:
    first, last = piece.span
    with Made(file.open("rb"), size, piece.number) as block:
        block.seek(first)
        return block.read(1) + block.read(last - first)


def test_a_range_over_two_blocks_has_a_piece_of_each(tmp_path: Path) -> None:
    size = MADE_CHUNK * MADE_CHUNKS + 10
    file = tmp_path / "sparse"
    with file.open("wb") as sparse:
        sparse.truncate(size - 10)
        sparse.seek(size - 10)
        sparse.write(b"0123456789")

    before, found = pieces(size, size - 12, size - 5)

    assert [(0, MADE_CHUNKS - 1, MADE_CHUNKS), (1, 0, 1)] == [(one.number, one.start, one.end) for one in found]
    parts = [read(file, size, piece) for piece in found]
    assert b"\0\00001234" == b"".join(map(unpacked, parts))[before:][:7]


# One layer below the client: uploads


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
    def shard(
        sha: str | None, *terms: tuple[str, int, int, int], verified: bool = False, name: str = "1f" * 32
    ) -> bytes:
        """Each term is a block, the first chunk, the one after the last, and the bytes of all of them."""
        flags = (1 << 30 if sha else 0) | (1 << 31 if verified else 0)
        file = Shards.hash(name) + struct.pack("<IIQ", flags, len(terms), 0)
        rows = [Shards.hash(xorb) + struct.pack("<IIII", 0, size, start, end) for xorb, start, end, size in terms]
        checks = bytes(48 * len(terms)) if verified else b""
        metadata = Shards.hash(sha) + bytes(16) if sha else b""
        return b"HFRepoMetaData\0".ljust(48) + file + b"".join(rows) + checks + metadata + b"\xff" * 32 + bytes(16)

    @staticmethod
    def hash(text: str) -> bytes:
        return struct.pack("<4Q", *(int(text[start : start + 16], 16) for start in range(0, 64, 16)))


XORB = "ab" * 32
REPO = Repo(
    id="0" * 24, kind="model", namespace="a", name="b", visibility="public", sdk=None, created_at="", creator="a"
)
BUCKET = replace(REPO, id="1" * 24, kind="bucket")


@pytest.fixture
def files(tmp_path: Path) -> LargeFiles:
    return LargeFiles(tmp_path)


@pytest.fixture
def xet(tmp_path: Path, files: LargeFiles) -> Iterator[Xet]:
    db = connect(tmp_path / "db")
    Store(db, Vault(tmp_path)).add(REPO)
    yield Xet(db, files)
    db.close()


def keep(xet: Xet, content: bytes, repo: Repo = REPO) -> bool:
    with xet.incoming() as arrived:
        arrived.write(content)
        return xet.keep(repo, XORB, arrived)


def assemble(xet: Xet, shard: bytes, repo: Repo = REPO) -> dict[str, str]:
    with xet.incoming() as arrived:
        arrived.write(shard)
        return xet.assemble(repo, arrived.file)


@pytest.fixture(params=[0, 1])
def scheme(request: pytest.FixtureRequest) -> Iterator[int]:
    yield request.param


@pytest.mark.parametrize("verified", [False, True])
@pytest.mark.parametrize("repo", [REPO, BUCKET], ids=["model", "bucket"])
def test_a_file_is_put_together_of_the_chunks_that_it_names(
    xet: Xet, files: LargeFiles, scheme: int, verified: bool, repo: Repo
) -> None:
    keep(xet, Shards.xorb(b"zero", b"one", b"two", scheme=scheme) + b"XETBLOB and more", repo)
    content = b"onetwo" + b"zero"
    sha = hashlib.sha256(content).hexdigest()
    terms = (XORB, 1, 3, 6), (XORB, 0, 1, 4)

    made = assemble(xet, Shards.shard(sha if repo is REPO else None, *terms, verified=verified, name="12" * 32), repo)

    assert {"12" * 32: sha} == made
    assert content == files.path(repo, sha).read_bytes()


def test_only_the_files_of_buckets_have_no_sha256(xet: Xet) -> None:
    keep(xet, Shards.xorb(b"text"))

    with pytest.raises(Malformed, match="without its sha256"):
        assemble(xet, Shards.shard(None, (XORB, 0, 1, 4)))


def test_no_file_is_made_of_what_another_repository_sent(xet: Xet) -> None:
    keep(xet, Shards.xorb(b"text"))

    with pytest.raises(Malformed, match="no block"):
        assemble(xet, Shards.shard(None, (XORB, 0, 1, 4)), BUCKET)


def test_a_file_is_found_by_the_hash_that_came_with_it_and_by_its_sha256(xet: Xet, files: LargeFiles) -> None:
    keep(xet, Shards.xorb(b"text"))
    sha = hashlib.sha256(b"text").hexdigest()

    xet.remember(REPO, assemble(xet, Shards.shard(sha, (XORB, 0, 1, 4), name="12" * 32)))

    assert files.path(REPO, sha) == xet.content(REPO, "12" * 32) == xet.content(REPO, sha)
    assert ("12" * 32, None) == (xet.names(REPO)(sha), xet.names(REPO)("0" * 64))
    assert ("12" * 32, None) == (xet.name(REPO, sha), xet.name(REPO, "0" * 64))
    assert xet.content(REPO, "34" * 32) is None
    assert xet.content(REPO, "../../db") is None


def test_bytes_in_groups_of_four_are_put_in_order(xet: Xet, files: LargeFiles) -> None:
    content = bytes(range(11))
    grouped = b"".join(content[offset::4] for offset in range(4))
    keep(xet, Shards.xorb(grouped, scheme=2))
    sha = hashlib.sha256(content).hexdigest()

    assemble(xet, Shards.shard(sha, (XORB, 0, 1, 11)))

    assert content == files.path(REPO, sha).read_bytes()


def test_a_block_is_new_once(xet: Xet) -> None:
    assert [True, False] == [keep(xet, Shards.xorb(b"x")), keep(xet, Shards.xorb(b"x"))]


@pytest.mark.parametrize(
    "content",
    [
        b"x",
        b"\x01" + bytes(7),
        Shards.xorb(b"text")[:-1],
        bytes([0, 1, 0, 0, 0, 255, 255, 255, 65]),
        Shards.xorb(b"", b"x"),
        Shards.xorb(b"x") * 8193,
        Shards.xorb(bytes(LARGEST_CHUNK), scheme=1) * 65,
        bytes([0, 4, 0, 0, 3, 4, 0, 0]) + b"text",
    ],
    ids=["cut", "version", "short", "huge chunk", "empty chunk", "many chunks", "much content", "unknown scheme"],
)
def test_what_is_no_block_is_refused(xet: Xet, content: bytes) -> None:
    with pytest.raises(Malformed):
        keep(xet, content)


@pytest.mark.parametrize(
    "term",
    [("cd" * 32, 0, 1, 4), (XORB, 0, 9, 4), (XORB, 1, 1, 0), (XORB, 0, 1, 5)],
    ids=["no block", "no chunk", "nothing", "another size"],
)
def test_a_recipe_that_leads_nowhere_is_refused(xet: Xet, term: tuple[str, int, int, int]) -> None:
    keep(xet, Shards.xorb(b"text"))

    with pytest.raises(Malformed):
        assemble(xet, Shards.shard("0" * 64, term))


def test_a_recipe_that_makes_another_file_is_refused_and_leaves_nothing(
    xet: Xet, files: LargeFiles, tmp_path: Path
) -> None:
    keep(xet, Shards.xorb(b"text"))

    with pytest.raises(WrongContent):
        assemble(xet, Shards.shard("0" * 64, (XORB, 0, 1, 4)))
    assert files.size(REPO, "0" * 64) is None
    assert [] == list((tmp_path / "tmp").iterdir())


def test_a_recipe_for_more_than_the_disk_holds_is_refused_before_a_byte_is_written(xet: Xet) -> None:
    keep(xet, Shards.xorb(b"text"))

    with pytest.raises(Malformed, match="no room"):
        assemble(xet, Shards.shard("0" * 64, *[(XORB, 0, 1, 0xFFFFFFFF)] * 100_000))


@pytest.mark.parametrize("scheme", [1, 2])
def test_a_chunk_that_cannot_be_unpacked_is_refused(xet: Xet, scheme: int) -> None:
    block = bytearray(Shards.xorb(b"text"))
    block[4] = scheme
    keep(xet, bytes(block))

    with pytest.raises(Malformed):
        assemble(xet, Shards.shard("0" * 64, (XORB, 0, 1, 4)))


def test_a_chunk_cannot_unfold_into_more_than_it_says(xet: Xet) -> None:
    packed = lz4.frame.compress(bytes(50 << 20))
    keep(xet, bytes([0]) + len(packed).to_bytes(3, "little") + bytes([1, 4, 0, 0]) + packed)

    with pytest.raises(Malformed, match="another size"):
        assemble(xet, Shards.shard("0" * 64, (XORB, 0, 1, 4)))


def test_a_shard_that_is_cut_off_is_refused_and_never_an_error_of_ours(ask: Asker, model: str) -> None:
    path, token = grant(ask, model, "write")
    whole = Shards.shard("0" * 64, (XORB, 0, 1, 4))

    for length in range(0, len(whole) - 48, 7):
        answer = ask("POST", f"{path}/v2/shards", token=token, content=whole[:length])
        assert 400 == answer.status_code
    endless = whole[:80] + struct.pack("<II", 1 << 31, 0xFFFFFFFF) + whole[88:]
    assert 400 == ask("POST", f"{path}/v2/shards", token=token, content=endless).status_code


def test_what_is_larger_than_a_block_may_be_is_refused_and_leaves_nothing(
    ask: Asker, localhub: LocalHub, model: str
) -> None:
    path, token = grant(ask, model, "write")

    def much() -> Iterator[bytes]:
        for _ in range(80):
            yield bytes(1 << 20)

    answer = ask("POST", f"{path}/v1/xorbs/default/{XORB}", token=token, content=much())

    assert 400 == answer.status_code
    assert [] == list((localhub.folder / "tmp").iterdir())


def test_blocks_need_the_token_of_the_repository(ask: Asker, localhub: LocalHub, model: str, api: HfApi) -> None:
    path, token = grant(ask, model, "write")
    other, _ = grant(ask, api.create_repo(f"{model}-other").repo_id, "write")
    block = Shards.xorb(b"unique to this test")

    for wrong in (None, "hf_ada", token[:-1]):
        assert 403 == ask("POST", f"{path}/v1/xorbs/default/{XORB}", token=wrong, content=block).status_code
    assert 403 == ask("POST", f"{other}/v1/xorbs/default/{XORB}", token=token, content=block).status_code
    assert 400 == ask("POST", f"{path}/v1/xorbs/default/{XORB}", token=token, content=b"no block").status_code
    assert 400 == ask("POST", f"{path}/v1/xorbs/default/..%2fx", token=token, content=block).status_code
    assert {"was_inserted": True} == ask("POST", f"{path}/v1/xorbs/default/{XORB}", token=token, content=block).json()


def test_the_address_of_blocks_differs_between_repositories_and_data_folders(
    ask: Asker, localhub: LocalHub, api: HfApi, model: str
) -> None:
    """The client remembers per address which blocks it sent; a new data folder must not look like an old one."""
    with LocalHub() as other:
        name = HfApi(endpoint=other.url, token=other.token).create_repo("demo/x").repo_id
        headers = {"Authorization": f"Bearer {other.token}"}
        there = get_session().get(f"{other.url}/api/models/{name}/xet-write-token/main", headers=headers).json()
    second = api.create_repo(f"{model}-second").repo_id

    paths = [grant(ask, model, "write")[0], grant(ask, second, "read")[0], there["casUrl"].partition("/cas")[2]]
    assert 3 == len(set(paths))
    assert grant(ask, model, "write")[0] == grant(ask, model, "read")[0]
