"""The files: what a push refuses, what should not be there, and what is missing."""

from __future__ import annotations

import subprocess

import pytest

from spaceops.findings import Severity
from spaceops.preflight import check
from spaceops.rules.examples import GOOD, Blank, Made, Many, write
from spaceops.rules.gitfacts import Attributes, unpushed, with_removed_file

ERROR, WARNING, INFO = Severity.ERROR, Severity.WARNING, Severity.INFO
BARE = {"space.toml": None}
PNG = b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR"
POINTER = f"version https://git-lfs.github.com/spec/v1\noid sha256:{'a' * 64}\nsize 123456\n"
TRACKED = "filter=lfs diff=lfs merge=lfs -text"
DOCKERFILE = GOOD["Dockerfile"]
TEN_MB = 10 << 20


def found(folder, change, code):
    """The findings of one rule."""
    return list(check(write(folder, change), select=[code]))


def links_to(target):
    return Made(f"a link to {target}", lambda place: place.symlink_to(target))


# app-file-missing


@pytest.mark.parametrize(
    ("path", "is_safe"),
    [
        ("dockerfile", True),
        ("DOCKERFILE", True),
        ("Dockerfile.txt", False),
        ("Dockerfile.hf", False),
        ("Dockerfile.prod", False),
        ("Containerfile", False),
        ("docker/Dockerfile", False),
        ("backend/Dockerfile", False),
        ("app.dockerfile", False),
    ],
)
def test_what_was_meant_for_the_dockerfile_is_named(path, is_safe, tmp_path):
    (finding,) = found(tmp_path, {"Dockerfile": None, path: DOCKERFILE}, "app-file-missing")

    assert (ERROR, path, f"Move it: git mv {path} Dockerfile") == (finding.severity, finding.where, finding.hint)
    assert is_safe == finding.fix.safe
    assert {path: None, "Dockerfile": DOCKERFILE.encode()} == finding.fix.files


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ({}, []),
        ({"Dockerfile": None}, [ERROR]),
        ({"Dockerfile": None, **BARE}, [ERROR]),
        ({"Dockerfile": None, "README.md": "# Hello\n", **BARE}, [WARNING]),
        ({"Dockerfile": None, "README.md": ("docker", "gradio"), **BARE}, []),
        ({"Dockerfile": None, "README.md": ("docker", "static"), **BARE}, []),
        ({"Dockerfile": None, "README.md": ("docker", "gradio")}, [ERROR]),
        ({".gitignore": "Dockerfile\n"}, [ERROR]),
        ({"deep/er/Dockerfile": DOCKERFILE, "Dockerfile": None}, [ERROR]),
    ],
)
def test_a_docker_space_without_a_dockerfile_is_an_error(change, expected, tmp_path):
    assert expected == [finding.severity for finding in found(tmp_path, change, "app-file-missing")]


def test_a_dockerfile_that_is_ignored_is_told_apart(tmp_path):
    (finding,) = found(tmp_path, {".gitignore": "Docker*\n"}, "app-file-missing")

    assert "left out of what is pushed" in finding.message


# what a plain push refuses


@pytest.mark.parametrize(
    ("change", "is_found"),
    [
        ({}, True),
        ({"space.toml": GOOD["space.toml"]}, False),
        ({".gitattributes": f"*.png {TRACKED}\n"}, False),
        ({"static/.gitattributes": f"a.* {TRACKED}\n"}, False),
        ({".gitattributes": f"*.png {TRACKED}\nstatic/* !filter\n"}, True),
        ({".gitattributes": f"*.jpg {TRACKED}\n"}, True),
        ({"static/a.png": "this is text\n"}, False),
        ({"static/a.png": b""}, False),
    ],
)
def test_a_binary_file_is_refused_by_a_plain_push(change, is_found, tmp_path):
    change = {**BARE, "static/a.png": PNG, **change}

    assert is_found == bool(found(tmp_path, change, "binary-file-rejected"))


def test_many_binary_files_are_one_finding(tmp_path):
    change = {**BARE, **{f"static/{number}.png": PNG for number in range(6)}, "font.woff2": PNG}
    (finding,) = found(tmp_path, change, "binary-file-rejected")

    assert "font.woff2, static/0.png, static/1.png and 4 more" in finding.message
    assert finding.hint.endswith('git lfs track "*.png" "*.woff2"')
    assert WARNING == finding.severity


