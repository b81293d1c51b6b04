"""Pull requests, as the unmodified client opens, fills, shows, closes and merges them."""

from __future__ import annotations

import sqlite3
import threading
from pathlib import Path
from typing import Any

import pytest
from huggingface_hub import CommitOperationAdd, CommitOperationDelete, HfApi
from huggingface_hub.errors import HfHubHTTPError, RevisionNotFoundError
from huggingface_hub.hf_api import CommitInfo

from spaceops.localhub import LocalHub
from tests.localhub.conftest import Asker, Runner, git_url, ndjson

HEADER = ("header", {"summary": "a commit", "description": "why"})


@pytest.fixture
def bob(localhub: LocalHub) -> HfApi:
    """Somebody who may read what is public, and write nowhere here."""
    return HfApi(endpoint=localhub.url, token="hf_bob")


def status_of(status: int) -> Any:
    return lambda error: error.response.status_code == status


def propose(api: HfApi, repo: str, path: str = "new.txt", content: bytes = b"new", **more: Any) -> CommitInfo:
    return api.create_commit(
        repo, [CommitOperationAdd(path, content)], commit_message=f"Add {path}", create_pr=True, **more
    )


def test_a_reader_proposes_a_file_and_the_owner_merges_it(
    api: HfApi, bob: HfApi, localhub: LocalHub, model: str
) -> None:
    before = api.model_info(model).sha
    made = propose(bob, model)

    assert (f"{localhub.url}/{model}/discussions/1", "refs/pr/1", 1) == (made.pr_url, made.pr_revision, made.pr_num)
    assert before == api.model_info(model).sha
    assert ["new.txt"] == [path for path in api.list_repo_files(model, revision="refs/pr/1") if "new" in path]
    assert made.oid == api.model_info(model, revision="refs/pr/1").sha

    api.merge_pull_request(model, 1, comment="thanks")

    details = api.get_discussion_details(model, 1)
    assert ("merged", api.model_info(model).sha) == (details.status, details.merge_commit_oid)
    assert "new.txt" in api.list_repo_files(model)
    last = api.list_repo_commits(model)[0]
    assert "Add new.txt (#1)" == last.title
    assert f"- Add new.txt ({made.oid})" in last.message


def test_a_pull_request_tells_its_story(api: HfApi, bob: HfApi, model: str) -> None:
    made = propose(bob, model, commit_description="It was missing.")
    bob.rename_discussion(model, 1, "Add what was missing")
    api.comment_discussion(model, 1, "<b>Why?</b>")
    bob.change_discussion_status(model, 1, "closed", comment="never mind")

    details = api.get_discussion_details(model, 1)

    assert ("Add what was missing", "closed", "bob") == (details.title, details.status, details.author)
    assert (True, "refs/heads/main", None, []) == (
        details.is_pull_request,
        details.target_branch,
        details.merge_commit_oid,
        details.conflicting_files,
    )
    assert "+new" in str(details.diff)
    first, *later = details.events
    assert ("comment", "It was missing.") == (first.type, first.content)
    assert ["comment", "comment", "commit", "status-change", "title-change"] == sorted(event.type for event in later)
    assert [made.oid] == [event.oid for event in later if event.type == "commit"]
    said = next(event for event in later if event.type == "comment")
    assert ("<b>Why?</b>", "<p>&lt;b&gt;Why?&lt;/b&gt;</p>", "ada") == (said.content, said.rendered, said.author)
    assert said.created_at == said.last_edited_at
    assert 0 == said.number_of_edits


def test_the_answers_to_changes_are_the_changes(bob: HfApi, model: str) -> None:
    propose(bob, model)

    assert "hello" == bob.comment_discussion(model, 1, "hello").content
    renamed = bob.rename_discussion(model, 1, "Other")
    assert ("Add new.txt", "Other") == (renamed.old_title, renamed.new_title)
    assert "closed" == bob.change_discussion_status(model, 1, "closed").new_status
    assert "open" == bob.change_discussion_status(model, 1, "open").new_status


