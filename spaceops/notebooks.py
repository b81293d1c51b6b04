"""Notebooks as programs: typed parameters in, a machine-readable result out, the executed copy kept."""

# mypy: allow-untyped-calls
# (papermill and nbformat have no types, or half of them)

from __future__ import annotations

import ast
import difflib
import json
import os
import re
import time
from collections.abc import Callable, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from html import escape
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec

from spaceops.errors import BadInput, ExtraMissing, NotebookFailed
from spaceops.events import Event
from spaceops.secret import Secret, is_reference, redact

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from nbformat import NotebookNode

RUNS = "runs"  # the folder of executed notebooks, in the working directory
DEAD_KERNEL = 138  # papermill's exit code for it
ERROR_HEAD, ERROR_TAIL = 4, 20  # lines of a traceback in the error's message

_JSON = "application/json"
_TYPES: dict[str, Any] = {"str": str, "int": int, "float": float, "bool": bool, "list": list, "dict": dict, "Any": Any}
_SECRET_NAME = re.compile(r"token(?!iz)|secret|passw|credential|(^|_)(api_?)?keys?($|_)", re.IGNORECASE)
_COLOURS = re.compile(r"\x1b\[[0-9;]*m")


@dataclass(frozen=True)
class NotebookRun:
    """A notebook that ran to its end: the executed copy, and what its last `result()` showed."""

    path: Path
    result: Any
    seconds: float

    def as_dict(self) -> dict[str, Any]:
        """The run for `--json`."""
        return {"schema": 1, "path": str(self.path), "seconds": self.seconds, "result": self.result}

    def __str__(self) -> str:
        result = "" if self.result is None else f"\n{json.dumps(self.result, indent=2)}"
        return f"{self.path}  {self.seconds:.1f} s{result}"


@dataclass(frozen=True)
class Parameter:
    """What the cell tagged `parameters` says of one of them; `kind` is a type, `Any` where nothing tells."""

    name: str
    kind: Any
    written: str  # the type as it stands there


def run_notebook(
    path: str | Path,
    parameters: Mapping[str, Any] | None = None,
    *,
    output: str | Path | None = None,
    env: Mapping[str, str] | None = None,
    watch: Callable[[Event], None] | None = None,
) -> NotebookRun:
    """Run a notebook with papermill in the working directory; the executed copy goes to `output`, or into `runs/`.

    `parameters` replace defaults of the cell tagged `parameters`: an unknown name, a value that cannot be of the
    annotated type and a secret (only references to secrets may be stored) are `BadInput`, before anything runs. `env`
    is added to the environment of the kernel, and to nothing else. `watch` hears of every cell that begins. What is
    written is redacted. Raises `NotebookFailed` when a cell raises or the kernel dies; the copy shows all before.
    """
    source = Path(path).expanduser()
    notebook = _read(source)
    values = convert(declared(notebook), parameters or {})
    copy = _destination(source, output)
    _know_secrets({**os.environ, **(env or {})})
    start = time.monotonic()
    with _our_errors(source, copy):
        ran = _execute(source, copy, values, kernel=_kernel(notebook), env=env or {}, watch=watch)
    return NotebookRun(copy, last_result(ran), round(time.monotonic() - start, 2))


def result(value: Any) -> None:
    """Show `value` (plain data, or something with `as_dict()`) as JSON: in a notebook's last cell, it is its result."""
    from IPython.display import display

    data = value.as_dict() if hasattr(value, "as_dict") else value
    text = redact(json.dumps(data, indent=2, default=str))
    display({_JSON: json.loads(text), "text/plain": text}, raw=True)


def table(rows: Iterable[Any]) -> Table:
    """Rows (mappings, or something with `as_dict()`) as a table of text and HTML."""
    return Table(tuple(row.as_dict() if hasattr(row, "as_dict") else row for row in rows))


@dataclass(frozen=True)
class Table:
    """Rows under their names."""

    rows: tuple[Mapping[str, Any], ...]

    @property
    def _cells(self) -> list[list[str]]:
        names = list(self.rows[0]) if self.rows else []
        found = [["" if row[name] is None else str(row[name]) for name in names] for row in self.rows]
        return [[name.upper() for name in names], *found]

    def __str__(self) -> str:
        widths = [max(map(len, column)) for column in zip(*self._cells, strict=True)]
        return "\n".join(
            "  ".join(cell.ljust(width) for cell, width in zip(cells, widths, strict=True)).rstrip()
            for cells in self._cells
        )

    def _repr_mimebundle_(self, **_kwargs: Any) -> dict[str, str]:
        head, *rows = self._cells
        body = "".join(_table_row(row, "td") for row in rows)
        return {"text/plain": str(self), "text/html": f"<table>{_table_row(head, 'th')}{body}</table>"}


