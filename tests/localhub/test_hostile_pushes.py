"""Trees and packs that mean harm: refused, or harmless, and the server answers on."""

from __future__ import annotations

import hashlib
import os
import struct
import subprocess
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest
from huggingface_hub import HfApi

from spaceops.localhub import LocalHub
from spaceops.localhub.clock import Clock
from spaceops.localhub.git import environment
from spaceops.localhub.refusals import Refused
from spaceops.localhub.repos import Repos
from spaceops.localhub.store import Repo, new_id
from spaceops.localhub.trees import MOST_ENTRIES, checked_path, is_dot_git
from tests.localhub.conftest import Asker, Runner, git_url, ndjson

ENV = {
    **environment(),
    **{f"GIT_{who}_{what}": "x@x" for who in ("AUTHOR", "COMMITTER") for what in ("NAME", "EMAIL")},
    "GIT_ALLOC_LIMIT": "8g",
}
FILE, LINK, FOLDER, MODULE = "100644", "120000", "40000", "160000"
Push = Callable[..., subprocess.CompletedProcess[bytes]]


class Objects:
    """git's objects, made by hand: nothing looks at what is in them."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._git("init", "--quiet", "--bare", "--template=", folder)

    def _git(self, *words: Any, **more: Any) -> subprocess.CompletedProcess[bytes]:
        return subprocess.run(["git", *words], env=ENV, capture_output=True, check=more.pop("check", True), **more)

    def _write(self, kind: str, content: bytes) -> str:
        words = [f"--git-dir={self.folder}", "hash-object", "-t", kind, "-w", "--literally", "--stdin"]
        return self._git(*words, input=content).stdout.decode().strip()

    def blob(self, content: bytes = b"x\n") -> str:
        return self._write("blob", content)

    def tree(self, *entries: tuple[str, str | bytes, str]) -> str:
        """A tree of (mode, name, object), as they come."""
        rows = [(mode, name if isinstance(name, bytes) else name.encode(), oid) for mode, name, oid in entries]
        return self._write("tree", b"".join(f"{m} ".encode() + n + b"\0" + bytes.fromhex(o) for m, n, o in rows))

    def commit(self, tree: str) -> str:
        return self._write("commit", f"tree {tree}\nauthor x <x@x> 1 +0000\ncommitter x <x@x> 1 +0000\n\nx\n".encode())

    def push(self, url: str, *specs: str) -> subprocess.CompletedProcess[bytes]:
        return self._git(f"--git-dir={self.folder}", "push", "--quiet", "--force", url, *specs, check=False)


@pytest.fixture
def objects(tmp_path: Path) -> Objects:
    return Objects(tmp_path / "objects")


@pytest.fixture
def push(objects: Objects, localhub: LocalHub, model: str) -> Push:
    """Push a tree to the model's branch `evil`."""

    def push(tree: str) -> subprocess.CompletedProcess[bytes]:
        return objects.push(git_url(localhub, model), f"{objects.commit(tree)}:refs/heads/evil")

    return push


@pytest.fixture(autouse=True)
def unharmed(api: HfApi, localhub: LocalHub, model: str) -> Iterator[None]:
    """Whatever was pushed, the server answers, and what was there is there."""
    before = api.model_info(model).sha
    yield
    assert before == api.model_info(model).sha
    assert api.list_repo_files(model)


DOT_GITS = [".git", ".GIT", ".Git", "git~1", "GIT~1", ".git.", ".git ", ".git. .", ".git:x", ".g\u200cit", "\u200b.git"]


@pytest.mark.parametrize("name", ["..", ".", *DOT_GITS[:-1], "a/b", "", "x" * 256])
def test_a_name_that_leads_elsewhere_is_not_pushed(objects: Objects, push: Push, name: str) -> None:
    blob = objects.blob()

    assert push(objects.tree((FILE, name, blob))).returncode
    if name in ("..", ".git"):
        assert push(objects.tree((FOLDER, name, objects.tree((FILE, "x", blob))))).returncode
        assert push(objects.tree((FOLDER, "in", objects.tree((LINK, name, blob))))).returncode


