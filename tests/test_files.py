"""What would be pushed, and whether the Hub has it."""

from __future__ import annotations

import hashlib
import subprocess

import pytest

from spaceops.errors import BadInput
from spaceops.files import scan
from spaceops.observed import RemoteFile
from spaceops.spec import Space


@pytest.fixture
def app(tmp_path):
    (tmp_path / "Dockerfile").write_text("FROM python:3.12-slim\n")
    (tmp_path / "README.md").write_text("---\nsdk: docker\n---\n")
    return tmp_path


def space_of(folder, **fields):
    return Space.parse({"repo_id": "demo/app", "source": str(folder), **fields})


def test_secrets_and_leftovers_are_never_pushed(app):
    for name in (".env", ".env.local", "space.toml", "main.pyc", ".venv/x", "__pycache__/y.pyc", ".git/config"):
        (app / name).parent.mkdir(exist_ok=True)
        (app / name).write_text("x")
    (app / ".gitignore").write_text("!.env\n!space.toml\n")
    (app / ".env.example").write_text("K=\n")

    assert [".env.example", ".gitignore", "Dockerfile", "README.md"] == list(scan(space_of(app)).files)


def test_ignore_files_hold_in_their_folders_and_the_inner_one_wins(app):
    (app / ".gitignore").write_text("*.log\n/data/\n!keep.log\n")
    (app / ".hfignore").write_text("notes.txt\n")
    (app / "sub").mkdir()
    (app / "sub" / ".gitignore").write_text("!inner.log\n/only-here.txt\n")
    for name in ("a.log", "keep.log", "notes.txt", "sub/inner.log", "sub/b.log", "sub/only-here.txt", "only-here.txt"):
        (app / name).write_text("x")
    (app / "data").mkdir()
    (app / "data" / "big").write_text("x")

    found = set(scan(space_of(app)).files) - {".gitignore", ".hfignore", "sub/.gitignore", "Dockerfile", "README.md"}

    assert {"keep.log", "only-here.txt", "sub/inner.log"} == found


def test_git_agrees_about_what_is_ignored(app):
    """The rules are git's own: `git ls-files` lists the same files."""
    (app / ".gitignore").write_text("build/\n*.tmp\n!important.tmp\ndoc/**/x.md\n\\#odd\nspace \\ \n")
    for name in ("build/a", "a.tmp", "important.tmp", "doc/a/b/x.md", "doc/x.md", "doc/y.md", "#odd", "src/build/c"):
        (app / name).parent.mkdir(parents=True, exist_ok=True)
        (app / name).write_text("x")
    subprocess.run(["git", "init", "-q", app], check=True)
    listed = subprocess.run(
        ["git", "-C", app, "ls-files", "--others", "--exclude-standard", "-z"],
        capture_output=True,
        text=True,
        check=True,
    )

    assert set(filter(None, listed.stdout.split("\0"))) == set(scan(space_of(app)).files)


def test_links_are_followed_only_inside_the_folder(app, tmp_path_factory):
    outside = tmp_path_factory.mktemp("outside") / "secret.txt"
    outside.write_text("secret")
    (app / "inside.txt").symlink_to("README.md")
    (app / "outside.txt").symlink_to(outside)
    (app / "loop").symlink_to(app)

    source = scan(space_of(app))

    assert {"Dockerfile", "README.md", "inside.txt"} == set(source.files)
    assert ("loop", "outside.txt") == source.skipped


@pytest.mark.parametrize("missing", ["Dockerfile", "README.md"])
def test_a_folder_that_cannot_become_a_docker_space_is_refused(app, missing):
    (app / missing).unlink()

    with pytest.raises(BadInput, match=missing):
        scan(space_of(app))


def test_no_folder_at_all_is_refused(tmp_path):
    with pytest.raises(BadInput, match="not a folder"):
        scan(space_of(tmp_path / "nowhere"))


def test_a_file_is_recognised_by_gits_hash_and_by_the_hash_of_large_files(app):
    (app / "main.py").write_bytes(b"print(1)\r\n\x00")
    git = subprocess.run(
        ["git", "hash-object", "--no-filters", app / "main.py"], capture_output=True, text=True, check=True
    )
    sha256 = hashlib.sha256((app / "main.py").read_bytes()).hexdigest()
    file = scan(space_of(app)).files["main.py"]

    assert file.is_same_as(RemoteFile(11, oid=git.stdout.strip()))
    assert file.is_same_as(RemoteFile(11, oid="of the pointer", sha256=sha256))
    assert not file.is_same_as(RemoteFile(11, oid="0" * 40))
    assert not file.is_same_as(RemoteFile(12, oid=git.stdout.strip()))
