import hashlib

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from transformers import AutoModelForCausalLM, AutoTokenizer

from goat_ray.errors import ConfigError
from goat_ray.training.tiny import make_tiny_model

TEXTS = [f"GET /movie/{number} returns a movie with an id and a title" for number in range(200)]


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return make_tiny_model(tmp_path_factory.mktemp("tiny"), TEXTS)


@pytest.fixture(scope="module")
def tokenizer(folder):
    return AutoTokenizer.from_pretrained(folder)


def digests(folder):
    return {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in folder.iterdir()}


def test_same_arguments_give_the_same_files(folder, tmp_path):
    state = torch.random.get_rng_state()
    assert digests(make_tiny_model(tmp_path / "again", TEXTS)) == digests(folder)
    assert torch.equal(torch.random.get_rng_state(), state)
    other = digests(make_tiny_model(tmp_path / "other", TEXTS, seed=1))
    assert [name for name, digest in digests(folder).items() if other[name] != digest] == ["model.safetensors"]


def test_loads_and_generates_as_any_model(folder, tokenizer):
    model = AutoModelForCausalLM.from_pretrained(folder)
    assert model.get_input_embeddings().weight is model.get_output_embeddings().weight
    assert model.config.max_position_embeddings == tokenizer.model_max_length == 2048
    inputs = tokenizer.apply_chat_template(
        [{"role": "user", "content": "hello"}], add_generation_prompt=True, return_tensors="pt"
    )
    assert model.generate(**inputs, max_new_tokens=4, do_sample=False).shape[1] > inputs["input_ids"].shape[1]


def test_chat_template_marks_turns(tokenizer):
    messages = [{"role": "system", "content": "Be brief."}, {"role": "user", "content": "Hi"}]
    text = tokenizer.apply_chat_template(messages, tokenize=False, add_generation_prompt=True)
    assert text == ("<|im_start|>system\nBe brief.<|im_end|>\n<|im_start|>user\nHi<|im_end|>\n<|im_start|>assistant\n")
    assert tokenizer.eos_token == "<|im_end|>"


@given(st.text())
def test_any_text_survives_the_tokenizer(tokenizer, text):
    assert tokenizer.decode(tokenizer.encode(text)) == text


def test_texts_teach_the_tokenizer_their_words(tokenizer):
    assert len(tokenizer.tokenize(" returns a movie")) == 3


def test_vocabulary_must_hold_all_bytes(tmp_path):
    with pytest.raises(ConfigError, match="vocabulary=259"):
        make_tiny_model(tmp_path, TEXTS, vocabulary=258)
