"""Commands that mean something else in a build than on this machine: `python -I -S shims.py ENVIRONMENT UV NAME …`.

They stand first on the PATH of builds and apps, so that scripts meet them too. UV is empty where there is no uv.
Standard library only: the interpreter is the server's, started without site-packages.

`pip` is done by uv, which is ten times as fast; what uv does not know or manage, pip does, and its own messages end in
the log. Both work on the environment whose `python` comes first on the PATH, as in a container. `--user` goes where
`PATH=~/.local/bin` and multi-stage Dockerfiles expect it; `--no-cache-dir`, which keeps images small, is not heard.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

USERS = ("useradd", "adduser", "groupadd", "addgroup", "usermod", "userdel", "deluser", "chown", "chgrp", "chpasswd")
CARETAKERS = ("ldconfig", "update-ca-certificates", "locale-gen")
APT = ("apt-get", "apt", "aptitude")
OTHER_MANAGERS = ("apk", "yum", "dnf", "microdnf", "zypper", "pacman", "brew", "snap", "conda", "dpkg", "sudo", "su")
NAMES = ("pip", "pip3", "uv", *USERS, *CARETAKERS, *APT, *OTHER_MANAGERS)

APT_UPKEEP = ("update", "clean", "autoclean", "autoremove", "upgrade", "dist-upgrade", "purge", "remove")
APT_FAILS = 100  # what apt-get exits with
SHELL_EXIT = 127  # what a shell exits with for a command that is not there
PROVIDES = {  # packages of other names than their commands
    "build-essential": ("gcc", "g++", "make"),
    "ca-certificates": (),
    "tesseract-ocr": ("tesseract",),
    "poppler-utils": ("pdftotext",),
    "imagemagick": ("convert",),
    "nodejs": ("node",),
    "procps": ("ps",),
    "python3-venv": (),
    "python3-pip": (),
    "default-jre": ("java",),
}

SAME_IN_UV = ("uninstall", "freeze", "list", "check", "show")
DROPPED = {
    "--no-cache-dir", "--no-cache", "--break-system-packages", "--disable-pip-version-check", "--prefer-binary",
    "--no-warn-script-location", "--no-input", "--no-compile", "--root-user-action=ignore",
}  # fmt: skip
DROPPED_WITH_VALUE = {"--progress-bar", "--timeout", "--default-timeout", "--retries", "--trusted-host"}
KNOWN_TO_UV = {"-U", "--upgrade", "--no-deps", "--pre", "-q", "--quiet", "-v", "--verbose", "--no-index"}
KNOWN_WITH_VALUE = {
    "-r", "--requirement", "-c", "--constraint", "-e", "--editable", "-i", "--index-url", "--extra-index-url", "-f",
    "--find-links", "-t", "--target", "--prefix", "--only-binary", "--no-binary",
}  # fmt: skip


def main(arguments: list[str]) -> int:
    """Do what was asked, in the way of this machine, or say why not."""
    environment, uv, name, *rest = arguments
    if name in ("pip", "pip3"):
        return pip(uv, rest)
    if name == "uv":
        return run_uv(environment, uv, rest)
    if name in USERS:
        return say(f"{name} is skipped: everything runs as the user of this machine who started the Hub")
    if name in CARETAKERS:
        return say(f"{name} is skipped: the system is this machine's own")
    if name in APT:
        return apt(name, rest)
    return say(f"{name} would change this machine itself; that needs a container engine", code=1)


def say(text: str, *, code: int = 0) -> int:
    """Put a note into the log, and return the exit code."""
    print(f"note: {text}", flush=True)  # noqa: T201 - what this program prints is the log
    return code


def apt(name: str, arguments: list[str]) -> int:
    """Skip what this machine has already; fail for the rest."""
    words = [word for word in arguments if not word.startswith("-")] or [""]
    action, packages = words[0], words[1:]
    if action in APT_UPKEEP:
        return say(f"{name} {action} is skipped: the system is this machine's own")
    missing = [package for package in packages if not is_installed(package)]
    if action == "install" and not missing:
        return say(f"{name} install {' '.join(packages)} is skipped: this machine has it")
    what = f"install {' '.join(missing)}" if action == "install" else action
    advice = "install it on this machine, or build where a container engine is"
    return say(f"{name} {what}: this runner installs no system packages; {advice}", code=APT_FAILS)


def is_installed(package: str) -> bool:
    """Whether the machine has a Debian package, or the commands for which people install it."""
    package = package.partition("=")[0]
    if all(shutil.which(command, path=path_without_shims()) for command in PROVIDES.get(package, (package,))):
        return True
    if not shutil.which("dpkg-query"):
        return False
    query = ["dpkg-query", "-W", "-f", "${db:Status-Status}", package]
    return subprocess.run(query, capture_output=True, check=False).stdout.startswith(b"installed")


def first_python() -> str:
    """The interpreter that `python` means behind these shims: the environment's, or that of a venv put before it."""
    return shutil.which("python", path=path_without_shims()) or sys.executable


