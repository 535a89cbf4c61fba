"""vLLM engines on the Ray cluster, started once and shared by all stages, as a teacher.

The deployment is Ray Serve around vLLM's own ``AsyncLLM``, called through a deployment handle: no HTTP,
no OpenAI layer in between, and the process that asks need not load vLLM.
"""

import asyncio
import json
import logging
import os
import time
import uuid
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import ray
from ray import serve
from ray.exceptions import RayError
from ray.serve.config import ProxyLocation
from ray.serve.exceptions import RayServeException
from ray.serve.handle import DeploymentHandle, DeploymentResponse
from ray.serve.schema import ApplicationStatus, LoggingConfig

from goat_ray.errors import ModelError, RunError
from goat_ray.identity import content_id
from goat_ray.teacher.chat import Schema
from goat_ray.teacher.config import EngineConfig, TeacherConfig
from goat_ray.teacher.task import Failure, Message

logger = logging.getLogger(__name__)

_CPU_KV_CACHE_BYTES = 1 << 30  # vLLM would take nearly all memory of a machine that it shares with Ray
_MAX_ONGOING = 1024  # per replica: the engine queues and batches better than Serve's router does
_POLL_S = 0.5
_PATIENCE_S = 60.0  # after which waiting is worth a word
_FIRST_PAUSE_S, _LONGEST_PAUSE_S = 0.5, 8.0  # between attempts


class Engine:
    """One replica: a vLLM engine. Runs in a Serve replica."""

    def __init__(self, arguments: dict[str, Any], chat_template_kwargs: dict[str, Any]) -> None:
        from vllm.config import StructuredOutputsConfig
        from vllm.engine.arg_utils import AsyncEngineArgs
        from vllm.renderers import ChatParams
        from vllm.v1.engine.async_llm import AsyncLLM

        # Free whitespace in the grammar lets a small model emit blanks until its tokens run out.
        compact = StructuredOutputsConfig(backend="xgrammar", disable_any_whitespace=True)
        self._engine = AsyncLLM.from_engine_args(AsyncEngineArgs(**{"structured_outputs_config": compact, **arguments}))
        self._chat = ChatParams(chat_template_kwargs=chat_template_kwargs)
        self._defaults = self._engine.model_config.get_diff_sampling_param()  # the model maker's advice

    async def complete(self, messages: list[Message], schema: str, sampling: dict[str, Any]) -> str | Failure:
        """The model's text, which follows the JSON schema."""
        from vllm.exceptions import VLLMClientError
        from vllm.sampling_params import RequestOutputKind, SamplingParams, StructuredOutputsParams

        # No seed: a seeded request kills the CPU engine, and on GPUs batching makes it no more repeatable.
        params = SamplingParams(
            **{**self._defaults, **sampling},
            structured_outputs=StructuredOutputsParams(json=schema),
            output_kind=RequestOutputKind.FINAL_ONLY,
        )
        try:
            _, (prompt,) = await self._engine.renderer.render_chat_async([messages], self._chat)
            async for output in self._engine.generate(prompt, params, uuid.uuid4().hex):
                completion = output.outputs[0]
        except (ValueError, VLLMClientError) as error:  # the request's fault, e.g. a prompt that is too long
            return Failure("endpoint-error", " ".join(str(error).split())[:300])
        if completion.finish_reason == "length":
            return Failure("truncated", "The answer reached teacher.max_tokens or the model's context.")
        return str(completion.text)

    async def check_health(self) -> None:
        """Called by Serve, which replaces the replica when this raises."""
        await self._engine.check_health()

    def __del__(self) -> None:
        if hasattr(self, "_engine"):
            self._engine.shutdown()


def app_name(config: TeacherConfig) -> str:
    """The Serve application of this model and engine; how it is sampled and asked does not matter."""
    return f"teacher-{content_id(_source(config.model), config.engine.model_dump())}"


