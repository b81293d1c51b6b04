"""Snapshots, restore and reset: on a server that runs, on a folder without one, and when it dies in the middle."""

from __future__ import annotations

import itertools
import os
import shutil
import sqlite3
import stat
import tarfile
import threading
from collections.abc import Iterator
from io import BytesIO
from pathlib import Path

import httpx2 as httpx
import pytest
from huggingface_hub import HfApi

from spaceops.errors import BadInput, NotFound
from spaceops.localhub import LocalHub, reset, restore, snapshot
from spaceops.localhub.snapshots import ARRIVED, DATA, DECIDED
from spaceops.localhub.vault import Vault
from tests.localhub.test_server import api_of
from tests.small_app import write_app

BIG = bytes(range(256)) * 400  # a large file, for .gitattributes says so of *.bin
SECRET = "sw0rdfish"
KNOWN = {*DATA, "lock", "tmp", "hooks", "address.json"}
CACHES = {"envs", "run"}  # what can be made again


@pytest.fixture
def hub(tmp_path: Path) -> Iterator[LocalHub]:
    with LocalHub(tmp_path / "data") as server:
        yield server


def listing(folder: Path) -> list[str]:
    return sorted(entry.name for entry in folder.iterdir())


def fill(api: HfApi, name: str = "demo/model") -> None:
    api.create_repo(name)
    api.upload_file(path_or_fileobj=b"text", path_in_repo="a.txt", repo_id=name)
    api.upload_file(path_or_fileobj=BIG, path_in_repo="b.bin", repo_id=name)


def fill_space(api: HfApi, name: str = "demo/space") -> None:
    secrets = [{"key": "PASSWORD", "value": SECRET, "description": "of the door"}]
    variables = [{"key": "COLOUR", "value": "red"}]
    api.create_repo(name, repo_type="space", space_sdk="docker", space_secrets=secrets, space_variables=variables)


def assert_filled(api: HfApi, folder: Path, name: str = "demo/model") -> None:
    file = api.hf_hub_download(name, "b.bin", local_dir=folder, force_download=True)
    assert BIG == Path(file).read_bytes()
    assert ["initial commit", "Upload a.txt", "Upload b.bin"] == [
        commit.title.removesuffix(" with huggingface_hub") for commit in reversed(api.list_repo_commits(name))
    ]


def secret_of(hub: LocalHub, name: str = "demo/space") -> str | None:
    """A secret's value as an app would get it."""
    with sqlite3.connect(hub.folder / "hub.sqlite3") as db:
        row = db.execute("SELECT json_extract(settings, '$.secrets.PASSWORD.value') FROM repos WHERE kind = 'space'")
        (locked,) = row.fetchone()
    return locked and Vault(hub.folder).unlock(locked)


# on a server that runs


def test_a_snapshot_brings_everything_back(hub: LocalHub, tmp_path: Path) -> None:
    api, url = api_of(hub.url), hub.url
    fill(api)
    fill_space(api)
    file = hub.snapshot(tmp_path / "one.tar")
    api.delete_repo("demo/model")
    api.delete_space_variable("demo/space", "COLOUR")
    api.create_repo("demo/later")

    hub.restore(file)

    assert url == hub.url
    assert_filled(api, tmp_path)
    assert "red" == api.get_space_variables("demo/space")["COLOUR"].value
    assert "of the door" == api.get_space_secrets("demo/space")["PASSWORD"].description
    assert SECRET == secret_of(hub)
    assert not api.repo_exists("demo/later")


def test_a_snapshot_changes_nothing(hub: LocalHub, tmp_path: Path) -> None:
    api = api_of(hub.url)
    fill(api)
    hub.snapshot(tmp_path / "one.tar")

    assert_filled(api, tmp_path)


def test_a_reset_leaves_nothing_but_the_address(hub: LocalHub) -> None:
    api, url = api_of(hub.url), hub.url
    fill(api)
    hub.faults.add("slow", path="/never")

    hub.reset()

    assert url == hub.url
    assert [] == list(api.list_models())
    assert () == hub.faults.list()
    assert [("GET", "/api/models")] == list(hub.requests)
    fill(api)


def test_readers_of_streams_are_sent_away(hub: LocalHub) -> None:
    fill_space(api_of(hub.url))
    headers = {"Authorization": f"Bearer {hub.token}"}
    with httpx.stream("GET", f"{hub.url}/api/spaces/demo/space/events", headers=headers, trust_env=False) as answer:
        pieces = answer.iter_bytes()
        assert b"data: " in next(pieces)
        hub.reset()
        with pytest.raises(httpx.TransportError):
            next(pieces)


