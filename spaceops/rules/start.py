"""What the container runs when it starts: whether it is there, can be run, and goes on."""

from __future__ import annotations

import posixpath
import re
from collections.abc import Iterator
from typing import TYPE_CHECKING

from spaceops.findings import Finding, Fix, Severity
from spaceops.image import Image
from spaceops.rules import rule
from spaceops.rules.node import dependencies
from spaceops.shell import UNKNOWN
from spaceops.startup import Process, Script, Startup, World
from spaceops.startup.managers import scripts_of
from spaceops.startup.places import elsewhere, is_absent, may_be_edited
from spaceops.startup.programs import (
    distributions_of,
    has_bash,
    is_made_executable,
    is_mentioned,
    is_on_path,
    user_install,
)

if TYPE_CHECKING:
    from spaceops.context import Context

_CMD = 'CMD ["uvicorn", "main:app", "--host", "0.0.0.0", "--port", "7860"]'
_SERVE = "exec uvicorn main:app --host 0.0.0.0 --port 7860\n"
_SCRIPT = {"Dockerfile": (_CMD, 'CMD ["bash", "start.sh"]')}
_PROMPTS = ("python3", "python", "node", "bash", "sh", "/bin/bash", "/bin/sh", "irb", "php", "iex", "jshell")
# Options of node that take no word of their own.
_OPTION_OF_NODE = re.compile(r"--[a-z-]{1,40}=|--(?:experimental|no|trace|enable|expose)-")
_INITS = ("tini", "dumb-init", "gosu", "su-exec", "sudo", "uv", "poetry", "pipenv", "conda")
_RUNNERS = {"python": ".py", "python3": ".py", "node": "", "streamlit": ".py", "Rscript": ".R", "deno": ".ts"}


@rule(Severity.ERROR, bad={"Dockerfile": (_CMD, "")}, good={"Dockerfile": (_CMD, _CMD.replace("CMD", "ENTRYPOINT"))})
def cmd_missing(ctx: Context) -> Iterator[Finding]:
    """`CMD` in the Dockerfile names the command that starts the app. The container ends when that command ends.

    Without one, the base image's own command runs: an interactive prompt that ends at once, as nobody types. The same
    happens where a start script puts every server into the background with `&` and then comes to its end.
    """
    image, startup = ctx.image, ctx.startup
    if image is None or startup is None:
        return
    own = [line for line in image.lines if line.keyword in ("CMD", "ENTRYPOINT")]
    if not own and image.base.command is not None and (not image.base.command or image.base.command[0] in _PROMPTS):
        runs = f"runs {image.base.command[0]}" if image.base.command else "has nothing to run"
        yield Finding(
            f"The Dockerfile has no CMD, so the container {runs} and ends at once: nothing starts your app",
            hint='End the Dockerfile with the command that starts it, such as CMD ["python", "app.py"].',
            where=f"Dockerfile:{image.lines[-1].number if image.lines else 1}",
        )
    for script in startup.scripts:
        last = script.commands[-1] if script.commands else None
        if script.is_main and last is not None and last.after == "&" and not last.nested:
            yield Finding(
                f"The script {script.path} puts its last command into the background with & and ends, and the "
                "container ends with it",
                hint="Write wait -n as the last line, or exec before the last command and no & behind it.",
                where=f"{script.path}:{last.line}",
                severity=None if script.is_certain and not _waits(script) else Severity.WARNING,
            )


def _waits(script: Script) -> bool:
    return any(command.name in ("wait", "sleep", "tail") for command in script.commands)


@rule(
    Severity.ERROR,
    bad={"Dockerfile": (_CMD, 'CMD ["python", "app.py"]')},
    good={"Dockerfile": (_CMD, 'RUN python make.py > app.py\nCMD ["python", "app.py"]'), "make.py": "print('x = 1')\n"},
)
def start_file_missing(ctx: Context) -> Iterator[Finding]:
    """The command that starts the container names a file, and the image has no such file.

    A path without `/` in front is looked for in the working directory (`WORKDIR` in the Dockerfile). Only what COPY
    brings is in the image; upper and lower case are different names there.
    """
    startup = ctx.startup
    if startup is None:
        return
    named = [(place, process) for process in startup.processes if (place := _program(process))]
    for place, process in (*startup.missing, *named):
        if startup.world.source_of(place) is None and is_absent(startup.world, place):
            yield Finding(
                f"The start command names {posixpath.basename(place)}, and there is no such file in "
                f"{posixpath.dirname(place)} of the image",
                hint=_where_it_is(startup.world, place, process),
                where=process.where,
                severity=None if startup.is_vital(process) else Severity.WARNING,
            )
            return


