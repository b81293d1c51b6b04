"""Plans: what is wanted and what is, in; the exact table, out. Nothing is asked and nothing happens."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import datetime
from pathlib import Path

import pytest

from spaceops.comparison import compare, compare_files
from spaceops.files import LocalFile, Source
from spaceops.observed import Observed, RemoteFile, RemoteSecret, Runtime
from spaceops.plans import NOTHING, Change, Effect, FileChanges, Plan, harmless, strongest
from spaceops.records import Index, Ledger, Record
from spaceops.secret import Secret, fingerprint
from spaceops.spec import Space

SHA = "3f2a91c" + "0" * 33
PRICES = {"cpu-basic": 0.0, "t4-small": 0.40, "t4-medium": 0.60, "l4x1": 0.80}
KEY = Secret("a key that only these plans hold", "API_KEY")
NO_FILES = FileChanges()
DEPLOYED = Index(last=2, sha=SHA)


def space(**fields) -> Space:
    return Space.parse({"repo_id": "acme/demo", **fields})


def observed(hardware="cpu-basic", stage="RUNNING", **fields) -> Observed:
    runtime = fields.pop("runtime", Runtime(stage, sha=SHA, hardware=hardware, sleep_time=172800))
    fields = {"visibility": "public", **fields}
    return Observed("acme/demo", exists=True, sha=SHA, runtime=runtime, **fields)


def planned(wanted, found, files=NO_FILES, secrets=None, **options) -> Plan:
    options = {"prices": PRICES, "secrets": secrets or {}, **options}
    return compare(wanted, found, files, account="demo", endpoint="http://hub", **options)


def source_of(tmp_path: Path, **texts: str) -> Source:
    files = {}
    for name, text in texts.items():
        path = tmp_path / name
        path.write_text(text)
        files[name] = LocalFile(path, len(text))
    return Source(tmp_path, files)


def pushed(tmp_path: Path) -> FileChanges:
    return FileChanges(changed=source_of(tmp_path, app="x").files)


def test_the_table_of_the_design_word_for_word(tmp_path):
    wanted = space(hardware="t4-small", variables={"LOG_LEVEL": "info"}, secrets={"API_KEY": "env:API_KEY"})
    found = observed(
        secrets={"API_KEY": RemoteSecret(fingerprint(KEY))},
        files={"a": RemoteFile(9), "b": RemoteFile(9), "gone": RemoteFile(1), ".gitattributes": RemoteFile(5)},
    )
    files = compare_files(source_of(tmp_path, a="x", b="y"), found, prune=True)

    proposal = planned(wanted, found, files, {"API_KEY": KEY})

    assert """\
acme/demo at 3f2a91c
  ~ hardware   cpu-basic -> t4-small    +$0.40/h, restarts
  + variable   LOG_LEVEL = info         restarts
  = secret     API_KEY                  unchanged
  ~ files      2 changed, 1 removed     rebuilds
3 changes: 1 rebuild, 0 extra restarts, +$0.40/h.""" == str(proposal)
    assert "as demo on http://hub: acme/demo" == proposal.title


def test_the_title_names_the_environment_that_was_chosen():
    data = {"env": {"staging": {"repo_id": "acme/staging"}}}

    assert (
        "as demo on http://hub: acme/staging (staging)" == planned(Space.parse(data, env="staging"), observed()).title
    )


def test_a_new_space_is_built_once_and_its_settings_restart_nothing(tmp_path):
    wanted = space(visibility="private", hardware="t4-small", variables={"A": "1"}, secrets={"API_KEY": "env:API_KEY"})
    files = FileChanges(added=source_of(tmp_path, Dockerfile="FROM x").files)

    proposal = planned(wanted, Observed("acme/demo"), files, {"API_KEY": KEY})

    assert """\
acme/demo is new
  + space      docker, private
  + hardware   t4-small                 +$0.40/h
  + variable   A = 1
  + secret     API_KEY
  + files      1 added                  builds