def path_without_shims() -> str:
    """The PATH from its second entry on."""
    return os.environ.get("PATH", os.defpath).partition(os.pathsep)[2]


def pip(uv: str, arguments: list[str]) -> int:
    """Let uv do it, else pip."""
    python = first_python()
    translated = translate(arguments) if uv else None
    if translated is not None:
        action, *rest = translated
        env = {"UV_INDEX_STRATEGY": "unsafe-best-match", **os.environ}  # as pip: the best version of all indexes
        code = subprocess.call([uv, "pip", action, "--python", python, *rest], env=env)
        if code == 0:
            return 0
        say("uv could not; pip tries, and says why:")
    if not has_pip(python, uv):
        return 1
    kept = [word for word in arguments if word not in DROPPED]
    return subprocess.call([python, "-m", "pip", *without_user(kept)])


def translate(arguments: list[str]) -> list[str] | None:
    """The arguments of pip for `uv pip`; None where pip itself must do it."""
    if arguments[:1] != ["install"]:
        known = arguments[:1] and arguments[0] in SAME_IN_UV and not any(word.startswith("--") for word in arguments)
        return [word for word in arguments if word != "-y"] if known else None
    out = arguments[:1]
    words = iter(without_user(arguments[1:]))
    for word in words:
        flag = word.partition("=")[0]
        if word in DROPPED or (flag in DROPPED_WITH_VALUE and "=" in word):
            continue
        if word in DROPPED_WITH_VALUE:
            next(words, None)
        elif word in KNOWN_WITH_VALUE:
            out += [word, next(words, "")]
        elif not word.startswith("-") or word in KNOWN_TO_UV or flag in KNOWN_WITH_VALUE:
            out.append(word)
        else:
            return None
    return out


def without_user(arguments: list[str]) -> list[str]:
    """`--user` said as a prefix: an environment has no user packages."""
    home = os.environ.get("HOME", "")
    return [word if word != "--user" else f"--prefix={home}/.local" for word in arguments]


def has_pip(python: str, uv: str) -> bool:
    """Whether pip itself is there, not only the stub that calls this program; it is brought there if it can be."""
    if subprocess.call([python, "-c", "import pip._internal"], stderr=subprocess.DEVNULL) == 0:
        return True
    return bool(uv) and subprocess.call([uv, "pip", "install", "-q", "--python", python, "pip"]) == 0


def run_uv(environment: str, uv: str, arguments: list[str]) -> int:
    """Run uv, the image's own if it has one; `--system`, else this machine's Python, means the image's."""
    program = shutil.which("uv", path=path_without_shims())
    if program is None and Path(environment, "uv-is-provided").exists():
        program = uv
    if not program:
        print("uv: not found", file=sys.stderr)  # noqa: T201 - what the shell would say
        return SHELL_EXIT
    kept = [word for word in arguments if word != "--system"]
    of_the_image = {"VIRTUAL_ENV": str(Path(first_python()).parent.parent)} if kept != arguments else {}
    return subprocess.call([program, *kept], env={**os.environ, **of_the_image})


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
