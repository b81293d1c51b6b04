"""Accounts that refuse: what each kind of token is told, by status, code and words."""

from __future__ import annotations

import itertools
from collections.abc import Iterator

import pytest
from huggingface_hub import HfApi
from huggingface_hub.errors import GatedRepoError, HfHubHTTPError, RepositoryNotFoundError

from spaceops.localhub import LocalHub
from tests.localhub.conftest import Asker, Runner, git_url, people

ACCOUNTS = f"""
{people("acme", "quiet")}
[[users]]
name = "ci"
token = "hf_ci"
role = "fineGrained"
orgs = ["acme", "quiet"]
global = ["discussion.write"]
[[users.scoped]]
entity = "quiet"
permissions = ["repo.content.read", "repo.write"]
[[users.scoped]]
entity = "models/acme/written"
permissions = ["repo.write"]
[[users.scoped]]
entity = "acme/read"
permissions = ["repo.content.read"]

[[users]]
name = "otto"
token = "hf_otto"
role = "oauth"
scopes = ["profile"]

[[users]]
name = "eve"
token = "hf_eve"
role = "oauth"
scopes = ["write-repos", "write-discussions"]
plan = "pro"

[[orgs]]
name = "quiet"
plan = "free"
default_visibility = "private"
"""
NAMES = (f"new-{number}" for number in itertools.count())


@pytest.fixture(scope="module")
def localhub(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalHub]:
    """A local Hub with every kind of token."""
    accounts = tmp_path_factory.mktemp("accounts") / "accounts.toml"
    accounts.write_text(ACCOUNTS)
    with LocalHub(accounts=accounts) as server:
        for name in ("written", "read", "neither"):
            HfApi(endpoint=server.url, token="hf_ada").create_repo(f"acme/{name}", visibility="private")
        yield server


@pytest.fixture
def ci(localhub: LocalHub) -> HfApi:
    """The client with a fine-grained token."""
    return HfApi(endpoint=localhub.url, token="hf_ci")


@pytest.fixture
def bob(localhub: LocalHub) -> HfApi:
    """The client as somebody who is nobody here."""
    return HfApi(endpoint=localhub.url, token="hf_bob")


@pytest.fixture
def gated(api: HfApi) -> str:
    """A model that only its own people may read."""
    name = api.create_repo(f"acme/{next(NAMES)}").repo_id
    api.upload_file(path_or_fileobj=b"small", path_in_repo="small", repo_id=name)
    api.upload_file(path_or_fileobj=b"\0" * 3000, path_in_repo="large", repo_id=name)
    api.update_repo_settings(name, gated="manual")
    return name


def refused(status: int) -> object:
    return lambda error: error.response.status_code == status


def test_a_fine_grained_token_says_what_it_may(ci: HfApi) -> None:
    token = ci.whoami()["auth"]["accessToken"]
    scopes = [(scope["entity"]["type"], scope["entity"]["name"]) for scope in token["fineGrained"]["scoped"]]

    assert "fineGrained" == token["role"]
    assert [("org", "quiet"), ("model", "acme/written")] == scopes[:2]
    assert [(kind, "acme/read") for kind in ("model", "dataset", "space", "bucket")] == scopes[2:]  # every kind
    assert ["repo.write"] == token["fineGrained"]["scoped"][1]["permissions"]
    assert 24 == len(token["fineGrained"]["scoped"][0]["entity"]["_id"])
    assert (["discussion.write"], False) == (token["fineGrained"]["global"], token["fineGrained"]["canReadGatedRepos"])


def test_a_fine_grained_token_sees_what_its_scopes_name(ci: HfApi) -> None:
    assert ci.model_info("acme/written").private
    assert ci.model_info("acme/read").private
    assert {"acme/written", "acme/read"} == {found.id for found in ci.list_models(author="acme")}
    with pytest.raises(RepositoryNotFoundError):
        ci.model_info("acme/neither")


def test_a_fine_grained_token_writes_where_a_scope_lets_it(ci: HfApi) -> None:
    ci.create_tag("acme/written", tag="v1")
    ci.auth_check("acme/written", write=True)
    for name in ("acme/read", "ci/new"):
        with pytest.raises(HfHubHTTPError, match="You don't have the rights to", check=refused(403)):
            ci.create_repo(name)
    with pytest.raises(HfHubHTTPError, match="You don't have the rights to change acme/read", check=refused(403)):
        ci.create_tag("acme/read", tag="v1")
    with pytest.raises(HfHubHTTPError, match="You don't have the rights to delete", check=refused(403)):
        ci.delete_repo("acme/read")


