"""What would be pushed, and whether the Hub has it."""

from __future__ import annotations

import hashlib
import os
import subprocess
import tempfile
import time
from pathlib import Path

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from spaceops.bundled import bundled
from spaceops.errors import BadInput
from spaceops.files import Source, remember, scan
from spaceops.hashcache import HashCache
from spaceops.observed import RemoteFile
from spaceops.spec import Space


@pytest.fixture
def app(tmp_path):
    (tmp_path / "Dockerfile").write_text("FROM python:3.12-slim\n")
    (tmp_path / "README.md").write_text("---\nsdk: docker\n---\n")
    return tmp_path


EXAMPLES = int(os.environ.get("SPACEOPS_EXAMPLES", "40"))


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


def listed_by_git(folder: Path) -> set[str]:
    """What git would add of a folder in which nothing is committed."""
    command = ["git", "-C", folder, "-c", "core.excludesFile=", "ls-files", "--others", "--exclude-standard", "-z"]
    listed = subprocess.run(command, capture_output=True, check=True).stdout
    return {os.fsdecode(path) for path in listed.split(b"\0") if path}


def pushed(folder: Path, **fields) -> set[str]:
    return set(scan(space_of(folder, **fields)).files)


def write(top: Path, **contents: str) -> Path:
    """Write files; `__` in a name stands for a slash."""
    for name, content in contents.items():
        path = top / name.replace("__", "/")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(content)
    return top


def app_in(folder: Path) -> Path:
    return write(folder, Dockerfile="FROM python:3.12-slim\n", **{"README.md": "---\nsdk: docker\n---\n"})


def init(folder: Path) -> Path:
    subprocess.run(["git", "init", "--quiet", folder], check=True)
    return folder


NAMES = ["a", "b", "app", "x.log", "data", "y.txt"]
PATHS = st.lists(st.lists(st.sampled_from(NAMES), min_size=1, max_size=4).map("/".join), min_size=3, max_size=12)
PATTERNS = [
    "*.log",
    "data",
    "data/",
    "/data",
    "a/",
    "a/b",
    "**/b",
    "a/**",
    "*",
    "*/",
    "app/*",
    "app/a",
    "/app/b/",
    "y.*",
]
RULES = st.lists(st.tuples(st.sampled_from(["", "!"]), st.sampled_from(PATTERNS)).map("".join), max_size=4).map(
    "\n".join
)
PLACES = ["", "app/", "app/a/", "app/data/", "app/b/a/", ".git/info/exclude"]


@settings(max_examples=EXAMPLES, deadline=None)
@given(paths=PATHS, rules=st.dictionaries(st.sampled_from(PLACES), RULES, max_size=4))
def test_git_agrees_about_a_folder_in_a_larger_repository(paths, rules):
    """Ignore files above the source, in it and below, and `.git/info/exclude`: `git ls-files` lists the same files."""
    with tempfile.TemporaryDirectory() as scratch:
        top = init(Path(scratch).resolve())
        app_in(top / "app")
        for place, lines in rules.items():
            path = top / (place if place.endswith("exclude") else f"{place}.gitignore")
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(lines)
        for name in paths:
            path = top / "app" / name
            if not path.exists() and not any(parent.is_file() for parent in path.parents):
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_text("")
        listed = listed_by_git(top / "app")
        assume({"Dockerfile", "README.md"} <= listed)

        assert listed == pushed(top / "app")


def test_rules_above_the_source_hold_as_far_as_the_repository_goes(tmp_path):
    write(tmp_path, **{".gitignore": "*.py\n"})
    top = write(
        init(tmp_path / "repo"), **{".gitignore": "*.log\n/apps/demo/local/\n", "apps__.gitignore": "!keep.log\n"}
    )
    (top / ".git" / "info" / "exclude").write_text("*.bak\n")
    app = app_in(top / "apps" / "demo")
    write(app, **{"main.py": "", "a.log": "", "keep.log": "", "a.bak": "", "local__x": "", "sub__local__x": ""})

    assert {"Dockerfile", "README.md", "main.py", "keep.log", "sub/local/x"} == pushed(app)


