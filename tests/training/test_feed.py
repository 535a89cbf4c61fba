import hashlib
import threading
import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest
import ray
import ray.train
from ray.data import DataContext, Dataset
from ray.data._internal.execution.execution_callback import ExecutionCallback
from transformers import PreTrainedTokenizerBase

from goat_ray.records import Example
from goat_ray.training import feed
from goat_ray.training.feed import Source, data_context, epoch, in_order, tally, validation
from goat_ray.training.launch import Run, run_loop
from goat_ray.training.tokenization import TOO_LONG, PackedTokenizer, tokenize
from tests.training.conftest import make_example, write_parquet

pytestmark = [pytest.mark.ray, pytest.mark.usefixtures("ray_cluster")]

ROWS = [make_example(number) for number in range(41)]
LONG = make_example(100).model_copy(update={"target": "word " * 200, "masked": []})


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory, tokenizer: PreTrainedTokenizerBase) -> Source:
    records = [*ROWS, make_example(99, "validation"), make_example(98, "test"), LONG]
    folder = write_parquet(tmp_path_factory.mktemp("feed") / "kept", records)
    return Source(
        folder, PackedTokenizer.pack(tokenizer), 128, {"plan": 1.0, "call": 1.0, "answer": 1.0}, seed=0, blocks=2
    )


