"""The hosts' limits of the whole cluster: one Ray actor that all workers' executors talk to."""

from typing import Any

import ray
from ray.exceptions import RayActorError

from goat_ray.cluster import here
from goat_ray.executors.http.config import LimitsConfig
from goat_ray.executors.limits import Grant, LocalLimits, Report

NAME, NAMESPACE = "host-limits", "goat-ray"


class SharedLimits:
    """Limits that hold for all processes of the cluster, other runs included. Cheap to pickle."""

    def __init__(self) -> None:
        self._keeper: Any = None  # Ray types its handles as classes

    def start(self) -> None:
        """Called on the driver, which then keeps the actor alive; needs a connection to Ray."""
        self._keeper = _keeper()

    async def exchange(self, host: str, config: LimitsConfig, process: str, report: Report, want: int) -> Grant:
        """See ``HostLimits.exchange``."""
        if self._keeper is None:
            self._keeper = _keeper()
        try:
            grant: Grant = await self._keeper.exchange.remote(host, config, process, report, want)
        except RayActorError:
            # It ended with the run that started it, or with its node. The limits start afresh: worse, but not wrong.
            self._keeper = _keeper()
            grant = await self._keeper.exchange.remote(host, config, process, report, want)
        return grant


def _keeper() -> Any:
    actor = ray.remote(num_cpus=0)(LocalLimits)
    named = actor.options(name=NAME, namespace=NAMESPACE, get_if_exists=True, scheduling_strategy=here())
    return named.remote()
