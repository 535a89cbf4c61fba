"""What each scalar member of an answer refers to, by its name and by the values that documents show."""

from collections import defaultdict
from collections.abc import Iterable
from typing import Any

from goat_ray.executors.sandbox.keys import canonical, is_generic, is_label, is_telling, noun, nouns, read
from goat_ray.executors.sandbox.kinds import Kind, Kinds, Ref
from goat_ray.executors.sandbox.lookups import own_key, resolve
from goat_ray.executors.sandbox.objects import Objects, is_discriminator
from goat_ray.executors.sandbox.shape import Place
from goat_ray.naming import words
from goat_ray.records import Parameter

_COUNTS = frozenset({"number", "count", "total", "num"})  # a number_of_orders is no order
MIN_SHARE = 0.6  # of the example values that must be known keys of the kind


def read_names(place: Place, kinds: Kinds, objects: Objects) -> None:
    """Settle the members whose names say what they refer to."""
    owned: set[str] = set()
    for name in sorted(place.leaves, key=lambda name: (name.startswith("_"), len(words(name)), name)):
        key = own_key(name, place.kinds[0]) if place.kinds else ""
        if key and key not in owned:
            owned.add(key)
            place.refs[name] = Ref(place.kinds, key, "")
            for kind in place.kinds:
                kind.add_key(key)
            continue
        ref = _by_sibling(name, place, objects) or resolve(name, kinds) or _by_new_kind(name, kinds)
        if ref is not None:
            place.refs[name] = ref._replace(many=bool(place.leaves[name].depth))


def _by_sibling(name: str, place: Place, objects: Objects) -> Ref | None:
    """``media_id`` beside ``media_type``: one of the kinds that the type names."""
    named = read(name)
    if named is None or not named.owner or named.key != "id":
        return None
    for other in place.leaves:
        if is_discriminator(other) and nouns(words(other)[:-1]) == named.owner:
            kinds = objects.spoken(other)
            if kinds:
                return Ref(kinds, "id", "_".join(named.owner))
    return None


def _by_new_kind(name: str, kinds: Kinds) -> Ref | None:
    """``city_id`` where the service knows no cities: perhaps another service does."""
    named = read(name)
    if named is None or named.key != "id" or not named.owner:
        return None
    kind = kinds.ensure(named.owner[-1])
    kind.add_key("id")
    return Ref((kind,), "id", "_".join(named.owner))


def collect_values(place: Place) -> None:
    """Remember in the kinds which keys and names the documents show."""
    for name, ref in place.refs.items():
        if len(ref.kinds) != 1:
            continue
        ref.kinds[0].shown.add(ref.key)
        shown = [row.get(name) for row in place.rows]
        for value in [*place.leaves[name].field.examples, *shown]:
            for item in value if isinstance(value, list) else [value]:
                ref.kinds[0].add_value(ref.key, item)
    for ref in place.refs.values():
        for kind in ref.kinds:
            kind.shown.add(ref.key)
    if len(place.kinds) == 1:
        for name, leaf in place.leaves.items():
            if is_label(name) and name not in place.refs:
                place.kinds[0].labels.update(text for text in leaf.field.examples if isinstance(text, str))


def merge_kinds(kinds: Iterable[Kind]) -> None:
    """Make one of kinds that share telling ids, unless they are known to be two.

    Kinds of the same name in two services are one if their documents show a common id. A kind that is
    only referred to (``traveller_id``) is what all its ids belong to (customers).
    """
    holders: dict[tuple[str, str], list[Kind]] = defaultdict(list)
    for kind in kinds:
        for key, values in kind.values.items():
            for text in values:
                if is_telling(text) and not kind.ordinal:
                    holders[key, text].append(kind)
    pairs = {(a.name, a.service, b.name, b.service): (a, b) for found in holders.values() for a in found for b in found}
    for _, (one, two) in sorted(pairs.items()):
        first, second = one.final, two.final
        if first is not second and _are_one(first, second):
            into, other = (first, second) if bool(first.homes) >= bool(second.homes) else (second, first)
            into.absorb(other)


def _are_one(one: Kind, two: Kind) -> bool:
    if one.homes & two.homes:
        return False  # a service with a path for each knows them apart
    if one.name == two.name and one.service != two.service:
        return True
    if one.homes and two.homes:
        return False
    few, many = (one, two) if not one.homes else (two, one)
    few_values = few.values.get(few.keys[0], {}) if few.keys else {}
    known = many.values.get(few.keys[0], {}) if few.keys else {}
    return bool(few_values) and all(text in known and not text.isdigit() for text in few_values)


