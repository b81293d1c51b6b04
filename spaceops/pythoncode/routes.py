"""The paths that a web app in Python answers, read from its decorators: FastAPI, Starlette, Flask and their kind."""

from __future__ import annotations

from dataclasses import dataclass

from spaceops.pythoncode import Code
from spaceops.pythonmodule import Call, Module
from spaceops.shell import UNKNOWN

_FASTAPI = ("fastapi.FastAPI", "fastapi.applications.FastAPI")
_FLASK = ("flask.Flask", "quart.Quart", "flask_openapi3.OpenAPI")
_STARLETTE = ("starlette.applications.Starlette",)
_ROUTERS = ("fastapi.APIRouter", "fastapi.routing.APIRouter", "flask.Blueprint", "quart.Blueprint")
_METHODS = frozenset({"get", "post", "put", "delete", "patch", "options", "head", "trace"})
# Methods of an app that add no paths, and hide none.
_HARMLESS = """
add_event_handler add_middleware after_request app_context context_processor include_router mount on_event openapi
register_blueprint run teardown_appcontext teardown_request template_filter test_client websocket update setdefault
from_object from_mapping info debug warning error init_app url_path_for
"""
_HARMLESS_METHODS = frozenset(_HARMLESS.split())
# Functions that an app is handed to, without getting or losing paths.
_HARMLESS_CALLS = frozenset(
    {"uvicorn.run", "flask_cors.CORS", "hypercorn.asyncio.serve", "waitress.serve", "len", "print"}
)


@dataclass(frozen=True)
class Route:
    """One path of the app."""

    path: str
    methods: frozenset[str]
    where: str  # FILE:LINE


@dataclass(frozen=True)
class Routes:
    """What the app answers. `is_complete`: it answers nothing else."""

    framework: str  # "fastapi", "flask", "starlette"
    where: str  # where the app is made
    made: Call
    routes: tuple[Route, ...] = ()
    mounts: tuple[str, ...] = ()
    is_complete: bool = True

    def answers(self, path: str) -> bool | None:
        """Whether a GET of a path is answered; None where that cannot be known."""
        if any(_fits(route.path, path) and "GET" in route.methods for route in self.routes):
            return True
        if any(path.startswith(mount.rstrip("/") + "/") or mount in ("", "/") for mount in self.mounts):
            return None
        return None if not self.is_complete else False


def served(code: Code) -> Routes | None:
    """The app that the code serves; None where there is none, or it cannot be told which."""
    made = [
        (module, call) for module in code.modules.values() for call in module.called(*_FASTAPI, *_FLASK, *_STARLETTE)
    ]
    if len(made) != 1 or not code.entries:
        return None
    module, call = made[0]
    framework = "fastapi" if call.name in _FASTAPI else "flask" if call.name in _FLASK else "starlette"
    return _Collector(code).collect(module, call, framework)


