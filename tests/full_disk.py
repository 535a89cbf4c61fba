"""A run on a disk that is full, and then is not: ``unshare -rm python -m tests.full_disk KIND DIR``, a process alone.

In its mount namespace it may mount a small disk without being root. It prints one JSON object.
"""

import json
import os
import subprocess
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import ray

from goat_ray.console import Console
from goat_ray.errors import RunError
from goat_ray.identity import content_id
from goat_ray.records import Document, Reject
from goat_ray.runner import Runner
from goat_ray.step import Resources
from tests.steps import Shout

MEGABYTE = 1 << 20


class Swell(Shout):
    """Makes records of random text, which no compression makes small."""

    name = "swell"
    resources = Resources(cpus=1, batch_size=10)

    def __init__(self, size: int, notes: Path | None = None) -> None:
        super().__init__(notes)
        self.size = size  # characters of a record

    def process(self, batch: Sequence[Document]) -> Iterator[Document | Reject]:
        list(super().process(batch))  # notes them
        for record in batch:
            yield record.model_copy(update={"root": os.urandom(self.size // 2).hex()})


def mount(place: Path, megabytes: int, *options: str) -> None:
    """A small disk in memory at a place, or another size for the one that is there."""
    place.mkdir(exist_ok=True)
    size = ",".join([*options, f"size={megabytes}m"])
    subprocess.run(["mount", "-t", "tmpfs", "-o", size, "tmpfs", place], check=True)


def main(kind: str, folder: Path) -> dict[str, Any]:
    """Run into the full disk, make room, run again."""
    disk = folder / "disk"
    spilling = kind == "spilling"
    mount(disk, 20 if spilling else 2)
    started = {"object_store_memory": 80 * MEGABYTE, "object_spilling_directory": str(disk)} if spilling else {}
    ray.init(num_cpus=4, include_dashboard=False, log_to_driver=False, **started)
    runner = Runner(folder / "run" if spilling else disk / "run", Console())
    elsewhere = Runner(folder / "source", Console())
    documents = [Document(id=content_id(number), path=str(number), root="root") for number in range(100)]
    source = elsewhere.gather("documents", Document, lambda: documents, settings={})
    size, redone = 8 * MEGABYTE if spilling else 100_000, folder / "redone"
    redone.mkdir()
    try:
        with runner.exclusive():
            runner.bulk(Swell(size), source, "swollen")
        said = ""
    except RunError as error:
        said = str(error)
    mount(disk, 4000, "remount")
    with runner.exclusive():
        made = runner.bulk(Swell(size, redone), source, "swollen")
    ids = [record.id for record in made.records()]
    again = {line for file in redone.iterdir() for line in file.read_text().split()}
    return {"said": said, "right": sorted(ids) == sorted(one.id for one in documents), "redone": len(again)}


if __name__ == "__main__":
    print(json.dumps(main(sys.argv[1], Path(sys.argv[2]))))
