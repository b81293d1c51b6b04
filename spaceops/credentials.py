"""Credentials in text: the shapes of tokens and keys, and how sure it is that one is real and no example.

Shapes and checksums are from what the issuers publish for scanners of secrets (2026). A value never leaves this module:
what is told is its kind, its line and at most its first three characters.
"""

from __future__ import annotations

import base64
import binascii
import json
import math
import re
import zlib
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise

SHOWN = 3  # characters
LEAST_VARIED = 8  # different characters; fewer are "xxxx" and the like
LEAST_ENTROPY = 3.0  # bits a character
KEY_BODY = 100  # characters of Base64; a shorter private key is cut off or made up
NEAR = 400  # bytes around an id of AWS in which its secret stands
MOST_PLACES = 10_000  # of a mark that are looked at in one file
_BASE62 = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"

_EXAMPLE = re.compile(
    rb"xxxx|your|example|placeholder|change[-_]?me|change[-_]?this|replace|insert|dummy|fake|sample|redacted|secret[-_]?key"
    rb"|my[-_]|some[-_]|todo|foobar|\.\.\.|\*\*\*|[<>{}$%]|not[-_]?a[-_]|(?:^|[-_])(?:test|key|token|here)(?:$|[-_])",
    re.IGNORECASE,
)

_WORDS = re.compile(rb"(?:[A-Za-z]{3,20}|\d{1,4}|[vV]\d{1,3})(?:[-_./](?:[A-Za-z]{2,20}|[A-Za-z]?\d{1,4}[a-z]?))*")
_HEXADECIMAL = re.compile(rb"(?=[a-f0-9]*[a-f])(?=[a-f0-9]*[0-9])[a-f0-9]{32,128}")
_DIGITS, _CAPITALS = frozenset(b"0123456789"), frozenset(b"ABCDEFGHIJKLMNOPQRSTUVWXYZ")

