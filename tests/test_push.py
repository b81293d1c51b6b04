"""Two transports, one result; and the token is nowhere but in git's environment."""

from __future__ import annotations

import base64
import hashlib
import json
import os
import random
import shutil
import signal
import subprocess
import sys
import threading
import time
import tracemalloc
from collections import Counter
from contextlib import nullcontext
from pathlib import Path

import msgspec
import pytest
from huggingface_hub import HfApi
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from spaceops import Hub, LocalHub, deploy, plan
from spaceops.errors import BadInput, Conflict, Forbidden, HubError, NotFound, PlanStale, SpaceopsError, Unreachable
from spaceops.files import LocalFile
from spaceops.hub.attributes import line_for, tracked_by
from spaceops.hub.clone import LAG, cloned
from spaceops.hub.commits import AGAIN, Commits, Large, Plain, _Body
from spaceops.push import TRANSPORTS, by_api
from tests.scripted_server import Answer, scripted

BOTH = pytest.mark.parametrize("transport", sorted(TRANSPORTS))
MEGABYTE = 1 << 20
TRACKED = "filter=lfs diff=lfs merge=lfs -text"


def written(folder: Path, contents: dict[str, bytes]) -> dict[str, LocalFile]:
    """Files in a folder of their own, as a scan finds them."""
    found = {}
    for name, content in contents.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
        found[name] = LocalFile(path, len(content))
    return found


def push(transport, hub, repo_id, folder, contents, *, remove=(), parent=None, message="m") -> str:
    write = written(folder, contents)
    with TRANSPORTS[transport](hub, repo_id, write=write, remove=remove, parent=parent) as land:
        return land(message)


def tree_of(localhub, repo_id, revision="main") -> str:
    """The id of the tree at a revision, as git on the other side knows it."""
    return said_by_git(localhub, repo_id, "rev-parse", f"{revision}^{{tree}}")


def said_by_git(localhub, repo_id, *words) -> str:
    identity = HfApi(endpoint=localhub.url, token=localhub.token).space_info(repo_id, expand=["sha"]).sha
    for folder in localhub.folder.rglob("*.git"):
        command = ["git", f"--git-dir={folder}"]
        if not subprocess.run([*command, "cat-file", "-e", f"{identity}^{{commit}}"], capture_output=True).returncode:
            done = subprocess.run([*command, *words], capture_output=True, text=True, check=True)
            return done.stdout.strip()
    raise AssertionError(f"no repository of {repo_id}")


def titles(localhub, repo_id) -> list[str]:
    api = HfApi(endpoint=localhub.url, token=localhub.token)
    return [commit.title for commit in api.list_repo_commits(repo_id, repo_type="space")]


@pytest.fixture
def repo_id(space, hub):
    """A Space that exists and is empty."""
    hub.create(space.repo_id, visibility=None, settings={})
    return space.repo_id


@pytest.fixture
def twin(repo_id, hub):
    """Another one."""
    hub.create(f"{repo_id}-twin", visibility=None, settings={})
    return f"{repo_id}-twin"


@BOTH
def test_a_push_writes_and_removes_in_one_commit(transport, hub, localhub, repo_id, tmp_path):
    first = push(transport, hub, repo_id, tmp_path, {"a": b"1", "b": b"2", "ä": b"umlaut"})

    message = "two\n\nSpaceops-Release: 2\nSource-Dirty: true"
    second = push(transport, hub, repo_id, tmp_path, {"a": b"3"}, remove=["b"], message=message, parent=first)

    observed = hub.observe(repo_id)
    assert second == observed.sha
    assert {".gitattributes", "README.md", "a", "ä"} == set(observed.files)
    assert b"3" == hub.read(repo_id, "a")
    assert message == said_by_git(localhub, repo_id, "log", "-1", "--format=%B")
    assert 3 == len(titles(localhub, repo_id))


@BOTH
def test_many_files_are_one_commit_and_nothing_is_asked_twice(transport, hub, localhub, repo_id, tmp_path):
    contents = {f"part{number % 7}/file{number}.txt": b"%d" % number for number in range(600)}
    localhub.requests.clear()

    push(transport, hub, repo_id, tmp_path, contents)

    asked = Counter(path.rpartition("/api/spaces/")[2] for _, path in localhub.requests)
    assert 3 == asked[f"{repo_id}/preupload/main"]  # 256 files each
    assert (transport == "api") == asked[f"{repo_id}/commit/main"]
    assert 2 == len(titles(localhub, repo_id))
    assert 602 == len(hub.observe(repo_id).files)


