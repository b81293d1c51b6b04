"""README.md's front matter as the Hub sees it: what it shows, and what it refuses.

Source of its words: public reports (August 2026).
"""

from __future__ import annotations

import math
import re
from typing import TYPE_CHECKING, Any

from spaceops.card import Card
from spaceops.errors import BadInput
from spaceops.localhub.hardware import BY_NAME

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

COLORS = ("red", "yellow", "green", "blue", "indigo", "purple", "pink", "gray")
SDKS = ("gradio", "docker", "static")
LICENSES = (  # source: what the Hub says it would take (May 2026)
    "apache-2.0 mit openrail bigscience-openrail-m creativeml-openrail-m bigscience-bloom-rail-1.0 bigcode-openrail-m "
    "afl-3.0 artistic-2.0 bsl-1.0 bsd bsd-2-clause bsd-3-clause bsd-3-clause-clear c-uda cc cc0-1.0 cc-by-2.0 "
    "cc-by-2.5 cc-by-3.0 cc-by-4.0 cc-by-sa-3.0 cc-by-sa-4.0 cc-by-nc-2.0 cc-by-nc-3.0 cc-by-nc-4.0 cc-by-nd-4.0 "
    "cc-by-nc-nd-3.0 cc-by-nc-nd-4.0 cc-by-nc-sa-2.0 cc-by-nc-sa-3.0 cc-by-nc-sa-4.0 cdla-sharing-1.0 "
    "cdla-permissive-1.0 cdla-permissive-2.0 wtfpl ecl-2.0 epl-1.0 epl-2.0 etalab-2.0 eupl-1.1 eupl-1.2 agpl-3.0 gfdl "
    "gpl gpl-2.0 gpl-3.0 lgpl lgpl-2.1 lgpl-3.0 isc h-research intel-research lppl-1.3c ms-pl apple-ascl apple-amlr "
    "mpl-2.0 odc-by odbl openmdw-1.0 openrail++ osl-3.0 postgresql ofl-1.1 ncsa unlicense zlib pddl lgpl-lr "
    "deepfloyd-if-license fair-noncommercial-research-license llama2 llama3 llama3.1 llama3.2 llama3.3 llama4 "
    "grok2-community gemma unknown other"
)
HEADERS = {
    "cross-origin-embedder-policy": ("unsafe-none", "require-corp", "credentialless"),
    "cross-origin-opener-policy": ("unsafe-none", "same-origin", "same-origin-allow-popups"),
    "cross-origin-resource-policy": ("same-site", "same-origin", "cross-origin"),
}
LONGEST_DESCRIPTION = 60  # characters
LONGEST_COMPLAINT = 200  # characters
LARGEST_CARD = 10_000  # values; a card that unfolds into more (YAML has aliases) is not shown
LARGEST_FRONT_MATTER = 100_000  # characters; a second's work
MOST_MERGED = 20  # aliases beside `<<`: each may multiply what there is
DURATION = re.compile(r"\d+(\.\d+)?\s*(s|m|h|d|seconds?|minutes?|hours?|days?)")
EMOJI = re.compile(
    r"(?:[\u00a9\u00ae\u203c\u2049\u2122\u2139\u2190-\u2bff\u3030\u303d\u3297\u3299\U0001f000-\U0001faff]"
    r"|[0-9#*]\ufe0f?\u20e3|[\ufe0f\u200d]|[\U000e0020-\U000e007f])+"
)
NOT_READ = (ValueError, LookupError, TypeError, ArithmeticError, RecursionError)  # what reading YAML may end in besides


def problems(readme: str, kind: str) -> list[str]:
    """Why the Hub would refuse this README.md; an empty list if it would not."""
    try:
        fields = _fields(readme)
    except BadInput as error:
        return [_whole(error.message.removeprefix("README.md: "))]
    except NOT_READ as error:
        return [_whole(f"the front matter is not valid YAML: {type(error).__name__}: {error}"[:LONGEST_COMPLAINT])]
    rules = [*RULES, *(SPACE_RULES if kind == "space" else ())]
    return [f'"{key}" {text}' for key, is_right, text in rules if key in fields and not is_right(fields[key])]


