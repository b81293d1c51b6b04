"""git over HTTP, with the real git, git-lfs and GitPython."""

from __future__ import annotations

import base64
import gzip
import os
import shutil
import socket
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import git
import psutil
import pytest
from huggingface_hub import HfApi

from spaceops.localhub import LocalHub
from tests.localhub.conftest import Asker, Runner, git_url

needs_lfs = pytest.mark.skipif(shutil.which("git-lfs") is None, reason="git-lfs is not installed")


def clone(run: Runner, localhub: LocalHub, path: str, folder: Path) -> Path:
    run("git", "clone", "--quiet", git_url(localhub, path), str(folder))
    return folder


def commit(run: Runner, folder: Path, files: dict[str, bytes | None], message: str = "by git") -> str:
    """Commit files, None deletes one; the sha."""
    for path, content in files.items():
        target = folder / path
        target.parent.mkdir(parents=True, exist_ok=True)
        if content is None:
            target.unlink()
        else:
            target.write_bytes(content)
    run("git", "add", "--all", cwd=folder)
    run("git", "commit", "--quiet", "--message", message, cwd=folder)
    return run("git", "rev-parse", "HEAD", cwd=folder).stdout.strip()


@pytest.mark.parametrize("suffix", ["", ".git"])
def test_a_repository_is_cloned_with_and_without_its_suffix(
    run: Runner, localhub: LocalHub, space: str, tmp_path: Path, suffix: str
) -> None:
    folder = clone(run, localhub, f"spaces/{space}{suffix}", tmp_path / "clone")

    assert (folder / "README.md").read_text().startswith("---\n")


@pytest.mark.parametrize("kind", ["model", "dataset"])
def test_every_kind_has_its_address(run: Runner, api: HfApi, localhub: LocalHub, tmp_path: Path, kind: str) -> None:
    api.create_repo(f"ada/cloned-{kind}", repo_type=kind)
    prefix = "" if kind == "model" else "datasets/"

    assert (clone(run, localhub, f"{prefix}ada/cloned-{kind}", tmp_path / "clone") / ".gitattributes").exists()


def test_a_push_is_seen_by_the_api_and_starts_a_build(
    run: Runner, api: HfApi, localhub: LocalHub, space: str, tmp_path: Path
) -> None:
    folder = clone(run, localhub, f"spaces/{space}", tmp_path / "clone")
    sha = commit(run, folder, {"Dockerfile": b"FROM alpine\n", "a/b.txt": b"hello"})
    run("git", "push", "--quiet", cwd=folder)

    assert sha == api.space_info(space).sha
    assert "a/b.txt" in api.list_repo_files(space, repo_type="space")
    assert "BUILD_ERROR" == api.wait_for_space(space).stage  # alpine is not what this machine can be
    assert 1 == localhub.counters(space)["rebuilds"]


def test_what_the_api_commits_is_fetched(
    run: Runner, api: HfApi, localhub: LocalHub, model: str, tmp_path: Path
) -> None:
    folder = clone(run, localhub, model, tmp_path / "clone")
    api.upload_file(path_or_fileobj=b"new", path_in_repo="new.txt", repo_id=model)

    run("git", "pull", "--quiet", cwd=folder)

    assert "new" == (folder / "new.txt").read_text()


def test_a_push_to_another_branch_builds_nothing(
    run: Runner, api: HfApi, localhub: LocalHub, space: str, tmp_path: Path
) -> None:
    folder = clone(run, localhub, f"spaces/{space}", tmp_path / "clone")
    commit(run, folder, {"Dockerfile": b"FROM alpine\n"})
    run("git", "push", "--quiet", "origin", "HEAD:refs/heads/dev", cwd=folder)

    assert "NO_APP_FILE" == api.get_space_runtime(space).stage
    assert 0 == localhub.counters(space)["rebuilds"]
    assert ["dev", "main"] == sorted(branch.name for branch in api.list_repo_refs(space, repo_type="space").branches)


def test_an_old_clone_cannot_push_over_a_new_commit(
    run: Runner, api: HfApi, localhub: LocalHub, model: str, tmp_path: Path
) -> None:
    folder = clone(run, localhub, model, tmp_path / "clone")
    api.upload_file(path_or_fileobj=b"new", path_in_repo="new.txt", repo_id=model)
    commit(run, folder, {"mine.txt": b"mine"})

    assert "fetch first" in run("git", "push", cwd=folder, ok=False).stderr
    run("git", "push", "--force", "--quiet", cwd=folder)
    assert "new.txt" not in api.list_repo_files(model)


