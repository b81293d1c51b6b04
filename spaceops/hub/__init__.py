"""The Hub: the one place that calls `huggingface_hub` (`border` maps its errors, `settings` holds the settings)."""

from __future__ import annotations

import os
import time
from collections.abc import Collection, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from functools import cached_property
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import quote, urlsplit

from spaceops import __version__, errors
from spaceops.hub.account import remember, remembered
from spaceops.hub.app import ask
from spaceops.hub.border import (
    CONNECT_SECONDS,
    LOGIN,
    OUR_CLIENT,
    answers_of_a_hub,
    client_errors,
    hardware_errors,
    limit_time,
    our_errors,
    redact_debug_log,
)
from spaceops.hub.branch import Branch, Commit
from spaceops.hub.commits import Commits, Plain
from spaceops.hub.identity import TOKENS, Identity, Rights
from spaceops.hub.inquiry import Inquiry
from spaceops.hub.settings import Flavor, Hardware, Secrets, Variables, Volumes, volumes_of
from spaceops.observed import Observed, RemoteFile, RemoteSecret, Runtime
from spaceops.secret import Secret
from spaceops.spec import LOOPBACK, Visibility

if TYPE_CHECKING:
    from huggingface_hub import HfApi
    from huggingface_hub.hf_api import SpaceInfo

    from spaceops.hub.client import httpx

LOCAL = "local"
REAL = "https://huggingface.co"
READ_SECONDS = 40.0  # the Hub sends a keep-alive every 30 s
APP_SECONDS = 10.0
RECENT_SECONDS = 60.0  # in which nobody's rights change


