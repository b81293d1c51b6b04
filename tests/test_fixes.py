"""`fix` makes the safe edits and no others, whole files at a time, and a second run changes nothing."""

from __future__ import annotations

import stat

import pytest

from spaceops.errors import BadInput
from spaceops.files import look
from spaceops.findings import Finding, Fix, Report
from spaceops.fixes import _Draft, fix
from spaceops.preflight import check, context
from spaceops.rules import all_rules
from spaceops.rules.examples import GOOD, write
from spaceops.spec import Space

README = GOOD["README.md"]
WRONG = (
    README.replace("blue", "Blue").replace("green", "GREY").replace("7860", '"7860"').replace("Hello\ne", "He: y\ne")
)
RIGHT = README.replace("green", "gray").replace("Hello\ne", '"He: y"\ne')
LARGE = 1 << 20  # bytes
OFFLINE = [rule for rule in all_rules().values() if not rule.body.__module__.endswith(".online")]


def tree(folder):
    """Every file with its content, unless that is large, its size and mode."""
    found = {}
    for path in folder.rglob("*"):
        if path.is_file():
            facts = path.stat()
            content = path.read_bytes() if facts.st_size < LARGE else None
            found[str(path.relative_to(folder))] = (content, facts.st_size, stat.S_IMODE(facts.st_mode))
    return found


def is_fixable(folder):
    return any(finding.fix and finding.fix.safe for finding in check(folder))


@pytest.mark.parametrize("rule", OFFLINE, ids=lambda rule: rule.code)
def test_what_has_a_safe_edit_is_gone_after_it_and_a_second_run_changes_nothing(rule, tmp_path):
    fixable = is_fixable(write(tmp_path, rule.bad))
    before = tree(tmp_path)
    shown = fix(tmp_path, write=False)
    assert before == tree(tmp_path)

    done = fix(tmp_path)

    assert fixable == bool(done) == bool(shown)
    assert str(shown.diffs) == str(done.diffs)
    if fixable:
        assert rule.code not in {finding.code for finding in check(tmp_path)}
    after = tree(tmp_path)
    assert not fix(tmp_path)
    assert after == tree(tmp_path)


def test_the_good_space_stays_as_it_is(tmp_path):
    before = tree(write(tmp_path, {}))
    done = fix(tmp_path)

    assert "Nothing to fix." == str(done)
    assert before == tree(tmp_path)


def test_several_edits_of_one_file_are_made_one_after_the_other(tmp_path):
    done = fix(write(tmp_path, {"README.md": WRONG}))

    assert RIGHT == (tmp_path / "README.md").read_text()
    assert () == done.report.findings


def test_the_diff_is_that_of_the_whole(tmp_path):
    change = {"README.md": README.replace("blue", "Blue").replace("green", "Green")}

    assert """\
Fixed:
~ README.md
--- a/README.md
+++ b/README.md
@@ -1,8 +1,8 @@
 ---
 title: Hello
 emoji: \U0001f44b
-colorFrom: Blue
-colorTo: Green
+colorFrom: blue
+colorTo: green
 sdk: docker
 app_port: 7860
 ---""" == str(fix(write(tmp_path, change)))


def test_lines_of_windows_and_comments_are_kept(tmp_path):
    wrong = WRONG.replace("sdk: docker", "# the rest\n\nsdk:   docker   # of course").replace("\n", "\r\n")
    fix(write(tmp_path, {"README.md": wrong.encode()}))

    right = RIGHT.replace("sdk: docker", "# the rest\n\nsdk:   docker   # of course").replace("\n", "\r\n")
    assert right.encode() == (tmp_path / "README.md").read_bytes()


def test_without_write_the_report_is_about_what_would_be(tmp_path):
    before = tree(write(tmp_path, {"README.md": WRONG}))
    shown = fix(tmp_path, write=False)

    assert before == tree(tmp_path)
    assert () == shown.report.findings
    assert str(shown).startswith("Would fix:\n~ README.md")


def test_an_unsafe_edit_is_proposed_and_not_made(tmp_path):
    before = tree(write(tmp_path, {"README.md": ("blue", "orange")}))
    done = fix(tmp_path)

    assert not done
    assert before == tree(tmp_path)
    assert ["color-invalid"] == [proposal.finding.code for proposal in done.proposals]
    assert "Proposed, not made: color-invalid README.md:4:" in str(done)
    assert "+colorFrom: yellow" in str(done)


def test_a_proposal_builds_on_what_was_fixed(tmp_path):
    done = fix(write(tmp_path, {"README.md": README.replace("blue", "orange").replace("green", "Green")}))
    (proposal,) = done.proposals

    assert "-colorTo" not in str(proposal)
    assert " colorTo: green" in str(proposal)


def test_only_what_is_selected_is_fixed(tmp_path):
    fix(
        write(tmp_path, {"README.md": README.replace("blue", "Blue").replace("7860", '"7860"')}),
        select=["app-port-type"],
    )
    assert README.replace("blue", "Blue") == (tmp_path / "README.md").read_text()

    fix(tmp_path, ignore=["color-invalid"])
    assert README.replace("blue", "Blue") == (tmp_path / "README.md").read_text()


