"""Examples as a stream of token ids, on Ray Data.

The order of an epoch depends on the seed and the examples alone, not on files, blocks or the size of
the cluster: rows are sorted by a hash of (seed, epoch, id), grouped by length within windows of some
steps, cut into blocks of exactly one worker's step, and the blocks are dealt out in turn. So a run can
stop anywhere and continue at the next step.
"""

import hashlib
import logging
import time
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import ray
from ray.data import DataContext, Dataset, ExecutionOptions
from ray.data._internal.execution.execution_callback import ExecutionCallback  # there is no public name for it
from ray.train import DataConfig

from goat_ray.places import Place
from goat_ray.records import Example, ExampleKind, Split
from goat_ray.training.chat_tokens import tokenize_any
from goat_ray.training.tokenization import PackedTokenizer, Tokens

TASK_CPUS = 0.25  # of a tokenizing task: several fit beside the workers on a small cluster
ROWS_PER_BLOCK = 2_000  # of reading: some seconds of tokenizing
ROWS_PER_PARTITION = 20_000  # of the sort
ROWS_PER_BATCH = 512  # for one call of the tokenizing function
_KEY_BITS = 62
_BREATH_S = 0.05  # a step of training takes longer, and blocks are fetched ahead of it


@dataclass(frozen=True)
class Source:
    """Which examples to read and how to tokenize them. Plain data, so that it travels to every task."""

    examples: str  # folder of Parquet files with the columns of ``Example``
    tokenizer: PackedTokenizer
    max_length: int
    kinds: Mapping[ExampleKind, float]  # and the share of each that is taken
    seed: int
    blocks: int  # to read them in


@dataclass
class Tally:
    """What the examples of one split amount to."""

    kept: Counter[str] = field(default_factory=Counter)  # examples by kind
    trained: Counter[str] = field(default_factory=Counter)  # tokens with a loss by kind
    dropped: Counter[str] = field(default_factory=Counter)  # examples by reason
    tokens: int = 0
    cut: int = 0  # examples whose prompt was shortened

    @property
    def lost(self) -> list[str]:
        """What does not reach the model, in words."""
        dropped = [f"{count:,} dropped as {reason}" for reason, count in sorted(self.dropped.items())]
        return dropped + [f"{self.cut:,} prompt{'s' * (self.cut > 1)} shortened"] * (self.cut > 0)

    @property
    def line(self) -> str:
        """All of it in a line."""
        kinds = ", ".join(f"{kind} {self.trained[kind]:,} of {self.kept[kind]:,}" for kind in sorted(self.kept))
        whole = f"{self.trained.total():,} tokens of {self.kept.total():,} examples an epoch: {kinds}"
        return "; ".join([whole, ", ".join(self.lost)] if self.lost else [whole])


def tally(source: Source) -> dict[Split, Tally]:
    """Tokenize everything once and count, for the length of the schedule and the report."""
    tallies: dict[Split, Tally] = {"train": Tally(), "validation": Tally()}
    counted = _read(source, "train", "validation").map_batches(partial(_count, source), **_batches())
    for row in counted.iter_rows():
        one = tallies[row["split"]]
        if row["dropped"]:
            one.dropped[row["dropped"]] += row["examples"]
        else:
            one.kept[row["kind"]] += row["examples"]
            one.trained[row["kind"]] += row["trained"]
            one.tokens += row["tokens"]
            one.cut += row["cut"]
    return tallies


