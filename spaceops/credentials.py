"""Credentials in text: the shapes of tokens and keys, and how sure it is that one is real and no example.

Shapes and checksums are from what the issuers publish for scanners of secrets (2026). A value never leaves this module:
what is told is its kind, its line and at most its first three characters.
"""

from __future__ import annotations

import base64
import binascii
import json
import re
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import Literal

from spaceops.secretlooks import LEAST_VARIED, classes, is_example, is_secret_name, looks_random, runs, says_example

SHOWN = 3  # characters
KEY_BODY = 100  # characters of Base64; a shorter private key is cut off or made up
NEAR = 400  # bytes around an id of AWS in which its secret stands
MOST_PLACES = 10_000  # of a mark that are looked at in one file
_BASE62 = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"

_NAMING = (b"key", b"KEY", b"Key", b"secret", b"SECRET", b"Secret", b"oken", b"TOKEN", b"assw", b"PASSW")
_ASSIGNED = re.compile(
    rb"(?P<name>[A-Za-z0-9_]{3,30})[\"']?\s{0,3}(?::\s{0,3}str\s{0,3})?(?:=|:|=>)\s{0,3}"
    rb"\\?[\"'](?P<value>[\w+/=.-]{20,200})\\?[\"']"
)
_OF_NAMES = frozenset(bytes([char]) for char in b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_")
LONGEST_NAME = 60  # characters
_VARIABLES = {
    "HUGGING_FACE_TOKEN": "HF_TOKEN",
    "ADDRESS_WITH_A_PASSWORD": "DATABASE_URL",
    "PRIVATE_KEY": "PRIVATE_KEY",
    "AWS_KEY": "AWS_SECRET_ACCESS_KEY",
    "SUPABASE_KEY_FOR_SERVERS": "SUPABASE_SERVICE_ROLE_KEY",
}

# Few words are as long as a token: most marks are looked for in those only.
LONG_WORD = 20
_OF_WORDS = re.compile(r"[A-Za-z0-9_+/=.-]")
_SHAPES = bytes(
    ord("a") if _OF_WORDS.match(chr(char)) else ord('"') if chr(char) in "'\"" else ord(" ") for char in range(256)
)
_WORD = b"a" * LONG_WORD
_ENDS = re.compile(b"[^a]")

Sure = bool | None  # None: it has the shape, and may be made up
Where = Literal["in a word", "beside a word", "anywhere"]
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
    where: Where = "in a word"  # of `LONG_WORD` characters the mark stands

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


def find(content: bytes, *, by_name: bool = False) -> Iterator[Credential]:
    """The credentials in a text, of each kind the first that is most certain.

    With `by_name` also values that only the name of their variable and their looks tell, none of them certain.
    """
    shape = content.translate(_SHAPES)
    lines = set()
    for kind in _kinds_in(content, shape):
        if found := _first(kind, content):
            lines.add(found.line)
            yield found
    if by_name and b'"' + _WORD in shape:
        yield from (found for found in _assigned(content) if found.line not in lines)


def _kinds_in(content: bytes, shape: bytes) -> list[Kind]:
    """The kinds whose mark is there."""
    kinds = [kind for mark, kind in _MARKS["anywhere"] if mark in content]
    if words := _long_words(content, shape):
        kinds += [kind for mark, kind in _MARKS["beside a word"] if mark in content]
        if _IN_WORDS.search(words):
            kinds += [kind for mark, kind in _MARKS["in a word"] if mark in words]
    return kinds


def _long_words(content: bytes, shape: bytes) -> bytes:
    """The words that are long enough for a token, one after the other: seldom many, and so soon searched."""
    words = []
    at = shape.find(_WORD)
    while at >= 0:
        end = _ENDS.search(shape, at + LONG_WORD)
        words.append(content[at : end.start() if end else None])
        at = shape.find(_WORD, end.start()) if end else -1
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


def _assigned(content: bytes) -> Iterator[Credential]:
    """Values such as in `API_KEY = "…"`."""
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


def _name_before(content: bytes, at: int, found: re.Match[bytes]) -> str:
    """The whole name that a word such as `KEY` at this place is the end or the middle of."""
    start = at
    while start > 0 and at - start < LONGEST_NAME and content[start - 1 : start] in _OF_NAMES:
        start -= 1
    return content[start : found.end("name")].decode(errors="replace")


def _by_looks(place: re.Match[bytes]) -> Sure:
    """By how random it is: `abcdefgh…` was typed, though it has as many different characters."""
    value = place["value"]
    if is_example(value):
        return False
    return None if runs(value) else True


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
    if says_example(password) or says_example(host) or len(set(password)) < 4:
        return False
    return True if len(password) >= 10 and classes(password) > 1 else None


def _kind(
    name: str,
    mark: str,
    shape: str,
    revoke: str = "",
    *,
    judge: Judge | None = None,
    begins: bool = True,
    shown: bool = True,
    where: Where = "in a word",
) -> Kind:
    """A kind whose value stands alone: no letter or digit goes on before or after it."""
    value = shape if "(?P<value>" in shape else f"(?P<value>{shape})"
    alone = rf"(?<![A-Za-z0-9_])(?:{value})(?![A-Za-z0-9_])"
    return Kind(name, mark.encode(), alone, revoke, judge, begins, shown, where)


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
    _kind("an AWS key", "AKIA", r"AKIA[A-Z2-7]{16}", "https://console.aws.amazon.com/iam", judge=_aws),
    _kind("a Google key", "AIza", r"AIza[A-Za-z0-9_-]{35}", _GOOGLE, judge=_google),
    _kind("a Google OAuth client secret", "GOCSPX-", r"GOCSPX-[A-Za-z0-9_-]{28}", _GOOGLE),
    _kind("a Slack token", "xox", r"xox[abeoprs]-(?:\d{9,13}-){1,3}[A-Za-z0-9]{20,40}", _SLACK),
    _kind(
        "a Slack webhook",
        "hooks.slack.com/services/T",
        r"hooks\.slack\.com/services/" r"(?P<value>T[A-Z0-9]{8,12}/B[A-Z0-9]{8,12}/[A-Za-z0-9]{24})",
        _SLACK,
        shown=False,
    ),
    _kind(
        "a Discord webhook",
        "discord.com/api/webhooks/",
        r"discord\.com/api/webhooks/\d{17,20}/(?P<value>[A-Za-z0-9_-]{60,80})",
        shown=False,
    ),
    _kind(
        "a Discord bot token",
        "iscord",
        r"(?P<value>(?P<bot>[MNO][A-Za-z0-9]{22,26})" r"\.[A-Za-z0-9_-]{6}\.[A-Za-z0-9_-]{27,38})",
        _DISCORD,
        judge=_discord,
        begins=False,
        where="beside a word",
    ),
    _kind(
        "a Telegram bot token",
        ":AA",
        r"\d{8,10}:AA[A-Za-z0-9_-]{33}",
        "https://t.me/BotFather",
        begins=False,
        where="beside a word",
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
    _kind(
        "an Airtable token",
        "irtable",
        r"pat[A-Za-z0-9]{14}\.[a-f0-9]{64}",
        _AIRTABLE,
        begins=False,
        where="beside a word",
    ),
    _kind("a Shopify token", "shpat_", r"shpat_[a-fA-F0-9]{32}"),
    _kind(
        "a SendGrid key",
        "SG.",
        r"SG\.[A-Za-z0-9_-]{22}\.[A-Za-z0-9_-]{43}",
        "https://app.sendgrid.com/settings/api_keys",
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
    ),
    _kind(
        "a private key",
        "PRIVATE KEY-----",
        r"(?P<value>-----BEGIN " r"(?:RSA |EC |DSA |OPENSSH |ENCRYPTED )?PRIVATE KEY-----)",
        judge=_private_key,
        begins=False,
        shown=False,
        where="beside a word",
    ),
    _kind("an npm token", "_authToken=", r"_authToken=(?P<value>[A-Za-z0-9_+/=-]{20,200})"),
    _kind(
        "a password of .netrc",
        "machine",
        r"machine\s{1,8}\S{1,200}\s{1,8}login\s{1,8}\S{1,200}\s{1,8}password\s{1,8}(?P<value>\S{8,200})",
        shown=False,
        where="anywhere",
    ),
    _kind(
        "a client key of Kubernetes",
        "client-key-data:",
        r"client-key-data: {1,4}(?P<value>[A-Za-z0-9+/]{200})[A-Za-z0-9+/=]{0,8000}",
        shown=False,
        where="beside a word",
    ),
    _kind(
        "a login to a registry of images",
        '"auth":',
        r'"auth":\s{0,8}"(?P<value>[A-Za-z0-9+/]{16,500})={0,2}"',
        judge=_basic,
        shown=False,
        where="beside a word",
    ),
    Kind("an address with a password", b"://", _URL, judge=_url_password, is_shown=False, where="anywhere"),
)
_MARKS = {
    where: tuple((kind.mark, kind) for kind in KINDS if kind.where == where)
    for where in ("in a word", "beside a word", "anywhere")
}
_IN_WORDS = re.compile(b"|".join(re.escape(mark) for mark, _ in _MARKS["in a word"]))
