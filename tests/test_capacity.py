"""The capacity model: against sums by hand, and what must hold whatever the figures are."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st
from typer.testing import CliRunner

from goat_ray.capacity import Demand, Engine, Stage, Table, engine_of, parse_gpus, parse_size, stages
from goat_ray.cli import app
from goat_ray.errors import ConfigError

TABLE = Table.read()
DEMAND = Demand(10_000, 1_000_000, 70e9, 8e9, "H100", 64, 256, gpu_price=3.0, core_price=0.05)


def by_name(demand: Demand) -> dict[str, Stage]:
    return {stage.name: stage for stage in stages(demand, TABLE)}


def test_training_is_six_flops_a_parameter_and_token() -> None:
    stage = by_name(DEMAND)["train agent"]
    assert stage.amount == 3e9
    assert stage.seconds == pytest.approx(6 * 8e9 * 3e9 / (64 * 989e12 * 0.35))
    assert stage.usd == pytest.approx(stage.hours * 64 * 3.0)


def test_documents_are_read_by_all_cores_and_searched_by_one_process() -> None:
    found = by_name(DEMAND)
    assert found["ingest"].seconds == pytest.approx(200_000 / 700 / 256)
    assert found["neighbours"].seconds == pytest.approx(200_000 * 5 * 200_000 * 10 / 155e6)
    assert found["neighbours"].seconds == by_name(replace(DEMAND, cores=1))["neighbours"].seconds


def test_an_engine_of_70b_by_hand() -> None:
    engine = engine_of(DEMAND, TABLE)
    assert engine.gpus == 4  # 140 GB of weights; 70 % of the usable memory of two H100 are 101 GB
    assert engine.prefill() == pytest.approx(4 * 989e12 * 0.45 / 140e9)
    kv = 131_072 * (70 / 8) ** 0.42
    assert kv == pytest.approx(80 / 32 * 131_072, rel=0.01)  # Llama-3-70B has 80 layers
    sequences = int((4 * 80e9 * 0.9 - 140e9) / (2000 * kv))
    assert engine.sequences(2000) == sequences
    step = (140e9 + sequences * 2000 * kv) / (4 * 3.35e12 * 0.6)
    assert engine.decode(2000) == pytest.approx(sequences / step)


def test_large_batches_of_short_contexts_are_bound_by_computing() -> None:
    engine = Engine(8e9, TABLE.gpus["H100"], 1, TABLE.efficiency, batch=100_000)
    assert engine.decode(10) == pytest.approx(989e12 * 0.3 / 16e9)


@given(st.integers(4, 500), st.integers(1, 500), st.sampled_from([1e9, 8e9, 70e9]))
def test_more_gpus_and_cores_never_take_longer(gpus: int, more: int, size: float) -> None:
    few = replace(DEMAND, gpus=gpus, cores=gpus, model_size=size)
    many = replace(few, gpus=gpus + more, cores=gpus + more)
    for name, stage in by_name(many).items():
        assert stage.seconds <= by_name(few)[name].seconds * (1 + 1e-9)


@given(st.integers(1, 100))
def test_time_and_money_are_linear_in_samples(times: int) -> None:
    once, often = by_name(DEMAND), by_name(replace(DEMAND, samples=DEMAND.samples * times))
    for name in ("sample", "call", "call: teacher", "narrate: teacher", "examine", "curate", "train agent"):
        assert often[name].seconds == pytest.approx(once[name].seconds * times)
        assert often[name].usd == pytest.approx(once[name].usd * times)
    for name in ("ingest", "embed", "neighbours", "candidates", "cascade", "verify: teacher"):
        assert often[name] == once[name]


def test_what_cannot_be_reckoned_is_one_clear_error() -> None:
    with pytest.raises(ConfigError, match="needs 4 H100 in bf16, and there are 2"):
        list(stages(replace(DEMAND, gpus=2), TABLE))
    with pytest.raises(ConfigError, match=r"no figures of a GPU 'P40'.*H100"):
        list(stages(replace(DEMAND, gpu="P40"), TABLE))
    for text in ("70", "b", "0b", "-1b"):
        with pytest.raises(ConfigError, match="no size of a model"):
            parse_size(text)
    for text in ("H100", "0xH100", "64"):
        with pytest.raises(ConfigError, match="no number of GPUs"):
            parse_gpus(text)
    assert (parse_size("70B"), parse_size("0.5b"), parse_gpus("64xh100")) == (70e9, 0.5e9, (64, "H100"))


def test_the_command_says_which_stage_bounds_and_what_it_assumes() -> None:
    command = ["plan", "--documents", "100", "--samples", "1e6", "--model-size", "70b", "--gpus", "8xH100"]
    said = CliRunner().invoke(app, command)
    assert said.exit_code == 0, said.output
    assert "narrate: teacher bounds" in said.output
    assert "2 replica(s) of 4 H100" in said.output
    assert "operations per document 20 (guessed)" in said.output and "candidates per operation 160," in said.output
    neither = CliRunner().invoke(app, ["plan"])
    assert neither.exit_code == 1
    assert "Give one of the two" in neither.output
