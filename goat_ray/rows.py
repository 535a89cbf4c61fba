"""How records become Parquet rows and come back: their base classes and Arrow schemas.

Free-form JSON (``Json`` fields) travels in Parquet as JSON text, because Arrow would unify objects with
different keys.
"""

import json
import types
from collections.abc import Iterable
from functools import cache
from typing import Annotated, Any, Literal, Self, Union, get_args, get_origin

import pyarrow as pa
from pydantic import BaseModel, ConfigDict, PlainSerializer, PlainValidator, ValidationInfo
from pydantic_core.core_schema import SerializationInfo

from goat_ray.identity import canonical_json

_ROW = {"row": True}  # the pydantic context that says "this is a Parquet row"


def _json_in(value: Any, info: ValidationInfo) -> Any:
    return json.loads(value) if info.context == _ROW and value is not None else value


def _json_out(value: Any, info: SerializationInfo) -> Any:
    return canonical_json(value) if info.context == _ROW and value is not None else value


class _JsonText:
    """Marks a field whose value is any JSON value in Python and JSON text in Parquet."""


# None in Python is null in Parquet: "no value" and "the JSON value null" are one thing here.
Json = Annotated[Any, PlainValidator(_json_in), PlainSerializer(_json_out), _JsonText]


class _Float32:
    """Marks a list of numbers that takes four bytes a number in Parquet."""


Vector = Annotated[list[float], _Float32()]


class Record(BaseModel):
    """Base of all records: immutable, strict about its keys, convertible to and from Parquet rows."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    id: str

    @classmethod
    def arrow_schema(cls) -> pa.Schema:
        """The Arrow schema of this record's Parquet dataset."""
        return _arrow_schema(cls)

    @classmethod
    def from_row(cls, row: dict[str, Any]) -> Self:
        """Build a record from a Parquet row; raises ``pydantic.ValidationError`` on a foreign row."""
        return cls.model_validate(row, context=_ROW)

    def to_row(self) -> dict[str, Any]:
        """The row that ``from_row`` reads back to an equal record."""
        return self.model_dump(context=_ROW)


class Part(BaseModel):
    """Base of the records inside records; they have no id of their own."""

    model_config = ConfigDict(frozen=True, extra="forbid")


_SCALARS: dict[object, pa.DataType] = {
    str: pa.string(),
    int: pa.int64(),
    float: pa.float64(),
    bool: pa.bool_(),
}


@cache
def _arrow_schema(record: type[BaseModel]) -> pa.Schema:
    return pa.schema(
        [pa.field(name, _arrow_type(info.annotation, info.metadata)) for name, info in record.model_fields.items()]
    )


def _arrow_type(annotation: Any, metadata: Iterable[object] = ()) -> pa.DataType:
    if _JsonText in metadata:
        return pa.string()
    if any(isinstance(mark, _Float32) for mark in metadata):
        return pa.list_(pa.float32())
    origin = get_origin(annotation)
    if origin is Annotated:
        inner, *marks = get_args(annotation)
        return _arrow_type(inner, marks)
    if origin is Literal:
        return pa.string()
    if origin is list:
        return pa.list_(_arrow_type(get_args(annotation)[0]))
    if origin in (Union, types.UnionType):
        (inner,) = (arg for arg in get_args(annotation) if arg is not type(None))
        return _arrow_type(inner)
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return pa.struct(list(_arrow_schema(annotation)))
    return _SCALARS[annotation]
