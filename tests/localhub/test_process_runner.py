"""Builds without containers: what they do, what they skip and say, and what they refuse."""

from __future__ import annotations

import asyncio
import re
import subprocess
import sys
import tempfile
import uuid
import zipfile
from dataclasses import dataclass, field
from pathlib import Path
from textwrap import dedent

import pytest

from spaceops.localhub.clock import Clock
from spaceops.localhub.logbook import Logbook
from spaceops.localhub.runners import BuildFailed, Image, Source
from spaceops.localhub.runners.flags import changed_mode
from spaceops.localhub.runners.ports import free_port
from spaceops.localhub.runners.process import ProcessRunner
from spaceops.localhub.runners.sandbox import find_sandbox
from spaceops.localhub.runners.shell import Refused, adapt
from tests.localhub.workshop import eventually, processes_in

SHA = "0123456789abcdef0123456789abcdef01234567"


@dataclass
class Bench:
    """A context to build from, and what came of the last build."""

    folder: Path
    confine: bool | None = None
    app_port: int = 7860
    port: int = 4321
    variables: dict[str, str] = field(default_factory=dict)
    secrets: dict[str, str] = field(default_factory=dict)
    count: int = 0
    log: str = ""
    built: Path = Path()

    @property
    def context(self) -> Path:
        return self.folder / "context"

    def write(self, files: dict[str, str]) -> None:
        for name, text in files.items():
            file = self.context / name
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(text)

    def build(
        self, dockerfile: str, files: dict[str, str] | None = None, base: str = "FROM python:3.11-slim\n"
    ) -> Image:
        """Build, keep the log's text, and return the image; raises `BuildFailed`."""
        self.write({"Dockerfile": base + dedent(dockerfile), **(files or {})})
        return asyncio.run(self._build())

    async def _build(self) -> Image:
        self.count += 1
        self.built = self.folder / f"builds/{SHA}-{self.count}"
        book = Logbook(self.folder / "build.log", Clock())
        writer = book.open()
        source = Source(
            sha=SHA,
            context=self.context,
            folder=self.built,
            app_port=self.app_port,
            variables=self.variables,
            secrets=self.secrets,
        )
        try:
            return await ProcessRunner(self.folder / "envs", confine=self.confine).build(source, writer)
        finally:
            writer.close()
            self.log = "".join([line.text async for lines in book.lines() for line in lines])

    def fails(self, dockerfile: str, files: dict[str, str] | None = None, base: str = "FROM python:3.11-slim\n") -> str:
        """Build what cannot be built; returns the reason, which the log's last line gives too."""
        with pytest.raises(BuildFailed) as caught:
            self.build(dockerfile, files, base)
        assert self.log.splitlines()[-1].endswith(caught.value.reason)
        assert not self.built.exists(), "a failed build leaves nothing"
        return caught.value.reason

    def files(self) -> dict[str, str]:
        """What the last image holds, but for its environment and its system: image path and content."""
        root = next(self.built.glob("stage-*/root"))
        return {
            f"/{file.relative_to(root)}": file.read_text(errors="replace")
            for file in sorted(root.rglob("*"))
            if file.is_file() and not file.is_relative_to(root / "etc")
        }

    def run(self, image: Image, **settings: str) -> tuple[int, str]:
        """Start the image, wait for its end; exit code and output."""

        async def scenario() -> tuple[int, str]:
            out: list[bytes] = []
            runner = ProcessRunner(self.folder / "envs", confine=self.confine)
            app = await runner.start(image, self.built, port=self.port, settings=settings, feed=out.append)
            code = await app.wait()
            await app.stop()
            return code, re.sub("note: no sandbox: .*\n", "", b"".join(out).decode())

        return asyncio.run(scenario())


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    """Where there is a sandbox, in it."""
    return new_bench(tmp_path, confine=None)


@pytest.fixture
def open_bench(tmp_path: Path) -> Bench:
    """Without a sandbox."""
    return new_bench(tmp_path, confine=False)


@pytest.fixture(params=["sandbox", "open"])
def either(tmp_path: Path, request: pytest.FixtureRequest) -> Bench:
    """One after the other."""
    if request.param == "sandbox" and find_sandbox()[0] is None:
        pytest.skip("there is no sandbox")
    return new_bench(tmp_path, confine=request.param == "sandbox")


def new_bench(folder: Path, *, confine: bool | None) -> Bench:
    bench = Bench(folder, confine)
    bench.write({"app.py": "print('app')\n"})
    return bench


def steady(log: str) -> str:
    return re.sub(r"DONE \d+\.\ds", "DONE 0.0s", log)