def test_a_scope_for_a_namespace_is_for_all_that_will_be_in_it(ci: HfApi) -> None:
    name = ci.create_repo(f"quiet/{next(NAMES)}").repo_id

    ci.upload_file(path_or_fileobj=b"x", path_in_repo="x", repo_id=name)
    ci.delete_repo(name)


def test_of_an_oauth_token_nobody_is_told_the_scopes(localhub: LocalHub) -> None:
    eve = HfApi(endpoint=localhub.url, token="hf_eve").whoami()

    assert ("eve", {"type": "app_token_as_user"}) == (eve["name"], eve["auth"])


def test_an_oauth_token_creates_nothing_without_the_scope_for_it(localhub: LocalHub) -> None:
    with pytest.raises(HfHubHTTPError, match="You don't have the rights to create a model under", check=refused(403)):
        HfApi(endpoint=localhub.url, token="hf_eve").create_repo("eve/new")


def test_git_asks_a_fine_grained_token_the_same(localhub: LocalHub, run: Runner) -> None:
    run("git", "clone", "--quiet", git_url(localhub, "acme/read", "hf_ci"))
    run("git", "clone", "--quiet", git_url(localhub, "acme/neither", "hf_ci"), ok=False)


def test_an_organisation_may_make_new_repositories_private(api: HfApi) -> None:
    assert api.model_info(api.create_repo(f"quiet/{next(NAMES)}").repo_id).private
    assert not api.model_info(api.create_repo(f"quiet/{next(NAMES)}", visibility="public").repo_id).private
    assert not api.model_info(api.create_repo(f"acme/{next(NAMES)}").repo_id).private


def test_an_organisation_without_a_plan_hosts_nothing_that_runs(api: HfApi) -> None:
    with pytest.raises(HfHubHTTPError, match="requires a PRO subscription", check=refused(402)):
        api.create_repo(f"quiet/{next(NAMES)}", repo_type="space", space_sdk="docker")
    there = api.create_repo(f"acme/{next(NAMES)}", repo_type="space", space_sdk="docker").repo_id
    with pytest.raises(HfHubHTTPError, match="requires a PRO subscription", check=refused(402)):
        api.duplicate_repo(there, f"quiet/{next(NAMES)}", repo_type="space")


def test_a_free_plan_pays_by_the_hour_and_never_goes_back(bob: HfApi) -> None:
    name = f"bob/{next(NAMES)}"
    bob.create_repo(name, repo_type="space", space_sdk="docker", space_hardware="t4-small")  # type: ignore[arg-type]

    with pytest.raises(HfHubHTTPError, match="you can't downgrade this Space to cpu-basic", check=refused(402)):
        bob.request_space_hardware(name, "cpu-basic")  # type: ignore[arg-type]
    assert name == bob.create_repo(name, repo_type="space", space_sdk="docker", exist_ok=True).repo_id


@pytest.mark.parametrize(
    ("method", "path", "token", "status", "code", "said"),
    [
        ("GET", "/api/whoami-v2", None, 401, None, "Invalid username or password."),
        ("GET", "/api/whoami-v2", "hf_none", 401, None, "Invalid credentials in Authorization header"),
        ("GET", "/api/models/acme/read", None, 401, "RepoNotFound", "Invalid username or password."),
        ("GET", "/api/models/acme/read", "hf_bob", 404, "RepoNotFound", "Repository not found"),
        ("GET", "/acme/read/resolve/main/x", "hf_bob", 404, "RepoNotFound", "Repository not found"),
        ("GET", "/acme/read/resolve/main/x", "hf_ron", 404, "EntryNotFound", "Entry not found"),
        ("GET", "/acme/read/resolve/no/x", "hf_ron", 404, "RevisionNotFound", "Invalid rev id: no"),
        ("POST", "/api/models/acme/read/tag/main", None, 401, "RepoNotFound", "Invalid username or password."),
        ("POST", "/api/models/acme/read/tag/main", "hf_ron", 403, None, "Forbidden: you must use a write token"),
        ("GET", "/api/models/acme/read/auth-check", "hf_bob", 404, "RepoNotFound", "Repository not found"),
        ("GET", "/api/models/acme/read/auth-check/write", "hf_ron", 403, None, "Forbidden: you must use a write token"),
        ("GET", "/api/models/acme/read", "hf_otto", 401, "RepoNotFound", "Invalid username or password."),
        ("GET", "/api/models/otto/none", "hf_otto", 401, "RepoNotFound", "Invalid username or password."),
        ("GET", "/api/models/acme/read", "hf_eve", 404, "RepoNotFound", "Repository not found"),
        ("GET", "/api/models/eve/none", "hf_eve", 404, "RepoNotFound", "Repository not found"),
        ("GET", "/api/organizations/quiet/settings/repositories", "hf_ron", 403, None, "You don't have the rights"),
    ],
)
def test_every_refusal_has_its_status_code_and_words(
    ask: Asker, method: str, path: str, token: str | None, status: int, code: str | None, said: str
) -> None:
    answer = ask(method, path, token=token, **({"json": {"tag": "x"}} if method == "POST" else {}))

    assert (status, code) == (answer.status_code, answer.headers.get("X-Error-Code"))
    assert answer.json()["error"].startswith(said)
    assert answer.json()["error"] == answer.headers["X-Error-Message"]


