"""What the language tasks tell about: executed calls with their documents."""

import json
import re
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from goat_ray.naming import singular, words
from goat_ray.records import ApiFunction, Argument, ExecutedCall
from goat_ray.teacher.phrases import Phrasebook, is_search_text

EACH = "each"  # Argument.chosen of a fan-out
MAX_BODY_CHARACTERS = 1500  # of one response in a prompt
_ESCAPE = re.compile(r'\\(?:[nrtbf"\\/]|u[0-9a-f]{4})')  # of JSON text


@dataclass(frozen=True)
class Told:
    """One executed call and the document of its function."""

    function: ApiFunction
    call: ExecutedCall
    room: int = MAX_BODY_CHARACTERS  # for the response in a prompt

    @cached_property
    def search_text(self) -> Argument | None:
        """The user's argument that is free text to search by."""
        given = (argument for argument in self.call.arguments if argument.provenance == "user")
        return next((a for a in given if is_search_text(self.function.parameter(a.parameter))), None)

    @cached_property
    def path_arguments(self) -> list[Argument]:
        """The arguments that stand in the path, outermost first."""
        placed = [(self.function.path.find("{" + a.parameter + "}"), a) for a in self.call.arguments]
        inside = [(at, a) for at, a in placed if self.function.parameter(a.parameter).location == "path"]
        return [argument for _, argument in sorted(inside, key=lambda pair: pair[0])]

    @property
    def ids_given(self) -> list[Argument]:
        """The arguments in the path that the user gives, without choices."""
        given = (argument for argument in self.path_arguments if argument.provenance == "user")
        return [argument for argument in given if not self.function.parameter(argument.parameter).enum]

    def kind_before(self, parameter: str) -> str:
        """The kind that the path names before a parameter: member in ``/members/{card_number}``."""
        before, found, _ = self.function.path.partition("/{" + parameter + "}")
        parts = words(before.rsplit("/", 1)[-1]) if found else ()
        return singular(parts[-1]) if parts else ""

    @property
    def body_text(self) -> str:
        """The response as JSON, cut to a length that a prompt can bear."""
        text = json.dumps(self.call.body, ensure_ascii=False)
        return text if len(text) <= self.room else text[: self.room] + "…"


@dataclass(frozen=True)
class Story:
    """The calls of one trace in order, and the seed of all choices of wording."""

    calls: tuple[Told, ...]
    phrases: Phrasebook
    seed: str
    memory: dict[Any, Any] = field(default_factory=dict, compare=False, repr=False)
    """What has been worked out of the calls by those who tell of them, for as long as the story is told."""

    @cached_property
    def goals(self) -> list[int]:
        """Calls whose output no other call uses: what the user is after.

        The first call of a fan-out stands for all of it, and no failed call is a goal.
        """
        used = {argument.step for told in self.calls for argument in told.call.arguments}
        ends: dict[Any, int] = {}
        for number, told in enumerate(self.calls):
            if number not in used and told.call.corrected_by is None:
                ends.setdefault(id(self.fan_out(told)[0]), number)
        return list(ends.values())

    def fan_out(self, told: Told) -> list[Told]:
        """The calls that do the same for other items of a list, this one included; just this one where none do."""
        if all(argument.chosen != EACH for argument in told.call.arguments):
            return [told]
        planned = told.call.planned
        return [one for one in self.calls if one.call.planned == planned and one.call.corrected_by is None]

    @cached_property
    def repeated(self) -> frozenset[str]:
        """What the user gives several calls alike, such as an account, as ``given_as`` names it."""
        given = {
            (told.call.planned, given_as(argument))
            for told in self.calls
            for argument in told.call.arguments
            # Members of members belong to what they stand in: an amount's value is no other amount's.
            if argument.provenance == "user"
            and "." not in argument.parameter
            and told.function.parameter(argument.parameter).location != "path"
        }
        counts = Counter(name for _, name in given)
        return frozenset(name for name, count in counts.items() if count > 1)

    @cached_property
    def user_values(self) -> list[str | int | float]:
        """All values that only the user can know, those in lists and objects one by one."""
        return self._values("user")

    @cached_property
    def upstream_values(self) -> list[str | int | float]:
        """All values that an earlier call gave; a query must not contain them."""
        return self._values("upstream")

    def _values(self, provenance: str) -> list[str | int | float]:
        given = (a for told in self.calls for a in told.call.arguments if a.provenance == provenance)
        return [value for argument in given for _, value in leaves(argument.parameter, argument.value)]

    def without_user_values(self, text: str) -> str:
        """A text's own words: the user's values are cut out, longest first, because anything may stand in them."""
        return self._given.sub("…", text) if self._given else text

    @cached_property
    def known(self) -> str:
        """All that outputs and arguments say, in lower case, for finding words in it."""
        everything = [(told.call.body, told.call.values) for told in self.calls]
        return _ESCAPE.sub(" ", json.dumps(everything, ensure_ascii=False).lower())

    @cached_property
    def containers(self) -> list[dict[str, Any] | list[Any]]:
        """All objects and lists in what the calls returned and were given."""
        found, open_ = [], [value for told in self.calls for value in (told.call.body, told.call.values)]
        while open_:
            value = open_.pop()
            if isinstance(value, dict | list):
                found.append(value)
                open_ += value.values() if isinstance(value, dict) else value
        return found

    @cached_property
    def texts(self) -> list[str]:
        """All texts among the values that the calls returned and were given."""
        bodies = [told.call.body for told in self.calls]
        members = (one.values() if isinstance(one, dict) else one for one in self.containers)
        return [value for values in (bodies, *members) for value in values if isinstance(value, str)]

    @cached_property
    def _given(self) -> re.Pattern[str] | None:
        longest = sorted({str(value) for value in self.user_values}, key=lambda text: (-len(text), text))
        words_ = rf"(?<!\w)(?:{'|'.join(map(re.escape, longest))})(?!\w)"
        return re.compile(words_, re.IGNORECASE) if longest else None

    def prompt(self, *, outputs: bool) -> str:
        """The calls as text for a language model, with or without what they returned."""
        lines = []
        for number, told in enumerate(self.calls, 1):
            function = told.function
            lines.append(f"{number}. {function.title} - {function.summary}. {function.description[:300]}")
            lines.extend(f"   {line}" for line in _argument_lines(told.call))
            if outputs:
                lines.append(f"   returned: {told.body_text}")
        return "\n".join(lines)


def leaves(name: str, value: Any) -> Iterator[tuple[str, str | int | float]]:
    """The values in an argument, each with the name of the innermost parameter or member that it is of."""
    if isinstance(value, dict):
        for member, inner in value.items():
            yield from leaves(member, inner)
    elif isinstance(value, list):
        for item in value:
            yield from leaves(name, item)
    elif value is not None and str(value).strip():
        yield name, value


def given_as(argument: Argument) -> str:
    """A name for an argument's parameter and value together."""
    return f"{argument.parameter}={argument.value!r}"


def _argument_lines(call: ExecutedCall) -> Iterable[str]:
    for argument in call.arguments:
        if argument.step is None:
            yield f"{argument.parameter} = {json.dumps(argument.value, ensure_ascii=False)} (given by the user)"
        else:
            chosen = f", chosen as: {argument.chosen}" if argument.chosen else ""
            yield f"{argument.parameter} = output of call {argument.step + 1} at {argument.location}{chosen}"
