"""Example values for free arguments, taken from the documents alone."""

import random
from collections import defaultdict
from collections.abc import Iterable
from typing import Any

from goat_ray import jsonpath
from goat_ray.graph.fields import Meanings
from goat_ray.naming import words
from goat_ray.records import ApiFunction, Parameter
from goat_ray.teacher.phrases import is_search_text

_NAME_WORDS = ("name", "title", "label", "headline", "subject")
MAX_VALUES = 32


class ExampleValues:
    """Values that the documents show for each kind of thing, so that invented arguments are plausible.

    A parameter that wants a *movie id* gets an id that some example calls a movie id; a search text
    gets the name of something that the search's own examples list.
    """

    def __init__(self, functions: Iterable[ApiFunction]) -> None:
        self._functions = list(functions)
        self._meanings = Meanings(self._functions)
        by_meaning: dict[str, dict[str, Any]] = defaultdict(dict)
        for function in self._functions:
            for field in function.outputs:
                values = by_meaning[self._meanings.of_field(function, field).phrase]
                for example in field.examples:
                    if len(values) < MAX_VALUES:
                        values.setdefault(repr(example), example)
        self._by_meaning = {meaning: list(values.values()) for meaning, values in by_meaning.items()}

    def of(self, function: ApiFunction, parameter: Parameter) -> list[Any]:
        """Values for a parameter, the most telling source first; empty where the documents show none."""
        if parameter.enum:
            return list(parameter.enum)
        if is_scoped(function, parameter):
            return [1, 2, 3]  # nearly every show has a second season, few have a ninth
        if is_search_text(parameter):
            found = self._names_listed_by(function)
            if found:
                return found
        own = [value for value in (parameter.example,) if value is not None]
        wants = self._meanings.of_parameter(function, parameter).phrase
        shown = [value for value in self._by_meaning.get(wants, []) if value not in own]
        return own + [value for value in shown if _has_type(value, parameter)]

    def _names_listed_by(self, function: ApiFunction) -> list[Any]:
        """Example names of the things that a function lists, outermost list first."""
        found: list[Any] = []
        fields = sorted(function.outputs, key=lambda f: (len(jsonpath.parse(f.path)), _name_rank(f.path)))
        for field in fields:
            if "[*]" in field.path and _name_rank(field.path) < len(_NAME_WORDS) and field.path.count("[") == 1:
                found += [example for example in field.examples if isinstance(example, str)]
                if found:
                    known = self._by_meaning.get(self._meanings.of_field(function, field).phrase, [])
                    return list(dict.fromkeys([*found, *(name for name in known if isinstance(name, str))]))
        return found


def fit(parameter: Parameter, value: Any) -> Any:
    """A value as the parameter takes it: wrapped for arrays, as text for strings."""
    if parameter.type == "array" and not isinstance(value, list):
        return [value]
    if parameter.type == "string" and isinstance(value, int | float) and not isinstance(value, bool):
        return str(value)
    return value


def invent(parameter: Parameter, shown: list[Any], random_: random.Random) -> Any:
    """A value for a free argument: one that the documents show, else one that its schema allows."""
    if shown:
        return fit(parameter, random_.choice(shown))
    if parameter.default is not None:
        return parameter.default
    if parameter.type == "boolean":
        return True
    if parameter.type in ("integer", "number"):
        low = int(parameter.minimum) if parameter.minimum is not None else 1
        high = int(parameter.maximum) if parameter.maximum is not None else low + 9
        return random_.randint(low, max(low, min(high, low + 99)))
    if parameter.type == "array":
        return []
    if parameter.type == "object":
        return {}
    return _invented_text(parameter, random_)


def _invented_text(parameter: Parameter, random_: random.Random) -> str:
    parts = set(words(parameter.name)) | {parameter.format}
    if parts & {"date", "day", "since", "until", "from", "to"}:
        return f"20{random_.randint(18, 25)}-{random_.randint(1, 12):02d}-{random_.randint(1, 28):02d}"
    if parts & {"time", "datetime", "date-time", "timestamp"}:
        return f"20{random_.randint(18, 25)}-{random_.randint(1, 12):02d}-{random_.randint(1, 28):02d}T10:00:00Z"
    if "email" in parts:
        return f"{random_.choice(('ada', 'noor', 'jun', 'mara'))}@mail.example"
    if parts & {"url", "uri", "link"}:
        return "https://site.example/page"
    if parts & {"country", "nationality"}:
        return random_.choice(("US", "FR", "JP", "BR"))
    noun = random_.choice(("harbour", "lantern", "meadow", "copper", "winter", "orchard", "signal", "paper"))
    return noun if is_search_text(parameter) else f"{noun} {random_.randint(2, 99)}"


def is_scoped(function: ApiFunction, parameter: Parameter) -> bool:
    """Whether a number identifies something only within what the path names before: season 2 of a show."""
    return (
        parameter.location == "path"
        and parameter.type == "integer"
        and words(parameter.name)[-1:] in (("number",), ("no",))
        and "{" in function.path.partition("{" + parameter.name + "}")[0]
    )


def _name_rank(path: str) -> int:
    names = jsonpath.names(path)
    last = words(names[-1])[-1:] if names else ()
    return _NAME_WORDS.index(last[0]) if last and last[0] in _NAME_WORDS else len(_NAME_WORDS)


def _has_type(value: Any, parameter: Parameter) -> bool:
    wanted = parameter.item_type if parameter.type == "array" else parameter.type
    match wanted:
        case "integer":
            return isinstance(value, int) and not isinstance(value, bool)
        case "number":
            return isinstance(value, int | float) and not isinstance(value, bool)
        case "boolean":
            return isinstance(value, bool)
        case "string":
            return isinstance(value, str | int) and not isinstance(value, bool)
    return wanted in ("any", None)