def test_everybody_sees_a_gated_repository(localhub: LocalHub, bob: HfApi, gated: str) -> None:
    for stranger in (bob, HfApi(endpoint=localhub.url, token=False)):
        assert "manual" == stranger.model_info(gated).gated
        assert {"small", "large"} <= set(stranger.list_repo_files(gated))
        assert 3000 == stranger.get_paths_info(gated, ["large"])[0].size  # type: ignore[union-attr]
        assert gated in {found.id for found in stranger.list_models(gated=True)}
        assert gated not in {found.id for found in stranger.list_models(gated=False)}


@pytest.mark.parametrize("path", ["resolve/main/small", "resolve/main/large", "raw/main/small"])
def test_nobody_else_reads_the_files_of_a_gated_repository(ask: Asker, gated: str, path: str) -> None:
    anonymous, stranger = (ask("GET", f"/{gated}/{path}", token=token) for token in (None, "hf_bob"))

    assert (401, "GatedRepo") == (anonymous.status_code, anonymous.headers["X-Error-Code"])
    assert "You must have access to it and be authenticated to access it." in anonymous.json()["error"]
    assert (403, "GatedRepo") == (stranger.status_code, stranger.headers["X-Error-Code"])
    assert f"Access to model {gated} is restricted and you are not in" in stranger.json()["error"]
    assert 200 == ask("GET", f"/{gated}/{path}", token="hf_ron").status_code


def test_the_client_knows_a_gate_when_it_sees_one(bob: HfApi, gated: str) -> None:
    with pytest.raises(GatedRepoError):
        bob.hf_hub_download(gated, "small")
    with pytest.raises(GatedRepoError):
        bob.auth_check(gated)


def test_there_is_no_way_around_a_gate(localhub: LocalHub, ask: Asker, gated: str, run: Runner) -> None:
    objects = {"operation": "download", "objects": [{"oid": "0" * 64, "size": 1}]}

    assert 403 == ask("GET", f"/api/models/{gated}/xet-read-token/main", token="hf_bob").status_code
    assert 403 == ask("POST", f"/{gated}.git/info/lfs/objects/batch", token="hf_bob", json=objects).status_code
    said = run("git", "clone", git_url(localhub, gated, "hf_bob"), ok=False).stderr
    assert "is restricted" in said
    run("git", "clone", "--quiet", git_url(localhub, gated, "hf_ron"))


def test_a_gate_opens_again(api: HfApi, bob: HfApi, gated: str) -> None:
    api.update_repo_settings(gated, gated=False)

    bob.auth_check(gated)
    assert not bob.model_info(gated).gated


@pytest.mark.parametrize("body", [{"gated": True}, {"gated": "yes"}, {"visibility": "protected"}, {"private": 1}])
def test_settings_that_there_are_not(ask: Asker, gated: str, body: dict[str, object]) -> None:
    assert 400 == ask("PUT", f"/api/models/{gated}/settings", json=body).status_code


def test_people_and_organisations_are_described(api: HfApi, bob: HfApi) -> None:
    ada, acme = bob.get_user_overview("ADA"), bob.get_organization_overview("acme")

    assert ("ada", True) == (ada.username, ada.is_pro)
    assert {"acme", "quiet"} == {org.name for org in ada.orgs}
    assert (3, "team") == (acme.num_users, acme.plan)
    assert {"ada", "ron", "ci"} == {user.username for user in bob.list_organization_members("acme")}
    seen = api.get_organization_overview("acme").num_models or 0
    assert seen - 3 == acme.num_models  # three are private
    with pytest.raises(HfHubHTTPError, match="This user does not exist", check=refused(404)):
        bob.get_user_overview("nobody")


def test_an_organisation_lists_its_repositories_to_its_members(api: HfApi, ci: HfApi) -> None:
    found = {repo.id: repo for repo in api.list_user_repos("acme")}

    assert "private" == found["acme/written"].visibility
    assert 100 == pytest.approx(sum(repo.storage_percent for repo in found.values()))
    assert "acme/neither" not in {repo.id for repo in ci.list_user_repos("acme")}
