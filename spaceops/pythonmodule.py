"""What a Python file does when it is imported, read from its syntax tree: imports, variables it asks for, calls."""

from __future__ import annotations

import ast
import re
import sys
import warnings
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace

from spaceops.shellwords import UNKNOWN

LARGEST = 400_000  # characters of a file that is parsed
_DEEPEST = 8  # parts within parts of a value that is worked out

Value = str | int | float | bool | tuple["Value", ...] | None  # None: not known, or None


@dataclass(frozen=True)
class Place:
    """Under which circumstances a line runs."""

    function: str = ""  # in a function of this name; "" is the module itself, or a class in it
    conditional: bool = False  # in an if, a loop, or a try that catches something
    in_main: bool = False  # under `if __name__ == "__main__"`

    @property
    def at_import(self) -> bool:
        """Whether it may run when the module is imported."""
        return not self.function

    @property
    def is_certain(self) -> bool:
        """Whether it runs whenever the module is imported."""
        return not self.function and not self.conditional and not self.in_main

    @property
    def is_certain_in_main(self) -> bool:
        """Whether it runs whenever the file is started as a program."""
        return not self.function and not self.conditional


@dataclass(frozen=True)
class Import:
    """One module that is imported; `from .x import y` has level 1, module "x" and the names ("y",)."""

    module: str
    names: tuple[str, ...]
    level: int
    line: int
    place: Place
    bound: tuple[str, ...] = ()  # what they are called here: of `import x.y` "x.y", of the others one for each name


@dataclass(frozen=True)
class EnvRead:
    """A variable of the environment that the code asks for."""

    name: str
    line: int
    place: Place
    has_default: bool
    is_required: bool  # without it there is an exception


@dataclass(frozen=True)
class Call:
    """A call. `name` is dotted and absolute (`torch.device`); `.to` is a method of something, see `receiver`."""

    name: str
    receiver: str  # `app.state` of `app.state.close()`; "" for the result of an expression
    line: int
    place: Place
    args: tuple[Value, ...] = ()
    keywords: Mapping[str, Value] = field(default_factory=dict)
    passes: tuple[str, ...] = ()  # names among the arguments: "app", "users.router"
    targets: tuple[str, ...] = ()  # names that its result is bound to
    decorates: str = ""  # the function below it

    def argument(self, position: int, keyword: str) -> Value:
        """An argument by its position or its keyword."""
        return self.keywords.get(keyword, self.args[position] if position < len(self.args) else None)


@dataclass(frozen=True)
class Parameter:
    """A parameter of a decorated function."""

    name: str
    annotation: str
    default: str | None  # as written; None: it has none


@dataclass(frozen=True)
class Function:
    """A function with decorators."""

    name: str
    line: int
    parameters: tuple[Parameter, ...]
    is_async: bool = False


@dataclass(frozen=True)
class SyntaxFault:
    """Why the file is no Python. `is_certain`: for the image's Python too."""

    message: str
    line: int
    is_certain: bool = True


@dataclass(frozen=True)
class Module:
    """One file."""

    path: str
    imports: tuple[Import, ...] = ()
    env_reads: tuple[EnvRead, ...] = ()
    env_sets: frozenset[str] = frozenset()
    calls: tuple[Call, ...] = ()
    names: frozenset[str] = frozenset()  # that it binds at its top level
    functions: Mapping[str, Function] = field(default_factory=dict)
    has_star: bool = False  # `from x import *`, or a `__getattr__`: it has names that are not known
    fault: SyntaxFault | None = None
    is_read: bool = True  # False: too large or too deep
    edits_path: bool = False  # it may change where imports are looked for
    aliases: Mapping[str, str] = field(default_factory=dict)  # local name -> dotted name
    installs: bool = False  # it may install packages when it runs

    def called(self, *names: str) -> Iterator[Call]:
        """The calls of some functions."""
        return (call for call in self.calls if call.name in names)


def parse(text: str, path: str, python: tuple[int, int] | None = None) -> Module:
    """Read a file as the image's Python does. Never raises: what cannot be read is said in the result."""
    text = text.removeprefix("\ufeff")
    if len(text) > LARGEST:
        return Module(path, is_read=False)
    tree = _tree(text, python)
    if isinstance(tree, SyntaxFault):
        return Module(path, fault=tree)
    if tree is None:
        return Module(path, is_read=False)
    module = _Walk(path).walk(tree)
    edits_path = "sys.path" in text or "addsitedir" in text or "chdir" in text
    return replace(module, edits_path=edits_path, installs="pip" in text and "install" in text and "sys" in text)


