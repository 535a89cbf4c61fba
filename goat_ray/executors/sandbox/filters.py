"""The parameters that choose among the items of a list."""

from collections.abc import Callable, Iterator, Sequence
from typing import Any

from goat_ray.executors.sandbox.call import Call
from goat_ray.executors.sandbox.keys import canonical, is_label, noun, nouns
from goat_ray.executors.sandbox.kinds import Kind, Ref
from goat_ray.executors.sandbox.shape import Place
from goat_ray.executors.sandbox.things import Thing
from goat_ray.executors.sandbox.values import is_name_like
from goat_ray.naming import words
from goat_ray.records import Parameter

Test = Callable[[Call, Thing, Any], bool]  # (call, thing, argument) -> whether the thing passes
_SEARCHING = frozenset("query q search term text keyword keywords phrase s".split())
_AT_LEAST = frozenset({"min", "minimum", "gte", "from", "after", "since", "gt"})
_AT_MOST = frozenset({"max", "maximum", "lte", "to", "before", "until", "lt"})
_EXCLUDING = frozenset({"without", "exclude", "excluding", "not"})


def search_text(parameter: Parameter, place: Place) -> bool:
    """Whether a parameter searches the names of the listed things."""
    parts = words(parameter.name)
    if parameter.location not in ("query", "body") or parameter.type != "string" or parameter.enum or not parts:
        return False
    return parts[-1] in _SEARCHING or (is_label(parameter.name) and any(map(is_name_like, place.leaves)))


def matches(call: Call, thing: Thing, text: str, names: Sequence[str]) -> bool:
    """Whether a name of the thing contains the text."""
    wanted = text.casefold().strip()
    return any(wanted in str(call.attribute(thing, name)).casefold() for name in names)


def reference_test(parameter: Parameter, ref: Ref, kinds: Sequence[Kind], place: Place) -> Test | None:
    """The test of a parameter that names things which the listed things are related to."""
    if any(kind in ref.kinds for kind in kinds):
        return lambda call, thing, found: any(other.scope == thing.scope for other in found)
    related = _relation_to(ref, kinds, place)
    if related is None:
        return None
    relation, targets, many = related
    excluding = bool(_EXCLUDING & set(words(parameter.name)[:1]))

    def test(call: Call, thing: Thing, found: Any) -> bool:
        if many:
            links = call.state.many(thing, relation, targets)
            own = [link.thing for link in links.items[: links.nested]]
        else:
            other = call.state.one(thing, relation, targets)
            own = [other] if other is not None else []
        asked = found if isinstance(found, list) else [found]
        # A choice from an enum arrives as its value, what was looked up as the thing itself.
        return any(_is_among(one, own) for one in asked) != excluding

    return test


def _is_among(wanted: Any, things: Sequence[Thing]) -> bool:
    if isinstance(wanted, Thing):
        return wanted.scope in [thing.scope for thing in things]
    text = str(wanted)
    return any(str(key) == text for thing in things for key in thing.keys.values())


def _relation_to(ref: Ref, kinds: Sequence[Kind], place: Place) -> tuple[str, tuple[Kind, ...], bool] | None:
    """(relation, kinds, whether there are many): how listed things are related to what a parameter names."""
    options = [(other.relation, other.kinds, other.many) for other in place.refs.values() if other.relation]
    options += [(relation, targets, False) for kind in kinds for relation, targets in kind.singles.items()]
    fitting = [option for option in options if set(option[1]) & set(ref.kinds)]
    named = [option for option in fitting if option[0] in (ref.relation, ref.kinds[0].name)]
    return next(iter(named or fitting), None)


def bound_of(parameter: Parameter) -> str:
    """The word that makes a parameter a bound; empty for others."""
    return _bound(nouns(words(parameter.name))) if not parameter.enum else ""


def _bound(parts: Sequence[str]) -> str:
    return next((part for part in (*parts[:1], *parts[-1:]) if part in _AT_LEAST | _AT_MOST), "")


def member_test(parameter: Parameter, place: Place) -> Test | None:
    """The test of a parameter that is named like a member of the listed things: equal, at least, at most."""
    parts = nouns(words(parameter.name))
    if parts and parts[0] in ("is", "has", "only", "filter", "by", "with") and len(parts) > 1:
        parts = parts[1:]
    bound = _bound(parts)
    wanted = "_".join(part for part in parts if part != bound)
    name = next((name for name in place.leaves if noun(name) == wanted), "")
    if not name:
        return None
    if bound and not parameter.enum:
        lower = bound in _AT_LEAST
        return lambda call, thing, value: _is_beyond(_value(call, thing, place, name), value, lower)
    ref = place.refs.get(name)
    if ref is not None:
        return reference_test(parameter, ref, place.kinds, place)
    return lambda call, thing, value: _is_equal(_value(call, thing, place, name), value)


def _value(call: Call, thing: Thing, place: Place, name: str) -> Any:
    """What a thing is like in this respect; None where that is not its own but this list's to say."""
    if name in thing.attributes or name in place.labels or call.state.world.specs.is_own(place, name):
        return call.attribute(thing, name)
    return None


def _is_equal(value: Any, wanted: Any) -> bool:
    values = value if isinstance(value, list) else [value]
    asked = wanted if isinstance(wanted, list) else [wanted]
    texts = {str(item).casefold() for item in values}
    return any(str(item).casefold() in texts for item in asked)


def _is_beyond(value: Any, limit: Any, lower: bool) -> bool:
    if isinstance(value, int | float) and isinstance(limit, int | float):
        return value >= limit if lower else value <= limit
    if isinstance(value, str) and isinstance(limit, str):
        return value >= limit if lower else value <= limit
    return True


def sort_key(argument: Any, place: Place) -> Iterator[tuple[str, bool]]:
    """(member, descending) for an argument such as ``popularity.desc`` or ``-price``; nothing if it is neither."""
    if not isinstance(argument, str):
        return
    text = canonical(argument)
    parts = words(text)
    descending = text.startswith("-") or bool({"desc", "descending"} & set(parts[-1:]))
    wanted = "_".join(part for part in parts if part not in ("desc", "asc", "descending", "ascending"))
    for name in place.leaves:
        if "_".join(words(name)) == wanted and name not in place.refs:
            yield name, descending
            return
