"""Call first, then language: provenance is exact, queries hide what only calls know, answers are grounded."""

import re
from collections import Counter
from typing import Any

import pytest

from goat_ray.naming import ordinal
from goat_ray.records import CallTrace, Reject, Sample
from goat_ray.synthesis.config import SynthesisConfig
from goat_ray.synthesis.narration import Narrate
from goat_ray.teacher.rules import RulesTeacher
from tests.world import World

EXTREMES = {
    "highest": ["highest", "most"],
    "lowest": ["lowest", "least", "fewest"],
    "latest": ["most recent"],
    "earliest": ["earliest"],
    "each": ["each of the first"],
}


@pytest.fixture(scope="module")
def samples(world: World, traces: list[CallTrace]) -> list[Sample]:
    narrate = Narrate(RulesTeacher(), world.data, SynthesisConfig(), "traces")
    narrate.start()
    outcomes = list(narrate.process(traces))
    kept = [outcome for outcome in outcomes if isinstance(outcome, Sample)]
    assert len(kept) >= 0.8 * len(outcomes), [o.detail for o in outcomes if isinstance(o, Reject)][:5]
    return kept


def values(sample: Sample, provenance: str) -> list[Any]:
    return [a.value for call in sample.calls for a in call.arguments if a.provenance == provenance]


def test_queries_hold_the_users_values(samples: list[Sample]) -> None:
    for sample in samples:
        for value in values(sample, "user"):
            if isinstance(value, str | int | float):
                assert str(value).lower() in sample.query.lower()


def test_queries_do_not_reveal_what_only_calls_know(samples: list[Sample]) -> None:
    for sample in samples:
        known = {str(value) for value in values(sample, "user")}
        for value in map(str, values(sample, "upstream")):
            if len(value) >= 3 and value not in known:
                assert not re.search(rf"(?<!\w){re.escape(value)}(?!\w)", sample.query, re.IGNORECASE)


def test_queries_do_not_name_functions_or_list_steps(world: World, samples: list[Sample]) -> None:
    for sample in samples:
        for call in sample.calls:
            function = world.functions[call.function]
            assert function.path not in sample.query
            assert not re.search(rf"\b{re.escape(function.name)}\b", sample.query)
        own_words = sample.query
        for value in map(str, values(sample, "user")):  # a review may say "then"; the query's own words may not
            own_words = own_words.replace(value, "")
        assert "then" not in own_words.lower().split()


def test_numbers_in_responses_come_from_outputs(samples: list[Sample]) -> None:
    for sample in samples:
        text = sample.query + " ".join(f"{call.body} {call.values}" for call in sample.calls)
        for number in re.findall(r"(?<!\w)\d+(?:\.\d+)?(?!\w)", sample.response):
            assert number in text


def test_each_sample_knows_where_it_comes_from(samples: list[Sample], traces: list[CallTrace]) -> None:
    ids = {trace.id for trace in traces}
    for sample in samples:
        assert sample.id in ids
        assert sample.lineage.teacher == "rules"
        assert "write-query:" in sample.lineage.prompts
        assert len(sample.subqueries) == len(sample.calls)


def test_paraphrases_are_other_words_for_the_same(samples: list[Sample]) -> None:
    some = [sample for sample in samples if sample.paraphrases]
    assert len(some) > 0.8 * len(samples)
    for sample in some:
        assert sample.query not in sample.paraphrases
        for value in values(sample, "user"):
            if isinstance(value, str):
                assert all(value.lower() in text.lower() for text in sample.paraphrases)


def test_every_choice_among_items_is_named(samples: list[Sample]) -> None:
    """By the words that the rules have for it, found without the check."""
    kinds: Counter[str] = Counter()
    for sample in samples:
        for argument in (argument for call in sample.calls for argument in call.arguments if argument.step is not None):
            kind = argument.chosen.partition(" ")[0]
            places = [int(index) for index in re.findall(r"\[(\d+)\]", argument.location) if int(index)]
            wanted = EXTREMES.get(kind, []) if kind else [ordinal(place) for place in places[:1]]
            kinds[kind or "by place"] += bool(wanted)
            for text in (sample.query, *sample.paraphrases):
                assert not wanted or any(word in text for word in wanted), (argument, text)
    assert kinds["by place"] > 5 and sum(kinds[kind] for kind in EXTREMES) > 5
