"""Which split a sample belongs to: nothing in training touches what is held out."""

from collections.abc import Sequence
from functools import lru_cache

from pydantic import Field

from goat_ray.identity import rng
from goat_ray.records import ExecutedCall, Split
from goat_ray.settings import Settings


class SplitsConfig(Settings):
    """What is held out."""

    validation: float = Field(0.05, ge=0, lt=1, description="Share of the subgraphs.")
    test: float = Field(0.1, ge=0, lt=1, description="Share of the subgraphs.")
    unseen_functions: float = Field(
        0.0,
        ge=0,
        lt=1,
        description="Share of the functions that no sample of another split calls. All samples that do are the split "
        "'unseen', a greater share of the samples than this.",
    )
    seed: int = 0


def split_of(calls: Sequence[ExecutedCall], config: SplitsConfig) -> Split:
    """By the functions and the links between them, so that equal subgraphs fall together."""
    if any(is_unseen(call.function, config.unseen_functions, config.seed) for call in calls):
        return "unseen"
    links = {
        (call.function, argument.parameter, calls[argument.step].function)
        for call in calls
        for argument in call.arguments
        if argument.step is not None
    }
    at = rng("split", config.seed, sorted({call.function for call in calls}), sorted(links)).random()
    if at < config.test:
        return "test"
    return "validation" if at < config.test + config.validation else "train"


@lru_cache(maxsize=1 << 17)
def is_unseen(function: str, share: float, seed: int) -> bool:
    """Whether a function is among the share that only the split 'unseen' calls."""
    return rng("unseen", seed, function).random() < share
