"""Repositories through the unmodified client: create, describe, list, read, branch, delete."""

from __future__ import annotations

import itertools
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Event

import pytest
from huggingface_hub import CommitOperationAdd, CommitOperationCopy, CommitOperationDelete, HfApi
from huggingface_hub.errors import (
    BadRequestError,
    HfHubHTTPError,
    RemoteEntryNotFoundError,
    RepositoryNotFoundError,
    RevisionNotFoundError,
)

from spaceops.localhub import LocalHub
from tests.localhub.conftest import Asker

NAMES = (f"name-{number}" for number in itertools.count())


def anonymous(localhub: LocalHub) -> HfApi:
    return HfApi(endpoint=localhub.url, token=False)


def as_user(localhub: LocalHub, name: str) -> HfApi:
    return HfApi(endpoint=localhub.url, token=f"hf_{name}")


def commit(api: HfApi, repo_id: str, files: dict[str, bytes], kind: str = "model", **more: object) -> str:
    operations = [CommitOperationAdd(path, content) for path, content in files.items()]
    return api.create_commit(repo_id, operations, repo_type=kind, commit_message="add", **more).oid


def refused(status: int) -> object:
    """A check for `pytest.raises`: the refusal has that status."""
    return lambda error: error.response.status_code == status


def test_whoami_names_the_user_the_plan_and_the_organisations(api: HfApi) -> None:
    who = api.whoami()

    assert ("ada", "Ada Lovelace", True) == (who["name"], who["fullname"], who["isPro"])
    assert ["Acme"] == [org["name"] for org in who["orgs"]]
    assert "write" == who["auth"]["accessToken"]["role"]


def test_a_wrong_token_is_told_apart_from_a_missing_repository(localhub: LocalHub) -> None:
    with pytest.raises(HfHubHTTPError, match="Invalid user token"):
        HfApi(endpoint=localhub.url, token="hf_wrong").whoami()
    with pytest.raises(HfHubHTTPError, match="Invalid credentials in Authorization header"):
        HfApi(endpoint=localhub.url, token="hf_wrong").model_info("ada/none")


@pytest.mark.parametrize("kind", ["model", "dataset", "space"])
def test_a_new_repository_has_one_commit_with_the_usual_attributes(api: HfApi, localhub: LocalHub, kind: str) -> None:
    name = f"ada/{next(NAMES)}"
    url = api.create_repo(name, repo_type=kind, space_sdk="docker" if kind == "space" else None)

    assert f"{localhub.url}/{'' if kind == 'model' else f'{kind}s/'}{name}" == str(url)
    assert ["initial commit"] == [found.title for found in api.list_repo_commits(name, repo_type=kind)]
    expected = [".gitattributes", "README.md"] if kind == "space" else [".gitattributes"]
    assert expected == api.list_repo_files(name, repo_type=kind)


def test_creating_it_again_says_where_it_is(api: HfApi, model: str) -> None:
    assert model == api.create_repo(model, exist_ok=True).repo_id
    with pytest.raises(HfHubHTTPError, match="You already created this model repo") as caught:
        api.create_repo(model.upper().replace("ADA", "ada"))
    assert 409 == caught.value.response.status_code


def test_the_name_is_free_again_after_a_deletion(api: HfApi, model: str) -> None:
    commit(api, model, {"old.txt": b"old"})
    api.delete_repo(model)
    assert not api.repo_exists(model)
    with pytest.raises(RepositoryNotFoundError):
        api.delete_repo(model)
    api.delete_repo(model, missing_ok=True)

    api.create_repo(model)

    assert [".gitattributes"] == api.list_repo_files(model)


@pytest.mark.parametrize("name", ["a--b", "a..b", "-a", "a.git", "x" * 97])
def test_a_name_that_the_hub_refuses(ask: Asker, name: str) -> None:
    answer = ask("POST", "/api/repos/create", json={"name": name})

    assert 400 == answer.status_code
    assert "Only regular characters" in answer.json()["error"]


def test_a_space_needs_an_sdk_that_there_is(ask: Asker) -> None:
    for sdk in ({}, {"sdk": "streamlit"}):
        answer = ask("POST", "/api/repos/create", json={"name": "x", "type": "space", **sdk})
        assert '"sdk" must be one of [gradio, docker, static]' == answer.json()["error"]


