"""Repositories on disk: what git holds, and what a build gets of it."""

from __future__ import annotations

import hashlib
import shutil
import stat
import subprocess
from dataclasses import replace
from io import BytesIO
from pathlib import Path

import pytest

from spaceops.localhub.accounts import DEMO
from spaceops.localhub.clock import Clock, wire_time
from spaceops.localhub.commits import first_commit, make_commit, read_proposal
from spaceops.localhub.git import GitError, contents, environment, git, is_ref_name
from spaceops.localhub.lfs import Part, Pointer, WrongContent
from spaceops.localhub.recent import Recent
from spaceops.localhub.refusals import Refused
from spaceops.localhub.repos import Repos
from spaceops.localhub.store import Repo, new_id
from tests.localhub.conftest import ndjson

HEADER = ("header", {"summary": "a commit", "description": "why"})


@pytest.fixture
def repos(tmp_path: Path) -> Repos:
    return Repos(tmp_path / "data", Clock())


@pytest.fixture
def repo(repos: Repos) -> Repo:
    made = Repo(
        id=new_id(),
        kind="space",
        namespace="demo",
        name="app",
        visibility="public",
        sdk="docker",
        created_at="2026-01-31T12:00:00.000Z",
        creator="demo",
    )
    repos.create(made)
    first_commit(repos, made, {"README.md": b"# Demo\n", "src/app.py": b"print(1)\n"}, DEMO)
    return made


def commit(repos: Repos, repo: Repo, *changes: tuple[str, dict[str, object]], branch: str = "main") -> str:
    return make_commit(repos, repo, branch, read_proposal(BytesIO(ndjson(HEADER, *changes))), DEMO)


def add(path: str, text: str) -> tuple[str, dict[str, object]]:
    return "file", {"path": path, "content": text, "encoding": "utf-8"}


def large(repos: Repos, repo: Repo, content: bytes) -> Pointer:
    oid = hashlib.sha256(content).hexdigest()
    with repos.large_files.incoming() as file:
        file.write(content)
        file.keep(repos.large_files.path(repo, oid), oid, len(content))
    return Pointer(oid, len(content))


def push_with_git(repos: Repos, repo: Repo, folder: Path, prepare: dict[str, str]) -> str:
    """A commit with what the API cannot make: exec bits and symlinks. A value with `->` is a link."""
    clone = folder / "clone"
    subprocess.run(["git", "clone", "--quiet", repos.path(repo), clone], env=environment(), check=True)
    for path, text in prepare.items():
        target = clone / path
        target.parent.mkdir(parents=True, exist_ok=True)
        if text.startswith("->"):
            target.symlink_to(text.removeprefix("->"))
        else:
            target.write_text(text)
            target.chmod(0o755 if text.startswith("#!") else 0o644)
    words = ["git", "-C", clone, "-c", "user.name=x", "-c", "user.email=x@x"]
    subprocess.run([*words, "add", "--all"], env=environment(), check=True)
    subprocess.run([*words, "commit", "--quiet", "-m", "by git"], env=environment(), check=True)
    subprocess.run([*words, "push", "--quiet", "origin", "HEAD:main"], env=environment(), check=True)
    return repos.head(repo) or ""


def test_a_commit_moves_the_branch_and_keeps_what_it_does_not_mention(repos: Repos, repo: Repo) -> None:
    first = repos.head(repo)
    sha = commit(repos, repo, add("src/new.py", "print(2)\n"))

    assert sha == repos.head(repo) != first
    assert ["README.md", "src", "src/app.py", "src/new.py"] == sorted(repos.snapshot(repo, sha).nodes)
    assert b"print(2)\n" == repos.read(repo, sha, "src/new.py")
    assert [sha, first] == [found.oid for found in repos.history(repo, sha, limit=5)]


