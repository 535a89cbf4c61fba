"""The mask covers the values and nothing else, counted from provenance; prompts hold what models need, in bounds."""

import itertools
import json
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

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


def test_references_are_structure() -> None:
    argument = Argument(parameter="movie_id", value=9, provenance="upstream", step=0, location="$.results[1].id")
    target, spans = prompts.call_target([argument, user("query", "dune")], REFERENCES)
    assert json.loads(target)["movie_id"] == "$1.results[1].id"
    assert masked_parts(target, spans) == ["dune"]


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
