"""TensorBoard, Weights & Biases and MLflow: where curves can be watched while a training runs."""

from abc import ABC, abstractmethod
from collections.abc import Mapping
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from goat_ray.places import Place
from goat_ray.training.config import AgentTrainingConfig

FOLDER = "tensorboard"
"""Beside the output; the curves of each training are in a folder of its name and fingerprint."""


class Tracker(ABC):
    """Something that is told values at steps. A training that goes on after a kill goes on here, too."""

    @abstractmethod
    def log(self, step: int, values: Mapping[str, float]) -> None:
        """Numbers by name, after so many steps."""

    @abstractmethod
    def close(self) -> None:
        """All is told."""


class TensorBoard(Tracker):
    """Event files in a folder; what an earlier start wrote beyond ``resumed_at`` is not shown.

    In an object store they appear when it is closed: all is told, or the training has failed.
    """

    def __init__(self, folder: Place, resumed_at: int) -> None:
        from tensorboardX import SummaryWriter  # it comes with Ray Train, and without a second of imports

        self._stack = ExitStack()
        here = self._stack.enter_context(folder.filled())
        self._writer = SummaryWriter(str(here), purge_step=resumed_at + 1 if resumed_at else None)

    def log(self, step: int, values: Mapping[str, float]) -> None:
        for name, value in values.items():
            self._writer.add_scalar(name, value, step)

    def close(self) -> None:
        self._writer.close()
        self._stack.close()


class WeightsAndBiases(Tracker):
    """A run of a W&B project; the environment says where and as whom, as W&B documents it."""

    def __init__(self, project: str, name: str, settings: dict[str, Any], folder: Path | None) -> None:
        import wandb

        if folder is not None:
            folder.mkdir(parents=True, exist_ok=True)
        self._run = wandb.init(
            project=project,
            name=name,
            id=name,
            resume="allow",
            config=settings,
            dir=folder and str(folder),
            reinit="create_new",
        )

    def log(self, step: int, values: Mapping[str, float]) -> None:
        self._run.log(dict(values), step=step)

    def close(self) -> None:
        self._run.finish()


class MLflow(Tracker):
    """A run of an MLflow experiment; ``MLFLOW_TRACKING_URI`` says where."""

    def __init__(self, project: str, name: str, settings: dict[str, Any]) -> None:
        import mlflow

        self._client = mlflow.MlflowClient()
        experiment = mlflow.set_experiment(project).experiment_id
        earlier = self._client.search_runs([experiment], f"tags.`mlflow.runName` = '{name}'", max_results=1)
        run = earlier[0] if earlier else self._client.create_run(experiment, run_name=name)
        self._run = run.info.run_id
        if earlier:
            self._client.update_run(self._run, status="RUNNING")
        else:
            for key, value in settings.items():
                self._client.log_param(self._run, key, value)

    def log(self, step: int, values: Mapping[str, float]) -> None:
        for name, value in values.items():
            self._client.log_metric(self._run, name, value, step=step)

    def close(self) -> None:
        self._client.set_terminated(self._run)


def open_trackers(config: AgentTrainingConfig, output: Place, fingerprint: str, resumed_at: int) -> list[Tracker]:
    """Those that the configuration names, for the training that makes ``output``."""
    name = f"{output.name}-{fingerprint}"
    settings = config.model_dump(mode="json")
    made: list[Tracker] = []
    for tracker in dict.fromkeys(config.trackers):
        if tracker == "tensorboard":
            made.append(TensorBoard(output.parent / FOLDER / name, resumed_at))
        elif tracker == "wandb":
            made.append(WeightsAndBiases(config.project, name, settings, (output.parent / "wandb").local))
        else:
            made.append(MLflow(config.project, name, settings))
    return made
