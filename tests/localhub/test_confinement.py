"""Hostile builds and apps: what they reach, and what ends them. In a sandbox, and without one."""

from __future__ import annotations

import asyncio
import io
import os
import signal
import subprocess
import sys
import tarfile
from contextlib import closing
from pathlib import Path

import pytest

from spaceops.localhub.clock import Clock
from spaceops.localhub.logbook import Logbook
from spaceops.localhub.runners import BuildFailed, Image, Mount, Source
from spaceops.localhub.runners.child import Child, Order
from spaceops.localhub.runners.isolation import has_landlock
from spaceops.localhub.runners.ports import free_port, listening
from spaceops.localhub.runners.process import App, ProcessRunner
from spaceops.localhub.runners.sandbox import find_sandbox
from tests.localhub.test_process_runner import SHA, Bench, new_bench
from tests.localhub.workshop import eventually, processes_in

THERE_IS_A_SANDBOX = find_sandbox()[0] is not None
needs_sandbox = pytest.mark.skipif(not THERE_IS_A_SANDBOX, reason="there is no sandbox")
needs_landlock = pytest.mark.skipif(not has_landlock(), reason="the kernel has no Landlock")


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    """In a sandbox."""
    return new_bench(tmp_path / "data", confine=True)


@pytest.fixture(params=["sandbox", "open"])
def either(tmp_path: Path, request: pytest.FixtureRequest) -> Bench:
    """In a sandbox, and without one."""
    if request.param == "sandbox" and not THERE_IS_A_SANDBOX:
        pytest.skip("there is no sandbox")
    return new_bench(tmp_path / "data", confine=request.param == "sandbox")


def show(bench: Bench, commands: str) -> dict[str, str]:
    """The output of each line of shell, in an app of an otherwise empty image."""
    lines = commands.strip().splitlines()
    text = "\n".join(f"echo '@@{number}'\n({line.strip()}) 2>&1" for number, line in enumerate(lines))
    image = bench.build('COPY go.sh /\nCMD ["sh", "/go.sh"]\n', {"go.sh": text})
    _, out = bench.run(image)
    parts = [part.partition("\n") for part in out.split("@@")[1:]]
    return {head.strip(): body.strip() for head, _, body in parts}


# what an app in a sandbox finds


@needs_sandbox
def test_an_app_has_no_rights_and_sees_no_other_process(bench: Bench) -> None:
    found = show(
        bench,
        """
        id -u
        grep -E '^(Cap...|NoNewPrivs)' /proc/self/status | cut -f 2 | sort | uniq -c | tr -s ' '
        ls /proc | grep -c '^[0-9]'
        ulimit -c
        cat /proc/1/environ | tr '\\0' '\\n' | cut -d = -f 1
        """,
    )
    values = list(found.values())
    assert values[:2] == ["1000", "5 0000000000000000\n 1 1"]
    assert int(values[2]) < 12
    assert values[3] == "0"
    assert set(values[4].split()) <= {"PATH", "LANG", "LC_ALL", "LD_LIBRARY_PATH", "PWD"}


@needs_sandbox
def test_an_app_cannot_change_the_machine(bench: Bench) -> None:
    """As root, too, to whom the kernel's own files belong inside as well."""
    found = show(
        bench,
        """
        touch /usr/bin/x
        touch /etc/ssl/x
        touch /usr/local/lib/x
        test -e /proc/sys/kernel && echo x > /proc/sys/kernel/core_pattern
        mount -t tmpfs none /mnt
        unshare --user true
        mknod /tmp/disk b 8 0
        ls /dev/vda /dev/sda /dev/kmsg
        """,
    )
    assert all(word for word in found.values()), found
    assert [line for line in found.values() if "Read-only" in line] == list(found.values())[:4]


@needs_sandbox
def test_an_app_reads_nothing_of_the_user_and_of_the_hub(bench: Bench, tmp_path: Path) -> None:
    """Whatever lies in the data folder, beside it, and in the user's home and projects."""
    (tmp_path / "beside").write_text("secret")
    (bench.folder / "vault.key").write_text("secret")
    places = [
        tmp_path / "beside",
        bench.folder / "vault.key",
        Path(__file__),
        Path("/etc/shadow"),
        Path.home() / ".ssh",
    ]
    found = show(bench, "\n".join(f"ls -d {place} {place.parent}/*" for place in places))
    for place, said in zip(places, found.values(), strict=True):
        assert f"'{place}': No such file or directory" in said
    assert Path(__file__).parent.name not in found.popitem()[1]


