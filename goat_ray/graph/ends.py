"""The two ends that an edge may have: parameters that ask for something, and output fields that carry something."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import pyarrow as pa

from goat_ray.graph.fields import ServiceMeanings
from goat_ray.identity import content_id
from goat_ray.records import ApiFunction, Embedding, OutputField, Parameter, ValueType
from goat_ray.storage import FunctionStore

# Parameters that callers set for their own sake. No other call's output decides them, and asking a
# teacher about each would be most of the bill.
CALLERS_OWN = frozenset(
    "page offset limit cursor per_page page_size size count sort sort_by order order_by fields include expand format"
    " language lang locale region timezone api_key apikey token access_token callback query q search"
    " append_to_response include_adult include_image_language".split()
)


@dataclass(frozen=True)
class Asking:
    """A parameter that another call's output may fill."""

    function: ApiFunction
    parameter: Parameter
    wants: str
    text: str  # what is embedded for it


@dataclass(frozen=True)
class Carrying:
    """An output field whose value another call may take."""

    function: ApiFunction
    field: OutputField
    carries: str
    text: str


def ends(service: Sequence[ApiFunction]) -> tuple[list[Asking], list[Carrying]]:
    """Both kinds of ends of one service, of which all functions must be given: they explain each other."""
    meanings = ServiceMeanings(service)
    asking, carrying = [], []
    for function in service:
        for parameter in function.parameters:
            if not is_callers_own(parameter):
                wants = meanings.of_parameter(function, parameter).phrase
                asking.append(Asking(function, parameter, wants, end_text(wants, parameter.description)))
        for field in function.outputs:
            if field.type not in ("array", "object"):
                carries = meanings.of_field(function, field).phrase
                carrying.append(Carrying(function, field, carries, end_text(carries, field.description)))
    return asking, carrying


def is_callers_own(parameter: Parameter) -> bool:
    """Whether the parameter is one that callers set for their own sake."""
    return parameter.name.lower() in CALLERS_OWN


def fits(given: ValueType, parameter: Parameter) -> bool:
    """Whether a value of this type can be written into the parameter, or into its items."""
    wanted = wanted_type(parameter)
    if "any" in (given, wanted) or given == wanted:
        return given not in ("array", "object")
    return (wanted == "string" and given in ("integer", "number")) or (wanted, given) == ("number", "integer")


def wanted_type(parameter: Parameter) -> ValueType:
    """The type of a value for the parameter, or for one of its items."""
    return (parameter.item_type or "any") if parameter.type == "array" else parameter.type


def distinct_texts(functions: FunctionStore) -> Iterator[pa.Table]:
    """Each distinct text of the corpus, once and not yet embedded, with who needs it; short ones first.

    An embedder pads the texts of a batch to the longest one, so texts of a length had better stand together.
    """
    asked: set[str] = set()
    carried: set[str] = set()
    for service in functions.services():
        asking, carrying = ends(service)
        asked.update(one.text for one in asking)
        carried.update(one.text for one in carrying)
    texts = sorted(asked | carried, key=lambda text: (len(text), text))
    yield pa.table(
        {
            "id": [content_id(text) for text in texts],
            "text": texts,
            "asked": [text in asked for text in texts],
            "carried": [text in carried for text in texts],
            "vector": pa.array([[]] * len(texts), pa.list_(pa.float32())),
        },
        schema=Embedding.arrow_schema(),
    )


def end_text(meaning: str, description: str) -> str:
    """What is embedded for an end: its meaning, then the start of its description."""
    words = description.split()[:12]
    return f"{meaning}: {' '.join(words)}" if words else meaning
