"""The kinds of things that the functions of one service deal with: ``movie``, ``bank transaction``, ``channel``.

A kind is a phrase, not a word: where a service has both ``/Items/{ItemID}`` and lines with a ``LineItemID`` of a
schema ``LineItem``, a line item is no item. But a ``MergedToContactID`` is the id of a contact: nothing of the
service is called "merged to contact".
"""

from collections.abc import Iterable, Sequence

from goat_ray import jsonpath
from goat_ray.naming import IDENTIFIER_WORDS, is_identifier, singular, words
from goat_ray.records import ApiFunction, Parameter

WRAPPERS = frozenset(
    "results result items item data list records entries rows elements values content response payload body".split()
)
"""Members that only hold the answer."""

_SCHEMA_NOISE = frozenset(
    "list object objects result results response summary detail details item items data dto info with and media type"
    " full base model schema entity page collection ref short basic view record".split()
)


class Kinds:
    """The vocabulary of one service, found in its names alone."""

    def __init__(self, functions: Iterable[ApiFunction]) -> None:
        functions = list(functions)
        self._known = _identified(functions)
        named_things = _schema_phrases(functions) | _segment_phrases(functions)
        # Longest last: a phrase whose end is known already is a thing of its own only if something is called so.
        asked = _names_before_id(parameter.name for function in functions for parameter in function.parameters)
        shown = _names_before_id(_leaf(field.path) for function in functions for field in function.outputs)
        for phrase in sorted(asked | (shown & named_things), key=lambda phrase: (len(phrase), phrase)):
            if phrase in named_things if self.at_end(phrase) else phrase in asked:
                self._known.add(phrase)
        self.all = frozenset(" ".join(phrase) for phrase in self._known)

    def at_end(self, parts: Sequence[str]) -> str:
        """The longest kind that the words end with; empty if there is none: "merged to contact" gives "contact"."""
        if not parts:
            return ""
        tail = (*parts[:-1], singular(parts[-1]))
        for start in range(len(tail)):
            if tail[start:] in self._known:
                return " ".join(tail[start:])
        return ""

    def within(self, parts: Sequence[str]) -> str:
        """The last and longest kind that the words mention; empty if there is none."""
        for end in range(len(parts), 0, -1):
            if parts[end - 1] not in IDENTIFIER_WORDS:
                found = self.at_end(parts[:end])
                if found:
                    return found
        return ""

    def of_schema(self, name: str) -> str:
        """The kind that the name of a schema mentions, apart from words such as "response"."""
        return self.within([word for word in words(name) if word not in _SCHEMA_NOISE]) or self.within(words(name))


def fixed_segments(function: ApiFunction) -> list[str]:
    """The segments of a function's path that are not placeholders."""
    return [segment for segment in function.path.split("/") if segment and not segment.startswith("{")]


def placeholders(function: ApiFunction) -> list[tuple[str, tuple[str, ...]]]:
    """(parameter name, kind) for each placeholder of the path that identifies something.

    Its kind is what its own name says (``{movie_id}``), else the segment before (``/orders/{id}``).
    """
    choices = {parameter.name for parameter in function.parameters if parameter.enum}
    found = []
    before: tuple[str, ...] = ()
    for segment in function.path.split("/"):
        if segment.startswith("{") and segment.endswith("}"):
            name = segment[1:-1]
            own = words(name)[:-1] if is_identifier(name) else ()
            if name not in choices and (own or before):
                found.append((name, one_of(own or before)))
        elif segment:
            before = words(segment)
    return found


def holder_name(holder: Sequence[jsonpath.Token]) -> str:
    """The innermost member name on the way to an object that is more than a wrapper."""
    names = [token for token in holder if isinstance(token, str)]
    return names[-1] if names and not set(words(names[-1])) <= WRAPPERS else ""


def speaks_of_ids(parameter: Parameter) -> bool:
    """Whether the description says that ids are wanted: "a comma separated list of genre ids"."""
    return bool({"id", "ids"} & set(words(parameter.description)[:12]))


def one_of(parts: Sequence[str]) -> tuple[str, ...]:
    """The words of one thing: "bank transactions" gives "bank transaction"."""
    return (*parts[:-1], singular(parts[-1])) if parts else ()


def _identified(functions: list[ApiFunction]) -> set[tuple[str, ...]]:
    """Kinds that a placeholder identifies, and kinds that a list shows and a parameter asks for by name."""
    found = {kind for function in functions for _, kind in placeholders(function)}
    listed = {kind for function in functions for kind in _listed(function)}
    for function in functions:
        for parameter in function.parameters:
            parts = one_of(words(parameter.name.rpartition(".")[2]))
            said = one_of(words(parameter.description)) if speaks_of_ids(parameter) else ()
            mentioned = {one_of([part]) for part in (*parts, *said)} if said else {parts}
            found |= listed & mentioned
    return found


def _names_before_id(names: Iterable[str]) -> set[tuple[str, ...]]:
    """What names such as ``line_item_id`` say that they identify."""
    leaves = (name.rpartition(".")[2] for name in names)
    return {one_of(words(leaf)[:-1]) for leaf in leaves if is_identifier(leaf) and len(words(leaf)) > 1}


def _leaf(path: str) -> str:
    return (jsonpath.names(path) or [""])[-1]


def _listed(function: ApiFunction) -> set[tuple[str, ...]]:
    """What the function's lists of identified objects call their items: ``$.genres[*].id`` lists genres."""
    kinds = set()
    for field in function.outputs:
        *holder, leaf = jsonpath.parse(field.path) or ("",)
        name = holder_name(holder)
        if holder and holder[-1] is jsonpath.ANY and name and isinstance(leaf, str) and is_identifier(leaf):
            parts = words(name)
            if one_of(parts) != parts:
                kinds |= {one_of(parts), one_of(parts[-1:])}
    return kinds


def _schema_phrases(functions: list[ApiFunction]) -> set[tuple[str, ...]]:
    names = {name for function in functions for field in function.outputs for name in field.schema_name.split(" | ")}
    return {one_of(words(name)) for name in names if words(name)}


def _segment_phrases(functions: list[ApiFunction]) -> set[tuple[str, ...]]:
    return {one_of(words(segment)) for function in functions for segment in fixed_segments(function) if words(segment)}