@pytest.mark.parametrize(
    ("size", "change", "is_found"),
    [
        (TEN_MB + 1, {}, True),
        (TEN_MB, {}, False),
        (TEN_MB + 1, {".gitattributes": f"data/** {TRACKED}\n"}, False),
        (TEN_MB + 1, {"space.toml": GOOD["space.toml"]}, False),
        (TEN_MB + 1, {".gitignore": "data\n"}, False),
    ],
)
def test_a_large_file_is_refused_by_a_plain_push(size, change, is_found, tmp_path):
    assert is_found == bool(found(tmp_path, {**BARE, "data/a.csv": Blank(size), **change}, "file-over-10mb"))


@pytest.mark.parametrize(
    ("text", "path", "is_lfs"),
    [
        ("*.bin filter=lfs", "a/b.bin", True),
        ("*.bin filter=lfs -text", "b.bin.txt", False),
        ("/b.bin filter=lfs", "a/b.bin", False),
        ("a/*.bin filter=lfs", "a/b.bin", True),
        ("*.bin filter=lfs\nb.bin -filter", "a/b.bin", False),
        ("*.bin text", "b.bin", False),
        ("# *.bin filter=lfs", "b.bin", False),
        ("[attr]lfs filter=lfs", "lfs", False),
        ("my[[:space:]]file.bin filter=lfs", "my file.bin", True),
        ("models/** filter=lfs", "models/a/b/c", True),
        ("a/ filter=lfs", "a/b", False),
        ("[ filter=lfs", "[", False),
    ],
)
def test_attributes_are_read_as_git_reads_them(text, path, is_lfs):
    assert is_lfs == Attributes({"": text}).is_lfs(path)


def test_the_nearest_attributes_decide():
    attributes = Attributes({"": "*.bin filter=lfs", "a": "*.bin -filter"})

    assert [False, True, True] == [attributes.is_lfs(path) for path in ("a/b/c.bin", "b/c.bin", "c.bin")]


def test_a_file_that_was_removed_again_is_found_in_the_history(tmp_path):
    change = {**BARE, ".git": Made("a history", lambda place: with_removed_file(place, TEN_MB + 1))}
    (finding,) = found(tmp_path, change, "history-has-blob")

    assert "Commits that are not pushed yet hold model.bin" in finding.message
    assert [("model.bin", TEN_MB + 1)] == list(unpushed(tmp_path))


@pytest.mark.parametrize("url", ["https://github.com/acme/hello", "https://huggingface.example/acme"])
def test_history_that_goes_elsewhere_is_left_alone(url, tmp_path):
    write(tmp_path, {**BARE, ".git": Made("a history", lambda place: with_removed_file(place, TEN_MB + 1))})
    config = tmp_path / ".git" / "config"
    config.write_text(config.read_text().replace("https://huggingface.co/spaces/acme/hello", url))

    assert () == check(tmp_path, select=["history-has-blob"]).findings


def test_history_that_is_pushed_already_is_left_alone(tmp_path):
    write(tmp_path, {**BARE, ".git": Made("a history", lambda place: with_removed_file(place, TEN_MB + 1))})
    git = ["git", f"--git-dir={tmp_path / '.git'}"]
    subprocess.run([*git, "update-ref", "refs/remotes/origin/main", "refs/heads/main"], check=True)

    assert () == check(tmp_path, select=["history-has-blob"]).findings


@pytest.mark.parametrize("content", ["", "ref: refs/heads/main", "\0" * 100])
def test_a_broken_repository_says_nothing(content, tmp_path):
    config = '[remote "origin"]\n\turl = https://huggingface.co/spaces/acme/hello\n'

    assert [] == found(tmp_path, {**BARE, ".git/HEAD": content, ".git/config": config}, "history-has-blob")


# counts and sizes


def test_folders_count_as_entries_of_their_folder(tmp_path):
    many = {f"data/{number}/a.txt": "" for number in range(2)}
    change = {"data": Many(9_999), **many}

    assert ["data"] == [finding.where for finding in found(tmp_path, change, "too-many-files-per-dir")]


def test_small_files_do_not_count_against_the_gigabyte(tmp_path):
    sizes = {f"data/{number}.csv": Blank(TEN_MB) for number in range(200)}

    assert [] == found(tmp_path, sizes, "space-repo-1gb")
    assert found(tmp_path / "more", {f"{n}.csv": Blank(TEN_MB + 1) for n in range(100)}, "space-repo-1gb")


# junk


