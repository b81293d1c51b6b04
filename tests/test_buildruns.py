"""The commands of a build: which stages run, what is known before each, and that nothing makes it fall over."""

from __future__ import annotations

import os
import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from spaceops.context import Context
from spaceops.dockerfile import Dockerfile
from spaceops.files import look
from spaceops.image import built
from spaceops.image.runs import packages_of, runs
from spaceops.rules import all_rules
from spaceops.rules.examples import write
from spaceops.shell import commands
from spaceops.spec import Space

EXAMPLES = int(os.environ.get("SPACEOPS_EXAMPLES", "20"))


def images(text):
    """The stages that are built."""
    return built(Dockerfile.parse(text), {}, frozenset({"main.py"}))


def read(text):
    """The commands of a Dockerfile."""
    return runs(images(text))


def words(text):
    return [" ".join(run.words) for run in read(text)]


STAGES = {
    "the last": ("FROM a\nRUN one\nFROM b\nRUN two", ["two"]),
    "what it is made from": ("FROM a AS x\nRUN one\nFROM x\nRUN two", ["one", "two"]),
    "what it copies from": ("FROM a AS x\nRUN one\nFROM b\nCOPY --from=x /x /x\nRUN two", ["one", "two"]),
    "by its number": ("FROM a\nRUN one\nFROM b\nCOPY --from=0 /x /x\nRUN two", ["one", "two"]),
    "what it mounts": ("FROM a AS x\nRUN one\nFROM b\nRUN --mount=from=x,target=/x two", ["one", "two"]),
    "each once": ("FROM a AS x\nRUN one\nFROM x\nCOPY --from=x /x /x\nRUN two", ["one", "two"]),
}


@pytest.mark.parametrize(("text", "expected"), STAGES.values(), ids=STAGES)
def test_only_the_stages_that_are_needed_are_built(text, expected):
    assert expected == words(text)


def test_the_stages_come_in_their_order():
    text = "FROM a AS x\nFROM b AS y\nFROM c\nCOPY --from=y /y /\nCOPY --from=x /x /"

    assert [0, 1, 2] == [image.stages[-1] for image in images(text)]


WRAPPED = {
    "sudo": ("RUN sudo -E apt-get update", ["apt-get update"]),
    "a shell": ("RUN bash -lc 'pip install x && uvicorn y'", ["pip install x", "uvicorn y"]),
    "exec form": ('RUN ["/bin/sh", "-c", "mkdir x"]', ["mkdir x"]),
    "env": ("RUN env A=1 pip install x", ["pip install x"]),
    "one in the other": ("RUN sudo -H nice -n 5 timeout 600 pip install x", ["pip install x"]),
    "a question": ("RUN command -v git", ["command -v git"]),
    "an environment of its own": ("RUN conda run -n a pip install x", ["conda run -n a pip install x"]),
    "a variable for the command": ("RUN DEBIAN_FRONTEND=noninteractive apt-get update", ["apt-get update"]),
}


@pytest.mark.parametrize(("line", "expected"), WRAPPED.values(), ids=WRAPPED)
def test_what_stands_within_another_command_is_read(line, expected):
    assert expected == words(f"FROM python:3.13-slim\n{line}")


def test_sudo_runs_a_command_as_root_or_as_whom_it_names():
    as_root, as_other = read("FROM python:3.13\nUSER user\nRUN sudo mkdir /x\nRUN sudo -u other mkdir /x")

    assert (True, False) == (as_root.is_root, as_other.is_root)


def test_a_command_within_a_shell_decides_only_where_the_shell_does():
    run, allowed, _ = read("FROM python:3.13\nRUN sh -c 'mkdir /x'\nRUN sh -c 'mkdir /y' || true")

    assert (True, False) == (run.is_certain, allowed.is_certain)


def test_what_is_known_grows_with_the_lines():
    text = (
        "FROM python:3.13-slim\nRUN apt-get update && apt-get install -y git=1:2.47\nRUN rm -rf /var/lib/apt/lists/*\n"
        "RUN echo deb x > /etc/apt/sources.list\nRUN ./setup.sh\nRUN true"
    )
    known = [run.known for run in read(text)]

    assert [False, True, True, False, False, True] == [one.has_lists for one in known]
    assert "git" in known[2].packages
    assert [False] * 4 + [True] * 2 == [one.has_own_sources for one in known]
    assert [True] * 5 + [False] == [one.is_read for one in known]


