"""Answers `pip` and `uv` in a build: `python -I -S pip_shim.py ENVIRONMENT UV (pip | uv) ARGUMENT…`.

`pip install` is done by uv, which is ten times as fast; what uv does not know or manage, pip does itself, and its own
messages end in the log. `--user` goes where `PATH=~/.local/bin` and multi-stage Dockerfiles expect it; caches of the
machine are used in spite of `--no-cache-dir`, which only keeps images small. `uv --system` would mean this machine's
Python, so uv is pointed to the image's environment. UV is empty where there is no uv. Standard library only.
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

DROPPED = {
    "--no-cache-dir", "--no-cache", "--break-system-packages", "--disable-pip-version-check", "--prefer-binary",
    "--no-warn-script-location", "--no-input", "--no-compile", "--root-user-action=ignore", "--system",
}  # fmt: skip
DROPPED_WITH_VALUE = {"--progress-bar", "--timeout", "--default-timeout", "--retries", "--trusted-host"}
KNOWN_TO_UV = {"-U", "--upgrade", "--no-deps", "--pre", "-q", "--quiet", "-v", "--verbose", "--no-index"}
KNOWN_WITH_VALUE = {
    "-r", "--requirement", "-c", "--constraint", "-e", "--editable", "-i", "--index-url", "--extra-index-url", "-f",
    "--find-links", "-t", "--target", "--prefix", "--only-binary", "--no-binary",
}  # fmt: skip


def main(arguments: list[str]) -> int:
    """Do what was asked of pip or uv."""
    environment, uv, name, *rest = arguments
    python = f"{environment}/bin/python"
    if name == "uv":
        return ask_uv(environment, uv, rest)
    translated = translate(rest) if uv else None
    if translated is not None:
        code = subprocess.call([uv, "pip", "install", "--python", python, *translated])
        if code == 0 or not has_pip(python, uv):
            return code
        print("note: uv could not, so pip tries and says why:", flush=True)  # noqa: T201 - this is the build log
    elif not has_pip(python, uv):
        return 1
    return subprocess.call([python, "-m", "pip", *without_user([word for word in rest if word not in DROPPED])])


def translate(arguments: list[str]) -> list[str] | None:
    """The arguments of `pip install` for `uv pip install`; None where pip itself must do it."""
    if arguments[:1] != ["install"]:
        return None
    out: list[str] = []
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
    """Whether pip is in the environment; it is brought there if it can be."""
    if subprocess.call([python, "-c", "import pip"], stderr=subprocess.DEVNULL) == 0:
        return True
    return bool(uv) and subprocess.call([uv, "pip", "install", "-q", "--python", python, "pip"]) == 0


def ask_uv(environment: str, uv: str, arguments: list[str]) -> int:
    """Run uv, the image's own if it has one, on the image's environment."""
    own = Path(environment, "bin/uv")
    if not own.exists() and not (uv and Path(environment, "uv-is-provided").exists()):
        print("uv: not found", file=sys.stderr)  # noqa: T201 - what the shell would say
        return 127
    program = str(own) if own.exists() else uv
    return subprocess.call([program, *[word for word in arguments if word != "--system"]])


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