def test_a_large_push_comes_through(run: Runner, api: HfApi, localhub: LocalHub, model: str, tmp_path: Path) -> None:
    """More than a megabyte comes in pieces of unknown number."""
    folder = clone(run, localhub, model, tmp_path / "clone")
    content = os.urandom(1_500_000).hex().encode()
    sha = commit(run, folder, {"large.txt": content})
    run("git", "push", "--quiet", cwd=folder)

    assert sha == api.model_info(model).sha


def test_the_main_branch_cannot_be_deleted(run: Runner, localhub: LocalHub, model: str, tmp_path: Path) -> None:
    folder = clone(run, localhub, model, tmp_path / "clone")

    assert "refusing to delete" in run("git", "push", "origin", ":main", cwd=folder, ok=False).stderr


def refused_push(run: Runner, folder: Path) -> str:
    return run("git", "push", cwd=folder, ok=False).stderr


def test_binary_files_without_lfs_are_refused(
    run: Runner, api: HfApi, localhub: LocalHub, model: str, tmp_path: Path
) -> None:
    folder = clone(run, localhub, model, tmp_path / "clone")
    before = api.model_info(model).sha
    commit(run, folder, {"img/logo.png": b"\x89PNG\0\0"})

    said = refused_push(run, folder)

    assert "Your push was rejected because it contains binary files." in said
    assert "img/logo.png" in said
    assert "(pre-receive hook declined)" in said
    assert before == api.model_info(model).sha


def test_a_file_over_10_mib_is_refused_even_when_a_later_commit_deletes_it(
    run: Runner, localhub: LocalHub, model: str, tmp_path: Path
) -> None:
    folder = clone(run, localhub, model, tmp_path / "clone")
    commit(run, folder, {"large.txt": b"a" * (10 << 20) + b"a"})
    commit(run, folder, {"large.txt": None})

    assert "rejected because it contains files larger than 10 MiB." in refused_push(run, folder)


def test_a_file_of_10_mib_is_taken(run: Runner, localhub: LocalHub, model: str, tmp_path: Path) -> None:
    folder = clone(run, localhub, model, tmp_path / "clone")
    commit(run, folder, {"large.txt": b"a" * (10 << 20)})

    run("git", "push", "--quiet", cwd=folder)


def test_a_readme_that_the_hub_refuses_stops_the_push(
    run: Runner, localhub: LocalHub, space: str, tmp_path: Path
) -> None:
    folder = clone(run, localhub, f"spaces/{space}", tmp_path / "clone")
    commit(run, folder, {"README.md": b"---\nsdk: docker\ncolorFrom: orange\n---\n"})

    said = refused_push(run, folder)

    assert "Sorry, your push was rejected during YAML metadata verification:" in said
    assert '"colorFrom" must be one of [red, yellow' in said


def test_others_may_read_but_not_push(run: Runner, localhub: LocalHub, model: str, tmp_path: Path) -> None:
    folder = clone(run, localhub, model, tmp_path / "clone")
    commit(run, folder, {"x": b"1"})

    refused = run("git", "push", git_url(localhub, model, "hf_bob"), "main", cwd=folder, ok=False).stderr
    assert "403" in refused
    assert "remote: " in refused  # the reason
    assert (
        "could not read Username" in run("git", "push", f"{localhub.url}/{model}", "main", cwd=folder, ok=False).stderr
    )
    assert "Authentication failed" in refused_push_with(run, folder, git_url(localhub, model, "hf_wrong"))


def refused_push_with(run: Runner, folder: Path, url: str) -> str:
    return run("git", "push", url, "main", cwd=folder, ok=False).stderr


def test_a_private_repository_asks_for_a_token(
    run: Runner, api: HfApi, localhub: LocalHub, model: str, tmp_path: Path
) -> None:
    api.update_repo_settings(model, visibility="private")

    assert "could not read Username" in run("git", "clone", f"{localhub.url}/{model}", ok=False).stderr
    assert "not found" in run("git", "clone", git_url(localhub, model, "hf_bob"), ok=False).stderr
    assert (clone(run, localhub, model, tmp_path / "clone") / ".gitattributes").exists()


def test_a_repository_that_is_not_there(run: Runner, localhub: LocalHub) -> None:
    assert "not found" in run("git", "clone", git_url(localhub, "ada/nope"), ok=False).stderr


