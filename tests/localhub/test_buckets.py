"""Buckets, with the unmodified client: files without history, by batches, copies, downloads and `hf`."""

from __future__ import annotations

import itertools
import json
import os
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest
from huggingface_hub import BucketFile, BucketFolder, HfApi, HfFileSystem, RepoFile
from huggingface_hub.errors import (
    BucketBatchError,
    BucketNotFoundError,
    EntryNotFoundError,
    HfHubHTTPError,
    RemoteEntryNotFoundError,
)

from spaceops.localhub import LocalHub
from tests.localhub.conftest import Asker, Runner
from tests.localhub.test_server import served

NUMBERS = itertools.count(1)
Mounted = Callable[[str], Path]


@pytest.fixture
def bucket(api: HfApi) -> str:
    """A new public bucket of ada's."""
    return api.create_bucket(f"ada/bucket-{next(NUMBERS)}").bucket_id


@pytest.fixture
def secret(api: HfApi) -> str:
    """A private bucket of ada's with one file."""
    bucket = api.create_bucket(f"ada/secret-{next(NUMBERS)}", private=True).bucket_id
    api.batch_bucket_files(bucket, add=[(b"secret", "file.txt")])
    return bucket


@pytest.fixture
def bob(localhub: LocalHub) -> HfApi:
    return HfApi(endpoint=localhub.url, token="hf_bob")


@pytest.fixture
def nobody(localhub: LocalHub) -> HfApi:
    return HfApi(endpoint=localhub.url, token=False)


@pytest.fixture
def mounted(localhub: LocalHub, ask: Asker) -> Mounted:
    """Where a bucket's files lie: what an app does that has it as a volume, without the app."""

    def mounted(bucket: str) -> Path:
        return localhub.folder / "buckets" / str(ask("GET", f"/api/buckets/{bucket}").json()["_id"]) / "files"

    return mounted


def content(api: HfApi, bucket: str, path: str, scratch: Path) -> bytes:
    """What the client downloads, the way of Xet."""
    file = scratch / "downloaded"
    api.download_bucket_files(bucket, [(path, file)], raise_on_missing_files=True)
    return file.read_bytes()


def paths(api: HfApi, bucket: str, prefix: str | None = None) -> list[str]:
    return [file.path for file in api.list_bucket_tree(bucket, prefix)]


def hashes(api: HfApi, bucket: str) -> dict[str, str]:
    return {file.path: file.xet_hash for file in api.list_bucket_tree(bucket) if isinstance(file, BucketFile)}


def batch(*changes: Mapping[str, object]) -> bytes:
    return b"".join(json.dumps(change).encode() + b"\n" for change in changes)


# whole buckets


def test_a_bucket_is_created_described_and_deleted(api: HfApi) -> None:
    url = api.create_bucket("my-bucket")
    assert ("ada/my-bucket", f"{api.endpoint}/buckets/ada/my-bucket") == (url.bucket_id, url.url)
    info = api.bucket_info("ada/my-bucket")
    assert (False, 0, 0) == (info.private, info.size, info.total_files)
    api.batch_bucket_files("ada/my-bucket", add=[(b"12345", "a"), (b"678", "b/c")])
    info = api.bucket_info("Ada/MY-bucket")
    assert ("ada/my-bucket", 8, 2) == (info.id, info.size, info.total_files)
    api.delete_bucket("ada/my-bucket")
    with pytest.raises(BucketNotFoundError):
        api.bucket_info("ada/my-bucket")
    with pytest.raises(BucketNotFoundError):
        api.delete_bucket("ada/my-bucket")
    api.delete_bucket("ada/my-bucket", missing_ok=True)


def test_a_bucket_that_is_there_already_is_a_conflict_unless_that_is_fine(api: HfApi, bucket: str) -> None:
    with pytest.raises(HfHubHTTPError) as caught:
        api.create_bucket(bucket)
    assert 409 == caught.value.response.status_code
    assert bucket == api.create_bucket(bucket, exist_ok=True).bucket_id


def test_a_deleted_bucket_leaves_nothing_on_the_disk(
    api: HfApi, bucket: str, localhub: LocalHub, mounted: Mounted
) -> None:
    api.batch_bucket_files(bucket, add=[(os.urandom(1000), "a")])
    files = mounted(bucket)
    identity = files.parent.name
    assert files.is_dir()
    api.delete_bucket(bucket)
    assert [] == list(localhub.folder.rglob(f"{identity}*"))
    api.create_bucket(bucket)
    assert [] == paths(api, bucket)


