"""A model that writes, as the transformers library has them: where its files are, and how it is loaded."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from inference import hub, pytorch
from inference.hub import ModelError

PREPARED = Path(__file__).parents[1] / "model"  # what the build downloaded
# Tensors, and what describes them and the tokens; no copies, such as consolidated.safetensors beside the library's own
FILES = ("model*.safetensors", "*.json", "*.jinja", "*.txt", "*.model")
TOKENIZERS = ("tokenizer.json", "vocab.json", "vocab.txt", "*.model")


@dataclass(frozen=True)
class Checkpoint:
    """Which model is asked for."""

    model_id: str  # OWNER/NAME on the Hub, or a folder
    revision: str | None = None  # a branch, tag or commit

    @classmethod
    def from_environ(cls, environ: Mapping[str, str]) -> Checkpoint | None:
        """What MODEL_ID and MODEL_REVISION say; None without a MODEL_ID."""
        model_id, revision = environ.get("MODEL_ID"), environ.get("MODEL_REVISION")
        return cls(model_id, revision or None) if model_id else None

    @property
    def name(self) -> str:
        """The model in one word, for people."""
        return f"{self.model_id}@{self.revision}" if self.revision else self.model_id

    @property
    def prepared(self) -> Path:
        """Where the build leaves it."""
        return PREPARED / self.name.replace("/", "--")

    def find(self) -> Path:
        """The folder that holds it; what is not there yet is downloaded."""
        if self.prepared.is_dir():
            return self.prepared
        return hub.folder_of(self.model_id) or self.download()

    def download(self, into: Path | None = None) -> Path:
        """Fetch it from the Hub, into a folder or else into the Hub's cache."""
        commit, files = hub.look_up(self.model_id, self.revision)
        self._refuse_adapter(files)
        hub.refuse_without_tensors(self.model_id, files)
        return hub.download(self.model_id, commit, FILES, into)

    def _refuse_adapter(self, files: Collection[str]) -> None:
        """What LoRA and the like train is no model, but a change to one."""
        if "adapter_config.json" in files and "config.json" not in files:
            raise ModelError(f"{self.name} is an adapter: merge it into the model that it changes, and name the result")

    def load(self, kind: str, endings: tuple[str, ...]) -> tuple[Any, Any]:
        """Its tokenizer, and its network on the best device here.

        `kind` is one of the library's AutoModelFor…; the names of the architectures that fit it have these endings.
        Others it would load too, and make up what they lack.
        """
        device, dtype = pytorch.set_up()
        folder = self.find()
        self._refuse_adapter([file.name for file in folder.iterdir()])
        architectures = hub.described(folder, "config.json").get("architectures") or ["none"]
        if not architectures[0].endswith(endings):
            wanted = " or ".join(f"…{ending}" for ending in endings)
            raise ModelError(f"{self.name} is of another kind: its architecture is {architectures[0]}, not {wanted}")
        if not any(file for pattern in TOKENIZERS for file in folder.glob(pattern)):
            raise ModelError(f"{self.name} has no tokenizer")
        import transformers

        here = {"local_files_only": True, "trust_remote_code": False}
        tokenizer = transformers.AutoTokenizer.from_pretrained(folder, **here)
        model = getattr(transformers, kind).from_pretrained(folder, dtype=dtype, **here)
        return tokenizer, model.to(device).eval()
