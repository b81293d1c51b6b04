"""Plan, apply, deploy against a real Hub: what is asked, what is changed, what runs afterwards."""

from __future__ import annotations

import json
import urllib.request

import msgspec
import pytest
from git import Repo

from spaceops import DeployFailed, Hub, LocalHub, Space, apply, delete, deploy, list_releases, plan, status, wait
from spaceops.errors import BadInput, CheckFailed, Forbidden, NotFound, PlanStale, SecretMissing, SpecError
from spaceops.plans import SETTINGS
from spaceops.releases import Release
from spaceops.spec import short

WRITES = ("POST", "PUT", "DELETE")


def changed(space: Space, **fields) -> Space:
    return msgspec.structs.replace(space, **fields)


def edit(space: Space, old: str, new: str, file: str = "app.py") -> None:
    path = space.root / file
    path.write_text(path.read_text().replace(old, new))


def ask(release: Release, path: str = "/") -> dict:
    with urllib.request.urlopen(f"{release.host}{path}", timeout=10) as answer:
        return json.load(answer)


def starts(localhub: LocalHub, space: Space) -> tuple[int, int]:
    """How often the Space was restarted and rebuilt."""
    counted = localhub.counters(space.repo_id)
    return counted["restarts"], counted["rebuilds"]


def until_last_write(requests) -> list[tuple[str, str]]:
    """Hub requests from the first on to the last that changed something."""
    asked = list(requests)
    last = max((n for n, (method, _) in enumerate(asked) if method in WRITES), default=len(asked) - 1)
    return asked[: last + 1]


def test_a_new_space_gets_everything_in_one_create_call_and_one_commit(space, hub, localhub, monkeypatch):
    for number in range(10):
        monkeypatch.setenv(f"SECRET_{number}", f"value-of-secret-{number}")
    space = changed(
        space,
        variables={f"VARIABLE_{n}": f"v{n}" for n in range(10)},
        secrets={f"SECRET_{n}": f"env:SECRET_{n}" for n in range(10)},
    )
    localhub.requests.clear()

    release = deploy(space, hub, detach=True)

    asked = until_last_write(list(localhub.requests))
    wait(space, hub)
    assert "applied" == release.outcome
    assert len(asked) <= 12, asked
    assert 1 == sum(path.endswith("/commit/main") for _, path in asked)
    seen = ask(deploy(space, hub), "/env")["env"]
    assert ("v3", "value-of-secret-7", space.repo_id) == (seen["VARIABLE_3"], seen["SECRET_7"], seen["SPACE_ID"])
    assert (0, 1) == starts(localhub, space)


def test_deploying_again_asks_four_times_and_changes_nothing(space, hub, localhub, monkeypatch):
    monkeypatch.setenv("API_KEY", "correct horse battery")
    space = changed(space, variables={"LOG_LEVEL": "info"}, secrets={"API_KEY": "env:API_KEY"})
    first = deploy(space, hub)
    counted = starts(localhub, space)
    localhub.requests.clear()

    again = deploy(space, Hub(localhub.url, token=localhub.token))

    assert ("unchanged", first.sha) == (again.outcome, again.sha)
    assert len(localhub.requests) <= 4, list(localhub.requests)
    assert counted == starts(localhub, space)


def test_one_changed_file_is_one_commit_in_at_most_eleven_requests(space, hub, localhub):
    first = deploy(space, hub)
    edit(space, "VERSION = 1", "VERSION = 2")
    localhub.requests.clear()

    second = deploy(space, Hub(localhub.url, token=localhub.token), detach=True)

    asked = until_last_write(list(localhub.requests))
    second = deploy(space, hub)
    assert len(asked) <= 11, asked
    assert first.sha != second.sha == status(space, hub).runtime.sha
    assert {"version": 2} == ask(second)