def test_nobody_creates_in_a_namespace_of_others(localhub: LocalHub, api: HfApi) -> None:
    with pytest.raises(HfHubHTTPError, match="You don't have the rights to create a model under the namespace"):
        as_user(localhub, "bob").create_repo("ada/x")
    with pytest.raises(HfHubHTTPError, match="use a write token"):
        as_user(localhub, "ron").create_repo("ron/x")
    with pytest.raises(HfHubHTTPError, check=refused(403)):
        api.create_repo("nobody/x")
    assert "Acme/shared" == api.create_repo("ACME/shared").repo_id


def test_a_docker_space_on_free_hardware_needs_a_paid_plan(localhub: LocalHub) -> None:
    bob = as_user(localhub, "bob")
    with pytest.raises(HfHubHTTPError, match="requires a PRO subscription") as caught:
        bob.create_repo("bob/app", repo_type="space", space_sdk="docker")
    assert 402 == caught.value.response.status_code
    assert bob.create_repo("bob/page", repo_type="space", space_sdk="static").repo_id == "bob/page"


def test_a_private_repository_is_hidden_from_others(localhub: LocalHub, api: HfApi) -> None:
    name = api.create_repo("Acme/hidden", visibility="private").repo_id

    for stranger in (anonymous(localhub), as_user(localhub, "bob")):
        with pytest.raises(RepositoryNotFoundError):
            stranger.model_info(name)
        assert not stranger.file_exists(name, ".gitattributes")
        assert name not in [found.id for found in stranger.list_models()]
    assert as_user(localhub, "ron").model_info(name).private
    assert name in [found.id for found in as_user(localhub, "ron").list_models()]


def test_a_reader_may_not_write(localhub: LocalHub, api: HfApi, ask: Asker) -> None:
    name = api.create_repo(f"Acme/{next(NAMES)}").repo_id
    ron, bob = as_user(localhub, "ron"), as_user(localhub, "bob")

    for stranger in (ron, bob):
        with pytest.raises(HfHubHTTPError, check=refused(403)):
            commit(stranger, name, {"x": b"1"})
        with pytest.raises(HfHubHTTPError, check=refused(403)):
            stranger.delete_repo(name)
        with pytest.raises(HfHubHTTPError, check=refused(403)):
            stranger.auth_check(name, write=True)
    assert 401 == ask("POST", f"/api/models/{name}/branch/x", token=None).status_code
    ron.auth_check(name)
    api.auth_check(name, write=True)


def test_visibility_can_change(localhub: LocalHub, api: HfApi, space: str) -> None:
    api.update_repo_settings(space, repo_type="space", visibility="private")
    assert not anonymous(localhub).repo_exists(space, repo_type="space")

    api.update_repo_settings(space, repo_type="space", visibility="protected")
    assert not anonymous(localhub).repo_exists(space, repo_type="space")
    assert "protected" == api.space_info(space).visibility

    api.update_repo_settings(space, repo_type="space", private=False)
    assert anonymous(localhub).repo_exists(space, repo_type="space")


def test_a_model_cannot_be_protected(ask: Asker, model: str) -> None:
    assert 400 == ask("PUT", f"/api/models/{model}/settings", json={"visibility": "protected"}).status_code


def test_a_space_describes_itself(api: HfApi, localhub: LocalHub, space: str) -> None:
    sha = commit(api, space, {"a/b.txt": b"hello", "x.bin": b"\0" * 2000}, "space")
    info = api.space_info(space, files_metadata=True)

    assert (sha, "docker", "ada", False) == (info.sha, info.sdk, info.author, info.private)
    assert space.replace("/", "-") == info.subdomain
    assert info.host is not None
    assert info.host.startswith("http://127.0.0.1:")
    assert info.runtime is not None
    assert "NO_APP_FILE" == api.wait_for_space(space).stage
    assert info.card_data is not None
    assert "docker" == info.card_data["sdk"]
    files = {file.rfilename: file for file in info.siblings or []}
    assert [".gitattributes", "README.md", "a/b.txt", "x.bin"] == sorted(files)
    assert 5 == files["a/b.txt"].size
    large = files["x.bin"].lfs
    assert large is not None
    assert (2000, 2000) == (files["x.bin"].size, large.size)


def test_a_question_for_some_fields_is_answered_with_these(api: HfApi, ask: Asker, space: str) -> None:
    answer = ask("GET", f"/api/spaces/{space}?expand=runtime&expand=sha").json()

    assert {"_id", "id", "runtime", "sha"} == set(answer)
    with pytest.raises(BadRequestError, match='"expand" must be one of'):
        api.space_info(space, expand=["nope"])  # type: ignore[list-item]