@pytest.mark.parametrize("rules", ["*", "built/", "/apps/", "apps/*"])
def test_a_source_that_its_repository_ignores_is_no_part_of_it_and_pushed_by_its_own_rules(tmp_path, rules):
    top = write(init(tmp_path), **{".gitignore": f"*.log\n{rules}\n"})
    app = app_in(top / "apps" / "built")
    write(app, **{"a.log": "", "a.txt": "", ".gitignore": "*.txt\n"})

    assert not listed_by_git(app)
    assert {"Dockerfile", "README.md", ".gitignore", "a.log"} == pushed(app)


def test_a_second_work_tree_and_a_submodule_know_their_own_exclude_file(tmp_path):
    who = ["-c", "user.name=demo", "-c", "user.email=demo@localhost", "-c", "protocol.file.allow=always"]

    def git(folder, *words):
        subprocess.run(["git", *who, "-C", folder, *words], check=True, capture_output=True)

    top = app_in(init(tmp_path / "repo"))
    git(top, "add", ".")
    git(top, "commit", "--message", "app")
    git(top, "worktree", "add", tmp_path / "second")
    outer = init(tmp_path / "outer")
    git(outer, "submodule", "add", top, "inner")
    (top / ".git" / "info" / "exclude").write_text("*.bak\n")
    (outer / ".git" / "modules" / "inner" / "info" / "exclude").write_text("*.tmp\n")
    for app in (tmp_path / "second", outer / "inner"):
        write(app, **{"a.bak": "", "a.tmp": ""})

    assert {"Dockerfile", "README.md", "a.tmp"} == pushed(tmp_path / "second")
    assert {"Dockerfile", "README.md", "a.bak"} == pushed(outer / "inner")


def test_a_folder_that_an_inner_file_brings_back_does_not_bring_back_what_lies_in_it(app):
    write(app, **{".gitignore": "*.pem\n", "sub__.gitignore": "!keep/\n", "sub__keep__key.pem": "", "sub__keep__x": ""})

    assert {"sub/keep/x"} == {path for path in pushed(app) if path.startswith("sub/keep")}


def test_hfignore_is_stronger_than_gitignore_and_exclude_than_both(app):
    write(
        app, **{".gitignore": "*.log\n*.csv\n", ".hfignore": "!*.csv\nnotes/\n", "a.log": "", "a.csv": "", "b.csv": ""}
    )
    write(app, **{"notes__x": "", "sub__.gitignore": "!c.log\n", "sub__c.log": "", "sub__d.txt": ""})

    assert {"a.csv", "b.csv", "sub/c.log", "sub/d.txt"} <= pushed(app)
    assert {"a.log", "a.csv", "sub/d.txt"} <= (kept := pushed(app, exclude=["!a.log", "b.*", "/sub/c.log"]))
    assert not {"b.csv", "sub/c.log"} & kept


def test_exclude_brings_back_leftovers_and_never_secrets(app):
    write(app, **{"__pycache____x.pyc": "", ".DS_Store": "", ".env": "", "sub__.env.local": "", "sub__space.toml": ""})

    assert {"Dockerfile", "README.md", ".DS_Store"} == pushed(
        app, exclude=["!.DS_Store", "!.env*", "!space.toml", "!sub"]
    )


def test_a_link_to_what_is_never_pushed_is_not_followed(app):
    write(app, **{".env": "KEY=1", ".git__config": "[core]"})
    (app / "settings").symlink_to(".env")
    (app / "config").symlink_to(".git/config")

    assert ("config", "settings") == scan(space_of(app)).skipped


def test_a_file_that_a_secret_is_read_from_is_not_pushed_under_another_name_either(app):
    write(app, token="hidden", **{"sub__main.py": ""})
    (app / "copy").symlink_to("token")

    assert {"Dockerfile", "README.md", "sub/main.py"} == pushed(app, secrets={"TOKEN": f"file:{app / 'token'}"})


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


def remote_of(source: Source) -> dict[str, RemoteFile]:
    """The same files, as a Hub would name them; the Dockerfile as a large one."""
    found = {path: RemoteFile(file.size, oid=file.oid()) for path, file in source.files.items()}
    large = source.files["Dockerfile"]
    return found | {"Dockerfile": RemoteFile(large.size, oid="of the pointer", sha256=large.sha256())}


@pytest.fixture
def cache(tmp_path_factory, monkeypatch) -> Path:
    folder = tmp_path_factory.mktemp("cache")
    monkeypatch.setenv("SPACEOPS_CACHE", str(folder))
    return folder


