import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from goat_ray.documents import rapidapi
from goat_ray.documents.config import Limits
from goat_ray.documents.flaws import Flaw, NoOperations
from goat_ray.documents.loading import Source
from goat_ray.records import ApiFunction, Document, Reject
from tests.documents.writing import source


def tool(name="find", **fields):
    """An API as a query file has it."""
    return {
        "category_name": "Pets",
        "tool_name": "Zoo",
        "api_name": name,
        "api_description": "Finds pets.",
        "required_parameters": [],
        "optional_parameters": [],
        "method": "GET",
        **fields,
    }


def read(*apis, **limits):
    """(functions, rejects) of a query file with these APIs."""
    return split(rapidapi.read(source(json.dumps([{"query": "?", "api_list": list(apis)}]), **limits)))


def split(found):
    found = list(found)
    return [one for one in found if isinstance(one, ApiFunction)], [one for one in found if isinstance(one, Reject)]


def outputs(template):
    """{path: type} of the outputs of an API with this template response."""
    (function,), rejects = read(tool(template_response=template))
    assert not rejects
    return {field.path: field.type for field in function.outputs}


def taken(type, default):
    """The one parameter of an API, with this type and default."""
    stated = {"name": "x", "type": type, "description": "", "default": default}
    (function,), _ = read(tool(optional_parameters=[stated]))
    return function.parameters[0]


@pytest.fixture(scope="module")
def real(shared):
    path = shared("rapidapi/g3_instruction.json")
    document = Document(id="0" * 16, path=path.name, root=str(path.parent))
    return Source.open(document, Limits())


def test_the_real_query_file_gives_each_api_once(real):
    assert rapidapi.sniff(real)
    functions, rejects = split(rapidapi.read(real))
    assert not rejects
    stated = {(api["tool_name"], api["api_name"]) for query in real.tree for api in query["api_list"]}
    assert {(function.service, function.name) for function in functions} == stated
    assert len(functions) == len(stated) == 44


def test_a_real_api_has_what_its_document_says(real):
    functions, _ = split(rapidapi.read(real))
    (search,) = (function for function in functions if function.name == "Advanced Search")
    assert (search.service, search.category, search.method, search.path) == ("OTT details", "Movies", "GET", "")
    assert (search.parameter("max_imdb").type, search.parameter("max_imdb").example) == ("number", 7.8)
    assert search.parameter("max_imdb").default is None
    assert not any(parameter.required for parameter in search.parameters)
    assert search.output("$.results[*].imdbid").type == "string"
    assert search.output("$.results[*].genre[*]").type == "string"
    assert "_list_length" not in str(search.outputs)


def test_real_templates_that_were_cut_off_are_mended(real):
    functions, _ = split(rapidapi.read(real))
    (stream,) = (function for function in functions if function.name == "Download/Stream")
    assert stream.output("$.formats[*].audioChannels").type == "integer"
    assert stream.output("$.keywords[*]").type == "string"


def test_type_names_in_a_template_are_types_and_other_leaves_examples():
    template = {"id": "int", "ok": "bool", "p": "float", "x": "NoneType", "name": "Rex", "n": 3, "none": "empty list"}
    (function,), _ = read(tool(template_response=template))
    assert {field.path: (field.type, field.examples) for field in function.outputs} == {
        "$.id": ("integer", []),
        "$.ok": ("boolean", []),
        "$.p": ("number", []),
        "$.x": ("any", []),
        "$.name": ("string", ["Rex"]),
        "$.n": ("integer", [3]),
    }
    assert function.response_example is None


@pytest.mark.parametrize("template", [["list of int with length 4"], "list of int with length 4"])
def test_texts_that_tell_of_a_list_are_lists(template):
    assert outputs({"ids": template}) == {"$.ids[*]": "integer"}