@BOTH
def test_large_files_are_up_before_anything_lands(transport, hub, localhub, repo_id, tmp_path):
    files = written(tmp_path, {"model.bin": b"\0" * 1000, "app.py": b"print()"})
    before = hub.observe(repo_id).sha

    with TRANSPORTS[transport](hub, repo_id, write=files, remove=[], parent=before) as land:
        unseen = hub.observe(repo_id).sha
        localhub.requests.clear()
        landed = land("m")
        later = [path for _, path in localhub.requests]

    assert before == unseen != landed
    assert not [path for path in later if "/cas/" in path or "lfs" in path or "preupload" in path]


@BOTH
def test_a_push_on_top_of_something_unseen_is_refused(transport, hub, localhub, repo_id, tmp_path):
    seen = hub.observe(repo_id).sha
    push(transport, hub, repo_id, tmp_path, {"theirs": b"1"}, parent=seen)
    localhub.requests.clear()

    with pytest.raises(Conflict, match="main moved"):
        push(transport, hub, repo_id, tmp_path, {"ours.bin": b"\0"}, parent=seen)

    assert "ours.bin" not in hub.observe(repo_id).files
    assert not [path for _, path in localhub.requests if "/cas/" in path]  # nothing went up for nothing


@BOTH
def test_who_is_overtaken_before_landing_loses_nothing_of_theirs(transport, hub, repo_id, tmp_path):
    seen = hub.observe(repo_id).sha
    ours = written(tmp_path, {"app.py": b"ours"})

    with TRANSPORTS[transport](hub, repo_id, write=ours, remove=[], parent=seen) as land:
        theirs = push("api", hub, repo_id, tmp_path / "theirs", {"app.py": b"theirs"}, parent=seen)
        with pytest.raises(Conflict):
            land("ours")

    assert (theirs, b"theirs") == (hub.observe(repo_id).sha, hub.read(repo_id, "app.py"))


@BOTH
def test_a_new_space_whose_head_nobody_told_is_guarded_from_the_question_on(transport, hub, repo_id, tmp_path):
    with TRANSPORTS[transport](hub, repo_id, write=written(tmp_path, {"a": b"1"}), remove=[], parent=None) as land:
        push("api", hub, repo_id, tmp_path / "theirs", {"b": b"2"})
        with pytest.raises(Conflict):
            land("ours")


@BOTH
@pytest.mark.parametrize("size", [15, 17], ids=["by-chunks", "streamed"])
def test_a_large_binary_arrives_whole(transport, size, hub, repo_id, tmp_path, caplog):
    content = bytes(range(256)) * (size << 12)

    push(transport, hub, repo_id, tmp_path, {"model.bin": content})
    push(transport, hub, repo_id, tmp_path, {"model.bin": content + b"more"})

    stored = hub.observe(repo_id).files["model.bin"]
    assert (len(content) + 4, True) == (stored.size, stored.sha256 is not None)
    assert content + b"more" == hub.read(repo_id, "model.bin")
    assert not caplog.records  # the client has advice on what we chose


def test_both_transports_leave_nothing_to_do_for_the_other(space, hub):
    deploy(space, hub, detach=True)

    assert not plan(msgspec.structs.replace(space, transport="git"), hub)


@BOTH
def test_pushing_what_is_there_makes_no_commit(transport, hub, repo_id, tmp_path):
    first = push(transport, hub, repo_id, tmp_path, {"a": b"1", "m.bin": b"\0\1"})

    assert first == push(transport, hub, repo_id, tmp_path, {"a": b"1", "m.bin": b"\0\1"}, parent=first)


# the same tree