5 changes: 1 build, +$0.40/h.""" == str(proposal)
    assert {"API_KEY": KEY} == proposal.secrets
    assert (0, 1) == (proposal.restarts, proposal.rebuilds)


@pytest.mark.parametrize(
    ("wanted", "found", "lines"),
    [
        (space(), observed(), ["No changes."]),
        (
            space(variables={"A": "2"}),
            observed(variables={"A": "1", "OLD": "x"}),
            [
                "  ~ variable   A = 1 -> 2               restarts",
                "  ! variable   OLD                      not in space.toml, left alone",
                "1 change: 1 restart.",
            ],
        ),
        (
            space(visibility="private"),
            observed(),
            [
                "  ~ visibility public -> private        only with a token from then on",
                "1 change: no restart, closed to the public.",
            ],
        ),
        (
            space(visibility="public"),
            observed(visibility="private"),
            [
                "  ~ visibility private -> public        everybody can read its files, variables and releases",
                "1 change: no restart.",
            ],
        ),
        (
            space(sleep_time="never"),
            observed("t4-small"),
            ["  ~ sleep_time 2d -> never", "1 change: no restart."],
        ),
        (
            space(sleep_time="1h"),
            observed(),
            ["  ! sleep_time 1h                       cpu-basic sleeps after 2d, whatever is asked", "No changes."],
        ),
        (
            space(hardware="l4x1"),
            observed(runtime=Runtime("RUNNING", hardware="cpu-basic", requested_hardware="l4x1")),
            ["No changes."],
        ),
        (
            space(hardware="cpu-basic"),
            observed("l4x1"),
            ["  ~ hardware   l4x1 -> cpu-basic        -$0.80/h, restarts", "1 change: 1 restart, -$0.80/h."],
        ),
        (
            space(volumes=[{"source": "hf://buckets/acme/state", "mount": "/data"}]),
            observed(),
            ["  + volumes    acme/state at /data      restarts", "1 change: 1 restart."],
        ),
    ],
    ids=["nothing", "variables", "closed", "opened", "sleep", "sleep-on-free", "asked-already", "cheaper", "volumes"],
)
def test_each_change_is_one_row(wanted, found, lines):
    assert ["acme/demo at 3f2a91c", *lines] == str(planned(wanted, found)).splitlines()


def test_the_totals_name_everything_that_counts(tmp_path):
    wanted = space(visibility="private", hardware="l4x1")
    found = observed(variables={"B": "1"}, secrets={"A": RemoteSecret(), "C": RemoteSecret()})

    proposal = planned(wanted, found, pushed(tmp_path), prune=True)

    assert (
        "6 changes: 1 rebuild, 0 extra restarts, closed to the public, destroys 2 secrets and 1 variable, +$0.80/h."
    ) == proposal.totals
    assert ("variable B", "secret A", "secret C") == proposal.destroys


def test_a_build_takes_the_restart_along(tmp_path):
    wanted = space(variables={"A": "1"})

    restart, rebuild = planned(wanted, observed()), planned(wanted, observed(), pushed(tmp_path))

    assert (1, 0, Effect.RESTART) == (restart.restarts, restart.rebuilds, restart.effect)
    assert (0, 1, Effect.REBUILD) == (rebuild.restarts, rebuild.rebuilds, rebuild.effect)
    assert {Effect.REBUILD} == rebuild.effects
    assert Effect.NONE is planned(space(), observed()).effect


def test_a_change_has_several_effects_and_the_strongest_stands_for_it():
    (row,) = planned(space(hardware="t4-small"), observed()).changes

    assert {Effect.MONEY, Effect.RESTART} == row.effects
    assert Effect.RESTART is row.effect
    assert Effect.DESTROYS is strongest(frozenset(Effect))


def test_what_is_only_seen_has_no_effect_on_the_whole():
    rows = (Change("!", "secret", "A", frozenset({Effect.DESTROYS})), Change("=", "files", "1 changed"))
    proposal = replace(planned(space(), observed()), changes=rows)

    assert not proposal
    assert (NOTHING, (), "No changes.") == (proposal.effects, proposal.destroys, proposal.totals)


def test_columns_are_aligned_and_long_values_lose_their_middle():
    long = "https://example.org/" + "x" * 500 + "/end"
    found = observed(variables={"URL": "old"}, secrets={"OTHER": RemoteSecret()})

    _, url, other, _ = str(planned(space(variables={"URL": long}), found)).splitlines()

    assert url.startswith("  ~ variable   URL = old -> https://example.org/xxx")
    assert url.endswith("x/end restarts")
    assert len(url) < 100
    assert url.index("restarts") == other.index("not in space.toml")


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("a\nb\r\tc", "a\\nb\\r\\tc"),
        ("\x1b[31mred", "\\x1b[31mred"),
        ("safe\u202etxt.exe", "safe\\u202etxt.exe"),
        ("\x9b2J", "\\x9b2J"),
        ("broken \ud800", "broken \\ud800"),
        ("naïve 日本", "naïve 日本"),
    ],
)
def test_a_terminal_finds_nothing_to_obey(text, shown):
    assert shown == harmless(text)
    assert shown in str(Change("!", "lock", text)) + str(Change("!", "lock", "x", note=text))
    assert shown == Change("!", "lock", text).as_dict()["text"]


def test_a_variable_that_holds_a_secret_is_blacked_out_everywhere():
    proposal = planned(space(variables={"A": f"key={KEY.reveal()}"}), observed())

    texts = str(proposal) + proposal._repr_html_() + json.dumps(proposal.as_dict())

    assert KEY.reveal() not in texts
    assert 3 == texts.count("A = key=[REDACTED:API_KEY]")


def test_json_holds_the_changes_their_effects_and_no_secret():
    found = observed(variables={"OLD": "1"})
    proposal = planned(space(secrets={"API_KEY": "env:API_KEY"}), found, secrets={"API_KEY": KEY}, prune=True)

    text = json.dumps(proposal.as_dict())
    read = json.loads(text)

    assert "correct horse" not in text + repr(proposal) + str(proposal) + proposal._repr_html_()
    assert 1 == read["schema"]
    assert [
        ("delete", "variable", "OLD", "destroys", ["restart", "destroys"]),
        ("create", "secret", "API_KEY", "restart", ["restart"]),
    ] == [(row["action"], row["subject"], row["key"], row["effect"], row["effects"]) for row in read["changes"]]
    assert (1, 0, ["variable OLD"], None) == tuple(
        read[key] for key in ("restarts", "rebuilds", "destroys", "restores")
    )


def test_the_notebooks_table_is_escaped_and_labels_the_effects():
    wanted = space(variables={"A": "<script>&"}, hardware="t4-small")

    html = replace(planned(wanted, observed()), account="<b>")._repr_html_()

    assert "<script>" not in html
    assert "&lt;script&gt;&amp;" in html
    assert "as &lt;b&gt; on" in html
    assert "<small>[money]</small> <small>[restart]</small>" in html
    assert "<td title='create'>+</td>" in html
    assert "acme/demo at 3f2a91c" in html


def digest_of(tmp_path, *, now="2026-11-10T12:00:00+00:00", index=DEPLOYED, text="hello", **fields) -> str:
    sent = RemoteSecret(fingerprint(KEY, salt="00" * 8), "2026-11-01T00:00:00+00:00")
    found = observed(**{"secrets": {"API_KEY": sent}, "variables": {"OTHER": "1"}, **fields})
    files = FileChanges(added=source_of(tmp_path, app=text).files)
    wanted = space(variables={"A": "1"}, secrets={"API_KEY": "env:API_KEY"})
    ledger = Ledger(index, "head", datetime.fromisoformat(now))
    return planned(wanted, found, files, {"API_KEY": KEY}, ledger=ledger).digest


def release(**fields) -> Record:
    fields = {"number": 3, "outcome": "running", "by": "demo", "started": "2026-11-01T00:00:00+00:00", **fields}
    return Record(**fields)


def test_the_digest_is_the_same_for_the_same(tmp_path):
    assert digest_of(tmp_path) == digest_of(tmp_path)


def test_to_the_digest_the_age_of_a_secret_is_nothing(tmp_path):
    ages = {digest_of(tmp_path, now=f"2026-11-{day}T12:00:00+00:00") for day in (10, 20)}

    assert 1 == len(ages)


def test_to_the_digest_the_outcome_of_the_newest_release_is_nothing(tmp_path):
    applied, running = (Index(last=2, outcome=outcome, sha=SHA) for outcome in ("applied", "running"))

    assert digest_of(tmp_path, index=applied) == digest_of(tmp_path, index=running)


def test_to_the_digest_a_space_that_starts_or_sleeps_by_itself_is_nothing(tmp_path):
    """Not even where that decides whether a change restarts the app."""
    digests = {digest_of(tmp_path, stage=stage) for stage in ("BUILDING", "RUNNING", "SLEEPING", "PAUSED")}

    assert 1 == len(digests)


@pytest.mark.parametrize(
    "moved",
    [
        {"index": Index(last=3, sha=SHA)},
        {"index": Index(last=2, sha="0" * 40)},
        {"variables": {"OTHER": "2"}},
        {"secrets": {"API_KEY": RemoteSecret("by hand", "2026-11-01T00:00:00+00:00")}},
        {"secrets": {"API_KEY": RemoteSecret(fingerprint(KEY, salt="11" * 8), "2026-11-02T00:00:00+00:00")}},
        {"visibility": "private"},
        {"runtime": Runtime("RUNNING", sha=SHA, hardware="cpu-basic", sleep_time=1)},
        {"runtime": Runtime("RUNNING", sha=SHA, hardware="t4-small", sleep_time=172800)},
        {"runtime": Runtime("RUNNING", sha=SHA, hardware="cpu-basic", sleep_time=172800, volumes=({"source": "b"},))},
        {"text": "another"},
    ],
    ids=[
        "release",
        "commit",
        "variable",
        "fingerprint",
        "secret-sent-again",
        "visibility",
        "sleep",
        "hardware",
        "volume",
        "content",
    ],
)
def test_the_digest_is_another_when_something_moved(tmp_path, moved):
    assert digest_of(tmp_path) != digest_of(tmp_path, **moved)


def test_the_digest_tells_the_files_of_a_rollback_by_their_blobs():
    one, other = (
        planned(space(), observed(), FileChanges(changed={"a": RemoteFile(1, oid=oid)}), restores=release())
        for oid in ("1", "2")
    )

    assert one.digest != other.digest
