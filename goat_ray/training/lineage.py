"""Where a trained model comes from, and the model card that says so."""

import json
from functools import cache
from pathlib import Path
from typing import Any

from pydantic import Field

import goat_ray
from goat_ray.identity import files_id
from goat_ray.settings import Settings

CARD = "README.md"


@cache
def code_version(package: Path = Path(goat_ray.__file__).parent) -> str:
    """The version with an id of the sources behind it (PEP 440's local part): states of one version differ in it."""
    return f"{goat_ray.__version__}+{files_id(package.rglob('*.py'), package)}"


class Lineage(Settings):
    """What a model was made of."""

    name: str  # of the model: its folder's
    base: str  # folder or hub name of the base model
    examples: str  # where the training examples lay
    corpus: str  # an id of their content
    config: dict[str, Any]
    code: str = Field(default_factory=code_version)  # of goat-ray
    merged: bool = False  # an adapter that was merged into its base
    retriever: bool = False  # an embedder of requests and documents, and no language model


def model_card(fingerprint: str, lineage: Lineage, report: Settings) -> str:
    """A model card as the Hugging Face hub reads it: YAML for programs, then the same for people."""
    adapter = lineage.config.get("method", "full") != "full" and not lineage.merged
    library = "sentence-transformers" if lineage.retriever else "peft" if adapter else "transformers"
    head = {"base_model": lineage.base, "library_name": library, "tags": ["goat-ray", "tool-use"]}
    if lineage.merged:
        head["base_model_relation"] = "merge"
    facts = {
        "base": lineage.base,
        "corpus": f"{lineage.corpus} ({lineage.examples})",
        "training": fingerprint,
        "code": f"goat-ray {lineage.code}",
    }
    kind = "A LoRA adapter" if adapter else "A model with its adapter merged in" if lineage.merged else "A model"
    purpose = "to find the APIs that a request needs" if lineage.retriever else "to call APIs"
    return "\n".join(
        [
            "---",
            *(f"{key}: {json.dumps(value)}" for key, value in head.items()),  # JSON is YAML
            "---",
            "",
            f"# {lineage.name}",
            "",
            f"{kind}, fine-tuned by goat-ray {purpose}.",
            "",
            "| | |",
            "|---|---|",
            *(f"| {key} | {value} |" for key, value in facts.items()),
            *(f"| {key.replace('_', ' ')} | {_cell(value)} |" for key, value in report.model_dump(mode="json").items()),
            "",
            "Settings:",
            "",
            "```json",
            json.dumps(lineage.config, indent=2),
            "```",
            "",
        ]
    )


def _cell(value: Any) -> str:
    if isinstance(value, dict):
        return ", ".join(f"{key}: {one:,}" for key, one in value.items()) or "none"
    return str(value)