def _table_row(cells: list[str], tag: str) -> str:
    return "<tr>" + "".join(f"<{tag} style='text-align:left'>{escape(cell)}</{tag}>" for cell in cells) + "</tr>"


def last_result(notebook: NotebookNode) -> Any:
    """The data of the last output that is JSON, None if there is none."""
    outputs = (output for cell in reversed(notebook.cells) for output in reversed(cell.get("outputs", [])))
    return next((output.data[_JSON] for output in outputs if _JSON in output.get("data", {})), None)


def read_parameters(file: str | Path) -> dict[str, Any]:
    """The parameters in a YAML or JSON file. Raises `BadInput` when it holds anything but names with values."""
    from ruamel.yaml import YAML
    from ruamel.yaml.error import YAMLError

    try:
        found = YAML(typ="safe").load(Path(file).expanduser().read_text("utf-8"))
    except (OSError, UnicodeDecodeError, YAMLError) as error:
        raise BadInput(f"{file} cannot be read: {_first_line(error)}", hint="YAML or JSON: name: value") from error
    if not isinstance(found, dict) or not all(isinstance(name, str) for name in found):
        raise BadInput(f"{file} does not hold parameters", hint="One line for each, such as dry_run: false")
    return found


def declared(notebook: NotebookNode) -> dict[str, Parameter]:
    """The parameters of a notebook, from the assignments in its cell tagged `parameters`."""
    cells = [cell for cell in notebook.cells if "parameters" in cell.metadata.get("tags", [])]
    try:
        body = ast.parse(cells[0].source).body if cells else []
    except SyntaxError as error:
        raise BadInput(f"The parameters cell is not valid Python: {error}", hint="name: type = value") from error
    return {found.name: found for statement in body if (found := _parameter(statement))}


def convert(known: Mapping[str, Parameter], given: Mapping[str, Any]) -> dict[str, Any]:
    """The given values as the types of the parameters; text, as a command line has it, becomes numbers and the like."""
    for name in given.keys() - known.keys():
        near = difflib.get_close_matches(name, known, n=1)
        hint = f"Did you mean {near[0]}?" if near else f"It has {', '.join(known) or 'none'}."
        raise BadInput(f"The notebook has no parameter {name!r}", hint=hint)
    for name, value in given.items():
        if _SECRET_NAME.search(name) and isinstance(value, str) and value and not is_reference(value):
            hint = f"Give a reference: -p {name} env:NAME; an executed notebook stores every parameter."
            raise BadInput(f"The parameter {name} looks like a secret, and was given as it is", hint=hint)
    return {name: _converted(known[name], value) for name, value in given.items()}


def _parameter(statement: ast.stmt) -> Parameter | None:
    match statement:
        case ast.AnnAssign(target=ast.Name(id=name), annotation=annotation):
            return Parameter(name, _type(annotation), ast.unparse(annotation))
        case ast.Assign(targets=[ast.Name(id=name)], value=ast.Constant(value=value)) if value is not None:
            return Parameter(name, type(value), type(value).__name__)
        case ast.Assign(targets=[ast.Name(id=name)]):
            return Parameter(name, Any, "Any")
    return None


def _type(node: ast.expr) -> Any:
    """The type that an annotation means, `Any` for one that is not made of Python's own."""
    match node:
        case ast.Constant(value=None):
            return None
        case ast.Name(id=name):
            return _TYPES.get(name, Any)
        case ast.BinOp(left=left, op=ast.BitOr(), right=right):
            sides = _type(left), _type(right)
            return Any if Any in sides else sides[0] | sides[1]
        case ast.Subscript(value=ast.Name(id=("list" | "dict") as name), slice=ast.Tuple(elts=inner)):
            return _TYPES[name][tuple(map(_type, inner))]
        case ast.Subscript(value=ast.Name(id=("list" | "dict") as name), slice=inner):
            return _TYPES[name][_type(inner)]
    return Any


