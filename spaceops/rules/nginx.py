"""nginx in front of the app, and supervisord that starts both."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from spaceops.findings import Finding, Severity
from spaceops.image import Line
from spaceops.rules import rule
from spaceops.shell import UNKNOWN, Command
from spaceops.startup import Process, Startup
from spaceops.startup.managers import supervisor
from spaceops.startup.nginx import MAIN, Setup, idle, setup, upstream_ports
from spaceops.startup.options import option

if TYPE_CHECKING:
    from spaceops.context import Context

DOCKERFILE = """\
FROM python:3.13-slim-bookworm
RUN apt-get update && apt-get install -y --no-install-recommends nginx && rm -rf /var/lib/apt/lists/*
WORKDIR /app
COPY requirements.txt .
RUN pip install --no-cache-dir -r requirements.txt
COPY nginx.conf /etc/nginx/nginx.conf
COPY . .
CMD ["bash", "start.sh"]
"""
AS_USER = DOCKERFILE.replace("CMD", "RUN useradd -m -u 1000 user\nUSER user\nENV HOME=/home/user\nCMD")
START = """\
#!/bin/bash
nginx -g 'daemon off;' &
uvicorn main:app --host 127.0.0.1 --port 8000 &
wait -n
"""
NGINX = """\
pid /tmp/nginx.pid;
error_log /dev/stderr;
events {}
http {
    access_log /dev/stdout;
    client_body_temp_path /tmp/body;
    proxy_temp_path /tmp/proxy;
    fastcgi_temp_path /tmp/fastcgi;
    uwsgi_temp_path /tmp/uwsgi;
    scgi_temp_path /tmp/scgi;
    server {
        listen 7860;
        location / {
            proxy_pass http://127.0.0.1:8000;
            proxy_http_version 1.1;
            proxy_set_header Upgrade $http_upgrade;
            proxy_set_header Connection "upgrade";
        }
    }
}
"""
_ON_80 = NGINX.replace("listen 7860;", "listen 7860;\n        listen 80;")
_GOOD = {"Dockerfile": DOCKERFILE, "start.sh": START, "nginx.conf": NGINX}
_GOOD_AS_USER = _GOOD | {"Dockerfile": AS_USER}
_STATIC = "events {}\nhttp {\n    server {\n        listen 7860;\n        root /app/static;\n    }\n}\n"
_TEMPORARY = ("client_body_temp_path", "proxy_temp_path", "fastcgi_temp_path", "uwsgi_temp_path", "scgi_temp_path")
_WRITABLE = ("/tmp", "/dev/", "stderr", "syslog", "memory", "off", "/var/tmp")  # noqa: S108  what users write


def _setups(ctx: Context) -> Iterator[tuple[Startup, Process, Setup]]:
    """Each nginx that starts, with what it reads."""
    startup = ctx.startup
    for process in startup.processes if startup else ():
        if startup and process.name == "nginx" and (found := setup(process, startup.world)):
            yield startup, process, found


def _severity(ctx: Context, startup: Startup, process: Process) -> Severity | None:
    """None, for an error, where nothing answers the Hub when this nginx does not run."""
    others = [one for one in startup.listeners if one.server != "nginx" and not one.is_local]
    is_needed = not any(one.port in (ctx.app_port, None) for one in others)
    return None if process.is_certain and is_needed else Severity.WARNING


def _is_other_user(process: Process) -> bool:
    user = process.user.partition(":")[0]
    return UNKNOWN not in user and user not in ("root", "0", "")


@rule(
    Severity.ERROR,
    bad=_GOOD_AS_USER | {"nginx.conf": NGINX.replace("pid /tmp/nginx.pid;\n", "")},
    good=_GOOD | {"nginx.conf": NGINX.replace("pid /tmp/nginx.pid;\n", "")},
)
def nginx_permission(ctx: Context) -> Iterator[Finding]:
    """The web server nginx writes its number, logs and temporary files into folders that only root may write to.

    Where `USER` makes the container run as somebody else, nginx ends with "Permission denied" unless its
    configuration names other places, such as /tmp.
    """
    for startup, process, found in _setups(ctx):
        image = startup.world.image
        is_adapted = "unprivileged" in image.base.repository or any(map(_opens_folders, image.runs))
        wrong = next(_unwritable(found, has_open_logs="nginx" in image.base.repository), None)
        if _is_other_user(process) and not is_adapted and found.is_complete and wrong:
            what, where = wrong
            yield Finding(
                f"The container runs as {process.user}, and nginx writes its {what} into a folder that only root may "
                "write to",
                hint="Write pid /tmp/nginx.pid; and error_log /dev/stderr; at the top of nginx.conf, and in http { } "
                "access_log /dev/stdout; " + " ".join(f"{name} /tmp/{name.partition('_')[0]};" for name in _TEMPORARY),
                where=where,
                severity=_severity(ctx, startup, process) if found.main else Severity.WARNING,
            )
            return


def _opens_folders(run: tuple[Line, Command]) -> bool:
    """Whether a command may let others write where nginx does."""
    name, words = run[1].name, run[1].words
    if name not in ("chown", "chmod", "chgrp", "setcap", "install", "find", "xargs", "ln", "sed"):
        return False
    return any("nginx" in word or word == "/" or word.startswith(("/var", "/run", "/etc")) for word in words)


def _unwritable(found: Setup, *, has_open_logs: bool) -> Iterator[tuple[str, str]]:
    """What nginx writes where only root may, and the place that decides it."""
    path = found.main.path if found.main else found.process.where
    options = " ".join(found.process.words)
    for name, what in (("pid", "process number"), ("client_body_temp_path", "temporary files")):
        given = [one for file in found.files for one in file.config.find(name)]
        if not given and f"{name} " not in options:
            yield what, path
        for one in given:
            if one.args and not one.args[0].startswith((*_WRITABLE, "/home", "/app")) and one.args[0].startswith("/"):
                yield what, f"{path}:{one.line}"
    for file in () if has_open_logs else found.files:
        for one in file.config.find("access_log", "error_log"):
            if one.args and one.args[0].startswith("/var/log/nginx"):
                yield "logs", f"{file.path}:{one.line}"


@rule(
    Severity.WARNING,
    bad=_GOOD_AS_USER | {"nginx.conf": _ON_80},
    good=_GOOD | {"nginx.conf": _ON_80},
)
def nginx_privileged_port(ctx: Context) -> Iterator[Finding]:
    """Ports below 1024, such as 80, are for root. nginx that runs as somebody else may not listen there.

    It may end with "bind() to 0.0.0.0:80 failed (13: Permission denied)". The Hub takes any port: app_port names it.
    """
    for startup, process, found in _setups(ctx):
        may = any("setcap" in command.words or "setcap" in command.name for _, command in startup.world.image.runs)
        for one, where in found.listens:
            if one.port < 1024 and _is_other_user(process) and found.is_complete and not may:
                port = ctx.app_port if ctx.app_port and ctx.app_port >= 1024 else 7860
                yield Finding(
                    f"The container runs as {process.user}, and nginx listens on port {one.port}, which may be for "
                    "root only",
                    hint=f"Write listen {port}; there, and app_port: {port} in README.md.",
                    where=where,
                )
                return


@rule(
    Severity.WARNING,
    bad=_GOOD | {"nginx.conf": NGINX.replace("8000", "8001")},
    good=_GOOD | {"nginx.conf": NGINX.replace("127.0.0.1:8000", "backend:8001")},
)
def nginx_upstream_502(ctx: Context) -> Iterator[Finding]:
    """Requests go on to the port that `proxy_pass` names. Where nothing listens there nginx answers 502."""
    for startup, _, found in _setups(ctx):
        if not startup.is_complete or any(one.port is None for one in startup.listeners):
            continue
        ports = {one.port for one in startup.listeners}
        for port, where in upstream_ports(found):
            if port not in ports:
                others = sorted(str(one.port) for one in startup.listeners if one.server != "nginx")
                yield Finding(
                    f"The requests go on to port {port}, and nothing that the container starts listens there: nginx "
                    "answers 502 Bad Gateway",
                    hint=f"Write the port of your app: {others[0]}." if others else f"Start your app on port {port}.",
                    where=where,
                )
                return


@rule(
    Severity.INFO,
    bad=_GOOD
    | {
        "nginx.conf": NGINX.replace("            proxy_set_header Upgrade $http_upgrade;\n", ""),
        "main.py": "from fastapi import FastAPI, WebSocket\n\napp = FastAPI()\n\n\n@app.get('/')\ndef home() -> str:\n"
        "    return 'hello'\n\n\n@app.websocket('/live')\nasync def live(socket: WebSocket) -> None:\n"
        "    await socket.accept()\n",
    },
    good=_GOOD | {"nginx.conf": NGINX.replace("            proxy_set_header Upgrade $http_upgrade;\n", "")},
)
def websocket_upgrade(ctx: Context) -> Iterator[Finding]:
    """A websocket begins as a request with two headers, `Upgrade` and `Connection`, which nginx does not hand on.

    The connection then fails with "invalid Upgrade header", unless the configuration hands them on.
    """
    for startup, _, found in _setups(ctx):
        needs = any(
            one.server in ("streamlit", "gradio", "jupyter-lab", "nicegui", "chainlit") for one in startup.listeners
        )
        if not (needs or _has_websockets(ctx)) or not found.is_complete:
            continue
        for file in found.files:
            headers = [one.args[0].lower() for one in file.config.find("proxy_set_header") if one.args]
            passed = next(file.config.find("proxy_pass"), None)
            if passed and "upgrade" not in headers and not next(file.config.find("include"), None):
                yield Finding(
                    "The app uses websockets, and nginx does not hand on the headers with which they begin",
                    hint="Beside proxy_pass write: proxy_http_version 1.1; proxy_set_header Upgrade $http_upgrade; "
                    'proxy_set_header Connection "upgrade";',
                    where=f"{file.path}:{passed.line}",
                )


def _has_websockets(ctx: Context) -> bool:
    modules = ctx.python.modules if ctx.python else ()
    return any(".websocket(" in (ctx.text(path) or "") or "socketio" in (ctx.text(path) or "") for path in modules)


@rule(
    Severity.ERROR,
    bad=_GOOD
    | {
        "Dockerfile": DOCKERFILE.replace(
            '"bash", "start.sh"', '"uvicorn", "main:app", "--host", "0.0.0.0", "--port", "7860"'
        )
    },
    good=_GOOD,
)
def nginx_not_started(ctx: Context) -> Iterator[Finding]:
    """The Dockerfile brings a configuration for nginx, and nothing starts nginx.

    A container runs one command, `CMD`, and installing nginx starts nothing. A start script or supervisord starts both.
    """
    startup = ctx.startup
    copied = idle(startup) if startup else None
    if startup is None or copied is None:
        return
    answers = any(one.port in (ctx.app_port, None) and not one.is_local for one in startup.listeners)
    yield Finding(
        "The Dockerfile brings a configuration for nginx, and nothing that the container starts is nginx",
        hint="Let CMD run a script: nginx -g 'daemon off;' & then the app with & and at the end wait -n",
        where=f"Dockerfile:{copied.line.number}",
        severity=Severity.WARNING if answers or not startup.listeners else None,
    )


@rule(
    Severity.ERROR,
    bad=_GOOD | {"nginx.conf": NGINX.replace("events {}\n", "")},
    good=_GOOD | {"nginx.conf": "include /etc/nginx/events.conf;\n" + NGINX.replace("events {}\n", "")},
)
def nginx_config_invalid(ctx: Context) -> Iterator[Finding]:
    """The web server nginx reads its configuration when it starts, and ends where it does not understand it.

    Every line ends with `;` or a block in `{ }`. The main file, nginx.conf, needs an `events { }` block, and its
    servers stand in an `http { }` block; files in conf.d hold only `server { }` blocks.
    """
    for startup, process, found in _setups(ctx):
        for problem, where in () if found.is_edited else _invalid(found):
            yield Finding(
                problem,
                hint="Mend the line, and try it: nginx -t -c FILE.",
                where=where,
                severity=_severity(ctx, startup, process),
            )
            return


def _invalid(found: Setup) -> Iterator[tuple[str, str]]:
    for file in found.files:
        broken = file.config.broken
        if broken:
            yield f"The configuration of nginx cannot be read: {broken.problem}", f"{file.path}:{broken.line}"
    for part in found.parts:
        for one in part.config.top("http", "events"):
            yield (
                f"The file is included within http {{ }}, where another {one.name} block is not allowed: it is a main "
                f"file, which belongs to {MAIN}",
                f"{part.path}:{one.line}",
            )
    main = found.main
    if main is None or main.config.broken or not main.config.directives or main.config.top("include"):
        return
    if not main.config.top("events"):
        yield "The main file of nginx has no events { } block, without which nginx does not start", main.path
    for one in main.config.top("server", "location", "upstream"):
        yield f"A {one.name} block stands outside of http {{ }} in the main file of nginx", f"{main.path}:{one.line}"


@rule(
    Severity.ERROR,
    bad=_GOOD | {"Dockerfile": DOCKERFILE.replace('"bash", "start.sh"', '"nginx"'), "nginx.conf": _STATIC},
    good=_GOOD
    | {
        "Dockerfile": DOCKERFILE.replace('"bash", "start.sh"', '"nginx", "-g", "daemon off;"'),
        "nginx.conf": _STATIC,
    },
)
def nginx_daemon(ctx: Context) -> Iterator[Finding]:
    """The web server nginx goes into the background unless told not to, and the container ends with its first process.

    `nginx -g "daemon off;"` stays in the foreground.
    """
    for startup, process, found in _setups(ctx):
        start = startup.world.image.entrypoint or startup.world.image.cmd
        is_first = start is not None and not start.is_shell and process.where == f"Dockerfile:{start.line}"
        told = "daemon off" in " ".join(process.words) or any(
            next(one.config.find("daemon"), None) for one in found.files
        )
        if is_first and not startup.scripts and len(startup.processes) == 1 and found.main and not told:
            yield Finding(
                "The server nginx goes into the background, and the container ends at once",
                hint='Write CMD ["nginx", "-g", "daemon off;"].',
                where=process.where,
                severity=None if process.is_certain and not found.is_edited else Severity.WARNING,
            )


SUPERVISED = {
    "Dockerfile": DOCKERFILE.replace(
        "--no-install-recommends nginx", "--no-install-recommends nginx supervisor"
    ).replace('CMD ["bash", "start.sh"]', 'CMD ["supervisord", "-c", "supervisord.conf"]'),
    "nginx.conf": NGINX,
}
SUPERVISOR = """\
[supervisord]
nodaemon=true

[program:nginx]
command=nginx -g 'daemon off;'

[program:api]
command=uvicorn main:app --host 127.0.0.1 --port 8000
"""


@rule(
    Severity.ERROR,
    bad=SUPERVISED | {"supervisord.conf": SUPERVISOR.replace("nodaemon=true\n", "")},
    good=SUPERVISED | {"supervisord.conf": SUPERVISOR},
)
def supervisord_daemon(ctx: Context) -> Iterator[Finding]:
    """The manager supervisord goes into the background unless told not to, and then the container ends at once."""
    startup = ctx.startup
    for process in startup.processes if startup else ():
        if startup is None or process.name != "supervisord" or {"-n", "--nodaemon"} & {*process.words}:
            continue
        given = option(process.words, "-c", "--configuration")
        found = supervisor(startup.world, process.cwd, given[0] if given else None, process.env)
        first = startup.world.image.entrypoint or startup.world.image.cmd
        is_first = first is not None and any("supervisord" in word for word in first.words) and not first.is_shell
        if found and found.is_complete and not found.in_foreground:
            yield Finding(
                "The process manager supervisord goes into the background, and the container ends at once",
                hint="Write nodaemon=true under [supervisord]; or start it with supervisord -n.",
                where=found.path,
                severity=None if is_first and process.is_certain and given else Severity.WARNING,
            )
