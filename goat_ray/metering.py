"""What a process has counted beside its records: requests, tokens, cache hits.

One registry for each process, as in Prometheus' clients: whoever works counts, and the runner collects after
each batch, sums up over all workers for the manifest and exports to Ray's metrics. Nothing here knows of Ray.
"""

import threading
from collections import Counter

Count = tuple[str, str]  # what was counted, and for whom: ("prompt tokens", "judge-edge")

_counts: Counter[Count] = Counter()
_lock = threading.Lock()  # clients live in threads of their own


def count(what: str, whom: str, amount: int = 1) -> None:
    """Add to a count of this process."""
    if amount:
        with _lock:
            _counts[what, whom] += amount


def drain() -> dict[Count, int]:
    """All that was counted since the last call."""
    with _lock:
        drained = dict(_counts)
        _counts.clear()
    return drained
