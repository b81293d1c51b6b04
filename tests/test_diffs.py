"""File by file what a push would change: text as lines, the rest by size and hash, secrets never."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from spaceops import Secret, deploy, plan
from spaceops.diffs import LARGEST, LONGEST, file_diffs, unified
from spaceops.planning import plan_rollback
from tests.test_releases import changed, edit


@pytest.fixture
def released(space, hub):
    deploy(space, hub, detach=True)
    return space


def diff_of(space, hub, path: str):
    found = {diff.path: diff for diff in file_diffs(plan(space, hub, prune=True), hub)}
    return found[path]


def test_a_changed_text_file_is_shown_as_git_shows_it(released, hub):
    edit(released, "VERSION = 1", "VERSION = 2")

    (diff,) = file_diffs(plan(released, hub), hub)

    assert ["~ app.py", "--- a/app.py", "+++ b/app.py"] == str(diff).splitlines()[:3]
    assert {"-VERSION = 1", "+VERSION = 2"} <= set(diff.lines)
    assert ("app.py", "changed") == (diff.as_dict()["path"], diff.as_dict()["kind"])
    assert diff.as_dict()["diff"].endswith("\n")


def test_files_that_come_and_go_are_shown_whole(released, hub):
    (released.root / "app.py").rename(released.root / "main.py")

    added, removed = diff_of(released, hub, "main.py"), diff_of(released, hub, "app.py")

    assert ("/dev/null", "+VERSION = 1") == (added.lines[0].removeprefix("--- "), added.lines[3])
    assert ("/dev/null", "-VERSION = 1") == (removed.lines[1].removeprefix("+++ "), removed.lines[3])


def test_a_new_space_has_everything_to_show_and_asks_for_nothing(space, hub, localhub):
    proposal = plan(space, hub)
    localhub.requests.clear()

    found = file_diffs(proposal, hub)

    assert ["Dockerfile", "README.md", "app.py"] == [diff.path for diff in found]
    assert [] == list(localhub.requests)
    assert json.loads(json.dumps(found.as_list()))[0]["kind"] == "added"
    assert "<pre>+ Dockerfile" in found._repr_html_()


def test_without_changes_there_is_nothing_to_show(released, hub):
    assert "No file changes." == str(file_diffs(plan(released, hub), hub))


@pytest.mark.parametrize("content", [b"\x00\x01", b"caf\xe9"])
def test_binary_files_are_told_by_size_and_hash(released, hub, content):
    (released.root / "data.bin").write_bytes(content)

    diff = diff_of(released, hub, "data.bin")

    assert () == diff.lines
    assert f"{len(content)} bytes (" in diff.note
    assert "binary" in diff.note


def test_large_files_are_not_read_from_the_hub(released, hub, localhub):
    (released.root / "big.txt").write_text("x\n" * LARGEST)
    deploy(released, hub, detach=True)
    (released.root / "big.txt").write_text("y\n" * LARGEST)
    proposal = plan(released, hub)
    localhub.requests.clear()

    (diff,) = file_diffs(proposal, hub)

    assert () == diff.lines
    assert diff.note.count(f"{2 * LARGEST} bytes (") == 2
    assert [] == list(localhub.requests)


def test_all_diffs_together_have_a_bound(released, hub):
    for name in ("a.txt", "b.txt"):
        (released.root / name).write_text("x" * 99 + "\n" * 1 + ("y" * 99 + "\n") * (LONGEST // 150))

    found = file_diffs(plan(released, hub), hub)

    assert sum(len(line) for diff in found for line in diff.lines) <= LONGEST
    assert ["a.txt"] == [diff.path for diff in found if diff.lines]
    assert "left out" in found[1].note


def test_a_known_secret_is_blacked_out_on_either_side(released, hub):
    secret = Secret("correct horse battery", "API_KEY")
    (released.root / "leak.txt").write_text(f"key: {secret.reveal()}\n")
    deploy(released, hub, detach=True)
    (released.root / "leak.txt").write_text(f"KEY: {secret.reveal()}\n")

    diff = diff_of(released, hub, "leak.txt")

    assert {"-key: [REDACTED:API_KEY]", "+KEY: [REDACTED:API_KEY]"} <= set(diff.lines)
    assert "horse" not in str(diff) + json.dumps(diff.as_dict())


def test_a_difference_that_is_a_secret_is_said_and_not_shown(released, hub):
    one, other = Secret("correct horse battery", "API_KEY"), Secret("another horse battery", "API_KEY")
    (released.root / "leak.txt").write_text(one.reveal())
    deploy(released, hub, detach=True)
    (released.root / "leak.txt").write_text(other.reveal())

    diff = diff_of(released, hub, "leak.txt")

    assert ((), "the difference is a secret, not shown") == (diff.lines, diff.note)


def test_what_somebody_pushed_of_files_with_secrets_is_not_shown(released, hub):
    theirs = released.root.parent / "theirs"
    theirs.write_text("PASSWORD=swordfish of mine\n")
    hub.commit(
        released.repo_id,
        add={".env": str(theirs), "sub/.env.prod": str(theirs), "key.txt": str(theirs)},
        remove=[],
        message="theirs",
        parent=None,
    )
    space = changed(released, secrets={"KEY": f"file:{released.root / 'key.txt'}"})
    (released.root / "key.txt").write_text("value of the key")

    found = file_diffs(plan(space, hub, prune=True), hub)

    assert {".env", "sub/.env.prod", "key.txt"} == {diff.path for diff in found}
    assert {"may hold secrets, not shown"} == {diff.note for diff in found}
    assert "swordfish" not in str(found)


def test_an_escape_in_a_file_does_not_reach_the_terminal(released, hub):
    (released.root / "evil.txt").write_text("\x1b]0;title\x07\ttab\r\n")

    diff = diff_of(released, hub, "evil.txt")

    assert "+\\x1b]0;title\\x07\ttab\\r" == diff.lines[-1]


def test_a_missing_newline_at_the_end_is_a_difference():
    assert ("-end", "+end", "\\ No newline at end of file") == tuple(unified("a", "end\n", "end"))[3:]
    assert [] == list(unified("a", "same", "same"))


@given(st.lists(st.sampled_from("ab\n")).map("".join), st.lists(st.sampled_from("ab\n")).map("".join))
def test_the_lines_of_a_diff_tell_both_texts(old, new):
    """What is taken away or kept is the old text, what is added or kept the new one, where the whole file is shown."""
    lines = list(unified("f", old, new))[3:]
    texts = {"-": "", "+": ""}
    for line, following in zip(lines, [*lines[1:], ""], strict=False):
        ended = "" if following.startswith("\\") else "\n"
        for sign in texts:
            texts[sign] += f"{line[1:]}{ended}" if line[0] in (sign, " ") else ""

    assert (old == new) == (not lines)
    if lines and max(old.count("\n"), new.count("\n")) <= 3:  # all of it is within the context
        assert (old, new) == (texts["-"], texts["+"])


def test_a_rollback_is_compared_with_what_it_brings_back(released, hub):
    edit(released, "VERSION = 1", "VERSION = 2")
    deploy(released, hub, detach=True)

    (diff,) = file_diffs(plan_rollback(released, hub, 1), hub)

    assert {"-VERSION = 2", "+VERSION = 1"} <= set(diff.lines)


def test_a_file_that_went_away_meanwhile_is_said(released, hub):
    (released.root / "gone.txt").write_text("x")
    proposal = plan(released, hub)
    (released.root / "gone.txt").unlink()

    (diff,) = file_diffs(proposal, hub)

    assert "cannot be read any more" in diff.note
