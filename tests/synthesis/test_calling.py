"""Traces: exact provenance, checked types, fan-out, parallel groups, failures with their corrections."""

from collections import defaultdict
from typing import Any

import pytest

from goat_ray import jsonpath
from goat_ray.evaluation.heldout import score_agent
from goat_ray.executors.config import ExecutorConfig
from goat_ray.executors.executor import CallResult, Executor, Session
from goat_ray.executors.sandbox.config import FaultsConfig, SandboxConfig
from goat_ray.records import (
    ApiFunction,
    CallPlan,
    CallTrace,
    ExecutedCall,
    Prediction,
    Reject,
    Sample,
    without_failures,
)
from goat_ray.synthesis.calling import Call
from goat_ray.synthesis.calling_config import CallingConfig
from goat_ray.synthesis.config import SynthesisConfig
from goat_ray.synthesis.narration import Narrate
from goat_ray.synthesis.recovery import PASSING, call_to_spoil
from goat_ray.teacher.rules import RulesTeacher
from tests.synthesis.conftest import make_traces
from tests.world import World


def kept(outcomes: list[CallTrace | Reject]) -> list[CallTrace]:
    return [outcome for outcome in outcomes if isinstance(outcome, CallTrace)]


@pytest.fixture(scope="module")
def spread(world: World, plans: list[CallPlan]) -> list[CallTrace]:
    return kept(make_traces(world, plans, CallingConfig(fan_out_share=1, fan_out=3)))


@pytest.fixture(scope="module")
def recovered(world: World, plans: list[CallPlan]) -> list[CallTrace]:
    traces = kept(make_traces(world, plans, CallingConfig(recovery=1, fan_out_share=0.3)))
    return [trace for trace in traces if len(without_failures(trace.calls)) < len(trace.calls)]


def test_only_successful_calls_are_kept(traces: list[CallTrace]) -> None:
    assert all(200 <= call.status < 300 for trace in traces for call in trace.calls)


def test_every_upstream_argument_stands_where_its_provenance_says(
    traces: list[CallTrace], spread: list[CallTrace], recovered: list[CallTrace]
) -> None:
    seen = 0
    for trace in [*traces, *spread, *recovered]:
        for number, call in enumerate(trace.calls):
            for argument in call.arguments:
                if argument.step is not None:
                    assert argument.step < number
                    found = jsonpath.get(trace.calls[argument.step].body, argument.location)
                    value = argument.value[0] if isinstance(argument.value, list) else argument.value
                    assert str(found) == str(value)
                    seen += 1
    assert seen > 300


def test_the_same_plan_gives_the_same_trace_in_any_batch(world: World, plans: list[CallPlan]) -> None:
    calling = CallingConfig(recovery=0.5, fan_out_share=0.5)
    together = make_traces(world, plans, calling)
    step = Call(RulesTeacher(), ExecutorConfig(), world.data, calling=calling)
    step.start()
    alone = [outcome for plan in reversed(plans) for outcome in step.process([plan])]
    assert sorted(together, key=lambda o: o.id) == sorted(alone, key=lambda o: o.id)


def test_some_items_are_chosen_as_the_highest_or_latest(traces: list[CallTrace]) -> None:
    words = {a.chosen.split()[0] for trace in traces for call in trace.calls for a in call.arguments if a.chosen}
    assert words & {"highest", "lowest"}
    assert words & {"latest", "earliest"}


def test_a_fan_out_makes_one_call_for_each_of_some_items(spread: list[CallTrace]) -> None:
    sizes = []
    for trace in spread:
        fans: dict[int, list[ExecutedCall]] = defaultdict(list)
        for call in trace.calls:
            if any(argument.chosen == "each" for argument in call.arguments):
                fans[call.planned].append(call)
        for calls in fans.values():
            sizes.append(len(calls))
            assert len({call.function for call in calls}) == len({call.group for call in calls}) == 1
            assert len({str(call.values) for call in calls}) == len(calls)
            places = [a.location for call in calls for a in call.arguments if a.chosen == "each"]
            assert len(set(places)) == len(places)
    assert len(sizes) > 20
    assert set(sizes) <= {2, 3}


