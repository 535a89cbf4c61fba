"""Chat mode with a scripted endpoint: what becomes of calls that JSON can hold and files cannot."""

import json

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from goat_ray.agent.chat_form import read_turn
from goat_ray.agent.events import Trouble
from goat_ray.agent.reading import Act, Unreadable, read_arguments
from goat_ray.teacher.fake_server import FakeServer
from tests.agent.scripts import CALL, FORCED, QUERY, turns

ANY_TEXT = st.text(st.characters(categories=["L", "N", "Cs"]), max_size=3)  # Cs: halves of surrogate pairs
VALUES = st.recursive(
    st.none() | st.integers() | st.floats() | ANY_TEXT,
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(ANY_TEXT, inner, max_size=2),
    max_leaves=4,
)


@given(ANY_TEXT, st.dictionaries(ANY_TEXT, VALUES, max_size=3))
@example("\ud83dx", {})
@example("f", {"\udc00": "\ud83d"})
def test_what_is_read_of_a_call_can_be_written(name, arguments):
    turn = read_turn(json.dumps({"name": name, "arguments": arguments}))
    assert isinstance(turn, Act)
    turn.function.encode()
    try:
        read = read_arguments(turn.arguments, [])
    except Unreadable as error:
        str(error).encode()
    else:
        assert {argument.parameter: argument.value for argument in read} == arguments
        json.dumps([argument.value for argument in read], ensure_ascii=False, allow_nan=False).encode()


def test_a_call_is_no_answer(open_agent):
    """Offered no tools, models that have seen them call on; what is left is to ask without the chat."""
    with FakeServer(answers=turns(CALL)) as server, open_agent(server, mode="chat", max_calls=1) as agent:
        (made,) = agent.run([QUERY])
    assert made.response == FORCED
    (trouble,) = [event for event in made.events if isinstance(event, Trouble) and event.again]
    assert trouble.problem.startswith("bad-answer: I need the author.")


@pytest.mark.parametrize(
    ("call", "problem"),
    [
        (CALL.replace("searchAuthors", r"\ud83dx"), "unknown-function: ?x"),
        (CALL.replace("Maren", r"\ud83d"), "bad-arguments: searchAuthors: this is no JSON object"),
    ],
)
def test_half_a_surrogate_pair_in_a_call_is_shown_as_a_question_mark(open_agent, call, problem):
    with FakeServer(answers=turns(call, "So be it.")) as server, open_agent(server, mode="chat") as agent:
        (made,) = agent.run([QUERY])
    (trouble,) = (event for event in made.events if isinstance(event, Trouble))
    assert trouble.problem.startswith(problem) and "?" in trouble.detail
    assert made.response == "So be it." and made.problems == []
