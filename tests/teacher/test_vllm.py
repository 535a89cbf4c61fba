"""The vllm backend: a tiny model in a real engine on the local Ray cluster."""

import asyncio
import os
import pickle
import signal
import threading
import time
from pathlib import Path

import psutil
import pytest
import ray
from ray import serve

from goat_ray import metering
from goat_ray.agent.served import ADAPTER, ServedModel
from goat_ray.errors import ModelError, RunError
from goat_ray.teacher.build import build_teacher
from goat_ray.teacher.client import TOO_LONG, Completion
from goat_ray.teacher.config import EngineConfig, TeacherConfig
from goat_ray.teacher.task import Failure
from goat_ray.teacher.vllm import app_name, deploy

from .conftest import CONTEXT
from .tasks import JudgeFilm, Verdict, WriteEssay

pytestmark = [pytest.mark.vllm, pytest.mark.ray]

FILMS = [f"film {number}" for number in range(64)]


def test_answers_are_typed(teacher):
    answers = teacher.answer(JudgeFilm(), FILMS)
    assert len(answers) == len(FILMS)
    assert all(isinstance(answer, Verdict) for answer in answers)
    assert len(set(answers)) > 1  # random weights, but not one answer for all


def test_second_deploy_finds_the_running_engines(teacher, config):
    before = serve.status().applications[app_name(config)].last_deployed_time_s
    deploy(config.model_copy(update={"temperature": 0.0}))
    assert serve.status().applications[app_name(config)].last_deployed_time_s == before


def test_workers_share_the_engines(teacher):
    paths = [str(Path(__file__).parents[2]), os.environ.get("PYTHONPATH", "")]  # the test's task is no installed code

    @ray.remote(num_cpus=0.5, runtime_env={"env_vars": {"PYTHONPATH": os.pathsep.join(paths)}})
    def elsewhere(frozen):
        import sys

        teacher = pickle.loads(frozen)
        teacher.start()
        return teacher.answer(JudgeFilm(), ["Heat", "Ronin"]), "vllm" in sys.modules

    answers, loaded_vllm = ray.get(elsewhere.remote(pickle.dumps(teacher)))
    assert all(isinstance(answer, Verdict) for answer in answers)
    assert not loaded_vllm


def test_what_does_not_fit_is_a_failure(teacher):
    too_long, fine = teacher.answer(JudgeFilm(), ["word " * 2 * CONTEXT, "Heat"])
    assert isinstance(too_long, Failure) and too_long.reason == "too-long"
    assert str(CONTEXT) in too_long.detail
    assert isinstance(fine, Verdict)
    (truncated,) = teacher.answer(WriteEssay(), ["At length, please."])
    assert isinstance(truncated, Failure) and truncated.reason == "truncated"


def test_an_adapter_answers_from_the_same_engines(config):
    tuned = config.model_copy(update={"adapter": ADAPTER})
    assert app_name(tuned) == app_name(config)
    one = build_teacher(tuned)
    assert all(isinstance(answer, Verdict) for answer in one.answer(JudgeFilm(), FILMS[:8]))
    one.close()


def test_the_agent_speaks_through_the_same_engines(teacher, config):
    chats = [[{"role": "user", "content": f"Request: {film}"}] for film in [*FILMS[:8], "word " * 2 * CONTEXT]]

    async def speak(adapter: str) -> list[Completion | Failure]:
        model = ServedModel(config.model_copy(update={"temperature": 0.0, "adapter": adapter}))
        said = await asyncio.gather(*(model.complete(chat, 12) for chat in chats))
        await model.close()
        return said

    base, tuned = asyncio.run(speak("")), asyncio.run(speak(ADAPTER))
    for *fine, too_long in (base, tuned):
        assert all(isinstance(answer, Completion) and answer.completion_tokens <= 12 for answer in fine)
        assert isinstance(too_long, Failure) and too_long.reason == TOO_LONG  # and the others are not harmed
    assert [answer.text for answer in base[:8]] != [answer.text for answer in tuned[:8]]
    assert {name for name, whom in metering.drain() if whom == "agent"} >= {"requests", "prompt tokens", "failures"}