def shares(dataset: Dataset, workers: int, rows_per_step: int) -> list[list[list[tuple[int, ...]]]]:
    """What each worker gets, step by step."""
    shards = in_order().configure({"epoch": dataset}, workers, None, None)
    taken: list[list[list[tuple[int, ...]]]] = [[] for _ in range(workers)]

    def take(worker: int) -> None:
        for table in shards[worker]["epoch"].iter_batches(batch_size=rows_per_step, batch_format="pyarrow"):
            taken[worker].append([tuple(row) for row in table["input_ids"].to_pylist()])

    threads = [threading.Thread(target=take, args=(worker,)) for worker in range(workers)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return taken


def expected(number: int, tokenizer: PreTrainedTokenizerBase, rows: Sequence[Example] = ROWS) -> list[tuple[int, ...]]:
    ordered = sorted(rows, key=lambda row: hashlib.sha256(f"0:{number}:{row.id}".encode()).digest())
    return [tuple(tokens.input_ids) for row in ordered if (tokens := tokenize(row, tokenizer, 128))]


@pytest.mark.parametrize("rows_per_partition", [20_000, 4])
def test_steps_follow_from_seed_and_ids_alone(
    source: Source, tokenizer: PreTrainedTokenizerBase, rows_per_partition: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(feed, "ROWS_PER_PARTITION", rows_per_partition)
    order = expected(1, tokenizer)
    with data_context():
        first, second = shares(epoch(source, 1, rows=41, rows_per_step=6), workers=2, rows_per_step=6)
    # Whole steps in turn: rows 0-5 to one worker, 6-11 to the other, and so on; of the last 5, two each.
    assert first[:3] == [order[0:6], order[12:18], order[24:30]]
    assert second[:3] == [order[6:12], order[18:24], order[30:36]]
    assert [len(step) for step in first] == [len(step) for step in second] == [6, 6, 6, 2]


def test_a_feed_that_waits_for_a_training_rests(
    source: Source, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By itself, Ray Data's scheduling loop turns without a pause where all its tasks wait for a training to go on."""
    turns, found = tmp_path / "turns", tmp_path / "found"
    many = replace(source, examples=write_parquet(tmp_path / "many", map(make_example, range(2000))))

    class Turn(ExecutionCallback):
        def on_execution_step(self, executor: object) -> None:
            with turns.open("a") as file:
                file.write(".")

    def loop(_: dict[str, object]) -> None:
        shard = ray.train.get_dataset_shard("epoch")
        for step, _ in enumerate(shard.iter_batches(batch_size=8, batch_format="pyarrow")):
            time.sleep(0.2)
            if step == 10:
                before = turns.stat().st_size
            if step == 20:
                found.write_text(str(turns.stat().st_size - before))
                return

    monkeypatch.setattr(DataContext.get_current(), "custom_execution_callback_classes", [Turn])
    run = Run(
        "feed", str(tmp_path), workers=1, cpus_per_worker=1, gpus_per_worker=0, max_failures=0, keep_checkpoints=1
    )
    with data_context():
        dataset = epoch(many, 0, rows=2000, rows_per_step=8, window=8)
        run_loop(loop, None, run, {"epoch": dataset}, print)
    assert int(found.read_text()) < 200  # in two seconds or more


def test_steps_have_examples_of_like_length_and_come_as_chance_has_them(
    source: Source, tokenizer: PreTrainedTokenizerBase
) -> None:
    """Of two workers with 3 rows each, 3 steps to a window; the plain loop makes the same steps."""
    order = expected(1, tokenizer)
    with data_context():
        dataset = epoch(source, 1, rows=41, rows_per_step=3, workers=2, window=3)
        first, second = shares(dataset, workers=2, rows_per_step=3)
    steps = [own + other for own, other in zip(first, second, strict=True)]
    for start, window in ((0, steps[:3]), (18, steps[3:6])):
        rows = sorted(order[start : start + 18], key=lambda row: (len(row), order.index(row)))
        groups = [rows[:6], rows[6:12], rows[12:]]
        assert window == sorted(groups, key=lambda group: min(map(order.index, group)))
    assert [len(step) for step in steps] == [6] * 6 + [4]  # each worker has as many rows as the other


def test_one_worker_sees_everything_and_epochs_differ(source: Source, tokenizer: PreTrainedTokenizerBase) -> None:
    with data_context():
        ((*steps,),) = shares(epoch(source, 0, rows=41, rows_per_step=12), workers=1, rows_per_step=12)
    assert [row for step in steps for row in step] == expected(0, tokenizer) != expected(1, tokenizer)


def test_tally_counts_what_is_kept_and_what_is_dropped(source: Source, tokenizer: PreTrainedTokenizerBase) -> None:
    with data_context():
        tallies = tally(source)
        held_out = validation(source).count()
    train = tallies["train"]
    assert train.kept == {"plan": 14, "call": 14, "answer": 13}
    assert train.dropped == {TOO_LONG: 1}
    tokens = [tokens for row in ROWS if (tokens := tokenize(row, tokenizer, 128))]
    assert train.tokens == sum(len(row.input_ids) for row in tokens)
    for kind in train.kept:
        of_kind = [tokenize(row, tokenizer, 128) for row in ROWS if row.kind == kind]
        assert train.trained[kind] == sum(one.trained for one in of_kind if not isinstance(one, str))
    assert tallies["validation"].kept.total() == held_out == 1
    assert train.line.endswith(f"plan {train.trained['plan']} of 14; 1 dropped as {TOO_LONG}")
    train.cut = 1200
    assert train.line.endswith(f"; 1 dropped as {TOO_LONG}, 1,200 prompts shortened")
    assert ";" not in tallies["validation"].line


def test_only_the_wanted_kinds_are_read(source: Source, tmp_path: Path) -> None:
    plans = replace(source, kinds={"plan": 1.0})
    with data_context():
        assert set(tally(plans)["train"].kept) == {"plan"}


def test_validation_has_the_mix_of_training(source: Source, tmp_path: Path) -> None:
    folder = write_parquet(tmp_path / "kept", [*ROWS, *(make_example(number, "validation") for number in range(60))])
    with data_context():
        found = tally(replace(source, examples=folder, kinds={"plan": 0.5, "call": 1.0}))["validation"].kept
    assert found["call"] == 20 and 0 < found["plan"] < 20 and "answer" not in found


def test_of_a_kind_with_a_share_the_same_examples_are_taken_each_time(source: Source) -> None:
    half = replace(source, kinds={"plan": 0.5, "call": 1.0})
    with data_context():
        tallies, again = tally(half), tally(half)
    assert tallies == again
    assert tallies["train"].kept["call"] == 14 and 0 < tallies["train"].kept["plan"] < 14
    assert "answer" not in tallies["train"].kept
