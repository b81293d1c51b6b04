"""Credentials that everybody could read: in files, in layers of the image, in variables."""

from __future__ import annotations

import re
import struct
from collections.abc import Iterator
from dataclasses import replace
from typing import TYPE_CHECKING

from spaceops.credentials import Credential, find
from spaceops.dockerfile import Instruction, pairs_of
from spaceops.findings import Finding, Fix, Severity
from spaceops.rules import rule
from spaceops.rules.files import BINARY
from spaceops.secretlooks import is_chosen, is_secret_name

if TYPE_CHECKING:
    from spaceops.context import Context

LARGEST_SCANNED = 4 << 20  # bytes of a file that are looked at
HEAD = 1024  # bytes in which a zero byte shows that it is no text
_CODE = re.compile(
    "py|ipynb|[mc]?js|ts|[jt]sx|vue|svelte|html|sh|bash|rb|go|java|kt|php|cs|rs|ya?ml|toml|ini|cfg|conf|properties|json"
)
_FOREIGN = frozenset({"node_modules", "site-packages", "dist-packages", "venv", ".venv", "vendor", ".tox"})
_TRYING = re.compile(
    r"(^|/)(tests?|testdata|fixtures|__tests__|specs?|examples?|docs?)/"
    r"|(^|/)test_[^/]*$|[._-](example|sample|template|test)$"
)

# Made up, and put together here so that nobody who searches this file takes it for a real one.
_TOKEN = "hf_" + "QmTzKvWcRyLpXnGdBsHfJwEaUoVtNiCqZk"


@rule(
    Severity.ERROR,
    bad={"main.py": ("app = FastAPI()", f'TOKEN = "{_TOKEN}"\n\napp = FastAPI()')},
    good={"main.py": ("app = FastAPI()", 'TOKEN = "hf_xxxxxxxxxxxx"\n\napp = FastAPI()')},
)
def secret_in_files(ctx: Context) -> Iterator[Finding]:
    """A token, a password or a private key stands in a file that is pushed, or in a line of the Dockerfile.

    Everybody can read the files of a public Space, and all its earlier versions; what a Dockerfile says with `ENV` or
    `ARG` stays in the image too. Programs find such tokens within minutes, and the Hub tells their issuers. A *secret*
    of the Space reaches the app as an environment variable, and nobody can read it.
    """
    for path, found in _scanned(ctx):
        if severity := _severity(ctx, path, found):
            yield replace(_of_file(ctx, path, found), severity=severity)
    for instruction in ctx.dockerfile.instructions if ctx.dockerfile else ():
        for name, value in _set_in(instruction):
            if is_secret_name(name) and is_chosen(value) and not any(find(value.encode())):
                yield replace(_of_line(instruction, name), severity=Severity.WARNING)


@rule(
    Severity.WARNING,
    bad={".env": f"HF_TOKEN={_TOKEN}\n", ".gitignore": "*.log\n"},
    good={".env": f"HF_TOKEN={_TOKEN}\n", ".gitignore": ".env\n"},
)
def env_file_committed(ctx: Context) -> Iterator[Finding]:
    """A `.env` file lies in the folder, and no `.gitignore` keeps it out.

    spaceops never pushes it, but `git push` and `hf upload` do, and then everybody can read it. Its values belong into
    the Space's secrets: `[secrets]` in space.toml can name the file, `API_KEY = "dotenv:.env#API_KEY"`.
    """
    for path in ctx.source.withheld:
        content = (ctx.source.root / path).read_bytes()[: HEAD * HEAD] if (ctx.source.root / path).is_file() else b""
        names = _secrets_in(content)
        severity = Severity.ERROR if _is_pushed(ctx, path, content) else Severity.WARNING if names else Severity.INFO
        yield replace(_of_env_file(ctx, path, names), severity=severity)