def test_clients_that_remember_what_they_sent_to_a_former_hub_send_it_again(hub: LocalHub, tmp_path: Path) -> None:
    api = api_of(hub.url)
    fill(api)
    hub.reset()
    fill(api)

    assert_filled(api, tmp_path)


def test_what_ran_runs_again_after_a_restore_and_is_stopped_by_a_reset(hub: LocalHub, tmp_path: Path) -> None:
    api = api_of(hub.url)
    api.create_repo("demo/app", repo_type="space", space_sdk="docker")
    app = write_app(tmp_path / "app")
    api.upload_folder(folder_path=app, repo_id="demo/app", repo_type="space")
    assert "RUNNING" == api.wait_for_space("demo/app").stage
    host = api.space_info("demo/app").host
    file = hub.snapshot(tmp_path / "one.tar")
    assert {"version": 1} == httpx.get(host, trust_env=False).json(), "it goes on while the snapshot is taken"

    hub.reset()
    with pytest.raises(httpx.ConnectError):
        httpx.get(host, trust_env=False)

    hub.restore(file)
    assert "RUNNING" == api.wait_for_space("demo/app").stage
    assert {"version": 1} == httpx.get(api.space_info("demo/app").host, trust_env=False).json()


def test_secrets_and_their_key_can_be_left_out(hub: LocalHub, tmp_path: Path) -> None:
    api = api_of(hub.url)
    fill_space(api)
    file = hub.snapshot(tmp_path / "one.tar", with_secrets=False)
    with tarfile.open(file) as tar:
        assert "secrets.key" not in tar.getnames()
    assert b"PASSWORD" not in file.read_bytes()

    hub.restore(file)

    assert {} == api.get_space_secrets("demo/space")
    assert "red" == api.get_space_variables("demo/space")["COLOUR"].value


def test_a_snapshot_is_for_its_owner_only_and_replaces_no_file(hub: LocalHub, tmp_path: Path) -> None:
    file = hub.snapshot(tmp_path / "one.tar")
    assert 0o600 == stat.S_IMODE(file.stat().st_mode)
    before = file.read_bytes()

    with pytest.raises(BadInput, match="is there already"):
        hub.snapshot(file)
    with pytest.raises(BadInput, match="cannot be written"):
        hub.snapshot(tmp_path / "no" / "such" / "folder.tar")
    assert before == file.read_bytes()
    assert ["data", "one.tar"] == listing(tmp_path)


def test_a_snapshot_of_another_folder_brings_its_secrets_and_not_its_identity(tmp_path: Path) -> None:
    with LocalHub(tmp_path / "one", host="0.0.0.0") as one:
        fill_space(api_of(one.url, one.token))
        file = one.snapshot(tmp_path / "one.tar")
    with LocalHub(tmp_path / "two", host="0.0.0.0") as two:
        token = two.token
        two.restore(file)
        assert SECRET == secret_of(two)
        assert "demo" == api_of(two.url, token).whoami()["name"]
        later = two.snapshot(tmp_path / "two.tar")
    with LocalHub(tmp_path / "two", host="0.0.0.0") as two:
        assert token == two.token
        assert SECRET == secret_of(two)
        two.reset()
        two.restore(later)
        assert SECRET == secret_of(two), "two keys came along"


def test_two_names_of_one_file_stay_one_file(hub: LocalHub, tmp_path: Path) -> None:
    api = api_of(hub.url)
    fill(api)
    (large,) = (file for file in (hub.folder / "lfs").rglob("*") if file.is_file() and file.read_bytes() == BIG)
    os.link(large, large.with_name("second"))
    hub.restore(hub.snapshot(tmp_path / "one.tar"))

    assert large.stat().st_ino == large.with_name("second").stat().st_ino
    assert BIG == large.read_bytes()


def test_what_an_app_leaves_in_a_bucket_leads_nowhere(hub: LocalHub, tmp_path: Path) -> None:
    api = api_of(hub.url)
    api.create_bucket("demo/bucket")
    api.batch_bucket_files("demo/bucket", add=[(b"text", "first")])
    (bucket,) = (hub.folder / "buckets").glob("*/files")
    (bucket / "plain").write_text("text")
    os.utime(bucket / "plain", ns=(1_700_000_000_123_456_789,) * 2)
    (bucket / "link").symlink_to("/etc/passwd")
    (bucket / "folder").symlink_to("/etc")
    os.mkfifo(bucket / "pipe")

    hub.restore(hub.snapshot(tmp_path / "one.tar"))

    assert ["first", "plain"] == listing(bucket)
    assert 1_700_000_000_123_456_789 == (bucket / "plain").stat().st_mtime_ns


