"""Connected subgraphs of the dependency graph as call plans (paper: section 3.2, steps 1 and 2).

Each plan is drawn for one order and depends on nothing else, so orders can be worked on anywhere and in any
order. Nothing enumerates subgraphs or topological orders.
"""

import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cache, lru_cache

import numpy as np

from goat_ray.graph.adjacency import ASKABLE, BODY, REQUIRED, CallGraph
from goat_ray.identity import content_id, rng
from goat_ray.places import Place, Where
from goat_ray.records import Binding, CallPlan, PlannedCall, PlanOrder, Reject
from goat_ray.rows import Json
from goat_ray.step import Resources, Step
from goat_ray.synthesis.config import SamplingConfig
from goat_ray.synthesis.growing import CACHED, Draft, Grower
from goat_ray.synthesis.orders import Cell, Mix
from goat_ray.synthesis.shapes import SHAPES

OWN_ATTEMPTS = 8  # from what the order says
OTHER_ATTEMPTS = 24  # from other functions: a plan of the right kind is worth more than none
TRIALS = 8  # orders without a plan before a kind of plans counts as one that the graph does not have


class PlanSampler:
    """Draws the plan of an order; ``config`` says which arguments it gets and where chance starts."""

    def __init__(self, graph: CallGraph, config: SamplingConfig) -> None:
        self.graph = graph
        self.config = config
        self.grower = Grower(graph)
        self.names: list[str] = graph.names.to_pylist()
        self.services: list[str] = graph.services.to_pylist()
        self.starts = cache(self._starts)
        self.inputs = lru_cache(CACHED)(self._inputs)
        self.id = lru_cache(CACHED)(lambda function: str(graph.ids[function]))
        self.path = lru_cache(CACHED)(lambda field: str(graph.paths[field]))

    def draw(self, order: PlanOrder) -> CallPlan | None:
        """The plan of an order, or None if no attempt gave one of its length and shape."""
        random_ = rng("plan", self.config.seed, order.number)
        draft = self._grow(order, random_)
        return self._plan(draft, order, random_) if draft is not None else None

    def possible(self, mix: Mix, first: int = 0) -> dict[Cell, float]:
        """The mix without the kinds of plans that the graph does not seem to have.

        Their shares go to other shapes of the same length and service; where there are none, they are gone. Few of
        many functions may allow a kind: for orders from another ``first`` on, the trials are others.
        """
        found = {cell for cell, weight in mix.items() if weight > 0 and self._occurs(cell, first)}
        wanted: dict[tuple[int, str], float] = {}
        given: dict[tuple[int, str], float] = {}
        for cell, weight in mix.items():
            kind = cell.length, cell.service
            wanted[kind] = wanted.get(kind, 0) + weight
            given[kind] = given.get(kind, 0) + (weight if cell in found else 0)
        return {
            cell: mix[cell] * wanted[cell.length, cell.service] / given[cell.length, cell.service]
            for cell in sorted(found)
        }

    def _occurs(self, cell: Cell, first: int) -> bool:
        numbers = (-1 - first - trial for trial in range(TRIALS))
        orders = (PlanOrder(id="", number=number, function=-1, **cell._asdict()) for number in numbers)
        return any(self._grow(order, rng("trial", self.config.seed, order.number)) for order in orders)

    # --- from order to draft ---------------------------------------------------------------------

    def _grow(self, order: PlanOrder, random_: random.Random) -> Draft | None:
        assert order.shape in SHAPES
        for attempt in range(OWN_ATTEMPTS + OTHER_ATTEMPTS):
            function, edge = order.function, order.edge
            if function < 0 or attempt >= OWN_ATTEMPTS:
                others = self.starts(order.length, order.service)
                if not others:
                    return None
                function, edge = others[random_.randrange(len(others))], -1
            draft = self.grower.grow(function, edge, order.length, order.shape, random_)
            if draft is not None:
                return draft
        return None

    def _starts(self, length: int, service: str) -> Sequence[int]:
        """The functions that a plan of that length can start from."""
        within = self.grower.within[length]
        if not service:
            return range(within)
        number = self.services.index(service) if service in self.services else -1
        found: list[int] = np.flatnonzero(self.graph.service[:within] == number).tolist()
        return found

    # --- from draft to plan ----------------------------------------------------------------------

    def _plan(self, draft: Draft, order: PlanOrder, random_: random.Random) -> CallPlan:
        in_order = _topological(draft, random_)
        step = {call: number for number, call in enumerate(in_order)}
        calls = [self._call(draft, call, step, random_) for call in in_order]
        structure = _structure(calls)
        return CallPlan(
            id=content_id(structure, [call.function for call in calls], order.number),
            calls=calls,
            seed=order.number,
            shape=order.shape,
            service=self.services[self.graph.service[draft.functions[0]]],
            structure=structure,
        )

    def _call(self, draft: Draft, call: int, step: dict[int, int], random_: random.Random) -> PlannedCall:
        inputs = self.inputs(draft.functions[call])
        asked = [slot for slot in inputs.optional if (call, slot) not in draft.feeds]
        chance = 1.0 if inputs.must_ask else self.config.optional_arguments
        extra = random_.choice(asked) if asked and random_.random() < chance else None
        bindings = []
        for slot, name, required in inputs.slots:
            edge = draft.feeds.get((call, slot))
            if edge is not None:
                source = step[draft.functions.index(self.grower.source[edge])]
                bindings.append(Binding(parameter=name, step=source, field=self.path(self.grower.field[edge])))
            elif required or slot == extra:
                bindings.append(Binding(parameter=name))
        return PlannedCall(function=self.id(draft.functions[call]), bindings=bindings)

    def _inputs(self, function: int) -> "_Inputs":
        kind = self.grower.kind
        slots = range(self.grower.slots[function], self.grower.slots[function + 1])
        body = [slot for slot in slots if kind[slot] & BODY]
        return _Inputs(
            slots=[(slot, self.names[self.grower.name[slot]], bool(kind[slot] & REQUIRED)) for slot in slots],
            optional=[slot for slot in slots if kind[slot] & ASKABLE],
            # A change of nothing is none.
            must_ask=bool(self.graph.changes[function] and body and not any(kind[slot] & REQUIRED for slot in body)),
        )


