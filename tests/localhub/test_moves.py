"""Repositories that get another name, or a second one: what the clients and git find under the old name and the new."""

from __future__ import annotations

import itertools
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from git import Repo as Clone
from huggingface_hub import CommitOperationAdd, HfApi
from huggingface_hub.errors import BadRequestError, HfHubHTTPError, RepositoryNotFoundError

from spaceops.localhub import LocalHub
from tests.localhub.conftest import Asker, Runner, git_url

NAMES = (f"new-{number}" for number in itertools.count())


def as_user(localhub: LocalHub, name: str) -> HfApi:
    return HfApi(endpoint=localhub.url, token=f"hf_{name}")


def put(api: HfApi, repo_id: str, kind: str = "model", **files: bytes) -> str:
    operations = [CommitOperationAdd(path, content) for path, content in files.items()]
    return api.create_commit(repo_id, operations, repo_type=kind, commit_message="put").oid


def refused(status: int) -> object:
    return lambda error: error.response.status_code == status


@pytest.fixture
def moved(api: HfApi, model: str) -> tuple[str, str]:
    """The old and the new name of a model with two files, one of them large."""
    put(api, model, small=b"text", large=b"\0" * 5000)
    name = f"Acme/{next(NAMES)}"
    api.move_repo(model, name)
    return model, name


def test_everything_is_there_under_the_new_name(api: HfApi, moved: tuple[str, str], tmp_path: Path) -> None:
    _, new = moved

    assert new == api.model_info(new).id
    assert ["put", "initial commit"] == [commit.title for commit in api.list_repo_commits(new)]
    assert b"\0" * 5000 == Path(api.hf_hub_download(new, "large", cache_dir=tmp_path)).read_bytes()


def test_the_client_finds_it_under_the_old_name_for_reading_and_writing(
    api: HfApi, moved: tuple[str, str], tmp_path: Path
) -> None:
    old, new = moved

    assert new == api.model_info(old).id
    assert {"small", "large"} <= set(api.list_repo_files(old))
    folder = Path(api.snapshot_download(old, cache_dir=tmp_path))
    assert (b"text", b"\0" * 5000) == ((folder / "small").read_bytes(), (folder / "large").read_bytes())
    api.upload_file(path_or_fileobj=b"\0" * 6000, path_in_repo="more", repo_id=old)
    api.create_tag(old, tag="v1")
    assert "more" in api.list_repo_files(new, revision="v1")


def test_an_old_name_answers_307_with_the_rest_of_the_path(ask: Asker, moved: tuple[str, str]) -> None:
    old, new = moved

    git = "/{}.git/info/refs?service=git-upload-pack"
    for path in ("/api/models/{}/tree/main?recursive=true&x=%2F", "/{}/resolve/main/a%20b", git):
        answer = ask("GET", path.format(old.upper()))
        assert (307, path.format(new)) == (answer.status_code, answer.headers["Location"])


def test_git_and_lfs_find_it_under_the_old_name(
    localhub: LocalHub, api: HfApi, moved: tuple[str, str], tmp_path: Path, run: Runner
) -> None:
    old, new = moved
    run("git", "clone", "--quiet", git_url(localhub, old), "clone")
    folder = tmp_path / "clone"
    run("git", "lfs", "install", "--local", cwd=folder)
    run("git", "lfs", "pull", cwd=folder)
    assert b"\0" * 5000 == (folder / "large").read_bytes()

    (folder / "large").write_bytes(b"\0" * 7000)
    run("git", "commit", "--quiet", "--all", "--message", "by git", cwd=folder)
    run("git", "push", "--quiet", cwd=folder)

    assert 7000 == api.get_paths_info(new, ["large"])[0].size  # type: ignore[union-attr]


def test_gitpython_works_under_the_old_name(localhub: LocalHub, api: HfApi, model: str, tmp_path: Path) -> None:
    clone = Clone.clone_from(git_url(localhub, model), tmp_path / "clone")
    api.move_repo(model, new := f"ada/{next(NAMES)}")
    put(api, new, there=b"1")

    clone.remotes.origin.pull()
    (tmp_path / "clone" / "here").write_text("1")
    clone.git.add("here")
    clone.git.execute(["git", "-c", "user.name=a", "-c", "user.email=a@a", "commit", "-qm", "here"])
    clone.remotes.origin.push().raise_if_error()

    assert {"here", "there"} <= set(api.list_repo_files(new))


