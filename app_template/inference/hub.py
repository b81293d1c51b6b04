"""Models on the Hub: which files there are, and downloads. What goes wrong is told in one sentence."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:  # slow to import, and not needed for models that are here already
    from httpx2 import Client, Request

SILENCE = 60  # seconds for a sign of life from the Hub


class ModelError(Exception):
    """Why a model cannot be used, in a sentence for people."""


class Unreachable(ModelError, ConnectionError):
    """The Hub does not answer, or not as it should; later it may."""


@cache
def limit_silence() -> None:
    """Give up on a Hub that is silent, which in huggingface_hub most requests wait for without a limit."""
    from huggingface_hub import set_client_factory

    set_client_factory(impatient)


def impatient(silence: float = SILENCE) -> Client:
    """The library's own client, but requests end after some silence that were told to wait for ever."""
    from huggingface_hub.utils._http import default_client_factory

    def limit(request: Request) -> None:
        limits = request.extensions["timeout"]
        limits.update({phase: silence for phase, seconds in limits.items() if seconds is None})

    client = default_client_factory()
    client.event_hooks["request"].append(limit)
    return client


def folder_of(model_id: str) -> Path | None:
    """The folder that MODEL_ID names, such as one of a volume; None if it names a model on the Hub."""
    folder = Path(model_id)
    if folder.is_absolute() and not folder.is_dir():
        raise ModelError(f"There is no folder {folder}")
    return folder if folder.is_dir() else None


def look_up(model_id: str, revision: str | None) -> tuple[str, list[str]]:
    """The commit that the revision means at present, and the files there.

    HF_TOKEN, if set, opens private and gated models.
    """
    from huggingface_hub import HfApi

    limit_silence()
    with in_a_sentence(model_id, revision):
        info = HfApi().model_info(model_id, revision=revision)
    return str(info.sha), [file.rfilename for file in info.siblings or ()]


def refuse_without_tensors(model_id: str, files: Iterable[str]) -> None:
    """PyTorch's older files are not read: they can hold programs."""
    if not any(file.endswith(".safetensors") and "/" not in file for file in files):
        raise ModelError(f"{model_id} has no weights as safetensors")


def download(model_id: str, commit: str, patterns: Iterable[str], into: Path | None = None) -> Path:
    """The files of a model whose names match, in a folder: that one, or else one in the Hub's cache."""
    from huggingface_hub import snapshot_download

    limit_silence()
    wanted = [*patterns]
    deeper = [f"*/{pattern}" for pattern in wanted if "*" in pattern]  # as a training's checkpoints, which match, too
    with in_a_sentence(model_id, commit):
        return Path(
            snapshot_download(model_id, revision=commit, allow_patterns=wanted, ignore_patterns=deeper, local_dir=into)
        )


@contextmanager
def in_a_sentence(model_id: str, revision: str | None) -> Iterator[None]:
    """Turn what the Hub and its client say when something is wrong into what the app's owner can do about it."""
    from httpx2 import HTTPError
    from huggingface_hub.errors import (
        GatedRepoError,
        HfHubHTTPError,
        HFValidationError,
        LocalEntryNotFoundError,
        RepositoryNotFoundError,
        RevisionNotFoundError,
    )

    try:
        yield
    except HFValidationError:
        wanted = "OWNER/NAME of a model on the Hub, or the full path of a folder"
        raise ModelError(f"MODEL_ID is {model_id!r}, but must be {wanted}") from None
    except GatedRepoError:
        way = "accept its terms on the Hub, and set HF_TOKEN to a token of who did"
        raise ModelError(f"{model_id} is gated: {way}") from None
    except RevisionNotFoundError:
        raise ModelError(f"{model_id} has no revision {revision}") from None
    except RepositoryNotFoundError:  # so the Hub answers strangers about private models, too
        raise ModelError(f"There is no model {model_id}, or HF_TOKEN is no token that may read it") from None
    except HfHubHTTPError as error:
        if error.response.status_code == 401:
            raise ModelError("The Hub does not know the token in HF_TOKEN: it may have expired") from None
        passing = error.response.is_server_error or error.response.status_code == 429
        kind = Unreachable if passing else ModelError
        raise kind(f"The Hub answers {error.response.status_code} when asked for {model_id}") from error
    except (HTTPError, ConnectionError, TimeoutError, LocalEntryNotFoundError) as error:
        raise Unreachable(f"{model_id} cannot be fetched from the Hub: {error}".splitlines()[0]) from error
    except OSError as error:
        raise ModelError(f"{model_id} cannot be kept here: {error}".splitlines()[0]) from error


def described(folder: Path, name: str) -> dict[str, Any]:
    """What one of the JSON files says that describe a model."""
    file = folder / name
    if not file.is_file():
        raise ModelError(f"The model has no {name}, so it is none of the transformers library")
    try:
        content: dict[str, Any] = json.loads(file.read_text("utf-8"))
    except ValueError as error:
        raise ModelError(f"The model's {name} is no JSON: {error}") from error
    return content
