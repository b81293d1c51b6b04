"""What a token may do, told from what `whoami` says of it, and what is done about it before anything changes."""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest

from spaceops import Hub, LocalHub, Space, apply, plan
from spaceops.cli import main
from spaceops.errors import Forbidden
from spaceops.hub import Identity
from tests.scripted_server import Answer, ScriptedServer, scripted
from tests.small_app import write_app

VERBS = ["read", "create", "push", "settings", "hardware", "restart"]
CHANGES = VERBS[2:]
ACCOUNTS = """
[[users]]
name = "ada"
token = "hf_ada"
plan = "pro"
orgs = ["acme"]

[[users]]
name = "ron"
token = "hf_ron"
role = "read"
orgs = ["acme"]

[[users]]
name = "ci"
token = "hf_ci"
role = "fineGrained"
orgs = ["acme"]
[[users.scoped]]
entity = "spaces/acme/app"
permissions = ["repo.write"]

[[users]]
name = "eve"
token = "hf_eve"
role = "oauth"
scopes = ["read-repos"]
plan = "pro"

[[users]]
name = "otto"
token = "hf_otto"
role = "oauth"
scopes = ["profile"]

[[users]]
name = "mia"
token = "hf_mia"
role = "oauth"
scopes = ["manage-repos"]
plan = "pro"

[[orgs]]
name = "acme"
"""


def whoami(role: str | None = "write", *, grants: list[dict] | None = None, orgs: dict | None = None) -> dict:
    """An answer of whoami-v2, in the shape of the Hub's API description."""
    auth: dict = {"type": "app_token_as_user", "expiresAt": "2026-12-24T00:00:00.000Z"}
    if role:
        token = {"displayName": "ci-bot", "role": role, "createdAt": "2026-01-01T00:00:00.000Z"}
        if grants is not None:
            token["fineGrained"] = {"global": [], "scoped": grants, "canReadGatedRepos": False}
        auth = {"type": "access_token", "accessToken": token}
    roles = [{"type": "org", "id": f"id-{name}", "name": name, "roleInOrg": org} for name, org in (orgs or {}).items()]
    return {"type": "user", "id": "id-ada", "name": "ada", "orgs": roles, "auth": auth}


def grant(kind: str, name: str | None, *permissions: str) -> dict:
    named = {"name": name} if name else {}
    return {"entity": {"_id": f"id-{kind}", "type": kind, **named}, "permissions": list(permissions)}


def told(raw: dict, repo_id: str = "ada/app") -> list[bool | None]:
    """What is told of reading, creating, and each of the changes, which are all alike."""
    rights = Identity.read(raw).rights(repo_id)
    changes = {rights[verb].may for verb in CHANGES}
    assert 1 == len(changes)
    return [rights["read"].may, rights["create"].may, *changes]


WRITE, READ = "repo.write", "repo.content.read"