def _program(process: Process) -> str | None:
    """Where the program that an interpreter runs should lie; None where the command names none."""
    ending = _RUNNERS.get(process.name)
    words = process.words[2:] if process.name == "streamlit" else process.words[1:]
    while process.name == "node" and words and _OPTION_OF_NODE.match(words[0]):
        words = words[1:]
    if ending is None or not words or words[0].startswith("-") or process.is_module or words[0] in process.doubtful:
        return None
    word = words[0]
    is_file = word.endswith(ending) if ending else word.endswith((".js", ".mjs", ".cjs"))
    return process.absolute(word) if is_file and UNKNOWN not in process.cwd + word else None


def _where_it_is(world: World, place: str, process: Process) -> str:
    name = posixpath.basename(place)
    for path in elsewhere(world, name):
        if world.source_of(posixpath.join(process.cwd, path)) == path:
            return f"It is {path} there: write that path."
        return (
            f"{path} is in the Space and not in the image: let a COPY line bring it, and no .dockerignore leave it out."
        )
    similar = [path for path in world.files if posixpath.basename(path).lower() == name.lower()]
    return f"The file is named {similar[0]}: write it so." if similar else f"Add {name}, or name the file that starts."


_NODE = 'FROM node:22-slim\nWORKDIR /app\nCOPY . .\nCMD ["npm", "start"]\n'


@rule(
    Severity.ERROR,
    bad={"Dockerfile": _NODE, "package.json": '{"scripts": {"serve": "node web.js"}}', "web.js": "http.listen(7860)\n"},
    good={"Dockerfile": _NODE, "package.json": '{"scripts": {}}', "server.js": "http.listen(7860)\n"},
)
def npm_script_missing(ctx: Context) -> Iterator[Finding]:
    """`npm start` and `npm run NAME` run a line of the `scripts` in package.json, and end where it has no such line."""
    startup = ctx.startup
    for process in startup.processes if startup else ():
        wanted = [word for word in process.words[1:] if not word.startswith("-")]
        if (
            startup is None
            or process.name not in ("npm", "pnpm")
            or not wanted
            or len(wanted) != len(process.words) - 1
        ):
            continue
        name = wanted[1] if wanted[0] in ("run", "run-script") and len(wanted) > 1 else wanted[0]
        place = process.absolute("package.json")
        found = startup.world.text_at(place)
        is_implied = name == "start" and startup.world.source_of(process.absolute("server.js")) is not None
        is_script = wanted[0] in ("start", "run", "run-script") and name not in ("run", "run-script")
        if found and is_script and not is_implied and not may_be_edited(startup.world, place):
            there = ", ".join(scripts_of(found[1])) or "none"
            yield Finding(
                f"The container runs the script {name} of package.json, and package.json has no such script",
                hint=f'Add "{name}" to "scripts", or run one that is there ({there}).',
                where=process.where,
                severity=None if startup.is_vital(process) else Severity.WARNING,
            )


@rule(
    Severity.ERROR,
    bad={"requirements.txt": "fastapi==0.116.1\n"},
    good={"requirements.txt": "fastapi[standard]==0.116.1\n"},
)
def command_not_found(ctx: Context) -> Iterator[Finding]:
    """The start command names a program that the image does not have, and the container ends at once.

    A program such as `uvicorn` comes with a Python package: it must be among the requirements. pip, when run after
    `USER`, puts it into `~/.local/bin`, which is searched only where `PATH` names it.
    """
    startup, image = ctx.startup, ctx.image
    if startup is None or image is None:
        return
    yield from _first_not_found(image)
    for process in {one.name: one for one in reversed(startup.processes)}.values():
        yield from list(_not_found(ctx, startup, process))[:1]


def _first_not_found(image: Image) -> Iterator[Finding]:
    """The program that is to start the others, where the image lacks it."""
    start = image.entrypoint or image.cmd
    name = posixpath.basename(start.words[0]) if start and start.words and not start.is_shell else ""
    if start and name in _INITS and image.base.has(name) is False and not is_mentioned(image, name):
        yield Finding(
            f"The container starts {name}, and the image {image.base.name} does not have it",
            hint=f"Install it in a RUN line above USER, or take {start.words[0]} out of line {start.line}.",
            where=f"Dockerfile:{start.line}",
        )