class Hub:
    """A Hub and who we are on it: the real one, a local one, any server that speaks the protocol.

    `endpoint` is a URL, or `local` for the local Hub of the default data folder (the one that runs, else one started in
    this process); without it `HF_ENDPOINT` counts, then the real Hub. Without a `token` the one of `huggingface_hub`
    is used: `HF_TOKEN`, then the login.
    """

    def __init__(self, endpoint: str | None = None, token: str | Secret | None = None) -> None:
        endpoint = endpoint or os.environ.get("HF_ENDPOINT") or REAL
        self.is_embedded = False  # whether it ends with this program
        if endpoint == LOCAL:
            endpoint, local_token, self.is_embedded = _local_hub()
            token = token or local_token
        self.endpoint = _checked(endpoint)
        if urlsplit(self.endpoint).hostname in LOOPBACK:
            _spare_loopback_from_proxies()
        self._token = _secret(token)
        self._asked: tuple[float, Identity | None] = 0.0, None  # when we were told who we are, and that

    def __repr__(self) -> str:
        return f"Hub({self.endpoint!r})"

    @property
    def _api(self) -> HfApi:
        limit_time()
        return self._client

    @cached_property
    def _client(self) -> HfApi:
        from huggingface_hub import HfApi

        token = self._token.reveal() if self._token else False
        return HfApi(endpoint=self.endpoint, token=token, library_name=OUR_CLIENT, library_version=__version__)

    @cached_property
    def account(self) -> str:
        """The user that the token belongs to. One request, and none for an hour after it."""
        known = remembered(self.endpoint, self._token.reveal()) if self._token else None
        return known or self.identity().name

    def identity(self, *, max_age: float = 0.0) -> Identity:
        """Who the token belongs to, and what is known of it. One request; none when asked in the last `max_age` s."""
        asked, found = self._asked
        if found and time.monotonic() - asked < max_age:
            return found
        if self._token is None:
            raise errors.Forbidden(f"No token for {self.endpoint}", hint=LOGIN, status=401)
        with answers_of_a_hub(self.endpoint), our_errors(self.endpoint):
            found = Identity.read(self._api.whoami())
        remember(self.endpoint, self._token.reveal(), found.name)
        self._asked = time.monotonic(), found
        return found

    def rights(self, repo_id: str, identity: Identity | None = None) -> Rights:
        """What the token may do to a Space. What it does not tell by itself, the Hub is asked: one request more."""
        rights = (identity or self.identity()).rights(repo_id)
        return rights.settled(self._may_write(repo_id)) if rights.is_open(rights.verbs) else rights

    @property
    def token(self) -> Secret | None:
        """The token in use, None for an anonymous visitor."""
        return self._token

    def url(self, repo_id: str) -> str:
        """The Space's page."""
        return f"{self.endpoint}/spaces/{repo_id}"

    # reading

    def observe(self, repo_id: str, *, settings: bool = True) -> Observed:
        """What the Space is: head, files, runtime, and with `settings` its variables and the names of its secrets.

        Three requests, one without `settings` or for a Space that does not exist.
        """
        try:
            with answers_of_a_hub(self.endpoint), our_errors(repo_id):
                info = self._api.space_info(repo_id, files_metadata=True, timeout=READ_SECONDS)
        except errors.NotFound:
            return Observed(repo_id)
        if not settings:
            return _observed(info, self.url(repo_id))
        with ThreadPoolExecutor(2) as pool:
            variables = pool.submit(self.variables.described, repo_id)
            secrets = pool.submit(self.secrets.ls, repo_id)
            return _observed(info, self.url(repo_id), variables.result(), secrets.result())

    def files(self, repo_id: str, revision: str) -> dict[str, RemoteFile]:
        """The files of a Space at a revision. One request."""
        with our_errors(f"{repo_id} at {revision}"):
            info = self._api.space_info(repo_id, revision=revision, files_metadata=True, timeout=READ_SECONDS)
        return _files(info)

    def runtime(self, repo_id: str) -> Runtime:
        """What runs now. One request."""
        with our_errors(repo_id):
            return Runtime.read(self._get(f"/api/spaces/{repo_id}/runtime").json())

    def read(self, repo_id: str, path: str, revision: str = "main") -> bytes:
        """The content of one file at a revision."""
        with our_errors(f"{repo_id}: {path}"):
            return self._get(f"/spaces/{repo_id}/resolve/{quote(revision, safe='')}/{quote(path)}").content

    def history(self, repo_id: str, *, since: str | None = None, count: int = 50) -> list[Commit]:
        """The last commits on main, at most `count` (and 50), the newest first; those after the commit `since`.

        One request. Where `since` is further back, or is none of main's, they do not reach back to it.
        """
        found = self.branch(repo_id, "main").history(count)
        shas = [commit.sha for commit in found]
        return found[: shas.index(since)] if since in shas else found

    @contextmanager
    def stream(self, path: str) -> Iterator[httpx.Response]:
        """An open GET of `endpoint` + `path`, for server-sent events."""
        from spaceops.hub.client import get_session, hf_raise_for_status, httpx

        timeout = httpx.Timeout(CONNECT_SECONDS, read=READ_SECONDS)
        with (
            our_errors(path),
            get_session().stream("GET", self.endpoint + path, headers=self._headers(), timeout=timeout) as response,
        ):
            if response.is_error:
                response.read()
            hf_raise_for_status(response)
            yield response

    def ask_app(
        self, url: str, *, private: bool, holds: str | None = None, patience: float = APP_SECONDS
    ) -> tuple[int, str]:
        """GET an address of the app: its status, and what it says if that is no success, or up to the text `holds`.

        Only a private app gets the token, and a redirect is not followed: what is said is where it leads. Raises
        `Unreachable` when nobody answers within `patience` seconds.
        """
        return ask(url, self._headers() if private else {}, holds=holds, patience=patience)

    def check_may(self, repo_id: str, verbs: Collection[str]) -> None:
        """Raise `Forbidden` for what the token may not do there, as far as the Hub tells before it is tried.

        One request, unless we have just asked, and one more where the token does not tell by itself.
        """
        if not verbs:
            return
        try:
            rights = self.identity(max_age=RECENT_SECONDS).rights(repo_id)
        except errors.RateLimited:  # of this question alone; the Hub refuses by itself what is not allowed
            return
        if "create" not in verbs and rights.is_open(verbs):
            rights = rights.settled(self._may_write(repo_id))
        if said := rights.refusal(verbs):
            hint = f"A write token may, or a fine-grained one with repo.write there: {TOKENS}"
            raise errors.Forbidden(said, hint=hint, status=403)

    def _may_write(self, repo_id: str) -> bool | None:
        """Whether the Hub lets us write there; None where there is no such Space, or nothing answers that question."""
        try:
            with our_errors(repo_id):
                self._api.auth_check(repo_id, repo_type="space", write=True)
        except errors.Forbidden:
            return False
        except errors.NotFound:
            return None
        return True

    # changing

    def create(self, repo_id: str, *, visibility: Visibility | None, settings: Mapping[str, Any]) -> str:
        """Create a Docker Space with all its settings in one call; the address of its page.

        `settings` are the `space_…` arguments of `HfApi.create_repo`, volumes in the Hub's form.
        """
        volumes = {key: volumes_of(value) for key, value in settings.items() if key == "space_volumes"}
        with hardware_errors(), client_errors(repo_id):
            made = self._api.create_repo(
                repo_id, repo_type="space", space_sdk="docker", visibility=visibility, **{**settings, **volumes}
            )
        return str(made)

    def delete(self, repo_id: str) -> None:
        """Delete the Space with everything in it. There is no way back."""
        with our_errors(repo_id):
            self._api.delete_repo(repo_id, repo_type="space")

    def pause(self, repo_id: str) -> Runtime:
        """Stop the app. It costs nothing until it is restarted."""
        with our_errors(repo_id):
            return Runtime.read(self._api.pause_space(repo_id).raw)

    def restart(self, repo_id: str, *, factory: bool = False) -> Runtime:
        """Start the app again; with `factory` build it anew, without any cache."""
        with our_errors(repo_id):
            return Runtime.read(self._api.restart_space(repo_id, factory_reboot=factory).raw)

    def set_visibility(self, repo_id: str, visibility: Visibility) -> None:
        """Make the Space public, protected or private."""
        with our_errors(repo_id):
            self._api.update_repo_settings(repo_id, repo_type="space", visibility=visibility)

    def commits(self, repo_id: str) -> Commits:
        """The way to commits on a Space's main branch."""
        return Commits(self._api, self._headers(), repo_id)

    def commit(
        self, repo_id: str, *, add: Mapping[str, str], remove: Sequence[str], message: str, parent: str | None
    ) -> str:
        """Make one commit on main: paths to local files, paths to remove; its sha.

        Raises `Conflict` when main is not `parent` any more.
        """
        commits = self.commits(repo_id)
        files = {path: Plain(Path(source), Path(source).stat().st_size) for path, source in add.items()}
        upload = commits.upload(files, parent=parent)
        return commits.make(upload.content, remove, message, upload.head)

    def branch(self, repo_id: str, name: str) -> Branch:
        """A branch of a Space as a store of small files."""
        return Branch(self.endpoint, self._headers(), repo_id, name)

    @property
    def variables(self) -> Variables:
        """The Space's variables: `ls`, `set`, `delete`."""
        return Variables(self._api)

    @property
    def secrets(self) -> Secrets:
        """The Space's secrets: `ls` (never values), `set`, `delete`."""
        return Secrets(self._api)

    @property
    def hardware(self) -> Hardware:
        """The hardware that the Hub offers, and what a Space asks for: `ls`, `set`, `delete`."""
        return Hardware(self._api)

    @property
    def volumes(self) -> Volumes:
        """The Space's volumes: `ls`, `set`, `delete`."""
        return Volumes(self._api)

    @property
    def inquiry(self) -> Inquiry:
        """Questions that change nothing: about a README.md, storage, and who may read what."""
        return Inquiry(self._api)

    def _headers(self) -> dict[str, str]:
        return {"Authorization": f"Bearer {self._token.reveal()}"} if self._token else {}

    def _get(self, path: str) -> httpx.Response:
        from spaceops.hub.client import get_session, hf_raise_for_status

        response = get_session().get(
            self.endpoint + path, headers=self._headers(), follow_redirects=True, timeout=READ_SECONDS
        )
        hf_raise_for_status(response)
        return response