@needs_sandbox
def test_the_images_paths_are_what_they_are(bench: Bench) -> None:
    image = bench.build(
        """\
        RUN useradd -m -u 1000 user
        USER user
        WORKDIR /home/user/app
        COPY app.py .
        RUN python -c 'open("/home/user/app/made", "w").write("made")' && sh -c 'mkdir /models && echo m > /models/m'
        RUN mkdir -p /usr/src/app /usr/app && echo s > /usr/src/app/s && echo u > /usr/app/u && echo t > /tmp/t
        CMD pwd && whoami && echo ~ && cat made /models/m /usr/src/app/s /usr/app/u /tmp/t && which python env
        """
    )
    said = "/home/user/app\nuser\n/home/user\nmadem\ns\nu\nt\n/usr/local/bin/python\n/usr/bin/env\n"
    assert bench.run(image) == (0, said)
    assert "absolute paths" not in bench.log
    assert "is skipped: everything runs" not in bench.log.replace("useradd is skipped: everything runs", "")


@needs_sandbox
def test_files_of_an_image_join_those_of_the_system(bench: Bench) -> None:
    image = bench.build(
        """\
        COPY app.py /usr/share/mine/app.py
        COPY app.py /etc/ssl/mine.cnf
        COPY --chmod=755 <<EOF /usr/bin/mine
        #!/bin/sh
        echo mine
        EOF
        RUN ls /usr/share/mine /etc/ssl/mine.cnf && mine && echo x > /usr/share/mine/more
        CMD mine && cat /usr/share/mine/* /etc/ssl/mine.cnf && ls -d /usr/share/zoneinfo /etc/ssl/certs && env true
        """
    )
    assert bench.run(image) == (0, "mine\nprint('app')\nx\nprint('app')\n/etc/ssl/certs\n/usr/share/zoneinfo\n")


@needs_sandbox
def test_a_build_in_a_sandbox_may_do_what_it_likes(bench: Bench) -> None:
    """What is refused where nothing is isolated."""
    bench.build("RUN cd / && mkdir data && rm -rf /var/lib/x /usr/share/doc || echo x > /etc/motd\nRUN cat /etc/motd\n")
    assert "Read-only file system" in bench.log
    assert "\nx\n" in bench.log


# volumes


def start(bench: Bench, image: Image, mounts: list[Mount]) -> tuple[int, str]:
    async def scenario() -> tuple[int, str]:
        out: list[bytes] = []
        runner = ProcessRunner(bench.folder / "envs", confine=bench.confine)
        app = await runner.start(image, bench.built, port=1, settings={}, feed=out.append, mounts=mounts)
        try:
            return await app.wait(), b"".join(out).decode()
        finally:
            await app.stop()

    return asyncio.run(scenario())


def test_volumes_are_where_they_are_mounted(either: Bench, tmp_path: Path) -> None:
    state, model = tmp_path / "state", tmp_path / "model"
    for folder in (state, model):
        folder.mkdir()
        (folder / "file").write_text(f"{folder.name}\n")
    image = either.build(
        """\
        RUN mkdir -p /data/hidden
        CMD ls /data && cat /data/file /app/model/file && echo new > /data/new; echo x > /app/model/file || echo denied
        """
    )
    code, out = start(
        either, image, [Mount(state, "/data", read_only=False), Mount(model, "/app/model", read_only=True)]
    )
    assert code == 0, out
    assert "\nfile\nstate\nmodel\n" in f"\n{out}"
    assert (state / "new").read_text() == "new\n", "it is kept"
    if either.confine:  # where there is only Landlock, everybody may write in /tmp, where these lie
        assert out.endswith("denied\n")
        assert (model / "file").read_text() == "model\n"
    assert sorted(path.name for path in state.iterdir()) == ["file", "new"], "also after the app's files were removed"


# images that try to lead the server itself astray


@pytest.fixture
def victim(tmp_path: Path) -> Path:
    """A folder of the user with a file in it."""
    folder = tmp_path / "victim"
    folder.mkdir()
    (folder / "secret").write_text("geheim")
    return folder


LEADS_OUT = """\
FROM python:3.11 AS bad
RUN ln -s {victim} /out && ln -s {victim}/secret /file && ln -s {up}{victim}/secret /up && touch /plain
"""


