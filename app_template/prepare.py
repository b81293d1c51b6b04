"""The build's step for models: gets what MODEL_ID names ready in ./model, so that the app starts at once.

The build runs it beside `inference/` alone, so that a change of the rest of the app does not prepare a model again.
"""

from __future__ import annotations

import importlib
import json
import logging
import os
import shutil
import subprocess
import sys
import tempfile
from dataclasses import asdict
from pathlib import Path
from typing import Any

from inference import pytorch
from inference.classifier import labels_of
from inference.hub import ModelError, described, look_up, refuse_without_tensors
from inference.sources import sources
from inference.weights import PREPARED, REPORT, Source, choose_graph, fetch, has_old_tokenizer, renew_tokenizer

log = logging.getLogger("prepare")

HERE = Path(__file__).parent
SECRET = Path("/run/secrets/HF_TOKEN")  # where a build finds it; it is in no layer of the image


def main() -> None:
    """Leave a folder for each model in ./model, and what was measured in its report."""
    PREPARED.mkdir(exist_ok=True)
    if SECRET.is_file():
        os.environ["HF_TOKEN"] = SECRET.read_text("utf-8").strip()
    wanted = sources(os.environ)
    if not wanted:
        log.info("MODEL_ID names no model: there is nothing to get ready.")
    for source in wanted:
        if Path(source.model_id).is_absolute():
            log.info("%s is a folder: the app reads it when it starts.", source.model_id)
        else:
            prepare(source)


def prepare(source: Source) -> None:
    """Download a model and make it fast for the CPU, or if that fails leave it to PyTorch."""
    commit, files = look_up(source.model_id, source.revision)
    graph = None if has_old_tokenizer(files) or pytorch.is_installed() else choose_graph(files, "float32")
    if not graph:
        refuse_without_tensors(source.model_id, files)
    downloaded = fetch(source.model_id, commit, graph)
    labels_of(described(downloaded, "config.json"))  # refuses other kinds before anything is installed for them
    folder = source.prepared
    shutil.rmtree(folder, ignore_errors=True)
    if pytorch.is_installed():  # an image for GPUs
        report = keep(downloaded, folder)
    else:
        try:
            report = export(downloaded, folder, source.precision, with_torch=graph is None)
        except subprocess.CalledProcessError:
            log.warning("The model cannot be exported. PyTorch will run it, which is slower.")
            refuse_without_tensors(source.model_id, files)
            install(sys.executable, "requirements-torch.txt")
            importlib.invalidate_caches()
            report = keep(fetch(source.model_id, commit, None), folder)
    report = asdict(source) | {"commit": commit} | report
    (folder / REPORT).write_text(json.dumps(report, indent=2), "utf-8")
    log.info("%s", json.dumps(report, indent=2))


def export(files: Path, folder: Path, precision: str, *, with_torch: bool) -> dict[str, Any]:
    """Run the export in an environment of its own: what makes an ONNX file is many times larger than what runs it."""
    with tempfile.TemporaryDirectory() as scratch:
        python = f"{scratch}/bin/python"
        uv = shutil.which("uv")
        subprocess.run([uv, "venv", "--quiet", scratch] if uv else [sys.executable, "-m", "venv", scratch], check=True)
        install(python, "requirements-export.txt", *["requirements-torch.txt"] * with_torch)
        subprocess.run([python, "-m", "inference.export", files, folder, precision], cwd=HERE, check=True)
    report: dict[str, Any] = json.loads((folder / REPORT).read_text("utf-8"))
    return report


def install(python: str, *requirements: str) -> None:
    """Install requirements into an environment, with uv if it is there."""
    uv = shutil.which("uv")
    # each package from the index that has the pinned version: of PyTorch's own index only PyTorch is wanted
    pip = [uv, "pip", "install", "--python", python, "--index-strategy", "unsafe-best-match"]
    files = [argument for name in requirements for argument in ("--requirement", str(HERE / name))]
    subprocess.run([*(pip if uv else [python, "-m", "pip", "install"]), *files], check=True)


def keep(files: Path, folder: Path) -> dict[str, Any]:
    """Copy a model for PyTorch as it is, and if only transformers can read its tokenizer make another of it."""
    shutil.copytree(files, folder, ignore=shutil.ignore_patterns("*.onnx*"))  # else the app would run that instead
    renew_tokenizer(folder)
    return {"runs": "PyTorch", "bytes": sum(file.stat().st_size for file in folder.glob("*.safetensors"))}


if __name__ == "__main__":
    logging.basicConfig(level="INFO", format="%(message)s")
    logging.getLogger("httpx2").setLevel("WARNING")  # else every request to the Hub is a line
    try:
        main()
    except ModelError as error:
        sys.exit(str(error))