def deploy(config: TeacherConfig) -> DeploymentHandle[Any]:
    """Find the running engines of this configuration, or start them and wait until they are ready.

    Raises ``ModelError`` where they do not start, and ``RunError`` without a Ray cluster.
    """
    if not ray.is_initialized():
        raise RunError("the vllm teacher runs on a Ray cluster, and there is none", remedy="Call ray.init() first")
    name = app_name(config)
    logging.getLogger("ray.serve").setLevel(logging.WARNING)  # it reports each connection
    app = serve.status().applications.get(name)
    if app is not None and app.status == ApplicationStatus.DEPLOY_FAILED:
        serve.delete(name)
        app = None
    if app is None:
        # Handles need no HTTP proxy, which would take a port on each node.
        serve.start(proxy_location=ProxyLocation.Disabled, logging_config=LoggingConfig(log_level="WARNING"))
        target = serve.RunTarget(_application(config), name=name, route_prefix=None)
        serve.run_many([target], wait_for_applications_running=False)
    _wait(name, config)
    return serve.get_app_handle(name)


def shutdown(config: TeacherConfig) -> None:
    """Stop the engines of this configuration and free their resources; nothing happens where none run."""
    if ray.is_initialized() and app_name(config) in serve.status().applications:
        serve.delete(app_name(config))


def _application(config: TeacherConfig) -> serve.Application:
    options = config.engine
    gpus = options.gpus_per_replica
    if gpus is None:
        gpus = options.workers if ray.cluster_resources().get("GPU") else 0  # type: ignore[no-untyped-call]
    placement = place(options, gpus)
    placement["ray_actor_options"]["runtime_env"] = {"env_vars": _environment(config, on_cpu=gpus == 0)}
    deployment = serve.deployment(
        name="engine",
        num_replicas=options.replicas,
        max_ongoing_requests=_MAX_ONGOING,
        max_constructor_retry_count=options.replicas,  # an engine that failed once fails again, and slowly
        logging_config=LoggingConfig(log_level="WARNING", enable_access_log=False),
        **placement,
    )
    return deployment(Engine).bind(engine_arguments(config, gpus), options.chat_template_kwargs)


def place(options: EngineConfig, gpus: float) -> dict[str, Any]:
    """Serve options that give a replica its CPUs and GPUs.

    Tensor parallelism stays within a node, where vLLM's own processes share the replica's GPUs. Pipeline
    parallelism may span nodes: vLLM's Ray workers then take one bundle each, and the replica, which needs
    no GPU of its own, sits in the first.
    """
    if not _spans_nodes(options, gpus):
        return {"ray_actor_options": {"num_cpus": options.cpus_per_replica, "num_gpus": gpus}}
    first = {"CPU": options.cpus_per_replica, "GPU": 1.0}
    return {
        "ray_actor_options": {"num_cpus": options.cpus_per_replica, "num_gpus": 0},
        "placement_group_bundles": [first, *({"GPU": 1.0} for _ in range(options.workers - 1))],
        "placement_group_strategy": "PACK",
    }


def _spans_nodes(options: EngineConfig, gpus: float) -> bool:
    return gpus > 0 and options.pipeline_parallel > 1


def engine_arguments(config: TeacherConfig, gpus: float) -> dict[str, Any]:
    """The arguments of ``vllm.AsyncEngineArgs``; those in ``teacher.engine.extra`` win."""
    options = config.engine
    arguments: dict[str, Any] = {
        "model": _source(config.model),
        "tensor_parallel_size": options.tensor_parallel,
        "pipeline_parallel_size": options.pipeline_parallel,
        "dtype": options.dtype,
        "trust_remote_code": False,
        "disable_log_stats": True,
    }
    if options.max_model_len is not None:
        arguments["max_model_len"] = options.max_model_len
    if options.workers > 1:
        arguments["distributed_executor_backend"] = "ray" if _spans_nodes(options, gpus) else "mp"
    if gpus == 0:
        arguments |= {"enforce_eager": True, "kv_cache_memory_bytes": _CPU_KV_CACHE_BYTES}
    return arguments | options.extra


