"""A training's output folder: it appears as a whole when all is done, and says what made it."""

import json
from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any, TypeVar

from goat_ray.errors import RunError
from goat_ray.places import Place, Where
from goat_ray.settings import Settings
from goat_ray.training.lineage import CARD, Lineage, model_card

RECORD = "training.json"  # beside the model: the fingerprint of the training and its report

S = TypeVar("S", bound=Settings)


def claim(output: Where, fingerprint: str, kind: type[S], say: Callable[[str], None]) -> S | None:
    """The report of a training that is finished in ``output``, or None if the folder is free to be filled.

    The output of another training is moved aside, never overwritten. Raises ``RunError`` if the folder
    holds something else.
    """
    output = Place.of(output)
    if not output.exists() or (output.is_dir() and not output.children()):
        return None
    try:
        record = json.loads((output / RECORD).read_bytes())
        made_by = str(record["fingerprint"])
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise RunError(
            "the output folder exists and is not the output of a training",
            place=str(output),
            remedy="Choose another output folder, or move this one away",
        ) from error
    if made_by == fingerprint:
        return kind.model_validate(record["report"])
    aside = output.parent / f"{output.name}.superseded-{made_by}"
    aside.remove([RECORD])
    output.move(aside, [RECORD])
    say(f"{output.name} was trained with other settings or data; moved to {aside}")
    return None


def trained_id(folder: str) -> str:
    """What made the model in a folder: a training's fingerprint; of any other model, its folder or hub name."""
    try:
        record = json.loads((Place.of(folder) / RECORD).read_bytes())
    except (FileNotFoundError, NotADirectoryError):
        return folder
    return str(record["fingerprint"])


def read_report(output: Where, kind: type[S]) -> S:
    """The report of the training that filled ``output``; raises ``RunError`` where it cannot be seen."""
    try:
        record = json.loads((Place.of(output) / RECORD).read_bytes())
    except FileNotFoundError as error:
        raise RunError(
            "the training finished, but its output cannot be seen from here",
            place=str(output),
            remedy="Put outputs on a file system that all nodes share",
        ) from error
    return kind.model_validate(record["report"])


def published(output: Where) -> AbstractContextManager[Path]:
    """A folder on this machine to fill with the model; write the report with ``write_report`` as well.

    It becomes ``output`` at the end. A worker that is restarted after that finds its own output there and leaves it.
    """
    return Place.of(output).made(RECORD)


def write_report(folder: Path, fingerprint: str, report: Settings, lineage: Lineage | None = None) -> None:
    """Say in the folder what made it: for programs and, where the lineage is given, on a model card."""
    record: dict[str, Any] = {"fingerprint": fingerprint, "report": report.model_dump(mode="json")}
    if lineage is not None:
        record["lineage"] = lineage.model_dump(mode="json")
        (folder / CARD).write_text(model_card(fingerprint, lineage, report), encoding="utf-8")
    (folder / RECORD).write_text(json.dumps(record, indent=2) + "\n", encoding="utf-8")
