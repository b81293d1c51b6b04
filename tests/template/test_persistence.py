"""What apps keep outlives them: in a dataset and in a bucket of the local Hub, over restarts and kills."""

from __future__ import annotations

import importlib.util
import itertools
import shutil
import sys
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from types import ModuleType
from typing import Any

import httpx2
import pytest
from huggingface_hub import HfApi, Volume

from spaceops import LocalHub
from spaceops.template import OVERLAYS, new
from tests.template.serving import App

pytestmark = pytest.mark.apps

APP = OVERLAYS.parents[1] / "app_template"
NUMBERS = itertools.count(1)
TEXT = "Ships came and went all day. By noon the fog had lifted. The ferry left on time. Nobody had expected that."

ACCOUNTS = """
[[users]]
name = "demo"
token = "hf_demo"
plan = "pro"
orgs = ["acme"]

[[users]]
name = "ron"
token = "hf_ron"
role = "read"
orgs = ["acme"]

[[orgs]]
name = "acme"
"""


@pytest.fixture(scope="module")
def localhub(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalHub]:
    """A local Hub with somebody who may only read."""
    accounts = tmp_path_factory.mktemp("accounts") / "accounts.toml"
    accounts.write_text(ACCOUNTS)
    with LocalHub(accounts=accounts) as server:
        yield server


@pytest.fixture
def api(localhub: LocalHub) -> HfApi:
    return HfApi(endpoint=localhub.url, token="hf_demo")


@pytest.fixture(scope="module")
def module() -> Iterator[ModuleType]:
    """The storage of the overlay `dataset`, in this process."""
    spec = importlib.util.spec_from_file_location("dataset_storage", OVERLAYS / "dataset" / "serving" / "storage.py")
    assert spec
    assert spec.loader
    loaded = importlib.util.module_from_spec(spec)
    sys.path.append(str(APP))  # for its settings
    spec.loader.exec_module(loaded)
    yield loaded
    sys.path.remove(str(APP))


@pytest.fixture
def open_storage(module: ModuleType, localhub: LocalHub) -> Iterator[Callable[..., Any]]:
    """Open a storage on the local Hub; it is closed at the end, if the test does not do it."""
    opened = []

    def open_storage(dataset: str, **environ: str) -> Any:
        settings = {"HF_ENDPOINT": localhub.url, "HF_TOKEN": "hf_demo", "DATASET_ID": dataset} | environ
        opened.append(module.open_storage(settings))
        return opened[-1]

    yield open_storage
    for storage in opened:
        storage.close()


@pytest.fixture
def dataset() -> str:
    return f"demo/kept-{next(NUMBERS)}"


def files(api: HfApi, dataset: str) -> list[str]:
    return [name for name in api.list_repo_files(dataset, repo_type="dataset") if name.startswith("app/")]


# The storage in a dataset.


def test_the_dataset_is_made_private_and_named_after_the_space(open_storage, api):
    space = f"demo/space-{next(NUMBERS)}"
    storage = open_storage("", SPACE_ID=space)
    storage.append("feedback", {"n": 1})
    assert [{"n": 1}] == list(storage.records("feedback"))  # waits until the dataset was read

    assert api.dataset_info(f"{space}-data").private
    assert (True, f"Kept in the private dataset {space}-data") == (
        storage.persistent,
        storage.message.partition(",")[0],
    )


def test_the_next_run_finds_what_the_last_one_kept(open_storage, dataset):
    for n in range(3):
        storage = open_storage(dataset)
        storage.append("feedback", {"n": n})
        (storage.folder / "jobs").mkdir(exist_ok=True)
        (storage.folder / "jobs" / f"upload-{n}.bin").write_bytes(bytes([n]))
        storage.close()
    last = open_storage(dataset)

    assert [{"n": 0}, {"n": 1}, {"n": 2}] == list(last.records("feedback"))
    assert b"\1" == (last.folder / "jobs" / "upload-1.bin").read_bytes()


def test_two_instances_keep_both_what_they_are_told(open_storage, dataset):
    old, new = open_storage(dataset), open_storage(dataset)
    for n in range(4):
        (old, new)[n % 2].append("feedback", {"n": n})
    old.close()
    new.close()

    assert {0, 1, 2, 3} == {record["n"] for record in open_storage(dataset).records("feedback")}


def test_nothing_new_makes_no_commit(open_storage, api, dataset):
    open_storage(dataset).close()
    before = api.dataset_info(dataset).sha
    open_storage(dataset).close()

    assert before == api.dataset_info(dataset).sha


def test_what_is_deleted_goes_from_the_history_too_and_nothing_else_does(open_storage, api, dataset):
    first = open_storage(dataset)
    shutil.copytree(APP / "tests", first.folder / "jobs" / "1", ignore=shutil.ignore_patterns("__pycache__"))
    first.append("feedback", {"n": 1})
    first.close()
    api.upload_file(path_or_fileobj=b"mine", path_in_repo="notes.txt", repo_id=dataset, repo_type="dataset")
    assert len(files(api, dataset)) > 2
    second = open_storage(dataset)
    shutil.rmtree(second.folder / "jobs" / "1")
    second.close()

    assert [True] == [name.startswith("app/feedback/") for name in files(api, dataset)]
    assert api.file_exists(dataset, "notes.txt", repo_type="dataset")
    assert 1 == len(api.list_repo_commits(dataset, repo_type="dataset"))


