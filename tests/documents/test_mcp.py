"""MCP tool lists from a file."""

import json

import hypothesis.strategies as st
from hypothesis import given

from goat_ray.documents import mcp
from goat_ray.documents.config import DocumentsConfig
from goat_ray.documents.discovery import discover
from goat_ray.documents.flaws import Flaw
from goat_ray.documents.ingest import Ingest
from goat_ray.records import ApiFunction, Reject

from .writing import source

WEATHER = {
    "name": "get_weather",
    "title": "Weather",
    "description": "Weather of a city",
    "inputSchema": {
        "type": "object",
        "properties": {
            "city_id": {"$ref": "#/$defs/Id"},
            "opts": {"type": "object", "properties": {"unit": {"enum": ["c", "f"]}}},
        },
        "required": ["city_id"],
        "$defs": {"Id": {"type": "integer"}},
    },
    "outputSchema": {"type": "object", "properties": {"temperature": {"type": "number"}}},
}


def test_a_result_and_a_response_give_the_same_functions() -> None:
    bare, wrapped = {"tools": [WEATHER]}, {"jsonrpc": "2.0", "id": 1, "result": {"tools": [WEATHER]}}
    (one,), (other,) = (list(mcp.read(source(document, path="weather.json"))) for document in (bare, wrapped))
    assert one == other
    assert (one.service, one.name, one.method, one.summary) == ("weather", "get_weather", "CALL", "Weather")
    assert {(p.name, p.type, p.location, p.required) for p in one.parameters} == {
        ("city_id", "integer", "body", True),
        ("opts.unit", "string", "body", False),
    }
    assert [(field.path, field.type) for field in one.outputs] == [("$.temperature", "number")]


def test_bad_tools_and_missing_pages_are_rejects_and_the_rest_is_read(tmp_path) -> None:
    document = {"tools": [WEATHER, {"name": "bad"}, 7], "nextCursor": "more"}
    (tmp_path / "list").write_text(json.dumps(document))
    config = DocumentsConfig(paths=[str(tmp_path)])
    found = list(Ingest(config).process(discover(config)))
    assert [one.name for one in found if isinstance(one, ApiFunction)] == ["get_weather"]
    assert [one.reason for one in found if isinstance(one, Reject)] == ["bad-operation", "bad-operation", "incomplete"]


def test_output_fields_beyond_the_limit_are_told() -> None:
    many = {"type": "object", "properties": {name: {"type": "string"} for name in "abcde"}}
    function, reject = mcp.read(source({"tools": [{**WEATHER, "outputSchema": many}]}, max_fields=3))
    assert isinstance(function, ApiFunction) and len(function.outputs) == 3
    assert isinstance(reject, Reject) and reject.reason == "fields-cut"
    assert "2 known output fields" in reject.detail


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=8),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(["name", "inputSchema", "properties", "type", "$ref", "tools"]), inner, max_size=4
        )
    ),
    max_leaves=12,
)


@given(st.lists(JSON, max_size=4))
def test_each_tool_is_a_function_or_a_reject(tools: list[object]) -> None:
    try:
        found = list(mcp.read(source(json.dumps({"tools": tools}))))
    except Flaw as flaw:
        assert flaw.remedy
    else:
        assert len(found) >= len(tools) or len({json.dumps(tool, sort_keys=True) for tool in tools}) < len(tools)
