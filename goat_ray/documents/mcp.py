"""Reader of MCP tool lists: what a Model Context Protocol server answers to ``tools/list``.

Either the bare result or the JSON-RPC response around it (modelcontextprotocol.io, revision 2025-11-25,
"Tools"). The body of a call is the ``structuredContent`` of its result, which ``outputSchema`` describes.
"""

from collections.abc import Iterator
from pathlib import PurePosixPath
from typing import Any

from goat_ray.documents.flaws import BadOperation, Incomplete, NoOperations
from goat_ray.documents.loading import Source
from goat_ray.documents.references import pointer
from goat_ray.documents.schemas import text
from goat_ray.documents.tools import Place, Tool, functions, reject
from goat_ray.records import ApiFunction, Reject

_SERVER = "io.modelcontextprotocol/serverInfo"  # where revision 2026-07-28 says who answers, in _meta


def sniff(source: Source) -> bool:
    """Whether the document is a tool list; raises ``Flaw`` if it seems to be but cannot be parsed."""
    if b"tools" not in source.content or not any(key in source.content for key in (b"inputSchema", b"serverInfo")):
        return False
    tools = _result(source.tree).get("tools")
    return isinstance(tools, list) and (
        any(isinstance(tool, dict) and "inputSchema" in tool for tool in tools) or bool(_server(source.tree))
    )


def read(source: Source) -> Iterator[ApiFunction | Reject]:
    """The functions of a tool list in its order, and a reject for each tool that cannot be used.

    A list that has further pages gives a reject too, since what is on them is missing. Raises ``Flaw``.
    """
    result = _result(source.tree)
    at = ("tools",) if result is source.tree else ("result", "tools")
    tools = result.get("tools")
    if not isinstance(tools, list) or not tools:
        raise NoOperations("lists no tools", place=source.document.path, remedy="Add tools or leave it out")
    service = _server(source.tree) or PurePosixPath(source.document.path).stem
    places = (_place(f"#{pointer(*at, str(number))}", tool) for number, tool in enumerate(tools))
    yield from functions(source, service, places)
    if result.get("nextCursor"):
        flaw = Incomplete(
            "there are more pages of tools than the file has",
            remedy="Ask the server for the pages after nextCursor too, and put all tools into one list",
        )
        yield reject(source, flaw, Place(f"#{pointer(*at[:-1], 'nextCursor')}", ""))


def _result(tree: Any) -> dict[str, Any]:
    """The result in a JSON-RPC response, or the document itself."""
    if not isinstance(tree, dict):
        return {}
    result = tree.get("result")
    return result if isinstance(result, dict) and "tools" not in tree else tree


def _server(tree: Any) -> str:
    """The server's name, if the document has it."""
    for holder in (_result(tree), tree):
        meta = holder.get("_meta") if isinstance(holder, dict) else None
        for info in (holder.get("serverInfo"), meta.get(_SERVER) if isinstance(meta, dict) else None):
            name = " ".join(text(info.get("name")).split()) if isinstance(info, dict) else ""
            if name:
                return name
    return ""


def _place(where: str, node: Any) -> Place:
    name = text(node.get("name")) if isinstance(node, dict) else ""
    schema = node.get("inputSchema") if isinstance(node, dict) else None
    if not name or not isinstance(schema, dict):
        return Place(where, name, BadOperation("has no name or no inputSchema", remedy="Give the tool both"))
    output, annotations = node.get("outputSchema"), node.get("annotations")
    title = text(node.get("title")) or (text(annotations.get("title")) if isinstance(annotations, dict) else "")
    description = text(node.get("description"))
    return Place(where, name, Tool(name, schema, output if isinstance(output, dict) else None, title, description))