def _environment(config: TeacherConfig, *, on_cpu: bool) -> dict[str, str]:
    environment = {"VLLM_LOGGING_LEVEL": os.environ.get("VLLM_LOGGING_LEVEL", "WARNING"), "VLLM_NO_USAGE_STATS": "1"}
    if on_cpu:  # as many threads as Ray gave the replica, not one on each core of the machine
        environment["VLLM_CPU_OMP_THREADS_BIND"] = "nobind"
        if config.engine.extra.get("enforce_eager", True):  # vLLM's sampler compiles all the same, for 20 s
            environment["TORCH_COMPILE_DISABLE"] = "1"
    if Path(_source(config.model)).is_absolute():
        environment["HF_HUB_OFFLINE"] = "1"
    return environment


def _source(model: str) -> str:
    """A local folder as an absolute path, because replicas run elsewhere; a model hub name as it is."""
    return str(Path(model).expanduser().resolve()) if Path(model).expanduser().is_dir() else model


def _wait(name: str, config: TeacherConfig) -> None:
    began = time.monotonic()
    said = ""
    while True:
        app = serve.status().applications[name]
        if app.status == ApplicationStatus.RUNNING:
            return
        message = " ".join(deployment.message for deployment in app.deployments.values()) or app.message
        waited = time.monotonic() - began
        if app.status == ApplicationStatus.DEPLOY_FAILED or waited > config.engine.start_timeout_s:
            serve.delete(name)
            raise _start_error(config, message)
        if waited > _PATIENCE_S and message != said:
            logger.warning("Still waiting for the engines of %s. %s", config.model, message)
            said = message
        time.sleep(_POLL_S)


def _start_error(config: TeacherConfig, message: str) -> ModelError:
    return ModelError(
        f"vLLM does not start: {message.strip()[-1500:]}",
        place=config.model,
        remedy="Check that each node can read teacher.model, that teacher.engine asks for no more CPUs and GPUs "
        "than the cluster has, and that the model fits into memory",
    )


class VllmClient:
    """A ``ChatClient`` that calls the engines from any process of the cluster."""

    def __init__(self, config: TeacherConfig) -> None:
        self._config = config
        self._handle = deploy(config)
        self._sampling = {"temperature": config.temperature, "max_tokens": config.max_tokens}

    async def complete(self, messages: Sequence[Message], schema: Schema, seed: int) -> str | Failure:
        """Ask (see ``ChatClient``), again where a replica died or took too long; ``seed`` is not used."""
        pause = _FIRST_PAUSE_S
        for attempt in range(self._config.max_retries + 1):
            if attempt:
                await asyncio.sleep(pause)
                pause = min(2 * pause, _LONGEST_PAUSE_S)
            result = await self._attempt(list(messages), json.dumps(schema))
            if isinstance(result, str) or result.reason not in ("timeout", "unreachable"):
                return result
        return result

    async def _attempt(self, messages: list[Message], schema: str) -> str | Failure:
        response = self._handle.complete.remote(messages, schema, self._sampling)
        assert isinstance(response, DeploymentResponse)
        try:
            result: str | Failure = await asyncio.wait_for(response, self._config.timeout_s)
            return result
        except TimeoutError:
            response.cancel()  # type: ignore[no-untyped-call]
            return Failure("timeout", f"The engine did not answer within {self._config.timeout_s:g} s.")
        except asyncio.CancelledError:
            response.cancel()  # type: ignore[no-untyped-call]
            raise
        except (RayError, RayServeException) as error:
            return Failure("unreachable", " ".join(str(error).split())[-300:])

    async def close(self) -> None:
        """Leave the engines running for others; ``shutdown`` stops them."""
