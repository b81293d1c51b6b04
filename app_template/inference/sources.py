"""Which model is asked for."""

from __future__ import annotations

from collections.abc import Mapping

from inference.weights import Source, precision_in


def sources(environ: Mapping[str, str]) -> list[Source]:
    """The one that MODEL_ID, MODEL_REVISION and MODEL_PRECISION name; without a MODEL_ID, none."""
    model_id, revision, precision = environ.get("MODEL_ID"), environ.get("MODEL_REVISION"), precision_in(environ)
    return [Source(model_id, revision or None, precision)] if model_id else []
