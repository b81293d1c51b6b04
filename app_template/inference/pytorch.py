"""How PyTorch runs here: on which device, with which numbers, and with threads that leave the CPU to others."""

from __future__ import annotations

import importlib.util
import os
from typing import Any

from inference.cpus import cpu_count
from inference.hub import ModelError

# Its threads wait for each other without using the CPU: otherwise they starve the server, and themselves.
PATIENT = {"OMP_WAIT_POLICY": "PASSIVE", "GOMP_SPINCOUNT": "0", "KMP_BLOCKTIME": "0"}
BFLOAT16_SINCE = (8, 0)  # of CUDA's compute capabilities; older GPUs, such as a T4, only imitate it


def is_installed() -> bool:
    """Whether the build installed requirements-torch.txt."""
    return importlib.util.find_spec("torch") is not None


def has_gpu() -> bool:
    """Whether there is a GPU, and PyTorch to use it."""
    return is_installed() and set_up()[0] == "cuda"


def set_up() -> tuple[str, Any]:
    """Import PyTorch, which takes seconds; say on which device it is to run, and with which of its types."""
    if not is_installed():
        raise ModelError("The model needs PyTorch, which is not installed: build again with MODEL_ID set")
    for name, value in PATIENT.items():
        os.environ.setdefault(name, value)  # before the import, which reads them
    import torch

    torch.set_num_threads(cpu_count())
    if not torch.cuda.is_available():
        return "cpu", torch.float32
    return "cuda", torch.bfloat16 if torch.cuda.get_device_capability() >= BFLOAT16_SINCE else torch.float16