def _not_found(ctx: Context, startup: Startup, process: Process) -> Iterator[Finding]:
    wanted, needs, world = distributions_of(process), ctx.requirements, startup.world
    image = world.image
    certain = None if startup.is_vital(process) and process.words[0] not in process.doubtful else Severity.WARNING
    if wanted and needs is not None and image.base.python is not None and needs.is_complete:
        line = user_install(image) if process.found_as else None
        if not needs.has(*wanted) and not is_mentioned(image, process.name):
            yield Finding(
                f"The container starts {process.name}, and no package that is installed brings it",
                hint=f"Add {wanted[0]} to requirements.txt.",
                where=process.where,
                severity=certain if needs.is_certain else Severity.WARNING,
            )
        elif line is not None and not is_on_path(world, process, line):
            home = f"/home/{line.user.partition(':')[0]}"
            yield Finding(
                f"The user {line.user} installs {process.name} into {home}/.local/bin (line {line.number}), and PATH "
                "does not name that folder: the program is not found",
                hint=f"Write ENV PATH={home}/.local/bin:$PATH in the Dockerfile.",
                where=process.where,
                severity=certain,
            )
    elif process.found_as and image.base.has(process.name) is False and not is_mentioned(image, process.name):
        yield Finding(
            f"The container starts {process.name}, and the image {image.base.name} does not have it",
            hint=f"Install it in a RUN line above USER, or start from an image that has {process.name}.",
            where=process.where,
            severity=certain,
        )


@rule(
    Severity.ERROR,
    bad={
        "Dockerfile": (_CMD, 'RUN chmod +x start.sh\nCMD ["./start.sh"]'),
        "start.sh": "#!/bin/bash\r\nexec uvicorn main:app --host 0.0.0.0 --port 7860\r\n",
    },
    good={
        "Dockerfile": (_CMD, "RUN sed -i 's/\\r$//' start.sh && chmod +x start.sh\nCMD [\"./start.sh\"]"),
        "start.sh": "#!/bin/bash\r\nexec uvicorn main:app --host 0.0.0.0 --port 7860\r\n",
    },
)
def exec_not_found_crlf(ctx: Context) -> Iterator[Finding]:
    """A script with line ends of Windows cannot be run: Linux looks for a program named `bash` and a carriage return.

    The error, "no such file or directory", is about that program and not about the script. The same is said where the
    script asks for bash and the image has none, as on Alpine.
    """
    startup = ctx.startup
    for script in startup.scripts if startup else ():
        if startup is None or may_be_edited(startup.world, script.place):
            continue
        first = script.text.partition("\n")[0]
        if "\r" in first or "\r\n" in script.text:
            yield _crlf(ctx, script, first)
        elif script.is_direct and re.match(r"#!.*\bbash\b", first) and has_bash(startup.world) is False:
            yield Finding(
                f"The script {script.path} asks for bash in its first line, and the image "
                f"{startup.world.image.base.name} has none",
                hint="Write #!/bin/sh as its first line, or RUN apk add --no-cache bash in the Dockerfile.",
                where=f"{script.path}:1",
                severity=None if script.is_certain else Severity.WARNING,
            )


def _crlf(ctx: Context, script: Script, first: str) -> Finding:
    breaks = script.is_direct and first.startswith("#!") and first.endswith("\r")
    attributes = ctx.text(".gitattributes") or ""
    is_mended = "eol=lf" in attributes or "text=auto" in attributes
    result = (
        "Linux takes them for part of the program's name in its first line and does not find it"
        if breaks
        else "its commands get an invisible character at their end"
    )
    return Finding(
        f"The script {script.path} has line ends of Windows (CRLF): {result}",
        hint=f"Save it with line ends of Unix (LF): sed -i 's/\\r$//' {script.path}",
        where=f"{script.path}:1",
        fix=Fix.text(script.path, script.text.replace("\r\n", "\n")),
        severity=None if breaks and script.is_certain and not is_mended else Severity.WARNING,
    )