def test_everything_in_a_data_folder_is_known(hub: LocalHub, tmp_path: Path) -> None:
    """What is in none of these lists would neither be in a snapshot nor be removed by a reset."""
    api = api_of(hub.url)
    fill(api)
    fill_space(api)
    api.create_repo("demo/app", repo_type="space", space_sdk="docker")
    api.upload_folder(folder_path=write_app(tmp_path / "app"), repo_id="demo/app", repo_type="space")
    assert "RUNNING" == api.wait_for_space("demo/app").stage

    assert set(listing(hub.folder)) <= KNOWN | CACHES


def test_requests_that_come_meanwhile_are_answered_before_or_after(hub: LocalHub, tmp_path: Path) -> None:
    over, found = threading.Event(), []

    def hammer() -> None:
        numbers = itertools.count()
        while not over.is_set():
            name = f"{threading.get_ident()}-{next(numbers)}"
            with httpx.Client(base_url=hub.url, headers={"Authorization": "Bearer hf_local"}, trust_env=False) as ask:
                answers = [ask.post("/api/repos/create", json={"name": name}), ask.get(f"/api/models/demo/{name}")]
            found.extend(answer.status_code for answer in answers)

    threads = [threading.Thread(target=hammer) for _ in range(4)]
    for thread in threads:
        thread.start()
    for number in range(3):
        file = hub.snapshot(tmp_path / f"{number}.tar")
        hub.reset()
        hub.restore(file)
    over.set()
    for thread in threads:
        thread.join()

    assert set(found) <= {200, 404}
    names = [model.id for model in api_of(hub.url).list_models()]
    assert all(api_of(hub.url).list_repo_files(name) == [".gitattributes"] for name in names)


# without a server


def test_a_folder_without_a_server_is_written_restored_and_reset(tmp_path: Path) -> None:
    with LocalHub(tmp_path / "data") as hub:
        fill(api_of(hub.url))
    file = snapshot(tmp_path / "data", tmp_path / "one.tar")
    reset(tmp_path / "data")
    with LocalHub(tmp_path / "data") as hub:
        assert [] == list(api_of(hub.url).list_models())
    restore(tmp_path / "data", file)
    with LocalHub(tmp_path / "data") as hub:
        assert_filled(api_of(hub.url), tmp_path)


def test_with_a_server_it_is_the_server_that_does_it(hub: LocalHub, tmp_path: Path) -> None:
    api = api_of(hub.url)
    fill(api)
    file = snapshot(hub.folder, tmp_path / "one.tar")
    reset(hub.folder)
    assert [] == list(api.list_models())
    restore(hub.folder, file)
    assert_filled(api, tmp_path)
    with pytest.raises(BadInput, match="is there already"):
        snapshot(hub.folder, file)


def test_a_snapshot_can_begin_a_new_folder(tmp_path: Path) -> None:
    with LocalHub() as hub:
        fill(api_of(hub.url))
        file = hub.snapshot(tmp_path / "one.tar")
    restore(tmp_path / "new", file)

    with LocalHub(tmp_path / "new") as hub:
        assert_filled(api_of(hub.url), tmp_path)


def test_there_must_be_data(tmp_path: Path) -> None:
    for ask in (reset, lambda folder: snapshot(folder, tmp_path / "one.tar")):
        with pytest.raises(NotFound):
            ask(tmp_path / "data")  # type: ignore[operator]
    assert [] == listing(tmp_path)


def test_nobody_elses_folder_is_reset(tmp_path: Path) -> None:
    (tmp_path / "git").mkdir()
    (tmp_path / "thesis.tex").write_text("")
    with LocalHub() as hub:
        file = hub.snapshot(tmp_path.with_name(f"{tmp_path.name}.tar"))

    with pytest.raises(BadInput, match="no data folder"):
        restore(tmp_path, file)
    with pytest.raises(NotFound):
        reset(tmp_path)
    assert ["git", "thesis.tex"] == listing(tmp_path)


# what is no snapshot


def tar_of(path: Path, *members: tuple[tarfile.TarInfo, bytes]) -> Path:
    manifest = tarfile.TarInfo("snapshot.json"), b'{"format": 1, "secrets": true}'
    with tarfile.open(path, "w") as tar:
        for info, content in (manifest, *members):
            info.size = len(content)
            tar.addfile(info, BytesIO(content))
    return path


def member(name: str, kind: bytes = tarfile.REGTYPE, link: str = "") -> tarfile.TarInfo:
    info = tarfile.TarInfo(name)
    info.type, info.linkname = kind, link
    return info


