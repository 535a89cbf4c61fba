"""The http executor against servers on real sockets."""

import asyncio
import base64
import logging
import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest
import trustme
from starlette.applications import Starlette

from goat_ray.errors import ConfigError
from goat_ray.executors.executor import CallResult
from goat_ray.executors.http import guard
from goat_ray.executors.http.config import HttpConfig
from goat_ray.executors.http.executor import HttpExecutor
from goat_ray.records import ApiFunction, Parameter, SecurityScheme
from tests.executors.servers import api_app, moody_app, serving
from tests.world import World


@pytest.fixture
def app() -> Starlette:
    return moody_app()


@pytest.fixture
def port(app: Starlette) -> Iterator[int]:
    with serving(app) as port:
        yield port


def function(port: int, path: str, method: str = "GET", **more: Any) -> ApiFunction:
    return ApiFunction.create(
        service="moody", name=path, method=method, path=path, server=f"http://127.0.0.1:{port}", **more
    )


def query(*names: str) -> list[Parameter]:
    return [Parameter(name=name, location="query", type="any") for name in names]


def configured(*ports: int, host: dict[str, Any] | None = None, **more: Any) -> HttpConfig:
    hosts = [{"host": f"127.0.0.1:{port}", "allow_private": True} for port in ports]
    hosts[0] |= host or {}
    return HttpConfig.model_validate({"hosts": hosts, "backoff_s": 0.001, **more})


def call(config: HttpConfig, *calls: tuple[ApiFunction, dict[str, Any]]) -> list[CallResult]:
    executor = HttpExecutor(config)

    async def all_calls() -> list[CallResult]:
        async with executor.session() as session:
            return [await session.call(function, arguments) for function, arguments in calls]

    try:
        return executor.run(all_calls())
    finally:
        executor.shutdown()


def test_a_documented_api_answers_over_http_as_it_does_in_the_sandbox(world: World) -> None:
    functions = [f for f in world.functions if f.service == "Lanternleaf Bookshop Catalogue"]
    app = api_app(functions, "/v1")
    author = next(f for f in functions if f.path == "/authors/{author_id}")
    with serving(app) as port:
        host = {"host": "bookshop.example", "server": f"http://127.0.0.1:{port}/v1", "allow_private": True}
        known, unknown = call(
            HttpConfig.model_validate({"hosts": [host]}), (author, {"author_id": 2041}), (author, {"author_id": 1})
        )
    assert (known.status, known.body["name"], known.origin) == (200, "Maren Holloway", "real")
    assert (unknown.status, unknown.problem) == (404, "")
    assert app.state.calls == {author.id: 2}


def test_all_that_a_request_can_hold(port: int) -> None:
    made = function(
        port,
        "/echo/{kind}/{ids}",
        "POST",
        parameters=[
            Parameter(name="kind", location="path", type="string", required=True),
            Parameter(name="ids", location="path", type="array", required=True),
            Parameter(name="many", location="query", type="array"),
            Parameter(name="few", location="query", type="array", style="pipeDelimited"),
            Parameter(name="where", location="query", type="object", style="deepObject"),
            Parameter(name="flag", location="query", type="boolean"),
            Parameter(name="X-Trace", location="header", type="string"),
            Parameter(name="visit", location="cookie", type="string"),
            Parameter(name="pet.name", location="body", type="string"),
            Parameter(name="pet.age", location="body", type="integer"),
        ],
    )
    arguments = {
        "kind": "a/b?c=ü",
        "ids": [1, 2],
        "many": ["x y", "z&"],
        "few": ["p", "q"],
        "where": {"a": {"b": 1}, "c": "d"},
        "flag": True,
        "X-Trace": "t1",
        "visit": "v 1",
        "pet.name": "Rex",
        "pet.age": 3,
    }
    (result,) = call(configured(port, allow_methods=["POST"]), (made, arguments))
    echoed = result.body
    assert echoed["path"] == "/echo/a%2Fb%3Fc%3D%C3%BC/1,2"
    assert echoed["query"] == "many=x%20y&many=z%26&few=p%7Cq&where%5Ba%5D%5Bb%5D=1&where%5Bc%5D=d&flag=true"
    assert (echoed["headers"]["x-trace"], echoed["headers"]["cookie"]) == ("t1", "visit=v%201")
    assert (echoed["headers"]["content-type"], echoed["body"]) == ("application/json", '{"pet":{"age":3,"name":"Rex"}}')


