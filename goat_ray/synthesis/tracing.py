"""Carries out one plan: extracts each argument, makes each call, and notes where everything came from."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from goat_ray import jsonpath
from goat_ray.executors.executor import READS, CallResult, Session, mark_unanswered
from goat_ray.graph.coercion import WrongType, coerced
from goat_ray.identity import rng
from goat_ray.jsonpath import ANY
from goat_ray.records import ApiFunction, Argument, Binding, CallPlan, CallTrace, ExecutedCall, PlannedCall
from goat_ray.synthesis.calling_config import CallingConfig
from goat_ray.synthesis.picking import NoValue, Picks
from goat_ray.synthesis.recovery import PASSING, call_to_spoil, is_mistaken, mistakes
from goat_ray.teacher.simulation import SimulateResponse


class NoTrace(Exception):
    """A plan that cannot be carried out, with the reason and detail of its reject."""

    def __init__(self, reason: str, detail: str) -> None:
        super().__init__(reason, detail)
        self.reason, self.detail = reason, detail


@dataclass
class Free:
    """The arguments of a plan that no call gives."""

    values: dict[int, dict[str, Any]] = field(default_factory=dict)  # by number of the call
    shortened: list[str] = field(default_factory=list)  # tasks that gave them on shortened documents


class Tracing:
    """The carrying out of one plan in one session."""

    def __init__(
        self,
        plan: CallPlan,
        functions: Sequence[ApiFunction],  # one per call
        free: Free,
        session: Session,
        config: CallingConfig,
    ) -> None:
        self._plan = plan
        self._functions = functions
        self._free = free
        self._session = session
        self._config = config
        self._each = call_to_spread(plan, functions, config.fan_out_share)
        self._spoilt = call_to_spoil(plan, functions, config.recovery) if config.recovery else None
        self._picks = Picks(plan)
        self._places: list[int] = []  # of each planned call: index of the executed one whose output others use
        self._calls: list[ExecutedCall] = []
        self._shortened = list(free.shortened)
        self._barrier = 0  # the lowest group after all that changed something

    async def trace(self) -> CallTrace:
        """Make all calls; raises ``NoTrace`` with the first thing that goes wrong."""
        for number, planned in enumerate(self._plan.calls):
            try:
                made = [
                    await self._make(number, self._arguments(number, planned, picks), alone=picks is self._picks)
                    for picks in self._choices(number, planned)
                ]
            except NoValue as error:
                raise NoTrace("no-value", f"{self._functions[number].title}: {error}") from error
            except WrongType as error:
                raise NoTrace("wrong-type", f"{self._functions[number].title}: {error}") from error
            self._places.append(made[0])
        return CallTrace(id=self._plan.id, calls=self._calls, seed=self._plan.seed, shortened=self._shortened)

    # --- arguments ---------------------------------------------------------------------------------

    def _choices(self, number: int, planned: PlannedCall) -> list[Picks]:
        """The items that a call takes its arguments from: one choice, or one for each call of a fan-out."""
        if number != self._each:
            return [self._picks]
        binding = _to_spread(planned)
        assert binding is not None and binding.step is not None
        body = self._calls[self._places[binding.step]].body
        choices = list(self._picks.spread(binding.step, binding.field, body, self._config.fan_out))
        return choices if len(choices) > 1 else [self._picks]

    def _arguments(self, number: int, planned: PlannedCall, picks: Picks) -> list[Argument]:
        return [self._argument(number, binding, picks) for binding in planned.bindings]

    def _argument(self, number: int, binding: Binding, picks: Picks) -> Argument:
        parameter = self._functions[number].parameter(binding.parameter)
        if binding.step is None:
            given = self._free.values.get(number, {})
            if parameter.name not in given:
                raise NoTrace("invalid-answer", f"{self._functions[number].title}: no value for {parameter.name}")
            value = coerced(parameter, given[parameter.name])
            return Argument(parameter=parameter.name, value=value, provenance="user")
        place = self._places[binding.step]
        pick = picks.pick(binding.step, binding.field, self._calls[place].body)
        return Argument(
            parameter=parameter.name,
            value=coerced(parameter, pick.value),
            provenance="upstream",
            step=place,
            location=pick.location,
            chosen=pick.chosen,
        )

    # --- calls -------------------------------------------------------------------------------------

    async def _make(self, number: int, arguments: list[Argument], *, alone: bool) -> int:
        """Make one call, on some plans after a failure that it corrects; returns its index in the trace.

        Calls of a fan-out, which are not ``alone``, have nothing corrected.
        """
        function = self._functions[number]
        failed = await self._failure(function, arguments) if alone and number == self._spoilt else None
        result = await self._call(function, arguments)
        again = function.method in READS  # what was written may have been written all the same
        if alone and again and self._spoilt is not None and failed is None and result.status in PASSING:
            failed, result = (arguments, result), await self._call(function, arguments)
        if not result.ok:
            reason = "call-failed" if result.heard else "no-answer"
            if not result.heard:
                mark_unanswered(function)
            raise NoTrace(reason, f"{function.title}: status {result.status} {result.body}")
        group = self._group(function, arguments)
        if failed is not None:
            self._note(number, *failed, group, corrected_by=len(self._calls) + 1)
            group += 1
        return self._note(number, arguments, result, group)

    async def _failure(
        self, function: ApiFunction, arguments: list[Argument]
    ) -> tuple[list[Argument], CallResult] | None:
        """A wrong call and its answer; None where there is none to make, or where it was taken for right."""
        wrong = mistakes(self._plan.id, function, arguments, [call.body for call in self._calls])
        if wrong is arguments:
            return None
        result = await self._call(function, wrong)
        return (wrong, result) if is_mistaken(result) else None

    async def _call(self, function: ApiFunction, arguments: list[Argument]) -> CallResult:
        result = await self._session.call(function, {argument.parameter: argument.value for argument in arguments})
        if result.shortened and SimulateResponse.name not in self._shortened:
            self._shortened.append(SimulateResponse.name)
        return result

    def _note(
        self,
        number: int,
        arguments: list[Argument],
        result: CallResult,
        group: int,
        corrected_by: int | None = None,
    ) -> int:
        function = self._functions[number]
        self._calls.append(
            ExecutedCall(
                function=function.id,
                arguments=arguments,
                status=result.status,
                body=result.body,
                origin=result.origin,
                planned=number,
                group=group,
                corrected_by=corrected_by,
            )
        )
        if function.method not in READS:
            self._barrier = group + 1
        return len(self._calls) - 1

    def _group(self, function: ApiFunction, arguments: list[Argument]) -> int:
        """One above all that a call depends on. What may change something comes after all calls before it."""
        if function.method not in READS:
            return max([self._barrier, *(call.group + 1 for call in self._calls)])
        return max([self._barrier, *(self._calls[a.step].group + 1 for a in arguments if a.step is not None)])


def call_to_spread(plan: CallPlan, functions: Sequence[ApiFunction], share: float) -> int | None:
    """The call of a plan to be made for several items of a list; None for all but ``share`` of the plans.

    It changes nothing, takes a value from a list, and nothing depends on it.
    """
    random_ = rng(plan.id, "fan-out")
    if random_.random() >= share:
        return None
    used = {binding.step for call in plan.calls for binding in call.bindings}
    leaves = [
        number
        for number, call in enumerate(plan.calls)
        if number not in used and functions[number].method in READS and _to_spread(call) is not None
    ]
    return random_.choice(leaves) if leaves else None


def _to_spread(call: PlannedCall) -> Binding | None:
    """The first value that a call takes from an item of a list; None without one that can be spread.

    The list is in no other one. Nor does the call take from a list within its items: each item would have its own
    choice there, and one request cannot name them all.
    """
    taken = [(binding, jsonpath.parse(binding.field)) for binding in call.bindings if binding.step is not None]
    for binding, tokens in taken:
        if tokens.count(ANY) == 1:
            outer = tokens[: tokens.index(ANY) + 1]
            fields = [field for other, field in taken if other.step == binding.step and field[: len(outer)] == outer]
            if all(field.count(ANY) == 1 for field in fields):
                return binding
    return None