@pytest.mark.parametrize(
    "info",
    [
        member("../escaped"),
        member("/tmp/escaped"),
        member("git/../../escaped"),
        member("address.json"),
        member("lock"),
        member("tmp/escaped"),
        member("git/link", tarfile.SYMTYPE, "/etc"),
        member("git/link", tarfile.LNKTYPE, "../../../etc/passwd"),
        member("git/device", tarfile.CHRTYPE),
        member("git/pipe", tarfile.FIFOTYPE),
    ],
    ids=lambda info: f"{info.name} {info.type.decode()}",
)
def test_a_tar_that_reaches_out_is_refused(hub: LocalHub, tmp_path: Path, info: tarfile.TarInfo) -> None:
    fill(api_of(hub.url))
    with pytest.raises(BadInput, match="is no snapshot"):
        hub.restore(tar_of(tmp_path / "hostile.tar", (info, b"")))

    assert_filled(api_of(hub.url), tmp_path)
    assert {"data", "hostile.tar", "b.bin", ".cache"} >= set(listing(tmp_path))


@pytest.mark.parametrize("content", [b"", b"text", bytes(10240), b"PK\x03\x04"])
def test_a_file_that_is_no_snapshot_is_refused(hub: LocalHub, tmp_path: Path, content: bytes) -> None:
    (tmp_path / "file").write_bytes(content)
    with pytest.raises(BadInput, match="is no snapshot"):
        hub.restore(tmp_path / "file")


def test_a_snapshot_of_the_future_is_refused(hub: LocalHub, tmp_path: Path) -> None:
    file = tmp_path / "future.tar"
    with tarfile.open(file, "w") as tar:
        content = b'{"format": 2}'
        info = member("snapshot.json")
        info.size = len(content)
        tar.addfile(info, BytesIO(content))

    with pytest.raises(BadInput, match="another version"):
        hub.restore(file)


def test_a_snapshot_that_was_cut_off_changes_nothing(hub: LocalHub, tmp_path: Path) -> None:
    api = api_of(hub.url)
    fill(api)
    whole = hub.snapshot(tmp_path / "whole.tar").read_bytes()
    for share in (0.01, 0.3, 0.6, 0.9):
        (tmp_path / "cut.tar").write_bytes(whole[: int(len(whole) * share)])
        with pytest.raises(BadInput, match="is no snapshot"):
            hub.restore(tmp_path / "cut.tar")
    with pytest.raises(BadInput, match="No such file"):
        hub.restore(tmp_path / "none.tar")

    assert_filled(api, tmp_path)


# somebody dies in the middle


@pytest.fixture(scope="module")
def both(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two data folders: one with a model `demo/old`, one with `demo/new`."""
    folder = tmp_path_factory.mktemp("both")
    for name in ("old", "new"):
        with LocalHub(folder / name) as hub:
            fill(api_of(hub.url), f"demo/{name}")
    return folder


@pytest.fixture
def old(both: Path, tmp_path: Path) -> Path:
    """The folder that dies while `new`, beside it, is to replace its data."""
    return Path(shutil.copytree(both, tmp_path / "both")) / "old"


def names_in(folder: Path) -> list[str]:
    with LocalHub(folder) as hub:
        names = [model.id for model in api_of(hub.url).list_models()]
        for name in names:
            assert_filled(api_of(hub.url), folder.parent, name)
        return names


def move_data(source: Path, target: Path, names: list[str]) -> None:
    target.mkdir(exist_ok=True)
    for name in names:
        if (source / name).exists():
            (source / name).rename(target / name)


def test_before_it_is_decided_nothing_happened(old: Path) -> None:
    new = old.with_name("new")
    move_data(new, old / "tmp" / "scratch", list(DATA))

    assert ["demo/old"] == names_in(old)


@pytest.mark.parametrize("removed", range(0, len(DATA) + 1, 2))
def test_once_it_is_decided_it_is_done_by_the_next_start(old: Path, removed: int) -> None:
    new = old.with_name("new")
    move_data(new, old / DECIDED, list(DATA))
    move_data(old, old.with_name("gone"), list(DATA[:removed]))

    assert ["demo/new"] == names_in(old)


@pytest.mark.parametrize("arrived", range(0, len(DATA) + 1, 2))
def test_what_has_arrived_in_part_is_whole_after_the_next_start(old: Path, arrived: int) -> None:
    new = old.with_name("new")
    move_data(old, old.with_name("gone"), list(DATA))
    move_data(new, old / ARRIVED, list(DATA[arrived:]))
    move_data(new, old, list(DATA[:arrived]))

    assert ["demo/new"] == names_in(old)
