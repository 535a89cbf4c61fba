import pyarrow as pa
import torch
from torch.nn.functional import cross_entropy
from transformers import LlamaConfig, LlamaForCausalLM

from goat_ray.training.batches import micro_batches, summed_loss
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


def model() -> LlamaForCausalLM:
    torch.manual_seed(0)
    config = LlamaConfig(
        vocab_size=20, hidden_size=16, intermediate_size=32, num_hidden_layers=2, num_attention_heads=2
    )
    return LlamaForCausalLM(config).eval()


def test_rows_of_like_length_go_together_and_end_in_the_last_column() -> None:
    short, long = micro_batches(ROWS, 2, PAD)
    assert short.input_ids.tolist() == [[PAD, 11, 12, 13], [4, 5, 6, 7]]
    assert short.attention_mask.tolist() == [[0, 1, 1, 1], [1, 1, 1, 1]]
    assert short.position_ids.tolist() == [[0, 0, 1, 2], [0, 1, 2, 3]]
    assert long.labels.tolist() == [[IGNORED, 8, IGNORED, 10]]
    assert (short.tokens, short.trained, long.trained) == (7, 3, 2)


def test_the_loss_is_that_of_each_row_alone() -> None:
    network = model()
    expected = torch.zeros(())
    for ids, labels in zip(ROWS["input_ids"].to_pylist(), ROWS["labels"].to_pylist(), strict=True):
        logits = network(input_ids=torch.tensor([ids])).logits[0, :-1]
        expected += cross_entropy(logits, torch.tensor(labels[1:]), ignore_index=IGNORED, reduction="sum")
    for count in (1, 2, 3):
        batches = micro_batches(ROWS, count, PAD)
        total = sum(summed_loss(network, batch, torch.device("cpu")) for batch in batches)
        torch.testing.assert_close(total, expected)


def test_missing_rows_become_passes_that_teach_nothing() -> None:
    batches = micro_batches(ROWS, 5, PAD)
    assert [batch.trained for batch in batches] == [2, 1, 2, 0, 0]
    network = model()
    loss = summed_loss(network, batches[-1], torch.device("cpu"))
    loss.backward()
    assert loss == 0
    assert all(parameter.grad is not None and not parameter.grad.any() for parameter in network.parameters())
