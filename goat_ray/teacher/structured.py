"""From a model's text to a typed answer, and from an answer class to the schema that a model must follow."""

import re
from functools import cache
from typing import Any

from pydantic import ValidationError

from goat_ray.teacher.task import Ans, Answer, Failure

_FENCE = re.compile(r"```[\w-]*[^\S\n]*\n(.*?)```", re.DOTALL)
_DETAIL_CHARACTERS = 600  # enough for a model to repair its answer, short enough for a reject record


@cache
def json_schema(answer: type[Answer]) -> dict[str, Any]:
    """The JSON schema of an answer in the form that structured output needs.

    Every object is closed and all its properties are required, as OpenAI's strict mode demands: a field
    with a default is optional for Python, but a model should always state it. ``title`` is the class name.
    Shared by all callers: do not change it.
    """
    return {"title": answer.__name__, **_closed(answer.model_json_schema())}


def _closed(node: Any, *, named: bool = False) -> Any:
    """Copy a schema with closed objects; ``named`` tells a map of schemas by name from a schema."""
    if isinstance(node, list):
        return [_closed(item) for item in node]
    if not isinstance(node, dict):
        return node
    if named:
        return {name: _closed(value) for name, value in node.items()}
    copy = {
        key: _closed(value, named=key in ("properties", "$defs")) if key not in ("enum", "const") else value
        for key, value in node.items()
        if key not in ("default", "title")  # strict mode refuses the one, the other only costs tokens
    }
    if "properties" in copy:
        copy |= {"required": list(copy["properties"]), "additionalProperties": False}
    return copy


# Structured output lets raw control characters into strings whose length is limited (xgrammar 0.2). JSON
# allows none there, and elsewhere they are blanks.
_BLANKS = dict.fromkeys(range(32), " ")


def parse_answer(text: str, answer: type[Ans]) -> Ans | Failure:
    """Read a typed answer out of a model's text.

    Returns ``Failure("not-json")`` where the text holds no JSON, and ``Failure("invalid-answer")`` where
    the JSON is not such an answer. Models wrap JSON in code fences, thoughts or small talk even when told
    not to, so those are looked through.
    """
    failure: Failure | None = None  # the first is about the whole text
    for candidate in _candidates(text):
        try:
            return answer.model_validate_json(candidate.translate(_BLANKS))
        except ValidationError as error:
            first = error.errors(include_url=False, include_input=False)[0]
            if first["type"] != "json_invalid" and not (first["type"] == "string_unicode" and not first["loc"]):
                return Failure("invalid-answer", explain(error))
            failure = failure or Failure("not-json", explain(error))
    return failure or Failure("not-json", "The text is empty.")


def _candidates(text: str) -> list[str]:
    text = text.rpartition("</think>")[2]  # reasoning models think aloud first
    found = [text.strip()]
    if fenced := _FENCE.search(text):
        found.append(fenced[1].strip())
    start, end = text.find("{"), text.rfind("}")
    if 0 <= start < end:
        found.append(text[start : end + 1])
    return [candidate for candidate in found if candidate]


def explain(error: ValidationError) -> str:
    """What is wrong with an answer, without the answer itself."""
    problems = [
        f"{'.'.join(map(str, detail['loc'])) or 'the answer'}: {detail['msg']}"
        for detail in error.errors(include_url=False, include_input=False, include_context=False)
    ]
    return "; ".join(problems)[:_DETAIL_CHARACTERS]
