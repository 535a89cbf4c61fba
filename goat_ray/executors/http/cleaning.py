"""Makes of an untrusted response body what may be kept: JSON without secrets that every file can hold."""

import base64
import json
from collections.abc import Iterable
from typing import Any
from urllib.parse import quote, quote_plus

from goat_ray.hiding import HIDDEN, Secrets

MAX_DEPTH = 100  # levels of JSON; deeper bodies are kept as texts


class Cleaner:
    """Hides secrets, however they are written; ``learn`` adds those that are only known later."""

    def __init__(self, secrets: Iterable[str] = ()) -> None:
        self._known: set[str] = set()
        self.learn(*secrets)

    def learn(self, *secrets: str) -> None:
        """Hide these from now on, also in URLs and in Base64."""
        for secret in secrets:
            if secret:
                self._known |= {secret, quote(secret), quote(secret, safe=""), quote_plus(secret)}
                self._known.add(base64.b64encode(secret.encode()).decode())
        self._secrets = Secrets(self._known)

    def text(self, text: str) -> str:
        """The text without secrets, and without lone surrogates, which no UTF-8 file can hold."""
        return self._secrets.hide(text).encode("utf-8", "replace").decode()

    def body(self, content: bytes, content_type: str) -> Any:
        """A body as JSON if it is JSON, else as a text, and None where it is empty or binary."""
        try:
            return self._value(json.loads(content), MAX_DEPTH)
        except (ValueError, RecursionError):
            pass
        kind, _, rest = content_type.lower().partition(";")
        charset = rest.partition("charset=")[2].split(";")[0].strip(' "') or "utf-8"
        is_text = kind.startswith("text/") or kind.endswith(("xml", "json", "javascript", "urlencoded"))
        try:
            return self.text(content.decode(charset, "replace" if is_text else "strict")) or None
        except (LookupError, UnicodeDecodeError):
            return None

    def _value(self, value: Any, depth: int) -> Any:
        if not depth:
            raise RecursionError
        if isinstance(value, str):
            return self.text(value)
        if isinstance(value, dict):
            return {self.text(name): self._value(inner, depth - 1) for name, inner in value.items()}
        if isinstance(value, list):
            return [self._value(inner, depth - 1) for inner in value]
        if isinstance(value, float) and value - value != 0:  # NaN and the infinities are no JSON
            return None
        return HIDDEN if self._secrets.hide(str(value)) != str(value) else value