@needs_sandbox
@pytest.mark.parametrize(
    "instructions",
    [
        "COPY --from=bad /out/secret /x/",
        "COPY --from=bad /file /x/secret",
        "COPY --from=bad /up /x/secret",
        "COPY --from=bad /out /x",
        "COPY --from=bad /fil* /x/",
        "COPY --from=bad /o*/secret /x/",
        "FROM bad\nCOPY app.py /out/secret",
        "FROM bad\nCOPY app.py /out/",
        "FROM bad\nCOPY <<EOF /out/secret\nx\nEOF",
        "FROM bad\nCOPY <<EOF /file\nx\nEOF",
        "FROM bad\nCOPY app.py /up",
        "FROM bad\nWORKDIR /out/made",
        "FROM bad\nVOLUME /out/made",
        "FROM bad\nENV HOME=/out/made\nRUN true",
        "FROM bad\nRUN --mount=type=bind,source=app.py,target=/out/bound true",
        "FROM bad\nRUN --mount=type=cache,target=/out/cache true",
        "FROM bad\nADD all.tar /out/",
    ],
)
def test_symlinks_of_an_image_lead_the_server_nowhere(bench: Bench, victim: Path, instructions: str) -> None:
    follow(bench, victim, instructions)


def test_without_a_sandbox_neither(tmp_path: Path, victim: Path) -> None:
    bench = new_bench(tmp_path / "data", confine=False)
    follow(bench, victim, "COPY --from=bad /file /x/secret")
    follow(bench, victim, "COPY --from=bad /o* /x/\nCOPY --from=bad /plain /x/plain")
    follow(bench, victim, "FROM bad\nCOPY app.py /up\nCOPY app.py /out/\nWORKDIR /out/made\nRUN true")


def follow(bench: Bench, victim: Path, instructions: str) -> None:
    """Build upon an image with symlinks to the victim: nothing is read there, and nothing changed."""
    subprocess.run(["tar", "-cf", "all.tar", "app.py"], cwd=bench.context, check=True)
    base = LEADS_OUT.format(victim=victim, up="../" * 11 + "..")
    last = instructions if instructions.startswith("FROM") else f"FROM bad\n{instructions}"
    try:
        bench.build(f"{last}\n", base=base)
    except BuildFailed as failed:
        assert str(victim) not in failed.reason
    held = [file for file in bench.folder.rglob("*") if file.is_file() and not file.is_symlink()]
    assert not [file for file in held if b"geheim" in file.read_bytes()]
    assert [path.name for path in victim.iterdir()] == ["secret"]
    assert (victim / "secret").read_text() == "geheim"


@pytest.mark.parametrize("name", ["Dockerfile", ".dockerignore", "secret.txt", "folder"])
def test_symlinks_of_a_commit_that_lead_out_are_not_there(either: Bench, victim: Path, name: str) -> None:
    either.write({"Dockerfile": "FROM python:3.11\nCOPY *.txt folder* /x/\n", "a.txt": "a"})
    (either.context / name).unlink(missing_ok=True)
    (either.context / name).symlink_to(victim if name == "folder" else victim / "secret")
    try:
        asyncio.run(either._build())
    except BuildFailed as failed:
        assert name == "Dockerfile" or "folder" in failed.reason
    assert "geheim" not in either.log
    assert not any("geheim" in text for text in (either.files().values() if either.built.exists() else []))


@needs_sandbox
@pytest.mark.parametrize("place", ["/etc", "/etc/hosts", "/usr", "/usr/local", "/sys", "/proc", "/dev", "/tmp", "/bin"])
def test_a_symlink_in_place_of_the_system_is_removed(bench: Bench, victim: Path, place: str) -> None:
    """A RUN may do that, as it is root in its image; the server comes by before the next command."""
    bench.build(f"RUN ln -s {victim} /new; mv {place} /old; mv -T /new {place} || true\nRUN true\n")
    assert [path.name for path in victim.iterdir()] == ["secret"]
    assert (victim / "secret").read_text() == "geheim"


@needs_sandbox
def test_a_symlink_in_place_of_a_volume_is_removed(bench: Bench, victim: Path, tmp_path: Path) -> None:
    (tmp_path / "state").mkdir()
    image = bench.build(f"RUN ln -s {victim} /data\nCMD touch /data/x /data/y/x\n")
    mounts = [Mount(tmp_path / "state", path, read_only=False) for path in ("/data", "/data/y", "/data/z/authorized")]
    start(bench, image, mounts)
    assert [path.name for path in victim.iterdir()] == ["secret"]
    assert (tmp_path / "state/x").exists()