@rule(
    Severity.WARNING,
    bad={
        "Dockerfile": (
            "USER user\n",
            "RUN --mount=type=secret,id=HF_TOKEN cat /run/secrets/HF_TOKEN > /etc/hub-token\nUSER user\n",
        )
    },
    good={
        "Dockerfile": (
            "USER user\n",
            "RUN --mount=type=secret,id=HF_TOKEN HF_TOKEN=$(cat /run/secrets/HF_TOKEN) python --version\nUSER user\n",
        )
    },
)
def secret_in_image_layer(ctx: Context) -> Iterator[Finding]:
    """A `RUN` line writes a secret into a file of the image.

    `--mount=type=secret` shows a secret to one `RUN` and leaves nothing behind. What that line then writes (a copy, a
    login, the address in `.git/config` of a clone) stays in the image, which everybody can download of a public Space.
    """
    for instruction in ctx.dockerfile.instructions if ctx.dockerfile else ():
        text = "\n".join([instruction.args, *(heredoc.content for heredoc in instruction.heredocs)])
        if instruction.keyword == "RUN" and "/run/secrets/" in text and (what := _left_behind(text)):
            yield Finding(
                f"This RUN leaves a secret in the image: {what}",
                hint="Let the command read it from /run/secrets, or from a variable set for that one command;"
                " remove in the same RUN what it wrote.",
                where=f"Dockerfile:{instruction.line}",
            )


@rule(
    Severity.ERROR,
    bad={"space.toml": f'repo_id = "acme/hello"\n\n[variables]\nHUB_TOKEN = "{_TOKEN}"\n'},
    good={
        "space.toml": 'repo_id = "acme/hello"\n\n[variables]\nMAX_TOKENS = "512"\nTOKENIZERS_PARALLELISM = "false"\n'
    },
)
def secret_in_variables(ctx: Context) -> Iterator[Finding]:
    """A credential stands under `[variables]`: variables are no secrets.

    Everybody who sees a Space sees its variables, and whoever duplicates it gets them too. Secrets are written once,
    never shown, and reach the app in the same way, as environment variables.
    """
    for name, value in ctx.space.environment.items():
        found = next(find(value.encode()), None)
        if found is None and not (is_secret_name(name) and is_chosen(value)):
            continue
        is_certain = found is not None and found.is_certain and _is_public(ctx)
        what = found.kind if found else "a password or a key"
        yield Finding(
            f"The variable {name} holds what looks like {what}, and everybody who sees the Space sees its variables",
            hint=f'Write {name} = "env:{name}" under [secrets] instead, export {name} where you deploy'
            + (f", and revoke it if it was ever pushed: {found.revoke}." if found and found.revoke else "."),
            where=ctx.spec_where(name),
            severity=Severity.ERROR if is_certain else Severity.WARNING,
        )


def _scanned(ctx: Context) -> Iterator[tuple[str, Credential]]:
    """What is found in each file that is pushed, each of them read once, and only those that may be text."""
    for path, file in ctx.source.files.items():
        ending = path.rpartition(".")[2]
        if not file.size or f".{ending.lower()}" in BINARY or not _FOREIGN.isdisjoint(path.split("/")):
            continue
        content = file.beginning(LARGEST_SCANNED)
        if b"\0" in content[:HEAD]:
            continue
        for found in find(content, by_name=bool(_CODE.fullmatch(ending))):
            yield path, found


def _severity(ctx: Context, path: str, found: Credential) -> Severity | None:
    """Error for what surely is one and becomes public; nothing for what may be one and belongs to a test."""
    is_tried = bool(_TRYING.search(path))
    if is_tried and not found.is_certain:
        return None
    return Severity.ERROR if found.is_certain and not is_tried and _is_public(ctx) else Severity.WARNING


def _is_public(ctx: Context) -> bool:
    """Whether everybody may read its files; where nobody has said otherwise they may."""
    there = ctx.remote.observed if ctx.remote else None
    return (ctx.space.visibility or (there and there.visibility) or "public") == "public"


def _of_file(ctx: Context, path: str, found: Credential) -> Finding:
    what = found.kind[0].upper() + found.kind[1:] if found.is_certain else f"What looks like {found.kind}"
    shown = f" ({found.start}…)" if found.start else ""
    why = (
        "everybody can read the files of a public Space, and programs search them for such values"
        if _is_public(ctx)
        else "all who may read the Space can read it, and it stays in its history"
    )
    at = f" at {found.revoke}" if found.revoke else ""
    name = found.variable
    return Finding(
        f"{what}{shown} stands in {path}: {why}",
        hint=f"Take it out, let the code read the environment variable {name}, and write under [secrets] in space.toml"
        f' {name} = "env:{name}". Revoke it{at} if it was ever pushed.',
        where=f"{path}:{found.line}",
    )


