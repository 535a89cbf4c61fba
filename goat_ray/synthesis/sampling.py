"""Connected subgraphs of the dependency graph as call plans (paper: section 3.2, steps 1 and 2).

A plan grows backwards from a goal: whatever the goal needs and cannot be asked of the user comes from
another function, which has needs of its own. If there is room left, the plan grows on. Cost is linear
in the length of the plan; nothing enumerates subgraphs or orders.
"""

import random
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

from goat_ray.graph.assembly import EdgeIndex
from goat_ray.graph.ends import CALLERS_OWN
from goat_ray.graph.values import is_scoped
from goat_ray.identity import content_id, rng
from goat_ray.naming import is_identifier
from goat_ray.records import ApiFunction, Binding, CallPlan, Edge, Parameter, PlannedCall, Reject
from goat_ray.storage import FunctionStore
from goat_ray.synthesis.config import SamplingConfig
from goat_ray.synthesis.shapes import shape_of

ATTEMPTS = 60  # tries at one plan before its seed is given up
UNREACHABLE = 1 << 30
CHANGES = frozenset(("PUT", "PATCH", "DELETE"))
DEEPEN = 0.7  # chance that a plan grows on from its goals rather than from any of its calls


@dataclass
class _Draft:
    """A plan in the making: functions, and the edge that feeds each bound (function, parameter)."""

    functions: list[str]
    feeds: dict[tuple[str, str], Edge] = field(default_factory=dict)

    def ancestors(self, function: str) -> set[str]:
        """All functions that must run before this one."""
        found: set[str] = set()
        stack = [function]
        while stack:
            current = stack.pop()
            for (target, _), edge in self.feeds.items():
                if target == current and edge.source not in found:
                    found.add(edge.source)
                    stack.append(edge.source)
        return found