VERBS = {
    "apt-get install -y --no-install-recommends a b": ("install", ("a", "b"), True),
    "apt-get -o Acquire::Retries=3 -y install a": ("install", ("a",), True),
    "apt -t bookworm-backports install a": ("install", ("a",), True),
    "apk add --no-cache a $B": ("add", ("a",), False),
    "apt-get": ("", (), True),
}


@pytest.mark.parametrize(("text", "expected"), VERBS.items())
def test_a_package_manager_is_told_a_verb_and_names(text, expected):
    asked = packages_of(commands(text)[0])

    assert asked is not None
    assert expected == (asked.verb, asked.names, asked.is_whole)


def test_another_command_is_no_package_manager():
    assert packages_of(commands("pip install x")[0]) is None


_WORDS = """
apt-get install -y update libgl1-mesa-glx && || ; | ( ) if then fi sudo useradd -m -u 1000 user chown -R /app chmod 777
mkdir -p $X ~ * / npm ci -g pip git+ sh -c 'mkdir cd export A=1 > /data/x rm . .. python playwright --with-deps \\ ''
--uid= - -- hf download é
"""
PIECES = st.sampled_from([*_WORDS.split(), "\\\n", "\0"])
LINES = st.lists(
    st.one_of(
        st.lists(PIECES, min_size=1, max_size=12).map(lambda words: "RUN " + " ".join(words)),
        st.sampled_from(
            ["USER user", "USER 1000:0", "USER $X", "WORKDIR app", "WORKDIR /", "COPY . .", "COPY --chown=user . /app",
             "COPY --from=0 / /", "ENV HOME=/x", "ENV PATH=/v/bin", "FROM node:22-alpine", "FROM 0", "SHELL [\"bash\"]",
             "ADD x.tar /", "RUN <<EOF\nuseradd x\nEOF", "ARG X", "VOLUME /data", "ENTRYPOINT [\"sh\"]"]
        ),
        st.text(max_size=30).map(lambda text: "RUN " + text),
    ),
    max_size=12,
)  # fmt: skip
OURS = [one for one in all_rules().values() if one.body.__module__.rpartition(".")[2] in
        ("packages", "building", "node", "permissions")]  # fmt: skip


@settings(max_examples=EXAMPLES, deadline=None)
@given(base=st.sampled_from(["python:3.13-slim", "node:22", "ubuntu:24.04", "acme/x", "alpine"]), lines=LINES)
def test_no_dockerfile_makes_a_rule_fall_over(base, lines, tmp_path_factory):
    folder = write(tmp_path_factory.mktemp("space"), {"Dockerfile": "\n".join([f"FROM {base}", *lines])})
    ctx = Context(
        Space.parse({"repo_id": "acme/x"}, folder=folder), look(Space.parse({"repo_id": "a/b"}, folder=folder))
    )

    for one in OURS:
        assert all(finding.message and finding.where for finding in one.findings(ctx))


LONG = {
    "commands": "RUN " + " && ".join(["mkdir -p /app/x"] * 3_000),
    "folders": "RUN mkdir " + " ".join(f"/app/{number}" for number in range(3_000)),
    "users": "\n".join(f"RUN useradd u{number}" for number in range(500)),
    "changes": "RUN " + " && ".join(f"mkdir /a{number} && chown -R 1000 /a{number}" for number in range(500)),
    "a word": "RUN chmod " + "a+" * 20_000 + " /x && pip install " + "git+" * 20_000,
}


@pytest.mark.parametrize("lines", LONG.values(), ids=LONG)
def test_a_long_dockerfile_takes_no_long_time(lines, tmp_path):
    folder = write(tmp_path, {"Dockerfile": f"FROM python:3.13-slim\n{lines}\nUSER 1000\n"})
    space = Space.parse({"repo_id": "acme/x"}, folder=folder)
    ctx, begun = Context(space, look(space)), time.process_time()

    for one in OURS:
        list(one.findings(ctx))

    assert time.process_time() - begun < 30