def _observed(
    info: SpaceInfo,
    url: str,
    variables: Mapping[str, tuple[str, str | None]] | None = None,
    secrets: Mapping[str, RemoteSecret] | None = None,
) -> Observed:
    runtime = Runtime.read(info.runtime.raw) if info.runtime else Runtime("NO_APP_FILE")
    return Observed(
        info.id,
        exists=True,
        sha=info.sha,
        runtime=runtime,
        visibility=getattr(info, "visibility", None) or ("private" if info.private else "public"),
        url=url,
        host=info.host or runtime.host,
        variables={key: value for key, (value, _) in (variables or {}).items()},
        descriptions={key: words for key, (_, words) in (variables or {}).items() if words},
        secrets=secrets or {},
        has_settings=variables is not None,
        files=_files(info),
    )


def _files(info: SpaceInfo) -> dict[str, RemoteFile]:
    return {
        file.rfilename: RemoteFile(
            size=file.lfs.size if file.lfs else file.size or 0,
            oid=file.blob_id,
            sha256=file.lfs.sha256 if file.lfs else None,
        )
        for file in info.siblings or ()
    }


def _checked(endpoint: str) -> str:
    """The endpoint as it is used. Raises `BadInput`, without repeating a password that stands in it."""
    if "@" in endpoint:
        raise errors.BadInput("The endpoint holds a user or a password", hint="Leave it out; the token is HF_TOKEN.")
    try:
        parts = urlsplit(endpoint)
        usable = parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError:  # an address or a port that cannot be
        usable = False
    if not usable:
        hint = f"{LOCAL}, {REAL}, or the address of another Hub."
        raise errors.BadInput(f"The endpoint {endpoint!r} is not a URL", hint=hint)
    return endpoint.rstrip("/")