class PlanSampler:
    """Draws plans; the same seed gives the same plan for the same graph."""

    def __init__(self, functions: Iterable[ApiFunction], edges: Iterable[Edge], config: SamplingConfig) -> None:
        self.config = config
        self.functions = {function.id: function for function in functions}
        # What a change returns was there before it, so a query would not make the change necessary.
        self.index = EdgeIndex(edge for edge in edges if self.functions[edge.source].method not in CHANGES)
        self.needs = {function.id: self._needs(function) for function in self.functions.values()}
        self.cost = self._least_calls()
        self.goals = sorted(id_ for id_, cost in self.cost.items() if cost < UNREACHABLE)
        self.uses: Counter[str] = Counter()

    def draw(self, seed: int) -> CallPlan | None:
        """A plan, or None if no attempt at this seed worked out."""
        random_ = rng("plan", self.config.seed, seed)
        lengths, shares = zip(*sorted(self.config.lengths.items()), strict=True)
        length = random_.choices(lengths, shares)[0]
        for _ in range(ATTEMPTS):
            draft = self._grow(length, random_)
            if draft is not None:
                self.uses.update(draft.functions)
                return self._plan(draft, seed, random_)
        return None

    def _needs(self, function: ApiFunction) -> list[str]:
        """Parameters that another call should fill: required identifiers that some edge feeds."""
        return [
            parameter.name
            for parameter in function.parameters
            if parameter.required
            and (is_identifier(parameter.name) or parameter.location == "path")
            and not parameter.enum
            and not is_scoped(function, parameter)
            and self.index.into.get((function.id, parameter.name))
        ]

    def _least_calls(self) -> dict[str, int]:
        """The least number of calls that a plan ending in each function has (an upper bound)."""
        cost = {id_: (1 if not needs else UNREACHABLE) for id_, needs in self.needs.items()}
        changed = True
        while changed:
            changed = False
            for id_, needs in self.needs.items():
                best = 1 + sum(
                    min((cost[edge.source] for edge in self.index.into[id_, name]), default=UNREACHABLE)
                    for name in needs
                )
                if best < cost[id_]:
                    cost[id_], changed = best, True
        return cost

    # --- growing ---------------------------------------------------------------------------------

    def _grow(self, length: int, random_: random.Random) -> _Draft | None:
        goal = self._pick([id_ for id_ in self.goals if self.cost[id_] <= length], random_)
        if goal is None:
            return None
        draft = _Draft([goal])
        open_needs = [(goal, name) for name in self.needs[goal]]
        while open_needs or len(draft.functions) < length:
            if len(draft.functions) + len(open_needs) > 2 * length:
                return None
            if open_needs:
                grown = self._feed(draft, open_needs.pop(0), open_needs, length, random_)
            else:
                grown = self._extend(draft, open_needs, random_)
            if not grown:
                return None
        return draft

    def _feed(
        self,
        draft: _Draft,
        need: tuple[str, str],
        open_needs: list[tuple[str, str]],
        length: int,
        random_: random.Random,
    ) -> bool:
        """Bind one need to a function of the plan or to a new one; False if there is no way."""
        target = need[0]
        room = length - len(draft.functions) - len(open_needs)
        later = {function for function in draft.functions if target in draft.ancestors(function)} | {target}
        edges = self.index.into[need]
        inside = [edge for edge in edges if edge.source in draft.functions and edge.source not in later]
        outside = [edge for edge in edges if edge.source not in draft.functions and 0 < self.cost[edge.source] <= room]
        if inside and (not outside or random_.random() < 0.7):
            draft.feeds[need] = random_.choice(inside)
            return True
        source = self._pick(sorted({edge.source for edge in outside}), random_)
        if source is None:
            return False
        draft.feeds[need] = random_.choice([edge for edge in outside if edge.source == source])
        draft.functions.append(source)
        open_needs.extend((source, name) for name in self.needs[source])
        return True

    def _extend(self, draft: _Draft, open_needs: list[tuple[str, str]], random_: random.Random) -> bool:
        """Add one function that uses an output of the plan; False if there is none."""
        starts = draft.functions
        if random_.random() < DEEPEN:
            starts = [f for f in draft.functions if all(edge.source != f for edge in draft.feeds.values())]
        edges = [
            edge
            for function in starts
            for edge in self.index.out_of[function]
            if edge.target not in draft.functions
            and self.cost[edge.target] < UNREACHABLE
            and not self._scoped(edge.target, edge.parameter)
        ]
        target = self._pick(sorted({edge.target for edge in edges}), random_)
        if target is None:
            return False
        edge = random_.choice([edge for edge in edges if edge.target == target])
        draft.functions.append(target)
        draft.feeds[target, edge.parameter] = edge
        open_needs.extend((target, name) for name in self.needs[target] if name != edge.parameter)
        return True

    def _scoped(self, function: str, parameter: str) -> bool:
        return is_scoped(self.functions[function], self.functions[function].parameter(parameter))

    def _pick(self, functions: list[str], random_: random.Random) -> str | None:
        """One of these functions, rarely used ones more likely."""
        if not functions:
            return None
        return random_.choices(functions, [1 / (1 + self.uses[function]) for function in functions])[0]

    # --- from draft to plan ----------------------------------------------------------------------

    def _plan(self, draft: _Draft, seed: int, random_: random.Random) -> CallPlan:
        self._bind_scoped(draft, random_)
        order = _topological(draft, random_)
        position = {function: number for number, function in enumerate(order)}
        calls = [self._call(function, draft, position, random_) for function in order]
        plan = CallPlan(id=content_id([call.model_dump() for call in calls], seed), calls=calls, seed=seed)
        parts = sorted(
            (
                call.function,
                [(b.parameter, calls[b.step].function if b.step is not None else "", b.field) for b in call.bindings],
            )
            for call in calls
        )
        return plan.model_copy(
            update={
                "shape": shape_of(plan),
                "service": self.functions[draft.functions[0]].service,
                "structure": content_id(parts),
            }
        )

    def _bind_scoped(self, draft: _Draft, random_: random.Random) -> None:
        """Take some scoped numbers from a call about the same thing; the user gives the others ("season 2")."""
        for function in draft.functions:
            feeds = [(name, edge) for (target, name), edge in draft.feeds.items() if target == function]
            for parameter in self.functions[function].parameters:
                if not is_scoped(self.functions[function], parameter) or random_.random() < 0.5:
                    continue
                about_the_same = [
                    edge
                    for edge in self.index.into.get((function, parameter.name), [])
                    for name, feed in feeds
                    if edge.source in draft.functions
                    and function not in draft.ancestors(edge.source) | {edge.source}
                    and (edge.source == feed.source or _same(draft.feeds.get((edge.source, name)), feed))
                ]
                if about_the_same:
                    draft.feeds[function, parameter.name] = random_.choice(about_the_same)

    def _call(self, function_id: str, draft: _Draft, position: dict[str, int], random_: random.Random) -> PlannedCall:
        function = self.functions[function_id]
        bound = {name: edge for (target, name), edge in draft.feeds.items() if target == function_id}
        optional = [p for p in function.parameters if not p.required and p.name not in bound and _worth_asking(p)]
        body = [p for p in function.parameters if p.location == "body"]
        # A change of nothing is none.
        must = function.method in CHANGES and body and not any(p.required for p in body)
        chance = 1.0 if must else self.config.optional_arguments
        extra = {random_.choice(optional).name} if optional and random_.random() < chance else set()
        bindings = []
        for parameter in function.parameters:
            edge = bound.get(parameter.name)
            if edge is not None:
                bindings.append(Binding(parameter=parameter.name, step=position[edge.source], field=edge.field))
            elif parameter.required or parameter.name in extra:
                bindings.append(Binding(parameter=parameter.name))
        return PlannedCall(function=function_id, bindings=bindings)


def sample_plans(
    functions: FunctionStore, edges: Iterable[Edge], config: SamplingConfig
) -> Iterator[CallPlan | Reject]:
    """As many plans as the configuration asks for; seeds that give none are rejects."""
    sampler = PlanSampler(functions, edges, config)
    for seed in range(config.plans):
        plan = sampler.draw(seed)
        if plan is None:
            yield Reject(id=content_id("plan", config.seed, seed), reason="no-such-subgraph")
        else:
            yield plan


def _same(one: Edge | None, other: Edge) -> bool:
    return one is not None and (one.source, one.field) == (other.source, other.field)


def _topological(draft: _Draft, random_: random.Random) -> list[str]:
    """The functions so that each comes after what feeds it; ties in random order."""
    waiting = {
        function: {e.source for (t, _), e in draft.feeds.items() if t == function} for function in draft.functions
    }
    order: list[str] = []
    while waiting:
        ready = sorted(function for function, sources in waiting.items() if not sources)
        chosen = random_.choice(ready)
        order.append(chosen)
        del waiting[chosen]
        for sources in waiting.values():
            sources.discard(chosen)
    return order


def _worth_asking(parameter: Parameter) -> bool:
    """Whether a user would name this optional argument: a filter, not paging or formatting."""
    return (
        parameter.name.lower() not in CALLERS_OWN
        and parameter.type in ("string", "integer", "number")
        and parameter.location in ("query", "body")
        and not is_identifier(parameter.name)
        and (bool(parameter.enum) or parameter.example is not None or parameter.minimum is not None)
    )
