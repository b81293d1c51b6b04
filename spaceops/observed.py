"""What a Space is: `Observed`, with its `Runtime`. Frozen data, as the Hub said it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from spaceops.records import Index
from spaceops.secret import redact
from spaceops.spec import BUSY_STAGES, FREE_HARDWARE, LOOPBACK, idle, short


@dataclass(frozen=True)
class Runtime:
    """What runs now, as the Hub says it (`GET /api/spaces/{id}/runtime`)."""

    stage: str
    error_message: str | None = None
    sha: str | None = None  # the commit that serves
    hardware: str | None = None
    requested_hardware: str | None = None
    sleep_time: int | None = None  # seconds; None is never
    volumes: tuple[Mapping[str, Any], ...] = ()
    host: str | None = None
    raw: Mapping[str, Any] = field(default_factory=dict, repr=False, compare=False)

    @classmethod
    def read(cls, raw: Mapping[str, Any]) -> Runtime:
        """Read the Hub's JSON; a log's tail in `errorMessage` is redacted."""
        hardware = raw.get("hardware") or {}
        domain = next((item.get("domain") for item in raw.get("domains") or () if item.get("domain")), None)
        return cls(
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

    @property
    def is_busy(self) -> bool:
        """Whether it is building or starting, so that waiting makes sense."""
        return self.stage in BUSY_STAGES

    @property
    def is_final(self) -> bool:
        """Whether nothing more happens by itself."""
        return not self.is_busy


@dataclass(frozen=True)
class RemoteFile:
    """A file on the Hub: its size in bytes, its git blob id, and the sha256 of its content if it is a large one."""

    size: int
    oid: str | None = None
    sha256: str | None = None


@dataclass(frozen=True)
class RemoteSecret:
    """A secret as the Hub shows it: never its value."""

    description: str | None = None
    updated: str | None = None  # ISO 8601, UTC


@dataclass(frozen=True)
class Observed:
    """What a Space is. One that does not exist has `exists=False` and nothing else."""

    repo_id: str
    exists: bool = False
    sha: str | None = None  # head of main
    runtime: Runtime = Runtime("NONE")
    visibility: str | None = None
    url: str | None = None
    host: str | None = None
    variables: Mapping[str, str] = field(default_factory=dict)
    secrets: Mapping[str, RemoteSecret] = field(default_factory=dict)
    descriptions: Mapping[str, str] = field(default_factory=dict)  # of variables that have one
    files: Mapping[str, RemoteFile] = field(default_factory=dict, repr=False)
    has_settings: bool = True  # whether variables and secrets were asked for
    releases: Index | None = None  # what the ledger says of them, if it was asked for and there are any

    @property
    def hardware(self) -> str:
        """The hardware that was last asked for; it may still be on its way."""
        return self.runtime.requested_hardware or self.runtime.hardware or FREE_HARDWARE

    @property
    def stage(self) -> str:
        """The stage of the Hub's runtime, such as RUNNING."""
        return self.runtime.stage

    def as_dict(self) -> dict[str, Any]:
        """The Space for `--json`; of secrets the names only."""
        return {
            "schema": 1,
            "repo_id": self.repo_id,
            "exists": self.exists,
            "stage": self.stage,
            "error_message": self.runtime.error_message,
            "sha": self.sha,
            "running_sha": self.runtime.sha,
            "hardware": self.runtime.hardware,
            "requested_hardware": self.runtime.requested_hardware,
            "sleep_time": self.runtime.sleep_time,
            "visibility": self.visibility,
            "url": self.url,
            "host": self.host,
            "volumes": [dict(volume) for volume in self.runtime.volumes],
            **({"release": {"number": known.last, "outcome": known.outcome}} if (known := self.releases) else {}),
            **({"variables": dict(self.variables), "secrets": sorted(self.secrets)} if self.has_settings else {}),
        }

    def __str__(self) -> str:
        runtime = self.runtime
        rows = {
            "stage": self.stage,
            "error": runtime.error_message,
            "sha": short(self.sha),
            "running": short(runtime.sha) if runtime.sha else None,
            "release": f"{self.releases.last} {self.releases.outcome}" if self.releases else None,
            "hardware": self.hardware,
            "sleeps": idle(runtime.sleep_time) if runtime.sleep_time is None else f"after {idle(runtime.sleep_time)}",
            "visibility": self.visibility,
            "app": self.host,
            "page": self.url,
        }
        lines = (f"  {name:<11}{value}" for name, value in rows.items() if value)
        return "\n".join((self.repo_id, *lines)) if self.exists else f"{self.repo_id} does not exist"

    def _repr_pretty_(self, printer: Any, _cycle: bool) -> None:
        """The same text in a notebook without a front end."""
        printer.text(str(self))

    def _repr_html_(self) -> str:
        from html import escape

        return f"<pre>{escape(str(self))}</pre>"


def _address(domain: str) -> str:
    if "://" in domain:
        return domain
    return f"{'http' if domain.startswith(LOOPBACK) else 'https'}://{domain}"
