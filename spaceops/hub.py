"""The Hub: the one module that calls `huggingface_hub`, and the border where its errors become ours."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any
from urllib.parse import quote, urlsplit

from spaceops import errors
from spaceops.secret import Secret, redact
from spaceops.spec import Observed, RemoteFile, Runtime, Visibility

if TYPE_CHECKING:
    from huggingface_hub import HfApi
    from huggingface_hub.hf_api import SpaceInfo
    from huggingface_hub.utils import httpx

LOCAL = "local"
REAL = "https://huggingface.co"
CONNECT_SECONDS = 10.0
READ_SECONDS = 40.0  # the Hub sends a keep-alive every 30 s
APP_SECONDS = 10.0

_LOOPBACK = ("127.0.0.1", "localhost", "::1")
_ERRORS: dict[int, type[errors.HubError]] = {
    401: errors.Forbidden,
    402: errors.PaymentRequired,
    403: errors.Forbidden,
    404: errors.NotFound,
    409: errors.Conflict,
    412: errors.Conflict,
    429: errors.RateLimited,
}
_HINTS = {
    401: "hf auth login, or set HF_TOKEN; HF_TOKEN takes precedence over a login.",
    402: "Docker Spaces need a PRO account or a Team or Enterprise organization: https://huggingface.co/pricing",
    403: "Use a token that may write here: https://huggingface.co/settings/tokens",
    404: "Look at the name, and whether this token may see it: spaceops status OWNER/NAME",
    409: "spaceops plan shows what is there now.",
    412: "spaceops plan shows what is there now.",
}


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
        if not endpoint.startswith(("http://", "https://")):
            hint = f"{LOCAL}, {REAL}, or the address of another Hub."
            raise errors.BadInput(f"The endpoint {endpoint!r} is not a URL", hint=hint)
        self.endpoint = endpoint.rstrip("/")
        if urlsplit(self.endpoint).hostname in _LOOPBACK:
            _spare_loopback_from_proxies()
        self._token = _secret(token)

    def __repr__(self) -> str:
        return f"Hub({self.endpoint!r})"

    @cached_property
    def _api(self) -> HfApi:
        from huggingface_hub import HfApi

        return HfApi(endpoint=self.endpoint, token=self._token.reveal() if self._token else False)

    @cached_property
    def account(self) -> str:
        """The user that the token belongs to. One request, once."""
        if self._token is None:
            raise errors.Forbidden(f"No token for {self.endpoint}", hint=_HINTS[401], status=401)
        with our_errors(self.endpoint):
            return str(self._api.whoami()["name"])

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
            with our_errors(repo_id):
                info = self._api.space_info(repo_id, files_metadata=True, timeout=READ_SECONDS)
        except errors.NotFound:
            return Observed(repo_id)
        if not settings:
            return _observed(info, self.url(repo_id))
        with ThreadPoolExecutor(2) as pool:
            variables = pool.submit(self.variables.ls, repo_id)
            secrets = pool.submit(self.secrets.ls, repo_id)
            return _observed(info, self.url(repo_id), variables.result(), secrets.result())

    def runtime(self, repo_id: str) -> Runtime:
        """What runs now. One request."""
        with our_errors(repo_id):
            return _runtime(self._get(f"/api/spaces/{repo_id}/runtime").json())

    def read(self, repo_id: str, path: str) -> bytes:
        """The content of one file on main."""
        with our_errors(f"{repo_id}: {path}"):
            return self._get(f"/spaces/{repo_id}/resolve/main/{quote(path)}").content

    @contextmanager
    def stream(self, path: str) -> Iterator[httpx.Response]:
        """An open GET of `endpoint` + `path`, for server-sent events."""
        from huggingface_hub.utils import get_session, hf_raise_for_status, httpx

        timeout = httpx.Timeout(CONNECT_SECONDS, read=READ_SECONDS)
        with (
            our_errors(path),
            get_session().stream("GET", self.endpoint + path, headers=self._headers(), timeout=timeout) as response,
        ):
            if response.is_error:
                response.read()
            hf_raise_for_status(response)
            yield response

    def ask_app(self, url: str, *, private: bool) -> tuple[int, str]:
        """GET an address of the app: status and the first 300 characters. The token goes along only to a private app.

        A redirect is not followed. Raises `Unreachable` when nobody answers.
        """
        from huggingface_hub.utils import httpx

        with our_errors(url), httpx.Client(timeout=APP_SECONDS, follow_redirects=False) as client:
            response = client.get(url, headers=self._headers() if private else {})
            return response.status_code, redact(response.text[:300])

    # changing

    def create(self, repo_id: str, *, visibility: Visibility | None, settings: Mapping[str, Any]) -> str:
        """Create a Docker Space with all its settings in one call; the address of its page.

        `settings` are the `space_…` arguments of `HfApi.create_repo`.
        """
        with _client_errors(repo_id):
            made = self._api.create_repo(
                repo_id, repo_type="space", space_sdk="docker", visibility=visibility, **settings
            )
        return str(made)

    def delete(self, repo_id: str) -> None:
        """Delete the Space with everything in it. There is no way back."""
        with our_errors(repo_id):
            self._api.delete_repo(repo_id, repo_type="space")

    def pause(self, repo_id: str) -> Runtime:
        """Stop the app. It costs nothing until it is restarted."""
        with our_errors(repo_id):
            return _runtime(self._api.pause_space(repo_id).raw)

    def restart(self, repo_id: str, *, factory: bool = False) -> Runtime:
        """Start the app again; with `factory` build it anew, without any cache."""
        with our_errors(repo_id):
            return _runtime(self._api.restart_space(repo_id, factory_reboot=factory).raw)

    def set_visibility(self, repo_id: str, visibility: Visibility) -> None:
        """Make the Space public, protected or private."""
        with our_errors(repo_id):
            self._api.update_repo_settings(repo_id, repo_type="space", visibility=visibility)

    def commit(
        self,
        repo_id: str,
        *,
        add: Mapping[str, str],
        remove: Sequence[str],
        message: str,
        parent: str | None,
    ) -> str:
        """Make one commit on main: paths to local files, paths to remove; its sha.

        Raises `Conflict` when main is not `parent` any more.
        """
        from huggingface_hub import CommitOperationAdd, CommitOperationDelete

        operations: list[Any] = [CommitOperationAdd(path, source) for path, source in add.items()]
        operations += [CommitOperationDelete(path, is_folder=False) for path in remove]
        with _client_errors(repo_id):
            done = self._api.create_commit(
                repo_id,
                operations,
                repo_type="space",
                commit_message=message,
                parent_commit=parent,
            )
        return str(done.oid)

    @property
    def variables(self) -> Variables:
        """The Space's variables: `ls`, `set`, `delete`."""
        return Variables(self)

    @property
    def secrets(self) -> Secrets:
        """The Space's secrets: `ls` (never values), `set`, `delete`."""
        return Secrets(self)

    @property
    def hardware(self) -> Hardware:
        """The hardware that the Hub offers, and what a Space asks for: `ls`, `set`, `delete`."""
        return Hardware(self)

    @property
    def volumes(self) -> Volumes:
        """The Space's volumes: `ls`, `set`, `delete`."""
        return Volumes(self)

    def _headers(self) -> dict[str, str]:
        return {"Authorization": f"Bearer {self._token.reveal()}"} if self._token else {}

    def _get(self, path: str) -> httpx.Response:
        from huggingface_hub.utils import get_session, hf_raise_for_status

        response = get_session().get(
            self.endpoint + path, headers=self._headers(), follow_redirects=True, timeout=READ_SECONDS
        )
        hf_raise_for_status(response)
        return response


