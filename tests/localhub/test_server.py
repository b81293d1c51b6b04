"""The server as a whole: starting, stopping, surviving, and refusing to start."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import socket
import stat
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psutil
import pytest
from huggingface_hub import CommitOperationAdd, HfApi
from huggingface_hub.errors import HfHubHTTPError
from huggingface_hub.utils import get_session

from spaceops.errors import BadInput, InUse, NotFound
from spaceops.localhub import LocalHub, default_folder, embedded
from spaceops.localhub.git import environment
from tests.localhub.conftest import ACCOUNTS

SERVE = """
import sys
from spaceops.localhub import serve
serve(sys.argv[1], port=int(sys.argv[2]), accounts=sys.argv[3] or None)
"""


@contextmanager
def served(folder: Path, port: int = 0, accounts: Path | None = None) -> Iterator[tuple[subprocess.Popen[str], str]]:
    """A server in a process of its own, and its address."""
    command = [sys.executable, "-c", SERVE, str(folder), str(port), str(accounts or "")]
    pipe = subprocess.PIPE
    with subprocess.Popen(command, stdout=pipe, stderr=pipe, text=True) as process:
        assert process.stdout
        try:
            line = process.stdout.readline()
            assert line.startswith("ready http://127.0.0.1:"), process.stderr and process.stderr.read()
            yield process, line.removeprefix("ready ").strip()
        finally:
            process.kill()


def api_of(url: str, token: str = "hf_local") -> HfApi:
    return HfApi(endpoint=url, token=token)


def fill(api: HfApi) -> str:
    """A Space with settings and two commits; the sha of the last."""
    api.create_repo(
        "demo/app",
        repo_type="space",
        space_sdk="docker",
        space_hardware="t4-small",
        space_variables=[{"key": "A", "value": "1"}],
        space_secrets=[{"key": "S", "value": "s3cret"}],
    )
    files = [CommitOperationAdd("x.txt", b"text"), CommitOperationAdd("x.bin", b"\0" * 5000)]
    return api.create_commit("demo/app", files, repo_type="space", commit_message="files").oid


def assert_filled(api: HfApi, sha: str, folder: Path) -> None:
    info = api.space_info("demo/app")
    assert sha == info.sha
    assert {"A": "1"} == {key: found.value for key, found in api.get_space_variables("demo/app").items()}
    assert ["S"] == list(api.get_space_secrets("demo/app"))
    assert "t4-small" == api.get_space_runtime("demo/app").requested_hardware
    file = api.hf_hub_download("demo/app", "x.bin", repo_type="space", local_dir=folder)
    assert bytes(5000) == Path(file).read_bytes()


def test_it_serves_within_the_block_and_leaves_nothing(tmp_path: Path) -> None:
    with LocalHub() as hub:
        folder = hub.folder
        assert "demo" == api_of(hub.url, hub.token).whoami()["name"]
        assert folder.exists()
        assert hub.url in repr(hub)
        assert hub.token not in repr(hub)

    assert not folder.exists()
    with pytest.raises(Exception, match="refused"):
        get_session().get(hub.url)
    assert "localhub" not in [thread.name for thread in threading.enumerate()]


def test_stopping_twice_is_stopping_once() -> None:
    hub = LocalHub().start()
    hub.stop()
    hub.stop()


def test_two_of_them_work_side_by_side() -> None:
    with LocalHub() as one, LocalHub() as two:
        api_of(one.url).create_repo("demo/only-here")

        assert not api_of(two.url).repo_exists("demo/only-here")


def test_it_works_inside_a_running_event_loop() -> None:
    async def notebook() -> str:
        with LocalHub() as hub:
            return str(api_of(hub.url).whoami()["name"])

    assert "demo" == asyncio.run(notebook())


def test_everything_is_there_again_after_a_restart(tmp_path: Path) -> None:
    with LocalHub(tmp_path / "data") as hub:
        sha = fill(api_of(hub.url))
        host = api_of(hub.url).space_info("demo/app").host

    with LocalHub(tmp_path / "data") as hub:
        assert_filled(api_of(hub.url), sha, tmp_path)
        assert host == api_of(hub.url).space_info("demo/app").host


def test_everything_acknowledged_is_there_after_kill_9(tmp_path: Path) -> None:
    with served(tmp_path / "data") as (process, url):
        sha = fill(api_of(url))
        process.kill()
        process.wait()

    with served(tmp_path / "data") as (_, url):
        assert_filled(api_of(url), sha, tmp_path)


def test_what_was_arriving_when_it_died_is_cleared_away(tmp_path: Path) -> None:
    with LocalHub(tmp_path / "data") as hub:
        (hub.folder / "tmp" / "half").write_bytes(b"half a file")

    with LocalHub(tmp_path / "data") as hub:
        assert not (hub.folder / "tmp" / "half").exists()


def test_a_push_that_an_older_server_did_not_see_is_built(tmp_path: Path) -> None:
    """It may have died between the commit and the build."""
    with LocalHub(tmp_path / "data") as hub:
        fill(api_of(hub.url))
        (bare,) = (hub.folder / "git").iterdir()
    clone = tmp_path / "clone"
    identity = ["-c", "user.name=x", "-c", "user.email=x@x"]

    def git(*words: str) -> None:
        subprocess.run(["git", *words], env=environment(), check=True)  # not with the user's git-lfs

    git("clone", "--quiet", str(bare), str(clone))
    (clone / "Dockerfile").write_text("FROM alpine\n")
    git("-C", str(clone), "add", "Dockerfile")
    git("-C", str(clone), *identity, "commit", "--quiet", "-m", "late")
    git("-C", str(clone), "push", "--quiet")

    with LocalHub(tmp_path / "data") as hub:
        assert "BUILD_ERROR" == api_of(hub.url).wait_for_space("demo/app").stage


def test_a_port_in_use_is_said_and_nothing_is_started(tmp_path: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        with pytest.raises(InUse, match=f"Port {port} is in use"):
            LocalHub(tmp_path / "data", port=port).start()

    assert not (tmp_path / "data").exists()


def test_a_data_folder_in_use_is_said(tmp_path: Path) -> None:
    with LocalHub(tmp_path) as hub:
        with pytest.raises(InUse, match="Another local Hub works in"):
            LocalHub(tmp_path).start()
        assert "demo" == api_of(hub.url).whoami()["name"]


def test_a_data_folder_that_cannot_be_one_is_said(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")

    with pytest.raises(BadInput, match="cannot be the data folder"):
        LocalHub(tmp_path / "file").start()


def test_a_folder_with_other_things_in_it_is_not_taken(tmp_path: Path) -> None:
    (tmp_path / "thesis.tex").write_text("")

    with pytest.raises(BadInput, match="is not empty, and no data folder"):
        LocalHub(tmp_path).start()
    assert ["thesis.tex"] == [entry.name for entry in tmp_path.iterdir()]


def test_nobody_else_may_look_into_the_folder_even_if_it_was_open_before(tmp_path: Path) -> None:
    tmp_path.chmod(0o755)
    with LocalHub(tmp_path):
        assert 0o700 == stat.S_IMODE(tmp_path.stat().st_mode)
        for name in ("hub.sqlite3", "hub.sqlite3-wal", "secrets.key", "address.json"):
            assert 0o600 == stat.S_IMODE((tmp_path / name).stat().st_mode), name


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"runner": "magic"}, "no runner 'magic'"),
        ({"accounts": "none.toml"}, "No such file"),
        ({"host": "203.0.113.7"}, "Cannot listen on 203.0.113.7"),
    ],
)
def test_options_that_cannot_be_are_said(tmp_path: Path, options: dict[str, str], said: str) -> None:
    with pytest.raises(BadInput, match=said):
        LocalHub(tmp_path / "data", **options).start()  # type: ignore[arg-type]
    assert not (tmp_path / "data").exists()


def test_a_refused_start_lets_go_of_everything(tmp_path: Path) -> None:
    hub = LocalHub(tmp_path / "data", accounts=tmp_path / "accounts.toml")
    with pytest.raises(BadInput):
        hub.start()
    (tmp_path / "accounts.toml").write_text(ACCOUNTS)

    with hub:
        assert "ada" == api_of(hub.url, hub.token).whoami()["name"]


def test_the_address_is_written_for_others_and_goes_with_the_server(tmp_path: Path) -> None:
    file = tmp_path / "data" / "address.json"
    with LocalHub(tmp_path / "data") as hub:
        address = json.loads(file.read_text())
        assert len(address.pop("control")) > 30
        assert {"url": hub.url, "pid": os.getpid(), "token": "hf_local"} == address
        assert 0o600 == stat.S_IMODE(file.stat().st_mode)
        assert 0o700 == stat.S_IMODE((tmp_path / "data").stat().st_mode)
    assert not file.exists()


def test_tokens_of_an_accounts_file_are_written_nowhere(tmp_path: Path) -> None:
    (tmp_path / "accounts.toml").write_text(ACCOUNTS)
    with LocalHub(tmp_path / "data", accounts=tmp_path / "accounts.toml") as hub:
        api_of(hub.url, "hf_ada").create_repo("ada/x")
        files = [file for file in (tmp_path / "data").rglob("*") if file.is_file()]

        assert not [file for file in files if b"hf_ada" in file.read_bytes()]


def test_counters_are_those_of_a_space() -> None:
    with LocalHub() as hub:
        fill(api_of(hub.url))

        hub.requests.clear()
        api_of(hub.url).get_space_runtime("Demo/APP")
        api_of(hub.url).whoami()

        assert {"restarts": 0, "rebuilds": 0, "requests": 1} == hub.counters("demo/app")
        with pytest.raises(NotFound):
            hub.counters("demo/nope")


def test_the_embedded_hub_is_one_for_a_folder(tmp_path: Path) -> None:
    with served(tmp_path / "data") as (_, url):
        assert (url, "hf_local", False) == embedded(tmp_path / "data")


def test_the_embedded_hub_is_started_when_there_is_none(tmp_path: Path) -> None:
    script = "import sys; from pathlib import Path; from spaceops.localhub import embedded\n"
    script += "one, two = embedded(Path(sys.argv[1])), embedded(Path(sys.argv[1])); assert one == two;"
    script += "print(one.url, one.token)"
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", script, str(tmp_path / "data")],
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )

    assert done.stdout.startswith("http://127.0.0.1:")
    assert "" == done.stderr
    assert not (tmp_path / "data" / "address.json").exists()  # it ended with the program


def test_the_default_folder_is_the_users(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.delenv("XDG_DATA_HOME", raising=False)
    assert tmp_path / ".local/share/spaceops/hub" == default_folder()

    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "xdg"))
    assert tmp_path / "xdg/spaceops/hub" == default_folder()

    monkeypatch.setenv("SPACEOPS_DATA", "~/elsewhere")
    assert tmp_path / "elsewhere" == default_folder()


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_serve_ends_cleanly_with_a_signal(tmp_path: Path, number: signal.Signals) -> None:
    with served(tmp_path / "data") as (process, _):
        process.send_signal(number)
        out, said = process.communicate(timeout=20)

        assert (0, "") == (process.returncode, out)
        assert "user demo, token hf_local\n" == said
    assert not (tmp_path / "data" / "address.json").exists()


def test_serve_with_accounts_tells_no_token(tmp_path: Path) -> None:
    (tmp_path / "accounts.toml").write_text(ACCOUNTS)
    with served(tmp_path / "data", accounts=tmp_path / "accounts.toml") as (process, url):
        assert "ada" == api_of(url, "hf_ada").whoami()["name"]
        process.terminate()
        out, said = process.communicate(timeout=20)

    assert ("", "") == (out, said)


def test_it_idles_small_and_a_large_upload_does_not_sit_in_memory(tmp_path: Path) -> None:
    with served(tmp_path / "data") as (process, url):
        memory = psutil.Process(process.pid)
        idle = memory.memory_info().rss
        assert idle < 80 << 20

        api = api_of(url)
        api.create_repo("demo/large")
        size = 120 << 20
        wanted = {"operation": "upload", "objects": [{"oid": "0" * 64, "size": size}]}
        headers = {"Authorization": "Bearer hf_local"}
        answer = get_session().post(f"{url}/demo/large.git/info/lfs/objects/batch", json=wanted, headers=headers)
        href = answer.json()["objects"][0]["actions"]["upload"]["href"]
        sent = get_session().put(href, content=(bytes(1 << 20) for _ in range(120)), timeout=60)

        assert 400 == sent.status_code  # another sha256 than announced, found out at the end
        assert memory.memory_info().rss - idle < 60 << 20


def test_readers_of_logs_do_not_hold_up_the_end(tmp_path: Path) -> None:
    with served(tmp_path / "data") as (process, url):
        api = api_of(url)
        api.create_repo("demo/app", repo_type="space", space_sdk="docker")
        dockerfile = b'FROM python:3.11\nCMD ["python", "-m", "http.server", "7860"]\n'
        api.upload_file(path_or_fileobj=dockerfile, path_in_repo="Dockerfile", repo_id="demo/app", repo_type="space")
        assert "RUNNING" == api.wait_for_space("demo/app").stage
        lines = iter(api.fetch_space_logs("demo/app", follow=True))
        assert next(lines).startswith("=====")
        begin = time.monotonic()
        process.terminate()
        process.wait(timeout=20)

        assert time.monotonic() - begin < 5
        assert 0 == process.returncode


def test_a_token_of_another_hub_is_refused() -> None:
    with LocalHub() as hub, pytest.raises(HfHubHTTPError, match="Invalid user token"):
        api_of(hub.url, "hf_ada").whoami()


@pytest.mark.parametrize("module", ["starlette", "uvicorn", "lz4"])
def test_a_missing_extra_is_said_with_what_to_install(module: str) -> None:
    script = f"import sys; sys.modules[{module!r}] = None\n"
    script += "from spaceops.errors import ExtraMissing\ntry:\n    from spaceops.localhub import LocalHub\n"
    script += "except ExtraMissing as error:\n    print(error.hint)"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=False)

    assert "pip install 'spaceops[local]'\n" == done.stdout, done.stderr
