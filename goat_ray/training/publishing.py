"""A training's output folder: it appears as a whole when all is done, and says what made it."""

import json
import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TypeVar

from goat_ray.errors import RunError
from goat_ray.settings import Settings

RECORD = "training.json"  # beside the model: the fingerprint of the training and its report

S = TypeVar("S", bound=Settings)


def claim(output: Path, fingerprint: str, kind: type[S], say: Callable[[str], None]) -> S | None:
    """The report of a training that is finished in ``output``, or None if the folder is free to be filled.

    The output of another training is moved aside, never overwritten. Raises ``RunError`` if the folder
    holds something else.
    """
    if not output.exists() or (output.is_dir() and not any(output.iterdir())):
        return None
    try:
        record = json.loads((output / RECORD).read_text(encoding="utf-8"))
        made_by = str(record["fingerprint"])
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise RunError(
            "the output folder exists and is not the output of a training",
            place=str(output),
            remedy="Choose another output folder, or move this one away",
        ) from error
    if made_by == fingerprint:
        return kind.model_validate(record["report"])
    aside = output.with_name(f"{output.name}.superseded-{made_by}")
    shutil.rmtree(aside, ignore_errors=True)
    output.rename(aside)
    say(f"{output.name} was trained with other settings or data; moved to {aside}")
    return None


def trained_id(folder: str) -> str:
    """What made the model in a folder: a training's fingerprint; of any other model, its folder or hub name."""
    try:
        record = json.loads((Path(folder) / RECORD).read_text(encoding="utf-8"))
    except (FileNotFoundError, NotADirectoryError):
        return folder
    return str(record["fingerprint"])


def read_report(output: Path, kind: type[S]) -> S:
    """The report of the training that filled ``output``; raises ``RunError`` where it cannot be seen."""
    try:
        record = json.loads((output / RECORD).read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise RunError(
            "the training finished, but its output cannot be seen from here",
            place=str(output),
            remedy="Put outputs on a file system that all nodes share",
        ) from error
    return kind.model_validate(record["report"])


@contextmanager
def published(output: Path, fingerprint: str) -> Iterator[Path]:
    """A folder to fill with the model; write the report with ``write_report`` as well.

    It becomes ``output`` in one rename at the end. A worker that is restarted after the rename finds
    its own output there and leaves it.
    """
    aside = output.with_name(f"{output.name}.{fingerprint}.partial")
    shutil.rmtree(aside, ignore_errors=True)
    aside.mkdir(parents=True)
    yield aside
    if (output / RECORD).exists():
        shutil.rmtree(aside)
        return
    os.replace(aside, output)


def write_report(folder: Path, fingerprint: str, report: Settings) -> None:
    """Say in the folder what made it."""
    record = {"fingerprint": fingerprint, "report": report.model_dump(mode="json")}
    (folder / RECORD).write_text(json.dumps(record, indent=2) + "\n", encoding="utf-8")
