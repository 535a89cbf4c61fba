"""So many accepted samples, with quotas: rounds lean towards what is missing, and the account says why they end."""

import json
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from goat_ray import corpus
from goat_ray.console import Console
from goat_ray.corpus import CorpusMaker
from goat_ray.errors import ConfigError, RunError
from goat_ray.executors.build import ALONE
from goat_ray.executors.config import ExecutorConfig
from goat_ray.graph.adjacency import build_graph
from goat_ray.inspection import corpus_of
from goat_ray.places import Place
from goat_ray.plans import PlanSource
from goat_ray.records import ApiFunction, CallPlan, Edge, Reject, Sample, without_failures
from goat_ray.runner import Runner
from goat_ray.storage import MANIFEST, Dataset, open_dataset, read_json, write_records
from goat_ray.synthesis.config import SamplingConfig, SynthesisConfig
from goat_ray.synthesis.contamination import Entry, Match
from goat_ray.synthesis.examination import contaminated
from goat_ray.synthesis.splits import SplitsConfig
from goat_ray.teacher.rules import RulesTeacher
from tests.killing import prepare
from tests.world import World, edge_columns, sample_plans

pytestmark = pytest.mark.ray

BOOKSHOP, LIBRARY = "Lanternleaf Bookshop Catalogue", "Four Rivers Library Loans"