def test_a_new_repository_takes_the_old_name_for_good(api: HfApi, moved: tuple[str, str]) -> None:
    old, _ = moved

    api.create_repo(old)
    assert [".gitattributes"] == api.list_repo_files(old)
    api.delete_repo(old)

    assert not api.repo_exists(old)


def test_names_form_a_chain_and_the_way_back_is_open(api: HfApi, moved: tuple[str, str]) -> None:
    old, new = moved
    last = f"ada/{next(NAMES)}"
    api.move_repo(new, last)
    assert [last, last] == [api.model_info(name).id for name in (old, new)]

    api.move_repo(last, old)

    assert [old, old, old] == [api.model_info(name).id for name in (old, new, last)]


def test_the_case_of_a_name_can_change(api: HfApi, model: str) -> None:
    api.move_repo(model, f"ada/{model.partition('/')[2].title()}")

    assert f"ada/{model.partition('/')[2].title()}" == api.model_info(model).id


def test_a_name_that_is_taken_is_not_given_again(api: HfApi, model: str) -> None:
    there = api.create_repo(f"ada/{next(NAMES)}").repo_id

    with pytest.raises(HfHubHTTPError, match=f"A model repository called {there} already exists", check=refused(409)):
        api.move_repo(model, there)
    assert model == api.model_info(model).id


def test_who_may_not_write_there_moves_nothing(localhub: LocalHub, api: HfApi, model: str) -> None:
    bob = as_user(localhub, "bob")

    with pytest.raises(HfHubHTTPError, match="You don't have the rights to move", check=refused(403)):
        bob.move_repo(model, f"bob/{next(NAMES)}")
    with pytest.raises(HfHubHTTPError, match='create a model under the namespace "bob"', check=refused(403)):
        api.move_repo(model, f"bob/{next(NAMES)}")
    with pytest.raises(BadRequestError, match="Only regular characters"):
        api.move_repo(model, "ada/a--b")
    with pytest.raises(RepositoryNotFoundError):
        api.move_repo("ada/nothing", "ada/something")


def test_an_old_name_says_nothing_to_those_who_may_not_see_it(
    localhub: LocalHub, api: HfApi, ask: Asker, moved: tuple[str, str]
) -> None:
    old, new = moved
    api.update_repo_settings(new, visibility="private")

    assert 404 == ask("GET", f"/api/models/{old}", token="hf_bob").status_code
    assert 401 == ask("GET", f"/api/models/{old}", token=None).status_code
    assert 307 == ask("GET", f"/api/models/{old}", token="hf_ron").status_code


def test_a_moved_space_keeps_its_address_and_its_settings(api: HfApi, space: str) -> None:
    api.add_space_variable(space, "KEY", "value")
    before = api.space_info(space)
    api.move_repo(space, new := f"Acme/{next(NAMES)}", repo_type="space")
    after = api.space_info(space)

    assert (new, before.host) == (after.id, after.host)
    assert new.lower().replace("/", "-") == after.subdomain
    assert "value" == api.get_space_variables(space)["KEY"].value
    api.pause_space(space)
    assert "PAUSED" == api.get_space_runtime(new).stage


def test_a_copy_has_the_whole_history_and_the_large_files(api: HfApi, model: str, tmp_path: Path) -> None:
    first = put(api, model, large=b"\0" * 5000)
    put(api, model, large=b"\0" * 6000)
    api.create_tag(model, tag="v1", revision=first)

    copy = api.duplicate_repo(model, f"Acme/{next(NAMES)}")
    api.delete_repo(model)

    assert not copy.files_copy_pending
    assert ["put", "put", "initial commit"] == [commit.title for commit in api.list_repo_commits(copy.repo_id)]
    for revision, size in (("v1", 5000), ("main", 6000)):
        file = Path(api.hf_hub_download(copy.repo_id, "large", revision=revision, cache_dir=tmp_path))
        assert size == file.stat().st_size


def test_a_copy_and_its_original_go_their_own_ways(api: HfApi, model: str) -> None:
    copy = api.duplicate_repo(model, f"ada/{next(NAMES)}").repo_id

    put(api, copy, only_there=b"\0" * 5000)

    assert "only_there" not in api.list_repo_files(model)
    assert api.model_info(copy).sha != api.model_info(model).sha