def _secret(token: str | Secret | None) -> Secret | None:
    from huggingface_hub import get_token

    redact_debug_log()
    token = token or get_token()
    if token is None or isinstance(token, Secret):
        return token
    if not token.strip().isascii():
        raise errors.Forbidden("The token holds characters that no token has", hint="Copy it again.", status=401)
    return Secret(token.strip(), "HF_TOKEN")


def _local_hub() -> tuple[str, str | None, bool]:
    """Address and token of the local Hub of the default data folder; started in this process (True) if none runs."""
    from spaceops.localhub import default_folder, embedded

    return embedded(default_folder())


def _spare_loopback_from_proxies() -> None:
    """A proxy in the environment is for the world outside; git and the Xet client read the same variable."""
    proxies = {name: value for name, value in os.environ.items() if name.lower().endswith("_proxy")}
    listed = proxies.pop("NO_PROXY", "") or proxies.get("no_proxy", "")
    proxies.pop("no_proxy", None)
    missing = [host for host in LOOPBACK if host not in listed.split(",")]
    from spaceops.hub.client import close_session

    if proxies and missing and listed != "*":
        os.environ["NO_PROXY"] = os.environ["no_proxy"] = ",".join(filter(None, [listed, *missing]))
        close_session()  # a session made before took the proxy
    if any(value.startswith("socks") for value in proxies.values()) and find_spec("socksio") is None:
        _make_session_without(proxies)


def _make_session_without(proxies: Mapping[str, str]) -> None:
    """A session cannot even be made with a SOCKS proxy whose package is missing, whoever it is to talk to."""
    from spaceops.hub.client import get_session

    for name in proxies:
        os.environ.pop(name, None)
    try:
        get_session()
    finally:
        os.environ.update(proxies)


__all__ = ["LOCAL", "REAL", "Commit", "Flavor", "Hub", "Identity", "Rights", "our_errors"]