class ValueIndex:
    """Finds the kind and key that example values belong to."""

    def __init__(self, kinds: Iterable[Kind]) -> None:
        self._kinds = sorted(kinds, key=lambda kind: (kind.name, kind.service))
        self._holders: dict[str, set[tuple[int, str]]] = defaultdict(set)
        for number, kind in enumerate(self._kinds):
            for key, values in kind.values.items():
                for text in values:
                    if not kind.ordinal:
                        self._holders[text].add((number, key))

    def of_member(self, place: Place, name: str, kinds: Kinds) -> Ref | None:
        """What an unexplained member refers to, if its examples are keys of one kind."""
        leaf = place.leaves[name]
        if leaf.field.enum or leaf.field.type not in ("string", "integer") or is_label(name):
            return None
        ref = self._by_key(name) or self._find(name, leaf.field.examples, leaf.field.type, kinds)
        return ref._replace(many=bool(leaf.depth)) if ref is not None else None

    def of_parameter(self, parameter: Parameter, kinds: Kinds) -> Ref | None:
        """What an unexplained parameter takes, if its example is a key of one kind."""
        kind = parameter.item_type if parameter.type == "array" else parameter.type
        if parameter.enum or kind not in ("string", "integer"):
            return None
        shown = parameter.example
        examples = shown if isinstance(shown, list) else [] if shown is None else [shown]
        ref = self._by_key(parameter.name) or self._find(parameter.name.rpartition(".")[2], examples, kind, kinds)
        return ref._replace(many=parameter.type == "array") if ref is not None else None

    def _by_key(self, name: str) -> Ref | None:
        """``isbn`` says itself what it is the key of, if only one kind has such a key."""
        key = noun(name)
        owners = [kind for kind in self._kinds if key in kind.keys]
        if is_generic(key) or len(owners) != 1:
            return None
        return Ref((owners[0],), key, owners[0].name)

    def _find(self, name: str, examples: list[Any], type_: str, kinds: Kinds) -> Ref | None:
        texts = [text for text in map(canonical, examples) if text]
        named = kinds.named(name)
        if named is not None and not named.final.ordinal and not _COUNTS & set(words(name)):
            wanted = named.final
            for key in wanted.keys:
                known = wanted.values.get(key, {})
                if texts and sum(text in known for text in texts) >= MIN_SHARE * len(texts):
                    return Ref((wanted,), key, noun(name))
        if type_ == "integer" and read(name) is None:
            return None
        telling = [text for text in texts if is_telling(text)]
        votes: dict[tuple[int, str], int] = defaultdict(int)
        for text in telling:
            for holder in self._holders.get(text, ()):
                votes[holder] += 1
        best = [holder for holder, count in votes.items() if count >= MIN_SHARE * len(texts)]
        if len(best) != 1:
            return None
        number, key = best[0]
        named_key = read(name)
        kind = self._kinds[number]
        relation = "_".join(named_key.owner) if named_key is not None and named_key.owner else noun(name)
        return Ref((kind,), key, kind.name if relation == key else relation)


def tidy(place: Place) -> None:
    """Say the same of members that refer to the same thing, once all kinds are known."""
    owned = {ref.key for ref in place.refs.values() if not ref.relation}
    relations: dict[tuple[Kind, ...], str] = {}
    for name, ref in place.refs.items():
        if ref.relation and ref.kinds == place.kinds and ref.key not in owned and not _others(name, place, ref):
            owned.add(ref.key)
            place.refs[name] = ref._replace(relation="")
        elif ref.relation and not ref.many:
            place.refs[name] = ref._replace(relation=relations.setdefault(ref.kinds, ref.relation))


def _others(name: str, place: Place, ref: Ref) -> bool:
    """Whether a reference to a thing of the object's own kind is to another one: ``parent_category_id``."""
    plain = {key for kind in place.kinds for key in (ref.key, *(f"{kind.name}_{ref.key}",))}
    named = place.name != "$" and not place.depth
    return "_".join(nouns(words(name))) not in plain and not named


def read_labels(place: Place) -> None:
    """Settle the members that repeat the name of a thing referred to beside them: ``hotel_name``, ``city``."""
    kind = place.kinds[0] if len(place.kinds) == 1 else None
    refs = [ref for ref in place.refs.values() if ref.relation and not ref.many]
    for name, leaf in place.leaves.items():
        if name in place.refs or leaf.depth or leaf.field.type != "string":
            continue
        if kind is not None and name in kind.attributes and kind.repeats:
            if name in kind.repeats:
                place.labels[name] = kind.repeats[name]
            continue
        for ref in refs:
            if _names(name, ref.relation) or _repeats(name, leaf.field.examples, ref, place):
                place.labels[name] = ref
                break


def _names(name: str, relation: str) -> bool:
    parts = nouns(words(name))
    bare = parts[:-1] if is_label(name) else parts
    return bool(bare) and bare == tuple(relation.split("_"))


def _repeats(name: str, examples: list[Any], ref: Ref, place: Place) -> bool:
    """Whether a bare ``title`` is that of the thing referred to rather than the object's own."""
    if not is_label(name) or len(words(name)) > 1:
        return False
    if not place.kinds and len({other.kinds for other in place.refs.values()}) == 1:
        return True
    shown = [text for text in examples if isinstance(text, str)]
    return (
        bool(shown)
        and place.kinds != ref.kinds
        and all(any(text in kind.labels for kind in ref.kinds) for text in shown)
    )
