"""Secrets do not come through, wherever in a value they stand."""

import json

import pytest

from goat_ray.hiding import HIDDEN, Secrets


@pytest.mark.parametrize(
    ("secret", "value"),
    [
        ("tok-abc123", {"echo": "your key is tok-abc123!"}),
        ("tok-abc123", [{"tok-abc123": 1}]),
        ("1234567890", {"id": 1234567890, "text": "1234567890"}),
        ('pass"w\\ord', {"said": 'pass"w\\ord', "quoted": json.dumps({"key": 'pass"w\\ord'})}),
        ("Bearer abcdef-99", "abcdef-99 was sent"),
        ("schlüssel-ß", json.dumps({"key": "schlüssel-ß"})),
    ],
)
def test_no_part_of_a_value_shows_a_secret(secret: str, value: object) -> None:
    hidden = Secrets([secret]).hide_in(value)
    text = json.dumps(hidden, ensure_ascii=False)
    for form in {secret, secret.split()[-1]}:
        for written in (form, json.dumps(form)[1:-1], json.dumps(json.dumps(form)[1:-1])[1:-1]):
            assert written not in text
    assert HIDDEN in text


def test_all_else_stays_as_it_is() -> None:
    value = {"a": [1, 2.5, True, None, "text"], "b": {"123456": "no secret"}}
    assert Secrets(["tok-abc123"]).hide_in(value) == value
    assert Secrets([]).hide_in(value) is value
    assert Secrets(["short"]).hide("short words stay") == "short words stay"
