"""Small steps that the runner's tests run on the cluster."""

import os
import threading
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

from goat_ray.errors import RunError
from goat_ray.identity import content_id
from goat_ray.records import Document, Reject
from goat_ray.rows import Json
from goat_ray.step import Resources, Step

MEETS_S = 60.0


class Shout(Step[Document, Document]):
    """Upper-cases paths; rejects every tenth; notes each record that it works on, and can be slow."""

    name = "shout"
    version = 1
    takes = Document
    gives = Document
    resources = Resources(cpus=0.5, batch_size=10)

    def __init__(self, notes: Path | None = None, seconds: float = 0.0, mark: str = "!") -> None:
        self.notes = notes
        self.seconds = seconds
        self.mark = mark

    def settings(self) -> Json:
        return {"mark": self.mark}

    def process(self, batch: Sequence[Document]) -> Iterator[Document | Reject]:
        time.sleep(self.seconds)
        for record in batch:
            if self.notes is not None:
                with (self.notes / f"{os.getpid()}").open("a") as file:
                    file.write(record.id + "\n")
            if int(record.path) % 10 == 0:
                yield Reject(id=record.id, reason="tenth", detail=record.path)
            else:
                yield record.model_copy(update={"root": record.root.upper() + self.mark})


class Forget(Shout):
    """Breaks the contract: says nothing about one record."""

    name = "forget"

    def process(self, batch: Sequence[Document]) -> Iterator[Document | Reject]:
        yield from list(super().process(batch))[1:]


class Meet(Shout):
    """Three workers, each of which waits for the others before it does anything. Needs a place for its notes."""

    name = "meet"
    resources = Resources(cpus=1.25, batch_size=10, workers=3)
    party = 3

    def process(self, batch: Sequence[Document]) -> Iterator[Document | Reject]:
        assert self.notes is not None
        (self.notes / f"{os.getpid()}").touch()
        until = time.monotonic() + MEETS_S
        while (met := len(list(self.notes.iterdir()))) < self.party:
            if time.monotonic() > until:
                raise RunError(f"only {met} workers came", remedy="Leave more of the cluster to workers")
            time.sleep(0.1)
        yield from super().process(batch)


class Share(Meet):
    """Two workers that overlap, each of which waits for the other. Needs a place for its notes."""

    name = "share"
    resources = Resources(cpus=0.5, batch_size=10, workers=2)
    overlaps = True
    party = 2


class Cross(Shout):
    """One worker that does nothing with a batch before it has another one as well."""

    name = "cross"
    resources = Resources(cpus=0.5, batch_size=10, workers=1)
    overlaps = True

    def start(self) -> None:
        self.both = threading.Barrier(2, timeout=MEETS_S)

    def process(self, batch: Sequence[Document]) -> Iterator[Document | Reject]:
        try:
            self.both.wait()
        except threading.BrokenBarrierError:
            raise RunError("no other batch came", remedy="Hand a worker two batches at once") from None
        yield from super().process(batch)


def documents(count: int) -> list[Document]:
    """Numbered documents."""
    return [Document(id=content_id(number), path=str(number), root="root") for number in range(count)]