@needs_sandbox
def test_an_interpreter_that_a_run_names_is_not_shown_to_it(bench: Bench, victim: Path) -> None:
    """The folder of the environment's interpreter is, and the environment says which one that is."""
    (victim / "bin").mkdir()
    (victim / "lib/python3.11").mkdir(parents=True)
    (victim / "bin/python").write_text("#!/bin/sh\n")
    bench.build(
        f"RUN ln -sf {victim}/bin/python /usr/local/bin/python && sed -i 's:^home.*:home = {victim}/bin:' "
        f"/usr/local/pyvenv.cfg\nRUN ls {victim} || echo nothing\n"
    )
    assert "nothing\n" in bench.log


# archives


def archive(file: Path, *members: tuple[str, bytes, str, str]) -> None:
    """A tar archive of (name, type, target of a link, content)."""
    with tarfile.open(file, "w:gz") as tar:
        for name, kind, target, content in members:
            info = tarfile.TarInfo(name)
            info.type, info.linkname, info.size = kind, target, len(content)
            info.devmajor, info.devminor = 1, 3
            tar.addfile(info, io.BytesIO(content.encode()))


@pytest.mark.parametrize(
    "members",
    [
        [("../../../../../../../../../../victim/x", tarfile.REGTYPE, "", "x")],
        [("VICTIM/x", tarfile.REGTYPE, "", "x")],
        [("link", tarfile.SYMTYPE, "VICTIM", ""), ("link/x", tarfile.REGTYPE, "", "x")],
        [("link", tarfile.SYMTYPE, "../../../../../victim", ""), ("link/x", tarfile.REGTYPE, "", "x")],
        [("hard", tarfile.LNKTYPE, "VICTIM/secret", ""), ("hard", tarfile.REGTYPE, "", "x")],
        [("device", tarfile.CHRTYPE, "", "")],
    ],
)
def test_archives_reach_nothing_outside(
    either: Bench, victim: Path, members: list[tuple[str, bytes, str, str]]
) -> None:
    said = [
        (name.replace("VICTIM", str(victim)), kind, to.replace("VICTIM", str(victim)), x)
        for name, kind, to, x in members
    ]
    archive(either.context / "bad.tar.gz", *said)
    try:
        either.build("ADD bad.tar.gz /x/\n")
    except BuildFailed as failed:
        assert failed.reason == "ADD bad.tar.gz: tar did not complete successfully: exit code: 2"
    assert [path.name for path in victim.iterdir()] == ["secret"]
    assert (victim / "secret").read_text() == "geheim"
    assert not [file for file in either.folder.rglob("*") if file.is_char_device()]


def test_what_only_looks_like_an_archive_is_copied(either: Bench) -> None:
    """Also a header that promises more memory than there is: nobody reads on."""
    (either.context / "a.gz").write_bytes(b"\x1f\x8b\x08 no gzip")
    (either.context / "b.xz").write_bytes(b"\xfd7zXZ\x00" + bytes(100))
    (either.context / "c.bz2").write_bytes(b"BZh9")
    (either.context / "d").write_bytes(bytes(1024))
    either.build("ADD a.gz b.xz c.bz2 d /x/\n")
    assert list(either.files()) == ["/x/a.gz", "/x/b.xz", "/x/c.bz2", "/x/d"]


# the server's own programs


def test_what_an_image_sets_is_set_for_its_own_commands_only(either: Bench) -> None:
    """A library that ENV preloads, or a PATH, or a secret, comes to no process outside of the image."""
    image = either.build(
        "ENV LD_PRELOAD=/nowhere/evil.so PATH=/evil:$PATH PYTHONPATH=/evil\nRUN sleep 0\nCMD exec sleep 600\n"
    )

    async def scenario() -> dict[str, str]:
        runner = ProcessRunner(either.folder / "envs", confine=either.confine)
        app = await runner.start(image, either.built, port=1, settings={"KEY": "geheim"}, feed=lambda _data: None)
        try:
            await eventually(lambda: any("sleep" in line for line in told(app, "cmdline").values()))
            assert not [line for line in told(app, "cmdline").values() if "geheim" in line]
            return told(app, "environ")
        finally:
            await app.stop()

    found = asyncio.run(scenario())
    ours = [name for name, environ in found.items() if "evil" in environ or "geheim" in environ]
    assert len(ours) == 1, "the app's own"
    assert len(found) > 1


def told(app: App, file: str) -> dict[str, str]:
    """What /proc tells about the warden, the sandbox and the app."""
    processes = [app.pid, *descendants(app.pid)]
    return {str(pid): Path(f"/proc/{pid}/{file}").read_bytes().decode(errors="replace") for pid in processes}


