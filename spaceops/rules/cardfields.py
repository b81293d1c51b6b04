"""What the Hub takes in a Space's front matter: the values of its keys.

Source: the Hub's Spaces configuration reference (August 2026), and what it says when it refuses a value.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import NamedTuple

COLORS = ("red", "yellow", "green", "blue", "indigo", "purple", "pink", "gray")
SDKS = ("gradio", "docker", "static")
LONGEST_DESCRIPTION = 60  # characters
LEAST_PORT, LARGEST_PORT = 1025, 65535  # lower ports are root's; the Hub has refused them since 2025
LONGEST_STARTUP = 6 * 3600  # seconds
LONGEST_LOGIN = 43_200  # minutes
FOR_OTHER_SDKS = ("app_file", "app_build_command", "sdk_version", "python_version")  # a Docker Space does not read them
HEADERS = {
    "cross-origin-embedder-policy": ("unsafe-none", "require-corp", "credentialless"),
    "cross-origin-opener-policy": ("unsafe-none", "same-origin", "same-origin-allow-popups"),
    "cross-origin-resource-policy": ("same-site", "same-origin", "cross-origin"),
}
_LICENSES = (
    "apache-2.0 mit openrail bigscience-openrail-m creativeml-openrail-m bigscience-bloom-rail-1.0 "
    "bigcode-openrail-m afl-3.0 artistic-2.0 bsl-1.0 bsd bsd-2-clause bsd-3-clause bsd-3-clause-clear c-uda cc "
    "cc0-1.0 cc-by-2.0 cc-by-2.5 cc-by-3.0 cc-by-4.0 cc-by-sa-3.0 cc-by-sa-4.0 cc-by-nc-2.0 cc-by-nc-3.0 "
    "cc-by-nc-4.0 cc-by-nd-4.0 cc-by-nc-nd-3.0 cc-by-nc-nd-4.0 cc-by-nc-sa-2.0 cc-by-nc-sa-3.0 cc-by-nc-sa-4.0 "
    "cdla-sharing-1.0 cdla-permissive-1.0 cdla-permissive-2.0 wtfpl ecl-2.0 epl-1.0 epl-2.0 etalab-2.0 eupl-1.1 "
    "eupl-1.2 agpl-3.0 gfdl gpl gpl-2.0 gpl-3.0 lgpl lgpl-2.1 lgpl-3.0 isc h-research intel-research lppl-1.3c "
    "ms-pl apple-ascl apple-amlr mpl-2.0 odc-by odbl openmdw-1.0 openrail++ osl-3.0 postgresql ofl-1.1 ncsa "
    "unlicense zlib pddl lgpl-lr deepfloyd-if-license fair-noncommercial-research-license llama2 llama3 llama3.1 "
    "llama3.2 llama3.3 llama4 grok2-community gemma unknown other "
)
LICENSES = frozenset(_LICENSES.split())


class Flavor(NamedTuple):
    """One kind of hardware: whether it costs by the hour, and whether it has a GPU."""

    is_paid: bool
    has_gpu: bool


def _gpus(*names: str) -> dict[str, Flavor]:
    return {name: Flavor(is_paid=True, has_gpu=True) for name in names}


ZERO_GPU = "zero-a10g"
FLAVORS = {
    "cpu-basic": Flavor(is_paid=False, has_gpu=False),
    "cpu-upgrade": Flavor(is_paid=True, has_gpu=False),
    ZERO_GPU: Flavor(is_paid=False, has_gpu=True),
    **_gpus("t4-small", "t4-medium", "l4x1", "l4x4", "l40sx1", "l40sx4", "l40sx8"),
    **_gpus("a10g-small", "a10g-large", "a10g-largex2", "a10g-largex4", "a100-large", "a100x4", "a100x8"),
    **_gpus("rtx-pro-6000", "rtx-pro-6000x2", "rtx-pro-6000x4", "rtx-pro-6000x8"),
}
WITHDRAWN = ("h100", "h100x8", "v5e-1x1", "v5e-2x2", "v5e-2x4")  # were offered once

_EMOJI = re.compile(
    r"(?:[\u00a9\u00ae\u203c\u2049\u2122\u2139\u2190-\u2bff\u3030\u303d\u3297\u3299\U0001f000-\U0001faff]"
    r"|[0-9#*]\ufe0f?\u20e3|[\ufe0f\u200d]|[\U000e0020-\U000e007f])+"
)
_DURATION = re.compile(
    r"(\d{1,9}(?:\.\d{1,9})?)\s*(s|secs?|seconds?|m|mins?|minutes?|h|hrs?|hours?|d|days?)", re.IGNORECASE
)
_SECONDS = {"s": 1, "m": 60, "h": 3600, "d": 86_400}


def is_emoji(text: str) -> bool:
    """Whether the text is one emoji or several, and nothing else."""
    return _EMOJI.fullmatch(text) is not None


def unscrambled(text: str) -> str | None:
    """The text that was saved in UTF-8 and then read as if it were Windows-1252; None where it was not."""
    try:
        raw = b"".join(_byte(char) for char in text)
        found = raw.decode()
    except UnicodeError:
        return None
    return found if found != text else None


def _byte(char: str) -> bytes:
    try:
        return char.encode("cp1252")
    except UnicodeEncodeError:
        return char.encode("latin-1")


def seconds(text: str) -> float | None:
    """The length of a duration such as `30m` or `1h`; None for anything else."""
    found = _DURATION.fullmatch(text.strip())
    return float(found[1]) * _SECONDS[found[2][0].lower()] if found else None


def license_like(text: str) -> str | None:
    """The licence that is meant by another spelling, such as `MIT`, `Apache 2.0` or `GPLv3`."""
    wanted = _bare(text)
    found = [name for name in LICENSES if _bare(name) == wanted]
    return found[0] if len(found) == 1 else None


def _bare(name: str) -> str:
    """A licence's name without what is spelt in many ways: `Apache License, Version 2.0` is `apache2`."""
    words = re.sub(r"licen[cs]e|version|\bv(?=\d)|(?<=[a-z])v(?=\d)|\bthe\b", "", name.lower())
    return re.sub(r"[^a-z0-9+.]|\.0\b|(?<!\d)\.|\.(?!\d)", "", words)


