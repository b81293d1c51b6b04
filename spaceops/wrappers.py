"""Commands that only start another: `exec`, `env`, `tini --`, `gosu user`, `uv run` and the like."""

from __future__ import annotations

import re
import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

from spaceops.shell import SHELLS

_ASSIGNMENT = re.compile(r"[A-Za-z_][A-Za-z0-9_]*=")


@dataclass(frozen=True)
class Wrapper:
    """How a wrapping command is written."""

    with_value: frozenset[str] = frozenset()  # options that take a word
    positional: int = 0  # words before the command
    runs_python: bool = False  # it runs `x.py` and `-m x` itself
    is_user: bool = False  # the first positional word is who runs it
    user: str | None = None  # who runs it where nothing says so
    finds: bool = True  # whether the command is looked for on PATH as usual


def _wrapper(options: str = "", **facts: object) -> Wrapper:
    return Wrapper(frozenset(options.split()), **facts)  # type: ignore[arg-type]


_UV = (
    "--with --with-requirements --with-editable --extra --group --only-group --python -p --env-file --directory "
    "--project --package --index --index-url --default-index --no-group --no-extra --config-file --link-mode"
)
_PLAIN = "nohup setsid unbuffer catchsegv command builtin time catatonit my_init ddtrace-run numactl setpriv chronic"
_ENTRYPOINTS = (  # of well-known images: they start what they are given
    "docker-entrypoint.sh docker-php-entrypoint nvidia_entrypoint.sh _entrypoint.sh"
)

WRAPPERS: Mapping[str, Wrapper] = {
    **dict.fromkeys(_PLAIN.split(), Wrapper()),
    **dict.fromkeys(_ENTRYPOINTS.split(), Wrapper()),
    "exec": _wrapper("-a"),
    "nice": _wrapper("-n"),
    "ionice": _wrapper("-c -n"),
    "stdbuf": _wrapper("-i -o -e"),
    "taskset": _wrapper(positional=1),
    "chroot": _wrapper(positional=1, finds=False),
    "timeout": _wrapper("-k -s", positional=1),
    "tini": _wrapper("-p -e"),
    "tini-static": _wrapper("-p -e"),
    "docker-init": _wrapper(),
    "dumb-init": _wrapper("-r --rewrite"),
    "gosu": _wrapper(positional=1, is_user=True),
    "su-exec": _wrapper(positional=1, is_user=True),
    "sudo": _wrapper("-u -g -h -C", user="root"),
    "runuser": _wrapper("-u -g"),
    "xvfb-run": _wrapper("-s -n -e -f -w -l"),
    "cross-env": _wrapper(),
    "dotenvx run": _wrapper("-f"),
    "dotenv run": _wrapper("-f"),
    "doppler run": _wrapper("-p -c -t"),
    "newrelic-admin run-program": _wrapper(),
    "uv run": _wrapper(_UV, runs_python=True, finds=False),
    "poetry run": _wrapper(finds=False),
    "pipenv run": _wrapper(finds=False),
    "pdm run": _wrapper("-p", finds=False),
    "rye run": _wrapper(finds=False),
    "conda run": _wrapper("-n -p --name --prefix --cwd", finds=False),
    "mamba run": _wrapper("-n -p --name --prefix --cwd", finds=False),
    "micromamba run": _wrapper("-n -p --name --prefix --cwd", finds=False),
    "bundle exec": _wrapper(finds=False),
    "npx": _wrapper("-p --package", finds=False),
    "bunx": _wrapper(finds=False),
    "npm exec": _wrapper(finds=False),
    "pnpm exec": _wrapper(finds=False),
    "pnpm dlx": _wrapper(finds=False),
    "yarn exec": _wrapper(finds=False),
    "accelerate launch": _wrapper("--num_processes --mixed_precision --config_file", runs_python=True),
}


@dataclass(frozen=True)
class Unwrapped:
    """What a wrapping command starts."""

    words: tuple[str, ...]
    env: Mapping[str, str] = field(default_factory=dict)
    user: str | None = None
    folder: str | None = None  # where it goes before
    shell: str | None = None  # the text of `su -c`
    finds: bool = True