@pytest.mark.parametrize(
    ("raw", "repo_id", "expected"),
    [
        (whoami("write"), "ada/app", [True, True, True]),
        (whoami("write"), "ADA/app", [True, True, True]),
        (whoami("god"), "ada/app", [True, True, True]),
        (whoami("read"), "ada/app", [True, False, False]),
        (whoami("read"), "bob/app", [None, False, False]),
        (whoami("write"), "bob/app", [None, None, None]),  # perhaps by a resource group that is not shown
        (whoami("write", orgs={"acme": "admin"}), "acme/app", [True, True, True]),
        (whoami("write", orgs={"Acme": "write"}), "acme/app", [True, True, True]),
        (whoami("write", orgs={"acme": "contributor"}), "acme/app", [True, True, None]),
        (whoami("write", orgs={"acme": "read"}), "acme/app", [True, None, None]),
        (whoami("write", orgs={"acme": None}), "acme/app", [True, None, None]),
        (whoami("read", orgs={"acme": "admin"}), "acme/app", [True, False, False]),
        (whoami(None), "ada/app", [None, None, None]),  # OAuth
        (whoami("novel"), "ada/app", [None, None, None]),
        (whoami("fineGrained"), "ada/app", [None, None, None]),  # its permissions are not told
        (whoami("fineGrained", grants=[]), "ada/app", [None, False, False]),
        (whoami("fineGrained", grants=[grant("user", "ada", WRITE)]), "ada/app", [True, True, True]),
        (whoami("fineGrained", grants=[grant("user", "ada", READ)]), "ada/app", [True, False, False]),
        (whoami("fineGrained", grants=[grant("space", "ada/app", WRITE)]), "Ada/App", [True, False, True]),
        (whoami("fineGrained", grants=[grant("space", "ada/other", WRITE)]), "ada/app", [None, False, False]),
        (whoami("fineGrained", grants=[grant("model", "ada/app", WRITE)]), "ada/app", [None, False, False]),
        (
            whoami("fineGrained", grants=[grant("user", "ada", "inference.endpoints.write")]),
            "ada/app",
            [None, False, False],
        ),
        (
            whoami("fineGrained", grants=[grant("org", "acme", WRITE)], orgs={"acme": "write"}),
            "acme/x",
            [True, True, True],
        ),
        (
            whoami("fineGrained", grants=[grant("org", "acme", WRITE)], orgs={"acme": "read"}),
            "acme/x",
            [True, None, None],
        ),
        (
            whoami("fineGrained", grants=[grant("resourceGroup", "g", WRITE)], orgs={"acme": "write"}),
            "acme/x",
            [None, None, None],
        ),
    ],
)
def test_each_kind_of_token_may_what_the_hub_lets_it(raw: dict, repo_id: str, expected: list[bool | None]) -> None:
    assert expected == told(raw, repo_id)


def test_a_scope_without_a_name_is_found_by_its_id() -> None:
    own = {"entity": {"_id": "id-ada", "type": "user"}, "permissions": [WRITE]}

    assert [True, True, True] == told(whoami("fineGrained", grants=[own]))


@pytest.mark.parametrize("raw", [{"name": "ada"}, {"name": "ada", "auth": None, "orgs": None}])
def test_a_hub_that_tells_little_leaves_everything_open(raw: dict) -> None:
    assert [None, None, None] == told(raw)


def test_the_rights_are_a_table_with_reasons() -> None:
    grants = [grant("space", "ada/app", WRITE)]
    identity = Identity.read(whoami("fineGrained", grants=grants, orgs={"acme": "write"}))

    assert "ada\n  token     fine-grained 'ci-bot'\n  orgs      acme (write)" == str(identity)
    assert (
        "ada/app\n"
        "  read      yes\n"
        "  create    no   the token has no repo.write for ada\n"
        "  push      yes\n"
        "  settings  yes\n"
        "  hardware  yes\n"
        "  restart   yes" == str(identity.rights("ada/app"))
    )


def test_of_an_oauth_token_it_is_said_which_scope_each_verb_needs() -> None:
    identity = Identity.read(whoami(None))
    rights = identity.rights("ada/app")

    assert "  token     OAuth, until 2026-12-24T00:00:00.000Z" in str(identity)
    assert {"read": "read-repos or manage-repos", "create": "manage-repos", "push": "write-repos or manage-repos"} == {
        verb: rights[verb].why.partition("this needs ")[2] for verb in ("read", "create", "push")
    }


def test_what_the_hub_answers_settles_what_was_open_and_nothing_else() -> None:
    rights = Identity.read(whoami("write")).rights("bob/app")

    assert rights.is_open({"push"})
    assert not rights.is_open({"create", "read"})
    assert rights == rights.settled(None)
    assert {"push", "settings", "hardware", "restart"} == {v for v in VERBS if rights.settled(True)[v].may}
    assert [None, None, False] == [rights.settled(False)[verb].may for verb in ("read", "create", "push")]


