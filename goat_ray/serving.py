"""``goat agent serve``: the agent as an application of Ray Serve.

One light deployment answers HTTP and remembers traces; the other, of as many replicas as configured, holds model,
retriever and executor. Requests that one replica works on at the same time share the model's batches.
"""

import logging
from collections.abc import AsyncIterator
from typing import Any

from fastapi import FastAPI
from ray import serve
from ray.exceptions import RayError
from ray.serve.config import HTTPOptions, ProxyLocation
from ray.serve.context import _get_global_client
from ray.serve.exceptions import BackPressureError
from ray.serve.handle import DeploymentHandle, DeploymentResponseGenerator
from ray.serve.schema import LoggingConfig

from goat_ray.agent.config import ServerConfig
from goat_ray.agent.equipment import Equipment
from goat_ray.agent.events import Event
from goat_ray.agent.http_api import application, digest_of
from goat_ray.agent.http_errors import ApiError
from goat_ray.errors import RunError
from goat_ray.settings import environment_variable

APP = "goat-agent"
_LOGGING = LoggingConfig(log_level="WARNING", enable_access_log=False)


class AgentReplica:
    """An opened agent."""

    def __init__(self, equipment: Equipment) -> None:
        self._agent = equipment.open()

    async def stream(self, query: str, answer_tokens: int | None) -> AsyncIterator[Event]:
        """See ``Agent.stream``."""
        async for event in self._agent.stream(query, answer_tokens):
            yield event


@serve.ingress()
class AgentServer:
    """The HTTP side. It gets the token's digest only, so that the token stays where ``goat`` was started."""

    def __init__(self, agent: DeploymentHandle[Any], config: ServerConfig, token_digest: str) -> None:
        self._agent = agent.options(stream=True)
        self._config = config
        self._token_digest = token_digest

    def __serve_build_asgi_app__(self) -> FastAPI:
        return application(self._stream, self._config, self._token_digest)

    async def _stream(self, query: str, answer_tokens: int | None) -> AsyncIterator[Event]:
        events = self._agent.stream.remote(query, answer_tokens)
        assert isinstance(events, DeploymentResponseGenerator)
        try:
            async for event in events:
                yield event
        except BackPressureError:
            raise ApiError(429, "Too many requests are waiting; try again later.", code="overloaded") from None
        finally:
            events.cancel()  # type: ignore[no-untyped-call]  # nothing happens where it is over


def deploy(equipment: Equipment, config: ServerConfig) -> str:
    """Start the server, and its engines, on the connected cluster and wait until it answers; returns its base URL.

    Raises ``ConfigError`` where the token is not there, and ``RunError`` where Serve cannot carry it.
    """
    token = environment_variable(config.token_env, place="agent.server.token_env") if config.token_env else ""
    _start_http(config)  # before the engines, which would start Serve without it
    equipment.prepare()
    replica = serve.deployment(
        name="agent",
        num_replicas=config.replicas,
        max_ongoing_requests=config.concurrency,
        max_queued_requests=config.queue,
        ray_actor_options={"num_cpus": config.cpus_per_replica, "num_gpus": config.gpus_per_replica},
        logging_config=_LOGGING,
    )
    server = serve.deployment(
        name="server",
        max_ongoing_requests=config.replicas * config.concurrency + config.queue + 1,  # health checks get through
        ray_actor_options={"num_cpus": 0.1},
        logging_config=_LOGGING,
    )
    token_digest = digest_of(token) if token else ""
    bound = server(AgentServer).bind(replica(AgentReplica).bind(equipment), config, token_digest)
    try:
        serve.run(bound, name=APP, route_prefix="/")
    except (RuntimeError, RayError) as error:
        serve.delete(APP)
        raise _failed(error) from error
    return f"http://{config.host}:{config.port}/v1"


def shutdown() -> None:
    """Stop the server; nothing happens where it does not run."""
    if APP in serve.status().applications:
        serve.delete(APP)


def _start_http(config: ServerConfig) -> None:
    """Start Serve with this address. It has one for the whole cluster, which cannot change while it runs."""
    logging.getLogger("ray.serve").setLevel(logging.ERROR)  # it reports each connection
    running = _get_global_client(raise_if_no_controller_running=False)
    if running is None:
        http = HTTPOptions(host=config.host, port=config.port)
        try:
            serve.start(proxy_location=ProxyLocation.HeadOnly, http_options=http, logging_config=_LOGGING)
        except (RuntimeError, RayError) as error:
            serve.shutdown()  # type: ignore[no-untyped-call]
            raise _failed(error) from error
        return
    http = running.http_config
    if (http.host, http.port) != (config.host, config.port) or http.location == ProxyLocation.Disabled:
        place = "without HTTP" if http.location == ProxyLocation.Disabled else f"at {http.host}:{http.port}"
        raise RunError(
            f"Ray Serve already runs on this cluster, {place}",
            place="agent.server",
            remedy="Set agent.server.host and port to its address, or end what runs on Serve, and then Serve itself "
            "by 'serve shutdown'",
        )


def _failed(error: Exception) -> RunError:
    said = [line for line in str(error).splitlines() if line.strip()]
    return RunError(
        f"the agent's server did not start: {said[-1].strip(' .') if said else type(error).__name__}",
        place="agent.server",
        remedy="Choose another agent.server.port if this one is taken, and see that the cluster has the CPUs and GPUs "
        "that agent.server asks for; Ray's logs/serve say more",
    )
