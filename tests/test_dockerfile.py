"""Dockerfiles as BuildKit reads them."""

from __future__ import annotations

from textwrap import dedent

import pytest
from hypothesis import given
from hypothesis import strategies as st

from spaceops.dockerfile import Dockerfile, Heredoc, Ignore, Instruction, Step, expand, glob_pattern
from spaceops.errors import BadInput, DockerfileError

NO_DESTINATION = "requires at least two arguments, but only one was provided. Destination could not be determined"

TUTORIAL = """\
# Use Python 3.9 as base image
FROM python:3.9

# Set up a new user named "user" with user ID 1000
RUN useradd -m -u 1000 user
USER user

ENV HOME=/home/user \\
    PATH=/home/user/.local/bin:$PATH

WORKDIR $HOME/app
COPY --chown=user requirements.txt .
RUN pip install --no-cache-dir --upgrade pip && \\
    pip install --no-cache-dir -r requirements.txt
COPY --chown=user . .
EXPOSE 7860
CMD ["uvicorn", "main:app", "--host", "0.0.0.0", "--port", "7860"]
"""


def parse(text: str) -> Dockerfile:
    return Dockerfile.parse(dedent(text))


def only(text: str) -> Instruction:
    """The instruction after the FROM."""
    return Dockerfile.parse(f"FROM x\n{dedent(text)}").instructions[1]


def steps(text: str, env: dict[str, str] | None = None, **build_args: str) -> list[Step]:
    """The last stage, expanded."""
    dockerfile = parse(text)
    return list(dockerfile.steps(dockerfile.stages[-1], env or {}, build_args))


def test_the_tutorials_dockerfile() -> None:
    found = steps(TUTORIAL, {"PATH": "/usr/bin"})

    assert [step.instruction.line for step in found] == [5, 6, 8, 11, 12, 13, 15, 16, 17]
    assert found[2].env == {"HOME": "/home/user", "PATH": "/home/user/.local/bin:/usr/bin"}
    assert found[3].args == ("/home/user/app",)
    assert (found[4].args, found[4].flags) == (("requirements.txt", "."), (("chown", "user"),))
    assert found[-1].args == ("uvicorn", "main:app", "--host", "0.0.0.0", "--port", "7860")
    assert str(found[5].instruction) == (
        "RUN pip install --no-cache-dir --upgrade pip && pip install --no-cache-dir -r requirements.txt"
    )


@pytest.mark.parametrize(
    ("text", "args"),
    [
        ("run echo hi", "echo hi"),
        ("RUN\techo hi", "echo hi"),
        ("RUN echo a \\\n    b", "echo a     b"),
        ("RUN echo a \\   \n b", "echo a  b"),
        ("RUN echo a \\\n# a comment\n\n  # another\n b", "echo a  b"),
        ("RUN echo a \\\\\nEXPOSE 1", "echo a \\\\"),
        ("RUN echo '# no comment'", "echo '# no comment'"),
        ("RUN echo a\r\nEXPOSE 1\r\n", "echo a"),
        ("  RUN echo indented", "echo indented"),
    ],
)
def test_lines_continue_and_comments_between_them_go(text: str, args: str) -> None:
    assert only(text).args == args


def test_a_byte_order_mark_does_not_hide_the_first_line() -> None:
    assert Dockerfile.parse("\ufeffFROM x").stages[0].base == "x"


def test_the_escape_directive_changes_the_continuation() -> None:
    dockerfile = parse("# escape=`\nFROM x\nRUN dir `\n  c:\\\nEXPOSE 1\n")
    assert dockerfile.escape == "`"
    assert [one.args for one in dockerfile.instructions] == ["x", "dir   c:\\", "1"]


def test_directives_count_only_at_the_very_top() -> None:
    assert parse("# syntax=docker/dockerfile:1\n# escape=`\nFROM x").directives == (
        ("syntax", "docker/dockerfile:1"),
        ("escape", "`"),
    )
    assert parse("# a comment\n# escape=`\nFROM x").escape == "\\"


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ('CMD ["a", "b c"]', ("a", "b c")),
        ('CMD [ "a" ]', ("a",)),
        ('ENTRYPOINT ["x"]', ("x",)),
        ('COPY ["a b", "c/"]', ("a b", "c/")),
        ('SHELL ["/bin/bash", "-c"]', ("/bin/bash", "-c")),
        ("CMD ['single', 'quotes']", None),
        ('CMD ["unfinished"', None),
        ("CMD [NaN]", None),
        ('CMD ["a"] # no comment', None),
        ("CMD []", ()),
        ("CMD a b", None),
        ('ENV A=["b"]', None),
    ],
)
def test_the_json_form_is_taken_only_where_it_is_json(text: str, words: tuple[str, ...] | None) -> None:
    assert only(text).exec == words