NEAREST_COLORS = {
    "orange": "yellow",
    "gold": "yellow",
    "amber": "yellow",
    "brown": "yellow",
    "teal": "green",
    "lime": "green",
    "emerald": "green",
    "cyan": "blue",
    "sky": "blue",
    "navy": "blue",
    "violet": "purple",
    "magenta": "pink",
    "fuchsia": "pink",
    "rose": "pink",
    "crimson": "red",
    "maroon": "red",
    "grey": "gray",
    "black": "gray",
    "white": "gray",
    "slate": "gray",
    "silver": "gray",
}
_SHADES = {  # red, green, blue
    "red": (239, 68, 68),
    "yellow": (234, 179, 8),
    "green": (34, 197, 94),
    "blue": (59, 130, 246),
    "indigo": (79, 70, 229),
    "purple": (168, 85, 247),
    "pink": (236, 72, 153),
    "gray": (107, 114, 128),
}


def nearest_color(text: str) -> str | None:
    """The colour of the Hub's that is nearest to a name or a `#RRGGBB`."""
    found = re.fullmatch(r"#([0-9a-fA-F]{2})([0-9a-fA-F]{2})([0-9a-fA-F]{2})", text.strip())
    if not found:
        return NEAREST_COLORS.get(text.strip().lower())
    wanted = [int(part, 16) for part in found.groups()]
    return min(_SHADES, key=lambda name: sum((a - b) ** 2 for a, b in zip(_SHADES[name], wanted, strict=True)))


class Complaint(NamedTuple):
    """What the Hub says of a value; `certain` where it is known to refuse it."""

    text: str
    certain: bool = False


def _text(value: object) -> Complaint | None:
    if isinstance(value, str):
        return None
    return Complaint("must be a string", certain=isinstance(value, dict | list | bool))


def _flag(value: object) -> Complaint | None:
    """The Hub takes `"true"` in quotes too, but no other word."""
    if isinstance(value, bool) or (isinstance(value, str) and value.lower() in ("true", "false")):
        return None
    return Complaint("must be a boolean", certain=isinstance(value, dict | list | str))


def _texts(value: object) -> Complaint | None:
    if isinstance(value, list):
        return None if all(isinstance(one, str) for one in value) else Complaint("must be a list of strings")
    return Complaint("must be an array", certain=isinstance(value, dict | bool))


def _text_or_texts(value: object) -> Complaint | None:
    return None if isinstance(value, str) else _texts(value)


def _minutes(value: object) -> Complaint | None:
    minutes = int(value) if isinstance(value, str) and re.fullmatch("[0-9]{1,9}", value) else value
    if isinstance(minutes, bool) or not isinstance(minutes, int):
        return Complaint("must be a number", certain=isinstance(value, dict | list | bool))
    return None if 0 < minutes <= LONGEST_LOGIN else Complaint(f"must be from 1 to {LONGEST_LOGIN} minutes")


def _header(value: object) -> Complaint | None:
    return None if value in ("mini", "default") else Complaint("must be one of [mini, default]")


Check = Callable[[object], Complaint | None]
CHECKS: dict[str, Check] = {
    **dict.fromkeys(("title", "short_description", "thumbnail", "base_path"), _text),
    **dict.fromkeys(("pinned", "fullWidth", "disable_embedding", "hf_oauth"), _flag),
    **dict.fromkeys(("tags", "models", "datasets", "hf_oauth_scopes", "preload_from_hub"), _texts),
    "hf_oauth_authorized_org": _text_or_texts,
    "hf_oauth_expiration_minutes": _minutes,
    "header": _header,
}
# All that the reference names. Those that CHECKS leaves out have rules of their own.
KEYS = (
    *CHECKS,
    *FOR_OTHER_SDKS,
    *("emoji", "colorFrom", "colorTo", "sdk", "suggested_hardware", "suggested_storage", "app_port"),
    *("startup_duration_timeout", "custom_headers", "license"),
)


def meant(key: str) -> str | None:
    """The key that is meant by another spelling of it, such as `app-port` or `colorfrom`; None for any other key."""
    if key in KEYS:
        return None
    wanted = re.sub("[-_ ]", "", key.lower())
    return next((known for known in KEYS if known.replace("_", "").lower() == wanted), None)
