"""Failures on purpose: some calls time out, break or come too fast, as with real services."""

from typing import Any

from goat_ray.executors.sandbox.config import FaultsConfig
from goat_ray.identity import content_id, rng
from goat_ray.rows import Json

_ANSWERS: dict[str, tuple[int, dict[str, Json]]] = {
    "timeout": (504, {"error": "timeout", "message": "the service did not answer in time"}),
    "server_error": (500, {"error": "internal error", "message": "something went wrong here; try again"}),
    "rate_limit": (429, {"error": "too many requests", "message": "slow down", "retry_after": 1}),
}


class Faults:
    """Decides which calls of one session fail.

    The choice follows from the seed and from all that the session called so far, so that the same trace
    fails alike everywhere, and the same call made again may succeed.
    """

    def __init__(self, config: FaultsConfig, seed: int) -> None:
        self._shares = [(name, share) for name, share in config.model_dump().items() if share]
        self._history = content_id("faults", seed)

    def strike(self, function: str, arguments: dict[str, Any]) -> tuple[int, Json] | None:
        """(status, body) if this call fails; None if it may go on. A call that fails changes nothing."""
        if not self._shares:
            return None
        self._history = content_id(self._history, function, repr(arguments))
        drawn = rng(self._history).random()
        for name, share in self._shares:
            drawn -= share
            if drawn < 0:
                status, body = _ANSWERS[name]
                return status, dict(body)
        return None