@pytest.mark.parametrize("name", ["a--b", "a..b", ".a", "a.git", "a%20b", "x" * 97])
def test_a_bucket_has_a_name_like_a_repository(ask: Asker, name: str) -> None:
    assert 400 == ask("POST", f"/api/buckets/ada/{name}", json={}).status_code


def test_a_name_without_a_namespace_names_no_bucket(api: HfApi, bucket: str) -> None:
    name = bucket.partition("/")[2]
    for call in (api.bucket_info, api.delete_bucket):
        with pytest.raises(HfHubHTTPError) as caught:
            call(name)
        assert 404 == caught.value.response.status_code


def test_buckets_are_made_where_one_may_write(api: HfApi, localhub: LocalHub, nobody: HfApi) -> None:
    ron = HfApi(endpoint=localhub.url, token="hf_ron")
    assert "Acme/ours" == api.create_bucket("acme/ours").bucket_id
    for other, bucket, status in ((api, "bob/mine", 403), (ron, "Acme/his", 403), (nobody, "ada/theirs", 401)):
        with pytest.raises(HfHubHTTPError) as caught:
            other.create_bucket(bucket)
        assert status == caught.value.response.status_code


def test_a_private_bucket_is_nothing_to_strangers(api: HfApi, bob: HfApi, nobody: HfApi, secret: str) -> None:
    for call in (bob.bucket_info, bob.delete_bucket, lambda name: list(bob.list_bucket_tree(name))):
        with pytest.raises(BucketNotFoundError):
            call(secret)
    with pytest.raises(HfHubHTTPError) as caught:
        list(nobody.list_bucket_tree(secret))
    assert 401 == caught.value.response.status_code
    assert ["file.txt"] == paths(api, secret)


def test_a_public_bucket_is_read_by_all_and_changed_by_its_owner(
    api: HfApi, bob: HfApi, nobody: HfApi, bucket: str, tmp_path: Path
) -> None:
    api.batch_bucket_files(bucket, add=[(b"public", "a.txt")])
    assert bucket == bob.bucket_info(bucket).id
    assert b"public" == content(nobody, bucket, "a.txt", tmp_path)
    for change in (
        lambda: bob.batch_bucket_files(bucket, delete=["a.txt"]),
        lambda: bob.delete_bucket(bucket),
        lambda: bob.update_bucket_settings(bucket, private=True),
        lambda: bob.move_bucket(bucket, "bob/mine-now"),
    ):
        with pytest.raises(HfHubHTTPError) as caught:
            change()
        assert 403 == caught.value.response.status_code
    assert ["a.txt"] == paths(api, bucket)


def test_a_bucket_becomes_private_and_public_again(api: HfApi, nobody: HfApi, bucket: str) -> None:
    api.update_bucket_settings(bucket, private=True)
    assert api.bucket_info(bucket).private
    with pytest.raises(HfHubHTTPError):
        nobody.bucket_info(bucket)
    api.update_bucket_settings(bucket, private=False)
    assert not nobody.bucket_info(bucket).private


def test_buckets_are_listed_by_namespace_and_name(
    api: HfApi, bob: HfApi, nobody: HfApi, bucket: str, secret: str
) -> None:
    api.batch_bucket_files(bucket, add=[(b"123", "a")])
    mine = {info.id: info for info in api.list_buckets()}
    assert {bucket, secret} <= set(mine)
    assert (3, 1) == (mine[bucket].size, mine[bucket].total_files)
    assert [secret] == [info.id for info in api.list_buckets(search=secret.partition("/")[2].upper())]
    assert bucket not in {info.id for info in bob.list_buckets()}
    for other in (bob, nobody):
        listed = {info.id for info in other.list_buckets("ada")}
        assert bucket in listed
        assert secret not in listed
    for namespace, status in (("nobody-at-all", 401), (None, 401)):
        with pytest.raises(HfHubHTTPError) as caught:
            list(nobody.list_buckets(namespace))
        assert status == caught.value.response.status_code


def test_buckets_are_among_the_repositories_of_their_owner(api: HfApi, bucket: str) -> None:
    api.batch_bucket_files(bucket, add=[(b"12345", "a")])
    (found,) = [repo for repo in api.list_user_repos() if repo.id == bucket]
    assert ("bucket", 5, "public") == (found.type, found.storage, found.visibility)
    assert found.updated_at


