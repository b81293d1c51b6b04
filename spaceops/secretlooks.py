"""What looks like a secret: by the name of its variable, and by how its characters are mixed."""

from __future__ import annotations

import math
import re
from collections import Counter
from itertools import pairwise

LEAST_VARIED = 8  # different characters; fewer are "xxxx" and the like
LEAST_ENTROPY = 3.0  # bits a character
_EXAMPLE = re.compile(
    rb"xxxx|your|example|placeholder|change[-_]?me|change[-_]?this|replace|insert|dummy|fake|sample|redacted|secret[-_]?key"
    rb"|my[-_]|some[-_]|todo|foobar|\.\.\.|\*\*\*|[<>{}$%]|not[-_]?a[-_]|(?:^|[-_])(?:test|key|token|here)(?:$|[-_])",
    re.IGNORECASE,
)

_WORDS = re.compile(rb"(?:[A-Za-z]{3,20}|\d{1,4}|[vV]\d{1,3})(?:[-_./](?:[A-Za-z]{2,20}|[A-Za-z]?\d{1,4}[a-z]?))*")
_HEXADECIMAL = re.compile(rb"(?=[a-f0-9]*[a-f])(?=[a-f0-9]*[0-9])[a-f0-9]{32,128}")
_DIGITS, _CAPITALS = frozenset(b"0123456789"), frozenset(b"ABCDEFGHIJKLMNOPQRSTUVWXYZ")
_PARTS = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+|\d+")
_SECRET_WORDS = frozenset(
    ("token", "tokens", "secret", "secrets", "password", "passwd", "passphrase", "pass", "credentials", "apikey")
)
_KEYS = frozenset(("api", "secret", "access", "private", "auth", "encryption", "signing", "account", "service"))
_PUBLIC = frozenset(("public", "publishable", "pad", "bos", "eos", "unk", "sep", "cls", "mask", "max", "min", "num"))
_DEFAULTS = frozenset(("postgres", "password", "password1", "password123", "admin123", "mysql", "redis", "minioadmin"))
LEAST_CHOSEN = 6  # characters


def is_example(value: bytes) -> bool:
    """Whether a value says of itself that it stands for another, or is too simple to be one."""
    return says_example(value) or len(set(value)) < LEAST_VARIED or entropy(value) < LEAST_ENTROPY


def says_example(value: bytes) -> bool:
    """Whether a value says of itself that it stands for another."""
    return bool(_EXAMPLE.search(value))


def looks_random(value: bytes) -> bool:
    """Whether no person would have made it up: a long number in hexadecimal, or letters and digits in a heap."""
    if is_example(value) or runs(value) or _WORDS.fullmatch(value):
        return False
    return bool(_HEXADECIMAL.fullmatch(value)) or (classes(value) == 3 and _turns(value) * 4 > len(value))


def is_chosen(value: str) -> bool:
    """Whether somebody chose this value for a password: no number, place or example, and no default of an image."""
    raw = value.encode(errors="replace")
    is_default = value.lower() in _DEFAULTS or says_example(raw) or len(set(raw)) < LEAST_VARIED // 2
    is_other = value.startswith(("/", "./", "~")) or "://" in value or any(char.isspace() for char in value)
    return len(value) >= LEAST_CHOSEN and not is_default and not is_other and classes(raw) > 1


def is_secret_name(name: str) -> bool:
    """Whether a variable of this name holds a credential: `OPENAI_API_KEY`, `dbPassword`, not `max_tokens`."""
    words = [word.lower() for word in _PARTS.findall(name)]
    if not words or _PUBLIC & set(words):
        return False
    return words[-1] in _SECRET_WORDS or (words[-1] in ("key", "keys") and bool(_KEYS & set(words[-2:-1])))


def entropy(value: bytes) -> float:
    """Bits a character."""
    counts = Counter(value).values()
    return -sum(count / len(value) * math.log2(count / len(value)) for count in counts)


def runs(value: bytes) -> bool:
    """Whether much of it goes up or down the alphabet, or along the digits."""
    folded = value.lower()
    steps = sum(abs(one - other) == 1 for one, other in pairwise(folded))
    return steps * 3 > len(value)


def classes(value: bytes) -> int:
    """Of how many kinds its characters are: capitals, small letters, digits."""
    return sum(bool(re.search(letters, value)) for letters in (rb"[A-Z]", rb"[a-z]", rb"[0-9]"))


def _turns(value: bytes) -> int:
    """How often a character is of another kind than the one before."""
    kinds = [(char in _DIGITS, char in _CAPITALS) for char in value]
    return sum(one != other for one, other in pairwise(kinds))
