"""Where the processes of a start listen: what well-known servers take from options, variables and files, and assume.

Sources: the command lines' own `--help` and documentation, November 2026.
"""

from __future__ import annotations

import posixpath
import re
import tomllib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

from spaceops.shell import UNKNOWN
from spaceops.startup import gunicorn, nginx, nodeservers, pythonservers
from spaceops.startup.commandkinds import WORKERS
from spaceops.startup.facts import EVERYWHERE, Listener, Process, World
from spaceops.startup.options import Setting, address, asked, option, positional

Found = Sequence[Listener] | None  # None: not known what it does
_PORT = re.compile(r"\d{1,5}")


@dataclass(frozen=True)
class Server:
    """How one server is told where to listen."""

    host: str | None  # where it listens unless told; None: not known
    port: int | None
    port_options: tuple[str, ...] = ("--port",)
    host_options: tuple[str, ...] = ("--host",)
    port_variables: tuple[str, ...] = ()
    host_variables: tuple[str, ...] = ()
    no_port: tuple[str, ...] = ()  # with these options it listens on no port, or on one that is not known
    has_config: bool = False  # files that are not looked for may say otherwise
    set_host: str = ""
    set_port: str = ""


_JUPYTER = Server(
    "127.0.0.1",
    8888,
    port_options=("--port", "--ServerApp.port", "--NotebookApp.port"),
    host_options=("--ip", "--ServerApp.ip", "--NotebookApp.ip"),
    set_host="--ip 0.0.0.0",
    no_port=("--config",),
    has_config=True,
)
_VLLM = Server(EVERYWHERE, 8000, no_port=("--uds", "--config"))
_MLFLOW = Server(
    "127.0.0.1",
    5000,
    port_options=("--port", "-p"),
    host_options=("--host", "-h"),
    port_variables=("MLFLOW_PORT",),
    host_variables=("MLFLOW_HOST",),
)
_BOKEH = Server(EVERYWHERE, 5006, host_options=("--address",))
_NEXT = Server(
    EVERYWHERE,
    3000,
    port_options=("-p", "--port"),
    host_options=("-H", "--hostname"),
    port_variables=("PORT",),
    set_host="-H 0.0.0.0",
    set_port="-p {port}",
)
_VITE = Server("127.0.0.1", 5173, set_host="--host 0.0.0.0")
_RAILS = Server(
    None,
    3000,
    port_options=("-p", "--port"),
    host_options=("-b", "--binding"),
    port_variables=("PORT",),
    set_host="-b 0.0.0.0",
    set_port="-p {port}",
)
_ARTISAN = Server("127.0.0.1", 8000, port_variables=("SERVER_PORT",), host_variables=("SERVER_HOST",))
_LLAMA = Server("127.0.0.1", 8080, port_variables=("LLAMA_ARG_PORT",), host_variables=("LLAMA_ARG_HOST",))

