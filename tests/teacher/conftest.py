"""One vLLM engine for all tests that need a real one: starting it takes half a minute."""

import shutil
from pathlib import Path

import pytest
from ray import serve

from goat_ray.agent.served import ADAPTER
from goat_ray.teacher.build import build_teacher
from goat_ray.teacher.config import EngineConfig, TeacherConfig
from goat_ray.teacher.vllm import app_name
from goat_ray.training.tiny import make_tiny_model
from tests.training.adapters import merged_and_adapted

CONTEXT = 4096  # tokens


def make_adapter(model: Path, folder: Path) -> Path:
    """A LoRA adapter of random weights, big enough to change what the model says."""
    from peft import LoraConfig, get_peft_model
    from transformers import AutoModelForCausalLM

    options = LoraConfig(r=4, lora_alpha=64, target_modules=["q_proj", "v_proj"], init_lora_weights=False)
    get_peft_model(AutoModelForCausalLM.from_pretrained(model), options).save_pretrained(folder)
    return folder


@pytest.fixture(scope="package")
def config(ray_cluster, store, world, tmp_path_factory):
    """A tiny model with an adapter merged in, and another adapter in an object store, as our trainings make both."""
    texts = [f"{function.title} {function.summary} {function.description}" for function in world.functions]
    tiny = make_tiny_model(tmp_path_factory.mktemp("tiny"), texts, layers=2, context=CONTEXT)
    folder, trained = merged_and_adapted(tiny, tmp_path_factory.mktemp("trained"))
    adapter = store / "adapter"
    with adapter.filled() as aside:
        shutil.copytree(trained, aside, dirs_exist_ok=True)
    engine = EngineConfig(max_model_len=CONTEXT, start_timeout_s=400, adapters={ADAPTER: adapter.url})
    return TeacherConfig(backend="vllm", model=str(folder), max_tokens=300, engine=engine)


@pytest.fixture(scope="package")
def teacher(config):
    """A connected teacher; its engines stop with the last test."""
    teacher = build_teacher(config)
    teacher.start()
    yield teacher
    teacher.close()
    teacher.release()
    assert app_name(config) not in serve.status().applications
