"""One step of training, however its examples are spread over workers and passes."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

import torch
import torch.distributed as dist

from goat_ray.training.batches import Batch, summed_loss

if TYPE_CHECKING:
    from deepspeed import DeepSpeedEngine


def train_step(engine: "DeepSpeedEngine", passes: Sequence[Batch]) -> list[torch.Tensor]:
    """Update the weights by this rank's passes of one step; returns the loss of each, summed over its trained tokens.

    All ranks call it together, each with as many passes as the engine accumulates.
    """
    trained = torch.tensor(float(sum(batch.trained for batch in passes)), device=engine.device)
    dist.all_reduce(trained)
    # DeepSpeed averages gradients over workers and passes. Undoing that and dividing by the tokens of
    # the whole step gives the mean over tokens, however the examples are spread.
    scale = dist.get_world_size() * len(passes) / trained
    losses = []
    for batch in passes:
        loss = summed_loss(engine, batch, engine.device)
        engine.backward(loss * scale)
        engine.step()
        losses.append(loss.detach())
    return losses
