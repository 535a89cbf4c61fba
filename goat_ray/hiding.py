"""Keeps secrets out of what is written: documents, traces, errors."""

import json
from collections.abc import Iterable
from typing import Any

HIDDEN = "***"
MIN_SECRET = 6  # characters; hiding anything shorter would blacken ordinary words


class Secrets:
    """Values that must not be shown, such as those of environment variables with tokens.

    The words after the first count as well: ``Bearer abc123`` is echoed as ``abc123`` by those who took the
    scheme off.
    """

    def __init__(self, values: Iterable[str]) -> None:
        parts = {part for value in values for part in (value.strip(), *value.split()[1:])}
        escaped = {json.dumps(part)[1:-1] for part in parts}  # as a text within a JSON text shows it
        self._parts = sorted((part for part in parts | escaped if len(part) >= MIN_SECRET), key=len, reverse=True)

    def hide(self, text: str) -> str:
        """The text with ``***`` in place of each secret."""
        for part in self._parts:
            text = text.replace(part, HIDDEN)
        return text

    def hide_in(self, value: Any) -> Any:
        """The JSON value with ``***`` in place of each secret inside its texts, keys and numbers."""
        if not self._parts:
            return value
        if isinstance(value, dict):
            return {self.hide(key): self.hide_in(item) for key, item in value.items()}
        if isinstance(value, list):
            return [self.hide_in(item) for item in value]
        if isinstance(value, str):
            return self.hide(value)
        is_number = isinstance(value, int | float) and not isinstance(value, bool)
        return HIDDEN if is_number and self.hide(str(value)) != str(value) else value
