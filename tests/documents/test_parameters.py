import pytest

from goat_ray.identity import content_id

from .writing import answering, api, read, read_one, taking


def names(function):
    return {parameter.name: parameter.location for parameter in function.parameters}


def test_parameters_of_path_and_operation_are_merged_and_the_operation_wins():
    item = {
        "parameters": [
            {"name": "id", "in": "path", "required": True, "schema": {"type": "string"}},
            {"$ref": "#/components/parameters/Page"},
        ],
        "get": {
            "parameters": [
                {"name": "page", "in": "query", "description": " Which page ", "schema": {"type": "number"}},
                {"name": "X-Key", "in": "header", "schema": {"type": "string"}},
                {"name": "Authorization", "in": "header", "schema": {"type": "string"}},
                {"name": "session", "in": "cookie", "schema": {"type": "string"}},
            ]
        },
        "delete": {},
    }
    page = {"name": "page", "in": "query", "schema": {"type": "integer"}}
    (get, delete), _ = read(api({"/animals/{id}": item}, components={"parameters": {"Page": page}}))
    assert names(get) == {"id": "path", "page": "query", "X-Key": "header", "session": "cookie"}
    assert (get.parameter("page").type, get.parameter("page").description) == ("number", "Which page")
    assert (delete.parameter("page").type, delete.parameter("page").required) == ("integer", False)


def test_a_placeholder_that_is_not_stated_is_still_an_argument():
    (function,), _ = read(api({"/animals/{id}": {"get": {}}}))
    assert function.parameter("id").location == "path"
    assert function.parameter("id").required


def test_the_schema_of_a_parameter_is_taken_over():
    schema = {"type": "integer", "format": "int32", "minimum": 1, "maximum": 9.5, "default": "3", "enum": [1, None, 3]}
    function = read_one({"parameters": [{"name": "n", "in": "query", "schema": schema, "required": True}]})
    (n,) = function.parameters
    assert (n.type, n.format, n.minimum, n.maximum, n.default, n.enum) == ("integer", "int32", 1.0, 9.5, 3, [1, 3])
    assert n.required


@pytest.mark.parametrize(
    "more",
    [
        {"example": 7},
        {"examples": {"none": {}, "one": {"value": 7}}},
        {"schema": {"type": "integer", "example": "7"}},
        {"schema": {"type": "integer", "examples": [7, 8]}},
        {"schema": {"allOf": [{"type": "integer", "example": 7}], "description": "x"}},
        {"content": {"application/json": {"schema": {"type": "integer"}, "example": 7}}},
    ],
)
def test_an_example_is_found_wherever_it_stands(more):
    base = {"name": "n", "in": "query"} | ({} if "content" in more else {"schema": {"type": "integer"}})
    (n,) = read_one({"parameters": [base | more]}).parameters
    assert (n.example, n.type) == (7, "integer")


@pytest.mark.parametrize(
    ("schema", "kind", "item"),
    [
        ({"type": ["string", "null"]}, "string", None),
        ({"type": ["integer", "number"]}, "number", None),
        ({"anyOf": [{"type": "integer"}, {"type": "null"}]}, "integer", None),
        ({"oneOf": [{"type": "integer"}, {"type": "string"}]}, "any", None),
        ({"type": "array", "items": {"$ref": "#/components/schemas/Kind"}}, "array", "string"),
        ({"items": {"type": "integer"}}, "array", "integer"),
        ({"type": "array"}, "array", None),
        ({"properties": {}}, "object", None),
        ({"enum": [1, 2]}, "integer", None),
        ({"const": "x"}, "string", None),
        ({"oneOf": [{"enum": ["x", "y"]}, {"const": "x"}]}, "string", None),
        ({}, "any", None),
        (True, "any", None),
        ({"type": "banana"}, "any", None),
    ],
)
def test_types(schema, kind, item):
    operation = {"parameters": [{"name": "n", "in": "query", "schema": schema}]}
    (n,) = read_one(operation, {"Kind": {"type": "string", "enum": ["cat"]}}).parameters
    assert (n.type, n.item_type) == (kind, item)


