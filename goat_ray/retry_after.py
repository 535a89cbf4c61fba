"""How long a server asks its clients to wait."""

import re
from datetime import datetime
from email.utils import parsedate_to_datetime

_SECONDS = re.compile(r"\s*-?\d+(\.\d+)?\s*")  # fractions are no standard, but sent


def retry_after_s(text: str, now: datetime) -> float | None:
    """Seconds from ``now`` that a ``Retry-After`` asks for, given as such or as a date; None for what is neither.

    RFC 9110, section 10.2.3.
    """
    try:
        seconds = float(text) if _SECONDS.fullmatch(text) else (parsedate_to_datetime(text) - now).total_seconds()
    except (ValueError, TypeError):
        return None
    return max(0.0, seconds)