class _Collector:
    def __init__(self, code: Code) -> None:
        self.code = code
        self.routes, self.mounts = list[Route](), list[str]()
        self.is_complete = code.is_whole and code.unresolved_inside == ()

    def collect(self, module: Module, made: Call, framework: str) -> Routes:
        """Everything that is hung onto the app."""
        names = set(made.targets)
        names |= {
            entry.attribute for path, entry in self.code.starts.items() if path == module.path and entry.attribute
        }
        self._own(made, framework)
        self._hung_on(module, names - {""}, "", set())
        self._elsewhere(module, names - {""})
        if framework == "starlette" or not names:
            self.is_complete = False
        where = f"{module.path}:{made.line}"
        return Routes(framework, where, made, tuple(self.routes), tuple(self.mounts), self.is_complete)

    def _own(self, made: Call, framework: str) -> None:
        """The pages that the framework adds itself."""
        if framework == "fastapi":
            for keyword, path in (("docs_url", "/docs"), ("redoc_url", "/redoc"), ("openapi_url", "/openapi.json")):
                given = made.keywords.get(keyword, path)
                if isinstance(given, str):
                    self._add(given, ["GET"], "")
            if {"routes", "exception_handlers"} & set(made.keywords):
                self.is_complete = False
        elif "static_url_path" in made.keywords:
            self.is_complete = False

    def _add(self, path: str, methods: list[str], where: str) -> None:
        self.routes.append(Route(path, frozenset(one.upper() for one in methods), where))

    def _hung_on(self, module: Module, names: set[str], prefix: str, seen: set[tuple[str, str]]) -> None:
        """The routes of an app or a router of these names in a module."""
        for call in module.calls:
            base, _, inner = call.receiver.partition(".")
            if base in names:
                self._method(module, call, inner, prefix, seen)
            elif any(name in call.passes for name in names):
                self._handed_over(call)

    def _method(self, module: Module, call: Call, inner: str, prefix: str, seen: set[tuple[str, str]]) -> None:
        method = call.name.rpartition(".")[2]
        if inner not in ("", "config", "logger", "state"):
            self.is_complete = False
        elif method in _METHODS | {"route", "api_route", "add_api_route", "add_url_rule", "add_route"}:
            self._route(module, call, method, prefix)
        elif method in ("include_router", "register_blueprint"):
            self._router(module, call, prefix, seen)
        elif method == "mount":
            self._mount(call, prefix)
        elif method in ("exception_handler", "errorhandler"):
            self.is_complete = self.is_complete and not _may_answer(call)
        elif method not in _HARMLESS_METHODS:
            self.is_complete = False

    def _route(self, module: Module, call: Call, method: str, prefix: str) -> None:
        path = call.argument(0, "rule" if method == "add_url_rule" else "path")
        if not isinstance(path, str) or UNKNOWN in path:
            self.is_complete = False
            return
        methods = call.keywords.get("methods", ("GET",)) if method not in _METHODS else (method,)
        known = [one for one in methods if isinstance(one, str)] if isinstance(methods, tuple) else ["GET"]
        self._add(prefix + path, known, f"{module.path}:{call.line}")

    def _mount(self, call: Call, prefix: str) -> None:
        path = call.argument(0, "path")
        self.is_complete = self.is_complete and isinstance(path, str)
        self.mounts += [prefix + path] if isinstance(path, str) else []

    def _router(self, module: Module, call: Call, prefix: str, seen: set[tuple[str, str]]) -> None:
        """`include_router(x, prefix=…)`: the routes of x, wherever it is made."""
        more = call.keywords.get("prefix", call.keywords.get("url_prefix", ""))
        target = self._target(module, call.passes[0]) if call.passes else None
        if target is None or not isinstance(more, str) or UNKNOWN in more or target in seen:
            self.is_complete = False
            return
        path, name = target
        made = [one for one in self.code.modules[path].called(*_ROUTERS) if name in one.targets]
        own = made[0].keywords.get("prefix", made[0].keywords.get("url_prefix", "")) if made else None
        if not isinstance(own, str) or UNKNOWN in own:
            self.is_complete = False
            return
        is_flask = made[0].name.endswith("Blueprint")
        whole = (more or own) if is_flask else more + own
        self._hung_on(self.code.modules[path], {name}, prefix + whole, {*seen, target})

    def _target(self, module: Module, text: str) -> tuple[str, str] | None:
        """The module and name that a dotted name of a module means."""
        if "." not in text and (module.path, text) not in self.code.targets:
            return (module.path, text) if text in module.names else None
        base, _, attribute = text.rpartition(".")
        path, name = self.code.targets.get((module.path, base or text), ("", ""))
        if base and name:  # `from package import users`, then `users.router`, where users is no module
            return None
        found = (path, attribute if base else name)
        return found if path in self.code.modules and found[1] else None

    def _handed_over(self, call: Call) -> None:
        if call.name in (".include_router", ".register_blueprint"):
            return
        if call.name.endswith("mount_gradio_app"):
            path = call.argument(2, "path")
            self.mounts += [path] if isinstance(path, str) else []
            self.is_complete = self.is_complete and isinstance(path, str)
        elif call.name not in _HARMLESS_CALLS and not call.name.endswith((".instrument", ".expose", "TestClient")):
            self.is_complete = False

    def _elsewhere(self, module: Module, names: set[str]) -> None:
        """Another module that has the app may add to it."""
        for (path, _), (target, name) in self.code.targets.items():
            if path != module.path and target == module.path and (name in names or name in ("", "*")):
                self.is_complete = self.is_complete and path in self.code.starts and not self._uses(path, name)

    def _uses(self, path: str, name: str) -> bool:
        other = self.code.modules[path]
        return any(call.receiver or name in call.passes for call in other.calls)


def _may_answer(handler: Call) -> bool:
    """Whether a handler of errors may answer paths that there are not."""
    status = handler.args[0] if handler.args else None
    if isinstance(status, int):
        return status == 404
    return not any(name.endswith(("ValidationError", "RateLimitExceeded")) for name in handler.passes)


def _fits(route: str, path: str) -> bool:
    """Whether a route's path with its parameters fits a path."""
    wanted, given = route.split("/"), path.split("/")
    if route.rstrip("/").endswith((":path}", "<path:path>")) or "<path:" in route or ":path}" in route:
        return len(given) >= len(wanted)
    return len(wanted) == len(given) and all(
        one == other or one.startswith(("{", "<")) for one, other in zip(wanted, given, strict=True)
    )
