"""Many texts as one job, whose texts wait in the same queue as everybody else's, and its results as a table."""

from __future__ import annotations

import asyncio
import csv
import io
import re
from collections import Counter
from collections.abc import Sequence
from concurrent.futures import CancelledError
from dataclasses import asdict
from pathlib import Path
from statistics import fmean
from typing import Any

from opinions import LABELS, NoOpinion, Verdict
from serving.batching import Batcher, Full
from serving.jobs import Interrupted, Progress, wait_for_model
from serving.loading import Loader

AT_ONCE = 16  # texts; the progress is told in between
FORMULA = re.compile(r"\s*[=+\-@\uff1d\uff0b\uff0d\uff20]")  # as a cell may begin; the last four are the wide ones


class Bulk:
    """The work of the jobs. It runs in their thread and asks through the event loop, where the batcher lives."""

    def __init__(self, loader: Loader, batcher: Batcher[str, Verdict], loop: asyncio.AbstractEventLoop) -> None:
        self._loader, self._batcher, self._loop = loader, batcher, loop

    def __call__(self, params: dict[str, Any], _file: Path | None, progress: Progress) -> dict[str, Any]:
        """Answer every one of `params["texts"]`."""
        texts: list[str] = params["texts"]
        wait_for_model(self._loader, progress)
        rows: list[dict[str, Any]] = []
        while len(rows) < len(texts):
            progress(len(rows) / len(texts), f"{len(rows):,} of {len(texts):,} texts")
            asking = self._rows(texts[len(rows) : len(rows) + AT_ONCE])
            try:
                rows += asyncio.run_coroutine_threadsafe(asking, self._loop).result()
            except CancelledError as error:  # the event loop has ended, and the app with it
                raise Interrupted from error
        return {"summary": summary(rows), "rows": rows}

    async def _rows(self, texts: Sequence[str]) -> list[dict[str, Any]]:
        return list(await asyncio.gather(*(self._row(text) for text in texts)))

    async def _row(self, text: str) -> dict[str, Any]:
        try:
            return {"text": text, "verdict": as_json(await self._verdict(text)), "error": None}
        except NoOpinion as error:
            return {"text": text, "verdict": None, "error": str(error)}

    async def _verdict(self, text: str) -> Verdict:
        while True:
            try:
                return await self._batcher.submit(text, "a job")
            except Full as full:  # a job has time
                await asyncio.sleep(full.retry_after)


def as_json(verdict: Verdict) -> dict[str, Any]:
    """The verdict with each opinion's own label."""
    opinions = [asdict(one) | {"label": one.label, "score": one.score} for one in verdict.opinions]
    return asdict(verdict) | {"opinions": opinions}


def summary(rows: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """How many texts have which label, how many none, and how much the models agree."""
    verdicts = [row["verdict"] for row in rows if row["verdict"]]
    count = Counter(verdict["label"] for verdict in verdicts)
    return {
        "labels": {label: count[label] for label in LABELS},
        "unanswered": len(rows) - len(verdicts),
        "agreement": fmean(verdict["agreement"] for verdict in verdicts) if verdicts else None,
    }


def table(rows: Sequence[dict[str, Any]]) -> str:
    """The rows as CSV for a spreadsheet: the combined answer, then each model's label."""
    answered = [row["verdict"] for row in rows if row["verdict"]]
    models = [one["model"] for one in answered[0]["opinions"]] if answered else []
    out = io.StringIO()
    writer = csv.writer(out)
    writer.writerow(["text", "label", "score", "agreement", *map(harmless, models), "error"])
    for row in rows:
        writer.writerow(cells(row, len(models)))
    return "\ufeff" + out.getvalue()  # by this mark Excel knows that it is UTF-8


def cells(row: dict[str, Any], models: int) -> list[object]:
    """One line of the table."""
    verdict = row["verdict"]
    if verdict is None:
        return [harmless(row["text"]), *[""] * (3 + models), harmless(row["error"])]
    numbers = [f"{verdict[name]:.4f}" for name in ("score", "agreement")]
    return [harmless(row["text"]), verdict["label"], *numbers, *(one["label"] or "" for one in verdict["opinions"]), ""]


def harmless(text: str) -> str:
    """The text as a cell that no spreadsheet takes for a formula: an apostrophe before it says that it is text."""
    return f"'{text}" if FORMULA.match(text) else text
