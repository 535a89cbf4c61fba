"""Schemas of one document, with ``$ref``, ``allOf``, ``oneOf`` and ``anyOf`` worked in.

``allOf`` merges. ``oneOf`` and ``anyOf`` give the union of their branches, since a reader of responses
wants to know every member that can occur.
"""

from collections.abc import Iterable
from dataclasses import replace
from typing import Any

from goat_ray.documents.flaws import TooDeep
from goat_ray.documents.references import References
from goat_ray.documents.schemas import Member, Schema, fitted, misplaced_choices, own_examples, plain, text
from goat_ray.identity import canonical_json

MAX_LEVELS = 32  # combinations inside combinations
MAX_PARTS = 20_000  # schemas worked out for one operation
MAX_MEMBERS = 1_000_000  # gathered for one operation from the schemas that are combined
MAX_NAMES = 4  # of alternatives that share a member; more say nothing
_COMBINING = {"allOf", "oneOf", "anyOf"}


class Schemas:
    """Looks up schemas; each is worked out once per document."""

    def __init__(self, references: References) -> None:
        self._references = references
        # The node is kept with its schema: ids of combined nodes made here must not be used again.
        self._known: dict[tuple[int, str], tuple[Any, Schema]] = {}
        # Where a circle was cut inside, the schema differs from what it is as a part of another.
        self._known_alone: dict[tuple[int, str], tuple[Any, Schema]] = {}
        self._of_nodes: dict[int, tuple[Any, Schema]] = {}  # by node, with what stands beside a reference
        self.flattened: dict[int, tuple[Schema, Any]] = {}  # by id of a schema: what its readers keep with it
        self._joins = _Joins(references)
        self._cuts = 0  # circles cut so far
        self._left = MAX_PARTS
        self._members_left = MAX_MEMBERS

    def start_operation(self) -> None:
        """Give the next operation its full allowance of schemas."""
        self._left = MAX_PARTS
        self._members_left = MAX_MEMBERS

    def schema(self, node: Any) -> Schema:
        """What the schema ``node`` says; raises ``Flaw`` on bad references and endless combinations."""
        known = self._of_nodes.get(id(node))
        if known is None:
            known = self._of_nodes[id(node)] = node, self._schema(node, ())
        return known[1]

    def _schema(self, node: Any, within: tuple[int, ...]) -> Schema:
        target, name = self._references.follow_named(node)
        key = id(target), name
        known = self._known.get(key) or (None if within else self._known_alone.get(key))
        if known is None:
            cuts = self._cuts
            known = target, self._work_out(target, name, within)
            if self._cuts == cuts:
                self._known[key] = known
            elif not within:
                self._known_alone[key] = known
        return known[1] if target is node else _beside_reference(node, known[1])

    def _work_out(self, node: Any, name: str, within: tuple[int, ...]) -> Schema:
        if not isinstance(node, dict):  # true, or nothing usable
            return Schema(key=id(node))
        self._left -= 1
        if self._left < 0 or len(within) >= MAX_LEVELS:
            raise _too_many()
        if not (_COMBINING & node.keys() or misplaced_choices(node)):
            return plain(node, name)
        parts = [self._schema(part, (*within, id(node))) for part in self._parts(node, within)]
        choices = [self._schema(choice, (*within, id(node))) for choice in self._choices(node, within)]
        self._members_left -= sum(len(other.members) for other in (*parts, *choices))
        if self._members_left < 0:
            raise _too_many()
        return _combine(node, name, parts, [choice for choice in choices if choice.kinds != {"null"}], self._joins)

    def _parts(self, node: dict[str, Any], within: tuple[int, ...]) -> list[Any]:
        return self._beyond(_nodes(node, "allOf"), (*within, id(node)))

    def _choices(self, node: dict[str, Any], within: tuple[int, ...]) -> list[Any]:
        nodes = _nodes(node, "oneOf") + _nodes(node, "anyOf") + misplaced_choices(node)
        if len(self._beyond(nodes, within)) < len(nodes):
            return []  # a base that lists the very schema it is part of: not that schema's alternatives
        distinct = {id(self._references.follow(choice)): choice for choice in nodes}
        return self._beyond(list(distinct.values()), (id(node),))

    def _beyond(self, nodes: list[Any], within: tuple[int, ...]) -> list[Any]:
        """The nodes that do not lead back into a schema that is being worked out."""
        onward = [node for node in nodes if id(self._references.follow(node)) not in within]
        self._cuts += len(nodes) - len(onward)
        return onward


def _too_many() -> TooDeep:
    return TooDeep("a schema combines too many schemas", remedy="Simplify its allOf, oneOf or anyOf")


def _nodes(node: dict[str, Any], keyword: str) -> list[Any]:
    nodes = node.get(keyword)
    return nodes if isinstance(nodes, list) else []


def _beside_reference(node: dict[str, Any], schema: Schema) -> Schema:
    """A referred schema with what stands beside the reference (OpenAPI 3.1; often written in 3.0 too)."""
    if len(node) == 1:
        return schema
    return replace(
        schema,
        description=text(node.get("description")) or schema.description,
        default=schema.default if node.get("default") is None else fitted(node["default"], schema.kinds),
        read_only=schema.read_only or node.get("readOnly") is True,
        write_only=schema.write_only or node.get("writeOnly") is True,
        examples=[fitted(example, schema.kinds) for example in own_examples(node)] + schema.examples,
    )


