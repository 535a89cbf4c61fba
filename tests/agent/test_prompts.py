"""The mask covers the values and nothing else, counted from provenance; references resolve exactly."""

import contextlib
import itertools
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from goat_ray import jsonpath
from goat_ray.agent import prompts
from goat_ray.agent.config import PromptConfig
from goat_ray.records import ApiFunction, Argument, Parameter

VALUES = PromptConfig()
REFERENCES = PromptConfig(argument_style="references")
NAMES = st.text(min_size=1, max_size=6)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=6),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.text(max_size=3), inner, max_size=2),
    max_leaves=5,
)


def user(name: str, value: Any) -> Argument:
    return Argument(parameter=name, value=value, provenance="user")


def masked_parts(target: str, spans: list) -> list[str]:
    return [target[span.start : span.end] for span in spans]


@given(st.dictionaries(NAMES, JSON, max_size=4))
def test_the_target_is_the_arguments_and_the_spans_are_their_values(values: dict[str, Any]) -> None:
    target, spans = prompts.call_target([user(name, value) for name, value in values.items()], VALUES)

    assert json.loads(target) == values
    assert all(0 <= span.start < span.end <= len(target) for span in spans)
    assert all(one.end <= other.start for one, other in itertools.pairwise(spans))
    # Blanking the masked characters must leave the same structure whatever the values were.
    blanked, at = "", 0
    for span in spans:
        blanked, at = blanked + target[at : span.start] + "\0", span.end
    blanked += target[at:]
    for name in values:
        assert json.dumps(name, ensure_ascii=False) + ":" in blanked


def test_equal_text_elsewhere_is_not_masked() -> None:
    """A search for the value would hit the parameter's name first; offsets cannot."""
    target, spans = prompts.call_target([user("title", "title"), user("id", 1), user("page1", 1)], VALUES)
    assert target == '{"title":"title","id":1,"page1":1}'
    assert [(span.start, span.end) for span in spans] == [(10, 15), (22, 23), (32, 33)]


def test_quotes_are_structure_and_an_empty_text_has_no_span() -> None:
    target, spans = prompts.call_target([user("a", ""), user("b", "x")], VALUES)
    assert target == '{"a":"","b":"x"}'
    assert masked_parts(target, spans) == ["x"]


def test_references_are_structure_and_resolve_to_the_value() -> None:
    body = {"results": [{"id": 7}, {"id": 9}]}
    argument = Argument(parameter="movie_id", value=9, provenance="upstream", step=0, location="$.results[1].id")
    target, spans = prompts.call_target([argument, user("query", "dune")], REFERENCES)
    assert json.loads(target)["movie_id"] == "$1.results[1].id"
    assert masked_parts(target, spans) == ["dune"]
    assert prompts.read_arguments(target, [body]) == {"movie_id": 9, "query": "dune"}


@given(JSON)
def test_every_leaf_can_be_referred_to(body: Any) -> None:
    def leaves(value: Any, at: tuple[jsonpath.Token, ...]) -> list[tuple[tuple[jsonpath.Token, ...], Any]]:
        if isinstance(value, dict):
            return [leaf for name, item in value.items() for leaf in leaves(item, (*at, name))]
        if isinstance(value, list):
            return [leaf for number, item in enumerate(value) for leaf in leaves(item, (*at, number))]
        return [(at, value)]

    for at, value in leaves(body, ()):
        argument = Argument(parameter="p", value=value, provenance="upstream", step=0, location=jsonpath.render(at))
        target, _ = prompts.call_target([argument], REFERENCES)
        assert prompts.read_arguments(target, [body]) == {"p": value}


@pytest.mark.parametrize(
    "text", ["", "no json", "[1]", '{"a": }', '{"a": "$2.x"}', '{"a": "$1.nothing"}', '{"a": "$1.[["}']
)
def test_what_cannot_be_read_is_a_value_error_that_says_why(text: str) -> None:
    with pytest.raises(ValueError, match=r"."):
        prompts.read_arguments(text, [{"x": 1}])


@given(st.text())
def test_any_model_text_is_arguments_or_a_value_error(text: str) -> None:
    with contextlib.suppress(ValueError):
        assert isinstance(prompts.read_arguments(text, [{}]), dict)


def test_a_plan_reads_back() -> None:
    functions = [ApiFunction.create(service="s", name=name) for name in ("searchBooks", "getBook")]
    assert prompts.read_plan(prompts.plan_target(functions)) == ["searchBooks", "getBook"]
    assert prompts.read_plan("1. `searchBooks`\n\n- getBook \n") == ["searchBooks", "getBook"]


@given(JSON)
def test_observations_are_bounded(body: Any) -> None:
    config = PromptConfig(observation_characters=40)
    assert len(prompts.observation(body, config)) <= 41


def test_prompts_hold_what_the_model_needs() -> None:
    function = ApiFunction.create(
        service="s",
        name="getBook",
        summary="Get a book",
        parameters=[
            Parameter(name="book_id", location="path", type="integer", required=True, description="Which book")
        ],
    )
    made = [prompts.Made(function, {"book_id": 3}, {"title": "Dune"})]
    plan = prompts.plan_prompt("What is it?", [function], VALUES)
    call = prompts.call_prompt("What is it?", made, function, VALUES)
    answer = prompts.answer_prompt("What is it?", made, VALUES)
    assert "What is it?" in plan and "getBook: Get a book" in plan
    assert "book_id (integer, required): Which book" in call and '{"title":"Dune"}' in call
    assert '{"title":"Dune"}' in answer
