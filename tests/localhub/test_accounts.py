"""Who may do what, and what an accounts file must be."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest

from spaceops.errors import BadInput
from spaceops.localhub.accounts import DEMO, Accounts, belongs, identity, may_write
from spaceops.localhub.store import Repo
from tests.localhub.conftest import ACCOUNTS


@pytest.fixture
def accounts(tmp_path: Path) -> Accounts:
    return load(tmp_path, ACCOUNTS)


def load(folder: Path, text: str) -> Accounts:
    file = folder / "accounts.toml"
    file.write_text(text)
    return Accounts.load(file)


def a_space(namespace: str, visibility: str) -> Repo:
    return Repo(
        id="0" * 24,
        kind="space",
        namespace=namespace,
        name="x",
        visibility=visibility,
        sdk="docker",
        created_at="",
        creator="ada",
    )


def test_without_a_file_there_is_one_user_with_a_known_token() -> None:
    assert DEMO == Accounts().user("hf_local")
    assert Accounts().built_in


def test_a_file_gives_users_and_organisations(accounts: Accounts) -> None:
    ada = accounts.user("hf_ada")

    assert ada is not None
    assert ("Ada Lovelace", "pro", ("Acme",)) == (ada.fullname, ada.plan, ada.orgs)
    assert "Acme" == accounts.namespace("ACME")
    assert not accounts.built_in


@pytest.mark.parametrize("token", [None, "", "hf_nobody", "HF_ADA"])
def test_a_token_that_nobody_has_is_nobodys(accounts: Accounts, token: str | None) -> None:
    assert accounts.user(token) is None


@pytest.mark.parametrize(
    ("visibility", "token", "sees", "visits"),
    [
        ("public", None, True, True),
        ("public", "hf_bob", True, True),
        ("private", None, False, False),
        ("private", "hf_bob", False, False),
        ("private", "hf_ron", True, True),
        ("private", "hf_ada", True, True),
        ("protected", None, False, True),
        ("protected", "hf_ron", True, True),
    ],
)
def test_who_sees_the_files_and_who_visits_the_app(
    accounts: Accounts, visibility: str, token: str | None, sees: bool, visits: bool
) -> None:
    space = a_space("Acme", visibility)

    assert (sees, visits) == (accounts.may_see(accounts.user(token), space), accounts.may_visit(space, token))


@pytest.mark.parametrize(
    ("token", "namespace", "allowed"),
    [
        ("hf_ada", "ada", True),
        ("hf_ada", "ADA", True),
        ("hf_ada", "acme", True),
        ("hf_ada", "bob", False),
        ("hf_ron", "ron", False),  # a token that only reads
        ("hf_ron", "Acme", False),
        (None, "ada", False),
    ],
)
def test_who_writes_in_a_namespace(accounts: Accounts, token: str | None, namespace: str, allowed: bool) -> None:
    assert allowed == may_write(accounts.user(token), namespace)


def test_a_reader_belongs_to_the_organisation_all_the_same(accounts: Accounts) -> None:
    assert belongs(accounts.user("hf_ron"), "acme")
    assert not belongs(accounts.user("hf_bob"), "acme")


def test_a_plan_is_the_organisations_or_the_users_own(accounts: Accounts) -> None:
    bob = accounts.user("hf_bob")

    assert bob is not None
    assert not accounts.pays("bob", bob)
    assert accounts.pays("Acme", bob)
    assert accounts.pays("bob", msgspec.structs.replace(bob, plan="pro"))


def test_an_identity_stays_and_differs() -> None:
    assert identity("Ada") == identity("ada") != identity("bob")
    assert 24 == len(identity("ada"))


def test_a_user_never_prints_the_token(accounts: Accounts) -> None:
    assert "hf_ada" not in repr(accounts)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "missing required field `users`"),
        ("users = []", "there is no user"),
        ("[[users]]\nname = 'ada'", "token"),
        ("[[users]]\nname = 'ada'\ntoken = ''", "token of their own"),
        ("[[users]]\nname = 'ada'\ntoken = ' hf_x'", "token of their own"),
        ("[[users]]\nname = 'a b'\ntoken = 'hf_x'", "cannot be a name"),
        ("[[users]]\nname = 'ada'\ntoken = 'hf_x'\nrole = 'king'", "role"),
        ("[[users]]\nname = 'ada'\ntoken = 'hf_x'\nage = 3", "age"),
        ("[[users]]\nname = 'ada'\ntoken = 'hf_x'\norgs = ['none']", "no [[orgs]]"),
        ("[[users]]\nname = 'ada'\ntoken = 'hf_x'\n[[orgs]]\nname = 'ADA'", "two accounts"),
        ("[[users]]\nname = 'a'\ntoken = 'hf_x'\n[[users]]\nname = 'b'\ntoken = 'hf_x'", "token of their own"),
        ("[[users", "accounts.toml"),
    ],
)
def test_a_wrong_file_is_refused_with_what_is_wrong(tmp_path: Path, text: str, said: str) -> None:
    with pytest.raises(BadInput) as caught:
        load(tmp_path, text)

    assert said in caught.value.message
    assert "hf_x" not in str(caught.value)


def test_a_file_that_cannot_be_read_is_refused(tmp_path: Path) -> None:
    (tmp_path / "binary").write_bytes(b"\xff\xfe\x00")

    with pytest.raises(BadInput, match="No such file"):
        Accounts.load(tmp_path / "none.toml")
    with pytest.raises(BadInput, match="UTF-8"):
        Accounts.load(tmp_path / "binary")