def test_a_refusal_names_each_verb_and_each_reason_once() -> None:
    rights = Identity.read(whoami("read")).rights("ada/app")

    said = "ada/app: the token of ada may not push to it or change its settings: a read token changes nothing"
    assert said == rights.refusal({"settings", "push", "read"})
    assert rights.refusal({"read"}) is None


# against a Hub


@pytest.fixture(scope="module")
def localhub(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalHub]:
    """A local Hub with every kind of token, and a private Space of acme's and eve's."""
    accounts = tmp_path_factory.mktemp("accounts") / "accounts.toml"
    accounts.write_text(ACCOUNTS)
    with LocalHub(accounts=accounts) as server:
        Hub(server.url, token="hf_ada").create("acme/app", visibility="private", settings={})
        Hub(server.url, token="hf_mia").create("mia/app", visibility="private", settings={})
        yield server


@pytest.fixture
def as_(localhub: LocalHub):
    """The Hub with the token of one of its people."""
    return lambda name: Hub(localhub.url, token=f"hf_{name}")


def changes_of(server: LocalHub) -> list[tuple[str, str]]:
    return [(method, path) for method, path in server.requests if method != "GET"]


@pytest.mark.parametrize(
    ("name", "repo_id", "verbs", "said"),
    [
        ("ron", "acme/app", ["push"], "the token of ron may not push to it: a read token changes nothing"),
        ("ron", "ron/new", ["create", "push"], "may not create it or push to it"),
        ("ci", "acme/new", ["create"], "may not create it: the token has no repo.write for acme"),
        ("ci", "acme/other", ["settings", "hardware"], "no repo.write for acme or spaces/acme/other"),
        ("ada", "mia/public", ["push"], "the Hub says that it may not write there"),
        ("eve", "mia/public", ["restart"], "the Hub says that it may not write there"),
    ],
)
def test_what_a_token_may_not_do_is_refused_before_it_is_tried(localhub, as_, name, repo_id, verbs, said) -> None:
    if not as_("mia").observe("mia/public").exists:
        as_("mia").create("mia/public", visibility="public", settings={})
    localhub.requests.clear()

    with pytest.raises(Forbidden) as caught:
        as_(name).check_may(repo_id, verbs)

    assert said in caught.value.message
    assert "https://huggingface.co/settings/tokens" in (caught.value.hint or "")
    assert not changes_of(localhub)


@pytest.mark.parametrize(
    ("name", "repo_id", "verbs", "requests"),
    [
        ("ada", "acme/app", VERBS, 1),
        ("ci", "acme/app", CHANGES, 1),
        ("mia", "mia/app", CHANGES, 2),  # an OAuth token: the Hub is asked
        ("mia", "mia/new", ["create", "push"], 1),  # and of what does not exist nobody knows
        ("ada", "bob/nothing", ["push"], 2),
        ("ada", "acme/app", [], 0),
    ],
)
def test_what_may_be_done_or_is_not_known_is_let_through(localhub, as_, name, repo_id, verbs, requests) -> None:
    hub = as_(name)
    localhub.requests.clear()

    hub.check_may(repo_id, verbs)

    assert requests == len(localhub.requests)


def test_who_has_just_asked_does_not_ask_again_but_whoami_always_does(localhub, as_) -> None:
    hub = as_("ada")
    localhub.requests.clear()

    hub.identity()
    hub.check_may("acme/app", ["push"])
    assert 1 == len(localhub.requests)

    hub.identity()
    assert 2 == len(localhub.requests)


def test_the_limit_of_whoami_stops_no_deploy() -> None:
    with scripted() as server:
        server.answers["/api/whoami-v2"] = Answer(429, b'{"error": "too many"}')

        Hub(server.url, token="hf_x").check_may("ada/app", ["push"])

    assert ["/api/whoami-v2"] == [path for _, path, _ in server.asked]


def test_apply_begins_nothing_that_a_token_may_not_do(localhub, as_, tmp_path) -> None:
    space = Space.parse({"repo_id": "ron/new", "source": str(write_app(tmp_path / "app"))}, folder=tmp_path)
    proposal = plan(space, as_("ron"))
    localhub.requests.clear()

    with pytest.raises(Forbidden, match="may not create it or push to it: a read token changes nothing"):
        apply(proposal, as_("ron"))

    assert not changes_of(localhub)


