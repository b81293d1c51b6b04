"""Shell text, read without running it."""

from __future__ import annotations

import os

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from spaceops.shell import UNKNOWN, Command, commands

EXAMPLES = int(os.environ.get("SPACEOPS_EXAMPLES", "50"))


def lines(text: str, **env: str) -> list[str]:
    """The commands, each as one line."""
    return [" ".join(command.words) for command in commands(text, env)]


def only(text: str, **env: str) -> Command:
    (command,) = commands(text, env)
    return command


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("a b && c || d; e | f & g", ["a b", "c", "d", "e", "f", "g"]),
        ("a\\\n b", ["a b"]),
        ("a 'b c' \"d $X\" e\\ f", [f"a b c d {UNKNOWN} e f"]),
        ("a # b\nc#d", ["a", "c#d"]),
        ("if a; then b; else c; fi", ["a", "b", "c"]),
        ("for x in 1 2; do a; done", ["a"]),
        ("for ((i = 0; i < 3; i++)); do a; done", ["a"]),
        ("while ! a; do b; done < file", ["a", "b"]),
        ("case $1 in\n a|b) x;;\n (c) y;&\n *) z;; esac\nw", ["x", "y", "z", "w"]),
        ("f() { a; }\nfunction g { b; }\nc", ["a", "b", "c"]),
        ("[[ a && b < c ]] && d", ["[[ a && b < c ]]", "d"]),
        ("a <<EOF\nno command\nEOF\nb", ["a", "b"]),
        ("a <<-'X Y'\n\tno\n\tX Y\nb", ["a", "b"]),
        ("a <<< word > out 2>&1 b", ["a b"]),
        ("A=(1 2) a", ["a"]),
        ("a $(b | c 'd)') `e` $((1+2)) <(f)", [f"a {UNKNOWN} {UNKNOWN} {UNKNOWN} {UNKNOWN}"]),
        ("a $'b c'", ["a b c"]),
        ("(a; b) | { c; }", ["a", "b", "c"]),
        ("a\r\nb\r\n", ["a", "b"]),
        ("exec -a x python main.py", ["exec -a x python main.py"]),
        ("", []),
        ("'open", ["open"]),
    ],
)
def test_the_commands_of_a_text(text: str, expected: list[str]) -> None:
    assert lines(text) == expected


@pytest.mark.parametrize(
    ("text", "words", "assumed"),
    [
        ("a ${PORT:-7860}", "a 7860", {"PORT"}),
        ("a ${SET:-7860}", "a 1", set()),
        ("a ${EMPTY:-d} ${EMPTY-e}x", "a d x", {"EMPTY"}),
        ("a ${SET:+yes} ${PORT:+no}x", "a yes x", {"PORT"}),
        ("a ${A:-${B:-c}}", "a c", {"A", "B"}),
        ("a ${PORT:=5} $PORT", "a 5 5", {"PORT"}),
        ("a ${SET%x} ${#SET}", f"a {UNKNOWN} {UNKNOWN}", set()),
        ("PORT=${PORT:-1}\na --port $PORT", "a --port 1", {"PORT"}),
        ("export A=$SET; a $A", "a 1", set()),
        ("A=1 B=$A\na $B", "a 1", set()),
        ("A=1 a $A", f"a {UNKNOWN}", {"A"}),
        ("A=${PORT:-1} B=x$A; a $B", "a x1", {"PORT"}),
        ("if x; then SET=2; fi; a $SET", f"a {UNKNOWN}", set()),
        ("source .env; a $SET", f"a {UNKNOWN}", set()),
        ("read SET; a $SET", f"a {UNKNOWN}", set()),
        ("unset SET; a ${SET:-2}", "a 2", {"SET"}),
        ("a $BOTH \"$BOTH\"", "a x y x y", set()),
        ("a '$SET' \\$SET", "a $SET $SET", set()),
    ],
)  # fmt: skip
def test_variables_are_filled_in_and_what_was_assumed_is_said(text: str, words: str, assumed: frozenset[str]) -> None:
    found = [one for one in commands(text, {"SET": "1", "EMPTY": "", "BOTH": "x y"}) if one.name == "a"]
    assert (" ".join(found[-1].words), found[-1].assumed) == (words, assumed)


