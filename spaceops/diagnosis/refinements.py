"""What more is known of a symptom where the facts are at hand: the port of README.md, the files, the settings' names.

Each function takes the finding of one code and gives a better one back, or None where the facts speak against it.
"""

from __future__ import annotations

import posixpath
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace

from spaceops.diagnosis.cases import UP, Case
from spaceops.diagnosis.scanning import Hit, Section
from spaceops.dockerfile import Instruction
from spaceops.findings import Finding, Severity
from spaceops.preflight import looked
from spaceops.rules import all_rules
from spaceops.symptoms import Place

_REQUEST = re.compile(
    r'^(?P<asker>.{0,200})"(?:GET|HEAD|POST|PUT|PATCH|DELETE) /\S{0,2000} HTTP/\d(?:\.\d)?" (?P<status>\d{3})\b'
)
_INSIDE = re.compile(r"\b127\.0\.0\.1\b|\blocalhost\b|::1\b")
_ENDING = re.compile(
    r"^\S{0,200}(?:Error|Exception)\b|\bKilled\b|Segmentation fault|^panic: |\bFATAL\b|exited with code|Shutting down"
)
_ONE_REQUEST = re.compile(r"Exception in ASGI application|Exception on \S{1,200} \[[A-Z]{3,7}\]|Exception in callback")

Refinement = Callable[[Finding, Hit, Case], Finding | None]
USUAL_PORT = 7860
LISTENING = ("port-mismatch", "bind-loopback")  # the codes of the lines in which a server says where it listens

# The rules of `check` that name the cause of a symptom in the files.
CAUSES: Mapping[str, tuple[str, ...]] = {
    "launch-timeout": ("app-port-mismatch", "bind-loopback", "no-http-server", "cmd-missing"),
    "port-mismatch": ("app-port-mismatch",),
    "app-exited": ("cmd-missing",),
    "copy-source-missing": ("copy-source-missing", "dockerignore-excludes"),
    "missing-configuration": ("front-matter-missing", "front-matter-not-first", "front-matter-yaml-error"),
    "front-matter-missing": ("front-matter-missing", "front-matter-not-first", "front-matter-yaml-error"),
}
_SAME = {"port-mismatch": "app-port-mismatch"}  # what a log and the files show of one thing


def is_up(case: Case) -> bool:
    """Whether the app serves: the Hub says so, or, where nobody asked it, the log ends with requests from outside."""
    run, build = case.sections.get(Place.RUN), case.sections.get(Place.BUILD)
    if case.stage is not None or run is None or (build is not None and build.failure is not None):
        return case.stage in UP
    requests = [(number, found) for number, line in enumerate(run.tail) if (found := _REQUEST.search(line))]
    outside = [found for _, found in requests if not _INSIDE.search(found["asker"])]
    if not any(found["status"] < "400" for found in outside):
        return False
    rest = run.tail[requests[-1][0] :]
    return any(map(_ONE_REQUEST.search, rest)) or not any(map(_ENDING.search, rest))


def explaining(found: list[tuple[Finding, int]], case: Case) -> list[tuple[Finding, int]]:
    """The findings with what `check` says of the same in the files: where it stands, or a cause that explains them."""
    rules = all_rules() if case.files else {}
    better: list[tuple[Finding, int]] = []
    for finding, weight in found:
        codes = [code for code in (finding.code, *CAUSES.get(finding.code, ())) if code in rules]
        causes = looked([rules[code] for code in codes], case.files)[0] if case.files else []
        causes = [cause for cause in causes if cause.severity is not Severity.INFO]
        better.append((_with_cause(finding, causes[0]) if causes else finding, weight))
    return better


def _with_cause(finding: Finding, cause: Finding) -> Finding:
    """The same thing gains where it stands; another one is the cause itself, and explains the symptom."""
    if cause.code in (finding.code, _SAME.get(finding.code)):
        return replace(finding, where=finding.where or cause.where, hint=cause.hint or finding.hint, fix=cause.fix)
    explained = tuple(sorted({finding.code, *finding.explains} - {cause.code}))
    return replace(cause, severity=finding.severity, fault=finding.fault, evidence=finding.evidence, explains=explained)