def test_tools_and_calls_are_written_by_the_models_own_template(teacher, config):
    from transformers import AutoTokenizer

    tools = [{"type": "function", "function": {"name": "find", "parameters": {"type": "object", "properties": {}}}}]
    call = {"id": "000000000", "type": "function", "function": {"name": "find", "arguments": {"query": "Heat"}}}
    chat = [
        {"role": "user", "content": "Who directed Heat?"},
        {"role": "assistant", "content": "Find it.", "tool_calls": [call]},
        {"role": "tool", "tool_call_id": "000000000", "name": "find", "content": '{"id": 7}'},
    ]

    async def speak() -> Completion | Failure:
        model = ServedModel(config.model_copy(update={"temperature": 0.0}))
        said = await model.complete(chat, 8, tools)
        await model.close()
        return said

    tokenizer = AutoTokenizer.from_pretrained(config.model)
    ids = tokenizer.apply_chat_template(chat, tools=tools, add_generation_prompt=True)["input_ids"]
    said = asyncio.run(speak())
    assert isinstance(said, Completion) and said.prompt_tokens == len(ids)


def test_slow_answer_is_a_timeout_and_frees_the_engine(teacher, config):
    hasty = build_teacher(config.model_copy(update={"timeout_s": 0.001, "max_retries": 1, "patience_s": 2.0}))
    with pytest.raises(ModelError, match=r"answered nothing for 2 s; the latest failure: timeout"):
        hasty.answer(JudgeFilm(), FILMS[:8])
    hasty.close()
    assert isinstance(teacher.answer(JudgeFilm(), ["Heat"])[0], Verdict)


def test_prompt_follows_the_chat_template(teacher, config):
    from transformers import AutoTokenizer

    film = "word " * 2 * CONTEXT
    tokenizer = AutoTokenizer.from_pretrained(config.model)
    ids = tokenizer.apply_chat_template(JudgeFilm().messages(film), add_generation_prompt=True)["input_ids"]
    (failure,) = teacher.answer(JudgeFilm(), [film])
    assert f"contains {len(ids)} input tokens" in failure.detail


@pytest.mark.soak
def test_a_killed_engine_is_started_again_and_its_questions_are_asked_again(teacher, config):
    def replicas():
        titles = {process.pid: " ".join(process.info["cmdline"] or []) for process in psutil.process_iter(["cmdline"])}
        return {pid for pid, title in titles.items() if "ServeReplica" in title and app_name(config) in title}

    (victim,) = replicas()
    answers = []
    asking = threading.Thread(
        target=lambda: answers.extend(teacher.answer(JudgeFilm(), [f"reel {n}" for n in range(256)]))
    )
    asking.start()
    time.sleep(0.5)
    os.kill(victim, signal.SIGKILL)
    asking.join()

    assert len(answers) == 256 and all(isinstance(answer, Verdict) for answer in answers)
    assert replicas() and victim not in replicas()


@pytest.mark.soak
@pytest.mark.parametrize("shape", [{"replicas": 2}, {"tensor_parallel": 2, "cpus_per_replica": 2}])
def test_replicas_and_workers_of_an_engine_share_the_work(config, shape):
    def workers():
        found = [process for process in psutil.process_iter(["cmdline"]) if process.info["cmdline"]]
        return {process for process in found if "VLLM::Worker" in process.info["cmdline"][0]}

    def spent(process):
        return sum(process.cpu_times()[:2])

    others = workers()
    engine = EngineConfig(max_model_len=CONTEXT, start_timeout_s=400, **shape)
    teacher = build_teacher(config.model_copy(update={"engine": engine}))
    teacher.prepare()
    teacher.start()
    try:
        one, two = ((worker, spent(worker)) for worker in workers() - others)
        assert all(isinstance(answer, Verdict) for answer in teacher.answer(JudgeFilm(), FILMS))
        shares = sorted(spent(worker) - before for worker, before in (one, two))
        assert shares[0] > shares[1] / 4
    finally:
        teacher.close()
        teacher.release()


@pytest.mark.soak
def test_model_that_cannot_be_read_says_so(ray_cluster, tmp_path):
    config = TeacherConfig(backend="vllm", model=str(tmp_path), engine=EngineConfig(start_timeout_s=240))
    with pytest.raises(ModelError) as caught:
        deploy(config)
    assert str(tmp_path) in str(caught.value)
    assert "config" in caught.value.problem
    assert "teacher.model" in caught.value.remedy
    assert app_name(config) not in serve.status().applications


def test_engines_that_the_cluster_cannot_hold_are_given_up(ray_cluster, tmp_path):
    engine = EngineConfig(cpus_per_replica=1000, start_timeout_s=3)
    with pytest.raises(ModelError, match="no more CPUs"):
        deploy(TeacherConfig(backend="vllm", model=str(tmp_path), engine=engine))


def test_no_cluster_says_so(monkeypatch, tmp_path):
    monkeypatch.setattr(ray, "is_initialized", lambda: False)
    with pytest.raises(RunError, match=r"ray\.init"):
        deploy(TeacherConfig(backend="vllm", model=str(tmp_path)))