@pytest.mark.parametrize(
    ("body_type", "sent"),
    [
        ("application/x-www-form-urlencoded", "tags=a%26b&tags=c&n=1"),
        ("multipart/form-data", 'name="tags"\r\n\r\na&b\r\n'),
    ],
)
def test_forms(port: int, body_type: str, sent: str) -> None:
    parameters = [Parameter(name=name, location="body", type="any") for name in ("tags", "n")]
    made = function(port, "/echo", "POST", parameters=parameters, body_type=body_type)
    (result,) = call(configured(port, allow_methods=["POST"]), (made, {"tags": ["a&b", "c"], "n": 1}))
    assert sent in result.body["body"]
    assert result.body["headers"]["content-type"].startswith(body_type)


@pytest.mark.parametrize(
    ("arguments", "problem"),
    [
        ({"id": ".."}, "bad-arguments"),
        ({"id": ""}, "bad-arguments"),
        ({}, "bad-arguments"),
        ({"id": 1, "other": 2}, "bad-arguments"),
        ({"id": 1, "X-A": "a\r\nHost: evil"}, "bad-arguments"),
        ({"id": "\ud800"}, "bad-arguments"),
    ],
)
def test_what_cannot_be_sent_is_not_sent(app: Starlette, port: int, arguments: dict[str, Any], problem: str) -> None:
    parameters = [
        Parameter(name="id", location="path", type="any", required=True),
        Parameter(name="X-A", location="header", type="string"),
    ]
    (result,) = call(configured(port), (function(port, "/echo/{id}", parameters=parameters), arguments))
    assert (result.status, result.problem, app.state.seen) == (422, problem, [])


def test_only_named_hosts_and_allowed_methods_are_called(app: Starlette, port: int) -> None:
    elsewhere = function(port, "/echo").model_copy(update={"server": "http://localhost:1"})
    results = call(
        configured(port), (function(port, "/echo", "POST"), {}), (function(port + 1, "/echo"), {}), (elsewhere, {})
    )
    assert [(r.status, r.problem) for r in results] == [
        (405, "refused-method"),
        (403, "refused-host"),
        (403, "refused-host"),
    ]
    assert app.state.seen == []


@pytest.mark.parametrize(
    "name", ["127.0.0.1", "localhost", "[::1]", "[::ffff:127.0.0.1]", "0.0.0.0", "169.254.169.254"]
)
def test_private_addresses_are_refused_unless_allowed(app: Starlette, port: int, name: str) -> None:
    made = function(port, "/echo").model_copy(update={"server": f"http://{name}:{port}"})
    (result,) = call(HttpConfig.model_validate({"hosts": [{"host": f"{name}:{port}"}]}), (made, {}))
    assert (result.status, result.problem, app.state.seen) == (403, "refused-address", [])