def unwrap(words: Sequence[str]) -> Unwrapped | None:
    """What a command starts; None where it wraps nothing."""
    name = words[0].rpartition("/")[2]
    if name == "env":
        return _env(words[1:])
    if name == "command" and words[1:2] in (("-v",), ("-V",)):
        return None  # it only asks
    if name in ("su", "runuser") and any(option in words for option in ("-c", "--command")):
        return _su(words)
    for count in (2, 1):
        wrapper = WRAPPERS.get(" ".join((name, *words[1:count])))
        if wrapper and len(words) > count:
            return _unwrapped(wrapper, words[count:])
    return None


def innermost(words: Sequence[str]) -> Unwrapped:
    """What is left of a command without wrappers that only start what is on PATH; itself where there are none."""
    found = Unwrapped(tuple(words))
    while found.words and (inner := unwrap(found.words)) is not None and inner.finds and inner.shell is None:
        found = replace(inner, env={**found.env, **inner.env}, user=inner.user or found.user)
    return found


def given_to_shell(words: Sequence[str]) -> tuple[bool, tuple[str, ...]] | None:
    """What a shell runs: whether that is a text (`-c`), and the text or file with its arguments; None of no shell."""
    name = words[0].rpartition("/")[2]
    if name != "busybox" and name not in SHELLS:
        return None
    rest = list(words[2:] if name == "busybox" else words[1:])
    is_text = False
    while rest and rest[0][:1] in ("-", "+") and len(rest[0]) > 1:
        option = rest.pop(0)
        is_text |= not option.startswith("--") and "c" in option
        if option in ("-o", "+o", "-O", "+O", "--rcfile", "--init-file") and rest:
            rest.pop(0)
    return is_text, tuple(rest)


def _unwrapped(wrapper: Wrapper, words: Sequence[str]) -> Unwrapped | None:
    options, rest = _after_options(words, wrapper.with_value)
    user = options.get("-u") or (rest[0] if wrapper.is_user and rest else wrapper.user)
    rest = rest[wrapper.positional :]
    env, rest = _assignments(rest)
    if wrapper.runs_python and "-m" in options:
        rest = ("python", "-m", *rest)
    elif wrapper.runs_python and rest and rest[0].endswith(".py"):
        rest = ("python", *rest)
    folder = options.get("--directory") or options.get("--cwd")
    return Unwrapped(tuple(rest), env, user, folder, finds=wrapper.finds) if rest else None


def _after_options(words: Sequence[str], with_value: frozenset[str]) -> tuple[dict[str, str], tuple[str, ...]]:
    """The options with their values, and what follows them."""
    options = dict[str, str]()
    at = 0
    while at < len(words) and words[at].startswith("-"):
        word = words[at]
        at += 1
        if word in ("--", "-m"):
            options[word] = ""
            break
        name, equals, value = word.partition("=")
        if word in with_value and at < len(words):
            value = words[at]
            at += 1
        options[name if equals or word in with_value else word] = value
    return options, tuple(words[at:])


def _assignments(words: Sequence[str]) -> tuple[dict[str, str], tuple[str, ...]]:
    """The `NAME=value` words that a command begins with, and the rest."""
    env = dict[str, str]()
    for number, word in enumerate(words):
        if not _ASSIGNMENT.match(word):
            return env, tuple(words[number:])
        name, _, value = word.partition("=")
        env[name] = value
    return env, ()


def _env(words: Sequence[str]) -> Unwrapped | None:
    if len(words) > 1 and words[0] in ("-S", "--split-string"):
        return _env((*split(words[1]), *words[2:]))
    options, rest = _after_options(words, frozenset({"-u", "-C"}))
    env, rest = _assignments(rest)
    return Unwrapped(rest, env, folder=options.get("-C")) if rest else None


def _su(words: Sequence[str]) -> Unwrapped | None:
    """`su [-] USER -c TEXT`, in any order."""
    text, users, rest = None, list[str](), iter(words[1:])
    for word in rest:
        if word in ("-c", "--command"):
            text = next(rest, None)
        elif word in ("-s", "--shell", "-g"):
            next(rest, None)
        elif not word.startswith("-"):
            users.append(word)
    return Unwrapped((), {}, users[0] if users else "root", shell=text) if text is not None else None


def split(text: str) -> tuple[str, ...]:
    """The words of a command line that no shell reads; the text in white space where quotes do not close."""
    try:
        return tuple(shlex.split(text))
    except ValueError:
        return tuple(text.split())
