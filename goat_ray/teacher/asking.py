"""Asks a served model with patience: adaptive concurrency, retries, a circuit breaker and a budget."""

import asyncio
import random
import time
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import count

from goat_ray import metering
from goat_ray.errors import ModelError
from goat_ray.teacher.budget import Lease, Spend
from goat_ray.teacher.client import ENDPOINT_ERROR, TIMEOUT, ChatClient, ChatRequest, Completion, Schema, Setback, Tools
from goat_ray.teacher.limiter import AdaptiveLimit
from goat_ray.teacher.task import Failure, Message

_FIRST_DELAY_S = 0.5
_LONGEST_DELAY_S = 20.0
_HEALINGS = 8  # of one request, after which the endpoint seems to die of it
_REFUSALS = 50  # final ones in a row, after which the settings are at fault and not the requests
_SLOW_SHARE = 0.5  # of the timeout: later answers lower the concurrency
_CHARACTERS_PER_TOKEN = 3  # for a cautious estimate of what a prompt will cost


@dataclass(frozen=True)
class Patience:
    """How long to go on asking."""

    max_retries: int = 10  # of one request that fails while others are answered; waiting for a busy endpoint is none
    patience_s: float = 120.0  # for an endpoint that answers nothing
    timeout_s: float = 60.0  # of one attempt; the client enforces it


_PROBE = ChatRequest(
    [{"role": "user", "content": "Answer in JSON: {}"}],
    {"title": "Probe", "type": "object", "properties": {}, "additionalProperties": False},
    seed=0,
)