def descendants(pid: int) -> list[int]:
    children = [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]
    return [*children, *(below for child in children for below in descendants(child))]


@needs_landlock
@pytest.mark.skipif(Path(__file__).is_relative_to("/tmp"), reason="there everybody may read and write")
def test_without_a_sandbox_files_are_kept_away_nevertheless(tmp_path: Path, victim: Path) -> None:
    """In /tmp, where everybody writes, they are not: these lie elsewhere."""
    bench = new_bench(tmp_path / "data", confine=False)
    found = show(
        bench,
        f"""
        cat {__file__}
        touch {Path(__file__).with_name("written-by-a-test")}
        cat /etc/shadow
        echo own > own && cat own
        cat /etc/hosts > /dev/null && python -c 'import ssl' && echo works
        """,
    )
    values = list(found.values())
    assert [value.endswith("Permission denied") for value in values] == [True, True, True, False, False]
    assert values[3:] == ["own", "works"]
    assert "note: no container" in bench.log


@pytest.mark.skipif(os.geteuid() != 0, reason="only root has what is given up")
def test_without_a_sandbox_root_gives_up_its_rights(tmp_path: Path) -> None:
    bench = new_bench(tmp_path / "data", confine=False)
    found = show(
        bench, "grep -E '^(CapPrm|CapEff|CapBnd|NoNewPrivs)' /proc/self/status | cut -f 2 | uniq -c | tr -s ' '"
    )
    assert list(found.values()) == ["3 0000000000000000\n 1 1"]


# what ends


@needs_sandbox
@pytest.mark.parametrize("killed", ["warden", "sandbox"])
def test_nothing_outlives_the_warden_or_the_sandbox(bench: Bench, killed: str) -> None:
    image = bench.build("CMD setsid sleep 600 & setsid setsid sleep 600 & exec sleep 600\n")

    async def scenario() -> None:
        app = await ProcessRunner(bench.folder / "envs").start(
            image, bench.built, port=1, settings={}, feed=lambda _data: None
        )
        await eventually(lambda: len(processes_in(bench.folder)) >= 6)
        os.kill(app.pid if killed == "warden" else descendants(app.pid)[0], signal.SIGKILL)
        await app.wait()
        await eventually(lambda: not processes_in(bench.folder))
        await app.stop()

    asyncio.run(scenario())


@needs_sandbox
def test_an_app_in_a_sandbox_is_asked_to_stop_and_its_exit_code_is_known(bench: Bench) -> None:
    polite = "trap 'echo bye; exit 9' TERM; echo up; while true; do sleep 0.1; done"
    image = bench.build(f'CMD ["sh", "-c", "{polite}"]\n')
    out: list[bytes] = []

    async def scenario() -> int:
        app = await ProcessRunner(bench.folder / "envs").start(image, bench.built, port=1, settings={}, feed=out.append)
        await eventually(lambda: b"up" in b"".join(out))
        await app.stop()
        return await app.wait()

    assert asyncio.run(scenario()) == 9
    assert b"".join(out).endswith(b"bye\n")


@needs_sandbox
def test_the_ports_of_an_app_in_a_sandbox_are_found(bench: Bench) -> None:
    port = free_port()
    serve = f"import http.server as h; h.HTTPServer(('127.0.0.1', {port}), h.BaseHTTPRequestHandler).serve_forever()"
    image = bench.build(f'CMD ["python", "-c", "{serve}"]\n')

    async def scenario() -> None:
        runner = ProcessRunner(bench.folder / "envs")
        app = await runner.start(image, bench.built, port=1, settings={}, feed=lambda _data: None)
        try:
            await eventually(lambda: ("127.0.0.1", port) in listening(app.pid))
        finally:
            await app.stop()

    asyncio.run(scenario())


def test_a_build_that_does_not_end_is_stopped(either: Bench) -> None:
    either.write({"Dockerfile": "FROM python:3.11\nRUN setsid sleep 600 & sleep 600\n"})
    book = Logbook(either.folder / "build.log", Clock())

    async def scenario() -> None:
        runner = ProcessRunner(either.folder / "envs", confine=either.confine, build_time=1.5)
        source = Source(
            sha=SHA, context=either.context, folder=either.folder / "built", app_port=1, variables={}, secrets={}
        )
        with closing(book.open()) as log, pytest.raises(BuildFailed, match="the build was stopped after"):
            await runner.build(source, log)

    asyncio.run(scenario())
    assert book.tail(1) == ["--> ERROR: the build was stopped after 0.025 min"]
    assert not processes_in(either.folder)
    assert not (either.folder / "built").exists()


