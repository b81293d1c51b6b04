"""Two transports, one result; and the token is nowhere but in git's environment."""

from __future__ import annotations

import shutil
import subprocess

import msgspec
import pytest

from spaceops import Hub, deploy, plan
from spaceops.errors import BadInput, Conflict, Forbidden, NotFound, SpaceopsError, Unreachable
from spaceops.files import LocalFile
from spaceops.push import TRANSPORTS, by_git

BOTH = pytest.mark.parametrize("transport", sorted(TRANSPORTS))


def files_of(folder, **contents: bytes) -> dict[str, LocalFile]:
    found = {}
    for name, content in contents.items():
        path = folder / name
        path.write_bytes(content)
        found[name] = LocalFile(path, len(content))
    return found


@pytest.fixture
def repo_id(space, hub):
    """A Space that exists and is empty."""
    hub.create(space.repo_id, visibility=None, settings={})
    return space.repo_id


@BOTH
def test_a_push_writes_and_removes_in_one_commit(transport, hub, repo_id, tmp_path):
    push = TRANSPORTS[transport]
    first = push(
        hub, repo_id, write=files_of(tmp_path, a=b"1", b=b"2", ä=b"umlaut"), remove=[], message="one", parent=None
    )

    second = push(hub, repo_id, write=files_of(tmp_path, a=b"3"), remove=["b"], message="two", parent=first)

    observed = hub.observe(repo_id)
    assert second == observed.sha
    assert {".gitattributes", "README.md", "a", "ä"} == set(observed.files)
    assert b"3" == hub.read(repo_id, "a")


@BOTH
def test_a_push_on_top_of_something_unseen_is_refused(transport, hub, repo_id, tmp_path):
    push = TRANSPORTS[transport]
    seen = hub.observe(repo_id).sha
    push(hub, repo_id, write=files_of(tmp_path, theirs=b"1"), remove=[], message="theirs", parent=seen)

    with pytest.raises(Conflict):
        push(hub, repo_id, write=files_of(tmp_path, ours=b"1"), remove=[], message="ours", parent=seen)

    assert "ours" not in hub.observe(repo_id).files


@BOTH
def test_a_large_binary_arrives_whole(transport, hub, repo_id, tmp_path):
    if transport == "git" and not shutil.which("git-lfs"):
        pytest.skip("git-lfs is not installed")
    content = bytes(range(256)) * (15 << 12)  # 15 MiB

    TRANSPORTS[transport](
        hub, repo_id, write=files_of(tmp_path, **{"model.bin": content}), remove=[], message="large", parent=None
    )

    stored = hub.observe(repo_id).files["model.bin"]
    assert (len(content), True) == (stored.size, stored.sha256 is not None)
    assert content == hub.read(repo_id, "model.bin")


def test_both_transports_leave_nothing_to_do_for_the_other(space, hub):
    deploy(space, hub, detach=True)

    assert not plan(msgspec.structs.replace(space, transport="git"), hub)


def test_pushing_what_is_there_makes_no_commit(hub, repo_id, tmp_path):
    first = by_git(hub, repo_id, write=files_of(tmp_path, a=b"1"), remove=[], message="one", parent=None)

    assert first == by_git(hub, repo_id, write=files_of(tmp_path, a=b"1"), remove=[], message="again", parent=first)


def test_a_large_file_that_git_does_not_track_with_lfs_says_what_to_write(hub, repo_id, tmp_path):
    big = files_of(tmp_path, **{"data.txt": b"x" * (11 << 20)})

    with pytest.raises(BadInput, match=r"data.txt filter=lfs"):
        by_git(hub, repo_id, write=big, remove=[], message="big", parent=None)


def test_a_file_for_lfs_without_git_lfs_says_what_to_install(hub, repo_id, tmp_path, monkeypatch):
    tools = tmp_path / "bin"
    tools.mkdir()
    (tools / "git").symlink_to(shutil.which("git"))
    monkeypatch.setenv("PATH", str(tools))

    with pytest.raises(BadInput, match="git-lfs is not installed"):
        by_git(hub, repo_id, write=files_of(tmp_path, **{"model.bin": b"\0\1"}), remove=[], message="m", parent=None)


def test_the_hubs_refusal_of_a_push_is_told_with_its_reason(hub, repo_id, tmp_path):
    with pytest.raises(BadInput, match="binary files"):
        by_git(hub, repo_id, write=files_of(tmp_path, **{"x.dat": b"\0\1\2"}), remove=[], message="b", parent=None)


@pytest.mark.parametrize(
    ("token", "repo", "error"),
    [("hf_wrong", None, Forbidden), (None, "demo/nothing-there", NotFound)],
    ids=["wrong-token", "no-such-space"],
)
def test_git_is_refused_with_our_errors(token, repo, error, localhub, hub, repo_id, tmp_path):
    stranger = Hub(localhub.url, token=token or localhub.token)
    stranger.__dict__["account"] = "demo"  # the question that a deploy asks first, and that would refuse already

    with pytest.raises(error):
        by_git(stranger, repo or repo_id, write=files_of(tmp_path, a=b"1"), remove=[], message="m", parent=None)


def test_a_hub_that_is_not_there_is_unreachable_for_git_too(tmp_path):
    nobody = Hub("http://127.0.0.1:9", token="hf_local")
    nobody.__dict__["account"] = "demo"

    with pytest.raises(Unreachable):
        by_git(nobody, "demo/x", write=files_of(tmp_path, a=b"1"), remove=[], message="m", parent=None)


def test_the_token_is_nowhere_but_in_gits_environment(hub, repo_id, tmp_path, monkeypatch):
    """A git that writes down its arguments and its configuration sees no token."""
    record = tmp_path / "record"
    fake = tmp_path / "bin" / "git"
    fake.parent.mkdir()
    fake.write_text(
        f'#!/bin/sh\nprintf "%s\\n" "$*" >> {record}\ncat .git/config >> {record} 2>/dev/null\n'
        f'exec {shutil.which("git")} "$@"\n'
    )
    fake.chmod(0o755)
    monkeypatch.setenv("PATH", f"{fake.parent}:{subprocess.os.environ['PATH']}")
    token = hub.token.reveal()

    by_git(hub, repo_id, write=files_of(tmp_path, a=b"1"), remove=[], message="m", parent=None)

    seen = record.read_text()
    assert "push" in seen and "[remote" in seen
    assert token not in seen


def test_an_error_of_git_shows_no_token(localhub, repo_id, tmp_path):
    token = "hf_" + "s3cretvalue" * 3
    stranger = Hub(localhub.url, token=token)
    stranger.__dict__["account"] = "demo"

    with pytest.raises(SpaceopsError) as caught:
        by_git(stranger, repo_id, write=files_of(tmp_path, a=b"1"), remove=[], message="m", parent=None)

    assert token not in str(caught.value) + repr(caught.value.__cause__)