def test_a_draft_is_filled_published_and_merged(api: HfApi, bob: HfApi, model: str, tmp_path: Path) -> None:
    draft = bob.create_pull_request(model, "A draft", description="  soon ")
    assert ("draft", 1, "refs/pr/1", "") == (draft.status, draft.num, draft.git_reference, draft.diff)
    assert "soon" == draft.events[0].content

    for number in range(2):
        bob.upload_file(path_or_fileobj=b"%d" % number, path_in_repo="n.txt", repo_id=model, revision="refs/pr/1")

    with pytest.raises(HfHubHTTPError, match="only an open one", check=status_of(409)):
        api.merge_pull_request(model, 1)
    bob.change_discussion_status(model, 1, "open")
    api.merge_pull_request(model, 1)
    assert b"1" == Path(api.hf_hub_download(model, "n.txt", cache_dir=tmp_path)).read_bytes()
    assert 2 == len([event for event in api.get_discussion_details(model, 1).events if event.type == "commit"])


def test_a_folder_becomes_one_pull_request_with_large_files(api: HfApi, bob: HfApi, model: str, tmp_path: Path) -> None:
    for number in range(3):
        (tmp_path / f"{number}.bin").write_bytes(bytes([number, 0]) * 3000)
    (tmp_path / "text.txt").write_text("text")

    made = bob.upload_folder(repo_id=model, folder_path=tmp_path, create_pr=True)

    assert ("refs/pr/1", "draft") == (made.pr_revision, api.get_discussion_details(model, 1).status)
    folder = Path(api.snapshot_download(model, revision="refs/pr/1", cache_dir=tmp_path / "cache"))
    assert bytes([2, 0]) * 3000 == (folder / "2.bin").read_bytes()


def test_nothing_new_opens_no_pull_request(api: HfApi, bob: HfApi, model: str, tmp_path: Path) -> None:
    (tmp_path / "x.txt").write_text("x")
    api.upload_folder(repo_id=model, folder_path=tmp_path)

    bob.upload_folder(repo_id=model, folder_path=tmp_path, create_pr=True)

    assert [] == list(api.get_repo_discussions(model))


def test_lists_are_filtered_and_come_newest_first_in_pages(api: HfApi, bob: HfApi, ask: Asker, model: str) -> None:
    for _ in range(2):
        bob.create_pull_request(model, "by bob")
    api.create_pull_request(model, "by ada")
    bob.change_discussion_status(model, 2, "closed")

    def numbers(**wanted: Any) -> list[int]:
        return [found.num for found in api.get_repo_discussions(model, **wanted)]

    assert [3, 2, 1] == numbers() == numbers(discussion_type="pull_request", discussion_status="all")
    assert ([3, 1], [2]) == (numbers(discussion_status="open"), numbers(discussion_status="closed"))
    assert ([2, 1], [], []) == (numbers(author="bob"), numbers(author="eve"), numbers(discussion_type="discussion"))
    assert {"discussions": [], "count": 3, "start": 50} == ask("GET", f"/api/models/{model}/discussions?p=1").json()