def test_lists_of_buckets_come_in_pages(api: HfApi, ask: Asker, bucket: str, secret: str) -> None:
    first = ask("GET", "/api/buckets/me?limit=1")
    assert 1 == len(first.json())
    assert 'rel="next"' in first.headers["link"]


def test_a_moved_bucket_is_found_by_both_names(api: HfApi, bucket: str, tmp_path: Path) -> None:
    api.batch_bucket_files(bucket, add=[(b"content", "a.txt")])
    moved = f"ada/moved-{next(NUMBERS)}"
    api.move_bucket(bucket, moved)
    for name in (moved, bucket):
        assert moved == api.bucket_info(name).id
        assert ["a.txt"] == paths(api, name)
        assert b"content" == content(api, name, "a.txt", tmp_path)
    api.batch_bucket_files(moved, add=[(b"more", "b.txt")])
    assert 2 == api.bucket_info(bucket).total_files


# what is in them


def test_files_are_listed_with_all_that_is_known_of_them(api: HfApi, bucket: str, tmp_path: Path) -> None:
    local = tmp_path / "file.json"
    local.write_text("{}")
    os.utime(local, (1_700_000_000.5, 1_700_000_000.5))
    api.batch_bucket_files(bucket, add=[(local, "sub/file.json"), (b"", "empty"), (b"x", "ünï cödé & #?%.txt")])
    empty, file, unicode = api.list_bucket_tree(bucket)
    assert ["empty", "sub/file.json", "ünï cödé & #?%.txt"] == [empty.path, file.path, unicode.path]
    assert isinstance(file, BucketFile)
    assert (2, 64) == (file.size, len(file.xet_hash))
    assert file.mtime and 1_700_000_000.5 == file.mtime.timestamp()
    assert file.uploaded_at and file.uploaded_at > file.mtime
    for path, wanted in (("empty", b""), ("sub/file.json", b"{}"), ("ünï cödé & #?%.txt", b"x")):
        assert wanted == content(api, bucket, path, tmp_path)


def test_a_prefix_is_text(api: HfApi, bucket: str) -> None:
    names = ["logs.json", "logs/1", "logs/2/3", "logs_old/4", "other"]
    api.batch_bucket_files(bucket, add=[(b"x", name) for name in names])
    assert names == paths(api, bucket)
    assert names[:4] == paths(api, bucket, "logs")
    assert ["logs/1", "logs/2/3"] == paths(api, bucket, "logs/")
    assert [] == paths(api, bucket, "nowhere/")
    assert [] == paths(api, bucket, "../")


def test_what_is_further_down_is_a_folder_when_one_level_is_wanted(api: HfApi, bucket: str) -> None:
    names = ["logs.json", "logs/1", "logs/2/3", "logs/2/4/5", "logs_old/4", "other"]
    api.batch_bucket_files(bucket, add=[(b"x", name) for name in names])

    def level(prefix: str | None = None) -> list[tuple[str, type]]:
        return [(entry.path, type(entry)) for entry in api.list_bucket_tree(bucket, prefix, recursive=False)]

    file, folder = BucketFile, BucketFolder
    assert [("logs.json", file), ("logs", folder), ("logs_old", folder), ("other", file)] == level()
    assert [("logs/1", file), ("logs/2", folder)] == level("logs/")
    assert [("logs.json", file), ("logs/1", file), ("logs/2", folder), ("logs_old", folder)] == level("logs")
    assert [("logs/2/3", file), ("logs/2/4", folder)] == level("logs/2")
    assert [("other", file)] == level("other")


def test_a_large_list_comes_in_pages(api: HfApi, bucket: str, mounted: Mounted, ask: Asker) -> None:
    folder = mounted(bucket)
    for number in range(2100):
        place = folder / f"{number % 7}"
        place.mkdir(exist_ok=True)
        (place / f"{number:04}").touch()
    listed = paths(api, bucket)
    assert 2100 == len(listed)
    assert sorted(listed) == listed
    assert 2100 == api.bucket_info(bucket).total_files
    page = ask("GET", f"/api/buckets/{bucket}/tree?limit=10&recursive=true")
    assert 10 == len(page.json())
    assert "cursor=0%2F0063" in page.headers["link"]


