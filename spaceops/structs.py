"""Reading into msgspec's structs from any thread."""

from __future__ import annotations

import threading
from functools import cache
from typing import Any, TypeVar, overload

import msgspec

T = TypeVar("T")

_one_at_a_time = threading.Lock()


@overload
def decoder(kind: type[T]) -> msgspec.json.Decoder[T]: ...
@overload
def decoder(kind: Any) -> msgspec.json.Decoder[Any]: ...
def decoder(kind: Any) -> msgspec.json.Decoder[Any]:
    """What reads JSON into structs of this kind, or of one of several.

    msgspec 0.22 looks a kind over when it meets it first, and crashes the process when two threads do so at once.
    """
    with _one_at_a_time:
        return _decoder(kind)


def convert(value: object, kind: type[T]) -> T:
    """The struct of this kind that dicts and lists describe. Raises `msgspec.ValidationError`."""
    decoder(kind)
    return msgspec.convert(value, kind)


@cache
def _decoder(kind: Any) -> msgspec.json.Decoder[Any]:
    return msgspec.json.Decoder(kind)
