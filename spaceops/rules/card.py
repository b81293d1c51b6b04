"""README.md's front matter as a whole: whether the Hub finds it, can read it, and takes the Space for a Docker one."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import replace
from typing import TYPE_CHECKING

from spaceops.card import FENCE, FrontMatter, Problem
from spaceops.findings import Finding, Fix, Severity
from spaceops.rules import rule
from spaceops.rules.cardfields import SDKS, meant
from spaceops.rules.frontmatter import README, edit, is_whole, quoted, shown, value_of, where

if TYPE_CHECKING:
    from spaceops.context import Context

_BLOCK = f"{FENCE}\ntitle: My app\nsdk: docker\n{FENCE}\n"
_LEAST = "Begin README.md with four lines: `---`, `title: My app`, `sdk: docker`, `---`."
_HEADING = re.compile(r"^#[ \t]+(\S.*)$", re.MULTILINE)
_COMMENT = re.compile(r"\s*(?:<!--(?:(?!-->).)*-->\s*)*", re.DOTALL)
_LINE = re.compile(
    r"(?P<key>[ \t]*(?:-[ \t]+)?[\w.-]+[ \t]*:[ \t]+)(?P<value>[^\r\n]*?)(?P<rest>(?:[ \t]#[^\r\n]*)?\s*)"
)


@rule(Severity.ERROR, bad={"README.md": "# Hello\n\nSays hello.\n"}, good={"README.md": "---\nsdk: docker\n---\n"})
def front_matter_missing(ctx: Context) -> Iterator[Finding]:
    """The Hub reads what kind of Space this is from a block of YAML at the very top of `README.md`, between two lines
    of three dashes. Without it, or without `sdk` in it, the Space stops with "Missing configuration in README" before
    anything is built. This happens most often when the README of a GitHub repository is pushed over it.
    """
    if _misplaced(ctx) or _is_utf16(ctx):
        return
    front, content = ctx.front_matter, ctx.content(README)
    if front and (front.problem or front.fields.get("sdk") is not None):
        return
    if front:
        fix = Fix.text(README, front.with_block(f"sdk: docker{front.newline}{front.block}"), safe=False)
        said = "README.md does not say which kind of Space this is: its front matter has no `sdk`"
        yield Finding(said, hint="Add the line: sdk: docker", where=f"{README}:{front.first_line}", fix=fix)
    elif content is not None:
        yield replace(_no_block(content.decode(errors="replace")), where=f"{README}:1")
    elif README not in ctx.source.files:
        yield _no_readme(ctx)


def _no_block(text: str) -> Finding:
    """What is said of a README.md without a front matter."""
    if text.startswith(FENCE) and re.match(r"---[ \t]*\r?\n[^\n]*:", text):
        said = "The front matter of README.md is never closed, so the Hub does not see it"
        return Finding(said, hint="Put a line with three dashes, ---, below its last `key: value` line.")
    said = "README.md has no front matter, so the Hub does not know that this is a Docker Space"
    heading = _HEADING.search(text)
    block = _BLOCK.replace("My app", quoted(heading[1].strip()) if heading else "My app")
    fix = None if not is_whole(text) or "\0" in text else Fix.text(README, f"{block}\n{text.lstrip()}", safe=False)
    return Finding(said, hint=_LEAST, fix=fix)


def _no_readme(ctx: Context) -> Finding:
    if (ctx.source.root / README).exists():
        said = "README.md is left out of what is pushed, and the Hub reads there which kind of Space this is"
        return Finding(said, hint="Take README.md out of .gitignore, .hfignore or `exclude`.", where=README)
    said = "There is no README.md, and the Hub reads there which kind of Space this is"
    return Finding(said, hint=_LEAST, where=README, fix=Fix.text(README, _BLOCK, safe=False))


def _misplaced(ctx: Context) -> str | None:
    """The file that has another case, or lies deeper, and was meant to be README.md."""
    if README in ctx.source.files or (ctx.source.root / README).exists():
        return None
    cased = [path for path in ctx.source.files if path.lower() == "readme.md"]
    deeper = [path for path in (".github/README.md", "docs/README.md", "app/README.md") if path in ctx.source.files]
    texts = {path: ctx.text(path) or "" for path in (*cased, *deeper)}
    return next((path for path, text in texts.items() if FrontMatter.anywhere(text)), None)


@rule(
    Severity.ERROR,
    bad={"README.md": "# Hello\n\n---\ntitle: Hello\nsdk: docker\n---\n"},
    good={"README.md": "---\ntitle: Hello\nsdk: docker\n---\n\n---\nmore\n---\n"},
)
def front_matter_not_first(ctx: Context) -> Iterator[Finding]:
    """The front matter counts only if the file `README.md`, in the top folder and named exactly so, begins with it:
    its first three characters must be dashes. A heading, a comment or a code fence above it hides it from the Hub; so
    may a blank line or the invisible mark (BOM) that some editors for Windows write.
    """
    if path := _misplaced(ctx):
        hint = f"Move it: git mv {path} README.md"
        yield Finding(f"The front matter is in {path}; the Hub reads only README.md", hint=hint, where=path)
    front = ctx.front_matter
    if front is None or not front.before:
        return
    what, severity = _in_front(front.before)
    yield Finding(
        f"The front matter of README.md must be its very first lines, but {what} it",
        hint="Make the line --- the first of the file.",
        where=f"{README}:{1 if severity else front.first_line}",
        severity=severity,
        fix=_moved_up(front),
    )


def _in_front(before: str) -> tuple[str, Severity | None]:
    """What stands above the front matter, and how bad that is: the Hub may look over white space."""
    if not before.strip("\ufeff \t\r\n"):
        mark = before.startswith("\ufeff")
        return ("an invisible byte order mark (BOM) precedes" if mark else "a blank line precedes"), Severity.WARNING
    if before.rstrip().splitlines()[-1].lstrip().startswith("```"):
        return "a code fence (```) surrounds", None
    return ("a comment precedes" if before.lstrip("\ufeff \t\r\n").startswith("<!--") else "text precedes"), None


def _moved_up(front: FrontMatter) -> Fix | None:
    """The block at the top, and below it what stood above it; safe where that is but space and comments."""
    above = front.before.lstrip("\ufeff")
    if not is_whole(front.text) or above.rstrip().endswith(("```", "```yaml", "```yml")):
        return None
    rest = f"{front.newline}{above.strip()}{front.newline}" if above.strip() else ""
    block = front.text[front.start : front.after]
    found = _COMMENT.match(above)
    safe = found is not None and found.end() == len(above) and not front.problem
    return Fix.text(README, block + rest + front.text[front.after :], safe=safe)


@rule(
    Severity.ERROR,
    bad={"README.md": ("title: Hello", "title: Hello: the app")},
    good={"README.md": ("title: Hello", "title: 'Hello: the app' # the title")},
)
def front_matter_yaml_error(ctx: Context) -> Iterator[Finding]:
    """The front matter is YAML: one `key: value` on each line. A value with a colon and a space in it, or one that
    begins with a sign such as `@`, `*`, `[` or a backtick, must stand in quotes; a key may be there only once; tabs
    cannot indent. The Hub refuses a push with anything else.
    """
    front = ctx.front_matter
    problem = front.problem if front else None
    if front is None or problem is None or not (problem.certain or front.fields):
        return
    line = front.first_line + (problem.line or 1)
    has_tabs = not problem.certain
    fix = _without_tabs(front) if has_tabs else _requoted(front, problem.line)
    yield Finding(
        f"The front matter of README.md {_plainly(problem, _is_indented(front, problem))}",
        hint="Take away the space or tab at the beginning of the line."
        if _is_indented(front, problem)
        else _advice(front, problem.line, str(problem), fix, has_tabs=has_tabs),
        where=f"{README}:{line}",
        severity=Severity.WARNING if has_tabs else None,
        fix=fix,
    )


def _is_indented(front: FrontMatter, problem: Problem) -> bool:
    """Whether the parser stumbles over a `key:` that stands further right than the line before it."""
    lines = front.block.splitlines()
    at = (problem.line or 1) - 1
    is_it = "mapping values are not allowed" in problem.text and 0 < at < len(lines)
    return is_it and lines[at][:1] in (" ", "\t") and lines[at - 1][:1] not in (" ", "\t", "")


def _plainly(problem: Problem, is_indented: bool) -> str:
    """The parser's words in plain ones, where it is clear what they mean."""
    if key := re.search(r'duplicate key "(.{1,60}?)"', problem.text):
        return f"sets {key[1]} twice, which the Hub refuses"
    if is_indented:
        return "cannot be read: a line is indented, and so taken for more of the value above it"
    if "mapping values are not allowed" in problem.text:
        return "cannot be read: a value has a colon and a space in it and stands without quotes"
    if sign := re.search(r"found character '(.{1,4}?)' that cannot start", problem.text):
        what = "there is a tab" if sign[1] == "\\t" else f"a value begins with {sign[1]} and stands without quotes"
        return f"may not be read: {what}" if what.endswith("tab") else f"cannot be read: {what}"
    return problem.text