def test_flags_stand_before_the_arguments() -> None:
    run = only("RUN --mount=type=secret,id=TOKEN,mode=0444 --mount=type=cache,target=/x --network=none cat --help")
    assert run.flags == (
        ("mount", "type=secret,id=TOKEN,mode=0444"),
        ("mount", "type=cache,target=/x"),
        ("network", "none"),
    )
    assert run.args == "cat --help"
    copy = only("COPY --from=build --link --chmod=755 a b")
    assert (copy.flag("from"), copy.flag("link"), copy.flag("chown")) == ("build", "", None)
    assert str(copy) == "COPY --from=build --link --chmod=755 a b"


@pytest.mark.parametrize(
    ("text", "flag"),
    [
        ("RUN --bogus x", "--bogus"),
        ("COPY --Chown=x a b", "--Chown"),
        ("COPY --from=x --network=none a b", "--network"),
        ("ADD --from=x a b", "--from"),
        ("WORKDIR --parents /app", "--parents"),
        ("CMD --help", "--help"),
    ],
)
def test_a_flag_that_the_instruction_does_not_have_is_an_error(text: str, flag: str) -> None:
    with pytest.raises(DockerfileError, match=f"line 2: unknown flag: {flag}\n"):
        parse(f"FROM x\n{text}\n")


def test_flags_are_expanded_and_may_come_twice() -> None:
    copy = steps("FROM --platform=$P x\nARG E=b\nCOPY --exclude=a* --exclude=$E --link . .")[1]
    assert copy.flags == (("exclude", "a*"), ("exclude", "b"), ("link", ""))
    assert parse("FROM --platform=$P x").stages[0].flags == (("platform", "$P"),)


def test_heredocs_hold_lines_that_are_no_instructions() -> None:
    dockerfile = parse(
        """\
        FROM x
        RUN <<EOF python3
        FROM is no instruction here
        EOF
        COPY <<-"ONE" <<TWO /etc/
        \t$NOT expanded
        ONE
        two
        TWO
        RUN cat <<< "a here-string"
        EXPOSE 1
        """
    )
    run, copy, here_string, _ = dockerfile.instructions[1:]
    assert run.heredocs == (Heredoc("EOF", "FROM is no instruction here\n", expand=True),)
    assert copy.heredocs == (Heredoc("ONE", "$NOT expanded\n", expand=False), Heredoc("TWO", "two\n", expand=True))
    assert (here_string.heredocs, here_string.line) == ((), 10)


@pytest.mark.parametrize(
    ("text", "line", "problem"),
    [
        ("FROM x\n\nRUM echo", 3, "unknown instruction: RUM"),
        ("FROM x\nRUN a &&\n&& b", 3, "unknown instruction: &&"),
        ("FROM x\nRUN a \\\n  b\n```", 4, "unknown instruction: ```"),
        ("# nothing\n\n", 1, "file with no instructions"),
        ("RUN x", 1, "no build stage in current context"),
        ("ARG X\n", 1, "no build stage in current context"),
        ("FROM", 1, "FROM requires either one or three arguments"),
        ("FROM a b", 1, "FROM requires either one or three arguments"),
        ("FROM a AS", 1, "FROM requires either one or three arguments"),
        ("FROM a IS b", 1, "FROM requires either one or three arguments"),
        ("FROM x\nCOPY a", 2, f"COPY {NO_DESTINATION}"),
        ('FROM x\nADD ["a"]', 2, f"ADD {NO_DESTINATION}"),
        ("FROM x\nENV A", 2, "ENV must have two arguments"),
        ("FROM x\nENV A=1 B", 2, 'Syntax error - can\'t find = in "B". Must be of the form: name=value'),
        ("FROM x\nRUN <<EOF\nno end", 2, "unterminated heredoc EOF"),
        ("# escape=x\nFROM x", 1, "invalid ESCAPE 'x'. Must be ` or \\"),
    ],
)
def test_what_buildkit_would_not_parse_names_the_line(text: str, line: int, problem: str) -> None:
    with pytest.raises(DockerfileError) as caught:
        Dockerfile.parse(text)
    assert (caught.value.line, caught.value.problem) == (line, problem)
    assert caught.value.message == f"dockerfile parse error on line {line}: {problem}"
    assert caught.value.exit_code == 2


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("$A", "1"),
        ("${A}x", "1x"),
        ("$Ax", ""),
        ("a${NONE}b", "ab"),
        ("${A:-d}", "1"),
        ("${NONE:-d}", "d"),
        ("${EMPTY:-d}", "d"),
        ("${EMPTY-d}", ""),
        ("${NONE-d}", "d"),
        ("${NONE:-$A$A}", "11"),
        ("${NONE:-${A:+yes}}", "yes"),
        ("${A:+other}", "other"),
        ("${NONE:+other}", ""),
        ("${EMPTY:+other}", ""),
        ("${EMPTY+other}", "other"),
        (r"\$A", "$A"),
        ("'$A'", "$A"),
        ('"$A b"', "1 b"),
        (r'"\$A"', "$A"),
        (r'"a\b"', r"a\b"),
        ("'a'\"b\"c", "abc"),
        ("100$", "100$"),
        ("$", "$"),
        ("$$", ""),
        ("${A#?}", ""),
        ("${PATHS#*/}", "b/c"),
        ("${PATHS##*/}", "c"),
        ("${PATHS%/*}", "a/b"),
        ("${PATHS%%/*}", "a"),
        (r"${PATHS/\//-}", "a-b/c"),
        (r"${PATHS//\//-}", "a-b-c"),
    ],
)
def test_variables_expand(text: str, value: str) -> None:
    assert expand(text, {"A": "1", "EMPTY": "", "PATHS": "a/b/c"}) == value


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("${broken", "missing '}'"),
        ("${A:-x", "missing '}'"),
        ("${}", "bad substitution"),
        ("${A:0:3}", r"unsupported modifier \(:0\)"),
        ("it's", "matching single-quote"),
        ('"open', "matching double-quote"),
        ("${A/x}", "missing '/'"),
    ],
)
def test_what_cannot_be_expanded_is_bad_input(text: str, problem: str) -> None:
    with pytest.raises(BadInput, match=problem):
        expand(text, {"A": "1"})