@pytest.mark.parametrize(
    "template",
    [
        None,
        {},
        "",
        "404 page not found",
        "{not json",
        {"message": "str"},
        '{"message": "You are not subscribed to this API."}',
        {"success": "bool", "statusCode": "int", "statusMessage": "str"},
    ],
)
def test_what_tells_of_a_failure_is_no_output(template):
    assert outputs(template) == {}


@pytest.mark.parametrize("cut", range(2, 60))
def test_a_template_cut_anywhere_gives_a_part_of_its_fields(cut):
    whole = json.dumps({"id": "int", "pets": [{"name, {of}": "str", "tags": ["list of str with length 2"]}], "b": 1})
    assert outputs(whole[:cut]).items() <= outputs(whole).items()


@pytest.mark.parametrize(
    ("stated", "default", "type", "example"),
    [
        ("STRING", "", "string", None),
        ("STRING", "7", "string", "7"),
        ("STRING", 7, "string", "7"),
        ("NUMBER", "7", "number", 7),
        ("NUMBER", "Max 50", "number", None),
        ("NUMBER", True, "number", None),
        ("BOOLEAN", "True", "boolean", True),
        ("BOOLEAN", "yes", "boolean", None),
        ("ARRAY", "[1]", "array", [1]),
        ("OBJECT", {"a": 1}, "object", {"a": 1}),
        ("ENUM", "a", "string", "a"),
        (None, [1], "string", None),
    ],
)
def test_a_default_is_an_example_of_the_stated_type(stated, default, type, example):
    parameter = taken(stated, default)
    assert (parameter.type, parameter.example, parameter.default) == (type, example, None)


def test_dates_have_a_format():
    assert taken("DATE (YYYY-MM-DD)", "2020-01-01").format == "date"


def test_a_file_of_the_tool_store_is_one_tool():
    pets = {"name": "pets", "url": "https://zoo.example/pets", "description": "All.", "method": "post", "code": "x"}
    pets |= {"required_parameters": [{"name": "q", "type": "STRING"}], "optional_parameters": None}
    pets |= {"statuscode": 200, "body": {"pets": [{"id": 1}, {"id": 2}]}, "headers": "", "schema": ""}
    failing = {"name": "gone", "statuscode": 404, "body": {"pets": [{"id": 1}]}}
    by_schema = {"name": "one", "body": "", "schema": {"type": "object", "properties": {"id": {"type": "integer"}}}}
    document = source({"tool_name": "Zoo", "title": "Zoo", "api_list": [pets, failing, by_schema]})
    assert rapidapi.sniff(document)
    functions, rejects = split(rapidapi.read(document))
    assert not rejects
    first, second, third = functions
    assert (first.service, first.name, first.method, first.description) == ("Zoo", "pets", "POST", "All.")
    assert first.parameter("q").required and first.parameter("q").location == "body"
    assert first.output("$.pets[*].id").examples == [1, 2]
    assert first.response_example == {"pets": [{"id": 1}, {"id": 2}]}
    assert second.outputs == []
    assert third.output("$.id").type == "integer"


def test_of_differing_descriptions_the_richest_is_kept():
    poor, rich = tool(), tool(template_response={"id": "int"})
    (function,), (reject,) = read(poor, rich, poor, rich)
    assert function.output("$.id")
    assert reject.reason == "duplicate-name"
    assert "api.json#/0/api_list/0: " in reject.detail and "/0/api_list/1" in reject.detail


@pytest.mark.parametrize(
    "bad",
    [
        7,
        tool(api_name=None),
        tool(tool_name=""),
        tool(method=["GET"]),
        tool(method="GET /pets"),
        tool(required_parameters={"a": 1}),
        tool(required_parameters=["a"]),
        tool(optional_parameters=[{"type": "STRING"}]),
        tool(template_response='{"a":' * 300 + "1" + "}" * 300),
        tool(schema={"type": "object", "properties": {"a": {"$ref": "https://elsewhere.example"}}}),
    ],
)
def test_a_bad_api_is_rejected_with_its_place_and_the_rest_goes_on(bad):
    (function,), (reject,) = read(bad, tool("good"))
    assert function.name == "good"
    assert "#/0/api_list/0" in reject.detail


