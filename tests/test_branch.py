"""A branch of a Space as a small store: what is read, when and at which commit; what follows what."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from spaceops import Hub
from spaceops.errors import (
    Conflict,
    Forbidden,
    HubError,
    RateLimited,
)
from tests.scripted_server import Answer, scripted


@pytest.fixture
def repo_id(space, hub):
    hub.create(space.repo_id, visibility=None, settings={})
    return space.repo_id


@pytest.fixture
def server():
    with scripted() as running:
        yield running


@pytest.fixture
def branch(hub, repo_id):
    return hub.branch(repo_id, "notes")


def test_a_branch_that_is_not_there_reads_as_nothing(hub, branch, repo_id):
    assert (None, None) == (branch.read("a").content, branch.read("a").head)
    assert (None, None) == (
        hub.branch("demo/none", "notes").read("a").content,
        hub.branch(repo_id, "x/y").read("a").head,
    )


def test_a_branch_begins_where_it_is_told_and_follows_its_own_commits(hub, branch, repo_id):
    main = hub.observe(repo_id).sha
    branch.make(main)
    assert (None, main) == (branch.read("a").content, branch.read("a").head)

    first = branch.write({"a": b"1", "deep/b": b"\0\xff"}, "first", main)
    second = branch.write({"a": b"2"}, "second", first)

    assert (b"\0\xff", second) == (branch.read("deep/b").content, branch.read("deep/b").head)
    assert b"2" == branch.read("a").content
    assert (b"1", first) == (branch.read("a", first).content, branch.read("a", first).head)
    assert ["second", "first", "initial commit"] == [commit.title for commit in branch.history(9)]
    assert main == hub.observe(repo_id).sha


def test_without_a_start_a_branch_begins_at_main(hub, branch, repo_id):
    branch.make(None)

    assert hub.observe(repo_id).sha == branch.read("a").head


def test_who_comes_second_to_a_branch_is_refused(branch, hub, repo_id):
    main = hub.observe(repo_id).sha
    branch.make(main)
    branch.write({"a": b"mine"}, "mine", main)

    with pytest.raises(Conflict):
        branch.make(main)
    with pytest.raises(Conflict):
        branch.write({"a": b"theirs"}, "theirs", main)

    assert b"mine" == branch.read("a").content


def test_a_branch_tells_the_servers_time_not_ours(server):
    server.answers["/"] = Answer(404, headers={"X-Error-Code": "EntryNotFound", "X-Repo-Commit": "c0ffee"})
    found = Hub(server.url, token="hf_x").branch("ada/app", "notes").read("a")

    assert (None, "c0ffee", datetime(2026, 12, 1, 10, tzinfo=UTC)) == (found.content, found.head, found.now)


def test_a_file_that_lies_elsewhere_is_read_there_without_the_token_and_the_head_is_of_the_first_answer(server):
    with scripted() as store:
        store.answers["/blob"] = Answer(body=b"content")
        server.answers["/"] = Answer(307, headers={"Location": f"{store.url}/blob", "X-Repo-Commit": "c0ffee"})
        found = Hub(server.url, token="hf_x").branch("ada/app", "notes").read("a")

    assert (b"content", "c0ffee") == (found.content, found.head)
    assert "authorization" in server.asked[0][2]
    assert "authorization" not in store.asked[0][2]


HEAD = Answer(body=b'[{"id": "c0ffee", "title": "newest", "date": "2026-12-01T09:00:00.000Z"}]')


@pytest.mark.parametrize("missing", [Answer(404), Answer(404, headers={"X-Error-Code": "EntryNotFound"})])
def test_a_branch_whose_head_the_answer_does_not_tell_is_asked_for_it(server, missing):
    """Without a head nobody could be told that somebody else wrote meanwhile."""
    branch = Hub(server.url, token="hf_x").branch("ada/app", "notes")
    server.answers |= {"/spaces/ada/app/resolve/notes/a": missing, "/api/spaces/ada/app/commits/notes": HEAD}
    assert (None, "c0ffee") == (branch.read("a").content, branch.read("a").head)

    server.answers |= {"/spaces/ada/app/resolve/notes/a": Answer(body=b"of any commit")}
    server.answers |= {"/spaces/ada/app/resolve/c0ffee/a": Answer(body=b"of the head")}
    assert (b"of the head", "c0ffee") == (branch.read("a").content, branch.read("a").head)


def test_a_404_that_does_not_say_of_what_is_of_the_branch_when_that_has_no_commits_either(server):
    found = Hub(server.url, token="hf_x").branch("ada/app", "notes").read("a")

    assert (None, None) == (found.content, found.head)


@pytest.mark.parametrize(("status", "error"), [(403, Forbidden), (429, RateLimited), (500, HubError)])
def test_a_branch_that_cannot_be_read_is_an_error_not_an_empty_one(server, status, error):
    server.answers["/"] = Answer(status, b"no")

    with pytest.raises(error):
        Hub(server.url, token="hf_x").branch("ada/app", "notes").read("a")