def test_the_address_that_was_checked_is_the_one_that_is_called(
    app: Starlette, port: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A name that leads elsewhere when it is looked up again (DNS rebinding) leads nowhere."""
    answers = [["127.0.0.1"], ["169.254.169.254"]]
    looked_up = []

    async def getaddrinfo(self: Any, host: str, port: int, **more: Any) -> list[Any]:
        looked_up.append(host)
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (one, port)) for one in answers[min(len(looked_up), 2) - 1]]

    monkeypatch.setattr(asyncio.BaseEventLoop, "getaddrinfo", getaddrinfo)
    monkeypatch.setattr(guard, "is_public", lambda address: address == "127.0.0.1")  # which it is, for this test
    config = configured(port, host={"host": f"api.example:{port}", "allow_private": False})
    moved = function(port, "/echo").model_copy(update={"server": f"http://api.example:{port}"})
    first, second = call(config, (moved, {}), (moved, {}))
    assert first.ok and second.ok, "one connection, kept open"
    assert looked_up == ["api.example"]
    assert call(config, (moved, {}))[0].problem == "refused-address"
    assert len(app.state.seen) == 2


def test_a_server_proves_its_name_before_it_is_told_anything(
    app: Starlette, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    authority = trustme.CA()
    authority.cert_pem.write_to_path(tmp_path / "authority.pem")
    found = {}
    for name in ("localhost", "elsewhere.example"):
        authority.issue_cert(name).private_key_and_cert_chain_pem.write_to_path(tmp_path / name)
        with serving(app, tmp_path / name) as port:
            config = configured(port, host={"host": f"localhost:{port}"}, retries=0)
            safe = function(port, "/echo").model_copy(update={"server": f"https://localhost:{port}"})
            for trusted in ("", str(tmp_path / "authority.pem")):
                monkeypatch.setenv("SSL_CERT_FILE", trusted) if trusted else monkeypatch.delenv(
                    "SSL_CERT_FILE", raising=False
                )
                found[name, bool(trusted)] = call(config, (safe, {}))[0].problem
    failed = "connection-failed"
    assert found == {
        ("localhost", False): failed,
        ("localhost", True): "",
        ("elsewhere.example", False): failed,
        ("elsewhere.example", True): failed,
    }
    assert len(app.state.seen) == 1


def test_errors_and_odd_bodies_are_kept(port: int) -> None:
    paths = ("/status/401", "/status/403", "/status/404", "/status/500", "/odd/binary", "/odd/broken", "/odd/half")
    more = ("/odd/deep", "/text", "/packed")
    results = call(configured(port), *((function(port, path), {}) for path in (*paths, *more)))
    assert [r.status for r in results[:4]] == [401, 403, 404, 500]
    assert all(r.body == {"message": "no"} and r.problem == "" for r in results[:4])
    binary, broken, half, deep, text, packed = (r.body for r in results[4:])
    assert (binary, broken, half) == (None, '{"a": ', ["?", None])
    assert deep == "[" * 5000
    assert (text, packed) == ("Grüße", {"packed": True})


def test_slow_and_huge_bodies_are_cut_off(port: int) -> None:
    (slow,) = call(configured(port, deadline_s=0.3, retries=0), (function(port, "/slow"), {}))
    limited = configured(port, max_response_bytes=1_000_000)
    results = [slow, *call(limited, (function(port, "/huge"), {}), (function(port, "/bomb"), {}))]
    assert [(r.status, r.problem) for r in results] == [(504, "deadline"), (413, "too-large"), (413, "too-large")]


def test_a_server_that_is_down_is_a_result(port: int) -> None:
    made = function(1, "/echo")
    (result,) = call(configured(1), (made, {}))
    assert (result.status, result.problem) == (502, "connection-failed")


@pytest.mark.parametrize(
    ("method", "status", "after", "tries", "ok"),
    [
        ("GET", 503, None, 3, True),
        ("GET", 429, "0", 3, True),
        ("PUT", 502, None, 3, True),
        ("POST", 503, None, 1, False),
        ("GET", 500, None, 1, False),
        ("GET", 429, "3600", 1, False),  # longer than the deadline
    ],
)
def test_only_what_is_safe_is_tried_again(
    app: Starlette, port: int, method: str, status: int, after: str | None, tries: int, ok: bool
) -> None:
    made = function(port, "/flaky", method, parameters=query("key", "times", "status", "after"))
    config = configured(port, allow_methods=[method])
    (result,) = call(config, (made, {"key": "k", "times": 2, "status": status, "after": after}))
    assert (result.ok, len(app.state.seen)) == (ok, tries)


def redirect(port: int, to: str, status: int = 302) -> tuple[ApiFunction, dict[str, Any]]:
    return function(port, "/redirect", parameters=query("to", "status")), {"to": to, "status": status}


def test_redirects_are_followed_to_named_hosts_only(app: Starlette, port: int) -> None:
    with serving(moody_app()) as other:
        hosts = configured(port, max_redirects=2).hosts
        unchecked = {"host": f"127.0.0.1:{other}"}  # named, but its private address is not allowed
        config = HttpConfig.model_validate({"hosts": [hosts[0], unchecked], "max_redirects": 2})
        results = call(
            config,
            redirect(port, "/echo"),
            redirect(port, "http://169.254.169.254/latest/meta-data"),
            redirect(port, f"http://127.0.0.1:{other}/echo"),
            redirect(port, "/redirect?to=/redirect%3Fto%3D/redirect%253Fto%253D/echo"),
            redirect(port, "file:///etc/passwd"),
            redirect(port, f"http://u:p@127.0.0.1:{port}/echo"),
        )
    assert [(r.status, r.problem) for r in results] == [
        (200, ""),
        (403, "refused-host"),
        (403, "refused-address"),
        (508, "too-many-redirects"),
        (403, "refused-host"),
        (403, "refused-host"),
    ]


SECRETS = {"KEY": "k3y-in-plain-s1ght", "WORD": "pass:w0rd/with+odd=signs", "USER": "somebody"}


@pytest.fixture
def environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in SECRETS.items():
        monkeypatch.setenv(name, value)


AUTHS: list[tuple[Any, str]] = [
    ({"type": "api_key", "env": "KEY"}, "x-shop"),  # where the document says
    ({"type": "api_key", "env": "KEY", "location": "query", "name": "key"}, "key="),
    ({"type": "api_key", "env": "WORD", "location": "cookie", "name": "key"}, "cookie"),
    ({"type": "bearer", "env": "KEY"}, "authorization"),
    ({"type": "basic", "user_env": "USER", "password_env": "WORD"}, "authorization"),
    (
        [{"type": "api_key", "env": "KEY"}, {"type": "api_key", "env": "WORD", "location": "query", "name": "id"}],
        "x-shop",
    ),
]


@pytest.mark.parametrize(("auth", "place"), AUTHS)
def test_credentials_reach_the_server_and_nothing_else(
    app: Starlette, port: int, environment: None, caplog: pytest.LogCaptureFixture, auth: Any, place: str
) -> None:
    caplog.set_level(logging.DEBUG)
    scheme = SecurityScheme(name="shop", type="apiKey", location="header", parameter="X-Shop")
    made = function(port, "/echo", security=[[scheme]])
    down = function(port, "/slow", security=[[scheme]])
    results = call(configured(port, host={"auth": auth}, deadline_s=0.3, retries=1), (made, {}), (down, {}))
    (sent,) = app.state.seen
    assert place in str(sent)
    assert all(part not in str(sent) for part in ("***", "None"))
    assert results[0].ok and "***" in str(results[0].body), "the server echoed it, and it was hidden"
    everything = f"{results!r} {[r.model_dump_json() for r in results]} {caplog.text}"
    for secret in (SECRETS["KEY"], SECRETS["WORD"]):
        pair = base64.b64encode(f"somebody:{secret}".encode()).decode()
        for written in (
            secret,
            quote(secret),
            quote(secret, safe=""),
            pair,
            base64.b64encode(secret.encode()).decode(),
        ):
            assert written not in everything


def test_credentials_do_not_follow_a_redirect_to_another_host(app: Starlette, port: int, environment: None) -> None:
    other_app = moody_app()
    with serving(other_app) as other:
        config = configured(port, other, host={"auth": {"type": "bearer", "env": "KEY"}})
        here, there = call(config, redirect(port, "/echo"), redirect(port, f"http://127.0.0.1:{other}/echo"))
    assert here.ok and there.ok
    assert "authorization" in app.state.seen[1]["headers"]
    assert "authorization" not in other_app.state.seen[0]["headers"]


@pytest.mark.parametrize("scheme", ["http", "HTTP", "Http"])
def test_credentials_are_not_sent_in_plain_text_because_a_document_says_http(environment: None, scheme: str) -> None:
    host = {"host": "api.example", "auth": {"type": "bearer", "env": "KEY"}}
    made = function(1, "/echo").model_copy(update={"server": f"{scheme}://api.example"})
    (result,) = call(HttpConfig.model_validate({"hosts": [host]}), (made, {}))
    assert (result.status, result.problem) == (403, "insecure-server")


def test_a_missing_credential_is_said_before_anything_is_called(port: int) -> None:
    with pytest.raises(ConfigError, match="NOT_SET_ANYWHERE is not set"):
        HttpExecutor(configured(port, host={"auth": {"type": "bearer", "env": "NOT_SET_ANYWHERE"}}))


def test_a_credential_too_short_to_be_hidden_is_refused(port: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SHORT", "12345")
    with pytest.raises(ConfigError, match="SHORT has fewer than 6 characters") as raised:
        HttpExecutor(configured(port, host={"auth": {"type": "bearer", "env": "SHORT"}}))
    assert "12345" not in str(raised.value)


def oauth(port: int, **more: str) -> dict[str, Any]:
    token_url = f"http://127.0.0.1:{port}/token"
    names = {"client_id_env": "ID", "client_secret_env": "SECRET"}
    return {"auth": {"type": "oauth2", "token_url": token_url, **names, **more}}


@pytest.mark.parametrize("client_auth", ["basic", "post"])
def test_a_token_is_fetched_once_and_renewed_when_it_is_refused(
    app: Starlette, port: int, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, client_auth: str
) -> None:
    caplog.set_level(logging.DEBUG)
    monkeypatch.setenv("ID", "client-name")
    monkeypatch.setenv("SECRET", "client-secret-value")
    made, echo = function(port, "/guarded"), function(port, "/echo")
    config = configured(port, host=oauth(port, client_auth=client_auth))
    results = call(config, (made, {}), (made, {}), (echo, {}))
    assert [r.body for r in results[:2]] == [{"in": True}] * 2
    assert [one["path"] for one in app.state.seen][:5] == ["/token", "/guarded", "/token", "/guarded", "/guarded"]
    assert ("client-secret-value" in app.state.seen[0]["body"]) == (client_auth == "post")
    assert "***" in str(results[2].body), "the token was echoed"
    for secret in ("client-secret-value", "second-token-value"):
        assert secret not in f"{results!r} {caplog.text}"


def test_no_token_is_a_result_without_the_secret(port: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ID", "client-name")
    monkeypatch.setenv("SECRET", "wrong-secret-value")
    (result,) = call(configured(port, host=oauth(port)), (function(port, "/guarded"), {}))
    assert (result.status, result.problem) == (401, "no-token")
    assert "wrong-secret-value" not in repr(result)


def test_a_host_that_keeps_failing_is_left_alone(app: Starlette, port: int) -> None:
    made = function(port, "/status/503")
    results = call(configured(port, host={"failures": 2, "cool_down_s": 0.2}, retries=0), *[(made, {})] * 5)
    assert [(r.status, r.problem) for r in results] == [(503, "")] * 3 + [(503, "circuit-open")] * 2
    assert len(app.state.seen) == 3, "the third one was the probe"


def test_a_host_that_breaks_on_everything_is_left_alone(app: Starlette, port: int) -> None:
    first, second = (function(port, "/status/500", description=text) for text in ("one", "other"))
    config = configured(port, host={"failures": 2, "cool_down_s": 0.1}, retries=0)
    results = call(config, *[(made, {}) for made in (first, second) * 4])
    assert [r.problem for r in results] == [""] * 4 + ["circuit-open"] * 4
    assert len(app.state.seen) == 4, "the first says nothing of others; the last one was the probe"


def test_a_function_that_always_breaks_leaves_the_host_to_the_others(port: int) -> None:
    broken, other = function(port, "/status/500"), function(port, "/status/200")
    config = configured(port, host={"failures": 2, "cool_down_s": 60}, retries=0)
    results = call(config, *[(broken, {})] * 5, *[(other, {}), (broken, {})] * 3)
    assert [r.status for r in results] == [500] * 5 + [200, 500] * 3


def test_a_host_that_never_has_time_is_left_alone(app: Starlette, port: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("goat_ray.executors.limits.BUSY_S", 0.0)
    made = function(port, "/status/429")
    results = call(configured(port, host={"failures": 2, "cool_down_s": 0.1}, retries=0), *[(made, {})] * 5)
    assert [(r.status, r.problem) for r in results] == [(429, "")] * 3 + [(503, "circuit-open")] * 2
    assert len(app.state.seen) == 3


def test_a_secret_in_place_of_its_variables_name_is_not_repeated() -> None:
    auth = {"type": "bearer", "env": "sk-very-secret"}
    with pytest.raises(ValueError, match="name of an environment variable") as raised:
        HttpConfig.model_validate({"hosts": [{"host": "a.example", "auth": auth}]})
    assert "sk-very-secret" not in str([error["msg"] for error in raised.value.errors()])
