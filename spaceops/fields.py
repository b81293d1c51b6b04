"""A table of TOML read into a struct: an unknown key, a wrong value, a missing one, each told by its path."""

from __future__ import annotations

import difflib
import re
from collections.abc import Collection, Iterator, Mapping
from functools import cache
from typing import Any, Literal, TypeVar, get_args, get_origin, get_type_hints

import msgspec
from msgspec import Meta, Struct

from spaceops.errors import SpecError
from spaceops.structs import convert

T = TypeVar("T", bound=Struct)

_HIDDEN = "secrets"  # whatever stands in this table may be a secret
_PART = re.compile(r"\.([^.\[]+)|\[(\d+|\.\.\.)\]")
_EXPECTED = re.compile(r"Expected `([^`]+)`( [<>]=? [\d.]+)?")
_MISSING = re.compile(r"missing required field `(\w+)`")
_WORDS = {
    "str": "text",
    "int": "a whole number",
    "float": "a number",
    "bool": "true or false",
    "array": "a list",
    "object": "a table",
}


def read(kind: type[T], data: Mapping[str, Any], *, file: str, given: Mapping[str, Any]) -> T:
    """The struct that `data` of `file` describes, with the fields that are `given` and stand in no file.

    Raises `SpecError` with the path of what is wrong.
    """
    try:
        return convert({**data, **given}, kind)
    except msgspec.ValidationError as error:
        raise _spec_error(kind, data, str(error), file) from error


def refuse_unknown(
    kind: type[Struct],
    data: Mapping[str, Any],
    *,
    file: str,
    where: str = "",
    ours: Collection[str] = (),
    also: Collection[str] = (),
) -> None:
    """Raise `SpecError` for a key that is no field of `kind`, at any depth, naming the nearest one.

    Fields that are `ours` are no keys; `also` are keys beside the fields.
    """
    known = [*(name for name in kind.__struct_fields__ if name not in ours), *also]
    for key in data:
        if key not in known:
            near = difflib.get_close_matches(key, known, n=1)
            hint = f"Did you mean {where}{near[0]}?" if near else "spaceops docs space lists every key."
            raise SpecError(f"{where}{key}", got=key, want=f"one of {', '.join(known)}", hint=hint, file=file)
    for name, inner in _structs(kind).items():
        value = data.get(name)
        for table in value if isinstance(value, list) else [value]:
            if isinstance(table, dict):
                refuse_unknown(inner, table, file=file, where=f"{where}{name}.")


def description(kind: type[Struct], name: str) -> str | None:
    """The one description of a field, for errors and for the reference."""
    annotated = get_type_hints(kind, include_extras=True).get(name)
    metas = [meta for meta in getattr(annotated, "__metadata__", ()) if isinstance(meta, Meta)]
    return next((meta.description for meta in metas if meta.description), None)


@cache
def _structs(kind: type[Struct]) -> dict[str, type[Struct]]:
    """The fields that are tables, or lists of tables, with fields of their own."""
    found = {name: (get_args(hint) or (hint,))[0] for name, hint in get_type_hints(kind).items()}
    return {name: hint for name, hint in found.items() if isinstance(hint, type) and issubclass(hint, Struct)}


def _spec_error(kind: type[Struct], data: Mapping[str, Any], message: str, file: str) -> SpecError:
    """msgspec's `Expected X, got Y - at $.a.b` as our error: the field's path, the value, the field's description."""
    text, _, place = message.partition(" - at `$")
    owner, name, path = kind, "", ""
    got: Any = data
    for part in _steps(place, data, text):
        got = got[part]
        if isinstance(part, int):
            path = f"{path}[{part}]"
            continue
        owner = _structs(owner).get(name, owner)
        name, path = part, f"{path}.{part}".lstrip(".")
    if missing := _MISSING.search(text):
        owner, name = _structs(owner).get(name, owner), missing[1]
        return _missing(owner, name, f"{path}.{name}".lstrip("."), file)
    shown = "[REDACTED]" if path.startswith(_HIDDEN) else got
    top = path.partition(".")[0] if name not in owner.__struct_fields__ else name
    return SpecError(path, got=shown, want=_wanted(text, owner, name), hint=description(owner, top), file=file)


def _missing(owner: type[Struct], name: str, path: str, file: str) -> SpecError:
    return SpecError(path, got=None, want="a value", hint=description(owner, name), file=file)


def _steps(place: str, data: Any, text: str) -> Iterator[str | int]:
    """The keys and numbers of `.a[0].b`; where msgspec has `[...]` for a key, the first one with a wrong value."""
    right: tuple[type, ...] = (str,) if text.startswith("Expected `str`") else (str, int, float)
    for found in _PART.finditer(place.rstrip("`")):
        step: str | int = found[1] or found[2]
        if step == "...":
            step = next(key for key, value in data.items() if not isinstance(value, right))
        elif found[2]:
            step = int(found[2])
        data = data[step]
        yield step


def _wanted(text: str, owner: type[Struct], name: str) -> str:
    if found := _EXPECTED.match(text):
        words = [_WORDS[word] for word in found[1].split(" | ") if word in _WORDS]
        return " or ".join(words) + (found[2] or "")
    return f"one of {', '.join(_choices(get_type_hints(owner)[name]))}"  # an invalid enum value


def _choices(hint: Any) -> list[str]:
    if get_origin(hint) is Literal:
        return [str(choice) for choice in get_args(hint)]
    return [choice for inner in get_args(hint) for choice in _choices(inner)]