def test_the_token_may_come_as_bearer(run: Runner, localhub: LocalHub, model: str, tmp_path: Path) -> None:
    header = f"http.{localhub.url}/.extraHeader=Authorization: Bearer hf_ada"

    run("git", "-c", header, "clone", "--quiet", "--depth=1", f"{localhub.url}/{model}", str(tmp_path / "clone"))

    assert "hf_ada" not in (tmp_path / "clone" / ".git" / "config").read_text()


@needs_lfs
def test_large_files_travel_with_git_lfs(
    run: Runner, api: HfApi, localhub: LocalHub, model: str, tmp_path: Path
) -> None:
    run("git", "lfs", "install")
    folder = clone(run, localhub, model, tmp_path / "clone")
    content = os.urandom(15_000_000)
    commit(run, folder, {"weights.bin": content})
    run("git", "push", "--quiet", cwd=folder)

    assert content == (clone(run, localhub, model, tmp_path / "again") / "weights.bin").read_bytes()
    assert content == Path(api.hf_hub_download(model, "weights.bin", cache_dir=tmp_path)).read_bytes()


@needs_lfs
def test_a_large_file_of_the_api_is_whole_in_a_clone(
    run: Runner, api: HfApi, localhub: LocalHub, model: str, tmp_path: Path
) -> None:
    run("git", "lfs", "install")
    content = b"\0odd name, no extension" * 1000
    api.upload_file(path_or_fileobj=content, path_in_repo="dir/odd name", repo_id=model)

    folder = clone(run, localhub, model, tmp_path / "clone")

    assert content == (folder / "dir" / "odd name").read_bytes()
    assert "" == run("git", "status", "--porcelain", cwd=folder).stdout


def test_gitpython_pushes_with_the_token_in_its_environment_only(
    api: HfApi, localhub: LocalHub, model: str, tmp_path: Path
) -> None:
    env = {
        "GIT_CONFIG_COUNT": "3",
        "GIT_CONFIG_KEY_0": f"http.{localhub.url}/.extraHeader",
        "GIT_CONFIG_VALUE_0": "Authorization: Bearer hf_ada",
        "GIT_CONFIG_KEY_1": "user.name",
        "GIT_CONFIG_VALUE_1": "Ada",
        "GIT_CONFIG_KEY_2": "user.email",
        "GIT_CONFIG_VALUE_2": "ada@localhost",
        "GIT_TERMINAL_PROMPT": "0",
    }
    with git.Repo.clone_from(f"{localhub.url}/{model}", tmp_path / "clone", env=env) as repo:
        repo.git.update_environment(**env)
        (tmp_path / "clone" / "new.txt").write_text("new")
        repo.git.add("new.txt")
        repo.git.commit("-m", "by GitPython")
        repo.git.push("origin", "main")

        assert repo.head.commit.hexsha == api.model_info(model).sha


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "info/refs", 403),
        ("GET", "info/refs?service=git-evil", 403),
        ("POST", "git-upload-pack", 415),
        ("GET", "info/lfs/locks", 404),
        ("POST", "info/lfs/locks/verify", 404),
        ("GET", "objects/info/packs", 501),
        ("GET", "HEAD", 501),
    ],
)
def test_what_is_not_spoken_here(ask: Asker, model: str, method: str, path: str, status: int) -> None:
    assert status == ask(method, f"/{model}.git/{path}").status_code


def test_garbage_in_place_of_a_push_does_no_harm(api: HfApi, ask: Asker, model: str) -> None:
    before = api.model_info(model).sha
    kind = {"Content-Type": "application/x-git-receive-pack-request"}

    answer = ask("POST", f"/{model}.git/git-receive-pack", content=b"zzzz garbage", headers=kind)

    assert answer.status_code < 500
    assert before == api.model_info(model).sha


def test_a_clone_may_be_shallow_or_without_content(
    run: Runner, api: HfApi, localhub: LocalHub, model: str, tmp_path: Path
) -> None:
    for number in range(3):
        api.upload_file(path_or_fileobj=b"%d" % number, path_in_repo=f"{number}.txt", repo_id=model)
    url = git_url(localhub, model)

    run("git", "clone", "--quiet", "--depth=1", url, "shallow")
    run("git", "clone", "--quiet", "--no-checkout", "--filter=blob:none", url, "partial")
    missing = run("git", "rev-list", "--objects", "--missing=print", "HEAD", cwd=tmp_path / "partial").stdout
    run("git", "checkout", "--quiet", "HEAD", cwd=tmp_path / "partial")

    assert "1" == run("git", "rev-list", "--count", "HEAD", cwd=tmp_path / "shallow").stdout.strip()
    assert 4 == missing.count("\n?")
    assert "2" == (tmp_path / "partial" / "2.txt").read_text()
    run("git", "fetch", "--quiet", "--unshallow", cwd=tmp_path / "shallow")
    assert "4" == run("git", "rev-list", "--count", "HEAD", cwd=tmp_path / "shallow").stdout.strip()