def place_of(build: Section, case: Case) -> str:
    """The line of the Dockerfile whose step failed, as `Dockerfile:LINE`, if it can be told."""
    failure = build.failure
    if failure is None:
        return ""
    if build.source_line:
        return f"Dockerfile:{build.source_line}"
    if case.files is None or case.files.dockerfile is None:
        return ""
    step = next((text for number, text in reversed(build.steps) if number == failure.step), failure.command)
    wanted = {_squeezed(failure.command), _squeezed(step)} - {""}
    for stage in case.files.dockerfile.stages:
        for instruction in stage.instructions:
            if wanted & _spellings(instruction):
                return f"Dockerfile:{instruction.line}"
    return ""


def _spellings(instruction: Instruction) -> set[str]:
    return {
        _squeezed(str(instruction)),
        _squeezed(instruction.args),
        _squeezed(f"{instruction.keyword} {instruction.args}"),
    }


def _squeezed(text: str) -> str:
    return "".join(text.split()).replace("\\", "").replace('"', "")


def _port(finding: Finding, hit: Hit, case: Case) -> Finding | None:
    """The port that the log shows, against the one of README.md. One of several servers may listen where it likes."""
    shown = hit.groups.get("port", "")
    wanted = case.files.app_port if case.files else None
    run = case.sections.get(Place.RUN)
    others = {one.groups.get("port") for one in (run.hits.get(finding.code, ()) if run else ())}
    if not shown.isdecimal() or str(wanted or USUAL_PORT) in others or is_up(case):
        return None
    if wanted is None:
        return finding if _failed(case) else replace(finding, severity=Severity.WARNING)
    return replace(
        finding,
        message=f"The server listens on port {shown}, but the Hub sends visitors to port {wanted} (app_port in "
        "README.md), so that nobody reaches it",
        hint=f"Let the server listen on {wanted}, or write app_port: {shown} into the block at the top of README.md.",
    )


def _timeout(finding: Finding, _hit: Hit, case: Case) -> Finding | None:
    """What the log of a start that took too long shows of a server: none, or one on the right port."""
    run = case.sections.get(Place.RUN)
    if run is None or not run.tail:
        return finding
    listens = [hit for code in LISTENING for hit in run.hits.get(code, ())]
    wanted = str((case.files.app_port if case.files else None) or USUAL_PORT)
    if any(hit.groups.get("port") == wanted for hit in listens if hit.symptom.code == "port-mismatch"):
        return replace(
            finding,
            message=f"The log shows a server on port {wanted}, and still the Hub got no good answer in the time that a "
            "start may take: the server began too late, or / does not answer",
            hint="Answer / at once with 200, and load models afterwards; a start that must take long needs "
            "`startup_duration_timeout: 1h` in the block at the top of README.md.",
        )
    if not listens:
        return replace(
            finding,
            message="The Hub got no answer in the time that a start may take, and no line of the log says that a "
            "server listens: none was started, or what comes before it takes too long",
        )
    return finding


def _failed(case: Case) -> bool:
    """Whether anybody says that the Space does not run; of a log alone nobody knows what README.md says."""
    said = case.sections.get(Place.SAID)
    return case.stage is not None or bool(said and said.hits)


def _loopback(finding: Finding, hit: Hit, case: Case) -> Finding | None:
    """A server on 127.0.0.1, which may have another one in front of it where its port is not the Space's."""
    wanted = (case.files.app_port if case.files else None) or USUAL_PORT
    if is_up(case):
        return None
    is_certain = hit.groups.get("port") == str(wanted) or _failed(case)
    return finding if is_certain else replace(finding, severity=Severity.WARNING)


def _unready(finding: Finding, _hit: Hit, case: Case) -> Finding | None:
    """Of a Space that is up nothing keeps it from being ready: a server behind nginx may listen on 127.0.0.1."""
    return None if is_up(case) else finding