def test_a_variable_that_must_be_there() -> None:
    assert expand("${A:?needed}", {"A": "1"}) == "1"
    with pytest.raises(BadInput, match="wants a value for B: needed"):
        expand("${B:?needed}", {})


@given(st.text(alphabet="ab$\\{}'\": -+", max_size=30))
def test_any_text_expands_or_is_bad_input(text: str) -> None:
    try:
        assert isinstance(expand(text, {"a": "1"}), str)
    except BadInput as error:
        assert str(error)


@given(st.text(alphabet='ab=\n\\#[]"<> ', max_size=60))
def test_any_text_parses_or_names_a_line_of_it(text: str) -> None:
    try:
        Dockerfile.parse(f"FROM x\n{text}")
    except DockerfileError as error:
        assert 1 <= error.line <= len(f"FROM x\n{text}".splitlines()) + 1


def test_env_keeps_its_old_values_within_one_instruction() -> None:
    found = steps(
        """\
        FROM x
        ENV abc=hello
        ENV abc=bye def=$abc
        ENV ghi=$abc "with space"='single $abc'
        ENV old form with   spaces $abc
        """
    )
    assert found[1].env == {"abc": "bye", "def": "hello"}
    assert found[2].args == ("ghi=bye", "with space=single $abc")
    assert found[3].env["old"] == "form with   spaces bye"


def test_an_arg_above_the_first_from_is_seen_by_from_and_by_who_repeats_it() -> None:
    text = """\
        ARG VERSION=3.11
        FROM python:${VERSION}-slim AS base
        RUN echo $VERSION
        FROM base
        ARG VERSION
        ARG OTHER=${VERSION}-x
        RUN echo $VERSION
        """
    dockerfile = parse(text)
    first, last = dockerfile.stages
    assert dockerfile.base(first, {}) == "python:3.11-slim"
    assert dockerfile.base(first, {"VERSION": "3.12"}) == "python:3.12-slim"
    assert [step.build_env for step in dockerfile.steps(first, {}, {})] == [{}]
    assert steps(text)[-1].build_env == {"VERSION": "3.11", "OTHER": "3.11-x"}
    assert steps(text, VERSION="3.13")[-1].build_env == {"VERSION": "3.13", "OTHER": "3.13-x"}
    assert steps(text)[-1].env == {}, "an ARG is no part of the image"
    assert dockerfile.base(last, {}) == "base"


def test_a_build_argument_counts_only_where_it_is_declared() -> None:
    text = """\
        FROM x
        RUN before
        ARG MODEL
        ARG SIZE=small
        ENV MODEL_NAME=$MODEL
        ENV SIZE=large
        RUN after
        """
    found = steps(text, MODEL="m", SIZE="tiny", UNDECLARED="u")
    assert found[0].build_env == {}
    assert found[-1].build_env == {"MODEL": "m", "SIZE": "large", "MODEL_NAME": "m"}, "ENV wins over ARG"
    assert found[-1].env == {"MODEL_NAME": "m", "SIZE": "large"}