_HERE = (sys.version_info.major, sys.version_info.minor)
_NEWER = re.compile(
    r"\b[rR]?[fFtT][rR]?['\"]|^\s*type\s|^\s*(?:async\s+)?(?:def|class)\s+\w+\s*\[|^\s*except\b|\blazy\b"
)


def _tree(text: str, python: tuple[int, int] | None) -> ast.Module | SyntaxFault | None:
    feature = python if python and (3, 7) <= python < _HERE else None
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # about odd escapes; the app's business
            tree = ast.parse(text, feature_version=feature)
            compile(tree, "<file>", "exec", dont_inherit=True, optimize=0)
    except SyntaxError as error:
        return _fault(error, text, python)
    except (ValueError, RecursionError, MemoryError, OverflowError):
        return None
    return tree


def _fault(error: SyntaxError, text: str, python: tuple[int, int] | None) -> SyntaxFault:
    line = error.lineno or 1
    lines = text.splitlines()
    near = lines[max(line - 2, 0) : line]
    message = error.msg.partition(" (")[0]
    is_newer = python is None or python > _HERE
    may_be_newer = message.startswith(("f-string", "t-string")) or any(_NEWER.search(row) for row in near)
    is_certain = not is_newer or isinstance(error, IndentationError) or not may_be_newer
    return SyntaxFault(message, line, is_certain)


_LEAVES = (ast.Constant, ast.expr_context, ast.operator, ast.unaryop, ast.boolop, ast.cmpop)
_FUNCTIONS = (ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda)
_BRANCHING = (
    *_FUNCTIONS,
    *(ast.If, ast.Try, ast.TryStar, ast.For, ast.AsyncFor, ast.While, ast.With, ast.AsyncWith),
    *(ast.IfExp, ast.BoolOp, ast.comprehension, ast.match_case),
)
_BINDING = (ast.Assign, ast.AnnAssign, ast.NamedExpr, ast.AugAssign)
_TOLD = (
    *(ast.Name, ast.Subscript, ast.Call, ast.Import, ast.ImportFrom, ast.ClassDef, ast.Global),
    *(*_FUNCTIONS, *_BINDING, ast.ExceptHandler, ast.MatchAs, ast.MatchStar),
)