def test_settings_are_changed_back_to_back_and_restart_once(space, hub, localhub, monkeypatch):
    monkeypatch.setenv("API_KEY", "correct horse battery")
    deploy(space, hub)
    before = localhub.counters(space.repo_id)
    space = changed(space, variables={"A": "1", "B": "2"}, secrets={"API_KEY": "env:API_KEY"})

    release = deploy(space, hub)

    seen = ask(release, "/env")["env"]
    after = localhub.counters(space.repo_id)
    assert ("1", "2", "correct horse battery") == (seen["A"], seen["B"], seen["API_KEY"])
    assert before["rebuilds"] == after["rebuilds"]
    assert after["restarts"] - before["restarts"] <= 1


def test_only_the_secret_that_changed_is_sent(space, hub, localhub, monkeypatch):
    monkeypatch.setenv("KEEP", "stays the same")
    monkeypatch.setenv("ROLL", "before the change")
    space = changed(space, secrets={"KEEP": "env:KEEP", "ROLL": "env:ROLL"})
    deploy(space, hub)
    monkeypatch.setenv("ROLL", "after the change")

    proposal = plan(space, hub, only={"secrets"})
    release = deploy(space, hub, only={"secrets"})

    assert {"ROLL"} == set(proposal.secrets)
    assert "after the change" == ask(release, "/env")["env"]["ROLL"]


def test_a_dry_run_changes_nothing(space, hub, localhub):
    localhub.requests.clear()

    release = deploy(space, hub, dry_run=True)

    assert "planned" == release.outcome
    assert "Dry run" in str(release)
    assert not [path for method, path in localhub.requests if method in WRITES]


def test_a_secret_that_cannot_be_resolved_stops_before_anything_is_changed(space, hub, localhub):
    space = changed(space, variables={"A": "1"}, secrets={"API_KEY": "env:SPACEOPS_NO_SUCH"})
    localhub.requests.clear()

    with pytest.raises(SecretMissing, match="API_KEY"):
        deploy(space, hub)

    assert not [path for method, path in localhub.requests if method in WRITES]
    assert ("API_KEY",) == plan(space, hub).unresolved


def test_a_plan_is_refused_when_somebody_else_pushed_since(space, hub):
    deploy(space, hub)
    edit(space, "VERSION = 1", "VERSION = 2")
    stale = plan(space, hub)
    edit(space, "VERSION = 2", "VERSION = 3")
    deploy(space, hub, detach=True)
    edit(space, "VERSION = 3", "VERSION = 2")

    with pytest.raises(PlanStale):
        apply(stale, hub)

    assert b"VERSION = 3" in hub.read(space.repo_id, "app.py")


def test_files_that_others_put_there_stay_unless_pruned(space, hub):
    deploy(space, hub)
    hub.commit(space.repo_id, add={"theirs.txt": str(space.root / "app.py")}, remove=[], message="theirs", parent=None)
    edit(space, "VERSION = 1", "VERSION = 2")

    deploy(space, hub, detach=True)
    kept = set(hub.observe(space.repo_id).files)
    deploy(space, hub, prune=True, detach=True)
    pruned = set(hub.observe(space.repo_id).files)

    assert "theirs.txt" in kept - pruned
    assert ".gitattributes" in pruned


def test_creating_and_pushing_can_be_two_steps(space, hub):
    with pytest.raises(NotFound, match="does not exist"):
        deploy(space, hub, only={"files"})

    created = deploy(changed(space, variables={"A": "1"}), hub, only=SETTINGS)
    pushed = deploy(space, hub, only={"files"})

    assert ("applied", "running") == (created.outcome, pushed.outcome)
    assert "1" == ask(pushed, "/env")["env"]["A"]


def test_an_interrupted_deploy_is_completed_by_the_same_command(space, hub):
    """Gone after the create call, the next plan finds the files missing and nothing else."""
    hub.create(space.repo_id, visibility=None, settings={})

    proposal = plan(space, hub)
    release = deploy(space, hub)

    assert not proposal.creates
    assert ["files"] == [change.subject for change in proposal.changes if change.counts]
    assert "running" == release.outcome


