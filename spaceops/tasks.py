"""What the app template can be made for, and what it can be given: the names that `spaceops new` takes."""

from __future__ import annotations

from dataclasses import dataclass

DEFAULT_TASK = "sentiment"


@dataclass(frozen=True)
class Task:
    """What an app does, the overlays it shares with other tasks, and what it has no use for of the base.

    That is modules and scripts, which go with their tests, and other files.
    """

    summary: str
    shares: tuple[str, ...] = ()
    without: tuple[str, ...] = ()


_CLASSIFIERS = ("classifier", "runtimes", "weights", "sources", "export", "pruning", "requirements-export.txt")
TASKS = {
    "sentiment": Task("is a text positive, negative or neutral"),
    "summarize": Task(
        "the essence of a long document, as a job", ("generation", "jobs"), ("batching", "feedback", *_CLASSIFIERS)
    ),
    "image": Task("what a picture shows", without=("pruning",)),
    "chat": Task("a conversation, the answers streamed", ("generation",), ("batching", *_CLASSIFIERS)),
    "csv": Task("statistics, plots and remarkable things of a table, as a job", ("jobs",), ("batching", "feedback")),
    "ensemble": Task("several models, their opinions and one answer", ("jobs",), ("feedback",)),
}
EXTRAS = {
    "gpu": "an image for GPU hardware",
    "nginx": "nginx in front of several processes",
    "bucket": "what is to last lies in a Storage Bucket, mounted at /data",
    "dataset": "what is to last is committed to a dataset, every few minutes",
}


def described() -> str:
    """The tasks and the extras, a line each."""
    lines = [f"--task {name}: {task.summary}" for name, task in TASKS.items()]
    return "\n".join([*lines, *(f"--with {name}: {summary}" for name, summary in EXTRAS.items())])
