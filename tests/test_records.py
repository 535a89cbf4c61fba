"""Records survive Parquet, keep their ids, and refuse what they do not know."""

from typing import Any

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from goat_ray.records import ApiFunction, Argument, CallTrace, ExecutedCall, OutputField, Parameter, Sample
from goat_ray.rows import Record

json_values = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=10,
)


def through_parquet(record: Record) -> Record:
    table = pa.Table.from_pylist([record.to_row()], schema=record.arrow_schema())
    return type(record).from_row(table.to_pylist()[0])


@given(json_values, json_values)
def test_a_trace_survives_parquet_with_any_json(body: Any, value: Any) -> None:
    trace = CallTrace(
        id="a",
        seed=3,
        calls=[
            ExecutedCall(
                function="f",
                arguments=[Argument(parameter="p", value=value, provenance="user")],
                status=200,
                body=body,
                origin="simulated",
            )
        ],
    )
    assert through_parquet(trace) == trace


def test_bodies_with_different_keys_do_not_mix() -> None:
    calls = [
        ExecutedCall(function="f", arguments=[], status=200, body=body, origin="simulated")
        for body in ({"a": 1}, {"b": [None]})
    ]
    rows = [CallTrace(id=str(n), seed=0, calls=[call]).to_row() for n, call in enumerate(calls)]
    table = pa.Table.from_pylist(rows, schema=CallTrace.arrow_schema())
    assert [CallTrace.from_row(row).calls[0].body for row in table.to_pylist()] == [{"a": 1}, {"b": [None]}]


def test_the_id_of_a_function_is_its_content() -> None:
    def make(description: str) -> ApiFunction:
        return ApiFunction.create(
            service="s",
            name="n",
            description=description,
            parameters=[Parameter(name="q", location="query", type="string", enum=["a", 1])],
            outputs=[OutputField(path="$.id", type="integer", examples=[1, 2])],
        )

    assert make("x").id == make("x").id
    assert make("x").id != make("y").id
    assert through_parquet(make("x")) == make("x")


def test_unknown_keys_are_refused() -> None:
    with pytest.raises(ValidationError):
        CallTrace.from_row({"id": "a", "calls": [], "seed": 0, "extra": 1})


def test_records_do_not_change() -> None:
    trace = CallTrace(id="a", calls=[], seed=0)
    with pytest.raises(ValidationError):
        trace.seed = 1  # type: ignore[misc]


def test_every_record_type_has_an_arrow_schema_of_its_fields() -> None:
    def subclasses(kind: type[Record]) -> list[type[Record]]:
        return [kind, *(deep for child in kind.__subclasses__() for deep in subclasses(child))]

    for kind in subclasses(Record):
        assert kind.arrow_schema().names == list(kind.model_fields), kind
    assert Sample.arrow_schema().field("calls").type.value_type.field("body").type == pa.string()
