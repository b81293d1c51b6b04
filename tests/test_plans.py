"""Plans: what is wanted and what is, in; the exact table, out. Nothing is asked and nothing happens."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from spaceops.files import LocalFile, Source
from spaceops.observed import Observed, RemoteFile, Runtime
from spaceops.comparison import compare, volumes_wanted
from spaceops.plans import PARTS, Effect
from spaceops.secret import Secret, fingerprint
from spaceops.spec import Space

SHA = "3f2a91c" + "0" * 33
PRICES = {"cpu-basic": 0.0, "t4-small": 0.40, "l4x1": 0.80}
KEY = Secret("correct horse battery", "API_KEY")


def space(**fields) -> Space:
    return Space.parse({"repo_id": "acme/demo", **fields})


def observed(hardware="cpu-basic", **fields) -> Observed:
    runtime = fields.pop("runtime", Runtime("RUNNING", sha=SHA, hardware=hardware, sleep_time=172800))
    return Observed("acme/demo", exists=True, sha=SHA, visibility="public", runtime=runtime, **fields)


def planned(wanted, found, source=None, secrets=None, **options):
    secrets = secrets if secrets is not None else {}
    return compare(
        wanted, source, found, account="demo", endpoint="http://hub", secrets=secrets, prices=PRICES, **options
    )


def source_of(tmp_path: Path, **texts: str) -> Source:
    files = {}
    for name, text in texts.items():
        path = tmp_path / name
        path.write_text(text)
        files[name] = LocalFile(path, len(text))
    return Source(tmp_path, files)


def test_the_table_of_the_design_word_for_word(tmp_path):
    wanted = space(hardware="t4-small", variables={"LOG_LEVEL": "info"}, secrets={"API_KEY": "env:API_KEY"})
    found = observed(
        secrets={"API_KEY": fingerprint(KEY)},
        files={"a": RemoteFile(9), "b": RemoteFile(9), "gone": RemoteFile(1), ".gitattributes": RemoteFile(5)},
    )

    proposal = planned(wanted, found, source_of(tmp_path, a="x", b="y"), {"API_KEY": KEY}, prune=True)

    assert """\
acme/demo at 3f2a91c
  ~ hardware   cpu-basic -> t4-small    +$0.40/h, restarts
  + variable   LOG_LEVEL = info         restarts
  = secret     API_KEY                  unchanged
  ~ files      2 changed, 1 removed     rebuilds
3 changes: 1 rebuild, 0 extra restarts, +$0.40/h.""" == str(proposal)
    assert "as demo on http://hub: acme/demo" == proposal.title


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
        (space(visibility="private"), observed(), ["  ~ visibility public -> private", "1 change: no restart."]),
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
    ids=["nothing", "variables", "visibility", "sleep", "sleep-on-free", "asked-already", "cheaper", "volumes"],
)
def test_each_change_is_one_row(wanted, found, lines):
    assert ["acme/demo at 3f2a91c", *lines] == str(planned(wanted, found)).splitlines()


def test_a_new_space_is_built_once_and_its_settings_restart_nothing(tmp_path):
    wanted = space(visibility="private", hardware="t4-small", variables={"A": "1"}, secrets={"API_KEY": "env:API_KEY"})

    proposal = planned(wanted, Observed("acme/demo"), source_of(tmp_path, Dockerfile="FROM x"), {"API_KEY": KEY})

    assert """\
acme/demo is new
  + space      docker, private
  + hardware   t4-small                 +$0.40/h
  + variable   A = 1
  + secret     API_KEY
  + files      1 added                  builds
