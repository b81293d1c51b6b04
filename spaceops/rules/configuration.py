"""The front matter's keys: what the Hub takes for each of them."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterator
from typing import TYPE_CHECKING

from spaceops.findings import Finding, Fix, Severity
from spaceops.rules import rule
from spaceops.rules.cardfields import (
    CHECKS,
    COLORS,
    FLAVORS,
    FOR_OTHER_SDKS,
    HEADERS,
    LARGEST_PORT,
    LEAST_PORT,
    LICENSES,
    LONGEST_DESCRIPTION,
    LONGEST_STARTUP,
    WITHDRAWN,
    is_emoji,
    license_like,
    nearest_color,
    seconds,
    unscrambled,
)
from spaceops.rules.frontmatter import edit, quoted, removal, shown, value_of, where
from spaceops.shell import UNKNOWN

if TYPE_CHECKING:
    from spaceops.context import Context


@rule(
    Severity.WARNING,
    bad={"README.md": ("sdk: docker", "sdk: docker\ntags: nlp")},
    good={"README.md": ("sdk: docker", "sdk: docker\ntags: [nlp]\npinned: false\nheader: mini\nmodels:\n- gpt2")},
)
def readme_yaml_rejected(ctx: Context) -> Iterator[Finding]:
    """Before a push the Hub checks the type of each key of the front matter: text for `title`, `true` or `false` for
    `pinned`, a list for `tags`, `models`, `datasets` and `preload_from_hub`. It refuses the push with the words
    `"tags" must be an array`.
    """
    fields = ctx.front_matter.fields if ctx.front_matter else {}
    for key, check in CHECKS.items():
        complaint = check(fields[key]) if fields.get(key) is not None else None
        if complaint:
            said = f'The Hub does not take {key}: {shown(fields[key])}: "{key}" {complaint.text}'
            severity = Severity.ERROR if complaint.certain else None
            fix = _as_list(ctx, key, fields[key]) if complaint.text == "must be an array" else None
            yield Finding(said, hint=_right_form(key), where=where(ctx, key), severity=severity, fix=fix)
    for key in fields:
        if isinstance(key, str) and ("." in key or "$" in key):
            said = f'The Hub takes no key with a "." or "$" in its name: {key!r}'
            yield Finding(said, hint="Rename or remove it.", where=where(ctx, key), severity=Severity.ERROR)


def _as_list(ctx: Context, key: str, value: object) -> Fix | None:
    text = isinstance(value, str) and re.fullmatch(r"[\w./-]+", value)
    return edit(ctx, key, f"[{value}]") if text else None


def _right_form(key: str) -> str:
    forms = {
        "tags": "tags: [one, two]",
        "preload_from_hub": "a list: a line `preload_from_hub:`, below it `- owner/name`",
    }
    if key in ("pinned", "fullWidth", "disable_embedding", "hf_oauth"):
        return f"Write {key}: true or {key}: false"
    if key in ("models", "datasets", "hf_oauth_scopes"):
        return f"Write {key}: [one, two]"
    ways = {"header": "header: mini, or header: default", "hf_oauth_expiration_minutes": f"{key}: 480"}
    return f"Write {forms.get(key) or ways.get(key) or f'the value in quotes, as text: {key}: ...'}"


@rule(
    Severity.ERROR,
    bad={"README.md": ("sdk: docker", f"sdk: docker\nshort_description: {'a' * 61}")},
    good={"README.md": ("sdk: docker", "sdk: docker\nshort_description: " + "\u00e9" * 60)},
)
def short_description_too_long(ctx: Context) -> Iterator[Finding]:
    """`short_description`, the line under the title, may have 60 characters. The Hub refuses a push with more."""
    text = value_of(ctx, "short_description")
    units = len(text.encode("utf-16-le", errors="surrogatepass")) // 2 if isinstance(text, str) else 0
    if units <= LONGEST_DESCRIPTION:
        return
    certain = len(text.strip()) > LONGEST_DESCRIPTION  # the Hub may count an emoji as two, and space at the end or not
    short = text.strip()[: LONGEST_DESCRIPTION - 3].rsplit(" ", 1)[0].rstrip(" ,.;:-")
    yield Finding(
        f'The short_description has {len(text)} characters: "short_description" length must be less than or equal to '
        f"{LONGEST_DESCRIPTION} characters long",
        hint=f"Shorten it by {max(len(text), units) - LONGEST_DESCRIPTION}.",
        where=where(ctx, "short_description"),
        severity=None if certain else Severity.WARNING,
        fix=edit(ctx, "short_description", quoted(short), safe=False) if "\n" not in short else None,
    )


@rule(
    Severity.ERROR,
    bad={"README.md": ("colorFrom: blue", "colorFrom: orange")},
    good={"README.md": ("colorFrom: blue", 'colorFrom: "gray"')},
)
def color_invalid(ctx: Context) -> Iterator[Finding]:
    """The two colours of the Space's card are names, of which the Hub knows eight: red, yellow, green, blue, indigo,
    purple, pink and gray. It refuses a push with any other name, and with a code such as `#FF6200`.
    """
    for key in ("colorFrom", "colorTo"):
        color = value_of(ctx, key)
        if color in COLORS:
            continue
        if color is None:
            yield from _commented_color(ctx, key)
            continue
        same = isinstance(color, str) and color.strip().lower().replace("grey", "gray")
        near = same if same in COLORS else nearest_color(color) if isinstance(color, str) else None
        said = f'The Hub does not take {key}: {shown(color)}: "{key}" must be one of [{", ".join(COLORS)}]'
        fix = edit(ctx, key, near, safe=same in COLORS) if near else None
        severity = Severity.WARNING if same in COLORS and same != "gray" else None
        yield Finding(said, hint=f"Write {key}: {near or 'blue'}", where=where(ctx, key), severity=severity, fix=fix)


def _commented_color(ctx: Context, key: str) -> Iterator[Finding]:
    """A `#` begins a comment: `colorFrom: #FF6200` sets nothing."""
    front = ctx.front_matter
    entry = front.entries.get(key) if front else None
    found = re.match(r"[ \t]+#([0-9a-fA-F]{3,8})\b", front.text[entry.start :]) if front and entry else None
    if found and front and entry:
        near = nearest_color(f"#{found[1]}") or "blue"
        said = f"In YAML a # begins a comment, so {key}: #{found[1]} sets no colour; the Hub takes only names"
        yield Finding(said, hint=f"Write {key}: {near}", where=where(ctx, key), severity=Severity.WARNING)


@rule(
    Severity.WARNING,
    bad={"README.md": ("emoji: \U0001f44b", "emoji: rocket")},
    good={"README.md": ("emoji: \U0001f44b", "emoji: \U0001f469\u200d\U0001f680")},
)
def emoji_invalid(ctx: Context) -> Iterator[Finding]:
    """`emoji` is the picture on the Space's card: one emoji character. Words, short codes such as `:rocket:` and an
    emoji that was broken by a wrong encoding (`\u00f0\u0178\u0161\u20ac`) are refused, or shown as they are.
    """
    emoji = value_of(ctx, "emoji")
    if emoji is None or emoji == "" or (isinstance(emoji, str) and is_emoji(emoji.strip())):
        return
    whole = unscrambled(emoji) if isinstance(emoji, str) else None
    if whole and is_emoji(whole):
        said = f"The emoji {shown(emoji)} was broken by a wrong encoding; it was {whole}"
        fix = edit(ctx, "emoji", whole)
        yield Finding(said, hint=f"Write emoji: {whole}", where=where(ctx, "emoji"), fix=fix)
    else:
        said = f"The Hub wants an emoji character, not emoji: {shown(emoji)}"
        yield Finding(
            said, hint="Write one emoji, such as emoji: \U0001f680, or leave it out.", where=where(ctx, "emoji")
        )


@rule(
    Severity.WARNING,
    bad={"README.md": ("sdk: docker", "sdk: docker\nlicense: my-own")},
    good={"README.md": ("sdk: docker", "sdk: docker\nlicense: [mit, apache-2.0]")},
)
def license_invalid(ctx: Context) -> Iterator[Finding]:
    """`license` is one of the Hub's ids, in small letters: `mit`, `apache-2.0`, `gpl-3.0`, `other`. For any other word
    the Hub refuses the push; the list is in its documentation under "Licenses".
    """
    value = value_of(ctx, "license")
    for name in value if isinstance(value, list) else [value]:
        if name is None or (isinstance(name, str) and name in LICENSES):
            continue
        near = license_like(name) if isinstance(name, str) else None
        said = (
            f'The Hub does not know the licence {shown(name)}: "license" must be one of its ids, such as mit or other'
        )
        fix = edit(ctx, "license", near) if near and name is value else None
        hint = f"Write license: {near}" if near else "Write license: other, and put the text into a file LICENSE."
        yield Finding(said, hint=hint, where=where(ctx, "license"), fix=fix)


@rule(
    Severity.ERROR,
    bad={"README.md": ("app_port: 7860", "app_port: seven")},
    good={"README.md": ("app_port: 7860", "app_port: 8000")},
)
def app_port_type(ctx: Context) -> Iterator[Finding]:
    """`app_port` is the number of the port that your server listens on, 7860 unless set: the Hub sends visitors there.
    It must be a whole number from 1025 to 65535, without quotes; lower ports belong to the system.
    """
    front = ctx.front_matter
    if front is None or "app_port" not in front.fields:
        return
    port = front.fields["app_port"]
    said, severity, fix = _about_port(ctx, port)
    if said:
        hint = "Write the port of your server, for most: app_port: 7860"
        yield Finding(said, hint=hint, where=where(ctx, "app_port"), severity=severity, fix=fix)


def _about_port(ctx: Context, port: object) -> tuple[str, Severity | None, Fix | None]:
    """What is wrong with a port, how bad that is, and the fix."""
    if port is None:
        return "README.md gives app_port no value", Severity.WARNING, None
    number = int(port) if isinstance(port, str) and re.fullmatch("[0-9]{1,9}", port.strip()) else port
    if isinstance(number, bool) or not isinstance(number, int):
        severity = Severity.WARNING if isinstance(port, float) else None
        return f'README.md says app_port: {shown(port)}, which is no port: "app_port" must be a number', severity, None
    if not 0 < number <= LARGEST_PORT:
        return (
            f"README.md says app_port: {number}, which is no port: there are those from 1 to {LARGEST_PORT}",
            None,
            None,
        )
    if number < LEAST_PORT:
        wants = f'"app_port" must be greater than or equal to {LEAST_PORT}'
        return f"README.md says app_port: {number}, a port of the system: {wants}", Severity.WARNING, None
    if isinstance(port, str):
        return (
            f"README.md says app_port: {shown(port)}, which is text, not a number",
            Severity.INFO,
            edit(ctx, "app_port", str(number)),
        )
    return "", None, None


@rule(
    Severity.INFO,
    bad={"README.md": ("sdk: docker", "sdk: docker\nsuggested_storage: small")},
    good={"README.md": ("sdk: docker", "sdk: docker\nsuggested_hardware: cpu-basic")},
)
def suggested_storage_ignored(ctx: Context) -> Iterator[Finding]:
    """Paid persistent storage was withdrawn, and the Hub ignores `suggested_storage`. What must survive a restart goes
    to a Storage Bucket that is attached as a volume.
    """
    if value_of(ctx, "suggested_storage") is not None:
        hint = "Remove the line; attach a bucket with [[volumes]] in space.toml, or in the Space's settings."
        place = where(ctx, "suggested_storage")
        said = "The Hub ignores suggested_storage: persistent storage was withdrawn"
        yield Finding(said, hint=hint, where=place, fix=removal(ctx, "suggested_storage"))


@rule(
    Severity.INFO,
    bad={"README.md": ("sdk: docker", "sdk: docker\napp_file: main.py")},
    good={"README.md": ("sdk: docker", "sdk: docker\nfullWidth: true")},
)
def docker_irrelevant_keys(ctx: Context) -> Iterator[Finding]:
    """`app_file`, `app_build_command`, `sdk_version` and `python_version` are for Gradio and static Spaces. In a Docker
    Space the `Dockerfile` says what runs, and on which version of Python.
    """
    for key in FOR_OTHER_SDKS:
        if value_of(ctx, "sdk") == "docker" and value_of(ctx, key) is not None and not _is_cut(ctx, key):
            said = f"The Hub ignores {key} in a Docker Space: the Dockerfile decides"
            yield Finding(said, hint="Remove the line.", where=where(ctx, key), fix=removal(ctx, key))


def _is_cut(ctx: Context, key: str) -> bool:
    """Whether a version is written so that YAML takes it for a number and drops its last zero."""
    entry = ctx.front_matter.entries.get(key) if ctx.front_matter else None
    return bool(entry and entry.is_plain and re.fullmatch(r"\d+\.\d*0", entry.raw) and not entry.raw.endswith(".0"))


@rule(
    Severity.WARNING,
    bad={"README.md": ("sdk: docker", "sdk: docker\npython_version: 3.10")},
    good={"README.md": ("sdk: docker", "sdk: docker\ndatasets: ['3.10']")},
)
def yaml_float_version(ctx: Context) -> Iterator[Finding]:
    """YAML reads `3.10` as the number 3.1. A Gradio Space with `python_version: 3.10` fails to build for want of a
    `python:3.1`; in a Docker Space the key has no effect. Versions belong in quotes.
    """
    for key in ("python_version", "sdk_version"):
        if _is_cut(ctx, key):
            raw = ctx.front_matter.entries[key].raw if ctx.front_matter else ""
            severity = Severity.ERROR if value_of(ctx, "sdk") == "gradio" and key == "python_version" else None
            said = f"YAML reads {key}: {raw} as the number {value_of(ctx, key)}"
            hint, fix = f'Write {key}: "{raw}"', edit(ctx, key, f'"{raw}"')
            yield Finding(said, hint=hint, where=where(ctx, key), severity=severity, fix=fix)


@rule(
    Severity.WARNING,
    bad={"README.md": ("sdk: docker", "sdk: docker\nstartup_duration_timeout: one hour")},
    good={"README.md": ("sdk: docker", "sdk: docker\nstartup_duration_timeout: 45m")},
)
def startup_timeout_format(ctx: Context) -> Iterator[Finding]:
    """`startup_duration_timeout` is how long the app may take until it answers, 30 minutes unless set: a number and a
    unit, such as `45m` or `1h`, of at most six hours.
    """
    value = value_of(ctx, "startup_duration_timeout")
    length = seconds(value) if isinstance(value, str) else None
    place = where(ctx, "startup_duration_timeout")
    if value is not None and not length:
        said = f"README.md says startup_duration_timeout: {shown(value)}, which is no duration that the Hub reads"
        yield Finding(said, hint="Write a number and a unit: startup_duration_timeout: 1h", where=place)
    elif length and length > LONGEST_STARTUP:
        said = f"README.md says startup_duration_timeout: {value}, more than the six hours that the Hub grants"
        yield Finding(said, hint="Write startup_duration_timeout: 6h, or less.", where=place)


@rule(
    Severity.WARNING,
    bad={"README.md": ("sdk: docker", "sdk: docker\nbase_path: docs")},
    good={"README.md": ("sdk: docker", "sdk: docker\nbase_path: /docs")},
)
def base_path_format(ctx: Context) -> Iterator[Finding]:
    """`base_path` is the page that the Space shows first. It begins with a slash: `/docs`."""
    path = value_of(ctx, "base_path")
    if isinstance(path, str) and not path.startswith("/"):
        is_plain = re.fullmatch(r"[\w-]+(?:/[\w.-]+)*/?", path)
        said = f"README.md says base_path: {shown(path)}: without a slash at its beginning the Space opens at no page"
        fix = edit(ctx, "base_path", f"/{path}") if is_plain else None
        yield Finding(said, hint=f"Write base_path: /{path.lstrip('./')}", where=where(ctx, "base_path"), fix=fix)


@rule(
    Severity.WARNING,
    bad={"README.md": ("sdk: docker", "sdk: docker\ncustom_headers:\n  x-frame-options: DENY")},
    good={"README.md": ("sdk: docker", "sdk: docker\ncustom_headers:\n  cross-origin-opener-policy: same-origin")},
)
def custom_headers_invalid(ctx: Context) -> Iterator[Finding]:
    """With `custom_headers` the Hub adds headers to all that the Space answers, but only three: the cross-origin
    policies `cross-origin-embedder-policy`, `cross-origin-opener-policy` and `cross-origin-resource-policy`, with
    names and values in small letters. Others your app must send itself.
    """
    headers, place = value_of(ctx, "custom_headers"), where(ctx, "custom_headers")
    if headers is not None and not isinstance(headers, dict):
        said = f"README.md says custom_headers: {shown(headers)}, which is no list of `name: value` lines"
        yield Finding(said, hint="Write one `name: value` on each line below it, indented.", where=place)
    for name, value in headers.items() if isinstance(headers, dict) else ():
        if name not in HEADERS:
            said = f"The Hub does not add the header {shown(name)}: custom_headers takes [{', '.join(HEADERS)}]"
            yield Finding(said, hint="Let your app send it.", where=place)
        elif value not in HEADERS[name]:
            said = f"The header {name} cannot be {shown(value)}"
            yield Finding(said, hint=f"One of: {', '.join(HEADERS[name])}.", where=place)


@rule(
    Severity.WARNING,
    bad={
        "README.md": ("sdk: docker", "sdk: docker\npreload_from_hub: [openai-community/gpt2]"),
        "Dockerfile": ("ENV HOME=/home/user", "ENV HF_HOME=/tmp/hf HOME=/home/user"),
    },
    good={"README.md": ("sdk: docker", "sdk: docker\npreload_from_hub: [openai-community/gpt2]")},
)
def preload_from_hub_cache(ctx: Context) -> Iterator[Finding]:
    """`preload_from_hub` downloads models while the image is built, to `~/.cache/huggingface/hub`, whatever `HF_HOME`
    says. Where the app looks in another folder, it downloads them again at each start.
    """
    if not value_of(ctx, "preload_from_hub"):
        return
    env = {**(ctx.image.env if ctx.image else {}), **ctx.space.environment}
    name = next((name for name in ("HF_HUB_CACHE", "HUGGINGFACE_HUB_CACHE", "HF_HOME") if env.get(name)), None)
    if name and UNKNOWN not in env[name] and ".cache/huggingface" not in env[name]:
        said = f"The models of preload_from_hub go to ~/.cache/huggingface, but the app looks in {name}={env[name]}"
        hint = f"Remove {name}, or download the models in the Dockerfile."
        yield Finding(said, hint=hint, where=where(ctx, "preload_from_hub"))


@rule(
    Severity.WARNING,
    bad={"README.md": ("sdk: docker", "sdk: docker\nsuggested_hardware: t4-tiny")},
    good={"README.md": ("sdk: docker", "sdk: docker\nsuggested_hardware: t4-small")},
)
def hardware_unavailable(ctx: Context) -> Iterator[Finding]:
    """The Hub offers hardware under fixed names, such as `cpu-basic`, `t4-small` or `a10g-large`. `suggested_hardware`
    and `hardware` in space.toml must be one of them; some that were offered once are gone.
    """
    yield from _unknown_flavor(
        value_of(ctx, "suggested_hardware"), "suggested_hardware", where(ctx, "suggested_hardware")
    )
    wanted = ctx.space.hardware
    for name in (wanted,) if isinstance(wanted, str) else wanted or ():
        yield from _unknown_flavor(name, "hardware", ctx.spec_where("hardware"))


def _unknown_flavor(name: object, key: str, place: str) -> Iterator[Finding]:
    if name is None or (isinstance(name, str) and name in FLAVORS):
        return
    why = "is not offered any more" if str(name) in WITHDRAWN else "is none of its names"
    to_rent = [flavor for flavor in FLAVORS if not flavor.startswith("zero-")]
    near = difflib.get_close_matches(str(name), to_rent, n=1, cutoff=0.8)
    written = f"{key}: {near[0]}" if near and place.startswith("README") else f'{key} = "{near[0]}"' if near else ""
    hint = f"Write {written}" if written else f"Take one of: {', '.join(to_rent)}."
    yield Finding(f"The Hub has no hardware {shown(name)} ({key}): it {why}", hint=hint, where=place)


@rule(
    Severity.WARNING,
    bad={"README.md": ("sdk: docker", "sdk: docker\nsuggested_hardware: zero-a10g")},
    good={"README.md": ("sdk: docker", "sdk: docker\nsuggested_hardware: a10g-small")},
)
def zerogpu_docker_unsupported(ctx: Context) -> Iterator[Finding]:
    """ZeroGPU, the shared GPU that costs nothing by the hour, runs Gradio Spaces only. A Docker Space that needs a GPU
    rents one: `t4-small`, `l4x1`, `a10g-small`.
    """
    suggested = value_of(ctx, "suggested_hardware")
    if value_of(ctx, "sdk") in (None, "docker") and isinstance(suggested, str) and suggested.startswith("zero-"):
        said = f"The hardware {suggested} is for Gradio Spaces; a Docker Space cannot have it"
        yield Finding(said, hint="Suggest cpu-basic or t4-small.", where=where(ctx, "suggested_hardware"))
    wanted = ctx.space.hardware
    for name in (wanted,) if isinstance(wanted, str) else wanted or ():
        if name.startswith("zero-"):
            said = f"The hardware {name} is for Gradio Spaces; the Hub refuses it for a Docker Space"
            place = ctx.spec_where("hardware")
            yield Finding(
                said, hint='Write hardware = "cpu-basic" or a GPU to rent.', where=place, severity=Severity.ERROR
            )