def test_body_members_become_parameters_with_dotted_names():
    schema = {
        "type": "object",
        "required": ["name", "owner", "id"],
        "properties": {
            "id": {"type": "integer", "readOnly": True},
            "name": {"type": "string", "example": "Rex"},
            "owner": {
                "type": "object",
                "required": ["email"],
                "properties": {"email": {"type": "string"}, "age": {"type": "integer"}},
            },
            "vet": {"type": "object", "required": ["email"], "properties": {"email": {"type": "string"}}},
            "tags": {"type": "array", "items": {"type": "object"}},
            "extra": {"type": "object", "additionalProperties": True},
        },
    }
    function = read_one(taking(schema, example={"name": "Fido", "owner": {"email": "a@b.example"}}))
    assert names(function) == dict.fromkeys(["name", "tags", "extra", "owner.email", "owner.age", "vet.email"], "body")
    assert [p.name for p in function.parameters if p.required] == ["name", "owner.email"]
    assert function.parameter("name").example == "Fido"
    assert function.parameter("owner.email").example == "a@b.example"
    assert (function.parameter("tags").type, function.parameter("tags").item_type) == ("array", "object")
    assert function.parameter("extra").type == "object"


def test_json_goes_before_a_form_and_a_form_before_the_rest():
    def body(kind):
        return {"schema": {"properties": {kind: {"type": "string"}}}}

    content = {"text/xml": body("xml"), "multipart/form-data": body("form"), "application/hal+json": body("json")}
    assert list(names(read_one({"requestBody": {"content": content}}))) == ["json"]
    del content["application/hal+json"]
    assert list(names(read_one({"requestBody": {"content": content}}))) == ["form"]


def test_alternative_bodies_are_united_and_only_what_all_require_is_required():
    cat = {"properties": {"kind": {"type": "string"}, "lives": {"type": "integer"}}, "required": ["kind", "lives"]}
    dog = {"properties": {"kind": {"type": "string"}, "tricks": {"type": "array"}}, "required": ["kind"]}
    function = read_one(taking({"oneOf": [cat, dog]}))
    assert sorted(names(function)) == ["kind", "lives", "tricks"]
    assert [p.name for p in function.parameters if p.required] == ["kind"]


@pytest.mark.parametrize(
    ("schema", "kind"),
    [({"type": "array", "items": {"type": "string"}}, "array"), ({"type": "string", "format": "binary"}, "string")],
)
def test_a_body_without_members_is_one_argument(schema, kind):
    (whole,) = read_one(taking(schema, media_type="application/octet-stream")).parameters
    assert (whole.name, whole.location, whole.type) == ("$", "body", kind)


def test_a_body_that_only_an_example_shows():
    function = read_one({"requestBody": {"content": {"application/json": {"example": '{"name": "Rex", "age": 3}'}}}})
    assert [(p.name, p.type, p.example) for p in function.parameters] == [
        ("name", "string", "Rex"),
        ("age", "integer", 3),
    ]


def test_a_name_belongs_to_the_path_before_the_body():
    schema = {"properties": {"id": {"type": "integer"}, "name": {"type": "string"}}}
    (function,), (reject,) = read(api({"/animals/{id}": {"put": taking(schema)}}))
    assert names(function) == {"id": "path", "name": "body"}
    assert (reject.reason, "id (body)" in reject.detail) == ("name-taken", True)
    assert reject.id != content_id("0" * 16, "/paths/~1animals~1{id}/put")  # that would be of the whole operation


def test_what_is_cut_is_counted_and_the_function_kept():
    schema = {"properties": {f"p{i}": {"type": "string"} for i in range(9)}}
    (function,), (reject,) = read(api({"/a": {"post": taking(schema) | answering(schema)}}), max_fields=4)
    assert (len(function.parameters), len(function.outputs), reject.reason) == (4, 4, "fields-cut")
    assert "5 known body parameters and 5 known output fields" in reject.detail
    (function,), (reject,) = read(api({"/a": {"get": answering(example={f"p{i}": i for i in range(9)})}}), max_fields=4)
    assert (len(function.outputs), "5 known output fields" in reject.detail) == (4, True)


@pytest.mark.parametrize(
    "media", [{"schema": {"properties": {k: {} for k in "abcd"}}}, {"example": dict.fromkeys("abcd", 1)}]
)
def test_exactly_as_many_as_there_may_be_are_not_cut(media):
    operation = {"requestBody": {"content": {"application/json": media}}}
    assert [len(found) for found in read(api({"/a": {"post": operation}}), max_fields=4)] == [1, 0]
    assert [len(found) for found in read(api({"/a": {"post": operation}}), max_fields=3)] == [1, 1]


