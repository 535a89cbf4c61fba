"""What the folders of models and adapters say of themselves, before an engine takes minutes to load them."""

import hashlib
from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import Any, NoReturn

from goat_ray.errors import ConfigError, ModelError
from goat_ray.places import Place
from goat_ray.storage import read_json
from goat_ray.teacher.config import EngineConfig, TeacherConfig

_SAMPLE_BYTES = 1 << 20  # at the beginning and at the end of each file: a training changes all weights


def source(model: str) -> str:
    """A local folder as an absolute path, because replicas run elsewhere; a model hub name as it is."""
    return str(Path(model).expanduser().resolve()) if Path(model).expanduser().is_dir() else model


def stamp(model: str) -> str:
    """Tells what is in a model's or adapter's folder from what was there before; empty for what is no folder here.

    Names, sizes and the outer parts of all files: hundreds of gigabytes of weights are not read through.
    """
    folder = Path(source(model))
    if not folder.is_dir():
        return ""
    hash_ = hashlib.sha256()
    for file in sorted(file for file in folder.iterdir() if file.is_file()):
        size = file.stat().st_size
        hash_.update(f"{file.name}\0{size}\0".encode())
        with file.open("rb") as content:
            hash_.update(content.read(_SAMPLE_BYTES))
            content.seek(max(content.tell(), size - _SAMPLE_BYTES))
            hash_.update(content.read())
    return hash_.hexdigest()[:16]


def adapter_rank(name: str, folder: str) -> int:
    """The rank of a LoRA adapter; raises ``ModelError`` where the folder holds none."""
    written = adapter_config(folder)
    if written is None or not isinstance(written.get("r"), int):
        raise ModelError(
            f"{folder} holds no LoRA adapter (no adapter_config.json with a rank)",
            place=f"teacher.engine.adapters.{name}",
            remedy="Give the folder of a trained adapter that all nodes see",
        )
    return int(written["r"])


def check_folders(config: TeacherConfig, setting: str = "teacher.model", engine: str = "teacher.engine") -> None:
    """Raise ``ModelError`` for folders that hold no model or adapter, ``ConfigError`` for settings that do not fit it.

    What this machine does not see (a hub's model, a folder of other nodes) is left to the engine. ``setting`` and
    ``engine`` are where the configuration names them.
    """
    model = Path(source(config.model))
    here = stamp(config.model)
    if here:
        check_shape(_described(model, setting), config.engine, engine)
    for name, folder in config.engine.adapters.items():
        adapter_rank(name, folder)
        base = (adapter_config(folder) or {}).get("base_model_name_or_path")
        if here and isinstance(base, str) and stamp(base) not in ("", here):
            raise ModelError(
                f"the adapter was trained on {base}, which is another model than {config.model}",
                place=f"teacher.engine.adapters.{name}",
                remedy="Serve it on the model that it was trained on, or merge it into that one (goat merge-adapter)",
            )


def adapter_config(folder: str) -> dict[str, Any] | None:
    """What a LoRA adapter's folder says of it; None where it holds none."""
    return read_json(Place.of(folder) / "adapter_config.json")


def _described(model: Path, setting: str) -> dict[str, Any]:
    """The language model's part of its ``config.json``."""
    try:
        written = read_json(model / "config.json")
    except ValueError:
        written = None
    if not isinstance(written, dict):
        raise ModelError(
            f"{model} holds no model (no config.json that can be read)",
            place=setting,
            remedy="Give the folder that the model was saved in, or its name in a model hub",
        )
    inner = written.get("text_config")  # of models that see and hear as well
    return inner if isinstance(inner, dict) else written


def check_shape(written: Mapping[str, Any], options: EngineConfig, setting: str) -> None:
    """Raise ``ConfigError`` where an engine, which ``setting`` describes, does not fit a model's ``config.json``."""
    refuse = partial(_refuse, setting)
    heads, layers = written.get("num_attention_heads"), written.get("num_hidden_layers")
    context = written.get("max_position_embeddings")
    if isinstance(heads, int) and heads % options.tensor_parallel:
        refuse(f"{heads} attention heads, which {options.tensor_parallel} workers cannot share", "tensor_parallel")
    if isinstance(layers, int) and layers < options.pipeline_parallel:
        refuse(f"{layers} layers, fewer than {options.pipeline_parallel} stages", "pipeline_parallel")
    if isinstance(context, int) and not _stretches(written) and (options.max_model_len or 0) > context:
        refuse(f"a context of {context:,} tokens, fewer than {options.max_model_len:,}", "max_model_len")


def _stretches(written: Mapping[str, Any]) -> bool:
    """Whether positions are scaled, so that the context may be longer than the model's number of them."""
    scaling = written.get("rope_scaling") or written.get("rope_parameters") or {}
    return not isinstance(scaling, dict) or scaling.get("rope_type", scaling.get("type", "default")) != "default"


def _refuse(setting: str, problem: str, key: str) -> NoReturn:
    raise ConfigError(
        f"the model has {problem}",
        place=f"{setting}.{key}",
        remedy="Choose a value that the model's config.json allows, or another model",
    )
