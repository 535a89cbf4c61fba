"""Checkpoints of a DeepSpeed training: each rank's part of the states, and how far the training is."""

import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

import ray.train

from goat_ray.training.config import AgentTrainingConfig
from goat_ray.training.progress import Progress

if TYPE_CHECKING:
    from deepspeed import DeepSpeedEngine

VALIDATION_LOSS = "validation_loss"
"""What Ray Train compares checkpoints by, where the best are kept."""

_TAG = "state"  # DeepSpeed's name for what is in a checkpoint


class Checkpoints:
    """One rank's access to the checkpoints of a training; all ranks call each method together."""

    def __init__(self, engine: "DeepSpeedEngine", config: AgentTrainingConfig) -> None:
        self._engine = engine
        self._config = config

    def resume(self) -> Progress:
        """Load the latest checkpoint, if there is one, and say how far it is."""
        checkpoint = ray.train.get_checkpoint()
        return Progress() if checkpoint is None else self._load(checkpoint)

    def save(self, state: Progress, *, epoch_ended: bool) -> None:
        """Make a checkpoint of all ranks' parts; Ray Train puts them together and then counts it as done."""
        # Amid an epoch there is no validation loss: such a checkpoint is kept only while it is the latest.
        known = epoch_ended and state.validation_loss is not None
        metrics = {"step": state.step} | ({VALIDATION_LOSS: state.validation_loss} if known else {})
        with tempfile.TemporaryDirectory() as folder:
            self._engine.save_checkpoint(folder, tag=_TAG, exclude_frozen_parameters=self._config.adapters)
            if ray.train.get_context().get_world_rank() == 0:
                state.write(Path(folder))
            ray.train.report(
                metrics,
                checkpoint=ray.train.Checkpoint.from_directory(folder),
                checkpoint_dir_name=f"step-{state.step:08}",
            )

    def return_to_best(self) -> None:
        """Load the weights that had the lowest validation loss."""
        reported = [one for one in ray.train.get_all_reported_checkpoints() if VALIDATION_LOSS in one.metrics]
        self._load(min(reported, key=lambda one: one.metrics[VALIDATION_LOSS]).checkpoint)

    def _load(self, checkpoint: ray.train.Checkpoint) -> Progress:
        with checkpoint.as_directory() as folder:
            self._engine.load_checkpoint(folder, tag=_TAG, load_module_strict=not self._config.adapters)
            return Progress.read(Path(folder))