SCHEMES = {
    "key": {"type": "apiKey", "name": "k", "in": "query"},
    "head": {"type": "apiKey", "name": "X-Key", "in": "header"},
    "oauth": {"type": "oauth2"},
    "odd": {"$ref": "#/nowhere"},
}


@pytest.mark.parametrize(
    ("security", "kept"),
    [
        ([{"key": [], "oauth": []}], ["X-key", "body-k"]),
        ([{"head": []}, {"key": []}], ["body-k"]),
        ([{"oauth": []}], ["k", "X-key", "body-k"]),
        ([{"unknown": []}, {"odd": []}], ["k", "X-key", "body-k"]),
        ([], ["k", "X-key", "token", "body-k"]),
        ([{}], ["k", "X-key", "token", "body-k"]),
        ("nonsense", ["k", "X-key", "token", "body-k"]),
        (None, ["X-key", "body-k"]),  # none of its own: the document's
    ],
)
def test_credentials_of_the_operation_are_no_arguments(security, kept):
    parameters = [
        {"name": "k", "in": "query", "schema": {}},
        {"name": "X-key", "in": "header", "schema": {}},
        {"name": "Authorization", "in": "header", "schema": {}},
        {"name": "token", "in": "query", "description": "Authentication token.", "schema": {}},
    ]
    operation = {"parameters": parameters, **taking({"properties": {"body-k": {}}})}
    operation |= {} if security is None else {"security": security}
    document = api({"/a": {"post": operation}}, components={"securitySchemes": SCHEMES}, security=[{"key": []}])
    (function,), rejects = read(document)
    assert ([p.name for p in function.parameters], rejects) == (kept, [])


@pytest.mark.parametrize(
    ("name", "description", "credential"),
    [
        ("token", "Authentication token. Requires scope: `users:read`", True),
        ("access_token", "Your access token", True),
        ("X-API-Key", "The API key", True),
        ("apikey", "Used for authorisation", True),
        ("token", "Pagination token of the next page", False),
        ("token", "", False),
        ("device", "Authentication token of the device", False),
        ("page_token", "Authentication token", False),
    ],
)
def test_a_credential_is_called_and_described_as_one(name, description, credential):
    schema = {"properties": {name: {"type": "string", "description": description}}}
    stated = [{"name": name, "in": "query", "description": description, "schema": {}}]
    for operation in (taking(schema), {"parameters": stated}):
        for security in ([{"oauth": []}], []):
            function = read_one({**operation, "security": security})
            assert (not function.parameters) == (credential and bool(security))


def test_a_placeholder_is_an_argument_whatever_it_is_called():
    stated = {"name": "token", "in": "path", "description": "Authentication token", "schema": {"type": "string"}}
    (function,), _ = read(api({"/bot{token}": {"get": {"parameters": [stated], "security": [{"oauth": []}]}}}))
    assert names(function) == {"token": "path"}


def test_a_body_inside_itself_ends_and_stays_small():
    node = {
        "type": "object",
        "properties": {"name": {"type": "string"}, "child": {"$ref": "#/components/schemas/Node"}},
    }
    function = read_one(taking({"$ref": "#/components/schemas/Node"}), {"Node": node})
    assert [(p.name, p.type) for p in function.parameters] == [("name", "string"), ("child", "object")]


def test_a_body_of_objects_without_end_is_bounded():
    schemas = {
        f"S{i}": {
            "type": "object",
            "properties": {f"p{j}": {"$ref": f"#/components/schemas/S{i + 1}"} for j in range(30)},
        }
        for i in range(40)
    }
    function = read_one(
        taking({"$ref": "#/components/schemas/S0"}), schemas | {"S40": {"type": "string"}}, max_fields=5
    )
    assert len(function.parameters) <= 5


@pytest.mark.parametrize("parameter", [{}, {"name": "x"}, {"in": "query"}, {"name": 3, "in": "query"}, None, "x"])
def test_a_parameter_without_name_or_place_rejects_its_operation_only(parameter):
    functions, (reject,) = read(api({"/a": {"get": {"parameters": [parameter]}, "post": answering()}}))
    assert [function.method for function in functions] == ["POST"]
    assert (reject.reason, "api.json#/paths/~1a/get" in reject.detail) == ("bad-operation", True)
