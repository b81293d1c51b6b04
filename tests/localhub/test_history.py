"""Branches, tags, squashed histories, and which commit touched what."""

from __future__ import annotations

import itertools
import subprocess
from pathlib import Path

import pytest
from huggingface_hub import CommitOperationAdd, HfApi
from huggingface_hub.errors import BadRequestError, HfHubHTTPError, RevisionNotFoundError

from spaceops.localhub import LocalHub
from tests.localhub.conftest import Asker, Runner, git_url

NUMBERS = itertools.count()


def put(api: HfApi, repo_id: str, kind: str = "model", **files: bytes) -> str:
    operations = [CommitOperationAdd(path.replace("__", "/"), content) for path, content in files.items()]
    return api.create_commit(repo_id, operations, repo_type=kind, commit_message=f"commit {next(NUMBERS)}").oid


def refused(status: int) -> object:
    return lambda error: error.response.status_code == status


def test_a_tag_keeps_its_message(localhub: LocalHub, api: HfApi, model: str, run: Runner) -> None:
    sha = put(api, model, x=b"1")
    api.create_tag(model, tag="said", tag_message="First release\n\nwith a body")
    api.create_tag(model, tag="plain")

    assert {"said": sha, "plain": sha} == {tag.name: tag.target_commit for tag in api.list_repo_refs(model).tags}
    run("git", "clone", "--quiet", git_url(localhub, model), "clone")
    shown = run(
        "git", "-C", "clone", "tag", "--list", "--format=%(refname:short) %(objecttype) %(taggername) %(contents)"
    )
    assert "plain commit" in shown.stdout
    assert "said tag Ada Lovelace First release\n\nwith a body" in shown.stdout
    assert sha == api.model_info(model, revision="said").sha


@pytest.mark.parametrize("message", [None, "with a message"])
def test_there_is_one_tag_of_a_name(api: HfApi, model: str, message: str | None) -> None:
    api.create_tag(model, tag="v1", tag_message=message)

    with pytest.raises(HfHubHTTPError, match="Reference refs/tags/v1 already exists", check=refused(409)):
        api.create_tag(model, tag="v1", tag_message=message)
    api.create_tag(model, tag="v1", tag_message=message, exist_ok=True)
    with pytest.raises(HfHubHTTPError, check=refused(409)):
        api.create_tag(model, tag="v1/below", tag_message=message)
    with pytest.raises(RevisionNotFoundError):
        api.create_tag(model, tag="v2", revision="nope", tag_message=message)


def test_a_squashed_branch_is_one_commit_with_the_same_files(api: HfApi, model: str, tmp_path: Path) -> None:
    put(api, model, x=b"1", large=b"\0" * 3000)
    old = put(api, model, x=b"2")
    api.create_branch(model, branch="kept")
    before = {entry.path: entry for entry in api.list_repo_tree(model)}

    api.super_squash_history(model, commit_message="One for all\n\nand a body")

    [commit] = api.list_repo_commits(model)
    assert ("One for all", "and a body", ["ada"]) == (commit.title, commit.message, commit.authors)
    assert before == {entry.path: entry for entry in api.list_repo_tree(model)}
    assert b"\0" * 3000 == Path(api.hf_hub_download(model, "large", cache_dir=tmp_path)).read_bytes()
    assert old == api.list_repo_commits(model, revision="kept")[0].commit_id
    put(api, model, x=b"3")


def test_a_squash_is_for_branches(api: HfApi, model: str) -> None:
    api.create_tag(model, tag="v1")

    with pytest.raises(BadRequestError, match="Invalid reference for a branch"):
        api.super_squash_history(model, branch="v1")
    with pytest.raises(BadRequestError, match="Invalid reference for a branch"):
        api.super_squash_history(model, branch="refs/tags/v1")
    with pytest.raises(RevisionNotFoundError):
        api.super_squash_history(model, branch="nope")


def test_a_pull_request_can_be_squashed_and_is_among_the_refs(api: HfApi, model: str) -> None:
    for number in range(2):
        api.upload_file(
            path_or_fileobj=f"{number}".encode(),
            path_in_repo="x",
            repo_id=model,
            **({"create_pr": True} if number == 0 else {"revision": "refs/pr/1"}),  # type: ignore[arg-type]
        )
    assert 3 == len(api.list_repo_commits(model, revision="refs/pr/1"))

    api.super_squash_history(model, branch="refs/pr/1")

    [commit] = api.list_repo_commits(model, revision="refs/pr/1")
    pulls = api.list_repo_refs(model, include_pull_requests=True).pull_requests or []
    assert [("refs/pr/1", commit.commit_id)] == [(pull.ref, pull.target_commit) for pull in pulls]
    assert api.list_repo_refs(model).pull_requests is None


def test_a_squashed_space_is_told_of_its_new_commit(api: HfApi, localhub: LocalHub, space: str) -> None:
    put(api, space, "space", x=b"1")

    api.super_squash_history(space, repo_type="space")

    assert 1 == len(api.list_repo_commits(space, repo_type="space"))
    assert "NO_APP_FILE" == api.wait_for_space(space).stage


def test_the_last_commit_of_a_path_is_found_in_one_walk(api: HfApi, ask: Asker, model: str) -> None:
    made = {
        "deep/er/one.txt": put(api, model, deep__er__one=b"1", **{"deep__er__one.txt": b"1"}),
        "deep/two.txt": put(api, model, **{"deep__two.txt": b"1"}),
        "top.txt": put(api, model, **{"top.txt": b"1"}),
    }
    for number in range(3):
        put(api, model, **{"busy.txt": str(number).encode()})

    last = {entry.path: entry.last_commit for entry in api.list_repo_tree(model, recursive=True, expand=True)}
    assert made == {path: last[path].oid for path in made if last[path]}  # type: ignore[union-attr]
    assert {"unscanned"} == {entry.security.status for entry in api.get_paths_info(model, list(made), expand=True)}  # type: ignore[union-attr]
    folders = {entry.path: entry.last_commit for entry in api.get_paths_info(model, ["deep", "deep/er"], expand=True)}
    assert made["deep/two.txt"] == folders["deep"].oid  # type: ignore[union-attr]
    assert made["deep/er/one.txt"] == folders["deep/er"].oid  # type: ignore[union-attr]


def test_what_only_a_merge_touched_has_the_merge_for_its_last_commit(
    localhub: LocalHub, api: HfApi, model: str, tmp_path: Path, run: Runner
) -> None:
    def git(*words: str) -> subprocess.CompletedProcess[str]:
        return run("git", *words, cwd=tmp_path / "clone")

    run("git", "clone", "--quiet", git_url(localhub, model), "clone")
    for branch, content in (("main", "ours"), ("side", "theirs")):
        git("checkout", "--quiet", "-B", branch, "origin/main")
        (tmp_path / "clone" / "x").write_text(content)
        git("add", "x")
        git("commit", "--quiet", "--message", content)
    git("checkout", "--quiet", "main")
    git("merge", "--quiet", "--no-commit", "--strategy=ours", "side")
    (tmp_path / "clone" / "y").write_text("of the merge")
    git("add", "y")
    git("commit", "--quiet", "--message", "merged")
    git("push", "--quiet", "origin", "main")

    last = {entry.path: entry.last_commit for entry in api.get_paths_info(model, ["y"], expand=True)}

    assert "merged" == last["y"].title  # type: ignore[union-attr]


def test_no_branch_is_named_as_a_commit_is(api: HfApi, model: str) -> None:
    """It could be made, and never be read."""
    with pytest.raises(BadRequestError, match="Invalid reference for a branch"):
        api.create_branch(model, branch="a" * 40)
