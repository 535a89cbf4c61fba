"""Any OpenAI-compatible endpoint as a teacher.

One kind of POST is all that is needed of the protocol, and it is made by aiohttp: the official library spends over
ten times the CPU time on each request, most of it in a connection pool that scans all requests in flight.
"""

import json
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

import aiohttp

from goat_ray.errors import ModelError
from goat_ray.hiding import Secrets
from goat_ray.retry_after import retry_after_s
from goat_ray.settings import environment_variable
from goat_ray.teacher.client import ENDPOINT_ERROR, TIMEOUT, TOO_LONG, ChatRequest, Completion, Schema, Setback
from goat_ray.teacher.config import OPENAI_URL, TeacherConfig
from goat_ray.teacher.task import Failure

_DETAIL_CHARACTERS = 300
_BUSY = (429, 503, 529)
_AGAIN = (408, 409, 425)  # besides 5xx


class OpenAiClient:
    """A ``ChatClient`` over HTTP with pooled connections. Lives in one event loop."""

    def __init__(self, config: TeacherConfig) -> None:
        self._config = config
        variable = config.api_key_env
        self._key = environment_variable(variable, place="teacher.api_key_env") if variable else ""
        self._secrets = Secrets([self._key])
        self._url = f"{config.base_url}/chat/completions"
        self._session = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(limit=0),  # the asker bounds what is in flight
            timeout=aiohttp.ClientTimeout(total=config.timeout_s),
            cookie_jar=aiohttp.DummyCookieJar(),
        )
        self._headers = {"content-type": "application/json"}
        if self._key:
            self._headers["authorization"] = f"Bearer {self._key}"
        self._forms: dict[str, tuple[Schema, str]] = {}  # by the schema's title
        # OpenAI's newer models refuse max_tokens, most other servers know nothing else.
        self._limit = "max_completion_tokens" if config.base_url == OPENAI_URL else "max_tokens"
        self._options = {"model": config.adapter or config.model, **config.sampling}

    async def attempt(self, request: ChatRequest) -> Completion | Failure:
        """Ask once (see ``ChatClient``); raises ``ModelError`` for a refused key or an unknown model."""
        limit = request.max_tokens or self._config.max_tokens
        form = self._form(request.schema) if request.schema is not None else json.dumps(self._options)[:-1] + ","
        if request.tools:
            form += f'"tools":{json.dumps(list(request.tools))},"parallel_tool_calls":false,'
        written = json.dumps([_with_text_arguments(message) for message in request.messages])
        body = f'{form}"{self._limit}":{limit},"seed":{request.seed},"messages":{written}}}'.encode()
        try:
            async with self._session.post(
                self._url, data=body, headers=self._headers, allow_redirects=False
            ) as response:
                return self._read(response.status, response.headers, await response.read(), limit)
        except TimeoutError:
            return Setback(TIMEOUT, f"No answer within {self._config.timeout_s:g} s.")
        except aiohttp.ClientError as error:
            return Setback("unreachable", self._tell(f"{type(error).__name__}: {error}"))

    def _form(self, schema: Schema) -> str:
        """The part of the body that all requests of a task share, open at its end; encoding it takes the longest."""
        known = self._forms.get(schema["title"])
        if known is None or known[0] is not schema:
            form = {"name": schema["title"], "schema": schema, "strict": _is_strict(schema)}
            shared = self._options | {"response_format": {"type": "json_schema", "json_schema": form}}
            known = self._forms[schema["title"]] = schema, json.dumps(shared)[:-1] + ","
        return known[1]

    async def close(self) -> None:
        """Close pooled connections."""
        await self._session.close()

    def _read(self, status: int, headers: Mapping[str, str], content: bytes, limit: int) -> Completion | Failure:
        try:
            body = json.loads(content)
        except (ValueError, RecursionError):
            body = None
        if status == 200 and body is None:  # a proxy's page, or half an answer
            return Setback(
                ENDPOINT_ERROR, self._tell(f"The reply is no JSON: {content[:80].decode('utf-8', 'replace')}")
            )
        if status == 200:
            return self._completion(body, limit)
        error = body.get("error") if isinstance(body, dict) else None
        error = error if isinstance(error, dict) else {"message": error or content.decode("utf-8", "replace")}
        told = self._tell(f"status {status}: {error.get('message') or ''}")
        self._raise_if_hopeless(status, error, told)
        pause_s = retry_after_s(headers.get("retry-after", ""), datetime.now(UTC))
        if status in _BUSY:
            reason = "rate-limited" if status == 429 else ENDPOINT_ERROR
            return Setback(reason, told, busy=True, retry_after_s=pause_s)
        if status in _AGAIN or status >= 500:
            return Setback(ENDPOINT_ERROR, told, retry_after_s=pause_s)
        # OpenAI names the case by its code, vLLM by the parameter at fault.
        if error.get("code") == "context_length_exceeded" or str(error.get("param")).startswith("input_"):
            return Failure(TOO_LONG, told)
        return Failure(ENDPOINT_ERROR, told)

    def _raise_if_hopeless(self, status: int, error: Mapping[str, Any], told: str) -> None:
        place = self._config.base_url
        if status in (401, 403):
            raise ModelError(
                f"the endpoint refuses the key: {told}",
                place=place,
                remedy=f"Check the key in the environment variable {self._config.api_key_env or '(none is set)'}, "
                "which teacher.api_key_env names",
            )
        if status == 404 or 300 <= status < 400:  # another place is not followed: the key was meant for this one
            raise ModelError(
                f"the endpoint does not serve {self._options['model']!r}: {told}",
                place=place,
                remedy="Check teacher.model and teacher.base_url",
            )
        if status == 402 or error.get("code") == "insufficient_quota":
            raise ModelError(
                f"the account behind the key has nothing left: {told}",
                place=place,
                remedy="Finished answers are kept. Top it up and run the same command again to go on",
            )

    def _completion(self, body: Any, limit: int) -> Completion | Failure:
        """The text of a reply; servers that are only nearly compatible leave parts out."""
        try:
            choice = body["choices"][0]
            message = choice["message"]
            usage = body.get("usage") or {}
            text, refusal = _said(message), message.get("refusal")
            spent = int(usage.get("prompt_tokens") or 0), int(usage.get("completion_tokens") or 0)
            cached = int((usage.get("prompt_tokens_details") or {}).get("cached_tokens") or 0)
        except (KeyError, IndexError, TypeError, AttributeError, ValueError, OverflowError):
            return Failure(ENDPOINT_ERROR, "The reply is no chat completion.")
        finish = choice.get("finish_reason")
        if finish == "length" and 0 < spent[1] < limit:
            return Failure(TOO_LONG, "The answer reached the end of the model's context.")
        if finish == "content_filter" or refusal:
            return Failure("refused", self._tell(str(refusal or "content filter")))
        return Completion(text, *spent, cached, truncated=finish == "length")

    def _tell(self, text: str) -> str:
        text = " ".join(text.split())
        return self._secrets.hide(text)[:_DETAIL_CHARACTERS]  # some servers repeat what they were sent


def _with_text_arguments(message: Any) -> Any:
    """A message as OpenAI takes it: the arguments of calls are text there, and objects in chat templates."""
    if "tool_calls" not in message:
        return message
    calls = [
        {**call, "function": {**call["function"], "arguments": json.dumps(call["function"]["arguments"])}}
        for call in message["tool_calls"]
    ]
    return {**message, "tool_calls": calls}


def _said(message: Mapping[str, Any]) -> str:
    """The text of a turn; the calls that a server has taken out of it go back in."""
    text = str(message.get("content") or "")
    for call in message.get("tool_calls") or []:
        function = call["function"]
        arguments = function.get("arguments") or "{}"  # its text is read, and judged, by who asked
        written = f'{{"name": {json.dumps(function["name"])}, "arguments": {arguments}}}'
        text = f"{text}\n<tool_call>\n{written}\n</tool_call>".lstrip()
    return text


def _is_strict(node: Any) -> bool:
    """Whether OpenAI's strict mode can express a schema: it knows no objects with free-form keys."""
    if isinstance(node, list):
        return all(map(_is_strict, node))
    if not isinstance(node, dict):
        return True
    if node.get("type") == "object" and node.get("additionalProperties") is not False:
        return False
    return all(map(_is_strict, node.values()))
