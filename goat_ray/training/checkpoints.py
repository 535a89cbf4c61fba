"""Checkpoints of a DeepSpeed training: each rank's part of the states, and how far the training is."""

import os
import shutil
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stderr, redirect_stdout
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING
from uuid import uuid4

import ray.train
import torch.distributed as dist

from goat_ray.errors import RunError
from goat_ray.training.config import AgentTrainingConfig
from goat_ray.training.progress import Progress

if TYPE_CHECKING:
    from deepspeed import DeepSpeedEngine

VALIDATION_LOSS = "validation_loss"
"""What Ray Train compares checkpoints by, where the best are kept."""

UNKNOWN = sys.float_info.max
"""The loss of a checkpoint that has none. Where less is better Ray takes one without the number for the best of all,
and what it writes into its books of an infinity cannot be compared afterwards."""

_TAG = "state"  # DeepSpeed's name for what is in a checkpoint
_PARTS = "*_optim_states.pt"  # one of each worker, where the optimizer's states are divided among them


class Checkpoints:
    """One rank's access to the checkpoints of a training; all ranks call each method together."""

    def __init__(self, engine: "DeepSpeedEngine", config: AgentTrainingConfig) -> None:
        self._engine = engine
        self._config = config

    def resume(self) -> Progress:
        """Load the latest checkpoint, if there is one, and say how far it is."""
        checkpoint = ray.train.get_checkpoint()
        return Progress() if checkpoint is None else self._load(checkpoint)

    def save(self, state: Progress, *, evaluated: bool) -> None:
        """Make a checkpoint of all ranks' parts; Ray Train puts them together and then counts it as done."""
        # Without a validation loss of its own a checkpoint is kept only while it is the latest.
        loss = state.validation_loss if evaluated else None
        metrics = {"step": state.step, VALIDATION_LOSS: UNKNOWN if loss is None else loss}
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
        reported = ray.train.get_all_reported_checkpoints()
        self._load(min(reported, key=lambda one: one.metrics[VALIDATION_LOSS]).checkpoint)

    def _load(self, checkpoint: ray.train.Checkpoint) -> Progress:
        with checkpoint.as_directory() as name:
            folder = Path(name)
            state = Progress.read(folder)
            divided = any((folder / _TAG).glob(_PARTS))
            if divided and state.workers != ray.train.get_context().get_world_size():
                with _universal(folder) as universal:
                    self._read(universal, universal=True)
            else:
                self._read(folder, universal=False)
        return state

    def _read(self, folder: Path, *, universal: bool) -> None:
        # Which form it reads is a setting of the engine, but one that is looked at here only.
        self._engine._config.load_universal_checkpoint = universal
        loaded, _ = self._engine.load_checkpoint(str(folder), tag=_TAG, load_module_strict=not self._config.adapters)
        if loaded is None:  # DeepSpeed goes on, with the weights it had
            raise RunError(
                "the checkpoint cannot be loaded: DeepSpeed found no states in it",
                place=str(folder),
                remedy="Remove it from the run's storage to go on from the one before, or all to begin anew",
            )


@contextmanager
def _universal(folder: Path) -> Iterator[Path]:
    """A checkpoint in DeepSpeed's universal form, which any number of workers can load. All ranks enter together."""
    names = [f"goat-universal-{uuid4().hex}"]
    dist.broadcast_object_list(names, src=0)
    made = Path(tempfile.gettempdir()) / names[0]  # the workers of a node share one
    converts = ray.train.get_context().get_local_rank() == 0
    try:
        if converts:
            _convert(folder, made)
        dist.barrier()
        yield made
        dist.barrier()
    finally:
        if converts:
            shutil.rmtree(made, ignore_errors=True)


def _convert(folder: Path, made: Path) -> None:
    from deepspeed.checkpoint.ds_to_universal import main

    with open(os.devnull, "w") as nowhere, redirect_stdout(nowhere), redirect_stderr(nowhere):
        main(
            SimpleNamespace(
                input_folder=str(folder / _TAG),
                output_folder=str(made / _TAG),
                num_extract_workers=1,  # more would be forks of a process that holds devices and connections
                num_merge_workers=1,
                keep_temp_folder=False,
                strict=True,
                inject_missing_state=True,  # what only tensor parallelism needs
            )
        )
    (made / "latest_universal").write_text(_TAG, encoding="utf-8")
