"""Images, followed without building them."""

from __future__ import annotations

import os
from textwrap import dedent

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from spaceops.dockerfile import Dockerfile
from spaceops.errors import DockerfileError
from spaceops.image import Image, build_args, built, follow, tree_of
from spaceops.shell import UNKNOWN

EXAMPLES = int(os.environ.get("SPACEOPS_EXAMPLES", "50"))
FILES = frozenset({"main.py", "requirements.txt", "app/api.py", "app/web/index.html", "start.sh"})


def image(text: str, files: frozenset[str] = FILES, **variables: str) -> Image:
    found = follow(Dockerfile.parse(dedent(text)), variables, files)
    assert found is not None
    return found


def test_user_workdir_and_variables_are_followed() -> None:
    found = image(
        """\
        FROM python:3.12-slim
        RUN useradd -m -u 1000 user
        USER user
        ENV HOME=/home/user PATH=/home/user/.local/bin:$PATH
        WORKDIR $HOME/app
        WORKDIR sub
        RUN whoami
        """
    )
    last = found.lines[-1]
    assert (found.user, found.workdir, last.user, last.workdir) == ("user", "/home/user/app/sub") * 2
    assert (found.lines[0].is_root, found.is_root) == (True, False)
    assert found.env["PATH"].startswith("/home/user/.local/bin:/usr/local/bin:")


def test_nothing_is_known_of_an_unknown_base() -> None:
    found = image("FROM acme/x\nENV A=$B C=1\nRUN echo $D")
    assert (found.is_root, UNKNOWN in found.user, UNKNOWN in found.workdir, found.cmd) == (None, True, True, None)
    assert (found.env["A"], found.env["C"]) == (UNKNOWN, "1")
    assert [command.words for _, command in found.runs] == [("echo", UNKNOWN)]


@pytest.mark.parametrize(
    ("copy", "path", "source"),
    [
        ("COPY . .", "main.py", "main.py"),
        ("COPY . /srv/", "/srv/app/api.py", "app/api.py"),
        ("COPY app ./", "api.py", "app/api.py"),
        ("COPY app /opt/x", "/opt/x/web/index.html", "app/web/index.html"),
        ("COPY main.py server.py", "/work/server.py", "main.py"),
        ("COPY main.py /srv", "/srv/main.py", "main.py"),
        ("COPY main.py .", "main.py", "main.py"),
        ("COPY main.py start.sh /x/", "/x/start.sh", "start.sh"),
        ("COPY *.py /x/", "/x/main.py", "main.py"),
        ("COPY ./app/*.py ./", "api.py", "app/api.py"),
        ('COPY ["main.py", "/x/"]', "/x/main.py", "main.py"),
        ("COPY --parents app/api.py /x/", "/x/app/api.py", "app/api.py"),
        ("RUN mkdir -p /made\nCOPY main.py /made", "/made/main.py", "main.py"),
        ("COPY ../main.py .", "main.py", "main.py"),
        ("COPY . . || true", "main.py", "main.py"),
        ("COPY main.py . # the app", "main.py", "main.py"),
        ("ADD main.py /x/", "/x/main.py", "main.py"),
    ],
)
def test_where_a_file_of_the_space_lies(copy: str, path: str, source: str) -> None:
    assert image(f"FROM python:3.12\nWORKDIR /work\n{copy}\n").source_of(path) == source


def test_files_come_by_way_of_an_earlier_stage() -> None:
    found = image(
        """\
        FROM node:22 AS build
        WORKDIR /src
        COPY . .
        FROM python:3.12
        COPY --from=build /src/app /srv
        COPY --from=build /src/main.py /srv/
        """
    )
    assert found.source_of("/srv/api.py") == "app/api.py"
    assert found.source_of("/srv/main.py") == "main.py"
    assert found.names_in("/srv") == {"api.py", "web", "main.py"}
    assert all(copied.is_foreign for copied in found.copied)


def test_a_folder_shows_what_of_the_space_lies_in_it() -> None:
    found = image("FROM python:3.12\nWORKDIR /a\nCOPY . .\nCOPY main.py b/c/\n")
    assert found.names_in(".") == {"main.py", "requirements.txt", "app", "start.sh", "b"}
    assert found.names_in("b") == {"c"}
    assert found.names_in("app") == {"api.py", "web"}


def test_a_copy_that_ends_the_build_says_so() -> None:
    broken = image("FROM python:3.12\nCOPY nothing /x\nCOPY noth*ng /x\nADD https://x.org/y /y\n").copied
    assert [one.is_broken for one in broken] == [True, False, False]


def test_a_here_document_becomes_a_file() -> None:
    found = image("FROM python:3.12\nCOPY <<EOF /start.sh\nexec x\nEOF\nCOPY <<A <<B /etc/\n1\nA\n2\nB\n")
    assert [dict(copied.texts) for copied in found.copied] == [
        {"/start.sh": "exec x\n"},
        {"/etc/A": "1\n", "/etc/B": "2\n"},
    ]


