import json
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from goat_ray.documents import functions
from goat_ray.documents.config import Limits
from goat_ray.documents.flaws import Flaw, NoOperations
from goat_ray.documents.loading import Source
from goat_ray.records import Document
from tests.documents.test_rapidapi import anything, split
from tests.documents.writing import source


def schema(name="find", properties=None, key="parameters", **fields):
    """A bare function."""
    arguments = {"type": "object", "properties": {"x": {"type": "string"}} if properties is None else properties}
    return {"name": name, "description": "Finds.", key: arguments, **fields}


def read(document, path="zoo.json", **limits):
    """(functions, rejects) of a document; anything but text is written as JSON."""
    content = document if isinstance(document, str | bytes) else json.dumps(document)
    return split(functions.read(source(content, path=path, **limits)))


def one(properties, **fields):
    """The function with these properties."""
    (function,), rejects = read([schema(properties=properties, **fields)])
    assert not rejects
    return function


@pytest.fixture(scope="module")
def real(shared):
    path = shared("functions/bfcl_live_multiple_200.jsonl")
    return Source.open(Document(id="0" * 16, path=path.name, root=str(path.parent)), Limits())


def test_all_real_functions_are_read(real):
    assert functions.sniff(real)
    found, rejects = split(functions.read(real))
    assert not rejects
    stated = [function for line in real.content.splitlines() for function in json.loads(line)["function"]]
    assert {function["name"] for function in stated} <= {function.name for function in found}
    assert len({(function.service, function.name) for function in found}) == len(found)
    distinct = {json.dumps(function, sort_keys=True) for function in stated}
    assert len(found) == 364 and len(distinct) == 365  # two differ by a blank only


def test_real_arguments_have_types_whatever_the_dialect(real):
    found, _ = split(functions.read(real))
    by_name = {function.name: function for function in found}
    headway = by_name["get_time_headway"]
    assert (headway.parameter("ego_info.position").type, headway.parameter("ego_info.position").item_type) == (
        "array",
        "number",
    )
    drink = by_name["ChaDri.change_drink"]
    assert (drink.service, drink.method, drink.path) == ("ChaDri", "CALL", "")
    assert drink.parameter("new_preferences.size").enum == ["small", "medium", "large"]
    assert drink.parameter("new_preferences.size").location == "body"
    anys = {parameter.name for function in found for parameter in function.parameters if parameter.type == "any"}
    assert anys == {"default_value", "function"}  # which the documents call any


@pytest.mark.parametrize(
    "wrap",
    [
        lambda bare: bare,
        lambda bare: [bare],
        lambda bare: {"type": "function", "function": bare},
        lambda bare: [{"type": "function", "function": bare}],
        lambda bare: {"functions": [bare]},
        lambda bare: {"model": "m", "tools": [{"type": "function", "function": bare}]},
        lambda bare: [{"id": 1, "question": "?", "function": [bare]}],
        lambda bare: {"tools": [{"functionDeclarations": [bare]}]},
    ],
)
@pytest.mark.parametrize("key", ["parameters", "input_schema"])
def test_a_function_is_found_in_every_wrapping(wrap, key):
    document = wrap(schema(key=key))
    assert functions.sniff(source(json.dumps(document)))
    (function,), rejects = read(document)
    assert not rejects
    assert (function.service, function.name, function.description) == ("zoo", "find", "Finds.")
    assert function.parameter("x").type == "string"


@pytest.mark.parametrize(
    "document",
    [
        {"tools": [{"name": "a", "inputSchema": {"type": "object", "properties": {}}}], "x": {"parameters": {}}},
        {"openapi": "3.0.0", "paths": {"/a": {"parameters": []}}},
        {"kind": "discovery#restDescription", "name": "drive", "parameters": {"alt": {"type": "string"}}},
        {"name": "package", "parameters": [1]},
        [{"name": "a"}, {"parameters": {}}],
        "parameters",
    ],
)
def test_other_documents_are_left_to_others(document):
    assert not functions.sniff(source(json.dumps(document)))


@pytest.mark.parametrize(
    "content", ["parameters: {}", 'def f(): return {"parameters": 1}', "", '{"a": 1}\n{"parameters']
)
def test_other_texts_are_left_to_others_or_flaws(content):
    try:
        assert not functions.sniff(source(content))
    except Flaw as flaw:
        assert content.startswith("{") and flaw.reason == "unreadable"


@pytest.mark.parametrize(
    "bad", ["{", '{"name": "x"', "7", "null", "no json", "[" * 9_999, '{"a": NaN}', '{"question": "?"}']
)
@pytest.mark.parametrize("at", [0, 1, 2])
def test_a_bad_line_is_rejected_by_its_number_and_the_rest_goes_on(bad, at):
    lines = [json.dumps({"function": [schema("a")]}), json.dumps(schema("b"))]
    lines.insert(at, bad)
    document = "\n\n".join(lines) + "\n"
    assert functions.sniff(source(document)) or not bad.startswith(("{", "["))
    found, (reject,) = read(document)
    assert [function.name for function in found] == ["a", "b"]
    assert re.search(rf"zoo\.json(:|#line ){2 * at + 1}\b", reject.detail)


def test_the_limits_hold_for_each_line():
    found, (reject,) = read("\n".join([json.dumps(schema("a")), json.dumps([0] * 100)]), max_nodes=50)
    assert [function.name for function in found] == ["a"]
    assert reject.reason == "too-large"