def _fields(readme: str) -> dict[str, Any]:
    opening = re.match(r"---\s*\n", readme)
    closing = opening and re.compile(r"^---\s*$", re.MULTILINE).search(readme, opening.end())
    if closing and closing.start() > LARGEST_FRONT_MATTER:
        raise BadInput(f"README.md: the front matter is longer than {LARGEST_FRONT_MATTER} characters")
    block = readme[: closing.start()] if closing else ""
    if ("<<" in block or "merge" in block) and block.count("*") > MOST_MERGED:
        raise BadInput("README.md: the front matter merges too many aliases")
    return Card.read(readme).fields


def shown_card(readme: str) -> dict[str, Any]:
    """The front matter as JSON can say it; empty when there is none, or none that can be read."""
    try:
        return dict(_plain(_fields(readme), iter(range(LARGEST_CARD))))
    except (BadInput, *NOT_READ, StopIteration):
        return {}


def warnings(readme: str) -> list[str]:
    """What the Hub would have said better."""
    return [] if shown_card(readme) else ["empty or missing yaml metadata in repo card"]


def _one_of(*allowed: str) -> tuple[Callable[[object], bool], str]:
    return lambda value: isinstance(value, str) and value in allowed, f"must be one of [{', '.join(allowed)}]"


def _is_license(value: object) -> bool:
    return all(
        isinstance(one, str) and one in LICENSES.split() for one in (value if isinstance(value, list) else [value])
    )


def _is_short(value: object) -> bool:
    return not isinstance(value, str) or len(value) <= LONGEST_DESCRIPTION


def _is_port(value: object) -> bool:
    try:
        return Card({"app_port": value}).app_port > 0
    except (BadInput, ValueError):
        return False


def _is_text(value: object) -> bool:
    return isinstance(value, str | int | float)


def _is_emoji(value: object) -> bool:
    return value is None or (isinstance(value, str) and (not value or EMOJI.fullmatch(value) is not None))


def _is_flag(value: object) -> bool:
    return isinstance(value, bool)


def _is_list(value: object) -> bool:
    return isinstance(value, list)


def _is_duration(value: object) -> bool:
    return isinstance(value, str) and DURATION.fullmatch(value) is not None


def _are_headers(value: object) -> bool:
    return isinstance(value, dict) and all(header in HEADERS.get(key, ()) for key, header in value.items())


Rule = tuple[str, "Callable[[object], bool]", str]
RULES: list[Rule] = [("license", _is_license, f"must be one of [{', '.join(LICENSES.split())}, array]")]
SPACE_RULES: list[Rule] = [
    ("title", _is_text, "must be a string"),
    ("emoji", _is_emoji, "must be an emoji"),
    ("colorFrom", *_one_of(*COLORS)),
    ("colorTo", *_one_of(*COLORS)),
    ("sdk", *_one_of(*SDKS)),
    ("short_description", _is_text, "must be a string"),
    ("short_description", _is_short, f"length must be less than or equal to {LONGEST_DESCRIPTION} characters long"),
    ("app_port", _is_port, "must be a number from 1 to 65535"),
    ("suggested_hardware", *_one_of(*BY_NAME)),
    ("header", *_one_of("mini", "default")),
    ("startup_duration_timeout", _is_duration, "must be a duration like 30m or 1h"),
    ("custom_headers", _are_headers, f"must map some of [{', '.join(HEADERS)}] to values that these headers have"),
    *((flag, _is_flag, "must be a boolean") for flag in ("pinned", "fullWidth", "disable_embedding", "hf_oauth")),
    *((name, _is_list, "must be an array") for name in ("tags", "models", "datasets", "preload_from_hub")),
]


def _name(key: object) -> str:
    """A key as text; one that is a list may unfold without end."""
    return _whole(str(key)) if isinstance(key, str | int | float) else f"({type(key).__name__})"


def _whole(text: str) -> str:
    """The text without halves of characters, which YAML can write and JSON cannot."""
    return text.encode(errors="replace").decode()


def _plain(value: Any, budget: Iterable[int]) -> Any:
    """A YAML value as JSON can say it."""
    next(iter(budget))
    if isinstance(value, dict):
        return {_name(key): _plain(inner, budget) for key, inner in value.items()}
    if isinstance(value, list | tuple | set):
        return [_plain(inner, budget) for inner in value]
    if value is None or (isinstance(value, int) and abs(value) < 2**63):
        return value
    return value if isinstance(value, float) and math.isfinite(value) else _whole(str(value))