class Variables:
    """Environment variables of a Space. Everybody who sees the Space sees them."""

    def __init__(self, hub: Hub) -> None:
        self._hub = hub

    def ls(self, repo_id: str) -> dict[str, str]:
        """The variables and their values."""
        with our_errors(repo_id):
            found = self._hub._api.get_space_variables(repo_id)
        return {key: variable.value for key, variable in found.items()}

    def set(self, repo_id: str, key: str, value: str, *, description: str | None = None) -> None:
        """Set one variable; the app restarts."""
        with our_errors(f"{repo_id}: variable {key}"):
            self._hub._api.add_space_variable(repo_id, key, value, description=description)

    def delete(self, repo_id: str, key: str) -> None:
        """Delete one variable; the app restarts. One that is not there is no error."""
        with our_errors(f"{repo_id}: variable {key}"):
            self._hub._api.delete_space_variable(repo_id, key)


class Secrets:
    """Secrets of a Space: written, never read back."""

    def __init__(self, hub: Hub) -> None:
        self._hub = hub

    def ls(self, repo_id: str) -> dict[str, str | None]:
        """The names of the secrets, each with its description."""
        with our_errors(repo_id):
            found = self._hub._api.get_space_secrets(repo_id)
        return {key: secret.description for key, secret in found.items()}

    def set(self, repo_id: str, key: str, value: Secret, *, description: str | None = None) -> None:
        """Set one secret; the app restarts."""
        with our_errors(f"{repo_id}: secret {key}"):
            self._hub._api.add_space_secret(repo_id, key, value.reveal(), description=description)

    def delete(self, repo_id: str, key: str) -> None:
        """Delete one secret; the app restarts. One that is not there is no error."""
        with our_errors(f"{repo_id}: secret {key}"):
            self._hub._api.delete_space_secret(repo_id, key)


