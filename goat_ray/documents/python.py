"""Reader of Python files with tools: typed functions with docstrings, and the tool classes of API-Bank.

A file is only parsed: documents are untrusted, so nothing of it is imported or run.
"""

import ast
import re
import warnings
from collections.abc import Iterator
from pathlib import Path, PurePosixPath

from goat_ray.documents import apibank, docstrings
from goat_ray.documents.annotations import last_name, metadata
from goat_ray.documents.flaws import DuplicateName, Flaw, TooDeep, TooLarge, Undocumented, Unreadable
from goat_ray.documents.loading import Source
from goat_ray.documents.python_classes import DataClasses
from goat_ray.documents.tools import Place, Tool, functions
from goat_ray.records import ApiFunction, Reject

MAX_SOURCE = 2_000_000  # bytes: syntax trees take a hundred times the memory of their text
_DEFINITION = re.compile(rb"^(?:(?:async[ \t]+)?def[ \t]+\w+[ \t]*[(\[]|class[ \t]+\w+[ \t]*[(:\[])", re.MULTILINE)
Function = ast.FunctionDef | ast.AsyncFunctionDef
Definition = Function | ast.ClassDef


def sniff(source: Source) -> bool:
    """Whether the document is Python with a tool in it, or Python by its name; raises no ``Flaw``.

    The name only decides which complaint a file without a usable tool gets.
    """
    if source.document.path.endswith((".py", ".pyi")):
        return True
    if len(source.content) > MAX_SOURCE or not _DEFINITION.search(source.content):
        return False
    try:
        return any(isinstance(place.found, Tool) for place in _places(_module(source)))
    except Flaw:
        return False


def read(source: Source) -> Iterator[ApiFunction | Reject]:
    """The functions of a file in its order, and a reject for each tool that cannot be used; raises ``Flaw``.

    The tools of API-Bank's classes, of which a folder has one a file, have the folder as their service, others
    their file.
    """
    module = _module(source)
    path = PurePosixPath(source.document.path)
    folder = path.parent.name or Path(source.document.root).name
    of_folder = path.stem == "__init__" or any(apibank.is_tool(statement) for statement in module.body)
    return functions(source, (folder if of_folder else "") or path.stem, _places(module))


def _module(source: Source) -> ast.Module:
    place = source.document.path
    if len(source.content) > MAX_SOURCE:
        problem = f"has more than {MAX_SOURCE} bytes of Python"
        raise TooLarge(problem, place=place, remedy="Split it, or leave out what is no tool")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of odd escapes in the file's strings
            module = ast.parse(source.content)
    except (RecursionError, MemoryError) as error:
        raise TooDeep("is nested too deep", place=place, remedy="Simplify its expressions") from error
    except SyntaxError as error:
        raise Unreadable(
            f"is not well-formed Python 3 (line {error.lineno}: {error.msg})", place=place, remedy="Mend the file"
        ) from error
    except (ValueError, LookupError) as error:  # null bytes; an encoding that nobody knows
        problem = f"is not well-formed Python: {' '.join(str(error).split())}"
        raise Unreadable(problem, place=place, remedy="Mend the file") from error
    if sum(1 for _ in ast.walk(module)) > source.limits.max_nodes:
        raise TooLarge(
            f"has more than {source.limits.max_nodes} syntax nodes",
            place=place,
            remedy="Split it or raise documents.max_nodes",
        )
    return module


def _places(module: ast.Module) -> Iterator[Place]:
    """The public functions and tool classes of a module; of several with one name, Python knows the last."""
    classes = DataClasses(module.body)
    definitions = [one for one in module.body if isinstance(one, Definition) and _is_public(one)]
    last = {one.name: one for one in definitions}
    for definition in definitions:
        where = f":{definition.lineno}"
        found: Tool | Flaw
        try:
            if last[definition.name] is not definition:
                raise DuplicateName("is defined again further down", remedy="Rename one of the two")
            found = apibank.tool(definition) if isinstance(definition, ast.ClassDef) else _tool(definition, classes)
        except Flaw as flaw:
            found = flaw
        except RecursionError:
            found = TooDeep("is nested too deep", remedy="Simplify its annotations")
        yield Place(where, definition.name, found)


def _is_public(node: Definition) -> bool:
    if isinstance(node, ast.ClassDef):
        return apibank.is_tool(node)
    return not node.name.startswith("_") and all(last_name(one) != "overload" for one in node.decorator_list)


def _tool(node: Function, classes: DataClasses) -> Tool:
    arguments = [*node.args.posonlyargs, *node.args.args, *node.args.kwonlyargs]
    docstring = ast.get_docstring(node)
    if not docstring and node.returns is None and not any(argument.annotation for argument in arguments):
        raise Undocumented(
            "has neither a docstring nor annotations",
            remedy="Annotate it and say what it does, or start its name with _ if it is no tool",
        )
    docs = docstrings.parsed(docstring)
    return Tool(
        name=node.name,
        input=_input(node, arguments, docs, classes),
        output=_output(node, docs, classes),
        description=docs.description,
        result=docs.return_name,
    )


def _input(node: Function, arguments: list[ast.arg], docs: docstrings.Docs, classes: DataClasses) -> dict[str, object]:
    positional = [*node.args.posonlyargs, *node.args.args]
    missing: list[ast.expr | None] = [None] * (len(positional) - len(node.args.defaults))
    defaults = [*missing, *node.args.defaults, *node.args.kw_defaults]
    properties: dict[str, object] = {}
    required = []
    for argument, value in zip(arguments, defaults, strict=True):
        optional, default = classes.default(value)
        schema = classes.annotations.schema(argument.annotation) or classes.annotations.said(
            docs.types.get(argument.arg)
        )
        said = {"default": default, "description": docs.parameters.get(argument.arg)}
        schema = {**said, **schema, **metadata([value] if isinstance(value, ast.Call) else [])}
        properties[argument.arg] = {key: inner for key, inner in schema.items() if inner is not None}
        if not optional:
            required.append(argument.arg)
    return {
        "type": "object",
        "properties": properties,
        "required": required,
        "$defs": classes.definitions(properties),
    }


def _output(node: Function, docs: docstrings.Docs, classes: DataClasses) -> dict[str, object] | None:
    schema = classes.annotations.schema(node.returns) or classes.annotations.said(docs.return_type)
    if not schema:
        return None
    return {"description": docs.returns, **schema, "$defs": classes.definitions(schema)}