def _advice(front: FrontMatter, line: int | None, said: str, fix: Fix | None, *, has_tabs: bool) -> str:
    """The edit that mends a block."""
    if has_tabs:
        return "Write spaces instead of the tab."
    if "duplicate key" in said:
        return "Remove one of the two lines with that key."
    if fix and line:
        content = fix.files[README] or b""
        return f"Put the value in quotes: {content.decode().splitlines()[front.first_line + line - 1].strip()}"
    return "Write `key: value` lines; put a value with `: `, `#`, or a sign at its beginning into double quotes."


def _without_tabs(front: FrontMatter) -> Fix | None:
    return None if not is_whole(front.text) else Fix.text(README, front.with_block(front.block.replace("\t", " ")))


def _requoted(front: FrontMatter, number: int | None) -> Fix | None:
    """The fix that quotes the value on a line of the block, if that line was all that was wrong, or the first thing."""
    lines = front.block.splitlines(keepends=True)
    found = _LINE.fullmatch(lines[number - 1]) if number and number <= len(lines) else None
    if found is None or number is None or not is_whole(front.text) or not found["value"]:
        return None
    lines[number - 1] = found["key"] + quoted(found["value"], always=True) + found["rest"]
    mended = front.with_block("".join(lines))
    left = FrontMatter.anywhere(mended)
    is_better = left and (left.problem is None or (left.problem.line or 0) > number)
    return Fix.text(README, mended) if is_better else None


