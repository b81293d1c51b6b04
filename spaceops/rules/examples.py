"""A good Space, and changes of it: what the examples of the rules are made of."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

GOOD: Mapping[str, str] = {
    "README.md": """\
---
title: Hello
emoji: 👋
colorFrom: blue
colorTo: green
sdk: docker
app_port: 7860
---

# Hello
""",
    "Dockerfile": """\
FROM python:3.13-slim
RUN useradd -m -u 1000 user
USER user
ENV HOME=/home/user PATH=/home/user/.local/bin:$PATH
WORKDIR /home/user/app
COPY --chown=user requirements.txt .
RUN pip install --no-cache-dir -r requirements.txt
COPY --chown=user . .
CMD ["uvicorn", "main:app", "--host", "0.0.0.0", "--port", "7860"]
""",
    ".dockerignore": ".git\n.venv\n**/__pycache__\n",
    "requirements.txt": "fastapi==0.116.1\nuvicorn==0.35.0\n",
    "main.py": '''\
"""Says hello."""

from fastapi import FastAPI

app = FastAPI()


@app.get("/")
def hello() -> dict[str, str]:
    return {"hello": "world"}
''',
    "space.toml": 'repo_id = "acme/hello"\n',
}
# Lines of it, to be replaced, and parts of others.
IMPORT = "from fastapi import FastAPI"
SERVE = 'CMD ["uvicorn", "main:app", "--host", "0.0.0.0", "--port", "7860"]'
PINS = GOOD["requirements.txt"]
NODE_SERVER = 'require("http").createServer((_, answer) => answer.end("hello")).listen(7860, "0.0.0.0");\n'
NODE_SERVE = 'CMD ["node", "server.js"]\n'


@dataclass(frozen=True)
class Blank:
    """A file of so many bytes."""

    size: int


@dataclass(frozen=True)
class Many:
    """A folder with so many empty files."""

    count: int


@dataclass(frozen=True)
class Made:
    """What a function makes at the place, where files cannot say it: a link, a git history."""

    what: str
    by: Callable[[Path], None]

    def __str__(self) -> str:
        return f"({self.what})"


# The new content; what is replaced by what in the good one; a large file; a full folder; what is made; or nothing.
Change = str | bytes | tuple[str, str] | Blank | Many | Made | None


def write(folder: Path, change: Mapping[str, Change]) -> Path:
    """Write the good Space with a change into a folder."""
    for path, content in {**GOOD, **change}.items():
        if content is not None:
            _write_one(folder / path, path, content)
    return folder


def _write_one(place: Path, path: str, content: Change) -> None:
    place.parent.mkdir(parents=True, exist_ok=True)
    if isinstance(content, Made):
        content.by(place)
    elif isinstance(content, Many):
        place.mkdir(exist_ok=True)
        for number in range(content.count):
            (place / f"{number:06}").touch()
    elif isinstance(content, Blank):
        place.touch()
        os.truncate(place, content.size)
    elif isinstance(content, bytes):
        place.write_bytes(content)
    elif content is not None:
        place.write_bytes((content if isinstance(content, str) else _replaced(path, *content)).encode())


def _replaced(path: str, old: str, new: str) -> str:
    if old not in GOOD[path]:
        raise ValueError(f"{path} of the good Space does not hold {old!r}")
    return GOOD[path].replace(old, new)