def test_an_unquoted_variable_makes_several_words_and_a_quoted_one_does_not() -> None:
    assert only('a $X "$X" ${NONE:-}', X="1 2").words == ("a", "1", "2", "1 2")


def test_the_arguments_of_a_script() -> None:
    text = 'first=$1\nshift\nexec "$@" ${2:-d} $first'
    assert commands(text, {}, ["go", "a b"])[-1].words == ("exec", "a b", "d", "go")
    assert commands('set -- x y\nexec "$@"')[-1].words == ("exec", "x", "y")
    assert commands('exec "$@"')[-1].words == ("exec", UNKNOWN)


def test_each_command_knows_its_line() -> None:
    text = "a \\\n  b\nc 'two\nlines' && d\n\ne <<X\ntext\nX\nf \"\n$(\n)\" ; g"
    assert [(one.name, one.line) for one in commands(text)] == [
        ("a", 1),
        ("c", 3),
        ("d", 4),
        ("e", 6),
        ("f", 9),
        ("g", 11),
    ]


@pytest.mark.parametrize(
    ("text", "nested"),
    [
        ("a && b; c", ""),
        ("a || b", "b"),
        ("a ||\n b", "b"),
        ("if a; then b; fi; c", "ab"),
        ("(a); b", "a"),
        ("f() { a; }; b", "a"),
        ("case x in y) a;; esac; b", "a"),
        ("while a; do b; done\nc", "ab"),
    ],
)
def test_a_command_that_may_never_run_is_nested(text: str, nested: str) -> None:
    assert "".join(one.name for one in commands(text) if one.nested) == nested


@pytest.mark.parametrize(
    ("text", "deciding"),
    [
        ("a && b && c", "abc"),
        ("a; b", "b"),
        ("a\nb\n", "b"),
        ("a && b || true", ""),
        ("a || true; b", "b"),
        ("set -e; a; b", "set a b"),
        ("set -ex\na && b\nc", "set b c"),
        ("set -e; set +e; a; b", "set b"),
        ("a | b", "b"),
        ("set -o pipefail; a | b", "a b"),
        ("a & b", "b"),
        ("! a", ""),
        ("a; if b; then c; fi", ""),
        ("a && (b; c) || d", ""),
    ],
)
def test_the_commands_whose_failure_ends_it_all(text: str, deciding: str) -> None:
    found = [one.name for one in commands(text) if one.decides]
    assert found == (deciding.split() if " " in deciding else list(deciding))


def test_a_shell_may_be_started_with_options() -> None:
    assert [one.decides for one in commands("a; b | c", errexit=True, pipefail=True)] == [True, True, True]


def test_what_stands_around_a_command() -> None:
    first, second = commands("A=1 x -p 1 --host=h > out.txt && y -p &")
    assert (first.assigned, first.redirects, first.after, second.before, second.after) == (
        ("A=1",),
        ("out.txt",),
        "&&",
        "&&",
        "&",
    )
    assert (first.value_of("-p"), first.value_of("--host"), first.value_of("-z"), second.value_of("-p")) == (
        "1",
        "h",
        None,
        None,
    )
    assert first.has("--host")
    assert Command(("/usr/bin/x",), 1).name == "x"


@settings(max_examples=EXAMPLES)
@given(st.text(alphabet="ab$(){}[]'\"`\\;|&<>\n #=!\0", max_size=60))
def test_any_text_is_read(text: str) -> None:
    for command in commands(text, {"a": "b c"}):
        assert 1 <= command.line <= text.count("\n") + 1
        assert command.words


@pytest.mark.parametrize(
    "piece", ["(", '"', "'", "`", "$(", "${a:-", "<<a ", "{ ", "if ", "case x in ", "((", "A=(", "a;", "a|", "[[ "]
)
def test_large_nonsense_ends(piece: str) -> None:
    assert isinstance(commands(piece * (100_000 // len(piece))), tuple)
