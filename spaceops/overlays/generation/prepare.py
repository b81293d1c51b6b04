"""The build's step for models: with MODEL_ID set, installs PyTorch, and downloads that model into ./model.

The build runs it beside `inference/` alone, so that a change of the rest of the app does not download a model again.
"""

from __future__ import annotations

import logging
import os
import shutil
import subprocess
import sys
from pathlib import Path

from inference import pytorch
from inference.checkpoint import PREPARED, Checkpoint
from inference.hub import ModelError

log = logging.getLogger("prepare")

HERE = Path(__file__).parent
SECRET = Path("/run/secrets/HF_TOKEN")  # where a build finds it; it is in no layer of the image


def main() -> None:
    """Leave in ./model what the app needs to start at once; without MODEL_ID, that is nothing."""
    PREPARED.mkdir(exist_ok=True)
    checkpoint = Checkpoint.from_environ(os.environ)
    if checkpoint is None:
        log.info("MODEL_ID names no model: there is nothing to get ready.")
        return
    if not pytorch.is_installed():  # the image for GPUs has it
        install("requirements-torch.txt")
    if Path(checkpoint.model_id).is_absolute():
        log.info("%s is a folder: the app reads it when it starts.", checkpoint.model_id)
    else:
        prepare(checkpoint)


def install(requirements: str) -> None:
    """Install requirements into this environment, with uv if it is there."""
    uv = shutil.which("uv")
    # each package from the index that has the pinned version: of PyTorch's own index only PyTorch is wanted
    pip = [uv, "pip", "install", "--python", sys.executable, "--index-strategy", "unsafe-best-match"]
    command = pip if uv else [sys.executable, "-m", "pip", "install"]
    subprocess.run([*command, "--requirement", HERE / requirements], check=True)


def prepare(checkpoint: Checkpoint) -> None:
    """Download the model; its folder has its name once it is complete."""
    if SECRET.is_file():
        os.environ["HF_TOKEN"] = SECRET.read_text("utf-8").strip()
    scratch = PREPARED / "unfinished"
    checkpoint.download(scratch)
    shutil.rmtree(checkpoint.prepared, ignore_errors=True)
    scratch.rename(checkpoint.prepared)
    log.info("%s is in %s.", checkpoint.name, checkpoint.prepared.relative_to(HERE))


if __name__ == "__main__":
    logging.basicConfig(level="INFO", format="%(message)s")
    logging.getLogger("httpx2").setLevel("WARNING")  # else every request to the Hub is a line
    try:
        main()
    except ModelError as error:
        sys.exit(str(error))
