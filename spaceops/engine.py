"""The papermill engine of `run_notebook`: nbclient's, with an environment for the kernel alone, and redacted.

An entry point registers it, so that `papermill --engine spaceops` redacts too.
"""

# mypy: allow-untyped-calls
# (papermill has no types)

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Mapping
from typing import Any

from nbformat import NotebookNode
from papermill.clientwrap import PapermillNotebookClient
from papermill.engines import NBClientEngine, NotebookExecutionManager
from papermill.iorw import write_ipynb

from spaceops.events import Event, happened
from spaceops.secret import redact

START_SECONDS = 60

_QUIET = ["--log-level=50"]  # else ipykernel warns at each start that loopback is not encrypted, and when it is stopped


class Manager(NotebookExecutionManager):
    """Saves the notebook with every known secret blacked out, and tells which cell runs."""

    def __init__(self, nb: NotebookNode, *, watch: Callable[[Event], None] | None, **kwargs: Any) -> None:
        super().__init__(nb, **kwargs)
        self._watch = watch
        self._steps = [index for index, cell in enumerate(nb.cells) if _does_something(cell)]

    def save(self, **_kwargs: Any) -> None:
        """Write the notebook as far as it is."""
        write_ipynb(redacted(self.nb), self.output_path)
        self.last_save_time = self.now()

    def cell_start(self, cell: NotebookNode, cell_index: int, **kwargs: Any) -> None:
        """Tell and note that a cell begins."""
        super().cell_start(cell, cell_index, **kwargs)
        if self._watch and cell_index in self._steps:
            text = f"[{self._steps.index(cell_index) + 1}/{len(self._steps)}] {self._title(cell)}"
            self._watch(happened("cell", text))

    def cell_complete(self, cell: NotebookNode, cell_index: int, **kwargs: Any) -> None:
        """Note how a cell ended; papermill would note success for one that Ctrl-C or the kernel's death ended."""
        if sys.exc_info()[0] is not None:
            self.cell_exception(cell, cell_index)
        super().cell_complete(cell, cell_index, **kwargs)

    def _title(self, cell: NotebookNode) -> str:
        """What the cell does: its `# papermill_description=…`, else its first line of code."""
        lines = [line.strip() for line in cell.source.splitlines()]
        code = next((line for line in lines if line and not line.startswith("#")), "")
        return str(self.get_cell_description(cell) or code)


class Engine(NBClientEngine):
    """Runs a notebook; what it writes and returns is redacted."""

    @classmethod
    def execute_notebook(  # type: ignore[override]  # papermill calls it with names
        cls,
        nb: NotebookNode,
        kernel_name: str,
        output_path: str | None = None,
        progress_bar: bool = True,
        *,
        env: Mapping[str, str] | None = None,
        watch: Callable[[Event], None] | None = None,
        **_papermill: Any,
    ) -> Any:
        """Run all cells, or up to the first that raises; each is saved when it begins and when it ends."""
        manager = Manager(nb, output_path=output_path, progress_bar=progress_bar, watch=watch)
        manager.notebook_start()
        client = PapermillNotebookClient(
            manager,
            kernel_name=kernel_name,
            startup_timeout=START_SECONDS,
            coalesce_streams=True,  # a secret that was printed in two pieces is found as one
            extra_arguments=_QUIET if kernel_name == "python3" else [],
        )
        try:
            client.execute(env={**os.environ, **(env or {})})
        finally:
            manager.notebook_complete()
        return redacted(manager.nb)


def _does_something(cell: NotebookNode) -> bool:
    tags = cell.metadata.get("tags", [])
    return (
        cell.cell_type == "code" and bool(cell.source.strip()) and not {"parameters", "injected-parameters"} & {*tags}
    )


def redacted(value: Any) -> Any:
    """A copy of notebook data in which `redact()` went over every text."""
    if isinstance(value, str):
        return redact(value)
    if isinstance(value, dict):
        return type(value)((key, redacted(item)) for key, item in value.items())
    return [redacted(item) for item in value] if isinstance(value, list) else value
