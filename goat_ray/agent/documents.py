"""What a retriever reads of a function."""

from collections.abc import Callable, Sequence
from typing import Literal

from goat_ray.records import ApiFunction

DocumentPart = Literal["name", "title", "category", "summary", "description", "parameters", "outputs"]

DEFAULT_PARTS: tuple[DocumentPart, ...] = ("title", "summary", "description")

_SENTENCES = frozenset({"description", "parameters", "outputs"})  # set off by a full stop from what is before
_OUTPUTS = 24  # names of output fields, at most: an embedder reads no more than a few hundred tokens


def document_text(function: ApiFunction, parts: Sequence[DocumentPart] = DEFAULT_PARTS) -> str:
    """These parts of a function, as one text; by default ``METHOD path summary. description``."""
    text = ""
    for part in parts:
        if said := _SAID[part](function).strip():
            text += (". " if text and part in _SENTENCES else " ") + said
    return text.strip()


def _parameters(function: ApiFunction) -> str:
    names = ", ".join(parameter.name for parameter in function.parameters)
    return f"Takes {names}" if names else ""


def _outputs(function: ApiFunction) -> str:
    names = dict.fromkeys(field.path.removeprefix("$.").replace("[*]", "") for field in function.outputs)
    return f"Returns {', '.join(list(names)[:_OUTPUTS])}" if names else ""


_SAID: dict[DocumentPart, Callable[[ApiFunction], str]] = {
    "name": lambda function: function.name,
    "title": lambda function: function.title,
    "category": lambda function: function.category,
    "summary": lambda function: function.summary,
    "description": lambda function: function.description,
    "parameters": _parameters,
    "outputs": _outputs,
}
