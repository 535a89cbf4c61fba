"""Reader of Swagger 2.0 documents, also called OpenAPI 2.0 (spec.openapis.org/oas/v2.0)."""

from typing import Any

from goat_ray.documents.media import FORM, JSON, MULTIPART, preferred_type
from goat_ray.documents.operations import Dialect
from goat_ray.documents.schemas import listed, text

_STYLES = {"ssv": "spaceDelimited", "tsv": "tabDelimited", "pipes": "pipeDelimited"}  # tabs in version 2 alone


class Swagger2(Dialect):
    """Swagger 2.0: bodies are parameters, and media types are listed apart from the schemas."""

    # YAML without quotes gives the number 2.0
    key, version, name, versions = "swagger", r"2(\.|$)", "a Swagger 2.0", "a Swagger 2.0"

    def security_schemes(self) -> Any:
        return self.references.follow(self.tree.get("securityDefinitions"))

    def server(self, *holders: dict[str, Any]) -> str:
        # An operation can choose among the schemes, but not another host.
        schemes = next((listed(holder["schemes"]) for holder in (*holders, self.tree) if holder.get("schemes")), [])
        scheme = "https" if "https" in schemes or not schemes else text(schemes[0])
        host, base = text(self.tree.get("host")).strip("/"), text(self.tree.get("basePath")).strip("/")
        return (f"{scheme}://{host}" if host else "") + (f"/{base}" if base else "")

    def parameters(self, item: dict[str, Any], operation: dict[str, Any]) -> list[Any]:
        stated = [node for node in self._stated(item, operation) if not _in_body(node)]
        return [{**node, **_encoding(node)} if isinstance(node, dict) else node for node in stated]

    def request_body(self, item: dict[str, Any], operation: dict[str, Any]) -> Any:
        stated = [node for node in self._stated(item, operation) if _in_body(node)]
        if not stated:
            return None
        whole = [node for node in stated if node["in"] == "body"]
        if whole:
            body = whole[-1]  # there is only one, and the operation's goes before the path's
            media_type = preferred_type(self._media_types("consumes", operation)) or JSON
            return {**body, "content": {media_type: {"schema": body.get("schema"), "example": body.get("x-example")}}}
        members = {node["name"]: node for node in stated if isinstance(node.get("name"), str)}
        schema = {
            "type": "object",
            "properties": {name: _form_member(node) for name, node in members.items()},
            "required": [name for name, node in members.items() if node.get("required") is True],
        }
        encoding = {name: _encoding(node) for name, node in members.items()}
        has_files = any(node.get("type") == "file" for node in members.values())
        media_type = MULTIPART if has_files or MULTIPART in self._media_types("consumes", operation) else FORM
        return {"content": {media_type: {"schema": schema, "encoding": encoding}}}

    def content(self, response: dict[str, Any], operation: dict[str, Any]) -> Any:
        examples = self.references.follow(response.get("examples"))
        shown = examples if isinstance(examples, dict) else {}
        schema = {"schema": response["schema"]} if "schema" in response else {}
        if not schema and not shown:
            return None
        kinds = self._media_types("produces", operation) or ([JSON] if schema else [])
        return {kind: {**schema, "example": shown.get(kind)} for kind in dict.fromkeys([*kinds, *shown])}

    def _stated(self, item: dict[str, Any], operation: dict[str, Any]) -> list[Any]:
        nodes = (*listed(item.get("parameters")), *listed(operation.get("parameters")))
        return [self.references.follow(node) for node in nodes]

    def _media_types(self, keyword: str, operation: dict[str, Any]) -> list[str]:
        # An operation without types of its own has those of the document; an empty list clears them.
        return [kind for kind in listed(operation.get(keyword, self.tree.get(keyword))) if isinstance(kind, str)]


sniff, read = Swagger2.sniff, Swagger2.read


def _in_body(node: Any) -> bool:
    return isinstance(node, dict) and node.get("in") in ("body", "formData")


def _encoding(node: dict[str, Any]) -> dict[str, Any]:
    """How OpenAPI 3 would say that an array is written; one that says nothing is a list with commas."""
    written = text(node.get("collectionFormat"))
    return {"style": _STYLES.get(written, ""), "explode": written == "multi"}


def _form_member(node: dict[str, Any]) -> dict[str, Any]:
    """A member of a form as a schema, which it nearly is; a file is what OpenAPI 3 writes for one."""
    schema = {key: value for key, value in node.items() if key not in ("name", "in", "required")}
    return {**schema, "type": "string", "format": "binary"} if node.get("type") == "file" else schema
