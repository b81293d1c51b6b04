"""What is in buckets, with the unmodified client: lists, content, batches, copies, and what an app does to it all."""

from __future__ import annotations

import itertools
import os
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from huggingface_hub import BucketFile, BucketFolder, HfApi, RepoFile
from huggingface_hub.errors import BucketBatchError, EntryNotFoundError, RemoteEntryNotFoundError

from spaceops.localhub import LocalHub
from tests.localhub.bucketshop import batch, content, hashes, paths
from tests.localhub.conftest import Asker, Mounted

NUMBERS = itertools.count(1)


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


def test_batches_at_once_do_not_disturb_each_other(api: HfApi, bucket: str, tmp_path: Path) -> None:
    def change(number: int) -> None:
        api.batch_bucket_files(bucket, add=[(b"first %d" % number, f"{number}/{name}") for name in ("a", "b/c")])
        api.batch_bucket_files(bucket, add=[(b"second %d" % number, f"{number}/a")], delete=[f"{number}/b/c"])

    with ThreadPoolExecutor(6) as threads:
        list(threads.map(change, range(6)))
    assert [f"{number}/a" for number in range(6)] == paths(api, bucket)
    assert b"second 3" == content(api, bucket, "3/a", tmp_path)


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
    for source in (("bucket", secret, hidden), ("model", model, large.xet_hash)):
        with pytest.raises(BucketBatchError, match="may not read it"):
            bob.batch_bucket_files(his, copy=[(*source, "loot")])
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


def test_missing_files_are_missing(api: HfApi, bucket: str, tmp_path: Path) -> None:
    with pytest.raises(EntryNotFoundError):
        api.download_bucket_files(bucket, [("nope", tmp_path / "x")], raise_on_missing_files=True)
    with pytest.raises(EntryNotFoundError):
        api.copy_files(f"hf://buckets/{bucket}/nope", f"hf://buckets/{bucket}/x")


def test_the_hash_in_the_list_is_of_the_content(api: HfApi, bucket: str) -> None:
    api.batch_bucket_files(bucket, add=[(b"a" * 1000, "a"), (b"a" * 1000, "b"), (b"b" * 1000, "c")])
    found = hashes(api, bucket)
    assert found["a"] == found["b"] != found["c"]