# By the program and, where it has several, its first word.
SERVERS: Mapping[str, Server] = {
    "uvicorn": Server(
        "127.0.0.1",
        8000,
        port_variables=("UVICORN_PORT",),
        host_variables=("UVICORN_HOST",),
        no_port=("--uds", "--fd", "--env-file"),
    ),
    "granian": Server(
        "127.0.0.1",
        8000,
        port_variables=("GRANIAN_PORT",),
        host_variables=("GRANIAN_HOST",),
        no_port=("--uds", "--env-files"),
    ),
    "daphne": Server(
        "127.0.0.1",
        8000,
        port_options=("-p", "--port"),
        host_options=("-b", "--bind"),
        no_port=("-u", "--unix-socket", "-e", "--endpoint", "--fd"),
        set_host="-b 0.0.0.0",
        set_port="-p {port}",
    ),
    "waitress-serve": Server(EVERYWHERE, 8080, no_port=("--listen", "--unix-socket")),
    "fastapi run": Server(EVERYWHERE, 8000, port_variables=("PORT",)),
    "fastapi dev": Server("127.0.0.1", 8000, port_variables=("PORT",)),
    "flask run": Server(
        "127.0.0.1",
        5000,
        port_options=("--port", "-p"),
        host_options=("--host", "-h"),
        port_variables=("FLASK_RUN_PORT",),
        host_variables=("FLASK_RUN_HOST",),
    ),
    "jupyter lab": _JUPYTER,
    "jupyter notebook": _JUPYTER,
    "jupyter server": _JUPYTER,
    "jupyter-lab": _JUPYTER,
    "jupyter-notebook": _JUPYTER,
    "tensorboard": Server("127.0.0.1", 6006, no_port=("--bind_all",)),
    "mlflow ui": _MLFLOW,
    "mlflow server": _MLFLOW,
    "panel serve": _BOKEH,
    "bokeh serve": _BOKEH,
    "chainlit run": Server("127.0.0.1", 8000, port_variables=("CHAINLIT_PORT",), host_variables=("CHAINLIT_HOST",)),
    "mesop": Server(None, 32123),
    "ttyd": Server(EVERYWHERE, 7681, port_options=("-p", "--port"), host_options=(), no_port=("-i", "--interface")),
    "vllm serve": _VLLM,
    "vllm.entrypoints.openai.api_server": _VLLM,
    "text-generation-launcher": Server(
        EVERYWHERE, 3000, port_options=("--port", "-p"), host_options=("--hostname",), port_variables=("PORT",)
    ),
    "llama-server": _LLAMA,
    "llama_cpp.server": Server("127.0.0.1", 8000, port_variables=("PORT",), host_variables=("HOST",)),
    "next start": _NEXT,
    "next dev": _NEXT,
    "vite": _VITE,
    "vite dev": _VITE,
    "vite preview": replace(_VITE, port=4173),
    "serve": Server(
        EVERYWHERE, 3000, port_options=("-p", "--port"), port_variables=("PORT",), no_port=("-l", "--listen")
    ),
    "http-server": Server(
        EVERYWHERE, 8080, port_options=("-p", "--port"), host_options=("-a",), port_variables=("PORT",)
    ),
    "artisan serve": _ARTISAN,
    "rails server": _RAILS,
    "rails s": _RAILS,
    "http.server": Server(EVERYWHERE, 8000, host_options=("--bind", "-b"), set_port="{port}"),
}
_RENAMED = {"jupyterlab": "jupyter-lab", "notebook": "jupyter-notebook", "waitress": "waitress-serve"}


def listeners(process: Process, world: World) -> Found:
    """Where a process listens: nothing for one that surely does not, None where it cannot be known."""
    name = _RENAMED.get(process.name, process.name)
    special = _SPECIAL.get(name)
    if special is not None:
        return special(process, world)
    if re.fullmatch(r"python[0-9.]*|pypy3?", name):
        return _python(process, world)
    if name in WORKERS:
        return ()
    words = [word for word in process.words[1:] if not word.startswith("-")]
    both = next((f"{name} {word}" for word in words if f"{name} {word}" in SERVERS), name)
    server = SERVERS.get(both)
    if server is None and process.is_module:
        return _module(process, world)
    if both == "flask run" and world.text_at(process.absolute(".flaskenv")):
        return None
    return None if server is None else _told(both, server, process, world)


def _module(process: Process, world: World) -> Found:
    """`python -m NAME`, where NAME is a module of the Space."""
    place = process.words[0].replace(".", "/")
    for path in (f"{place}.py", f"{place}/__main__.py"):
        if world.source_of(process.absolute(path)) is not None:
            return _python(replace(process, words=("python", path, *process.words[1:])), world)
    return None


def _told(name: str, server: Server, process: Process, world: World) -> Found:
    if name == "http.server" and (found := positional(process.words)):
        number = Setting(found if _PORT.fullmatch(found) else None, found not in process.doubtful)
    else:
        number = asked(process, world, server.port_options, server.port_variables, server.port)
    if any(option(process.words, one) is not None or one in process.words for one in server.no_port):
        return None
    host = asked(process, world, server.host_options, server.host_variables, server.host)
    if server.has_config and option(process.words, *server.host_options) is None:
        host = replace(host, is_certain=False)
    return (_listener(name, process, host, number, server.set_host, server.set_port),)