def test_a_push_from_a_shallow_clone_adds_to_what_is_there(
    run: Runner, api: HfApi, localhub: LocalHub, model: str, tmp_path: Path
) -> None:
    api.upload_file(path_or_fileobj=b"1", path_in_repo="1.txt", repo_id=model)
    run("git", "clone", "--quiet", "--depth=1", git_url(localhub, model), "clone")

    sha = commit(run, tmp_path / "clone", {"2.txt": b"2"})
    run("git", "push", "--quiet", cwd=tmp_path / "clone")

    assert sha == api.model_info(model).sha
    assert 3 == len(api.list_repo_commits(model))


def test_branches_and_tags_come_and_go_by_the_hundred(
    run: Runner, api: HfApi, localhub: LocalHub, model: str, tmp_path: Path
) -> None:
    folder = clone(run, localhub, model, tmp_path / "clone")
    sha = commit(run, folder, {"x": b"1"})
    for number in range(100):
        run("git", "update-ref", f"refs/heads/b{number}", "HEAD", cwd=folder)
    run("git", "tag", "-a", "v1", "-m", "the first", cwd=folder)
    run("git", "tag", "v2", cwd=folder)
    run("git", "push", "--quiet", "--all", cwd=folder)
    run("git", "push", "--quiet", "--tags", cwd=folder)

    refs = api.list_repo_refs(model)
    assert 101 == len(refs.branches)
    assert {"v1": sha, "v2": sha} == {tag.name: tag.target_commit for tag in refs.tags}
    assert sha == api.model_info(model, revision="v1").sha
    assert "refs/tags/v1^{}" in run("git", "ls-remote", "--tags", git_url(localhub, model)).stdout

    run("git", "push", "--quiet", "origin", ":b1", ":refs/tags/v1", cwd=folder)
    refs = api.list_repo_refs(model)
    assert (100, ["v2"]) == (len(refs.branches), [tag.name for tag in refs.tags])


@pytest.mark.parametrize("spec", ["HEAD:refs/notes/x", "HEAD:refs/pr/1", "HEAD:refs/x/y", "HEAD^{tree}:refs/tags/tree"])
def test_other_refs_are_not_pushed(run: Runner, localhub: LocalHub, model: str, tmp_path: Path, spec: str) -> None:
    folder = clone(run, localhub, model, tmp_path / "clone")

    assert "[remote rejected]" in run("git", "push", "origin", spec, cwd=folder, ok=False).stderr
    assert "refs/notes" not in run("git", "ls-remote", cwd=folder).stdout


def test_a_push_that_is_refused_changes_none_of_its_refs(
    run: Runner, api: HfApi, localhub: LocalHub, model: str, tmp_path: Path
) -> None:
    folder = clone(run, localhub, model, tmp_path / "clone")
    commit(run, folder, {"ok.txt": b"1"})
    run("git", "branch", "fine", cwd=folder)
    commit(run, folder, {"bad.bin.txt": b"\0"})

    run("git", "push", "origin", "fine", "main", cwd=folder, ok=False)

    assert ["main"] == [branch.name for branch in api.list_repo_refs(model).branches]


def test_a_push_that_breaks_off_leaves_nothing(ask: Asker, api: HfApi, localhub: LocalHub, model: str) -> None:
    """The client goes away in the middle of a pack."""
    before = api.model_info(model).sha
    line = f"{'0' * 40} {before} refs/heads/half\0 report-status".encode()
    kind = {"Content-Type": "application/x-git-receive-pack-request"}

    class Gone(Exception):
        pass

    def body() -> Iterator[bytes]:
        yield f"{len(line) + 4:04x}".encode() + line + b"0000" + b"PACK\0\0\0\2\0\0\0\5"
        yield os.urandom(100_000)
        raise Gone

    with pytest.raises(Gone):
        ask("POST", f"/{model}.git/git-receive-pack", content=body(), headers=kind)

    assert ["main"] == [branch.name for branch in api.list_repo_refs(model).branches]
    folder = localhub.folder / "git" / f"{ask('GET', f'/api/models/{model}').json()['_id']}.git"
    until = time.monotonic() + 10
    while list(folder.glob("objects/*incoming*")) and time.monotonic() < until:
        api.model_info(model)
    assert [] == list(folder.glob("objects/*incoming*"))