AWKWARD = {
    "README.md": b"---\nsdk: docker\n---\n",
    "ends.txt": b"one\r\ntwo\r\n",
    "mixed.txt": b"one\r\ntwo\n",
    "-rf": b"a dash",
    "with space and 'quotes\".txt": b"1",
    "ünï/cödé ☃.txt": b"snow",
    "nothing.txt": b"",
    "nothing.bin": b"",
    "noise.bin": b"\0\1\2",
    "a [1]#!.dat": b"\0",
    "late.pdf": b"%PDF" + b"x" * 600 + b"\0",
    "utf16.txt": "text".encode("utf-16"),
    "ident.c": b"$Id$\n",
    "words.foo": b"text that .gitattributes gives to LFS",
    "deep/er/words.foo": b"the same in a folder",
    "pointer.txt": b"version https://git-lfs.github.com/spec/v1\noid sha256:no\nsize 1\n",
    ".gitattributes": f"* text=auto eol=crlf ident\n*.bin {TRACKED}\n*.foo {TRACKED}\n*.foo text".encode(),
}


def test_whatever_is_in_a_folder_both_transports_make_the_same_tree_of_it(hub, localhub, repo_id, twin, tmp_path):
    contents = AWKWARD | {"over10.txt": b"x" * (11 * MEGABYTE)}

    push("api", hub, repo_id, tmp_path, contents)
    push("git", hub, twin, tmp_path, contents)

    files = hub.observe(repo_id).files
    large = {path for path, file in files.items() if file.sha256}
    assert tree_of(localhub, repo_id) == tree_of(localhub, twin)
    assert large == {
        *("noise.bin", "a [1]#!.dat", "late.pdf", "utf16.txt", "words.foo", "deep/er/words.foo", "over10.txt")
    }
    for path, content in contents.items():
        if path != ".gitattributes":  # the Hub adds to it what is large and not named there
            assert content == hub.read(repo_id, path), path


NAMES = st.sampled_from(["a", "b", "c.bin", "d e.txt", "é", "-f", "g.foo", "deep/a", "deep/b.bin", "deep/er/c"])
CONTENTS = st.sampled_from([b"", b"text", b"text\r\nlines\r\n", b"\0\1", b"x" * 700 + b"\0", b"other"])
ATTRIBUTES = st.fixed_dictionaries(
    {}, optional={".gitattributes": st.sampled_from([b"", f"*.foo {TRACKED}\n".encode()])}
)
TREES = st.builds(
    lambda files, attributes: files | attributes, st.dictionaries(NAMES, CONTENTS, min_size=1), ATTRIBUTES
)
NUMBERS = iter(range(10**9))


