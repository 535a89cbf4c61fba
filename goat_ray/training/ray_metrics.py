"""How a training goes, among Ray's metrics. The export adds ``ray_`` before the names."""

from collections.abc import Mapping

from ray.util.metrics import Gauge

from goat_ray.training.trackers import Tracker

METRICS: dict[str, tuple[str, tuple[str, ...]]] = {
    "goat_training_step": ("Steps that a training has done", ("training",)),
    "goat_training_loss": ("Mean loss of the latest steps", ("training",)),
    "goat_training_validation_loss": ("Of the latest evaluation", ("training",)),
    "goat_training_learning_rate": ("Of the latest step", ("training",)),
    "goat_training_tokens": ("Tokens read since the start", ("training",)),
    "goat_training_tokens_per_second": ("Over all workers, in the latest steps", ("training",)),
}
"""By name, each with its description and tags."""


class RayMetrics(Tracker):
    """Gauges, because a training that goes on after a kill counts from where it was."""

    def __init__(self, training: str) -> None:
        self._tags = {"training": training}
        self._gauges = {name: Gauge(name, description, tags) for name, (description, tags) in METRICS.items()}

    def log(self, step: int, values: Mapping[str, float]) -> None:
        for name, value in {"step": float(step), **values}.items():
            self._gauges[f"goat_training_{name}"].set(value, self._tags)

    def close(self) -> None:
        """Ray drops what is no longer reported."""
