"""The forecast against what the whole then really asks."""

import json
import re
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from goat_ray.config import GoatConfig
from goat_ray.forecast import StepForecast, forecast
from goat_ray.identity import rng
from goat_ray.pipeline import Road
from goat_ray.placement import Node
from goat_ray.records import Edge
from goat_ray.storage import MANIFEST, read_json
from goat_ray.teacher.config import EngineConfig, TeacherConfig
from goat_ray.teacher.fake_server import Body, FakeServer
from goat_ray.teacher.instances import instance


def answer(request: Body) -> Any:
    """Arguments that work; for all else something that follows the schema."""
    form = request["response_format"]["json_schema"]
    if form["name"] == "ArgumentValues":
        known = re.findall(r"- (\S+) \(.*Values known to work: (\[.*\])", request["messages"][-1]["content"])
        return {"values_json": json.dumps({name: json.loads(values)[0] for name, values in known})}
    return instance(form["schema"], rng(request["messages"]))


@pytest.mark.ray
@pytest.mark.slow
def test_a_pilot_foretells_the_requests_and_tokens_of_the_whole(
    ray_cluster: None, tmp_path: Path, demo_documents: Path
) -> None:
    with FakeServer(answers=answer) as server:
        teacher = {"backend": "openai", "model": "fake", "base_url": server.base_url}
        teacher |= {"budget": {"prompt_usd_per_million": 2.0, "completion_usd_per_million": 8.0}}
        config = {
            "run": {"directory": str(tmp_path / "run")},
            "documents": {"paths": [str(sorted(demo_documents.iterdir())[0])]},
            "teacher": teacher,
            "graph": {"execute": False},
            "sampling": {"plans": 200},
        }
        road = Road(GoatConfig.model_validate(config))
        steps = road.forecast(60)
        asked = server.count
        road.graph()
    facts = (read_json(tmp_path / "run" / "verified" / MANIFEST) or {})["facts"]
    verify = steps[0]
    for what in ("requests", "prompt tokens"):
        really = facts[f"judge-edge {what}"] + verify.counts[what]  # the pilot's answers are not asked for again
        assert verify.counts[what] * verify.factor == pytest.approx(really, rel=0.15)
    assert asked == sum(step.counts["requests"] for step in steps) > 100
    assert all(
        0 < step.seconds < (read_json(tmp_path / "run" / "pilot" / step.name / MANIFEST) or {})["seconds"]
        for step in steps
    )
    assert [step.whole for step in steps[:2]] == [road.runner.finished("candidates", Edge).rows, 200]
    text = "\n".join(forecast(steps, road.config.teacher, []))
    assert "USD" in text and re.search(r"\b(5\d|60) of 200 in traces", text)  # not every plan can be drawn


@pytest.mark.parametrize(
    ("node", "engine", "said"),
    [
        ({"CPU": 8.0}, {"cpus_per_replica": 3}, "CPU hours of 2 engine replica(s), 6 CPU(s) in all: 120.0"),
        (
            {"CPU": 8.0, "GPU": 8.0},
            {"tensor_parallel": 4},
            "GPU hours of 2 engine replica(s), 8 GPU(s) in all: 160.0",
        ),
        ({"CPU": 8.0}, {"gpus_per_replica": 0.5}, "GPU hours of 2 engine replica(s), 1 GPU(s) in all: 20.0"),
    ],
)
def test_hours_of_engines_are_those_of_what_they_run_on(
    node: dict[str, float], engine: dict[str, Any], said: str
) -> None:
    teacher = TeacherConfig(backend="vllm", model="org/name", engine=EngineConfig(replicas=2, **engine))
    step = StepForecast("verified", pilot=10, whole=1000, seconds=720.0, counts=Counter(requests=10))
    assert said in list(forecast([step], teacher, [Node(node)]))