def test_an_older_revision_has_its_own_files(api: HfApi, model: str) -> None:
    old = commit(api, model, {"one.txt": b"1"})
    commit(api, model, {"two.txt": b"2"})

    assert "two.txt" not in [file.rfilename for file in api.model_info(model, revision=old).siblings or []]
    assert old == api.model_info(model, revision=old[:10]).sha


def test_a_card_that_unfolds_without_end_is_not_shown(api: HfApi, model: str) -> None:
    bomb = "\n".join(f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 9)}]" for n in range(1, 9))
    with pytest.warns(UserWarning, match="empty or missing yaml metadata"):
        commit(api, model, {"README.md": f"---\na0: &a0 [x]\n{bomb}\n---\n".encode()})

    assert not api.model_info(model).card_data


def test_lists_filter_sort_and_page(localhub: LocalHub, api: HfApi, ask: Asker) -> None:
    names = [api.create_repo(f"Acme/listed-{number}", repo_type="dataset").repo_id for number in range(5)]
    commit(api, names[2], {"x": b"1"}, "dataset")

    def listed(**query: object) -> list[str]:
        return [found.id for found in api.list_datasets(**query)]  # type: ignore[arg-type]

    assert names == listed(author="acme")
    assert names[:2] == listed(author="Acme", limit=2)
    assert [names[3]] == listed(search="LISTED-3")
    assert [] == listed(author="nobody")
    assert names[4] == listed(author="Acme", sort="created_at")[0]
    page = ask("GET", "/api/datasets?author=Acme&limit=3")
    following = ask("GET", page.links["next"]["url"].removeprefix(localhub.url))
    assert names == [found["id"] for found in [*page.json(), *following.json()]]
    assert "next" not in following.links


def test_everybody_can_list_what_is_theirs(api: HfApi, space: str) -> None:
    own = {found.id: found for found in api.list_user_repos()}

    assert ("space", "public") == (own[space].type, own[space].visibility)
    assert own[space].storage > 0
    assert {api.whoami()["name"]} == {name.partition("/")[0] for name in own}


def test_a_list_of_spaces_can_bring_their_runtimes(api: HfApi, space: str) -> None:
    stages = {found.id: found.runtime.stage for found in api.list_spaces(expand=["runtime"]) if found.runtime}

    assert "NO_APP_FILE" == stages[space]
    assert space in [found.id for found in api.list_spaces(filter="docker")]
    assert space not in [found.id for found in api.list_spaces(filter="gradio")]


def test_the_tree_says_what_is_where(api: HfApi, model: str) -> None:
    commit(api, model, {"top.txt": b"1", "a/one.txt": b"22", "a/b/two.txt": b"333"})

    def tree(path: str | None = None, *, recursive: bool = False) -> list[str]:
        return [found.path for found in api.list_repo_tree(model, path, recursive=recursive)]

    assert [".gitattributes", "a", "top.txt"] == sorted(tree())
    assert ["a/b", "a/one.txt"] == sorted(tree("a"))
    assert ["a/b", "a/b/two.txt", "a/one.txt"] == sorted(tree("a", recursive=True))
    with pytest.raises(RemoteEntryNotFoundError):
        tree("top.txt")
    with pytest.raises(RevisionNotFoundError):
        list(api.list_repo_tree(model, revision="nope"))


def test_the_tree_names_the_commit_that_touched_a_path_last(api: HfApi, model: str) -> None:
    first = commit(api, model, {"a/one.txt": b"1", "b.txt": b"1"})
    second = commit(api, model, {"b.txt": b"2"})

    found = {entry.path: entry.last_commit for entry in api.list_repo_tree(model, expand=True)}

    assert {"a": first, "b.txt": second} == {path: found[path].oid for path in ("a", "b.txt")}


def test_a_large_folder_comes_in_pages(api: HfApi, ask: Asker, localhub: LocalHub, model: str) -> None:
    commit(api, model, {f"f/{number:04}.txt": b"x" for number in range(1100)})

    assert 1100 == len(list(api.list_repo_tree(model, "f")))
    pages = ask("GET", f"/api/models/{model}/tree/main/f")
    assert 1000 == len(pages.json())
    expanded = ask("GET", f"/api/models/{model}/tree/main/f?expand=true&cursor=1080")
    assert 20 == len(expanded.json())
    assert expanded.json()[0]["lastCommit"]["title"] == "add"


def test_paths_info_drops_what_is_not_there(api: HfApi, model: str) -> None:
    commit(api, model, {"a/x y.txt": b"1"})

    found = api.get_paths_info(model, ["a", "a/x y.txt", "nope"], expand=True)

    assert ["a", "a/x y.txt"] == [entry.path for entry in found]


