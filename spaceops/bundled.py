"""Where the folders lie that come with spaceops: `app_template` and `notebooks`."""

from __future__ import annotations

from pathlib import Path

from spaceops.errors import SpaceopsError


def bundled(name: str) -> Path:
    """The folder `name`: inside the installed package, or in a checkout at the top."""
    package = Path(__file__).parent
    for folder in (package / "_bundled" / name, package.parent / name):
        if folder.is_dir():
            return folder
    raise SpaceopsError(
        f"The folder {name} is missing from this installation", hint="pip install --force-reinstall spaceops"
    )
