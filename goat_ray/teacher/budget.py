"""What may be spent on a teacher: one ledger for the whole cluster, and leases that processes take from it.

A process that asked the ledger for each request would wait for it each time. It takes a lease on several
requests at once instead, books what they really cost, and gives the rest back as soon as it has nothing to
ask. What is leased counts as spent until then, so that no crash can make the total exceed the budget.
"""

import asyncio
import time
from dataclasses import asdict, dataclass
from typing import Literal, Protocol

from goat_ray.errors import RunError
from goat_ray.places import Place
from goat_ray.storage import read_json, write_json
from goat_ray.teacher.config import BudgetConfig

_BATCH = 64  # requests per lease, while there is plenty
_SHARE = 8  # a lease is at most this part of what is left, so that no process starves the others
_POLL_S = 0.2
_PATIENCE_S = 900.0  # for what others hold; longer than a request may take with its retries


@dataclass(frozen=True, slots=True)
class Spend:
    """Requests and tokens."""

    requests: int = 0
    prompt_tokens: int = 0
    completion_tokens: int = 0

    def __add__(self, other: "Spend") -> "Spend":
        return Spend(
            self.requests + other.requests,
            self.prompt_tokens + other.prompt_tokens,
            self.completion_tokens + other.completion_tokens,
        )

    def __mul__(self, factor: int) -> "Spend":
        return Spend(self.requests * factor, self.prompt_tokens * factor, self.completion_tokens * factor)

    def __sub__(self, other: "Spend") -> "Spend":
        return self + other * -1

    def covers(self, other: "Spend") -> bool:
        """Whether ``other`` can be taken from this."""
        return (
            self.requests >= other.requests
            and self.prompt_tokens >= other.prompt_tokens
            and self.completion_tokens >= other.completion_tokens
        )


class Ledger:
    """All that a run has spent and leased; kept in a file, so that a resumed run goes on counting."""

    def __init__(self, config: BudgetConfig, file: Place | None) -> None:
        self._config = config
        self._file = file
        written = read_json(file) if file is not None else None
        self._spent = Spend(**written) if written is not None else Spend()  # what was leased at a crash is spent
        self._leased = Spend()

    def exchange(self, spent: Spend, unused: Spend, need: Spend) -> Spend | Literal["wait", "never"]:
        """Book what of a lease was spent, take back what was not, and lease for at least ``need``.

        "wait" says that others may still give back enough. An empty need is always granted, as nothing.
        """
        self._leased -= spent + unused
        self._spent += spent
        answer: Spend | Literal["wait", "never"]
        if not need.requests:
            answer = Spend()
        elif self._fits(self._spent + self._leased + need):
            answer = self._grant(need)
        else:
            answer = "wait" if self._fits(self._spent + need) else "never"
        self._save()
        return answer

    def _grant(self, need: Spend) -> Spend:
        factor = _BATCH
        while factor > 1 and not self._fits(self._spent + self._leased + need * (factor * _SHARE)):
            factor //= 2
        self._leased += need * factor
        return need * factor

    def _fits(self, total: Spend) -> bool:
        limit = self._config
        return (
            (limit.requests is None or total.requests <= limit.requests)
            and (limit.tokens is None or total.prompt_tokens + total.completion_tokens <= limit.tokens)
            and (limit.usd is None or self._config.price(total.prompt_tokens, total.completion_tokens) <= limit.usd)
        )

    def _save(self) -> None:
        if self._file is not None:
            write_json(self._file, asdict(self._spent + self._leased))


class LedgerAccess(Protocol):
    """A ledger as a process reaches it: in the process itself, or through Ray."""

    async def exchange(self, spent: Spend, unused: Spend, need: Spend) -> Spend | Literal["wait", "never"]:
        """See ``Ledger.exchange``."""


class LocalLedger:
    """A ledger in this process."""

    def __init__(self, ledger: Ledger) -> None:
        self._ledger = ledger

    async def exchange(self, spent: Spend, unused: Spend, need: Spend) -> Spend | Literal["wait", "never"]:
        return self._ledger.exchange(spent, unused, need)


class Lease:
    """This process's part of the budget; without a ledger there is no limit and nothing to do."""

    def __init__(self, ledger: LedgerAccess | None, remedy: str) -> None:
        self.is_limited = ledger is not None
        self._ledger = ledger
        self._remedy = remedy
        self._unused = Spend()  # may go below zero where an answer cost more than estimated
        self._spent = Spend()
        self._asking = asyncio.Lock()

    async def take(self, estimate: Spend) -> None:
        """Reserve what one request may cost; raises ``RunError`` when the budget is spent.

        What others hold and do not give back for a long time counts as spent, too: a killed process never does.
        """
        if self._ledger is None:
            return
        if not self._unused.covers(estimate):
            async with self._asking:  # one at a time; those behind mostly find enough
                deadline = time.monotonic() + _PATIENCE_S
                while not self._unused.covers(estimate):
                    await self._exchange(estimate, wait=time.monotonic() < deadline)
        self._unused -= estimate

    def book(self, estimate: Spend, actual: Spend) -> None:
        """A request is over: it cost ``actual``, and ``estimate`` had been reserved for it."""
        if self._ledger is not None:
            self._unused += estimate - actual
            self._spent += actual

    async def settle(self) -> None:
        """Give back what is unused."""
        if self._ledger is not None:
            async with self._asking:
                await self._exchange(Spend())

    async def _exchange(self, need: Spend, *, wait: bool = True) -> None:
        assert self._ledger is not None
        spent, unused = self._spent, self._unused
        self._spent = self._unused = Spend()
        granted = await self._ledger.exchange(spent, unused, need)
        if granted == "never" or (granted == "wait" and not wait):
            raise RunError("the teacher's budget is spent", place="teacher.budget", remedy=self._remedy)
        if granted == "wait":
            await asyncio.sleep(_POLL_S)
        else:
            self._unused += granted
