"""An old commit's files come back on top of all that came later: by git with one object, without git by the API."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest
from huggingface_hub import HfApi

from spaceops.errors import Conflict, NotFound
from spaceops.push import restoring
from tests.test_push import commit_with_git, only, push, said_by_git, tree_of

OLD = {"app.py": b"old\r\n", "gone.txt": b"1", "dir/deep.txt": b"2", "m.bin": b"\0old", "same.bin": b"\0same", "e": b""}
NEW = {"app.py": b"new", "m.bin": b"\0new", "later.txt": b"3", "later.bin": b"\0later"}
REMOVED = ["gone.txt", "dir/deep.txt"]
SCRIPT = """
import sys
from spaceops import Hub
from spaceops.push import restoring
endpoint, repo_id, commit, parent = sys.argv[1:]
with restoring(Hub(endpoint, token=sys.stdin.readline().strip()), repo_id, commit=commit, parent=parent) as land:
    print(land("back"))
"""


@pytest.fixture
def repo_id(space, hub):
    hub.create(space.repo_id, visibility=None, settings={})
    return space.repo_id


@pytest.fixture
def old_and_new(hub, repo_id, tmp_path):
    """Two commits: one to come back to, and the one after it."""
    old = push("api", hub, repo_id, tmp_path / "old", OLD)
    return old, push("api", hub, repo_id, tmp_path / "new", NEW, remove=REMOVED, parent=old)


@pytest.fixture
def without_git(localhub, repo_id, tmp_path):
    """Restoring in a process that finds no git, as (stdout, stderr); the local Hub needs it, and is in this one."""

    def restore(old: str, new: str) -> tuple[str, str]:
        env = {**os.environ, "PATH": str(only(tmp_path, "sh"))}
        command = [sys.executable, "-c", SCRIPT, localhub.url, repo_id, old, new]
        token = f"{localhub.token}\n"
        done = subprocess.run(command, input=token, capture_output=True, text=True, check=False, env=env, timeout=60)
        return done.stdout.strip(), done.stderr

    return restore


def objects(localhub, repo_id) -> int:
    """How many objects git has on the other side."""
    facts = dict(line.split(": ") for line in said_by_git(localhub, repo_id, "count-objects", "-v").splitlines())
    return int(facts["count"]) + int(facts["in-pack"])


def test_a_restored_commit_has_the_old_tree_and_two_parents(hub, localhub, repo_id, old_and_new):
    old, new = old_and_new

    with restoring(hub, repo_id, commit=old, parent=new) as land:
        back = land("Roll back\n\nSpaceops-Release: 3")

    assert back == hub.observe(repo_id).sha
    assert tree_of(localhub, repo_id, old) == tree_of(localhub, repo_id, back)
    assert f"{new} {old}" == said_by_git(localhub, repo_id, "log", "-1", "--format=%P", back)
    assert "Roll back\n\nSpaceops-Release: 3" == said_by_git(localhub, repo_id, "log", "-1", "--format=%B", back)
    assert OLD["m.bin"] == hub.read(repo_id, "m.bin")


def test_one_object_goes_up_and_no_content_comes_down(hub, localhub, repo_id, old_and_new):
    old, new = old_and_new
    before = objects(localhub, repo_id)
    localhub.requests.clear()

    with restoring(hub, repo_id, commit=old, parent=new) as land:
        unlanded = hub.observe(repo_id, settings=False).sha
        land("back")

    asked = [path.rpartition("/")[2] for _, path in localhub.requests]
    assert new == unlanded
    assert before + 1 == objects(localhub, repo_id)
    assert 1 == asked.count("git-receive-pack")
    assert asked.count("git-upload-pack") <= 2  # what there is, and all commits with their trees
    assert not {"commit", "resolve", "batch"} & {part for _, path in localhub.requests for part in path.split("/")}


def test_programs_and_links_of_an_old_commit_come_back(hub, localhub, repo_id, tmp_path):
    """No API has a word for them; git has."""
    work = tmp_path / "work"
    contents = {"run.sh": b"#!/bin/sh\n"}
    old = commit_with_git(localhub, repo_id, work, contents, modes={"run.sh": 0o755}, links={"link": "run.sh"})
    new = push("api", hub, repo_id, tmp_path / "new", {"later.txt": b"1"}, remove=["link", "run.sh"], parent=old)

    with restoring(hub, repo_id, commit=old, parent=new) as land:
        land("back")

    listed = said_by_git(localhub, repo_id, "ls-tree", "main", "link", "run.sh").splitlines()
    assert ["120000", "100755"] == [line[:6] for line in listed]
    assert tree_of(localhub, repo_id, old) == tree_of(localhub, repo_id)


def test_without_git_the_api_brings_the_same_files_in_one_commit(hub, localhub, repo_id, old_and_new, without_git):
    old, new = old_and_new
    localhub.requests.clear()

    back, said = without_git(old, new)

    assert back == hub.observe(repo_id).sha, said
    assert tree_of(localhub, repo_id, old) == tree_of(localhub, repo_id)
    assert new == said_by_git(localhub, repo_id, "log", "-1", "--format=%P")
    fetched = {path.rpartition("/")[2] for method, path in localhub.requests if "/resolve/" in path}
    assert {"app.py", "gone.txt", "deep.txt"} == fetched  # what changed; of large files their names are enough
    assert not [path for _, path in localhub.requests if "/cas/" in path or "lfs" in path]


def test_whatever_came_since_the_plan_is_not_lost(hub, repo_id, old_and_new, tmp_path):
    old, new = old_and_new
    theirs = push("api", hub, repo_id, tmp_path / "theirs", {"theirs.txt": b"1"}, parent=new)

    with pytest.raises(Conflict, match="main moved"), restoring(hub, repo_id, commit=old, parent=new):
        pass
    with restoring(hub, repo_id, commit=old, parent=theirs) as land:
        last = push("api", hub, repo_id, tmp_path / "last", {"last.txt": b"1"}, parent=theirs)
        with pytest.raises(Conflict, match="main moved"):
            land("back")

    assert last == hub.observe(repo_id).sha


def test_without_git_whatever_came_since_the_plan_is_not_lost_either(hub, repo_id, old_and_new, tmp_path, without_git):
    old, new = old_and_new
    theirs = push("api", hub, repo_id, tmp_path / "theirs", {"theirs.txt": b"1"}, parent=new)

    said = without_git(old, new)[1]

    assert "Conflict" in said
    assert theirs == hub.observe(repo_id).sha


def test_a_commit_that_the_history_has_lost_is_said_to_be_gone(hub, localhub, repo_id, old_and_new, without_git):
    old, _ = old_and_new
    HfApi(endpoint=localhub.url, token=localhub.token).super_squash_history(repo_id, repo_type="space")
    head = hub.observe(repo_id).sha

    with (
        pytest.raises(NotFound, match="not in the history of main any more") as caught,
        restoring(hub, repo_id, commit=old, parent=head),
    ):
        pass
    said = without_git("1" * 40, head)[1]

    assert "Deploy from the source" in caught.value.hint
    assert "NotFound" in said and "not in the history of main any more" in said
    assert head == hub.observe(repo_id).sha
