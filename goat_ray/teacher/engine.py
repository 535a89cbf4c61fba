"""One vLLM engine in a Ray Serve replica: how it is configured, and what it does with a request."""

import logging
import os
import uuid
from pathlib import Path
from typing import Any

from goat_ray.teacher.config import EngineConfig, TeacherConfig
from goat_ray.teacher.task import Failure, Message

logger = logging.getLogger(__name__)

_CPU_KV_CACHE_BYTES = 1 << 30  # vLLM would take nearly all memory of a machine that it shares with Ray
_DETAIL_CHARACTERS = 300


class Engine:
    """The class that Serve runs in each replica: vLLM's ``AsyncLLM``, with no OpenAI layer around it."""

    def __init__(self, arguments: dict[str, Any], chat_template_kwargs: dict[str, Any]) -> None:
        from vllm.config import StructuredOutputsConfig
        from vllm.engine.arg_utils import AsyncEngineArgs
        from vllm.renderers import ChatParams
        from vllm.v1.engine.async_llm import AsyncLLM

        # Free whitespace in the grammar lets a small model emit blanks until its tokens run out.
        compact = StructuredOutputsConfig(backend="xgrammar", disable_any_whitespace=True)
        self._engine = AsyncLLM.from_engine_args(AsyncEngineArgs(**{"structured_outputs_config": compact, **arguments}))
        self._chat = ChatParams(chat_template_kwargs={"add_generation_prompt": True, **chat_template_kwargs})
        self._defaults = self._engine.model_config.get_diff_sampling_param()  # the model maker's advice

    async def complete(self, messages: list[Message], schema: str, sampling: dict[str, Any]) -> str | Failure:
        """The model's text, which follows the JSON schema; vLLM's errors stay here, for callers lack vLLM."""
        from vllm.exceptions import VLLMError
        from vllm.v1.engine.exceptions import EngineDeadError

        try:
            completion = await self._generate(messages, schema, sampling)
        except EngineDeadError:
            # Serve replaces a dead process at once, but would send requests to a dead engine until its next
            # health check, and each of them would fail.
            logger.exception("The engine died; its replica ends so that Serve starts another.")
            os._exit(1)
        except (ValueError, VLLMError) as error:  # mostly the request's fault, e.g. a prompt that is too long
            return Failure("endpoint-error", " ".join(str(error).split())[:_DETAIL_CHARACTERS])
        if completion.finish_reason == "length":
            return Failure("truncated", "The answer reached teacher.max_tokens or the model's context.")
        return str(completion.text)

    async def _generate(self, messages: list[Message], schema: str, sampling: dict[str, Any]) -> Any:
        from vllm.sampling_params import RequestOutputKind, SamplingParams, StructuredOutputsParams

        # No seed: a seeded request kills the CPU engine, and on GPUs batching makes it no more repeatable.
        params = SamplingParams(
            **{**self._defaults, **sampling},
            structured_outputs=StructuredOutputsParams(json=schema),
            output_kind=RequestOutputKind.FINAL_ONLY,
        )
        _, (prompt,) = await self._engine.renderer.render_chat_async([messages], self._chat)
        async for output in self._engine.generate(prompt, params, uuid.uuid4().hex):
            completion = output.outputs[0]
        return completion

    async def check_health(self) -> None:
        """Called by Serve, which replaces the replica when this raises."""
        await self._engine.check_health()

    def __del__(self) -> None:
        if hasattr(self, "_engine"):
            self._engine.shutdown()


def engine_arguments(config: TeacherConfig, gpus: float) -> dict[str, Any]:
    """The arguments of ``vllm.AsyncEngineArgs``; those in ``teacher.engine.extra`` win."""
    options = config.engine
    arguments: dict[str, Any] = {
        "model": source(config.model),
        "tensor_parallel_size": options.tensor_parallel,
        "pipeline_parallel_size": options.pipeline_parallel,
        "dtype": options.dtype,
        "trust_remote_code": False,
        "disable_log_stats": True,
    }
    if options.max_model_len is not None:
        arguments["max_model_len"] = options.max_model_len
    if options.workers > 1:
        arguments["distributed_executor_backend"] = "ray" if spans_nodes(options, gpus) else "mp"
    if gpus == 0:
        arguments |= {"enforce_eager": True, "kv_cache_memory_bytes": _CPU_KV_CACHE_BYTES}
    return arguments | options.extra


def environment(config: TeacherConfig, gpus: float) -> dict[str, str]:
    """The environment variables of a replica."""
    variables = {"VLLM_LOGGING_LEVEL": os.environ.get("VLLM_LOGGING_LEVEL", "WARNING"), "VLLM_NO_USAGE_STATS": "1"}
    if gpus == 0:  # as many threads as Ray gave the replica, not one on each core of the machine
        variables["VLLM_CPU_OMP_THREADS_BIND"] = "nobind"
        if config.engine.extra.get("enforce_eager", True):  # vLLM's sampler compiles all the same, for 20 s
            variables["TORCH_COMPILE_DISABLE"] = "1"
    if Path(source(config.model)).is_absolute():
        variables["HF_HUB_OFFLINE"] = "1"
    return variables


def place(options: EngineConfig, gpus: float) -> dict[str, Any]:
    """Serve options that give a replica its CPUs and GPUs.

    Tensor parallelism stays within a node, where vLLM's own processes share the replica's GPUs. Pipeline
    parallelism may span nodes: vLLM's Ray workers then take one bundle each, and the replica, which needs
    no GPU of its own, sits in the first.
    """
    if not spans_nodes(options, gpus):
        return {"ray_actor_options": {"num_cpus": options.cpus_per_replica, "num_gpus": gpus}}
    first = {"CPU": options.cpus_per_replica, "GPU": 1.0}
    return {
        "ray_actor_options": {"num_cpus": options.cpus_per_replica, "num_gpus": 0},
        "placement_group_bundles": [first, *({"GPU": 1.0} for _ in range(options.workers - 1))],
        "placement_group_strategy": "PACK",
    }


def spans_nodes(options: EngineConfig, gpus: float) -> bool:
    """Whether the workers of one engine may sit on several nodes."""
    return gpus > 0 and options.pipeline_parallel > 1


def source(model: str) -> str:
    """A local folder as an absolute path, because replicas run elsewhere; a model hub name as it is."""
    return str(Path(model).expanduser().resolve()) if Path(model).expanduser().is_dir() else model
