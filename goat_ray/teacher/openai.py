"""Any OpenAI-compatible endpoint as a teacher."""

import os
from collections.abc import Sequence
from typing import Any

import openai
from openai import AsyncOpenAI

from goat_ray.errors import ConfigError, ModelError
from goat_ray.teacher.chat import Schema
from goat_ray.teacher.config import OPENAI_URL, TeacherConfig
from goat_ray.teacher.task import Failure, Message

_DETAIL_CHARACTERS = 300


class OpenAiClient:
    """A ``ChatClient`` on the official library, which pools connections and retries with backoff.

    Retried by the library, by type: lost connections, timeouts, and the statuses 408, 409, 429 and 5xx.
    """

    def __init__(self, config: TeacherConfig) -> None:
        self._config = config
        self._key = _read_key(config.api_key_env)
        self._client = AsyncOpenAI(
            # Never None: the library would then send OPENAI_API_KEY to whatever endpoint is configured.
            api_key=self._key or "none",
            base_url=config.base_url,
            timeout=config.timeout_s,
            max_retries=config.max_retries,
        )
        # OpenAI's newer models refuse max_tokens, most other servers know nothing else.
        limit = "max_completion_tokens" if config.base_url == OPENAI_URL else "max_tokens"
        self._options: dict[str, Any] = {
            "model": config.model,
            "temperature": config.temperature,
            limit: config.max_tokens,
        }

    async def complete(self, messages: Sequence[Message], schema: Schema, seed: int) -> str | Failure:
        """Ask once (see ``ChatClient``); raises ``ModelError`` for a refused key or an unknown model."""
        form = {
            "type": "json_schema",
            "json_schema": {"name": schema["title"], "schema": schema, "strict": _is_strict(schema)},
        }
        request = self._options | {"messages": list(messages), "response_format": form, "seed": seed}
        try:
            completion = await self._client.chat.completions.create(**request)
        except (openai.AuthenticationError, openai.PermissionDeniedError) as error:
            raise ModelError(
                f"the endpoint refuses the key: {self._tell(error)}",
                place=self._config.base_url,
                remedy=f"Check the key in the environment variable {self._config.api_key_env or '(none is set)'}, "
                "which teacher.api_key_env names",
            ) from None
        except openai.NotFoundError as error:
            raise ModelError(
                f"the endpoint does not serve {self._config.model!r}: {self._tell(error)}",
                place=self._config.base_url,
                remedy="Check teacher.model and teacher.base_url",
            ) from None
        except openai.APIError as error:
            return Failure(_reason(error), self._tell(error))
        return _text(completion)

    async def close(self) -> None:
        """Close pooled connections."""
        await self._client.close()

    def _tell(self, error: openai.APIError) -> str:
        text = " ".join(error.message.split())
        if self._key:  # some servers repeat what they were sent
            text = text.replace(self._key, "***")
        return text[:_DETAIL_CHARACTERS]


def _read_key(variable: str) -> str:
    if not variable:
        return ""
    key = os.environ.get(variable, "").strip()
    if not key:
        raise ConfigError(
            f"the environment variable {variable} is not set in the process that asks the teacher",
            place="teacher.api_key_env",
            remedy=f"Set {variable} on every node before Ray starts there, or pass it through the runtime environment",
        )
    return key


def _reason(error: openai.APIError) -> str:
    if isinstance(error, openai.APITimeoutError):
        return "timeout"
    if isinstance(error, openai.APIConnectionError):
        return "unreachable"
    if isinstance(error, openai.RateLimitError):
        return "rate-limited"
    return "endpoint-error"


def _text(completion: Any) -> str | Failure:
    """The text of a completion; servers that are only nearly compatible leave parts out."""
    if not getattr(completion, "choices", None):
        return Failure("endpoint-error", "The reply has no choices.")
    choice = completion.choices[0]
    if choice.finish_reason == "length":
        return Failure("truncated", "The answer reached teacher.max_tokens.")
    if choice.finish_reason == "content_filter" or choice.message.refusal:
        return Failure("refused", (choice.message.refusal or "content filter")[:_DETAIL_CHARACTERS])
    return choice.message.content or ""


def _is_strict(node: Any) -> bool:
    """Whether OpenAI's strict mode can express a schema: it knows no objects with free-form keys."""
    if isinstance(node, list):
        return all(map(_is_strict, node))
    if not isinstance(node, dict):
        return True
    if node.get("type") == "object" and node.get("additionalProperties") is not False:
        return False
    return all(map(_is_strict, node.values()))
