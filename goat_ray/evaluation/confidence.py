"""How sure a mean over benchmark tasks is: the bootstrap over tasks (Efron 1979), percentile method."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from scipy.stats import bootstrap

from goat_ray.identity import digest

RESAMPLES = 5_000
LEVEL = 0.95


def interval(values: Sequence[float], *seed: Any) -> tuple[float, float]:
    """(low, high) of the 95 % interval of the mean; the mean twice where all values are the same.

    ``seed`` says what is measured; the same measurement gets the same interval on any machine. It speaks of other
    tasks of the same kind only: that models and their training vary, too, is not in it.
    """
    data = np.asarray(values, dtype=float)
    if not len(data):
        raise ValueError("there is no interval without values")
    if (data == data[0]).all():
        return float(data[0]), float(data[0])
    result = bootstrap(
        (data,),
        np.mean,
        n_resamples=RESAMPLES,
        confidence_level=LEVEL,
        method="percentile",
        rng=np.random.default_rng(digest(*seed)),
    )
    return float(result.confidence_interval.low), float(result.confidence_interval.high)
