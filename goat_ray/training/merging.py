"""An adapter merged into its base: one model that needs no peft to be loaded."""

import json

from transformers import AutoModelForCausalLM

from goat_ray.errors import ModelError, RunError
from goat_ray.places import Place, Where, fetched
from goat_ray.training.lineage import Lineage
from goat_ray.training.progress import TrainingReport
from goat_ray.training.publishing import RECORD, published, write_report
from goat_ray.training.tokenization import load_tokenizer


def merge_adapter(adapter: Where, output: Where) -> None:
    """Write base and adapter as one model (safetensors) with tokenizer, model card and record to ``output``.

    All of them may lie in object stores. Weights keep the type that the base has on disk. Raises ``ModelError`` where
    ``adapter`` is none that a training has written or its base cannot be loaded, ``RunError`` where ``output`` holds
    something.
    """
    source, output = Place.of(adapter), Place.of(output)
    if output.exists() and (not output.is_dir() or output.children()):
        raise RunError("the output folder is not empty", place=str(output), remedy="Choose another one")
    fingerprint, lineage, report = _record(source)
    try:
        base = AutoModelForCausalLM.from_pretrained(fetched(lineage.base), dtype="auto")
    except (OSError, ValueError) as error:
        raise ModelError(
            f"the base model {lineage.base!r} cannot be loaded: {' '.join(str(error).split())}",
            place=str(source),
            remedy="Put it back where it was when the adapter was trained, or make the model hub reachable",
        ) from error
    from peft import PeftModel  # seconds to load

    merged = PeftModel.from_pretrained(base, str(source.fetch())).merge_and_unload()
    with published(output) as folder:
        merged.save_pretrained(folder)
        load_tokenizer(str(source)).save_pretrained(folder)
        write_report(folder, fingerprint, report, lineage.model_copy(update={"name": output.name, "merged": True}))


def _record(adapter: Place) -> tuple[str, Lineage, TrainingReport]:
    try:
        if not (adapter / "adapter_config.json").exists():
            raise FileNotFoundError("adapter_config.json")
        record = json.loads((adapter / RECORD).read_bytes())
        lineage, report = Lineage.model_validate(record["lineage"]), TrainingReport.model_validate(record["report"])
        return str(record["fingerprint"]), lineage, report
    except (OSError, ValueError, KeyError) as error:
        raise ModelError(
            f"is no adapter of a training: {error}",
            place=str(adapter),
            remedy="Give the agent/ folder of a run that was trained with method lora or qlora",
        ) from error
