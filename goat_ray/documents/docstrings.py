"""What docstrings say of parameters and results, in the styles of Google, NumPy and Sphinx."""

import inspect
from dataclasses import dataclass, field

import docstring_parser

MAX_DOCSTRING = 20_000  # characters that are read; the parser's regular expressions are not linear


@dataclass(frozen=True)
class Docs:
    """A docstring in parts; ``types`` are texts as the author wrote them."""

    description: str = ""
    parameters: dict[str, str] = field(default_factory=dict)
    types: dict[str, str] = field(default_factory=dict)
    returns: str = ""
    return_type: str = ""
    return_name: str = ""


def parsed(docstring: str | None) -> Docs:
    """The parts of a docstring; one that the parser cannot read is all description."""
    whole = inspect.cleandoc(docstring or "")[:MAX_DOCSTRING]
    if not whole:
        return Docs()
    try:
        found = docstring_parser.parse(whole)
    except Exception:  # untrusted input, and the parser documents only some of what it raises
        return Docs(description=whole)
    parts = (found.short_description, found.long_description)
    returns = found.returns
    parameters = [one for one in found.params if one.arg_name]
    return Docs(
        description="\n\n".join(part.strip() for part in parts if part),
        parameters={one.arg_name.lstrip("*"): (one.description or "").strip() for one in parameters},
        types={one.arg_name.lstrip("*"): one.type_name for one in parameters if one.type_name},
        returns=(returns.description or "").strip() if returns else "",
        return_type=(returns.type_name or "") if returns else "",
        return_name=(returns.return_name or "") if returns else "",
    )