@dataclass(frozen=True)
class _Inputs:
    """What a call of one function may be given."""

    slots: list[tuple[int, str, bool]]  # (slot, parameter, required)
    optional: list[int]  # slots worth asking the user for
    must_ask: bool  # at least one of them


def _topological(draft: Draft, random_: random.Random) -> list[int]:
    """The calls so that each comes after what feeds it; ties in random order."""
    waiting = list(range(len(draft.functions)))
    order: list[int] = []
    done = 0
    while waiting:
        chosen = random_.choice([call for call in waiting if not draft.feeding[call] & ~done])
        order.append(chosen)
        waiting.remove(chosen)
        done |= 1 << chosen
    return order


def _structure(calls: Sequence[PlannedCall]) -> str:
    """The id of a plan's canonical form. No function is called twice, so sorting its calls gives one."""
    return content_id(
        sorted(
            (
                call.function,
                [(b.parameter, "" if b.step is None else calls[b.step].function, b.field) for b in call.bindings],
            )
            for call in calls
        )
    )


class DrawPlans(Step[PlanOrder, CallPlan]):
    """Draws the plans of orders. It reads the graph from a folder, which all nodes must share."""

    name = "draw"
    version = 2
    takes = PlanOrder
    gives = CallPlan
    one_to_one = False  # a plan's id derives from the plan
    resources = Resources(batch_size=4096)

    def __init__(self, graph: Where, graph_id: str, config: SamplingConfig) -> None:
        self.graph = Place.of(graph)
        self.graph_id = graph_id
        self.config = config

    def settings(self) -> Json:
        return {"graph": self.graph_id, **self.config.model_dump(mode="json", include={"optional_arguments", "seed"})}

    def start(self) -> None:
        self.sampler = PlanSampler(CallGraph.open(self.graph.fetch()), self.config)

    def process(self, batch: Sequence[PlanOrder]) -> Iterator[CallPlan | Reject]:
        for order in batch:
            plan = self.sampler.draw(order)
            if plan is not None:
                yield plan
            else:
                kind = f"order {order.number}: {order.length} calls, {order.shape} {order.service}"
                yield Reject(id=order.id, reason="no-such-subgraph", detail=kind.strip())
