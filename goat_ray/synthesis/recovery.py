"""Mistakes that an agent makes and mends: wrong calls to make on purpose before the right one."""

from collections.abc import Iterator, Sequence
from typing import Any

from goat_ray import jsonpath
from goat_ray.executors.executor import READS, TRANSIENT, CallResult
from goat_ray.identity import rng
from goat_ray.naming import words
from goat_ray.records import ApiFunction, Argument, CallPlan

PASSING = TRANSIENT | {500}
"""Statuses after which the same call may succeed (RFC 9110, section 15; RFC 6585, section 4)."""

_NAMES = frozenset(("name", "title", "label"))


def call_to_spoil(plan: CallPlan, functions: Sequence[ApiFunction], share: float) -> int | None:
    """The call of a plan before which a mistake is made; None for all but ``share`` of the plans.

    Only calls that change nothing are spoilt, as a wrong call may succeed. Of tools without HTTP nobody knows that.
    """
    random_ = rng(plan.id, "recovery")
    if random_.random() >= share:
        return None
    reading = [number for number, function in enumerate(functions) if function.method in READS]
    return random_.choice(reading) if reading else None


def mistakes(plan_id: str, function: ApiFunction, arguments: list[Argument], bodies: Sequence[Any]) -> list[Argument]:
    """Wrong arguments for a call, chosen by the plan's id; the right ones where nothing can be done wrong.

    Either a required argument is left out, or an id is taken for the name that stands beside it.
    """
    spoilt = [*_left_out(function, arguments), *_named(function, arguments, bodies)]
    return rng(plan_id, "mistake").choice(spoilt) if spoilt else arguments


def is_mistaken(result: CallResult) -> bool:
    """Whether a call failed for what was wrong with it."""
    return 400 <= result.status < 500 and result.status not in PASSING


def _left_out(function: ApiFunction, arguments: list[Argument]) -> Iterator[list[Argument]]:
    for argument in arguments:
        if function.parameter(argument.parameter).required:
            yield [other for other in arguments if other is not argument]


def _named(function: ApiFunction, arguments: list[Argument], bodies: Sequence[Any]) -> Iterator[list[Argument]]:
    for argument in arguments:
        if argument.step is None or isinstance(argument.value, list):
            continue
        above = jsonpath.parse(argument.location)[:-1]
        item = jsonpath.get(bodies[argument.step], jsonpath.render(above))
        for member, name in item.items() if isinstance(item, dict) else ():
            if words(member)[-1:] and words(member)[-1] in _NAMES and isinstance(name, str) and name:
                place = jsonpath.render((*above, member))
                wrong = argument.model_copy(update={"value": name, "location": place})
                yield [wrong if other is argument else other for other in arguments]
                break
