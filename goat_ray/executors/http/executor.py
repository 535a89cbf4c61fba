"""The http executor: calls the real API as its document describes it."""

from collections.abc import Sequence
from typing import Any
from urllib.parse import urlsplit

from goat_ray.executors.executor import CallResult, SharedExecutor
from goat_ray.executors.http.caller import Caller, failure
from goat_ray.executors.http.config import HostConfig, HttpConfig
from goat_ray.executors.http.request import BadArguments, draft
from goat_ray.executors.limits import Limits, LocalLimits
from goat_ray.records import ApiFunction


class HttpExecutor(SharedExecutor):
    """Calls the hosts that the configuration names, and no others. All sessions share one pool of connections."""

    name = "http"

    def __init__(self, config: HttpConfig, limits: Limits | None = None) -> None:
        """Raises ``ConfigError`` where a credential is missing from the environment."""
        self.config = config
        self._limits = limits or LocalLimits()
        self._caller = Caller(config, config.hosts, self._limits)

    async def call(self, function: ApiFunction, arguments: dict[str, Any]) -> CallResult:
        if function.method not in self.config.allow_methods:
            return failure(405, "refused-method", f"{function.method} is not in executor.http.allow_methods")
        host = _host(function, self.config.hosts)
        if host is None:
            return failure(403, "refused-host", "executor.http.hosts does not name the function's server")
        try:
            request = draft(function, arguments, host.server or function.server)
        except BadArguments as error:
            return failure(422, "bad-arguments", self._caller.cleaner.text(str(error)))
        except UnicodeError:
            return failure(422, "bad-arguments", "a text cannot be encoded")
        return await self._caller.call(request, function)

    async def settle(self) -> None:
        await self._caller.settle()

    async def close(self) -> None:
        await self._caller.close()


def _host(function: ApiFunction, hosts: Sequence[HostConfig]) -> HostConfig | None:
    """The configuration of the function's server, or of its service where the document names no server."""
    try:
        parts = urlsplit(function.server)
        port = parts.port
    except ValueError:
        return None
    if parts.hostname is None:
        return next((host for host in hosts if host.server and function.service in host.services), None)
    if parts.scheme not in ("http", "https") or "@" in parts.netloc or parts.query or parts.fragment:
        return None
    shown = f"[{parts.hostname}]" if ":" in parts.hostname else parts.hostname
    name = shown if port in (None, 80, 443) else f"{shown}:{port}"
    return next((host for host in hosts if host.host.lower() in (name, f"{shown}:{port}")), None)
