"""Whole buckets, with the unmodified client: made, found, moved, synced, and outliving their server."""

from __future__ import annotations

import itertools
import json
import os
from pathlib import Path

import pytest
from huggingface_hub import HfApi, HfFileSystem
from huggingface_hub.errors import BucketNotFoundError, HfHubHTTPError

from spaceops.localhub import LocalHub
from tests.localhub.bucketshop import content, hashes, paths
from tests.localhub.conftest import Asker, Mounted, Runner
from tests.localhub.test_server import served

NUMBERS = itertools.count(1)


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
