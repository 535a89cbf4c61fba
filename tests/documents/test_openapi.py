import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from goat_ray.documents import openapi
from goat_ray.documents.flaws import Flaw, NoOperations, NotOpenApi
from goat_ray.identity import content_id
from goat_ray.records import ApiFunction, Reject

from .writing import answering, api, read, read_one, source


def test_an_operation_with_everything():
    item = {
        "summary": "not used",
        "get": {
            "operationId": " list animals ",
            "tags": ["animals", "other"],
            "summary": "List animals",
            "description": "  # All\n of *them*  ",
            "deprecated": True,
            "servers": [{"url": "https://{region}.zoo.example/v2/", "variables": {"region": {"default": "eu"}}}],
        },
    }
    (function,), _ = read(api({"/animals": item}, servers=[{"url": "/v1"}]))
    assert (function.service, function.name, function.title) == ("Zoo", "list animals", "GET /animals")
    assert (function.summary, function.description) == ("List animals", "# All\n of *them*")
    assert (function.category, function.server, function.deprecated) == ("animals", "https://eu.zoo.example/v2", True)


def test_operations_come_in_the_order_of_the_document():
    paths = {"/b": {"post": {}, "x-note": {}, "get": {}}, "x-paths": {}, "/a": {"trace": {}, "patch": {}}}
    functions, _ = read(api(paths))
    assert [function.title for function in functions] == ["POST /b", "GET /b", "TRACE /a", "PATCH /a"]


def test_names_are_unique():
    paths = {
        "/a": {"get": {"operationId": "x"}, "put": {"operationId": "x"}},
        "/a/{id}": {"get": {}},
        "/a_{id}": {"get": {}},
    }
    functions, _ = read(api(paths))
    assert [function.name for function in functions] == ["x", "x_2", "get_a_id", "get_a_id_2"]


def test_the_nearest_server_counts():
    paths = {"/a": {"get": {}}, "/b": {"servers": [{"url": "https://b.example"}], "get": {}}}
    functions, _ = read(api(paths, servers=[{"url": "/v1/"}, {"url": "/v2"}]))
    assert [function.server for function in functions] == ["/v1", "https://b.example"]


@pytest.mark.parametrize(
    ("title", "url", "service"),
    [
        ("  Pet\n Shop  API ", "https://pets.example", "Pet Shop API"),
        ("API", "https://api.pets.example/v1", "api.pets.example"),
        ("openapi definition", "http://localhost:8080", "my-shop"),
        ("", "https://127.0.0.1", "my-shop"),
        (None, "https://{tenant}.pets.example", "my-shop"),
        (7, "http://[bad", "my-shop"),
    ],
)
def test_the_service_is_named_by_title_host_or_file(title, url, service):
    document = api({"/a": {"get": {}}}, info={"title": title}, servers=[{"url": url}])
    (function,) = openapi.read(source(document, path="shops/my-shop.v1.json".replace(".v1", "")))
    assert function.service == service


def test_a_path_item_may_be_a_reference():
    document = api({"/a": {"$ref": "#/components/pathItems/A"}}, components={"pathItems": {"A": {"get": {}}}})
    assert [function.title for function in read(document)[0]] == ["GET /a"]


def test_changing_one_operation_changes_its_id_only():
    schemas = {
        "Node": {"properties": {"id": {"type": "integer"}, "next": {"$ref": "#/components/schemas/Node"}}},
        "Leaf": {"allOf": [{"$ref": "#/components/schemas/Node"}, {"properties": {"x": {"type": "string"}}}]},
    }
    operations = [answering({"$ref": f"#/components/schemas/{name}"}) for name in ("Node", "Leaf", "Node", "Leaf")]
    paths = {f"/{i}": {"get": operation} for i, operation in enumerate(operations)}
    before = [function.id for function in read(api(paths, schemas))[0]]
    paths["/1"] = {"get": answering({"type": "string"}, example="x")}
    after = [function.id for function in read(api(paths, schemas))[0]]
    assert [old == new for old, new in zip(before, after, strict=True)] == [True, False, True, True]
    shuffled = dict(reversed(paths.items()))
    assert sorted(function.id for function in read(api(shuffled, schemas))[0]) == sorted(after)


