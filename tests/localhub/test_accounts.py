"""Who may do what, and what an accounts file must be."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import msgspec
import pytest

from spaceops.errors import BadInput
from spaceops.localhub.accounts import DEMO, Accounts, Scope, User, belongs, identity, may_write, reads
from spaceops.localhub.store import Repo
from tests.localhub.conftest import ACCOUNTS

CI = "[[users]]\nname = 'ci'\ntoken = 'hf_x'\n"


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


@pytest.mark.parametrize(
    ("entity", "new", "space", "model"),
    [
        ("Acme", True, True, True),
        ("acme/X", False, True, True),
        ("spaces/Acme/x", False, True, False),
        ("models/Acme/x", False, False, True),
        ("Acme/y", False, False, False),
        ("ada", False, False, False),
    ],
)
def test_a_scope_is_for_a_namespace_or_a_repository(entity: str, new: bool, space: bool, model: bool) -> None:
    scope = Scope(entity=entity, permissions=("repo.write",))
    repo = a_space("acme", "private")

    assert new == scope.covers("acme")
    assert space == scope.covers("acme", repo)
    assert model == scope.covers("acme", replace(repo, kind="model"))


@pytest.mark.parametrize(
    ("permissions", "read", "write"),
    [
        ([], False, False),
        (["repo.content.read"], True, False),
        (["repo.write"], True, True),
        (["org.read"], False, False),
    ],
)
def test_a_fine_grained_token_may_what_its_permissions_say(permissions: list[str], read: bool, write: bool) -> None:
    scope = Scope(entity="acme", permissions=tuple(permissions))
    user = User(name="ci", token="hf_ci", role="fineGrained", orgs=("acme",), scoped=(scope,))
    repo = a_space("acme", "private")

    assert (read, write) == (reads(user, repo), may_write(user, "acme", repo))
    assert not reads(user, a_space("ci", "private"))
    assert not may_write(user, "ci")


@pytest.mark.parametrize(
    ("scopes", "reads_it", "changes_it", "creates"),
    [
        (["openid", "profile"], False, False, False),
        (["read-repos"], True, False, False),
        (["write-repos"], True, True, False),
        (["manage-repos"], True, True, True),
    ],
)
def test_an_oauth_token_may_what_its_scopes_say_with_its_users_own_repositories(
    scopes: list[str], reads_it: bool, changes_it: bool, creates: bool
) -> None:
    user = User(name="eve", token="hf_eve", role="oauth", orgs=("acme",), scopes=tuple(scopes))
    own, theirs = a_space("eve", "private"), a_space("acme", "private")

    assert (reads_it, changes_it, creates) == (reads(user, own), may_write(user, "eve", own), may_write(user, "eve"))
    assert not reads(user, theirs)
    assert not may_write(user, "acme", theirs)
    assert user.is_blind is not reads_it


def test_an_oauth_token_discusses_with_the_scope_for_that_alone() -> None:
    speaker = User(name="eve", token="hf_eve", role="oauth", scopes=("write-discussions",))
    writer = User(name="eve", token="hf_eve", role="oauth", scopes=("write-repos",))

    assert speaker.grants("discussion.write", "acme", a_space("acme", "public"))
    assert not writer.grants("discussion.write", "acme", a_space("acme", "public"))


def test_a_scope_gives_no_rights_that_its_owner_has_not() -> None:
    scope = Scope(entity="acme", permissions=("repo.write",))
    stranger = User(name="ci", token="hf_ci", role="fineGrained", scoped=(scope,))

    assert not reads(stranger, a_space("acme", "private"))
    assert not may_write(stranger, "acme")


def test_of_a_gated_repository_all_see_the_name_and_few_the_files(accounts: Accounts) -> None:
    gated = replace(a_space("Acme", "public"), kind="model", gated="auto")

    for token, reading in ((None, False), ("hf_bob", False), ("hf_ron", True), ("hf_ada", True)):
        assert accounts.may_see(accounts.user(token), gated)
        assert reading == accounts.may_read(accounts.user(token), gated)


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
        (f"{CI}role = 'write'\nglobal = ['x']", "ci has scopes and no role for them"),
        (f"{CI}scopes = ['read-repos']", "ci has OAuth scopes and no role for them"),
        (f"{CI}role = 'fineGrained'\n[[users.scoped]]\nentity = 'no/x'\npermissions = []", "which is nothing here"),
        (f"{CI}role = 'fineGrained'\n[[users.scoped]]\nentity = 'a/b/c'\npermissions = []", "which is nothing here"),
        (f"{CI}role = 'fineGrained'\n[[users.scoped]]\nentity = 'ci'", "missing required field `permissions`"),
        (f"{CI}[[orgs]]\nname = 'o'\ndefault_visibility = 'secret'", "default_visibility"),
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
