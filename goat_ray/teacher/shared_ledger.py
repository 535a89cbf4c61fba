"""The ledger of a budget as one named Ray actor that all workers of a run share."""

from typing import Any, Literal

import ray

from goat_ray.cluster import here
from goat_ray.identity import content_id
from goat_ray.places import Place
from goat_ray.teacher.budget import Ledger, LedgerAccess, Spend
from goat_ray.teacher.config import BudgetConfig


class _RayLedger:
    def __init__(self, actor: Any) -> None:
        self._actor = actor

    async def exchange(self, spent: Spend, unused: Spend, need: Spend) -> Spend | Literal["wait", "never"]:
        answer: Spend | Literal["wait", "never"] = await self._actor.exchange.remote(spent, unused, need)
        return answer


_mine: dict[str, Any] = {}  # handles that keep actors alive which this process made


def shared_ledger(config: BudgetConfig, file: Place | None) -> LedgerAccess | None:
    """Find or start the actor; None without a Ray cluster.

    It lives as long as the process that called first. ``Teacher.prepare`` does so on the driver.
    """
    if not ray.is_initialized():
        return None
    name = f"goat-budget-{content_id(str(file), config.model_dump())}"
    named = ray.remote(Ledger).options(name=name, get_if_exists=True, num_cpus=0, scheduling_strategy=here())
    _mine[name] = actor = named.remote(config, file)
    return _RayLedger(actor)