@rule(
    Severity.WARNING,
    bad={"Dockerfile": (_CMD, 'CMD ["./start.sh"]'), "start.sh": f"#!/bin/bash\n{_SERVE}"},
    good={
        "Dockerfile": (_CMD, 'RUN chmod +x start.sh\nCMD ["./start.sh"]'),
        "start.sh": f"#!/bin/bash\n{_SERVE}",
    },
)
def script_not_executable(ctx: Context) -> Iterator[Finding]:
    """A script that is started by its own name must be marked as executable, or it ends with "permission denied".

    Files that are uploaded to the Hub get no such mark, and files from Windows never had one. `bash start.sh` needs
    none: then bash only reads the file.
    """
    startup = ctx.startup
    for script in startup.scripts if startup else ():
        file = ctx.source.files.get(script.path)
        if startup is None or not script.is_direct or file is None:
            continue
        is_marked = bool(file.path.stat().st_mode & 0o100)
        keeps_marks = not ctx.has_spec or ctx.space.transport == "git"
        if (is_marked and keeps_marks) or is_made_executable(startup.world.image, script.path, script.place):
            continue
        yield Finding(
            f"The container starts {script.path} by its name, and nothing marks the file as executable"
            + (": an upload to the Hub does not keep the mark" if is_marked else ""),
            hint=f"Write {_by_shell(script, startup.world.image)}; or add RUN chmod +x {script.place} above USER.",
            where=script.where,
        )


def _by_shell(script: Script, image: Image) -> str:
    """How a shell would start it, as the line is to be written."""
    path = posixpath.relpath(script.place, image.workdir)
    path = script.place if path.startswith("..") else path
    shell = "bash" if "bash" in script.text.partition("\n")[0] else "sh"
    words = [line.keyword for line in image.lines if line.where() == script.where]
    return f'{words[-1]} ["{shell}", "{path}"]' if words and not script.by_shell else f"{shell} {path}"


@rule(
    Severity.ERROR,
    bad={"Dockerfile": (_CMD, 'RUN chmod +x start.sh\nCMD ["./start.sh"]'), "start.sh": f"# Start.\n{_SERVE}"},
    good={"Dockerfile": (_CMD, "RUN chmod +x start.sh\nCMD exec ./start.sh"), "start.sh": f"# Start.\n{_SERVE}"},
)
def shebang_missing(ctx: Context) -> Iterator[Finding]:
    """A script that the container starts by its name says in its first line which program reads it: `#!/bin/bash`.

    Without that line the container ends at once with "exec format error".
    """
    startup = ctx.startup
    for script in startup.scripts if startup else ():
        first = script.text.partition("\n")[0]
        if (
            startup
            and script.is_first
            and not first.startswith("#!")
            and not may_be_edited(startup.world, script.place)
        ):
            yield Finding(
                f"The container starts {script.path} by its name, and its first line does not say which program "
                "reads it",
                hint="Write #!/bin/bash as the first line, with nothing above it.",
                where=f"{script.path}:1",
                fix=Fix.text(script.path, f"#!/bin/sh\n{script.text}", safe=False),
                severity=None if script.is_certain else Severity.WARNING,
            )


@rule(
    Severity.INFO,
    bad={"Dockerfile": (_CMD, "CMD cd . && uvicorn main:app --host 0.0.0.0 --port 7860")},
    good={"Dockerfile": (_CMD, "CMD exec uvicorn main:app --host 0.0.0.0 --port 7860")},
)
def cmd_shell_signals(ctx: Context) -> Iterator[Finding]:
    """The Hub stops a container with a signal to its first process. A shell that started the app does not hand it on.

    The app is then killed some seconds later, in the middle of what it does. `exec` lets the app take the shell's
    place; `CMD ["program", "argument"]` needs no shell at all.
    """
    startup = ctx.startup
    if startup is None or any(process.is_background for process in startup.processes):
        return
    for script in startup.scripts:
        last = script.commands[-1] if script.commands else None
        server = next(
            (one for one in startup.listeners if last and one.process.where == f"{script.path}:{last.line}"), None
        )
        if last and server and script.is_main and last.name != "exec" and not last.nested:
            yield Finding(
                f"The script {script.path} starts {server.server} and stays in front of it: the Hub's request to stop "
                "does not reach the server",
                hint=f"Write exec before the command: exec {last.name} …",
                where=f"{script.path}:{last.line}",
            )
            return
    start = startup.world.image.entrypoint or startup.world.image.cmd
    if (
        start
        and start.is_shell
        and startup.listeners
        and re.search(r"&&|;", start.words[0])
        and "exec " not in start.words[0]
    ):
        yield Finding(
            "A shell starts the server and stays in front of it: the Hub's request to stop does not reach the server",
            hint="Write exec before the last command: CMD cd app && exec uvicorn …",
            where=f"Dockerfile:{start.line}",
        )