@pytest.mark.parametrize("name", DOT_GITS)
def test_a_name_that_some_machine_takes_for_gits_own_is_known(name: str) -> None:
    assert is_dot_git(name) == (name != "\u200b.git")


@pytest.mark.parametrize("name", [".gitignore", ".github", "git", "git~10", ".git-x", "a.git", ".gitx"])
def test_a_name_that_only_looks_like_it_is_taken(name: str) -> None:
    assert name == checked_path(name)


@pytest.mark.parametrize(
    "path",
    ["..", "a/..", "/etc/passwd", "a//b", "..\\x", ".git/hooks/pre-receive", "a/git~1/x", "x/" * 500 + "x", "\ud800"],
)
def test_such_a_path_is_refused_in_a_commit_too(ask: Asker, model: str, path: str) -> None:
    for key in ("file", "lfsFile", "deletedFile", "deletedFolder"):
        line = (key, {"path": path, "content": "", "oid": "0" * 64})

        answer = ask("POST", f"/api/models/{model}/commit/main", content=ndjson(("header", {"summary": "x"}), line))

        assert answer.status_code in (400, 422)
    with pytest.raises(Refused):
        checked_path(path)


@pytest.mark.parametrize(
    "path",
    ["..%2f..%2fhub.sqlite3", "%2e%2e/%2e%2e/key", "/etc/passwd", "..%5c..%5ckey", "a%00b", "%ff%fe", "x" * 5000],
)
def test_no_path_of_an_address_leads_out_of_a_repository(ask: Asker, model: str, path: str) -> None:
    for address in (
        f"/{model}/resolve/main/{path}",
        f"/{model}/raw/main/{path}",
        f"/api/models/{model}/tree/main/{path}",
    ):
        assert ask("GET", address).status_code in (400, 404, 422)
    for address in (f"/{path}/info/refs?service=git-upload-pack", f"/ada/{path}.git/info/refs?service=git-upload-pack"):
        assert ask("GET", address).status_code in (404, 501)


def test_a_file_below_a_symlink_is_not_pushed(objects: Objects, push: Push) -> None:
    link = objects.blob(b"/tmp")
    below = objects.tree((FILE, "x", objects.blob()))

    assert push(objects.tree((LINK, "out", link), (FOLDER, "out", below))).returncode
    assert push(objects.tree((FOLDER, "out", below), (LINK, "out", link))).returncode


def test_nothing_is_committed_through_a_symlink(
    ask: Asker, api: HfApi, localhub: LocalHub, objects: Objects, model: str
) -> None:
    tree = objects.tree((LINK, "out", objects.blob(b"/tmp")))
    assert not objects.push(git_url(localhub, model), f"{objects.commit(tree)}:refs/heads/links").returncode
    line = ("file", {"path": "out/x", "content": "x"})

    answer = ask("POST", f"/api/models/{model}/commit/links", content=ndjson(("header", {"summary": "x"}), line))

    assert 422 == answer.status_code
    assert ["out"] == api.list_repo_files(model, revision="links")


@pytest.mark.parametrize("name", [".gitmodules", ".gitattributes", ".gitignore"])
def test_a_symlink_in_place_of_what_git_reads_is_harmless(
    objects: Objects, push: Push, ask: Asker, model: str, name: str
) -> None:
    pushed = push(objects.tree((LINK, name, objects.blob(b"/etc/passwd"))))

    if pushed.returncode == 0:
        assert "/etc/passwd" == ask("GET", f"/{model}/resolve/evil/{name}").text
    assert bool(pushed.returncode) == (name == ".gitmodules")


@pytest.mark.parametrize(
    "text",
    [
        '[submodule "../../x"]\n\tpath = x\n\turl = https://example.com\n',
        '[submodule "x"]\n\tpath = x\n\turl = --upload-pack=touch /tmp/x\n',
        '[submodule "x"]\n\tpath = --x\n\turl = https://example.com\n',
    ],
)
def test_submodules_that_would_run_something_are_refused(objects: Objects, push: Push, text: str) -> None:
    assert push(objects.tree((FILE, ".gitmodules", objects.blob(text.encode())))).returncode


