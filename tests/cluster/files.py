"""The files of cluster/, as the tests read them."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import yaml

ROOT = Path(__file__).resolve().parents[2]
CLUSTER = ROOT / "cluster"
MANIFESTS = sorted((CLUSTER / "kuberay").glob("*.yaml"))


def objects(file: Path) -> list[dict[str, Any]]:
    """The documents of a YAML file."""
    return [one for one in yaml.safe_load_all(file.read_text(encoding="utf-8")) if one]


def nested(value: Any, key: str) -> Iterator[Any]:
    """Every value that stands under a key, at any depth."""
    if isinstance(value, dict):
        for name, item in value.items():
            if name == key:
                yield item
            yield from nested(item, key)
    elif isinstance(value, list):
        for item in value:
            yield from nested(item, key)


def texts() -> list[Path]:
    """All files of cluster/ that name commands."""
    return sorted(file for file in CLUSTER.rglob("*") if file.is_file() and file.suffix != ".json")