def test_a_private_space_is_verified_with_the_token(space, hub):
    release = deploy(changed(space, visibility="private"), hub)

    assert "running" == release.outcome
    assert 200 == hub.ask_app(f"{release.host}/", private=True)[0]
    assert 200 != hub.ask_app(f"{release.host}/", private=False)[0]


def test_visibility_hardware_and_sleep_time_are_set(space, hub):
    deploy(space, hub)

    deploy(changed(space, visibility="private", hardware="t4-small", sleep_time="1h"), hub)

    found = status(space, hub)
    assert ("private", "t4-small", 3600) == (
        found.visibility,
        found.runtime.requested_hardware,
        found.runtime.sleep_time,
    )
    assert not plan(changed(space, visibility="private", hardware="t4-small", sleep_time="1h"), hub)


def test_hardware_that_the_hub_does_not_have_is_refused_with_the_list(space, hub):
    with pytest.raises(SpecError, match="t4-small"):
        plan(changed(space, hardware="t4-smal"), hub)


def test_a_part_that_does_not_exist_is_refused(space, hub):
    with pytest.raises(BadInput, match="secerts"):
        plan(space, hub, only={"secerts"})


def test_a_wrong_token_is_refused_before_anything_else(space, localhub):
    with pytest.raises(Forbidden, match="Invalid user token"):
        plan(space, Hub(localhub.url, token="hf_wrong"))


def test_without_following_wait_comes_to_the_same_end(space, hub):
    release = deploy(space, hub, detach=True)

    observed = wait(space, hub, timeout=60)

    assert "applied" == release.outcome
    assert ("RUNNING", release.sha) == (observed.stage, observed.runtime.sha)


def test_a_release_prints_what_was_done_and_where(space, hub):
    release = deploy(space, hub)

    assert f"{space.repo_id} running at {short(release.sha)}, release 1" == str(release).splitlines()[0]
    assert {"check", "plan", "settings", "upload", "push", "verify"} == set(release.seconds)
    assert release.as_dict()["host"] == release.host
    assert space.repo_id in release._repr_html_()


def test_what_is_deleted_is_gone(space, hub):
    deploy(space, hub, detach=True)

    delete(space, hub)

    with pytest.raises(NotFound):
        status(space, hub)


def test_a_commit_that_somebody_else_pushed_after_ours_is_no_success(space, hub):
    deploy(space, hub)
    edit(space, "VERSION = 1", "VERSION = 2")

    def push_after_it(event):
        if event.text.startswith("pushed "):
            other = space.root.parent / "theirs.py"
            other.write_text((space.root / "app.py").read_text().replace("VERSION = 2", "VERSION = 3"))
            hub.commit(space.repo_id, add={"app.py": str(other)}, remove=[], message="theirs", parent=None)

    with pytest.raises(DeployFailed, match="somebody pushed after it"):
        deploy(space, hub, watch=push_after_it)


def test_a_variable_that_becomes_a_secret_and_back_never_stops_the_app(space, hub, monkeypatch):
    monkeypatch.setenv("LEVEL", "from the secret")
    release = deploy(changed(space, variables={"LEVEL": "plain"}), hub)

    as_secret = deploy(changed(space, secrets={"LEVEL": "env:LEVEL"}), hub)
    assert "from the secret" == ask(as_secret, "/env")["env"]["LEVEL"]
    back = deploy(changed(space, variables={"LEVEL": "plain"}), hub)

    assert "plain" == ask(back, "/env")["env"]["LEVEL"]
    assert release.sha == back.sha


def test_a_configuration_that_the_hub_refuses_is_a_failure_each_time(space, hub):
    hub.create(space.repo_id, visibility=None, settings={})
    readme = space.root / "README.md"
    readme.write_text("# no front matter\n")
    space = changed(space, ignore={"front-matter-missing": "to see what the Hub says"})

    for _ in range(2):
        with pytest.raises(DeployFailed, match="CONFIG_ERROR"):
            deploy(space, hub)


