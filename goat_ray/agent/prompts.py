"""The agent's three prompts and their targets (paper: section 3.3), one place for training and runtime."""

import json
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from goat_ray import jsonpath
from goat_ray.agent.config import PromptConfig
from goat_ray.identity import canonical_json
from goat_ray.records import ApiFunction, Argument, Span

MAX_ITEMS = 3  # list items shown of an observation
MAX_TEXT = 48  # characters shown of one text in an observation
_REFERENCE = re.compile(r"\$(?P<call>[1-9][0-9]*)(?P<path>[.\[].*)?", re.DOTALL)


@dataclass(frozen=True)
class Made:
    """An earlier call as prompts show it."""

    function: ApiFunction
    arguments: dict[str, Any]
    body: Any


def plan_prompt(query: str, candidates: Sequence[ApiFunction], config: PromptConfig) -> str:
    """Asks for the functions to call, in order."""
    listing = "\n".join(f"- {f.name}: {_cut(f.summary or f.description, config)}" for f in candidates)
    return f"Request: {query}\nAPIs:\n{listing}\nNames of the APIs to call, in order, one a line:"


def plan_target(functions: Sequence[ApiFunction]) -> str:
    """The names, one a line."""
    return "\n".join(function.name for function in functions)


def read_plan(text: str) -> list[str]:
    """The names in a model's plan."""
    return [name for line in text.splitlines() if (name := line.strip().lstrip("-*0123456789. ").strip("`\"' "))]


def call_prompt(query: str, made: Sequence[Made], function: ApiFunction, config: PromptConfig) -> str:
    """Asks for the arguments of one call."""
    parameters = "\n".join(
        f"- {p.name} ({p.type}{', required' if p.required else ''}): {_cut(p.description, config)}"
        for p in function.parameters
    )
    return (
        f"Request: {query}\n{_results(made, config)}API: {function.name}: {_cut(function.summary, config)}\n"
        f"Parameters:\n{parameters}\nArguments as JSON:"
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
        if config.argument_style == "references" and argument.step is not None:
            text += json.dumps(f"${argument.step + 1}{argument.location[1:]}", ensure_ascii=False)
            continue
        value = canonical_json(argument.value)
        # Quotes say "this is a text", which is structure: only what stands between them is the value.
        inset = 1 if isinstance(argument.value, str) else 0
        if len(value) > 2 * inset:
            spans.append(Span(start=len(text) + inset, end=len(text) + len(value) - inset))
        text += value
    return text + "}", spans


def read_arguments(text: str, bodies: Sequence[Any]) -> dict[str, Any]:
    """The arguments in a model's text, references resolved; raises ``ValueError`` saying what is wrong."""
    start, end = text.find("{"), text.rfind("}")
    if start < 0 or end < start:
        raise ValueError(f"no JSON object in {text[:80]!r}")
    arguments = json.loads(text[start : end + 1])
    if not isinstance(arguments, dict):
        raise ValueError("the arguments are no JSON object")
    return {name: _resolve(value, bodies) for name, value in arguments.items()}


def answer_prompt(query: str, made: Sequence[Made], config: PromptConfig) -> str:
    """Asks for the final response."""
    return f"Request: {query}\n{_results(made, config)}Answer:"


def observation(body: Any, config: PromptConfig) -> str:
    """A response as a model sees it: the first items of lists, short texts, bounded in characters."""
    text = json.dumps(_pruned(body), ensure_ascii=False, separators=(",", ":"))
    return text if len(text) <= config.observation_characters else text[: config.observation_characters] + "…"


def _results(made: Sequence[Made], config: PromptConfig) -> str:
    if not made:
        return ""
    lines = [
        f"{number}. {call.function.name}({canonical_json(call.arguments)}) -> {observation(call.body, config)}\n"
        for number, call in enumerate(made, 1)
    ]
    return f"Results:\n{''.join(lines)}"


def _pruned(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: _pruned(item) for name, item in value.items() if item is not None}
    if isinstance(value, list):
        return [_pruned(item) for item in value[:MAX_ITEMS]]
    if isinstance(value, str) and len(value) > MAX_TEXT:
        return value[:MAX_TEXT] + "…"
    return value


def _resolve(value: Any, bodies: Sequence[Any]) -> Any:
    match = _REFERENCE.fullmatch(value) if isinstance(value, str) else None
    if match is None:
        return value
    number = int(match["call"])
    if number > len(bodies):
        raise ValueError(f"{value} refers to a call that was not made")
    try:
        return jsonpath.get(bodies[number - 1], f"${match['path'] or ''}")
    except (KeyError, jsonpath.PathError) as error:
        raise ValueError(f"{value} names nothing in the result of call {number}") from error


def _cut(text: str, config: PromptConfig) -> str:
    text = " ".join(text.split())
    return text if len(text) <= config.description_characters else text[: config.description_characters] + "…"
