"""Makes of an untrusted response body what may be kept: JSON without secrets that every file can hold."""

from typing import Any

from goat_ray.hiding import Secrets
from goat_ray.storable import parsed, writable


class Cleaner:
    """Makes bodies and texts fit to be kept; ``learn`` adds secrets that are only known later."""

    def __init__(self) -> None:
        self._secrets = Secrets()
        self.learn = self._secrets.learn

    def text(self, text: str) -> str:
        """The text without secrets, and without lone surrogates, which no UTF-8 file can hold."""
        return self._secrets.hide(writable(text))

    def body(self, content: bytes, content_type: str) -> Any:
        """A body as JSON if it is JSON, else as a text, and None where it is empty or binary."""
        try:
            return self._secrets.hide_in(parsed(content))
        except ValueError:  # one that is nested too deep is kept as a text, too
            pass
        kind, _, rest = content_type.lower().partition(";")
        charset = rest.partition("charset=")[2].split(";")[0].strip(' "') or "utf-8"
        is_text = kind.startswith("text/") or kind.endswith(("xml", "json", "javascript", "urlencoded"))
        try:
            return self.text(content.decode(charset, "replace" if is_text else "strict")) or None
        except (LookupError, UnicodeDecodeError):
            return None
