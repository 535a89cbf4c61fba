"""Samples become plan, call and answer examples."""

from collections import Counter

import pytest

from goat_ray.agent.config import AgentConfig, PromptConfig
from goat_ray.agent.reading import read_arguments, read_plan
from goat_ray.records import Example, Sample
from goat_ray.synthesis.distractors import FEWEST
from goat_ray.synthesis.splits import SplitsConfig, is_unseen
from goat_ray.training.examples import ExamplesConfig, FormatExamples
from tests.world import World, make_samples


@pytest.fixture(scope="module")
def samples(world: World) -> list[Sample]:
    return make_samples(world, 80)


def examples(
    world: World, samples: list[Sample], config: ExamplesConfig, style: str, splits: SplitsConfig | None = None
) -> list[Example]:
    agent = AgentConfig(prompt=PromptConfig(argument_style=style))
    step = FormatExamples(world.data, config, agent, splits=splits)
    step.start()
    return [outcome for outcome in step.process(samples) if isinstance(outcome, Example)]


def test_each_sample_gives_plans_calls_and_an_answer(world: World, samples: list[Sample]) -> None:
    found = examples(world, samples, ExamplesConfig(), "values")
    counts = Counter((example.sample, example.kind) for example in found)
    for sample in samples:
        assert counts[sample.id, "plan"] == 1 + len(sample.paraphrases)
        assert counts[sample.id, "call"] == len(sample.calls)
        assert counts[sample.id, "answer"] == 1
    assert len({example.id for example in found}) == len(found)


def test_plan_prompts_list_the_functions_that_the_target_names(world: World, samples: list[Sample]) -> None:
    names = {function.id: function.name for function in world.functions}
    by_id = {sample.id: sample for sample in samples}
    splits = SplitsConfig(unseen_functions=0.2)
    unseen = {id_ for id_ in world.functions.ids if is_unseen(id_, splits.unseen_functions, splits.seed)}
    assert unseen
    for example in examples(world, samples, ExamplesConfig(), "values", splits):
        if example.kind == "plan":
            assert read_plan(example.target) == [names[call.function] for call in by_id[example.sample].calls]
            listed = [line for line in example.prompt.splitlines() if line.startswith("- ")]
            planned = read_plan(example.target)
            assert len(listed) == max(6, len(set(planned)) + FEWEST)
            needed = {call.function for call in by_id[example.sample].calls}
            assert not any(line.startswith(f"- {names[id_]}:") for id_ in unseen - needed for line in listed)
            assert all(any(line.startswith(f"- {name}:") for line in listed) for name in read_plan(example.target))


@pytest.mark.parametrize("style", ["values", "references"])
def test_call_targets_read_back_to_the_arguments(world: World, samples: list[Sample], style: str) -> None:
    by_id = {sample.id: sample for sample in samples}
    calls: Counter[str] = Counter()
    for example in examples(world, samples, ExamplesConfig(), style):
        if example.kind == "call":
            sample = by_id[example.sample]
            call = sample.calls[calls[sample.id]]
            calls[sample.id] += 1
            read = read_arguments(example.target, [done.body for done in sample.calls])
            assert {argument.parameter: str(argument.value).strip("[]'") for argument in read} == {
                name: str(value).strip("[]'") for name, value in call.values.items()
            }


def test_values_are_masked_unless_asked_otherwise(world: World, samples: list[Sample]) -> None:
    masked = [e for e in examples(world, samples, ExamplesConfig(), "values") if e.kind == "call" and e.target != "{}"]
    assert all(example.masked for example in masked)
    plain = examples(world, samples, ExamplesConfig(mask_values=False), "values")
    assert not any(example.masked for example in plain)
