"""The contract for running API calls."""

from abc import ABC, abstractmethod
from typing import Any, ClassVar

from goat_ray.records import ApiFunction, Json, Origin, Part


class CallResult(Part):
    """What one call gave."""

    status: int  # HTTP status, or its nearest equivalent
    body: Json
    origin: Origin

    @property
    def ok(self) -> bool:
        """Whether the call succeeded (2xx)."""
        return 200 <= self.status < 300


class Session(ABC):
    """A conversation with the API whose writes are visible to its own later calls."""

    @abstractmethod
    async def call(self, function: ApiFunction, arguments: dict[str, Any]) -> CallResult:
        """Run one call. A failing call is a result with its status, never an exception."""


class Executor(ABC):
    """A backend that runs calls."""

    name: ClassVar[str]

    @abstractmethod
    def session(self) -> Session:
        """A fresh session. Backends that hold state (the sandbox) start it anew; others share one client."""
