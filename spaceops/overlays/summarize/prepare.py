"""The build's step for models: with MODEL_ID set, installs PyTorch, and downloads that model into ./model."""

from __future__ import annotations

import importlib
import importlib.util
import logging
import os
import shutil
import subprocess
import sys
from pathlib import Path

from models import PREPARED, prepared

log = logging.getLogger("prepare")

HERE = Path(__file__).parent
SECRET = Path("/run/secrets/HF_TOKEN")  # where a build finds it; it is in no layer of the image
# Tensors, and what describes them and the tokens; no copies in other formats
FILES = ["*.safetensors", "*.json", "*.txt", "*.model"]


def main() -> None:
    """Leave in ./model what the app needs to start at once; without MODEL_ID, that is nothing."""
    PREPARED.mkdir(exist_ok=True)
    model_id, revision = os.environ.get("MODEL_ID"), os.environ.get("MODEL_REVISION") or None
    if not model_id:
        log.info("MODEL_ID is not set: LexRank summarizes, which needs no model.")
        return
    if importlib.util.find_spec("torch") is None:  # the image for GPUs has it
        install("requirements-torch.txt")
    if Path(model_id).is_absolute():
        log.info("%s is a folder: the app reads it when it starts.", model_id)
    else:
        download(model_id, revision)


def install(requirements: str) -> None:
    """Install requirements into this environment, with uv if it is there."""
    uv = shutil.which("uv")
    # each package from the index that has the pinned version: of PyTorch's own index only PyTorch is wanted
    pip = [uv, "pip", "install", "--python", sys.executable, "--index-strategy", "unsafe-best-match"]
    command = pip if uv else [sys.executable, "-m", "pip", "install"]
    subprocess.run([*command, "--requirement", HERE / requirements], check=True)
    importlib.invalidate_caches()


def download(model_id: str, revision: str | None) -> None:
    """Fetch the model's files; HF_TOKEN opens private and gated models."""
    from huggingface_hub import snapshot_download  # PyTorch's requirements bring it

    token = SECRET.read_text("utf-8").strip() if SECRET.is_file() else None
    folder = prepared(model_id, revision)
    snapshot_download(model_id, revision=revision, token=token, local_dir=folder, allow_patterns=FILES)
    log.info("%s is in %s.", model_id, folder.relative_to(HERE))


if __name__ == "__main__":
    logging.basicConfig(level="INFO", format="%(message)s")
    main()