def _listener(
    name: str,
    process: Process,
    host: Setting,
    port: Setting,
    set_host: str = "",
    set_port: str = "",
    where: str = "",
) -> Listener:
    return Listener(
        name,
        host.text,
        port.number,
        where or process.where,
        process,
        host.is_certain and process.is_certain,
        port.is_certain and process.is_certain,
        set_host or "--host 0.0.0.0",
        set_port or "--port {port}",
    )


def _hypercorn(process: Process, _world: World) -> Found:
    if any(option(process.words, one) is not None for one in ("-c", "--config", "--quic-bind", "--insecure-bind")):
        return None
    given = list(_all(process.words, "-b", "--bind"))
    return _bound("hypercorn", process, given or ["127.0.0.1:8000"], 8000)


def _all(words: Sequence[str], *names: str) -> list[str]:
    found = list[str]()
    for number, word in enumerate(words[1:], start=1):
        if word in names and number + 1 < len(words):
            found.append(words[number + 1])
        elif any(word.startswith(f"{name}=") for name in names if name.startswith("--")):
            found.append(word.partition("=")[2])
    return found


def _bound(name: str, process: Process, binds: Sequence[str], port: int) -> Found:
    """Listeners of `host:port` words; those of sockets are left out."""
    found = list[Listener]()
    for bind in binds:
        if bind.startswith(("unix:", "fd://")):
            continue
        is_certain = not any(bind in word for word in process.doubtful)
        host, number = address(bind, port)
        found.append(
            _listener(
                name,
                process,
                Setting(host, is_certain),
                Setting(number, is_certain),
                "-b 0.0.0.0:PORT",
                "-b 0.0.0.0:{port}",
            )
        )
    return found


def _gunicorn(process: Process, world: World) -> Found:
    bound = gunicorn.binds(process, world)
    if bound is None:
        return None
    found = list[Listener]()
    for bind in bound:
        host, number = address(bind.text, 8000) if bind.text is not None else (None, None)
        if bind.text is not None and bind.text.startswith(("unix:", "fd://")):
            continue
        found.append(
            _listener(
                "gunicorn",
                process,
                Setting(host, bind.is_certain),
                Setting(number, bind.is_certain),
                "-b 0.0.0.0:PORT",
                "-b 0.0.0.0:{port}",
                bind.where,
            )
        )
    return found


def _streamlit(process: Process, world: World) -> Found:
    if process.words[1:2] != ("run",):
        return () if process.words[1:2] else None
    port = asked(process, world, ("--server.port",), ("STREAMLIT_SERVER_PORT",), None)
    host = asked(process, world, ("--server.address",), ("STREAMLIT_SERVER_ADDRESS",), None)
    config = _streamlit_config(process, world)
    if config is None and (port.text is None or host.text is None):
        return None if port.text is None else _of_streamlit(process, Setting(EVERYWHERE, False), port)
    server = (config or {}).get("server", {})
    server = server if isinstance(server, dict) else {}
    if port.text is None and port.is_certain:
        port = Setting(str(server.get("port", 8501)), world.knows_env)
    if host.text is None and host.is_certain:
        host = Setting(str(server.get("address", EVERYWHERE)), world.knows_env)
    return _of_streamlit(process, host, port)


def _of_streamlit(process: Process, host: Setting, port: Setting) -> Found:
    return (_listener("streamlit", process, host, port, "--server.address 0.0.0.0", "--server.port {port}"),)


def _streamlit_config(process: Process, world: World) -> Mapping[str, object] | None:
    """`.streamlit/config.toml` of the working directory; None where one may be there that is not known."""
    made = any(".streamlit" in word for _, one in world.image.runs for word in (*one.words, *one.redirects))
    found = world.text_at(process.absolute(".streamlit/config.toml"))
    home = process.env.get("HOME", "")
    if found is None and home and UNKNOWN not in home:
        found = world.text_at(posixpath.join(home, ".streamlit/config.toml"))
    if made or UNKNOWN in process.cwd:
        return None
    try:
        return tomllib.loads(found[1]) if found else {}
    except (tomllib.TOMLDecodeError, RecursionError):
        return None