class Asker:
    """One endpoint and all that this process knows of its health.

    A failure is the request's own or the endpoint's. A request that keeps failing is given up as a value only
    once the endpoint is known to answer others: it has done so meanwhile, or it answers a small probe. An
    endpoint that answers nothing for ``patience_s`` is a ``ModelError`` that ends the run, which can be
    resumed, instead of turning every record into a reject.
    """

    def __init__(
        self, client: ChatClient, label: str, concurrency: int, patience: Patience, lease: Lease, max_tokens: int
    ) -> None:
        self.concurrency = concurrency
        self._client = client
        self._label = label
        self._patience = patience
        self._limit = AdaptiveLimit(concurrency, patience.timeout_s * _SLOW_SHARE)
        self._lease = lease
        self._max_tokens = max_tokens
        self._jitter = random.Random()  # noise that spreads retries; no answer depends on it
        self._answered = float("-inf")  # when the endpoint last answered anything
        self._ill_since: float | None = None
        self._failed = float("-inf")
        self._refused = 0  # in a row
        self._probing = asyncio.Lock()

    async def ask(
        self,
        messages: Sequence[Message],
        schema: Schema | None,
        seed: int,
        whom: str,
        max_tokens: int | None = None,
        tools: Tools = (),
    ) -> Completion | Failure:
        """Ask until there is an answer or no hope; raises ``ModelError`` and ``RunError`` for the whole run.

        What it costs is counted for ``whom``, each attempt as a request.
        """
        began = time.monotonic()
        failures = 0  # that the endpoint had time for
        for tries in count(1):
            result = await self._attempt(ChatRequest(messages, schema, seed, max_tokens, tools), whom)
            if not isinstance(result, Setback):
                self._check_refusals(result)
                return result
            failures += not result.busy
            self._check_patience(result, tries)
            if self._is_exhausted(result, failures, began) and await self._is_well(began):
                return result.plain()
            await asyncio.sleep(self._delay(tries, result))
        raise AssertionError("unreachable")

    async def settle(self) -> None:
        """Give back what is left of the lease on the budget: nothing will be asked for a while."""
        await self._lease.settle()

    async def close(self) -> None:
        """Release connections."""
        await self._client.close()

    async def _attempt(self, request: ChatRequest, whom: str) -> Completion | Failure:
        estimate = self._estimate(request) if self._lease.is_limited else Spend(requests=1)
        await self._lease.take(estimate)
        spent = Spend()
        try:
            began = time.monotonic()
            entered = await self._limit.enter()
            metering.count("queue wait ms", whom, round((entered - began) * 1000))
            spent = Spend(requests=1)  # from here on it may have reached the endpoint
            result = await self._within(entered, request)
            if isinstance(result, Completion):
                spent = Spend(1, result.prompt_tokens, result.completion_tokens)
                metering.count("cached prompt tokens", whom, result.cached_tokens)
            return result
        finally:
            self._lease.book(estimate, spent)
            metering.count("requests", whom, spent.requests)
            metering.count("prompt tokens", whom, spent.prompt_tokens)
            metering.count("completion tokens", whom, spent.completion_tokens)

    async def _within(self, entered: float, request: ChatRequest) -> Completion | Failure:
        """One attempt in a slot of the limit, which learns from how it went."""
        result: Completion | Failure | None = None
        try:
            result = await self._client.attempt(request)
        finally:
            setback = result if isinstance(result, Setback) else None
            overloaded = setback is not None and (setback.busy or setback.reason == TIMEOUT)
            self._limit.leave(entered, busy=overloaded, counts=result is not None)
        if setback is None:
            self._answered, self._ill_since = time.monotonic(), None
        elif setback.retry_after_s is not None:
            self._limit.pause(min(setback.retry_after_s, self._patience.patience_s))
        return result

    def _estimate(self, request: ChatRequest) -> Spend:
        characters = sum(len(message["content"]) for message in request.messages) + len(str(request.tools or ""))
        return Spend(1, characters // _CHARACTERS_PER_TOKEN + 1, request.max_tokens or self._max_tokens)

    # --- whose fault it is -----------------------------------------------------------------------

    def _is_exhausted(self, setback: Setback, failures: int, began: float) -> bool:
        if setback.busy:  # patience is all that a busy endpoint asks for
            return time.monotonic() - began > self._patience.patience_s
        return failures > self._patience.max_retries

    async def _is_well(self, began: float) -> bool:
        """Whether the endpoint answers others than the request that was first sent at ``began``."""
        if self._answered > began:
            return True
        if self._probing.locked():  # somebody is finding out
            return False
        async with self._probing:
            return not isinstance(await self._attempt(_PROBE, "probe"), Setback)

    def _check_refusals(self, result: Completion | Failure) -> None:
        """End the run where an endpoint accepts no request at all."""
        if not isinstance(result, Failure) or result.reason != ENDPOINT_ERROR:
            self._refused = 0
            return
        self._refused += 1
        if self._refused >= _REFUSALS:
            raise ModelError(
                f"the endpoint has refused {self._refused} requests in a row: {result.detail}",
                place=self._label,
                remedy="Finished answers are kept. Check the teacher section of the configuration against what the "
                "endpoint supports, and run the same command again to go on",
            )

    def _check_patience(self, setback: Setback, tries: int) -> None:
        """Open the circuit, for good, when nothing has been answered for too long."""
        now, patience = time.monotonic(), self._patience.patience_s
        if setback.healed and tries <= _HEALINGS:
            self._ill_since = None  # an engine that starts anew with a big model takes longer than anyone's patience
        # Of one that hangs, failures come an attempt and a pause apart; where none came for longer, nobody asked.
        if self._ill_since is None or now - self._failed > patience + self._patience.timeout_s + 2 * _LONGEST_DELAY_S:
            self._ill_since = now
        self._failed = now
        if now - self._ill_since > patience:
            raise ModelError(
                f"the endpoint has answered nothing for {patience:g} s; the latest failure: "
                f"{setback.reason} {setback.detail}".rstrip(". "),
                place=self._label,
                remedy="Finished answers are kept. See to the endpoint, or raise teacher.patience_s, and run the "
                "same command again to go on",
            )

    def _delay(self, tries: int, setback: Setback) -> float:
        """Seconds to wait: what the endpoint asks for, else doubling; plus up to as much again, at random."""
        longest = min(_LONGEST_DELAY_S, self._patience.patience_s / 4)
        base = min(longest, _FIRST_DELAY_S * 2.0 ** min(tries - 1, 10))
        if setback.retry_after_s is not None:
            base = min(setback.retry_after_s, self._patience.patience_s)
            return base + self._jitter.uniform(0, min(1.0, base))
        return base * self._jitter.uniform(0.5, 1.5)