def _is_utf16(ctx: Context) -> bool:
    return (ctx.content(README) or b"").startswith((b"\xff\xfe", b"\xfe\xff"))


@rule(
    Severity.WARNING,
    bad={"README.md": "---\ntitle: Caf\u00e9\nsdk: docker\n---\n".encode("latin-1"), "space.toml": None},
    good={"README.md": ("title: Hello", "title: Caf\u00e9")},
)
def readme_not_utf8(ctx: Context) -> Iterator[Finding]:
    """The Hub reads `README.md` as UTF-8, the usual way to store text. In a file that some other program saved as
    UTF-16 (PowerShell's `>` does) it finds no front matter at all; in one of another encoding, letters with accents
    come out wrong.
    """
    content = ctx.content(README)
    if content is None:
        return
    if _is_utf16(ctx):
        fix = Fix.text(README, content.decode("utf-16", errors="replace"))
        said = "README.md is stored as UTF-16, and the Hub finds no front matter in it"
        yield Finding(said, hint="Save it as UTF-8 without BOM.", where=README, severity=Severity.ERROR, fix=fix)
    elif (line := _first_bad_line(content)) is not None:
        severity = Severity.ERROR if ctx.has_spec else None  # the push by spaceops stops at it
        said = f"README.md is not UTF-8 text: line {line} has bytes that are no letters in it"
        yield Finding(said, hint="Save it as UTF-8 in your editor.", where=f"{README}:{line}", severity=severity)


def _first_bad_line(content: bytes) -> int | None:
    try:
        content.decode()
    except UnicodeDecodeError as error:
        return content.count(b"\n", 0, error.start) + 1
    return None