@settings(
    max_examples=int(os.environ.get("SPACEOPS_EXAMPLES", "4")),
    deadline=None,
    phases=(Phase.explicit, Phase.generate),  # what fails is small already, and each try takes a second
    derandomize="SPACEOPS_EXAMPLES" not in os.environ,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(trees=st.lists(TREES, min_size=2, max_size=3))
def test_any_row_of_changes_ends_in_the_same_trees(trees, localhub, tmp_path_factory):
    """A push mirrors a tree: what is new is written, what is gone is removed."""
    hub, number = Hub(localhub.url, token=localhub.token), next(NUMBERS)
    found: dict[str, list[str]] = {}
    for transport in TRANSPORTS:
        repo_id, folder = f"demo/{transport}-{number}", tmp_path_factory.mktemp("tree")
        hub.create(repo_id, visibility=None, settings={})
        before: dict[str, bytes] = {}
        found[transport] = []
        for step, tree in enumerate({**tree, "README.md": AWKWARD["README.md"]} for tree in trees):
            changed = {path: content for path, content in tree.items() if before.get(path) != content}
            gone = sorted(before.keys() - tree.keys() - {".gitattributes"})
            push(transport, hub, repo_id, folder / str(step), changed, remove=gone, parent=hub.observe(repo_id).sha)
            found[transport].append(tree_of(localhub, repo_id))
            before = tree
    assert found["api"] == found["git"]


@BOTH
def test_a_file_becomes_a_folder_and_a_folder_a_file(transport, hub, repo_id, tmp_path):
    first = push(transport, hub, repo_id, tmp_path / "1", {"a": b"1", "b/c": b"2", "b/d/e": b"3"})

    push(transport, hub, repo_id, tmp_path / "2", {"a/x": b"4", "b": b"5"}, remove=["a", "b/c", "b/d/e"], parent=first)

    assert {"a/x", "b"} == set(hub.observe(repo_id).files) - {".gitattributes", "README.md"}


@BOTH
def test_a_file_where_the_hub_has_a_folder_that_stays_is_refused(transport, hub, repo_id, tmp_path):
    first = push(transport, hub, repo_id, tmp_path / "1", {"a/theirs": b"1", "a/ours": b"2"})

    for number, (path, gone) in enumerate([("a", []), ("a", ["a/ours"]), ("a/ours/deeper", [])]):
        with pytest.raises(SpaceopsError, match="a"):
            push(transport, hub, repo_id, tmp_path / f"2{number}", {path: b"new"}, remove=gone, parent=first)

    assert (b"1", b"2") == (hub.read(repo_id, "a/theirs"), hub.read(repo_id, "a/ours"))


@BOTH
def test_a_program_stays_one_and_a_new_file_is_none(transport, hub, localhub, repo_id, tmp_path):
    """The API has no word for modes: what is new is a plain file by either transport, and what is there keeps its."""
    head = commit_with_git(localhub, repo_id, tmp_path / "work", {"run.sh": b"#!/bin/sh\n"}, modes={"run.sh": 0o755})
    contents = written(tmp_path, {"run.sh": b"#!/bin/sh\necho\n", "new.sh": b"#!/bin/sh\n"})
    (tmp_path / "new.sh").chmod(0o755)

    with TRANSPORTS[transport](hub, repo_id, write=contents, remove=[], parent=head) as land:
        land("m")

    listed = said_by_git(localhub, repo_id, "ls-tree", "main", "run.sh", "new.sh").splitlines()
    assert [("100644", "new.sh"), ("100755", "run.sh")] == [(line[:6], line.split("\t")[1]) for line in listed]


def commit_with_git(localhub, repo_id, folder, contents, *, modes=None, links=None) -> str:
    """What somebody does with plain git; the sha."""
    address = f"{localhub.url}/spaces/{repo_id}".replace("://", f"://demo:{localhub.token}@")
    git = ["git", "-C", str(folder), "-c", "user.name=demo", "-c", "user.email=demo@localhost"]
    subprocess.run(["git", "clone", "--quiet", address, str(folder)], check=True)
    written(folder, contents)
    for name, mode in (modes or {}).items():
        (folder / name).chmod(mode)
    for name, target in (links or {}).items():
        (folder / name).symlink_to(target)
    for words in (["add", "-A"], ["commit", "-qm", "theirs"], ["push", "-q"]):
        subprocess.run([*git, *words], check=True, capture_output=True)
    return subprocess.run([*git, "rev-parse", "HEAD"], capture_output=True, text=True, check=True).stdout.strip()


@BOTH
def test_a_link_is_followed(transport, hub, localhub, repo_id, tmp_path):
    written(tmp_path, {"real.txt": b"content"})
    (tmp_path / "link.txt").symlink_to("real.txt")
    write = {"link.txt": LocalFile(tmp_path / "link.txt", 7)}

    with TRANSPORTS[transport](hub, repo_id, write=write, remove=[], parent=None) as land:
        land("m")

    assert b"content" == hub.read(repo_id, "link.txt")
    assert said_by_git(localhub, repo_id, "ls-tree", "main", "link.txt").startswith("100644")


@BOTH
def test_a_folder_whose_name_is_hard_to_quote_is_pushed(transport, hub, repo_id, tmp_path):
    folder = tmp_path / 'a "b"\n\\c' / "~root"

    push(transport, hub, repo_id, folder, {"a": b"1", "m.bin": b"\0"})

    assert (b"1", b"\0") == (hub.read(repo_id, "a"), hub.read(repo_id, "m.bin"))


@pytest.mark.parametrize(
    ("lines", "path", "large"),
    [
        ("*.bin filter=lfs", "deep/a.bin", True),
        ("*.bin filter=lfs\n*.bin -filter", "a.bin", False),
        ("*.bin filter=lfs\na.bin !filter", "a.bin", False),
        ("/a.bin filter=lfs", "deep/a.bin", False),
        ("deep/*.bin filter=lfs", "deep/a.bin", True),
        ("deep/* filter=lfs", "deep/er/a.bin", False),
        ("deep filter=lfs", "deep/a.bin", False),
        ("deep/** filter=lfs", "deep/er/a.bin", True),
        ("saved/**/* filter=lfs", "saved/x/y/z", True),
        ("* filter=lfs", "deep/er/a", True),
        ("*events* filter=lfs", "run/tfevents.1", True),
        ("a[[:space:]]b filter=lfs", "a b", True),
        ("#*.bin filter=lfs", "a.bin", False),
        ("*.bin text", "a.bin", False),
        ("deep/ filter=lfs", "deep/a.bin", False),
        ("[[:digit:]]?.[!x] filter=lfs", "deep/1a.b", True),
        ("\\*.bin filter=lfs", "a.bin", False),
        ("**/er/* filter=lfs", "deep/er/a.bin", True),
        ("a[ filter=lfs", "a[", False),
    ],
)
def test_attributes_are_read_as_git_reads_them(lines, path, large, tmp_path):
    subprocess.run(["git", "init", "--quiet", tmp_path], check=True)
    (tmp_path / ".gitattributes").write_text(lines)
    command = ["git", "-C", tmp_path, "check-attr", "filter", "--", path]
    said = subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()

    assert large == said.endswith(": lfs")
    assert large == (path in tracked_by({"": lines}, [path]))


def test_the_nearest_attributes_decide():
    attributes = {"": "*.bin filter=lfs", "deep": "*.bin -filter", "deep/er": "*.txt filter=lfs"}

    assert {"a.bin", "deep/er/b.txt"} == tracked_by(attributes, ["a.bin", "deep/a.bin", "deep/er/b.txt", "b.txt"])


@pytest.mark.parametrize("path", ["a b.bin", "a[1].bin", "é/*.bin", "#a", "!a", 'a"b', "deep/-a.bin"])
def test_a_line_for_one_path_names_it_and_no_other(path):
    assert {path} == tracked_by({"": line_for(path)}, [path, "other", "a1.bin", "ab.bin"])


# what does not run, and what is not read

HOSTILE = "*.txt filter=evil diff=evil merge=evil text\n"


def test_nothing_of_a_space_or_of_the_users_configuration_runs_in_a_push(hub, localhub, repo_id, tmp_path, monkeypatch):
    """Attributes of the Space name filters that the user has; hooks are set for all repositories."""
    hooks, ran = tmp_path / "hooks", tmp_path / "ran"
    hooks.mkdir()
    for name in ("pre-push", "pre-commit", "commit-msg", "post-commit", "post-checkout", "reference-transaction"):
        (hooks / name).write_text(f"#!/bin/sh\necho {name} >> {ran}\n")
        (hooks / name).chmod(0o755)
    trap = f"sh -c 'echo filter >> {ran}; cat'"
    configuration = tmp_path / "gitconfig"
    configuration.write_text(
        f"[core]\nhooksPath = {hooks}\nattributesFile = {tmp_path}/attributes\nautocrlf = true\n"
        f'[filter "evil"]\nclean = {trap}\nsmudge = {trap}\nrequired = true\n'
        "[push]\ngpgSign = true\n[commit]\ngpgSign = true\n[clone]\ndefaultRemoteName = upstream\n"
        "[safe]\nbareRepository = explicit\n"
    )
    (tmp_path / "attributes").write_text(HOSTILE)
    head = push("api", hub, repo_id, tmp_path / "1", {".gitattributes": HOSTILE.encode(), "a.txt": b"1\r\n"})
    monkeypatch.setenv("GIT_CONFIG_GLOBAL", str(configuration))

    push("git", hub, repo_id, tmp_path / "2", {"a.txt": b"2\r\n", "m.bin": b"\0"}, parent=head)

    assert not ran.exists()
    assert b"2\r\n" == hub.read(repo_id, "a.txt")


def test_a_push_from_a_hook_of_another_repository_leaves_that_alone(hub, repo_id, tmp_path, monkeypatch):
    """git tells its hooks in the environment which repository and which index are meant: not for us."""
    other = tmp_path / "other"
    subprocess.run(["git", "init", "--quiet", other], check=True)
    before = {path: path.read_bytes() for path in (other / ".git").rglob("*") if path.is_file()}
    for name in ("GIT_DIR", "GIT_COMMON_DIR"):
        monkeypatch.setenv(name, str(other / ".git"))
    monkeypatch.setenv("GIT_INDEX_FILE", str(other / ".git" / "index"))
    monkeypatch.setenv("GIT_OBJECT_DIRECTORY", str(other / ".git" / "objects"))
    monkeypatch.setenv("GIT_WORK_TREE", str(other))
    monkeypatch.setenv("GIT_AUTHOR_DATE", "2001-01-01T00:00:00")

    push("git", hub, repo_id, tmp_path / "1", {"a": b"1"})

    assert b"1" == hub.read(repo_id, "a")
    assert before == {path: path.read_bytes() for path in (other / ".git").rglob("*") if path.is_file()}


def test_git_needs_no_git_lfs(hub, repo_id, tmp_path, localhub):
    """Large files go up by the client: a PATH with nothing but git will do."""
    done = in_a_process(localhub, repo_id, tmp_path, PATH=str(only(tmp_path, "git", "env", "sh")))

    said = done.communicate(timeout=60)
    assert 0 == done.returncode, said
    assert hub.observe(repo_id).files["m.bin"].sha256


def test_without_git_the_git_transport_says_what_to_install(localhub, repo_id, tmp_path):
    done = in_a_process(localhub, repo_id, tmp_path, PATH=str(only(tmp_path, "sh")))

    said = done.communicate(timeout=60)[1]
    assert "needs the program git" in said and 'transport = "api"' in said


def only(folder: Path, *programs: str) -> Path:
    """A folder for PATH with some programs and no others."""
    place = folder / "programs"
    place.mkdir()
    for name in programs:
        (place / name).symlink_to(shutil.which(name) or name)
    return place


SCRIPT = """
import sys
from pathlib import Path
from spaceops import Hub
from spaceops.files import LocalFile
from spaceops.push import by_git
hub, folder = Hub(sys.argv[1], token=sys.stdin.readline().strip()), Path(sys.argv[3])
files = {name: LocalFile(folder / name, (folder / name).stat().st_size) for name in ("a", "m.bin")}
with by_git(hub, sys.argv[2], write=files, remove=[], parent=None) as land:
    print(land("m"))
"""


def in_a_process(localhub, repo_id, folder, **environment) -> subprocess.Popen:
    """A push with git in a process of its own."""
    written(folder / "files", {"a": b"1", "m.bin": b"\0"})
    command = [sys.executable, "-c", SCRIPT, localhub.url, repo_id, str(folder / "files")]
    pipe, env = subprocess.PIPE, {**os.environ, **environment}
    process = subprocess.Popen(command, stdin=pipe, stdout=pipe, stderr=pipe, text=True, env=env)
    process.stdin.write(f"{localhub.token}\n")
    process.stdin.flush()
    return process


# refusals


@BOTH
def test_a_card_that_the_hub_refuses_is_bad_input_before_anything_goes_up(transport, hub, localhub, repo_id, tmp_path):
    localhub.requests.clear()

    with pytest.raises(BadInput, match="colorFrom"):
        push(transport, hub, repo_id, tmp_path, {"README.md": b"---\ncolorFrom: orange\n---\n", "m.bin": b"\0"})

    assert [("POST", "/api/validate-yaml")] == list(localhub.requests)


def test_more_than_one_commit_takes_is_refused_with_the_largest_named(hub, localhub, repo_id, tmp_path):
    files = written(tmp_path, {"small.txt": b"x", "tables.csv": b"1," * 3000, "m.bin": b"\0" * 9000})
    localhub.requests.clear()

    with pytest.raises(BadInput, match=r"tables\.csv"):
        hub.commits(repo_id).upload(files, parent=None, at_most=5000)

    assert [f"/api/spaces/{repo_id}/preupload/main"] == [path for _, path in localhub.requests]


def test_a_file_that_changes_while_it_is_pushed_stops_the_commit(hub, localhub, repo_id, tmp_path):
    files = written(tmp_path, {"a": b"first", "b": b"second"})

    with by_api(hub, repo_id, write=files, remove=[], parent=None) as land:
        (tmp_path / "b").write_bytes(b"longer than before")
        with pytest.raises(PlanStale, match="b changed"):
            land("m")

    assert ["initial commit"] == titles(localhub, repo_id)


@pytest.mark.parametrize(
    ("token", "repo", "error"),
    [("hf_wrong", None, Forbidden), (None, "demo/nothing-there", NotFound)],
    ids=["wrong-token", "no-such-space"],
)
@pytest.mark.parametrize("transport", [*TRANSPORTS, "clone"])
def test_a_push_is_refused_with_our_errors(transport, token, repo, error, localhub, hub, repo_id, tmp_path):
    stranger = Hub(localhub.url, token=token or localhub.token)
    stranger.__dict__["account"] = "demo"  # the question that a deploy asks first, and that would refuse already

    with pytest.raises(error):
        if transport == "clone":
            with cloned(stranger, repo or repo_id):
                pass
        else:
            push(transport, stranger, repo or repo_id, tmp_path, {"a": b"1"})


def test_a_hub_that_is_not_there_is_unreachable_for_git_too():
    nobody = Hub("http://127.0.0.1:9", token="hf_local")
    nobody.__dict__["account"] = "demo"

    with pytest.raises(Unreachable), cloned(nobody, "demo/x"):
        pass


# lost answers and hanging servers


@pytest.mark.parametrize(
    ("transport", "path"), [("api", "*/commit/main"), ("git", "*/git-receive-pack")], ids=["api", "git"]
)
def test_a_lost_answer_is_found_out_by_the_same_command(transport, path, space, hub, localhub):
    space = msgspec.structs.replace(space, transport=transport)
    deploy(space, hub, detach=True)
    (space.root / "more.txt").write_text("more")

    with localhub.faults.add("reset", lose_answer=True, path=path, method="POST", times=1):
        if transport == "api":
            with pytest.raises(Unreachable) as caught:
                deploy(space, hub, detach=True)
            assert AGAIN == caught.value.hint
        else:  # git asks again by itself, and we find that it was us who were faster
            deploy(space, hub, detach=True)

    assert not plan(space, hub).files
    deploy(space, hub, detach=True)
    assert 1 == [title.startswith("Deploy: 1 added") for title in titles(localhub, space.repo_id)].count(True)


def test_a_hub_that_hangs_in_the_commit_does_not_hold_us(hub, localhub, repo_id):
    commits = Commits(hub._api, hub._headers(), repo_id, seconds=0.2)

    with localhub.faults.add("slow", seconds=2, path="*/commit/main"), pytest.raises(Unreachable, match=repo_id) as e:
        commits.make({}, ["README.md"], "m", None)

    assert AGAIN == e.value.hint


def test_a_hub_that_hangs_in_a_push_does_not_hold_git(hub, localhub, repo_id):
    """Where what git has sent falls into the first second that curl sees, it takes four seconds less to give up."""
    with cloned(hub, repo_id, seconds=LAG + 1) as clone:
        commit = clone.commit(clone.tree_of(clone.head), [clone.head], "m")
        with localhub.faults.add("slow", seconds=60, path="*/git-receive-pack"), pytest.raises(Unreachable) as caught:
            clone.push(commit)

    assert AGAIN == caught.value.hint


@pytest.mark.parametrize("path", ["*/git-upload-pack", "*/git-receive-pack"], ids=["in-the-clone", "in-the-push"])
def test_who_is_interrupted_leaves_neither_files_nor_programs(path, hub, localhub, repo_id, tmp_path):
    place = tmp_path / "tmp"
    place.mkdir()
    localhub.requests.clear()

    with localhub.faults.add("slow", seconds=20, path=path) as fault:
        process = in_a_process(localhub, repo_id, tmp_path, TMPDIR=str(place))
        until(lambda: any(asked.endswith(path[1:]) for _, asked in localhub.requests) or not struck(localhub, fault))
        process.send_signal(signal.SIGINT)
        process.communicate(timeout=10)

    assert process.returncode
    assert [] == list(place.iterdir())
    assert not [one for one in commands() if str(place) in one]


def struck(localhub: LocalHub, fault) -> bool:
    return any(one.id == fault.id for one in localhub.faults.list())


def until(holds, seconds: float = 30) -> None:
    end = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < end, "it did not happen"
        threading.Event().wait(0.02)


def commands() -> list[str]:
    """The command lines of all programs."""
    done = subprocess.run(["ps", "-eo", "args"], capture_output=True, text=True, check=True)
    return done.stdout.splitlines()


# secrets


def test_the_token_is_nowhere_but_in_gits_environment(hub, repo_id, tmp_path, monkeypatch):
    """A git that writes down its arguments and its configuration sees no token."""
    record = tmp_path / "record"
    fake = tmp_path / "bin" / "git"
    fake.parent.mkdir()
    fake.write_text(
        f'#!/bin/sh\nprintf "%s\\n" "$*" >> {record}\n'
        f'for word in "$@"; do case "$word" in --git-dir=*) cat "${{word#*=}}/config" >> {record};; esac; done\n'
        f'exec {shutil.which("git")} "$@"\n'
    )
    fake.chmod(0o755)
    monkeypatch.setenv("PATH", f"{fake.parent}:{os.environ['PATH']}")
    monkeypatch.setenv("TMPDIR", str(tmp_path / "tmp"))
    token = hub.token.reveal()

    push("git", hub, repo_id, tmp_path / "files", {"a": b"1", "m.bin": b"\0"})

    seen = record.read_text()
    assert "push" in seen and "[remote" in seen
    assert token not in seen
    assert base64.b64encode(token.encode()).decode() not in seen


def test_an_error_of_git_shows_no_token(localhub, repo_id):
    token = "hf_" + "s3cretvalue" * 3
    stranger = Hub(localhub.url, token=token)
    stranger.__dict__["account"] = "demo"

    with pytest.raises(SpaceopsError) as caught, cloned(stranger, repo_id):
        pass

    assert token not in str(caught.value) + repr(caught.value.__cause__)


# memory


def test_of_the_files_in_a_commit_one_is_in_memory_at_a_time(tmp_path):
    noise = random.Random(1).randbytes(MEGABYTE)
    paths = [tmp_path / str(number) for number in range(24)]
    for path in paths:
        path.write_bytes(noise)
    content = {f"file{path.name}": Plain(path, MEGABYTE) for path in paths} | {"m": Large("0" * 64, 7)}
    body = _Body(content, ["gone"], "what\n\nwhy", "1" * 40)

    tracemalloc.start()
    sent = sum(len(piece) for piece in body)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()

    assert body.size == sent > 24 * MEGABYTE
    assert peak < 6 * MEGABYTE


def test_a_body_says_all_of_a_commit_and_can_be_sent_again(tmp_path):
    files = written(tmp_path, {"ä b": b"\xff", "empty": b""})
    content = {path: Plain(file.path, file.size) for path, file in files.items()} | {"m": Large("0" * 64)}
    body = _Body(content, ["gone"], "what\n\nwhy", "1" * 40)

    lines = [json.loads(line) for line in b"".join(body).splitlines()]

    assert body.size == len(b"".join(body))
    assert [
        ("header", {"summary": "what", "description": "why", "parentCommit": "1" * 40}),
        ("deletedFile", {"path": "gone"}),
        ("file", {"path": "ä b", "encoding": "base64", "content": "/w=="}),
        ("file", {"path": "empty", "encoding": "base64", "content": ""}),
        ("lfsFile", {"path": "m", "algo": "sha256", "oid": "0" * 64}),
    ] == [(line["key"], line["value"]) for line in lines]


@pytest.mark.parametrize(("status", "sent"), [(404, True), (501, True), (403, False)])
def test_a_hub_without_xet_gets_large_files_through_lfs(tmp_path, status, sent):
    content = b"\0" * 100
    known = {"oid": hashlib.sha256(content).hexdigest(), "size": len(content)}
    with scripted() as server:
        server.answers |= {
            "/api/spaces/ada/app/preupload/": Answer(body=b'{"files": [{"path": "m.bin", "uploadMode": "lfs"}]}'),
            "/api/spaces/ada/app/xet-write-token/": Answer(status),
            "/spaces/ada/app.git/info/lfs/": Answer(body=json.dumps({"objects": [known]}).encode()),
        }
        commits = Hub(server.url, token="hf_x").commits("ada/app")
        with nullcontext() if sent else pytest.raises(HubError, match="xet-write-token"):
            upload = commits.upload(written(tmp_path, {"m.bin": content}), parent=None)
            assert {"m.bin": Large(known["oid"], known["size"])} == upload.content

        assert sent == any("/info/lfs/" in path for _, path, _ in server.asked)
