"""Many at once: nothing is lost, nothing is torn, and where only one can win there is one winner."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from huggingface_hub import CommitOperationAdd, HfApi
from huggingface_hub.errors import HfHubHTTPError

from spaceops.localhub import LocalHub
from tests.localhub.conftest import Asker, Runner, git_url, ndjson

AT_ONCE = 8


def at_once(work: Callable[[int], int], times: int = AT_ONCE) -> Counter[int]:
    """Do the work in as many threads; what it returned, counted."""
    with ThreadPoolExecutor(times) as pool:
        return Counter(pool.map(work, range(times)))


def status_of(work: Callable[[], object]) -> int:
    """200, or the status of the refusal."""
    try:
        work()
    except HfHubHTTPError as error:
        return int(error.response.status_code)
    return 200


def body(path: str, parent: str | None = None) -> bytes:
    header = {"summary": path, **({"parentCommit": parent} if parent else {})}
    return ndjson(("header", header), ("file", {"path": path, "content": path, "encoding": "utf-8"}))


def test_commits_at_once_are_all_kept_in_one_line(api: HfApi, ask: Asker, model: str) -> None:
    done = at_once(
        lambda number: ask("POST", f"/api/models/{model}/commit/main", content=body(f"{number}.txt")).status_code
    )

    assert Counter({200: AT_ONCE}) == done
    assert {f"{number}.txt" for number in range(AT_ONCE)} < set(api.list_repo_files(model))
    assert AT_ONCE + 1 == len(api.list_repo_commits(model))


def test_of_commits_on_one_parent_one_wins(api: HfApi, ask: Asker, model: str) -> None:
    parent = api.model_info(model).sha

    done = at_once(
        lambda number: (
            ask("POST", f"/api/models/{model}/commit/main", content=body(f"{number}.txt", parent)).status_code
        )
    )

    assert Counter({200: 1, 412: AT_ONCE - 1}) == done
    assert 2 == len(api.list_repo_commits(model))


def test_of_creations_of_one_name_one_wins(ask: Asker, api: HfApi) -> None:
    done = at_once(lambda _: ask("POST", "/api/repos/create", json={"name": "contested"}).status_code)

    assert Counter({200: 1, 409: AT_ONCE - 1}) == done
    assert [".gitattributes"] == api.list_repo_files("ada/contested")


def test_of_deletions_one_finds_it(ask: Asker, api: HfApi) -> None:
    api.create_repo("ada/unwanted", repo_type="space", space_sdk="docker")
    body = {"name": "unwanted", "type": "space"}

    done = at_once(lambda _: ask("DELETE", "/api/repos/delete", json=body).status_code)

    assert Counter({200: 1, 404: AT_ONCE - 1}) == done


def test_a_name_deleted_and_taken_again_at_once_is_whole(ask: Asker, api: HfApi) -> None:
    def churn(number: int) -> int:
        if number % 2:
            return ask("DELETE", "/api/repos/delete", json={"name": "churned"}).status_code
        return ask("POST", "/api/repos/create", json={"name": "churned"}).status_code

    for _ in range(3):
        assert {200, 404, 409} >= set(at_once(churn))
    api.create_repo("ada/churned", exist_ok=True)
    assert [".gitattributes"] == api.list_repo_files("ada/churned")


def test_variables_set_at_once_are_all_there(api: HfApi, ask: Asker, space: str) -> None:
    path = f"/api/spaces/{space}/variables"
    at_once(lambda number: ask("POST", path, json={"key": f"V{number}", "value": "1"}).status_code)

    assert {f"V{number}" for number in range(AT_ONCE)} == set(api.get_space_variables(space))


def test_branches_made_at_once_are_made_once(ask: Asker, model: str) -> None:
    done = at_once(lambda _: ask("POST", f"/api/models/{model}/branch/dev", json={}).status_code)

    assert Counter({200: 1, 409: AT_ONCE - 1}) == done


def test_pushes_and_commits_at_once_lose_nothing(
    run: Runner, api: HfApi, ask: Asker, localhub: LocalHub, model: str, tmp_path: Path
) -> None:
    """Whoever is told that it worked finds the file in the end."""
    clones = [tmp_path / f"clone-{number}" for number in range(3)]
    for number, clone in enumerate(clones):
        run("git", "clone", "--quiet", git_url(localhub, model), str(clone))
        (clone / f"git-{number}.txt").write_text("git")
        run("git", "add", "--all", cwd=clone)
        run("git", "commit", "--quiet", "--message", "git", cwd=clone)

    def write(number: int) -> int:
        if number < len(clones):
            command = ["git", "push", "--quiet", "origin", "HEAD:main"]
            return 200 if _succeeds(run, command, clones[number]) else 412
        return ask("POST", f"/api/models/{model}/commit/main", content=body(f"api-{number}.txt")).status_code

    with ThreadPoolExecutor(AT_ONCE) as pool:
        done = list(pool.map(write, range(AT_ONCE)))

    kept = set(api.list_repo_files(model))
    names = [f"git-{number}.txt" if number < len(clones) else f"api-{number}.txt" for number in range(AT_ONCE)]
    assert {200, 412} >= set(done)
    assert {name for name, status in zip(names, done, strict=True) if status == 200} == kept - {".gitattributes"}


def _succeeds(run: Runner, command: list[str], folder: Path) -> bool:
    try:
        run(*command, cwd=folder)
    except AssertionError:
        return False
    return True


@pytest.mark.parametrize("size", [10, 3000])
def test_the_same_file_sent_by_many_is_one_file(api: HfApi, model: str, size: int) -> None:
    content = b"\0" * size

    def send(number: int) -> int:
        operation = CommitOperationAdd(f"{number}.bin", content)
        return status_of(lambda: api.create_commit(model, [operation], commit_message="same"))

    assert Counter({200: 4}) == at_once(send, 4)
    assert {size} == {entry.size for entry in api.get_paths_info(model, [f"{number}.bin" for number in range(4)])}


def test_who_speaks_of_what_is_deleted_meanwhile_is_told_that_it_is_not_there(
    localhub: LocalHub, api: HfApi, ask: Asker, model: str
) -> None:
    path = f"/api/models/{model}/discussions/{api.create_pull_request(model, title='One').num}/comment"

    def slowly() -> Iterator[bytes]:
        yield b'{"comment": '
        while ("POST", path) not in localhub.requests:
            time.sleep(0.01)  # the server has not read the head yet
        api.delete_repo(model)
        yield b'"Hello"}'

    said = ask("POST", path, content=slowly())

    assert (404, "RepoNotFound") == (said.status_code, said.headers["X-Error-Code"])