def test_calls_of_one_group_do_not_depend_on_each_other(traces: list[CallTrace], recovered: list[CallTrace]) -> None:
    for trace in [*traces, *recovered]:
        for call in trace.calls:
            above = [trace.calls[a.step].group for a in call.arguments if a.step is not None]
            assert all(group < call.group for group in above)
            if call.corrected_by is not None:
                assert call.group < trace.calls[call.corrected_by].group
    assert any(len({call.group for call in trace.calls}) < len(trace.calls) for trace in traces)


def test_what_changes_something_has_a_group_of_its_own(world: World, traces: list[CallTrace]) -> None:
    for trace in traces:
        for number, call in enumerate(trace.calls):
            if world.functions[call.function].method not in ("GET", "HEAD"):
                assert all(other.group < call.group for other in trace.calls[:number])
                assert all(other.group > call.group for other in trace.calls[number + 1 :])


def test_recovery_keeps_a_real_failure_and_its_correction(recovered: list[CallTrace]) -> None:
    assert len(recovered) > 50
    statuses = set()
    for trace in recovered:
        for number, call in enumerate(trace.calls):
            if call.corrected_by is None:
                assert 200 <= call.status < 300
                continue
            right = trace.calls[call.corrected_by]
            assert call.corrected_by == number + 1
            assert (right.function, right.planned) == (call.function, call.planned)
            assert right.corrected_by is None
            assert call.values != right.values
            statuses.add(call.status)
    assert statuses <= {404, 422}


def test_no_mistake_is_made_with_a_tool_that_may_write(world: World, plans: list[CallPlan]) -> None:
    plan = max(plans, key=lambda plan: len(plan.calls))
    functions = [world.functions[call.function] for call in plan.calls]
    tools = [function.model_copy(update={"method": "CALL"}) for function in functions]
    assert call_to_spoil(plan, functions, 1) is not None
    assert call_to_spoil(plan, tools, 1) is None


def test_recovery_changes_nothing_but_the_failure(
    world: World, plans: list[CallPlan], recovered: list[CallTrace]
) -> None:
    plain = {trace.id: trace for trace in kept(make_traces(world, plans, CallingConfig(fan_out_share=0.3)))}
    for trace in recovered:
        right = without_failures(trace.calls)
        assert [c.arguments for c in right] == [c.arguments for c in plain[trace.id].calls]
        assert [c.body for c in right] == [c.body for c in plain[trace.id].calls]


def test_a_passing_error_is_kept_only_where_recovery_asks_for_it(world: World, plans: list[CallPlan]) -> None:
    sandbox = SandboxConfig(faults=FaultsConfig(server_error=0.2))
    outcomes: dict[float, list[CallTrace | Reject]] = {}
    for share in (0.0, 1.0):
        step = Call(RulesTeacher(), ExecutorConfig(sandbox=sandbox), world.data, calling=CallingConfig(recovery=share))
        step.start()
        outcomes[share] = list(step.process(plans))
    assert all(200 <= call.status < 300 for t in kept(outcomes[0.0]) for call in t.calls)
    captured = [c for t in kept(outcomes[1.0]) for c in t.calls if c.status in PASSING]
    assert len(captured) > 10
    assert all(call.corrected_by is not None for call in captured)
    repeated = {world.functions[call.function].method for call in captured}
    assert repeated == {"GET"}, "a write that failed may have been done all the same"
    assert len(kept(outcomes[1.0])) > len(kept(outcomes[0.0]))


class Failing(Executor):
    """The sandbox, but for calls with all the arguments that one function was to be given: they fail."""

    name = "failing"

    def __init__(self, inner: Executor, function: str, given: int, problem: str = "") -> None:
        self.inner, self.function, self.given, self.problem = inner, function, given, problem

    def session(self) -> Session:
        outer, inner = self, self.inner.session()

        class Some(Session):
            async def call(self, function: ApiFunction, arguments: dict[str, Any]) -> CallResult:
                if function.id == outer.function and len(arguments) == outer.given:
                    return CallResult(status=503, body={"error": "down"}, origin="simulated", problem=outer.problem)
                return await inner.call(function, arguments)

        return Some()


