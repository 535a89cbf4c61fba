"""What models write is read back, or refused with a message that says why; nothing else is ever raised."""

import contextlib
import json
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from goat_ray import jsonpath
from goat_ray.agent import prompts, reading
from goat_ray.agent.config import PromptConfig
from goat_ray.agent.reading import Act, Reply, Unreadable
from goat_ray.documents.config import DocumentsConfig
from goat_ray.documents.discovery import discover
from goat_ray.documents.ingest import Ingest
from goat_ray.records import ApiFunction, Argument, ExecutedCall
from tests.conftest import shared

REFERENCES = PromptConfig(argument_style="references")
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(max_size=6),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.text(max_size=3), inner, max_size=2),
    max_leaves=5,
)
ANYTHING = st.text() | st.text(alphabet='{}[]":,$1. \\udA\n') | st.lists(
    st.sampled_from(["Thought:", "Action:", "Action Input:", "Answer:", "Observation:", "\n", " ", "x", "{", '"a": 1}'])
).map("".join)  # fmt: skip


def values(arguments: list[Argument]) -> dict[str, Any]:
    return {argument.parameter: argument.value for argument in arguments}


def writable(arguments: list[Argument]) -> None:
    """Such arguments can be written to Parquet, sent and shown."""
    call = ExecutedCall(function="f", arguments=arguments, status=200, body=None, origin="simulated")
    json.dumps(call.model_dump(mode="json"), allow_nan=False).encode()


@given(ANYTHING)
@example('{"a": ' * 5000)
@example('{"a":' * 40 + "1" + "}" * 40)
@example('{"a": 1e999}')
@example('{"a": NaN}')
@example('{"a": "\\ud800"}')
@example('{"a": ' + "9" * 5000 + "}")
@example('{"a": "$1.results[' + "9" * 5000 + ']"}')
@example('{"a": "$99999999999999.x"}')
def test_any_text_is_arguments_or_unreadable(text: str) -> None:
    with contextlib.suppress(Unreadable):
        writable(reading.read_arguments(text, [{"results": [1]}]))


@given(ANYTHING)
def test_any_text_is_a_turn_or_unreadable(text: str) -> None:
    with contextlib.suppress(Unreadable):
        turn = reading.read_turn(text)
        assert turn.text if isinstance(turn, Reply) else turn.written in text


@given(ANYTHING)
def test_any_text_is_a_plan(text: str) -> None:
    assert all(name.strip() for name in reading.read_plan(text))


@given(st.dictionaries(st.text(max_size=6), JSON, max_size=4), st.sampled_from(["", "```json\n", "Here: "]))
def test_objects_are_read_from_among_other_words(wanted: dict[str, Any], before: str) -> None:
    found = reading.read_arguments(f"{before}{json.dumps(wanted)}\n``` and so {{on}}", [])
    assert values(found) == wanted
    assert all(argument.step is None for argument in found)


def test_references_resolve_and_keep_where_the_value_stood() -> None:
    body = {"results": [{"id": 7}, {"id": 9}]}
    given_ = Argument(parameter="movie_id", value=9, provenance="upstream", step=0, location="$.results[1].id")
    target, _ = prompts.call_target([given_], REFERENCES)
    assert reading.read_arguments(target, [body]) == [given_]
    (first,) = reading.read_arguments('{"movie_id": "$1.results[*].id"}', [body])
    assert (first.value, first.location) == (7, "$.results[0].id")


@given(JSON)
def test_every_leaf_can_be_referred_to(body: Any) -> None:
    def leaves(value: Any, at: tuple[jsonpath.Token, ...]) -> list[tuple[tuple[jsonpath.Token, ...], Any]]:
        if isinstance(value, dict):
            return [leaf for name, item in value.items() for leaf in leaves(item, (*at, name))]
        if isinstance(value, list):
            return [leaf for number, item in enumerate(value) for leaf in leaves(item, (*at, number))]
        return [(at, value)]

    for at, value in leaves(body, ()):
        location = jsonpath.render(at)
        argument = Argument(parameter="p", value=value, provenance="upstream", step=0, location=location)
        target, _ = prompts.call_target([argument], REFERENCES)
        assert reading.read_arguments(target, [body]) == [argument]


def test_what_the_query_holds_is_the_users_and_the_rest_the_models_own() -> None:
    text = '{"name": "maren holloway", "year": 2019, "sort": "title", "x": "$1.id"}'
    found = reading.read_arguments(text, [{"id": 7}], "What did Maren Holloway write in 2019?")
    assert [argument.provenance for argument in found] == ["user", "user", "constant", "upstream"]