def test_json_and_yaml_of_the_same_document_give_the_same_functions():
    import yaml

    document = api({"/a/{id}": {"get": answering({"properties": {"on": {"type": "string", "example": "2024-01-31"}}})}})
    text = yaml.safe_dump(document, sort_keys=False).replace("'200'", "200").replace("'2024-01-31'", "2024-01-31")
    (from_yaml,), _ = read(text)
    (from_json,), _ = read(document)
    assert from_yaml == from_json
    assert from_yaml.output("$.on").examples == ["2024-01-31"]


@pytest.mark.parametrize(
    ("schema", "reason", "hint"),
    [
        ({"$ref": "other.yaml#/components/schemas/A"}, "unreadable", "other.yaml"),
        ({"$ref": "https://evil.example/a.json"}, "remote-ref", "leaves the document"),
        ({"$ref": "file:///etc/passwd"}, "remote-ref", "leaves the document"),
        ({"$ref": "#/components/schemas/Missing"}, "bad-ref", "leads nowhere"),
        ({"$ref": "#anchor"}, "bad-ref", "leads nowhere"),
        ({"$ref": "#/components/schemas/Loop"}, "bad-ref", "circle"),
        ({"properties": {"a": {"items": {"$ref": "other.yaml"}}}}, "unreadable", "other.yaml"),
        ({"$ref": "#/components/schemas/L0"}, "too-deep", "combines too many"),
    ],
)
def test_a_bad_reference_rejects_its_operation_only(schema, reason, hint):
    schemas = {"Loop": {"$ref": "#/components/schemas/Pool"}, "Pool": {"$ref": "#/components/schemas/Loop"}}
    schemas |= {f"L{i}": {"allOf": [{"$ref": f"#/components/schemas/L{i + 1}"}]} for i in range(2_000)} | {"L2000": {}}
    functions, (reject,) = read(api({"/a/{b}": {"get": answering(schema)}, "/good": {"get": {}}}, schemas))
    assert [function.path for function in functions] == ["/good"]
    assert reject.reason == reason
    assert reject.id == content_id("0" * 16, "/paths/~1a~1{b}/get")
    assert reject.detail.startswith("api.json#/paths/~1a~1{b}/get: ")
    assert hint in reject.detail


def test_a_property_called_ref_is_no_reference():
    function = read_one(answering({"properties": {"$ref": {"type": "string"}}}))
    assert [field.path for field in function.outputs] == ["$['$ref']"]


@pytest.mark.parametrize("item", [None, "x", {"$ref": "x.yaml"}, {"get": None}, {"get": []}])
def test_a_path_without_operations_is_rejected(item):
    functions, (reject,) = read(api({"/a": item, "/b": {"get": {}}}))
    assert len(functions) == 1
    assert reject.reason in ("bad-operation", "unreadable")


@pytest.mark.parametrize(
    "document",
    [{"openapi": "4.0", "paths": {}}, {"openapi": None}, {"openapi": "3.0.0", "paths": []}, [], "x: 1", "null", ""],
)
def test_other_documents_are_refused(document):
    with pytest.raises(NotOpenApi):
        read(json.dumps(document) if isinstance(document, list) else document)


@pytest.mark.parametrize("paths", [{}, None, {"/a": {}}, {"/a": {"summary": "nothing"}}])
def test_a_document_without_operations_is_refused(paths):
    with pytest.raises(NoOperations):
        read(api(paths))


def test_a_sniff_goes_by_content():
    assert openapi.sniff(source("openapi: 3.0.0\npaths: {}", path="readme.txt"))
    assert not openapi.sniff(source('{"swagger": "2.0"}', path="openapi.json"))
    assert not openapi.sniff(source("We love openapi"))
    assert not openapi.sniff(source("[openapi"[1:]))


