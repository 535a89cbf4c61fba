"""Token rows as padded or packed tensors, and the loss on them."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pyarrow as pa
import torch
from torch.nn.functional import cross_entropy

from goat_ray.training.tokenization import IGNORED


@dataclass(frozen=True)
class Batch:
    """One forward pass: rows padded on the left, or all of them one after another in a single row."""

    input_ids: torch.Tensor  # [rows, length]
    attention_mask: torch.Tensor | None  # [rows, length], 0 on padding; None where rows are packed
    position_ids: torch.Tensor  # [rows, length], from 0 at each example's first token
    columns: torch.Tensor  # [kept]: where some row's next token has a loss; logits are needed there alone
    labels: torch.Tensor  # [rows, kept]: the token after each of these columns

    @property
    def tokens(self) -> int:
        """Tokens without padding."""
        return self.input_ids.numel() if self.attention_mask is None else int(self.attention_mask.sum())

    @property
    def trained(self) -> int:
        """Tokens with a loss."""
        return int((self.labels != IGNORED).sum())


Rows = list[torch.Tensor]


def micro_batches(table: pa.Table, count: int, padding: int, *, packed: bool = False) -> list[Batch]:
    """One worker's rows of one step in exactly ``count`` batches.

    Padded batches hold rows of like length; packed ones are of like length themselves. With fewer rows
    than batches the last ones hold a row without labels: all workers must make the same number of
    passes, and such a pass adds nothing to the loss or to the gradient.
    """
    ids = _lists(table.column("input_ids"))
    labels = _lists(table.column("labels"))
    order = sorted(range(len(ids)), key=lambda row: (len(ids[row]), row))
    size = -(-len(order) // count)
    slices = [slice(n, None, count) if packed else slice(n * size, (n + 1) * size) for n in range(count)]
    groups = [group for part in slices if (group := order[part])]
    make: Callable[[Rows, Rows], Batch] = pack if packed else lambda ids, labels: collate(ids, labels, padding)
    batches = [make([ids[row] for row in group], [labels[row] for row in group]) for group in groups]
    idle = make([ids[order[0]]], [torch.full_like(labels[order[0]], IGNORED)])
    return batches + [idle] * (count - len(batches))


def _lists(column: Any) -> Rows:
    return [torch.tensor(row.values.to_numpy(), dtype=torch.long) for row in column]


def collate(ids: Rows, labels: Rows, padding: int) -> Batch:
    """Pad rows of token ids and labels to one batch."""
    length = max(len(row) for row in ids)
    shape = (len(ids), length)
    input_ids = torch.full(shape, padding, dtype=torch.long)
    mask = torch.zeros(shape, dtype=torch.long)
    wanted = torch.full(shape, IGNORED, dtype=torch.long)
    for row, (tokens, row_labels) in enumerate(zip(ids, labels, strict=True)):
        start = length - len(tokens)
        input_ids[row, start:] = tokens
        mask[row, start:] = 1
        wanted[row, start + 1 :] = row_labels[1:]  # nothing stands before a row's first token
    return Batch(input_ids, mask, (mask.cumsum(1) - 1).clamp(min=0), *_next_tokens(wanted))


def pack(ids: Rows, labels: Rows) -> Batch:
    """Put rows one after another without padding.

    Positions start again at each row. Without an attention mask that is how transformers tells the rows
    apart: it makes the mask block-diagonal (SDPA, eager) or passes the borders on (FlashAttention).
    """
    wanted = [torch.cat([row.new_tensor([IGNORED]), row[1:]]) for row in labels]
    positions = torch.cat([torch.arange(len(row)) for row in ids])
    return Batch(torch.cat(ids)[None], None, positions[None], *_next_tokens(torch.cat(wanted)[None]))


def _next_tokens(wanted: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """The columns before trained tokens, and these tokens; one column without a loss if there are none."""
    columns = (wanted[:, 1:] != IGNORED).any(dim=0).nonzero().flatten()
    if not len(columns):
        return columns.new_zeros(1), torch.full_like(wanted[:, :1], IGNORED)
    return columns, wanted[:, columns + 1]


def summed_loss(model: Any, batch: Batch, device: torch.device) -> torch.Tensor:
    """Cross entropy summed over the batch's trained tokens.

    Logits are computed for the columns that need them: prompts are long and carry no loss, and the
    logits of a large vocabulary are the largest tensor of a training step.
    """
    mask = batch.attention_mask
    logits = model(
        input_ids=batch.input_ids.to(device),
        attention_mask=None if mask is None else mask.to(device),
        position_ids=batch.position_ids.to(device),
        logits_to_keep=batch.columns.to(device),
        use_cache=False,
    ).logits
    return cross_entropy(
        logits.flatten(0, 1).float(), batch.labels.to(device).flatten(), ignore_index=IGNORED, reduction="sum"
    )