class _Walk:
    """A walk through one tree, in the order of its lines, without recursion."""

    def __init__(self, path: str) -> None:
        self.module = Module(path)
        self.imports, self.reads, self.calls = list[Import](), list[EnvRead](), list[Call]()
        self.names, self.env_sets = set[str](), set[str]()
        self.functions = dict[str, Function]()
        self.aliases, self.constants = dict[str, str](), dict[str, Value]()
        self.has_star = False
        self.bound = dict[int, tuple[str, ...]]()  # id of a call -> the names of its result
        self.decorated = dict[int, str]()

    def walk(self, tree: ast.Module) -> Module:
        waiting: list[tuple[ast.AST, Place]] = [(node, Place()) for node in reversed(tree.body)]
        while waiting:
            node, place = waiting.pop()
            self._take(node, place)
            inside = _inside(node, place) if isinstance(node, _BRANCHING) else _children(node, place)
            waiting += reversed(list(inside))
        return replace(
            self.module,
            imports=tuple(self.imports),
            env_reads=tuple(self.reads),
            env_sets=frozenset(self.env_sets),
            calls=tuple(self.calls),
            names=frozenset(self.names),
            functions=self.functions,
            has_star=self.has_star,
            aliases=self.aliases,
        )

    def _take(self, node: ast.AST, place: Place) -> None:
        if not isinstance(node, _TOLD):
            return
        if isinstance(node, ast.Name | ast.Subscript | ast.Call):
            self._expression(node, place)
        elif isinstance(node, ast.Import):
            self._import(node, place)
        elif isinstance(node, ast.ImportFrom):
            self._import_from(node, place)
        elif isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            self._function(node, place)
        elif isinstance(node, ast.ClassDef):
            self._class(node, place)
        elif isinstance(node, ast.Assign | ast.AnnAssign | ast.NamedExpr | ast.AugAssign):
            self._assignment(node, place)
        elif isinstance(node, ast.ExceptHandler | ast.MatchAs | ast.MatchStar) and node.name:
            self._bind(node.name, place)
        elif isinstance(node, ast.Global):
            self.names |= set(node.names)

    def _expression(self, node: ast.Name | ast.Subscript | ast.Call, place: Place) -> None:
        if isinstance(node, ast.Call):
            self._call(node, place)
        elif isinstance(node, ast.Subscript):
            self._subscript(node, place)
        elif isinstance(node.ctx, ast.Store):
            self._bind(node.id, place)

    def _import(self, node: ast.Import, place: Place) -> None:
        for alias in node.names:
            self.imports.append(Import(alias.name, (), 0, node.lineno, place, (alias.asname or alias.name,)))
            bound = alias.asname or alias.name.partition(".")[0]
            self.aliases[bound] = alias.name if alias.asname else bound
            self._bind(bound, place)

    def _import_from(self, node: ast.ImportFrom, place: Place) -> None:
        names = tuple(alias.name for alias in node.names)
        local = tuple(alias.asname or alias.name for alias in node.names)
        self.imports.append(Import(node.module or "", names, node.level, node.lineno, place, local))
        for alias in node.names:
            if alias.name == "*":
                self.has_star = True
                continue
            prefix = "." * node.level + (node.module or "")
            self.aliases[alias.asname or alias.name] = f"{prefix}.{alias.name}" if node.module else prefix + alias.name
            self._bind(alias.asname or alias.name, place)

    def _bind(self, name: str, place: Place) -> None:
        if place.at_import:
            self.names.add(name)

    def _function(self, node: ast.FunctionDef | ast.AsyncFunctionDef, place: Place) -> None:
        self._bind(node.name, place)
        self.has_star = self.has_star or node.name == "__getattr__"
        for decorator in node.decorator_list:
            self.decorated[id(decorator)] = node.name
        if node.decorator_list:
            self.functions[node.name] = Function(
                node.name, node.lineno, tuple(_parameters(node.args)), isinstance(node, ast.AsyncFunctionDef)
            )

    def _class(self, node: ast.ClassDef, place: Place) -> None:
        self._bind(node.name, place)
        bases = [self._dotted(base)[0] for base in node.bases]
        if any(base.endswith("BaseSettings") for base in bases):
            self._settings(node)

    def _settings(self, node: ast.ClassDef) -> None:
        """The fields of a pydantic settings class, which are read from the environment."""
        prefix = _env_prefix(node)
        place = Place(function=node.name)  # when it is made, not when it is defined
        for field_ in node.body:
            if isinstance(field_, ast.AnnAssign) and isinstance(field_.target, ast.Name) and prefix is not None:
                name, has_default = _setting(field_)
                if field_.target.id != "model_config" and name is not None:
                    variable = name or f"{prefix}{field_.target.id}".upper()
                    self.reads.append(EnvRead(variable, field_.lineno, place, has_default, not has_default))

    def _assignment(self, node: ast.Assign | ast.AnnAssign | ast.NamedExpr | ast.AugAssign, place: Place) -> None:
        targets = node.targets if isinstance(node, ast.Assign) else [node.target]
        names = tuple(target.id for target in targets if isinstance(target, ast.Name))
        value = node.value.value if isinstance(node.value, ast.Await) else node.value
        if isinstance(value, ast.Call):
            self.bound[id(value)] = names
        for target in targets:
            if isinstance(target, ast.Subscript) and self._dotted(target.value)[0] == "os.environ":
                self.env_sets |= {key for key in [self._value(target.slice)] if isinstance(key, str)}
        if place.at_import and value is not None and not isinstance(node, ast.AugAssign):
            for name in names:
                known = self._value(value)
                self.constants[name] = None if name in self.constants and self.constants[name] != known else known

    def _subscript(self, node: ast.Subscript, place: Place) -> None:
        if isinstance(node.ctx, ast.Load) and self._dotted(node.value)[0] == "os.environ":
            name = self._value(node.slice)
            if isinstance(name, str) and UNKNOWN not in name:
                self.reads.append(EnvRead(name, node.lineno, place, has_default=False, is_required=True))

    def _call(self, node: ast.Call, place: Place) -> None:
        name, receiver = self._dotted(node.func)
        arguments = tuple(self._value(argument) for argument in node.args)
        keywords = {word.arg: self._value(word.value) for word in node.keywords if word.arg}
        passed = [*node.args, *(word.value for word in node.keywords)]
        call = Call(
            name,
            receiver,
            node.lineno,
            place,
            arguments,
            keywords,
            tuple(filter(None, map(_text, passed))),
            self.bound.get(id(node), ()),
            self.decorated.get(id(node), ""),
        )
        self.calls.append(call)
        self._env_call(call, len(node.args))

    def _env_call(self, call: Call, given: int) -> None:
        first = call.args[0] if call.args else None
        if not isinstance(first, str) or UNKNOWN in first:
            return
        has_default = given > 1 or "default" in call.keywords
        if call.name in ("os.environ.get", "os.getenv"):
            self.reads.append(EnvRead(first, call.line, call.place, has_default, is_required=False))
        elif call.name == "decouple.config":
            self.reads.append(EnvRead(first, call.line, call.place, has_default, not has_default))
        elif call.name in ("os.environ.setdefault", "os.putenv"):
            self.env_sets.add(first)

    def _dotted(self, node: ast.expr) -> tuple[str, str]:
        """The absolute name of what an expression names, and what it is a method of."""
        parts = list[str]()
        while isinstance(node, ast.Attribute):
            parts.append(node.attr)
            node = node.value
        rest = ".".join(reversed(parts))
        if not isinstance(node, ast.Name):
            return (f".{parts[0]}", "") if parts else ("", "")
        if node.id in self.aliases:
            return (f"{self.aliases[node.id]}.{rest}" if rest else self.aliases[node.id]), ""
        if not parts:
            return node.id, ""
        return f".{parts[0]}", ".".join([node.id, *reversed(parts[1:])])

    def _value(self, node: ast.expr, depth: int = 0) -> Value:
        """The constant that an expression stands for; None where it is not known."""
        if isinstance(node, ast.Constant):
            return node.value if isinstance(node.value, str | int | float | bool) else None
        if isinstance(node, ast.Name):
            return self.constants.get(node.id)
        if depth > _DEEPEST:
            return None
        if isinstance(node, ast.List | ast.Tuple | ast.Set):
            return tuple(self._value(one, depth + 1) for one in node.elts[:50])
        if isinstance(node, ast.JoinedStr):
            return "".join(self._piece(one, depth + 1) for one in node.values)
        if isinstance(node, ast.BinOp):
            return self._sum(node, depth + 1)
        if isinstance(node, ast.Call):
            return self._path(node, depth + 1)
        return None

    def _piece(self, node: ast.expr, depth: int) -> str:
        value = self._value(node.value if isinstance(node, ast.FormattedValue) else node, depth)
        return value if isinstance(value, str) else UNKNOWN

    def _sum(self, node: ast.BinOp, depth: int) -> Value:
        left, right = self._value(node.left, depth), self._piece(node.right, depth)
        if not isinstance(left, str) or not isinstance(node.op, ast.Add | ast.Div):
            return None
        return left + right if isinstance(node.op, ast.Add) else f"{left.rstrip('/')}/{right}"

    def _path(self, node: ast.Call, depth: int) -> Value:
        if self._dotted(node.func)[0] not in ("pathlib.Path", "os.path.join", "str", "pathlib.PurePath"):
            return None
        pieces = [self._piece(one, depth) for one in node.args]
        return "/".join(pieces) if pieces and pieces[0] != UNKNOWN else None


