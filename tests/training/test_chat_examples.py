"""Samples become chats with tool calls, and an agent in chat mode sees what it was trained on, message by message."""

import json
from collections.abc import Sequence
from typing import Any

import pytest

from goat_ray.agent.chat_form import Chat, read_turn
from goat_ray.agent.config import AgentConfig, EndpointConfig, PromptConfig
from goat_ray.agent.events import Attempt, Trouble
from goat_ray.agent.loop import Agent
from goat_ray.agent.model import LanguageModel
from goat_ray.agent.reading import Act, Reply
from goat_ray.agent.retrieval import Retriever
from goat_ray.agent.served import open_model
from goat_ray.executors.sandbox import SandboxExecutor
from goat_ray.executors.sandbox.config import SandboxConfig
from goat_ray.records import Example, Sample
from goat_ray.teacher.client import Completion
from goat_ray.teacher.fake_server import FakeServer
from goat_ray.training.examples import ExamplesConfig, FormatExamples
from tests.world import World, make_samples


@pytest.fixture(scope="module")
def samples(world: World) -> list[Sample]:
    return make_samples(world, 60)


def chats(world: World, samples: list[Sample], style: str = "values", **config: Any) -> dict[str, Chat]:
    """The chat of each query."""
    agent = AgentConfig(prompt=PromptConfig(argument_style=style))  # type: ignore[arg-type]
    step = FormatExamples(world.data, ExamplesConfig(form="chat", **config), agent)
    step.start()
    made = [example for example in step.process(samples) if isinstance(example, Example)]
    assert {example.kind for example in made} == {"chat"} and len({example.id for example in made}) == len(made)
    found = [Chat.model_validate_json(example.prompt) for example in made]
    return {chat.messages[0]["content"]: chat for chat in found}


def test_each_wording_is_a_chat_with_all_calls_and_the_answer(world: World, samples: list[Sample]) -> None:
    found = chats(world, samples)
    for sample in samples:
        for query in (sample.query, *sample.paraphrases):
            chat = found[query]
            offered = {tool["function"]["name"] for tool in chat.tools}
            calls = [turn["tool_calls"][0]["function"] for turn in chat.messages if "tool_calls" in turn]
            assert [call["arguments"] for call in calls] == [call.values for call in sample.calls]
            assert {call["name"] for call in calls} <= offered and len(offered) >= 6
            assert [turn["content"] for turn in chat.messages if "tool_calls" in turn] == sample.subqueries
            assert chat.messages[-1] == {"role": "assistant", "content": sample.response}


def test_every_turn_of_the_assistant_is_trained_but_failed_calls_are_not(world: World, samples: list[Sample]) -> None:
    short = next(sample for sample in samples if len(sample.calls) == 1)
    first = short.calls[0].model_copy(update={"status": 500, "corrected_by": 1})
    failed = short.model_copy(update={"calls": [first, *short.calls], "subqueries": short.subqueries * 2})
    chat = chats(world, [failed])[failed.query]
    assistant = [number for number, turn in enumerate(chat.messages) if turn["role"] == "assistant"]
    assert chat.trained == assistant[1:]
    answer = chats(world, [failed], loss="answer")[failed.query]
    assert answer.trained == assistant[-1:] and not answer.masked
    assert answer.messages == chat.messages


def test_all_values_are_masked_but_references_are_structure(world: World, samples: list[Sample]) -> None:
    for style, mask in (("values", True), ("references", True), ("values", False)):
        found = chats(world, samples, style, mask_values=mask)
        for sample in samples:
            chat = found[sample.query]
            for number, call in enumerate(sample.calls):
                arguments = chat.messages[1 + 2 * number]["tool_calls"][0]["function"]["arguments"]
                linked = {a.parameter for a in call.arguments if a.step is not None}
                kept = linked if style == "references" else set()
                assert all(str(arguments[name]).startswith("$") for name in kept)
                assert set(chat.masked.get(1 + 2 * number, [])) == (set(arguments) - kept if mask else set())


class Recited:
    """A model that says what a chat says, turn by turn, and remembers what it was asked."""

    def __init__(self, chat: Chat) -> None:
        self.lines = [_written(turn) for turn in chat.messages if turn["role"] == "assistant"]
        self.asked: list[list[Any]] = []

    async def complete(
        self, chat: Sequence[Any], max_tokens: int, tools: Sequence[Any] = (), names: Sequence[str] = ()
    ) -> Completion:
        self.asked.append([list(chat), list(tools)])
        return Completion(self.lines[min(len(self.asked), len(self.lines)) - 1])

    async def close(self) -> None:
        """Nothing is open."""


def _written(turn: dict[str, Any]) -> str:
    """A turn as the template of tiny models writes it."""
    calls = turn.get("tool_calls", [])
    return turn["content"] + "".join(f"\n<tool_call>\n{json.dumps(c['function'])}\n</tool_call>" for c in calls)


@pytest.fixture(scope="module")
def retriever(world: World) -> Retriever:
    return Retriever(list(world.functions))


def attempt(world: World, retriever: Retriever, model: LanguageModel, query: str, **settings: Any) -> Attempt:
    executor = SandboxExecutor(list(world.functions), SandboxConfig())
    prompt = PromptConfig(argument_style="references")
    agent = Agent(model, retriever, executor, AgentConfig(mode="chat", prompt=prompt, **settings))
    (made,) = agent.run([query])
    executor.shutdown()
    return made


