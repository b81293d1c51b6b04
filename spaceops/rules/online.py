"""What only the Hub knows: rules over `ctx.remote`, silent where nobody was asked. Their examples are in the tests."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import TYPE_CHECKING

from spaceops.findings import Finding, Severity
from spaceops.remote import Repo
from spaceops.rules import rule
from spaceops.rules.files import LARGEST_SPACE
from spaceops.spec import FREE_HARDWARE, short

if TYPE_CHECKING:
    from spaceops.context import Context
    from spaceops.pythonmodule import Call
    from spaceops.remote import Remote

PRICING = "https://huggingface.co/pricing"
TOKENS = "https://huggingface.co/settings/tokens"
MOST_REPOS = 20  # that are asked for
_REPO = re.compile(r"[A-Za-z0-9][\w.-]{0,95}/[\w.-]{1,96}")
_MODEL_CALLS = (
    "hf_hub_download",
    "snapshot_download",
    "pipeline",
    "SentenceTransformer",
    "CrossEncoder",
    "InferenceClient",
)
_MODEL_NAMES = re.compile(r"(?:^|_)MODEL(?:_ID|_NAME|_REPO)?$")
_KINDS = {"models": "model", "datasets": "dataset", "buckets": "bucket", "spaces": "space"}


@rule(Severity.ERROR)
def token_invalid_401(ctx: Context) -> Iterator[Finding]:
    """The Hub does not accept the token, or there is none.

    It may have expired, or been revoked, or lost its end when it was copied. `HF_TOKEN` wins over `hf auth login`.
    """
    if ctx.remote and ctx.remote.refused:
        yield Finding(
            f"Nothing can be deployed: {ctx.remote.refused}",
            hint=f"hf auth login, or set HF_TOKEN to a token with write access: {TOKENS}",
            where=ctx.spec_where("repo_id"),
        )


@rule(Severity.WARNING)
def token_env_shadow(ctx: Context) -> Iterator[Finding]:
    """`HF_TOKEN` is set and wins over the login that `hf auth login` stored: you may be another than you think."""
    if ctx.remote and ctx.remote.shadows_a_login:
        who = f"you are {ctx.remote.identity.name}" if ctx.remote.identity else "that is who you are"
        yield Finding(
            f"The variable HF_TOKEN holds another token than your login, and wins: {who}",
            hint="unset HF_TOKEN, if the login of hf auth login is meant.",
            where=ctx.spec_where("repo_id"),
            severity=None if _is_refused(ctx.remote) else Severity.INFO,
        )


@rule(Severity.ERROR)
def token_no_write_403(ctx: Context) -> Iterator[Finding]:
    """The token may not create the Space, or not write to it.

    A token of the kind *read* changes nothing; a fine-grained one needs write access to the Space's owner or to the
    Space; in an organization your role must allow it too.
    """
    if ctx.remote and (said := _refusal(ctx.remote)):
        yield Finding(
            f"Nothing can be deployed: {said}",
            hint=f"Make a token with write access: {TOKENS}; spaceops whoami {ctx.space.repo_id} tells what it may do.",
            where=ctx.spec_where("repo_id"),
        )


@rule(Severity.ERROR)
def pro_required_402(ctx: Context) -> Iterator[Finding]:
    """A new Docker Space needs a paid plan: PRO for a user, Team or Enterprise for an organization.

    That holds for the free hardware too. A Space that exists goes on without one.
    """
    remote = ctx.remote
    if not remote or not remote.identity or not remote.observed or remote.observed.exists:
        return
    owner = ctx.space.repo_id.partition("/")[0]
    plans = {name.lower(): paid for name, paid in remote.identity.paid.items()}
    if plans.get(owner.lower()) is False:
        is_free = all(flavor == FREE_HARDWARE for flavor in ctx.space.flavors)
        yield Finding(
            f"The Space {ctx.space.repo_id} is new, and {owner} has no paid plan: the Hub creates no Docker Space then",
            hint=f"Subscribe at {PRICING}, or take an owner that has a plan.",
            where=ctx.spec_where("repo_id"),
            severity=None if is_free else Severity.WARNING,
        )


@rule(Severity.ERROR)
def variable_secret_collision(ctx: Context) -> Iterator[Finding]:
    """A name is both a variable and a secret of the Space on the Hub: it does not start, and says CONFIG_ERROR.

    What space.toml names as one of the two is removed as the other by the next deploy.
    """
    there = ctx.remote.observed if ctx.remote else None
    if there is None:
        return
    ours = ctx.space.secrets.keys() | ctx.space.variables.keys()
    for name in sorted((there.variables.keys() & there.secrets.keys()) - ours):
        yield Finding(
            f"On the Hub {name} is both a variable and a secret, so the Space cannot start",
            hint=f"spaceops variables delete {ctx.space.repo_id} {name}",
            where=ctx.spec_where("repo_id"),
        )


@rule(Severity.ERROR)
def readme_refused(ctx: Context) -> Iterator[Finding]:
    """The Hub was shown README.md, and would refuse the push: the sentence holds its own words, which name the key."""
    for said in ctx.remote.card_errors if ctx.remote else ():
        key = re.match(r'\W*"?([A-Za-z_]+)', said)
        line = ctx.front_matter.line(key[1]) if key and ctx.front_matter else 1
        yield Finding(
            f"The Hub refuses README.md: {said}",
            hint="Mend the key that it names, in the lines between --- at the top; spaceops docs card shows them.",
            where=f"README.md:{line}",
        )


@rule(Severity.WARNING)
def space_storage_full(ctx: Context) -> Iterator[Finding]:
    """A Space may take 1 GB on the Hub, and its history counts: large files that were deleted are still there."""
    used = ctx.remote.used_storage if ctx.remote else None
    if used and used > 0.9 * LARGEST_SPACE:
        yield Finding(
            f"The Space takes {used / 1e9:.2f} GB on the Hub, with its history, of the 1 GB that it may",
            hint="Put weights and data into a model, a data set or a bucket; delete old large files on the Space's"
            " settings page, under Storage.",
            where=ctx.spec_where("repo_id"),
        )


@rule(Severity.ERROR)
def hardware_not_offered(ctx: Context) -> Iterator[Finding]:
    """The Hub that is asked does not offer this hardware to Spaces."""
    offered = ctx.remote.hardware if ctx.remote else frozenset()
    for name in ctx.space.flavors if offered else ():
        if name not in offered:
            yield Finding(
                f"The Hub offers no hardware {name} to Spaces",
                hint=f"Write one of these into space.toml: {', '.join(sorted(offered))}.",
                where=ctx.spec_where("hardware"),
            )


@rule(Severity.WARNING)
def hf_mount_failed(ctx: Context) -> Iterator[Finding]:
    """The source of a volume is not there, or this token may not read it: the Space would not start.

    A bucket is made on the Hub, or with `hf buckets create OWNER/NAME`, before a Space can mount it.
    """
    for repo, mount in _mounted(ctx):
        if ctx.remote and ctx.remote.access.get(repo) in ("missing", "gated"):
            make = f"hf buckets create {repo.name}" if repo.kind == "bucket" else f"Look at the name {repo.name}"
            yield Finding(
                f"The volume at {mount} cannot be mounted: no {repo.kind} {repo.name} that we may see",
                hint=f"{make}, or give a token that may read it.",
                where=ctx.spec_where("source"),
                severity=Severity.ERROR if _is_ours(ctx, repo) else None,
            )


@rule(Severity.WARNING)
def model_not_found(ctx: Context) -> Iterator[Finding]:
    """The code or a variable names a model or data set that is not on the Hub, or that this token may not see."""
    for repo, place in mentions(ctx).items():
        if ctx.remote and ctx.remote.access.get(repo) == "missing":
            yield Finding(
                f"The Hub shows this token no {repo.kind} {repo.name}: it does not exist, or it is private",
                hint="Look at the name; a private one needs a token that may read it, as the secret HF_TOKEN.",
                where=place,
            )


@rule(Severity.WARNING)
def gated_model_401(ctx: Context) -> Iterator[Finding]:
    """A model must be asked for before it can be read: its authors want their licence accepted.

    Accept it on the model's page, and give the Space a token of that account as the secret `HF_TOKEN`.
    """
    for repo, place in mentions(ctx).items():
        if ctx.remote and ctx.remote.access.get(repo) == "gated":
            yield Finding(
                f"The {repo.kind} {repo.name} is gated, and this account has not been let in",
                hint=f"Ask for it on https://huggingface.co/{repo.name}, then set a token of that account as the secret"
                " HF_TOKEN.",
                where=place,
            )


@rule(Severity.INFO)
def stale_build(ctx: Context) -> Iterator[Finding]:
    """The Space runs an older commit than its newest: the newest did not build, or was not meant to."""
    there = ctx.remote.observed if ctx.remote else None
    runs = there.runtime.sha if there else None
    if there and runs and there.sha and runs != there.sha and there.runtime.is_final:
        yield Finding(
            f"The Space runs commit {short(runs)}, and its newest is {short(there.sha)}",
            hint=f"spaceops diagnose {ctx.space.repo_id} tells why; spaceops restart --factory builds it anew.",
            where=ctx.spec_where("repo_id"),
        )


def needed(ctx: Context) -> list[Repo]:
    """The repositories and buckets that the Space needs, as far as its files tell."""
    return list(dict.fromkeys([*(repo for repo, _ in _mounted(ctx)), *mentions(ctx)]))[:MOST_REPOS]


def mentions(ctx: Context) -> dict[Repo, str]:
    """The models and data sets that the code, the card and the variables name, and where."""
    found: dict[Repo, str] = {}
    for name, value in ctx.space.environment.items():
        if _MODEL_NAMES.search(name) and _REPO.fullmatch(value):
            found.setdefault(Repo("model", value), ctx.spec_where(name))
    for module in ctx.python.modules.values() if ctx.python else ():
        for call in module.calls:
            if (repo := _asked_for(call)) and not _is_local(ctx, repo.name):
                found.setdefault(repo, f"{module.path}:{call.line}")
    preload = ctx.card.fields.get("preload_from_hub") if ctx.card else None
    for entry in preload if isinstance(preload, list) else ():
        name = str(entry).partition(" ")[0]
        if _REPO.fullmatch(name) and ctx.front_matter:
            found.setdefault(Repo("model", name), f"README.md:{ctx.front_matter.line('preload_from_hub')}")
    return found


def _asked_for(call: Call) -> Repo | None:
    """The repository that a call loads from the Hub."""
    name = call.name.rpartition(".")[2]
    if name == "load_dataset":
        value, kind = call.argument(0, "path"), "dataset"
    elif name == "from_pretrained":
        value, kind = call.argument(0, "pretrained_model_name_or_path"), "model"
    elif name in _MODEL_CALLS:
        keyed = call.keywords.get("repo_id") or call.keywords.get("model") or call.keywords.get("model_name_or_path")
        value = keyed or (call.argument(1, "model") if name == "pipeline" else call.argument(0, "repo_id"))
        kind = str(call.keywords.get("repo_type") or "model")
    else:
        return None
    return Repo(kind, value) if isinstance(value, str) and _REPO.fullmatch(value) else None


def _is_local(ctx: Context, name: str) -> bool:
    """Whether a name may be a folder of the Space."""
    first = f"{name.partition('/')[0]}/"
    return any(path.startswith((f"{name}/", first)) for path in ctx.source.files)


def _mounted(ctx: Context) -> Iterator[tuple[Repo, str]]:
    for volume in ctx.space.volumes:
        kind, _, name = volume.source.removeprefix("hf://").partition("/")
        yield (Repo(_KINDS[kind], name) if kind in _KINDS else Repo("model", f"{kind}/{name}".strip("/"))), volume.mount


def _is_ours(ctx: Context, repo: Repo) -> bool:
    """Whether it belongs to the account or one of its organizations, so that the token should see it."""
    identity = ctx.remote.identity if ctx.remote else None
    owners = {identity.name.lower(), *(name.lower() for name in identity.orgs)} if identity else set()
    is_owner = repo.name.partition("/")[0].lower() in owners
    return is_owner and identity is not None and identity.token == "write"  # noqa: S105, a kind of token


def _is_refused(remote: Remote) -> bool:
    return remote.refused is not None or _refusal(remote) is not None


def _refusal(remote: Remote) -> str | None:
    """What of a deploy the token surely may not do."""
    if remote.rights is None or remote.observed is None:
        return None
    return remote.rights.refusal(("push", "settings") if remote.observed.exists else ("create",))
