"""The files: what the Hub refuses to take, what should not be there, and what is missing."""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from spaceops.files import LARGEST_PLAIN_FILE
from spaceops.findings import Finding, Fix, Severity
from spaceops.ignorerules import Rules
from spaceops.rules import rule
from spaceops.rules.examples import Blank, Made, Many
from spaceops.rules.gitfacts import Attributes, is_pushed_to_the_hub, unpushed, with_removed_file

if TYPE_CHECKING:
    from spaceops.context import Context

MOST_ENTRIES = 10_000  # in a folder; source: the Hub's documentation
LARGEST_SPACE = 1_000_000_000  # bytes that a Space may keep in large files
NAMED = 3  # files that a sentence names
MOST_READ = 200  # files that are looked into, and folders
LOOKED_AT = 8000  # bytes; git calls a file binary by a NUL among these
POINTER_SIZES = range(120, 200)  # bytes
POINTER = b"version https://git-lfs.github.com/spec/v1\n"
_MEGABYTE = 1_000_000
_BINARY = (
    ".png .jpg .jpeg .gif .webp .ico .bmp .tif .tiff .pdf .woff .woff2 .ttf .otf .eot .mp3 .wav .ogg .flac .m4a .mp4 "
    ".mov .avi .webm .mkv .zip .gz .tgz .bz2 .xz .zst .7z .rar .tar .whl .jar .war .class .so .dll .dylib .exe .bin "
    ".dat .pkl .pickle .joblib .npy .npz .pt .pth .ckpt .onnx .h5 .hdf5 .pb .tflite .safetensors .gguf .ggml .parquet "
    ".arrow .feather .db .sqlite .sqlite3 .wasm .docx .xlsx .pptx .pyc .keras .mo .model .traineddata"
)
BINARY = frozenset(_BINARY.split())  # endings of the names of files that are no text
_UPLOAD = "Upload with `spaceops deploy` or `hf upload`, which do it right"
_JUNK = {
    "node_modules": "the packages that npm installed",
    "bower_components": "the packages that bower installed",
    "site-packages": "the packages that pip installed",
    ".tox": "the environments of tox",
    ".nox": "the environments of nox",
    ".gradle": "the cache of gradle",
    ".terraform": "the cache of terraform",
}
_LEFT_BY_PYTHON = ("__pycache__", ".venv", ".ipynb_checkpoints", ".pytest_cache", ".mypy_cache", ".ruff_cache")


def _named(paths: Iterable[str]) -> str:
    """Some of the paths, and how many more there are."""
    paths = list(paths)
    rest = f" and {len(paths) - NAMED} more" if len(paths) > NAMED else ""
    return ", ".join(paths[:NAMED]) + rest


def _megabytes(size: int) -> str:
    return f"{size / _MEGABYTE:,.0f} MB"


@rule(
    Severity.ERROR,
    bad={"Dockerfile": None, "dockerfile": "FROM python:3.13-slim\n"},
    good={"docker/Dockerfile": "FROM python:3.13-slim\n"},
)
def app_file_missing(ctx: Context) -> Iterator[Finding]:
    """A Docker Space is built from a file that is named exactly `Dockerfile`, with a capital D and nothing behind it,
    in the top folder of the Space. Without it the Space stops with "No application file".
    """
    sdk = ctx.card.sdk if ctx.card else None
    if "Dockerfile" in ctx.source.files or (sdk not in (None, "docker") and not ctx.has_spec):
        return
    severity = None if ctx.has_spec or sdk == "docker" else Severity.WARNING
    if (ctx.source.root / "Dockerfile").is_file() and _cased(ctx) is None:
        said = "The Dockerfile is left out of what is pushed, and the Hub builds the Space from it"
        hint = "Take Dockerfile out of .gitignore, .hfignore or `exclude`."
        yield Finding(said, hint=hint, where="Dockerfile", severity=severity)
        return
    other = _cased(ctx) or next(_elsewhere(ctx), None)
    said = "There is no file named exactly Dockerfile in the top folder, and the Hub builds the Space from it"
    if other is None:
        hint = "Write one; `spaceops new PATH` makes an example."
        yield Finding(said, hint=hint, where="Dockerfile", severity=severity)
        return
    content = ctx.content(other)
    fix = None if content is None else Fix({other: None, "Dockerfile": content}, safe=other.lower() == "dockerfile")
    move = f"git mv {other} Dockerfile"
    yield Finding(f"{said}; it is {other}", hint=f"Move it: {move}", where=other, severity=severity, fix=fix)


def _cased(ctx: Context) -> str | None:
    return next((path for path in ctx.source.files if path != "Dockerfile" and path.lower() == "dockerfile"), None)


