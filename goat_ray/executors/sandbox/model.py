"""What a corpus of documents says about its world: kinds of things, and where their keys occur."""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass

from goat_ray.executors.sandbox.fields import ValueIndex, collect_values, merge_kinds, read_labels, read_names, tidy
from goat_ray.executors.sandbox.keys import is_label
from goat_ray.executors.sandbox.kinds import Kind, Kinds, Ref
from goat_ray.executors.sandbox.lookups import Lookups
from goat_ray.executors.sandbox.objects import Objects
from goat_ray.executors.sandbox.shape import ROOT, Place, read_shape, relation_name
from goat_ray.naming import words
from goat_ray.records import ApiFunction, Parameter


@dataclass(frozen=True)
class Model:
    """The structure that the sandbox simulates."""

    functions: tuple[ApiFunction, ...]
    holders: dict[str, Place]  # the shape of each function's answer, by function id
    parameters: dict[tuple[str, str], Ref]  # what parameters look up, by function id and parameter name
    kinds: tuple[Kind, ...]

    def bound(self, function: ApiFunction) -> list[tuple[str, Ref]]:
        """The parameters of a function that look things up, in the order of the document."""
        names = [parameter.name for parameter in function.parameters]
        return [(name, ref) for name in names if (ref := self.parameters.get((function.id, name))) is not None]


def infer(functions: Sequence[ApiFunction]) -> Model:
    """Derive the model from documents alone."""
    ordered = tuple(sorted(functions, key=lambda function: (function.service, function.title, function.id)))
    holders = {function.id: read_shape(function) for function in ordered}
    by_service: dict[str, list[ApiFunction]] = defaultdict(list)
    for function in ordered:
        by_service[function.service].append(function)
    readers = [_Service(service, found, holders) for service, found in by_service.items()]
    merge_kinds([kind for reader in readers for kind in reader.kinds])
    # A kind that is only ever named, without things or lookups, is a mere attribute: imdb_id.
    kinds = {kind for reader in readers for kind in reader.live_kinds()}
    index = ValueIndex(kinds)
    for reader in readers:
        reader.finish(index, kinds)
    parameters = {name: ref.final for reader in readers for name, ref in reader.lookups.refs.items()}
    return Model(ordered, holders, parameters, tuple(sorted(kinds, key=lambda kind: (kind.service, kind.name))))


class _Service:
    """The reading of one service's documents."""

    def __init__(self, service: str, functions: list[ApiFunction], holders: dict[str, Place]) -> None:
        self.kinds = Kinds(service)
        self.functions = functions
        self.lookups = Lookups(functions, self.kinds)
        shapes = [holders[function.id] for function in functions]
        objects = Objects(shapes, self.kinds, self.lookups)
        objects.settle()
        self.places = [place for shape in shapes for place in shape.walk() if place is not shape]
        self._named_by_path: dict[str, set[Kind]] = defaultdict(set)
        for (owner, _), ref in self.lookups.refs.items():
            self._named_by_path[owner].update(ref.kinds)
        self._right = [place for place in self.places if len(place.kinds) == 1 and self._is_own_right(place)]
        self.lookups.read_parameters({shape.function.id: _subject(shape) for shape in shapes})
        for place in self.places:
            read_names(place, self.kinds, objects)
            collect_values(place)
        for place in self._right:  # a kind is at home where answers list or describe it in its own right
            place.kinds[0].homes.add(service)
            place.kinds[0].attributes.update(place.members)

    def _is_own_right(self, place: Place) -> bool:
        """Whether nothing but the path to the thing itself stands above an object."""
        path = place.function.path
        outer = self._named_by_path[place.function.id]
        parent = place.parent
        at_root = place.name == ROOT or (parent is not None and parent.name == ROOT and not parent.depth)
        if place.name == ROOT and not place.depth:
            return path.endswith("}") or place.kinds[0] not in outer
        return at_root and "{" not in path and bool(place.depth or place.same)

    def live_kinds(self) -> set[Kind]:
        """The kinds that this service shows or looks up, after merging."""
        taken = {kind.final for ref in self.lookups.refs.values() for kind in ref.kinds}
        return taken | {kind.final for place in self.places for kind in place.kinds}

    def finish(self, index: ValueIndex, live: set[Kind]) -> None:
        """Settle what only the values of other services could explain."""
        for place in self.places:
            place.kinds = tuple(dict.fromkeys(kind.final for kind in place.kinds))
            refs = ((name, ref.final) for name, ref in place.refs.items())
            place.refs = {name: ref for name, ref in refs if any(kind in live for kind in ref.kinds)}
            self._read_values(place, index)
            tidy(place)
        for function in self.functions:
            for parameter in function.parameters:
                if (function.id, parameter.name) not in self.lookups.refs and parameter.location != "path":
                    ref = index.of_parameter(parameter, self.kinds)
                    if ref is not None:
                        self.lookups.refs[function.id, parameter.name] = ref
                self._close(parameter)
        for place in self._right:
            read_labels(place)
            place.kinds[0].repeats.update(place.labels)
        for place in self.places:
            read_labels(place)
            self._note_relations(place)

    def _close(self, parameter: Parameter) -> None:
        """An enum that lists known keys of the kind that the parameter names lists them all."""
        kind = self.kinds.named(parameter.name)
        for key, values in kind.final.values.items() if kind is not None else ():
            texts = {str(value) for value in parameter.enum}
            if len(values) > 1 and texts >= set(values):
                kind.final.closed = True  # type: ignore[union-attr]
                for value in parameter.enum:
                    kind.final.add_value(key, value)  # type: ignore[union-attr]

    def _read_values(self, place: Place, index: ValueIndex) -> None:
        for name in place.leaves:
            ref = index.of_member(place, name, self.kinds) if name not in place.refs else None
            if ref is not None:
                place.refs[name] = ref
                ref.kinds[0].shown.add(ref.key)

    @staticmethod
    def _note_relations(place: Place) -> None:
        """Keep which kinds refer to one thing of which other kinds: a book to its author."""
        for kind in place.kinds if len(place.kinds) == 1 else ():
            for name, ref in place.refs.items():
                if ref.relation and not ref.many and (name in kind.attributes or not kind.attributes):
                    kind.singles.setdefault(ref.relation, ref.kinds)
            for child in place.places.values():
                own = child.name in kind.attributes or not kind.attributes
                if child.kinds and not child.depth and not child.same and own:
                    kind.singles.setdefault(relation_name(child), child.kinds)


def _subject(holder: Place) -> Kind | None:
    """The kind that an answer is about: that of its root, or of its only list."""
    root = holder.members.get(ROOT)
    if not isinstance(root, Place):
        return None
    for place in [root, *root.places.values()]:
        if len(place.kinds) == 1:
            return place.kinds[0]
    return None


def label_of(kind: Kind, like: str) -> str:
    """The attribute that holds what people call a thing of the kind; ``like`` where the kind has it."""
    last = (words(like) or ("name",))[-1]
    for name in (like, last):
        if name in kind.attributes:
            return name
    labels = sorted((name for name in kind.attributes if is_label(name)), key=lambda name: (len(name), name))
    return next((name for name in ("name", "title") if name in labels), labels[0] if labels else "name")