def _manage(process: Process, _world: World) -> Found:
    """`python manage.py runserver [HOST:PORT]`."""
    if "runserver" not in process.words:
        return None
    given = [word for word in process.words[process.words.index("runserver") + 1 :] if not word.startswith("-")]
    text = given[0] if given else "127.0.0.1:8000"
    if _PORT.fullmatch(text):
        text = f"127.0.0.1:{text}"
    if UNKNOWN in text:
        return None
    is_certain = text not in process.doubtful
    host, port = address(text, 8000)
    to_set = "runserver 0.0.0.0:{port}"
    return (_listener("runserver", process, Setting(host, is_certain), Setting(port, is_certain), to_set, to_set),)


def _php(process: Process, world: World) -> Found:
    if "artisan" in [word.rpartition("/")[2] for word in process.words[1:2]]:
        return listeners(replace(process, words=process.words[1:]), world)
    given = option(process.words, "-S")
    if given is None or UNKNOWN in given[0]:
        return None
    is_certain = given[1] not in process.doubtful
    host, port = address(given[0], None)
    return (_listener("php", process, Setting(host, is_certain), Setting(port, is_certain), "-S 0.0.0.0:PORT"),)


def _ollama(process: Process, world: World) -> Found:
    if process.words[1:2] != ("serve",):
        return () if process.words[1:2] else None
    setting = asked(process, world, (), ("OLLAMA_HOST",), None)
    if setting.text is None:
        in_image = world.image.base.repository.startswith("ollama/")
        setting = Setting(EVERYWHERE if in_image else "127.0.0.1", setting.is_certain)
    host, port = address((setting.text or "").removeprefix("http://"), 11434)
    return (
        replace(
            _listener("ollama", process, Setting(host, setting.is_certain), Setting(port, setting.is_certain)),
            to_set_host="ENV OLLAMA_HOST=0.0.0.0:PORT",
            to_set_port="ENV OLLAMA_HOST=0.0.0.0:{port}",
        ),
    )


def _nginx(process: Process, world: World) -> Found:
    setup = nginx.setup(process, world)
    if setup is None or not setup.is_complete:
        return None
    return [
        Listener(
            "nginx",
            EVERYWHERE if one.host == "*" else one.host,
            one.port,
            where,
            process,
            process.is_certain,
            process.is_certain,
            "listen PORT;",
            "listen {port};",
        )
        for one, where in setup.listens
    ]


def _python(process: Process, world: World) -> Found:
    """`python FILE`."""
    if len(process.words) < 2 or process.words[1].startswith("-"):
        return None
    name = process.words[1]
    if name.rpartition("/")[2] == "manage.py":
        return _manage(process, world)
    found = world.text_at(process.absolute(name)) if UNKNOWN not in name else None
    file = pythonservers.read(found[1]) if found else None
    if found is None or file is None or not file.calls:
        return None
    return [_of_call(call, process, world, found[0], file.may_start_more) for call in file.calls]


def _of_call(
    call: pythonservers.ServerCall, process: Process, world: World, path: str, may_start_more: bool
) -> Listener:
    kind = call.kind
    host = _given(call.host, kind.host, kind.host_variable, process, world)
    port = _given(call.port, kind.port, kind.port_variable, process, world)
    is_certain = call.is_certain and process.is_certain and not may_start_more
    if kind.name == "gradio" and call.host is None:
        host = replace(host, is_certain=False)  # GRADIO_SERVER_NAME is what many set as a variable of the Space
    return Listener(
        kind.name,
        host.text,
        port.number,
        f"{path}:{call.line}",
        process,
        host.is_certain and is_certain,
        port.is_certain and is_certain,
        f'{kind.host_word}="{EVERYWHERE}"',
        kind.port_word + "={port}",
    )