def _module(finding: Finding, hit: Hit, case: Case) -> Finding | None:
    """A module of the Space itself that Python does not find, or the distribution that brings it."""
    module = hit.groups.get("module", "")
    top = module.partition(".")[0]
    own = _own_module(top, case.paths or ())
    if own:
        return replace(
            finding,
            message=f"Python does not find the module {top}, although {own} is a file of the Space: it does not look "
            "in that folder",
            hint=f"In the Dockerfile, WORKDIR must be the folder that {top} lies in once it is copied; or add a line: "
            f"ENV PYTHONPATH=/the/folder/of/{top}",
        )
    if not module:
        return finding
    from spaceops.distributions import distribution_of, is_famous

    name = distribution_of(module)
    hint = f"Write a line into requirements.txt: {name}"
    if not is_famous(module):
        hint += f" (look on pypi.org whether that is what brings {module})"
    has_file = case.files is not None and case.files.text("requirements.txt") is not None
    return replace(finding, hint=hint, where=finding.where or ("requirements.txt" if has_file else ""))


def _own_module(top: str, paths: Iterable[str]) -> str:
    """The file or folder of the Space that is the module of this name."""
    for path in sorted(paths, key=lambda path: (path.count("/"), path)):
        folders = path.split("/")
        if path.endswith(".py") and (folders[-1] == f"{top}.py" or top in folders[:-1]):
            return path if folders[-1] == f"{top}.py" else "/".join(folders[: folders.index(top) + 1])
    return ""


def _secret(finding: Finding, hit: Hit, case: Case) -> Finding | None:
    """Whether the name is set after all, under this name or another spelling of it."""
    name = hit.groups.get("name", "")
    if not name or case.variables is None or case.secrets is None:
        return finding
    known = case.variables | case.secrets
    space = case.repo_id or "OWNER/NAME"
    if name in known:
        return replace(
            finding,
            message=f"The app looks for {name}, which is set now, but was not there, or was empty, when it started",
            hint=f"spaceops restart {space}",
        )
    other = next((one for one in sorted(known) if _folded(one) == _folded(name)), None)
    if other:
        return replace(
            finding,
            message=f"The app looks for {name}; what is set is named {other}, and names must agree to the letter",
            hint=f"Read {other} in the code, or set it under the other name: spaceops secrets set {space} {name}",
        )
    return replace(finding, hint=f"spaceops secrets set {space} {name}")


def _folded(name: str) -> str:
    return name.lower().replace("_", "").replace("-", "")


def _source(finding: Finding, hit: Hit, case: Case) -> Finding | None:
    """Why a file that COPY wants is not there: another case, left out by .dockerignore, or truly missing."""
    path = hit.groups.get("path", "").strip("/").removeprefix("./")
    if not path or case.files is None:
        return finding
    paths = _with_folders(case.paths or ())
    if path in paths:
        if case.files.dockerignore.excludes(path):
            return replace(
                finding,
                code="dockerignore-excludes",
                message=f"COPY wants {path}, which is there, but a line of .dockerignore keeps it out of the build",
                hint=f"Add as the last line of .dockerignore: !{path}",
            )
        return finding
    similar = next((one for one in sorted(paths) if one.lower() == path.lower()), None)
    if similar:
        return replace(
            finding,
            message=f"COPY wants {path}, but the file is named {similar}: small and capital letters count",
            hint=f"Write {similar} in the Dockerfile.",
        )
    elsewhere = next((one for one in sorted(paths) if posixpath.basename(one) == posixpath.basename(path)), None)
    if elsewhere:
        return replace(finding, hint=f"It lies at {elsewhere}: write that in the Dockerfile.")
    return finding


def _with_folders(paths: Iterable[str]) -> set[str]:
    found = set(paths)
    for path in paths:
        while path := posixpath.dirname(path):
            found.add(path)
    return found


REFINEMENTS: Mapping[str, Refinement] = {
    "port-mismatch": _port,
    "bind-loopback": _loopback,
    "no-http-server": _unready,
    "stuck-starting": _unready,
    "launch-timeout": _timeout,
    "module-not-found": _module,
    "missing-secret": _secret,
    "copy-source-missing": _source,
}
