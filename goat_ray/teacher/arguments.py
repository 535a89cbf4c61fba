"""The task of inventing the arguments that no other call provides."""

import json
from dataclasses import dataclass, replace
from typing import Any

from pydantic import Field

from goat_ray.identity import rng
from goat_ray.records import ApiFunction, Parameter
from goat_ray.storable import parsed
from goat_ray.teacher.shortening import LEVELS, shorter
from goat_ray.teacher.task import Answer, Failure, Message, Task, prompt


@dataclass(frozen=True)
class FreeArguments:
    """The free parameters of one call, with values that the documents show or allow."""

    function: ApiFunction
    parameters: tuple[Parameter, ...]
    shown: tuple[tuple[Any, ...], ...]  # for each parameter, at least one usable value
    seed: str


class ArgumentValues(Answer):
    """One value for each parameter asked for, in the order asked."""

    values_json: str = Field(description="a JSON object: parameter name -> value")

    def values(self) -> dict[str, Any]:
        """The values by parameter name; raises ``ValueError`` if the text is no JSON object."""
        found = parsed(self.values_json)
        if not isinstance(found, dict):
            raise ValueError("not a JSON object")
        return found


class FillArguments(Task[FreeArguments, ArgumentValues]):
    """Chooses realistic values, as a user of the API would."""

    name = "fill-arguments"
    version = 1
    answer = ArgumentValues

    def flaw(self, request: FreeArguments, answer: ArgumentValues) -> str | None:
        try:
            values = answer.values()
        except ValueError as error:
            return f"values_json is no JSON object: {error}"
        missing = [parameter.name for parameter in request.parameters if parameter.name not in values]
        return f"values_json lacks {', '.join(missing)}" if missing else None

    def messages(self, request: FreeArguments) -> list[Message]:
        lines = [
            f"- {parameter.name} ({parameter.type}): {parameter.description} "
            f"Values known to work: {json.dumps(shown[:5], ensure_ascii=False)}"
            for parameter, shown in zip(request.parameters, request.shown, strict=True)
        ]
        return prompt(
            "You choose argument values for an API call that a person might really want. "
            "Use identifiers only from the values known to work. Answer in JSON.",
            f"API: {request.function.title} - {request.function.summary}. "
            f"{request.function.description[:600]}\nParameters to fill:\n" + "\n".join(lines),
        )

    def shortened(self, request: FreeArguments, level: int) -> FreeArguments | None:
        if level > LEVELS:
            return None
        return replace(
            request,
            function=shorter(request.function, level),
            parameters=tuple(shorter(parameter, level) for parameter in request.parameters),
            shown=tuple(values[:1] for values in request.shown),
        )

    def rule(self, request: FreeArguments) -> ArgumentValues | Failure:
        random_ = rng(request.seed)
        chosen = {
            parameter.name: random_.choice(shown)
            for parameter, shown in zip(request.parameters, request.shown, strict=True)
        }
        return ArgumentValues(values_json=json.dumps(chosen, ensure_ascii=False))