@pytest.mark.parametrize(
    ("change", "folders"),
    [
        ({"node_modules/a/index.js": "", "node_modules/b/node_modules/c/index.js": ""}, ["node_modules"]),
        ({"web/node_modules/a/index.js": "", "node_modules/b/index.js": ""}, ["node_modules", "web/node_modules"]),
        ({"venv/pyvenv.cfg": "home = /usr/bin\n", "venv/lib/python3/site-packages/a.py": ""}, ["venv"]),
        ({"my_env/pyvenv.cfg": "home = /usr/bin\n"}, ["my_env"]),
        ({"node_modules.md": "", "src/node_modules_list.txt": ""}, []),
        ({"node_modules/a/index.js": "", ".gitignore": "node_modules\n"}, []),
        ({"venv/readme.txt": "a folder of that name\n"}, []),
        ({"__pycache__/main.cpython-313.pyc": b"\0"}, []),
        ({"__pycache__/main.cpython-313.pyc": b"\0", **BARE}, ["__pycache__"]),
        ({"__pycache__/main.cpython-313.pyc": b"\0", ".gitignore": "__pycache__/\n", **BARE}, []),
        ({"a/b.py": "", "a/__pycache__/b.pyc": b"\0", **BARE}, ["a/__pycache__"]),
        ({"a/b.py": "", "a/__pycache__/b.pyc": b"\0", ".gitignore": "*.pyc\n__pycache__", **BARE}, []),
        ({".venv/bin/python": "", **BARE}, [".venv"]),
    ],
)
def test_folders_that_tools_made_are_named_once(change, folders, tmp_path):
    assert folders == [finding.where for finding in found(tmp_path, change, "junk-committed")]


def test_the_line_is_added_to_the_ignore_file_that_is_there(tmp_path):
    change = {**BARE, "__pycache__/main.pyc": b"\0", ".gitignore": "*.log"}
    (finding,) = found(tmp_path, change, "junk-committed")

    assert finding.fix.safe
    assert {".gitignore": b"*.log\n__pycache__/\n"} == finding.fix.files


# pointers


@pytest.mark.parametrize(
    ("change", "is_found"),
    [
        ({"model.bin": POINTER}, True),
        ({"model.bin": POINTER, **BARE}, True),
        ({"model.bin": POINTER, ".gitattributes": f"*.bin {TRACKED}\n"}, True),
        ({"model.bin": POINTER, ".gitattributes": f"*.bin {TRACKED}\n", ".git/HEAD": "", **BARE}, False),
        ({"model.bin": POINTER, ".git/HEAD": "", **BARE}, True),
        ({"model.bin": POINTER.replace("version", "Version")}, False),
        ({"model.bin": "version\n" * 20}, False),
    ],
)
def test_a_pointer_in_place_of_a_file_is_found(change, is_found, tmp_path):
    assert is_found == bool(found(tmp_path, change, "lfs-pointer-in-image"))


def test_several_pointers_are_one_finding(tmp_path):
    (finding,) = found(tmp_path, {"a.bin": POINTER, "b.bin": POINTER}, "lfs-pointer-in-image")

    assert finding.message.startswith("What is in a.bin, b.bin is not what the names say")


# names, .dockerignore, links


def test_names_that_differ_by_case_are_found_once(tmp_path):
    change = {"a/B.txt": "", "a/b.txt": "", "A/c.txt": "", "d/E.txt": "", "D/f.txt": ""}

    assert ["a/B.txt"] == [finding.where for finding in found(tmp_path, change, "names-differ-by-case")]


@pytest.mark.parametrize(
    ("dockerfile", "change", "line"),
    [
        (DOCKERFILE, {}, 8),
        ("FROM python:3.13-slim\nADD . /app\n", {}, 2),
        ('FROM python:3.13-slim\nCOPY ["./", "/app/"]\n', {}, 2),
        ("FROM python:3.13-slim AS one\nFROM one\nCOPY --from=one . .\n", {}, None),
        ("FROM python:3.13-slim\nCOPY src .\n", {}, None),
        (DOCKERFILE, {".dockerignore": ""}, None),
        (DOCKERFILE, {"Dockerfile.dockerignore": ".git\n"}, None),
        ("FORM python\n", {}, None),
    ],
)
def test_copying_everything_without_a_dockerignore_gets_advice(dockerfile, change, line, tmp_path):
    change = {"Dockerfile": dockerfile, ".dockerignore": None, **change}

    assert ([line] if line else []) == [finding.line for finding in found(tmp_path, change, "dockerignore-missing")]


@pytest.mark.parametrize(
    ("change", "is_found"),
    [
        ({"data": links_to("..")}, True),
        ({"data": links_to("nowhere")}, True),
        ({"data": links_to("nowhere"), **BARE}, False),
        ({"static/a.txt": "", "data": links_to("static")}, True),
        ({"copy.py": links_to("main.py")}, False),
        ({"venv/bin/python": links_to("/usr/bin/env")}, False),
        ({"data": links_to(".."), ".gitignore": "data\n"}, False),
    ],
)
def test_a_link_that_is_not_pushed_is_named(change, is_found, tmp_path):
    assert is_found == bool(found(tmp_path, change, "link-not-pushed"))
