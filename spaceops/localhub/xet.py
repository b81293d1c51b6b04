"""Xet, the Hub's way for large files: blocks of chunks come in (xorbs), then recipes that make files of them (shards).

A file is put together when its recipe arrives and becomes a large file like any other, so that plain downloads, git-lfs
and builds all see its bytes; and every large file, however it came, can be had by Xet. Blocks belong to one repository,
like its files, and are kept: a client sends no block again that it remembers to have sent to the repository's address.
"""

from __future__ import annotations

import re
import shutil
from collections import OrderedDict
from typing import IO, TYPE_CHECKING, BinaryIO, NamedTuple, Self

from spaceops.localhub import shards, xorbs
from spaceops.localhub.lfs import Arriving
from spaceops.localhub.xorbs import Malformed

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping
    from pathlib import Path
    from sqlite3 import Connection
    from types import TracebackType

    from spaceops.localhub.lfs import LargeFiles
    from spaceops.localhub.shards import Recipe, Term
    from spaceops.localhub.store import Repo
    from spaceops.localhub.xorbs import Chunk

HASH = re.compile(r"[0-9a-f]{64}")
MOST_OPEN = 16  # blocks at once while files are made of them
ROOM = 1 << 30  # bytes that stay free on the disk
SCHEMA = """
CREATE TABLE IF NOT EXISTS xet_files (
    repo TEXT NOT NULL REFERENCES repos (id) ON DELETE CASCADE, hash TEXT NOT NULL, sha256 TEXT NOT NULL,
    PRIMARY KEY (repo, hash)
);
CREATE INDEX IF NOT EXISTS xet_files_by_sha256 ON xet_files (repo, sha256);
"""


class Block(NamedTuple):
    """A block that is being read, and where its chunks are."""

    file: BinaryIO
    chunks: list[Chunk]


class Blocks:
    """The blocks of one repository while files are made of them; the last few stay open."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._open: OrderedDict[str, Block] = OrderedDict()

    def read(self, term: Term) -> Iterator[bytes]:
        """The chunks of a term. Raises `Malformed`."""
        block = self._open.get(term.xorb) or self._opened(term.xorb)
        self._open.move_to_end(term.xorb)
        chunks = block.chunks[term.start : term.end]
        if len(chunks) < term.end - term.start or sum(chunk.unpacked for chunk in chunks) != term.size:
            raise Malformed(f"The block {term.xorb} has no chunks up to {term.end}, or of other sizes")
        return (xorbs.content(block.file, chunk) for chunk in chunks)

    def _opened(self, name: str) -> Block:
        if len(self._open) == MOST_OPEN:
            self._open.popitem(last=False)[1].file.close()
        try:
            file = (self._folder / name).open("rb")
        except FileNotFoundError as error:
            raise Malformed(f"There is no block {name}") from error
        self._open[name] = Block(file, xorbs.index(file))
        return self._open[name]

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None) -> None:
        for block in self._open.values():
            block.file.close()


class Xet:
    """The blocks of all repositories, and the hashes that their large files have in Xet.

    What asks the database is quick and is the loop's; what reads and writes files blocks.
    """

    def __init__(self, db: Connection, large_files: LargeFiles) -> None:
        self._db, self._large_files = db, large_files
        self._db.executescript(SCHEMA)

    def incoming(self) -> Arriving:
        """Begin to receive a block or a shard; use it in a `with` block."""
        return Arriving(self._large_files.arriving)

    def keep(self, repo: Repo, name: str, arrived: Arriving) -> bool:
        """Store a block that arrived; False if it was here already. Blocks; raises `Malformed`."""
        arrived.file.flush()
        xorbs.index(arrived.file)
        target = self._blocks(repo) / name
        new = not target.exists()
        arrived.move(target)
        return new

    def assemble(self, repo: Repo, shard: IO[bytes]) -> dict[str, str]:
        """Make the files of a shard; returns their sha256 by their hashes, for `remember`. Blocks.

        The files of a repository must have the sha256 that the shard says; a bucket's shard says none.
        Raises `WrongContent` and its kind `Malformed`.
        """
        made = {}
        with Blocks(self._blocks(repo)) as blocks:
            for recipe in shards.recipes(shard):
                if recipe.sha256 is None and repo.kind != "bucket":
                    raise Malformed("A file without its sha256")
                made[recipe.hash] = self._make(repo, shard, recipe, blocks)
        return made

    def _make(self, repo: Repo, shard: IO[bytes], recipe: Recipe, blocks: Blocks) -> str:
        if recipe.sha256 and self._large_files.size(repo, recipe.sha256) is not None:
            return recipe.sha256
        _check_room(sum(term.size for term in shards.terms(shard, recipe)), self._large_files.arriving)
        with self._large_files.incoming() as file:
            for term in shards.terms(shard, recipe):
                for chunk in blocks.read(term):
                    file.write(chunk)
            oid = recipe.sha256 or file.oid
            file.keep(self._large_files.path(repo, oid), oid)
        return oid

    def _blocks(self, repo: Repo) -> Path:
        return self._large_files.folder(repo) / "xorbs"

    def remember(self, repo: Repo, sha256s: Mapping[str, str]) -> None:
        """Enter the hashes under which a repository's files are known to Xet, each with the sha256 of the file."""
        with self._db:
            self._db.execute("BEGIN")
            rows = [(repo.id, name, oid) for name, oid in sha256s.items()]
            self._db.executemany("INSERT OR REPLACE INTO xet_files VALUES (?, ?, ?)", rows)

    def names(self, repo: Repo) -> Callable[[str], str | None]:
        """What tells the hash in Xet of a repository's large file by its sha256, or None if the file is not here.

        Those that came this way have the hash that came with them; for all others their sha256 does. It may be asked
        beside the loop.
        """
        rows = self._db.execute("SELECT sha256, hash FROM xet_files WHERE repo = ?", (repo.id,))
        known: dict[str, str] = dict(rows.fetchall())

        def name(oid: str) -> str | None:
            return known.get(oid, oid) if self._large_files.size(repo, oid) is not None else None

        return name

    def name(self, repo: Repo, oid: str) -> str | None:
        """The same for one file, on the loop."""
        row = self._db.execute("SELECT hash FROM xet_files WHERE repo = ? AND sha256 = ?", (repo.id, oid)).fetchone()
        name = str(row[0]) if row else oid
        return name if self._large_files.size(repo, oid) is not None else None

    def share(self, source: Repo, target: Repo, oids: Iterable[str]) -> None:
        """Let files that were given to another repository have the same hashes there; `oids` are their sha256."""
        query = "INSERT OR REPLACE INTO xet_files SELECT ?, hash, sha256 FROM xet_files WHERE repo = ? AND sha256 = ?"
        with self._db:
            self._db.execute("BEGIN")
            self._db.executemany(query, [(target.id, source.id, oid) for oid in oids])

    def content(self, repo: Repo, name: str) -> Path | None:
        """The large file of a repository or bucket that has this hash in Xet, None if there is none.

        It is never changed where it lies: copy it, or link it where nobody writes to it.
        """
        if not HASH.fullmatch(name):
            return None
        row = self._db.execute("SELECT sha256 FROM xet_files WHERE repo = ? AND hash = ?", (repo.id, name)).fetchone()
        file = self._large_files.path(repo, str(row[0]) if row else name)
        return file if file.exists() else None


def _check_room(size: int, folder: Path) -> None:
    if size > shutil.disk_usage(folder).free - ROOM:
        raise Malformed(f"There is no room for a file of {size} bytes")