def test_equal_functions_are_read_once_and_others_of_their_name_are_numbered():
    document = [schema("f"), schema("f"), schema("f", {}), schema("f_2"), schema("s.f", {}), schema("f", {"y": {}})]
    found, rejects = read(document)
    assert not rejects
    assert [function.name for function in found] == ["f", "f_2", "f_2_2", "s.f", "f_3"]
    assert found[3].service == "s"
    again, _ = read(document)
    assert [function.id for function in found] == [function.id for function in again]


def test_nested_properties_are_flat_and_required_only_if_all_around_them_are():
    inner = {"type": "dict", "properties": {"a": {"type": "float"}, "b": {"type": "int"}}, "required": ["a"]}
    function, _ = read(
        [{"name": "f", "parameters": {"properties": {"o": inner, "p": inner}, "required": ["p", "gone"]}}]
    )
    assert {parameter.name: (parameter.type, parameter.required) for parameter in function[0].parameters} == {
        "o.a": ("number", False),
        "o.b": ("integer", False),
        "p.a": ("number", True),
        "p.b": ("integer", False),
    }


@pytest.mark.parametrize(
    ("stated", "type", "item"),
    [
        ("tuple", "array", "integer"),
        ("ArrayList", "array", "integer"),
        ("List[int]", "array", "integer"),
        ("any", "array", "integer"),  # by its items
        ("HashMap", "object", "integer"),
        ("str, optional", "string", "integer"),
        (["string", "null"], "string", "integer"),
        ("STRING", "string", "integer"),
        ("long", "integer", "integer"),
    ],
)
def test_types_of_other_languages_are_known(stated, type, item):
    parameter = one({"x": {"type": stated, "items": {"type": "long"}}}).parameter("x")
    assert (parameter.type, parameter.item_type) == (type, item)


def test_an_argument_may_be_called_like_a_keyword():
    properties = {name: {"type": "tuple"} for name in ("type", "default", "properties", "enum", "required", "items")}
    assert {parameter.name: parameter.type for parameter in one(properties).parameters} == dict.fromkeys(
        properties, "array"
    )


def test_a_plain_map_of_arguments_is_understood():
    stated = {"a": {"type": "str"}, "b": {"type": "int, optional"}, "c": {"type": "int", "default": "5"}}
    (function,), _ = read([{"name": "f", "parameters": stated}])
    assert [(p.name, p.type, p.required, p.default) for p in function.parameters] == [
        ("a", "string", True, None),
        ("b", "integer", False, None),
        ("c", "integer", False, 5),
    ]


def test_references_inside_the_arguments_are_followed():
    arguments = {"$defs": {"A": {"type": "object", "properties": {"id": {"type": "int"}}}}}
    arguments["properties"] = {"a": {"$ref": "#/$defs/A"}}
    (function,), _ = read([{"name": "f", "parameters": arguments}])
    assert function.parameter("a.id").type == "integer"


def test_a_response_schema_gives_outputs():
    function = one({}, response={"type": "dict", "properties": {"ids": {"type": "list", "items": {"type": "long"}}}})
    assert [(field.path, field.type) for field in function.outputs] == [("$.ids[*]", "integer")]
    assert function.parameters == []


@pytest.mark.parametrize(
    "bad",
    [
        7,
        "f",
        {"name": 7, "parameters": {}},
        {"type": "web_search"},
        {"name": "f", "parameters": ["x"]},
        {"name": "f", "parameters": {"type": "string"}},
        schema(properties={"a": {"$ref": "https://elsewhere.example/a.json"}}),
        schema(properties={"a": {"$ref": "#/nowhere"}}),
    ],
)
def test_a_bad_function_is_rejected_with_its_place_and_the_rest_goes_on(bad):
    (function,), (reject,) = read([bad, schema("good")])
    assert function.name == "good"
    assert "zoo.json#/0: " in reject.detail


def test_what_is_cut_is_told():
    (function,), (reject,) = read([schema(properties={f"p{index}": {} for index in range(9)})], max_fields=4)
    assert len(function.parameters) == 4
    assert reject.reason == "fields-cut" and "5 " in reject.detail


def test_a_document_without_functions_is_a_flaw():
    with pytest.raises(NoOperations):
        read([])


keywords = ("type", "properties", "required", "items", "enum", "default", "$ref", "anyOf", "allOf", "minimum", "$defs")
schemas = st.recursive(
    anything | st.sampled_from(["dict", "tuple", "any", "#", "#/properties/a", "#/$defs"]),
    lambda inner: (
        st.dictionaries(st.sampled_from([*keywords, "a", "a.b"]), inner, max_size=5) | st.lists(inner, max_size=2)
    ),
    max_leaves=14,
)
bare = st.fixed_dictionaries(
    {},
    optional={
        "name": st.sampled_from(["f", "s.f", "f_2", "."]) | anything,
        "description": anything,
        **dict.fromkeys(("parameters", "input_schema", "response", "returns"), schemas),
    },
)


@given(st.lists(bare | anything.filter(lambda value: not isinstance(value, list)), min_size=1), st.booleans())
def test_no_tree_raises_and_no_function_is_lost(nodes, as_lines):
    content = "\n".join(map(json.dumps, nodes)) if as_lines and len(nodes) > 1 else json.dumps(nodes)
    found, rejects = read(content)
    assert len({(function.service, function.name) for function in found}) == len(found)
    for index, node in enumerate(nodes):
        place = f"(#/{index}|(#line |:){index + 1})\\b"
        rejected = any(re.match(rf"zoo\.json{place}", reject.detail) for reject in rejects)
        assert rejected or any(function.name.startswith(node["name"].strip()) for function in found)