@pytest.fixture
def made(ray_cluster: None, world: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """Makes a corpus on the demo's finished graph, in rounds of few plans."""
    monkeypatch.setattr(corpus, "SMALLEST", 60)
    monkeypatch.setattr(corpus, "LARGEST", 90)
    prepare(tmp_path / "run", world)

    def make(**synthesis: Any) -> Dataset[Sample]:
        runner = Runner(tmp_path / "run", Console())
        functions, edges = runner.finished("functions", ApiFunction), runner.finished("edges", Edge)
        return CorpusMaker(
            runner,
            RulesTeacher(),
            ALONE,
            PlanSource(runner, functions, edges, SamplingConfig()),
            executor=ExecutorConfig(),
            synthesis=SynthesisConfig.model_validate({"paraphrases": 0, **synthesis}),
            embedder="",
        ).samples()

    return make


def facts(samples: Dataset[Sample]) -> dict[str, Any]:
    manifest = read_json(samples.folder / MANIFEST)
    assert manifest is not None
    found: dict[str, Any] = manifest["facts"]
    return found


def test_quotas_are_met_exactly(made: Any, world: World, tmp_path: Path) -> None:
    quotas = {"lengths": {1: 1, 2: 2, 3: 1}, "services": {BOOKSHOP: 3, LIBRARY: 1}}
    samples = made(accepted=40, quotas=quotas)
    found = list(samples.records())
    assert len(found) == len({sample.id for sample in found}) == 40
    assert Counter(len({call.planned for call in sample.calls}) for sample in found) == {1: 10, 2: 20, 3: 10}
    last = [world.functions[without_failures(sample.calls)[-1].function].service for sample in found]
    assert Counter(last) == {BOOKSHOP: 30, LIBRARY: 10}
    known = facts(samples)
    assert known["asked"] == 40 and known["rounds"] >= 1 and known["orders"] >= 60 * known["rounds"]
    assert known["functions used"] >= 5 and known["functions used fewer than 2 times"] > 0
    sought = read_json(tmp_path / "run" / "plans-001_orders" / MANIFEST)
    assert sought is not None
    assert sought["facts"]["kinds of plans wanted"] > sought["facts"]["kinds of plans not found"] >= 0


def test_later_rounds_start_from_what_accepted_samples_lack(world: World, tmp_path: Path) -> None:
    drawn = sample_plans(world.functions, world.edges, SamplingConfig(plans=60))
    plans = [plan for plan in drawn if isinstance(plan, CallPlan)]
    write_records(tmp_path, CallPlan, plans)
    round_: Any = SimpleNamespace(plans=Dataset(Place.of(tmp_path), CallPlan, "plans", len(plans), {}))
    graph = build_graph(world.functions, [edge_columns(world.edges)])
    maker: Any = Scripted()
    maker.source = SimpleNamespace(graph=graph, config=SamplingConfig(coverage=2))
    ids = np.array([int(plan.id, 16) for plan in plans], np.uint64)
    selection: Any = SimpleNamespace(columns=SimpleNamespace(ids=ids), kept=np.arange(0, len(ids), 2))
    found = maker._lacking([round_], selection)
    used = Counter(call.function for plan in plans[::2] for call in plan.calls)
    missing = {number: 2 - used[id_] for number, id_ in enumerate(graph.ids.to_pylist()) if used[id_] < 2}
    assert Counter(found.functions[found.edges < 0].tolist()) == missing != {}


def test_a_budget_ends_it_with_an_account_and_what_there_is_is_kept(made: Any, tmp_path: Path) -> None:
    wanted = {"accepted": 1000, "max_plans": 60, "splits": {"unseen_functions": 0.2}}
    with pytest.raises(RunError, match=r"of 1,000 samples from 60 plans in 1 rounds; the budget of 60 plans is spent"):
        made(**wanted, shortfall="stop")
    kept = open_dataset(Place.of(tmp_path / "run" / "samples"), Sample).rows
    assert 0 < kept < 60
    samples = made(**wanted, shortfall="go-on")
    assert samples.rows == kept
    assert facts(samples)["stopped: the budget of 60 plans is spent"] == 1
    exported = corpus_of(Place.of(tmp_path / "run"))
    assert exported.splits == SplitsConfig(unseen_functions=0.2), "exports hold back what training does"
    # A benchmark asks what one of them asks: it goes, and the report says why.
    gone = next(iter(exported))
    (tmp_path / "bench.txt").write_text(gone.query)
    left = made(
        **wanted, shortfall="go-on", contamination={"benchmarks": [str(tmp_path / "bench.txt")], "similarity": None}
    )
    assert gone.id not in {sample.id for sample in left.records()}
    report = [json.loads(line) for line in (tmp_path / "run" / corpus.REPORT).read_text().splitlines()]
    exact = f"exact: bench.txt#1: {gone.query}"
    assert {"sample": gone.id, "match": exact, "query": gone.query} in report


def test_the_report_of_what_a_benchmark_asks_is_of_this_run_and_whole(tmp_path: Path) -> None:
    maker: Any = object.__new__(CorpusMaker)
    maker.runner = SimpleNamespace(directory=Place.of(tmp_path))
    match = Match("n-gram", Entry("bench#3", "Find cats | dogs near me"))
    rejects = [contaminated("1", match, "Find cats | dogs near me today"), Reject(id="2", reason="else")]
    maker.benchmarks = SimpleNamespace(entries=[match.entry])
    maker._report([SimpleNamespace(rejected=lambda: iter(rejects))])
    (line,) = (tmp_path / corpus.REPORT).read_text().splitlines()
    assert json.loads(line) == {"sample": "1", "match": str(match), "query": "Find cats | dogs near me today"}
    maker.benchmarks = SimpleNamespace(entries=[])
    maker._report([])
    assert not (tmp_path / corpus.REPORT).exists(), "its samples are not of this run"
    maker._report([])


class Scripted(CorpusMaker):
    """Rounds that bring so many samples each, and then none; those of ``planless`` have no plan."""

    def __init__(self, *kept: int, planless: Sequence[int] = (), max_plans: int | None = None) -> None:
        self.config = SynthesisConfig(accepted=1, max_plans=max_plans)
        self.kept = list(kept)
        self.planless = planless
        self.sizes: list[int] = []

    def _next_round(self, rounds: Any, first: int, size: int, quotas: Any, selection: Any) -> Any:
        assert first == sum(self.sizes)
        self.sizes.append(size)
        return SimpleNamespace(orders=size, plans=SimpleNamespace(rows=0 if len(rounds) in self.planless else size))

    def _selection(self, rounds: Any, quotas: Any) -> Any:
        self.kept += [0] * (len(rounds) - len(self.kept))
        for _ in range(sum(self.kept[: len(rounds)])):
            assert not quotas.accept(1, "single", "")
        return SimpleNamespace(kept_of=lambda number: self.kept[number])


def test_a_round_is_barren_by_what_it_could_have_brought() -> None:
    assert not Scripted(7, 1, 1, 1)._until_accepted(10)[1].stopped, "one of three is no small part"
    little = Scripted(5000, 20, 20)._until_accepted(10**4)[1]
    assert little.stopped == "the last 224,200 plans brought 40 samples: the graph seems exhausted"


def test_rounds_grow_while_they_bring_nothing() -> None:
    maker = Scripted(998)
    account = maker._until_accepted(1000)[1]
    assert maker.sizes == [2200, 200, 800, 3200, 12_800]
    assert account.stopped == "the last 17,000 plans brought 0 samples: the graph seems exhausted"
    assert sum(maker.sizes[1:-1]) < corpus.IN_VAIN <= sum(maker.sizes[1:])
    late = Scripted(998, 0, 0, 0, 2)
    assert not late._until_accepted(1000)[1].stopped, "those of a rare kind come after all"
    lucky = Scripted(998, 0, 0, 1, 1)
    assert not lucky._until_accepted(1000)[1].stopped
    assert lucky.sizes == [2200, 200, 800, 3200, 3520], "by what the last one brought"
    spent = Scripted(998, max_plans=3000)
    assert spent._until_accepted(1000)[1].stopped == "the budget of 3,000 plans is spent"


def test_a_kind_that_few_plans_give_is_not_given_up() -> None:
    """One plan in 500 is accepted: however few are missing, they come."""
    random_ = np.random.default_rng(1)

    class Rare(Scripted):
        def _next_round(self, rounds: Any, first: int, size: int, quotas: Any, selection: Any) -> Any:
            self.kept.append(min(quotas.left, int(random_.binomial(size, 0.002))))
            return super()._next_round(rounds, first, size, quotas, selection)

    for _ in range(50):
        assert not Rare()._until_accepted(20)[1].stopped


def test_where_plans_run_out_it_ends_soon() -> None:
    small = Scripted(9, planless=(1, 2))
    assert small._until_accepted(10)[1].stopped == "the last 2 rounds found no new plan: the graph seems exhausted"
    assert small.sizes == [200, 200, 3200]
    assert not Scripted(9, 0, 1, planless=(1,))._until_accepted(10)[1].stopped


def test_without_a_budget_it_ends_all_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(corpus, "LARGEST", 10)
    maker = Scripted()
    assert maker._until_accepted(3)[1].stopped == "the budget of 30 plans is spent"
    assert maker.sizes == [10, 10, 10]


@pytest.mark.soak
def test_a_graph_that_has_no_more_ends_it(made: Any) -> None:
    """Of plans of one call there are as many as functions that can be called first."""
    with pytest.raises(RunError, match=r"the last 2 rounds found no new plan: the graph seems exhausted"):
        made(accepted=100, quotas={"lengths": {1: 1}, "services": {LIBRARY: 1}})


def test_what_can_never_be_is_refused_before_anything_is_drawn(made: Any, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=BOOKSHOP):
        made(accepted=10, quotas={"services": {BOOKSHOP[:-1]: 1}})
    with pytest.raises(ConfigError):
        made(accepted=10, quotas={"lengths": {1: 1}, "shapes": {"chain": 1}})
    assert not list((tmp_path / "run").glob("plans*"))