def test_a_level_comes_in_pages_too(api: HfApi, bucket: str, ask: Asker) -> None:
    names = [f"{letter}/{number}" for letter in "abc" for number in range(3)] + ["a.txt", "bb", "d"]
    api.batch_bucket_files(bucket, add=[(b"x", name) for name in names])
    path, found = f"/api/buckets/{bucket}/tree?recursive=false&limit=2", []
    while path:
        page = ask("GET", path)
        found += [entry["path"] for entry in page.json()]
        path = page.links.get("next", {}).get("url", "")
    assert ["a.txt", "a", "b", "bb", "c", "d"] == found


def test_facts_about_paths_leave_out_what_is_not_there(api: HfApi, bucket: str, ask: Asker) -> None:
    api.batch_bucket_files(bucket, add=[(b"x", "a"), (b"x", "b/c")])
    assert ["a", "b/c"] == [file.path for file in api.get_bucket_paths_info(bucket, ["a", "b", "../a", "nope", "b/c"])]
    one = ask("POST", f"/api/buckets/{bucket}/paths-info", json={"paths": "a"})
    assert ["a"] == [file["path"] for file in one.json()]
    assert 413 == ask("POST", f"/api/buckets/{bucket}/paths-info", json={"paths": ["a"] * 2001}).status_code


def test_one_file_tells_where_its_content_is(api: HfApi, bucket: str) -> None:
    api.batch_bucket_files(bucket, add=[(b"12345", "a/b.txt")])
    found = api.get_bucket_file_metadata(bucket, "a/b.txt")
    assert 5 == found.size
    assert hashes(api, bucket)["a/b.txt"] == found.xet_file_data.file_hash
    assert f"{api.endpoint}/api/buckets/{bucket}/xet-read-token" == found.xet_file_data.refresh_route
    for path in ("a", "nope", "x/../a", "%00"):
        with pytest.raises(RemoteEntryNotFoundError):
            api.get_bucket_file_metadata(bucket, path)


def test_content_is_served_plainly_and_in_ranges(api: HfApi, bucket: str, ask: Asker) -> None:
    api.batch_bucket_files(bucket, add=[(b"0123456789", "a.html"), (b"", "empty")])
    address = f"/buckets/{bucket}/resolve/a.html"
    whole = ask("GET", address)
    assert (200, b"0123456789") == (whole.status_code, whole.content)
    assert "html" not in whole.headers["content-type"]
    etag = whole.headers["etag"]
    for asked, status, got in (
        ({"Range": "bytes=2-4"}, 206, b"234"),
        ({"Range": "bytes=7-"}, 206, b"789"),
        ({"Range": "bytes=-3"}, 206, b"789"),
        ({"Range": "bytes=0-99"}, 206, b"0123456789"),
        ({"Range": "bytes=2-4,6-7"}, 200, b"0123456789"),
        ({"Range": "bytes=2-4", "If-Range": etag}, 206, b"234"),
        ({"Range": "bytes=2-4", "If-Range": '"another"'}, 200, b"0123456789"),
    ):
        answer = ask("GET", address, headers=asked)
        assert (status, got) == (answer.status_code, answer.content), asked
    assert "bytes 7-9/10" == ask("GET", address, headers={"Range": "bytes=-3"}).headers["content-range"]
    beyond = ask("GET", address, headers={"Range": "bytes=10-"})
    assert (416, "bytes */10") == (beyond.status_code, beyond.headers["content-range"])
    assert b"" == ask("GET", f"/buckets/{bucket}/resolve/empty").content
    assert "10" == ask("HEAD", address).headers["content-length"]
    assert 304 == ask("GET", address, headers={"If-None-Match": etag}).status_code


# batches


def test_a_batch_adds_copies_and_deletes(api: HfApi, bucket: str, tmp_path: Path) -> None:
    api.batch_bucket_files(bucket, add=[(b"one", "a"), (b"two", "b")])
    api.batch_bucket_files(
        bucket,
        add=[(b"three", "c/d"), (b"one", "again")],
        copy=[("bucket", bucket, hashes(api, bucket)["a"], "moved")],
        delete=["a"],
    )
    assert ["again", "b", "c/d", "moved"] == paths(api, bucket)
    assert b"one" == content(api, bucket, "moved", tmp_path)
    assert b"one" == content(api, bucket, "again", tmp_path)
    api.batch_bucket_files(bucket, add=[(b"overwritten", "b")])
    assert b"overwritten" == content(api, bucket, "b", tmp_path)


