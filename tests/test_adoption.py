"""A Space that exists is taken over: its space.toml, its files, and a plan that finds nothing to do."""

from __future__ import annotations

import os
import signal
import string
import subprocess
import sys
import tomllib
from pathlib import Path

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from spaceops import Hub, Space, deploy, plan
from spaceops.adoption import UNFINISHED, pull, refuse_outside, space_toml
from spaceops.cli import main
from spaceops.comparison import compare, volumes_wanted
from spaceops.errors import BadInput, HubError, NotFound
from spaceops.observed import Observed, RemoteSecret, Runtime
from spaceops.plans import FileChanges
from spaceops.spec import Health, Volume, volume_as_written

EXAMPLES = settings(max_examples=int(os.environ.get("SPACEOPS_EXAMPLES", "60")), deadline=None)
HARD = 'a "quoted"\nvalue\twith \\ and \x00? no: \x7f, ünïcode, 🚀, \u2028 and # no comment'.replace("\x00", "")
LARGE = bytes(range(256)) * 600  # holds NULs: the Hub takes it for a large file


def commit(hub: Hub, repo_id: str, folder: Path, **contents: bytes) -> str:
    """Put files on the Hub as somebody else does."""
    folder.mkdir(exist_ok=True)
    add = {}
    for number, (path, content) in enumerate(contents.items()):
        (folder / str(number)).write_bytes(content)
        add[path] = str(folder / str(number))
    return hub.commit(repo_id, add=add, remove=[], message="by hand", parent=None)


def names_in(folder: Path) -> list[str]:
    return [path.name for path in folder.iterdir()]


@pytest.fixture
def theirs(space, hub, tmp_path) -> str:
    """A Space that somebody made by hand, with something of everything."""
    settings = {
        "space_variables": [{"key": "LOG_LEVEL", "value": "info"}, {"key": "HARD", "value": HARD}],
        "space_secrets": [{"key": "API_KEY", "value": "correct horse battery"}],
        "space_hardware": "t4-small",
        "space_sleep_time": 7200,
    }
    hub.create(space.repo_id, visibility="private", settings=settings)
    readme, dockerfile = ((space.root / name).read_bytes() for name in ("README.md", "Dockerfile"))
    contents = {
        "README.md": readme,
        "Dockerfile": dockerfile,
        "data/model.bin": LARGE,
        "ä b#1%.txt": b"umlaut",
        "e": b"",
    }
    commit(hub, space.repo_id, tmp_path / "by-hand", **contents)
    return space.repo_id


def test_the_plan_after_a_pull_is_empty_and_names_what_is_left_alone(theirs, hub, tmp_path):
    pulled = pull(theirs, hub, tmp_path / "mine")

    proposal = plan(Space.load(tmp_path / "mine"), hub)
    assert not proposal, str(proposal)
    assert {"API_KEY"} == {change.key for change in proposal.changes if change.subject == "secret"}
    assert (theirs, "private", "t4-small", 7200) == (
        pulled.repo_id,
        pulled.visibility,
        pulled.hardware,
        pulled.sleep_seconds,
    )
    assert {"LOG_LEVEL": "info", "HARD": HARD} == pulled.variables
    assert pulled == Space.load(tmp_path / "mine")


def test_every_file_comes_down_whole_and_nothing_else_is_left(theirs, hub, tmp_path):
    arrived = []

    pull(theirs, hub, tmp_path / "mine", watch=arrived.append)

    folder = tmp_path / "mine"
    found = {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()}
    on_the_hub = set(hub.observe(theirs).files)
    assert {".gitattributes", "README.md", "Dockerfile", "data/model.bin", "ä b#1%.txt", "e"} == on_the_hub
    assert {"space.toml"} == found - on_the_hub
    assert LARGE == (folder / "data" / "model.bin").read_bytes()
    assert b"umlaut" == (folder / "ä b#1%.txt").read_bytes()
    assert on_the_hub == set(arrived)
    assert {"space.toml", *(path.split("/")[0] for path in found)} == set(names_in(folder))