def test_thousands_of_folders_in_each_other_are_refused(objects: Objects, push: Push) -> None:
    tree = objects.tree((FILE, "x", objects.blob()))
    listing = [f"commit refs/heads/x\ncommitter x <x@x> 1 +0000\ndata 0\nM 040000 {tree} a{'/a' * 4000}\n".encode()]
    git_dir = f"--git-dir={objects.folder}"
    subprocess.run(["git", git_dir, "fast-import", "--quiet"], input=b"".join(listing), env=ENV, check=True)
    deep = subprocess.run(["git", git_dir, "rev-parse", "x^{tree}"], env=ENV, capture_output=True, check=True)

    refused = push(deep.stdout.decode().strip())

    assert refused.returncode
    assert b"too long" in refused.stderr or b"too many folders" in refused.stderr


def test_a_tree_that_unfolds_into_ten_thousand_million_files_is_refused(objects: Objects, push: Push) -> None:
    tree = objects.tree(*((FILE, f"f{number}", objects.blob()) for number in range(10)))
    for _ in range(9):
        tree = objects.tree(*((FOLDER, f"d{number}", tree) for number in range(10)))

    refused = push(tree)

    assert refused.returncode
    assert b"holds more than" in refused.stderr


def test_such_a_tree_in_the_history_is_an_answer_and_not_the_end(
    objects: Objects, localhub: LocalHub, ask: Asker, model: str
) -> None:
    tree = objects.tree(*((FILE, f"f{number}", objects.blob()) for number in range(10)))
    small = tree
    for _ in range(9):
        tree = objects.tree(*((FOLDER, f"d{number}", tree) for number in range(10)))
    bomb = objects.commit(tree)
    text = f"tree {small}\nparent {bomb}\nauthor x <x@x> 1 +0000\ncommitter x <x@x> 1 +0000\n\nx\n"
    last = objects._write("commit", text.encode())
    objects.push(git_url(localhub, model), f"{last}:refs/heads/evil")

    assert 413 == ask("GET", f"/{model}/resolve/{bomb}/x").status_code


def test_a_folder_with_too_many_files_is_refused(objects: Objects, push: Push) -> None:
    blob = objects.blob()
    files = sorted(f"f{number}" for number in range(MOST_ENTRIES + 1))
    crowd = objects.tree(*((FILE, name, blob) for name in files))

    refused = push(objects.tree((FOLDER, "data", crowd)))

    assert b"too many files per directory" in refused.stderr
    assert b"/data/" in refused.stderr


def test_names_like_options_are_names(objects: Objects, push: Push, api: HfApi, ask: Asker, model: str) -> None:
    names = sorted(["--help", "-rf", "--upload-pack=touch x", "HEAD", "refs", "*", ":(top)x", "$(id)", "`id`"])
    blob = objects.blob()

    assert not push(objects.tree(*((FILE, name, blob) for name in names))).returncode

    assert names == sorted(api.list_repo_files(model, revision="evil"))
    for name in names:
        info = api.get_paths_info(model, [name], revision="evil", expand=True)
        assert "x" == info[0].last_commit.title
    assert 9 == len(ask("GET", f"/api/models/{model}/tree/evil?expand=true").json())


def test_names_that_differ_in_case_only_are_two_files(objects: Objects, push: Push, api: HfApi, model: str) -> None:
    assert not push(objects.tree((FILE, "A.txt", objects.blob(b"1")), (FILE, "a.txt", objects.blob(b"2")))).returncode

    assert ["A.txt", "a.txt"] == sorted(api.list_repo_files(model, revision="evil"))


def test_names_that_are_no_text_break_nothing(objects: Objects, push: Push, api: HfApi, model: str) -> None:
    assert not push(objects.tree((FILE, b"\xff\xfe", objects.blob()), (FILE, b"\xff\xff", objects.blob()))).returncode

    assert api.list_repo_files(model, revision="evil")


def pointer(oid: str, size: int) -> bytes:
    return f"version https://git-lfs.github.com/spec/v1\noid sha256:{oid}\nsize {size}\n".encode()


