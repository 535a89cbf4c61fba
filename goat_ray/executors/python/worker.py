"""The processes behind the ``python`` executor: a server that forks one for each session.

Run as a script, by an interpreter that needs pydantic but not goat_ray. A session arrives as a socket on the
control socket; its process reads one request a line, ``{"service", "name", "arguments"}``, with ``"gold"`` where a
result is to be compared, and answers each with one line ``{"status", "body"}``. Forking makes a session's state its
own: modules, tool objects and databases are as new, and gone afterwards.
"""

import ast
import asyncio
import contextlib
import gc
import importlib
import inspect
import json
import math
import os
import random
import resource
import signal
import socket
import sys
import typing
from collections import defaultdict
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NoReturn

import pydantic
from pydantic_core import to_jsonable_python

READY = b"+"
MAX_SOURCE = 2_000_000  # bytes of a file that is looked at for tools
_DESCRIBED = {"description", "input_parameters"}  # what makes a class a tool of API-Bank's shape
_CHECKER = "CheckToken"  # the tool that API-Bank gives to those that ask for a token_checker

Module = tuple[Path, str]  # file, dotted name


class Failed(Exception):
    """A call without a result."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status


def index(root: Path) -> dict[tuple[str, str], list[Module]]:
    """The modules below a folder by the (service, name) of the functions and classes that they define.

    A service is a file, or the folder of a package's own file and of tool classes, as documents are read.
    Nothing is run.
    """
    found: dict[tuple[str, str], list[Module]] = defaultdict(list)
    for file in sorted(root.rglob("*.py")):
        parts = file.relative_to(root).with_suffix("").parts
        if any(part.startswith(".") or "." in part for part in parts) or file.stat().st_size > MAX_SOURCE:
            continue
        with contextlib.suppress(SyntaxError, ValueError, RecursionError, MemoryError):
            body = ast.parse(file.read_bytes()).body
            is_package = parts[-1] == "__init__"
            service = file.parent.name if is_package or any(map(_is_tool, body)) else file.stem
            dotted = ".".join(parts[:-1] if is_package else parts)
            for name in {one.name for one in body if isinstance(one, _DEFINITIONS)} if dotted else ():
                found[service, name].append((file, dotted))
    return dict(found)


_DEFINITIONS = ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef


def _is_tool(statement: ast.stmt) -> bool:
    return isinstance(statement, ast.ClassDef) and set(_assigned(statement.body)) >= _DESCRIBED


def _assigned(body: list[ast.stmt]) -> Iterator[str]:
    for statement in body:
        match statement:
            case ast.Assign(targets=[ast.Name(id=name)]):
                yield name
            case ast.AnnAssign(target=ast.Name(id=name)):
                yield name


class Tools:
    """The tools of one session, with their state."""

    def __init__(self, modules: dict[tuple[str, str], list[Module]], databases: Path) -> None:
        self._modules = modules
        self._folder = databases
        self._databases: dict[str, Any] = {}
        self._objects: dict[type, Any] = {}

    def call(self, service: str, name: str, arguments: dict[str, Any], gold: Any = None) -> Any:
        """What a call gives, as JSON; raises ``Failed``.

        With the gold result of a tool of API-Bank, whether the tool finds the two the same.
        """
        tool = self._found(service, name)
        if not isinstance(tool, type):
            return _jsonable(_run(tool, arguments))
        response = _run(self._object(service, tool).call, arguments, _declared(tool, arguments))
        if gold is not None:
            return bool(_guarded(self._object(service, tool).check_api_call_correctness, response, gold))
        if isinstance(response, dict) and {"output", "exception"} <= response.keys():
            if response["exception"] is not None:
                raise Failed(400, str(response["exception"]))
            response = response["output"]
        return _jsonable(response)

    def _found(self, service: str, name: str) -> Any:
        modules = self._modules.get((service, name), [])
        if len(modules) != 1:
            problem = "in several files" if modules else "in no file"
            raise Failed(501, f"{name} of {service} is {problem} below executor.python.root")
        ((file, dotted),) = modules
        try:
            module = importlib.import_module(dotted)
            tool = getattr(module, name)
        except (Exception, SystemExit) as error:
            raise Failed(501, f"{file.name} cannot be imported: {_said(error)}") from error
        if not os.path.samefile(module.__file__ or os.devnull, file):
            raise Failed(501, f"Python knows another module by the name of {file.name}; rename it")
        return tool

    def _object(self, service: str, kind: type) -> Any:
        """The session's object of a tool class, with the database and the token checker that it asks for."""
        if kind not in self._objects:
            takes = inspect.signature(kind).parameters
            given: dict[str, Any] = {}
            if "init_database" in takes:
                given["init_database"] = self._database(getattr(kind, "database_name", ""))
            if "token_checker" in takes and kind.__name__ != _CHECKER and (service, _CHECKER) in self._modules:
                given["token_checker"] = self._object(service, self._found(service, _CHECKER))
            self._objects[kind] = _guarded(kind, **given)
        return self._objects[kind]

    def _database(self, name: str) -> Any:
        """The database of this name, one for all tools of the session; None where there is no file of it."""
        file = self._folder / f"{name}.json"
        if name not in self._databases and Path(name).name == name and file.is_file():
            self._databases[name] = json.loads(file.read_text(encoding="utf-8"))
        return self._databases.get(name)


