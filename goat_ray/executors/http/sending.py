"""One exchange on the wire: a request out, a bounded body in."""

import zlib
from dataclasses import dataclass
from datetime import UTC, datetime

import httpx2

from goat_ray.executors.http.guard import RefusedAddress
from goat_ray.executors.http.request import Draft
from goat_ray.retry_after import retry_after_s

MAX_PAUSE_S = 600.0  # nobody waits longer, whatever a Retry-After says
_GZIP_OR_ZLIB = 47  # zlib's window bits that tell the two apart by themselves


class Failed(Exception):
    """No usable response came: the nearest status, a short constant, and whether another try makes sense."""

    def __init__(self, status: int, problem: str, *, retryable: bool = False) -> None:
        self.status, self.problem, self.retryable = status, problem, retryable
        super().__init__(problem)


@dataclass(frozen=True)
class Received:
    """A whole response."""

    status: int
    headers: httpx2.Headers
    content: bytes

    @property
    def pause_s(self) -> float:
        """What Retry-After asks for, as seconds or as a date (RFC 9110, section 10.2.3); 0 where it is missing."""
        return retry_after(self.headers.get("retry-after", ""), datetime.now(UTC))


def retry_after(text: str, now: datetime) -> float:
    """Seconds to wait from ``now``, never more than ``MAX_PAUSE_S``; 0 for what cannot be read."""
    return min(retry_after_s(text, now) or 0.0, MAX_PAUSE_S)


async def exchange(transport: httpx2.AsyncBaseTransport, draft: Draft, timeout_s: float, limit: int) -> Received:
    """Send a request and read at most ``limit`` bytes of its response, also unpacked; raises ``Failed``.

    Nothing of a library's error is passed on: its text or cause may hold the URL, and so the key in it.
    """
    failure: Failed
    try:
        request = httpx2.Request(
            draft.method,
            draft.target,
            headers={"Accept": "application/json, */*;q=0.5", "Accept-Encoding": "gzip", **draft.all_headers},
            content=draft.content,
            extensions={"timeout": httpx2.Timeout(timeout_s, pool=None).as_dict()},
        )
        response = await transport.handle_async_request(request)
        try:
            return Received(response.status_code, response.headers, await _content(response, limit))
        finally:
            await response.aclose()
    except Failed as failed:
        failure = failed
    except RefusedAddress:
        failure = Failed(403, "refused-address")
    except httpx2.TimeoutException:
        failure = Failed(504, "timeout", retryable=True)
    except (httpx2.InvalidURL, httpx2.UnsupportedProtocol, httpx2.LocalProtocolError, UnicodeError):
        failure = Failed(400, "bad-request")
    except (httpx2.HTTPError, OSError):
        failure = Failed(502, "connection-failed", retryable=True)
    raise failure from None


async def _content(response: httpx2.Response, limit: int) -> bytes:
    coding = response.headers.get("content-encoding", "identity").strip().lower()
    if coding not in ("identity", "", "gzip", "x-gzip", "deflate"):
        raise Failed(502, "unknown-encoding")
    packed = coding not in ("identity", "")
    unpacker = zlib.decompressobj(_GZIP_OR_ZLIB)
    content = bytearray()
    async for chunk in response.aiter_raw():
        try:
            # One byte more than allowed is enough to see that there is too much.
            content += unpacker.decompress(chunk, limit + 1 - len(content)) if packed else chunk
        except zlib.error:
            raise Failed(502, "broken-encoding") from None
        if len(content) > limit:
            raise Failed(413, "too-large")
    return bytes(content)
