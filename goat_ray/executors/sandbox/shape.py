"""The shape of a function's answer: its objects, their members, and the example objects seen there."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from goat_ray import jsonpath
from goat_ray.executors.sandbox.keys import noun
from goat_ray.records import ApiFunction, OutputField

if TYPE_CHECKING:
    from goat_ray.executors.sandbox.kinds import Kind, Ref

ROOT = "$"  # the body is member "$" of a holder, so that bare arrays and scalars need no special case
# Members that only hold the answer: they do not say what it is.
_WRAPPERS = frozenset(
    "results result items item data list entries entry records record rows row content contents hits hit values"
    " value objects object docs doc response payload body elements element edges edge nodes node entities entity"
    " attributes properties output".split()
)
MAX_ROWS = 100  # example objects kept of one place


@dataclass(eq=False, slots=True)
class Leaf:
    """A scalar member, or an array of scalars where ``depth`` is more than 0."""

    field: OutputField
    depth: int


@dataclass(eq=False, slots=True)
class Place:
    """An object of an answer, or the items of an array of objects where ``depth`` is more than 0."""

    function: ApiFunction
    name: str
    depth: int
    parent: "Place | None"
    members: dict[str, "Leaf | Place"] = field(default_factory=dict)
    rows: list[dict[str, Any]] = field(default_factory=list)
    kinds: tuple["Kind", ...] = ()  # several where objects of different kinds share the place
    refs: dict[str, "Ref"] = field(default_factory=dict)  # by member name
    labels: dict[str, "Ref"] = field(default_factory=dict)  # members that repeat the name of what is referred to

    @property
    def leaves(self) -> dict[str, Leaf]:
        return {name: member for name, member in self.members.items() if isinstance(member, Leaf)}

    @property
    def places(self) -> dict[str, "Place"]:
        return {name: member for name, member in self.members.items() if isinstance(member, Place)}

    @property
    def wraps(self) -> bool:
        """Whether the member only holds the answer: ``results``, ``data``, the body itself."""
        return self.name == ROOT or self.name.lower() in _WRAPPERS

    @property
    def label(self) -> str:
        """The innermost name on the way here that says something; empty if none does."""
        here: Place | None = self
        while here is not None and here.wraps:
            here = here.parent if here.parent is not None and not here.parent.depth else None
        return here.name if here is not None else ""

    @property
    def same(self) -> bool:
        """Whether this object only wraps more members of the object around it: ``data``, ``attributes``."""
        return self.wraps and not self.depth and self.parent is not None and self.name != ROOT

    @property
    def schema(self) -> str:
        """The schema that most members name."""
        names = [leaf.field.schema_name for leaf in self.leaves.values() if leaf.field.schema_name]
        return max(sorted(set(names)), key=names.count) if names else ""

    def walk(self) -> Iterator["Place"]:
        """This place and all below it, outermost first."""
        yield self
        for place in self.places.values():
            yield from place.walk()


def read_shape(function: ApiFunction) -> Place:
    """The holder of the function's body: its only member is ``$``, or none where nothing is documented."""
    holder = Place(function, "", 0, None)
    for output in function.outputs:
        _insert(holder, output)
    if function.response_example is not None:
        _collect(holder, {ROOT: function.response_example})
    return holder


def relation_name(place: Place) -> str:
    """What an object is to the object around it: ``author``, ``cast``; for bare lists what the path says."""
    if place.label:
        return noun(place.label)
    tail = tail_segments(place.function.path)
    if tail and ("{" in place.function.path or place.name == ROOT):
        return noun(tail[-1])
    return noun(place.name) or "item"


def tail_segments(path: str) -> list[str]:
    """The static segments after the last parameter of a path template."""
    tail: list[str] = []
    for segment in path.split("/"):
        if segment.startswith("{"):
            tail = []
        elif segment:
            tail.append(segment)
    return tail


def _insert(holder: Place, output: OutputField) -> None:
    steps: list[tuple[str, int]] = [(ROOT, 0)]
    for token in jsonpath.parse(output.path):
        if isinstance(token, str):
            steps.append((token, 0))
        else:
            steps[-1] = (steps[-1][0], steps[-1][1] + 1)
    here = holder
    for name, depth in steps[:-1]:
        member = here.members.get(name)
        if not isinstance(member, Place):
            member = here.members[name] = Place(holder.function, name, depth, here)
        here = member
    name, depth = steps[-1]
    here.members.setdefault(name, Leaf(output, depth))


def _collect(place: Place, example: dict[str, Any]) -> None:
    """Spread an example body over the places; what does not fit the shape is left out."""
    if len(place.rows) >= MAX_ROWS:
        return
    place.rows.append(example)
    for name, child in place.places.items():
        for item in flatten(example.get(name)):
            _collect(child, item)


def flatten(value: Any) -> Iterator[dict[str, Any]]:
    """The objects in a value: itself, or those in arrays of any depth."""
    if isinstance(value, dict):
        yield value
    elif isinstance(value, list):
        for item in value:
            yield from flatten(item)
