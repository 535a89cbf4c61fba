"""Curves lie beside the output, also in an object store."""

from goat_ray.places import Place
from goat_ray.training.config import AgentTrainingConfig
from goat_ray.training.trackers import FOLDER, open_trackers


def test_curves_lie_beside_the_output_on_any_file_system(folder: Place) -> None:
    (tracker,) = open_trackers(AgentTrainingConfig(trackers=["tensorboard"]), folder / "agent", "id", resumed_at=0)
    tracker.log(1, {"loss": 2.0})
    tracker.close()
    (events,) = (folder / FOLDER / "agent-id").children()
    assert "tfevents" in events.name and len(events.read_bytes()) > 50
