"""The commands that plan, make, list and undo releases."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from pathlib import Path
from shlex import quote
from typing import TYPE_CHECKING, Any, TypeVar

import click

from spaceops.console import (
    INTERRUPTED,
    chosen_env,
    confirm,
    connect,
    dry_run_option,
    endpoint_option,
    env_option,
    hint,
    json_option,
    load_space,
    only_option,
    overwrite_option,
    path_argument,
    prune_option,
    repo_id_from,
    rotate_option,
    show,
    show_observed,
    space_argument,
    yes_option,
)
from spaceops.errors import BadInput, SpaceopsError

if TYPE_CHECKING:
    from spaceops.diffs import FileDiffs
    from spaceops.events import Event
    from spaceops.history import Release
    from spaceops.hub import Hub
    from spaceops.plans import Plan
    from spaceops.savedplans import Asked
    from spaceops.spec import Space

CHANGES = 2  # the exit code of --detailed-exitcode when something would change

_NOTHING_ASKED = {"only": (), "prune": None, "overwrite": False, "rotate": ()}
_COLOURS = {"+": "green", "-": "red", "@": "cyan"}

Command = TypeVar("Command", bound=Callable[..., object])


def asking(command: Command) -> Command:
    """The options that say which Hub is asked, and for what part of a plan."""
    for option in (rotate_option, overwrite_option, prune_option, only_option, endpoint_option):  # the first comes last
        command = option(command)
    return command


detach_option = click.option("-d", "--detach", is_flag=True, help="Return after the push; `spaceops wait` continues.")


@click.command("plan")
@path_argument
@asking
@click.option("--diff", "with_diff", is_flag=True, help="Show what changes inside of the files, too.")
@click.option("--drift", "for_drift", is_flag=True, help="Show what was changed on the Hub since the newest release.")
@click.option(
    "--out", type=click.Path(path_type=Path), metavar="FILE", help="Save it for `spaceops apply --plan FILE`."
)
@click.option("--detailed-exitcode", is_flag=True, help="Exit with 2 when something would change (or has drifted).")
@json_option
def plan_command(
    path: str,
    endpoint: str | None,
    with_diff: bool,
    for_drift: bool,
    out: Path | None,
    detailed_exitcode: bool,
    as_json: bool,
    **asked: Any,
) -> None:
    """Show what deploy would change; change nothing.

    With --drift PATH may be a SPACE. With --detailed-exitcode the exit code is 0 for no changes and 2 for changes;
    errors keep their codes, and wrong usage is 2 as well: it prints nothing on stdout.
    """
    if for_drift:
        if with_diff or out or asked != _NOTHING_ASKED:
            raise BadInput("--drift looks at the Hub only", hint="Leave out the options that are about a plan.")
        found = _show_drift(path, endpoint, as_json)
    else:
        found = _show_plan(path, endpoint, _asked(asked), out, with_diff, as_json)
    if detailed_exitcode and found:
        sys.exit(CHANGES)


@click.command("apply")
@click.argument("path", required=False)
@env_option
@click.option("--plan", "file", type=click.Path(path_type=Path), metavar="FILE", help="Apply what `plan --out` saved.")
@asking
@dry_run_option
@yes_option
@json_option
def apply_command(
    path: str | None, file: Path | None, endpoint: str | None, yes: bool, dry_run: bool, as_json: bool, **asked: Any
) -> None:
    """Make the Space what space.toml says, without waiting for it to run.

    A saved plan is applied only if the same plan comes out again; with it PATH says where space.toml is now, in a
    checkout in which it is not where it was, seen from FILE.
    """
    if file is None:
        _deploy(path or ".", endpoint, yes=yes, dry_run=dry_run, as_json=as_json, detach=True, **asked)
    elif asked != _NOTHING_ASKED or chosen_env():
        raise BadInput("The saved plan says what is applied", hint="Leave out the options, or plan again with them.")
    else:
        _apply_saved(file, path, endpoint, yes=yes, dry_run=dry_run, as_json=as_json)


@click.command("deploy")
@path_argument
@asking
@dry_run_option
@detach_option
@yes_option
@json_option
def deploy_command(path: str, endpoint: str | None, **options: Any) -> None:
    """Plan, apply, follow, and verify that the pushed commit runs and answers.

    Where it does not come up, the last release that ran is restored (on_failure in space.toml; exit code 9).
    """
    _deploy(path, endpoint, **options)


@click.command("rotate")
@click.argument("words", nargs=-1, metavar="[PATH] [NAME]...")
@env_option
@endpoint_option
@dry_run_option
@detach_option
@yes_option
@json_option
def rotate_command(words: tuple[str, ...], endpoint: str | None, **options: Any) -> None:
    """Send secrets again, all of space.toml or those named; the app restarts with them."""
    path, names = _path_and_names(words)
    _deploy(path, endpoint, only=("secrets",), prune=False, overwrite=False, rotate=names, rotates=True, **options)


@click.command("wait")
@space_argument
@endpoint_option
@click.option("--timeout", default="30m", show_default=True, help="How long to wait: 90s, 15m, 1h.")
@json_option
def wait_command(space: str, endpoint: str | None, timeout: str, as_json: bool) -> None:
    """Wait until the Space is built and started; a release that was not followed is verified as deploy does it."""
    from spaceops.releases import wait
    from spaceops.spec import seconds

    repo_id = repo_id_from(space)
    observed = wait(repo_id, connect(endpoint), timeout=seconds("--timeout", timeout), watch=_watch)
    show_observed(observed, as_json)
    hint(f"spaceops logs {repo_id} -f")


@click.command("releases")
@click.argument("words", nargs=-1, metavar="[SPACE] [show [N] | diff N [M]]")
@env_option
@click.option("-n", "--count", type=click.IntRange(1), default=10, show_default=True, help="The newest N releases.")
@endpoint_option
@json_option
def releases_command(words: tuple[str, ...], count: int, endpoint: str | None, as_json: bool) -> None:
    """List the releases of a Space, show one in full, or how one differs from another.

    Without N and M the newest is meant. SPACE may also stand behind `show` and `diff`. SOURCE is the
    commit of your own repository; a + behind it says that files differed from it.
    """
    verb = next((word for word in words if word in ("show", "diff")), None)
    space, numbers = _space_and_numbers([word for word in words if word != verb])
    hub, repo_id = connect(endpoint), repo_id_from(space)
    if len(numbers) > {"show": 1, "diff": 2}.get(verb or "", 0) or (verb == "diff" and not numbers):
        raise BadInput(f"releases: {' '.join(words)}: too few or too many numbers", hint="spaceops releases --help")
    if verb == "show":
        _show_release(repo_id, hub, numbers, as_json)
    elif verb == "diff":
        _show_difference(repo_id, hub, numbers, as_json)
    else:
        _list_releases(repo_id, hub, count, as_json)


@click.command("rollback")
@click.argument("words", nargs=-1, metavar="[SPACE] [N]")
@env_option
@endpoint_option
@dry_run_option
@detach_option
@yes_option
@json_option
def rollback_command(
    words: tuple[str, ...], endpoint: str | None, yes: bool, dry_run: bool, detach: bool, as_json: bool
) -> None:
    """Make a new release with the content and the settings of release N, else of the last that ran before.

    First it says what will not come back, such as the old values of secrets. It asks only where that costs money.
    """
    from spaceops.releases import rollback

    space, numbers = _space_and_numbers(list(words))
    if len(numbers) > 1:
        raise BadInput(f"rollback: one number, not {len(numbers)}", hint="spaceops rollback SPACE N")
    hub, repo_id, ask = connect(endpoint), repo_id_from(space), _Asker(yes=yes, dry_run=dry_run)
    number = numbers[0] if numbers else None
    _carry_out(
        repo_id,
        hub,
        ask,
        as_json,
        lambda: rollback(repo_id, hub, number, dry_run=dry_run, detach=detach, approve=ask, watch=_watch),
    )


COMMANDS = (
    plan_command,
    apply_command,
    deploy_command,
    rotate_command,
    wait_command,
    releases_command,
    rollback_command,
)

# plans


def _asked(asked: dict[str, Any]) -> Asked:
    from spaceops.savedplans import Asked

    return Asked(**{**asked, "only": asked["only"] or None})


def _show_plan(path: str, endpoint: str | None, asked: Asked, out: Path | None, with_diff: bool, as_json: bool) -> bool:
    """Print a plan, and save it; whether something would change, or is missing and cannot be set from here."""
    from spaceops.diffs import file_diffs
    from spaceops.savedplans import propose, save

    space, hub = load_space(path), connect(endpoint)
    proposal = propose(space, hub, asked, file=out)
    click.echo(proposal.title, err=True)
    diffs = file_diffs(proposal, hub) if with_diff else None
    data = proposal.as_dict() | ({"diffs": diffs.as_list()} if diffs is not None else {})
    show(data, as_json, f"{proposal}\n\n{_coloured(diffs)}" if diffs else proposal)
    if out:
        save(proposal, asked, out, endpoint=endpoint)
        _hint_saved(out, space)
    else:
        hint(_against(proposal) or _after(proposal) or _command_for(path, space, asked))
    return bool(proposal) or bool(set(proposal.unresolved) - proposal.observed.secrets.keys())


def _against(proposal: Plan) -> str | None:
    """What is to be done first where apply would refuse this plan."""
    from spaceops.execution import refuse_unready

    if proposal.unresolved:
        said = f"give {', '.join(proposal.unresolved)} a value here"
        return f"{said} ([secrets] in space.toml says from where): deploy refuses without"
    try:
        refuse_unready(proposal)
    except SpaceopsError as error:
        return error.hint
    return None


def _after(proposal: Plan) -> str | None:
    """What comes next where nothing is left to change."""
    command = "wait" if proposal.ledger.index.outcome == "applied" else "status"
    return None if proposal else f"spaceops {command} {proposal.space.repo_id}"


def _command_for(path: str, space: Space, asked: Asked) -> str:
    """The deploy that does what was planned, to the same Space."""
    env = f" -e {space.env_name}" if space.env_name else ""
    more = "" if asked == type(asked)() else "   with the same options"
    return f"spaceops deploy {quote(path)}{env}{more}"


def _hint_saved(out: Path, space: Space) -> None:
    from spaceops.savedplans import goes_along

    if goes_along(out, space):
        said = "lies in the folder that is pushed, and the next deploy takes it along unless .gitignore names it"
        click.echo(f"{out} {said}", err=True)
    hint(f"spaceops apply --plan {quote(str(out))}")


def _show_drift(space: str, endpoint: str | None, as_json: bool) -> bool:
    """Print what was changed on the Hub; whether something was."""
    from spaceops.deviations import drift

    repo_id = repo_id_from(space)
    found = drift(repo_id, connect(endpoint))
    show(found.as_dict(), as_json, found)
    if found:
        hint(
            f"write into space.toml what shall stay; spaceops deploy then undoes the rest of {repo_id}: "
            "--prune what was added, --overwrite what was changed in files"
        )
    return bool(found)


def _coloured(diffs: FileDiffs) -> str:
    """The diffs in colours; click leaves them out where nobody sees them."""
    if os.environ.get("NO_COLOR"):
        return str(diffs)
    return "\n".join(click.style(line, fg=_COLOURS.get(line[:1])) for line in str(diffs).split("\n"))


# releases


def _deploy(
    path: str,
    endpoint: str | None,
    *,
    only: tuple[str, ...],
    rotate: tuple[str, ...],
    yes: bool,
    dry_run: bool,
    as_json: bool,
    rotates: bool = False,
    **options: Any,
) -> None:
    from spaceops.releases import deploy

    space, hub = load_space(path), connect(endpoint)
    if rotates and not space.secrets:
        raise BadInput(f"{space.file} has no secrets to send", hint="Write references to them under [secrets].")
    ask = _Asker(yes=yes, dry_run=dry_run, prunes=space.prune if options["prune"] is None else options["prune"])
    sent = rotate or tuple(space.secrets) if rotates else rotate
    _carry_out(
        space.repo_id,
        hub,
        ask,
        as_json,
        lambda: deploy(
            space, hub, only=set(only) or None, rotate=sent, dry_run=dry_run, approve=ask, watch=_watch, **options
        ),
    )


def _apply_saved(
    file: Path, path: str | None, endpoint: str | None, *, yes: bool, dry_run: bool, as_json: bool
) -> None:
    from spaceops.releases import apply
    from spaceops.savedplans import plan_again, saved_plan, space_path

    saved = saved_plan(file)
    space = load_space(path or space_path(saved, file), saved.env or "")
    prunes = space.prune if saved.asked.prune is None else saved.asked.prune
    hub, ask = connect(endpoint or saved.endpoint), _Asker(yes=yes, dry_run=dry_run, prunes=prunes)

    def work() -> Release:
        proposal = plan_again(saved, space, hub, file)
        ask(proposal)
        return apply(proposal, hub, dry_run=dry_run, watch=_watch)

    _carry_out(space.repo_id, hub, ask, as_json, work)


def _carry_out(repo_id: str, hub: Hub, ask: _Asker, as_json: bool, work: Callable[[], Release]) -> None:
    """Make a release, print it, and say what comes next; after Ctrl-C how to go on."""
    try:
        release = work()
    except KeyboardInterrupt:
        if not ask.approved:
            raise  # nothing was changed yet
        said = "what was sent stays, and the Space goes on by itself"
        click.echo(f"\nStopped following {repo_id}; {said}.", err=True)
        hint(f"spaceops wait {repo_id}   or the same command again")
        sys.exit(INTERRUPTED)
    show(release.as_dict(), as_json, release)
    if hub.is_embedded and release.outcome != "planned":
        hint("spaceops hub serve   keeps it running; this command's own local Hub ends with it")
    elif command := _NEXT.get(release.outcome):
        hint(command.format(repo_id=repo_id))


_NEXT = {
    "running": "spaceops logs {repo_id} -f",
    "applied": "spaceops wait {repo_id}",
    "unchanged": "spaceops status {repo_id}",
}


def _list_releases(repo_id: str, hub: Hub, count: int, as_json: bool) -> None:
    from spaceops.history import Releases
    from spaceops.lifecycle import status
    from spaceops.releases import list_releases

    found = Releases(list_releases(repo_id, hub, count=count))
    if not found:
        status(repo_id, hub)  # a Space that does not exist is told as that
    show(found.as_dict(), as_json, found)
    hint(f"spaceops releases {repo_id} show" if found else f"spaceops status {repo_id}")


def _show_release(repo_id: str, hub: Hub, numbers: list[int], as_json: bool) -> None:
    from spaceops.releases import get_release

    release = get_release(repo_id, hub, numbers[0] if numbers else _newest(repo_id, hub))
    show(release.as_dict(), as_json, release)
    number = release.number or 1
    failed = f"spaceops releases {repo_id} diff {number - 1} {number}" if number > 1 else f"spaceops logs {repo_id}"
    back = f"spaceops rollback {repo_id}" + (
        f" {number}" if numbers else ""
    )  # away from the newest, or to the one named
    hint(failed if release.outcome == "failed" else back)


def _show_difference(repo_id: str, hub: Hub, numbers: list[int], as_json: bool) -> None:
    from spaceops.deviations import difference

    before, after = numbers if len(numbers) > 1 else (*numbers, _newest(repo_id, hub))
    found = difference(repo_id, hub, before, after)
    show(found.as_dict(), as_json, found)
    hint(f"spaceops releases {repo_id} show {after}")


def _newest(repo_id: str, hub: Hub) -> int:
    from spaceops import ledger
    from spaceops.errors import NotFound

    if newest := ledger.read(repo_id, hub).index.last:
        return newest
    raise NotFound(f"{repo_id} has no releases yet", hint="spaceops deploy makes the first one.")


# what the words of a command mean


def _path_and_names(words: tuple[str, ...]) -> tuple[str, tuple[str, ...]]:
    """PATH, if the first word is one, and names."""
    from spaceops.spec import find

    try:
        find(words[0] if words else ".")
    except BadInput:
        return ".", words
    return words[0] if words else ".", words[1:]


def _space_and_numbers(words: list[str]) -> tuple[str, list[int]]:
    """SPACE, and the numbers of releases; a folder whose name is a number is written ./7."""
    spaces = [word for word in words if not word.isdecimal()]
    if len(spaces) > 1:
        raise BadInput(f"{' and '.join(spaces)}: one Space at a time", hint="owner/name, then numbers of releases.")
    return spaces[0] if spaces else ".", [int(word) for word in words if word.isdecimal()]


class _Asker:
    """Shows the plan, and asks where it costs money, loses something for good or makes something public."""

    def __init__(self, *, yes: bool, dry_run: bool, prunes: bool = False) -> None:
        self._yes, self._dry_run, self._prunes = yes, dry_run, prunes
        self.approved = False

    def __call__(self, proposal: Plan) -> None:
        click.echo(proposal.title, err=True)
        if self._dry_run:
            return
        click.echo(str(proposal), err=True)
        if found := _reasons_to_ask(proposal, self._prunes):
            confirm(f"This {' and '.join(found)}. Go on?", self._yes)
        self.approved = True


def _reasons_to_ask(proposal: Plan, prunes: bool) -> list[str]:
    """What a user must agree to. Files that a release wrote are in its commit: to remove them loses nothing."""
    shown = proposal.space.visibility or "public"  # what the Hub does unless told otherwise
    published = shown != "private" and (proposal.creates or proposal.has("visibility"))
    reasons = {
        f"costs ${proposal.hourly_cost:.2f} an hour more": proposal.hourly_cost > 0,
        f"makes {proposal.space.repo_id} {shown}": published,
        f"destroys {', '.join(proposal.destroys)}": bool(proposal.destroys),
        f"removes {len(proposal.files.removed)} files": prunes and bool(proposal.files.removed),
    }
    return [reason for reason, holds in reasons.items() if holds]


def _watch(event: Event) -> None:
    click.echo(str(event), err=True)