def _declared(tool: type, arguments: dict[str, Any]) -> dict[str, str]:
    """The types that ``input_parameters`` of a tool class states for the arguments, where API-Bank has such a type.

    Raises ``Failed`` for an argument that it does not name.
    """
    stated = getattr(tool, "input_parameters", None)
    if not isinstance(stated, dict):
        return {}
    if unknown := arguments.keys() - stated.keys():
        raise Failed(422, f"{', '.join(sorted(unknown))}: not among the tool's input_parameters")
    entries = {name: stated[name] for name in arguments}
    types = {name: entry.get("type") if isinstance(entry, dict) else entry for name, entry in entries.items()}
    return {name: kind for name, kind in types.items() if isinstance(kind, str) and kind in _JSON_TYPES}


_JSON_TYPES: dict[str, tuple[type, ...]] = {  # what API-Bank's types take as it is
    "int": (int,),
    "float": (int, float),
    "str": (str,),
    "bool": (bool,),
    "list": (list,),
    "list(str)": (list,),
}


def _converted(name: str, kind: str, value: Any) -> Any:
    """An argument as API-Bank's ``ToolManager.api_call`` gives it to a tool that declares it as ``kind``.

    There every value is text, and texts are read as it reads them: numbers are digits (no sign; one point in a
    ``float``), lists are JSON once each apostrophe is a quotation mark (so an apostrophe inside a text is an error),
    and any text but ``True`` is false. Unlike there, a JSON value of the declared type is taken as it is, a number
    or truth value for a ``str`` becomes the text that API-Bank would have got, and null is left to ``call``.
    Raises ``Failed`` for what does not fit.
    """
    if type(value) in _JSON_TYPES[kind] or value is None:
        return value
    with contextlib.suppress(ValueError):  # such as int("\u00b2"), a digit to ``isdigit``
        match kind, value:
            case "int", str() if value.isdigit():
                return int(value)
            case "float", str() if value.replace(".", "", 1).isdigit():
                return float(value)
            case "list" | "list(str)", str():
                return json.loads(value.replace("'", '"'))
            case "bool", str():
                return value == "True"
            case "str", int() | float():
                return str(value)
    raise Failed(422, f"{name}: {json.dumps(value)[:100]} is no {kind}")


def _run(function: Callable[..., Any], arguments: dict[str, Any], declared: dict[str, str] | None = None) -> Any:
    """What a function returns for arguments by name; raises ``Failed``.

    They are made to fit the types that are declared for them, and the others its annotations.
    """
    declared = declared or {}
    arguments = arguments | {name: _converted(name, kind, arguments[name]) for name, kind in declared.items()}
    signature = inspect.signature(function)
    kinds = {name: parameter.kind for name, parameter in signature.parameters.items()}
    first = [name for name, kind in kinds.items() if kind is inspect.Parameter.POSITIONAL_ONLY and name in arguments]
    try:
        bound = signature.bind(
            *(arguments[name] for name in first),
            **{name: value for name, value in arguments.items() if name not in first},
        )
    except TypeError as error:
        raise Failed(422, str(error)) from error
    hints = _hints(function)
    for name, value in bound.arguments.items():
        if name in hints and name not in declared and kinds[name] not in _VARIADIC:
            bound.arguments[name] = _fitted(name, hints[name], value)
    return _guarded(function, *bound.args, **bound.kwargs)


_VARIADIC = (inspect.Parameter.VAR_KEYWORD, inspect.Parameter.VAR_POSITIONAL)


