"""Makes of an untrusted response body what may be kept: JSON without secrets that every file can hold."""

import json
from typing import Any

from goat_ray.hiding import Secrets

MAX_DEPTH = 100  # levels of JSON; deeper bodies are kept as texts


class Cleaner:
    """Makes bodies and texts fit to be kept; ``learn`` adds secrets that are only known later."""

    def __init__(self) -> None:
        self._secrets = Secrets()
        self.learn = self._secrets.learn

    def text(self, text: str) -> str:
        """The text without secrets, and without lone surrogates, which no UTF-8 file can hold."""
        return self._secrets.hide(_writable(text))

    def body(self, content: bytes, content_type: str) -> Any:
        """A body as JSON if it is JSON, else as a text, and None where it is empty or binary."""
        try:
            # NaN and the infinities are no JSON.
            return self._secrets.hide_in(_storable(json.loads(content, parse_constant=lambda _: None), MAX_DEPTH))
        except (ValueError, RecursionError):
            pass
        kind, _, rest = content_type.lower().partition(";")
        charset = rest.partition("charset=")[2].split(";")[0].strip(' "') or "utf-8"
        is_text = kind.startswith("text/") or kind.endswith(("xml", "json", "javascript", "urlencoded"))
        try:
            return self.text(content.decode(charset, "replace" if is_text else "strict")) or None
        except (LookupError, UnicodeDecodeError):
            return None


def _storable(value: Any, depth: int) -> Any:
    """The JSON value as any file can hold it; raises ``RecursionError`` where it is nested too deep."""
    if not depth:
        raise RecursionError
    if isinstance(value, str):
        return _writable(value)
    if isinstance(value, dict):
        return {_writable(name): _storable(inner, depth - 1) for name, inner in value.items()}
    if isinstance(value, list):
        return [_storable(inner, depth - 1) for inner in value]
    return None if isinstance(value, float) and value - value != 0 else value  # 1e999 is read as infinity


def _writable(text: str) -> str:
    return text.encode("utf-8", "replace").decode()