@rule(
    Severity.ERROR,
    bad={"README.md": ("sdk: docker", "sdk: flask")},
    good={"README.md": ("sdk: docker", "sdk: 'docker'")},
)
def sdk_invalid(ctx: Context) -> Iterator[Finding]:
    """`sdk` says how the Hub runs the Space: `docker` (your Dockerfile), `gradio` or `static` (plain web pages).
    Nothing else is taken; `streamlit` was withdrawn in 2025, and a Streamlit app runs in a Docker Space.
    """
    sdk = value_of(ctx, "sdk")
    if sdk is None or sdk in SDKS:
        return
    cased = isinstance(sdk, str) and sdk.strip().lower() in SDKS
    old = sdk == "streamlit" and not ctx.has_spec and _runs_without_docker(ctx)
    said = f'README.md says sdk: {shown(sdk)}, but "sdk" must be one of [{", ".join(SDKS)}]'
    yield Finding(
        f"{said}; the Streamlit SDK was withdrawn in 2025" if sdk == "streamlit" else said,
        hint="Write sdk: docker; the app then runs as your Dockerfile says.",
        where=where(ctx, "sdk"),
        severity=Severity.WARNING if cased or old else None,
        fix=edit(ctx, "sdk", sdk.strip().lower()) if cased else edit(ctx, "sdk", "docker", safe=False),
    )


def _runs_without_docker(ctx: Context) -> bool:
    """Whether the files are there that a Space of another SDK runs."""
    usual = "index.html" if value_of(ctx, "sdk") == "static" else "app.py"
    return (value_of(ctx, "app_file") or usual) in ctx.source.files or bool(value_of(ctx, "app_build_command"))


@rule(
    Severity.ERROR,
    bad={"README.md": ("sdk: docker", "sdk: gradio")},
    good={"README.md": ("title: Hello", "title: gradio")},
)
def sdk_not_docker(ctx: Context) -> Iterator[Finding]:
    """With `sdk: gradio` or `sdk: static` the Hub does not look at the `Dockerfile`: it runs `app.py`, or shows
    `index.html`. What spaceops deploys are Docker Spaces, with `sdk: docker`.
    """
    sdk = value_of(ctx, "sdk")
    if sdk not in ("gradio", "static"):
        return
    has_dockerfile = "Dockerfile" in ctx.source.files
    severity = Severity.WARNING if has_dockerfile else Severity.INFO
    if ctx.has_spec or (has_dockerfile and not _runs_without_docker(ctx)):
        severity = Severity.ERROR
    what = "the Hub ignores the Dockerfile" if has_dockerfile else "this is no Docker Space"
    fix = edit(ctx, "sdk", "docker", safe=False) if has_dockerfile else None
    hint = "To run the Dockerfile, write sdk: docker; else this check has little to say about it."
    yield Finding(
        f"README.md says sdk: {sdk}, so {what}", hint=hint, where=where(ctx, "sdk"), severity=severity, fix=fix
    )


@rule(
    Severity.INFO,
    bad={"README.md": ("title: Hello\n", "")},
    good={"README.md": ("title: Hello", "title: 'Hello'")},
)
def title_missing(ctx: Context) -> Iterator[Finding]:
    """`title` is what people see on the Space's page and in searches. Without it they see the repository's name."""
    if ctx.card and value_of(ctx, "sdk") is not None and value_of(ctx, "title") in (None, ""):
        yield Finding("README.md gives the Space no title", hint="Add a line: title: My app", where=where(ctx, "title"))


@rule(
    Severity.WARNING,
    bad={"README.md": ("app_port", "app-port")},
    good={"README.md": ("app_port: 7860", "app_port: 7860\nlibrary_name: hello")},
)
def front_matter_key_misspelt(ctx: Context) -> Iterator[Finding]:
    """The Hub ignores keys of the front matter that it does not know, and keys are spelt with care: `app_port`,
    `colorFrom`, `short_description`. A misspelt one has no effect, and the default holds.
    """
    front = ctx.front_matter
    if front is None:
        return
    for key, entry in front.entries.items():
        if (known := meant(key)) and known not in front.entries:
            start = front.text.rfind(key, 0, entry.start)
            mended = front.text[:start] + known + front.text[start + len(key) :]
            fix = Fix.text(README, mended) if is_whole(mended) else None
            said = f"The Hub does not know the key {key!r}; it is spelt {known}"
            yield Finding(said, hint=f"Write {known} instead.", where=where(ctx, key), fix=fix)
