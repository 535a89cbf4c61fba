"""Decoding that is held to names, with a real tokenizer and any choices that a model may make."""

import random
from collections.abc import Callable

import pytest
from transformers import AutoTokenizer

from goat_ray.agent.decoding import NamesOnly
from goat_ray.training.tiny import make_tiny_model

NAMES = ["GET_tv-tv_id", "GET_tv-tv_id-similar", "get tv", "GET_search-person", "élan·2"]
END = 1


@pytest.fixture(scope="module")
def tokenizer(tmp_path_factory: pytest.TempPathFactory) -> AutoTokenizer:
    folder = make_tiny_model(tmp_path_factory.mktemp("tiny"), ["\n".join(NAMES)] * 3, hidden=32, layers=1)
    return AutoTokenizer.from_pretrained(folder)


@pytest.fixture
def encode(tokenizer: AutoTokenizer) -> Callable[[str], list[int]]:
    return lambda text: tokenizer(text, add_special_tokens=False)["input_ids"]


def test_whatever_is_chosen_spells_names_one_a_line(tokenizer, encode):
    held = NamesOnly(NAMES, encode, [END])
    lines = set()
    for seed in range(200):
        choice, written = random.Random(seed), []
        while not written or written[-1] != END:
            written.append(choice.choice(held.allowed(written)))
        assert held.allowed(written) == [END]  # what pads a finished row
        lines |= set(tokenizer.decode(written[:-1]).split("\n"))
    assert lines == set(NAMES)


def test_plans_are_spelt_as_they_are_trained(encode):
    held = NamesOnly(NAMES, encode, [END])
    target = [*encode("\n".join(NAMES)), END]
    assert all(token in held.allowed(target[:place]) for place, token in enumerate(target))