def _converted(parameter: Parameter, value: Any) -> Any:
    text = isinstance(value, str)
    with suppress(msgspec.ValidationError):
        return msgspec.convert(value, parameter.kind, strict=not text)
    with suppress(msgspec.DecodeError, TypeError):  # '["a", "b"]' on a command line
        return msgspec.json.decode(value, type=parameter.kind)
    hint = f"For example {parameter.name}: {parameter.written}; the notebook's first code cell says what it means."
    raise BadInput(f"The parameter {parameter.name} got {value!r}, wants {parameter.written}", hint=hint)


def _read(source: Path) -> Any:
    try:
        import nbformat
        from nbformat.reader import NotJSONError
    except ModuleNotFoundError as error:
        raise ExtraMissing("notebook", for_what="Running notebooks") from error
    try:
        return nbformat.read(source, as_version=4)
    except OSError as error:
        raise BadInput(f"{source} cannot be read: {error.strerror}", hint="The path of an .ipynb file.") from error
    except (NotJSONError, nbformat.ValidationError, ValueError, TypeError, AttributeError) as error:
        raise BadInput(f"{source} is not a notebook: {_first_line(error)}", hint="An .ipynb file.") from error


def _destination(source: Path, output: str | Path | None) -> Path:
    if output is None:
        output = Path(RUNS, f"{source.stem}-{time.strftime('%Y%m%d-%H%M%S', time.gmtime())}.ipynb")
    copy = Path(output).expanduser().absolute()
    if copy == source.absolute():
        raise BadInput(f"{output} is the notebook itself", hint="Name another file for the executed copy.")
    try:
        copy.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise BadInput(f"{copy.parent} cannot be written: {error.strerror}", hint="Name another file.") from error
    return copy


def _know_secrets(environment: Mapping[str, str]) -> None:
    """The kernel sees the environment, and so may print it."""
    for name, value in environment.items():
        if _SECRET_NAME.search(name):
            Secret(value, name)


def _kernel(notebook: NotebookNode) -> str:
    return str(notebook.metadata.get("kernelspec", {}).get("name") or "python3")


def _execute(source: Path, copy: Path, parameters: Mapping[str, Any], *, kernel: str, **engine: Any) -> Any:
    from papermill.execute import execute_notebook

    return execute_notebook(
        _literal(source),
        _literal(copy),
        parameters,
        engine_name="spaceops",
        kernel_name=kernel,
        language="python",
        progress_bar=False,
        **engine,
    )


def _literal(path: Path) -> str:
    """A path as papermill takes it, which fills parameters into braces."""
    return str(path).replace("{", "{{").replace("}", "}}")


@contextmanager
def _our_errors(source: Path, copy: Path) -> Iterator[None]:
    """Turn what papermill raises into ours."""
    from jupyter_client.kernelspec import NoSuchKernel
    from nbclient.exceptions import DeadKernelError
    from papermill.exceptions import PapermillExecutionError

    hint = f"The executed notebook shows everything up to there: {copy}"
    try:
        yield
    except PapermillExecutionError as error:
        said = f"{source.name}: cell {error.exec_count} raised {error.ename}\n{_excerpt(error.traceback, error.evalue)}"
        raise NotebookFailed(redact(said), cell=error.exec_count, output=str(copy), hint=hint) from error
    except (DeadKernelError, RuntimeError) as error:
        if not isinstance(error, DeadKernelError) and not str(error).startswith("Kernel "):
            raise  # what nbclient says of a kernel that does not start begins so; anything else is not about kernels
        failed = NotebookFailed(f"{source.name}: the kernel died", cell=None, output=str(copy), hint=hint)
        failed.exit_code = DEAD_KERNEL
        raise failed from error
    except NoSuchKernel as error:
        raise BadInput(
            f"{source.name}: there is no kernel {error.name!r}", hint="Set its kernel to python3."
        ) from error


def _excerpt(traceback: list[str], said: str) -> str:
    """The first and the last lines of a traceback, without colours."""
    lines = _COLOURS.sub("", "\n".join(traceback) or said).splitlines()
    if len(lines) > ERROR_HEAD + ERROR_TAIL:
        lines[ERROR_HEAD:-ERROR_TAIL] = ["…"]
    return "\n".join(f"  {line}" for line in lines)


def _first_line(error: Exception) -> str:
    return redact(next(iter(str(error).splitlines()), type(error).__name__))
