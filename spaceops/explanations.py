"""What a code means: of an error, of a rule of `check`, of a symptom of `diagnose`; for one code, and as reference."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from difflib import get_close_matches
from inspect import cleandoc
from typing import Any

from spaceops import errors
from spaceops.errors import BadInput, SpaceopsError
from spaceops.rules import SUBJECTS, Example, Rule, all_rules
from spaceops.rules.examples import GOOD, Blank, Many
from spaceops.symptoms import BY_STRUCTURE, Symptom, all_symptoms


def codes() -> dict[str, str]:
    """Each code with the first sentence about it."""
    found = {code: said for code, (said, *_) in ((code, _lines(code)) for code in _known())}
    return dict(sorted(found.items()))


def explain(code: str) -> dict[str, Any]:
    """What a code means, as data. Raises `BadInput` for one that does not exist."""
    by_structure = {"meaning": BY_STRUCTURE[code]} if code in BY_STRUCTURE else {}
    facts = {**by_structure, **_of_error(code), **_of_rule(code), **_of_symptoms(code)}
    if not facts:
        near = get_close_matches(code, _known(), n=1)
        hint = f"Did you mean {near[0]}? " if near else ""
        raise BadInput(f"There is no code {code!r}", hint=f"{hint}spaceops explain lists all of them.")
    return {"code": code, **facts}


def as_text(facts: Mapping[str, Any]) -> str:
    """The same for people."""
    parts = [facts["code"], ""]
    if "meaning" in facts:
        parts += [facts["meaning"], ""]
    if "exit_codes" in facts:
        parts += [f"exit code: {', '.join(map(str, facts['exit_codes']))}", ""]
    if "check" in facts:
        parts += [f"check: {facts['check']}", ""]
        for kind in ("wrong", "right"):
            parts += [line for path, text in facts[kind].items() for line in _shown(kind, path, text)]
    for symptom in facts.get("diagnose", ()):
        parts += [f"diagnose: {symptom['severity']}, whose fault: {symptom['fault']}", f"  {symptom['message']}"]
        parts += [f"  fix: {symptom['hint']}", *(f"  | {line}" for line in symptom["shows_as"]), ""]
    return "\n".join(parts).rstrip()


def rules_as_text() -> str:
    """Every rule of `check`, as Markdown."""
    rules = all_rules().values()
    intro = (
        "`spaceops check` finds these before anything is pushed. An `error` is certain to fail or makes a credential "
        "public, a `warning` may fail, `info` is advice. `spaceops explain CODE` shows each with a wrong and a right "
        'example. An exception stands in space.toml with its reason: `[ignore]`, `CODE = "the reason"`.'
    )
    parts = ["# What check finds", "", intro, ""]
    for subject in SUBJECTS:
        of_subject = [rule for rule in rules if rule.body.__module__.rpartition(".")[2] == subject]
        parts += [f"## {subject}", ""] if of_subject else []
        parts += [line for rule in of_subject for line in (f"### {rule.code}", "", _about(rule), "")]
    return "\n".join(parts)


def symptoms_as_text() -> str:
    """Every symptom of `diagnose`, as Markdown."""
    rows = [
        f"| `{code}` | {symptom.severity} | {symptom.fault} | {_cell(_general(symptom.message))} "
        f"| {_cell(_general(symptom.hint))} |"
        for code, symptoms in sorted(all_symptoms().items())
        for symptom in symptoms
    ]
    rows += [f"| `{code}` | error | - | {_cell(meaning)} | - |" for code, meaning in BY_STRUCTURE.items()]
    head = ["# What diagnose recognizes", "", "| code | severity | whose fault | what | fix |", "|---|---|---|---|---|"]
    return "\n".join([*head, *rows, ""])


def kinds_of_error(kind: type[SpaceopsError] = SpaceopsError) -> Iterator[type[SpaceopsError]]:
    """Every class of errors, each before those below it."""
    yield kind
    for child in kind.__subclasses__():
        yield from kinds_of_error(child)


def exit_codes(kind: type[SpaceopsError]) -> list[int]:
    """The exit codes with which an error of this class may end a command."""
    return {errors.DeployFailed: [7, 8], errors.NotebookFailed: [1, 138]}.get(kind, [kind.exit_code])


def _known() -> list[str]:
    return [*dict.fromkeys([*(kind.code for kind in kinds_of_error()), *all_rules(), *all_symptoms(), *BY_STRUCTURE])]


def _lines(code: str) -> list[str]:
    facts = explain(code)
    said: str = facts.get("meaning") or facts["diagnose"][0]["message"]
    return said.split("\n")


def _of_error(code: str) -> dict[str, Any]:
    for kind in kinds_of_error():
        if kind.code == code:
            return {"meaning": cleandoc(kind.__doc__ or ""), "exit_codes": exit_codes(kind)}
    return {}


def _of_rule(code: str) -> dict[str, Any]:
    rule = all_rules().get(code)
    if rule is None:
        return {}
    examples = {"wrong": _example(rule.bad), "right": _example(rule.good)}
    return {"meaning": rule.meaning, "check": str(rule.severity), **examples}


def _of_symptoms(code: str) -> dict[str, Any]:
    symptoms = all_symptoms().get(code, ())
    return {"diagnose": [_of_symptom(symptom) for symptom in symptoms]} if symptoms else {}


def _of_symptom(symptom: Symptom) -> dict[str, Any]:
    return {
        "severity": str(symptom.severity),
        "fault": str(symptom.fault),
        "message": _general(symptom.message),
        "hint": _general(symptom.hint),
        "shows_as": symptom.examples[0].splitlines(),
    }


def _example(example: Example) -> dict[str, str]:
    """What the changed files of an example hold; of a replaced part the lines that it stands in."""
    return {path: _content(path, change) for path, change in example.items()}


def _content(path: str, change: object) -> str:
    if isinstance(change, tuple):
        old, new = change
        if new in ("", "\n"):
            return f"(without: {old.strip()})"
        lines = GOOD[path].replace(old, new).splitlines()
        changed = [line for line in lines if line not in GOOD[path].splitlines()]
        return "\n".join(changed or lines)
    if isinstance(change, Blank):
        return f"({change.size:,} bytes)"
    if isinstance(change, Many):
        return f"(a folder with {change.count:,} files)"
    if isinstance(change, bytes):
        return repr(change)[2:-1][:200]
    return "(no such file)" if change is None else str(change).rstrip("\n")


def _shown(kind: str, path: str, text: str) -> Iterator[str]:
    yield f"{kind}, {path}:"
    yield from (f"  | {line}" for line in text.splitlines())
    yield ""


def _about(rule: Rule) -> str:
    return f"*{rule.severity}* · {rule.meaning}"


def _general(text: str) -> str:
    """A text of a symptom with NAME for what a log fills in."""
    return re.sub(r"\{(\w+)\}", lambda found: found[1].upper(), text).replace("{{", "{").replace("}}", "}")


def _cell(text: str) -> str:
    return text.replace("|", "\\|").replace("\n", " ")
