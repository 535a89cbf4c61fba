"""Sends requests with all that a call needs around it: guards, limits, credentials, redirects, retries."""

import asyncio
import random
import time
import uuid
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace

import httpx2

from goat_ray import metering
from goat_ray.executors.executor import READS, TRANSIENT, CallResult
from goat_ray.executors.http.auth import Authenticator, AuthFailed, authenticator
from goat_ray.executors.http.cleaning import Cleaner
from goat_ray.executors.http.config import CallingConfig, HostConfig, OAuth2Auth
from goat_ray.executors.http.guard import GuardedTransport, Origin, origin
from goat_ray.executors.http.request import Draft
from goat_ray.executors.http.sending import Failed, Received, exchange
from goat_ray.executors.limits import CircuitOpen, Gate, Limits
from goat_ray.records import ApiFunction

IDEMPOTENT = ("GET", "HEAD", "OPTIONS", "PUT", "DELETE", "TRACE")  # RFC 9110, section 9.2.2
BROKEN = 500
BUSY = (429, 503)  # statuses whose Retry-After says when to come back
REDIRECTS = (301, 302, 303, 307, 308)

Reading = Callable[[Received], Received]


class Caller:
    """One process's way to some hosts. Lives in one event loop."""

    def __init__(
        self, config: CallingConfig, hosts: Sequence[HostConfig], limits: Limits, read: Reading = lambda as_is: as_is
    ) -> None:
        """``read`` says what a response means, before retries and limits look at it.

        Raises ``ConfigError`` where a credential is missing from the environment.
        """
        self.config = config
        self._read = read
        self.cleaner = Cleaner()
        self._hosts = _by_origin(hosts)
        self._authenticators = {host.host: authenticator(host, self.cleaner) for host in hosts}
        private: dict[Origin, bool] = {key: host.allow_private for key, host in self._hosts.items()}
        self._transport = GuardedTransport(private, sum(host.concurrency for host in hosts) or 1)
        process = uuid.uuid4().hex
        self._gates = {host.host: Gate(host.host, host, limits, process) for host in hosts}
        self._broken: dict[str, set[str]] = {host.host: set() for host in hosts}  # functions, since others worked

    async def call(self, draft: Draft, function: ApiFunction, *, repeatable: bool | None = None) -> CallResult:
        """The result of a request, tried again where that is safe: of idempotent methods unless said otherwise."""
        safe = draft.method in IDEMPOTENT if repeatable is None else repeatable
        time_left = _TimeLeft(self.config.deadline_s)
        for attempt in range(self.config.retries + 1):
            is_last = not safe or attempt == self.config.retries
            wait = random.uniform(0, self.config.backoff_s * 2**attempt)
            try:
                received = await self._authorised(draft, function, time_left)
            except Failed as failed:
                if is_last or not failed.retryable or not time_left.covers(wait):
                    return failure(failed.status, failed.problem)
            else:
                # the gate makes all calls to the host wait for what it asks
                if is_last or received.status not in TRANSIENT or not time_left.covers(max(wait, received.pause_s)):
                    return self._result(received)
                time_left.spend(received.pause_s)
            time_left.spend(wait)
            await asyncio.sleep(wait)
        raise AssertionError("the last attempt returns")

    async def settle(self) -> None:
        """Give back what the limits are still counting."""
        await asyncio.gather(*(gate.settle() for gate in self._gates.values()))

    async def close(self) -> None:
        """Close the connections."""
        await self.settle()
        await self._transport.aclose()

    def _result(self, received: Received) -> CallResult:
        body = self.cleaner.body(received.content, received.headers.get("content-type", ""))
        return CallResult(status=received.status, body=body, origin="real")

    async def _authorised(self, draft: Draft, function: ApiFunction, time_left: "_TimeLeft") -> Received:
        """The response with credentials, renewed once if the host refuses them."""
        host = self._host(draft.url)
        signer = self._authenticators[host.host]
        received = await self._followed(draft, function, signer, time_left)
        if received.status == 401 and signer is not None and signer.refused():
            received = await self._followed(draft, function, signer, time_left)
        return received

    async def _followed(
        self, draft: Draft, function: ApiFunction, signer: Authenticator | None, time_left: "_TimeLeft"
    ) -> Received:
        """The response behind all redirects. Each hop is checked, and signed only where the first one went."""
        home = httpx2.URL(draft.url)
        for _ in range(self.config.max_redirects + 1):
            here = httpx2.URL(draft.url)
            is_home = (here.scheme, origin(here)) == (home.scheme, origin(home))
            sent = replace(draft, headers=dict(draft.headers))
            if signer is not None and is_home:
                await self._sign(signer, sent, function, time_left)
            received = await self._once(sent, function, time_left)
            location = received.headers.get("location")
            if received.status not in REDIRECTS or not location:
                return received
            draft = _redirected(draft, received.status, location)
        raise Failed(508, "too-many-redirects")

    async def _sign(self, signer: Authenticator, draft: Draft, function: ApiFunction, time_left: "_TimeLeft") -> None:
        host = self._host(draft.url)
        in_plain_text = httpx2.URL(draft.url).scheme != "https"  # which a document may write HTTP
        if in_plain_text and not (host.allow_private or (host.server or "").lower().startswith("http:")):
            raise Failed(403, "insecure-server")  # anybody on the way could read the credentials

        async def send(token_request: Draft) -> tuple[int, bytes]:
            received = await self._once(token_request, function, time_left)
            return received.status, received.content

        try:
            await signer.sign(draft, function, send)
        except AuthFailed:
            raise Failed(401, "no-token") from None

    async def _once(self, draft: Draft, function: ApiFunction, time_left: "_TimeLeft") -> Received:
        host = self._host(draft.url).host
        gate = self._gates[host]
        try:
            await gate.enter()
        except CircuitOpen:
            raise Failed(503, "circuit-open") from None
        succeeded, failed, busy, pause_s = False, False, False, 0.0
        try:
            async with time_left.running():
                timeout_s, limit = self.config.timeout_s, self.config.max_response_bytes
                received = self._read(await exchange(self._transport, draft, timeout_s, limit))
            metering.count(f"status {received.status}", host)
            failed = received.status in (502, 503, 504) or self._is_broken(host, received.status, function)
            busy = received.status == 429
            succeeded = not failed and not busy and received.status != BROKEN
            if succeeded:
                self._broken[host].clear()
            pause_s = received.pause_s if received.status in BUSY else 0.0
            return received
        except Failed as error:
            metering.count(f"status {error.problem}", host)
            failed = error.retryable or error.problem == "deadline"
            raise
        finally:
            gate.leave(succeeded=succeeded, failed=failed, busy=busy, pause_s=pause_s)

    def _is_broken(self, host: str, status: int, function: ApiFunction) -> bool:
        """Whether it is the host that gives a 500: of one function alone it says nothing about the others."""
        if status != BROKEN:
            return False
        self._broken[host].add(function.id)
        return len(self._broken[host]) > 1

    def _host(self, url: str) -> HostConfig:
        try:
            found = httpx2.URL(url)
            host = self._hosts[origin(found)]
        except (KeyError, httpx2.InvalidURL, UnicodeError):
            raise Failed(403, "refused-host") from None
        if found.scheme not in ("http", "https") or found.userinfo:
            raise Failed(403, "refused-host")
        return host