def epoch(source: Source, number: int, rows: int, rows_per_step: int, *, workers: int = 1, window: int = 1) -> Dataset:
    """The training examples of one epoch in blocks of ``rows_per_step`` of one worker (the last may be shorter).

    ``rows`` is about how many there are; ``window`` is the number of steps that share their rows by length. Columns:
    ``input_ids``, ``labels``.
    """
    partitions = max(2, -(-rows // ROWS_PER_PARTITION))
    keyed = _read(source, "train").map_batches(partial(_key, source.seed, number), **_batches())
    # The keys are uniform, so the borders are known: Ray need not sample the data first.
    borders: list[int | float] = [(part << _KEY_BITS) // partitions for part in range(1, partitions)]
    ordered = keyed.sort("order", boundaries=borders)
    # Tokenizing stands between sort and repartition on purpose: Ray 2.60 fuses those two if they touch,
    # and the blocks then follow the sort's partitions instead of having exactly this many rows.
    tokens = ordered.map_batches(partial(_tokenize, source, placed=window > 1), **_batches())
    if window > 1:
        size = workers * rows_per_step
        windows = tokens.repartition(target_num_rows_per_block=window * size, strict=True)
        tokens = windows.map_batches(partial(_group, size), **{**_batches(), "batch_size": window * size})
    return tokens.repartition(target_num_rows_per_block=rows_per_step, strict=True)


def validation(source: Source) -> Dataset:
    """The validation examples as tokens, in the order of the files."""
    return _read(source, "validation").map_batches(partial(_tokenize, source), **_batches())


def in_order() -> DataConfig:
    """How Ray Train deals blocks to the workers: in turn, and the same number of rows to each."""
    return DataConfig(execution_options=ExecutionOptions(preserve_order=True), enable_shard_locality=False)


class _Breath(ExecutionCallback):
    """Keeps Ray Data's scheduling loop from spinning while a training works.

    The loop waits for its tasks. Where they are done, and a training takes their blocks one by one, it turns without a
    pause and takes a core for each dataset, which on two cores made a training half as fast (Ray 2.60).
    """

    def on_execution_step(self, executor: object) -> None:
        time.sleep(_BREATH_S)


@contextmanager
def data_context() -> Iterator[None]:
    """Ray Data's process-wide settings for the datasets that are made and run inside, put back afterwards."""
    context = DataContext.get_current()
    own_callbacks = context.custom_execution_callback_classes
    # The progress lines are ours. The newer reader ignores override_num_blocks and needs 6 s for what
    # the older one does in 0.3 s, in each epoch (Ray 2.60, 100 rows, 2 cores).
    wanted = {
        "enable_progress_bars": False,
        "print_on_execution_start": False,
        "use_datasource_v2": False,
        "custom_execution_callback_classes": [*own_callbacks, _Breath],
    }
    before = {name: getattr(context, name) for name in wanted}
    for name, value in wanted.items():
        setattr(context, name, value)
    logger = logging.getLogger("ray.data")
    level = logger.level
    logger.setLevel(logging.ERROR)
    try:
        yield
    finally:
        logger.setLevel(level)
        for name, value in before.items():
            setattr(context, name, value)


def _read(source: Source, *splits: Split) -> Dataset:
    columns = Example.arrow_schema().names
    place = Place.of(source.examples)
    rows = ray.data.read_parquet(
        place.path,
        filesystem=place.filesystem,
        columns=columns,
        partitioning=None,
        override_num_blocks=source.blocks,
    )
    return rows.map_batches(partial(_select, source, splits), **_batches())


def _batches() -> dict[str, Any]:
    return {"batch_format": "pyarrow", "batch_size": ROWS_PER_BATCH, "num_cpus": TASK_CPUS, "zero_copy_batch": True}


def _select(source: Source, splits: Sequence[str], table: pa.Table) -> pa.Table:
    """The wanted splits and kinds; of a kind with a share the same examples each time.

    Of validation as of training, so that its loss is of the same mix, and takes its part of the time.
    """
    table = table.filter(pc.is_in(table["split"], pa.array(splits)))
    shares = [source.kinds.get(kind, 0.0) for kind in table["kind"].to_pylist()]
    places = _places(f"{source.seed}:share:", table)
    taken = [place < share * 2**_KEY_BITS for place, share in zip(places, shares, strict=True)]
    return table.filter(pa.array(taken, pa.bool_()))


def _key(seed: int, number: int, table: pa.Table) -> pa.Table:
    return table.append_column("order", pa.array(_places(f"{seed}:{number}:", table), pa.int64()))


def _places(prefix: str, table: pa.Table) -> list[int]:
    """A number below 2**_KEY_BITS for each row, from prefix and id."""
    ids: list[str] = table["id"].to_pylist()
    digests = (hashlib.sha256((prefix + example_id).encode()).digest() for example_id in ids)
    return [int.from_bytes(digest[:8], "big") >> (64 - _KEY_BITS) for digest in digests]


def _tokens(source: Source, table: pa.Table) -> Iterator[tuple[Example, Tokens | str]]:
    tokenizer = source.tokenizer.unpack()
    for row in table.select(Example.arrow_schema().names).to_pylist():
        example = Example.from_row(row)
        yield example, tokenize_any(example, tokenizer, source.max_length)


_TOKEN_SCHEMA = pa.schema([("input_ids", pa.list_(pa.int32())), ("labels", pa.list_(pa.int32()))])


def _tokenize(source: Source, table: pa.Table, *, placed: bool = False) -> pa.Table:
    """The rows that are kept as tokens and, if asked for, their places in the order."""
    found = [tokens for _, tokens in _tokens(source, table)]
    kept = [tokens for tokens in found if isinstance(tokens, Tokens)]
    columns = [[np.asarray(t.input_ids, np.int32) for t in kept], [np.asarray(t.labels, np.int32) for t in kept]]
    made = pa.table([pa.array(column, pa.list_(pa.int32())) for column in columns], schema=_TOKEN_SCHEMA)
    if not placed:
        return made
    places = table["order"].filter(pa.array([isinstance(tokens, Tokens) for tokens in found], pa.bool_()))
    return made.append_column("order", places)


def _group(size: int, window: pa.Table) -> pa.Table:
    """A window's rows as steps of ``size`` rows of like length; a step comes where the first of its rows came.

    One that is not full, at the end of an epoch, stays the last.
    """
    lengths, order = pc.list_value_length(window["input_ids"]).to_numpy(), window["order"].to_numpy()
    rows = np.lexsort((order, lengths))
    steps = [rows[start : start + size] for start in range(0, len(rows), size)]
    steps.sort(key=lambda step: (len(step) < size, order[step].min()))
    return window.select(_TOKEN_SCHEMA.names).take(np.concatenate(steps))


_COUNT_SCHEMA = pa.schema(
    [("split", pa.string()), ("kind", pa.string()), ("dropped", pa.string())]
    + [(name, pa.int64()) for name in ("examples", "trained", "tokens", "cut")]
)


def _count(source: Source, table: pa.Table) -> pa.Table:
    counts: Counter[tuple[str, ...]] = Counter()
    for example, tokens in _tokens(source, table):
        group = (example.split, example.kind, tokens if isinstance(tokens, str) else "")
        counts[*group, "examples"] += 1
        if isinstance(tokens, Tokens):
            counts[*group, "trained"] += tokens.trained
            counts[*group, "tokens"] += len(tokens.input_ids)
            counts[*group, "cut"] += tokens.cut > 0
    groups = sorted({key[:3] for key in counts})
    rows = [
        {"split": split, "kind": kind, "dropped": dropped}
        | {name: counts[split, kind, dropped, name] for name in _COUNT_SCHEMA.names[3:]}
        for split, kind, dropped in groups
    ]
    return pa.Table.from_pylist(rows, schema=_COUNT_SCHEMA)