def _hints(function: Callable[..., Any]) -> dict[str, Any]:
    try:
        return typing.get_type_hints(function, include_extras=True)
    except Exception:  # names that only type checkers see
        return {}


def _fitted(name: str, hint: Any, value: Any) -> Any:
    """A JSON value as the annotation wants it: an enum's member, a date, a dataclass."""
    try:
        return pydantic.TypeAdapter(hint).validate_python(value)
    except pydantic.ValidationError as error:
        first = error.errors(include_url=False)[0]
        where = ".".join(map(str, (name, *first["loc"])))
        raise Failed(422, f"{where}: {first['msg']}") from error
    except pydantic.errors.PydanticUserError:  # a type that pydantic does not know
        return value


def _guarded(function: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
    try:
        result = function(*args, **kwargs)
        return asyncio.run(result) if inspect.iscoroutine(result) else result
    except (Exception, SystemExit) as error:
        raise Failed(500, _said(error)) from error


def _jsonable(value: Any) -> Any:
    """The value as JSON. Nothing is written as its ``repr``, which may differ in every process."""
    try:
        return to_jsonable_python(value)
    except Exception as error:
        raise Failed(502, f"returned what JSON cannot have: {_said(error)}") from error


def _said(error: BaseException) -> str:
    return f"{type(error).__name__}: {' '.join(str(error).split())[:500]}"


def _answer(tools: Tools, line: bytes, max_bytes: int) -> bytes:
    """The answer to a request, whatever happens."""
    try:
        status, body = 200, tools.call(**json.loads(line))
    except Failed as failed:
        status, body = failed.status, {"error": str(failed)}
    except Exception as error:  # databases that are no JSON, odd signatures
        status, body = 500, {"error": _said(error)}
    try:
        text = json.dumps({"status": status, "body": body}, allow_nan=False, ensure_ascii=False).encode()
        problem = f"returned more than {max_bytes} bytes" if len(text) > max_bytes else ""
    except (ValueError, RecursionError) as error:  # NaN, halves of surrogate pairs, nested too deep
        problem = f"returned no JSON: {_said(error)}"
    return json.dumps({"status": 502, "body": {"error": problem}}).encode() if problem else text


def serve(connection: socket.socket, tools: Tools, settings: dict[str, Any]) -> NoReturn:
    """Be the process of one session, until the other end closes."""
    os.setsid()  # so that what the tools start can be killed with it
    random.seed(0)
    pages = int(Path("/proc/self/statm").read_text().split()[0])
    limit = pages * resource.getpagesize() + settings["memory_mb"] * 2**20
    resource.setrlimit(resource.RLIMIT_AS, (limit, limit))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    with connection.makefile("rwb") as stream:
        stream.write(b"%d\n" % os.getpid())
        stream.flush()
        for line in stream:
            used = resource.getrusage(resource.RUSAGE_SELF)
            soft = math.ceil(used.ru_utime + used.ru_stime) + settings["cpu_s"]
            resource.setrlimit(resource.RLIMIT_CPU, (soft, resource.RLIM_INFINITY))
            stream.write(_answer(tools, line, settings["max_bytes"]) + b"\n")
            stream.flush()
    os._exit(0)


def main(descriptor: int, settings: dict[str, Any]) -> None:
    """Fork a session for each socket that arrives, until the control socket closes; then end them all."""
    control = socket.socket(fileno=descriptor)
    root = Path(settings["root"])
    sys.path.insert(0, str(root))
    os.chdir(root)
    for name in settings["preload"]:
        importlib.import_module(name)
    modules = index(root)
    pydantic.TypeAdapter(int).validate_python(0)  # imports what it needs here, and not in each session
    gc.freeze()
    with open(os.devnull, "wb") as nowhere:
        os.dup2(nowhere.fileno(), 2)
    control.sendall(READY)
    sessions: set[int] = set()
    while True:
        message, descriptors, _, _ = socket.recv_fds(control, 1, 1)
        if not message:
            break
        connection = socket.socket(fileno=descriptors[0])
        process = os.fork()
        if process == 0:
            control.close()
            serve(connection, Tools(modules, root / settings["init_database"]), settings)
        connection.close()
        sessions = {other for other in sessions if os.waitpid(other, os.WNOHANG) == (0, 0)} | {process}
    for process in sessions:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process, signal.SIGKILL)


if __name__ == "__main__":
    main(int(sys.argv[1]), json.loads(sys.argv[2]))