def test_of_two_parameters_with_one_name_the_required_one_is_kept():
    (function,), (reject,) = read(tool(required_parameters=[{"name": "a"}], optional_parameters=[{"name": "a"}]))
    assert [parameter.required for parameter in function.parameters] == [True]
    assert reject.reason == "name-taken"


def test_ids_do_not_depend_on_the_path():
    content = json.dumps([{"api_list": [tool()]}])
    assert list(rapidapi.read(source(content, path="a.json"))) == list(rapidapi.read(source(content, path="b.json")))


def test_a_document_without_apis_is_a_flaw():
    with pytest.raises(NoOperations):
        list(rapidapi.read(source("[]")))


@pytest.mark.parametrize("content", ["api_list: []", '"api_list" ][', "{}", '{"x": "\\"api_list\\""}', '["api_list"]'])
def test_other_documents_are_left_to_others(content):
    assert not rapidapi.sniff(source(content))


def test_broken_documents_of_this_format_are_flaws():
    with pytest.raises(Flaw):
        rapidapi.sniff(source('[{"api_list": ['))


anything = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(max_size=6),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner, max_size=3),
    max_leaves=8,
)
leaves = st.sampled_from(["str", "int", "NoneType", "empty list", "list of str with length 2", "", "{", '[{"a": "in'])
templates = st.recursive(
    leaves | anything, lambda inner: st.lists(inner) | st.dictionaries(st.text(max_size=3), inner), max_leaves=6
)
stated = st.fixed_dictionaries(
    {},
    optional={
        key: anything | st.sampled_from(["a", "STRING", "NUMBER"]) for key in ("name", "type", "default", "enum")
    },
)
apis = st.fixed_dictionaries(
    {},
    optional={
        **{key: st.sampled_from(["a", "b"]) | anything for key in ("tool_name", "api_name", "name")},
        **{
            key: st.lists(stated | anything, max_size=3) | anything
            for key in ("required_parameters", "optional_parameters")
        },
        **dict.fromkeys(("template_response", "body", "schema"), templates),
        "method": st.sampled_from(["GET", "post"]) | anything,
        "statuscode": anything,
    },
)


@given(
    st.lists(st.fixed_dictionaries({"api_list": st.lists(apis | anything, max_size=4) | anything}) | apis | anything)
)
def test_no_tree_raises_and_no_api_is_lost(tree):
    try:
        functions, rejects = split(rapidapi.read(source(json.dumps(tree))))
    except NoOperations:
        assert all(isinstance(item, dict) and item.get("api_list") == [] for item in tree)
        return
    names = {(function.service, function.name) for function in functions}
    assert len(names) == len(functions)
    for index, item in enumerate(tree):
        listed = item["api_list"] if isinstance(item, dict) and "api_list" in item else None
        places = [(f"/{index}", item)] if listed is None else [(f"/{index}/api_list", listed)]
        if isinstance(listed, list):
            places = [(f"/{index}/api_list/{number}", api) for number, api in enumerate(listed)]
        for place, api in places:
            rejected = any(f"#{place}:" in reject.detail or f"#{place}/" in reject.detail for reject in rejects)
            name = api.get("api_name", api.get("name")) if isinstance(api, dict) else None
            assert rejected or (api["tool_name"].strip(), name.strip()) in names


def test_fields_of_a_template_beyond_the_limit_are_told():
    api = {**tool(), "template_response": dict.fromkeys("abcde", "str")}
    functions, (reject,) = split(rapidapi.read(source(json.dumps([{"api_list": [api]}]), max_fields=3)))
    assert len(functions[0].outputs) == 3
    assert reject.reason == "fields-cut" and "2 known output fields" in reject.detail
