"""vLLM engines on the Ray cluster, started once and shared by all stages, as a teacher.

The engines are a Ray Serve application without a route, called through a deployment handle: no HTTP, and
the process that asks need not load vLLM.
"""

import asyncio
import json
import logging
import re
import time
from typing import Any

import ray
from ray import serve
from ray.exceptions import RayError
from ray.serve.config import ProxyLocation
from ray.serve.exceptions import BackPressureError, RayServeException
from ray.serve.handle import DeploymentHandle, DeploymentResponse
from ray.serve.schema import ApplicationStatus, LoggingConfig

from goat_ray import placement
from goat_ray.cluster import nodes
from goat_ray.errors import ModelError, RunError
from goat_ray.identity import content_id
from goat_ray.teacher.client import TIMEOUT, ChatRequest, Completion, Setback
from goat_ray.teacher.config import TeacherConfig
from goat_ray.teacher.engine import (
    Engine,
    engine_arguments,
    environment,
    gpus_per_replica,
    needs,
    place,
)
from goat_ray.teacher.model_folder import check_folders, source
from goat_ray.teacher.task import Failure

logger = logging.getLogger(__name__)

_DEPLOYMENT = "engine"
_MAX_ONGOING = 1024  # per replica: the engine queues and batches better than Serve's router does
_TARGET_ONGOING = 64  # requests per replica, above which autoscaling adds one
_POLL_S = 0.5
_TELLING_S = 30.0  # for an engine to say which weights it has
_PATIENCE_S = 60.0  # after which waiting is worth a word
_DETAIL_CHARACTERS = 600


def app_name(config: TeacherConfig) -> str:
    """The Serve application of this model and engine; how it is sampled and asked does not matter."""
    return f"teacher-{content_id(source(config.model), config.engine.model_dump())}"


def check(config: TeacherConfig) -> None:
    """Compare the engines with the cluster and with the model; raises ``ConfigError`` or ``ModelError``.

    Nothing is started. The cluster must be connected.
    """
    found = nodes()
    placement.check("the engines", needs(config.engine, gpus_per_replica(config.engine, found)), found)
    check_folders(config)


def deploy(config: TeacherConfig) -> DeploymentHandle[Any]:
    """Find the running engines of this configuration, or start them, and wait until one is ready.

    Call it once on the driver before workers do: processes that find no engines at the very same moment
    would start them twice in a row. Raises ``ModelError`` where the engines do not start, and
    ``RunError`` without a Ray cluster.
    """
    if not ray.is_initialized():
        raise RunError("the vllm teacher runs on a Ray cluster, and there is none", remedy="Call ray.init() first")
    logging.getLogger("ray.serve").setLevel(logging.ERROR)  # it reports each connection, and each lost request
    name = app_name(config)
    app = serve.status().applications.get(name)
    if app is not None and app.status in (ApplicationStatus.DEPLOY_FAILED, ApplicationStatus.DELETING):
        serve.delete(name)
        app = None
    if app is None:
        # Handles need no HTTP proxy, which would take a port on each node.
        serve.start(proxy_location=ProxyLocation.Disabled, logging_config=LoggingConfig(log_level="WARNING"))
        target = serve.RunTarget(_application(config), name=name, route_prefix=None)
        serve.run_many([target], wait_for_applications_running=False)
    waiting = _Waiting(config)
    while not waiting.is_over():
        time.sleep(_POLL_S)
    return serve.get_app_handle(name)


def renew(config: TeacherConfig) -> None:
    """Stop running engines whose folders have got other weights since they started, after a training, say.

    Only for the driver, before any worker asks. Nothing happens where none run or none can tell.
    """
    if not ray.is_initialized() or app_name(config) not in serve.status().applications:
        return
    handle: DeploymentHandle[Any] = serve.get_app_handle(app_name(config))
    try:
        current = handle.is_current.remote().result(timeout_s=_TELLING_S)
    except (TimeoutError, RayError, RayServeException):  # not up yet, or just being replaced
        return
    if not current:
        shutdown(config)


def shutdown(config: TeacherConfig) -> None:
    """Stop the engines of this configuration and free their resources; nothing happens where none run."""
    if ray.is_initialized() and app_name(config) in serve.status().applications:
        serve.delete(app_name(config))


def _application(config: TeacherConfig) -> serve.Application:
    options = config.engine
    gpus = gpus_per_replica(options, nodes())
    placed = place(options, gpus)
    placed["ray_actor_options"]["runtime_env"] = {"env_vars": environment(config, gpus)}
    count: dict[str, Any] = {"num_replicas": options.replicas}
    if options.max_replicas is not None:
        scaling = {"min_replicas": options.replicas, "max_replicas": options.max_replicas}
        count = {"autoscaling_config": {**scaling, "target_ongoing_requests": _TARGET_ONGOING}}
    deployment = serve.deployment(
        name=_DEPLOYMENT,
        **count,
        max_ongoing_requests=_MAX_ONGOING,
        graceful_shutdown_wait_loop_s=0.5,
        graceful_shutdown_timeout_s=10,
        max_constructor_retry_count=options.replicas,  # an engine that failed once fails again, and slowly
        logging_config=LoggingConfig(log_level="WARNING", enable_access_log=False),
        **placed,
    )
    return deployment(Engine).bind(engine_arguments(config, gpus), options.chat_template_kwargs, options.adapters)


