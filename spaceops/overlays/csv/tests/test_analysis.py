"""The whole way from a file to its report."""

from __future__ import annotations

import json
import random
from pathlib import Path

import pytest

from models import Prediction
from serving.jobs import Unusable
from tables.analysis import BATCH, MOODS, TEXTS, Report, analyze

EXAMPLE = Path(__file__).parents[1] / "static" / "example.csv"


class Counting:
    """A model that counts what it reads, and takes long texts for bad ones."""

    name, device = "counting", "cpu"

    def __init__(self) -> None:
        self.texts: list[str] = []

    def load(self) -> None:
        pass

    def predict(self, texts):
        assert len(texts) <= BATCH
        self.texts += texts
        return [Prediction("NEGATIVE" if len(text) > 60 else "POSITIVE", 0.9) for text in texts]


class Steps:
    """What was told, in order."""

    def __init__(self) -> None:
        self.told: list[tuple[float, str]] = []

    def __call__(self, share: float, step: str) -> None:
        self.told.append((share, step))


def table(path: Path, columns: int, rows: int) -> Path:
    chance = random.Random(7)
    words = ["good", "bad", "and", "the", "a", "coffee", "cake", "waiter", "place"]
    lines = [";".join(" ".join(chance.choices(words, k=9)) for _ in range(columns)) for _ in range(rows)]
    path.write_text("\n".join([";".join(f"text {n}" for n in range(columns)), *lines]), "utf-8")
    return path


def test_the_example_is_worth_looking_at():
    report = analyze(EXAMPLE, "coffee.csv", Counting(), Steps())

    assert ("coffee.csv", 103, 9, "utf-8", ",") == (
        report.file.name, report.file.rows, report.file.columns, report.file.encoding, report.file.separator
    )  # fmt: skip
    assert ["identifier", "date", "category", "category", *["number"] * 4, "text"] == [
        one.kind for one in report.columns
    ]
    assert {"quality", "value", "relation", "time", "text"} == {insight.about for insight in report.insights}
    assert (1, [73]) == (report.duplicates.count, report.duplicates.rows)


def test_a_report_survives_json():
    report = analyze(EXAMPLE, "coffee.csv", Counting(), Steps())

    stored = json.dumps(report.model_dump(mode="json"), allow_nan=False)

    assert report.model_dump(mode="json") == Report.model_validate_json(stored).model_dump(mode="json")


def test_progress_goes_on_and_names_each_column():
    steps = Steps()

    analyze(EXAMPLE, "coffee.csv", Counting(), steps)

    shares = [share for share, _ in steps.told]
    assert shares == sorted(shares)
    assert 0 <= shares[0] and shares[-1] <= 1
    assert [f"Column {n} of 9" for n in range(1, 10)] == list(
        dict.fromkeys(step for _, step in steps.told if "Col" in step)
    )


@pytest.mark.parametrize("last", ["Column 3 of 9", "Column 9 of 9", "Looking for relations"])
def test_it_stops_when_progress_says_so_and_leaves_nothing_behind(last, tmp_path, monkeypatch):
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))

    def stop(_share: float, step: str) -> None:
        if step == last:
            raise InterruptedError

    with pytest.raises(InterruptedError):
        analyze(EXAMPLE, "coffee.csv", Counting(), stop)
    assert [] == list(tmp_path.glob("*/*"))


def test_the_model_reads_texts_spread_over_the_file(tmp_path):
    model = Counting()

    report = analyze(table(tmp_path / "a.csv", 1, 2500), "a.csv", model, Steps())

    lines = (tmp_path / "a.csv").read_text().splitlines()[1:]
    assert TEXTS / 2 < len(model.texts) <= TEXTS
    assert model.texts[0] == lines[0]
    assert lines.index(model.texts[-1]) > 2400
    sentiment = report.columns[0].sentiment
    assert ("counting", len(model.texts)) == (sentiment.backend, sentiment.texts)
    assert sentiment.texts == sum(label.count for label in sentiment.labels)


def test_between_two_batches_of_the_model_it_can_be_stopped(tmp_path):
    model, steps = Counting(), Steps()

    analyze(table(tmp_path / "a.csv", 1, 320), "a.csv", model, steps)

    assert 320 / BATCH < [step for _, step in steps.told].count("Column 1 of 1")


def test_of_many_columns_of_text_the_model_reads_some(tmp_path):
    report = analyze(table(tmp_path / "a.csv", MOODS + 2, 30), "a.csv", Counting(), Steps())

    assert [True] * MOODS + [False] * 2 == [bool(column.sentiment) for column in report.columns]


def test_a_long_text_is_cut_for_the_model(tmp_path):
    model = Counting()
    (tmp_path / "a.csv").write_text("text;n\n" + "".join(f"{'word ' * 2000}{n};{n}\n" for n in range(20)))

    analyze(tmp_path / "a.csv", "a.csv", model, Steps())

    assert 1000 == max(map(len, model.texts))


def test_what_is_no_table_is_unusable(tmp_path):
    (tmp_path / "a.csv").write_bytes(b"a,b\n")

    with pytest.raises(Unusable, match="no rows"):
        analyze(tmp_path / "a.csv", "a.csv", Counting(), Steps())
