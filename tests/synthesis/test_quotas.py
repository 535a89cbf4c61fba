"""Quotas: whole numbers that add up, and never one too many."""

from collections import Counter
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from goat_ray.errors import ConfigError
from goat_ray.settings import Settings
from goat_ray.synthesis.config import SamplingConfig, SynthesisConfig
from goat_ray.synthesis.mixing import check_quotas, check_services, fitted, wanted_mix
from goat_ray.synthesis.orders import Cell
from goat_ray.synthesis.quotas import Quotas, QuotasConfig, shared_out
from goat_ray.synthesis.shapes import SHAPES, SHORTEST


def can_be(length: int, shape: Any) -> bool:
    return length == 1 if shape == "single" else 1 < SHORTEST[shape] <= length


shares = st.dictionaries(st.integers(1, 12), st.floats(0.001, 100), min_size=1)


@given(st.integers(0, 10_000), shares)
def test_shares_become_whole_numbers_of_the_total(total: int, wanted: dict[int, float]) -> None:
    given_ = shared_out(total, wanted)
    assert sum(given_.values()) == total
    for value, share in wanted.items():
        assert abs(given_[value] - total * share / sum(wanted.values())) < 1


def test_a_sample_needs_room_of_every_kind() -> None:
    quotas = Quotas(4, QuotasConfig(lengths={1: 1, 2: 1}, shapes={"single": 1, "chain": 1}))
    assert quotas.accept(1, "single", "a") == ""
    assert quotas.accept(1, "single", "b") == ""
    assert quotas.accept(1, "single", "a") == "lengths 1"
    assert quotas.accept(3, "chain", "a") == "lengths 3"
    assert quotas.accept(2, "join", "a") == "shapes join"
    assert (quotas.left, list(quotas.missing())) == (2, ["lengths 2: 2", "shapes chain: 2"])
    assert quotas.accept(2, "chain", "a") == quotas.accept(2, "chain", "a") == ""
    assert quotas.accept(2, "chain", "a") == "samples"


@given(st.lists(st.tuples(st.integers(1, 3), st.sampled_from("ab")), max_size=60))
def test_no_quota_is_ever_exceeded(samples: list[tuple[int, str]]) -> None:
    config = QuotasConfig(lengths={1: 2, 2: 1}, services={"a": 1, "b": 3})
    quotas = Quotas(20, config)
    taken = [sample for sample in samples if not quotas.accept(sample[0], "chain", sample[1])]
    assert len(taken) == 20 - quotas.left <= 20
    for kind, limits in ((0, shared_out(20, config.lengths)), (1, shared_out(20, config.services))):
        for value in {sample[kind] for sample in taken}:
            assert sum(sample[kind] == value for sample in taken) <= limits[value]


def test_what_only_rich_shapes_can_use_is_kept_for_them() -> None:
    config = QuotasConfig(lengths={2: 1, 4: 1}, shapes={"chain": 1, "tree": 1})
    quotas = Quotas(100, config)
    assert quotas.accept(4, "chain", "a") == "chain of 4 calls"
    drawn = [(4, "chain"), (2, "chain"), (4, "tree")] * 50
    assert sum(not quotas.accept(length, shape, "a") for length, shape in drawn) == 100
    assert not list(quotas.missing())
    mix = wanted_mix(Quotas(100, config), SynthesisConfig(accepted=100, quotas=config), SamplingConfig())
    assert mix is not None and set(mix) == {Cell(2, "chain"), Cell(4, "tree")}


WISHES = st.fixed_dictionaries(
    {}, optional={cell: st.integers(1, 9) for cell in [(n, s) for s in SHAPES for n in (1, 2, 3, 4, 9) if can_be(n, s)]}
)


@given(st.integers(1, 60), WISHES.filter(bool), st.randoms())
def test_whatever_comes_first_shares_that_agree_are_met(total: int, wishes: Any, random_: Any) -> None:
    lengths, shapes = Counter[int](), Counter[str]()
    for (length, shape), share in wishes.items():
        lengths[length] += share
        shapes[shape] += share
    config = QuotasConfig.model_validate({"lengths": lengths, "shapes": shapes})
    quotas = Quotas(total, config)
    check_quotas(SynthesisConfig(accepted=total, quotas=config), SamplingConfig())
    cells = [(length, shape) for length in lengths for shape in shapes if can_be(length, shape)]
    while quotas.left:
        random_.shuffle(cells)
        assert not all(quotas.accept(length, shape, "a") for length, shape in cells), quotas.room


