"""Keeps secrets out of what is written: documents, traces, errors."""

import base64
import json
from collections.abc import Iterable, Iterator
from typing import Any
from urllib.parse import quote, quote_plus

HIDDEN = "***"
MIN_SECRET = 6  # characters; hiding anything shorter would blacken ordinary words


class Secrets:
    """Values that must not be shown, such as those of environment variables with tokens.

    They are hidden however they are written: as they are, inside quoted JSON, in URLs, in Base64. The words after
    the first count as well: ``Bearer abc123`` is echoed as ``abc123`` by those who took the scheme off.
    """

    def __init__(self, values: Iterable[str] = ()) -> None:
        self._forms: list[str] = []
        self.learn(*values)

    def learn(self, *values: str) -> None:
        """Hide these, too, from now on."""
        forms = {form for value in values for part in (value.strip(), *value.split()[1:]) for form in _forms(part)}
        known = {*self._forms, *(form for form in forms if len(form) >= MIN_SECRET)}
        self._forms = sorted(known, key=len, reverse=True)

    def hide(self, text: str) -> str:
        """The text with ``***`` in place of each secret."""
        for form in self._forms:
            text = text.replace(form, HIDDEN)
        return text

    def hide_in(self, value: Any) -> Any:
        """The JSON value with ``***`` in place of each secret inside its texts, keys and numbers."""
        if not self._forms:
            return value
        if isinstance(value, dict):
            return {self.hide(key): self.hide_in(item) for key, item in value.items()}
        if isinstance(value, list):
            return [self.hide_in(item) for item in value]
        if isinstance(value, str):
            return self.hide(value)
        is_number = isinstance(value, int | float) and not isinstance(value, bool)
        return HIDDEN if is_number and self.hide(str(value)) != str(value) else value


def _forms(secret: str) -> Iterator[str]:
    yield from (secret, json.dumps(secret)[1:-1])
    yield from (quote(secret), quote(secret, safe=""), quote_plus(secret))
    yield base64.b64encode(secret.encode()).decode()
