"""Which kind of thing each object of an answer is: names and paths first, likeness of members last."""

from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Sequence

from goat_ray.executors.sandbox.keys import is_bare_id, is_plural, noun, nouns, read
from goat_ray.executors.sandbox.kinds import Kind, Kinds, Ref
from goat_ray.executors.sandbox.likeness import Likeness
from goat_ray.executors.sandbox.lookups import Lookups, own_key, resolve, slots
from goat_ray.executors.sandbox.shape import ROOT, Leaf, Place, tail_segments
from goat_ray.naming import words
from goat_ray.records import ApiFunction


class Objects:
    """Settles the kinds of all objects in the answers of one service."""

    def __init__(self, holders: Sequence[Place], kinds: Kinds, lookups: Lookups) -> None:
        self._kinds = kinds
        self._lookups = lookups
        self._roots = [holder.members[ROOT] for holder in holders if isinstance(holder.members.get(ROOT), Place)]
        self._places = [place for root in self._roots if isinstance(root, Place) for place in root.walk()]
        self._vocabulary = self._read_vocabulary()
        self._likeness = Likeness(kinds)
        self._wrappers = {place for place in self._places if self._wraps(place)}

    def settle(self) -> None:
        """Give every place its kinds."""
        for place in self._places:
            self._found_kind(place)
        for place in self._places:
            self._assign(place, self._by_root(place) if place.name == ROOT else self._by_name(place))
        self._each_open(self._by_schema())
        for place in self._places:
            self._likeness.remember(place)
        self._each_open(self._likeness.by_examples)
        self._each_open(self._likeness.by_members)
        self._each_open(self._likeness.by_only_reference)
        self._each_open(self._by_own_name)
        for place in self._places:
            self._widen(place)

    def _widen(self, place: Place) -> None:
        """Where a parameter offers ``all, movie, tv, person``, objects of the kinds seen may be of the others too."""
        if len(place.kinds) < 2:
            return
        for parameter in place.function.parameters:
            offered = [kind for text in parameter.enum if (kind := self._kinds.get(noun(str(text))))]
            if set(place.kinds) <= set(offered):
                place.kinds = tuple(dict.fromkeys((*place.kinds, *offered)))

    def _found_kind(self, place: Place) -> None:
        """``review_id`` in the answer of ``/reviews``, or in a ``Review``, founds the kind ``review``."""
        if any(is_bare_id(name) for name in place.leaves):
            return
        tail = tail_segments(place.function.path) or ([place.function.name] if not place.function.path else [])
        titles = [nouns(words(text)) for text in (place.label or " ".join(tail[-1:]), place.schema)]
        for name in place.leaves:
            named = read(name)
            if named is None or named.key != "id" or not named.owner or named.plural:
                continue
            size = len(named.owner)
            if any(named.owner in (title[-size:], title[:size]) for title in titles):
                self._kinds.ensure("_".join(named.owner)).add_key("id")

    def _each_open(self, find: Callable[[Place], tuple[Kind, ...]]) -> None:
        for place in self._places:
            if not place.kinds:
                self._assign(place, find(place))

    def _assign(self, place: Place, kinds: tuple[Kind, ...]) -> None:
        if place in self._wrappers:
            return
        if place.same and place.parent is not None and place.parent.kinds and not place.kinds:
            kinds = place.parent.kinds  # "data" and "attributes" are about the same thing
        place.kinds = place.kinds or kinds

    # --- by name ---------------------------------------------------------------------------------

    def _by_root(self, root: Place) -> tuple[Kind, ...]:
        function = root.function
        bound = [ref.kinds[0] for ref in self._path_refs(function)]
        tail = tail_segments(function.path)
        named = self._kinds.named(tail[-1]) if tail else None
        members = _joined(root)
        if root.depth:
            return self._by_path(root)
        if named is not None and _is_keyed(members, named) and self._is_about(function, tail[-1], members, named):
            return (named,)
        if bound:
            return (bound[-1],)
        by_schema = self._kinds.of_schema(root.schema)
        if by_schema is not None and _is_keyed(members, by_schema):
            return (by_schema,)
        required = {parameter.name for parameter in function.parameters if parameter.required}
        for name in members:
            ref = resolve(name, self._kinds) if name in required else None
            if ref is not None and function.method not in ("POST", "CALL"):
                return ref.kinds
        return self._by_path(root)

    def _wraps(self, root: Place) -> bool:
        """Whether a body only wraps a list of what it is about: ``{"Id": ..., "Contacts": [{"ContactID": ...}]}``."""
        segments = [part for part in root.function.path.split("/") if part and not part.startswith("{")]
        for place in root.places.values() if segments and root.name == ROOT and not root.depth else ():
            kind = self._kinds.get(noun(place.name)) if place.depth else None
            if kind is not None and noun(segments[-1]) == kind.name and _is_named(place, kind):
                return not _is_named(root, kind)
        return False

    @staticmethod
    def _is_about(function: ApiFunction, segment: str, members: dict[str, Leaf], kind: Kind) -> bool:
        """Whether a last segment names the answer itself rather than a list in it."""
        explicit = any(own_key(name, kind) and len(words(name)) > 1 for name in members)
        return function.method != "GET" or not is_plural(segment) or explicit

    def _by_name(self, place: Place) -> tuple[Kind, ...]:
        variants = self._by_discriminator(place)
        if variants:
            return variants
        members = _joined(place)
        by_schema = self._kinds.of_schema(place.schema)
        if by_schema is not None and _is_keyed(members, by_schema):
            return (by_schema,)
        if place.label:
            kind = self._kinds.named(place.label)
            if kind is not None and (_is_keyed(members, kind) or noun(place.label) == kind.name):
                return (kind,)
            return self._by_inner_word(place)
        return self._by_path(place)

    def _by_inner_word(self, place: Place) -> tuple[Kind, ...]:
        """``last_episode_to_air`` with an ``episode_number`` is an episode."""
        for word in words(place.label):
            kind = self._kinds.get(word)
            if kind is not None and _is_named(place, kind):
                return (kind,)
        return ()

    def _by_path(self, place: Place) -> tuple[Kind, ...]:
        """For bare lists: the kind that the path or the name of the function speaks of, from its end."""
        function = place.function
        members = _joined(place)
        segments = tail_segments(function.path)
        if any(True for _ in self._path_refs(function)):
            segments = segments[-1:]  # further left stands what the list belongs to
        parts = [words(segment) for segment in segments]
        for part in reversed(parts if function.path else [(word,) for word in words(function.name)]):
            kind = self._kinds.within(part)
            if kind is not None and _is_keyed(members, kind):
                return (kind,)
        return ()

    def _by_discriminator(self, place: Place) -> tuple[Kind, ...]:
        """``{"media_type": "tv", "id": 1399}``: the kinds that the values of a ``type`` member name."""
        if not any(is_bare_id(name) for name in _joined(place)):
            return ()
        parent = place.parent.leaves if place.parent is not None and not place.depth else {}
        beside = [name for name in parent if nouns(words(name))[:-1] == nouns(words(place.label)) != ()]
        for name in [*place.leaves, *beside]:
            if is_discriminator(name):
                kinds = self.spoken(name)
                if kinds:
                    return kinds
        return ()

    def spoken(self, name: str) -> tuple[Kind, ...]:
        """The kinds that the values of a discriminator name, wherever the service shows it."""
        return tuple(dict.fromkeys(kind for text in self._vocabulary[name] if (kind := self._kinds.get(noun(text)))))

    def _read_vocabulary(self) -> dict[str, list[str]]:
        found: dict[str, list[str]] = defaultdict(list)
        for place in self._places:
            for name, leaf in place.leaves.items():
                if is_discriminator(name):
                    found[name] += [text for text in (*leaf.field.enum, *leaf.field.examples) if isinstance(text, str)]
        return found

    def _path_refs(self, function: ApiFunction) -> Iterator[Ref]:
        for slot in slots(function):
            ref = self._lookups.refs.get((function.id, slot.parameter.name))
            if ref is not None:
                yield ref

    # --- by what the objects hold -----------------------------------------------------------------

    def _by_schema(self) -> Callable[[Place], tuple[Kind, ...]]:
        """The kind of most other objects with the same schema."""
        votes: dict[str, Counter[str]] = defaultdict(Counter)
        for place in self._places:
            if len(place.kinds) == 1 and place.schema:
                votes[place.schema][place.kinds[0].name] += 1

        def find(place: Place) -> tuple[Kind, ...]:
            found = votes[place.schema]
            kind = self._kinds.get(max(sorted(found), key=found.__getitem__, default=""))
            return (kind,) if kind is not None and _is_keyed(_joined(place), kind) else ()

        return find

    def _by_own_name(self, place: Place) -> tuple[Kind, ...]:
        """A kind of its own for an object that has an id and is like nothing else."""
        if not any(is_bare_id(name) for name in place.leaves):
            return ()
        tail = tail_segments(place.function.path)
        label = place.label or (tail[-1] if tail else "") or place.function.name
        kind = self._kinds.ensure(noun(label) or "thing")
        kind.add_key("id")
        return (kind,)


def is_discriminator(name: str) -> bool:
    """Whether a member's name says that its value names the kind of the object."""
    parts = words(name)
    return bool(parts) and parts[-1] in ("type", "kind")


def _is_keyed(members: dict[str, Leaf], kind: Kind) -> bool:
    return any(own_key(name, kind) for name in members)


def _is_named(place: Place, kind: Kind) -> bool:
    """Whether an object carries a key that names the kind: ``ContactID``."""
    return any(own_key(name, kind) and len(words(name)) > 1 for name in place.leaves)


def _joined(place: Place) -> dict[str, Leaf]:
    """The scalar members of an object and of what merely wraps more of it."""
    joined = dict(place.leaves)
    for child in place.places.values():
        if child.same:
            joined |= _joined(child)
    return joined
