"""Finds the files of a model: what the build prepared, a folder, or a download from the Hub."""

from __future__ import annotations

import importlib.util
import json
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path

from serving.settings import BadSetting

PREPARED = Path(__file__).parents[1] / "model"  # what the build made ready
REPORT = "report.json"  # in it: which model that is, and how the quantised one compares

PRECISIONS = ("int8", "float32")
GRAPHS = {  # ONNX files by their usual names, the best first
    "int8": ("model_int8.onnx", "model_quantized.onnx", "model_qint8_avx512_vnni.onnx", "model.onnx"),
    "float32": ("model.onnx",),
}
DESCRIPTIONS = ("config.json", "*_config.json", "tokenizer.json", "special_tokens_map.json")
VOCABULARIES = ("vocab.txt", "vocab.json", "merges.txt", "*.model")  # for transformers, where tokenizer.json is missing
TENSORS = ("*.safetensors", "*.safetensors.index.json")


@dataclass(frozen=True)
class Source:
    """Which model is asked for."""

    model_id: str  # OWNER/NAME on the Hub, or a folder
    revision: str | None = None  # a branch, tag or commit
    precision: str = "int8"  # of ONNX models on the CPU

    @classmethod
    def from_environ(cls, environ: Mapping[str, str]) -> Source | None:
        """What MODEL_ID, MODEL_REVISION and MODEL_PRECISION say; None without a MODEL_ID."""
        model_id, revision = environ.get("MODEL_ID"), environ.get("MODEL_REVISION") or None
        precision = environ.get("MODEL_PRECISION") or PRECISIONS[0]
        if precision not in PRECISIONS:
            raise BadSetting(f"MODEL_PRECISION is {precision!r}, but must be {' or '.join(PRECISIONS)}")
        return cls(model_id, revision, precision) if model_id else None

    @property
    def name(self) -> str:
        """The model in one word, for people."""
        return f"{self.model_id}@{self.revision}" if self.revision else self.model_id

    @property
    def prepared(self) -> Path:
        """Where the build leaves it."""
        return PREPARED / self.name.replace("/", "--")


def find(source: Source, *, tensors: bool) -> Path:
    """The folder that holds the model; what is not there yet is downloaded."""
    if is_prepared(source):
        return source.prepared
    if Path(source.model_id).is_dir():
        return Path(source.model_id)
    return download(source, tensors=tensors)


def is_prepared(source: Source) -> bool:
    """Whether the build was asked for this very model."""
    try:
        report = json.loads((source.prepared / REPORT).read_text("utf-8"))
    except FileNotFoundError:
        return False
    return bool(asdict(source).items() <= report.items())


def graph_in(folder: Path, precision: str) -> Path | None:
    """The best ONNX file of a folder, if it has any."""
    name = choose_graph([file.relative_to(folder).as_posix() for file in folder.glob("**/*.onnx")], precision)
    return folder / name if name else None


def choose_graph(files: Iterable[str], precision: str) -> str | None:
    """The best of a repository's files; they lie at the top or in the folder `onnx`."""
    there = set(files)
    names = (place + name for name in GRAPHS[precision] for place in ("", "onnx/"))
    return next((name for name in names if name in there), None)


def download(source: Source, *, tensors: bool) -> Path:
    """Fetch a model's ONNX file, or if it has none or `tensors` says so, its tensors for PyTorch."""
    commit, files = look_up(source)
    graph = None if tensors else choose_graph(files, source.precision)
    if not (graph or has_torch()):
        raise RuntimeError(f"{source.model_id} has no ONNX file: build again with MODEL_ID set, so that one is made")
    return fetch(source.model_id, commit, graph)


def look_up(source: Source) -> tuple[str, list[str]]:
    """The commit that the revision means at present, and the files there.

    HF_TOKEN, if set, opens private and gated models.
    """
    from huggingface_hub import HfApi  # slow to import, and not needed for models that are here already
    from huggingface_hub.errors import RepositoryNotFoundError, RevisionNotFoundError

    try:
        info = HfApi().model_info(source.model_id, revision=source.revision)
    except RevisionNotFoundError as error:
        raise RuntimeError(f"{source.model_id} has no revision {source.revision}") from error
    except RepositoryNotFoundError as error:  # so the Hub answers strangers about private models, too
        raise RuntimeError(f"There is no model {source.model_id}, or HF_TOKEN is no token that may read it") from error
    return str(info.sha), [file.rfilename for file in info.siblings or ()]


def fetch(model_id: str, commit: str, graph: str | None) -> Path:
    """Download one of a model's ONNX files, or its tensors if none is named, and what describes it."""
    from huggingface_hub import snapshot_download

    wanted = [graph, f"{graph}_data", f"{graph}.data"] if graph else [*VOCABULARIES, *TENSORS]
    return Path(snapshot_download(model_id, revision=commit, allow_patterns=[*DESCRIPTIONS, *wanted]))


def has_torch() -> bool:
    """Whether the build installed requirements-torch.txt."""
    return importlib.util.find_spec("torch") is not None


def has_gpu() -> bool:
    """Whether there is a GPU for PyTorch to use."""
    if not has_torch():
        return False
    import torch  # which takes seconds

    return bool(torch.cuda.is_available())