def test_the_value_that_is_put_in_for_a_comment_is_sent(theirs, hub, tmp_path, monkeypatch):
    pull(theirs, hub, tmp_path / "mine")
    file = tmp_path / "mine" / "space.toml"
    monkeypatch.setenv("API_KEY", "correct horse battery")

    file.write_text(file.read_text().replace('# API_KEY = "env', 'API_KEY = "env'))

    assert "~ secret     API_KEY" in str(plan(Space.load(file), hub))


def test_a_space_that_we_deployed_is_adopted_by_somebody_else(space, hub, tmp_path, monkeypatch):
    monkeypatch.setenv("API_KEY", "correct horse battery")
    (space.root / "static").mkdir()
    (space.root / "static" / "logo.png").write_bytes(LARGE)
    space = msgspec.structs.replace(space, variables={"A": 1, "B": True}, secrets={"API_KEY": "env:API_KEY"})
    deploy(space, hub, detach=True)

    pulled = pull(f"{hub.endpoint}/spaces/{space.repo_id}", hub, tmp_path / "mine")

    assert not plan(pulled, hub)
    assert "cpu-basic" == pulled.hardware
    assert pulled.sleep_time is None


def test_volumes_are_adopted_as_we_and_as_the_client_write_them(space, hub, tmp_path):
    hub._api.create_bucket(space.repo_id)
    ours = Volume(source=f"hf://buckets/{space.repo_id}", mount="/data")
    deploy(msgspec.structs.replace(space, volumes=(ours,)), hub, detach=True)
    assert (ours,) == pull(space.repo_id, hub, tmp_path / "ours").volumes

    hub._api.create_repo(f"{space.repo_id}-model", repo_type="model")
    bucket = {"type": "bucket", "source": space.repo_id}
    model = {"type": "model", "source": f"{space.repo_id}-model"}
    volumes = [
        bucket | {"mountPath": "/data"},
        bucket | {"mountPath": "/frozen", "readOnly": True},
        model | {"mountPath": "/model", "readOnly": True},
        model | {"mountPath": "/again"},  # the client leaves it to the Hub that repositories are read-only
    ]
    hub.volumes.set(space.repo_id, volumes)

    pulled = pull(space.repo_id, hub, tmp_path / "mine")

    proposal = plan(pulled, hub)
    assert not proposal, str(proposal)
    assert [("/again", False), ("/data", False), ("/frozen", True), ("/model", False)] == sorted(
        (volume.mount, volume.read_only) for volume in pulled.volumes
    )