@dataclass(frozen=True)
class Flavor:
    """A kind of hardware as the Hub offers it; the price in dollars an hour."""

    name: str
    title: str
    cpu: str
    memory: str
    accelerator: str | None
    hourly_cost: float

    def as_dict(self) -> dict[str, Any]:
        """The flavor for `--json`."""
        return {name: getattr(self, name) for name in self.__dataclass_fields__}


class Hardware:
    """The machine under a Space."""

    def __init__(self, hub: Hub) -> None:
        self._hub = hub

    def ls(self) -> list[Flavor]:
        """What the Hub offers to Spaces, with prices."""
        with our_errors("the list of hardware"):
            found = self._hub._api.list_spaces_hardware()
        return [_flavor(item) for item in found]

    def set(self, repo_id: str, flavor: str, *, sleep_time: int | None = None) -> Runtime:
        """Ask for another machine (and a sleep time in seconds, -1 for never); the app restarts on it."""
        with our_errors(f"{repo_id}: hardware {flavor}"), _quiet():
            done = self._hub._api.request_space_hardware(repo_id, flavor, sleep_time=sleep_time)  # type: ignore[arg-type]
        return _runtime(done.raw)

    def delete(self, repo_id: str) -> Runtime:
        """Go back to the free machine."""
        return self.set(repo_id, "cpu-basic")

    def set_sleep_time(self, repo_id: str, sleep_time: int) -> Runtime:
        """Set after how many idle seconds the Space sleeps, -1 for never. No restart."""
        with our_errors(f"{repo_id}: sleep time"), _quiet():
            return _runtime(self._hub._api.set_space_sleep_time(repo_id, sleep_time).raw)


class Volumes:
    """Buckets and repositories that the app sees as folders."""

    def __init__(self, hub: Hub) -> None:
        self._hub = hub

    def ls(self, repo_id: str) -> list[dict[str, Any]]:
        """The volumes as the Hub describes them: type, source, mountPath, readOnly."""
        return [dict(volume) for volume in self._hub.runtime(repo_id).volumes]

    def set(self, repo_id: str, volumes: Sequence[Mapping[str, Any]]) -> None:
        """Replace all volumes; the app restarts."""
        with our_errors(f"{repo_id}: volumes"):
            self._hub._api.set_space_volumes(repo_id, volumes_of(volumes))

    def delete(self, repo_id: str) -> None:
        """Take all volumes away; the app restarts."""
        with our_errors(f"{repo_id}: volumes"):
            self._hub._api.delete_space_volumes(repo_id)


def volumes_of(volumes: Sequence[Mapping[str, Any]]) -> list[Any]:
    """The client's own objects for volumes."""
    from huggingface_hub import Volume

    return [Volume(**volume) for volume in volumes]


@contextmanager
def our_errors(subject: str) -> Iterator[None]:
    """Turn what `huggingface_hub` and its HTTP client raise into our errors about `subject`."""
    from huggingface_hub.errors import HfHubHTTPError, LocalTokenNotFoundError, OfflineModeIsEnabled
    from huggingface_hub.utils import httpx

    try:
        yield
    except HfHubHTTPError as error:
        raise _http_error(subject, error) from error
    except OfflineModeIsEnabled as error:
        hint = "unset HF_HUB_OFFLINE; it blocks the local Hub too."
        raise errors.Unreachable(f"{subject}: HF_HUB_OFFLINE is set, so nothing is asked", hint=hint) from error
    except LocalTokenNotFoundError as error:
        raise errors.Forbidden(f"{subject}: there is no token", hint=_HINTS[401], status=401) from error
    except httpx.TransportError as error:
        raise _unreachable(subject, error) from error


@contextmanager
def _client_errors(subject: str) -> Iterator[None]:
    """What the client raises of its own accord while it creates or uploads."""
    try:
        with our_errors(subject), _quiet():
            yield
    except ConnectionError as error:  # of hf_xet, which has no class of its own
        raise errors.HubError(f"{subject}: {redact(str(error))}", hint="Run the same command again.") from error
    except ValueError as error:  # it refuses before it asks: a card, a name
        raise errors.BadInput(f"{subject}: {redact(str(error))}", hint="Mend it and run the command again.") from error


def _http_error(subject: str, error: Any) -> errors.HubError:
    status = error.response.status_code
    kind = _ERRORS.get(status, errors.HubError)
    said = error.server_message or str(error).partition("\n")[0] or f"HTTP {status}"
    hint = _HINTS.get(status, "Try again; https://status.huggingface.co tells whether the Hub has trouble.")
    if error.response.headers.get("X-Error-Code") == "RepoNotFound":
        kind, said, hint = errors.NotFound, "no such Space, or this token may not see it", _HINTS[404]
    if status == 429:
        hint = f"Try again in {_pause(error.response.headers)} seconds."
    message = redact(f"{subject}: {' '.join(said.split())}")
    return kind(message, hint=hint, status=status, request_id=error.request_id)


