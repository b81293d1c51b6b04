"""The structure: imports go one way, and `import spaceops` costs nothing."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

PACKAGE = Path(__file__).parent.parent / "spaceops"
LEVELS = {
    "errors": 0,
    "findings": 1,
    "shell": 1,
    "wrappers": 2,
    "shellwords": 0,
    "structs": 0,
    "distributions": 1,
    "pipcommands": 2,
    "secretlooks": 1,
    "credentials": 2,
    "secret": 1,
    "bundled": 1,
    "tables": 1,
    "cachefolder": 1,
    "ignorerules": 1,
    "hashcache": 2,
    "fields": 1,
    "environments": 1,
    "spec": 2,
    "card": 2,
    "dockerfile": 2,
    "records": 2,
    "image": 3,
    "nginxconf": 1,
    "startup": 4,
    "requirements": 5,
    "pythonmodule": 1,
    "pythoncode": 5,
    "observed": 3,
    "tasks": 1,
    "template": 3,
    "files": 4,
    "provenance": 4,
    "remote": 5,
    "context": 6,
    "rules": 7,
    "preflight": 8,
    "fixes": 9,
    "hadolint": 2,
    "sarif": 8,
    "explanations": 8,
    "cli_check": 14,
    "privacy": 3,
    "symptoms": 2,
    "hub": 4,
    "plans": 5,
    "push": 5,
    "ledger": 5,
    "loglines": 1,
    "logstream": 5,
    "comparison": 6,
    "history": 6,
    "events": 6,
    "diffs": 6,
    "planning": 7,
    "lifecycle": 7,
    "evidence": 7,
    "deviations": 7,
    "diagnosis": 12,
    "verification": 13,
    "execution": 8,
    "engine": 8,
    "releases": 14,
    "notebooks": 12,
    "adoption": 13,
    "savedplans": 13,
    "console": 13,
    "panels": 15,
    "demo": 13,
    "testing": 15,
    "cli_adoption": 14,
    "cli_hub": 14,
    "cli_settings": 14,
    "cli_releases": 15,
    "cli_whoami": 14,
    "reference": 14,
    "cli": 16,
    "__init__": 17,
    "__main__": 17,
}
LOCAL_HUB_MAY_IMPORT = {"errors", "card", "dockerfile", "structs"}


def imported(path: Path) -> set[str]:
    """Our modules that a file imports when it is loaded or run; `if TYPE_CHECKING` does not count."""
    found: set[str] = set()
    queue: list[ast.AST] = [ast.parse(path.read_text())]
    while queue:
        node = queue.pop()
        if isinstance(node, ast.If) and "TYPE_CHECKING" in ast.dump(node.test):
            continue
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("spaceops"):
            tail = (node.module or "").removeprefix("spaceops").removeprefix(".")
            found |= {tail} if tail else {alias.name for alias in node.names if alias.name != "__version__"}
        elif isinstance(node, ast.Import):
            found |= {
                alias.name.removeprefix("spaceops.") for alias in node.names if alias.name.startswith("spaceops.")
            }
        queue += ast.iter_child_nodes(node)
    return found


def files_of(name: str) -> list[Path]:
    """A module's file, or those of a package."""
    return sorted((PACKAGE / name).glob("*.py")) or [PACKAGE / f"{name}.py"]


def test_every_module_has_its_level():
    rooms = {path.parent.name for path in PACKAGE.glob("*/__init__.py")} - {"localhub"}

    assert {path.stem for path in PACKAGE.glob("*.py")} | rooms == set(LEVELS)


def test_imports_go_from_higher_levels_to_lower_ones():
    upward = [
        f"{name} imports {other}"
        for name, level in LEVELS.items()
        if name != "__init__"
        for path in files_of(name)
        for other in imported(path)
        if not f"{other}.".startswith(("localhub", f"{name}.")) and LEVELS[other.partition(".")[0]] >= level
    ]

    assert not upward


def test_the_local_hub_shares_no_code_with_the_client_side():
    foreign = {
        f"{path.name} imports {other}"
        for path in (PACKAGE / "localhub").rglob("*.py")
        for other in imported(path)
        if not other.startswith("localhub") and other not in LOCAL_HUB_MAY_IMPORT
    }

    assert not foreign
    assert not [path for path in (PACKAGE / "localhub").rglob("*.py") if "huggingface_hub" in imports_of(path)]


def imports_of(path: Path) -> set[str]:
    nodes = [node for node in ast.walk(ast.parse(path.read_text())) if isinstance(node, ast.Import | ast.ImportFrom)]
    names = [node.module or "" if isinstance(node, ast.ImportFrom) else node.names[0].name for node in nodes]
    return {name.partition(".")[0] for name in names}


def test_only_the_room_named_hub_calls_the_client():
    callers = [path for path in PACKAGE.rglob("*.py") if "huggingface_hub" in imports_of(path)]
    apps = "overlays"  # files of other people's Spaces, not modules of ours

    assert {"hub", apps} == {path.relative_to(PACKAGE).parts[0] for path in callers}


def test_a_ctrl_c_is_not_lost_while_a_name_is_taken_from_the_client():
    """`huggingface_hub.utils` runs Python code for each, and what is raised in it is forgotten."""
    takers = {
        path.relative_to(PACKAGE).as_posix()
        for path in (PACKAGE / "hub").glob("*.py")
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.ImportFrom) and node.module == "huggingface_hub.utils"
    }

    assert {"hub/client.py"} == takers


def test_import_spaceops_loads_no_third_party_module():
    code = (
        "import sys; before = set(sys.modules); import spaceops;"
        "new = {name.partition('.')[0] for name in set(sys.modules) - before} - set(sys.stdlib_module_names);"
        "print(sorted(new))"
    )
    done = subprocess.run([sys.executable, "-I", "-c", code], capture_output=True, text=True, check=True)

    assert "['spaceops']" == done.stdout.strip()
