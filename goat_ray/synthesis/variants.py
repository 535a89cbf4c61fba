"""Plans of the same structure: some are wanted, as each fills in other values, and the surplus is dropped."""

from collections.abc import Iterable, Iterator, Sequence

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from goat_ray.records import CallPlan
from goat_ray.storage import KEPT, OUTCOME, REJECT_COLUMNS, REJECTED, Dataset

DUPLICATE = "duplicate-plan"
Keys = npt.NDArray[np.uint64]
Numbers = npt.NDArray[np.int64]


def distinct_plans(drawn: Dataset[CallPlan], earlier: Sequence[Dataset[CallPlan]], variants: int) -> Iterator[pa.Table]:
    """The drawn plans, of which the surplus are rejects now.

    A structure may occur ``variants`` times in ``earlier`` and here; those with the lowest order numbers stay,
    so the outcome does not depend on who drew what. Memory grows by 16 bytes a plan, here and earlier.
    """
    before = np.concatenate([np.empty(0, np.uint64), *(keys for one in earlier for keys, _ in _keys(one))])
    parts = list(_keys(drawn))
    structures = np.concatenate([np.empty(0, np.uint64), *(keys for keys, _ in parts)])
    numbers = np.concatenate([np.empty(0, np.int64), *(seeds for _, seeds in parts)])
    extra = surplus(structures, numbers, before, variants)
    for batch in drawn.batches(CallPlan.arrow_schema().names):
        dropped = pa.array(np.isin(batch["seed"].to_numpy(), extra))
        table = pa.table(batch).append_column(OUTCOME, pc.if_else(dropped, REJECTED, KEPT))
        reasons = pc.if_else(dropped, DUPLICATE, pa.scalar(None, pa.string()))
        details = pc.if_else(dropped, batch["structure"], pa.scalar(None, pa.string()))
        for name, column in zip(REJECT_COLUMNS, (reasons, details), strict=True):
            table = table.append_column(name, column)
        yield table


def surplus(structures: Keys, numbers: Numbers, before: Keys, variants: int) -> Numbers:
    """The order numbers, rising, of plans beyond so many of their structure, those ``before`` included."""
    order = np.lexsort((numbers, structures))
    structures, numbers = structures[order], numbers[order]
    known, counts = np.unique(before, return_counts=True)
    new = np.concatenate([[True], structures[1:] != structures[:-1]])[: len(structures)]
    firsts = np.flatnonzero(new)
    rank = np.arange(len(structures)) - np.repeat(firsts, np.diff(np.append(firsts, len(structures))))
    if len(known):
        at = np.minimum(np.searchsorted(known, structures), len(known) - 1)
        rank = rank + np.where(known[at] == structures, counts[at], 0)
    return np.sort(numbers[rank >= variants])


def _keys(plans: Dataset[CallPlan]) -> Iterator[tuple[Keys, Numbers]]:
    for batch in plans.batches(["structure", "seed"]):
        yield _numbers(batch["structure"].to_pylist()), batch["seed"].to_numpy()


def _numbers(ids: Iterable[str]) -> Keys:
    return np.array([int(id_, 16) for id_ in ids], np.uint64)