def test_files_that_secrets_are_read_from_are_never_pushed(space, hub):
    folder = space.root
    (folder / "key.txt").write_text("value of the key")
    (folder / "prod.vars").write_text("B=value of b\n")
    (folder / "staging.toml").write_text(
        f'repo_id = "{space.repo_id}"\n[secrets]\nA = "file:key.txt"\nB = "dotenv:prod.vars#B"\n'
    )

    deploy(Space.load(folder / "staging.toml"), hub, detach=True)

    pushed = set(hub.observe(space.repo_id).files)
    assert {"app.py", "Dockerfile"} <= pushed
    assert not {"key.txt", "prod.vars", "staging.toml"} & pushed


def test_a_secret_that_became_known_after_the_plan_is_not_left_out_in_silence(space, hub, monkeypatch):
    space = changed(space, secrets={"API_KEY": "env:SPACEOPS_LATE"})
    proposal = plan(space, hub)
    monkeypatch.setenv("SPACEOPS_LATE", "known by now")

    with pytest.raises(PlanStale, match="API_KEY"):
        apply(proposal, hub)


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [("README.md", b"---\nsdk: docker\n---\n\xff", "not UTF-8"), ("a\nb.txt", b"x", "no such file name")],
)
def test_what_the_hub_would_refuse_is_refused_before_the_space_is_created(space, hub, name, content, message):
    (space.root / name).write_bytes(content)

    with pytest.raises(BadInput, match=message):
        plan(space, hub)
    with pytest.raises((BadInput, CheckFailed)):
        deploy(space, hub)

    assert not hub.observe(space.repo_id).exists


def test_what_was_written_about_a_private_space_is_gone_before_it_is_public(space, hub, localhub, tmp_path):
    private = changed(space, visibility="private", on_failure="keep")
    edit(space, "VERSION = 1", "raise SystemExit('the log says this')")
    with pytest.raises(DeployFailed):
        deploy(private, hub)
    before = "\n".join(list_releases(space, hub)[0].record.evidence)
    edit(space, "raise SystemExit('the log says this')", "VERSION = 2")

    deploy(changed(space, visibility="public"), hub)

    assert "the log says this" in before
    url = f"{localhub.url}/spaces/{space.repo_id}".replace("://", f"://demo:{localhub.token}@")
    with Repo.clone_from(url, tmp_path / "clone", branch="spaceops", single_branch=True) as repo:
        everything = repo.git.log("--patch", "--all")
    assert "the log says this" not in everything
    assert '"runtime-error"' in everything
    assert [("running", 2), ("failed", 1)] == [(one.outcome, one.number) for one in list_releases(space, hub)]


def test_settings_that_come_slowly_still_make_few_restarts(space, hub, localhub):
    """With half a second for each request, a script that sends them one by one restarts the app for each."""
    deploy(space, hub)
    counted = starts(localhub, space)
    wanted = {f"VARIABLE_{number}": "1" for number in range(8)}

    with localhub.faults.add("slow", path="*/variables", method="POST", seconds=0.5):
        deploy(changed(space, variables=wanted), hub)

    restarts = starts(localhub, space)[0] - counted[0]
    assert wanted == hub.variables.ls(space.repo_id)
    assert restarts <= 4, "half of what eight calls ask for"


def test_the_lines_that_the_hub_adds_for_large_files_are_no_change(space, hub):
    (space.root / ".gitattributes").write_text("*.txt text\n")
    (space.root / "weights.dat").write_bytes(b"\0" * 100)

    deploy(space, hub, detach=True)

    assert b"weights.dat filter=lfs" in hub.read(space.repo_id, ".gitattributes")
    assert not plan(space, hub)
    (space.root / ".gitattributes").write_text("*.md text\n")
    assert "1 changed" in str(plan(space, hub))