def test_who_may_not_change_a_space_is_told_so_by_the_plan_already(as_, tmp_path) -> None:
    space = Space.parse({"repo_id": "acme/app", "source": str(write_app(tmp_path / "app"))}, folder=tmp_path)

    with pytest.raises(Forbidden, match="the names of its secrets: Forbidden: you must use a write token") as caught:
        plan(space, as_("ron"))

    assert "spaceops whoami" in (caught.value.hint or "")


def test_an_oauth_token_without_a_scope_is_not_told_that_there_is_no_such_space(as_) -> None:
    with pytest.raises(Forbidden) as caught:
        as_("otto").observe("otto/app")

    assert 401 == caught.value.status
    assert "does not accept the token" in caught.value.message
    assert "OAuth token without the scope read-repos" in (caught.value.hint or "")
    assert "spaceops whoami" in (caught.value.hint or "")


@pytest.mark.parametrize(("name", "exists"), [("ada", True), ("eve", False)])
def test_who_may_not_see_a_space_is_told_that_there_is_none(as_, name: str, exists: bool) -> None:
    assert exists == as_(name).observe("acme/app").exists


def test_nobody_without_a_token_is_told_of_a_private_space(localhub) -> None:
    assert not Hub(localhub.url).observe("acme/app").exists


# the command


@pytest.fixture
def run(capsys, monkeypatch, localhub):
    """Run `spaceops whoami` with somebody's token; its exit code, stdout and stderr."""
    monkeypatch.setenv("HF_ENDPOINT", localhub.url)

    def runner(name: str, *arguments: str) -> tuple[int, str, str]:
        monkeypatch.setenv("HF_TOKEN", f"hf_{name}")
        code = 0
        try:
            main(["whoami", *arguments])
        except SystemExit as done:
            code = int(done.code or 0)
        captured = capsys.readouterr()
        return code, captured.out, captured.err

    return runner


def test_whoami_names_account_token_and_endpoint(run, localhub) -> None:
    expected = f"ron\n  token     read 'local'\n  orgs      acme (write)\n  endpoint  {localhub.url}\n"

    assert (0, expected, "") == run("ron")


def test_whoami_says_what_may_be_done_to_a_space(run) -> None:
    code, out, _ = run("ci", "acme/app")

    assert 0 == code
    assert "  create    no   the token has no repo.write for acme\n  push      yes\n" in out


def test_whoami_asks_the_hub_what_an_oauth_token_does_not_tell(run) -> None:
    rights = json.loads(run("mia", "mia/app", "--json")[1])["rights"]

    assert {"may": True, "why": "the Hub says so"} == rights["push"]
    assert rights["create"]["may"] is None


def test_whoami_as_json_has_the_facts(run, localhub) -> None:
    assert {
        "name": "eve",
        "token": {"kind": "OAuth", "name": None, "expires": None},
        "orgs": {},
        "endpoint": localhub.url,
    } == json.loads(run("eve", "--json")[1])


def test_whoami_with_a_token_that_nobody_has_says_how_to_log_in(run) -> None:
    code, out, err = run("nobody")

    assert (4, "") == (code, out)
    assert "hint: hf auth login" in err
    assert "hf_nobody" not in err


def test_a_scripted_hub_is_read_as_the_real_one_is_described() -> None:
    """The answer to an OAuth login has no accessToken at all."""
    with scripted() as server:
        server.answers["/api/whoami-v2"] = Answer(body=json.dumps(whoami(None)).encode())
        identity = asked(server)

    assert ("ada", "OAuth", "2026-12-24T00:00:00.000Z") == (identity.name, identity.token, identity.expires)


def asked(server: ScriptedServer) -> Identity:
    return Hub(server.url, token="hf_x").identity()
