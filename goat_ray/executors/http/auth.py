"""Adds credentials to requests. They come from environment variables and go to the host they are meant for."""

import asyncio
import base64
import json
import time
from collections.abc import Awaitable, Callable, Sequence
from typing import Protocol
from urllib.parse import quote_plus, urlencode

from goat_ray.errors import ConfigError
from goat_ray.executors.http.cleaning import Cleaner
from goat_ray.executors.http.config import ApiKeyAuth, Auth, BasicAuth, BearerAuth, HostConfig, OAuth2Auth
from goat_ray.executors.http.request import FORM, Draft
from goat_ray.hiding import MIN_SECRET
from goat_ray.records import ApiFunction
from goat_ray.settings import environment_variable

EARLY_S = 30.0  # a token is renewed so long before it ends
SHORTEST_S = 60.0  # lifetime of a token whose server does not say

Send = Callable[[Draft], Awaitable[tuple[int, bytes]]]
"""Sends a request to a token endpoint and gives (status, body)."""


class AuthFailed(Exception):
    """No token was given."""


class Authenticator(Protocol):
    """Knows one host's credentials."""

    async def sign(self, draft: Draft, function: ApiFunction, send: Send) -> None:
        """Add them to a request; raises ``AuthFailed``."""

    def refused(self) -> bool:
        """Told of status 401; returns whether other credentials can be had by signing again."""


def authenticator(host: HostConfig, cleaner: Cleaner) -> Authenticator | None:
    """What signs the requests to a host; its secrets are made known to ``cleaner``. Raises ``ConfigError``."""
    place = f"executor.http.hosts, {host.host}"
    ways = [_one(auth, place, cleaner) for auth in host.auth]
    return _Together(ways) if len(ways) > 1 else next(iter(ways), None)


def _one(auth: Auth, place: str, cleaner: Cleaner) -> Authenticator:
    match auth:
        case ApiKeyAuth():
            return _ApiKey(auth, secret(auth.env, place, cleaner))
        case BearerAuth():
            return _Header(f"Bearer {secret(auth.env, place, cleaner)}")
        case BasicAuth():
            password = secret(auth.password_env, place, cleaner)
            return _Header(_basic(environment_variable(auth.user_env, place=place), password, cleaner))
        case OAuth2Auth():
            client = environment_variable(auth.client_id_env, place=place)
            return _OAuth2(auth, client, secret(auth.client_secret_env, place, cleaner), cleaner)


def secret(name: str, place: str, cleaner: Cleaner) -> str:
    """The value of an environment variable, made known to ``cleaner``.

    Raises ``ConfigError`` if it is not set, or too short to be told from ordinary words and hidden.
    """
    value = environment_variable(name, place=place)
    if len(value) < MIN_SECRET:
        raise ConfigError(
            f"the secret in {name} has fewer than {MIN_SECRET} characters",
            place=place,
            remedy="Nobody could hide it in what an API echoes; see that the variable holds all of it",
        )
    cleaner.learn(value)
    return value


def _basic(user: str, password: str, cleaner: Cleaner) -> str:
    pair = base64.b64encode(f"{user}:{password}".encode()).decode()
    cleaner.learn(pair)
    return f"Basic {pair}"


class _Together:
    """Several credentials on each request."""

    def __init__(self, ways: Sequence[Authenticator]) -> None:
        self._ways = ways

    async def sign(self, draft: Draft, function: ApiFunction, send: Send) -> None:
        for way in self._ways:
            await way.sign(draft, function, send)

    def refused(self) -> bool:
        told = [way.refused() for way in self._ways]  # all of them
        return any(told)


class _Header:
    def __init__(self, value: str) -> None:
        self._value = value

    async def sign(self, draft: Draft, function: ApiFunction, send: Send) -> None:
        draft.headers["Authorization"] = self._value

    def refused(self) -> bool:
        return False


class _ApiKey:
    def __init__(self, auth: ApiKeyAuth, key: str) -> None:
        self._auth = auth
        self._key = key

    async def sign(self, draft: Draft, function: ApiFunction, send: Send) -> None:
        schemes = (scheme for alternative in function.security for scheme in alternative)
        stated = next((scheme for scheme in schemes if scheme.type == "apiKey"), None)
        location = self._auth.location or (stated.location if stated else "header")
        name = self._auth.name or (stated.parameter if stated else "X-API-Key")
        if location == "query":
            draft.query = [*draft.query, (name, self._key)]
        elif location == "cookie":
            draft.cookies = [*draft.cookies, (name, self._key)]
        else:
            draft.headers[name] = self._key

    def refused(self) -> bool:
        return False


class _OAuth2:
    """Client credentials; one token serves all calls until it ends or is refused."""

    def __init__(self, auth: OAuth2Auth, client: str, secret: str, cleaner: Cleaner) -> None:
        self._auth = auth
        # RFC 6749, section 2.3.1: both are form-encoded before they become user and password.
        basic = _basic(quote_plus(client), quote_plus(secret), cleaner)
        in_header = auth.client_auth == "basic"
        self._headers = {"Authorization": basic} if in_header else {}
        self._form = {} if in_header else {"client_id": client, "client_secret": secret}
        self._cleaner = cleaner
        self._token, self._ends = "", 0.0
        self._asking = asyncio.Lock()

    async def sign(self, draft: Draft, function: ApiFunction, send: Send) -> None:
        async with self._asking:  # one at a time; those behind find the token
            if time.monotonic() >= self._ends:
                await self._renew(send)
        draft.headers["Authorization"] = f"Bearer {self._token}"

    def refused(self) -> bool:
        self._ends = 0.0
        return True

    async def _renew(self, send: Send) -> None:
        scope = {"scope": self._auth.scope} if self._auth.scope else {}
        form = {"grant_type": "client_credentials", **scope, **self._form}
        headers = {**self._headers, "Content-Type": FORM, "Accept": "application/json"}
        status, body = await send(
            Draft("POST", self._auth.token_url, headers=headers, content=urlencode(form).encode())
        )
        try:
            answer = json.loads(body)
            token, lifetime = answer["access_token"], float(answer.get("expires_in") or SHORTEST_S)
        except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
            raise AuthFailed from None
        if status >= 400 or not isinstance(token, str) or not token.isascii() or not token.isprintable():
            raise AuthFailed
        self._cleaner.learn(token)
        self._token = token
        self._ends = time.monotonic() + lifetime - min(EARLY_S, lifetime / 2)
