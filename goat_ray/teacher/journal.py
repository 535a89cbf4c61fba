"""Answers on their way into a Parquet file, a line each, so that a killed process loses none of them.

A line is with the operating system as soon as it is written, and outlives the process, though not the machine.
Object stores cannot append: there a killed process loses what it had not flushed.
"""

import json
import os
import time
import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from goat_ray.places import Place

_SUFFIX = ".journal"


@dataclass(frozen=True, slots=True)
class StoredAnswer:
    """One valid answer, as JSON."""

    key: bytes  # derives from all that the answer depends on
    task: str
    text: str
    shortened: bool = False  # to a question with less of the documents, see ``Answer.shortened``


class Journal:
    """The answers of one process since its last Parquet file."""

    def __init__(self, folder: Place) -> None:
        self._folder = folder.local
        self._file: Path | None = None
        self._descriptor = -1

    def add(self, answer: StoredAnswer) -> None:
        """Append an answer."""
        if self._folder is None:
            return
        if self._file is None:
            self._folder.mkdir(parents=True, exist_ok=True)
            self._file = self._folder / f"{unique_name()}{_SUFFIX}"
            self._descriptor = os.open(self._file, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)
        line = json.dumps([answer.key.hex(), answer.task, answer.text, answer.shortened])
        os.write(self._descriptor, line.encode() + b"\n")

    def end(self) -> None:
        """Forget the answers: they are safe elsewhere."""
        if self._file is not None:
            os.close(self._descriptor)
            self._file.unlink(missing_ok=True)
            self._file = None


def journals(folder: Place) -> list[Place]:
    """The journals in a folder: of processes at work, and of those that were killed."""
    return [file for file in folder.children() if file.name.endswith(_SUFFIX)]


def read_journal(file: Place) -> Iterator[StoredAnswer]:
    """The answers of a journal; a line that a kill cut short is none. A file that is gone has none: it was flushed."""
    try:
        lines = file.read_bytes().split(b"\n")
    except FileNotFoundError:
        return
    for line in lines[:-1]:
        key, *rest = json.loads(line)
        yield StoredAnswer(bytes.fromhex(key), *rest)


def unique_name() -> str:
    """A file name that no other process uses; later ones sort behind earlier ones."""
    return f"{time.time_ns():020d}-{os.getpid()}-{uuid.uuid4().hex[:8]}"