def _of_line(instruction: Instruction, name: str) -> Finding:
    return Finding(
        f"{instruction.keyword} {name} writes what looks like a password or a key into the Dockerfile and the image:"
        " who can read the Space can read it",
        hint=f'Remove the line, and write under [secrets] in space.toml {name} = "env:{name}":'
        " the running app sees the secret as the same environment variable.",
        where=f"Dockerfile:{instruction.line}",
    )


def _set_in(instruction: Instruction) -> list[tuple[str, str]]:
    """The literal values that ENV and ARG give to names."""
    if instruction.keyword == "ENV":
        pairs = pairs_of(instruction)
    elif instruction.keyword == "ARG" and "=" in instruction.args:
        name, _, value = instruction.args.partition("=")
        pairs = [(name.strip(), value.strip())]
    else:
        return []
    return [(name, value.strip("'\"")) for name, value in pairs if "$" not in value]


def _secrets_in(content: bytes) -> list[str]:
    """The names in a `.env` file whose values look like secrets."""
    names = []
    for line in content.decode(errors="replace").splitlines():
        name, equals, value = line.strip().removeprefix("export ").partition("=")
        value = value.strip().strip("'\"")
        if (
            equals
            and not name.startswith("#")
            and (any(find(value.encode())) or (is_secret_name(name) and is_chosen(value)))
        ):
            names.append(name.strip())
    return names


def _is_pushed(ctx: Context, path: str, content: bytes) -> bool:
    """Whether git has a file with a certain credential, and pushes it to a public Space."""
    git = ctx.source.root / ".git"
    index, config = git / "index", git / "config"
    if not (index.is_file() and config.is_file() and _is_public(ctx)):
        return False
    name = path.encode(errors="surrogateescape")
    entry = struct.pack(">H", min(len(name), 0xFFF)) + name + b"\0"  # an entry of the index ends with length and name
    is_there = entry in index.read_bytes() and re.search(rb"(huggingface\.co|hf\.co)/spaces/", config.read_bytes())
    return bool(is_there) and any(found.is_certain for found in find(content))


def _of_env_file(ctx: Context, path: str, names: list[str]) -> Finding:
    ignore = ctx.text(".gitignore") or ""
    written = f"{ignore}{'' if ignore.endswith(chr(10)) or not ignore else chr(10)}{path.rpartition('/')[2]}\n"
    what = f"{path} holds secrets ({', '.join(names[:3])})" if names else f"{path} is for secrets"
    give = f' Give its values as secrets: [secrets] {names[0]} = "dotenv:{path}#{names[0]}".' if names else ""
    return Finding(
        f"{what}, and no .gitignore names it: spaceops does not push it, but git push and hf upload do",
        hint=f"Write the line {path.rpartition('/')[2]} into .gitignore.{give}",
        where=path,
        fix=Fix.text(".gitignore", written),
    )


_LEFT_BEHIND = (
    (
        re.compile(r"\bgit\s+clone\s[^\n;&|]{0,300}://[^\s]{0,200}\$\(\s*cat\s+/run/secrets/"),
        "git keeps it in .git/config",
    ),
    (re.compile(r"\b(?:hf\s+auth|huggingface-cli|hf)\s+login\b"), "the login is stored below ~/.cache/huggingface"),
    (re.compile(r"\bcat\s+/run/secrets/\S{1,100}\s*>>?\s*(?!/dev/|/run/)\S"), "it is written to a file"),
    (re.compile(r"\bcp\s[^\n;&|]{0,100}/run/secrets/\S{1,100}\s+(?!/dev/|/run/)\S"), "it is copied to a file"),
)


def _left_behind(text: str) -> str | None:
    """What of a secret stays in the image after a RUN; nothing where it cleans up after itself."""
    if re.search(r"\brm\s|\blogout\b|set-url", text):
        return None
    return next((what for pattern, what in _LEFT_BEHIND if pattern.search(text)), None)
