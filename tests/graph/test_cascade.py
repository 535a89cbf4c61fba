"""The cascade: which thresholds a sample asks for, who is asked, and who is said to have decided."""

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from goat_ray.config import GoatConfig
from goat_ray.errors import ConfigError
from goat_ray.graph import scoring
from goat_ray.graph.cascade import Band, Cascade, Side, calibrate, choose_band, choose_sample
from goat_ray.graph.config import CascadeConfig
from goat_ray.graph.scoring import EdgeModel, Scorer
from goat_ray.graph.train_edge_model import TrainingData
from goat_ray.graph.verification import Verify
from goat_ray.records import CandidateEdge, Edge
from goat_ray.rows import Record
from goat_ray.settings import build
from goat_ray.storage import MANIFEST, Dataset, write_json, write_records
from goat_ray.teacher.build import build_teacher
from goat_ray.teacher.config import TeacherConfig
from goat_ray.teacher.edges import JudgeEdge
from goat_ray.teacher.fake_server import Body, FakeServer
from goat_ray.teacher.rules import RulesTeacher
from tests.world import World, all_pairs


def side(low: float, high: float) -> st.SearchStrategy[Side]:
    scores = st.floats(low, high, exclude_max=True).map(lambda score: round(score, 6))
    labelled = st.lists(st.tuples(scores, st.booleans()), max_size=20)
    return st.builds(
        lambda pairs, more: Side(
            np.array([score for score, _ in pairs]), np.array([good for _, good in pairs], bool), len(pairs) * more
        ),
        labelled,
        st.integers(1, 50),
    )


targets = st.floats(0.5, 0.99)


@given(side(0.5, 1), side(0, 0.5), targets, targets, targets, targets)
def test_stricter_targets_never_decide_more_without_asking(
    likely: Side, unlikely: Side, p: float, q: float, r: float, s: float
) -> None:
    loose = choose_band(likely, unlikely, CascadeConfig(precision=min(p, q), recall=min(r, s)))
    strict = choose_band(likely, unlikely, CascadeConfig(precision=max(p, q), recall=max(r, s)))
    assert strict.low <= loose.low <= loose.high <= strict.high


@given(side(0.5, 1), side(0, 0.5), targets, targets)
def test_targets_are_met_on_the_sample(likely: Side, unlikely: Side, precision: float, recall: float) -> None:
    low, high = choose_band(likely, unlikely, CascadeConfig(precision=precision, recall=recall))
    above, below = likely.accepted[likely.scores >= high], unlikely.accepted[unlikely.scores < low]
    assert not above.size or above.mean() >= precision
    if below.size:
        lost = below.sum() / unlikely.scores.size * unlikely.size
        assert lost <= (1 - recall) * (likely.good + unlikely.good) + 1e-9


def dataset(folder: Path, kind: type[Record], records: list, facts: dict[str, int] | None = None) -> Dataset:
    folder.mkdir()
    write_records(folder, kind, records)
    write_json(folder / MANIFEST, {"facts": facts or {}})
    return Dataset(folder, kind, "", sum(isinstance(one, kind) for one in records), {})


@pytest.fixture(scope="module")
def edges(world: World) -> list[CandidateEdge]:
    return all_pairs(world.functions)[::25]


def judge_by_rule(world: World, edges: list[CandidateEdge]) -> Callable[[Body], dict[str, object]]:
    """What the embedded judge would say, for a server that is asked over HTTP."""
    verify = Verify(RulesTeacher(), world.data)
    verify.start()
    task = JudgeEdge()
    questions = [verify._question(edge) for edge in edges]
    answers = {task.messages(one)[-1]["content"]: task.rule(one).model_dump() for one in questions}
    return lambda body: answers[body["messages"][-1]["content"]]