@pytest.mark.parametrize("service", ["git-upload-pack", "git-receive-pack"])
def test_no_git_waits_for_a_client_that_is_gone(localhub: LocalHub, model: str, service: str) -> None:
    """It was told how much would come, and would look for the rest for ever."""
    before = set(psutil.Process().children(recursive=True))
    token = base64.b64encode(b"any:hf_ada").decode()
    kind = f"Content-Type: application/x-{service}-request\r\nContent-Length: 1000"
    head = f"POST /{model}.git/{service} HTTP/1.1\r\nHost: 127.0.0.1\r\nAuthorization: Basic {token}\r\n{kind}\r\n\r\n"
    begun = list[psutil.Process]()

    with socket.create_connection(("127.0.0.1", int(localhub.url.rpartition(":")[2]))) as line:
        line.sendall(head.encode() + b"00")
        while not begun:
            begun = [child for child in psutil.Process().children(recursive=True) if child not in before]

    _, left = psutil.wait_procs(begun, timeout=10)
    assert [] == left


def test_a_body_may_come_packed(ask: Asker, model: str) -> None:
    """git packs its questions when they are long."""
    want = f"want {ask('GET', f'/api/models/{model}').json()['sha']}\n"
    body = f"{len(want) + 4:04x}{want}00000009done\n".encode()
    kind = {"Content-Type": "application/x-git-upload-pack-request", "Content-Encoding": "gzip"}

    answer = ask("POST", f"/{model}.git/git-upload-pack", content=gzip.compress(body), headers=kind)

    assert 200 == answer.status_code
    assert b"PACK" in answer.content


def test_large_files_of_git_need_to_be_uploaded(run: Runner, localhub: LocalHub, model: str, tmp_path: Path) -> None:
    folder = clone(run, localhub, model, tmp_path / "clone")
    pointer = b"version https://git-lfs.github.com/spec/v1\noid sha256:" + b"a" * 64 + b"\nsize 5\n"
    commit(run, folder, {"sub/weights.bin": pointer})

    said = run("git", "push", "--no-verify", cwd=folder, ok=False).stderr

    assert "Your push was rejected because an LFS pointer pointed to a file that does not exist." in said
    assert "sub/weights.bin" in said


@needs_lfs
def test_git_lfs_fills_a_pull_request(run: Runner, api: HfApi, localhub: LocalHub, model: str, tmp_path: Path) -> None:
    HfApi(endpoint=localhub.url, token="hf_bob").create_pull_request(model, "weights")
    run("git", "lfs", "install")
    folder = tmp_path / "clone"
    run("git", "clone", "--quiet", git_url(localhub, model, "hf_bob"), str(folder))
    content = os.urandom(50_000)
    commit(run, folder, {"weights.bin": content})

    run("git", "push", "--quiet", "origin", "HEAD:refs/pr/1", cwd=folder)

    assert "weights.bin" in api.list_repo_files(model, revision="refs/pr/1")
    found = api.hf_hub_download(model, "weights.bin", revision="refs/pr/1", cache_dir=tmp_path)
    assert content == Path(found).read_bytes()


def test_a_moved_repository_is_found_under_its_old_name(
    run: Runner, api: HfApi, localhub: LocalHub, model: str, tmp_path: Path
) -> None:
    folder = clone(run, localhub, model, tmp_path / "clone")
    api.move_repo(model, f"{model}-moved")
    sha = commit(run, folder, {"x": b"1"})

    run("git", "pull", "--quiet", cwd=folder)
    run("git", "push", "--quiet", cwd=folder)

    assert sha == api.model_info(f"{model}-moved").sha


def test_the_server_answers_others_while_it_reads_a_push(
    run: Runner, api: HfApi, localhub: LocalHub, model: str, tmp_path: Path
) -> None:
    folder = clone(run, localhub, model, tmp_path / "clone")
    commit(run, folder, {f"{number}.txt": os.urandom(3_000_000).hex().encode() for number in range(4)})
    slowest = [0.0]
    over = threading.Event()

    def ask_on() -> None:
        while not over.is_set():
            begun = time.monotonic()
            api.model_info(model)
            slowest.append(time.monotonic() - begun)

    asking = threading.Thread(target=ask_on)
    asking.start()
    run("git", "push", "--quiet", cwd=folder)
    over.set()
    asking.join()

    assert max(slowest) < 5
    assert len(slowest) > 2