def test_a_thousand_paths_are_enough(ask: Asker, model: str) -> None:
    form = ask("POST", f"/api/models/{model}/paths-info/main", data={"paths": ["x"] * 1001})
    body = ask("POST", f"/api/models/{model}/paths-info/main", json={"paths": ["x"] * 1001})

    assert [413, 413] == [form.status_code, body.status_code]


def test_paths_can_come_as_json(ask: Asker, model: str) -> None:
    asked = {"paths": [".gitattributes", "nope"], "expand": True}
    answer = ask("POST", f"/api/models/{model}/paths-info/main", json=asked)

    assert [(".gitattributes", "initial commit")] == [(at["path"], at["lastCommit"]["title"]) for at in answer.json()]


def test_branches_and_tags_come_and_go(api: HfApi, model: str) -> None:
    first = api.model_info(model).sha
    commit(api, model, {"x": b"1"})
    api.create_branch(model, branch="dev/one", revision=first)
    api.create_tag(model, tag="v1.0")

    refs = api.list_repo_refs(model)
    assert {"main", "dev/one"} == {branch.name for branch in refs.branches}
    assert {"dev/one": first} == {ref.name: ref.target_commit for ref in refs.branches if ref.name != "main"}
    assert ["refs/tags/v1.0"] == [tag.ref for tag in refs.tags]

    commit(api, model, {"only-there": b"1"}, revision="dev/one")
    assert "only-there" in api.list_repo_files(model, revision="dev/one")
    assert "only-there" not in api.list_repo_files(model)

    api.delete_branch(model, branch="dev/one")
    api.delete_tag(model, tag="v1.0")
    assert ["main"] == [branch.name for branch in api.list_repo_refs(model).branches]


def test_branches_that_cannot_be(api: HfApi, model: str) -> None:
    api.create_branch(model, branch="dev")
    with pytest.raises(HfHubHTTPError, match="Reference refs/heads/dev already exists", check=refused(409)):
        api.create_branch(model, branch="dev")
    api.create_branch(model, branch="dev", exist_ok=True)
    with pytest.raises(BadRequestError, match="Invalid reference for a branch"):
        api.create_branch(model, branch="refs/heads/x")
    with pytest.raises(RevisionNotFoundError):
        api.create_branch(model, branch="y", revision="nope")
    with pytest.raises(HfHubHTTPError, match="Cannot delete refs/heads/main", check=refused(403)):
        api.delete_branch(model, branch="main")
    with pytest.raises(HfHubHTTPError, match="Invalid rev id", check=refused(404)):
        api.delete_branch(model, branch="nope")


def test_commits_are_listed_newest_first_in_pages(api: HfApi, ask: Asker, model: str) -> None:
    for number in range(3):
        commit(api, model, {"x": str(number).encode()})

    commits = api.list_repo_commits(model, formatted=True)
    page = ask("GET", f"/api/models/{model}/commits/main?limit=2")

    assert ["add", "add", "add", "initial commit"] == [found.title for found in commits]
    assert ["ada"] == commits[0].authors
    assert "4" == page.headers["X-Total-Count"]
    assert 2 == len(page.json())
    assert "cursor=2" in page.links["next"]["url"]


def test_copies_and_deletions_are_part_of_a_commit(api: HfApi, model: str) -> None:
    commit(api, model, {"a/one.txt": b"1", "big.bin": b"\0" * 3000, "b/two.txt": b"2"})
    operations = [
        CommitOperationCopy("a/one.txt", "c/one.txt"),
        CommitOperationCopy("big.bin", "c/big.bin"),
        CommitOperationDelete("a/one.txt"),
        CommitOperationDelete("b/", is_folder=True),
    ]

    api.create_commit(model, operations, commit_message="move")

    assert [".gitattributes", "big.bin", "c/big.bin", "c/one.txt"] == sorted(api.list_repo_files(model))
    with pytest.raises(RemoteEntryNotFoundError, match="A file with this name doesn't exist"):
        api.delete_file("nope.txt", model)


def test_a_commit_on_a_moved_branch_is_a_conflict(api: HfApi, model: str) -> None:
    old = api.model_info(model).sha
    commit(api, model, {"x": b"1"}, parent_commit=old)

    with pytest.raises(HfHubHTTPError, match="The branch was updated since you opened this page", check=refused(412)):
        commit(api, model, {"x": b"2"}, parent_commit=old)
    with pytest.raises(RevisionNotFoundError):
        commit(api, model, {"x": b"2"}, revision="nope")


