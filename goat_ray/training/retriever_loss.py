"""InfoNCE where a query may need several documents, with cached gradients for batches beyond memory.

Every document of the batch, over all workers, that a query is not known to need is its negative. Each document that
it does need is told from those negatives alone: the other needed ones are no negatives of it.
"""

from collections.abc import Sequence
from typing import Any

import torch
import torch.distributed as dist
from sentence_transformers.base.losses.gradcache import CachedLossMixin, RandContext
from sentence_transformers.util import all_gather_with_grad
from torch import Tensor, nn
from torch.nn.functional import normalize

NEEDED, NEGATIVE, PADDING = 1, 0, -1
"""How a document of a batch stands to a query."""


def info_nce(logits: Tensor, relation: Tensor) -> Tensor:
    """Sum over all needed documents of ``-log softmax`` among the document and the query's negatives.

    Shapes: both [queries, documents]. ``relation`` holds ``NEEDED``, ``NEGATIVE`` or ``PADDING``. With one needed
    document a query this is InfoNCE (van den Oord et al. 2018); with more, the outer sum of supervised contrastive
    learning (Khosla et al. 2020, eq. 2) without the other positives in the denominator.
    """
    lowest = torch.finfo(logits.dtype).min  # minus infinity would give no gradient where a query has no negative
    negatives = logits.masked_fill(relation != NEGATIVE, lowest).logsumexp(dim=1, keepdim=True)
    return (torch.logaddexp(logits, negatives) - logits)[relation == NEEDED].sum()


class MultiPositiveLoss(CachedLossMixin, nn.Module):
    """``info_nce`` of this worker's queries and all workers' documents.

    With ``chunk``, texts pass through the model so many at a time, twice (gradient caching, Gao et al. 2021): memory
    no longer grows with the batch, at the price of one more forward pass. The gradients are the same.
    """

    def __init__(self, model: nn.Module, temperature: float, chunk: int | None, *, bf16: bool = False) -> None:
        super().__init__()
        self.model = model  # a SentenceTransformer, or DistributedDataParallel around one
        self.temperature = temperature
        self.chunk = chunk
        self.mini_batch_size = chunk or 0
        self.bf16 = bf16

    def forward(self, columns: Sequence[dict[str, Tensor]], relation: Tensor) -> Tensor:
        """The sum over this worker's pairs; ``columns`` are the tokens of its queries and of its documents."""
        if self.chunk is not None:
            summed: Tensor = self.forward_cached(columns, relation)
            return summed
        grad = torch.is_grad_enabled()
        whole = [self.embed_minibatch(column, 0, len(column["input_ids"]), grad, False)[0] for column in columns]
        return self.calculate_loss([[embeddings] for embeddings in whole], relation)

    def embed_minibatch(
        self, sentence_feature: dict[str, Tensor], *args: Any, **kwargs: Any
    ) -> tuple[Tensor, RandContext | None]:
        """The library's, in half precision if so wished: here, because ``backward`` embeds a second time."""
        with torch.autocast(sentence_feature["input_ids"].device.type, torch.bfloat16, enabled=self.bf16):
            return super().embed_minibatch(sentence_feature, *args, **kwargs)

    def calculate_loss(
        self, reps: list[list[Tensor]], labels: Tensor | None = None, *, with_backward: bool = False
    ) -> Tensor:
        """The loss from the embedded chunks of both columns; ``labels`` is the relation."""
        assert labels is not None
        queries, documents = (normalize(torch.cat(chunks).float()) for chunks in reps)
        if dist.is_initialized():
            documents = all_gather_with_grad(documents)
        loss = info_nce(queries @ documents.T / self.temperature, labels)
        if with_backward:
            loss.backward()  # type: ignore[no-untyped-call]
        return loss
