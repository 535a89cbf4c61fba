"""The agent's prompts and their targets (paper: section 3.3), one place for training and runtime.

What models write in answer to them is read by ``reading.py``.
"""

import json
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from goat_ray.agent.config import PromptConfig
from goat_ray.identity import canonical_json
from goat_ray.records import ApiFunction, Argument, Span
from goat_ray.synthesis.exports.tools import tool_names

MAX_ITEMS = 3  # list items shown of an observation
MAX_TEXT = 48  # characters shown of one text in an observation

PLAN_QUESTION = "Names of the APIs to call, in order, one a line:"
CALL_QUESTION = "Arguments as JSON:"


@dataclass(frozen=True)
class Made:
    """An earlier call as prompts show it."""

    function: ApiFunction
    arguments: dict[str, Any]
    body: Any


def shown_names(functions: Sequence[ApiFunction]) -> dict[str, str]:
    """What a prompt calls each of its functions, by ``ApiFunction.id``: its own name where no other there has it.

    Those that share one are called as in a chat, with the service in front.
    """
    often = Counter({function.id: function.name for function in functions}.values())
    longer = tool_names(functions)
    return {f.id: f.name if often[f.name] == 1 else longer[f.id] for f in functions}


def plan_prompt(query: str, candidates: Sequence[ApiFunction], config: PromptConfig) -> str:
    """Asks for the functions to call, in order."""
    names = shown_names(candidates)
    listing = "\n".join(f"- {names[f.id]}: {_cut(f.summary or f.description, config)}" for f in candidates)
    return f"Request: {query}\nAPIs:\n{listing}\n{PLAN_QUESTION}"


def plan_target(functions: Sequence[ApiFunction], candidates: Sequence[ApiFunction]) -> str:
    """The names of some of the candidates, one a line, as the prompt shows them."""
    names = shown_names(candidates)
    return "\n".join(names[function.id] for function in functions)


def call_prompt(query: str, made: Sequence[Made], function: ApiFunction, config: PromptConfig) -> str:
    """Asks for the arguments of one call."""
    names = shown_names([*(call.function for call in made), function])
    return (
        f"Request: {query}\n{_results(made, names, config)}"
        f"API: {names[function.id]}: {_cut(function.summary, config)}\n"
        f"Parameters:\n{_parameters(function, config)}\n{CALL_QUESTION}"
    )


def call_target(arguments: Sequence[Argument], config: PromptConfig) -> tuple[str, list[Span]]:
    """The arguments as JSON, and where in it the values stand.

    References are structure, not values, so they are not among the spans. The offsets are counted while
    the text is written; nothing is searched for, so equal texts elsewhere cannot be mistaken for a value.
    """
    text = "{"
    spans = []
    for number, argument in enumerate(arguments):
        text += f"{',' if number else ''}{json.dumps(argument.parameter, ensure_ascii=False)}:"
        if is_reference(argument, config):
            text += json.dumps(written_value(argument, config), ensure_ascii=False)
            continue
        value = canonical_json(argument.value)
        # Quotes say "this is a text", which is structure: only what stands between them is the value.
        inset = 1 if isinstance(argument.value, str) else 0
        if len(value) > 2 * inset:
            spans.append(Span(start=len(text) + inset, end=len(text) + len(value) - inset))
        text += value
    return text + "}", spans


def is_reference(argument: Argument, config: PromptConfig) -> bool:
    """Whether an argument is written as the place that its value comes from, which is structure and no value."""
    return config.argument_style == "references" and argument.step is not None


def written_value(argument: Argument, config: PromptConfig) -> Any:
    """What a call's arguments hold for it: its value, or ``$1.results[0].id``."""
    if is_reference(argument, config):
        assert argument.step is not None
        return f"${argument.step + 1}{argument.location[1:]}"
    return argument.value


def shortened(tool: dict[str, Any], config: PromptConfig) -> dict[str, Any]:
    """A tool with its descriptions cut, which may also be of parameters."""
    return {
        key: shortened(value, config)
        if isinstance(value, dict)
        else _cut(value, config)
        if key == "description" and isinstance(value, str)
        else value
        for key, value in tool.items()
    }


def answer_prompt(query: str, made: Sequence[Made], config: PromptConfig) -> str:
    """Asks for the final response."""
    names = shown_names([call.function for call in made])
    return f"Request: {query}\n{_results(made, names, config)}Answer:"


def react_prompt(query: str, candidates: Sequence[ApiFunction], config: PromptConfig) -> str:
    """Asks for one turn of thinking and acting after the other (Yao et al. 2023, arXiv 2210.03629)."""
    names = shown_names(candidates)
    listing = "\n".join(
        f"- {names[f.id]}: {_cut(f.summary or f.description, config)}\n{_parameters(f, config, '  ')}".rstrip()
        for f in candidates
    )
    return (
        "You answer a request by calling APIs, one in each turn, and looking at what comes back. A turn is either\n\n"
        "Thought: what is missing\nAction: the name of an API\nAction Input: its arguments as a JSON object\n\n"
        "or, once you know enough,\n\n"
        "Thought: why that is enough\nAnswer: the answer to the request\n\n"
        "Write one turn and stop. A value that call 1 has returned may be named by its place, such as "
        f'"$1.results[0].id".\n\nAPIs:\n{listing}\n\nRequest: {query}'
    )


def react_observation(number: int, status: int, body: Any, config: PromptConfig) -> str:
    """What a ReAct turn is answered with: the result of call ``number``, counted from 1."""
    return f"Observation: call {number}, status {status}: {observation(body, config)}"


def correction(flaw: str, question: str) -> str:
    """Shows a model what was wrong with its answer and asks again."""
    return f"That did not work: {flaw}\n{question}"


def failure(status: int, body: Any, config: PromptConfig) -> str:
    """A failed call as a model sees it."""
    return f"the API answered with status {status}: {observation(body, config)}"


def no_such(names: Sequence[str], candidates: Sequence[ApiFunction]) -> str:
    """Functions that a model made up, and those that it may choose from."""
    return f"there is no API named {' or '.join(names)}, only {', '.join(shown_names(candidates).values())}"


def observation(body: Any, config: PromptConfig) -> str:
    """A response as a model sees it: the first items of lists, short texts, bounded in characters."""
    text = json.dumps(_pruned(body), ensure_ascii=False, separators=(",", ":"))
    return text if len(text) <= config.observation_characters else text[: config.observation_characters] + "…"


def _results(made: Sequence[Made], names: dict[str, str], config: PromptConfig) -> str:
    if not made:
        return ""
    lines = [
        f"{number}. {names[call.function.id]}({canonical_json(call.arguments)}) -> {observation(call.body, config)}\n"
        for number, call in enumerate(made, 1)
    ]
    return f"Results:\n{''.join(lines)}"


def _parameters(function: ApiFunction, config: PromptConfig, indent: str = "") -> str:
    return "\n".join(
        f"{indent}- {p.name} ({p.type}{', required' if p.required else ''}): {_cut(p.description, config)}"
        for p in function.parameters
    )


def _pruned(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: _pruned(item) for name, item in value.items() if item is not None}
    if isinstance(value, list):
        return [_pruned(item) for item in value[:MAX_ITEMS]]
    if isinstance(value, str) and len(value) > MAX_TEXT:
        return value[:MAX_TEXT] + "…"
    return value


def _cut(text: str, config: PromptConfig) -> str:
    text = " ".join(text.split())
    return text if len(text) <= config.description_characters else text[: config.description_characters] + "…"
