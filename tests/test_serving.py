"""The agent served by Ray Serve over real HTTP, asked with OpenAI's own client."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx2
import openai
import pytest
import ray
from ray import serve

from goat_ray import serving
from goat_ray.agent.config import AgentConfig, EndpointConfig, ServerConfig
from goat_ray.agent.equipment import Equipment
from goat_ray.console import Console
from goat_ray.errors import RunError
from goat_ray.executors.config import ExecutorConfig
from goat_ray.records import ApiFunction
from goat_ray.runner import Runner
from goat_ray.teacher.fake_server import FakeServer
from tests.agent.scripts import QUERY, book
from tests.conftest import free_port
from tests.world import World

pytestmark = pytest.mark.ray

TOKEN = "a-token-of-the-tests"
TOGETHER = 8


@pytest.fixture(scope="module")
def model() -> Iterator[FakeServer]:
    with FakeServer(answers=book(), latency_s=0.3) as server:
        yield server


@pytest.fixture(scope="module")
def equipment(model: FakeServer, world: World) -> Equipment:
    server = ServerConfig(port=free_port(), token_env="GOAT_TEST_TOKEN", cpus_per_replica=0.5)
    endpoint = EndpointConfig(model="fake", base_url=model.base_url)
    return Equipment("", "", world.data, ExecutorConfig(), AgentConfig(endpoint=endpoint, server=server))


@pytest.fixture(scope="module")
def url(ray_cluster: None, equipment: Equipment) -> Iterator[str]:
    serve.shutdown()  # engines of other tests start Serve without HTTP
    with pytest.MonkeyPatch.context() as environment:
        environment.setenv("GOAT_TEST_TOKEN", TOKEN)
        yield serving.deploy(equipment, equipment.agent.server)
    serving.shutdown()
    serve.shutdown()


def ask(client: openai.OpenAI, **changes: object) -> object:
    request = {"model": "goat-agent", "messages": [{"role": "user", "content": QUERY}], **changes}
    return client.chat.completions.create(**request)  # type: ignore[call-overload]


def test_openais_client_is_served(url: str, equipment: Equipment, model: FakeServer) -> None:
    client = openai.OpenAI(base_url=url, api_key=TOKEN, max_retries=0)
    assert [one.id for one in client.models.list()] == ["goat-agent"]

    completion = ask(client)
    assert completion.choices[0].message.content == "Two books."
    assert completion.usage.total_tokens == completion.usage.prompt_tokens + completion.usage.completion_tokens > 100
    trace_url = f"{url.removesuffix('/v1')}/trace/{completion.goat_trace['id']}"
    trace = httpx2.get(trace_url, headers={"authorization": f"Bearer {TOKEN}"}).json()
    assert [event["event"] for event in trace["events"]] == ["retrieved", "planned", "called", "called", "answered"]

    before = model.count
    chunks = ask(client, stream=True)
    seen = [(chunk.goat_event["event"], model.count - before) for chunk in chunks if "goat_event" in chunk.model_extra]
    assert seen[0][0] == "retrieved" and seen[0][1] < 4, "events are told before the model has said all"
    assert seen[-1] == ("answered", 4)

    with ThreadPoolExecutor(TOGETHER) as threads:
        answers = list(threads.map(lambda _: ask(client), range(TOGETHER)))
    assert {answer.choices[0].message.content for answer in answers} == {"Two books."}
    assert model.most_in_flight == TOGETHER

    with pytest.raises(openai.NotFoundError, match="does not exist"):
        ask(client, model="gpt-9")
    with pytest.raises(openai.AuthenticationError, match="Bearer TOKEN"):
        ask(openai.OpenAI(base_url=url, api_key="guess", max_retries=0))

    elsewhere = equipment.agent.server.model_copy(update={"port": free_port(), "token_env": None})
    with pytest.raises(RunError, match="already runs on this cluster, at "):
        serving.deploy(equipment, elsewhere)


@pytest.mark.parametrize("number", [signal.SIGINT, pytest.param(signal.SIGTERM, marks=pytest.mark.soak)])
def test_the_command_serves_until_it_is_interrupted(
    ray_cluster: None, model: FakeServer, world: World, tmp_path: Path, number: signal.Signals
) -> None:
    serve.shutdown()  # engines of other tests start Serve without HTTP
    Runner(tmp_path / "run", Console()).gather("functions", ApiFunction, lambda: world.functions, settings={})
    cluster = ray.get_runtime_context().gcs_address
    config = tmp_path / "c.yaml"
    config.write_text(
        f"run: {{directory: {tmp_path / 'run'}}}\n"
        f"cluster: {{address: '{cluster}'}}\n"
        "documents: {paths: [unused]}\n"
        f"agent: {{endpoint: {{model: fake, base_url: '{model.base_url}'}}, server: {{cpus_per_replica: 0.5}}}}\n"
    )
    port = free_port()
    command = [sys.executable, "-u", "-m", "goat_ray.cli", "agent", "serve", "-c", str(config), "--port", str(port)]
    process = subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, start_new_session=True
    )
    try:
        assert process.stdout is not None
        told = [process.stdout.readline() for _ in range(4)]
        assert told[-1] == f"serving    http://127.0.0.1:{port}/v1, model 'goat-agent'; Ctrl-C ends it\n", told
        completion = ask(openai.OpenAI(base_url=f"http://127.0.0.1:{port}/v1", api_key="none", max_retries=0))
        assert completion.choices[0].message.content == "Two books."  # type: ignore[attr-defined]
        os.killpg(process.pid, number)  # as a terminal does it: the whole group gets it
        rest, _ = process.communicate(timeout=120)
        assert (process.returncode, rest) == (0, "")
        assert serving.APP not in serve.status().applications
    finally:
        if process.poll() is None:
            process.kill()
        serve.shutdown()
