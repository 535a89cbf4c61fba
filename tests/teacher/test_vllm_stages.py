"""Stages of the road with a real vLLM engine and a tiny model made on the spot."""

from pathlib import Path

import pytest
from ray import serve

from goat_ray.agent.config import AgentConfig
from goat_ray.agent.served import ADAPTER
from goat_ray.config import GoatConfig, RunConfig
from goat_ray.console import Console
from goat_ray.documents.config import DocumentsConfig
from goat_ray.executors.config import ExecutorConfig
from goat_ray.graph.verification import Verify
from goat_ray.pipeline import Road
from goat_ray.records import ApiFunction, CallPlan, CallTrace, CandidateEdge, Sample
from goat_ray.runner import Runner
from goat_ray.storage import MANIFEST, read_json
from goat_ray.synthesis.calling import Call
from goat_ray.synthesis.config import SamplingConfig, SynthesisConfig
from goat_ray.synthesis.narration import Narrate
from goat_ray.teacher import vllm
from goat_ray.teacher.config import TeacherConfig
from goat_ray.teacher.rules import RulesTeacher
from goat_ray.teacher.task import Teacher
from goat_ray.teacher.vllm import app_name
from tests.world import World, all_pairs, make_samples, sample_plans

pytestmark = [pytest.mark.ray, pytest.mark.vllm, pytest.mark.slow]

# A random model says nothing sensible, but structured output makes it say it in the right form.
ANSWERED = {"not-accepted"}
UNUSABLE = {"not-json", "invalid-answer", "truncated"}
FLAWED = {"bad-length", "missing-value", "leaked-value", "names-api", "lists-steps", "unreadable", "wrong-language"}
FLAWED |= {"unsupported-name", "unsupported-number"}


@pytest.fixture
def starts(monkeypatch: pytest.MonkeyPatch) -> list[object]:
    """The starts of engines while a test runs."""
    seen: list[object] = []
    monkeypatch.setattr(vllm.serve, "run_many", lambda targets, **_: seen.extend(targets))
    return seen


def test_all_stages_share_an_engine(teacher: Teacher, tmp_path: Path, world: World, starts: list[object]) -> None:
    runner = Runner(tmp_path, Console())
    candidates = runner.gather("candidates", CandidateEdge, lambda: all_pairs(world.functions)[:40], settings={})
    edges = runner.bulk(Verify(teacher, world.data), candidates, into="verified")

    assert edges.rows + sum(edges.rejects.values()) == 40
    assert set(edges.rejects) <= ANSWERED | UNUSABLE
    assert edges.rows + edges.rejects.get("not-accepted", 0) >= 20, edges.rejects
    assert all(edge.teacher.startswith("vllm:") for edge in edges.records())

    plans = [p for p in sample_plans(world.functions, world.edges, SamplingConfig(plans=6)) if isinstance(p, CallPlan)]
    drawn = runner.gather("plans", CallPlan, lambda: plans, settings={})
    called = runner.bulk(Call(teacher, ExecutorConfig(), world.data), drawn, into="called")
    assert called.rows + sum(called.rejects.values()) == len(plans)

    # The values of a random model lead nowhere, and stories need calls that succeed.
    call = Call(RulesTeacher(), ExecutorConfig(), world.data)
    call.start()
    made = [trace for trace in call.process(plans) if isinstance(trace, CallTrace)]
    traces = runner.gather("traces", CallTrace, lambda: made, settings={})
    narrated = runner.bulk(Narrate(teacher, world.data, SynthesisConfig(), traces.fingerprint), traces, into="narrated")

    # What a random model writes hardly gets past the rules, but nothing may get lost.
    assert narrated.rows + sum(narrated.rejects.values()) == len(made) > 0
    assert set(narrated.rejects) <= ANSWERED | UNUSABLE | FLAWED | {"empty-answer"}
    assert not starts


def test_agents_before_and_after_a_training_share_it_too(
    teacher: Teacher, config: TeacherConfig, tmp_path: Path, world: World, starts: list[object]
) -> None:
    """The last test with these engines: they end with the agents' work."""
    road = Road(
        GoatConfig(
            run=RunConfig(directory=str(tmp_path)),
            documents=DocumentsConfig(paths=["unread"]),
            agent=AgentConfig(engine=config.engine, plan_tokens=16, call_tokens=16, answer_tokens=16),
        )
    )
    road.runner.gather("functions", ApiFunction, lambda: list(world.functions), settings={})
    samples = make_samples(world, 12)[:4]
    queries = road.runner.gather("queries", Sample, lambda: samples, settings={})
    contenders = {"untuned": (config.model, ""), "tuned": (config.engine.adapters[ADAPTER], "")}
    predictions = road.predictions(contenders, queries, into="predictions")
    assert not starts
    assert app_name(config) not in serve.status().applications
    for run in contenders:
        assert predictions[run].rows == len(samples)
        asked = read_json(predictions[run].folder / MANIFEST)
        assert asked is not None and asked["facts"]["agent requests"] >= len(samples)
