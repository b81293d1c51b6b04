"""Who may ask for what: every row of the table of calls, for callers who may not."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any, NamedTuple

import pytest
from huggingface_hub import HfApi
from huggingface_hub.errors import RepositoryNotFoundError

from spaceops.localhub import LocalHub
from spaceops.localhub.app import ABSENT, BUCKET, CALLS, CAS, PAGES, REPO, SPACE, Call
from tests.localhub.conftest import Asker, ndjson, people

ACCOUNTS = f"""
{people("acme")}
[[users]]
name = "ci"
token = "hf_ci"
role = "fineGrained"
orgs = ["acme"]
[[users.scoped]]
entity = "acme/other"
permissions = ["repo.write"]
"""
OUTSIDERS = {"anonymous": None, "stranger": "hf_bob", "without the scope": "hf_ci"}
READER = "hf_ron"

ANYBODY = "it is about no repository, and names none that is private"
SOMEBODY = "it needs a token"
ITS_PEOPLE = "its own people only, with any token that reads"
READ = "who may see the repository"
WRITE = "who may write there"
CONTRIBUTE = "who may open a pull request: whoever reads it, with a token that writes"
TICKET = "who has the address or the token that was made for it"
NOTHING = "it names nothing"
NOT_HERE = "501"

PAIR, OID = {"key": "K", "value": "v"}, "0" * 64
COMMIT = ndjson(("header", {"summary": "s"}), ("file", {"path": "f", "content": "", "encoding": "base64"}))


class Rule(NamedTuple):
    """Who may, and what a request that may has in its body; `NAME` is the name of a repository."""

    who: str
    body: Any = None
    query: str = ""


RULES = {
    "GET /api/whoami-v2": Rule(SOMEBODY),
    "GET /api/users/{name}/overview": Rule(ANYBODY),
    "GET /api/organizations/{name}/overview": Rule(ANYBODY),
    "GET /api/organizations/{name}/members": Rule(ANYBODY),
    "GET /api/agent-harnesses": Rule(ANYBODY),
    "POST /api/validate-yaml": Rule(ANYBODY, {"content": "", "repoType": "model"}),
    "POST /api/repos/create": Rule(WRITE, {"name": "NAME", "organization": "acme"}),
    "DELETE /api/repos/delete": Rule(WRITE, {"name": "NAME", "organization": "acme"}),
    "POST /api/repos/move": Rule(WRITE, {"fromRepo": "acme/NAME", "toRepo": "acme/moved"}),
    f"POST {REPO}/duplicate": Rule(WRITE, {"repository": "acme/copy"}),
    "GET /api/spaces/hardware": Rule(ANYBODY),
    "GET /api/spaces/zero-gpu/quota": Rule(SOMEBODY),
    "GET /api/settings/repositories": Rule(SOMEBODY),
    "GET /api/organizations/{name}/settings/repositories": Rule(SOMEBODY),
    "GET /api/spaces/templates": Rule(ANYBODY),
    "GET /api/{kinds:kinds}": Rule(ANYBODY),
    "GET /api/{kinds:kinds}/{name}": Rule(NOTHING),
    f"GET {REPO}": Rule(READ),
    f"GET {REPO}/revision/{{revision}}": Rule(READ),
    f"PUT {REPO}/settings": Rule(WRITE, {"visibility": "public"}),
    f"GET {REPO}/auth-check": Rule(READ),
    f"GET {REPO}/auth-check/write": Rule(WRITE),
    f"GET {REPO}/refs": Rule(READ),
    f"POST {REPO}/branch/{{branch}}": Rule(WRITE),
    f"DELETE {REPO}/branch/{{branch}}": Rule(WRITE),
    f"POST {REPO}/tag/{{revision}}": Rule(WRITE, {"tag": "new"}),
    f"DELETE {REPO}/tag/{{revision}}": Rule(WRITE),
    f"POST {REPO}/super-squash/{{ref}}": Rule(WRITE, {}),
    f"GET {REPO}/commits/{{revision}}": Rule(READ),
    f"GET {REPO}/tree/{{revision}}": Rule(READ),
    f"GET {REPO}/tree/{{revision}}/{{path:path}}": Rule(READ),
    f"POST {REPO}/paths-info/{{revision}}": Rule(READ),
    f"POST {REPO}/preupload/{{revision}}": Rule(WRITE, {"files": []}),
    f"POST {REPO}/commit/{{revision}}": Rule(WRITE, COMMIT),
    f"GET {REPO}/discussions": Rule(READ),
    f"POST {REPO}/discussions": Rule(CONTRIBUTE, {"title": "t", "pullRequest": True}),
    f"GET {REPO}/discussions/{{num}}": Rule(READ),
    f"POST {REPO}/discussions/{{num}}/comment": Rule(CONTRIBUTE, {"comment": "c"}),
    f"POST {REPO}/discussions/{{num}}/title": Rule(WRITE, {"title": "t"}),
    f"POST {REPO}/discussions/{{num}}/status": Rule(WRITE, {"status": "closed"}),
    f"POST {REPO}/discussions/{{num}}/merge": Rule(WRITE),
    f"GET {SPACE}/variables": Rule(READ),
    f"POST {SPACE}/variables": Rule(WRITE, PAIR),
    f"DELETE {SPACE}/variables": Rule(WRITE, PAIR),
    f"GET {SPACE}/secrets": Rule(WRITE),
    f"POST {SPACE}/secrets": Rule(WRITE, PAIR),
    f"DELETE {SPACE}/secrets": Rule(WRITE, PAIR),
    f"POST {SPACE}/hardware": Rule(WRITE, {"flavor": "cpu-upgrade"}),
    f"POST {SPACE}/sleeptime": Rule(WRITE, {"seconds": 60}),
    f"POST {SPACE}/replicas": Rule(WRITE, {"replicas": 1}),
    f"POST {SPACE}/dev-mode": Rule(WRITE, {"enabled": True}),
    f"POST {SPACE}/storage": Rule(WRITE, {"tier": "small"}),
    f"DELETE {SPACE}/storage": Rule(WRITE),
    f"PUT {SPACE}/volumes": Rule(WRITE, {"volumes": []}),
    f"DELETE {SPACE}/volumes": Rule(WRITE),
    f"GET {SPACE}/runtime": Rule(READ),
    f"GET {SPACE}/events": Rule(READ),
    f"GET {SPACE}/metrics": Rule(ITS_PEOPLE),
    f"POST {SPACE}/pause": Rule(WRITE),
    f"POST {SPACE}/restart": Rule(WRITE),
    f"GET {SPACE}/logs/{{which}}": Rule(ITS_PEOPLE),
    "GET /api/buckets/{namespace}": Rule(ANYBODY),
    "DELETE /api/buckets/{name}": Rule(NOTHING),
    f"POST {BUCKET}": Rule(WRITE),
    f"GET {BUCKET}": Rule(READ),
    f"DELETE {BUCKET}": Rule(WRITE),
    f"PUT {BUCKET}/settings": Rule(WRITE, {"private": False}),
    f"GET {BUCKET}/tree": Rule(READ),
    f"GET {BUCKET}/tree/{{prefix:path}}": Rule(READ),
    f"POST {BUCKET}/paths-info": Rule(READ, {"paths": []}),
    f"POST {BUCKET}/batch": Rule(WRITE),
    f"GET {BUCKET}/xet-read-token": Rule(READ),
    f"GET {BUCKET}/xet-write-token": Rule(WRITE),
    "GET /buckets/{namespace}/{name}/resolve/{path:path}": Rule(READ),
    f"GET {REPO}/xet-read-token/{{revision}}": Rule(READ),
    f"GET {REPO}/xet-write-token/{{revision}}": Rule(WRITE),
    f"GET {CAS}/v1/chunks/{{group}}/{{hash}}": Rule(TICKET),
    f"POST {CAS}/v1/xorb-grants/{{group}}/{{hash}}": Rule(TICKET),
    f"POST {CAS}/v1/telemetry": Rule(TICKET),
    f"POST {CAS}/v1/xorbs/{{group}}/{{hash}}": Rule(TICKET),
    f"POST {CAS}/{{version}}/shards": Rule(TICKET),
    f"GET {CAS}/{{version}}/reconstructions/{{file}}": Rule(TICKET),
    f"GET {CAS}/xorbs/{{file}}/{{number}}": Rule(TICKET),
    f"POST {REPO}/lfs-files/duplicate": Rule(
        CONTRIBUTE, {"target": {"type": "model", "name": "acme/NAME"}, "files": []}
    ),
    "PUT /lfs/upload/{id}/{oid}": Rule(TICKET),
    "POST /lfs/upload/{id}/{oid}": Rule(TICKET),
    "POST /lfs/verify/{id}/{oid}": Rule(TICKET),
    "GET /lfs/download/{id}/{oid}": Rule(TICKET),
    # pages
    "GET /resolve/{revision}/{path:path}": Rule(READ),
    "GET /raw/{revision}/{path:path}": Rule(READ),
    "GET /info/refs": Rule(READ, query="?service=git-upload-pack"),
    "POST /git-upload-pack": Rule(READ),
    "POST /git-receive-pack": Rule(WRITE),
    "POST /info/lfs/objects/batch": Rule(
        WRITE, {"operation": "upload", "objects": [], "ref": {"name": "refs/heads/main"}}
    ),
    "GET /info/lfs/locks": Rule(READ),
    "POST /info/lfs/locks": Rule(READ),
    "POST /info/lfs/locks/verify": Rule(READ),
}
VALUES = {
    "kinds": "models",
    "namespace": "acme",
    "revision": "main",
    "branch": "new",
    "ref": "main",
    "path": ".gitattributes",
    "num": "1",
    "which": "run",
    "prefix": "x",
    "version": "v1",
    "group": "default",
    "number": "0",
    "instance": "x",
    "oid": OID,
    "hash": OID,
    "file": OID,
    "id": "0" * 24,
    "status": "pending",
}


def rule_of(call: Call) -> Rule:
    return Rule(NOT_HERE) if call.answer is None else RULES[f"{call.method} {call.path}"]


def every(*who: str) -> pytest.MarkDecorator:
    """The calls of the tables that may be asked by those, as pytest wants them."""
    known = [call for call in (*CALLS, *PAGES) if f"{call.method} {call.path}" in RULES]
    found = [call for call in known if call.answer and rule_of(call).who in who]
    return pytest.mark.parametrize("call", found, ids=[f"{call.method} {call.path}" for call in found])


class Told(NamedTuple):
    """What somebody learns from an answer."""

    status: int
    code: str | None
    body: str


class Caller:
    """Makes the call of a row of the table about a repository."""

    def __init__(self, ask: Asker) -> None:
        self._client = ask.client

    def __call__(self, call: Call, name: str, token: str | None) -> Told:
        rule = rule_of(call)
        path = call.path if call in CALLS else f"/{{namespace}}/{{name}}{call.path}"
        values = {**VALUES, "name": "acme" if path.startswith("/api/organizations") else name}
        path = re.sub(r"\{(\w+)(:\w+)?\}", lambda match: values[match[1]], path) + rule.query
        body = rule.body if isinstance(rule.body, bytes | None) else json.dumps(rule.body).replace("NAME", name)
        headers = {"Authorization": f"Bearer {token}"} if token else {}
        with self._client.stream(call.method, path, headers=headers, content=body) as answer:
            streams = answer.headers.get("Content-Type", "").startswith("text/event-stream")
            text = "" if streams else answer.read().decode()
            return Told(answer.status_code, answer.headers.get("X-Error-Code"), text.replace(name, "NAME"))


@pytest.fixture(scope="module")
def localhub(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalHub]:
    """A local Hub with one private and one public repository of each kind, of an organisation."""
    accounts = tmp_path_factory.mktemp("accounts") / "accounts.toml"
    accounts.write_text(ACCOUNTS)
    with LocalHub(accounts=accounts) as server:
        api = HfApi(endpoint=server.url, token="hf_ada")
        for name, private in (("hidden", True), ("open", False)):
            api.create_repo(f"acme/{name}", private=private)
            api.create_repo(f"acme/{name}", repo_type="space", space_sdk="docker", private=private)
            api.create_bucket(f"acme/{name}", private=private)
            api.create_pull_request(f"acme/{name}", title="One")
        yield server


@pytest.fixture(scope="module")
def call_of(ask: Asker) -> Caller:
    return Caller(ask)


def test_every_call_has_a_rule() -> None:
    """A new row in the table needs a line in `RULES`, and a row that went leaves none."""
    rows = {f"{call.method} {call.path}" for call in (*CALLS, *PAGES) if call.answer}

    assert rows == set(RULES)


@every(READ, WRITE, CONTRIBUTE, ITS_PEOPLE, NOTHING)
def test_who_may_not_see_a_repository_is_told_what_they_are_told_where_there_is_none(
    call_of: Caller, call: Call
) -> None:
    for token in OUTSIDERS.values():
        told = call_of(call, "hidden", token)

        assert told.status == 401 if token is None else told.status in (403, 404)
        assert call_of(call, "nothing", token) == told


@every(WRITE)
@pytest.mark.parametrize("name", ["hidden", "open"])
def test_who_only_reads_a_repository_cannot_write_it(call_of: Caller, call: Call, name: str) -> None:
    assert 403 == call_of(call, name, READER).status


@every(WRITE, ITS_PEOPLE)
def test_what_everybody_sees_not_everybody_changes(call_of: Caller, call: Call) -> None:
    told = {who: call_of(call, "open", token).status for who, token in OUTSIDERS.items()}

    assert {"anonymous": 401, "stranger": 403, "without the scope": 403} == told


@every(CONTRIBUTE)
def test_a_pull_request_is_for_whoever_reads_and_has_a_token_that_writes(call_of: Caller, call: Call) -> None:
    told = [call_of(call, "open", token).status for token in (None, READER, "hf_ci", "hf_bob")]

    assert [401, 403, 403, 200] == told
    assert 403 == call_of(call, "hidden", READER).status


@every(READ)
def test_what_is_public_is_read_by_everybody(call_of: Caller, call: Call) -> None:
    for token in (*OUTSIDERS.values(), READER):
        assert call_of(call, "open", token).status not in (401, 403)


@every(READ, ITS_PEOPLE)
def test_what_is_private_is_read_by_its_people(call_of: Caller, call: Call) -> None:
    assert call_of(call, "hidden", READER).status not in (401, 403)


@every(ANYBODY, SOMEBODY)
def test_what_is_about_no_repository_names_none_that_is_private(call_of: Caller, call: Call) -> None:
    for token in OUTSIDERS.values():
        told = call_of(call, "ada", token)

        assert (401 == told.status) == (token is None and rule_of(call).who == SOMEBODY)
        assert "hidden" not in told.body


@every(TICKET)
def test_a_token_of_the_hub_is_no_ticket(call_of: Caller, call: Call) -> None:
    for token in (*OUTSIDERS.values(), READER, "hf_ada"):
        assert call_of(call, "hidden", token).status in (401, 403)


def test_what_is_not_here_is_not_here_for_anybody(call_of: Caller) -> None:
    absent = [call for call in (*CALLS, *ABSENT) if call.answer is None and re.search(r"\{name\}", call.path)]

    assert absent
    for call in absent:
        told = [call_of(call, name, token) for name in ("hidden", "nothing") for token in OUTSIDERS.values()]
        assert {(501, "NotImplemented")} == {(each.status, each.code) for each in told}


def test_a_name_without_its_namespace_is_no_repository_whatever_is_asked_of_it(localhub: LocalHub) -> None:
    api = HfApi(endpoint=localhub.url, token="hf_ada")
    for asked in (
        lambda: api.list_repo_files("open"),
        lambda: api.snapshot_download("open"),
        lambda: api.hf_hub_download("open", "README.md"),
        lambda: api.get_space_runtime("open"),
        lambda: api.upload_file(path_or_fileobj=b"x", path_in_repo="x", repo_id="open"),
    ):
        with pytest.raises(RepositoryNotFoundError):
            asked()