def test_variables_in_a_heredoc_are_filled_in_for_files_and_left_to_the_shell_for_run() -> None:
    text = """\
FROM x
ENV A=1
COPY <<EOF <<"RAW" /etc/
it's "${A}" $NONE
EOF
$A
RAW
RUN cat <<EOF
$A
EOF
"""
    copy, run = steps(text)[1:]
    assert [heredoc.content for heredoc in copy.heredocs] == ['it\'s "1" \n', "$A\n"]
    assert [heredoc.content for heredoc in run.heredocs] == ["$A\n"]


def test_stages_are_found_by_name_and_by_number() -> None:
    dockerfile = parse("FROM a AS Build\nRUN x\nFROM b\nCOPY --from=build /x /y\nFROM c AS build\n")
    assert [stage.name for stage in dockerfile.stages] == ["build", None, "build"]
    assert dockerfile.stage("BUILD") == dockerfile.stages[2]
    assert dockerfile.stage("1") == dockerfile.stages[1]
    assert dockerfile.stage("3") is None
    assert dockerfile.stage("python:3.11") is None
    assert [one.keyword for one in dockerfile.stages[1].instructions] == ["COPY"]


@pytest.mark.parametrize(
    ("patterns", "excluded", "kept"),
    [
        ("*.md", ["README.md"], ["docs/README.md"]),
        ("**/*.md", ["README.md", "docs/a/README.md"], ["README.mdx"]),
        ("/build", ["build", "build/x"], ["src/build"]),
        ("build/", ["build/x"], ["building"]),
        ("*\n!app.py\n!src", ["x", "y/z"], ["app.py", "src", "src/deep/file"]),
        ("!app.py\n*", ["app.py"], []),
        ("docs/**", ["docs/a", "docs/a/b"], ["doc"]),
        ("a?c\n[xy]z", ["abc", "xz", "yz"], ["ac", "a/c", "zz"]),
        ("# comment\n\n  .env  ", [".env"], ["# comment", "app.env"]),
        ("./venv", ["venv/bin/python"], []),
        ("dir\n!dir/keep", ["dir/other"], ["dir/keep", "dir/keep/x"]),
    ],
)
def test_dockerignore(patterns: str, excluded: list[str], kept: list[str]) -> None:
    ignore = Ignore.parse(patterns)
    assert [path for path in excluded + kept if ignore.excludes(path)] == excluded


@given(st.text(alphabet="ab*?[]!^-\\/.", max_size=20))
def test_any_pattern_can_be_used(pattern: str) -> None:
    glob_pattern(pattern).fullmatch("a/b")


def test_an_onbuild_holds_an_instruction() -> None:
    text = "FROM x\nONBUILD COPY --chown=user a b\nONBUILD RUN <<EOF\nls\nEOF\nONBUILD COPY a\nCMD y\n"
    copy, run, invalid, _ = Dockerfile.parse(text).instructions[1:]
    assert copy.inner is not None
    assert (copy.inner.keyword, copy.inner.args, copy.inner.flag("chown")) == ("COPY", "a b", "user")
    assert run.inner is not None
    assert [heredoc.content for heredoc in run.inner.heredocs] == ["ls\n"]
    assert invalid.inner is None, "BuildKit minds only where it is triggered"


def test_positions_know_their_lines() -> None:
    text = (
        "# c\nFROM x\n  RUN --mount=type=cache,target=/x \\\n  # c\n  one \\\n\n  two\nCOPY <<A <<B /\n1\n2\nA\n3\nB\n"
    )
    _, run, copy = Dockerfile.parse(text).instructions
    assert (run.line, run.line_at(run.args.index("one")), run.line_at(run.args.index("two"))) == (3, 5, 7)
    assert [heredoc.line for heredoc in copy.heredocs] == [9, 12]


def test_the_platform_of_the_hub_is_known() -> None:
    text = "FROM --platform=$BUILDPLATFORM x\nARG TARGETARCH\nRUN echo\n"
    assert steps(text)[-1].build_env == {"TARGETARCH": "amd64"}
    dockerfile = parse(text)
    assert dockerfile.global_args({})["BUILDPLATFORM"] == "linux/amd64"


