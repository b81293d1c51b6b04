"""What the template's requirements download and take on disk, and how long that takes, beside those of most tutorials.

The tutorial's are resolved as they stand, which on Linux means PyTorch for CUDA, and installed with PyTorch for the
CPU. Nothing comes from a cache; what is downloaded from where decides the seconds, the sizes hardly change.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
import tempfile
import time
import tomllib
from pathlib import Path

from packaging.tags import Tag, sys_tags
from packaging.utils import parse_wheel_filename

from spaceops import new

TUTORIAL = ["fastapi", "uvicorn[standard]", "transformers", "torch"]
FOR_CPU = [*TUTORIAL[:-1], "torch==2.13.0"]  # the version of which pip finds a build for the CPU, if it finds one
PROJECT = """
[project]
name = "resolved"
version = "0"
requires-python = "=={python}.*"
dependencies = {dependencies}

[tool.uv]
environments = ["sys_platform == 'linux' and platform_machine == 'x86_64'"]
"""


def download_size(requirements: list[str], folder: Path, uv: str) -> float:
    """MB of the wheels that an installation here would take, by the sizes that the index states. Downloads nothing."""
    folder.mkdir()
    python = ".".join(map(str, sys.version_info[:2]))
    (folder / "pyproject.toml").write_text(PROJECT.format(python=python, dependencies=requirements), "utf-8")
    subprocess.run([uv, "lock", "--quiet", "--python", sys.executable], cwd=folder, check=True)
    packages = tomllib.loads((folder / "uv.lock").read_text("utf-8"))["package"]
    ranks = {tag: rank for rank, tag in enumerate(sys_tags())}
    return sum(best_size(package, ranks) for package in packages if "registry" in package["source"]) / 1e6


def best_size(package: dict, ranks: dict[Tag, int]) -> int:
    """The size in bytes of the wheel that suits this machine best, or of the source where there is none."""
    fitting = []
    for wheel in package.get("wheels", []):
        tags = parse_wheel_filename(wheel["url"].rsplit("/", 1)[1])[3]
        rank = min((ranks[tag] for tag in tags if tag in ranks), default=None)
        if rank is not None:
            fitting.append((rank, wheel["size"]))
    return min(fitting)[1] if fitting else package["sdist"]["size"]


def install(command: list[str | Path], environment: Path) -> tuple[float, float]:
    """Seconds that a command takes, and MB that the environment has afterwards."""
    began = time.perf_counter()
    subprocess.run(command, check=True)
    seconds = time.perf_counter() - began
    return seconds, sum(file.lstat().st_size for file in environment.rglob("*") if not file.is_symlink()) / 1e6


def main() -> None:
    """Resolve, install, print the table."""
    uv = shutil.which("uv", path=str(Path(sys.executable).parent)) or "uv"
    with tempfile.TemporaryDirectory() as scratch:
        work = Path(scratch)
        requirements = new(work / "app") / "requirements.txt"
        lines = [line for line in requirements.read_text("utf-8").splitlines() if line and not line.startswith("#")]
        asked = download_size(TUTORIAL, work / "asked", uv)
        ours = download_size(lines, work / "ours", uv)

        subprocess.run([sys.executable, "-m", "venv", work / "theirs"], check=True)
        pip = [work / "theirs/bin/python", "-m", "pip", "install", "--quiet", "--no-cache-dir"]
        their_seconds, their_size = install([*pip, *FOR_CPU], work / "theirs")
        subprocess.run([uv, "venv", "--quiet", work / "venv"], check=True)
        command = [uv, "pip", "install", "--quiet", "--no-cache", "--compile-bytecode", "--python", work / "venv"]
        seconds, size = install([*command, "--requirement", requirements], work / "venv")

    print(f"{'':32}download  installed  seconds")
    print(f"{'tutorial, as it stands':30}{asked:7.0f} MB")
    print(f"{'tutorial, PyTorch for the CPU':30}{'':10}{their_size:8.0f} MB{their_seconds:9.1f}   with pip")
    print(f"{'template':30}{ours:7.0f} MB{size:8.0f} MB{seconds:9.1f}   with uv, bytecode compiled")
    print(
        f"{'times smaller, faster':30}{asked / ours:7.1f}x  {their_size / size:8.1f}x {their_seconds / seconds:8.1f}x"
    )


if __name__ == "__main__":
    main()