@rule(
    Severity.WARNING,
    bad={
        **_SCRIPT,
        "start.sh": "#!/bin/bash\npython -m http.server 9000 &\nexec uvicorn main:app --host 0.0.0.0 --port 7860\n",
    },
    good={
        **_SCRIPT,
        "start.sh": f"#!/bin/bash\npython -m http.server 9000 &\n{_SERVE.strip().removeprefix('exec ')} &\nwait -n\n",
    },
)
def multiprocess_unsupervised(ctx: Context) -> Iterator[Finding]:
    """A script that starts several servers with `&` does not notice when one of them ends.

    The Space stays "Running" and answers with errors until somebody restarts it. `wait -n` ends the script, and so the
    container, as soon as one of them ends, and the Hub says so; supervisord starts it again.
    """
    startup = ctx.startup
    for script in startup.scripts if startup else ():
        watches = any(command.name == "wait" and "-n" in command.words for command in script.commands)
        servers = (
            [one for one in startup.listeners if one.process.where.startswith(f"{script.path}:")] if startup else []
        )
        lost = [one for one in servers if one.process.is_background and not one.process.is_supervised]
        if lost and len(servers) > 1 and not watches and script.commands[-1].after != "&":
            yield Finding(
                f"When {lost[0].server} ends, nothing notices: {script.path} starts it with & and does not watch it, "
                "and the Space would stay Running",
                hint="Start every server with & and write wait -n as the last line; or use supervisord.",
                where=lost[0].process.where,
            )


_ABUSED = {
    "x11vnc": "remote desktops",
    "novnc": "remote desktops",
    "vncserver": "remote desktops",
    "tigervnc-standalone-server": "remote desktops",
    "ttyd": "shells in the browser",
    "wetty": "shells in the browser",
    "gotty": "shells in the browser",
    "code-server": "shells in the browser",
    "searxng": "search proxies",
    "wireproxy": "proxies",
    "cloudflared": "tunnels",
    "frpc": "tunnels",
    "ngrok": "tunnels",
    "v2ray": "proxies",
    "xray": "proxies",
    "sing-box": "proxies",
    "tor": "proxies",
    "xmrig": "mining",
    "whatsapp-web.js": "WhatsApp bots",
    "@whiskeysockets/baileys": "WhatsApp bots",
    "baileys": "WhatsApp bots",
    "venom-bot": "WhatsApp bots",
    "@ngrok/ngrok": "tunnels",
    "localtunnel": "tunnels",
}


@rule(
    Severity.WARNING,
    bad={**_SCRIPT, "start.sh": f"#!/bin/bash\ncloudflared tunnel run &\n{_SERVE}"},
    good={**_SCRIPT, "start.sh": f"#!/bin/bash\necho 'no ngrok here'\n{_SERVE}"},
)
def flagged_as_abusive(ctx: Context) -> Iterator[Finding]:
    """The Hub looks for programs that serve others than the Space's visitors, and pauses a Space that runs one.

    Such are tunnels and proxies, shells and desktops in the browser, mining, and bots of WhatsApp. The account may be
    locked as well.
    """
    for name, where in _started(ctx):
        if name in _ABUSED:
            yield Finding(
                f"The program {name} is one of those for which the Hub pauses a Space as abusive ({_ABUSED[name]})",
                hint=f"Do without {name}; or ask the Hub's support before you deploy.",
                where=where,
            )
            return


def _started(ctx: Context) -> Iterator[tuple[str, str]]:
    """The programs that run, and the packages that are installed, with their places."""
    for process in ctx.startup.processes if ctx.startup else ():
        yield process.name, process.where
    for line, command in ctx.image.runs if ctx.image else ():
        if command.name in ("apt-get", "apt", "apk", "npm", "pnpm", "yarn") and {"install", "add"} & {*command.words}:
            for word in command.words[1:]:
                yield word, line.where(command)
    yield from dependencies(ctx)