def test_what_space_toml_takes_for_right_is_left(tmp_path):
    toml = GOOD["space.toml"] + '[ignore]\ncolor-invalid = "the Hub takes it"\n'
    fix(write(tmp_path, {"README.md": ("blue", "Blue"), "space.toml": toml}))

    assert "colorFrom: Blue" in (tmp_path / "README.md").read_text()


def test_a_space_can_be_given_as_an_object(tmp_path):
    write(tmp_path, {"README.md": WRONG})

    assert fix(Space.load(tmp_path))
    assert RIGHT == (tmp_path / "README.md").read_text()


@pytest.mark.parametrize("mode", [0o600, 0o644, 0o755, 0o444])
def test_the_mode_is_kept(mode, tmp_path):
    write(tmp_path, {"README.md": WRONG})
    (tmp_path / "README.md").chmod(mode)
    fix(tmp_path)

    assert mode == stat.S_IMODE((tmp_path / "README.md").stat().st_mode)
    assert RIGHT == (tmp_path / "README.md").read_text()


def test_what_a_link_leads_to_is_changed_and_the_link_stays(tmp_path):
    write(tmp_path, {"README.md": None, "docs/readme.txt": WRONG})
    (tmp_path / "README.md").symlink_to("docs/readme.txt")
    fix(tmp_path)

    assert (tmp_path / "README.md").is_symlink()
    assert RIGHT == (tmp_path / "docs/readme.txt").read_text()


def test_a_file_is_renamed_in_one_step(tmp_path):
    write(tmp_path, {"Dockerfile": None, "dockerfile": GOOD["Dockerfile"]})
    inode = (tmp_path / "dockerfile").stat().st_ino
    done = fix(tmp_path)

    assert ["added", "removed"] == [diff.kind for diff in done.diffs]
    assert inode == (tmp_path / "Dockerfile").stat().st_ino
    assert not (tmp_path / "dockerfile").exists()


def test_no_draft_is_left_behind(tmp_path):
    before = set(tree(write(tmp_path, {"README.md": WRONG})))
    fix(tmp_path)

    assert before == set(tree(tmp_path))


# what an edit may touch: rules of others may propose anything


def draft_of(folder):
    ctx = context(folder)
    (folder.parent / "draft").mkdir()
    return _Draft(ctx.source, ctx.space, folder.parent / "draft")


def report_of(**files):
    return Report("", (Finding("A sentence", where="a:1", fix=Fix(files)),))


@pytest.fixture
def folder(tmp_path):
    return write(tmp_path / "app", {".env": "HF_TOKEN=hf_x\n", ".gitignore": "private.txt\n", "private.txt": "x\n"})


@pytest.mark.parametrize(
    "path",
    [
        "../outside.txt",
        "/etc/hostname",
        "a/../../outside.txt",
        ".env",
        "sub/.env.local",
        "space.toml",
        ".git/config",
        "private.txt",
    ],
)
def test_no_edit_reaches_what_is_not_part_of_the_source(path, folder):
    before = tree(folder.parent)

    assert not draft_of(folder).take(report_of(**{path: b"changed"}))
    assert before == tree(folder.parent)


def test_no_edit_goes_through_a_link_out_of_the_folder(folder):
    (folder.parent / "other").mkdir()
    (folder / "out").symlink_to("../other")

    assert not draft_of(folder).take(report_of(**{"out/file.txt": b"changed"}))


def test_a_new_file_and_a_removed_one(folder):
    draft = draft_of(folder)

    assert draft.take(report_of(**{"new/.dockerignore": b".git\n"})) is True
    assert draft.take(report_of(**{"requirements.txt": None})) is True
    assert {"new/.dockerignore"} == draft.source.files.keys() - draft.original.files.keys()
    assert {"requirements.txt"} == draft.original.files.keys() - draft.source.files.keys()


def test_a_file_that_was_changed_meanwhile_is_left(folder):
    draft = draft_of(folder)
    draft.take(report_of(**{"main.py": b"x = 1\n", "new.txt": b"new\n"}))
    (folder / "main.py").write_text("y = 2\n")
    before = tree(folder)

    with pytest.raises(BadInput, match=r"main\.py was changed meanwhile"):
        draft.write()
    assert before == tree(folder)


def test_edits_that_undo_each_other_come_to_an_end(folder):
    draft = draft_of(folder)

    assert draft.take(report_of(**{"main.py": b"a\n"}))
    assert draft.take(report_of(**{"main.py": b"b\n"}))
    assert not draft.take(report_of(**{"main.py": b"a\n"}))
    assert {"main.py": b"b\n"} == draft.contents


def test_a_new_folder_is_made_for_a_new_file(folder):
    draft = draft_of(folder)
    draft.take(report_of(**{"new/deep/file.txt": b"new\n"}))
    draft.write()

    assert b"new\n" == (folder / "new/deep/file.txt").read_bytes()
    assert "new/deep/file.txt" in look(Space.load(folder)).files


def test_a_file_that_cannot_be_written_is_named(folder):
    draft = draft_of(folder)
    draft.take(report_of(**{"main.py/file.txt": b"new\n"}))

    with pytest.raises(BadInput, match=r"main\.py.* cannot be changed"):
        draft.write()