def test_one_content_may_have_many_paths(api: HfApi, bucket: str, tmp_path: Path) -> None:
    names = [f"copy-{number}" for number in range(5)]
    api.batch_bucket_files(bucket, add=[(b"the same", name) for name in names])
    assert {b"the same"} == {content(api, bucket, name, tmp_path) for name in names}
    assert 1 == len(set(hashes(api, bucket).values()))


def test_what_fails_in_a_batch_fails_alone(api: HfApi, bucket: str) -> None:
    api.batch_bucket_files(bucket, add=[(b"x", "folder/file")])
    with pytest.raises(BucketBatchError) as caught:
        api.batch_bucket_files(bucket, add=[(b"x", "fine"), (b"x", "../out"), (b"x", "folder")], delete=["nope"])
    assert 200 == caught.value.response.status_code
    assert ["../out", "folder", "nope"] == [failure["path"] for failure in caught.value.failures]
    assert {"success": False, "processed": 4, "succeeded": 1} | {"failed": caught.value.failures} == (
        caught.value.response.json()
    )
    assert ["fine", "folder/file"] == paths(api, bucket)


@pytest.mark.parametrize("path", ["/etc/passwd", "a/../../b", "", "a/", "a\0b", "x" * 300, "a/" * 600 + "b"])
def test_a_batch_of_which_nothing_is_possible_is_refused(ask: Asker, bucket: str, path: str) -> None:
    change = {"type": "addFile", "path": path, "xetHash": "0" * 64, "mtime": 1}
    for body in (batch(change), batch({"type": "deleteFile", "path": path})):
        answer = ask("POST", f"/api/buckets/{bucket}/batch", content=body)
        assert (422, 0) == (answer.status_code, answer.json()["succeeded"])
        assert path == answer.json()["failed"][0]["path"]


@pytest.mark.parametrize(
    "change",
    [
        {"type": "addFile", "path": "a", "xetHash": "f" * 64},
        {"type": "addFile", "path": "a", "xetHash": "../../hub.sqlite3"},
        {"type": "addFile", "path": "a", "xetHash": "f" * 64, "mtime": 1e18},
        {"type": "addFile", "path": "a", "xetHash": "f" * 64, "mtime": -5},
        {"type": "copyFile", "path": "a", "xetHash": "f" * 64, "sourceRepoType": "bucket", "sourceRepoId": "no/one"},
        {"type": "copyFile", "path": "a", "xetHash": "f" * 64, "sourceRepoType": "model", "sourceRepoId": "ada"},
    ],
)
def test_content_that_is_not_here_gets_no_path(ask: Asker, bucket: str, change: dict[str, object]) -> None:
    answer = ask("POST", f"/api/buckets/{bucket}/batch", content=batch(change))
    assert 422 == answer.status_code, answer.text
    assert "a" == answer.json()["failed"][0]["path"]


@pytest.mark.parametrize(
    ("body", "status"),
    [
        (b"{}", 400),
        (b"nonsense", 400),
        (b'{"type": "burnFile", "path": "a"}', 400),
        (b'{"type": "deleteFile", "path": 7}', 400),
        (b'{"type": "deleteFile", "path": "\xff"}', 400),
        (b'{"type": "deleteFile", "path": "\\ud800"}', 400),
        (b'{"type": "addFile", "path": "a", "xetHash": "f", "mtime": 1e999}', 400),
        (batch({"type": "deleteFile", "path": "a"}, {"type": "addFile", "path": "b", "xetHash": "0" * 64}), 422),
        (batch(*[{"type": "deleteFile", "path": "a"}] * 1001), 413),
        (b"", 200),
    ],
)
def test_a_batch_that_cannot_be_read_is_refused(ask: Asker, bucket: str, body: bytes, status: int) -> None:
    assert status == ask("POST", f"/api/buckets/{bucket}/batch", content=body).status_code


def test_a_thousand_files_come_and_go(api: HfApi, bucket: str) -> None:
    api.batch_bucket_files(bucket, add=[(f"{number}".encode(), f"{number % 10}/{number}") for number in range(1000)])
    assert 1000 == api.bucket_info(bucket).total_files
    api.batch_bucket_files(bucket, delete=paths(api, bucket))
    assert (0, 0) == (api.bucket_info(bucket).total_files, api.bucket_info(bucket).size)