def test_every_repository_counts_for_itself_even_when_many_open_at_once(api: HfApi, bob: HfApi, model: str) -> None:
    threads = [threading.Thread(target=propose, args=(bob, model, f"{number}.txt")) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    refs = api.list_repo_refs(model, include_pull_requests=True)
    assert [f"refs/pr/{number}" for number in range(1, 5)] == sorted(ref.ref for ref in refs.pull_requests or [])
    assert 1 == propose(bob, api.create_repo("ada/counts-anew").repo_id).pr_num


def test_conflicts_are_named_and_nothing_is_merged(api: HfApi, bob: HfApi, model: str) -> None:
    api.upload_file(path_or_fileobj=b"a\nb\nc\n", path_in_repo="x.txt", repo_id=model)
    propose(bob, model, "x.txt", b"a\nTHEIRS\nc\n")
    propose(bob, model, "y.txt", b"fine")
    before = api.upload_file(path_or_fileobj=b"a\nOURS\nc\n", path_in_repo="x.txt", repo_id=model).oid

    with pytest.raises(HfHubHTTPError, match=r"conflicts: x\.txt", check=status_of(409)):
        api.merge_pull_request(model, 1)
    assert (["x.txt"], []) == tuple(api.get_discussion_details(model, num).conflicting_files for num in (1, 2))
    assert before == api.model_info(model).sha

    api.merge_pull_request(model, 2)
    assert {"x.txt", "y.txt"} <= set(api.list_repo_files(model))
    assert ["refs/pr/2"] == [api.get_discussion_details(model, 2).git_reference]


def test_a_merge_into_main_builds_a_space_once(api: HfApi, localhub: LocalHub, space: str) -> None:
    made = api.upload_file(
        path_or_fileobj=b"FROM alpine\n", path_in_repo="Dockerfile", repo_id=space, repo_type="space", create_pr=True
    )
    assert 0 == localhub.counters(space)["rebuilds"]

    api.merge_pull_request(space, made.pr_num or 0, repo_type="space")

    assert "BUILD_ERROR" == api.wait_for_space(space).stage
    assert 1 == localhub.counters(space)["rebuilds"]


def test_an_empty_pull_request_is_merged_into_what_is_there(api: HfApi, model: str) -> None:
    api.create_pull_request(model, "nothing")
    api.change_discussion_status(model, 1, "open")
    before = api.model_info(model).sha

    api.merge_pull_request(model, 1)

    assert ("merged", before) == (
        api.get_discussion_details(model, 1).status,
        api.get_discussion_details(model, 1).merge_commit_oid,
    )
    assert before == api.model_info(model).sha


def test_a_pull_request_may_go_into_another_branch_or_begin_at_an_older_commit(
    api: HfApi, bob: HfApi, model: str
) -> None:
    old = api.model_info(model).sha
    api.create_branch(model, branch="dev")
    api.upload_file(path_or_fileobj=b"1", path_in_repo="main.txt", repo_id=model)

    propose(bob, model, revision="dev")
    propose(bob, model, "late.txt", parent_commit=old)

    assert "refs/heads/dev" == api.get_discussion_details(model, 1).target_branch
    assert "main.txt" not in api.list_repo_files(model, revision="refs/pr/2")
    for num in (1, 2):
        api.merge_pull_request(model, num)
    assert "new.txt" in api.list_repo_files(model, revision="dev")
    assert {"main.txt", "late.txt"} <= set(api.list_repo_files(model)) and "new.txt" not in api.list_repo_files(model)


def test_a_pull_request_needs_a_branch_to_go_into(ask: Asker, api: HfApi, model: str) -> None:
    change = ("file", {"path": "x", "content": "x"})
    for revision in (str(api.model_info(model).sha), "nope", "refs%2Fpr%2F7"):
        answer = ask("POST", f"/api/models/{model}/commit/{revision}?create_pr=1", content=ndjson(HEADER, change))
        assert (404, "RevisionNotFound") == (answer.status_code, answer.headers["X-Error-Code"])

    with pytest.raises(RevisionNotFoundError):
        api.upload_file(path_or_fileobj=b"x", path_in_repo="x", repo_id=model, revision="refs/pr/7")
    assert [] == list(api.get_repo_discussions(model))


def test_who_may_do_what(api: HfApi, bob: HfApi, ask: Asker, localhub: LocalHub, model: str) -> None:
    """ron's token only reads; bob writes nothing of ada's but what he opened."""
    api.create_pull_request(model, "ada's")
    bob.create_pull_request(model, "bob's")
    ron = HfApi(endpoint=localhub.url, token="hf_ron")
    upload = {"path_or_fileobj": b"\0x", "path_in_repo": "x.bin", "repo_id": model}

    for refused in (
        lambda: ron.create_pull_request(model, "ron's"),
        lambda: ron.upload_file(**upload, create_pr=True),
        lambda: ron.comment_discussion(model, 1, "x"),
        lambda: bob.upload_file(**upload),
        lambda: bob.upload_file(**upload, revision="refs/pr/1"),
        lambda: bob.rename_discussion(model, 1, "mine"),
        lambda: bob.change_discussion_status(model, 1, "closed"),
        lambda: bob.merge_pull_request(model, 2),
        lambda: ron.change_discussion_status(model, 2, "closed"),
    ):
        with pytest.raises(HfHubHTTPError, check=status_of(403)):
            refused()
    bob.comment_discussion(model, 1, "nice")
    api.upload_file(**upload, revision="refs/pr/2")
    for method, path in [("POST", ""), ("POST", "/1/comment"), ("POST", "/1/merge"), ("POST", "/1/title")]:
        assert 401 == ask(method, f"/api/models/{model}/discussions{path}", token=None, json={}).status_code
    assert 200 == ask("GET", f"/api/models/{model}/discussions/1", token=None).status_code


def test_of_what_somebody_may_not_read_they_see_no_pull_requests(
    api: HfApi, bob: HfApi, ask: Asker, model: str
) -> None:
    api.create_pull_request(model, "secret")
    api.update_repo_settings(model, visibility="private")

    for path in ("", "/1"):
        assert 404 == ask("GET", f"/api/models/{model}/discussions{path}", token="hf_bob").status_code
    with pytest.raises(HfHubHTTPError, check=status_of(404)):
        bob.create_pull_request(model, "x")


def test_what_is_over_takes_no_commits(api: HfApi, bob: HfApi, model: str) -> None:
    propose(bob, model)
    api.merge_pull_request(model, 1)
    propose(bob, model, "other.txt")
    bob.change_discussion_status(model, 2, "closed")

    for num in (1, 2):
        with pytest.raises(HfHubHTTPError, match="takes no more commits", check=status_of(403)):
            bob.upload_file(path_or_fileobj=b"x", path_in_repo="x", repo_id=model, revision=f"refs/pr/{num}")
    with pytest.raises(HfHubHTTPError, match="is merged", check=status_of(409)):
        api.change_discussion_status(model, 1, "open")
    bob.change_discussion_status(model, 2, "open")
    bob.upload_file(path_or_fileobj=b"x", path_in_repo="x", repo_id=model, revision="refs/pr/2")


@pytest.mark.parametrize(
    ("path", "body", "status"),
    [
        ("", {"title": "", "pullRequest": True}, 400),
        ("", {"title": "x" * 201, "pullRequest": True}, 400),
        ("", {"title": "x", "description": "x" * 65_537, "pullRequest": True}, 400),
        ("", {"title": "a thread", "pullRequest": False}, 501),
        ("", {"pullRequest": True}, 400),
        ("/1/comment", {"comment": " "}, 400),
        ("/1/status", {"status": "merged"}, 400),
        ("/1/title", {"title": ["x"]}, 400),
        ("/2/comment", {"comment": "x"}, 404),
        ("/x/comment", {"comment": "x"}, 404),
        ("/99999999999999999999/merge", {}, 404),
        ("/1/comment/abc/edit", {"content": "x"}, 501),
        ("/1/comment/abc/hide", {}, 501),
        ("/1/pin", {}, 501),
    ],
)
def test_requests_that_cannot_be_met(api: HfApi, ask: Asker, model: str, path: str, body: Any, status: int) -> None:
    api.create_pull_request(model, "the only one")

    answer = ask("POST", f"/api/models/{model}/discussions{path}", json=body)

    assert status == answer.status_code
    assert answer.json()["error"]
    assert 1 == len(list(api.get_repo_discussions(model)))


def test_questions_that_cannot_be_met(ask: Asker, model: str) -> None:
    for query in ("status=merged", "type=both", "p=-1", "p=x"):
        assert 400 == ask("GET", f"/api/models/{model}/discussions?{query}").status_code


def test_the_author_pushes_to_a_pull_request_with_git_and_nowhere_else(
    run: Runner, api: HfApi, bob: HfApi, localhub: LocalHub, model: str, tmp_path: Path
) -> None:
    bob.create_pull_request(model, "by git")
    api.create_pull_request(model, "ada's")
    url, folder = git_url(localhub, model, "hf_bob"), tmp_path / "clone"
    run("git", "clone", "--quiet", url, str(folder))
    run("git", "fetch", "--quiet", "origin", "refs/pr/1:pr/1", cwd=folder)
    run("git", "checkout", "--quiet", "pr/1", cwd=folder)
    (folder / "by-git.txt").write_text("x")
    run("git", "add", "--all", cwd=folder)
    run("git", "commit", "--quiet", "-m", "by git", cwd=folder)

    run("git", "push", "--quiet", "origin", "pr/1:refs/pr/1", cwd=folder)

    assert "by-git.txt" in api.list_repo_files(model, revision="refs/pr/1")
    for spec in (
        "pr/1:main",
        "pr/1:refs/pr/2",
        "pr/1:refs/pr/3",
        ":refs/pr/1",
        "pr/1:refs/tags/v1",
        "pr/1:refs/heads/x",
    ):
        assert "only branches, tags" in run("git", "push", "origin", spec, cwd=folder, ok=False).stderr
    bob.change_discussion_status(model, 1, "closed")
    assert "403" in run("git", "push", "origin", "pr/1:refs/pr/1", cwd=folder, ok=False).stderr
    assert "refs/pr/1" in run("git", "ls-remote", url).stdout
    assert "refs/pr" not in run("git", "for-each-ref", cwd=folder).stdout


def test_hf_knows_its_way(run: Runner, api: HfApi, model: str) -> None:
    hf = ("hf", "discussions")
    made = run(*hf, "create", model, "--title", "Fix", "--body", "It was broken", "--pull-request").stdout
    assert "Created pull request #1" in made
    api.upload_file(path_or_fileobj=b"x", path_in_repo="x.txt", repo_id=model, revision="refs/pr/1")
    assert "Fix" in run(*hf, "list", model, "--status", "draft").stdout
    assert "refs/heads/main" in run(*hf, "info", model, "1").stdout
    run(*hf, "comment", model, "1", "--body", "Good")
    run(*hf, "rename", model, "1", "Mend")
    run(*hf, "close", model, "1", "--yes")
    run(*hf, "reopen", model, "1", "--yes")
    assert "+x" in run(*hf, "diff", model, "1").stdout
    run(*hf, "merge", model, "1", "--yes", "--comment", "thanks")
    assert "no threads of discussion" in run(*hf, "create", model, "--title", "Why", ok=False).stderr
    assert "501" in run(*hf, "edit", model, "1", "abc", "--body", "x", ok=False).stderr
    assert ("Mend", "merged") == (
        api.get_discussion_details(model, 1).title,
        api.get_discussion_details(model, 1).status,
    )


def test_a_long_diff_is_cut(api: HfApi, model: str) -> None:
    made = propose(api, model, "long.txt", b"line\n" * 500_000)

    diff = str(api.get_discussion_details(model, made.pr_num or 0).diff)

    assert diff.endswith("\n[…]\n")
    assert len(diff) < 1_100_000


def test_a_history_of_its_own_cannot_be_merged(
    run: Runner, api: HfApi, localhub: LocalHub, model: str, tmp_path: Path
) -> None:
    api.create_pull_request(model, "another world")
    run("git", "init", "--quiet", str(tmp_path / "new"))
    run("git", "commit", "--quiet", "--allow-empty", "-m", "x", cwd=tmp_path / "new")
    run("git", "push", "--quiet", "--force", git_url(localhub, model), "HEAD:refs/pr/1", cwd=tmp_path / "new")
    api.change_discussion_status(model, 1, "open")

    with pytest.raises(HfHubHTTPError, match="another history", check=status_of(409)):
        api.merge_pull_request(model, 1)
    assert api.get_discussion_details(model, 1).conflicting_files is True


def test_a_pull_request_deletes_files_too(api: HfApi, model: str) -> None:
    api.upload_file(path_or_fileobj=b"x", path_in_repo="x.txt", repo_id=model)
    made = api.create_commit(model, [CommitOperationDelete("x.txt")], commit_message="Remove x", create_pr=True)

    api.merge_pull_request(model, made.pr_num or 0)

    assert "x.txt" not in api.list_repo_files(model)


def test_they_outlive_the_server_and_die_with_their_repository(tmp_path: Path) -> None:
    with LocalHub(tmp_path) as hub:
        api = HfApi(endpoint=hub.url, token=hub.token)
        for name in ("demo/kept", "demo/gone"):
            api.create_repo(name)
            propose(api, name)
        api.comment_discussion("demo/kept", 1, "remember")
        api.delete_repo("demo/gone")
        (folder,) = tmp_path.glob("git/*.git")
    (folder / "refs" / "pr" / "2").write_text((folder / "refs" / "pr" / "1").read_text())  # one that was just opened

    with LocalHub(tmp_path) as hub:
        api = HfApi(endpoint=hub.url, token=hub.token)
        assert "remember" in [
            getattr(event, "content", "") for event in api.get_discussion_details("demo/kept", 1).events
        ]
        refs = api.list_repo_refs("demo/kept", include_pull_requests=True)
        assert ["refs/pr/1"] == [ref.ref for ref in refs.pull_requests or []]
        api.create_repo("demo/gone")
        assert [] == list(api.get_repo_discussions("demo/gone"))
    with sqlite3.connect(tmp_path / "hub.sqlite3") as db:
        assert 1 == db.execute("SELECT count(*) FROM pulls").fetchone()[0]
        assert 2 == db.execute("SELECT count(*) FROM pull_events").fetchone()[0]
    db.close()


def test_a_moved_repository_keeps_them(api: HfApi, bob: HfApi, model: str) -> None:
    propose(bob, model)
    api.move_repo(model, f"{model}-moved")

    assert f"{model}-moved" == api.get_discussion_details(f"{model}-moved", 1).repo_id
    assert "Add new.txt" == api.get_discussion_details(model, 1).title