def test_a_commit_is_remembered_once_all_about_it_was_read(repos: Repos, repo: Repo) -> None:
    sha = commit(repos, repo, add("x", "1"))
    assert not repos.remembers(repo, "main")
    repos.card(repo, sha)
    assert not repos.remembers(repo, "main")
    repos.commit(repo, sha)

    assert repos.remembers(repo, "main")
    assert not repos.remembers(repo, "dev")
    assert not repos.remembers(repo, "../../HEAD")
    commit(repos, repo, add("x", "2"))
    assert not repos.remembers(repo, "main")


def test_what_was_read_last_is_kept_up_to_a_weight() -> None:
    read: list[str] = []

    def work(folder: Path, sha: str) -> str:
        read.append(sha)
        if sha == "bad":
            raise GitError(sha)
        return sha

    recent = Recent(work, 5, weight=len)
    for sha in ("aa", "bb", "aa", "cc", "aa", "bb", "longer than all"):
        assert sha == recent.get(Path("x"), sha)
    with pytest.raises(GitError):
        recent.get(Path("x"), "bad")

    assert ["aa", "bb", "cc", "bb", "longer than all", "bad"] == read
    assert (Path("x"), "longer than all") in recent
    assert (Path("x"), "aa") not in recent
    assert (Path("x"), "bad") not in recent


def test_a_copy_is_whole_and_stays_when_the_original_goes(repos: Repos, repo: Repo) -> None:
    pointer = large(repos, repo, b"\0" * 300)
    sha = commit(repos, repo, ("lfsFile", {"path": "big", "algo": "sha256", "oid": pointer.oid}))
    repos.create_ref(repo, "refs/heads/dev", sha)
    copy = replace(repo, id=new_id())

    repos.copy(repo, copy)
    shutil.rmtree(repos.bury(repo))

    assert sha == repos.head(copy) == repos.head(copy, "dev")
    assert b"\0" * 300 == repos.large_files.path(copy, pointer.oid).read_bytes()
    assert b"remote" not in (repos.path(copy) / "config").read_bytes()
    git(repos.path(copy), "fsck", "--strict")
    assert commit(repos, copy, add("x", "1")) == repos.head(copy)


def test_a_commit_says_who_when_and_why(repos: Repos, repo: Repo) -> None:
    found = repos.commit(repo, commit(repos, repo, add("x", "1")))

    assert found is not None
    assert ("a commit", "why", "demo") == (found.title, found.message, found.author)
    assert found.date[:13] == wire_time(Clock().now())[:13]
    assert found.date.endswith("Z")


def test_files_and_folders_can_go(repos: Repos, repo: Repo) -> None:
    commit(repos, repo, add("src/deep/er.py", "1"), add("one.txt", "1"))
    sha = commit(repos, repo, ("deletedFolder", {"path": "src/"}), ("deletedFile", {"path": "one.txt"}))

    assert ["README.md"] == list(repos.snapshot(repo, sha).nodes)


@pytest.mark.parametrize(
    "path", ["../x", "a/../b", "/abs", "a//b", ".git/config", "a/.GIT/x", "..\\x", "", ".", "a\x00b", "a\nb", "x" * 256]
)
def test_a_path_that_leads_astray_is_refused(repos: Repos, repo: Repo, path: str) -> None:
    before = repos.head(repo)

    with pytest.raises(Refused) as caught:
        commit(repos, repo, add(path, "1"))

    assert 422 == caught.value.status
    assert before == repos.head(repo)


@pytest.mark.parametrize("path", ['quo"te.txt', "späce öf.txt", "-dash", "a,b;c&d", "emoji 🚀.md", "con~1^:?*["])
def test_a_path_may_hold_whatever_git_takes(repos: Repos, repo: Repo, path: str) -> None:
    sha = commit(repos, repo, add(path, "content"))

    assert b"content" == repos.read(repo, sha, path)