@pytest.mark.parametrize("price", ["$20", "$9.99", "$1.5", "$", "$x", "$0.a"])
def test_prices_are_no_references(price: str) -> None:
    (argument,) = reading.read_arguments(json.dumps({"limit": price}), [{}])
    assert (argument.value, argument.step) == (price, None)


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("", "no JSON object"),
        ("[1]", "no JSON object"),
        ('{"a": }', "Expecting value"),
        ('{"a": 1', "Expecting ',' delimiter"),
        ('{"a": NaN}', "no number"),
        ('{"a": "$2.x"}', "not made"),
        ('{"a": "$1.nothing"}', "names nothing"),
        ('{"a": "$1.[["}', "names nothing"),
    ],
)
def test_what_cannot_be_read_says_why(text: str, why: str) -> None:
    with pytest.raises(Unreadable, match=why):
        reading.read_arguments(text, [{"x": 1}])


def test_a_reference_that_names_nothing_is_told_what_there_is() -> None:
    body = {"total": 2, "items": [{"code": "PEL-C", "city_id": 301}, {"code": "PEL-H", "city_id": 301}], "none": []}
    with pytest.raises(Unreadable, match=r"try \$1\.items\[0\]\.city_id, \$1\.total, \$1\.items\[0\]\.code$"):
        reading.read_arguments('{"city_id": "$1.results[0].city_id"}', [body])


@given(JSON, st.text(max_size=8))
def test_proposed_places_are_there(body: Any, path: str) -> None:
    with contextlib.suppress(Unreadable):
        reading.read_arguments(json.dumps({"a": f"$1.{path}"}), [body])
    for place in reading._likely(body, path):
        jsonpath.get(body, place)


def test_a_plan_reads_back() -> None:
    functions = [ApiFunction.create(service="s", name=name) for name in ("searchBooks", "getBook")]
    assert reading.read_plan(prompts.plan_target(functions, functions)) == ["searchBooks", "getBook"]
    text = "1. `searchBooks`\n\n- getBook \n2) 24hr_ticker\n-\n"
    assert reading.read_plan(text) == ["searchBooks", "getBook", "24hr_ticker"]


WORDS = st.from_regex(r"[A-Za-z0-9_.*()/-]*[A-Za-z][A-Za-z0-9_.*()/-]*", fullmatch=True)


@given(st.lists(st.lists(WORDS, min_size=1, max_size=3).map(" ".join), min_size=1, max_size=4))
@example(["24hr_ticker", "3dModels", "-x", "*any", ".well-known", "1.0_search", "Search - All"])
def test_names_read_back_whatever_they_begin_with(names: list[str]) -> None:
    written = "\n".join(names)
    assert reading.read_plan(written) == names
    assert reading.read_plan("\n".join(f"{number}. {name}" for number, name in enumerate(names, 1))) == names
    assert reading.read_plan("\n".join(f"- `{name}`" for name in names)) == names


def test_names_of_real_documents_read_back() -> None:
    config = DocumentsConfig(paths=[str(shared(folder)) for folder in ("functions", "openapi", "rapidapi")])
    functions = [one for one in Ingest(config).process(discover(config)) if isinstance(one, ApiFunction)]
    assert any(function.name.endswith("(FREE)") for function in functions)
    names = list(prompts.shown_names(functions).values())
    assert reading.read_plan(prompts.plan_target(functions, functions)) == names
    for name in names:
        turn = reading.read_turn(f"Thought: t\nAction: {name}\nAction Input: {{}}")
        assert isinstance(turn, Act) and turn.function == name


@pytest.mark.parametrize(
    "text",
    [
        'Thought: t\nAction: f\nAction Input: {"a": 1}',
        'thought: t\n**Action:** `f`\n**Action Input:** {"a": 1}\nObservation: made up',
        'Thought: t\nAction: f {"a": 1}\nThought: and on',
        'Thought: t\nAction: f({"a": 1}',
    ],
)
def test_calls_are_read_in_the_forms_that_models_write(text: str) -> None:
    turn = reading.read_turn(text)
    assert isinstance(turn, Act)
    assert (turn.thought, turn.function, values(reading.read_arguments(turn.arguments, []))) == ("t", "f", {"a": 1})
    assert "made up" not in turn.written and "and on" not in turn.written


def test_an_answer_may_have_many_lines() -> None:
    assert reading.read_turn("Thought: t\nFinal Answer: one\n- two: three") == Reply("t", "one\n- two: three")


@pytest.mark.parametrize("text", ["", "Sure!", "Thought: hm", "Answer:", "Observation: nothing"])
def test_a_turn_that_neither_acts_nor_answers_is_refused(text: str) -> None:
    with pytest.raises(Unreadable, match="Answer:"):
        reading.read_turn(text)
