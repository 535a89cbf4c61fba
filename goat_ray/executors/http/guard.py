"""Connections to hosts that the configuration names, at addresses that they may have.

A name is resolved here and the address that was checked is the one that is connected to, so no second
resolution can lead elsewhere (DNS rebinding). TLS still verifies the name, and so does the Host header.
"""

import asyncio
import ipaddress
import logging
import socket
from collections.abc import Iterable, Mapping
from typing import Any

import httpcore2
import httpx2

Origin = tuple[str, int]  # host in lower case, port

_NAT64 = ipaddress.IPv6Network("64:ff9b::/96")  # RFC 6052


class RefusedAddress(Exception):
    """The host has no address that may be called."""


def is_public(address: str) -> bool:
    """Whether an IP address, or the IPv4 address inside it, is reachable by everybody."""
    found = ipaddress.ip_address(address.partition("%")[0])
    if isinstance(found, ipaddress.IPv6Address):
        inner = found.ipv4_mapped or found.sixtofour or (found.teredo[1] if found.teredo else None)
        if inner is None and found in _NAT64:
            inner = ipaddress.IPv4Address(int(found) & 0xFFFFFFFF)
        if inner is not None:
            return is_public(str(inner))
        if found.is_site_local or found in ipaddress.IPv6Network("::/96"):
            return False
    # is_global knows the special registries; the others are reserved in ways that it leaves out.
    return found.is_global and not (found.is_multicast or found.is_reserved or found.is_unspecified)


def origin(url: httpx2.URL) -> Origin:
    """Host and port of a URL."""
    return url.host.lower().rstrip("."), url.port or (443 if url.scheme == "https" else 80)


class GuardedTransport(httpx2.AsyncHTTPTransport):
    """Pooled connections. Used without a client: no cookies, redirects, proxies or logs of URLs."""

    def __init__(self, private: Mapping[Origin, bool], connections: int) -> None:
        """``private`` says of each origin that may be called whether its addresses may be private."""
        super().__init__()
        # At level DEBUG it logs the headers of responses, and some servers repeat there what they were sent.
        logging.getLogger("httpcore2").setLevel(logging.INFO)
        self._pool = httpcore2.AsyncConnectionPool(
            ssl_context=httpx2.create_ssl_context(),
            max_connections=connections,
            max_keepalive_connections=connections,
            keepalive_expiry=30.0,
            network_backend=_Backend(private),
        )


class _Backend(httpcore2.AsyncNetworkBackend):
    def __init__(self, private: Mapping[Origin, bool]) -> None:
        self._private = private
        self._below = httpcore2.AnyIOBackend()

    async def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[Any] | None = None,
    ) -> httpcore2.AsyncNetworkStream:
        private = self._private.get((host.lower().rstrip("."), port))
        if private is None:
            raise RefusedAddress
        try:
            async with asyncio.timeout(timeout):
                found = await asyncio.get_running_loop().getaddrinfo(host, port, type=socket.SOCK_STREAM)
        except TimeoutError:
            raise httpcore2.ConnectTimeout from None
        except (OSError, UnicodeError):
            raise httpcore2.ConnectError from None
        addresses = dict.fromkeys(str(info[4][0]) for info in found)
        allowed = [address for address in addresses if private or is_public(address)]
        if not allowed:
            raise RefusedAddress
        for address in allowed:
            try:
                return await self._below.connect_tcp(address, port, timeout, local_address, socket_options)
            except (httpcore2.ConnectError, httpcore2.ConnectTimeout):
                if address == allowed[-1]:
                    raise
        raise AssertionError("some address was tried last")

    async def connect_unix_socket(
        self, path: str, timeout: float | None = None, socket_options: Iterable[Any] | None = None
    ) -> httpcore2.AsyncNetworkStream:
        raise RefusedAddress

    async def sleep(self, seconds: float) -> None:
        await self._below.sleep(seconds)