@pytest.mark.parametrize(
    ("body", "said"),
    [
        (b"", "needs a header"),
        (ndjson(("header", {"summary": "  "})), "needs a header"),
        (ndjson(add("x", "1")), "first line"),
        (ndjson(HEADER, ("copyFile", {"path": "x"})), "copyFile"),
        (ndjson(HEADER, ("file", {"path": "x", "content": "!!", "encoding": "base64"})), "base64"),
        (
            ndjson(HEADER, ("lfsFile", {"path": "x", "algo": "sha256", "oid": "0" * 64, "size": 1})),
            "a file that does not exist",
        ),
        (ndjson(HEADER, ("lfsFile", {"path": "x", "algo": "sha256", "oid": "../../x"})), "a file that does not exist"),
        (ndjson(("header", {"summary": "x", "parentCommit": "main"})), "must be a commit sha"),
        (ndjson(HEADER, add("README.md", "---\na: b: c\n---\n")), "Invalid metadata"),
    ],
)
def test_a_commit_that_makes_no_sense_changes_nothing(repos: Repos, repo: Repo, body: bytes, said: str) -> None:
    before = repos.head(repo)

    with pytest.raises(Refused, match=said) as caught:
        make_commit(repos, repo, "main", read_proposal(BytesIO(body)), DEMO)

    assert 400 == caught.value.status
    assert before == repos.head(repo)
    left = [*repos.path(repo).glob("objects/pack/tmp*"), *repos.path(repo).glob("fast_import_crash*")]
    assert [] == left


def test_a_commit_on_an_old_parent_is_refused(repos: Repos, repo: Repo) -> None:
    old = repos.head(repo)
    commit(repos, repo, add("x", "1"))
    late = ndjson(("header", {"summary": "late", "parentCommit": old}), add("y", "1"))

    with pytest.raises(Refused) as caught:
        make_commit(repos, repo, "main", read_proposal(BytesIO(late)), DEMO)

    assert 412 == caught.value.status


def test_a_file_that_does_not_exist_cannot_be_deleted(repos: Repos, repo: Repo) -> None:
    with pytest.raises(Refused) as caught:
        commit(repos, repo, ("deletedFile", {"path": "nope"}))

    assert (404, "EntryNotFound") == (caught.value.status, caught.value.code)


@pytest.mark.parametrize("branch", ["nope", "v1", "main~0", ""])
def test_only_a_branch_that_exists_takes_commits(repos: Repos, repo: Repo, branch: str) -> None:
    assert repos.create_ref(repo, "refs/tags/v1", repos.head(repo) or "")

    with pytest.raises(Refused) as caught:
        commit(repos, repo, add("x", "1"), branch=branch)

    assert (404, "RevisionNotFound") == (caught.value.status, caught.value.code)


def test_a_large_file_is_a_pointer_in_git_and_a_line_in_gitattributes(repos: Repos, repo: Repo) -> None:
    pointer = large(repos, repo, b"large " * 1000)
    sha = commit(repos, repo, ("lfsFile", {"path": "w eights.q", "algo": "sha256", "oid": pointer.oid, "size": 6000}))

    assert pointer.text() == repos.read(repo, sha, "w eights.q")
    assert {"w eights.q": pointer} == repos.snapshot(repo, sha).pointers
    assert 6000 == repos.snapshot(repo, sha).size("w eights.q")
    assert repos.read(repo, sha, ".gitattributes") == b"w[[:space:]]eights.q filter=lfs diff=lfs merge=lfs -text\n"


def test_a_large_file_that_gitattributes_covers_adds_no_line(repos: Repos, repo: Repo) -> None:
    pointer = large(repos, repo, b"large")
    tracked = add(".gitattributes", "*.q filter=lfs\n")
    sha = commit(repos, repo, tracked, ("lfsFile", {"path": "w.q", "algo": "sha256", "oid": pointer.oid}))

    assert b"*.q filter=lfs\n" == repos.read(repo, sha, ".gitattributes")


def test_one_repository_cannot_take_the_large_file_of_another(repos: Repos, repo: Repo) -> None:
    other = Repo(**{**vars(repo), "id": new_id(), "name": "other"})
    repos.create(other)
    first_commit(repos, other, {"README.md": b""}, DEMO)
    pointer = large(repos, other, b"theirs")

    with pytest.raises(Refused, match="a file that does not exist"):
        commit(repos, repo, ("lfsFile", {"path": "mine", "algo": "sha256", "oid": pointer.oid}))


