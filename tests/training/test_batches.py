from collections import Counter

import pyarrow as pa
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch.nn.functional import cross_entropy
from transformers import LlamaConfig, LlamaForCausalLM

from goat_ray.training.batches import Batch, micro_batches, summed_loss
from goat_ray.training.tokenization import IGNORED

PAD = 0


def table(*rows: tuple[list[int], list[int]]) -> pa.Table:
    ids, labels = ([row[side] for row in rows] for side in (0, 1))
    return pa.table(
        {"input_ids": pa.array(ids, pa.list_(pa.int32())), "labels": pa.array(labels, pa.list_(pa.int32()))}
    )


ROWS = table(
    ([5, 6, 7, 8, 9, 10], [IGNORED, IGNORED, IGNORED, 8, IGNORED, 10]),
    ([11, 12, 13], [IGNORED, 12, 13]),
    ([4, 5, 6, 7], [IGNORED, IGNORED, IGNORED, 7]),
)


def model(attention: str = "sdpa") -> LlamaForCausalLM:
    torch.manual_seed(0)
    config = LlamaConfig(
        vocab_size=20,
        hidden_size=16,
        intermediate_size=32,
        num_hidden_layers=2,
        num_attention_heads=2,
        attn_implementation=attention,
    )
    return LlamaForCausalLM(config)


def test_rows_of_like_length_go_together_and_end_in_the_last_column() -> None:
    short, long = micro_batches(ROWS, 2, PAD)
    assert short.input_ids.tolist() == [[PAD, 11, 12, 13], [4, 5, 6, 7]]
    assert short.attention_mask is not None and short.attention_mask.tolist() == [[0, 1, 1, 1], [1, 1, 1, 1]]
    assert short.position_ids.tolist() == [[0, 0, 1, 2], [0, 1, 2, 3]]
    assert (long.columns.tolist(), long.labels.tolist()) == ([2, 4], [[8, 10]])
    assert (short.tokens, short.trained, long.trained) == (7, 3, 2)


@pytest.mark.parametrize("packed", [False, True])
@pytest.mark.parametrize("attention", ["sdpa", "eager"])
def test_the_loss_is_that_of_each_row_alone(attention: str, packed: bool) -> None:
    network = model(attention)
    expected = torch.zeros(())
    for ids, labels in zip(ROWS["input_ids"].to_pylist(), ROWS["labels"].to_pylist(), strict=True):
        logits = network(input_ids=torch.tensor([ids])).logits[0, :-1]
        expected += cross_entropy(logits, torch.tensor(labels[1:]), ignore_index=IGNORED, reduction="sum")
    for count in (1, 2, 3):
        batches = micro_batches(ROWS, count, PAD, packed=packed)
        total = sum(summed_loss(network, batch, torch.device("cpu")) for batch in batches)
        torch.testing.assert_close(total, expected, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("packed", [False, True])
def test_missing_rows_become_passes_that_teach_nothing(packed: bool) -> None:
    batches = micro_batches(ROWS, 5, PAD, packed=packed)
    assert [batch.trained for batch in batches] == [2, 1, 2, 0, 0]
    network = model()
    loss = summed_loss(network, batches[-1], torch.device("cpu"))
    loss.backward()
    assert loss == 0
    assert all(parameter.grad is not None and not parameter.grad.any() for parameter in network.parameters())


def test_packed_batches_are_of_like_length_and_have_no_padding() -> None:
    first, second = micro_batches(ROWS, 2, PAD, packed=True)
    assert first.input_ids.tolist() == [[11, 12, 13, 5, 6, 7, 8, 9, 10]]
    assert first.position_ids.tolist() == [[0, 1, 2, 0, 1, 2, 3, 4, 5]]
    assert (first.tokens, second.tokens) == (9, 4)


token_rows = st.lists(st.tuples(st.integers(1, 19), st.booleans()), min_size=1, max_size=12)


def trained_tokens(batches: list[Batch]) -> Counter[tuple[int, int, int]]:
    """Each trained token with its position in its example and the token it is predicted from."""
    found: Counter[tuple[int, int, int]] = Counter()
    for batch in batches:
        for row, labels in enumerate(batch.labels.tolist()):
            for column, label in zip(batch.columns.tolist(), labels, strict=True):
                if label != IGNORED:
                    position = int(batch.position_ids[row, column]) + 1
                    found[position, int(batch.input_ids[row, column]), label] += 1
    return found


@given(rows=st.lists(token_rows, min_size=1, max_size=8), count=st.integers(1, 4))
def test_padding_and_packing_train_the_very_tokens_of_the_rows(rows: list[list[tuple[int, bool]]], count: int) -> None:
    examples = table(*(([i for i, _ in row], [i if kept else IGNORED for i, kept in row]) for row in rows))
    expected = Counter(
        (position, row[position - 1][0], row[position][0])
        for row in rows
        for position in range(1, len(row))
        if row[position][1]
    )
    for packed in (False, True):
        assert trained_tokens(micro_batches(examples, count, PAD, packed=packed)) == expected
