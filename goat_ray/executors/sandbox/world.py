"""The made-up world: known things from the examples, further ones like them, and how they are related."""

from collections import defaultdict
from collections.abc import Iterator
from itertools import zip_longest
from random import Random
from typing import Any

from goat_ray.executors.sandbox.config import SandboxConfig
from goat_ray.executors.sandbox.filling import Filler
from goat_ray.executors.sandbox.keys import canonical
from goat_ray.executors.sandbox.kinds import Kind
from goat_ray.executors.sandbox.model import Model
from goat_ray.executors.sandbox.population import Population
from goat_ray.executors.sandbox.specs import Group, Specs
from goat_ray.executors.sandbox.things import Link, Links, Roll, Thing
from goat_ray.executors.sandbox.values import Spec
from goat_ray.identity import rng

MAX_NESTED = 3  # items of a made-up list inside another list


class World:
    """All things of all kinds. Whatever it makes up depends only on the seed and on the thing asked about."""

    def __init__(self, model: Model, config: SandboxConfig) -> None:
        self.config = config
        self.places = [place for holder in model.holders.values() for place in holder.walk()]
        self.specs = Specs(self.places)
        self.rolls = {kind: Roll(kind) for kind in model.kinds}
        self.filler = Filler(self.random, self.specs.of_kind, self.rolls)
        self._inverse: dict[tuple[Kind, str], dict[str, list[Thing]]] = {}
        self.population = Population(self.rolls, self.places, self.random, config.entities)

    def random(self, *about: Any) -> Random:
        """The random generator for one choice."""
        return rng(self.config.seed, *about)

    def unshown(self, kind: Kind, key: str, value: Any) -> Thing | None:
        """A thing for a key that no answer ever shows: any will do, except what is known as something else."""
        text = canonical(value)
        others = (roll for other, roll in self.rolls.items() if other is not kind)
        if not text or any(roll.get(known, value) is not None for roll in others for known in roll.kind.keys):
            return None
        thing = Thing(kind, f"{kind.name}/{text}", number=self.random(kind.name, text).randrange(1 << 16))
        thing.keys = {**dict.fromkeys(kind.keys, value), key: value}
        return thing

    # --- attributes --------------------------------------------------------------------------------

    def say(self, holder: Thing, group: Group, spec: Spec, alone: bool) -> Any:
        """Make up what a list or an answer says of a thing; all of it from the same example where that goes.

        A thing that is not ``alone`` in saying it keeps it under the group's name, so that another group
        may say something else.
        """
        prefix = "" if alone else f"{group.name}."
        name = prefix + spec.name
        if name in holder.attributes:
            return holder.attributes[name]
        if group.rows:
            row = group.rows[self.random(holder.scope, group.name).randrange(len(group.rows))]
            for other, value in row.items():  # all at once: choosing takes longer than taking
                said = group.specs.get(other)
                if said is not None and not said.varies and other not in group.bound and _is_plain(value):
                    holder.attributes.setdefault(prefix + other, value)
        return self.filler.fill(holder, spec, group.specs, prefix)

    # --- relations ---------------------------------------------------------------------------------

    def one(self, thing: Thing, relation: str, kinds: tuple[Kind, ...]) -> Thing | None:
        """The one thing of these kinds that a thing is related to; None if there are none at all."""
        found = thing.single.get((relation, kinds))
        if found is None:
            around = thing.within(kinds) if thing.kind is not None else None
            found = self._given(thing, relation, kinds) or around or self._choose(thing, relation, kinds)
            if found is not None:
                thing.single[relation, kinds] = found
        return found

    def _given(self, thing: Thing, relation: str, kinds: tuple[Kind, ...]) -> Thing | None:
        """What a created thing was created with: by relation, else by kind, else through one of those things."""
        whole = thing
        while whole.kind is None and whole.parent is not None:
            whole = whole.parent  # what a thing was created with goes for its parts too
        for name, other in whole.given:
            if name == relation and other.kind in kinds:
                return other
        fitting = [other for _, other in whole.given if other.kind in kinds]
        if fitting:
            return fitting[0]
        for _, other in whole.given:
            if other.kind is not None and other.kind.singles.get(relation) == kinds:
                return self.one(other, relation, kinds)
        return None

    def _choose(self, thing: Thing, relation: str, kinds: tuple[Kind, ...]) -> Thing | None:
        usable = [kind for kind in kinds if kind.ordinal or self.rolls[kind].things]
        if not usable:
            return None
        kind = usable[thing.number % len(usable)]
        if kind.ordinal:
            return self._numbered(thing, relation, kind)
        things = self.rolls[kind].things
        if thing.kind is not None and thing.kind in self.rolls and not thing.kind.ordinal:
            # Spread evenly, so that every author has books; the number is the thing's place in its roll.
            start = self.random(thing.kind.name, relation).randrange(len(things))
            index = (start + thing.number // len(usable)) % len(things)
        else:  # the items of one list differ
            index = (self.random(thing.series, relation).randrange(len(things)) + thing.number) % len(things)
        return things[index] if things[index] not in (thing, thing.parent) else things[(index + 1) % len(things)]

    def _numbered(self, thing: Thing, relation: str, kind: Kind) -> Thing | None:
        """A thing that is numbered within another, starting from the thing asked about if it is within that."""
        steps = [kind]
        while steps[-1].parent is not None:
            steps.append(steps[-1].parent)
        start: Thing | None = thing
        while start is not None and start.kind not in steps[1:]:
            start = start.parent
        if start is None or start.kind is None:
            start = self._choose(thing, relation, (steps[-1],))
        if start is None or start.kind is None:
            return None
        for step in reversed(steps[: steps.index(start.kind)]):
            start = self.numbered(start, step)[-1]
        return start

    def numbered(self, parent: Thing, kind: Kind) -> list[Thing]:
        """The things numbered within a parent: the seasons of a show."""
        links = parent.links.get((kind.name, (kind,)))
        if links is None:
            count = self.random(parent.scope, kind.name).randint(2, max(2, self.config.list_length))
            made = [self.make_numbered(parent, kind, number + 1) for number in range(count)]
            links = parent.links[kind.name, (kind,)] = Links([Link(thing) for thing in made], count)
        return [link.thing for link in links.items]

    def make_numbered(self, parent: Thing, kind: Kind, number: int) -> Thing:
        """One thing numbered within a parent, with all its keys."""
        thing = Thing(kind, f"{parent.scope}/{kind.name}/{number}", parent, number)
        self.population.complete(thing)
        return thing

    def many(self, thing: Thing, relation: str, kinds: tuple[Kind, ...]) -> Links:
        """The things of these kinds that a thing is related to."""
        found = thing.links.get((relation, kinds))
        if found is None:
            found = thing.links[relation, kinds] = self._choose_many(thing, relation, kinds)
        return found

    def _choose_many(self, thing: Thing, relation: str, kinds: tuple[Kind, ...]) -> Links:
        if len(kinds) == 1 and kinds[0].ordinal:
            parent = kinds[0].parent
            inside = thing if thing.kind is parent else thing.within((parent,) if parent else ())
            if inside is not None:
                items = [Link(other) for other in self.numbered(inside, kinds[0])]
                return Links(items, len(items))
        given = [Link(other) for name, other in thing.given if other.kind in kinds and name == relation]
        if given:
            return Links(given, len(given))
        back = list(self._referring(thing, kinds))
        if back:
            return Links([self.row(thing, relation, other, i) for i, other in enumerate(back)], MAX_NESTED)
        random = self.random(thing.scope, relation)
        pools = [[other for other in self.rolls[kind].things if other is not thing] for kind in kinds]
        share = -(-self.config.list_length // len(pools))
        picks = [random.sample(pool, min(share, len(pool))) for pool in pools]
        mixed = [other for turn in zip_longest(*picks) for other in turn if other is not None]
        chosen = mixed[: self.config.list_length]
        items = [self.row(thing, relation, other, index) for index, other in enumerate(chosen)]
        return Links(items, random.randint(1, MAX_NESTED))

    def row(self, thing: Thing, relation: str, other: Thing, index: int) -> Link:
        """An item of a thing's list."""
        said = Thing(None, f"{thing.scope}/{relation}/{other.scope}", thing, index)
        said.series = f"{thing.scope}/{relation}"
        return Link(other, said)

    def _referring(self, thing: Thing, kinds: tuple[Kind, ...]) -> Iterator[Thing]:
        """The things that refer to this one as theirs: the books whose author it is."""
        if thing.kind is None:
            return
        for kind in kinds:
            relation = referring(kind, thing.kind)
            if relation:
                yield from self._inverse_of(kind, relation).get(thing.scope, ())

    def _inverse_of(self, kind: Kind, relation: str) -> dict[str, list[Thing]]:
        if (kind, relation) not in self._inverse:
            found: dict[str, list[Thing]] = defaultdict(list)
            for other in self.rolls[kind].things:
                target = self.one(other, relation, kind.singles[relation])
                if target is not None:
                    found[target.scope].append(other)
            self._inverse[kind, relation] = found
        return self._inverse[kind, relation]

    # --- parts -------------------------------------------------------------------------------------

    def parts(self, owner: Thing, group: Group, relation: str, several: bool) -> Links:
        """The parts of a thing: one, or the items of a list."""
        found = owner.links.get((relation, ()))
        if found is None:
            found = owner.links[relation, ()] = self._make_parts(owner, group, relation, several)
        return found

    def _make_parts(self, owner: Thing, group: Group, relation: str, several: bool) -> Links:
        rows = group.rows
        count = max(1, min(self.config.list_length, -(-len(rows) // max(1, group.parents)))) if several else 1
        if several and not rows and group.emptied:
            count = 0
        start = 0 if not rows or count == len(rows) else self.random(owner.scope, relation).randrange(len(rows))
        items = []
        for index in range(count):
            part = Thing(None, f"{owner.scope}/{relation}/{index}", owner, index)
            part.series = f"{owner.scope}/{relation}"
            if rows:
                self.lay(part, group, rows[(start + index) % len(rows)])
            items.append(Link(part))
        return Links(items, min(count, MAX_NESTED))

    def lay(self, thing: Thing, group: Group, row: dict[str, Any]) -> None:
        """Give a thing the values of an example, which fit together, except those that no two things share."""
        for name, spec in group.specs.items():
            value = row.get(name)
            if value is None or name in group.bound or isinstance(value, dict):
                continue
            if isinstance(value, list) == bool(spec.depth) and not spec.varies:
                thing.attributes[name] = value


def _is_plain(value: Any) -> bool:
    return value is not None and not isinstance(value, dict)


def referring(kind: Kind, target: Kind) -> str:
    """The relation by which things of a kind belong to one of the target kind; empty if there is none."""
    relations = [relation for relation, kinds in kind.singles.items() if target in kinds]
    if target.name in relations:
        return target.name
    return relations[0] if len(relations) == 1 else ""
