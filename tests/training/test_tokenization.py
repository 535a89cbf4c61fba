import copy
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tokenizers import processors
from transformers import PreTrainedTokenizerBase

from goat_ray.errors import ModelError
from goat_ray.records import Example, Span
from goat_ray.training.tiny import make_tiny_model
from goat_ray.training.tokenization import (
    IGNORED,
    SHORTEST_PROMPT,
    PackedTokenizer,
    label_target,
    load_tokenizer,
    masked_text,
    tokenize,
)
from tests.training.conftest import make_example

# Words of the tokenizer's training texts make long tokens; the rest is bytes, emojis and special tokens.
PIECES = st.one_of(
    st.sampled_from(['{"movie_id": "', '", "page": 1}', " film", "  ", "\n\n", "<|im_end|>", "👩‍👩‍👧", "é", "日本"]),
    st.text(max_size=5),
)
TEXTS = st.lists(PIECES, max_size=12).map("".join)


@st.composite
def masked_texts(draw: st.DrawFn) -> tuple[str, list[Span]]:
    text = draw(TEXTS)
    places = st.integers(0, len(text))
    spans = draw(st.lists(st.tuples(places, places), max_size=4))
    return text, [Span(start=min(pair), end=max(pair)) for pair in spans]


@pytest.fixture(scope="session")
def trimming(tokenizer: PreTrainedTokenizerBase) -> PreTrainedTokenizerBase:
    """The same tokenizer, reporting offsets without blanks as those of Llama 3 and GPT-2 do."""
    trimming = copy.deepcopy(tokenizer)
    trimming.backend_tokenizer.post_processor = processors.ByteLevel(trim_offsets=True)
    return trimming


def true_characters(text: str, ids: list[int], tokenizer: PreTrainedTokenizerBase) -> list[set[int]]:
    """The characters that each token holds bytes of: byte-level tokens are as long as the bytes they stand for."""
    character_of_byte = [index for index, character in enumerate(text) for _ in character.encode()]
    lengths = [len(token) for token in tokenizer.convert_ids_to_tokens(ids)]
    starts = [sum(lengths[:index]) for index in range(len(lengths))]
    assert sum(lengths) == len(character_of_byte)
    return [set(character_of_byte[start : start + length]) for start, length in zip(starts, lengths, strict=True)]


def masked_characters(spans: list[Span]) -> set[int]:
    return {index for span in spans for index in range(span.start, span.end)}


@given(masked_texts())
@settings(max_examples=400, deadline=None)
def test_exactly_the_tokens_that_touch_a_masked_span_are_masked(
    tokenizer: PreTrainedTokenizerBase, case: tuple[str, list[Span]]
) -> None:
    text, spans = case
    ids, labels = label_target(text, spans, tokenizer)
    masked = masked_characters(spans)
    touching = [bool(held & masked) for held in true_characters(text, ids, tokenizer)]
    assert [label == IGNORED for label in labels] == touching
    assert all(label in (IGNORED, token) for token, label in zip(ids, labels, strict=True))
    assert tokenizer.decode(ids, clean_up_tokenization_spaces=False) == text


@given(masked_texts())
@settings(max_examples=400, deadline=None)
def test_trimmed_offsets_let_no_masked_character_through(
    trimming: PreTrainedTokenizerBase, case: tuple[str, list[Span]]
) -> None:
    text, spans = case
    ids, labels = label_target(text, spans, trimming)
    masked = masked_characters(spans)
    for held, label in zip(true_characters(text, ids, trimming), labels, strict=True):
        assert label == IGNORED or not held & masked


def test_trimmed_offsets_cost_nothing_where_spans_do_not_start_with_blanks(
    tokenizer: PreTrainedTokenizerBase, trimming: PreTrainedTokenizerBase
) -> None:
    example = make_example(7)
    assert masked_text(example, trimming) == masked_text(example, tokenizer)


def test_masked_text_hides_the_value_alone(tokenizer: PreTrainedTokenizerBase) -> None:
    example = make_example(7)
    span = example.masked[0]
    blank = "█" * (span.end - span.start)
    assert masked_text(example, tokenizer) == example.target[: span.start] + blank + example.target[span.end :]


def test_the_prompt_carries_no_loss_and_the_end_is_learned(tokenizer: PreTrainedTokenizerBase) -> None:
    tokens = tokenize(make_example(1), tokenizer, 256)
    assert tokens is not None and tokens.cut == 0
    text = tokenizer.decode(tokens.input_ids)
    assert text.startswith("<|im_start|>user\nFind number") and '<|im_start|>assistant\n{"movie_id"' in text
    start = next(index for index, label in enumerate(tokens.labels) if label != IGNORED)
    assert tokenizer.decode(tokens.input_ids[:start]).endswith("<|im_start|>assistant\n")
    assert tokens.input_ids[-1] == tokens.labels[-1] == tokenizer.eos_token_id
    assert tokens.trained == sum(label != IGNORED for label in tokens.labels) > 1


def test_a_long_prompt_loses_its_middle_and_the_target_nothing(tokenizer: PreTrainedTokenizerBase) -> None:
    example = make_example(1).model_copy(update={"prompt": "first " + "middle " * 200 + "last"})
    whole = tokenize(example, tokenizer, 10_000)
    cut = tokenize(example, tokenizer, 100)
    assert whole is not None and cut is not None
    assert len(cut.input_ids) == 100 and cut.cut == len(whole.input_ids) - 100
    text = tokenizer.decode(cut.input_ids)
    assert text.startswith("<|im_start|>user\nfirst") and "last<|im_end|>" in text
    assert [label for label in cut.labels if label != IGNORED] == [label for label in whole.labels if label != IGNORED]


@pytest.mark.parametrize(("spare", "kept"), [(SHORTEST_PROMPT, True), (SHORTEST_PROMPT - 1, False)])
def test_a_target_without_room_for_a_prompt_is_dropped(
    tokenizer: PreTrainedTokenizerBase, spare: int, kept: bool
) -> None:
    example = make_example(1).model_copy(update={"prompt": "word " * 100, "target": "x y " * 40, "masked": []})
    target, _ = label_target(example.target, [], tokenizer)
    tokens = tokenize(example, tokenizer, len(target) + 1 + spare)
    assert (tokens is not None) == kept


def test_an_empty_target_teaches_to_stop(tokenizer: PreTrainedTokenizerBase) -> None:
    tokens = tokenize(make_example(1).model_copy(update={"target": "", "masked": []}), tokenizer, 256)
    assert tokens is not None and tokens.trained == 1


def test_packing_keeps_the_tokenizer(tokenizer: PreTrainedTokenizerBase) -> None:
    packed = PackedTokenizer.pack(tokenizer)
    example: Example = make_example(3)
    assert tokenize(example, packed.unpack(), 256) == tokenize(example, tokenizer, 256)
    assert packed.unpack() is packed.unpack()


def test_a_base_model_that_is_not_there_is_a_clear_error(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="base_model"):
        load_tokenizer(str(tmp_path / "none"))


def test_a_tokenizer_without_a_chat_template_is_a_clear_error(tmp_path: Path) -> None:
    folder = make_tiny_model(tmp_path, ["some text"], vocabulary=300, hidden=8, layers=1, heads=1)
    (folder / "chat_template.jinja").unlink()
    with pytest.raises(ModelError, match="chat template"):
        load_tokenizer(str(folder))
