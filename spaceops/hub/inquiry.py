"""What `check --online` asks: questions that change nothing, one request each."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from spaceops import errors
from spaceops.hub.border import our_errors

if TYPE_CHECKING:
    from huggingface_hub import HfApi

Access = Literal["open", "gated", "missing"]


class Inquiry:
    """Questions to a Hub."""

    def __init__(self, api: HfApi) -> None:
        self._api = api

    def card_errors(self, readme: str) -> tuple[str, ...]:
        """Why the Hub would refuse this README.md, in its own words; empty if it would take it."""
        from huggingface_hub.errors import HfHubHTTPError

        from spaceops.hub.client import get_session, hf_raise_for_status

        with our_errors("README.md"):
            response = get_session().post(
                f"{self._api.endpoint}/api/validate-yaml", json={"content": readme, "repoType": "space"}
            )
            try:
                hf_raise_for_status(response)
            except HfHubHTTPError:
                if response.status_code != 400:
                    raise
        found: dict[str, Any] = response.json()
        return tuple(str(one.get("message")) for one in found.get("errors") or ())

    def used_storage(self, repo_id: str) -> int | None:
        """Bytes that a Space takes on the Hub, its history included; None where the Hub does not say."""
        with our_errors(repo_id):
            return self._api.space_info(repo_id, expand=["usedStorage"]).used_storage

    def access(self, kind: str, repo_id: str) -> Access:
        """Whether we may read a repository (model, dataset, space) or a bucket."""
        try:
            with our_errors(repo_id):
                if kind == "bucket":
                    self._api.bucket_info(repo_id)
                else:
                    self._api.auth_check(repo_id, repo_type=kind)
        except errors.NotFound:
            return "missing"
        except errors.Forbidden:
            return "gated"
        return "open"


def shadows_a_login() -> bool:
    """Whether HF_TOKEN is set while a login with another token is stored: the variable wins."""
    from huggingface_hub import constants

    given = os.environ.get("HF_TOKEN", "").strip()
    place = Path(constants.HF_TOKEN_PATH)
    try:
        stored = place.read_text(encoding="utf-8").strip()
    except (OSError, UnicodeDecodeError):
        return False
    return bool(given and stored) and given != stored