def test_a_pointer_to_what_somebody_else_uploaded_is_refused_and_gives_nothing(
    objects: Objects, push: Push, api: HfApi, model: str
) -> None:
    secret = os.urandom(500) + b"\0"
    api.create_repo("ada/secret-weights", private=True, exist_ok=True)
    api.upload_file(path_or_fileobj=secret, path_in_repo="x.bin", repo_id="ada/secret-weights")
    text = pointer(hashlib.sha256(secret).hexdigest(), len(secret))

    refused = push(objects.tree((FILE, "stolen.bin", objects.blob(text))))

    assert b"an LFS pointer pointed to a file that does not exist" in refused.stderr
    assert b"stolen.bin" in refused.stderr


def test_a_pointer_that_lies_about_the_size_is_refused(objects: Objects, push: Push, api: HfApi, model: str) -> None:
    api.upload_file(path_or_fileobj=b"\0content", path_in_repo="x.bin", repo_id=model, revision="main", create_pr=True)
    oid = hashlib.sha256(b"\0content").hexdigest()

    assert push(objects.tree((FILE, "x.bin", objects.blob(pointer(oid, 10**17))))).returncode
    assert not push(objects.tree((FILE, "x.bin", objects.blob(pointer(oid, 8))))).returncode


@pytest.mark.parametrize(
    "text",
    [
        pointer("0" * 63, 5),
        pointer("../../../../key".ljust(64, "0"), 5),
        pointer("0" * 64, -1),
        pointer("0" * 64, 10**30),
        pointer("0" * 64, 5) + b"x",
        b"version https://git-lfs.github.com/spec/v1\n",
    ],
)
def test_what_is_no_pointer_is_text(objects: Objects, push: Push, ask: Asker, model: str, text: bytes) -> None:
    assert not push(objects.tree((FILE, "x.bin", objects.blob(text)))).returncode

    assert text == ask("GET", f"/{model}/resolve/evil/x.bin").content


def test_attributes_that_name_programs_run_none(
    objects: Objects, push: Push, run: Runner, localhub: LocalHub, ask: Asker, model: str, tmp_path: Path
) -> None:
    attributes = (
        b"* filter=evil diff=evil merge=evil textconv=evil export-ignore ident\n[z-a] x\n" + b"*" * 1000 + b" -x\n"
    )
    config = f'[lfs]\n\turl = file://{tmp_path}\n[core]\n\tfsmonitor = "touch {tmp_path}/ran"\n'.encode()

    assert not push(
        objects.tree((FILE, ".gitattributes", objects.blob(attributes)), (FILE, ".lfsconfig", objects.blob(config)))
    ).returncode

    assert ask("GET", f"/api/models/{model}/tree/evil?expand=true").json()
    assert not (tmp_path / "ran").exists()


LINKS = {
    "loop": "loop",
    "out": "/etc",
    "up": "../..",
    "by/another": "../out/passwd",
    "by/folder": "../up",
    "here": "by",
    "there": "here/kept",
    "long": "x/" * 3000,
    "nowhere": "nothing",
}


def test_nothing_outside_can_be_reached_in_what_a_build_gets(tmp_path: Path) -> None:
    repos = Repos(tmp_path / "data", Clock())
    repo = Repo(
        id=new_id(),
        kind="space",
        namespace="a",
        name="b",
        visibility="public",
        sdk="docker",
        created_at="",
        creator="a",
    )
    repos.create(repo)
    objects = Objects(tmp_path / "objects")
    blob, kept = objects.blob(b"# x"), objects.blob(b"kept")
    by = objects.tree(
        *((LINK, name.removeprefix("by/"), objects.blob(to.encode())) for name, to in LINKS.items() if "/" in name),
        (FILE, "kept", kept),
        (MODULE, "module", "1" * 40),
    )
    links = [(LINK, name, objects.blob(to.encode())) for name, to in LINKS.items() if "/" not in name]
    tree = objects.tree(*sorted([(FOLDER, "by", by), (FILE, "README.md", blob), *links], key=lambda entry: entry[1]))
    sha = objects.commit(tree)
    assert not objects.push(str(repos.path(repo)), f"{sha}:refs/heads/main").returncode

    repos.export(repo, sha, tmp_path / "out")

    found = [path.relative_to(tmp_path / "out") for path in (tmp_path / "out").rglob("*")]
    assert ["README.md", "by", "by/kept", "here", "long", "loop", "nowhere", "there"] == sorted(map(str, found))
    assert "kept" == (tmp_path / "out" / "there").read_text()
    assert all(Path(os.path.realpath(path)).is_relative_to(tmp_path / "out") for path in (tmp_path / "out").rglob("*"))


