"""Servers that a Python file starts when it is run: `uvicorn.run(…)`, `app.run(…)`, `demo.launch()`. By syntax."""

from __future__ import annotations

import ast
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice

from spaceops.startup.facts import EVERYWHERE

_DEEPEST = 6  # functions that call functions
_MOST = 200_000  # nodes of a file
_MOST_CALLS = 20  # servers of a file
# Whoever imports these may start servers that are not seen here.
SUSPICIOUS = frozenset({"subprocess", "multiprocessing", "threading", "pyngrok", "honcho", "supervisor", "pexpect"})


@dataclass(frozen=True)
class Given:
    """What the code says of a host or port; neither a value nor a variable: it cannot be known."""

    value: str | None = None  # the literal, or the default
    variable: str = ""  # the environment variable that is asked first
    option: str = ""  # or the option of the command line


@dataclass(frozen=True)
class Kind:
    """One way to start a server."""

    name: str
    host: str | None  # where it listens unless told; None: not known
    port: int | None
    host_word: str = "host"
    port_word: str = "port"
    host_variable: str = ""
    port_variable: str = ""
    address: int | None = None  # the argument that is a pair of host and port
    positions: tuple[int, int] | None = None  # of host and port among the arguments


@dataclass(frozen=True)
class ServerCall:
    """One call that starts a server. Host and port are None where the call does not name them."""

    kind: Kind
    host: Given | None
    port: Given | None
    line: int
    is_certain: bool  # it is surely reached


@dataclass(frozen=True)
class PythonFile:
    """What was found in a file."""

    calls: tuple[ServerCall, ...]
    imports: frozenset[str]  # top names

    @property
    def may_start_more(self) -> bool:
        """Whether it could start servers that are not seen here."""
        return bool(self.imports & SUSPICIOUS)


_GRADIO = Kind("gradio", "127.0.0.1", 7860, "server_name", "server_port", "GRADIO_SERVER_NAME", "GRADIO_SERVER_PORT")
_SOCKETIO = Kind("flask_socketio", "127.0.0.1", 5000, positions=(1, 2))
_UNKNOWN_APP = Kind("app.run", None, None)
_DASH = Kind("dash", "127.0.0.1", 8050, host_variable="HOST", port_variable="PORT")
# Functions, by their full names.
FUNCTIONS: Mapping[str, Kind] = {
    "uvicorn.run": Kind("uvicorn", "127.0.0.1", 8000),
    "uvicorn.Config": Kind("uvicorn", "127.0.0.1", 8000),
    "aiohttp.web.run_app": Kind("aiohttp", EVERYWHERE, 8080),
    "waitress.serve": Kind("waitress", EVERYWHERE, 8080),
    "nicegui.ui.run": Kind("nicegui", EVERYWHERE, 8080),
    "bottle.run": Kind("bottle", "127.0.0.1", 8080),
    "werkzeug.serving.run_simple": Kind("werkzeug", None, None, "hostname", positions=(0, 1)),
    "wsgiref.simple_server.make_server": Kind("wsgiref", None, None, positions=(0, 1)),
    "http.server.HTTPServer": Kind("http.server", None, None, address=0),
    "http.server.ThreadingHTTPServer": Kind("http.server", None, None, address=0),
    "socketserver.TCPServer": Kind("socketserver", None, None, address=0),
    "socketserver.ThreadingTCPServer": Kind("socketserver", None, None, address=0),
    "gevent.pywsgi.WSGIServer": Kind("gevent", None, None, address=0),
    "eventlet.listen": Kind("eventlet", None, None, address=0),
}
# `.run()` of what these make.
RUNS: Mapping[str, Kind] = {
    "flask.Flask": Kind("flask", "127.0.0.1", 5000, positions=(0, 1)),
    "quart.Quart": Kind("quart", "127.0.0.1", 5000, positions=(0, 1)),
    "sanic.Sanic": Kind("sanic", "127.0.0.1", 8000, positions=(0, 1)),
    "bottle.Bottle": Kind("bottle", "127.0.0.1", 8080),
    "dash.Dash": _DASH,
    "flask_socketio.SocketIO": _SOCKETIO,
}


def read(text: str) -> PythonFile | None:
    """The servers that a file starts when it is run; None where it is no Python that can be read."""
    if len(text) > 500_000:
        return None
    try:
        tree = ast.parse(text)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return None
    reader = Reader(tree)
    try:
        return PythonFile(
            tuple(islice(reader.calls(), _MOST_CALLS)),
            frozenset(name.partition(".")[0] for name in reader.aliases.values()),
        )
    except RecursionError:
        return None