def _inside(node: ast.AST, place: Place) -> Iterator[tuple[ast.AST, Place]]:
    """The parts of a node, with the circumstances under which each runs."""
    maybe = replace(place, conditional=True)
    if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda):
        yield from _inside_function(node, place)
    elif isinstance(node, ast.If):
        yield node.test, place
        body = _place_of(node.test, place)
        yield from ((one, body) for one in node.body if body is not None)
        yield from ((one, maybe if body is not None else place) for one in node.orelse)
    elif isinstance(node, ast.Try | ast.TryStar):
        yield from ((one, maybe if node.handlers else place) for one in node.body)
        yield from ((one, maybe) for one in (*node.handlers, *node.orelse))
        yield from ((one, place) for one in node.finalbody)
    elif isinstance(node, ast.For | ast.AsyncFor | ast.While):
        yield from ((one, place) for one in ([node.test] if isinstance(node, ast.While) else [node.iter, node.target]))
        yield from ((one, maybe) for one in (*node.body, *node.orelse))
    elif isinstance(node, ast.With | ast.AsyncWith):
        suppresses = any("suppress" in ast.dump(item.context_expr)[:400] for item in node.items)
        yield from ((item, place) for item in node.items)
        yield from ((one, maybe if suppresses else place) for one in node.body)
    else:
        yield from _children(node, maybe)