def _combine(node: dict[str, Any], name: str, parts: list[Schema], choices: list[Schema], joins: "_Joins") -> Schema:
    """The schema of a node, given those of its ``allOf`` and those of its ``oneOf`` and ``anyOf``."""
    others = parts + choices
    only = parts + (choices if len(choices) == 1 else [])
    own = plain(node, name or _first(other.name for other in only))
    kinds = own.kinds
    for allowed in (*(part.kinds for part in parts), frozenset[str]().union(*(choice.kinds for choice in choices))):
        kinds = _meet(kinds, allowed)
    return replace(
        own,
        kinds=kinds,
        description=own.description or _first(other.description for other in others),
        format=own.format or _first(part.format for part in parts) or _shared(choice.format for choice in choices),
        enum=own.enum or _first(part.enum for part in parts) or _enum_of_choices(choices),
        default=_first_given([own.default, *(other.default for other in only)]),
        minimum=_first_given([own.minimum, *(other.minimum for other in only)]),
        maximum=_first_given([own.maximum, *(other.maximum for other in only)]),
        read_only=own.read_only or any(other.read_only for other in only),
        write_only=own.write_only or any(other.write_only for other in only),
        examples=[fitted(example, kinds) for example in own.examples] or _examples(parts, choices),
        members=_members(own, name, parts, choices, joins),
        required=_required(own, parts, choices),
        items=_items(own, parts, choices, joins),
    )


def _meet(left: frozenset[str], right: frozenset[str]) -> frozenset[str]:
    """The types that both allow; a contradiction, or silence on one side, gives those of either."""
    return left & right or left | right


def _first(values: Iterable[Any]) -> Any:
    return next((value for value in values if value), "")


def _shared(values: Iterable[str]) -> str:
    distinct = {value for value in values if value}
    return distinct.pop() if len(distinct) == 1 else ""


def _first_given(values: list[Any]) -> Any:
    return next((value for value in values if value is not None), None)


def _enum_of_choices(choices: list[Schema]) -> list[Any]:
    if not all(choice.enum for choice in choices):
        return []
    return list({canonical_json(value): value for choice in choices for value in choice.enum}.values())


def _examples(parts: list[Schema], choices: list[Schema]) -> list[Any]:
    """Examples of a combination: the parts' examples together make one, each choice's is one."""
    shown = [part.examples[0] for part in parts if part.examples]
    whole: list[Any] = shown[:1]
    if len(shown) > 1 and all(isinstance(example, dict) for example in shown):
        whole = [{name: value for example in shown for name, value in example.items()}]
    return whole + [example for choice in choices for example in choice.examples]


def _required(own: Schema, parts: list[Schema], choices: list[Schema]) -> frozenset[str]:
    shared = frozenset.intersection(*(choice.required for choice in choices)) if choices else frozenset()
    return own.required.union(shared, *(part.required for part in parts))


def _members(own: Schema, name: str, parts: list[Schema], choices: list[Schema], joins: "_Joins") -> dict[str, Member]:
    """``name`` is what a reference calls the whole; it goes before the names of its parts."""
    stated = {key: [member] for key, member in own.members.items()}
    for part in parts:
        for key, member in part.members.items():
            stated.setdefault(key, []).append(Member(member.node, name or member.owner))
    offered: dict[str, list[Member]] = {}
    for choice in choices:
        for key, member in choice.members.items():
            offered.setdefault(key, []).append(Member(member.node, member.owner or name))
    return {
        key: Member(
            joins.join([m.node for m in stated.get(key, ())], [m.node for m in offered.get(key, ())]),
            _first(m.owner for m in stated.get(key, ())) or _owner_of_choices(offered.get(key, []), name),
        )
        for key in (*stated, *offered)
    }


def _owner_of_choices(members: list[Member], name: str) -> str:
    """Alternatives that share a member are named together: ``movie | tv``."""
    owners = list(dict.fromkeys(member.owner for member in members if member.owner))
    if len(owners) <= 1:
        return owners[0] if owners else name
    return name or (" | ".join(owners) if len(owners) <= MAX_NAMES else "")


def _items(own: Schema, parts: list[Schema], choices: list[Schema], joins: "_Joins") -> Any:
    stated = [schema.items for schema in (own, *parts) if schema.items is not None]
    offered = [choice.items for choice in choices if choice.items is not None]
    return joins.join(stated, offered) if stated or offered else None


class _Joins:
    """Combinations of what several schemas say about the same member.

    The same combination is the same node each time, and combinations of combinations are flat: without
    that, schemas inside themselves would give ever new ones.
    """

    def __init__(self, references: References) -> None:
        self._references = references
        self._nodes: dict[tuple[str, tuple[int, ...]], dict[str, list[Any]]] = {}
        self._parts: dict[int, list[Any]] = {}  # of the nodes made here

    def join(self, stated: list[Any], offered: list[Any]) -> Any:
        """One node for all: the only one, or an ``allOf`` of those stated, an ``anyOf`` if some are alternatives."""
        distinct: dict[int, Any] = {}
        for node in (*stated, *offered):
            for part in self._parts.get(id(node), [node]):
                distinct.setdefault(id(self._references.follow(part)), part)
        parts = list(distinct.values())
        if all(part == parts[0] for part in parts):
            return parts[0]
        keyword = "anyOf" if offered else "allOf"
        node = self._nodes.setdefault((keyword, tuple(distinct)), {keyword: parts})
        self._parts[id(node)] = parts
        return node
