"""Which Python an image means, what stands before it on the PATH, and what a build is lent."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from spaceops.localhub.runners import BuildFailed
from spaceops.localhub.runners.environments import (
    SHIMS,
    Tools,
    base_python,
    find_python,
    find_uv,
    lent_to_builds,
    make_environment,
    search_path,
    user_packages,
    version_of,
    wanted_python,
)
from spaceops.localhub.runners.paths import ImagePaths
from spaceops.localhub.runners.shims import NAMES, SHELL_EXIT, translate

RUNNING = f"{sys.version_info.major}.{sys.version_info.minor}"


@pytest.mark.parametrize(
    ("base", "version", "with_uv"),
    [
        ("python", None, False),
        ("python:latest", None, False),
        ("python:3", None, False),
        ("python:3.12", "3.12", False),
        ("python:3.9.18-slim-bookworm", "3.9", False),
        ("python:2.7-alpine", "2.7", False),
        ("docker.io/python:3.11", "3.11", False),
        ("docker.io/library/python:3.11", "3.11", False),
        ("public.ecr.aws/docker/library/python:3.11", "3.11", False),
        ("python:3.11@sha256:" + "0" * 64, "3.11", False),
        ("ghcr.io/astral-sh/uv:python3.12-bookworm-slim", "3.12", True),
        ("ghcr.io/astral-sh/uv:0.8.3-python3.11-alpine", "3.11", True),
    ],
)
def test_official_python_images_have_a_version(base: str, version: str | None, with_uv: bool) -> None:
    assert wanted_python(base) == (version, with_uv)


@pytest.mark.parametrize(
    "base",
    [
        "ubuntu:24.04",
        "node:22",
        "scratch",
        "acme/python:3.11",
        "quay.io/python:3.11",
        "ghcr.io/astral-sh/uv:latest",
        "pypy:3",
    ],
)
def test_no_other_image_is_taken_for_python(base: str) -> None:
    with pytest.raises(BuildFailed, match="container engine"):
        wanted_python(base)


@pytest.mark.parametrize("tag", ["3.1", "3.0", "4.0", "3.99", "1.5"])
def test_a_version_that_never_had_an_image_is_not_found(tag: str) -> None:
    with pytest.raises(BuildFailed, match=rf"^docker\.io/library/python:{tag}: not found$"):
        wanted_python(f"python:{tag}")


def test_the_running_python_stands_in_for_versions_that_are_not_here() -> None:
    assert version_of(find_python(None)) == RUNNING
    assert version_of(find_python(RUNNING)) == RUNNING
    assert version_of(find_python("2.7")) in ("2.7", RUNNING)


def tools(folder: Path) -> Tools:
    return Tools(base_python(), str(SHIMS), str(folder / "env"), find_uv() or "")


def test_an_environment_has_python_and_the_shims(tmp_path: Path) -> None:
    make_environment(tmp_path, find_python(None), tools(tmp_path), with_uv=False)
    names = {path.name for path in (tmp_path / "shims").iterdir()}
    assert names == set(NAMES)
    assert {"pip", "uv", "apt-get", "useradd", "chown", "sudo"} <= names
    prefix = subprocess.run(
        [tmp_path / "env/bin/python", "-c", "import sys; print(sys.prefix)"], capture_output=True, text=True, check=True
    )
    assert prefix.stdout.strip() == str(tmp_path / "env")


def test_a_python_that_makes_no_environment_fails_the_build(tmp_path: Path) -> None:
    with pytest.raises(BuildFailed, match="makes no environment"):
        make_environment(tmp_path, str(tmp_path / "no-such-python"), tools(tmp_path), with_uv=False)


def test_nothing_of_the_users_path_is_searched(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "/home/somebody/bin:/usr/bin")
    paths = ImagePaths(Path("/build"), {"/home/user"})
    found = search_path(paths, "/home/user/.local/bin:/usr/local/bin:/usr/bin").split(":")
    assert found[:4] == ["/build/shims", "/build/root/home/user/.local/bin", "/build/env/bin", "/usr/bin"]
    assert "/home/somebody/bin" not in found


def test_packages_of_the_user_are_found_by_python_path(tmp_path: Path) -> None:
    paths = ImagePaths(tmp_path)
    assert user_packages(paths, "/home/user", None) == {}
    assert user_packages(paths, "/home/user", "/x") == {"PYTHONPATH": "/x"}
    packages = tmp_path / "root/home/user/.local/lib/python3.11/site-packages"
    packages.mkdir(parents=True)
    assert user_packages(paths, "/home/user", None) == {"PYTHONPATH": str(packages)}
    assert user_packages(paths, "/home/user", "/x") == {"PYTHONPATH": f"/x:{packages}"}


def test_builds_get_indexes_proxies_and_certificates_and_nothing_else() -> None:
    wanted = {"PIP_INDEX_URL": "i", "UV_DEFAULT_INDEX": "i", "HTTPS_PROXY": "p", "SSL_CERT_FILE": "c"}
    lent = lent_to_builds(
        {"HOME": "/nowhere", "PATH": "/bin", "HF_TOKEN": "hf_x", "AWS_SECRET": "x", "PYTHONPATH": "/x"}
        | {"UV_SYSTEM_PYTHON": "1", "PIP_TARGET": "/x", "NO_PROXY": "example.org,localhost"}
        | wanted
    )
    assert lent == wanted | {
        "NO_PROXY": "example.org,localhost,127.0.0.1",
        "no_proxy": "127.0.0.1,localhost",
        "UV_CACHE_DIR": "/nowhere/.cache/uv",
        "PIP_CACHE_DIR": lent["PIP_CACHE_DIR"],
        "UV_COMPILE_BYTECODE": "1",
        "UV_PYTHON_DOWNLOADS": "never",
    }


def test_the_users_settings_of_pip_and_uv_are_named_though_home_is_another(tmp_path: Path) -> None:
    for name in ("pip/pip.conf", "uv/uv.toml"):
        (tmp_path / ".config" / name).parent.mkdir(parents=True)
        (tmp_path / ".config" / name).touch()
    lent = lent_to_builds({"HOME": str(tmp_path), "UV_CACHE_DIR": "/mine"})
    assert lent["PIP_CONFIG_FILE"] == str(tmp_path / ".config/pip/pip.conf")
    assert lent["UV_CONFIG_FILE"] == str(tmp_path / ".config/uv/uv.toml")
    assert lent["UV_CACHE_DIR"] == "/mine"


@pytest.mark.parametrize(
    ("arguments", "translated"),
    [
        ("install x", "install x"),
        ("install --no-cache-dir --upgrade -r requirements.txt", "install --upgrade -r requirements.txt"),
        ("install --root-user-action=ignore --progress-bar off -U pip", "install -U pip"),
        ("install --timeout=100 --retries 5 --trusted-host h x", "install x"),
        (
            "install --index-url https://i --extra-index-url=https://j x",
            "install --index-url https://i --extra-index-url=https://j x",
        ),
        ("install -e .[test]", "install -e .[test]"),
        ("install --user x", "install --prefix=/home/u/.local x"),
        ("install --use-deprecated=legacy-resolver x", None),
        ("install --report r x", None),
        ("uninstall -y x", "uninstall x"),
        ("freeze", "freeze"),
        ("list --format json", None),
        ("download x", None),
        ("--version", None),
        ("", None),
    ],
)
def test_what_uv_does_for_pip(monkeypatch: pytest.MonkeyPatch, arguments: str, translated: str | None) -> None:
    monkeypatch.setenv("HOME", "/home/u")
    found = translate(arguments.split())
    assert (None if found is None else " ".join(found)) == translated


@pytest.mark.parametrize(
    ("command", "code", "said"),
    [
        (["useradd", "-m", "user"], 0, "note: useradd is skipped"),
        (["chown", "-R", "user:user", "/app"], 0, "note: chown is skipped"),
        (["ldconfig"], 0, "note: ldconfig is skipped"),
        (["apt-get", "-y", "update"], 0, "note: apt-get update is skipped"),
        (["apt", "install", "-y", "ca-certificates", "git=1:2.39"], 0, "this machine has it"),
        (
            ["apt-get", "install", "no-such-package-1", "git"],
            100,
            "note: apt-get install no-such-package-1: this runner",
        ),
        (["apt-get", "source", "git"], 100, "note: apt-get source: this runner"),
        (["sudo", "apt-get", "update"], 1, "note: sudo would change this machine itself"),
        (["uv", "sync"], SHELL_EXIT, "uv: not found"),
    ],
)
def test_commands_that_mean_something_else_here(tmp_path: Path, command: list[str], code: int, said: str) -> None:
    make_environment(tmp_path, find_python(None), tools(tmp_path), with_uv=False)
    env = {"PATH": f"{tmp_path}/shims:/usr/bin:/bin", "HOME": os.environ["HOME"]}
    words = [str(tmp_path / "shims" / command[0]), *command[1:]]
    done = subprocess.run(words, capture_output=True, text=True, check=False, env=env)
    assert done.returncode == code
    assert said in done.stdout + done.stderr
