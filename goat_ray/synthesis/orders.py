"""Orders: what each plan should be like, decided before any is drawn, so that plans are independent of each other."""

from collections.abc import Mapping
from typing import NamedTuple

from goat_ray.synthesis.config import SamplingConfig
from goat_ray.synthesis.shapes import SHORTEST, Shape


class Cell(NamedTuple):
    """One kind of plan that quotas speak of."""

    length: int  # calls
    shape: Shape
    service: str = ""  # of the function that the plan grows from; empty for any


Mix = Mapping[Cell, float]
"""Relative shares of the kinds of plans."""


def configured_mix(config: SamplingConfig) -> dict[Cell, float]:
    """The mix of a configuration: lengths as they say, and shapes and services alike at each length."""
    services = config.services or {"": 1.0}
    mix: dict[Cell, float] = {}
    for length, share in config.lengths.items():
        possible: dict[Shape, float] = {s: w for s, w in config.shapes.items() if SHORTEST[s] <= length and w > 0}
        if length == 1 or not possible:
            possible = {"single" if length == 1 else "chain": 1.0}
        for shape, weight in possible.items():
            for service, part in services.items():
                mix[Cell(length, shape, service)] = (
                    share * weight / sum(possible.values()) * part / sum(services.values())
                )
    return {cell: weight for cell, weight in mix.items() if weight > 0}
