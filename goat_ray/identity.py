"""Content-derived ids and seeds: the same record gets the same id and the same random choices everywhere."""

import hashlib
import json
import random
from typing import Any

ID_HEX_DIGITS = 16  # 64 bits: a collision among 10 M records has probability below 3e-6


def canonical_json(value: Any) -> str:
    """JSON text with sorted keys and no blanks; equal values give equal text."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False)


def content_id(*parts: Any) -> str:
    """A stable id of ``ID_HEX_DIGITS`` hex digits for JSON-serialisable parts."""
    return hashlib.sha256(canonical_json(parts).encode()).hexdigest()[:ID_HEX_DIGITS]


def rng(*parts: Any) -> random.Random:
    """A random generator seeded by content alone, never by time or process order."""
    digest = hashlib.sha256(canonical_json(parts).encode()).digest()
    return random.Random(int.from_bytes(digest[:8], "big"))