def test_a_big_file_comes_back_the_same(api: HfApi, bucket: str, mounted: Mounted, tmp_path: Path) -> None:
    big = tmp_path / "big.bin"
    big.write_bytes(os.urandom(20_000_000))
    api.batch_bucket_files(bucket, add=[(big, "models/big.bin")])
    assert big.read_bytes() == content(api, bucket, "models/big.bin", tmp_path)
    assert 20_000_000 == (mounted(bucket) / "models/big.bin").stat().st_size


def test_an_upload_that_is_asked_for_again_after_its_content_was_moved_succeeds(
    api: HfApi, bucket: str, ask: Asker, tmp_path: Path
) -> None:
    api.batch_bucket_files(bucket, add=[(b"content", "a")])
    again = {"type": "addFile", "path": "a", "xetHash": hashes(api, bucket)["a"], "mtime": 1_700_000_000_000}
    for path in ("a", "b"):
        assert 200 == ask("POST", f"/api/buckets/{bucket}/batch", content=batch({**again, "path": path})).status_code
        assert b"content" == content(api, bucket, path, tmp_path)
    assert 1 == len(set(hashes(api, bucket).values()))


# copies


def test_files_are_copied_between_buckets(api: HfApi, bucket: str, tmp_path: Path) -> None:
    other = api.create_bucket(f"Acme/copies-{next(NUMBERS)}").bucket_id
    api.batch_bucket_files(bucket, add=[(b"one", "data/1"), (b"two", "data/sub/2")])
    api.copy_files(f"hf://buckets/{bucket}/data/1", f"hf://buckets/{other}/single")
    api.copy_files(f"hf://buckets/{bucket}/data", f"hf://buckets/{other}/backup/")
    api.copy_files(f"hf://buckets/{bucket}/data/", f"hf://buckets/{other}/flat/")
    api.copy_files(f"hf://buckets/{bucket}/data", f"hf://buckets/{other}/flat/")
    assert ["backup/1", "backup/sub/2", "flat/1", "flat/data/1", "flat/data/sub/2", "flat/sub/2", "single"] == (
        paths(api, other)
    )
    api.delete_bucket(bucket)
    assert b"two" == content(api, other, "backup/sub/2", tmp_path)


def test_files_are_copied_from_repositories(api: HfApi, model: str, bucket: str, tmp_path: Path) -> None:
    weights = os.urandom(100_000)
    api.upload_file(path_or_fileobj=weights, path_in_repo="sub/weights.safetensors", repo_id=model)
    api.upload_file(path_or_fileobj=b'{"a": 1}', path_in_repo="sub/config.json", repo_id=model)
    api.copy_files(f"hf://{model}/", f"hf://buckets/{bucket}/models/")
    assert ["models/sub/config.json", "models/sub/weights.safetensors"] == paths(api, bucket)
    assert weights == content(api, bucket, "models/sub/weights.safetensors", tmp_path)
    assert b'{"a": 1}' == content(api, bucket, "models/sub/config.json", tmp_path)


def test_nobody_copies_what_they_may_not_read(api: HfApi, bob: HfApi, secret: str, model: str) -> None:
    weights = os.urandom(1000)
    api.upload_file(path_or_fileobj=weights, path_in_repo="weights.safetensors", repo_id=model)
    api.update_repo_settings(model, private=True)
    his = bob.create_bucket(f"bob/loot-{next(NUMBERS)}").bucket_id
    hidden = hashes(api, secret)["file.txt"]
    large = api.get_paths_info(model, ["weights.safetensors"])[0]
    assert isinstance(large, RepoFile)
    assert large.xet_hash
    for kind, name, content in (("bucket", secret, hidden), ("model", model, large.xet_hash)):
        with pytest.raises(BucketBatchError, match="may not read it"):
            bob.batch_bucket_files(his, copy=[(kind, name, content, "loot")])
    with pytest.raises(BucketBatchError, match="no content"):
        bob.batch_bucket_files(his, copy=[("bucket", his, hidden, "loot")])
    assert [] == paths(bob, his)


# what an app does to its volume


