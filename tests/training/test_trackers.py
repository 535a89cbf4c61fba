"""Where curves go. W&B and MLflow are stand-ins that keep what they are told, as W&B's and MLflow's own stores do.

Neither is installed with the tests: mlflow-skinny asks for an older cachetools than the one that is pinned.
"""

import sys
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest
import torch

from goat_ray.places import Place
from goat_ray.training import agent_loop
from goat_ray.training.config import AgentTrainingConfig
from goat_ray.training.meter import Meter
from goat_ray.training.progress import Progress
from goat_ray.training.trackers import FOLDER, open_trackers

CURVE = {1: 4.0, 2: 2.0, 3: 1.0, 4: 0.5}


def test_curves_lie_beside_the_output_on_any_file_system(folder: Place) -> None:
    (tracker,) = open_trackers(AgentTrainingConfig(trackers=["tensorboard"]), folder / "agent", "id", resumed_at=0)
    tracker.log(1, {"loss": 2.0})
    tracker.close()
    (events,) = (folder / FOLDER / "agent-id").children()
    assert "tfevents" in events.name and len(events.read_bytes()) > 50


def test_a_store_has_the_curves_of_a_training_that_fails(store_folder: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    config = AgentTrainingConfig(trackers=["tensorboard"])

    class Failing:
        def __init__(self, job: Any, say: Any) -> None:
            trackers = open_trackers(config, store_folder / "agent", "id", resumed_at=0)
            self.meter = Meter(Progress(), 10, 1, torch.device("cpu"), None, trackers)

        def run(self) -> None:
            self.meter.validated(2.0, "epoch 1/3")
            raise RuntimeError("out of memory")

    context = SimpleNamespace(get_local_world_size=lambda: 1)
    monkeypatch.setattr(agent_loop.ray.train, "get_context", lambda: context)
    monkeypatch.setattr(agent_loop, "use_cores", lambda workers: None)
    monkeypatch.setattr(agent_loop, "_Worker", Failing)
    with pytest.raises(RuntimeError, match="out of memory"):
        agent_loop.agent_loop({"job": SimpleNamespace(config=config), "lines": SimpleNamespace(put=print)})
    (events,) = (store_folder / FOLDER / "agent-id").children()
    assert b"validation_loss" in events.read_bytes()


def train_twice(config: AgentTrainingConfig, output: Place) -> None:
    """Four steps; after the second a worker is restarted."""
    for resumed_at in (0, 2):
        (tracker,) = open_trackers(config, output, "id", resumed_at)
        for step in (resumed_at + 1, resumed_at + 2):
            tracker.log(step, {"loss": CURVE[step]})
        tracker.close()


def test_a_run_of_weights_and_biases_goes_on_after_a_restart(folder: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    opened: list[dict[str, Any]] = []
    told: dict[str, dict[int, float]] = {}
    finished: list[str] = []

    def init(**options: Any) -> SimpleNamespace:
        opened.append(options)
        name = options["id"]
        return SimpleNamespace(
            log=lambda values, step: told.setdefault(name, {}).update({step: values["loss"]}),
            finish=lambda: finished.append(name),
        )

    monkeypatch.setitem(sys.modules, "wandb", module("wandb", init=init))
    config = AgentTrainingConfig(trackers=["wandb"], project="tools")
    train_twice(config, folder / "agent")
    assert told == {"agent-id": CURVE} and finished == ["agent-id"] * 2
    assert all(one["resume"] == "allow" and one["project"] == "tools" for one in opened)
    assert opened[0]["config"] == config.model_dump(mode="json")
    assert opened[0]["dir"] == (str(folder / "wandb") if folder.local else None)  # a store is no folder of W&B's


class Client:
    """MLflow's, as far as it is used: runs of one experiment, by id."""

    runs: dict[str, SimpleNamespace]

    def search_runs(self, experiments: list[str], filter_string: str, max_results: int) -> list[SimpleNamespace]:
        wanted = filter_string.partition("tags.`mlflow.runName` = ")[2].strip("'")
        return [run for run in self.runs.values() if experiments == ["7"] and run.info.run_name == wanted][:max_results]

    def create_run(self, experiment: str, run_name: str) -> SimpleNamespace:
        info = SimpleNamespace(run_id=f"run-{len(self.runs)}", run_name=run_name)
        self.runs[info.run_id] = SimpleNamespace(info=info, status="RUNNING", parameters={}, curve={})
        return self.runs[info.run_id]

    def log_param(self, run: str, key: str, value: Any) -> None:
        assert key not in self.runs[run].parameters, "MLflow refuses to change a parameter"
        self.runs[run].parameters[key] = value

    def log_metric(self, run: str, name: str, value: float, step: int) -> None:
        assert self.runs[run].status == "RUNNING"
        self.runs[run].curve[step] = value

    def update_run(self, run: str, status: str) -> None:
        self.runs[run].status = status

    def set_terminated(self, run: str) -> None:
        self.runs[run].status = "FINISHED"


def test_a_run_of_mlflow_goes_on_after_a_restart(folder: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    Client.runs = {}
    experiment = SimpleNamespace(experiment_id="7")
    stand_in = module("mlflow", MlflowClient=Client, set_experiment=lambda name: experiment)
    monkeypatch.setitem(sys.modules, "mlflow", stand_in)
    train_twice(AgentTrainingConfig(trackers=["mlflow"]), folder / "agent")
    (run,) = Client.runs.values()
    assert (run.info.run_name, run.status, run.curve) == ("agent-id", "FINISHED", CURVE)
    assert run.parameters["epochs"] == 3


def module(name: str, **members: Any) -> ModuleType:
    """A module with these members."""
    made = ModuleType(name)
    vars(made).update(members)
    return made
