import json
import random
from typing import Literal

import jsonschema
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import BaseModel, Field

from goat_ray.teacher.edges import EdgeVerdict
from goat_ray.teacher.fake_server import instance
from goat_ray.teacher.structured import json_schema, parse_answer
from goat_ray.teacher.task import Answer, Failure

from .tasks import Verdict


class Item(BaseModel):
    title: str  # also a keyword of JSON Schema
    default: int = 3


class Rich(Answer):
    items: list[Item] = Field([], max_length=3)
    first: Item | None = None
    mood: Literal["good", "bad"] = "good"
    score: float = Field(0.5, ge=0, le=1)
    count: int = Field(1, gt=0, lt=3)
    extra: dict[str, int] = {}


GOOD = Verdict(accept=True, genre="comedy")
TEXT = '{"accept": true, "genre": "comedy"}'


@given(st.text() | st.binary().map(lambda raw: raw.decode("utf-8", "surrogateescape")))
def test_any_text_gives_an_answer_or_a_failure(text):
    assert isinstance(parse_answer(text, Rich), Rich | Failure)


@given(
    st.recursive(
        st.none() | st.booleans() | st.floats() | st.text(),
        lambda inner: st.lists(inner) | st.dictionaries(st.sampled_from(["accept", "genre", "x"]), inner),
    )
)
def test_any_json_gives_an_answer_or_a_failure(value):
    assert isinstance(parse_answer(json.dumps(value), Verdict), Verdict | Failure)


@pytest.mark.parametrize(
    "text",
    [
        TEXT,
        f"  {TEXT}\n",
        f"```json\n{TEXT}\n```",
        f"```\n{TEXT}\n```",
        f"Here you are:\n```json\n{TEXT}\n```\nAnything else?",
        f"<think>a {{drama}}?</think>{TEXT}",
        f"The answer is {TEXT}.",
    ],
)
def test_finds_the_answer_among_decoration(text):
    assert parse_answer(text, Verdict) == GOOD


@pytest.mark.parametrize(
    ("text", "reason", "told"),
    [
        ("", "not-json", "empty"),
        ("no idea", "not-json", "expected"),
        ('{"accept": tru', "not-json", "EOF"),
        ("[" * 100_000, "not-json", "recursion"),
        ("```" + "\n" * 300_000, "not-json", "expected"),  # the square of that would take minutes
        ("\ud800", "not-json", "unicode"),
        ('{"accept": true}', "invalid-answer", "genre: Field required"),
        ('{"accept": true, "genre": "war"}', "invalid-answer", "genre: Input should be 'drama' or 'comedy'"),
        ('{"accept": true, "genre": "drama", "x": 1}', "invalid-answer", "x: Extra inputs"),
        ("[1, 2]", "invalid-answer", "the answer: "),
        (f"[{TEXT}]", "invalid-answer", "the answer: "),
    ],
)
def test_says_what_is_wrong(text, reason, told):
    failure = parse_answer(text, Verdict)
    assert isinstance(failure, Failure)
    assert failure.reason == reason
    assert told in failure.detail
    assert len(failure.detail) <= 600


def test_schema_closes_objects_and_requires_all_properties():
    schema = json_schema(Rich)
    assert schema["title"] == "Rich"
    assert schema["required"] == list(Rich.model_fields)
    assert schema["additionalProperties"] is False
    item = schema["$defs"]["Item"]
    assert item["required"] == ["title", "default"]  # properties that are named like keywords survive
    assert item["additionalProperties"] is False
    assert "default" not in item["properties"]["default"]
    assert schema["properties"]["extra"]["additionalProperties"] == {"type": "integer"}


@given(st.integers())
def test_instances_of_a_schema_follow_it(seed):
    schema = json_schema(Rich)
    value = instance(schema, random.Random(seed))
    jsonschema.validate(value, schema)
    assert value == instance(schema, random.Random(seed))
    assert isinstance(parse_answer(json.dumps(value), Rich), Rich)


def test_raw_control_characters_in_strings_are_blanks():
    assert parse_answer('{"accept": true,\n "reason": "a\tb\x01"}', EdgeVerdict) == EdgeVerdict(
        accept=True, reason="a b "
    )