def test_the_commands_of_a_run_know_their_lines() -> None:
    found = image(
        """\
        FROM python:3.12
        RUN a && \\
            # a comment

            b \\
            -x; c
        RUN <<EOF
        d
        e
        EOF
        RUN bash <<EOF
        f
        EOF
        RUN python3 <<EOF
        import nothing
        EOF
        RUN ["g", "h i"]
        """
    )
    assert [(line.where(command), command.words) for line, command in found.runs] == [
        ("Dockerfile:2", ("a",)),
        ("Dockerfile:5", ("b", "-x")),
        ("Dockerfile:6", ("c",)),
        ("Dockerfile:8", ("d",)),
        ("Dockerfile:9", ("e",)),
        ("Dockerfile:11", ("bash",)),
        ("Dockerfile:12", ("f",)),
        ("Dockerfile:14", ("python3",)),
        ("Dockerfile:17", ("g", "h i")),
    ]


def test_the_shell_of_a_run_decides_how_it_is_read() -> None:
    found = image('FROM python:3.12\nSHELL ["/bin/bash", "-eo", "pipefail", "-c"]\nRUN a | b; c\n')
    assert [command.decides for _, command in found.runs] == [True, True, True]
    assert list(image('FROM python:3.12\nSHELL ["python3", "-c"]\nRUN import os\n').runs) == []


@pytest.mark.parametrize(
    ("text", "entrypoint", "cmd"),
    [
        ("FROM python:3.12", None, ("python3",)),
        ("FROM ollama/ollama", ("/bin/ollama",), ("serve",)),
        ('FROM ollama/ollama\nENTRYPOINT ["x"]', ("x",), None),
        ('FROM python:3.12\nCMD ["a"]\nENTRYPOINT ["x"]', ("x",), ("a",)),
        ('FROM python:3.12 AS one\nCMD ["a"]\nFROM one\nENTRYPOINT ["x"]', ("x",), None),
        ('FROM ollama/ollama\nENTRYPOINT []\nCMD ["a"]', None, ("a",)),
        ("FROM python:3.12\nCMD a b", None, ("a b",)),
    ],
)
def test_what_starts(text: str, entrypoint: tuple[str, ...] | None, cmd: tuple[str, ...] | None) -> None:
    found = image(text)
    assert (found.entrypoint and found.entrypoint.words, found.cmd and found.cmd.words) == (entrypoint, cmd)


def test_only_the_stages_that_are_needed_are_built() -> None:
    text = dedent(
        """\
        FROM node:22 AS unused
        FROM node:22 AS web
        FROM debian:12 AS tools
        FROM web AS more
        FROM python:3.12
        COPY --from=more /a /b
        RUN --mount=type=bind,from=tools,target=/t ls
        """
    )
    found = built(Dockerfile.parse(text), {}, FILES)
    assert [one.base.name for one in found] == ["node:22", "debian:12", "node:22", "python:3.12"]
    assert [one.stages for one in found] == [(1,), (2,), (1, 3), (4,)]


def test_what_a_stage_leaves_to_those_built_on_it_is_done_there() -> None:
    found = image("FROM python:3.12 AS base\nWORKDIR /a\nONBUILD COPY main.py .\nONBUILD RUN x\nFROM base\nRUN y\n")
    assert [command.words for _, command in found.runs] == [("x",), ("y",)]
    assert found.source_of("/a/main.py") == "main.py"


def test_an_argument_without_a_value_is_unknown_and_the_platform_is_known() -> None:
    dockerfile = Dockerfile.parse("ARG A\nARG B=1\nFROM x\nARG B\nARG TARGETARCH\nRUN echo $B $TARGETARCH\n")
    assert build_args(dockerfile, {}) == {"A": UNKNOWN}
    assert build_args(dockerfile, {"A": "2"}) == {"A": "2"}
    assert [command.words for _, command in image("FROM python:3.12\nARG TARGETARCH\nRUN echo $TARGETARCH").runs] == [
        ("echo", "amd64")
    ]


def test_what_wants_a_value_that_is_not_there_is_not_followed() -> None:
    assert follow(Dockerfile.parse("FROM python:3.12\nENV A=${B:?}"), {}, FILES) is None
    assert built(Dockerfile.parse("FROM python:3.12\nENV A=${B:?}"), {}, FILES) == ()


def test_the_tree_of_paths() -> None:
    assert dict(tree_of(["a/b/c", "a/d", "e"])) == {"": {"a", "e"}, "a": {"b", "d"}, "a/b": {"c"}}


LINES = st.sampled_from(
    ["FROM python:3.12", "FROM x AS a", "FROM a", "RUN a $B && \\", "  c", "COPY . .", "COPY --from=a /x y", "USER $U",
     "ENV A=$A B='c", "ENV A=1", "WORKDIR a/../b", "ARG A", "CMD [\"x\"]", "RUN <<E", "E", "#", "SHELL [\"sh\"]",
     "ADD a* b/", "ONBUILD RUN x", "VOLUME /a", "ENTRYPOINT x"]
)  # fmt: skip


@settings(max_examples=EXAMPLES)
@given(st.lists(LINES, max_size=12))
def test_whatever_parses_is_followed(lines: list[str]) -> None:
    try:
        dockerfile = Dockerfile.parse("\n".join(["FROM python:3.12 AS a", *lines]))
    except DockerfileError:
        return
    for found in built(dockerfile, {"A": "1"}, FILES):
        assert isinstance(found.names_in("."), frozenset)
        assert all(line.number >= 1 for line, _ in found.runs)
