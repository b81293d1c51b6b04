"""A Space's settings, each with `ls`, `set` and `delete`: variables, secrets, hardware, volumes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC
from typing import TYPE_CHECKING, Any

from spaceops.hub.border import hardware_errors, our_errors, quiet
from spaceops.observed import RemoteSecret, Runtime
from spaceops.secret import Secret

if TYPE_CHECKING:
    from huggingface_hub import HfApi


class Variables:
    """Environment variables of a Space. Everybody who sees the Space sees them."""

    def __init__(self, api: HfApi) -> None:
        self._api = api

    def ls(self, repo_id: str) -> dict[str, str]:
        """The variables and their values."""
        return {key: value for key, (value, _) in self.described(repo_id).items()}

    def described(self, repo_id: str) -> dict[str, tuple[str, str | None]]:
        """The variables, their values and their descriptions."""
        with our_errors(repo_id):
            found = self._api.get_space_variables(repo_id)
        return {key: (variable.value, variable.description) for key, variable in found.items()}

    def updated(self, repo_id: str) -> dict[str, str]:
        """When each variable was last changed: ISO 8601, UTC; those of which the Hub does not say it are left out."""
        with our_errors(repo_id):
            found = self._api.get_space_variables(repo_id)
        return {key: it.updated_at.astimezone(UTC).isoformat() for key, it in found.items() if it.updated_at}

    def set(self, repo_id: str, key: str, value: str, *, description: str | None = None) -> None:
        """Set one variable; the app restarts."""
        with our_errors(f"{repo_id}: variable {key}"):
            self._api.add_space_variable(repo_id, key, value, description=description)

    def delete(self, repo_id: str, key: str) -> None:
        """Delete one variable; the app restarts. One that is not there is no error."""
        with our_errors(f"{repo_id}: variable {key}"):
            self._api.delete_space_variable(repo_id, key)


class Secrets:
    """Secrets of a Space: written, never read back."""

    def __init__(self, api: HfApi) -> None:
        self._api = api

    def ls(self, repo_id: str) -> dict[str, RemoteSecret]:
        """The names of the secrets, each with its description and the time of its last change.

        Raises `Forbidden` for a token that may not set them: the Hub shows them to nobody else.
        """
        with our_errors(f"{repo_id}: the names of its secrets"):
            found = self._api.get_space_secrets(repo_id)
        return {key: _remote(secret) for key, secret in found.items()}

    def set(self, repo_id: str, key: str, value: Secret, *, description: str | None = None) -> None:
        """Set one secret; the app restarts."""
        with our_errors(f"{repo_id}: secret {key}"):
            self._api.add_space_secret(repo_id, key, value.reveal(), description=description)

    def delete(self, repo_id: str, key: str) -> None:
        """Delete one secret; the app restarts. One that is not there is no error."""
        with our_errors(f"{repo_id}: secret {key}"):
            self._api.delete_space_secret(repo_id, key)


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

    def __init__(self, api: HfApi) -> None:
        self._api = api

    def ls(self) -> list[Flavor]:
        """What the Hub offers to Spaces, with prices."""
        with our_errors("the list of hardware"):
            found = self._api.list_spaces_hardware()
        return [_flavor(item) for item in found]

    def prices(self) -> dict[str, float]:
        """Dollars an hour of each flavor."""
        return {flavor.name: flavor.hourly_cost for flavor in self.ls()}

    def set(self, repo_id: str, flavor: str, *, sleep_time: int | None = None) -> Runtime:
        """Ask for another machine (and a sleep time in seconds, -1 for never); the app restarts on it."""
        subject = f"{repo_id}: hardware {flavor}"
        with hardware_errors(), our_errors(subject), quiet():
            done = self._api.request_space_hardware(repo_id, flavor, sleep_time=sleep_time)  # type: ignore[arg-type]
        return Runtime.read(done.raw)

    def delete(self, repo_id: str) -> Runtime:
        """Go back to the free machine."""
        return self.set(repo_id, "cpu-basic")

    def set_sleep_time(self, repo_id: str, sleep_time: int) -> Runtime:
        """Set after how many idle seconds the Space sleeps, -1 for never. No restart."""
        with our_errors(f"{repo_id}: sleep time"), quiet():
            return Runtime.read(self._api.set_space_sleep_time(repo_id, sleep_time).raw)


class Volumes:
    """Buckets and repositories that the app sees as folders."""

    def __init__(self, api: HfApi) -> None:
        self._api = api

    def ls(self, repo_id: str) -> list[dict[str, Any]]:
        """The volumes as the Hub describes them: type, source, mountPath, readOnly."""
        with our_errors(repo_id):
            return [dict(volume) for volume in self._api.get_space_runtime(repo_id).raw.get("volumes") or ()]

    def set(self, repo_id: str, volumes: Sequence[Mapping[str, Any]]) -> None:
        """Replace all volumes; the app restarts."""
        with our_errors(f"{repo_id}: volumes"):
            self._api.set_space_volumes(repo_id, volumes_of(volumes))

    def delete(self, repo_id: str) -> None:
        """Take all volumes away; the app restarts."""
        with our_errors(f"{repo_id}: volumes"):
            self._api.delete_space_volumes(repo_id)


def _remote(secret: Any) -> RemoteSecret:
    at = secret.updated_at
    return RemoteSecret(secret.description, at.astimezone(UTC).isoformat() if at else None)


def volumes_of(volumes: Sequence[Mapping[str, Any]]) -> list[Any]:
    """The client's own objects for volumes."""
    from huggingface_hub import Volume

    return [Volume(**volume) for volume in volumes]


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
