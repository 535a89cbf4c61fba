"""The task of answering an API call as the API might: for documents that say too little for the sandbox."""

import json
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from pydantic import Field

from goat_ray import jsonpath
from goat_ray.identity import canonical_json
from goat_ray.records import ApiFunction
from goat_ray.storable import parsed
from goat_ray.teacher.shortening import LEVELS, shorter_function
from goat_ray.teacher.task import Answer, Failure, Message, Task, prompt

MAX_HISTORY = 6  # earlier calls shown
MAX_BODY = 2000  # characters of each earlier response

_TYPES: dict[str, tuple[type, ...]] = {
    "string": (str,),
    "integer": (int,),
    "number": (int, float),
    "boolean": (bool,),
}


@dataclass(frozen=True)
class SimulatedCall:
    """A call, and what was called before in the same session."""

    function: ApiFunction
    arguments: dict[str, Any]
    before: Sequence[tuple[str, dict[str, Any], Any]] = ()  # (title, arguments, body)


class SimulatedResponse(Answer):
    """What the API would say."""

    status: int = Field(ge=200, le=599, description="HTTP status")
    body: str = Field(description="the response body as JSON text")


_INSTRUCTIONS = (
    "You play an API server. Answer the call as the server would: realistic values, exactly the fields that its "
    "document names, and nothing that contradicts earlier responses. Arguments that cannot be right get an error "
    "status and a short error body. Answer in JSON."
)


class SimulateResponse(Task[SimulatedCall, SimulatedResponse]):
    """One response, for the ``llm`` executor."""

    name = "simulate-response"
    version = 1
    answer = SimulatedResponse

    def messages(self, request: SimulatedCall) -> list[Message]:
        # The document first: calls of one function share it.
        history = "".join(
            f"Earlier: {title} {canonical_json(arguments)} -> {json.dumps(body, ensure_ascii=False)[:MAX_BODY]}\n"
            for title, arguments, body in request.before[-MAX_HISTORY:]
        )
        return prompt(
            _INSTRUCTIONS,
            f"{_document(request.function)}\n\n{history}"
            f"The call: {request.function.title} {canonical_json(request.arguments)}",
        )

    def shortened(self, request: SimulatedCall, level: int) -> SimulatedCall | None:
        if level > LEVELS:
            return None
        shown = MAX_HISTORY >> level
        before = request.before[-shown:] if shown else ()
        return replace(request, function=shorter_function(request.function, level), before=before)

    def flaw(self, request: SimulatedCall, answer: SimulatedResponse) -> str | None:
        try:
            body = parsed(answer.body)
        except ValueError as error:
            return f"body is no JSON: {error}"
        return misfit(request.function, body) or None if answer.status < 400 else None

    def rule(self, request: SimulatedCall) -> SimulatedResponse | Failure:
        return Failure("no-model", "rules cannot play an API; the sandbox executor does that")


def misfit(function: ApiFunction, body: Any) -> str:
    """How a body differs from the documented fields; empty where it fits. Some fields may be absent."""
    if not function.outputs:
        return ""
    present = 0
    for field in function.outputs:
        values = [value for _, value in jsonpath.find(body, field.path) if value is not None]
        present += bool(values)
        kinds = _TYPES.get(field.type)
        for value in values:
            if kinds and (not isinstance(value, kinds) or (isinstance(value, bool) and bool not in kinds)):
                return f"{field.path} is {value!r:.80}, not of type {field.type}"
    # An empty list leaves out all fields of its items, and is a good answer.
    if not present and body not in ([], {}) and not _has_empty_list(body):
        return f"none of the {len(function.outputs)} documented fields is there"
    return ""


def _has_empty_list(body: Any) -> bool:
    return isinstance(body, dict) and any(value == [] for value in body.values())


def _document(function: ApiFunction) -> str:
    lines = [f"API: {function.service}: {function.title} - {function.summary} {function.description[:1000]}"]
    lines += [
        f"Parameter {one.name} ({one.type}{', required' if one.required else ''}): {one.description[:200]}"
        for one in function.parameters
    ]
    lines += [f"Response field {one.path} ({one.type}): {one.description[:100]}" for one in function.outputs[:60]]
    if function.response_example is not None:
        lines.append(f"Example response: {json.dumps(function.response_example, ensure_ascii=False)[:MAX_BODY]}")
    return "\n".join(lines)
