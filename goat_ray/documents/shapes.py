"""Response templates of ToolBench: JSON whose leaves are names of Python types, or values as examples.

``{"page": "int", "genres": ["list of str with length 3"], "titles": "empty list"}`` is what its authors
kept of a real response (StableToolBench, ``template_response``); the tool store has whole real bodies too.
"""

import re
from collections import Counter
from typing import Any

from goat_ray.documents.composition import Schemas
from goat_ray.documents.config import Limits
from goat_ray.documents.embedded import parsed
from goat_ray.documents.flaws import Flaw, Unreadable
from goat_ray.documents.loading import MAX_NESTING, Source
from goat_ray.documents.outputs import output_fields
from goat_ray.documents.references import References
from goat_ray.records import OutputField

MAX_CUT_TEXT = 100_000  # characters of a template that is mended; those that were cut have 1,000
MAX_ITEMS = 8  # of an array in a template; all but real bodies have one

_LENGTH = "_list_length"  # a member that the template's authors put into the first item of an array
_LIST = re.compile(r"list of (\w+) with length \d+|empty list|list")
_TYPES = {"str": "string", "int": "integer", "float": "number", "bool": "boolean", "dict": "object", "list": "array"}
_TYPES |= {name: name for name in ("string", "integer", "number", "boolean")}
_UNKNOWN = ("NoneType", "None", "null")  # what was null when the template was made
_TOKEN = re.compile(r'"(?:[^"\\]|\\.)*"?|[{}\[\],]', re.DOTALL)
# A response of these members only, one of the first kind among them, says why there is no response.
_COMPLAINTS = frozenset("message messages msg error errors err detail statusmessage status_message".split())
_CIRCUMSTANCES = frozenset("status status_code statuscode code success ok info stat timestamp path".split())


def response(source: Source, template: Any, place: str, cut: Counter[str]) -> tuple[list[OutputField], Any]:
    """The output fields that a template shows and, if it is a real body, that body as an example.

    ``template`` is the template, a real body or a JSON schema, as JSON or as a text with JSON, even one that was
    cut off. Plain texts and messages of failure give nothing. Fields beyond the limit are counted in ``cut``.
    Raises ``Flaw``.
    """
    node = _opened(source, template, place)
    if _is_schema(node):
        return ([], None) if _complains(node.get("properties")) else (_fields(node, [], source.limits, cut), None)
    if _complains(node) or not (isinstance(node, dict | list) or _is_type(node)):
        return [], None
    if _has_types(node):
        return _fields(_schema(node), [], source.limits, cut), None
    return _fields({}, [node], source.limits, cut), node or None


def _fields(schema: Any, bodies: list[Any], limits: Limits, cut: Counter[str]) -> list[OutputField]:
    return output_fields(Schemas(References(schema)), schema, bodies, limits, cut)


def _opened(source: Source, template: Any, place: str) -> Any:
    """A template as JSON values: texts that hold JSON are parsed, after mending if they end too early."""
    if not isinstance(template, str) or template.lstrip()[:1] not in ("{", "["):
        return template
    for text in (template, _mended(template)):
        try:
            return parsed(source, text.encode(), place)
        except Unreadable:
            continue
        except Flaw as flaw:
            if flaw.reason != "bad-operation":
                raise
    return None


def _mended(text: str) -> str:
    """A JSON text that was cut off, up to its last whole member and with its brackets closed; maybe empty."""
    open_brackets: list[str] = []
    whole = 0, ""
    for token in _TOKEN.finditer(text[:MAX_CUT_TEXT]):
        end = token.start()
        match token[0]:
            case "{" | "[" as bracket:
                open_brackets.append("}" if bracket == "{" else "]")
                end = token.end()
            case "}" | "]":
                del open_brackets[-1:]
                end = token.end()
            case ",":
                pass
            case _:  # a string
                continue
        if len(open_brackets) > MAX_NESTING:
            break
        whole = end, "".join(reversed(open_brackets))
    return text[: whole[0]] + whole[1]


def _is_schema(node: Any) -> bool:
    """Whether a template is a JSON schema, as the tool store has them beside the bodies."""
    if not isinstance(node, dict):
        return False
    holds = isinstance(node.get("properties"), dict) or isinstance(node.get("items"), dict)
    return "$schema" in node or (node.get("type") in ("object", "array") and holds)


def _complains(node: Any) -> bool:
    names = {name.lower() for name in node} if isinstance(node, dict) else set()
    return bool(names & _COMPLAINTS) and names <= _COMPLAINTS | _CIRCUMSTANCES


def _is_type(value: Any) -> bool:
    return isinstance(value, str) and (value in _TYPES or value in _UNKNOWN or _LIST.fullmatch(value) is not None)


def _has_types(node: Any) -> bool:
    if isinstance(node, dict):
        return _LENGTH in node or any(_has_types(value) for value in node.values())
    return any(_has_types(value) for value in node) if isinstance(node, list) else _is_type(node)


def _schema(node: Any) -> dict[str, Any]:
    """The JSON schema of a template; its nesting is bounded by ``MAX_NESTING``."""
    if isinstance(node, dict):
        members = {name: _schema(value) for name, value in node.items() if name != _LENGTH}
        return {"type": "object", "properties": members}
    if isinstance(node, list):
        if len(node) == 1 and isinstance(node[0], str) and _LIST.fullmatch(node[0]):
            return _schema(node[0])  # the text stands in the array that it tells of
        items = [_schema(item) for item in node[:MAX_ITEMS]]
        return {"type": "array", "items": items[0] if len(items) == 1 else {"anyOf": items}} if items else _array(None)
    if not _is_type(node):
        return {} if node is None else {"example": node}
    listed = _LIST.fullmatch(node)
    if listed:
        return _array(listed[1])
    return {"type": _TYPES[node]} if node in _TYPES else {}


def _array(item: str | None) -> dict[str, Any]:
    """The schema of an array; nothing is known of the items of an empty one, so they give no field."""
    if item is None:
        return {"type": "array"}
    return {"type": "array", "items": {"type": _TYPES[item]} if item in _TYPES else {}}