def test_what_somebody_else_has_deleted_is_no_reason_to_fail(open_storage, api, dataset):
    first = open_storage(dataset)
    first.append("jobs/1/events", {"n": 1})
    first.close()
    second = open_storage(dataset)
    shutil.rmtree(second.folder / "jobs")
    api.delete_folder("app/jobs", dataset, repo_type="dataset")
    second.append("feedback", {"n": 2})
    second.close()

    assert [{"n": 2}] == list(open_storage(dataset).records("feedback"))


def test_instances_that_start_at_once_share_the_dataset_that_one_of_them_makes(module, api, dataset, tmp_path):
    with ThreadPoolExecutor() as pool:
        list(pool.map(lambda n: module.Dataset(api, dataset, tmp_path / str(n)).fetch(), range(3)))

    assert api.dataset_info(dataset).private


def test_a_file_that_goes_while_it_is_committed_is_no_reason_to_fail(module, api, dataset, tmp_path):
    """As an upload does when its job ends."""
    folder = tmp_path / "app"
    folder.mkdir()
    over = threading.Event()

    def come_and_go() -> None:
        for n in itertools.count():
            (folder / "jobs" / str(n)).mkdir(parents=True)
            (folder / "jobs" / str(n) / "upload").write_bytes(bytes(10_000))
            shutil.rmtree(folder / "jobs" / str(n - 3), ignore_errors=True)
            if over.wait(0.002):
                return

    mirror = module.Dataset(api, dataset, folder)
    mirror.fetch()
    with ThreadPoolExecutor() as pool:
        going = pool.submit(come_and_go)
        try:
            for n in range(5):
                (folder / f"{n}.jsonl").write_text("{}\n")
                mirror.commit()
        finally:
            over.set()
    going.result()

    assert {f"app/{n}.jsonl" for n in range(5)} <= set(files(api, dataset))


@pytest.mark.parametrize("token", ["hf_ron", "hf_nobody"])
def test_a_token_that_may_not_write_is_named(open_storage, api, token):
    dataset = api.create_repo(f"acme/kept-{next(NUMBERS)}", repo_type="dataset", private=True).repo_id
    storage = open_storage(dataset, HF_TOKEN=token)
    storage.append("feedback", {"n": 1})

    assert [{"n": 1}] == list(storage.records("feedback"))
    assert not storage.persistent
    assert f"Temporary, because HF_TOKEN may not write the dataset {dataset}" in storage.message
    storage.close()
    assert [] == files(api, dataset)


def test_nothing_is_written_into_a_dataset_that_everybody_can_read(open_storage, api, dataset):
    api.create_repo(dataset, repo_type="dataset", private=False)
    storage = open_storage(dataset)
    storage.append("feedback", {"text": "private"})

    assert [{"text": "private"}] == list(storage.records("feedback"))
    assert f"Temporary, because the dataset {dataset} is not private" in storage.message
    storage.close()
    assert [] == files(api, dataset)


def test_a_dataset_that_is_made_public_gets_nothing_more(open_storage, api, dataset):
    storage = open_storage(dataset)
    assert storage.folder.exists()  # by now the first commit is over
    storage.append("feedback", {"n": 1})
    api.update_repo_settings(dataset, repo_type="dataset", private=False)
    storage.close()

    assert [] == files(api, dataset)
    assert f"Temporary, because the dataset {dataset} is not private" in storage.message


# Whole apps.


@pytest.fixture
def client() -> Iterator[httpx2.Client]:
    with httpx2.Client(trust_env=False, timeout=30) as client:
        yield client


def test_a_job_and_its_result_outlive_the_app(tmp_path, localhub, client, dataset):
    folder = new(tmp_path / "app", task="summarize", extras=["dataset"])
    app = App(folder, HF_ENDPOINT=localhub.url, HF_TOKEN="hf_demo", DATASET_ID=dataset)
    with app:
        job = client.post(f"{app.url}/jobs", json={"text": TEXT, "sentences": 2}).json()["id"]
        while "done" != client.get(f"{app.url}/jobs/{job}?wait=10").json()["status"]:
            pass
        before = client.get(f"{app.url}/jobs/{job}/result").json()
    with app:
        while 503 == (state := client.get(f"{app.url}/jobs/{job}")).status_code:
            time.sleep(0.05)  # the dataset is being read

        assert "done" == state.json()["status"]
        assert before == client.get(f"{app.url}/jobs/{job}/result").json()
    assert "ferry" not in app.log()
    assert "hf_demo" not in app.log()


def test_an_app_on_the_hub_keeps_what_it_is_told_in_its_bucket(tmp_path, api, client):
    """As a Space, whose container finds the volume mounted, and is empty after a restart."""
    bucket = api.create_bucket(f"demo/bucket-{next(NUMBERS)}", private=True).bucket_id
    space = api.create_repo(
        f"demo/space-{next(NUMBERS)}",
        repo_type="space",
        space_sdk="docker",
        space_volumes=[Volume(type="bucket", source=bucket, mount_path="/data")],
    ).repo_id
    folder = new(tmp_path / "app", extras=["bucket"])
    api.upload_folder(repo_id=space, folder_path=folder, repo_type="space")
    assert "RUNNING" == api.wait_for_space(space).stage
    url = api.space_info(space).host
    kept = client.get(f"{url}/health").json()["storage"]
    if not kept["persistent"]:
        pytest.skip(kept["message"])  # this machine has no sandbox, and so no mounts

    client.post(f"{url}/feedback", json={"input": "Good", "answer": "POSITIVE", "right": True})
    [file] = [file.path for file in api.list_bucket_tree(bucket)]
    api.restart_space(space)
    assert "RUNNING" == api.wait_for_space(space).stage

    assert "Kept in the volume at /data." == kept["message"]
    assert file.startswith("feedback/")
    assert 1 == client.get(f"{url}/feedback").json()["right"]