def _elsewhere(ctx: Context) -> Iterator[str]:
    """What may have been meant for the Dockerfile, the likeliest first."""
    names = [path for path in ctx.source.files if path.count("/") < 2]
    yield from (path for path in names if re.fullmatch(r"(?i)dockerfile\.(txt|docker|hf|huggingface|spaces?)", path))
    yield from (path for path in names if path.lower() == "containerfile" or path.endswith("/Dockerfile"))
    yield from (path for path in names if re.fullmatch(r"(?i)dockerfile\.\w+|\w+\.dockerfile", path))


@rule(
    Severity.WARNING,
    bad={"space.toml": None, "static/photo.png": b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR"},
    good={
        "space.toml": None,
        "static/photo.png": b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR",
        ".gitattributes": "*.png filter=lfs diff=lfs merge=lfs -text\n",
    },
)
def binary_file_rejected(ctx: Context) -> Iterator[Finding]:
    """The Hub refuses a `git push` with files that are no text, such as images, fonts, archives and models, whatever
    their size, unless git-lfs or git-xet handles them. `spaceops deploy` and `hf upload` send them the right way.
    """
    if ctx.has_spec:
        return
    attributes = _attributes(ctx)
    small = (path for path, file in ctx.source.files.items() if file.size <= LARGEST_PLAIN_FILE)
    kinds = [path for path in small if _ending(path).lower() in BINARY]
    found = [path for path in kinds[:MOST_READ] if not attributes.is_lfs(path) and _is_binary(ctx, path)]
    if found:
        globs = sorted({f'"*{_ending(path)}"' for path in found})
        yield Finding(
            f"A plain `git push` of {_named(found)} will be refused: they are no text"
            if len(found) > 1
            else f"A plain `git push` of {found[0]} will be refused: it is no text",
            hint=f"{_UPLOAD}; or, before the commit: git lfs track {' '.join(globs)}",
            where=found[0],
        )


def _ending(path: str) -> str:
    name = path.rpartition("/")[2]
    return f".{name.rpartition('.')[2]}" if "." in name else name


def _is_binary(ctx: Context, path: str) -> bool:
    return b"\0" in ctx.source.files[path].beginning(LOOKED_AT)


def _attributes(ctx: Context) -> Attributes:
    """The `.gitattributes` files that count."""
    paths = [path for path in ctx.source.files if path.rpartition("/")[2] == ".gitattributes"]
    return Attributes({path.rpartition("/")[0]: ctx.text(path) or "" for path in paths[:MOST_READ]})


@rule(
    Severity.WARNING,
    bad={"space.toml": None, "model.gguf": Blank(LARGEST_PLAIN_FILE + 1)},
    good={"model.gguf": Blank(LARGEST_PLAIN_FILE + 1)},
)
def file_over_10mb(ctx: Context) -> Iterator[Finding]:
    """The Hub refuses a `git push` with files of more than 10 MiB, unless git-lfs or git-xet handles them.
    `spaceops deploy` and `hf upload` send them the right way.
    """
    large = [path for path, file in ctx.source.files.items() if file.size > LARGEST_PLAIN_FILE]
    if ctx.has_spec or not large:
        return
    attributes = _attributes(ctx)
    found = [path for path in large if not attributes.is_lfs(path)]
    if found:
        size = ctx.source.files[found[0]].size
        said = f"A plain `git push` of {_named(found)} will be refused: files of more than 10 MiB need git-lfs"
        yield Finding(
            f"{said} ({_megabytes(size)})" if len(found) == 1 else said,
            hint=f'{_UPLOAD}; or, before the commit: git lfs track "{found[0]}"',
            where=found[0],
        )


def _forgotten(place: Path) -> None:
    with_removed_file(place, LARGEST_PLAIN_FILE + 1)


@rule(
    Severity.WARNING,
    bad={"space.toml": None, ".git": Made("a commit of a large file, and one that removes it", _forgotten)},
    good={".git": Made("a commit of a large file, and one that removes it", _forgotten)},
)
def history_has_blob(ctx: Context) -> Iterator[Finding]:
    """A `git push` sends the whole history. A large file that was committed once and deleted later is still in it, and
    the Hub refuses the push because of it.
    """
    if ctx.has_spec or not is_pushed_to_the_hub(ctx.source.root):
        return
    attributes = _attributes(ctx)
    blobs = (blob for blob in unpushed(ctx.source.root) if blob.size > LARGEST_PLAIN_FILE)
    found = sorted({blob.path for blob in blobs if blob.path not in ctx.source.files or attributes.is_lfs(blob.path)})
    if found:
        yield Finding(
            f"Commits that are not pushed yet hold {_named(found)}, of more than 10 MiB: the Hub will refuse the push",
            hint=f"Take it out of the history: git filter-repo --invert-paths --path {found[0]}; or use `hf upload`.",
            where=found[0],
        )


@rule(
    Severity.ERROR,
    bad={"data": Many(MOST_ENTRIES + 1)},
    good={"data/one": Many(MOST_ENTRIES // 2), "data/two": Many(MOST_ENTRIES // 2 + 1)},
)
def too_many_files_per_dir(ctx: Context) -> Iterator[Finding]:
    """The Hub takes at most 10,000 files and folders in one folder, and refuses a push with more."""
    counts = _entries(ctx.source.files) if len(ctx.source.files) > MOST_ENTRIES else Counter[str]()
    for folder, count in counts.items():
        if count > MOST_ENTRIES:
            name = f"{folder}/" if folder else "the top folder"
            said = f"The Hub refuses {name} with {count:,} files and folders in it: 10,000 are allowed"
            hint = "Spread them over folders, pack them into one archive, or keep them in a dataset on the Hub."
            yield Finding(said, hint=hint, where=folder or ".")


def _entries(paths: Iterable[str]) -> Counter[str]:
    """How many files and folders there are in each folder."""
    counts: Counter[str] = Counter()
    seen: set[str] = set()
    for path in paths:
        folder = path.rpartition("/")[0]
        counts[folder] += 1
        while folder and folder not in seen:
            seen.add(folder)
            folder = folder.rpartition("/")[0]
            counts[folder] += 1
    return counts


@rule(
    Severity.WARNING,
    bad={"weights.bin": Blank(LARGEST_SPACE + 1)},
    good={"weights.bin": Blank(LARGEST_SPACE)},
)
def space_repo_1gb(ctx: Context) -> Iterator[Finding]:
    """A Space's repository holds at most 1 GB of large files, and its history counts. Models and data belong into
    repositories or a bucket of their own, from which the app downloads or mounts them.
    """
    large = {path: file.size for path, file in ctx.source.files.items() if file.size > LARGEST_PLAIN_FILE}
    if sum(large.values()) > LARGEST_SPACE:
        largest = max(large, key=lambda path: large[path])
        yield Finding(
            f"The large files are {_megabytes(sum(large.values()))} together, more than the 1 GB that a Space may hold",
            hint=f"Keep {largest} in a model or dataset repository, or in a bucket: hf upload owner/name {largest}",
            where=largest,
        )


@rule(
    Severity.WARNING,
    bad={"node_modules/left-pad/index.js": "module.exports = 1\n"},
    good={"node_modules/left-pad/index.js": "module.exports = 1\n", ".gitignore": "node_modules/\n"},
)
def junk_committed(ctx: Context) -> Iterator[Finding]:
    """Folders that tools make (`node_modules`, a virtual environment, `__pycache__`) do not belong into the Space: they
    are large, were made for another machine, and the `Dockerfile` makes them anew. A line in `.gitignore` keeps them
    out.
    """
    for folder, what in sorted({**_junk(ctx), **_left_by_python(ctx)}.items()):
        pattern = f"{folder.rpartition('/')[2]}/"
        ignored = ctx.text(".gitignore") or ""
        content = f"{ignored}{'' if ignored.endswith(chr(10)) or not ignored else chr(10)}{pattern}\n"
        yield Finding(
            f"The folder {folder} would be pushed: {what}",
            hint=f"Add the line {pattern} to .gitignore; if git has it already: git rm -r --cached {folder}",
            where=folder,
            fix=Fix.text(".gitignore", content, safe=folder.endswith("__pycache__")),
        )


def _junk(ctx: Context) -> dict[str, str]:
    """The outermost folders among the files that some tool made, with what they are."""
    found = {}
    names = re.compile(rf"(?:^|.*?/)({'|'.join(map(re.escape, _JUNK))})(?=/)")
    for path in ctx.source.files:
        if match := names.match(path):
            found[match[0]] = _JUNK[match[1]]
        elif path.endswith("/pyvenv.cfg"):
            found[path.removesuffix("/pyvenv.cfg")] = "a virtual environment of Python"
    outermost = {folder for folder in found if not any(folder.startswith(f"{other}/") for other in found)}
    return {folder: found[folder] for folder in outermost}


def _left_by_python(ctx: Context) -> dict[str, str]:
    """What spaceops itself never pushes but git does; the first folder of each name."""
    if ctx.has_spec:
        return {}
    ignored = Rules.read(ctx.content(".gitignore") or b"")
    folders = sorted({path.rpartition("/")[0] for path in ctx.source.files if path.endswith((".py", ".ipynb"))} | {""})
    found: dict[str, str] = {}
    for name in _LEFT_BY_PYTHON:
        places = (f"{folder}/{name}".lstrip("/") for folder in folders[:MOST_READ])
        place = next((place for place in places if (ctx.source.root / place).is_dir()), None)
        if place and not ignored.covers(f"{place}/any"):
            found[place] = "it holds what Python and its tools left there"
    return found


@rule(
    Severity.WARNING,
    bad={"model.bin": POINTER.decode() + f"oid sha256:{'a' * 64}\nsize 123456\n"},
    good={"notes.txt": POINTER.decode() + "is how a pointer of git-lfs begins. " * 10},
)
def lfs_pointer_in_image(ctx: Context) -> Iterator[Finding]:
    """Git LFS keeps large files elsewhere, and in their place a pointer of three lines. If the files were never
    fetched, that pointer is what ends up in the image, and the app fails to load it ("invalid load key, 'v'").
    """
    small = [path for path, file in ctx.source.files.items() if file.size in POINTER_SIZES]
    found = [path for path in small[: 10 * MOST_READ] if _is_pointer(ctx, path)]
    if found and not ctx.has_spec and (ctx.source.root / ".git").exists():
        attributes = _attributes(ctx)  # then git itself sends what they stand for, or the Hub has it
        found = [path for path in found if not attributes.is_lfs(path)]
    if found:
        is_one = len(found) == 1
        yield Finding(
            f"What is in {_named(found)} is not what the name{'' if is_one else 's'} say{'s' if is_one else ''}, "
            "but the pointer that git-lfs keeps in place of it",
            hint="Fetch the contents: git lfs pull; in GitHub Actions: `lfs: true` of actions/checkout.",
            where=found[0],
        )


def _is_pointer(ctx: Context, path: str) -> bool:
    return ctx.source.files[path].beginning(POINTER_SIZES.stop).startswith(POINTER)


@rule(
    Severity.INFO,
    bad={"static/Logo.svg": "<svg/>\n", "static/logo.svg": "<svg/>\n"},
    good={"static/Logo.svg": "<svg/>\n", "images/logo.svg": "<svg/>\n"},
)
def names_differ_by_case(ctx: Context) -> Iterator[Finding]:
    """For the Hub and in the image `Logo.svg` and `logo.svg` are two files; on Windows and macOS they are one, and
    whoever clones the Space there gets only one of them.
    """
    same: defaultdict[str, list[str]] = defaultdict(list)
    for path in ctx.source.files:
        if not path.islower():
            same[path.lower()].append(path)
    for lower, paths in same.items():
        paths += [lower] if lower in ctx.source.files else []
        if len(paths) > 1:
            said = f"The names {' and '.join(sorted(paths)[:NAMED])} differ only in capital letters"
            yield Finding(said, hint="Rename one of them.", where=min(paths))


@rule(
    Severity.INFO,
    bad={".dockerignore": None},
    good={".dockerignore": "*.md\n"},
)
def dockerignore_missing(ctx: Context) -> Iterator[Finding]:
    """`COPY . .` takes all files of the folder into the image, also the history of git, virtual environments and
    `.env` files of whoever builds it at home. A file `.dockerignore` names what stays out.
    """
    names = (".dockerignore", "Dockerfile.dockerignore")
    if ctx.dockerfile is None or any((ctx.source.root / name).is_file() for name in names):
        return
    for instruction in ctx.dockerfile.instructions:
        words = instruction.exec or tuple(instruction.args.split())
        takes_all = instruction.keyword in ("COPY", "ADD") and instruction.flag("from") is None
        if takes_all and any(word in (".", "./", "/") for word in words[:-1]):
            yield Finding(
                f"All files are taken into the image by `{instruction}`, and no .dockerignore leaves any out",
                hint="Write a file .dockerignore with the lines .git, .venv, .env and **/__pycache__",
                where=f"Dockerfile:{instruction.line}",
                fix=Fix.text(".dockerignore", ".git\n.venv\n.env\n**/__pycache__\n", safe=False),
            )
            return


@rule(
    Severity.WARNING,
    bad={"data": Made("a link to ../data", lambda place: place.symlink_to("../data"))},
    good={"hello.py": Made("a link to main.py", lambda place: place.symlink_to("main.py"))},
)
def link_not_pushed(ctx: Context) -> Iterator[Finding]:
    """A symbolic link is pushed as the file that it leads to. One that leads out of the folder, to a folder or to
    nothing is left out, and the app does not find it.
    """
    missed = [path for path in ctx.source.skipped if not _is_inner(path)]
    if missed and ctx.has_spec:
        said = f"What {_named(missed)} leads to is not pushed: a link to a folder, out of the Space, or to nothing"
        yield Finding(said, hint="Put a copy of what it leads to in its place.", where=missed[0])


def _is_inner(path: str) -> bool:
    """Whether a tool made the link for itself."""
    return any(part in _JUNK or part in _LEFT_BY_PYTHON or part in ("venv", "env") for part in path.split("/"))
