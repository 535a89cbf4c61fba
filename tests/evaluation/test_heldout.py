"""Predictions of held-out samples, in both modes, and what they depend on."""

import time

import pytest

from goat_ray.agent.config import AgentConfig, EndpointConfig, ServerConfig
from goat_ray.evaluation.config import EvaluationConfig
from goat_ray.evaluation.heldout import Predict, score_agent
from goat_ray.executors.config import ExecutorConfig
from goat_ray.records import Prediction, Sample
from goat_ray.teacher.fake_server import FakeServer
from tests.agent.scripts import BOOKS, QUERY, REPLY, SEARCH, book, turns
from tests.world import World, make_samples


@pytest.fixture(scope="module")
def samples(world: World) -> list[Sample]:
    """Samples whose queries are all the one that the scripts answer."""
    return [sample.model_copy(update={"query": QUERY}) for sample in make_samples(world, 12)]


def predict(world: World, agent: AgentConfig, **evaluation: int) -> Predict:
    return Predict("", "", world.data, ExecutorConfig(), agent, EvaluationConfig(**evaluation), ["made by"])


@pytest.mark.parametrize(("mode", "script"), [("plan", book()), ("react", turns(SEARCH, BOOKS, REPLY))])
def test_samples_are_attempted_together_in_either_mode(world, samples, mode, script):
    with FakeServer(answers=script, latency_s=0.1) as server:
        step = predict(world, AgentConfig(mode=mode, endpoint=EndpointConfig(model="m", base_url=server.base_url)))
        step.start()
        began = time.perf_counter()
        made = list(step.process(samples))
        took = time.perf_counter() - began
        step.runner.executor.run(step.runner.close())
        step.runner.executor.shutdown()
    assert all(isinstance(prediction, Prediction) for prediction in made)
    assert [prediction.id for prediction in made] == [sample.id for sample in samples]
    assert all(len(prediction.calls) == 2 and not prediction.problems for prediction in made)
    assert made[0].calls[1].arguments[0].provenance == "upstream"
    assert made[0].planned == ([call.function for call in made[0].calls] if mode == "plan" else None)
    assert server.most_in_flight == len(samples)
    seconds = [prediction.seconds or 0.0 for prediction in made]
    assert min(seconds) > 0 and sum(seconds) <= took, "nobody's waiting for the others counts"
    assert {score.metric for score in score_agent("tuned", made, samples)} >= {"SA", "IA", "CP"}
    assert Prediction.from_row(made[0].to_row()) == made[0]


def test_predictions_are_made_anew_for_what_they_depend_on_only(world):
    endpoint = EndpointConfig(model="m", base_url="http://here/v1")
    settings = predict(world, AgentConfig(endpoint=endpoint)).settings()
    elsewhere = EndpointConfig(model="m", base_url="http://there/v1", concurrency=3)
    operational = AgentConfig(
        endpoint=elsewhere, batch_size=3, concurrency=5, timeout_s=7, server=ServerConfig(port=9000)
    )
    assert predict(world, operational).settings() == settings
    for change in (
        {"mode": "react"},
        {"max_calls": 3},
        {"repairs": 0},
        {"endpoint": EndpointConfig(model="n", base_url="http://here/v1")},
    ):
        assert predict(world, AgentConfig(**{"endpoint": endpoint, **change})).settings() != settings
    alone = predict(world, AgentConfig(endpoint=endpoint), concurrency=1)
    assert alone.resources.batch_size == 1 and alone.settings() != settings, "seconds are measured anew"
