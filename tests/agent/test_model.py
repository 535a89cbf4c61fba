"""A real model in the agent's own process: batches, context, tokens; and the whole loop on it."""

import asyncio

import pytest
import torch
from peft import PeftModel
from transformers import AutoModelForCausalLM, AutoTokenizer, Gemma3Config, Gemma3ForConditionalGeneration

from goat_ray.agent.batching import Batcher
from goat_ray.agent.config import AgentConfig
from goat_ray.agent.equipment import Equipment
from goat_ray.agent.events import Answered, Planned, Retrieved
from goat_ray.agent.model import TransformersModel
from goat_ray.executors.config import ExecutorConfig
from goat_ray.teacher.client import TOO_LONG, Completion
from goat_ray.teacher.task import Failure
from goat_ray.training.config import AgentTrainingConfig
from goat_ray.training.models import with_adapters
from goat_ray.training.tiny import make_tiny_model

CONTEXT = 1024


@pytest.fixture(scope="module")
def folder(world, tmp_path_factory) -> str:
    """A tiny model of random weights."""
    texts = [f"{function.title} {function.summary} {function.description}" for function in world.functions]
    return str(make_tiny_model(tmp_path_factory.mktemp("tiny"), texts, hidden=32, layers=2, context=CONTEXT))


@pytest.fixture(scope="module")
def adapter(folder, tmp_path_factory) -> str:
    """An adapter on it as a training with LoRA leaves one: weights, and the tokenizer beside them."""
    made = tmp_path_factory.mktemp("adapter")
    model = with_adapters(AutoModelForCausalLM.from_pretrained(folder), AgentTrainingConfig(base_model=folder))
    torch.manual_seed(0)
    for weight in model.parameters():
        if weight.requires_grad:
            torch.nn.init.normal_(weight, std=0.5)
    model.save_pretrained(made)
    AutoTokenizer.from_pretrained(folder).save_pretrained(made)
    return str(made)


def chats(count: int) -> list[list]:
    return [[{"role": "user", "content": "Which books? " * (1 + number)}] for number in range(count)]


def complete(folder: str, asked: list[list], batch_size: int, max_tokens: int = 12) -> list[Completion | Failure]:
    model = TransformersModel(folder, batch_size)

    async def together() -> list[Completion | Failure]:
        return await asyncio.gather(*(model.complete(chat, max_tokens) for chat in asked))

    return asyncio.run(together())


def test_batches_say_what_single_prompts_say(folder):
    assert complete(folder, chats(7), batch_size=3) == complete(folder, chats(7), batch_size=1)


def test_an_adapter_speaks_on_the_base_that_it_names(folder, adapter, tmp_path):
    merged = PeftModel.from_pretrained(AutoModelForCausalLM.from_pretrained(folder), adapter).merge_and_unload()
    merged.save_pretrained(tmp_path)
    AutoTokenizer.from_pretrained(folder).save_pretrained(tmp_path)
    said = complete(adapter, chats(3), batch_size=3)
    assert said == complete(str(tmp_path), chats(3), batch_size=3)
    assert said != complete(folder, chats(3), batch_size=3)


def test_tokens_are_counted(folder):
    (answer,) = complete(folder, chats(1), batch_size=1)
    assert isinstance(answer, Completion)
    assert answer.prompt_tokens > 5
    assert answer.completion_tokens == 12 and answer.truncated  # random weights find no end


def test_a_prompt_beyond_the_context_fails_alone(folder):
    long, short = complete(folder, [chats(CONTEXT)[-1], chats(1)[0]], batch_size=2)
    assert isinstance(long, Failure) and long.reason == TOO_LONG
    assert isinstance(short, Completion)


def test_a_model_that_sees_as_well_says_its_context_elsewhere(folder, tmp_path):
    tokenizer = AutoTokenizer.from_pretrained(folder)
    small = {"hidden_size": 16, "intermediate_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2}
    text = {"vocab_size": len(tokenizer), "num_key_value_heads": 1, "head_dim": 8, "max_position_embeddings": 64}
    config = Gemma3Config(text_config={**small, **text}, vision_config={**small, "image_size": 28, "patch_size": 14})
    config.eos_token_id = tokenizer.eos_token_id
    Gemma3ForConditionalGeneration(config).save_pretrained(tmp_path)
    tokenizer.save_pretrained(tmp_path)
    short, long = complete(str(tmp_path), [chats(1)[0], chats(50)[-1]], batch_size=2)
    assert isinstance(short, Completion)
    assert isinstance(long, Failure) and long.detail.endswith("exceed the context of 64")


def test_what_waits_is_worked_on_together_and_an_item_at_fault_fails_alone():
    batches = []

    def work(items):
        batches.append(list(items))
        if -1 in items:
            raise ValueError("minus one")
        return [item * 2 for item in items]

    async def rounds() -> list:
        double = Batcher(work)

        async def twice(item: int) -> int:
            return await double(await double(item))

        results = await asyncio.gather(*map(twice, range(4)))
        alone = await asyncio.gather(double(-1), return_exceptions=True)
        others = await asyncio.gather(double(-1), double(5), return_exceptions=True)
        return [*results, *(result if isinstance(result, int) else type(result) for result in alone + others)]

    assert asyncio.run(rounds()) == [0, 4, 8, 12, ValueError, ValueError, 10]
    assert batches == [[0, 1, 2, 3], [0, 2, 4, 6], [-1], [-1, 5], [-1], [5]]


@pytest.mark.parametrize("mode", ["plan", "react"])
def test_whatever_a_random_model_says_the_agent_comes_to_an_end(world, folder, mode):
    config = AgentConfig(mode=mode, plan_tokens=12, call_tokens=12, turn_tokens=12, answer_tokens=8)
    agent = Equipment(folder, "", world.data, ExecutorConfig(), config).open()
    attempts = agent.run(["the first book by Maren Holloway", "hotels in Port Ellery"])
    assert all(isinstance(attempt.events[-1], Answered) for attempt in attempts)
    assert all(attempt.problems for attempt in attempts)
    agent.executor.shutdown()


def test_plans_can_be_held_to_the_candidates(world, folder):
    config = AgentConfig(only_candidates=True, candidates=3, repairs=0, call_tokens=4, answer_tokens=4)
    agent = Equipment(folder, "", world.data, ExecutorConfig(), config).open()
    for attempt in agent.run(["the first book by Maren Holloway", "hotels in Port Ellery"]):
        (retrieved,) = (event for event in attempt.events if isinstance(event, Retrieved))
        (planned,) = (event for event in attempt.events if isinstance(event, Planned))
        assert planned.functions and all(function in retrieved.functions for function in planned.functions)
        assert not any(problem.startswith("unknown-function") for problem in attempt.problems)
    agent.executor.shutdown()


@pytest.mark.parametrize(
    "other", [{"mode": "react"}, {"engine": {}}, {"endpoint": {"model": "m", "base_url": "http://h"}}]
)
def test_only_plans_of_its_own_process_can_be_held(other):
    with pytest.raises(ValueError, match="only_candidates"):
        AgentConfig.model_validate({"only_candidates": True, **other})