def test_a_copied_space_has_the_variables_and_no_secrets(api: HfApi, space: str) -> None:
    api.add_space_variable(space, "KEPT", "old", description="why")
    api.add_space_variable(space, "CHANGED", "old")
    api.add_space_secret(space, "SECRET", "old")
    copy = api.duplicate_repo(
        space,
        f"ada/{next(NAMES)}",
        repo_type="space",
        space_variables=[{"key": "CHANGED", "value": "new"}],
        space_secrets=[{"key": "OWN", "value": "x"}],
    ).repo_id

    found = {key: (entry.value, entry.description) for key, entry in api.get_space_variables(copy).items()}
    assert {"KEPT": ("old", "why"), "CHANGED": ("new", None)} == found
    assert ["OWN"] == list(api.get_space_secrets(copy))
    assert api.space_info(copy).private
    assert "docker" == api.space_info(copy).sdk


@pytest.mark.parametrize("visibility", ["public", "private"])
def test_a_copied_model_is_as_visible_as_the_original(api: HfApi, model: str, visibility: str) -> None:
    api.update_repo_settings(model, visibility=visibility)  # type: ignore[arg-type]

    copy = api.duplicate_repo(model, f"ada/{next(NAMES)}").repo_id

    assert (visibility == "private") == api.model_info(copy).private


def test_copying_what_is_there_already_says_where_it_is(api: HfApi, model: str) -> None:
    copy = api.duplicate_repo(model, f"ada/{next(NAMES)}").repo_id

    with pytest.raises(HfHubHTTPError, match="You already created this model repo", check=refused(409)):
        api.duplicate_repo(model, copy)
    assert copy == api.duplicate_repo(model, copy, exist_ok=True).repo_id


def test_the_own_namespace_is_where_a_copy_goes_by_itself(localhub: LocalHub, model: str) -> None:
    copy = as_user(localhub, "bob").duplicate_repo(model)

    assert f"bob/{model.partition('/')[2]}" == copy.repo_id


def test_who_may_not_read_or_write_copies_nothing(localhub: LocalHub, api: HfApi, model: str, space: str) -> None:
    bob = as_user(localhub, "bob")
    with pytest.raises(HfHubHTTPError, check=refused(403)):
        bob.duplicate_repo(model, f"ada/{next(NAMES)}")
    with pytest.raises(HfHubHTTPError, match="requires a PRO subscription", check=refused(402)):
        bob.duplicate_repo(space, repo_type="space")
    assert bob.duplicate_repo(space, repo_type="space", space_hardware="t4-small").repo_id  # type: ignore[arg-type]

    api.update_repo_settings(model, gated="auto")
    with pytest.raises(HfHubHTTPError, match="not in the authorized list", check=refused(403)):
        bob.duplicate_repo(model)
    api.update_repo_settings(model, visibility="private")
    with pytest.raises(RepositoryNotFoundError):
        bob.duplicate_repo(model)


def test_of_many_who_want_one_name_one_gets_it(api: HfApi, ask: Asker, model: str) -> None:
    """Copies, moves and creations of the same name at once: one is done, the others are told, none breaks."""
    name = f"ada/{next(NAMES)}"
    others = [api.create_repo(f"ada/{next(NAMES)}").repo_id for _ in range(4)]
    asked: list[tuple[str, dict[str, object]]] = [
        *[(f"/api/models/{model}/duplicate", {"repository": name})] * 4,
        *[("/api/repos/move", {"fromRepo": other, "toRepo": name, "type": "model"}) for other in others],
        *[("/api/repos/create", {"name": name.partition("/")[2], "organization": "ada"})] * 4,
    ]

    with ThreadPoolExecutor(len(asked)) as pool:
        answers = list(pool.map(lambda one: ask("POST", one[0], json=one[1]), asked))

    assert [200] + [409] * (len(asked) - 1) == sorted(answer.status_code for answer in answers)
    assert name == api.model_info(name).id


def test_an_original_that_goes_meanwhile_leaves_no_half_copy(api: HfApi, ask: Asker, model: str) -> None:
    """Either the copy is whole, or there is none."""
    name = f"ada/{next(NAMES)}"
    put(api, model, **{f"file-{number}": b"\0" * 1000 for number in range(20)})

    with ThreadPoolExecutor(2) as pool:
        copied = pool.submit(ask, "POST", f"/api/models/{model}/duplicate", json={"repository": name})
        deleted = pool.submit(api.delete_repo, model)
        deleted.result()

    assert copied.result().status_code in (200, 404, 409)
    assert api.repo_exists(name) == (copied.result().status_code == 200)
    if api.repo_exists(name):
        assert 21 == len(api.list_repo_files(name))
