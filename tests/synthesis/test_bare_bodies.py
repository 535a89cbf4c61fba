"""APIs that answer with a bare list or value, whose places have no name: samples of them, from document to example."""

import json
from pathlib import Path
from typing import Any

import pytest

from goat_ray.agent.config import AgentConfig, PromptConfig
from goat_ray.agent.reading import read_arguments
from goat_ray.inspection import sample_lines
from goat_ray.places import Place
from goat_ray.records import Example, Sample, Traits, without_failures
from goat_ray.storage import Dataset, write_records
from goat_ray.synthesis.contamination import Benchmarks, ContaminationConfig
from goat_ray.synthesis.examination import Examine
from goat_ray.synthesis.exports.corpus import Corpus
from goat_ray.synthesis.exports.formats import FORMATS
from goat_ray.synthesis.imports import Published
from goat_ray.synthesis.splits import SplitsConfig
from goat_ray.training.examples import ExamplesConfig, FormatExamples
from tests.world import World, make_samples, make_world

SYMBOL = {"type": "string", "example": "AAPL", "description": "The symbol of a stock"}
PRICE = {"type": "number", "example": 12.5}


def reads(name: str, summary: str, answer: dict[str, Any], *parameters: dict[str, Any]) -> dict[str, Any]:
    content = {"application/json": answer}
    responses = {"200": {"description": "OK", "content": content}}
    return {"get": {"operationId": name, "summary": summary, "parameters": parameters, "responses": responses}}


MARKET = {
    "openapi": "3.0.0",
    "info": {"title": "Market", "version": "1"},
    "servers": [{"url": "https://market.example"}],
    "paths": {
        "/symbols": reads(
            "listSymbols",
            "List the symbols",
            {"schema": {"type": "array", "items": SYMBOL}, "example": ["AAPL", "MSFT", "IBM"]},
        ),
        "/default-symbol": reads("getDefaultSymbol", "Get the default symbol", {"schema": SYMBOL}),
        "/symbols/{symbol}/quote": reads(
            "getQuote",
            "Get the quote of a symbol",
            {"schema": {"type": "object", "properties": {"symbol": SYMBOL, "price": PRICE}}},
            {"name": "symbol", "in": "path", "required": True, "schema": SYMBOL},
        ),
    },
}
CALLED = {"$": "the default symbol", "$[0]": "the first symbol"}


@pytest.fixture(scope="module")
def market(tmp_path_factory: pytest.TempPathFactory) -> World:
    folder = tmp_path_factory.mktemp("market")
    (folder / "market.json").write_text(json.dumps(MARKET))
    return make_world(folder / "market.json", folder / "functions")


@pytest.fixture(scope="module")
def samples(market: World) -> list[Sample]:
    return make_samples(market, 60)


def taken(sample: Sample) -> list[str]:
    return [argument.location for call in sample.calls for argument in call.arguments if argument.step is not None]


def test_what_has_no_name_of_its_own_is_called_by_what_its_call_returns(samples: list[Sample]) -> None:
    seen = set()
    for sample in samples:
        for location in taken(sample):
            name = CALLED[location]
            for text in (sample.query, *sample.paraphrases):
                own = f"{name}'s" in text
                assert own or f"of {name}" in text, text
            assert sample.subqueries[-1] == "Get the quote of that symbol."
            seen.add(location)
    assert seen == set(CALLED)


def test_mistakes_are_made_with_what_has_nothing_beside_it(market: World) -> None:
    recovered = make_samples(market, 60, recovery=1.0)
    wrong = [
        sample for sample in recovered if taken(sample) and len(without_failures(sample.calls)) < len(sample.calls)
    ]
    assert {location for sample in wrong for location in taken(sample)} == set(CALLED)


def test_they_are_examined_shown_and_written_in_every_form(
    market: World, samples: list[Sample], tmp_path: Path
) -> None:
    examine = Examine(market.data, SplitsConfig(), Benchmarks(ContaminationConfig()))
    examine.start()
    traits = [one for one in examine.process(samples) if isinstance(one, Traits)]
    assert [one.id for one in traits] == [sample.id for sample in samples]
    assert any(
        "call 1 $," in line or "call 1 $)" in line for one in samples for line in sample_lines(one, market.functions)
    )

    write_records(tmp_path / "samples", Sample, samples)
    corpus = Corpus(Dataset(Place.of(tmp_path / "samples"), Sample, "samples", len(samples), {}), market.functions)
    assert [(one.id, [call.body for call in one.calls]) for one in corpus] == [
        (one.id, [call.body for call in one.calls]) for one in samples
    ]
    for form, write in FORMATS.items():
        counts = write(corpus, tmp_path / form)
        assert any(count == len(samples) for count in counts.values()), form
    published = Published(tmp_path / "goat")
    back = [one for one in published.samples(iter(market.functions)) if isinstance(one, Sample)]
    assert {tuple(taken(one)) for one in back} >= {("$",), ("$[0]",)}


@pytest.mark.parametrize("style", ["values", "references"])
def test_their_examples_read_back_to_the_arguments(market: World, samples: list[Sample], style: str) -> None:
    agent = AgentConfig(prompt=PromptConfig(argument_style=style))
    step = FormatExamples(market.data, ExamplesConfig(), agent)
    step.start()
    for sample in samples:
        made = [one for one in step.process([sample]) if isinstance(one, Example) and one.kind == "call"]
        for call, example in zip(sample.calls, made, strict=True):
            read = read_arguments(example.target, [done.body for done in sample.calls], sample.query)
            assert {one.parameter: one.value for one in read} == call.values
            if style == "references":
                assert [one.location for one in read if one.step is not None] == [
                    one.location for one in call.arguments if one.step is not None
                ]
    chat = FormatExamples(market.data, ExamplesConfig(form="chat", paraphrases=False), agent)
    chat.start()
    assert len([one for one in chat.process(samples) if isinstance(one, Example)]) == len(samples)