def test_an_executable_stays_executable_when_its_content_changes(repos: Repos, repo: Repo, tmp_path: Path) -> None:
    push_with_git(repos, repo, tmp_path, {"run.sh": "#!/bin/sh\n"})
    sha = commit(repos, repo, add("run.sh", "#!/bin/sh\necho\n"))

    assert "100755" == repos.snapshot(repo, sha).nodes["run.sh"].mode


def test_an_export_is_the_tree_with_large_files_and_modes(repos: Repos, repo: Repo, tmp_path: Path) -> None:
    pointer = large(repos, repo, b"large content")
    commit(repos, repo, ("lfsFile", {"path": "big.bin", "algo": "sha256", "oid": pointer.oid}))
    attributes = "*.bin filter=lfs\nhidden.txt export-ignore\n"
    files = {"bin/run.sh": "#!/bin/sh\n", "hidden.txt": "seen", ".gitattributes": attributes, "link": "->bin/run.sh"}
    sha = push_with_git(repos, repo, tmp_path, files)

    repos.export(repo, sha, tmp_path / "out")

    out = tmp_path / "out"
    assert b"large content" == (out / "big.bin").read_bytes()
    assert stat.S_IXUSR & (out / "bin/run.sh").stat().st_mode
    assert not stat.S_IXUSR & (out / "README.md").stat().st_mode
    assert "seen" == (out / "hidden.txt").read_text()
    assert Path("bin/run.sh") == (out / "link").readlink()
    assert not (out / ".git").exists()


def test_an_export_keeps_no_symlink_that_leads_out(repos: Repos, repo: Repo, tmp_path: Path) -> None:
    links = {"up": "->..", "abs": "->/etc/passwd", "here": "->.", "around": "->here/../../x", "in": "->src/../src"}
    sha = push_with_git(repos, repo, tmp_path, links)

    repos.export(repo, sha, tmp_path / "out")

    assert {"here", "in"} == {path.name for path in (tmp_path / "out").iterdir() if path.is_symlink()}


def test_a_build_that_writes_to_its_copy_does_not_touch_the_store(repos: Repos, repo: Repo, tmp_path: Path) -> None:
    pointer = large(repos, repo, b"large content")
    sha = commit(repos, repo, ("lfsFile", {"path": "big.bin", "algo": "sha256", "oid": pointer.oid}))
    repos.export(repo, sha, tmp_path / "out")

    (tmp_path / "out" / "big.bin").write_bytes(b"changed")

    assert b"large content" == repos.large_files.path(repo, pointer.oid).read_bytes()


def test_a_revision_is_a_branch_a_tag_a_ref_or_a_sha(repos: Repos, repo: Repo) -> None:
    sha = repos.head(repo) or ""
    assert repos.create_ref(repo, "refs/heads/dev/x", sha)
    assert repos.create_ref(repo, "refs/tags/v1", sha)

    known = ["main", "dev/x", "v1", "refs/heads/main", "refs/tags/v1", sha, sha[:8], "HEAD"]

    assert [sha] * len(known) == [repos.resolve(repo, revision) for revision in known]


@pytest.mark.parametrize("revision", ["nope", "main~0", "main^{tree}", ":/commit", "-x", "..", "0" * 40, "", "a" * 999])
def test_nothing_else_is_a_revision(repos: Repos, repo: Repo, revision: str) -> None:
    assert repos.resolve(repo, revision) is None


def test_a_branch_that_git_has_packed_is_still_there(repos: Repos, repo: Repo) -> None:
    before = repos.head(repo)
    git(repos.path(repo), "pack-refs", "--all")

    assert before == repos.head(repo)
    assert commit(repos, repo, add("x", "1")) == repos.head(repo)


def test_a_ref_is_made_once_and_goes(repos: Repos, repo: Repo) -> None:
    sha = repos.head(repo) or ""

    assert repos.create_ref(repo, "refs/heads/dev", sha)
    assert not repos.create_ref(repo, "refs/heads/dev", sha)
    assert not repos.create_ref(repo, "refs/heads/dev/below", sha)
    repos.delete_ref(repo, "refs/heads/dev")
    assert {"refs/heads/main": sha} == repos.refs(repo)