def test_a_pull_again_asks_for_no_file_and_changes_nothing(theirs, hub, localhub, tmp_path):
    pull(theirs, hub, tmp_path)
    before = {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*") if path.name in ("Dockerfile", "model.bin")}
    localhub.requests.clear()

    pull(theirs, hub, tmp_path)

    assert before == {path: path.stat().st_mtime_ns for path in before}
    assert [f"/spaces/{theirs}/resolve/main/README.md"] == [
        path.partition("?")[0] for _, path in localhub.requests if "/resolve/main/" in path
    ]


@pytest.mark.parametrize("name", ["space.toml", "Dockerfile"])
def test_what_is_there_and_differs_is_replaced_only_by_force(theirs, hub, tmp_path, name):
    folder = tmp_path / "mine"
    folder.mkdir()
    (folder / name).write_text("mine\n")

    with pytest.raises(BadInput, match=rf"{name}\nhint: --force"):
        pull(theirs, hub, folder)
    assert [name] == names_in(folder)
    assert "mine\n" == (folder / name).read_text()

    assert not plan(pull(theirs, hub, folder, force=True), hub)


def test_without_files_only_space_toml_is_written(theirs, hub, tmp_path):
    folder = tmp_path / "mine"
    folder.mkdir()
    (folder / "Dockerfile").write_text("FROM mine\n")

    pull(theirs, hub, folder, files=False)

    assert {"Dockerfile", "space.toml"} == set(names_in(folder))
    assert "FROM mine\n" == (folder / "Dockerfile").read_text()


def test_a_pull_that_was_interrupted_is_completed_by_the_same_call(theirs, hub, localhub, tmp_path):
    folder = tmp_path / "mine"

    class Interrupted(Exception):
        pass

    def interrupt(_path: str) -> None:
        raise Interrupted

    with pytest.raises(Interrupted):
        pull(theirs, hub, folder, watch=interrupt)
    assert not (folder / "space.toml").exists()
    assert not list(folder.glob(f"{UNFINISHED}*"))
    (folder / f"{UNFINISHED}killed").mkdir()  # as after kill -9
    (folder / f"{UNFINISHED}killed" / "0").write_bytes(LARGE[:100])

    pulled = pull(theirs, hub, folder)

    assert not plan(pulled, hub)
    assert not list(folder.glob(f"{UNFINISHED}*"))


@pytest.mark.parametrize("stop", [signal.SIGINT, signal.SIGKILL])
def test_a_pull_that_was_killed_is_completed_by_the_same_command(theirs, hub, localhub, tmp_path, stop):
    folder = tmp_path / "mine"
    command = [sys.executable, "-m", "spaceops", "pull", theirs, str(folder)]
    env = os.environ | {"HF_ENDPOINT": localhub.url, "HF_TOKEN": localhub.token}
    slow = localhub.faults.add("slow", path="*/model.bin", seconds=2)
    with subprocess.Popen(command, env=env, stderr=subprocess.PIPE, text=True) as process:
        assert any(line.strip() == "Dockerfile" for line in process.stderr)
        process.send_signal(stop)
        process.stderr.read()
    assert {signal.SIGINT: 130, signal.SIGKILL: -signal.SIGKILL}[stop] == process.returncode
    assert not (folder / "space.toml").exists()
    localhub.faults.clear(slow.id)

    done = subprocess.run(command, env=env, capture_output=True, text=True, check=True)

    assert "data/model.bin" in done.stderr
    assert "Dockerfile" not in done.stderr.split()
    assert not plan(Space.load(folder), hub)
    assert not list(folder.glob(f"{UNFINISHED}*"))


def test_a_file_that_the_hub_does_not_give_is_an_error_and_comes_the_next_time(theirs, hub, localhub, tmp_path):
    localhub.faults.add("status", path="*/model.bin", times=1)

    with pytest.raises(HubError, match=r"model\.bin"):
        pull(theirs, hub, tmp_path / "mine")
    assert not (tmp_path / "mine" / "space.toml").exists()

    assert not plan(pull(theirs, hub, tmp_path / "mine"), hub)


def test_a_space_toml_on_the_hub_is_not_taken_for_ours(theirs, hub, tmp_path):
    commit(hub, theirs, tmp_path / "by-hand", **{"space.toml": b'repo_id = "demo/elsewhere"\n'})

    pulled = pull(theirs, hub, tmp_path / "mine")

    assert theirs == Space.load(tmp_path / "mine").repo_id
    assert not plan(pulled, hub)


def test_a_file_that_git_would_run_is_never_written(tmp_path, theirs, hub):
    outside = tmp_path / "outside"
    outside.mkdir()
    folder = tmp_path / "mine"
    folder.mkdir()
    (folder / "data").symlink_to(outside)

    with pytest.raises(BadInput, match="outside of"):
        pull(theirs, hub, folder, force=True)

    assert not list(outside.iterdir())
    assert ["data"] == names_in(folder)


@pytest.mark.parametrize("name", ["../x", "/etc/x", "a/../../x", ".git/hooks/post-checkout", "sub/.GIT/config", "a\0b"])
def test_a_name_that_leads_elsewhere_is_refused(name, tmp_path):
    with pytest.raises(BadInput, match="outside of"):
        refuse_outside(name, tmp_path)


def test_no_docker_space_and_no_space_at_all_are_told(space, hub, tmp_path):
    with pytest.raises(NotFound, match="does not exist"):
        pull(space.repo_id, hub, tmp_path / "mine")
    hub._api.create_repo(space.repo_id, repo_type="space", space_sdk="static")

    with pytest.raises(BadInput, match="is a static Space"):
        pull(space.repo_id, hub, tmp_path / "mine")

    assert not (tmp_path / "mine").exists()


def test_a_folder_that_cannot_be_is_one_clear_error(theirs, hub, tmp_path):
    (tmp_path / "file").write_text("")

    with pytest.raises(BadInput, match="file"):
        pull(theirs, hub, tmp_path / "file" / "inside")


def test_the_command_writes_it_and_says_what_comes_next(theirs, localhub, tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("HF_ENDPOINT", localhub.url)
    monkeypatch.setenv("HF_TOKEN", localhub.token)

    main(["pull", theirs, str(tmp_path / "mine")])

    said = capsys.readouterr()
    assert f"{tmp_path}/mine/space.toml\n" == said.out
    assert f"as demo on {localhub.url}: {theirs}\n" in said.err
    assert "hint: spaceops plan" in said.err
    assert "correct horse" not in (tmp_path / "mine" / "space.toml").read_text() + said.err


def test_the_command_plan_finds_nothing_to_do_after_the_command_pull(theirs, localhub, tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("HF_ENDPOINT", localhub.url)
    monkeypatch.setenv("HF_TOKEN", localhub.token)
    folder = tmp_path / "mine"

    main(["pull", f"hf://spaces/{theirs}", str(folder)])
    main(["plan", str(folder), "--detailed-exitcode"])
    assert "No changes." in capsys.readouterr().out

    (folder / "e").write_text("no longer empty")
    with pytest.raises(SystemExit) as ended:
        main(["plan", str(folder), "--detailed-exitcode"])
    assert 2 == ended.value.code


# the text of space.toml


def observed(**fields) -> Observed:
    return Observed("acme/demo", exists=True, visibility="private", **fields)


def read_back(found: Observed) -> Space:
    return Space.parse(tomllib.loads(space_toml(found)))


def test_space_toml_reads_as_if_written_by_hand():
    found = observed(
        runtime=Runtime(
            "RUNNING",
            hardware="t4-small",
            sleep_time=7200,
            volumes=({"type": "bucket", "source": "acme/state", "mountPath": "/data", "readOnly": True},),
        ),
        variables={"LOG_LEVEL": "info"},
        secrets={"B_KEY": RemoteSecret(), "A_KEY": RemoteSecret("of the bank")},
    )

    assert space_toml(found) == (
        "# Written by `spaceops pull`; `spaceops docs space` explains each key.\n"
        'repo_id = "acme/demo"\n'
        'visibility = "private"\n'
        'hardware = "t4-small"\n'
        'sleep_time = "2h"\n'
        "\n"
        "[variables]\n"
        'LOG_LEVEL = "info"\n'
        "\n"
        "[secrets]\n"
        "# Values cannot be read back: these are left alone until you take the # away, having the value.\n"
        '# A_KEY = "env:A_KEY"\n'
        '# B_KEY = "env:B_KEY"\n'
        "\n"
        "[[volumes]]\n"
        'source = "hf://buckets/acme/state"\n'
        'mount = "/data"\n'
        "read_only = true\n"
        "\n"
        "[health]\n"
        'path = "/"  # a guess: what answers 200 once the app is up\n'
    )


NAMES = st.text(string.ascii_letters + "_", min_size=1, max_size=12)
VALUES = st.text(st.characters(exclude_categories=["Cs"]))


@EXAMPLES
@given(variables=st.dictionaries(NAMES, VALUES), sleep_time=st.none() | st.integers(1, 10**7))
def test_what_is_written_is_what_is_read(variables, sleep_time):
    found = observed(runtime=Runtime("RUNNING", hardware="a10g-small", sleep_time=sleep_time), variables=variables)

    space = read_back(found)

    assert variables == space.environment
    assert -1 if sleep_time is None else sleep_time == space.sleep_seconds


def test_a_huge_value_is_written_whole():
    value = ('"' * 3 + "\n") * 50_000

    assert {"HUGE": value} == read_back(observed(variables={"HUGE": value})).variables


@pytest.mark.parametrize("name", ["A B", 'x"]\nprune = true\n["', "ÄPFEL", "", "1A"])
def test_a_name_that_space_toml_cannot_say_is_a_comment_and_nothing_more(name):
    space = read_back(observed(variables={name: "x", "OK": "y"}, secrets={name: RemoteSecret()}))

    assert ({"OK": "y"}, {}, False) == (space.variables, space.secrets, space.prune)


def test_what_makes_it_healthy_is_known_from_its_releases(space, hub, tmp_path):
    health = Health(path="/env", status=200, times=2, body="PATH")
    deploy(msgspec.structs.replace(space, health=health), hub, detach=True)

    pulled = pull(space.repo_id, hub, tmp_path / "pulled")

    assert health == pulled.health


def test_half_of_a_surrogate_pair_is_left_alone():
    text = space_toml(observed(variables={"HALF": "\ud83d", "WHOLE": "🚀"}))

    assert text.encode()
    assert {"WHOLE": "🚀"} == Space.parse(tomllib.loads(text)).variables


def test_volumes_that_space_toml_cannot_say_are_left_alone_all_of_them():
    plain = {"type": "bucket", "source": "acme/state", "mountPath": "/data"}
    special = {"type": "kernel", "source": "acme/x", "mountPath": "/m"}

    text = space_toml(observed(runtime=Runtime("RUNNING", volumes=(plain, special))))

    assert "# The volumes are left alone: space.toml cannot say a source of the kind 'kernel'.\n" in text
    assert () == Space.parse(tomllib.loads(text)).volumes


HUB_VOLUMES = st.fixed_dictionaries(
    {
        "type": st.sampled_from(["bucket", "model", "dataset", "space"]),
        "source": st.from_regex(r"[a-z0-9]{1,8}/[a-z0-9][a-z0-9._-]{0,8}", fullmatch=True),
        "mountPath": st.from_regex(r"/[a-z]{1,8}", fullmatch=True),
        "readOnly": st.booleans(),
    },
    optional={"revision": st.sampled_from(["main", "v1"]), "path": st.sampled_from(["a", "b/c", 'd"\n'])},
)


SECRETS = st.dictionaries(NAMES.map("S_".__add__), st.builds(RemoteSecret, st.none() | VALUES), max_size=3)
RUNTIMES = st.builds(
    Runtime,
    st.sampled_from(["RUNNING", "PAUSED", "NO_APP_FILE", "BUILDING"]),
    hardware=st.sampled_from([None, "cpu-basic", "t4-small"]),
    requested_hardware=st.sampled_from([None, "cpu-basic", "a10g-large"]),
    sleep_time=st.none() | st.integers(60, 10**6),
    volumes=st.lists(HUB_VOLUMES, max_size=3, unique_by=lambda volume: volume["mountPath"]).map(tuple),
)


@EXAMPLES
@given(
    visibility=st.sampled_from(["public", "protected", "private"]),
    runtime=RUNTIMES,
    variables=st.dictionaries(NAMES.map("V_".__add__), VALUES, max_size=3),
    secrets=SECRETS,
)
def test_whatever_a_space_is_its_space_toml_changes_nothing(visibility, runtime, variables, secrets):
    found = Observed(
        "acme/demo", exists=True, visibility=visibility, runtime=runtime, variables=variables, secrets=secrets
    )

    proposal = compare(
        read_back(found), found, FileChanges(), account="demo", endpoint="http://hub", secrets={}, prices={}
    )

    assert not proposal, str(proposal)
    assert set(secrets) == {change.key for change in proposal.changes}


@EXAMPLES
@given(volume=HUB_VOLUMES)
def test_a_volume_goes_to_space_toml_and_back(volume):
    text = space_toml(observed(runtime=Runtime("RUNNING", volumes=(volume,))))

    space = Space.parse(tomllib.loads(text))

    usual = {"readOnly": volume["readOnly"] or volume["type"] != "bucket", "revision": volume.get("revision", "main")}
    assert [volume | usual] == [{"revision": "main"} | wanted for wanted in volumes_wanted(space.volumes)]
    assert (volume_as_written(volume),) == space.volumes