def test_the_files_that_the_hub_has_too_are_found(app, cache):
    write(app, same="same", changed="old", new="new", grown="grown")
    remote = remote_of(scan(space_of(app)))
    del remote["new"]
    remote["gone"] = RemoteFile(3, oid="0" * 40)
    write(app, changed="two", grown="has grown")

    assert {"Dockerfile", "README.md", "same"} == scan(space_of(app)).same_as(remote)


def test_large_files_that_are_compared_side_by_side_are_told_apart(app, cache):
    for number in range(4):
        (app / f"weights{number}.bin").write_bytes(bytes([number]) * 1_500_000)
    remote = remote_of(scan(space_of(app)))
    remote["weights1.bin"], remote["weights2.bin"] = remote["weights2.bin"], remote["weights1.bin"]

    assert {"weights0.bin", "weights3.bin"} == scan(space_of(app)).same_as(remote) - {"Dockerfile", "README.md"}


def in_the_past(source: Source) -> None:
    """Have the hashes of all files known, as after a run some time ago."""
    for file in source.files.values():
        file.hashes.note(file.path, file.stamp, {"oid": file.oid()}, began=time.time_ns() + 60 * 10**9)
    HashCache.keep(next(iter(source.files.values())).hashes)


@pytest.mark.parametrize("how", ["as usual", "with its old time", "in place of it"])
def test_a_change_that_leaves_the_size_is_seen_although_hashes_are_kept(app, cache, how):
    write(app, **{"main.py": "x = 1\n"})
    in_the_past(source := scan(space_of(app)))
    remote = {path: RemoteFile(file.size, oid=file.oid()) for path, file in source.files.items()}
    path, before = app / "main.py", (app / "main.py").stat()
    if how == "in place of it":
        path = app / "main.py.new"
    path.write_text("x = 2\n")
    if how != "as usual":
        os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))
    path.rename(app / "main.py")

    assert {"Dockerfile", "README.md"} == scan(space_of(app)).same_as(remote)


def test_files_that_have_not_changed_are_not_read_again(cache):
    """Shown by hashes that are wrong: were the files read, the right ones would come out."""
    template = bundled("app_template")
    source = scan(space_of(template))
    right = {path: RemoteFile(file.size, oid=file.oid()) for path, file in source.files.items()}

    assert source.same_as(right) == source.files.keys()

    for file in source.files.values():
        file.hashes.note(file.path, file.stamp, {"oid": "0" * 40}, began=time.time_ns())
    source.files["main.py"].hashes.keep()
    wrong = {path: RemoteFile(file.size, oid="0" * 40) for path, file in source.files.items()}

    assert scan(space_of(template)).same_as(wrong) == source.files.keys()
    assert not scan(space_of(template)).same_as(right)


def test_what_was_pushed_is_known_to_the_next_plan(cache):
    template = bundled("app_template")
    first = scan(space_of(template)).files
    remember(first.values())
    known = HashCache(template)

    for path, file in first.items():
        assert hashlib.sha256((template / path).read_bytes()).hexdigest() == known.find(file.path, file.stamp, "sha256")
        assert file.oid() == known.find(file.path, file.stamp, "oid")


def test_a_file_that_has_vanished_after_the_push_does_not_fail_it(app, cache):
    source = scan(space_of(write(app, **{"main.py": "x = 1\n", "other.py": ""})))
    (app / "main.py").unlink()
    remember(source.files.values())

    assert source.files["other.py"].oid() == "e69de29bb2d1d6434b8b29ae775ad8c2e48c5391"


def test_a_file_that_vanishes_while_we_look_is_named(app):
    source = scan(space_of(write(app, **{"main.py": ""})))
    (app / "main.py").unlink()

    with pytest.raises(BadInput, match=r"main\.py cannot be read"):
        source.files["main.py"].sha256()


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_a_folder_that_cannot_be_read_is_named_unless_it_is_ignored(app):
    (app / "closed").mkdir(mode=0)

    with pytest.raises(BadInput, match="closed cannot be read"):
        scan(space_of(app))

    write(app, **{".gitignore": "closed/\n"})

    assert {".gitignore", "Dockerfile", "README.md"} == pushed(app)