def test_lengths_and_shapes_are_rounded_alike() -> None:
    quotas = Quotas(3, QuotasConfig(lengths={1: 1, 2: 1}, shapes={"single": 1, "chain": 1}))
    lengths, shapes, _ = quotas.room
    assert lengths is not None and shapes is not None
    assert lengths[1] == shapes["single"] and lengths[2] == shapes["chain"]


def test_what_one_service_alone_can_give_is_left_to_it() -> None:
    quotas = Quotas(100, QuotasConfig(lengths={1: 1, 5: 1}, services={"a": 1, "b": 1}))
    short, long = Cell(1, "single", "a"), Cell(5, "chain", "b")
    mix = fitted({short: 1.0, Cell(1, "single", "b"): 1.0, long: 1.0}, quotas)
    assert mix[short] + mix[long] > 0.9 * sum(mix.values())
    assert fitted({}, quotas) == {}


def test_the_next_round_leans_towards_what_is_missing() -> None:
    synthesis = SynthesisConfig(accepted=100, quotas=QuotasConfig(lengths={1: 1, 3: 3}))
    quotas = Quotas(100, synthesis.quotas)
    for _ in range(25):
        assert quotas.accept(1, "single", "a") == ""
    mix = wanted_mix(quotas, synthesis, SamplingConfig())
    assert mix is not None
    assert {cell.length for cell in mix} == {3}
    assert mix[Cell(3, "chain")] > mix[Cell(3, "join")] > 0
    assert wanted_mix(Quotas(9, QuotasConfig()), SynthesisConfig(accepted=9), SamplingConfig()) is None


@pytest.mark.parametrize(
    "shares", [{"lengths": {3: 0}}, {"lengths": {15: 1}}, {"lengths": {0: 1}}, {"services": {"films": 0}}]
)
def test_shares_that_nothing_can_meet_are_refused(shares: dict[str, Any]) -> None:
    with pytest.raises(ValidationError, match=r"lengths are 1 to 12|not all zero"):
        QuotasConfig.model_validate(shares)


@pytest.mark.parametrize("share", [float("inf"), float("nan")])
@pytest.mark.parametrize(("kind", "of"), [("lengths", 2), ("shapes", "chain"), ("services", "films")])
@pytest.mark.parametrize("config", [QuotasConfig, SamplingConfig])
def test_shares_are_finite(config: type[Settings], kind: str, of: Any, share: float) -> None:
    with pytest.raises(ValidationError, match="finite number"):
        config.model_validate({kind: {of: share}})


@pytest.mark.parametrize(
    ("quotas", "named"),
    [
        ({"lengths": {1: 1}, "shapes": {"chain": 1}}, "lengths 1"),
        ({"lengths": {1: 1, 2: 1}, "shapes": {"chain": 1}}, "lengths 1"),
        ({"lengths": {2: 1}, "shapes": {"chain": 1, "tree": 1}}, "shapes 'tree'"),
        ({"lengths": {2: 1}, "shapes": {"single": 1, "chain": 1}}, "shapes 'single'"),
        ({"shapes": {"single": 1}}, "shapes 'single'"),  # sampling.lengths has no 1 below
        ({"lengths": {1: 3, 2: 1}, "shapes": {"single": 1, "chain": 3}}, "75 samples are to be of length 1, and 25"),
        ({"lengths": {1: 1, 2: 3}, "shapes": {"single": 3, "chain": 1}}, "25 samples are to be of length 1, and 75"),
        ({"lengths": {2: 3, 4: 1}, "shapes": {"chain": 1, "tree": 3}}, "75 samples have shapes of 3 calls and more"),
    ],
)
def test_quotas_that_exclude_each_other_are_refused(quotas: dict[str, Any], named: str) -> None:
    config = SynthesisConfig(accepted=100, quotas=QuotasConfig.model_validate(quotas))
    with pytest.raises(ConfigError, match=named):
        check_quotas(config, SamplingConfig(lengths={2: 1, 3: 1}))


def test_quotas_that_can_be_met_are_not_refused() -> None:
    for quotas in ({}, {"lengths": {1: 1, 2: 2}, "shapes": {"single": 1, "chain": 2}}, {"services": {"a": 1}}):
        check_quotas(SynthesisConfig(accepted=100, quotas=QuotasConfig.model_validate(quotas)), SamplingConfig())


def test_a_service_that_is_not_there_is_refused_with_the_nearest_name() -> None:
    check_services({"films"}, {"films", "books"})
    with pytest.raises(ConfigError, match=r"no function is of service 'flims'\. Did you mean 'films'\?"):
        check_services({"books", "flims"}, {"films", "books"})
