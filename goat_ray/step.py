"""The contract of all bulk work: a step turns a batch of records into records or rejects.

A step knows nothing of Ray. ``runner.py`` spreads it over the cluster, writes what it yields to
Parquet, counts what it rejects and remembers what is finished.
"""

from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import ClassVar, Generic, TypeVar

from goat_ray.identity import content_id
from goat_ray.placement import ANYWHERE, Placement
from goat_ray.records import Reject
from goat_ray.rows import Json, Record

In = TypeVar("In", bound=Record)
Out = TypeVar("Out", bound=Record)

BATCH_SIZE = 256  # records, where neither a step nor its teacher knows better


@dataclass(frozen=True)
class Resources:
    """What one worker of a step needs, and how many workers there may be."""

    cpus: float = 1.0
    gpus: float = 0.0
    workers: int | None = None  # at most so many; None lets the cluster decide
    batch_size: int = BATCH_SIZE  # records per call of ``process``
    placement: Placement = ANYWHERE

    def __post_init__(self) -> None:
        if self.cpus < 0 or self.gpus < 0 or (self.cpus == 0 and self.gpus == 0):
            raise ValueError(f"a worker needs some CPU or GPU, not cpus={self.cpus}, gpus={self.gpus}")
        if self.batch_size < 1 or (self.workers is not None and self.workers < 1):
            raise ValueError("batch_size and workers are at least 1")


class Step(ABC, Generic[In, Out]):
    """One transformation of the road. Subclasses are cheap to build and to pickle."""

    name: ClassVar[str]
    version: ClassVar[int]  # raise it when the same input would give another output
    takes: type[In]
    gives: type[Out]
    one_to_one: ClassVar[bool] = True
    """Each input gives exactly one output or reject, under the input's id. Such steps resume record
    by record after a kill; the others (ingesting, formatting) are quick and start again."""

    own_input_only: ClassVar[bool] = False
    """An outcome depends on nothing but the settings, the record, and what the record names by content-derived id.
    When some of a one-to-one step's input changes, the outcomes of all other records are then taken over."""

    resources: Resources = Resources()

    @property
    def overlaps(self) -> bool:
        """Whether a worker processes two batches at once, in threads: where it waits for others, neither the end of
        a batch nor its own work on it should leave those without anything to do."""
        return False

    @abstractmethod
    def settings(self) -> Json:
        """Everything, besides the input records, that the output depends on, as JSON."""

    def prepare(self) -> None:
        """Called once on the driver before the workers start, and only if there is work to do."""

    def start(self) -> None:
        """Load what is heavy (a model, a client). Called once in each worker, before any batch."""

    @abstractmethod
    def process(self, batch: Sequence[In]) -> Iterator[Out | Reject]:
        """Turn records into records. What cannot be turned is yielded as a ``Reject``, never raised."""

    def fingerprint(self, *inputs: str) -> str:
        """An id of this step's output, given the fingerprints of what it reads."""
        return content_id(self.name, self.version, self.settings(), inputs)