def test_files_download_whole_and_in_ranges(api: HfApi, ask: Asker, model: str, tmp_path: Path) -> None:
    content = bytes(range(256)) * 40
    sha = commit(api, model, {"text.txt": b"0123456789", "x.bin": content})

    folder = Path(api.snapshot_download(model, cache_dir=tmp_path))

    assert (content, b"0123456789") == ((folder / "x.bin").read_bytes(), (folder / "text.txt").read_bytes())
    for path, whole in (("text.txt", b"0123456789"), ("x.bin", content)):
        head = ask("HEAD", f"/{model}/resolve/main/{path}")
        assert (sha, str(len(whole))) == (head.headers["X-Repo-Commit"], head.headers["Content-Length"])
        part = ask("GET", f"/{model}/resolve/{sha}/{path}", headers={"Range": "bytes=2-5"})
        assert (206, whole[2:6]) == (part.status_code, part.content)
        assert f"bytes 2-5/{len(whole)}" == part.headers["Content-Range"]
        assert whole[-3:] == ask("GET", f"/{model}/resolve/main/{path}", headers={"Range": "bytes=-3"}).content
        beyond = ask("GET", f"/{model}/resolve/main/{path}", headers={"Range": "bytes=999999-"})
        assert (416, f"bytes */{len(whole)}") == (beyond.status_code, beyond.headers["Content-Range"])


def test_a_file_tells_its_hash(api: HfApi, ask: Asker, model: str) -> None:
    commit(api, model, {"text.txt": b"text", "x.bin": b"\0" * 2000})
    entries = {entry.path: entry for entry in api.list_repo_tree(model)}

    small, big = ask("HEAD", f"/{model}/resolve/main/text.txt"), ask("HEAD", f"/{model}/resolve/main/x.bin")

    assert f'"{entries["text.txt"].blob_id}"' == small.headers["ETag"]
    assert f'"{entries["x.bin"].lfs.sha256}"' == big.headers["ETag"] == big.headers["X-Linked-Etag"]
    assert "2000" == big.headers["X-Linked-Size"]
    assert ask("GET", f"/{model}/raw/main/x.bin").content.startswith(b"version https://git-lfs")


def test_a_file_that_is_not_there_is_told_apart(api: HfApi, ask: Asker, model: str, tmp_path: Path) -> None:
    with pytest.raises(RemoteEntryNotFoundError):
        api.hf_hub_download(model, "nope.txt", cache_dir=tmp_path)
    with pytest.raises(RevisionNotFoundError):
        api.hf_hub_download(model, "nope.txt", revision="nope", cache_dir=tmp_path)
    missing = ask("GET", f"/{model}/resolve/main/nope.txt")
    assert api.model_info(model).sha == missing.headers["X-Repo-Commit"]


def test_who_reads_what_is_being_deleted_gets_it_or_hears_that_it_is_gone(api: HfApi, ask: Asker) -> None:
    name = f"ada/{next(NAMES)}"
    paths = ["?blobs=true", "/tree/main?expand=true", "/refs", "/commits/main"]
    addresses = [*(f"/api/models/{name}{path}" for path in paths), f"/{name}/resolve/main/x", "/api/models?full=true"]
    over = Event()

    def read(address: str) -> set[int]:
        seen = set()
        while not over.is_set():
            seen.add(ask("GET", address).status_code)
        return seen

    with ThreadPoolExecutor(len(addresses)) as pool:
        reading = [pool.submit(read, address) for address in addresses]
        try:
            for number in range(8):
                api.create_repo(name)
                commit(api, name, {"x": b"\0" * (1000 + number)})
                api.delete_repo(name)
        finally:
            over.set()

    assert {200, 404} == set().union(*(seen.result() for seen in reading))


def test_names_with_strange_letters_travel_both_ways(api: HfApi, model: str, tmp_path: Path) -> None:
    path = "föl der/100% #1?&=+.txt"
    commit(api, model, {path: b"content"})

    assert path in api.list_repo_files(model)
    assert api.file_exists(model, path)
    assert b"content" == Path(api.hf_hub_download(model, path, local_dir=tmp_path)).read_bytes()


def test_a_page_of_a_repository_never_runs_in_the_name_of_the_server(api: HfApi, ask: Asker, model: str) -> None:
    commit(api, model, {"index.html": b"<script>alert(1)</script>"})

    answer = ask("GET", f"/{model}/resolve/main/index.html")

    assert "text/plain; charset=utf-8" == answer.headers["Content-Type"]
    assert "sandbox" == answer.headers["Content-Security-Policy"]
