"""Where the client keeps what it read from the environment when it was loaded; tests lead it to another Hub by this."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

# Variables that would still lead a client to another Hub or another cache, whatever HF_ENDPOINT and HF_HOME say.
OVERRIDES = (
    "HF_ASSETS_CACHE",
    "HF_HUB_CACHE",
    "HF_HUB_OFFLINE",
    "HF_STORED_TOKENS_PATH",
    "HF_TOKEN_PATH",
    "HF_XET_CACHE",
    "HUGGINGFACE_ASSETS_CACHE",
    "HUGGINGFACE_CO_STAGING",
    "HUGGINGFACE_HUB_CACHE",
    "HUGGING_FACE_HUB_TOKEN",
    "TRANSFORMERS_OFFLINE",
)
_FOLDERS = {
    "HF_HOME": ".",
    "HF_ASSETS_CACHE": "assets",
    "HF_HUB_CACHE": "hub",
    "HF_STORED_TOKENS_PATH": "stored_tokens",
    "HF_TOKEN_PATH": "token",
    "HF_XET_CACHE": "xet",
    "HUGGINGFACE_ASSETS_CACHE": "assets",
    "HUGGINGFACE_HUB_CACHE": "hub",
    "AGENT_HARNESSES_PATH": ".agent_harnesses.json",
}


class Setting(NamedTuple):
    """An attribute of the loaded client, and what must stand there."""

    owner: Any
    name: str
    value: Any


def settings_of_client(endpoint: str, host: str, home: Path) -> Iterator[Setting]:
    """What must change in this process so that every way to call the client leads to `endpoint`, with caches in `home`.

    The environment is read once, when `huggingface_hub` is loaded; and `huggingface_hub.create_repo`, like all its
    functions, belongs to an `HfApi` that was made then.
    """
    from huggingface_hub import constants, hf_api, hf_file_system

    yield Setting(constants, "HF_URL_HOSTS", constants.HF_URL_HOSTS | {host})
    yield Setting(constants, "HUGGINGFACE_CO_URL_TEMPLATE", endpoint + "/{repo_id}/resolve/{revision}/{filename}")
    yield Setting(constants, "HF_HUB_OFFLINE", False)
    for name, place in _FOLDERS.items():
        yield Setting(constants, name, str(home / place))
    for module in [module for name, module in sys.modules.items() if name.startswith("huggingface_hub.")]:
        if "ENDPOINT" in vars(module):
            yield Setting(module, "ENDPOINT", endpoint)
    yield Setting(hf_api.api, "endpoint", endpoint)
    yield Setting(hf_file_system.HfFileSystem, "_cache", {})  # of its instances, which are kept for ever
    yield Setting(hf_file_system.hffs, "endpoint", endpoint)
    yield Setting(hf_file_system.hffs, "_api", hf_api.HfApi(endpoint=endpoint))