class Reader:
    """A file, walked once for what its names stand for."""

    def __init__(self, tree: ast.Module) -> None:
        self.tree = tree
        self.aliases: dict[str, str] = {}
        self.values: dict[str, ast.expr | None] = {}  # names assigned once; None: more often
        self.functions: dict[str, ast.FunctionDef | ast.AsyncFunctionDef] = {}
        self.options: dict[str, tuple[str, str | None]] = {}  # of argparse: dest -> option, default
        for count, node in enumerate(ast.walk(tree)):
            if count > _MOST:
                break
            self._learn(node)

    def _learn(self, node: ast.AST) -> None:
        if isinstance(node, ast.Import | ast.ImportFrom):
            self._import(node)
        elif isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            self.functions.setdefault(node.name, node)
        elif isinstance(node, ast.Assign):
            for target in node.targets:
                self._assign(target, node.value)
        elif isinstance(node, ast.AnnAssign) and node.value:
            self._assign(node.target, node.value)
        elif isinstance(node, ast.withitem) and node.optional_vars is not None:
            self._assign(node.optional_vars, node.context_expr)
        elif isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr == "add_argument":
            self._option(node)

    def _import(self, node: ast.Import | ast.ImportFrom) -> None:
        for alias in node.names:
            if isinstance(node, ast.ImportFrom):
                self.aliases[alias.asname or alias.name] = f"{'.' * node.level}{node.module or ''}.{alias.name}"
            else:
                top = alias.name.partition(".")[0]
                self.aliases[alias.asname or top] = alias.name if alias.asname else top

    def _assign(self, target: ast.expr, value: ast.expr) -> None:
        if isinstance(target, ast.Name):
            self.values[target.id] = None if target.id in self.values else value

    def _option(self, call: ast.Call) -> None:
        names = [arg.value for arg in call.args if isinstance(arg, ast.Constant) and isinstance(arg.value, str)]
        long = next((name for name in names if name.startswith("--")), None)
        words = {keyword.arg: keyword.value for keyword in call.keywords}
        if long:
            dest = words.get("dest")
            name = str(dest.value) if isinstance(dest, ast.Constant) else long.lstrip("-").replace("-", "_")
            default = words.get("default")
            given = self.given(default) if default is not None else Given()
            self.options[name] = (long, given.value if not given.variable else None)

    # What is called when the file is run

    def calls(self) -> Iterator[ServerCall]:
        """The calls that start servers."""
        for call, is_certain in self._reached(self.tree.body, True, 0, set()):
            kind = self._kind(call)
            if kind is not None:
                yield self._server(call, kind, is_certain)

    def _reached(
        self, body: Sequence[ast.AST], is_certain: bool, depth: int, seen: set[str]
    ) -> Iterator[tuple[ast.Call, bool]]:
        for node in body:
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef | ast.Lambda):
                continue
            if isinstance(node, ast.If):
                yield from self._of_if(node, is_certain, depth, seen)
                continue
            is_certain_inside = False if isinstance(node, ast.For | ast.While | ast.ExceptHandler) else is_certain
            if isinstance(node, ast.Call):
                yield node, is_certain
            for name in _functions_named(node):
                function = self.functions.get(name)
                if function is not None and name not in seen and depth < _DEEPEST:
                    seen.add(name)
                    yield from self._reached(function.body, is_certain_inside, depth + 1, seen)
            yield from self._reached(list(ast.iter_child_nodes(node)), is_certain_inside, depth, seen)

    def _of_if(self, node: ast.If, is_certain: bool, depth: int, seen: set[str]) -> Iterator[tuple[ast.Call, bool]]:
        is_main = "__name__" in {one.id for one in ast.walk(node.test) if isinstance(one, ast.Name)}
        yield from self._reached([node.test], is_certain, depth, seen)
        yield from self._reached(node.body, is_certain and is_main, depth, seen)
        yield from self._reached(node.orelse, False, depth, seen)

    def _kind(self, call: ast.Call) -> Kind | None:
        name = self._dotted(call.func)
        if name in FUNCTIONS:
            return FUNCTIONS[name]
        if not isinstance(call.func, ast.Attribute):
            return None
        words = {keyword.arg for keyword in call.keywords}
        if call.func.attr == "launch" and ("gradio" in self._modules or words & {"server_name", "server_port"}):
            return _GRADIO
        if call.func.attr in ("run", "run_server"):
            return self._of_run(call.func, words)
        if call.func.attr == "listen" and "tornado" in self._modules and call.args:
            return Kind("tornado", EVERYWHERE, None, "address", positions=(1, 0))
        return None

    def _of_run(self, func: ast.Attribute, words: set[str | None]) -> Kind | None:
        made = self._dotted(func.value)
        value = self.values.get(func.value.id) if isinstance(func.value, ast.Name) else None
        if isinstance(value, ast.Call):
            made = self._dotted(value.func)
        if made in RUNS:
            return RUNS[made]
        if func.attr == "run_server" and "dash" in self._modules:
            return _DASH
        return _UNKNOWN_APP if words & {"port", "host"} else None

    @property
    def _modules(self) -> set[str]:
        return {name.partition(".")[0] for name in self.aliases.values()}

    def _dotted(self, node: ast.expr) -> str:
        """The full name of what is called, through imports; empty for anything else."""
        parts = list[str]()
        while isinstance(node, ast.Attribute):
            parts.append(node.attr)
            node = node.value
        if not isinstance(node, ast.Name):
            return ""
        root = self.aliases.get(node.id, node.id)
        return ".".join([root, *reversed(parts)])

    # What it is told

    def _server(self, call: ast.Call, kind: Kind, is_certain: bool) -> ServerCall:
        words = {keyword.arg: keyword.value for keyword in call.keywords}
        host, port = words.get(kind.host_word), words.get(kind.port_word)
        if kind.address is not None and len(call.args) > kind.address:
            pair = call.args[kind.address]
            if isinstance(pair, ast.Name):
                pair = self.values.get(pair.id) or pair
            host, port = pair.elts[:2] if isinstance(pair, ast.Tuple) and len(pair.elts) >= 2 else (pair, pair)
        elif kind.positions is not None:
            at_host, at_port = kind.positions
            host = call.args[at_host] if host is None and len(call.args) > at_host else host
            port = call.args[at_port] if port is None and len(call.args) > at_port else port
        is_open = None in words or any(isinstance(arg, ast.Starred) for arg in call.args)
        is_open = is_open or bool({"fd", "uds", "sock", "unix_socket", "listen", "path"} & words.keys())
        unknown = Given() if is_open else None
        return ServerCall(
            kind,
            self.given(host) if host is not None else unknown,
            self.given(port) if port is not None else unknown,
            call.lineno,
            is_certain,
        )

    def given(self, node: ast.expr | None, depth: int = 0) -> Given:
        """What an expression says, as far as it can be read."""
        if node is None or depth > _DEEPEST:
            return Given()
        if isinstance(node, ast.Constant):
            return Given(None if isinstance(node.value, bool | None) else str(node.value))
        if isinstance(node, ast.Name):
            return self.given(self.values.get(node.id), depth + 1)
        if isinstance(node, ast.Attribute) and node.attr in self.options:
            option, default = self.options[node.attr]
            return Given(default, option=option)
        if isinstance(node, ast.Call) and self._dotted(node.func) in ("int", "str") and len(node.args) == 1:
            return self.given(node.args[0], depth + 1)
        if isinstance(node, ast.BoolOp) and isinstance(node.op, ast.Or):
            first, last = self.given(node.values[0], depth + 1), self.given(node.values[-1], depth + 1)
            return Given(last.value, first.variable) if first.variable and len(node.values) == 2 else Given()
        variable = self._variable(node)
        if variable is not None:
            name, default_node = variable
            assumed = self.given(default_node, depth + 1) if default_node is not None else Given()
            return Given(None if assumed.variable else assumed.value, name)
        return Given()

    def _variable(self, node: ast.expr) -> tuple[str, ast.expr | None] | None:
        """The environment variable that an expression asks, and its default."""
        if isinstance(node, ast.Subscript) and self._dotted(node.value) == "os.environ":
            key: Sequence[ast.expr] = [node.slice]
        elif isinstance(node, ast.Call) and self._dotted(node.func) in ("os.environ.get", "os.getenv"):
            key = node.args
        else:
            return None
        name = key[0].value if key and isinstance(key[0], ast.Constant) else None
        return (name, key[1] if len(key) > 1 else None) if isinstance(name, str) else None


def _functions_named(node: ast.AST) -> Iterator[str]:
    """The functions that a call calls, or hands on to be called."""
    if not isinstance(node, ast.Call):
        return
    if isinstance(node.func, ast.Name):
        yield node.func.id
    for value in (*node.args, *(keyword.value for keyword in node.keywords)):
        if isinstance(value, ast.Name):
            yield value.id
