"""What was asked and how it was answered, without the values: statuses, error codes, headers that matter, shapes."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field
from typing import Any
from urllib.parse import unquote, urlsplit

HEADERS = (
    "accept-ranges",
    "content-disposition",
    "content-range",
    "content-type",
    "etag",
    "link",
    "location",
    "ratelimit",
    "ratelimit-policy",
    "retry-after",
    "www-authenticate",
    "x-error-message",
    "x-linked-etag",
    "x-linked-size",
    "x-repo-commit",
    "x-total-count",
)
FORMS = {
    "date": r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z",
    "sha1": r"[0-9a-f]{40}",
    "sha256": r"[0-9a-f]{64}",
    "id": r"[0-9a-f]{24}",
    "url": r"https?://.+",
}
Shape = Any  # a name of a form; [shape]; {key: shape}, where "key?" is not in every one of some objects; {} of nothing


@dataclass
class Answer:
    """How one request was answered."""

    status: int
    code: str | None = None
    message: str | None = None
    headers: dict[str, str] = field(default_factory=dict)
    shape: Shape = None


@dataclass
class Outcome:
    """How one call ended: `ok`, the name of an exception, or `exit N`; and the answers to its requests."""

    ended: str = "ok"
    said: str | None = None  # by a program: the line that says why it failed
    shape: Shape = None  # of what a program printed
    answers: dict[str, Answer] = field(default_factory=dict)  # by "METHOD /path"

    @classmethod
    def read(cls, data: Mapping[str, Any]) -> Outcome:
        """The outcome that was written as JSON."""
        answers = {request: Answer(**answer) for request, answer in data["answers"].items()}
        return cls(**{**data, "answers": answers})

    def as_dict(self) -> dict[str, Any]:
        """The outcome for JSON."""
        return asdict(self)


class Recorder:
    """Hears every answer that the client gets, by a hook of its HTTP session; names stand for what differs by run."""

    def __init__(self, names: Mapping[str, str]) -> None:
        self._names = sorted(names.items(), key=lambda pair: -len(pair[0]))  # the longest first
        self.outcome = Outcome()

    def hear(self, http: Any) -> None:
        """Listen to this HTTP client, once."""
        if self._note not in http.event_hooks["response"]:
            http.event_hooks["response"].append(self._note)

    def plain(self, text: str) -> str:
        """The text with names for what differs from run to run."""
        for value, name in self._names:
            text = re.sub(rf"(?<!\w){re.escape(value)}(?!\w)", name, text, flags=re.IGNORECASE)
        text = re.sub(r"\b[0-9a-f]{64}\b", "{sha256}", text)
        text = re.sub(r"\b[0-9a-f]{40}\b", "{sha1}", text)
        return re.sub(r"Root=1-[\w-]+(;[\w-]+)?", "{request}", text)

    def _note(self, response: Any) -> None:
        request = response.request
        path = self.plain(unquote(urlsplit(str(request.url)).path))
        answer = self._answer(response, _json_of(response))
        before = self.outcome.answers.get(f"{request.method} {path}")
        if before and before.status == answer.status:
            answer.shape = merged(before.shape, answer.shape)
        self.outcome.answers[f"{request.method} {path}"] = answer

    def _answer(self, response: Any, body: Any) -> Answer:
        headers = {name: self._header(response.headers[name]) for name in HEADERS if name in response.headers}
        answer = Answer(response.status_code, response.headers.get("x-error-code"), None, headers)
        if response.is_error and isinstance(body, dict):
            answer.message = self.plain(str(body.get("error") or body.get("errors")))
        answer.shape = None if body is None else shape(body)
        return answer

    def _header(self, value: str) -> str:
        return re.sub(r"(?<![\w{-])\d+", "0", self.plain(value))


def _json_of(response: Any) -> Any:
    if "json" not in response.headers.get("content-type", "") or response.request.method == "HEAD":
        return None
    return decoded(response.read())


def decoded(text: str | bytes) -> Any:
    """What the text is in JSON, None if it is none."""
    try:
        return json.loads(text)
    except ValueError:
        return None


def shape(value: Any) -> Shape:
    """What kind of thing it is: its keys, and the forms of what is in it."""
    if isinstance(value, dict):
        return {key: shape(inner) for key, inner in sorted(value.items())}
    if isinstance(value, list):
        return [_fold(merged, [shape(item) for item in value])] if value else []
    if isinstance(value, str):
        return next((name for name, pattern in FORMS.items() if re.fullmatch(pattern, value)), "text")
    return "null" if value is None else type(value).__name__


def merged(one: Shape, other: Shape) -> Shape:
    """The shape of things of which some are so and some are otherwise."""
    if one is None or one == other:
        return other
    if isinstance(one, dict) and isinstance(other, dict):
        return _merged_objects(one, other)
    if isinstance(one, list) and isinstance(other, list):
        return [_fold(merged, [*one, *other])]
    words = {*_words(one), *_words(other)}
    return "|".join(sorted(words))


def _merged_objects(one: dict[str, Shape], other: dict[str, Shape]) -> dict[str, Shape]:
    optional = {key.rstrip("?") for key in (*one, *other) if key.endswith("?")}
    mine = {key.rstrip("?"): inner for key, inner in one.items()}
    theirs = {key.rstrip("?"): inner for key, inner in other.items()}
    optional |= mine.keys() ^ theirs.keys()
    both = {key: merged(mine.get(key), theirs.get(key, mine.get(key))) for key in sorted({*mine, *theirs})}
    return {f"{key}?" if key in optional else key: inner for key, inner in both.items()}


def _words(one: Shape) -> list[str]:
    return one.split("|") if isinstance(one, str) else ["object" if isinstance(one, dict) else "list"]


def _fold(join: Callable[[Any, Any], Any], items: list[Any]) -> Any:
    result = items[0]
    for item in items[1:]:
        result = join(result, item)
    return result