class _TimeLeft:
    """What is left of a call's deadline. Waiting for permits does not count: others are to blame for it."""

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds

    def covers(self, seconds: float) -> bool:
        return self._seconds > seconds

    def spend(self, seconds: float) -> None:
        self._seconds -= seconds

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Spend the time of the block; raises ``Failed`` once nothing is left."""
        started = time.monotonic()
        try:
            async with asyncio.timeout(max(0.0, self._seconds)):
                yield
        except TimeoutError:
            raise Failed(504, "deadline") from None
        finally:
            self._seconds -= time.monotonic() - started


def failure(status: int, problem: str, detail: str = "") -> CallResult:
    """A call that gave no response of the API's."""
    body = {"error": problem, **({"message": detail} if detail else {})}
    return CallResult(status=status, body=body, origin="real", problem=problem)


def _redirected(draft: Draft, status: int, location: str) -> Draft:
    """The next request (RFC 9110, section 15.4); to another host without cookies."""
    try:
        here = httpx2.URL(draft.url)
        there = here.join(location)
    except (httpx2.InvalidURL, UnicodeError, ValueError):
        raise Failed(502, "bad-redirect") from None
    keeps = status in (307, 308) or draft.method in READS
    headers = {name: value for name, value in draft.headers.items() if keeps or name != "Content-Type"}
    return Draft(
        method=draft.method if keeps else "GET",
        url=str(there.copy_with(fragment=None)),
        headers=headers,
        cookies=draft.cookies if origin(here) == origin(there) else [],
        content=draft.content if keeps else None,
    )


def _by_origin(hosts: Sequence[HostConfig]) -> dict[Origin, HostConfig]:
    """Who is responsible for which host and port: by name, by base URL, or as the server that gives tokens."""
    found: dict[Origin, HostConfig] = {}
    for host in hosts:
        named = httpx2.URL(f"https://{host.host}")
        name, port = named.host.lower(), named.port
        tokens = [auth.token_url for auth in host.auth if isinstance(auth, OAuth2Auth)]
        urls = [*([host.server] if host.server else []), *tokens]
        origins = [(name, port)] if port else [(name, 443), (name, 80)]
        for key in [*origins, *(origin(httpx2.URL(url)) for url in urls)]:
            found.setdefault(key, host)
    return found
