"""What is done with an uploaded file: read it, measure each column, relate the columns, and say what stands out."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import polars as pl
from pydantic import BaseModel, Field

from models import Model, Vader
from serving.scratch import scratch
from tables.columns import EXAMPLES, Column, Sentiment, Value, measure
from tables.insights import Insight, insights
from tables.kinds import typed
from tables.reading import ONE_COLUMN, Table, read_table
from tables.relations import Relations, Sample

READING, MEASURING = 0.3, 0.95  # the share of the time after which a step ends, roughly
MOODS, TEXTS = 5, 1000  # the model reads so many columns of texts, and so many texts of each
CHARACTERS = 1000  # of a text
ENGLISH = r"\b(?:the|an?|and|is|was|are|to|of|in|it|i|my|for|this|that|with|not|very|we|you|but)\b"
OTHERS = (
    r"\b(?:der|die|das|und|ist|nicht|ich|ein|le|la|les|des|et|est|une|je|el|los|y|que|en|de|il|di|che|het|een|van)\b"
)
BATCH = 16  # texts; between batches a job can be cancelled

Tell = Callable[[float, str], None]


class File(BaseModel):
    """What was uploaded, and how it was read."""

    name: str
    size: int = Field(description="Bytes")
    rows: int
    columns: int
    encoding: str
    separator: str = Field(description="Between the cells; empty where there is one column")
    notes: list[str] = Field(description="What was odd about the file")


class Duplicates(BaseModel):
    """Rows that repeat an earlier row in every column."""

    count: int
    rows: list[int] = Field(description="The first ones")


class Report(BaseModel):
    """All that was found out."""

    file: File
    insights: list[Insight]
    columns: list[Column]
    relations: Relations
    duplicates: Duplicates
    seconds: float


def analyze(file: Path, name: str, model: Model, tell: Tell) -> Report:
    """The whole way from a file to its report. `tell` may raise to stop it."""
    begun = time.monotonic()
    with scratch() as folder:
        table = read_table(file, folder, lambda share: tell(READING * share, "Reading the file"))
        sample = Sample(table.row_numbers())
        columns = list(_columns(table, sample, model, tell))
        tell(MEASURING, "Looking for relations")
        duplicates = _duplicates(table)
        relations = sample.relations()
    return Report(
        file=_file(name, file, table),
        insights=insights(columns, relations, total=table.rows, duplicates=duplicates.count, first=duplicates.rows),
        columns=columns,
        relations=relations,
        duplicates=duplicates,
        seconds=round(time.monotonic() - begun, 2),
    )


def _columns(table: Table, sample: Sample, model: Model, tell: Tell) -> Iterator[Column]:
    with_mood = 0
    for index, name in enumerate(table.names):
        done = READING + (MEASURING - READING) * index / len(table.names)
        step = f"Column {index + 1} of {len(table.names)}"
        tell(done, step)
        cells = typed(table.column(index), separator=table.separator)
        column = measure(name, cells, table.rows)
        if column.kind == "text" and with_mood < MOODS:
            with_mood += 1
            column.sentiment = _sentiment(cells.values["text"], model, partial(tell, done, step))
        sample.add(column, cells.values)
        yield column


def _sentiment(texts: pl.Series, model: Model, go_on: Callable[[], None]) -> Sentiment | None:
    sample = texts.gather_every(-(-texts.len() // TEXTS)).str.slice(0, CHARACTERS)
    if isinstance(model, Vader) and not _in_english(sample):
        return None
    some = sample.to_list()
    counts: Counter[str] = Counter()
    for start in range(0, len(some), BATCH):
        go_on()
        counts.update(prediction.label for prediction in model.predict(some[start : start + BATCH]))
    labels = [Value(value=label, count=count) for label, count in counts.most_common()]
    return Sentiment(backend=model.name, texts=len(some), labels=labels)


def _in_english(texts: pl.Series) -> bool:
    """Whether they seem to be: to a list of English words "die" and "war" are bad, and other foreign words nothing."""
    lower = texts.str.to_lowercase()
    return int(lower.str.count_matches(ENGLISH).sum()) >= int(lower.str.count_matches(OTHERS).sum())


def _duplicates(table: Table) -> Duplicates:
    repeated = table.hashes().filter(~pl.col("hash").is_first_distinct())["row"]
    return Duplicates(count=repeated.len(), rows=repeated.head(EXAMPLES).to_list())


def _file(name: str, file: Path, table: Table) -> File:
    return File(
        name=name,
        size=file.stat().st_size,
        rows=table.rows,
        columns=len(table.names),
        encoding=table.encoding,
        separator="" if table.separator == ONE_COLUMN else table.separator,
        notes=table.notes,
    )
