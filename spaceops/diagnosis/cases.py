"""What is known of a failure: what the Hub says, the logs, the settings' names, the files; live, or as it was saved."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from spaceops import errors
from spaceops.context import LARGEST_READ, Context
from spaceops.diagnosis.logtext import PIECE, read
from spaceops.diagnosis.scanning import Section, scan
from spaceops.events import BUILD, RUN, logs
from spaceops.files import LocalFile, Source
from spaceops.observed import Observed, Runtime
from spaceops.preflight import UNNAMED, context
from spaceops.secret import expanded
from spaceops.spec import FILE_NAME, Space, repo_id_of
from spaceops.symptoms import Place

if TYPE_CHECKING:
    from spaceops.events import Event
    from spaceops.history import Release
    from spaceops.hub import Hub

# The files of a Space that are read from the Hub, where there are any: they say what it starts, and how.
READ_THERE = ("README.md", "Dockerfile", ".dockerignore", "requirements.txt", "package.json", "start.sh", "nginx.conf")
SHOWS_BUILD = ("BUILDING", "RUNNING_BUILDING", "BUILD_ERROR", "CONFIG_ERROR", "NO_APP_FILE")
UP = ("RUNNING", "SLEEPING", "RUNNING_BUILDING", "RUNNING_APP_STARTING")  # an app that was ready
_STATUS_KEYS = {"errorMessage": "error_message", "sha": "running_sha", "gcTimeout": "sleep_time"}


@dataclass(frozen=True)
class Case:
    """The evidence. What was not looked at, or could not be, is None."""

    subject: str
    repo_id: str | None = None
    runtime: Runtime | None = None
    sections: Mapping[Place, Section] = field(default_factory=dict)
    head: str | None = None  # the newest commit of the Space
    variables: frozenset[str] | None = None  # names
    secrets: frozenset[str] | None = None  # names
    files: Context | None = None
    app_answers: int | None = None  # the status that its address answers
    notes: tuple[str, ...] = ()  # what could not be looked at

    @property
    def stage(self) -> str | None:
        """The stage, as the Hub says it."""
        return self.runtime.stage if self.runtime else None

    @property
    def paths(self) -> frozenset[str] | None:
        """The files of the Space."""
        return frozenset(self.files.source.files) if self.files else None


def gather(
    subject: str | Path | None = None,
    hub: Hub | None = None,
    *,
    build_log: str | Path | None = None,
    run_log: str | Path | None = None,
    runtime: str | Path | None = None,
    env: str | None = None,
) -> Case:
    """Everything that can be known. With `hub` the Space is asked for what no file was given for.

    `subject` is `owner/name`, or a folder with the app (then with its space.toml the Space is known, too). Raises
    `NotFound` for a Space that does not exist, `BadInput` where there is nothing to look at.
    """
    files, repo_id = _files_and_name(subject, env)
    saved = {Place.BUILD: build_log, Place.RUN: run_log}
    is_saved = any((build_log, run_log, runtime))
    case = Case(str(subject or "the saved logs"), repo_id, files=files)
    if files is not None and files.has_spec:
        names = frozenset(files.space.variables), frozenset(files.space.secrets)
        case = replace(case, variables=names[0], secrets=names[1])
    for place, path in saved.items():
        if path is not None:
            case = with_log(case, place, read(expanded(path)))
    if runtime is not None:
        case = _with_runtime(case, expanded(runtime))
    if hub is not None and repo_id is not None and not is_saved:
        case = _asked(case, repo_id, hub)
    elif not is_saved:
        hint = "spaceops diagnose OWNER/NAME, or saved logs: --build-log FILE, --run-log FILE, --runtime FILE."
        raise errors.BadInput(f"There is nothing to diagnose in {subject or 'nothing'}", hint=hint)
    return case


def with_log(case: Case, place: Place, pieces: Iterable[bytes]) -> Case:
    """The case with what a log says, of the place that it names itself or of this one."""
    found = scan(pieces, place)
    return replace(case, sections={**case.sections, **{key: one for key, one in found.items() if _says(one, case)}})


def with_events(case: Case, events: Iterable[Event]) -> Case:
    """The case with the lines of both logs that were followed."""
    events = list(events)
    for kind, place in ((BUILD, Place.BUILD), (RUN, Place.RUN)):
        lines = [event for event in events if event.kind == kind]
        case = with_log(case, place, _pieces(lines)) if lines else case
    return case


def of_release(repo_id: str, release: Release | None) -> Case:
    """What is known of a Space by the plan that was carried out; no log yet, and nothing is asked."""
    plan = release.plan if release else None
    if plan is None or plan.restores is not None:
        return Case(repo_id, repo_id)
    names = (
        frozenset({*plan.observed.variables, *plan.space.variables}),
        frozenset({*plan.observed.secrets, *plan.space.secrets}),
    )
    case = Case(repo_id, repo_id, variables=names[0], secrets=names[1])
    with suppress(errors.BadInput):  # the folder may be gone meanwhile
        return replace(case, files=context(plan.space))
    return case


def _says(section: Section, case: Case) -> bool:
    return bool(section.tail or section.hits) or section.place not in case.sections


def _files_and_name(subject: str | Path | None, env: str | None) -> tuple[Context | None, str | None]:
    if subject is None:
        return None, None
    path = expanded(subject)
    if isinstance(subject, Path) or path.exists() or path.suffix == ".toml" or str(subject).startswith((".", "/", "~")):
        files = context(path, env=env)
        return files, files.space.repo_id if files.space.repo_id != UNNAMED else None
    return None, repo_id_of(str(subject))


# saved


def _with_runtime(case: Case, path: Path) -> Case:
    """The case with a saved answer of the Hub: its runtime, the whole Space, or what `spaceops status --json` said."""
    try:
        found = json.loads(path.read_text("utf-8-sig"))
    except (OSError, ValueError, RecursionError) as error:
        said = getattr(error, "strerror", None) or "it is no JSON"
        raise errors.BadInput(f"{path} cannot be read: {said}", hint="JSON of GET /api/spaces/ID/runtime.") from error
    raw = found.get("runtime", found) if isinstance(found, dict) else None
    if not isinstance(raw, dict) or not isinstance(raw.get("stage"), str):
        raise errors.BadInput(f"{path} names no stage", hint="JSON of GET /api/spaces/ID/runtime.")
    head = found.get("sha") if raw is not found or "running_sha" in raw else None
    raw = {**raw, **{key: raw[ours] for key, ours in _STATUS_KEYS.items() if ours in raw}}
    return replace(case, runtime=_runtime(raw), head=head if isinstance(head, str) else None)


def _runtime(raw: dict[str, Any]) -> Runtime:
    """The runtime, of JSON that anybody may have edited: what has not the right type is left out."""
    kinds: dict[str, type] = {"errorMessage": str, "sha": str, "hardware": dict, "gcTimeout": int}
    lists = {
        key: [item for item in raw[key] if isinstance(item, dict)]
        for key in ("domains", "volumes")
        if isinstance(raw.get(key), list)
    }
    rest = {
        key: value
        for key, value in raw.items()
        if not isinstance(value, list) and isinstance(value, kinds.get(key, object))
    }
    return Runtime.read({**rest, **lists})


# live


def _asked(case: Case, repo_id: str, hub: Hub) -> Case:
    observed = _observed(repo_id, hub)
    if not observed.exists:
        hint = "Look at the name; a private Space is visible only to a token that may read it."
        raise errors.NotFound(f"{repo_id} does not exist on {hub.endpoint}", hint=hint)
    case = replace(case, runtime=hub.runtime(repo_id), head=observed.sha)
    if observed.has_settings:
        case = replace(case, variables=frozenset(observed.variables), secrets=frozenset(observed.secrets))
    if case.files is None:
        case = replace(case, files=_files_there(observed, hub))
    return _with_answer(_with_logs(case, repo_id, hub), observed, hub)


def _observed(repo_id: str, hub: Hub) -> Observed:
    """The Space with its settings, or without those where they are not for us."""
    try:
        return hub.observe(repo_id)
    except (errors.Forbidden, errors.NotFound):
        return hub.observe(repo_id, settings=False)


def _with_logs(case: Case, repo_id: str, hub: Hub) -> Case:
    """The log of the stage: a build that goes on or failed, else that of the app."""
    kind, place = (BUILD, Place.BUILD) if case.stage in SHOWS_BUILD else (RUN, Place.RUN)
    try:
        return with_log(case, place, _pieces(logs(repo_id, hub, build=kind == BUILD)))
    except errors.HubError as error:
        return replace(case, notes=(*case.notes, f"the {kind} log cannot be read: {error.message}"))


def _pieces(events: Iterable[Event]) -> Iterator[bytes]:
    """The lines of events as bytes, many at once."""
    held, size = list[str](), 0
    for event in events:
        if event.kind in (BUILD, RUN):
            held.append(event.text)
            size += len(event.text) + 1
        if size > PIECE:
            yield "\n".join((*held, "")).encode(errors="replace")
            held, size = [], 0
    if held:
        yield "\n".join((*held, "")).encode(errors="replace")


def _with_answer(case: Case, observed: Observed, hub: Hub) -> Case:
    """Whether an app that is said to be starting answers after all."""
    host = (case.runtime and case.runtime.host) or observed.host
    if case.stage not in ("APP_STARTING", "RUNNING_APP_STARTING") or host is None:
        return case
    with suppress(errors.Unreachable):
        return replace(case, app_answers=hub.ask_app(host, private=observed.visibility == "private")[0])
    return case


def _files_there(observed: Observed, hub: Hub) -> Context:
    """The Space's own files: the names and sizes of all, the content of the few that say what it starts."""
    repo_id = observed.repo_id
    contents: dict[str, bytes | None] = dict.fromkeys(observed.files)
    for path in READ_THERE:
        if path in observed.files and observed.files[path].size <= LARGEST_READ:
            with suppress(errors.HubError):
                contents[path] = hub.read(repo_id, path, observed.sha or "main")
    nowhere = Path(FILE_NAME).parent
    source = Source(nowhere, {path: LocalFile(nowhere / path, file.size) for path, file in observed.files.items()})
    names = {name: value for name, value in observed.variables.items() if name.isidentifier()}
    return Context(Space.parse({"repo_id": repo_id, "variables": names}), source, has_spec=False, _read=contents)
