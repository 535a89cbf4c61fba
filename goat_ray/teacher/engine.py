"""One vLLM engine in a Ray Serve replica: how it is configured, and what it does with a request."""

import logging
import os
import uuid
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from goat_ray.placement import Need, Node
from goat_ray.places import fetched
from goat_ray.teacher.client import ENDPOINT_ERROR, TOO_LONG, Completion, Tools
from goat_ray.teacher.config import EngineConfig, TeacherConfig
from goat_ray.teacher.model_folder import adapter_rank, source, stamp
from goat_ray.teacher.task import Failure, Message

logger = logging.getLogger(__name__)

_CPU_KV_CACHE_BYTES = 1 << 30  # vLLM would take nearly all memory of a machine that it shares with Ray
_DETAIL_CHARACTERS = 300


class Engine:
    """The class that Serve runs in each replica: vLLM's ``AsyncLLM``, with no OpenAI layer around it."""

    def __init__(
        self, arguments: dict[str, Any], chat_template_kwargs: dict[str, Any], adapters: dict[str, str]
    ) -> None:
        from vllm.config import StructuredOutputsConfig
        from vllm.engine.arg_utils import AsyncEngineArgs
        from vllm.renderers import ChatParams
        from vllm.v1.engine.async_llm import AsyncLLM

        self._stamps = {folder: stamp(fetched(folder)) for folder in (arguments["model"], *adapters.values())}
        arguments = {**arguments, "model": fetched(arguments["model"])}
        # Free whitespace in the grammar lets a small model emit blanks until its tokens run out.
        compact = StructuredOutputsConfig(backend="xgrammar", disable_any_whitespace=True)
        self._engine = AsyncLLM.from_engine_args(AsyncEngineArgs(**{"structured_outputs_config": compact, **arguments}))
        self._chat = ChatParams(chat_template_kwargs={"add_generation_prompt": True, **chat_template_kwargs})
        self._adapters = {
            name: (number, fetched(folder)) for number, (name, folder) in enumerate(sorted(adapters.items()), 1)
        }
        self._defaults = self._engine.model_config.get_diff_sampling_param()  # the model maker's advice

    async def complete(
        self,
        messages: list[Message],
        schema: str | None,
        sampling: dict[str, Any],
        adapter: str = "",
        tools: Tools = (),
    ) -> Completion | Failure:
        """The model's text, by the JSON schema if there is one; vLLM's errors stay here, for callers lack vLLM."""
        from vllm.exceptions import VLLMError
        from vllm.v1.engine.exceptions import EngineDeadError

        try:
            output = await self._generate(messages, schema, sampling, adapter, tools)
        except EngineDeadError:
            # Serve replaces a dead process at once, but would send requests to a dead engine until its next
            # health check, and each of them would fail.
            logger.exception("The engine died; its replica ends so that Serve starts another.")
            os._exit(1)
        except (ValueError, VLLMError) as error:  # mostly the request's fault
            too_long = (getattr(error, "parameter", None) or "").startswith("input_")
            detail = " ".join(str(error).split())[:_DETAIL_CHARACTERS]
            return Failure(TOO_LONG if too_long else ENDPOINT_ERROR, detail)
        (choice,) = output.outputs
        truncated = choice.finish_reason == "length"
        if truncated and len(choice.token_ids) < sampling["max_tokens"]:
            return Failure(TOO_LONG, "The answer reached the end of the model's context.")
        return Completion(
            str(choice.text),
            len(output.prompt_token_ids),
            len(choice.token_ids),
            output.num_cached_tokens or 0,
            truncated,
        )

    async def _generate(
        self, messages: list[Message], schema: str | None, sampling: dict[str, Any], adapter: str, tools: Tools
    ) -> Any:
        from vllm.lora.request import LoRARequest
        from vllm.sampling_params import RequestOutputKind, SamplingParams, StructuredOutputsParams

        # No seed: a seeded request kills the CPU engine, and on GPUs batching makes it no more repeatable.
        params = SamplingParams(
            **{**self._defaults, **sampling},
            structured_outputs=StructuredOutputsParams(json=schema) if schema is not None else None,
            output_kind=RequestOutputKind.FINAL_ONLY,
        )
        lora = LoRARequest(adapter, *self._adapters[adapter]) if adapter else None
        chat = self._chat
        if tools:
            chat = replace(chat, chat_template_kwargs={**chat.chat_template_kwargs, "tools": list(tools)})
        _, (prompt,) = await self._engine.renderer.render_chat_async([messages], chat)
        async for output in self._engine.generate(prompt, params, uuid.uuid4().hex, lora_request=lora):
            last = output
        return last

    def is_current(self) -> bool:
        """Whether the folders still hold the weights that this engine has loaded."""
        return all(stamp(fetched(folder)) == loaded for folder, loaded in self._stamps.items())

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
        "enable_prefix_caching": options.prefix_caching,
        "trust_remote_code": False,
        "disable_log_stats": True,
    }
    if options.max_model_len is not None:
        arguments["max_model_len"] = options.max_model_len
    if options.quantization is not None:
        arguments["quantization"] = options.quantization
    if options.adapters:
        ranks = [adapter_rank(name, folder) for name, folder in options.adapters.items()]
        arguments |= {"enable_lora": True, "max_loras": len(ranks), "max_lora_rank": _lora_rank(max(ranks))}
    if options.workers > 1:
        arguments["distributed_executor_backend"] = "ray" if spans_nodes(options, gpus) else "mp"
    if gpus == 0:
        arguments |= {"enforce_eager": True, "kv_cache_memory_bytes": _CPU_KV_CACHE_BYTES}
    return arguments | options.extra


def _lora_rank(rank: int) -> int:
    """The smallest rank that vLLM can be built for and that holds this one."""
    return next(size for size in (1, 8, 16, 32, 64, 128, 256, 320, 512) if size >= rank)


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
        return {"ray_actor_options": options.placement.options(options.cpus_per_replica, gpus)}
    bundles = [need.bundle for need in needs(options, gpus) for _ in range(need.count // options.replicas)]
    labels = options.placement.labels
    return {
        "ray_actor_options": {"num_cpus": options.cpus_per_replica},
        "placement_group_bundles": bundles,
        "placement_group_strategy": "PACK",
        **({"placement_group_bundle_label_selector": [labels] * len(bundles)} if labels else {}),
    }


def needs(options: EngineConfig, gpus: float, setting: str = "teacher.engine") -> list[Need]:
    """What must find a place for all engines, of ``gpus`` GPUs each, to run at once."""
    if not spans_nodes(options, gpus):
        return [Need(setting, options.replicas, options.cpus_per_replica, gpus, options.placement)]
    first = Need(setting, options.replicas, options.cpus_per_replica, 1.0, options.placement)
    return [first, Need(setting, options.replicas * (options.workers - 1), 0.0, 1.0, options.placement)]


def gpus_per_replica(options: EngineConfig, nodes: Sequence[Node]) -> float:
    """GPUs of one replica: as configured, else one for each worker where the cluster has any."""
    if options.gpus_per_replica is not None:
        return options.gpus_per_replica
    return options.workers if any(node.resources.get("GPU") for node in nodes) else 0


def spans_nodes(options: EngineConfig, gpus: float) -> bool:
    """Whether the workers of one engine may sit on several nodes."""
    return gpus > 0 and options.pipeline_parallel > 1
