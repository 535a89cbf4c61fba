"""What models write, read back: plans, arguments and ReAct turns. Nothing is raised but ``Unreadable``."""

import json
import math
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, NoReturn

from goat_ray import jsonpath
from goat_ray.records import Argument
from goat_ray.storable import writable

MAX_DEPTH = 32  # of arguments; deeper ones fit no API
MAX_PLACE = 8  # levels of a place that is proposed
LIKELY = 4  # places proposed for a reference that names none
SHOWN = 80  # characters of a model's text in an error

_REFERENCE = re.compile(r"\$(?P<call>[1-9][0-9]{0,8})(?P<path>[.\[](?![0-9]+$).*)?", re.DOTALL)
"""``$1.results[0].id``: the place in the result of call 1. ``$9.99`` is a price."""

_LABEL = re.compile(r"^[ \t*]*(?P<label>thought|action input|action|final answer|answer|observation)[ \t*]*:[ \t*]*",
                    re.IGNORECASE | re.MULTILINE)  # fmt: skip

_BULLET = re.compile(r"^([-*•]|[0-9]+[.)])(\s+|$)")
"""Before a name in a list: ``- ``, ``2) ``. Names themselves may begin with digits."""

_MARKS = "`\"'*[] \t\r\n"  # around a name in an action


class Unreadable(ValueError):
    """A text that says nothing usable. The message is written for the model, which may be asked again."""


@dataclass(frozen=True)
class Act:
    """A turn that calls a function."""

    thought: str
    function: str  # as the model names it
    arguments: str  # as the model writes them
    written: str  # the text without what the model imagines to come of it
    left_out: int = 0  # further calls in the same turn


@dataclass(frozen=True)
class Reply:
    """A ReAct turn that answers the request."""

    thought: str
    text: str


def read_plan(text: str) -> list[str]:
    """The names in a model's plan, one a line; bullets, numbers and quotes around them are left out."""
    return [name for line in text.splitlines() if (name := _BULLET.sub("", line.strip()).strip("`\"' "))]


def read_arguments(text: str, bodies: Sequence[Any], query: str = "") -> list[Argument]:
    """The arguments in a model's text: the first JSON object in it, references resolved.

    ``bodies`` are the results of the calls so far. An argument that is a reference is ``upstream`` and says where its
    value stood. Of the others, those that the query holds are the user's; the model alone knows where it has the rest
    from, which is ``constant``.
    """
    return [_argument(name, value, bodies, query) for name, value in _first_object(text).items()]


def read_turn(text: str) -> Act | Reply:
    """A turn in the form that ``prompts.react_prompt`` asks for; what a model imagines to observe is left out."""
    parts: dict[str, str] = {}
    labels = list(_LABEL.finditer(text))
    for label, following in zip(labels, [*labels[1:], None], strict=False):
        end = following.start() if following is not None else len(text)
        name = label["label"].lower().removeprefix("final ")
        if name == "observation" or name in parts:  # from here on it imagines how things went on
            break
        parts[name], written = text[label.end() : end].strip(), text[:end].strip()
        if name in ("action input", "answer"):
            break
    thought = parts.get("thought", "")
    if parts.get("answer"):
        return Reply(thought, parts["answer"])
    if "action" not in parts:
        raise Unreadable('write "Action:" and "Action Input:" to call an API, or "Answer:" to answer')
    name, brace, rest = parts["action"].partition("{")  # some write both on one line
    name = name.strip(_MARKS).removesuffix("()").rstrip("(").strip(_MARKS)  # names may end in "(free)"
    return Act(thought, name, parts.get("action input") or brace + rest, written)


def _first_object(text: str) -> dict[str, Any]:
    start = text.find("{")
    if start < 0:
        raise Unreadable(f"there is no JSON object in {text[:SHOWN]!r}")
    try:
        found, _ = _DECODER.raw_decode(text, start)
        json.dumps(found, ensure_ascii=False).encode()  # half a surrogate pair is JSON, but no text
        if _is_deep(found, MAX_DEPTH):
            raise Unreadable("the arguments are nested too deeply")
    except RecursionError:
        raise Unreadable("the arguments are nested too deeply") from None
    except Unreadable:
        raise
    except ValueError as error:
        shown = writable(text[start : start + SHOWN])
        raise Unreadable(f"this is no JSON object ({_brief(error)}): {shown}") from None
    assert isinstance(found, dict), "it began with a brace"
    return found


def _argument(name: str, value: Any, bodies: Sequence[Any], query: str) -> Argument:
    match = _REFERENCE.fullmatch(value) if isinstance(value, str) else None
    number = int(match["call"]) if match is not None else 0
    if match is None or (number > len(bodies) and not match["path"]):  # "$20" is a price where no call 20 was made
        is_said = str(value).casefold() in query.casefold()
        return Argument(parameter=name, value=value, provenance="user" if is_said else "constant")
    if number > len(bodies):
        raise Unreadable(f"{value} refers to a call that was not made")
    try:
        places = jsonpath.find(bodies[number - 1], f"${match['path'] or ''}")
    except (ValueError, jsonpath.PathError):
        places = []
    if not places:
        there = ", ".join(f"${number}{place[1:]}" for place in _likely(bodies[number - 1], match["path"] or ""))
        raise Unreadable(f"{value} names nothing in the result of call {number}" + (f", try {there}" if there else ""))
    location, found = places[0]
    return Argument(parameter=name, value=found, provenance="upstream", step=number - 1, location=location)


def _likely(body: Any, path: str) -> list[str]:
    """Places in a body that a reference may have meant: rather those that end in the same name, first items only."""
    wanted = re.split(r"[.\[]", path)[-1]
    places = [jsonpath.render(tokens) for tokens in _leaves(body, (), MAX_PLACE)]
    return sorted(places, key=lambda place: not place.endswith(f".{wanted}"))[:LIKELY]


def _leaves(value: Any, at: tuple[jsonpath.Token, ...], levels: int) -> Iterator[tuple[jsonpath.Token, ...]]:
    if isinstance(value, dict) and levels:
        for name, item in value.items():
            yield from _leaves(item, (*at, name), levels - 1)
    elif isinstance(value, list) and levels:
        yield from _leaves(value[0], (*at, 0), levels - 1) if value else ()
    elif not isinstance(value, dict | list):
        yield at


def _is_deep(value: Any, levels: int) -> bool:
    if not isinstance(value, dict | list):
        return False
    items = value.values() if isinstance(value, dict) else value
    return levels == 0 or any(_is_deep(item, levels - 1) for item in items)


def _finite(text: str) -> float:
    value = float(text)
    if not math.isfinite(value):
        _refuse(text)
    return value


def _refuse(text: str) -> NoReturn:
    raise ValueError(f"{text} is no number in JSON")


def _brief(error: ValueError) -> str:
    return error.msg if isinstance(error, json.JSONDecodeError) else str(error)[:SHOWN]


_DECODER = json.JSONDecoder(parse_float=_finite, parse_constant=_refuse)