def test_a_buried_repository_leaves_its_name_free(repos: Repos, repo: Repo) -> None:
    large(repos, repo, b"large")
    grave = repos.bury(repo)

    assert not repos.path(repo).exists()
    assert 2 == len(list(grave.iterdir()))
    assert repos.head(repo) is None


def test_a_repository_that_nobody_knows_is_cleared_away(repos: Repos, repo: Repo) -> None:
    """A crash came between its content and its entry."""
    repos.tidy({repo.id})
    assert repos.head(repo)

    repos.tidy(set())

    assert not repos.path(repo).exists()


def test_a_lock_that_a_power_cut_left_does_not_hold_up_the_next_server(repos: Repos, repo: Repo) -> None:
    lock = repos.path(repo) / "refs" / "heads" / "main.lock"
    left = repos.path(repo) / "objects" / "pack" / "tmp_pack_x"
    lock.touch()
    left.touch()
    with pytest.raises(Refused):
        commit(repos, repo, add("x", "1"))

    repos.tidy({repo.id})

    assert commit(repos, repo, add("x", "1")) == repos.head(repo)
    assert not left.exists()


@pytest.mark.parametrize("name", ["main", "dev/x", "v1.0", "a-b_c", "ünï"])
def test_names_that_git_takes(name: str) -> None:
    assert is_ref_name(name)
    git_ok = subprocess.run(["git", "check-ref-format", f"refs/heads/{name}"], check=False).returncode == 0
    assert git_ok


@pytest.mark.parametrize(
    "name",
    ["", "-x", "a b", "a..b", "a~1", "a^", "a:b", "a?", "a*", "a[", "a\\b", "x.lock", "a/.b", "a//b", "a/", "@{x"],
)
def test_names_that_git_does_not_take(name: str) -> None:
    assert not is_ref_name(name)


def test_a_pointer_is_read_as_it_is_written() -> None:
    pointer = Pointer("a" * 64, 15_000_000)

    assert pointer == Pointer.read(pointer.text())
    assert Pointer.read(pointer.text() + b"more") is None
    assert Pointer.read(b"version https://git-lfs") is None


def test_a_large_file_with_other_bytes_than_announced_is_not_kept(repos: Repos, repo: Repo) -> None:
    target = repos.large_files.path(repo, "0" * 64)

    with pytest.raises(WrongContent), repos.large_files.incoming() as file:
        file.write(b"something else")
        file.keep(target, "0" * 64)

    assert not target.exists()
    assert [] == list(repos.temporary.iterdir())


def test_parts_become_one_file_in_the_order_of_their_numbers(repos: Repos, repo: Repo) -> None:
    content = bytes(range(11)) * 10
    pointer = Pointer(hashlib.sha256(content).hexdigest(), len(content))
    parts = []
    for number in reversed(range(11)):
        with repos.large_files.incoming() as arrived:
            arrived.write(content[number * 10 : number * 10 + 10])
            parts.append(Part(number + 1, arrived.oid))
            repos.large_files.keep_part(repo, pointer.oid, parts[-1], arrived)

    repos.large_files.join(repo, pointer, sorted(parts))

    assert content == repos.large_files.path(repo, pointer.oid).read_bytes()
    assert [] == [path for path in (repos.folder / "parts").rglob("*") if path.is_file()]


def test_parts_that_never_came_are_no_file(repos: Repos, repo: Repo) -> None:
    with pytest.raises(WrongContent, match="Part 1 has not arrived"):
        repos.large_files.join(repo, Pointer("0" * 64, 1), [Part(1, "0" * 64)])


def test_git_errors_carry_what_git_said(repos: Repos, repo: Repo) -> None:
    with pytest.raises(GitError, match="single revision"):
        git(repos.path(repo), "rev-parse", "--verify", "nope^{commit}", "--")
    with pytest.raises(GitError, match="no object"):
        list(contents(repos.path(repo), ["0" * 40]))
