"""Stages of the road with a real vLLM engine and a tiny model made on the spot."""

from pathlib import Path

import pytest

from goat_ray.console import Console
from goat_ray.executors.config import ExecutorConfig
from goat_ray.graph.verification import Verify
from goat_ray.records import CallPlan, CallTrace, CandidateEdge
from goat_ray.runner import Runner
from goat_ray.synthesis.calling import Call
from goat_ray.synthesis.config import SamplingConfig, SynthesisConfig
from goat_ray.synthesis.narration import Narrate
from goat_ray.teacher.rules import RulesTeacher
from goat_ray.teacher.task import Teacher
from tests.world import World, all_pairs, sample_plans

pytestmark = [pytest.mark.ray, pytest.mark.vllm, pytest.mark.slow]

# A random model says nothing sensible, but structured output makes it say it in the right form.
ANSWERED = {"not-accepted"}
UNUSABLE = {"not-json", "invalid-answer", "truncated"}
FLAWED = {"bad-length", "missing-value", "leaked-value", "names-api", "lists-steps", "unreadable", "wrong-language"}
FLAWED |= {"unsupported-name", "unsupported-number"}


def test_verify_and_narrate_share_an_engine(teacher: Teacher, tmp_path: Path, world: World) -> None:
    runner = Runner(tmp_path, Console())
    candidates = runner.gather("candidates", CandidateEdge, lambda: all_pairs(world.functions)[:40], settings={})
    edges = runner.bulk(Verify(teacher, world.data), candidates, into="verified")

    assert edges.rows + sum(edges.rejects.values()) == 40
    assert set(edges.rejects) <= ANSWERED | UNUSABLE
    assert edges.rows + edges.rejects.get("not-accepted", 0) >= 20, edges.rejects
    assert all(edge.teacher.startswith("vllm:") for edge in edges.records())

    plans = [p for p in sample_plans(world.functions, world.edges, SamplingConfig(plans=6)) if isinstance(p, CallPlan)]
    call = Call(RulesTeacher(), ExecutorConfig(), world.data)
    call.start()
    made = [trace for trace in call.process(plans) if isinstance(trace, CallTrace)]
    traces = runner.gather("traces", CallTrace, lambda: made, settings={})
    narrated = runner.bulk(Narrate(teacher, world.data, SynthesisConfig(), traces.fingerprint), traces, into="narrated")

    # What a random model writes hardly gets past the rules, but nothing may get lost.
    assert narrated.rows + sum(narrated.rejects.values()) == len(made) > 0
    assert set(narrated.rejects) <= ANSWERED | UNUSABLE | FLAWED | {"empty-answer"}