def test_only_stages_above_count_where_that_is_asked_for() -> None:
    dockerfile = parse("FROM a AS x\nFROM b AS x\nFROM c\n")
    assert dockerfile.stage("x", before=dockerfile.stages[2]) == dockerfile.stages[1]
    assert dockerfile.stage("x", before=dockerfile.stages[1]) == dockerfile.stages[0]
    assert dockerfile.stage("x", before=dockerfile.stages[0]) is None
    assert dockerfile.stage("0" * 5000) is None


@pytest.mark.parametrize(
    ("text", "line", "problem"),
    [
        ("FROM x AS 1a", 1, 'invalid name for build stage: "1a"'),
        ("FROM x\nCOPY --link=maybe a b", 2, "expecting boolean value for flag --link, not: maybe"),
        ("FROM x\nCOPY --chown a b", 2, "missing a value on flag: --chown"),
        ("FROM x\nCOPY --from=a --from=b c d", 2, "duplicate flag specified: --from"),
        ("FROM x\nCOPY a <<EOF", 2, "COPY cannot accept a heredoc as a destination"),
        ("FROM x\nRUN --mount=type=secret y", 2, "invalid secret mount"),
        ("FROM x\nRUN --mount=cache y", 2, "invalid field 'cache' must be a key=value pair"),
        ("FROM x\nRUN --mount=type=bind,from=$S y", 2, "'from' doesn't support variable expansion"),
        ("FROM x\nENV =1", 2, "ENV names can not be blank"),
        ("FROM x\nARG =1", 2, "ARG names can not be blank"),
        ("FROM x\nUSER", 2, "USER requires exactly one argument"),
        ("FROM x\nVOLUME []", 2, "VOLUME requires at least one argument"),
        ('FROM x\nVOLUME [" "]', 2, "VOLUME specified can not be an empty string"),
        ("FROM x\nSHELL []", 2, "SHELL requires at least one argument"),
        ("FROM x\nHEALTHCHECK", 2, "HEALTHCHECK requires at least one argument"),
        ("FROM x\nHEALTHCHECK NONE x", 2, "HEALTHCHECK NONE takes no arguments"),
        ("FROM x\nHEALTHCHECK CMD", 2, "Missing command after HEALTHCHECK CMD"),
        ("FROM x\nHEALTHCHECK --retries=x CMD y", 2, "--retries is no number: x"),
        ("FROM x\nONBUILD ONBUILD RUN x", 2, "Chaining ONBUILD via `ONBUILD ONBUILD` isn't allowed"),
        ("FROM x\nONBUILD FROM y", 2, "FROM isn't allowed as an ONBUILD trigger"),
        ("FROM x\nEXPOSE 70000", 2, "invalid containerPort: 70000"),
        ("# syntax=a\n# syntax=b\nFROM x", 2, "only one syntax parser directive can be used"),
        ("FROM x\nRUN " + "a" * 70000, 2, "dockerfile line greater than max allowed size of 65535"),
        ("FROM x\nWORKDIR $A/'b", 2, "failed to process"),
    ],
)
def test_what_an_instruction_does_not_take(text: str, line: int, problem: str) -> None:
    with pytest.raises(DockerfileError) as caught:
        Dockerfile.parse(text)
    assert caught.value.line == line
    assert caught.value.problem.startswith(problem)


@pytest.mark.parametrize(
    "text",
    ["RUN", "CMD", "ENTRYPOINT", "CMD []", "ONBUILD COPY a", "COPY -- --a b", "EXPOSE 1/UDP 2-3 ${P}", "ADD a b c",
     "HEALTHCHECK --interval=1m30s --retries=3 CMD [\"x\"]", "RUN --mount=type=bind,ro,target=/x y",
     "LABEL a= b=\"\"", "MAINTAINER it's me", "RUN cat<<EOF", "ENV A=b\\ c", "COPY a <<", "ARG A B=1 C"],
)  # fmt: skip
def test_what_an_instruction_takes(text: str) -> None:
    assert len(Dockerfile.parse(f"FROM x\n{text}\n").instructions) == 2


def test_the_pattern_that_decides_is_known() -> None:
    ignore = Ignore.parse("# c\n*.md\n\n!README.md\nfolder\n")
    deciding = [ignore.deciding(path) for path in ("a.md", "README.md", "folder/x/y", "main.py")]
    assert [one and (one.line, one.text, one.excludes) for one in deciding] == [
        (2, "*.md", True),
        (4, "!README.md", False),
        (5, "folder", True),
        None,
    ]


@pytest.mark.parametrize("pattern", ["*a" * 20 + "b", "**/a" * 20, "[a-z]*" * 10 + "b", "(a+)+" * 10, "?" * 200])
def test_no_pattern_takes_long(pattern: str) -> None:
    assert not Ignore.parse(pattern).excludes("/".join(["a" * 100] * 20))