def make_wheel(folder: Path, name: str = "tiny") -> str:
    """A package with one module and one command, as a file that pip can install."""
    file = folder / f"{name}-1.0-py3-none-any.whl"
    folder.mkdir(parents=True, exist_ok=True)
    info = f"{name}-1.0.dist-info"
    with zipfile.ZipFile(file, "w") as archive:
        archive.writestr(f"{name}.py", f"def main():\n    print('{name} at work')\n")
        archive.writestr(f"{info}/METADATA", f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n")
        archive.writestr(f"{info}/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n")
        archive.writestr(f"{info}/entry_points.txt", f"[console_scripts]\n{name} = {name}:main\n")
        names = [f"{name}.py", *(f"{info}/{one}" for one in ("METADATA", "WHEEL", "entry_points.txt", "RECORD"))]
        archive.writestr(f"{info}/RECORD", "".join(f"{one},,\n" for one in names))
    return file.name


def test_the_log_is_in_buildkits_grammar(open_bench: Bench) -> None:
    bench = open_bench
    bench.build(
        """\
        RUN useradd -m -u 1000 user
        USER user
        WORKDIR /home/user/app
        COPY --chown=user . .
        RUN echo hello && \\
            ls
        EXPOSE 7860
        CMD ["python", "app.py", "--port", "7860"]
        """
    )
    assert re.sub(r"(image;).*", r"\1", steady(bench.log)) == (
        "--> FROM docker.io/library/python:3.11-slim\n"
        "note: no container: a Python 3.11 environment stands for the image;\n"
        "--> RUN useradd -m -u 1000 user\n"
        "note: useradd is skipped: everything runs as the user of this machine who started the Hub\n"
        "DONE 0.0s\n"
        "--> USER user\n"
        "note: USER is skipped: everything runs as the user of this machine who started the Hub\n"
        "DONE 0.0s\n"
        "--> WORKDIR /home/user/app\nDONE 0.0s\n"
        "--> COPY --chown=user . .\n"
        "note: --chown is skipped: everything belongs to the user of this machine who started the Hub\n"
        "DONE 0.0s\n"
        "--> RUN echo hello && ls\nhello\nDockerfile\napp.py\nDONE 0.0s\n"
        "--> EXPOSE 7860\n"
        "note: EXPOSE is skipped: the Hub does not read it; app_port in README.md counts\n"
        "DONE 0.0s\n"
        '--> CMD ["python", "app.py", "--port", "7860"]\nDONE 0.0s\n'
        "note: in CMD, 7860 becomes a private port at each start: the Space's address stands before them\n"
        "note: absolute paths in the app's own code are this machine's; a container would have others\n"
    )


@pytest.mark.parametrize(
    ("rest", "note"),
    [
        ('CMD ["app", "--host", "0.0.0.0", "7860"]', "7860 becomes a private port at each start and 0.0.0.0 becomes"),
        ('ENV PORT=7860\nCMD ["app"]', "note: in ENV, 7860 becomes a private port at each start: "),
        (
            'COPY <<EOF /go.sh\napp 7860\nEOF\nCMD ["/go.sh"]',
            "note: in /go.sh, 7860 becomes a private port at each start",
        ),
        (
            'WORKDIR /app\nCOPY <<EOF nginx.conf\nserver { }\n  listen 7860;\nEOF\nCMD ["nginx"]',
            "note: in /app/nginx.conf, 7860 becomes a private port at each start",
        ),
        ('CMD ["python", "main.py"]', "note: neither CMD nor ENV names 7860: a port that is"),
    ],
)
def test_what_becomes_of_the_port_is_said(bench: Bench, rest: str, note: str) -> None:
    bench.build(rest)

    assert note in bench.log


@pytest.mark.parametrize(
    ("base", "reason"),
    [
        ("node:22-slim", "node:22-slim: this runner makes Python environments and has no other images"),
        ("nvidia/cuda:12.4.1-base-ubi9", "the local Hub would need a container engine"),
        ("someone/python:3.11", "the local Hub would need a container engine"),
        ("scratch", "the local Hub would need a container engine"),
        ("python:3.1", "docker.io/library/python:3.1: not found"),
    ],
)
def test_a_base_that_is_not_python_fails_the_build(bench: Bench, base: str, reason: str) -> None:
    assert reason in bench.fails("", base=f"FROM {base}\n")


def test_cuda_on_ubuntu_is_a_python_without_a_gpu(bench: Bench) -> None:
    """Its Python comes from apt-get, which this machine has done already."""
    packages = "python3 python3-pip python3-venv"
    image = bench.build(
        f'RUN apt-get update && apt-get install --yes {packages}\nCMD ["python3", "-c", "print(1)"]\n',
        base="FROM nvidia/cuda:12.6.3-base-ubuntu24.04\n",
    )

    assert (0, "1\n") == bench.run(image)
    assert "note: there is no CUDA here, and Python is there before apt-get installs it" in bench.log
    assert f"note: apt-get install {packages} is skipped: this machine has it" in bench.log


NGINX = """\
http {
    server {
        listen 7860 default_server;
        listen [::]:7860 default_server;
        server_name localhost;  # not 17860
    }
    server { # of its own
        listen 127.0.0.1:7860;
        listen 78601;
    }
}
"""


def test_nginx_gets_the_apps_port(either: Bench) -> None:
    """In the files that it reads; a link that leads out of the image is not followed."""
    outside = either.folder / "outside"
    outside.mkdir()
    (outside / "mine.conf").write_text(NGINX)
    image = either.build(
        f"""\
        WORKDIR /app
        COPY nginx.conf show.py ./
        COPY nginx.conf /etc/nginx/sites-enabled/default
        RUN ln -s {outside}/mine.conf other.conf
        CMD ["python", "show.py"]
        """,
        {"nginx.conf": NGINX, "show.py": "print(open('nginx.conf').read())"},
    )
    code, said = either.run(image)

    assert 0 == code
    assert ["listen 127.0.0.1:4321 default_server;", "listen 127.0.0.1:7860;", "listen 78601;"] == re.findall(
        "listen.*", said
    )
    assert NGINX == (outside / "mine.conf").read_text()
    assert NGINX == either.files()["/app/nginx.conf"], "the image keeps it as it was written"


@pytest.mark.parametrize(
    "base", ["python", "python:slim", "docker.io/library/python:3-alpine", "python@sha256:" + "a" * 64]
)
def test_a_base_without_a_version_takes_the_running_one(bench: Bench, base: str) -> None:
    bench.build("", base=f"FROM --platform=linux/amd64 {base}\n")
    assert "takes its place" not in bench.log


def test_a_python_that_the_machine_lacks_is_replaced_and_said(bench: Bench) -> None:
    bench.build("", base="FROM python:3.2\n")
    assert "note: this machine has no Python 3.2; Python 3." in bench.log


def test_a_parse_error_shows_the_place(bench: Bench) -> None:
    assert (
        bench.fails("WORKDIR /app\nRUNN x\nCOPY . .\n") == "dockerfile parse error on line 3: unknown instruction: RUNN"
    )
    assert "   3 | >>> RUNN x\n   4 |     COPY . .\n" in bench.log
    assert bench.log.endswith("error: failed to solve: dockerfile parse error on line 3: unknown instruction: RUNN\n")


def test_a_failing_run_ends_the_build_as_buildkit_says_it(bench: Bench) -> None:
    reason = bench.fails("RUN echo started; exit 3\nRUN echo never\n")
    assert reason == 'process "/bin/sh -c echo started; exit 3" did not complete successfully: exit code: 3'
    assert "started\n--> ERROR: process" in bench.log
    assert "never" not in bench.log


@pytest.mark.parametrize(
    ("copy", "placed"),
    [
        ("COPY a.txt /x/", ["/x/a.txt"]),
        ("COPY a.txt /x/b.txt", ["/x/b.txt"]),
        ("COPY a.txt .", ["/app/a.txt"]),
        ("COPY a.txt sub", ["/app/sub"]),
        ("COPY src /x", ["/x/deep/two.py", "/x/one.py"]),
        ("COPY src/ src/", ["/app/src/deep/two.py", "/app/src/one.py"]),
        ("COPY src/*.py /x/", ["/x/one.py"]),
        ("COPY *.txt src /x/", ["/x/a.txt", "/x/b.txt", "/x/deep/two.py", "/x/link.txt", "/x/one.py"]),
        ('COPY ["with space", "/x/"]', ["/x/with space"]),
        ("COPY ../a.txt ./../../a.txt /x/", ["/x/a.txt"]),
        ("COPY a.txt /", ["/a.txt"]),
        ("ADD a.txt /x/", ["/x/a.txt"]),
        ("ENV D=src\nCOPY $D/one.py ${D}x/", ["/app/srcx/one.py"]),
        ("COPY <<EOF made.txt\nhello\nEOF", ["/app/made.txt"]),
        ("COPY link.txt /x/", ["/x/link.txt"]),
    ],
)
def test_where_copied_files_go(bench: Bench, copy: str, placed: list[str]) -> None:
    bench.write({"a.txt": "a", "b.txt": "b", "src/one.py": "1", "src/deep/two.py": "2", "with space": "s"})
    (bench.context / "link.txt").symlink_to("a.txt")
    bench.build(f"WORKDIR /app\n{copy}\n")
    assert list(bench.files()) == placed


def test_modes_are_kept_or_set(bench: Bench) -> None:
    bench.write({"run.sh": "#!/bin/sh\n", "plain.sh": "#!/bin/sh\n"})
    (bench.context / "run.sh").chmod(0o755)
    (bench.context / "plain.sh").chmod(0o644)
    bench.build(
        """\
        COPY run.sh /x/
        COPY --chmod=700 plain.sh /x/
        COPY --chmod=+x plain.sh /x/plus
        ADD --chmod=u=rwX,go=X plain.sh /x/equal
        ADD --chmod=0750 <<EOF /x/made
        EOF
        """
    )
    modes = {file.name: file.stat().st_mode & 0o777 for file in bench.built.glob("stage-0/root/x/*")}
    assert modes == {"run.sh": 0o755, "plain.sh": 0o700, "plus": 0o755, "equal": 0o600, "made": 0o750}
    assert "invalid chmod parameter: 'rwx'" in bench.fails("COPY --chmod=rwx run.sh /x/\n")


@pytest.mark.parametrize(
    ("mode", "wanted", "result"),
    [
        (0o644, "u+x", 0o744),
        (0o644, "+x", 0o755),
        (0o744, "a+X", 0o755),
        (0o644, "a+X", 0o644),
        (0o777, "go-wx", 0o744),
        (0o777, "u=rw,g=r,o=", 0o640),
        (0o600, "7", 0o7),
    ],
)
def test_modes_may_be_said_with_letters(mode: int, wanted: str, result: int) -> None:
    assert oct(changed_mode(mode, wanted)) == oct(result)


@pytest.mark.parametrize(
    ("instruction", "flag"),
    [
        ("RUN --network=none true", "--network=none"),
        ("RUN --network=host true", "--network=host"),
        ("RUN --security=insecure true", "--security=insecure"),
        ("RUN --device=gpu true", "--device=gpu"),
        ("COPY --parents app.py /x/", "--parents"),
        ("ADD --checksum=sha256:00 app.py /x/", "--checksum=sha256:00"),
    ],
)
def test_a_flag_that_cannot_be_done_fails_the_build(bench: Bench, instruction: str, flag: str) -> None:
    assert re.fullmatch(rf"{flag}: this runner .*; that needs a container engine", bench.fails(f"{instruction}\n"))


def test_flags_that_change_nothing_here_are_taken_or_skipped_with_a_note(bench: Bench) -> None:
    bench.build(
        "RUN --network=default --security=sandbox true\nCOPY --link --parents=false --chown=1000:1000 app.py /x/\n",
        base="FROM --platform=linux/arm64 python:3.11\n",
    )
    assert re.findall(r"note: (--.*)", bench.log) == [
        "--platform is skipped: the platform is this machine's own",
        "--chown is skipped: everything belongs to the user of this machine who started the Hub",
    ]
    assert list(bench.files()) == ["/x/app.py"]


def test_what_is_excluded_is_not_copied_and_changes_nothing(bench: Bench) -> None:
    bench.write({"src/a.py": "a", "src/a.log": "1", "src/deep/b.log": "2", "a.txt": "a", "b.txt": "b"})
    dockerfile = "COPY --exclude=*.log --exclude=**/b.log src /x/\nCOPY --exclude=b* *.txt /x/\nRUN echo built\n"
    bench.build(dockerfile)
    assert list(bench.files()) == ["/x/a.py", "/x/a.txt"]
    bench.build(dockerfile, {"src/deep/b.log": "other"})
    assert bench.log.count("CACHED") == 3


def test_add_unpacks_archives(bench: Bench) -> None:
    subprocess.run(["tar", "-czf", "all.tar.gz", "app.py"], cwd=bench.context, check=True)
    bench.build("ADD all.tar.gz /x/\nCOPY all.tar.gz /y/\n", {"b": ""})
    assert list(bench.files()) == ["/x/app.py", "/y/all.tar.gz"]
    assert "no addresses" in bench.fails("ADD https://example.org/x /x\n")


@pytest.mark.parametrize(
    ("copy", "missing"),
    [
        ("COPY requirements.txt .", "/requirements.txt"),
        ("COPY src/*.js /x/", "/src/*.js"),
        ("COPY App.py .", "/App.py"),
        ("COPY static/ ./static/ 2>/dev/null || true", "/static"),
        ("COPY secret.txt .", "/secret.txt"),
        ("COPY outside .", "/outside"),
        ("COPY --from=0 /nothing /x", "/nothing"),
    ],
)
def test_a_missing_source_fails_as_on_the_hub(bench: Bench, copy: str, missing: str) -> None:
    bench.write({"secret.txt": "", ".dockerignore": "secret.txt\n"})
    (bench.context / "outside").symlink_to("/etc/hostname")
    base = "FROM python:3.11\nRUN true\nFROM python:3.11\n" if "--from" in copy else "FROM python:3.11\n"
    assert bench.fails(copy, base=base) == f'failed to calculate checksum of ref {SHA[:12]}: "{missing}": not found'


def test_dockerignore_and_links_that_lead_out_are_left_out(bench: Bench) -> None:
    bench.write({".dockerignore": "**/*.log\n.git*\n!keep.log\n", "a/x.log": "", "keep.log": "", "a/y": ""})
    (bench.context / "a/inside").symlink_to("y")
    (bench.context / "a/escape").symlink_to("/etc")
    bench.build("COPY . /x/\n")
    root = bench.built / "stage-0/root/x"
    assert sorted(path.name for path in root.rglob("*")) == [
        *(".dockerignore", "Dockerfile", "a", "app.py", "inside", "keep.log", "y"),
    ]
    assert (root / "a/inside").readlink() == Path("y")


def test_commands_run_in_the_images_folders(either: Bench) -> None:
    bench = either
    bench.build(
        """\
        ENV HOME=/home/user DATA_DIR=/data/models PREFIX=/api
        WORKDIR $HOME/app
        RUN pwd > where.txt && echo $HOME >> where.txt && echo $DATA_DIR $PREFIX >> /home/user/app/where.txt
        RUN mkdir -p /data/models && echo x > "/data/models/a b" && cp '/data/models/a b' /opt/thing
        SHELL ["/bin/bash", "-c"]
        RUN [[ 1 == 1 ]] && echo bash > shell.txt
        RUN ["sh", "-c", "echo exec > exec.txt"]
        RUN <<EOF
        echo one > here.txt
        echo two >> here.txt
        EOF
        RUN python <<EOF
        open("/home/user/app/py.txt", "w").write("three")
        EOF
        """
    )
    root = "" if bench.confine else bench.built / "stage-0/root"
    app = "/home/user/app/"
    assert bench.files() == {
        "/data/models/a b": "x\n",
        f"{app}exec.txt": "exec\n",
        f"{app}here.txt": "one\ntwo\n",
        f"{app}py.txt": "three",
        f"{app}shell.txt": "bash\n",
        f"{app}where.txt": f"{root}/home/user/app\n{root}/home/user\n{root}/data/models /api\n",
        "/opt/thing": "x\n",
    }


@pytest.mark.parametrize("confine", [None, False])
@pytest.mark.parametrize("name", ["plain", "my data's folder $HOME"])
def test_a_data_folder_may_have_any_name(tmp_path: Path, name: str, confine: bool | None) -> None:
    bench = Bench(tmp_path / name, confine)
    wheel = make_wheel(bench.context)
    image = bench.build(
        f"""\
        WORKDIR /app
        COPY . .
        RUN pip install --no-index ./{wheel} && tiny > /app/said
        RUN cat '/app/said' "/app/said" && python -c 'open("/app/x", "w")'
        CMD cat /app/said && tiny
        """
    )
    assert bench.files()["/app/said"] == "tiny at work\n"
    assert bench.run(image) == (0, "tiny at work\ntiny at work\n")


def test_tmp_is_the_images_own(either: Bench) -> None:
    """What a RUN leaves there is there for the next one and for the app, and the machine's /tmp stays as it is."""
    bench, name = either, f"spaceops-{uuid.uuid4().hex}"
    image = bench.build(
        f"""\
        RUN mkdir /tmp/{name} && rm -rf /tmp/{name} && test ! -e /tmp/{name} && echo kept > /tmp/{name}.txt
        RUN python -c 'import tempfile as t; open("%s/{name}.py" % t.gettempdir(), "w")' && rm /tmp/{name}.py
        RUN rm -rf /var/lib/apt/lists/* /tmp/{name}.tx && test -e /tmp/{name}.txt && echo "$TMPDIR"
        CMD cat "${{TMPDIR:-/tmp}}/{name}.txt" && rm /tmp/{name}.txt
        """
    )
    assert bench.files() == {f"/tmp/{name}.txt": "kept\n"}
    assert ("\n\n" if bench.confine else f"{bench.built}/stage-0/root/tmp\n") in bench.log
    assert [bench.run(image), bench.run(image)] == [(0, "kept\n")] * 2, "each start has a fresh copy"
    assert not list(Path("/tmp").glob(f"{name}*"))


def test_apt_get_is_skipped_where_the_machine_has_it_and_fails_where_not(either: Bench) -> None:
    bench = either
    bench.build("RUN apt-get update && apt-get install -y --no-install-recommends git && rm -rf /var/lib/apt/lists/*\n")
    assert "note: apt-get update is skipped: the system is this machine's own\n" in bench.log
    assert "note: apt-get install git is skipped: this machine has it\n" in bench.log
    skipped = "note: rm -rf /var/lib/apt/lists/* is skipped: there is nothing to do here\n" in bench.log
    assert skipped is not bench.confine, "in a sandbox there is no harm in it"

    reason = bench.fails("RUN apt-get update && apt-get install -y nosuchpackage git\n")
    assert reason.endswith("did not complete successfully: exit code: 100")
    assert (
        "apt-get install nosuchpackage: this runner installs no system packages; install it on this machine"
        in bench.log
    )


def test_a_script_in_a_heredoc_is_looked_at_too(open_bench: Bench) -> None:
    reason = open_bench.fails("RUN <<EOF\nset -e\necho x > /etc/motd\nEOF\n")
    assert reason == "echo /etc/motd would change this machine's own system"


@pytest.mark.parametrize("command", ["apk add git", "sudo true", "conda install x", "dpkg -i x.deb"])
def test_what_would_change_the_machine_fails(bench: Bench, command: str) -> None:
    bench.fails(f"RUN {command}\n")
    assert f"note: {command.split()[0]} would change this machine itself; that needs a container engine" in bench.log


@pytest.mark.parametrize(
    ("text", "kept", "notes", "paths"),
    [
        ("pip install x", "pip install x", 0, ()),
        ("mkdir -p /data /app/logs", "mkdir -p /data /app/logs", 0, ("/data",)),
        ("rm -rf /var/lib/apt/lists/* && ls", ": && ls", 1, ()),
        ('rm -rf "/usr/share/doc" /app/x /var/cache/*', "rm -rf  /app/x ", 1, ()),
        ("rm -rf /app/x /tmp/y", "rm -rf /app/x /tmp/y", 0, ("/tmp",)),
        ("mkdir /var/cache/x && rm -r /var/cache/x", "mkdir /var/cache/x && rm -r /var/cache/x", 0, ("/var/cache",)),
        ("python -m venv /opt/venv", "python -m venv /opt/venv", 0, ("/opt/venv",)),
        ("cat /etc/os-release > /dev/null", "cat /etc/os-release > /dev/null", 0, ()),
        ("curl http://127.0.0.1/x | tar -C /models -x", "curl http://127.0.0.1/x | tar -C /models -x", 0, ("/models",)),
        ("A=1 B='x y' if [ -f /srv/a/b ]; then echo; fi", None, 0, ("/srv/a",)),
        ("mkdir -p /usr/src/app/x && chmod 1777 /var/tmp", None, 0, ("/usr/src/app", "/var/tmp")),
        ("sed -i s/a/b/ x && echo '; rm /etc/x'", None, 0, ()),
        ("echo $(cat /etc/hostname) # rm -rf /etc/x", None, 0, ()),
        ("sed s/a/b/ /etc/os-release > /app/x 2>&1", None, 0, ()),
        ("bash -lc 'mkdir /data && echo hi > /data/x'", None, 0, ("/data",)),
        ("(cd /etc && cat hosts 2>&1); (touch x); touch x", None, 0, ()),
        ("cd /usr/share && sh -c 'cd /app; touch x' && cd /app/y && touch x", None, 0, ()),
        ("cd /usr/src/app/x && touch x && cd .. && touch x && cd $X && touch y", None, 0, ("/usr/src/app",)),
    ],
)
def test_a_shell_text_is_read_command_by_command(
    text: str, kept: str | None, notes: int, paths: tuple[str, ...]
) -> None:
    script = adapt(text, lambda path: path.startswith("/app"))
    assert (script.text, len(script.notes), script.paths) == (kept or text, notes, paths)


@pytest.mark.parametrize(
    "text",
    [
        "rm -rf /usr/lib/x",
        "true && echo x > /etc/hosts",
        "echo x >>/etc/hosts",
        "if true; then cp a /etc/b; fi",
        "FOO=1 tee /usr/bin/x < y",
        "curl -LsSf https://example.org/install.sh | sh",
        "wget -qO- https://example.org/x | bash -s -- --yes",
        "ln -s /usr/bin/python3 /usr/bin/python",
        "mkdir -p /etc/nginx/conf.d",
        "curl -fsSL http://127.0.0.1/tool -o /usr/bin/tool",
        'bash -c "echo hi > /etc/x"',
        "/bin/sh -ec 'set -x; cd /app; touch /usr/lib/x'",
        "sh -c 'bash -c \"rm -rf /usr/share/doc\"'",
        "eval 'touch /etc/x'",
        "sh -c 'curl https://example.org/x | sh'",
        "cd /etc && touch x",
        "cd /etc && cd ssh && cat a > b",
        "cd /usr/lib && (cd python3 && rm -rf x)",
        "cd / && mkdir data",
        "cd /etc && sh -c 'touch x'",
        "sed -i s/a/b/ /etc/os-release",
    ],
)
def test_writing_into_the_machines_system_is_refused(text: str) -> None:
    with pytest.raises(Refused, match=r"would (change|install)"):
        adapt(text, lambda _path: False)


def test_pip_installs_into_the_environment_of_the_image(either: Bench) -> None:
    bench = either
    wheel = make_wheel(bench.context)
    image = bench.build(
        f"""\
        COPY {wheel} /w/
        RUN pip install --no-cache-dir --no-index --disable-pip-version-check /w/{wheel}
        RUN which python pip tiny && tiny && ls /usr/local/bin/tiny
        CMD ["tiny"]
        """
    )
    assert bench.run(image) == (0, "tiny at work\n")
    place = "/usr/local" if bench.confine else f"{bench.built}/stage-0/env"
    assert f"\n{place}/bin/tiny\n" in bench.log


@pytest.mark.parametrize("pip", ["pip", "pip3", "python -m pip", "python3 -m pip", "/usr/local/bin/python -m pip"])
def test_pip_may_be_called_in_many_ways(bench: Bench, pip: str) -> None:
    wheel = make_wheel(bench.context)
    bench.build(
        f"COPY {wheel} /w/\nRUN {pip} install --no-index /w/{wheel} && tiny && pip list && pip uninstall -y tiny\n"
    )
    assert "tiny at work\n" in bench.log
    assert re.search(r"tiny +1\.0\n", bench.log)
    assert "- tiny==1.0" in bench.log


def test_pip_works_on_the_venv_that_comes_first_on_the_path(either: Bench) -> None:
    """The commonest Dockerfile of two stages."""
    bench = either
    wheel = make_wheel(bench.context)
    image = bench.build(
        f"""\
        RUN python -m venv --without-pip /opt/venv
        ENV PATH="/opt/venv/bin:$PATH"
        COPY {wheel} /w/
        RUN pip install --no-cache-dir --no-index /w/{wheel}
        FROM python:3.11-slim
        COPY --from=build /opt/venv /opt/venv
        ENV PATH="/opt/venv/bin:$PATH"
        CMD ["tiny"]
        """,
        base="FROM python:3.11 AS build\n",
    )
    assert bench.run(image) == (0, "tiny at work\n")
    assert not list(bench.built.glob("stage-1/env/bin/tiny"))


def test_without_uv_environments_are_made_by_venv_and_filled_by_pip(tmp_path: Path) -> None:
    """An interpreter that has no uv beside it, and none on the PATH."""
    wheel = make_wheel(tmp_path / "context")
    program = f"""
from pathlib import Path
from tests.localhub.test_process_runner import Bench
from spaceops.localhub.runners.environments import find_uv
assert find_uv() is None
bench = Bench(Path({str(tmp_path)!r}))
run = "RUN pip install --no-cache-dir --no-index --user /w/{wheel}"
image = bench.build("COPY {wheel} /w/\\n" + run + "\\nCMD ~/.local/bin/tiny\\n")
print("Successfully installed tiny-1.0" in bench.log, bench.run(image))
"""
    here = Path(__file__).parents[2]
    base = Path(getattr(sys, "_base_executable", sys.executable))
    env = {
        "PATH": f"{base.parent}:/usr/bin:/bin",
        "HOME": str(tmp_path),
        "PYTHONPATH": ":".join([str(here), *sys.path]),
    }
    done = subprocess.run([base, "-c", program], env=env, capture_output=True, text=True, check=False)
    assert done.stdout == "True (0, 'tiny at work\\n')\n", done.stderr


def test_what_uv_cannot_install_pip_explains(bench: Bench) -> None:
    reason = bench.fails("RUN pip install --no-index no-such-distribution==1.0\n")
    assert reason.endswith("exit code: 1")
    assert "ERROR: No matching distribution found for no-such-distribution==1.0" in bench.log


def test_uv_is_there_only_for_who_brings_it(bench: Bench) -> None:
    wheel = make_wheel(bench.context)
    install = f"COPY {wheel} /w/\nRUN uv pip install --system --no-index /w/{wheel} && tiny\n"
    assert bench.fails(install).endswith("exit code: 127")
    bench.build("COPY --from=ghcr.io/astral-sh/uv:latest /uv /uvx /bin/\nENV UV_SYSTEM_PYTHON=1\n" + install)
    assert "note: uv is this machine's own\n" in bench.log
    assert "tiny at work\n" in bench.log
    bench.build(install, base="FROM ghcr.io/astral-sh/uv:python3.11-bookworm-slim\n")
    assert "tiny at work\n" in bench.log


@pytest.mark.parametrize(
    "dockerfile",
    [
        """\
        RUN python -m venv --without-pip /opt/venv
        ENV PATH=/opt/venv/bin:$PATH
        RUN echo 'print("tiny at work")' > /opt/venv/bin/tiny.py && \\
            printf '#!%s\\n' /opt/venv/bin/python | cat - /opt/venv/bin/tiny.py > /opt/venv/bin/tiny && \\
            chmod +x /opt/venv/bin/tiny
        FROM python:3.11-slim
        COPY --from=build /opt/venv /opt/venv
        ENV PATH=/opt/venv/bin:$PATH
        """,
        """\
        RUN pip install --user --no-index /w/tiny-1.0-py3-none-any.whl
        FROM python:3.11-slim
        RUN useradd -m -u 1000 user
        USER user
        COPY --from=build /root/.local /home/user/.local
        ENV PATH=/home/user/.local/bin:$PATH
        """,
        """\
        RUN pip install --prefix=/install --no-index /w/tiny-1.0-py3-none-any.whl
        FROM python:3.11-slim
        COPY --from=build /install /usr/local
        """,
        """\
        RUN pip install --no-index /w/tiny-1.0-py3-none-any.whl
        FROM build AS middle
        FROM middle
        """,
    ],
)
def test_several_stages(either: Bench, dockerfile: str) -> None:
    bench = either
    make_wheel(bench.context)
    base = "FROM python:3.11-slim AS build\nCOPY *.whl /w/\n"
    image = bench.build(dockerfile + '\nCMD ["tiny"]\n', base=base)
    assert bench.run(image) == (0, "tiny at work\n")
    assert len(list(bench.built.glob("stage-*"))) == 1


def test_a_stage_that_nothing_needs_is_not_built(bench: Bench) -> None:
    bench.build("FROM python:3.11\n", base="FROM node:22 AS frontend\nRUN npm ci\n")
    assert "node" not in bench.log


def test_copying_from_another_image_fails(bench: Bench) -> None:
    assert "needs a container engine" in bench.fails("COPY --from=nginx:latest /etc/nginx /etc/nginx\n")


def test_variables_are_build_arguments_and_secrets_are_not(bench: Bench) -> None:
    bench.variables, bench.secrets = {"MODEL": "m"}, {"KEY": "geheim"}
    bench.build('ARG MODEL\nARG KEY\nENV NAME=$MODEL\nRUN echo "[$NAME] [$MODEL] [$KEY]"\n')
    assert "[m] [m] []\n" in bench.log


def test_a_secret_is_a_file_for_one_run_only(either: Bench) -> None:
    bench = either
    bench.secrets = {"TOKEN": "geheim"}
    bench.build(
        """\
        RUN --mount=type=secret,id=TOKEN,mode=0444,required=true \\
            cat /run/secrets/TOKEN | wc -c && ls -l /run/secrets/TOKEN
        RUN --mount=type=secret,id=TOKEN,target=/etc/token --mount=type=secret,id=NONE wc -c < /etc/token
        RUN --mount=type=secret,id=TOKEN,env=T echo "${#T} letters"
        RUN cat /run/secrets/TOKEN || echo gone
        """
    )
    assert bench.log.count("\n6\n") == 2
    assert "-rw-------" in bench.log
    assert "6 letters\n" in bench.log
    assert "gone\n" in bench.log
    left = subprocess.run(["grep", "-rl", "geheim", str(bench.folder)], capture_output=True, text=True, check=False)
    assert left.stdout == "", "no file of the build, the cache or the log holds it"
    assert bench.fails("RUN --mount=type=secret,id=MISSING,required=true true\n") == "secret MISSING: not found"


def test_bound_files_are_there_for_one_run_only(bench: Bench) -> None:
    dockerfile = """\
        WORKDIR /app
        RUN --mount=type=bind,source=app.py,target=bound.py --mount=target=/ctx --mount=type=cache,target=/root/.x \\
            cat bound.py /ctx/app.py && touch made
        """
    bench.build(dockerfile)
    assert bench.log.count("print('app')\n") == 2
    assert list(bench.files()) == ["/app/made"]
    bench.build(dockerfile)
    assert "CACHED" in bench.log
    bench.build(dockerfile, {"app.py": "print('changed')\n"})
    assert bench.log.count("print('changed')\n") == 2


def test_only_what_changed_is_built_again(either: Bench) -> None:
    bench = either
    wheel = make_wheel(bench.context)
    dockerfile = f"""\
        COPY {wheel} /w/
        RUN pip install --no-index /w/{wheel} && echo "installing"
        WORKDIR /app
        COPY . .
        CMD ["sh", "-c", "tiny && cat app.py"]
        """
    image = bench.build(dockerfile)
    assert "installing\n" in bench.log
    assert bench.run(image) == (0, "tiny at work\nprint('app')\n")

    image = bench.build(dockerfile, {"app.py": "print('new')\n"})
    assert "installing" not in bench.log.replace('echo "installing"', "")
    assert "CACHED" in bench.log
    assert bench.run(image) == (0, "tiny at work\nprint('new')\n")
    script = (bench.built / "stage-0/env/bin/tiny").read_text()
    assert ("/usr/local/bin/python" if bench.confine else f"{bench.built}/stage-0/env/bin/python") in script
    assert "-1/stage-0" not in script

    bench.build(dockerfile.replace("RUN pip", "RUN echo more; pip"))
    assert "installing\n" in bench.log


def test_a_changed_image_does_not_change_the_cache(bench: Bench) -> None:
    dockerfile = "WORKDIR /app\nRUN echo cached > file.txt\nCOPY app.py .\n"
    bench.build(dockerfile)
    (bench.built / "stage-0/root/app/file.txt").write_text("spoilt")
    bench.build(dockerfile, {"app.py": "2"})
    assert bench.files()["/app/file.txt"] == "cached\n"


def test_a_cancelled_build_leaves_no_process_and_no_file(either: Bench) -> None:
    bench = either

    async def scenario() -> None:
        bench.write({"Dockerfile": "FROM python:3.11\nRUN setsid sleep 600 & sleep 600\n"})
        build = asyncio.ensure_future(bench._build())
        await eventually(lambda: len(processes_in(bench.folder)) >= (2 if bench.confine else 3))
        build.cancel()
        await asyncio.wait([build])
        assert build.cancelled()

    asyncio.run(scenario())
    assert processes_in(bench.folder) == []
    assert not bench.built.exists()
    assert list((bench.folder / "envs").glob("*")) == []


def test_a_build_sees_nothing_of_the_users_environment(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_TOKEN", "hf_of_the_user")
    bench.build("RUN env\n")
    assert "hf_of_the_user" not in bench.log


SHOW = "import os, sys; print(*sys.argv[1:], os.environ.get('PORT'), os.environ.get('HOST'))"


@pytest.mark.parametrize(
    ("dockerfile", "said"),
    [
        ('CMD ["python", "show.py", "--port", "7860", "0.0.0.0:7860"]', "--port 4321 127.0.0.1:4321 4321 127.0.0.1"),
        ("CMD python show.py $PORT 78601 17860 x7860 10.0.0.0", "4321 78601 17860 x7860 10.0.0.0 4321 127.0.0.1"),
        ('ENTRYPOINT ["python", "show.py"]\nCMD ["a", "b"]', "a b 4321 127.0.0.1"),
        ('CMD ["ignored"]\nENTRYPOINT ["python", "show.py"]', "4321 127.0.0.1"),
        ("ENTRYPOINT exec python show.py shell\nCMD ignored", "shell 4321 127.0.0.1"),
        ('SHELL ["/bin/bash", "-c"]\nCMD [[ 1 == 1 ]] && python show.py bash', "bash 4321 127.0.0.1"),
        ('CMD ["python", "/app/show.py", "/app/data", "/apple"]', "ROOT/app/data /apple 4321 127.0.0.1"),
    ],
)
def test_what_is_started(either: Bench, dockerfile: str, said: str) -> None:
    bench = either
    image = bench.build(f"ENV PORT=7860 HOST=0.0.0.0\nWORKDIR /app\nCOPY show.py .\n{dockerfile}\n", {"show.py": SHOW})
    code, out = bench.run(image)
    root = "" if bench.confine else "ROOT"
    assert (code, re.sub(rf"{bench.folder}/run/\w+/root", "ROOT", out)) == (0, said.replace("ROOT", root) + "\n")


@pytest.mark.parametrize("name", ["plain", "my data's folder"])
@pytest.mark.parametrize("start", ['ENTRYPOINT ["/run.sh"]', 'CMD ["sh", "/scripts/start.sh"]', "CMD bash run"])
def test_scripts_that_start_the_app_find_the_images_paths(tmp_path: Path, name: str, start: str) -> None:
    bench = Bench(tmp_path / name, confine=False)
    text = "# it's here\ncat '/app/said' \"/app/said\"\nexec python /app/show.py /apple http://x/app\n"
    bench.write({"run.sh": f"#!/bin/bash\n{text}", "start.sh": text, "run": f"#!/usr/bin/env bash\n{text}"})
    bench.write({"said": "said\n", "show.py": SHOW, "routes.py": "#!/usr/bin/env python\nroute = '/app'\n"})
    (bench.context / "run.sh").chmod(0o555)
    image = bench.build(f"WORKDIR /app\nCOPY . .\nCOPY run.sh /\nCOPY start.sh /scripts/\n{start}\n")

    assert bench.run(image) == (0, "said\nsaid\n/apple http://x/app None None\n")
    changed = ["/app/run", "/app/run.sh", "/app/start.sh", "/run.sh", "/scripts/start.sh"]
    assert re.findall(r"note: in (/.*), the image's own paths become the places", bench.log) == changed
    assert bench.files()["/run.sh"] == f"#!/bin/bash\n{text}", "the image keeps them as they were written"


@pytest.mark.parametrize("cmd", ['["./go.sh"]', '["sh", "/app/go.sh"]', "exec ./go.sh 7860", '["bash", "go"]'])
def test_a_script_that_starts_the_app_gets_its_port(either: Bench, cmd: str) -> None:
    text = "#!/bin/sh\necho --port 7860 --host=0.0.0.0 ${PORT:-7860} 17860 $1\n"
    image = either.build(
        f"WORKDIR /app\nCOPY --chmod=755 go.sh go other.sh ./\nCMD {cmd}\n",
        {"go.sh": text, "go": text, "other.sh": text},
    )
    given = " 4321" if "7860" in cmd else ""
    assert either.run(image) == (0, f"--port 4321 --host=127.0.0.1 4321 17860{given}\n")
    assert set(either.files().values()) == {text}, "the image keeps them as they were written"


WRITER = """
import pathlib, sys
try:
    pathlib.Path("/opt/venv/note").write_text("x")
except OSError as error:
    print(error.strerror)
print(sys.prefix, [p.name for p in pathlib.Path(sys.prefix).glob("n*")])
"""


@pytest.mark.parametrize(
    ("owner", "said"), [("", "Read-only file system\n/opt/venv []\n"), ("--chown=user", "/opt/venv ['note']\n")]
)
def test_an_environment_that_was_copied_for_root_cannot_be_changed_by_the_user(
    bench: Bench, owner: str, said: str
) -> None:
    """Which spares each start a copy of it; one that is the user's is copied."""
    if not find_sandbox()[0]:
        pytest.skip("there is no sandbox")
    dockerfile = f"""\
        FROM python:3.11-slim
        RUN useradd -m -u 1000 user
        COPY --from=build {owner} /opt/venv /opt/venv
        USER user
        WORKDIR /app
        COPY app.py .
        CMD ["/opt/venv/bin/python", "app.py"]
        """
    base = "FROM python:3.11-slim AS build\nRUN python -m venv --without-pip /opt/venv\n"

    for _ in range(2):
        image = bench.build(dockerfile, {"app.py": WRITER}, base=base)
        assert bench.run(image) == (0, said)


def test_a_folder_of_another_stage_keeps_links_and_modes_under_its_new_name(either: Bench) -> None:
    bench = either
    bench.build(
        """\
        FROM python:3.11-slim
        COPY --from=build /srv/tools /app/kit
        COPY --from=build /srv/tools /app/kit
        """,
        base="FROM python:3.11-slim AS build\n"
        "RUN mkdir -p /srv/tools && cd /srv/tools && echo 1 > one && chmod 750 one && ln -s one two\n",
    )
    kit = bench.built / "stage-1/root/app/kit"

    assert ["one", "two"] == sorted(file.name for file in kit.iterdir())
    assert (0o750, "one") == ((kit / "one").stat().st_mode & 0o777, str((kit / "two").readlink()))


def test_a_script_that_a_run_writes_moves_along_with_the_app(either: Bench) -> None:
    """Its paths were translated when the RUN wrote them; below /tmp they would be translated twice."""
    bench = either
    image = bench.build(
        """\
        WORKDIR /app
        COPY app.py .
        RUN touch /tmp/x && printf "#!/bin/sh\\nexec python /app/app.py\\n" > start.sh && chmod +x start.sh
        CMD ["./start.sh"]
        """
    )

    assert bench.run(image) == (0, "app\n")


SOCKETS = """
import os, pathlib, socket, tempfile
for folder in (pathlib.Path.home() / ".gunicorn", pathlib.Path(tempfile.mkdtemp(prefix="pymp-"))):
    folder.mkdir(exist_ok=True)
    socket.socket(socket.AF_UNIX).bind(str(folder / "gunicorn.ctl"))
print("bound")
"""


def test_an_app_finds_short_paths_for_its_sockets() -> None:
    """They may have 107 bytes in all; a data folder in somebody's home has some 40."""
    with tempfile.TemporaryDirectory() as short:
        bench = Bench(Path(short, "x" * (40 - len(short))), confine=False)
        image = bench.build(
            'RUN useradd -m -u 1000 user\nUSER user\nWORKDIR /home/user/app\nCOPY . .\nCMD ["python", "app.py"]\n',
            {"app.py": SOCKETS},
        )
        assert bench.run(image) == (0, "bound\n")
        assert list((bench.folder / "run").iterdir()) == [], "what it was started in is gone"


def test_what_apps_left_is_removed_when_the_server_starts(tmp_path: Path) -> None:
    (tmp_path / "run/0a1b2c3d/root").mkdir(parents=True)
    ProcessRunner(tmp_path / "envs").tidy()
    assert [folder.name for folder in tmp_path.iterdir()] == ["envs"]


def test_a_variable_of_the_space_wins_over_env_and_follows_the_port(bench: Bench) -> None:
    image = bench.build('ENV PORT=1 HOST=a\nCOPY show.py /\nCMD ["python", "/show.py"]\n', {"show.py": SHOW})
    assert bench.run(image, PORT="7860", HOST="b") == (0, "4321 b\n")


@pytest.mark.parametrize(
    ("cmd", "code", "said"),
    [
        ('CMD ["uvicorn", "main:app"]', 127, 'exec: "uvicorn": executable file not found in $PATH\n'),
        ('CMD ["./app.py"]', 126, 'exec: "./app.py": permission denied\n'),
        ("", 0, ""),
    ],
)
def test_what_cannot_be_started_fails_as_in_a_container(either: Bench, cmd: str, code: int, said: str) -> None:
    assert either.run(either.build(f"COPY app.py .\n{cmd}\n")) == (code, said)


def test_the_tutorials_dockerfile_with_light_requirements(either: Bench) -> None:
    """The one test that needs packages from an index (or the cache of an earlier run)."""
    bench = either
    tutorial = """\
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
    files = {
        "requirements.txt": "fastapi\nuvicorn\n",
        "main.py": "import os, signal, threading\nfrom fastapi import FastAPI\napp = FastAPI()\n"
        "threading.Timer(1, os.kill, [os.getpid(), signal.SIGTERM]).start()\n",
    }
    image = bench.build(tutorial, files, base="FROM python:3.9\n")
    bench.port = free_port()
    code, out = bench.run(image)
    assert f"Uvicorn running on http://127.0.0.1:{bench.port}" in out
    assert code == 143

    bench.build(tutorial, {"main.py": "changed"}, base="FROM python:3.9\n")
    assert re.search(r"--> RUN pip [^\n]*\nCACHED\n", bench.log)


def test_an_image_that_is_not_intact_is_none(bench: Bench) -> None:
    image = bench.build("")
    assert Image.load(bench.built) == image
    (bench.built / "stage-0/env/bin/python").unlink()
    assert Image.load(bench.built) is None
    assert Image.load(bench.folder) is None