class _Waiting:
    """Waiting for at least one replica: others may come later, with nodes that are still starting."""

    def __init__(self, config: TeacherConfig) -> None:
        self._config = config
        self._name = app_name(config)
        self._began = time.monotonic()
        self._said = ""

    def is_over(self) -> bool:
        """Whether a replica serves; raises ``ModelError`` when none will."""
        app = serve.status().applications.get(self._name)
        if app is None:
            raise self._error("they were shut down")
        engine = app.deployments.get(_DEPLOYMENT)
        # Serve's states are strings, but it does not export their class.
        if engine is not None and any(state == "RUNNING" for state, count in engine.replica_states.items() if count):
            return True
        message = (engine.message if engine is not None else "") or app.message
        waited = time.monotonic() - self._began
        if app.status == ApplicationStatus.DEPLOY_FAILED or waited > self._config.engine.start_timeout_s:
            serve.delete(self._name)
            raise self._error(_essence(message))
        if waited > _PATIENCE_S and message != self._said:
            logger.warning("Still waiting for the engines of %s. %s", self._config.model, message)
            self._said = message
        return False

    def _error(self, problem: str) -> ModelError:
        return ModelError(
            f"the vLLM engines are not there: {problem}",
            place=self._config.model,
            remedy="Check that each node can read teacher.model, that teacher.engine asks for no more CPUs and GPUs "
            f"than the cluster has, and that the model fits into memory; the log of the replica {self._name} in "
            "Ray's logs/serve says more",
        )


def _essence(message: str) -> str:
    """The error at the end of a message that carries a stack trace."""
    errors = list(re.finditer(r"^[\w.]+(Error|Exception)\b.*", message, re.MULTILINE))
    error = " ".join(message[errors[-1].start() if errors else 0 :].split())
    return error.partition(" [type=")[0][:_DETAIL_CHARACTERS]  # pydantic repeats its input after that


class VllmClient:
    """A ``ChatClient`` that calls the engines from any process of the cluster."""

    def __init__(self, config: TeacherConfig) -> None:
        self._config = config
        self._handle = deploy(config)
        self._sampling = {**config.sampling, "max_tokens": config.max_tokens}
        self._recovery = asyncio.Lock()
        self._well = self._revived = float("-inf")  # when an engine was last known to serve, and to serve again

    async def attempt(self, request: ChatRequest) -> Completion | Failure:
        """Ask once (see ``ChatClient``); its seed is not used.

        Where a replica died, waits until one serves again: an engine that restarts with a big model takes
        longer than anyone's retries. Raises ``ModelError`` when the engines are gone for good.
        """
        form = None if request.schema is None else json.dumps(request.schema)
        sampling = self._sampling if request.max_tokens is None else self._sampling | {"max_tokens": request.max_tokens}
        response = self._handle.complete.remote(
            list(request.messages), form, sampling, self._config.adapter, list(request.tools)
        )
        assert isinstance(response, DeploymentResponse)
        try:
            result: Completion | Failure = await asyncio.wait_for(response, self._config.timeout_s)
            return result
        except TimeoutError:
            response.cancel()  # type: ignore[no-untyped-call]
            # Serve keeps requests waiting while no replica is there; only those of one that is there are slow.
            healed = await self._recover()
            return Setback(TIMEOUT, f"The engine did not answer within {self._config.timeout_s:g} s.", healed=healed)
        except asyncio.CancelledError:
            response.cancel()  # type: ignore[no-untyped-call]
            raise
        except BackPressureError as error:
            return Setback("rate-limited", str(error), busy=True)
        except (RayError, RayServeException) as error:
            await self._recover()
            return Setback("unreachable", " ".join(str(error).split())[-_DETAIL_CHARACTERS:], healed=True)

    async def _recover(self) -> bool:
        """Wait until an engine serves; whether there was none."""
        began = time.monotonic()
        async with self._recovery:  # one at a time asks the controller, and the others take its word
            if self._revived > began or time.monotonic() - self._well < _POLL_S:
                return self._revived > began
            waiting, missed = _Waiting(self._config), False
            while not waiting.is_over():
                missed = True
                await asyncio.sleep(_POLL_S)
            self._well = time.monotonic()
            self._revived = self._well if missed else self._revived
            return missed

    async def close(self) -> None:
        """Leave the engines running for others; ``shutdown`` stops them."""
