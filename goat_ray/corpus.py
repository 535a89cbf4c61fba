"""From plans to a corpus: in one go, or in rounds until as many samples are accepted as were asked for.

Each round's datasets depend on nothing but the settings and the rounds before it, so a killed run goes on within
the round it was in, and a repeated one makes the same rounds.
"""

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

import numpy as np
import pyarrow as pa

from goat_ray.errors import RunError
from goat_ray.executors.build import Outside
from goat_ray.executors.config import ExecutorConfig
from goat_ray.plans import PlanSource
from goat_ray.records import ApiFunction, CallPlan, Sample, Traits
from goat_ray.runner import Runner
from goat_ray.storage import Dataset
from goat_ray.synthesis.calling import Call
from goat_ray.synthesis.config import SynthesisConfig
from goat_ray.synthesis.contamination import Benchmarks
from goat_ray.synthesis.coverage import Coverage
from goat_ray.synthesis.curation import Selection, curate, parsed
from goat_ray.synthesis.examination import CONTAMINATED, Examine
from goat_ray.synthesis.imports import Published
from goat_ray.synthesis.mixing import check_quotas, check_services, fitted, wanted_mix
from goat_ray.synthesis.narration import Narrate
from goat_ray.synthesis.orders import Starts
from goat_ray.synthesis.quotas import Quotas
from goat_ray.teacher.task import Teacher

FIRST_YIELD = 0.5  # accepted samples of a plan, before any round has shown it
MARGIN = 1.1  # more plans than the last yield asks for: a further round costs more than some surplus
SMALLEST, LARGEST = 200, 200_000  # plans of a round
GROWTH = 4  # from a round without a sample to the next; squared after one without a plan, as drawing costs little
BARREN_YIELD = 0.01  # of what a round could bring at most: one sample of the last three is much
BARREN_ROUNDS = 2  # in a row, and the graph seems to have no more to give: at once where they had no new plan, else
IN_VAIN = 15_000  # after so many plans in them: where one in 500 would be accepted, all fail with a chance of e^-30
REPORT = "contamination.jsonl"


@dataclass(frozen=True)
class Round:
    """The datasets of one round."""

    plans: Dataset[CallPlan]
    orders: int  # that were drawn, with those that gave no plan
    narrated: Dataset[Sample]
    examined: Dataset[Traits]


@dataclass
class Account:
    """What was asked for, what came, and why there is no more."""

    asked: int
    got: int = 0
    orders: int = 0
    rounds: int = 0
    stopped: str = ""  # why, where there is less than was asked for
    missing: list[str] = field(default_factory=list)

    def __str__(self) -> str:
        text = f"{self.got:,} of {self.asked:,} samples from {self.orders:,} plans in {self.rounds} rounds"
        if self.stopped:
            text += f"; {self.stopped}"
        return f"{text}; missing {', '.join(self.missing)}" if self.missing else text

    def facts(self) -> dict[str, int]:
        """For the manifest."""
        facts = {"asked": self.asked, "orders": self.orders, "rounds": self.rounds}
        return facts | ({f"stopped: {self.stopped}": 1} if self.stopped else {})


class _Drought:
    """The last rounds in a row that brought almost nothing."""

    def __init__(self) -> None:
        self._rounds: list[Round] = []
        self._samples = 0

    def note(self, round_: Round, kept: int, missing: int) -> None:
        """Count a round that brought ``kept`` of the ``missing`` samples, or end the drought."""
        if kept / min(round_.orders, missing) >= BARREN_YIELD:
            self._rounds, self._samples = [], 0
        else:
            self._rounds.append(round_)
            self._samples += kept

    @property
    def verdict(self) -> str:
        """Why there should be no further round; empty where one may help."""
        last, orders = self._rounds[-BARREN_ROUNDS:], sum(one.orders for one in self._rounds)
        if len(last) == BARREN_ROUNDS and not any(one.plans.rows for one in last):
            return f"the last {BARREN_ROUNDS} rounds found no new plan: the graph seems exhausted"
        if len(last) == BARREN_ROUNDS and orders >= IN_VAIN:
            return f"the last {orders:,} plans brought {self._samples:,} samples: the graph seems exhausted"
        return ""


