"""Which models are asked for: MODEL_ID names several, with commas between them."""

from __future__ import annotations

from collections.abc import Mapping

from inference.weights import Source, precision_in


def names(environ: Mapping[str, str]) -> list[str]:
    """The names in MODEL_ID. Those with a slash are models on the Hub or in folders, the others are word lists."""
    value = environ.get("MODEL_ID") or ""
    found = [name.strip() for name in value.split(",")] if value else []
    if len(set(found)) < len(found) or "" in found:
        raise SystemExit(f"MODEL_ID is {value!r}, but must be different models with commas between them")
    return found


def sources(environ: Mapping[str, str]) -> list[Source]:
    """The models that are no word lists; what follows an @ is the revision."""
    precision = precision_in(environ)
    parts = [name.partition("@") for name in names(environ) if "/" in name]
    if parts and environ.get("MODEL_REVISION"):
        raise SystemExit("MODEL_REVISION is set, but each model has its own revision: in MODEL_ID, after an @")
    return [Source(model_id, revision or None, precision) for model_id, _, revision in parts]
