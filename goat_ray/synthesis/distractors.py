"""The functions that a model must choose from: those that a sample needs, among others."""

from collections.abc import Sequence

from goat_ray.identity import rng
from goat_ray.records import ApiFunction
from goat_ray.storage import FunctionStore


def among_others(
    needed: Sequence[ApiFunction], store: FunctionStore, all_ids: Sequence[str], count: int, *seed: object
) -> list[ApiFunction]:
    """``count`` functions, shuffled: each needed one once, even beyond the count, and random others."""
    random_ = rng("candidates", *seed)
    distinct = {function.id: function for function in needed}
    room = max(0, count - len(distinct))
    others = random_.sample(all_ids, min(len(all_ids), room + len(distinct)))
    chosen = [*distinct.values(), *(store[id_] for id_ in others if id_ not in distinct)][: len(distinct) + room]
    random_.shuffle(chosen)
    return chosen
