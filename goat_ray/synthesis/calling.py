"""Calls first: each plan is really executed before anyone writes its query (paper: section 3.2, step 3)."""

import asyncio
from collections.abc import Iterator, Sequence
from typing import Any

from goat_ray import jsonpath
from goat_ray.executors.build import ALONE, Outside, build_executor
from goat_ray.executors.config import ExecutorConfig
from goat_ray.executors.executor import Session
from goat_ray.graph.values import ExampleValues, fit, invent
from goat_ray.identity import rng
from goat_ray.records import ApiFunction, Argument, Binding, CallPlan, CallTrace, ExecutedCall, PlannedCall, Reject
from goat_ray.rows import Json
from goat_ray.step import Resources, Step
from goat_ray.storage import FunctionStore
from goat_ray.teacher.arguments import FillArguments, FreeArguments
from goat_ray.teacher.task import Failure, Teacher

FIRST_ITEM_WEIGHT = 3  # people ask for the first of a list more often than for any later one
MAX_ITEM = 3  # and hardly for one beyond the third


class Call(Step[CallPlan, CallTrace]):
    """Fills the free arguments, runs the calls in order and takes each bound argument from an earlier output."""

    name = "call"
    version = 1
    takes = CallPlan
    gives = CallTrace

    def __init__(
        self,
        teacher: Teacher,
        executor: ExecutorConfig,
        functions: str,
        resources: Resources | None = None,
        outside: Outside = ALONE,
    ) -> None:
        self.teacher = teacher
        self.config = executor
        self.outside = outside
        self.functions = functions  # Parquet folder of the functions dataset
        self.resources = resources or Resources()
        self.task = FillArguments()

    def settings(self) -> Json:
        return {
            "teacher": self.teacher.settings(),
            "task": [self.task.name, self.task.version],
            "executor": self.outside.settings(self.config),
        }

    def prepare(self) -> None:
        self.teacher.prepare()
        self.outside.prepare()

    def start(self) -> None:
        self.teacher.start()
        self.store = FunctionStore.open(self.functions)
        self.executor = build_executor(self.config, list(self.store), self.outside)
        self.values = ExampleValues(self.store)

    def process(self, batch: Sequence[CallPlan]) -> Iterator[CallTrace | Reject]:
        questions = [self._question(plan, number) for plan in batch for number in range(len(plan.calls))]
        answers = iter(self.teacher.answer(self.task, questions))
        filled = [[next(answers) for _ in plan.calls] for plan in batch]
        yield from self.executor.run(self._run_all(batch, filled))

    def _question(self, plan: CallPlan, number: int) -> FreeArguments:
        call = plan.calls[number]
        function = self.store[call.function]
        free = tuple(function.parameter(b.parameter) for b in call.bindings if b.step is None)
        random_ = rng(plan.id, number)
        return FreeArguments(
            function=function,
            parameters=free,
            shown=tuple(self._usable_values(function, parameter.name, random_) for parameter in free),
            seed=f"{plan.id}/{number}",
        )

    def _usable_values(self, function: ApiFunction, name: str, random_: Any) -> tuple[Any, ...]:
        parameter = function.parameter(name)
        shown = [fit(parameter, value) for value in self.values.of(function, parameter)]
        return tuple(shown) or (invent(parameter, [], random_),)

    async def _run_all(self, batch: Sequence[CallPlan], filled: list[list[Any]]) -> list[CallTrace | Reject]:
        return await asyncio.gather(*(self._run(plan, free) for plan, free in zip(batch, filled, strict=True)))

    async def _run(self, plan: CallPlan, filled: list[Any]) -> CallTrace | Reject:
        async with self.executor.session() as session:
            return await self._trace(session, plan, filled)

    async def _trace(self, session: Session, plan: CallPlan, filled: list[Any]) -> CallTrace | Reject:
        done: list[ExecutedCall] = []
        picks = _Picks(plan.id)
        for planned, free in zip(plan.calls, filled, strict=True):
            function = self.store[planned.function]
            try:
                arguments = self._arguments(function, planned, free, done, picks)
            except LookupError as error:
                return Reject(id=plan.id, reason=str(error.args[0]), detail=f"{function.title}: {error.args[1]}")
            result = await session.call(function, {a.parameter: a.value for a in arguments})
            if not result.ok:
                return Reject(
                    id=plan.id, reason="call-failed", detail=f"{function.title}: status {result.status} {result.body}"
                )
            done.append(
                ExecutedCall(
                    function=function.id,
                    arguments=arguments,
                    status=result.status,
                    body=result.body,
                    origin=result.origin,
                )
            )
        return CallTrace(id=plan.id, calls=done, seed=plan.seed)

    def _arguments(
        self, function: ApiFunction, planned: PlannedCall, free: Any, done: list[ExecutedCall], picks: "_Picks"
    ) -> list[Argument]:
        """All arguments of a call; raises ``LookupError(reason, detail)`` where one cannot be had."""
        if isinstance(free, Failure):
            raise LookupError(free.reason, free.detail)
        try:
            values = free.values()
        except ValueError as error:
            raise LookupError("invalid-answer", str(error)) from error
        arguments = []
        for binding in planned.bindings:
            parameter = function.parameter(binding.parameter)
            if binding.step is not None:
                location, value = picks.value(done, binding)
                arguments.append(
                    Argument(
                        parameter=parameter.name,
                        value=fit(parameter, value),
                        provenance="upstream",
                        step=binding.step,
                        location=location,
                    )
                )
            elif parameter.name not in values:
                raise LookupError("invalid-answer", f"no value for {parameter.name}")
            else:
                arguments.append(
                    Argument(parameter=parameter.name, value=fit(parameter, values[parameter.name]), provenance="user")
                )
        return arguments


class _Picks:
    """Chooses items of lists by the plan's id; values from one list come from one item."""

    def __init__(self, plan_id: str) -> None:
        self._plan_id = plan_id
        self._items: dict[tuple[int, str], int] = {}

    def value(self, done: list[ExecutedCall], binding: Binding) -> tuple[str, Any]:
        """(location, value) for a bound argument; raises ``LookupError`` where the output has none."""
        assert binding.step is not None
        found = [
            (location, value)
            for location, value in jsonpath.find(done[binding.step].body, binding.field)
            if value is not None and value != "" and not isinstance(value, list | dict)
        ]
        if not found:
            raise LookupError("no-value", f"nothing at {binding.field} of call {binding.step + 1}")
        holder = binding.field.split("[*]")[0]
        key = (binding.step, holder)
        if key not in self._items:
            choices = range(min(len(found), MAX_ITEM))
            weights = [FIRST_ITEM_WEIGHT if choice == 0 else 1 for choice in choices]
            self._items[key] = rng(self._plan_id, binding.step, holder).choices(choices, weights)[0]
        return found[min(self._items[key], len(found) - 1)]