def test_a_yaml_bomb_within_the_limits_is_read():
    lines = [f"  a{i}: &a{i} {{{', '.join(f'p{j}: *a{i - 1}' for j in range(9))}}}" for i in range(1, 6)]
    text = "\n".join(["x:", "  a0: &a0 {v: 1}", *lines, "openapi: 3.0.0", "paths:", "  /a:", "    get:"])
    text += "\n      responses: {200: {content: {application/json: {example: *a5}}}}"
    (function,), _ = read(text)
    assert len(function.outputs) == 400


# --- any tree at all ----------------------------------------------------------------------------

KEYWORDS = """type properties items allOf oneOf anyOf enum required example examples value content schema in name
parameters requestBody responses 200 application/json description default minimum servers url tags $ref readOnly x"""
KEYS = st.sampled_from(KEYWORDS.split())
VALUES = st.sampled_from(
    [
        "object",
        "array",
        "string",
        "integer",
        "path",
        "query",
        "#/components/schemas/A",
        "#/components/schemas/B",
        "x.json",
    ]
)
TREES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | VALUES,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(KEYS, inner, max_size=5),
    max_leaves=40,
)
SCHEMAS = st.fixed_dictionaries({"A": TREES, "B": TREES})


@given(operation=TREES, schemas=SCHEMAS)
def test_no_operation_does_worse_than_a_reject(operation, schemas):
    functions, rejects = read(api({"/a/{x}": {"get": operation}}, schemas))
    assert len(functions) + len(rejects) == 1
    for record in (*functions, *rejects):
        assert type(record).from_row(record.to_row()) == record
        assert "cannot be read" not in getattr(record, "detail", ""), record  # the net under the reader caught it


@given(schema=TREES, body=TREES, schemas=SCHEMAS)
def test_no_schema_does_worse_than_a_reject(schema, body, schemas):
    operation = answering(schema, example=body) | {"requestBody": {"content": {"application/json": {"schema": schema}}}}
    functions, rejects = read(api({"/a": {"post": operation}}, schemas))
    assert all("cannot be read" not in reject.detail for reject in rejects), rejects
    for function in functions:
        assert len({field.path for field in function.outputs}) == len(function.outputs)
        assert len({parameter.name for parameter in function.parameters}) == len(function.parameters)


REFERENCES = st.sampled_from("ABCD").map(lambda name: {"$ref": f"#/components/schemas/{name}"})
MEMBERS = st.dictionaries(st.sampled_from("xyz"), REFERENCES | st.just({"type": "string"}), max_size=2)
WEBS = st.fixed_dictionaries(
    {},
    optional={
        "properties": MEMBERS,
        "items": REFERENCES,
        "allOf": st.lists(REFERENCES | st.builds(lambda members: {"properties": members}, MEMBERS), max_size=3),
        "oneOf": st.lists(REFERENCES, max_size=3),
    },
)


@given(schemas=st.fixed_dictionaries(dict.fromkeys("ABCD", WEBS)))
def test_what_was_read_before_does_not_matter(schemas):
    paths = {f"/{name}": {"get": answering({"$ref": f"#/components/schemas/{name}"})} for name in "ABCD"}
    together, _ = read(api(paths, schemas))
    backwards, _ = read(api(dict(reversed(paths.items())), schemas))
    alone = [function for path, item in paths.items() for function in read(api({path: item}, schemas))[0]]
    assert together == alone == backwards[::-1]


@given(tree=TREES)
def test_no_document_does_worse_than_a_flaw(tree):
    document = {"openapi": "3.0.0", **tree} if isinstance(tree, dict) else tree
    try:
        for found in openapi.read(source(json.dumps(document))):
            assert isinstance(found, ApiFunction | Reject)
    except Flaw:
        pass