def _children(node: ast.AST, place: Place) -> Iterator[tuple[ast.AST, Place]]:
    for name in node._fields:
        value = getattr(node, name)
        if isinstance(value, list):
            yield from ((one, place) for one in value if isinstance(one, ast.AST))
        elif isinstance(value, ast.AST) and not isinstance(value, _LEAVES):
            yield value, place


def _inside_function(
    node: ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda, place: Place
) -> Iterator[tuple[ast.AST, Place]]:
    defaults = [*node.args.defaults, *(one for one in node.args.kw_defaults if one is not None)]
    if isinstance(node, ast.Lambda):
        yield from ((one, place) for one in defaults)
        yield node.body, Place(function="<lambda>")
        return
    yield from ((one, place) for one in (*node.decorator_list, *defaults))
    inside = Place(function=node.name)
    yield from ((one, inside) for one in node.body)


def _place_of(test: ast.expr, place: Place) -> Place | None:
    """The circumstances of an if's body; None for `if TYPE_CHECKING`, which never runs."""
    names = {one.id for one in ast.walk(test) if isinstance(one, ast.Name)}
    names |= {one.attr for one in ast.walk(test) if isinstance(one, ast.Attribute)}
    if "TYPE_CHECKING" in names and isinstance(test, ast.Name | ast.Attribute):
        return None
    if "__name__" in names and isinstance(test, ast.Compare) and isinstance(test.ops[0], ast.Eq):
        return replace(place, in_main=True)
    return replace(place, conditional=True)


def _text(node: ast.expr) -> str:
    """A plain dotted name, as it stands there; empty for anything else."""
    parts = list[str]()
    while isinstance(node, ast.Attribute):
        parts.append(node.attr)
        node = node.value
    return ".".join([node.id, *reversed(parts)]) if isinstance(node, ast.Name) else ""


def _parameters(arguments: ast.arguments) -> Iterator[Parameter]:
    positional = [*arguments.posonlyargs, *arguments.args]
    without = len(positional) - len(arguments.defaults)
    defaults = [*([None] * without), *arguments.defaults, *arguments.kw_defaults]
    for one, default in zip([*positional, *arguments.kwonlyargs], defaults, strict=True):
        yield Parameter(one.arg, _written(one.annotation) or "", _written(default))


def _written(node: ast.expr | None) -> str | None:
    try:
        return None if node is None else ast.unparse(node)[:200]
    except RecursionError:
        return ""


def _env_prefix(node: ast.ClassDef) -> str | None:
    """What a settings class puts before the names of its fields; None where that is not known."""
    for one in ast.walk(node):
        if isinstance(one, ast.keyword) and one.arg == "env_prefix":
            return one.value.value if isinstance(one.value, ast.Constant) and isinstance(one.value.value, str) else None
        if isinstance(one, ast.Assign) and any(isinstance(t, ast.Name) and t.id == "env_prefix" for t in one.targets):
            return one.value.value if isinstance(one.value, ast.Constant) and isinstance(one.value.value, str) else None
    return ""


def _setting(node: ast.AnnAssign) -> tuple[str | None, bool]:
    """The variable that a field names itself ("" for none, None for not known), and whether it has a default."""
    if not isinstance(node.value, ast.Call):
        return "", node.value is not None
    words = {word.arg: word.value for word in node.value.keywords}
    first = node.value.args[0] if node.value.args else words.get("default")
    is_open = first is None or (isinstance(first, ast.Constant) and first.value is ...)
    alias = words.get("validation_alias") or words.get("alias") or words.get("env")
    if alias is None:
        return "", not is_open or "default_factory" in words
    is_name = isinstance(alias, ast.Constant) and isinstance(alias.value, str)
    return (alias.value if is_name else None), not is_open or "default_factory" in words  # type: ignore[attr-defined]