def _pause(headers: Mapping[str, str]) -> int:
    """Seconds to wait, from `Retry-After` or the `t` of `RateLimit`."""
    from huggingface_hub.utils import parse_ratelimit_headers

    if (after := headers.get("Retry-After", "")).isdecimal():
        return int(after)
    limit = parse_ratelimit_headers(headers)
    return limit.reset_in_seconds + 1 if limit else 60


def _unreachable(subject: str, error: Exception) -> errors.Unreachable:
    request = getattr(error, "_request", None)
    where = f"{request.url.scheme}://{request.url.netloc.decode()}" if request else subject
    hint = "spaceops hub serve starts a local one." if any(host in where for host in _LOOPBACK) else None
    said = " ".join(str(error).split()) or type(error).__name__
    return errors.Unreachable(
        redact(f"{subject}: {where} does not answer ({said})"), hint=hint or "Look at the network, then try again."
    )


@contextmanager
def _quiet() -> Iterator[None]:
    """The client warns about sleep times and prints bars; our plan has said it already."""
    import warnings

    from huggingface_hub.utils import are_progress_bars_disabled, disable_progress_bars, enable_progress_bars

    shown = not are_progress_bars_disabled()
    if shown:
        disable_progress_bars()
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", UserWarning)
            yield
    finally:
        if shown:
            enable_progress_bars()


def _observed(
    info: SpaceInfo,
    url: str,
    variables: Mapping[str, str] | None = None,
    secrets: Mapping[str, str | None] | None = None,
) -> Observed:
    runtime = _runtime(info.runtime.raw) if info.runtime else Runtime("NO_APP_FILE")
    return Observed(
        info.id,
        exists=True,
        sha=info.sha,
        runtime=runtime,
        visibility=getattr(info, "visibility", None) or ("private" if info.private else "public"),
        url=url,
        host=info.host or runtime.host,
        variables=variables or {},
        secrets=secrets or {},
        files={
            file.rfilename: RemoteFile(
                size=file.lfs.size if file.lfs else file.size or 0,
                oid=file.blob_id,
                sha256=file.lfs.sha256 if file.lfs else None,
            )
            for file in info.siblings or ()
        },
    )


def _runtime(raw: Mapping[str, Any]) -> Runtime:
    hardware = raw.get("hardware") or {}
    domain = next((item.get("domain") for item in raw.get("domains") or () if item.get("domain")), None)
    return Runtime(
        stage=raw["stage"],
        error_message=redact(raw["errorMessage"]) if raw.get("errorMessage") else None,
        sha=raw.get("sha"),
        hardware=hardware.get("current"),
        requested_hardware=hardware.get("requested"),
        sleep_time=raw.get("gcTimeout"),
        volumes=tuple(raw.get("volumes") or ()),
        host=_address(domain) if domain else None,
        raw=raw,
    )


def _address(domain: str) -> str:
    if "://" in domain:
        return domain
    return f"{'http' if domain.startswith(_LOOPBACK) else 'https'}://{domain}"


def _flavor(item: Any) -> Flavor:
    gpu = item.accelerator
    return Flavor(
        name=item.name,
        title=item.pretty_name,
        cpu=item.cpu,
        memory=item.ram,
        accelerator=f"{gpu.quantity} x {gpu.manufacturer} {gpu.model}, {gpu.vram}" if gpu else None,
        hourly_cost=round(item.unit_cost_micro_usd * 60 / 1e6, 2),
    )


def _secret(token: str | Secret | None) -> Secret | None:
    from huggingface_hub import get_token

    token = token or get_token()
    return token if isinstance(token, Secret) or token is None else Secret(token.strip(), "HF_TOKEN")


def _local_hub() -> tuple[str, str | None, bool]:
    """Address and token of the local Hub of the default data folder; started in this process (True) if none runs."""
    from spaceops.localhub import default_folder, embedded

    return embedded(default_folder())


def _spare_loopback_from_proxies() -> None:
    """A proxy in the environment is for the world outside; git and the Xet client read the same variable."""
    if not any(name.lower().endswith("_proxy") and name.lower() != "no_proxy" for name in os.environ):
        return
    listed = os.environ.get("NO_PROXY") or os.environ.get("no_proxy") or ""
    missing = [host for host in _LOOPBACK if host not in listed.split(",")]
    if missing and listed != "*":
        from huggingface_hub.utils import close_session

        os.environ["NO_PROXY"] = os.environ["no_proxy"] = ",".join(filter(None, [listed, *missing]))
        close_session()  # a session made before took the proxy