def test_a_command_is_stopped_before_it_fills_the_disk(tmp_path: Path) -> None:
    out: list[bytes] = []

    async def scenario() -> int:
        order = Order(command=["sleep", "600"], env={"PATH": os.environ["PATH"]}, cwd=str(tmp_path))
        child = Child(order, folder=tmp_path, feed=out.append, reserve=1 << 60)
        return await child.wait()

    assert asyncio.run(scenario()) == 143
    assert b"".join(out).startswith(b"note: stopped, as less than ")


@pytest.mark.parametrize(
    "command",
    [
        "mkfifo /app/pipe /usr/local/bin/pipe",
        "python -c 'import socket; socket.socket(socket.AF_UNIX).bind(\"s\")'",
        "ln -s loop /app/loop && ln -s / /app/root",
        "touch /app/x && chmod 000 /app/x && mkdir /app/y && touch /app/y/z && chmod 500 /app/y",
        "truncate -s 40G /app/sparse",
    ],
)
def test_odd_files_hold_nobody_up(either: Bench, command: str) -> None:
    image = either.build(f"WORKDIR /app\nRUN {command}\nCOPY app.py .\nCMD ls /app\n")
    assert either.run(image)[0] == 0
    assert not list((either.folder / "run").iterdir())
    base = f"FROM python:3.11\nWORKDIR /app\nRUN {command}\nFROM python:3.11\n"
    either.build("COPY --from=0 /app /app\nRUN true\n", base=base)


def test_a_folder_of_any_depth_can_be_removed(either: Bench) -> None:
    deep = "import os\nfor _ in range(1100):\n    os.mkdir('deep'); os.chdir('deep')\n"
    either.write({"deep.py": deep})
    try:
        either.build("COPY deep.py /\nWORKDIR /app\nRUN python /deep.py\n")
    except BuildFailed as failed:
        assert failed.reason == "the files of the image: File name too long"
    asyncio.run(asyncio.to_thread(ProcessRunner(either.folder / "envs", confine=either.confine).tidy))


def test_a_run_that_changes_a_file_in_place_does_not_change_the_cache(either: Bench) -> None:
    """Neither that of this Space nor, with the same first steps, that of another."""
    dockerfile = """\
        RUN echo one > /usr/local/lib/file
        COPY app.py /
        RUN echo two >> /usr/local/lib/file; cat /usr/local/lib/file
        """
    for text in ("a", "b"):
        either.build(dockerfile, {"app.py": text})
        assert "\none\ntwo\nDONE" in either.log
        assert "two\ntwo" not in either.log


def test_what_was_built_in_one_way_is_not_used_in_the_other(tmp_path: Path) -> None:
    if not THERE_IS_A_SANDBOX:
        pytest.skip("there is only one way")
    closed, opened = new_bench(tmp_path, confine=True), new_bench(tmp_path, confine=False)
    image = closed.build("RUN echo built\n")
    opened.count = closed.count
    other = opened.build("RUN echo built\n")
    assert "CACHED" not in opened.log
    runner = ProcessRunner(tmp_path / "envs", confine=False)
    assert (runner.fits(image), runner.fits(other)) == (False, True)


def test_a_sandbox_that_is_wanted_and_not_there_is_an_error(tmp_path: Path) -> None:
    program = (
        "from pathlib import Path\nfrom spaceops.localhub.runners.process import ProcessRunner\n"
        f"here = Path({str(tmp_path)!r})\n"
        "print(ProcessRunner(here).isolation.key)\nProcessRunner(here, confine=True).isolation\n"
    )
    env = {**os.environ, "PATH": str(tmp_path)}
    done = subprocess.run([sys.executable, "-c", program], env=env, capture_output=True, text=True, check=False)
    assert done.stdout == "open\n"
    assert "Spaces cannot be confined here: bubblewrap is not installed (bwrap)" in done.stderr


def test_what_is_not_isolated_is_said_when_the_server_and_when_an_app_starts(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    bench = new_bench(tmp_path, confine=False)
    runner = ProcessRunner(tmp_path / "envs", confine=False)
    runner.tidy()
    assert caplog.messages == [f"Spaces run without a sandbox (install bubblewrap): {runner.isolation.gaps}"]
    assert start(bench, bench.build("CMD true\n"), []) == (0, f"note: no sandbox: {runner.isolation.gaps}\n")
