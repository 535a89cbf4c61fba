"""Answers that are kept: the same as fresh ones, never shared, and never more than fit."""

import asyncio
import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from goat_ray.executors.sandbox.answers import Answers
from goat_ray.executors.sandbox.values import fit
from tests.executors.library import Client, api, param


def test_a_kept_answer_is_the_one_that_was_made():
    call = Client()
    first = call("GET /books", query="the", page=2)
    assert call.afresh()("GET /books", query="the", page=2) == first
    assert len(call.sandbox.answers) == 1


def test_arguments_that_only_look_alike_are_told_apart():
    call = Client()
    statuses = [call("GET /books", page=value).status for value in (1, True, "1", 1.5)]
    assert statuses == [200, 422, 200, 422]


def test_a_session_that_wrote_sees_its_own_world_and_the_others_the_kept_one():
    call = Client()
    before = call.body("GET /books")
    call.body("POST /books", title="A New Tale")
    assert call.body("GET /books")["total"] == before["total"] + 1
    assert call.afresh().body("GET /books") == before


def test_writing_calls_are_not_kept():
    call = Client()
    call("POST /books", title="A New Tale")
    call("DELETE /reviews/{review_id}", review_id=1)
    assert len(call.sandbox.answers) == 0


def test_what_is_kept_stays_below_its_limit_and_the_last_used_survive():
    answers = Answers(limit=1000)
    for number in range(100):
        answers.keep(("f", str(number)), 200, {"text": "x" * 90})
        answers.get(("f", "0"))
        assert answers.size <= 1000
    assert answers.get(("f", "0")) == (200, {"text": "x" * 90})
    assert answers.get(("f", "1")) is None
    assert answers.get(("f", "99")) is not None


def test_an_answer_too_big_to_keep_is_given_all_the_same():
    call = Client()
    call.sandbox.answers = Answers(limit=10)
    assert call.body("GET /books") == Client().body("GET /books")
    assert len(call.sandbox.answers) == 0


def test_text_that_no_json_can_hold_is_answered():
    call = Client()
    result = asyncio.run(call.session.call(call.functions["GET /books"], {"query": "\ud800"}))
    assert (result.status, result.body["results"]) == (200, [])


@pytest.mark.parametrize("shown", [2020, 2.5])
@pytest.mark.parametrize(
    ("text", "repeated"),
    [
        ("2020", 2020),
        ("-5", -5),
        *((text, text) for text in ("²", "--5", "5-", "nan", "-Infinity", "1e999", "9" * 5000)),
    ],
)
def test_text_is_repeated_as_a_number_only_where_it_is_one(text, repeated, shown):
    call = Client([api("GET", "/rates", param("year"), gives={"year": shown, "rates": [{"amount": 1.5}]})])
    assert call.body("GET /rates", year=text)["year"] == repeated


@given(st.text() | st.floats() | st.text("-019.e_²٣"), st.sampled_from(["integer", "number"]))
def test_what_does_not_fit_stays(value, type_):
    fitted = fit(value, type_)
    assert fitted is value or (not isinstance(fitted, str) and math.isfinite(fitted))