# packs


def header(kind: int, size: int) -> bytes:
    """The beginning of an object in a pack: its kind and the size that it claims."""
    out = [kind << 4 | size & 15]
    size >>= 4
    while size:
        out[-1] |= 128
        out.append(size & 127)
        size >>= 7
    return bytes(out)


def pack(*rows: bytes, count: int | None = None) -> bytes:
    body = b"PACK" + struct.pack(">II", 2, len(rows) if count is None else count) + b"".join(rows)
    return body + hashlib.sha1(body).digest()


def varint(number: int) -> bytes:
    out = []
    while number > 127:
        out.append(number & 127 | 128)
        number >>= 7
    return bytes([*out, number])


def delta_bomb(size: int) -> bytes:
    """A pack of some kilobytes, one object of which unfolds into `size` bytes."""
    base = bytes(65536)
    name = hashlib.sha1(b"blob 65536\0" + base).digest()
    delta = varint(len(base)) + varint(size) + b"\x80" * (size // 65536)
    deltas = header(7, len(delta)) + name + zlib.compress(delta)
    return pack(header(3, len(base)) + zlib.compress(base), deltas)


def send(ask: Asker, model: str, content: bytes) -> Any:
    line = f"{'0' * 40} {'1' * 40} refs/heads/evil\0 report-status".encode()
    body = f"{len(line) + 4:04x}".encode() + line + b"0000" + content
    kind = {"Content-Type": "application/x-git-receive-pack-request"}
    return ask("POST", f"/{model}.git/git-receive-pack", content=body, headers=kind, timeout=60)


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"PACK",
        pack()[:-5],
        pack(count=2**32 - 1),
        pack(header(3, 10) + zlib.compress(b"x")),
        pack(header(3, 1) + b"no zlib"),
        pack(header(7, 5) + bytes(20) + zlib.compress(b"12345")),
        pack(header(5, 3) + zlib.compress(b"x y")),
        pack(header(3, 1) + zlib.compress(b"x"))[:-1] + b"\0",
        b"PACK" + os.urandom(100_000),
    ],
    ids=["nothing", "cut", "short", "count", "size", "zlib", "base", "kind", "sum", "noise"],
)
def test_a_pack_that_is_none_is_refused(ask: Asker, api: HfApi, model: str, content: bytes) -> None:
    answer = send(ask, model, content)

    assert answer.status_code < 500
    assert b"unpack ok" not in answer.content
    assert ["main"] == [branch.name for branch in api.list_repo_refs(model).branches]


def test_a_delta_that_unfolds_into_gigabytes_is_refused_in_no_memory(
    ask: Asker, localhub: LocalHub, model: str
) -> None:
    children = [*psutil.Process().children(recursive=True)]

    answer = send(ask, model, delta_bomb(3 << 30))

    assert b"unpack ok" not in answer.content
    assert {child.pid for child in psutil.Process().children(recursive=True)} <= {child.pid for child in children}


def test_a_file_that_unfolds_is_too_large(ask: Asker, model: str) -> None:
    answer = send(ask, model, pack(header(3, 100 << 20) + zlib.compress(bytes(100 << 20), 1)))

    assert b"ok refs/heads/evil" not in answer.content


def left_behind(localhub: LocalHub) -> list[Path]:
    return [
        path for pattern in ("*incoming*", "pack/tmp*") for path in localhub.folder.glob(f"git/*.git/objects/{pattern}")
    ]


def test_what_was_refused_leaves_nothing_behind(ask: Asker, localhub: LocalHub, model: str) -> None:
    send(ask, model, pack(header(3, 10) + zlib.compress(b"x")))
    send(ask, model, delta_bomb(3 << 30))

    assert [] == left_behind(localhub)