def test_what_an_app_writes_is_seen_and_can_be_had(
    api: HfApi, bucket: str, mounted: Mounted, tmp_path: Path, ask: Asker
) -> None:
    api.batch_bucket_files(bucket, add=[(b"first", "log"), (b"stays", "other")])
    before = hashes(api, bucket)
    with (mounted(bucket) / "log").open("ab") as log:
        log.write(b" second")
    (mounted(bucket) / "new").mkdir()
    (mounted(bucket) / "new/file").write_bytes(b"written")
    after = hashes(api, bucket)
    assert ["log", "new/file", "other"] == list(after)
    assert before["other"] == after["other"]
    assert before["log"] != after["log"]
    assert b"first second" == content(api, bucket, "log", tmp_path)
    assert b"written" == content(api, bucket, "new/file", tmp_path)
    assert b"written" == ask("GET", f"/buckets/{bucket}/resolve/new/file").content
    api.copy_files(f"hf://buckets/{bucket}/new/file", f"hf://buckets/{bucket}/copy")
    assert b"written" == content(api, bucket, "copy", tmp_path)
    gone = ask("GET", f"/api/buckets/{bucket}/xet-read-token").json()
    answer = ask("GET", f"{gone['casUrl']}/v2/reconstructions/{before['log']}", token=gone["accessToken"])
    assert 404 == answer.status_code


def test_an_app_sees_what_is_uploaded_and_cannot_make_the_server_read_elsewhere(
    api: HfApi, bucket: str, mounted: Mounted, localhub: LocalHub, ask: Asker
) -> None:
    folder = mounted(bucket)
    (folder / "database").symlink_to(localhub.folder / "hub.sqlite3")
    (folder / "everything").symlink_to(localhub.folder)
    os.mkfifo(folder / "pipe")
    assert [] == paths(api, bucket)
    assert 0 == api.bucket_info(bucket).size
    for path in ("database", "everything/hub.sqlite3", "pipe"):
        assert 404 == ask("GET", f"/buckets/{bucket}/resolve/{path}").status_code
    with pytest.raises(BucketBatchError):
        api.batch_bucket_files(bucket, add=[(b"x", "everything/new")])
    api.batch_bucket_files(bucket, add=[(b"uploaded", "database")])
    assert "uploaded" == (folder / "database").read_text()
    assert not (localhub.folder / "new").exists()


# surviving


def test_what_was_uploaded_is_there_after_kill_9_and_what_was_deleted_is_not(tmp_path: Path) -> None:
    with served(tmp_path / "data") as (process, url):
        api = HfApi(endpoint=url, token="hf_local")
        for bucket in ("demo/kept", "demo/gone"):
            api.create_bucket(bucket, private=True)
            api.batch_bucket_files(bucket, add=[(b"content", "a/file")])
        before = hashes(api, "demo/kept")
        api.batch_bucket_files("demo/kept", add=[(b"more", "b")])
        api.delete_bucket("demo/gone")
        process.kill()
        process.wait()
    (tmp_path / "data/buckets/lost/files").mkdir(parents=True)
    with served(tmp_path / "data") as (_, url):
        api = HfApi(endpoint=url, token="hf_local")
        assert ["demo/kept"] == [info.id for info in api.list_buckets()]
        assert before.items() <= hashes(api, "demo/kept").items()
        assert b"content" == content(api, "demo/kept", "a/file", tmp_path)
        assert b"more" == content(api, "demo/kept", "b", tmp_path)
        assert 1 == len(list((tmp_path / "data/buckets").iterdir()))


# syncing, the file system, and hf


def test_a_folder_is_synced_up_and_down(api: HfApi, bucket: str, tmp_path: Path) -> None:
    up, down = tmp_path / "up", tmp_path / "down"
    (up / "sub").mkdir(parents=True)
    (up / "a.txt").write_text("a")
    (up / "sub/b.txt").write_text("b")
    where = f"hf://buckets/{bucket}/data"
    assert 2 == api.sync_bucket(str(up), where, quiet=True).summary()["uploads"]
    assert {"uploads": 0, "skips": 2}.items() <= api.sync_bucket(str(up), where, quiet=True).summary().items()
    (up / "a.txt").unlink()
    assert 1 == api.sync_bucket(str(up), where, delete=True, quiet=True).summary()["deletes"]
    assert ["data/sub/b.txt"] == paths(api, bucket)
    assert 1 == api.sync_bucket(where, str(down), quiet=True).summary()["downloads"]
    assert "b" == (down / "sub/b.txt").read_text()
    assert {"downloads": 0, "skips": 1}.items() <= api.sync_bucket(where, str(down), quiet=True).summary().items()