5 changes: 1 build, +$0.40/h.""" == str(proposal)
    assert {"API_KEY": KEY} == proposal.secrets


@pytest.mark.parametrize(
    ("description", "fingerprints", "row", "sent"),
    [
        (fingerprint(KEY), True, "  = secret     API_KEY                  unchanged", False),
        (f"mine {fingerprint(KEY)}", True, "  = secret     API_KEY                  unchanged", False),
        (fingerprint(Secret("another one", "K")), True, "  ~ secret     API_KEY                  restarts", True),
        ("by hand", True, "  ~ secret     API_KEY                  set by hand, restarts", True),
        ("by hand", False, "  = secret     API_KEY                  unchanged", False),
    ],
    ids=["same", "same-with-words", "changed", "by-hand", "without-fingerprints"],
)
def test_secrets_are_told_apart_by_their_fingerprints(description, fingerprints, row, sent):
    wanted = space(secrets={"API_KEY": "env:API_KEY"}, fingerprints=fingerprints)

    proposal = planned(wanted, observed(secrets={"API_KEY": description}), secrets={"API_KEY": KEY})

    assert row in str(proposal).splitlines()
    assert sent == ("API_KEY" in proposal.secrets)


def test_a_secret_that_cannot_be_resolved_is_said_and_not_sent():
    proposal = planned(space(secrets={"API_KEY": "env:API_KEY"}), observed(), secrets={"API_KEY": None})

    assert "  ! secret     API_KEY                  cannot be resolved here" in str(proposal).splitlines()
    assert ("API_KEY",) == proposal.unresolved
    assert not proposal.secrets


def test_files_of_others_are_shown_and_left_unless_pruned(tmp_path):
    source = source_of(tmp_path, Dockerfile="FROM x")
    found = observed(files={"Dockerfile": RemoteFile(1), "theirs.txt": RemoteFile(1)})

    kept, pruned = planned(space(), found, source), planned(space(), found, source, prune=True)

    assert (
        "  ! files      theirs.txt               not in the source, left there (--prune removes)"
        in str(kept).splitlines()
    )
    assert () == kept.files.removed
    assert ("theirs.txt",) == pruned.files.removed


def test_only_the_parts_asked_for_are_compared(tmp_path):
    wanted = space(hardware="t4-small", variables={"A": "1"}, secrets={"API_KEY": "env:API_KEY"})
    source = source_of(tmp_path, Dockerfile="FROM x")

    for part in PARTS:
        proposal = planned(wanted, observed(), source, {"API_KEY": KEY}, parts=frozenset({part}))
        assert {change.subject for change in proposal.changes} <= {part, part.removesuffix("s")}
        assert bool(proposal.secrets) == (part == "secrets")
        assert bool(proposal.files) == (part == "files")


def test_the_strongest_effect_counts(tmp_path):
    restart = planned(space(variables={"A": "1"}), observed())
    rebuild = planned(space(variables={"A": "1"}), observed(), source_of(tmp_path, Dockerfile="FROM x"))

    assert (Effect.NONE, Effect.RESTART, Effect.REBUILD) == (
        planned(space(), observed()).effect,
        restart.effect,
        rebuild.effect,
    )


def test_json_holds_the_changes_and_no_secret():
    proposal = planned(space(secrets={"API_KEY": "env:API_KEY"}), observed(), secrets={"API_KEY": KEY})

    text = json.dumps(proposal.as_dict())

    assert "correct horse" not in text + repr(proposal) + str(proposal) + proposal._repr_html_()
    assert [("create", "secret", "API_KEY")] == [
        (row["action"], row["subject"], row["key"]) for row in json.loads(text)["changes"]
    ]


def test_the_notebooks_table_is_escaped():
    proposal = planned(space(variables={"A": "<script>"}), observed())

    assert "<script>" not in proposal._repr_html_()
    assert "&lt;script&gt;" in proposal._repr_html_()


def test_a_name_that_changes_its_kind_is_deleted_as_the_other():
    wanted = space(variables={"A": "1\n2"}, secrets={"B": "env:B"})
    found = observed(variables={"B": "x"}, secrets={"A": None})

    rows = str(planned(wanted, found, secrets={"B": KEY})).splitlines()

    assert [
        "  + variable   A = 1\\n2                 restarts",
        "  - secret     A                        becomes a variable",
        "  + secret     B                        restarts",
        "  - variable   B                        becomes a secret",
    ] == rows[1:5]


def test_links_that_are_not_pushed_are_shown(tmp_path):
    source = Source(tmp_path, {}, ("elsewhere",))

    assert "  ! files      elsewhere                a link that leads nowhere or elsewhere, not pushed" in str(
        planned(space(), observed(), source)
    )


@pytest.mark.parametrize(
    ("source", "kind", "name"),
    [
        ("hf://gpt2", "model", "gpt2"),
        ("hf://acme/m", "model", "acme/m"),
        ("hf://datasets/acme/d", "dataset", "acme/d"),
        ("hf://buckets/acme/b", "bucket", "acme/b"),
    ],
)
def test_volumes_are_named_as_hf_names_them(source, kind, name):
    (volume,) = volumes_wanted(space(volumes=[{"source": source, "mount": "/x"}]).volumes)

    assert (kind, name) == (volume["type"], volume["source"])
