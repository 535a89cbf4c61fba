"""Calls first: each plan is really executed before anyone writes its query (paper: section 3.2, step 3)."""

import asyncio
from collections.abc import Iterator, Sequence
from typing import Any

from goat_ray.executors.build import ALONE, Outside, build_executor
from goat_ray.executors.config import ExecutorConfig
from goat_ray.graph.values import ExampleValues, fit, invent
from goat_ray.identity import rng
from goat_ray.naming import is_identifier, words
from goat_ray.records import ApiFunction, CallPlan, CallTrace, Parameter, Reject
from goat_ray.rows import Json
from goat_ray.step import Resources, Step
from goat_ray.storage import FunctionStore
from goat_ray.synthesis.calling_config import CallingConfig
from goat_ray.synthesis.tracing import Free, NoTrace, Tracing
from goat_ray.teacher.arguments import ArgumentValues, FillArguments, FreeArguments
from goat_ray.teacher.task import Failure, Teacher


class Call(Step[CallPlan, CallTrace]):
    """Fills the free arguments, runs the calls in order and takes each bound argument from an earlier output."""

    name = "call"
    version = 8
    takes = CallPlan
    gives = CallTrace

    def __init__(
        self,
        teacher: Teacher,
        executor: ExecutorConfig,
        functions: str,
        resources: Resources | None = None,
        outside: Outside = ALONE,
        calling: CallingConfig | None = None,
    ) -> None:
        self.teacher = teacher
        self.config = executor
        self.outside = outside
        self.functions = functions  # Parquet folder of the functions dataset
        self.resources = resources or Resources()
        self.calling = calling or CallingConfig()
        self.task = FillArguments()

    def settings(self) -> Json:
        return {
            "teacher": self.teacher.settings(),
            "task": [self.task.name, self.task.version],
            "executor": self.outside.settings(self.config),
            "calling": self.calling.model_dump(mode="json", include=set(CallingConfig.model_fields)),
        }

    def prepare(self) -> None:
        self.teacher.prepare()
        self.outside.prepare()

    def start(self) -> None:
        self.teacher.start()
        self.store = FunctionStore.open(self.functions)
        self.executor = build_executor(self.config, list(self.store), self.outside)
        self.values = ExampleValues(self.store)
        self._shown: dict[tuple[str, str], tuple[Any, ...]] = {}

    def process(self, batch: Sequence[CallPlan]) -> Iterator[CallTrace | Reject]:
        filled = self._fill(batch)
        yield from self.executor.run(self._run_all(batch, filled))

    async def _run_all(self, batch: Sequence[CallPlan], filled: Sequence[Free | Reject]) -> list[CallTrace | Reject]:
        return await asyncio.gather(*(self._run(plan, free) for plan, free in zip(batch, filled, strict=True)))

    async def _run(self, plan: CallPlan, filled: Free | Reject) -> CallTrace | Reject:
        if isinstance(filled, Reject):
            return filled
        functions = [self.store[call.function] for call in plan.calls]
        async with self.executor.session() as session:
            try:
                return await Tracing(plan, functions, filled, session, self.calling).trace()
            except NoTrace as reason:
                return Reject(id=plan.id, reason=reason.reason, detail=reason.detail)

    # --- free arguments ----------------------------------------------------------------------------

    def _fill(self, batch: Sequence[CallPlan]) -> list[Free | Reject]:
        """The free arguments of each plan, or why the teacher gave none."""
        wanted = [(place, number) for place, plan in enumerate(batch) for number in _with_free_arguments(plan)]
        answers = self.teacher.answer(self.task, [self._question(batch[place], number) for place, number in wanted])
        filled: list[Free | Reject] = [Free() for _ in batch]
        for (place, number), answer in zip(wanted, answers, strict=True):
            known = filled[place]
            if isinstance(known, Reject):
                continue
            try:
                known.values[number] = _values(answer)
            except NoTrace as reason:
                filled[place] = Reject(id=batch[place].id, reason=reason.reason, detail=reason.detail)
                continue
            if not isinstance(answer, Failure) and answer.shortened:
                known.shortened = [self.task.name]
        return filled

    def _question(self, plan: CallPlan, number: int) -> FreeArguments:
        function = self.store[plan.calls[number].function]
        free = tuple(function.parameter(b.parameter) for b in plan.calls[number].bindings if b.step is None)
        seed = f"{plan.id}/{number}"
        shown = tuple(
            _of_kind(parameter, plan, number)
            or self._usable_values(function, parameter)
            or (_invented(parameter, seed),)
            for parameter in free
        )
        return FreeArguments(function=function, parameters=free, shown=shown, seed=seed)

    def _usable_values(self, function: ApiFunction, parameter: Parameter) -> tuple[Any, ...]:
        key = function.id, parameter.name
        if key not in self._shown:
            self._shown[key] = tuple(fit(parameter, value) for value in self.values.of(function, parameter))
        return self._shown[key]


def _with_free_arguments(plan: CallPlan) -> list[int]:
    return [number for number, call in enumerate(plan.calls) if any(b.step is None for b in call.bindings)]


def _of_kind(parameter: Parameter, plan: CallPlan, number: int) -> tuple[Any, ...]:
    """The value of a choice of kinds that later calls ask for: ``media_type`` is tv where one takes a ``tv_id``."""
    if words(parameter.name)[-1:] not in (("type",), ("kind",)):
        return ()
    taken = [binding.parameter for call in plan.calls for binding in call.bindings if binding.step == number]
    kinds = {" ".join(words(name)[:-1]) for name in taken if is_identifier(name)}
    fitting = tuple(value for value in parameter.enum if isinstance(value, str) and value in kinds)
    return fitting if len(fitting) == 1 else ()


def _invented(parameter: Parameter, seed: str) -> Any:
    return invent(parameter, [], rng(seed, parameter.name))


def _values(answer: ArgumentValues | Failure) -> dict[str, Any]:
    """The values that the teacher gives; raises ``NoTrace`` where it gives none."""
    if isinstance(answer, Failure):
        raise NoTrace(answer.reason, answer.detail)
    try:
        return answer.values()
    except ValueError as error:
        raise NoTrace("invalid-answer", str(error)) from error