def test_the_agent_sees_what_it_was_trained_on(world: World, samples: list[Sample], retriever: Retriever) -> None:
    found = chats(world, samples, "references")
    for sample in [sample for sample in samples if len(sample.calls) > 1][:5]:
        chat = found[sample.query]
        model = Recited(chat)
        made = attempt(world, retriever, model, sample.query)
        assert made.problems == [] and made.response == sample.response
        assert [call.values for call in made.executed()] == [call.values for call in sample.calls]
        for number, (asked, tools) in enumerate(model.asked):
            assert asked == chat.messages[: 1 + 2 * number]
            assert [tool["type"] for tool in tools] == ["function"] * 6


class Served(FakeServer):
    """An endpoint that takes the calls out of the turns of a chat, as OpenAI's and vLLM's servers do."""

    chat: Chat
    times = 1  # that each call is made in its turn

    def respond(self, body: dict[str, Any]) -> tuple[int, dict[str, Any]]:
        turns = [turn for turn in self.chat.messages if turn["role"] == "assistant"]
        turn = turns[sum(message["role"] == "assistant" for message in body["messages"])]
        turn = {**turn, "tool_calls": turn["tool_calls"] * self.times} if "tool_calls" in turn else turn
        return 200, {"choices": [{"message": with_text_arguments(turn), "finish_reason": "stop"}]}


def with_text_arguments(turn: dict[str, Any]) -> dict[str, Any]:
    copy: dict[str, Any] = json.loads(json.dumps(turn))
    for call in copy.get("tool_calls", []):
        call["function"]["arguments"] = json.dumps(call["function"]["arguments"])
    return copy


def test_an_endpoint_takes_tools_and_calls_in_openais_form(
    world: World, samples: list[Sample], retriever: Retriever
) -> None:
    sample = next(sample for sample in samples if len(sample.calls) > 1)
    chat = chats(world, samples, "references")[sample.query]
    with Served() as server:
        server.chat = chat
        config = AgentConfig(mode="chat", endpoint=EndpointConfig(model="m", base_url=server.base_url))
        made = attempt(world, retriever, open_model("", config), sample.query)
    assert made.problems == [] and made.response == sample.response
    assert [call.values for call in made.executed()] == [call.values for call in sample.calls]
    for number, body in enumerate(server.requests):
        assert body["messages"] == [with_text_arguments(turn) for turn in chat.messages[: 1 + 2 * number]]
        assert [tool["type"] for tool in body["tools"]] == ["function"] * 6
        assert body["parallel_tool_calls"] is False


def test_calls_after_the_first_of_a_turn_are_left_out_and_told(
    world: World, samples: list[Sample], retriever: Retriever
) -> None:
    sample = next(sample for sample in samples if len(sample.calls) > 1)
    with Served() as server:
        server.chat, server.times = chats(world, samples, "references")[sample.query], 3
        config = AgentConfig(mode="chat", endpoint=EndpointConfig(model="m", base_url=server.base_url))
        made = attempt(world, retriever, open_model("", config), sample.query)
    assert [call.values for call in made.executed()] == [call.values for call in sample.calls]
    troubles = [event.problem for event in made.events if isinstance(event, Trouble)]
    assert troubles == ["calls-left-out: 2 after the first of a turn"] * len(sample.calls)
    assert made.problems == [] and made.response == sample.response


def test_what_goes_wrong_is_shown_once_and_then_answered(
    world: World, samples: list[Sample], retriever: Retriever
) -> None:
    model = Recited(Chat(tools=[], messages=[], trained=[], masked={}))
    model.lines = ['{"name": "flyToMoon", "arguments": {}}', "<tool_call>\nsearch", "So be it."]
    made = attempt(world, retriever, model, samples[0].query, repairs=1)
    assert made.problems == ["bad-turn: <tool_call> search"] and made.response == "So be it."
    (_, _), (shown, _), (last, tools) = model.asked
    assert "no tool named flyToMoon" in shown[2]["content"] and shown[1]["content"] == model.lines[0]
    assert tools == [] and last == shown


@pytest.mark.parametrize(
    "text",
    [
        'I look.\n<tool_call>\n{"name": "f", "arguments": {"a": 1}}\n</tool_call>',
        'I look. {"name": "f", "parameters": {"a": 1}}',
        'I look.[TOOL_CALLS] [{"name": "f", "arguments": {"a": 1}, "id": "000000000"}]',
        'I look.<|python_tag|>{"type": "function", "name": "f", "parameters": {"a": 1}} and {"name": "g"}',
    ],
)
def test_calls_are_read_as_templates_write_them(text: str) -> None:
    turn = read_turn(text)
    assert isinstance(turn, Act)
    assert (turn.thought, turn.function, json.loads(turn.arguments)) == ("I look.", "f", {"a": 1})
    assert turn.left_out == 0


def test_calls_that_cannot_be_read_are_left_out_as_well() -> None:
    good, bad = '<tool_call>{"name": "f", "arguments": {}}</tool_call>', "<tool_call>g</tool_call>"
    turns = [read_turn(text) for text in (good + bad, bad + good, good * 2)]
    assert [turn.left_out for turn in turns if isinstance(turn, Act)] == [1, 1, 1]


def test_other_objects_are_part_of_an_answer() -> None:
    assert read_turn('It is {"name": "Dune"}.') == Reply("", 'It is {"name": "Dune"}.')
