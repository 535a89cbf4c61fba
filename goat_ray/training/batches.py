"""Token rows as padded tensors, and the loss on them."""

from dataclasses import dataclass
from typing import Any

import pyarrow as pa
import torch
from torch.nn.functional import cross_entropy

from goat_ray.training.tokenization import IGNORED


@dataclass(frozen=True)
class Batch:
    """One forward pass. Rows are padded on the left, so that all targets end in the last column."""

    input_ids: torch.Tensor  # [rows, length]
    attention_mask: torch.Tensor  # [rows, length], 0 on padding
    position_ids: torch.Tensor  # [rows, length], from 0 at each row's first token
    labels: torch.Tensor  # [rows, kept]: the last columns only, as many as any row's loss needs

    @property
    def tokens(self) -> int:
        """Tokens without padding."""
        return int(self.attention_mask.sum())

    @property
    def trained(self) -> int:
        """Tokens with a loss."""
        return int((self.labels[:, 1:] != IGNORED).sum())


def micro_batches(table: pa.Table, count: int, padding: int) -> list[Batch]:
    """One worker's rows of one step in exactly ``count`` batches, rows of like length together.

    With fewer rows than batches the last ones hold a row without labels: all workers must make the
    same number of passes, and such a pass adds nothing to the loss or to the gradient.
    """
    ids = _lists(table.column("input_ids"))
    labels = _lists(table.column("labels"))
    order = sorted(range(len(ids)), key=lambda row: (len(ids[row]), row))
    size = -(-len(order) // count)
    groups = [order[start : start + size] for start in range(0, len(order), size)]
    batches = [collate([ids[row] for row in group], [labels[row] for row in group], padding) for group in groups]
    idle = collate([ids[order[0]]], [torch.full_like(labels[order[0]], IGNORED)], padding)
    return batches + [idle] * (count - len(batches))


def _lists(column: Any) -> list[torch.Tensor]:
    return [torch.tensor(row.values.to_numpy(), dtype=torch.long) for row in column]


def collate(ids: list[torch.Tensor], labels: list[torch.Tensor], padding: int) -> Batch:
    """Pad rows of token ids and labels to one batch."""
    length = max(len(row) for row in ids)
    shape = (len(ids), length)
    input_ids = torch.full(shape, padding, dtype=torch.long)
    mask = torch.zeros(shape, dtype=torch.long)
    wanted = torch.full(shape, IGNORED, dtype=torch.long)
    for row, (tokens, row_labels) in enumerate(zip(ids, labels, strict=True)):
        input_ids[row, length - len(tokens) :] = tokens
        mask[row, length - len(tokens) :] = 1
        wanted[row, length - len(tokens) :] = row_labels
    trained = (wanted != IGNORED).any(dim=0).nonzero()
    first = int(trained[0]) if len(trained) else length - 1
    # A token is predicted from the one before it, so one column more than those with labels.
    return Batch(input_ids, mask, (mask.cumsum(1) - 1).clamp(min=0), wanted[:, max(first - 1, 0) :])


def summed_loss(model: Any, batch: Batch, device: torch.device) -> torch.Tensor:
    """Cross entropy summed over the batch's trained tokens.

    Logits are computed for the last columns alone: prompts are long and carry no loss, and the logits
    of a large vocabulary are the largest tensor of a training step.
    """
    labels = batch.labels.to(device)
    logits = model(
        input_ids=batch.input_ids.to(device),
        attention_mask=batch.attention_mask.to(device),
        position_ids=batch.position_ids.to(device),
        logits_to_keep=labels.shape[1],
        use_cache=False,
    ).logits
    return cross_entropy(
        logits[:, :-1].flatten(0, 1).float(), labels[:, 1:].flatten(), ignore_index=IGNORED, reduction="sum"
    )
