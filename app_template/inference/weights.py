"""Finds the files of a classifier: what the build prepared, a folder, or a download from the Hub."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from fnmatch import fnmatch
from pathlib import Path

from inference import hub, pytorch

PREPARED = Path(__file__).parents[1] / "model"  # what the build made ready
REPORT = "report.json"  # in it: which model that is, and how the quantised one compares

PRECISIONS = ("int8", "float32")
GRAPHS = {  # ONNX files by their usual names, the best first
    "int8": ("model_int8.onnx", "model_quantized.onnx", "model_qint8_avx512_vnni.onnx", "model.onnx"),
    "float32": ("model.onnx",),
}
TOKENIZERS = ("tokenizer.json", "onnx/tokenizer.json")
DESCRIPTIONS = ("config.json", "*_config.json", *TOKENIZERS, "special_tokens_map.json")
VOCABULARIES = ("vocab.txt", "vocab.json", "merges.txt", "*.model")  # for transformers, where tokenizer.json is missing
TENSORS = ("*.safetensors", "*.safetensors.index.json")


@dataclass(frozen=True)
class Source:
    """Which model is asked for."""

    model_id: str  # OWNER/NAME on the Hub, or a folder
    revision: str | None = None  # a branch, tag or commit
    precision: str = "int8"  # of ONNX models on the CPU

    @property
    def name(self) -> str:
        """The model in one word, for people."""
        return f"{self.model_id}@{self.revision}" if self.revision else self.model_id

    @property
    def prepared(self) -> Path:
        """Where the build leaves it."""
        return PREPARED / self.name.replace("/", "--")


def precision_in(environ: Mapping[str, str]) -> str:
    """What MODEL_PRECISION says; another word than those that are known ends the program."""
    precision = environ.get("MODEL_PRECISION") or PRECISIONS[0]
    if precision not in PRECISIONS:
        raise SystemExit(f"MODEL_PRECISION is {precision!r}, but must be {' or '.join(PRECISIONS)}")
    return precision


def find(source: Source, *, tensors: bool) -> Path:
    """The folder that holds the model; what is not there yet is downloaded."""
    if is_prepared(source):
        return source.prepared
    return hub.folder_of(source.model_id) or download(source, tensors=tensors)


def is_prepared(source: Source) -> bool:
    """Whether the build was asked for this very model."""
    try:
        report = json.loads((source.prepared / REPORT).read_text("utf-8"))
    except FileNotFoundError:
        return False
    return bool(asdict(source).items() <= report.items())


def graph_in(folder: Path, precision: str) -> Path | None:
    """The best ONNX file of a folder, if it has any."""
    name = choose_graph(files_in(folder), precision)
    return folder / name if name else None


def files_in(folder: Path) -> list[str]:
    """The files of a folder, named as a repository names them."""
    return [file.relative_to(folder).as_posix() for file in folder.rglob("*")]


def choose_graph(files: Iterable[str], precision: str) -> str | None:
    """The best of a repository's files; they lie at the top or in the folder `onnx`."""
    there = set(files)
    names = (place + name for name in GRAPHS[precision] for place in ("", "onnx/"))
    return next((name for name in names if name in there), None)


def has_old_tokenizer(files: Iterable[str]) -> bool:
    """Whether only transformers can read the tokenizer, and make a tokenizer.json of it."""
    there = set(files)
    return there.isdisjoint(TOKENIZERS) and any(fnmatch(file, name) for file in there for name in VOCABULARIES)


def renew_tokenizer(folder: Path) -> None:
    """Make a tokenizer.json where there is only an old one."""
    if has_old_tokenizer(files_in(folder)):
        from transformers import AutoTokenizer

        AutoTokenizer.from_pretrained(folder, local_files_only=True).save_pretrained(folder)


def download(source: Source, *, tensors: bool) -> Path:
    """Fetch a model's ONNX file, or if it has none or `tensors` says so, its tensors for PyTorch."""
    commit, files = hub.look_up(source.model_id, source.revision)
    graph = None if tensors else choose_graph(files, source.precision)
    if not (graph or pytorch.is_installed()):
        raise hub.ModelError(f"{source.model_id} has no ONNX file: build again with MODEL_ID set, so that one is made")
    if not graph:
        hub.refuse_without_tensors(source.model_id, files)
    return fetch(source.model_id, commit, graph)


def fetch(model_id: str, commit: str, graph: str | None) -> Path:
    """Download one of a model's ONNX files, or its tensors if none is named, and what describes it."""
    wanted = [graph, f"{graph}_data", f"{graph}.data"] if graph else [*VOCABULARIES, *TENSORS]
    return hub.download(model_id, commit, [*DESCRIPTIONS, *wanted])