def test_a_bucket_is_a_file_system(api: HfApi, bucket: str, tmp_path: Path) -> None:
    files = HfFileSystem(endpoint=api.endpoint, token="hf_ada", skip_instance_cache=True)
    root = f"hf://buckets/{bucket}"
    with files.open(f"{root}/a/one.txt", "w") as file:
        file.write("0123456789")
    files.pipe_file(f"{root}/a/b/two.txt", b"two")
    assert [f"buckets/{bucket}/a/b", f"buckets/{bucket}/a/one.txt"] == sorted(
        map(str, files.ls(f"{root}/a", detail=False))
    )
    assert [f"buckets/{bucket}/a/b/two.txt", f"buckets/{bucket}/a/one.txt"] == files.find(root)
    assert (10, "file") == (files.info(f"{root}/a/one.txt")["size"], files.info(f"{root}/a/one.txt")["type"])
    assert "directory" == files.info(f"{root}/a")["type"]
    assert b"345" == files.read_block(f"{root}/a/one.txt", 3, 3)
    files.get(f"{root}/a", str(tmp_path / "got"), recursive=True)
    assert "two" == (tmp_path / "got/b/two.txt").read_text()
    files.cp_file(f"{root}/a/one.txt", f"{root}/copied.txt")
    assert b"0123456789" == files.cat_file(f"{root}/copied.txt")
    files.rm(f"{root}/a", recursive=True)
    assert ["copied.txt"] == paths(api, bucket)
    assert [] == files.glob(f"{root}/a/**")


def test_every_hf_command_for_buckets(run: Runner, tmp_path: Path) -> None:
    name = f"hf-{next(NUMBERS)}"
    (tmp_path / "local").mkdir()
    (tmp_path / "local/file.txt").write_text("from hf")

    def hf(*words: str, **more: object) -> str:
        return run("hf", *words, **more).stdout

    assert f"ada/{name}" in hf("buckets", "create", name, "--private")
    assert name in hf("buckets", "list")
    hf("buckets", "cp", "local/file.txt", f"hf://buckets/ada/{name}/one.txt")
    hf("cp", f"hf://buckets/ada/{name}/one.txt", f"hf://buckets/ada/{name}/two.txt")
    hf("buckets", "sync", "local", f"hf://buckets/ada/{name}/synced")
    listed = json.loads(hf("buckets", "list", f"ada/{name}", "-R", "--json"))
    assert ["one.txt", "synced/file.txt", "two.txt"] == [entry["path"] for entry in listed]
    assert "synced" in hf("buckets", "list", f"ada/{name}", "--tree")
    hf("buckets", "cp", f"hf://buckets/ada/{name}/two.txt", "down.txt")
    assert "from hf" == (tmp_path / "down.txt").read_text()
    assert "from hf" == hf("buckets", "cp", f"hf://buckets/ada/{name}/two.txt", "-")
    hf("buckets", "settings", f"ada/{name}", "--public")
    info = json.loads(hf("buckets", "info", f"ada/{name}", "--json"))
    assert (False, 3) == (info["private"], info["total_files"])
    hf("buckets", "rm", f"ada/{name}/synced", "--recursive", "--yes")
    hf("buckets", "move", f"ada/{name}", f"Acme/{name}")
    assert ["one.txt", "two.txt"] == sorted(hf("buckets", "list", f"Acme/{name}", "-q").split())
    hf("buckets", "delete", f"Acme/{name}", "--yes")
    assert "not found" in run("hf", "buckets", "info", f"Acme/{name}", ok=False).stderr.lower()


def test_missing_files_are_missing(api: HfApi, bucket: str, tmp_path: Path) -> None:
    with pytest.raises(EntryNotFoundError):
        api.download_bucket_files(bucket, [("nope", tmp_path / "x")], raise_on_missing_files=True)
    with pytest.raises(EntryNotFoundError):
        api.copy_files(f"hf://buckets/{bucket}/nope", f"hf://buckets/{bucket}/x")


def test_the_hash_in_the_list_is_of_the_content(api: HfApi, bucket: str) -> None:
    api.batch_bucket_files(bucket, add=[(b"a" * 1000, "a"), (b"a" * 1000, "b"), (b"b" * 1000, "c")])
    found = hashes(api, bucket)
    assert found["a"] == found["b"] != found["c"]