def called(
    world: World, plan: CallPlan, calling: CallingConfig, function: str, given: int, problem: str = ""
) -> Reject:
    step = Call(RulesTeacher(), ExecutorConfig(), world.data, calling=calling)
    step.start()
    step.executor = Failing(step.executor, function, given, problem)
    (outcome,) = step.process([plan])
    assert isinstance(outcome, Reject)
    return outcome


def test_a_call_that_fails_is_the_reject_of_its_plan(world: World, plans: list[CallPlan]) -> None:
    plan = max(plans, key=lambda plan: len(plan.calls))
    last = plan.calls[-1]
    title = world.functions[last.function].title
    for problem, reason in (("", "call-failed"), ("timeout", "no-answer")):
        reject = called(world, plan, CallingConfig(fan_out_share=0), last.function, len(last.bindings), problem)
        assert (reject.id, reject.reason) == (plan.id, reason)
        assert reject.detail == f"{title}: status 503 {{'error': 'down'}}"


def test_a_mistake_whose_correction_fails_is_no_recovery(
    world: World, plans: list[CallPlan], recovered: list[CallTrace]
) -> None:
    """A call without one of its arguments is answered as ever, and the right one after it is not."""
    by_id = {plan.id: plan for plan in plans}
    seen = 0
    for trace in recovered:
        wrong = next(call for call in trace.calls if call.corrected_by is not None)
        right = trace.calls[wrong.corrected_by or 0]
        if len(wrong.arguments) < len(right.arguments) and seen < 5:
            calling = CallingConfig(recovery=1, fan_out_share=0.3)
            reject = called(world, by_id[trace.id], calling, right.function, len(right.arguments))
            assert reject.reason == "call-failed" and "status 503" in reject.detail
            seen += 1
    assert seen == 5


def test_language_and_scores_see_only_what_succeeded(world: World, recovered: list[CallTrace]) -> None:
    narrate = Narrate(RulesTeacher(), world.data, SynthesisConfig(), "traces")
    narrate.start()
    samples = [sample for sample in narrate.process(recovered) if isinstance(sample, Sample)]
    assert len(samples) > 0.6 * len(recovered)
    for sample in samples:
        assert len(sample.subqueries) == len(sample.calls)
        for number, call in enumerate(sample.calls):
            if call.corrected_by is not None:
                assert sample.subqueries[number] == sample.subqueries[call.corrected_by]
    perfect = [
        Prediction(id=sample.id, query=sample.query, calls=without_failures(sample.calls), response=sample.response)
        for sample in samples
    ]
    assert {score.value for score in score_agent("x", perfect, samples)} == {1.0}


def test_a_value_of_the_wrong_type_is_a_reject(world: World, plans: list[CallPlan]) -> None:
    """An integer parameter bound to a text: the plan cannot be carried out, whatever ``str`` could make of it."""
    for plan in plans:
        for number, call in enumerate(plan.calls):
            for place, binding in enumerate(call.bindings):
                parameter = world.functions[call.function].parameter(binding.parameter)
                if binding.step is None or parameter.type != "integer" or "results[*].id" not in binding.field:
                    continue
                source = world.functions[plan.calls[binding.step].function]
                texts = [f.path for f in source.outputs if f.path in ("$.results[*].name", "$.results[*].title")]
                if texts:
                    bindings = list(call.bindings)
                    bindings[place] = binding.model_copy(update={"field": texts[0]})
                    calls = list(plan.calls)
                    calls[number] = call.model_copy(update={"bindings": bindings})
                    (outcome,) = make_traces(world, [plan.model_copy(update={"calls": calls})])
                    if isinstance(outcome, Reject) and outcome.reason == "wrong-type":
                        assert parameter.name in outcome.detail
                        return
    pytest.fail("no plan binds an integer to an item of a list that has names")
