"""Which kind an unnamed object is like: by the things in the examples, then by its members."""

from collections import Counter, defaultdict

from goat_ray.executors.sandbox.keys import canonical, is_bare_id, is_label, read
from goat_ray.executors.sandbox.kinds import Kind, Kinds
from goat_ray.executors.sandbox.lookups import own_key, resolve
from goat_ray.executors.sandbox.shape import ROOT, Place
from goat_ray.naming import words

MIN_EVIDENCE = 1.0  # a member found in one kind only weighs 1, in two kinds 1/2, and so on
MIN_LEAD = 1.5  # by which the likest kind must lead the second


class Likeness:
    """What objects of known kinds hold, and which kind other objects are like."""

    def __init__(self, kinds: Kinds) -> None:
        self._kinds = kinds
        self._seen: dict[tuple[str, str], set[Kind]] = defaultdict(set)  # (id, label) pairs in examples
        self._weights: dict[str, Counter[str]] = {}  # members by kind

    def remember(self, place: Place) -> None:
        """Keep what members, and which (id, label) pairs, objects of a known kind have."""
        if len(place.kinds) != 1:
            return
        kind = place.kinds[0]
        for name in place.members:
            if read(name) is None:
                self._weights.setdefault(kind.name, Counter())[name] += 1
        for row in place.rows:
            for pair in _identities(row):
                self._seen[pair].add(kind)

    def by_examples(self, place: Place) -> tuple[Kind, ...]:
        """The kinds of the example objects: known by their ids and names, else like others of the kind."""
        if not any(is_bare_id(name) for name in place.leaves):
            return ()
        found = [self.of_row(place, row) for row in place.rows]
        return tuple(dict.fromkeys(kind for kind in found if kind is not None))

    def of_row(self, place: Place, row: dict[str, object]) -> Kind | None:
        """The kind of one example object."""
        known = {kind for pair in _identities(row) for kind in self._seen.get(pair, ()) if self._may_be(place, kind)}
        if len(known) == 1:
            return known.pop()
        return self._likest(place, set(row) & set(place.members))

    def by_members(self, place: Place) -> tuple[Kind, ...]:
        """The kind whose objects have members like these."""
        if not any(is_bare_id(name) for name in place.leaves):
            return ()
        kind = self._likest(place, set(place.members))
        return (kind,) if kind is not None else ()

    def _likest(self, place: Place, members: set[str]) -> Kind | None:
        """The kind that shares clearly the most telling members."""
        spread = Counter(name for profile in self._weights.values() for name in profile)
        scores = []
        for name, profile in self._weights.items():
            kind = self._kinds.get(name)
            if kind is not None and self._may_be(place, kind):
                shared = sorted(members & set(profile))  # in one order: sums of fractions depend on it
                scores.append((sum(1 / spread[member] for member in shared), name))
        scores.sort(reverse=True)
        if not scores or scores[0][0] < MIN_EVIDENCE:
            return None
        if len(scores) > 1 and scores[0][0] < MIN_LEAD * scores[1][0]:
            return None
        return self._kinds.get(scores[0][1])

    def _may_be(self, place: Place, kind: Kind) -> bool:
        """An object that names its credit by ``credit_id`` is not itself that credit."""
        refs = [resolve(name, self._kinds) for name in place.leaves if not own_key(name, kind) or len(words(name)) > 1]
        return not kind.ordinal and not any(ref is not None and kind in ref.kinds for ref in refs)

    def by_only_reference(self, place: Place) -> tuple[Kind, ...]:
        """``holder: {customer_id, name}`` is a customer: one key, and what else there is belongs to a customer."""
        refs = {name: ref for name in place.leaves if (ref := resolve(name, self._kinds)) is not None}
        kinds = {kind for ref in refs.values() for kind in ref.kinds}
        rest = [name for name in place.leaves if name not in refs]
        others = any((named := read(name)) is not None and named.key == "id" for name in rest)
        if len(kinds) != 1 or others or place.name == ROOT:
            return ()
        (kind,) = kinds
        own = self._weights.get(kind.name, Counter())
        known = [name for name in rest if name in own or is_label(name)]
        return (kind,) if rest and 2 * len(known) >= len(rest) else ()


def _identities(row: dict[str, object]) -> list[tuple[str, str]]:
    """(id, name) pairs of an example object: the same pair elsewhere is the same thing."""
    ids = [canonical(value) for name, value in row.items() if is_bare_id(name)]
    labels = [value for name, value in row.items() if isinstance(value, str) and is_label(name)]
    return [(text, label) for text in ids if text for label in labels if len(label) > 2]
