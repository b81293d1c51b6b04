"""Lists of repositories, and the fields of one: filters, order, pages, and what may be asked for."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import get_args

import pytest
from huggingface_hub import CommitOperationAdd, HfApi
from huggingface_hub.hf_api import ExpandDatasetProperty_T, ExpandModelProperty_T, ExpandSpaceProperty_T

from spaceops.localhub import LocalHub
from spaceops.localhub.accounts import DEMO
from spaceops.localhub.clock import Clock
from spaceops.localhub.commits import first_commit
from spaceops.localhub.describe import Facts, describe
from spaceops.localhub.repos import Repos
from spaceops.localhub.store import Repo, new_id
from tests.localhub.conftest import Asker

CARDS = {
    "Acme/bert-base": "language: [en, de]\nlicense: mit\ntags: [small]\npipeline_tag: fill-mask\nbase_model: a/b",
    "Acme/bert-large": "license: mit\nlibrary_name: transformers\ndatasets: Acme/news",
    "ada/other": "tags: small",
}
SPACES = {
    "ada/uses-model": "sdk: static\nmodels: [Acme/bert-base]",
    "ada/uses-data": "sdk: static\ndatasets:\n- Acme/news",
    "ada/uses-none": "sdk: static",
}
STRANGE = "sdk: {}\ntags: {a: [1]}\nmodels: 3\ndatasets: [[1], {a: b}]\nlicense: [mit, 3]"


@pytest.fixture(scope="module", autouse=True)
def _repositories(localhub: LocalHub) -> Iterator[None]:
    """Some models and Spaces that say things about themselves."""
    api = HfApi(endpoint=localhub.url, token="hf_ada")
    for kind, cards in (("model", CARDS), ("space", SPACES)):
        for name, card in cards.items():
            api.create_repo(name, repo_type=kind, space_sdk="static" if kind == "space" else None)
            readme = CommitOperationAdd("README.md", f"---\n{card}\n---\n".encode())
            api.create_commit(name, [readme], repo_type=kind, commit_message="card")
    yield


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ({"filter": "license:mit"}, ["Acme/bert-base", "Acme/bert-large"]),
        ({"filter": ["license:mit", "small"]}, ["Acme/bert-base"]),
        ({"filter": "de"}, ["Acme/bert-base"]),
        ({"filter": "base_model:a/b"}, ["Acme/bert-base"]),
        ({"filter": "transformers"}, ["Acme/bert-large"]),
        ({"trained_dataset": "Acme/news"}, ["Acme/bert-large"]),
        ({"pipeline_tag": "fill-mask"}, ["Acme/bert-base"]),
        ({"search": "BERT large"}, ["Acme/bert-large"]),
        ({"author": "acme", "limit": 1}, ["Acme/bert-base"]),
        ({"author": "acme", "sort": "created_at"}, ["Acme/bert-large", "Acme/bert-base"]),
        ({"author": "acme", "sort": "likes"}, ["Acme/bert-base", "Acme/bert-large"]),
        ({"inference": "warm"}, []),
        ({"num_parameters": "min:1B"}, []),
    ],
)
def test_models_are_found_by_what_their_cards_say(api: HfApi, query: dict[str, object], expected: list[str]) -> None:
    assert expected == [found.id for found in api.list_models(**query)]  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ({"models": "Acme/bert-base"}, ["ada/uses-model"]),
        ({"datasets": ["Acme/news", "a/b"]}, ["ada/uses-data"]),
        ({"linked": True}, ["ada/uses-model", "ada/uses-data"]),
        ({"models": "Acme/none"}, []),
        ({"filter": "static", "search": "none"}, ["ada/uses-none"]),
    ],
)
def test_spaces_are_found_by_what_they_use(api: HfApi, query: dict[str, object], expected: list[str]) -> None:
    assert expected == [found.id for found in api.list_spaces(**query)]  # type: ignore[arg-type]


def test_the_oldest_can_come_first(ask: Asker) -> None:
    for direction, expected in (("1", "Acme/bert-base"), ("-1", "Acme/bert-large")):
        found = ask("GET", f"/api/models?author=Acme&sort=createdAt&direction={direction}").json()
        assert expected == found[0]["id"]


def test_an_order_that_there_is_not_is_refused(ask: Asker) -> None:
    answer = ask("GET", "/api/models?sort=beauty")

    assert (400, '"sort" must be one of') == (answer.status_code, answer.json()["error"][:21])


def test_a_list_says_more_when_asked(api: HfApi) -> None:
    usual = next(iter(api.list_models(search="bert-base")))
    more = next(iter(api.list_models(search="bert-base", cardData=True)))
    full = next(iter(api.list_models(search="bert-base", full=True)))

    assert (None, None) == (usual.card_data, usual.siblings)
    assert more.card_data
    assert "mit" == more.card_data["license"]
    assert [".gitattributes", "README.md"] == [file.rfilename for file in full.siblings or []]


def test_pages_hang_together(localhub: LocalHub, ask: Asker) -> None:
    path, seen = "/api/models?limit=1&search=bert&expand=tags", []
    while path:
        answer = ask("GET", path)
        seen += [found["id"] for found in answer.json()]
        path = answer.links.get("next", {}).get("url", "").removeprefix(localhub.url)

    assert ["Acme/bert-base", "Acme/bert-large"] == seen


@pytest.mark.parametrize(
    ("kind", "name", "fields"),
    [
        ("models", "Acme/bert-base", get_args(ExpandModelProperty_T)),
        ("datasets", "Acme/news", get_args(ExpandDatasetProperty_T)),
        ("spaces", "ada/uses-model", get_args(ExpandSpaceProperty_T)),
    ],
)
def test_every_field_that_the_client_knows_may_be_asked_for(
    api: HfApi, ask: Asker, kind: str, name: str, fields: tuple[str, ...]
) -> None:
    api.create_repo("Acme/news", repo_type="dataset", exist_ok=True)

    assert 200 == ask("GET", f"/api/{kind}/{name}", params={"expand": list(fields)}).status_code
    assert 200 == ask("GET", f"/api/{kind}/{name}/revision/main", params={"expand": "xetEnabled"}).status_code
    wrong = ask("GET", f"/api/{kind}/{name}?expand=nope")
    assert 400 == wrong.status_code
    assert all(field in wrong.json()["error"] for field in fields)


def test_a_repository_is_tagged_with_what_its_card_says(api: HfApi) -> None:
    info = api.model_info("acme/BERT-base")

    assert "Acme/bert-base" == info.id
    assert ["fill-mask", "small", "en", "de", "license:mit", "base_model:a/b", "region:us"] == info.tags
    assert ("fill-mask", None) == (info.pipeline_tag, info.library_name)


def test_a_card_of_strange_types_harms_nobody(tmp_path: Path) -> None:
    repos = Repos(tmp_path, Clock())
    facts = {
        "kind": "space",
        "namespace": "ada",
        "name": "x",
        "visibility": "public",
        "sdk": "static",
        "creator": "ada",
    }
    repo = Repo(id=new_id(), created_at="", **facts)
    repos.create(repo)
    sha = first_commit(repos, repo, {"README.md": f"---\n{STRANGE}\n---\n".encode()}, DEMO)

    found = describe(Facts(repos, repo, sha, {}), ["sdk", "tags", "models", "datasets"])

    assert ("static", ["static", "license:mit", "region:us"], [], []) == tuple(found.values())[2:]


def test_buckets_are_among_what_somebody_owns(api: HfApi) -> None:
    api.create_bucket("ada/kept", visibility="private")
    api.batch_bucket_files("ada/kept", add=[(b"x" * 50_000, "x.bin")])

    found = {(repo.type, repo.id): repo for repo in api.list_user_repos()}

    assert (50_000, "private") == (found["bucket", "ada/kept"].storage, found["bucket", "ada/kept"].visibility)
    assert {("model", "ada/other"), ("space", "ada/uses-none")} <= set(found)
    assert 100 == pytest.approx(sum(repo.storage_percent for repo in found.values()))


def test_a_model_says_that_nobody_scanned_it(api: HfApi) -> None:
    assert {"scansDone": False, "filesWithIssues": []} == api.model_info(
        "ada/other", securityStatus=True
    ).security_repo_status


def test_there_are_no_templates(api: HfApi) -> None:
    assert [] == api.list_space_templates()