def _given(
    given: pythonservers.Given | None, default: str | int | None, variable: str, process: Process, world: World
) -> Setting:
    """What a call's argument comes to, here."""
    if given is None:
        return asked(process, world, (), (variable,) if variable else (), default)
    if given.option:
        return asked(process, world, (given.option,), (), given.value)
    if given.variable:
        found = asked(process, world, (), (given.variable,), given.value)
        return replace(found, is_certain=given.variable in process.settled)
    return Setting(given.value, True)


def _node(process: Process, world: World) -> Found:
    words = [word for word in process.words[1:] if not word.startswith("-")]
    found = world.text_at(process.absolute(words[0])) if words and UNKNOWN not in words[0] else None
    if found is None and words:
        found = world.text_at(process.absolute(words[0] + ".js"))
    if found is None and words and process.absolute(words[0]) in _standalone_servers(world):
        return (_of_next(process, world),)
    server = nodeservers.read(found[1]) if found else None
    if found is None or server is None:
        return None
    default_host = "127.0.0.1" if server.is_fastify else EVERYWHERE
    host = _given(server.host, default_host, "", process, world)
    port = _given(server.port, None, "", process, world)
    return (
        Listener(
            "node",
            host.text,
            port.number,
            f"{found[0]}:{server.line}",
            process,
            False,
            port.is_certain and process.is_certain,
            "listen(PORT, '0.0.0.0')",
            "listen({port}, '0.0.0.0')",
        ),
    )


def _standalone_servers(world: World) -> list[str]:
    """Where the server lies that `next build` makes with `output: "standalone"`."""
    built = [one for one in world.image.copied if one.is_foreign and ".next/standalone" in one.line.instruction.args]
    return [posixpath.join(one.target, "server.js") for one in built]


def _of_next(process: Process, world: World) -> Listener:
    host = _given(pythonservers.Given(EVERYWHERE, "HOSTNAME"), None, "", process, world)
    port = _given(pythonservers.Given("3000", "PORT"), None, "", process, world)
    is_sure = (host.is_certain and process.is_certain, port.is_certain and process.is_certain)
    to_set = (f"ENV HOSTNAME={EVERYWHERE}", "ENV PORT={port}")
    return Listener("next", host.text, port.number, process.where, process, *is_sure, *to_set)


def _next(process: Process, world: World) -> Found:
    words = [word for word in process.words[1:] if not word.startswith("-")]
    server = SERVERS.get(f"next {words[0]}") if words else None
    return _told("next", server, process, world) if server else None


def _vite(process: Process, world: World) -> Found:
    """Unknown where a configuration says where to listen."""
    for name in ("vite.config.js", "vite.config.ts", "vite.config.mjs", "vite.config.mts"):
        found = world.text_at(process.absolute(name))
        if found and re.search(r"\b(port|host|server|preview)\b", found[1]):
            return None
    words = [word for word in process.words[1:] if not word.startswith("-")]
    server = SERVERS.get(f"vite {words[0]}" if words else "vite") or SERVERS["vite"]
    if "--host" in process.words:  # without an address it means every one
        at = process.words.index("--host") + 1
        if process.words[at : at + 1] == () or process.words[at].startswith("-"):
            process = replace(process, words=(*process.words[:at], EVERYWHERE, *process.words[at:]))
    return _told("vite", server, process, world)


def _supervisord(_process: Process, _world: World) -> Found:
    return ()


_SPECIAL: Mapping[str, Callable[[Process, World], Found]] = {
    "hypercorn": _hypercorn,
    "gunicorn": _gunicorn,
    "streamlit": _streamlit,
    "manage.py": _manage,
    "php": _php,
    "ollama": _ollama,
    "nginx": _nginx,
    "node": _node,
    "nodejs": _node,
    "nodemon": _node,
    "next": _next,
    "vite": _vite,
    "supervisord": _supervisord,
    "gradio": lambda process, world: _python(process, world),
}
