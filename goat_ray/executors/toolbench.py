"""The toolbench executor: RapidAPI tools through the proxy of ToolBench or StableToolBench.

The proxy takes ``POST {category, tool_name, api_name, tool_input, strip, toolbench_key}`` and answers
``{"error", "response"}`` with status 200 whatever became of the call, so the error's text is mapped to a status.
"""

import re
from dataclasses import replace
from typing import Any
from urllib.parse import urlsplit

from pydantic import Field, field_validator

from goat_ray.executors.executor import READS, CallResult, SharedExecutor
from goat_ray.executors.http.auth import secret
from goat_ray.executors.http.caller import Caller, failure
from goat_ray.executors.http.config import CallingConfig, HostConfig, LimitsConfig, Method
from goat_ray.executors.http.request import Draft
from goat_ray.executors.http.sending import Received
from goat_ray.executors.limits import Limits, LocalLimits
from goat_ray.identity import canonical_json
from goat_ray.records import ApiFunction
from goat_ray.settings import VariableName, is_http_address
from goat_ray.storable import parsed

# How the proxies begin their errors, and what each means.
_ERRORS: tuple[tuple[str, int, str], ...] = (
    ("API not working error", 404, "not-working"),
    ("Unauthorized error", 401, "unauthorised"),
    ("Unsubscribed error", 403, "unsubscribed"),
    ("Too many requests error", 429, "rate-limited"),
    ("Rate limit per minute error", 429, "rate-limited"),
    ("Rate limit error", 429, "rate-limited"),
    ("Timeout error", 504, "timeout"),
    ("Message error", 422, "message-error"),  # the API's answer holds a message of an error
    ("request invalid", 422, "bad-arguments"),
    ("No such function name", 404, "not-found"),
)


class ToolbenchConfig(CallingConfig, LimitsConfig):
    """The ``executor.toolbench`` section."""

    url: str | None = Field(None, description="Of the proxy, e.g. http://127.0.0.1:8080/virtual.")
    key_env: VariableName | None = Field(
        None, description="Environment variable with the ToolBench key, if one is needed."
    )
    strip: str = Field("", description="How the proxy may shorten responses; empty for not at all.")
    allow_private: bool = Field(False, description="Whether the proxy may be on this machine or network.")
    allow_methods: list[Method] = Field(
        ["GET", "HEAD"], description="Of the APIs behind the proxy; others are refused."
    )

    @field_validator("url")
    @classmethod
    def _is_a_url(cls, url: str | None) -> str | None:
        if url is not None and not is_http_address(url):
            raise ValueError("starts with http:// or https:// and names a host")
        return url

    def host(self) -> HostConfig:
        """The proxy as a host with its limits."""
        assert self.url is not None
        limits = self.limits().model_dump()
        return HostConfig(host=urlsplit(self.url).netloc, allow_private=self.allow_private, server=self.url, **limits)


class ToolbenchExecutor(SharedExecutor):
    """Calls RapidAPI tools by category, tool and API name."""

    name = "toolbench"

    def __init__(self, config: ToolbenchConfig, limits: Limits | None = None) -> None:
        """Raises ``ConfigError`` where the key is missing from the environment."""
        assert config.url is not None
        self.config = config
        self._url = config.url
        self._caller = Caller(config, [config.host()], limits or LocalLimits(), read=as_told)
        self._key = secret(config.key_env, "executor.toolbench", self._caller.cleaner) if config.key_env else ""

    async def call(self, function: ApiFunction, arguments: dict[str, Any]) -> CallResult:
        if function.method not in self.config.allow_methods:
            return failure(405, "refused-method", f"{function.method} is not in executor.toolbench.allow_methods")
        question = {
            "category": _category(function.category),
            "tool_name": proxy_name(function.service),
            "api_name": proxy_name(function.name),
            "tool_input": {argument_name(name): value for name, value in arguments.items()},
            "strip": self.config.strip,
            "toolbench_key": self._key,
        }
        headers = {"Content-Type": "application/json"}
        content = canonical_json(question).encode("utf-8", "replace")
        # The question is a POST; whether it may be asked again depends on what it asks for.
        is_repeatable = function.method in READS
        result = await self._caller.call(
            Draft("POST", self._url, headers=headers, content=content), function, repeatable=is_repeatable
        )
        return answered(result)

    async def settle(self) -> None:
        await self._caller.settle()

    async def close(self) -> None:
        await self._caller.close()


def proxy_name(text: str) -> str:
    """A name as the proxies write it: lower case, ``_`` for all else, and no digit first."""
    name = re.sub(r"_+", "_", re.sub(r"[^0-9a-zA-Z_]", "_", text)).strip("_").lower()
    return f"get_{name}" if name[:1].isdigit() else name


def argument_name(text: str) -> str:
    """As ``proxy_name``; what Python, or the proxies' own code, could not call so begins with ``is_``."""
    name = proxy_name(text)
    return f"is_{name}" if name in ("from", "class", "return", "false", "true", "id", "and") else name


def _category(text: str) -> str:
    return re.sub(r"_+", "_", re.sub(r"[ ,/]", "_", text))


def as_told(received: Received) -> Received:
    """A proxy's answer with the status of an API that has too much to do, so that all calls are made more slowly."""
    if received.status != 200 or b"rror" not in received.content:
        return received
    body = _value(received.content)
    error = body.get("error") if isinstance(body, dict) else None
    return replace(received, status=429) if error and _meaning(error)[0] == 429 else received


def _meaning(error: Any) -> tuple[int, str]:
    """(status, problem) of a proxy's error."""
    known = ((status, problem) for start, status, problem in _ERRORS if str(error).lower().startswith(start.lower()))
    return next(known, (500, "proxy-error"))


def answered(result: CallResult) -> CallResult:
    """What the proxy's answer says of the call behind it."""
    body = result.body
    if result.problem or result.status not in (200, 429) or not isinstance(body, dict):
        return result
    response, error = _value(body.get("response")), body.get("error")
    if not error and "response" not in body:
        return result
    if not error:
        return CallResult(status=result.status, body=response, origin=result.origin)
    status, problem = _meaning(error)
    kept = {"error": error, **({"response": response} if response not in (None, "") else {})}
    return CallResult(status=status, body=kept, origin=result.origin, problem=problem)


def _value(response: Any) -> Any:
    """The proxies quote JSON as a text."""
    if isinstance(response, str | bytes):
        try:
            return parsed(response)
        except ValueError:
            return response
    return response