def test_only_unclear_candidates_are_asked_about_and_records_say_who_decided(
    world: World, edges: list[CandidateEdge], tmp_path: Path
) -> None:
    config = CascadeConfig(precision=0.9, recall=0.9, sample=120)
    candidates = dataset(tmp_path / "candidates", CandidateEdge, edges)
    facts: dict[str, int] = {}
    tables = list(choose_sample(candidates, world.functions, config.sample, facts))
    chosen = [CandidateEdge.from_row(row) for table in tables for row in table.to_pylist()]
    assert sum(facts.values()) == len(edges)
    assert 0 < len(chosen) <= config.sample
    sample = dataset(tmp_path / "sample", CandidateEdge, chosen, facts)
    with FakeServer(answers=judge_by_rule(world, edges)) as server:
        teacher = build_teacher(TeacherConfig(backend="openai", model="judge", base_url=server.base_url))
        verify = Verify(teacher, world.data)
        verify.start()
        judged = dataset(tmp_path / "judged", Edge, list(verify.process(chosen)))
        band = calibrate(sample, judged, world.functions, config)
        cascade = Cascade(verify, band, judged)
        cascade.start()
        before = server.count
        outcomes = {one.id: one for one in cascade.process(edges)}
        asked = server.count - before
        split = [one for start in range(0, len(edges), 97) for one in cascade.process(edges[::-1][start : start + 97])]
    assert outcomes == {one.id: one for one in split}, "batches and their order decide nothing"
    scores = dict(zip([edge.id for edge in edges], Scorer(world.functions).scores(edges), strict=True))
    known = {edge.id for edge in chosen}
    unclear = {id for id, score in scores.items() if band.low <= score < band.high} - known
    assert asked == len(unclear) < len(edges) - len(known), "some are clear: few here, as every pair has cosine 1"
    for id, outcome in outcomes.items():
        clear = id not in unclear | known
        said = outcome.teacher if isinstance(outcome, Edge) else outcome.detail
        assert (cascade.label in said) == clear
    assert {one.teacher for one in outcomes.values() if isinstance(one, Edge)} <= {cascade.label, teacher.label}


def test_the_sample_does_not_depend_on_the_order_of_candidates(
    world: World, edges: list[CandidateEdge], tmp_path: Path
) -> None:
    ids = []
    for name, order in (("forward", edges), ("backward", edges[::-1])):
        tables = choose_sample(dataset(tmp_path / name, CandidateEdge, order), world.functions, 60, {})
        ids.append({id for table in tables for id in table["id"].to_pylist()})
    assert ids[0] == ids[1]


def test_another_band_is_another_step(world: World, tmp_path: Path) -> None:
    verify, judged = Verify(RulesTeacher(), world.data), dataset(tmp_path / "judged", Edge, [])
    prints = {Cascade(verify, band, judged).fingerprint() for band in (Band(0.1, 0.9), Band(0.1, 0.8))}
    assert len(prints | {verify.fingerprint()}) == 3


def test_rules_need_no_cascade() -> None:
    content = {"documents": {"paths": ["x"]}, "graph": {"verification": {"cascade": {}}}}
    with pytest.raises(ConfigError, match="rules"):
        build(content, GoatConfig, place="here")


def test_a_score_is_the_same_in_any_batch_and_ranks_gold_above_the_rest(
    world: World, edges: list[CandidateEdge]
) -> None:
    scorer = Scorer(world.functions, EdgeModel.shipped())
    together = scorer.scores(edges)
    assert together.tolist() == [scorer.scores([edge])[0] for edge in edges]
    confirmed = {edge.id for edge in world.edges}
    good = np.array([edge.id in confirmed for edge in edges])
    assert np.median(together[good]) > np.quantile(together[~good], 0.95)


def test_the_shipped_model_is_what_the_training_script_makes(demo_documents: Path) -> None:
    package = Path(scoring.__file__).parent
    shipped = json.loads((package / scoring.MODEL).read_text())
    made = TrainingData(str(demo_documents), package / "golds" / "demo.yaml").model()
    assert made["provenance"] == shipped["provenance"]
    # The solver's and the embedder's last digits differ between machines.
    assert made["weights"] == pytest.approx(shipped["weights"], abs=0.01)
    assert made["intercept"] == pytest.approx(shipped["intercept"], abs=0.01)