class CorpusMaker:
    """Draws, calls, narrates, examines and selects."""

    def __init__(
        self,
        runner: Runner,
        teacher: Teacher,
        outside: Outside,
        source: PlanSource,
        *,
        executor: ExecutorConfig,
        synthesis: SynthesisConfig,
        embedder: str,
    ) -> None:
        self.runner = runner
        self.teacher = teacher
        self.outside = outside
        self.source = source
        self.executor = executor
        self.config = synthesis
        self.benchmarks = Benchmarks(synthesis.contamination, embedder)

    def samples(self) -> Dataset[Sample]:
        """The finished corpus; raises ``RunError`` where it is smaller than asked for, unless that is allowed.

        Raises ``ConfigError`` before anything is drawn where no such corpus can be.
        """
        check_quotas(self.config, self.source.config)
        check_services(self.config.quotas.services, self.source.services)
        if self.config.accepted is None:
            plans = self.source.plans()
            return self._select([self._round(plans, plans.rows + sum(plans.rejects.values()))], None)
        rounds, account = self._until_accepted(self.config.accepted)
        samples = self._select(rounds, account)
        self.runner.console.note(str(account))
        if account.stopped and self.config.shortfall == "stop":
            raise RunError(
                str(account),
                place=str(samples.folder),
                remedy="Lower synthesis.accepted, widen the quotas, add documents or raise max_plans; or set "
                "synthesis.shortfall=go-on to use what there is",
            )
        return samples

    def _round(self, plans: Dataset[CallPlan], orders: int, suffix: str = "") -> Round:
        functions = self.source.functions.data
        call = Call(self.teacher, self.executor, functions, outside=self.outside, calling=self.config)
        traces = self.runner.bulk(call, plans, f"traces{suffix}")
        narrate = Narrate(self.teacher, functions, self.config, traces.fingerprint)
        narrated = self.runner.bulk(narrate, traces, f"narrated{suffix}")
        examined = self.runner.bulk(
            Examine(functions, self.config.splits, self.benchmarks), narrated, f"examined{suffix}"
        )
        return Round(plans, orders, narrated, examined)

    def _until_accepted(self, asked: int) -> tuple[list[Round], Account]:
        rounds: list[Round] = []
        account = Account(asked)
        drought = _Drought()
        size = round(asked / FIRST_YIELD * MARGIN)
        while True:
            quotas = Quotas(asked, self.config.quotas)
            selection = self._selection(rounds, quotas)
            if rounds:
                kept = selection.kept_of(len(rounds) - 1)
                drought.note(rounds[-1], kept, quotas.left + kept)
                size = _next_size(rounds[-1], kept, quotas.left)
            account.got, account.rounds, account.missing = asked - quotas.left, len(rounds), list(quotas.missing())
            limit = self.config.max_plans or asked * LARGEST
            budget = min(LARGEST, limit - account.orders)
            if not quotas.left:
                return rounds, account
            if budget <= 0:
                account.stopped = f"the budget of {limit:,} plans is spent"
                return rounds, account
            if drought.verdict:
                account.stopped = drought.verdict
                return rounds, account
            size = min(budget, max(SMALLEST, size))
            rounds.append(self._next_round(rounds, account.orders, size, quotas, selection))
            account.orders += size

    def _next_round(
        self, rounds: Sequence[Round], first: int, size: int, quotas: Quotas, selection: Selection
    ) -> Round:
        suffix = f"-{len(rounds) + 1:03d}"
        self.runner.console.heading(f"Round {len(rounds) + 1}: {size:,} plans for {quotas.left:,} missing samples")
        mix = wanted_mix(quotas, self.config, self.source.config)
        plans = self.source.plans(
            first,
            size,
            into=f"plans{suffix}",
            mix=None if mix is None else fitted(self.source.possible(mix, first), quotas),
            earlier=[one.plans for one in rounds],
            lacking=self._lacking(rounds, selection) if rounds and self.source.config.coverage else None,
        )
        return self._round(plans, size, suffix)

    def _lacking(self, rounds: Sequence[Round], selection: Selection) -> Starts:
        """What the accepted samples use too little; a sample's calls are counted as its plan has them, in few bytes."""
        coverage = Coverage(self.source.graph, {}, self.source.config.coverage)
        accepted = selection.columns.ids[selection.kept]
        for batch in (batch for one in rounds for batch in one.plans.batches(["id", "calls"])):
            coverage.add(batch.filter(pa.array(np.isin(parsed(batch["id"]), accepted)))["calls"])
        return coverage.lacking()

    def _selection(self, rounds: Sequence[Round], quotas: Quotas | None) -> Selection:
        return Selection.of([one.examined for one in rounds], self.config.near_duplicates, quotas)

    def _select(self, rounds: Sequence[Round], account: Account | None) -> Dataset[Sample]:
        settings = self.config.model_dump(mode="json", include={"accepted", "quotas", "near_duplicates"})
        facts = {} if account is None else account.facts()
        coverage = Coverage(self.source.graph, facts, self.source.config.coverage)

        def tables() -> Iterator[pa.Table]:
            quotas = None if account is None else Quotas(account.asked, self.config.quotas)
            yield from coverage.count(curate([one.narrated for one in rounds], self._selection(rounds, quotas)))

        self._report([one.examined for one in rounds])
        return self.runner.gather_tables(
            "samples",
            Sample,
            tables,
            settings=settings,
            inputs=[dataset for one in rounds for dataset in (one.narrated, one.examined)],
            facts=facts,
        )

    def _report(self, examined: Sequence[Dataset[Traits]]) -> None:
        """List what was removed for being a benchmark's query, one JSON object a line, beside the samples."""
        report = self.runner.directory / REPORT
        if not self.benchmarks.entries:
            report.remove()  # an earlier run's
            return
        with report.written() as file:
            for dataset in examined:
                for reject in dataset.rejected():
                    if reject.reason == CONTAMINATED:
                        line = {"sample": reject.id, **json.loads(reject.detail)}
                        file.write((json.dumps(line, ensure_ascii=False) + "\n").encode())


def _next_size(last: Round, kept: int, missing: int) -> int:
    """Plans that should bring what is missing, by the yield of the last round."""
    if kept:
        return round(missing / (kept / last.orders) * MARGIN)
    return last.orders * (GROWTH if last.plans.rows else GROWTH**2)


def import_corpus(published: Published, runner: Runner) -> Dataset[Sample]:
    """Records of a corpus in the published form, as the run's ``functions`` and ``samples``."""
    settings = {"imported": published.id}
    with runner.exclusive():
        functions = runner.gather("functions", ApiFunction, published.functions, settings=settings)
        return runner.gather(
            "samples",
            Sample,
            lambda: published.samples(functions.records()),
            settings=settings,
            inputs=[functions],
        )
