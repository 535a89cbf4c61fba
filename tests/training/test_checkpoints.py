"""A checkpoint that holds nothing; real ones are loaded in ``test_agent.py`` and ``test_adapter.py``."""

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import ray.train

from goat_ray.errors import RunError
from goat_ray.training.checkpoints import Checkpoints
from goat_ray.training.config import AgentTrainingConfig
from goat_ray.training.progress import Progress


def test_a_checkpoint_of_which_nothing_is_loaded_ends_the_training(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """DeepSpeed only says so in what it returns; the steps would count on with fresh weights."""
    engine: Any = SimpleNamespace(_config=SimpleNamespace(), load_checkpoint=lambda *_, **__: (None, None))
    Progress(step=7).write(tmp_path)
    monkeypatch.setattr(ray.train, "get_checkpoint", lambda: ray.train.Checkpoint.from_directory(str(tmp_path)))
    with pytest.raises(RunError, match="the checkpoint cannot be loaded"):
        Checkpoints(engine, AgentTrainingConfig()).resume()