_NAMING = (b"key", b"KEY", b"Key", b"secret", b"SECRET", b"Secret", b"oken", b"TOKEN", b"assw", b"PASSW")
_ASSIGNED = re.compile(
    rb"(?P<name>[A-Za-z0-9_]{3,30})[\"']?\s{0,3}(?::\s{0,3}str\s{0,3})?(?:=|:|=>)\s{0,3}"
    rb"\\?[\"'](?P<value>[\w+/=.-]{20,200})\\?[\"']"
)
_OF_NAMES = frozenset(bytes([char]) for char in b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_")
LONGEST_NAME = 60  # characters
_PARTS = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+|\d+")
_SECRET_WORDS = frozenset(
    ("token", "tokens", "secret", "secrets", "password", "passwd", "passphrase", "pass", "credentials", "apikey")
)
_KEYS = frozenset(("api", "secret", "access", "private", "auth", "encryption", "signing", "account", "service"))
_VARIABLES = {
    "HUGGING_FACE_TOKEN": "HF_TOKEN",
    "ADDRESS_WITH_A_PASSWORD": "DATABASE_URL",
    "PRIVATE_KEY": "PRIVATE_KEY",
    "AWS_KEY": "AWS_SECRET_ACCESS_KEY",
    "SUPABASE_KEY_FOR_SERVERS": "SUPABASE_SERVICE_ROLE_KEY",
}
_DEFAULTS = frozenset(("postgres", "password", "password1", "password123", "admin123", "mysql", "redis", "minioadmin"))
LEAST_CHOSEN = 6  # characters
# Few words are as long as a token: most marks are looked for in those only.
LONG_WORD = 26
_WORD = b"a" * LONG_WORD
_LETTERS = bytes(
    ord("a") if chr(char).isascii() and (chr(char).isalnum() or chr(char) in "_-") else 32 for char in range(256)
)
_PUBLIC = frozenset(("public", "publishable", "pad", "bos", "eos", "unk", "sep", "cls", "mask", "max", "min", "num"))

Sure = bool | None  # None: it has the shape, and may be made up
Judge = Callable[[re.Match[bytes]], Sure]


@dataclass(frozen=True)
class Credential:
    """One that was found: of which kind, where, and whether it is certain to be one."""

    kind: str  # with its article
    line: int
    is_certain: bool
    start: str = ""  # its first characters, empty where nothing may be shown
    revoke: str = ""  # the page on which it is revoked
    name: str = ""  # of the variable that it is written to, where only that tells

    @property
    def variable(self) -> str:
        """A name for the environment variable that may hold it instead."""
        words = self.kind.partition(" ")[2].upper().replace(" ", "_")
        return self.name or _VARIABLES.get(words) or words.replace("_KEY", "_API_KEY")


@dataclass(frozen=True)
class Kind:
    """A kind of credential. `mark` is what every one holds: where it is not in a text, nothing else is looked at."""

    name: str
    mark: bytes
    shape: str  # a regular expression; its group `value` is what nobody may see
    revoke: str = ""
    judge: Judge | None = None  # else by how random it looks
    begins: bool = True  # with the mark
    is_shown: bool = True
    is_word: bool = True  # the mark stands in a word of `LONG_WORD` letters, digits, dashes and underscores

    @cached_property
    def pattern(self) -> re.Pattern[bytes]:
        """The shape, compiled when a text holds the mark: few do."""
        return re.compile(self.shape.encode())

    def places(self, content: bytes) -> Iterator[re.Match[bytes]]:
        """The places where a value of this shape stands."""
        if not self.begins:
            yield from self.pattern.finditer(content)
            return
        at = content.find(self.mark)
        for _ in range(MOST_PLACES):
            if at < 0:
                return
            if found := self.pattern.match(content, at):
                yield found
            at = content.find(self.mark, at + 1)


def find(content: bytes) -> Iterator[Credential]:
    """The credentials in a text, of each kind the first that is most certain."""
    kinds = [kind for mark, kind in _ANYWHERE if mark in content]
    if words := _long_words(content):
        kinds += [kind for mark, kind in _IN_WORDS if mark in words]
    for kind in kinds:
        if found := _first(kind, content):
            yield found


def _long_words(content: bytes) -> bytes:
    """The words that are long enough for a token, one after the other: seldom many, and so soon searched."""
    shape, words = content.translate(_LETTERS), []
    at = shape.find(_WORD)
    while at >= 0:
        end = shape.find(b" ", at + LONG_WORD)
        words.append(content[at : end if end >= 0 else None])
        at = shape.find(_WORD, end) if end >= 0 else -1
    return b" ".join(words)


def _first(kind: Kind, content: bytes) -> Credential | None:
    doubtful = None
    for place in kind.places(content):
        sure = (kind.judge or _by_looks)(place)
        if sure is False or (sure is None and doubtful):
            continue
        start = place["value"][:SHOWN].decode(errors="replace") if kind.is_shown else ""
        found = Credential(kind.name, line_of(content, place.start()), bool(sure), start, kind.revoke)
        if sure:
            return found
        doubtful = found
    return doubtful


def line_of(content: bytes, position: int) -> int:
    """The number of the line, from 1, that a position is in."""
    return content.count(b"\n", 0, position) + 1


def is_example(value: bytes) -> bool:
    """Whether a value says of itself that it stands for another, or is too simple to be one."""
    return bool(_EXAMPLE.search(value)) or len(set(value)) < LEAST_VARIED or entropy(value) < LEAST_ENTROPY


def looks_random(value: bytes) -> bool:
    """Whether no person would have made it up: a long number in hexadecimal, or letters and digits in a heap."""
    if is_example(value) or _runs(value) or _WORDS.fullmatch(value):
        return False
    return bool(_HEXADECIMAL.fullmatch(value)) or (_classes(value) == 3 and _turns(value) * 4 > len(value))


def assigned(content: bytes) -> Iterator[Credential]:
    """Values that only the name of their variable and their looks tell: `API_KEY = "…"`. None of them is certain."""
    lines = set[int]()
    for word in _NAMING:
        at, places = content.find(word), 0
        while at >= 0 and places < MOST_PLACES:
            found = _ASSIGNED.match(content, at)
            if found and looks_random(found["value"]) and is_secret_name(name := _name_before(content, at, found)):
                if (line := line_of(content, at)) not in lines:
                    yield Credential(f"the value of {name}", line, is_certain=False, name=name)
                lines.add(line)
                break
            at, places = content.find(word, at + 1), places + 1


def is_chosen(value: str) -> bool:
    """Whether somebody chose this value for a password: no number, place or example, and no default of an image."""
    raw = value.encode(errors="replace")
    is_default = value.lower() in _DEFAULTS or bool(_EXAMPLE.search(raw)) or len(set(raw)) < LEAST_VARIED // 2
    is_other = value.startswith(("/", "./", "~")) or "://" in value or any(char.isspace() for char in value)
    return len(value) >= LEAST_CHOSEN and not is_default and not is_other and _classes(raw) > 1


def is_secret_name(name: str) -> bool:
    """Whether a variable of this name holds a credential: `OPENAI_API_KEY`, `dbPassword`, not `max_tokens`."""
    words = [word.lower() for word in _PARTS.findall(name)]
    if not words or _PUBLIC & set(words):
        return False
    return words[-1] in _SECRET_WORDS or (words[-1] in ("key", "keys") and bool(_KEYS & set(words[-2:-1])))


def _name_before(content: bytes, at: int, found: re.Match[bytes]) -> str:
    """The whole name that a word such as `KEY` at this place is the end or the middle of."""
    start = at
    while start > 0 and at - start < LONGEST_NAME and content[start - 1 : start] in _OF_NAMES:
        start -= 1
    return content[start : found.end("name")].decode(errors="replace")


def entropy(value: bytes) -> float:
    """Bits a character."""
    counts = Counter(value).values()
    return -sum(count / len(value) * math.log2(count / len(value)) for count in counts)


def _by_looks(place: re.Match[bytes]) -> Sure:
    """By how random it is: `abcdefgh…` was typed, though it has as many different characters."""
    value = place["value"]
    if is_example(value):
        return False
    return None if _runs(value) else True


def _runs(value: bytes) -> bool:
    """Whether much of it goes up or down the alphabet, or along the digits."""
    folded = value.lower()
    steps = sum(abs(one - other) == 1 for one, other in pairwise(folded))
    return steps * 3 > len(value)


def _classes(value: bytes) -> int:
    """Of how many kinds its characters are: capitals, small letters, digits."""
    return sum(bool(re.search(letters, value)) for letters in (rb"[A-Z]", rb"[a-z]", rb"[0-9]"))


def _turns(value: bytes) -> int:
    """How often a character is of another kind than the one before."""
    kinds = [(char in _DIGITS, char in _CAPITALS) for char in value]
    return sum(one != other for one, other in pairwise(kinds))


def _with_checksum(place: re.Match[bytes]) -> Sure:
    """GitHub and npm end their tokens with the CRC-32 of the 30 characters before, in base 62."""
    looks = _by_looks(place)
    value = place["value"].rpartition(b"_")[2]
    return looks and (_base62(zlib.crc32(value[:-6])) == value[-6:].decode() or None)


def _base62(number: int) -> str:
    digits = ""
    while number:
        number, digit = divmod(number, 62)
        digits = _BASE62[digit] + digits
    return digits.rjust(6, "0")


def _aws(place: re.Match[bytes]) -> Sure:
    """The id alone opens nothing; with 40 characters of secret beside it, it does."""
    if is_example(place["value"][4:]):
        return False
    around = place.string[max(0, place.start() - NEAR) : place.end() + NEAR]
    secrets = re.findall(rb"(?<![A-Za-z0-9/+=])[A-Za-z0-9/+]{40}(?![A-Za-z0-9/+=])", around)
    return any(looks_random(secret) for secret in secrets) or None


def _google(place: re.Match[bytes]) -> Sure:
    """A key of a web page (Firebase, Maps) is meant to be seen."""
    content = place.string
    is_of_page = any(word in content for word in (b"authDomain", b"maps.googleapis.com", b"project_info"))
    return False if is_of_page else _by_looks(place)


def _private_key(place: re.Match[bytes]) -> Sure:
    """One that is whole; under a passphrase it opens nothing by itself."""
    body = place.string[place.end() : place.end() + 8000].partition(b"-----END")[0]
    letters = re.sub(rb"\\[nr]|[^A-Za-z0-9+/=]", b"", body)
    if len(letters) < KEY_BODY or b"..." in body or len(set(letters)) < 3 * LEAST_VARIED:
        return False
    return None if b"ENCRYPTED" in place["value"] + body[:100] else True


def _jwt(place: re.Match[bytes]) -> Sure:
    """Of Supabase's keys the one for servers may do anything; the anonymous one is meant to be seen."""
    try:
        claims = json.loads(base64.urlsafe_b64decode(place["claims"] + b"=="))
    except (ValueError, RecursionError):
        return False
    return isinstance(claims, dict) and claims.get("role") == "service_role"


def _discord(place: re.Match[bytes]) -> Sure:
    """It begins with the bot's number in Base64."""
    try:
        is_number = base64.b64decode(place["bot"] + b"==", b"-_").isdigit()
    except binascii.Error:
        return False
    return is_number and _by_looks(place)


def _basic(place: re.Match[bytes]) -> Sure:
    """A user and a password in Base64."""
    try:
        user, colon, password = base64.b64decode(place["value"] + b"==").partition(b":")
    except binascii.Error:
        return False
    return bool(user and colon and user.isalnum()) and not is_example(password)


def _url_password(place: re.Match[bytes]) -> Sure:
    """A password for a host in the world; on a local one it opens nothing to anybody else."""
    user, password, host = place["user"].lower(), place["value"], place["host"].lower()
    is_local = b"." not in host or host.startswith((b"127.", b"0.0.0.0", b"host.docker"))
    if is_local or password.lower() in (user, b"password", b"pass", b"secret", b"admin", b"root"):
        return False
    if _EXAMPLE.search(password) or _EXAMPLE.search(host) or len(set(password)) < 4:
        return False
    return True if len(password) >= 10 and _classes(password) > 1 else None


def _kind(
    name: str,
    mark: str,
    shape: str,
    revoke: str = "",
    *,
    judge: Judge | None = None,
    begins: bool = True,
    shown: bool = True,
    word: bool = True,
) -> Kind:
    """A kind whose value stands alone: no letter or digit goes on before or after it."""
    value = shape if "(?P<value>" in shape else f"(?P<value>{shape})"
    alone = rf"(?<![A-Za-z0-9_])(?:{value})(?![A-Za-z0-9_])"
    return Kind(name, mark.encode(), alone, revoke, judge, begins, shown, word)


_GITHUB = "https://github.com/settings/tokens"
_OPENAI = "https://platform.openai.com/api-keys"
_GOOGLE = "https://console.cloud.google.com/apis/credentials"
_SLACK = "https://api.slack.com/apps"
_STRIPE = "https://dashboard.stripe.com/apikeys"
_URL = r"://(?P<user>[^\s:@/'\"]{0,80}):(?P<value>[^\s:@/'\"]{3,200})@(?P<host>[A-Za-z0-9.-]{1,200})"
_AIRTABLE = "https://airtable.com/create/tokens"
_DISCORD = "https://discord.com/developers/applications"
_SUPABASE = "https://supabase.com/dashboard"

KINDS = (
    _kind("a Hugging Face token", "hf_", r"hf_[A-Za-z0-9]{34,40}", "https://huggingface.co/settings/tokens"),
    _kind("a Hugging Face token", "api_org_", r"api_org_[A-Za-z0-9]{34}", "https://huggingface.co/settings/tokens"),
    *(
        _kind("a GitHub token", f"gh{letter}_", rf"gh{letter}_[A-Za-z0-9]{{36}}", _GITHUB, judge=_with_checksum)
        for letter in "pousr"
    ),
    _kind("a GitHub token", "github_pat_", r"github_pat_[A-Za-z0-9]{22}_[A-Za-z0-9]{59}", _GITHUB),
    _kind(
        "a GitLab token",
        "glpat-",
        r"glpat-[A-Za-z0-9_.-]{20,60}",
        "https://gitlab.com/-/user_settings/personal_access_tokens",
    ),
    _kind("an OpenAI key", "T3BlbkFJ", r"sk-[A-Za-z0-9_-]{20,120}T3BlbkFJ[A-Za-z0-9_-]{20,120}", _OPENAI, begins=False),
    _kind("an OpenAI key", "sk-proj-", r"sk-proj-(?![A-Za-z0-9_-]{0,120}T3BlbkFJ)[A-Za-z0-9_-]{40,180}", _OPENAI),
    _kind("an OpenAI key", "sk-", r"sk-(?![A-Za-z0-9]{20}T3BlbkFJ)[A-Za-z0-9]{48}", _OPENAI),
    _kind("a DeepSeek key", "sk-", r"sk-[a-f0-9]{32}", "https://platform.deepseek.com/api_keys"),
    _kind("an OpenRouter key", "sk-or-v1-", r"sk-or-v1-[a-f0-9]{64}", "https://openrouter.ai/settings/keys"),
    _kind(
        "an Anthropic key",
        "sk-ant-",
        r"sk-ant-[a-z]{3,8}\d\d-[A-Za-z0-9_-]{80,120}",
        "https://console.anthropic.com/settings/keys",
    ),
    _kind("a Groq key", "gsk_", r"gsk_[A-Za-z0-9]{52}", "https://console.groq.com/keys"),
    _kind("an xAI key", "xai-", r"xai-[A-Za-z0-9]{80}", "https://console.x.ai"),
    _kind("a Perplexity key", "pplx-", r"pplx-[A-Za-z0-9]{48}", "https://www.perplexity.ai/settings/api"),
    _kind("a Replicate token", "r8_", r"r8_[A-Za-z0-9]{37}", "https://replicate.com/account/api-tokens"),
    _kind("an NVIDIA key", "nvapi-", r"nvapi-[A-Za-z0-9_-]{64}", "https://build.nvidia.com/settings/api-keys"),
    _kind("a Tavily key", "tvly-", r"tvly-(?:dev-|prod-)?[A-Za-z0-9]{32}", "https://app.tavily.com"),
    _kind(
        "a LangSmith key", "lsv2_", r"lsv2_(?:pt|sk)_[a-f0-9]{32}_[a-f0-9]{10}", "https://smith.langchain.com/settings"
    ),
    _kind("a Pinecone key", "pcsk_", r"pcsk_[A-Za-z0-9]{5,6}_[A-Za-z0-9]{60,70}", "https://app.pinecone.io"),
    _kind("an AWS key", "AKIA", r"AKIA[A-Z2-7]{16}", "https://console.aws.amazon.com/iam", judge=_aws, word=False),
    _kind("a Google key", "AIza", r"AIza[A-Za-z0-9_-]{35}", _GOOGLE, judge=_google),
    _kind("a Google OAuth client secret", "GOCSPX-", r"GOCSPX-[A-Za-z0-9_-]{28}", _GOOGLE),
    _kind("a Slack token", "xox", r"xox[abeoprs]-(?:\d{9,13}-){1,3}[A-Za-z0-9]{20,40}", _SLACK),
    _kind(
        "a Slack webhook",
        "hooks.slack.com/services/T",
        r"hooks\.slack\.com/services/" r"(?P<value>T[A-Z0-9]{8,12}/B[A-Z0-9]{8,12}/[A-Za-z0-9]{24})",
        _SLACK,
        shown=False,
        word=False,
    ),
    _kind(
        "a Discord webhook",
        "discord.com/api/webhooks/",
        r"discord\.com/api/webhooks/\d{17,20}/(?P<value>[A-Za-z0-9_-]{60,80})",
        shown=False,
        word=False,
    ),
    _kind(
        "a Discord bot token",
        "iscord",
        r"(?P<value>(?P<bot>[MNO][A-Za-z0-9]{22,26})" r"\.[A-Za-z0-9_-]{6}\.[A-Za-z0-9_-]{27,38})",
        _DISCORD,
        judge=_discord,
        begins=False,
        word=False,
    ),
    _kind(
        "a Telegram bot token",
        ":AA",
        r"\d{8,10}:AA[A-Za-z0-9_-]{33}",
        "https://t.me/BotFather",
        begins=False,
        word=False,
    ),
    _kind("an npm token", "npm_", r"npm_[A-Za-z0-9]{36}", "https://www.npmjs.com/settings", judge=_with_checksum),
    _kind(
        "a PyPI token",
        "pypi-AgEIcHlwaS5vcmc",
        r"pypi-AgEIcHlwaS5vcmc[A-Za-z0-9_-]{50,1000}",
        "https://pypi.org/manage/account/token",
    ),
    _kind("a Docker Hub token", "dckr_pat_", r"dckr_pat_[A-Za-z0-9_-]{27}", "https://app.docker.com/settings"),
    _kind(
        "a DigitalOcean token", "dop_v1_", r"dop_v1_[a-f0-9]{64}", "https://cloud.digitalocean.com/account/api/tokens"
    ),
    _kind("a Databricks token", "dapi", r"dapi[a-f0-9]{32}(?:-\d)?"),
    _kind("a Notion token", "ntn_", r"ntn_\d{11}[A-Za-z0-9]{35}", "https://www.notion.so/profile/integrations"),
    _kind("an Airtable token", "irtable", r"pat[A-Za-z0-9]{14}\.[a-f0-9]{64}", _AIRTABLE, begins=False, word=False),
    _kind("a Shopify token", "shpat_", r"shpat_[a-fA-F0-9]{32}"),
    _kind(
        "a SendGrid key",
        "SG.",
        r"SG\.[A-Za-z0-9_-]{22}\.[A-Za-z0-9_-]{43}",
        "https://app.sendgrid.com/settings/api_keys",
        word=False,
    ),
    _kind("a live Stripe key", "k_live_", r"[sr]k_live_[A-Za-z0-9]{24,120}", _STRIPE, begins=False),
    _kind("a Supabase key for servers", "sb_secret_", r"sb_secret_[A-Za-z0-9_-]{22,60}", _SUPABASE),
    _kind(
        "a Supabase key for servers",
        "eyJ",
        r"eyJ[A-Za-z0-9_-]{10,200}" r"\.(?P<claims>eyJ[A-Za-z0-9_-]{20,2000})\.[A-Za-z0-9_-]{20,200}",
        _SUPABASE,
        judge=_jwt,
    ),
    _kind(
        "an Azure storage key",
        "AccountKey=",
        r"AccountKey=(?P<value>[A-Za-z0-9+/]{86})==",
        "https://portal.azure.com",
        shown=False,
        word=False,
    ),
    _kind(
        "a private key",
        "PRIVATE KEY-----",
        r"(?P<value>-----BEGIN " r"(?:RSA |EC |DSA |OPENSSH |ENCRYPTED )?PRIVATE KEY-----)",
        judge=_private_key,
        begins=False,
        shown=False,
        word=False,
    ),
    _kind("an npm token", "_authToken=", r"_authToken=(?P<value>[A-Za-z0-9_+/=-]{20,200})", word=False),
    _kind(
        "a password of .netrc",
        "machine",
        r"machine\s{1,8}\S{1,200}\s{1,8}login\s{1,8}\S{1,200}\s{1,8}password\s{1,8}(?P<value>\S{8,200})",
        shown=False,
        word=False,
    ),
    _kind(
        "a client key of Kubernetes",
        "client-key-data:",
        r"client-key-data: {1,4}(?P<value>[A-Za-z0-9+/]{200})[A-Za-z0-9+/=]{0,8000}",
        shown=False,
        word=False,
    ),
    _kind(
        "a login to a registry of images",
        '"auth":',
        r'"auth":\s{0,8}"(?P<value>[A-Za-z0-9+/]{16,500})={0,2}"',
        judge=_basic,
        shown=False,
        word=False,
    ),
    Kind("an address with a password", b"://", _URL, judge=_url_password, is_shown=False, is_word=False),
)
_IN_WORDS = tuple((kind.mark, kind) for kind in KINDS if kind.is_word)
_ANYWHERE = tuple((kind.mark, kind) for kind in KINDS if not kind.is_word)
