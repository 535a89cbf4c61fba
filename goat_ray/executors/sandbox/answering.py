"""Answers the calls of one function."""

from typing import Any

from goat_ray.executors.sandbox.arguments import Checker
from goat_ray.executors.sandbox.bodies import BodyBuilder
from goat_ray.executors.sandbox.call import Call
from goat_ray.executors.sandbox.intents import intent_of
from goat_ray.executors.sandbox.kinds import Kind, Ref
from goat_ray.executors.sandbox.listing import Listing, primary_list, wrapped_list
from goat_ray.executors.sandbox.lookups import own_key
from goat_ray.executors.sandbox.model import Model
from goat_ray.executors.sandbox.shape import ROOT, Place
from goat_ray.executors.sandbox.state import State
from goat_ray.executors.sandbox.things import Thing
from goat_ray.executors.sandbox.world import World
from goat_ray.executors.sandbox.writing import Writer
from goat_ray.identity import canonical_json
from goat_ray.records import ApiFunction
from goat_ray.rows import Json

Answer = tuple[int, Json]  # status, body


class NotFound(LookupError):
    """An argument names a thing that does not exist."""


class Conflict(ValueError):
    """A thing with the given key exists already."""


class Answering:
    """All that is prepared for one function, so that a call only looks things up."""

    def __init__(self, function: ApiFunction, model: Model, world: World, listed: dict[Place, list[Thing]]) -> None:
        self._function = function
        self._world = world
        self._refs = model.bound(function)
        self._parameters = {parameter.name: parameter for parameter in function.parameters}
        by_name = dict(self._refs)
        self._checker = Checker(function.parameters, by_name)
        holder = model.holders[function.id]
        member = holder.members.get(ROOT)
        self._root = member if isinstance(member, Place) else None
        self._listed = listed.get(self._root, []) if self._root is not None else []
        primary = primary_list(holder)
        known = listed.get(primary, []) if primary is not None else []
        self._listing = Listing(function, primary, by_name, known, world) if primary is not None else None
        self._build = BodyBuilder(world, primary, frozenset(self._parameters) - frozenset(by_name)).root(holder)
        self._intent = intent_of(function)
        wrapped = wrapped_list(self._root) if self._root is not None else None
        self._subject = wrapped or _subject(self._root)
        self._kinds = (wrapped or self._root).kinds if self._root is not None and not self._root.depth else ()
        self._creates = self._intent == "create" and self._root is not None and not self._root.depth
        self._path_kinds = {ref.kinds[0] for name, ref in self._refs if self._parameters[name].location == "path"}
        self._writer = Writer(function, self._subject, by_name, self._root)
        self._opaque = [p.name for p in function.parameters if p.required and not p.enum and p.name not in by_name]

    @property
    def reads(self) -> bool:
        """Whether the function leaves the world as it is."""
        return self._intent == "read"

    def answer(self, state: State, arguments: dict[str, Any]) -> Answer:
        """Check the arguments, find what they name, do what the function does, and tell about it."""
        values, problems = self._checker.check(arguments)
        if problems:
            return 422, {"error": "invalid arguments", "details": problems}
        call = Call(state, values)
        try:
            found = self._find(call)
            return self._perform(call, found)
        except NotFound as error:
            return 404, {"error": "not found", "message": str(error)}
        except Conflict as error:
            return 409, {"error": "conflict", "message": str(error)}

    # --- what the arguments name -------------------------------------------------------------------

    def _find(self, call: Call) -> dict[str, list[Thing]]:
        """The things that arguments name, by parameter; raises ``NotFound`` where one must exist and does not."""
        found: dict[str, list[Thing]] = {}
        for name, ref in self._refs:
            if name not in call.arguments:
                continue
            value = call.arguments[name]
            values = value if isinstance(value, list) else [value]
            must = self._must_exist(name)
            things = [thing for item in values if (thing := self._lookup(call, ref, item, must)) is not None]
            found[name] = things
            if not things and values and not self._is_own(name) and (must or self._listing is None):
                raise NotFound(f"there is no {ref.kinds[0].name} with {name} {value!r}")
            if len(things) == 1 and not ref.many and things[0].kind is not None:
                call.bound[things[0].kind] = things[0]
        return found

    def _must_exist(self, name: str) -> bool:
        parameter = self._parameters[name]
        return parameter.required or parameter.location == "path" or self._intent != "read"

    def _is_own(self, name: str) -> bool:
        """Whether a parameter gives a thing that is to be created its key."""
        kind = self._kind
        outside = self._parameters[name].location != "path"
        return self._intent == "create" and kind is not None and outside and bool(own_key(name, kind))

    @property
    def _kind(self) -> Kind | None:
        return self._subject.kinds[0] if self._subject is not None and self._subject.kinds else None

    def _lookup(self, call: Call, ref: Ref, value: Any, must: bool) -> Thing | None:
        """The thing that a value names. Where nobody can know the keys, a needed one may be any."""
        for kind in ref.kinds:
            if kind.parent is not None:
                parent = call.bound.get(kind.parent)
                things = self._world.numbered(parent, kind) if parent is not None else []
                return next((thing for thing in things if thing.keys.get(ref.key) == value), None)
            thing = call.state.lookup(kind, ref.key, value)
            if thing is None and must and ref.key not in kind.shown:
                thing = self._world.unshown(kind, ref.key, value)
            if thing is not None:
                return thing
        return None

    # --- what the function does --------------------------------------------------------------------

    def _perform(self, call: Call, found: dict[str, list[Thing]]) -> Answer:
        kind = self._kind
        if self._creates and kind is not None and kind not in self._path_kinds:
            return self._create(call, kind, found)
        thing = self._about(call)
        if self._intent == "delete":
            body = self._body(call, thing, found)
            for target in self._named(found):
                call.state.delete(target)
            return 200 if self._function.outputs else 204, body
        if self._intent != "read" and thing.kind is not None and thing.kind in call.bound:
            thing = call.state.change(thing)
            self._writer.write(call, thing, found)
            if thing.kind is not None:
                call.bound[thing.kind] = thing
            return 201 if self._writer.appends else 200, self._body(call, thing, found)
        return 200, self._body(call, thing, found)

    def _create(self, call: Call, kind: Kind, found: dict[str, list[Thing]]) -> Answer:
        own = {own_key(name, kind): call.arguments[name] for name in call.arguments if self._is_own(name)}
        if any(call.state.lookup(kind, key, value) is not None for key, value in own.items()):
            raise Conflict(f"a {kind.name} with this key exists")
        made = call.state.create(kind, own, self._function.title, canonical_json(call.arguments))
        self._writer.start(call, made)
        self._writer.write(call, made, found)
        call.bound[kind] = made
        return 201, self._body(call, made if kind in self._kinds else self._about(call), found)

    def _named(self, found: dict[str, list[Thing]]) -> list[Thing]:
        """The things that the innermost key names."""
        named = [things for name, things in found.items() if self._parameters[name].required]
        return named[-1] if named else []

    def _about(self, call: Call) -> Thing:
        """The thing that the body is about."""
        for kind in self._kinds:
            if kind in call.bound:
                return call.bound[kind]
        for kind in self._kinds:
            chosen = self._choose(call, kind)
            if chosen is not None:
                return chosen
        return self._nothing(call)

    def _choose(self, call: Call, kind: Kind) -> Thing | None:
        """A thing for an answer that no argument names one for: ``/movie/latest``."""
        asked = [call.arguments.get(name) for name in self._opaque]
        if self._listed and not asked:
            return call.state.view(self._listed[0])
        things = self._world.rolls[kind].things
        if not things:
            return None
        index = self._world.random(self._function.title, asked).randrange(len(things))
        return call.state.view(things[index])

    def _nothing(self, call: Call) -> Thing:
        """What a body is about that is about no thing of a kind."""
        asked = [call.arguments.get(name) for name in self._opaque]
        thing = Thing(None, f"{self._function.title} {canonical_json(asked)}")
        root = self._root
        if root is not None and not root.depth and root.rows and not asked:
            self._world.lay(thing, self._world.specs.group(root), root.rows[0])
        return thing

    def _body(self, call: Call, thing: Thing, found: dict[str, list[Thing]]) -> Json:
        if self._listing is not None:
            self._listing.fill(call, self._owner(call, thing), found)
        return self._build(call, thing)

    def _owner(self, call: Call, thing: Thing) -> Thing | None:
        """The thing whose list is shown: that of the path; none for lists of all there is."""
        for name, ref in reversed(self._refs):
            if self._parameters[name].location == "path" and ref.kinds[0] in call.bound:
                return call.bound[ref.kinds[0]]
        return thing if self._listing is not None and not self._listing.keyed else None


def _subject(root: Place | None) -> Place | None:
    """The object of the body that describes the thing concerned: the body itself, or its only keyed member."""
    if root is None or root.depth or root.kinds:
        return root
    keyed = [place for place in root.places.values() if len(place.kinds) == 1 and not place.depth]
    return keyed[0] if len(keyed) == 1 else None
