import pytest

from goat_ray.documents.schemas import MAX_TEXT
from goat_ray.records import MAX_EXAMPLES

from .writing import answering, api, read, read_one


def fields(operation, schemas=None, **limits):
    return {field.path: field for field in read_one(operation, schemas, **limits).outputs}


def types(*args, **limits):
    return {path: field.type for path, field in fields(*args, **limits).items()}


def ref(name):
    return {"$ref": f"#/components/schemas/{name}"}


def test_objects_and_arrays_become_paths():
    schema = {
        "type": "object",
        "properties": {
            "page": {"type": "integer", "description": " Which page. "},
            "results": {"type": "array", "items": {"properties": {"id": {"type": "string", "format": "uuid"}}}},
            "tags": {"type": "array", "items": {"type": "string", "enum": ["a", "b"]}},
            "matrix": {"type": "array", "items": {"type": "array", "items": {"type": "number"}}},
            "odd name": {"type": "boolean"},
            "": {"type": "string"},
            "secret": {"type": "string", "writeOnly": True},
            "bare": {"type": "object", "nullable": True},
            "list": {"type": "array"},
            "map": {"type": "object", "additionalProperties": {"type": "string"}},
        },
    }
    found = fields(answering(schema))
    assert {path: field.type for path, field in found.items()} == {
        "$.page": "integer",
        "$['odd name']": "boolean",
        "$.tags[*]": "string",
        "$.results[*].id": "string",
        "$.matrix[*][*]": "number",
    }
    assert found["$.page"].description == "Which page."
    assert found["$.results[*].id"].format == "uuid"
    assert found["$.tags[*]"].enum == ["a", "b"]


def test_a_response_that_is_an_array_or_a_scalar():
    assert types(answering({"type": "array", "items": {"type": "integer"}})) == {"$[*]": "integer"}
    assert types(answering({"type": "string"})) == {"$": "string"}
    assert types(answering({})) == {}


def test_all_of_is_merged_and_alternatives_are_united():
    schema = {
        "allOf": [{"properties": {"id": {"type": "integer"}}}, {"properties": {"name": {"type": "string"}}}],
        "properties": {
            "owner": {"oneOf": [{"type": "string"}, {"properties": {"id": {"type": "integer"}}}]},
            "pet": {
                "anyOf": [
                    {"properties": {"lives": {"type": "integer"}}},
                    {"properties": {"tricks": {"type": "string"}}},
                ]
            },
        },
    }
    assert types(answering(schema)) == {
        "$.owner": "string",
        "$.id": "integer",
        "$.name": "string",
        "$.owner.id": "integer",
        "$.pet.lives": "integer",
        "$.pet.tricks": "string",
    }


def test_nullable_in_all_its_spellings():
    properties = {
        "a": {"type": "string", "nullable": True},
        "b": {"type": ["string", "null"]},
        "c": {"anyOf": [{"type": "string"}, {"type": "null"}]},
        "d": {"oneOf": [ref("S"), {"type": "null"}]},
        "e": {"allOf": [ref("S")], "nullable": True},
    }
    found = types(answering({"properties": properties}), {"S": {"type": "string"}})
    assert found == dict.fromkeys(["$.a", "$.b", "$.c", "$.d", "$.e"], "string")


def test_what_stands_beside_a_reference_counts():
    schemas = {"S": {"type": "string", "description": "general"}}
    found = fields(answering({"properties": {"a": {**ref("S"), "description": "special", "example": 5}}}), schemas)
    assert (found["$.a"].description, found["$.a"].examples) == ("special", ["5"])


class TestSchemaNames:
    """The name says what kind of thing an object is, so it must not leak into anonymous parts."""

    schemas = {
        "Pet": {
            "type": "object",
            "properties": {"id": {"type": "integer"}, "home": {"properties": {"city": {"type": "string"}}}},
        },
        "Dog": {"allOf": [ref("Pet"), {"properties": {"bark": {"type": "string"}}}]},
        "Pets": {"type": "array", "items": ref("Pet")},
        "Rows": {"type": "array", "items": {"properties": {"n": {"type": "integer"}}}},
        "Tags": {"type": "array", "items": {"type": "string"}},
        "Cat": {"properties": {"id": {"type": "integer"}, "lives": {"type": "integer"}}},
    }

    def names(self, schema):
        return {path: field.schema_name for path, field in fields(answering(schema), self.schemas).items()}

    def test_of_a_named_object_not_of_an_anonymous_one_inside_it(self):
        assert self.names(ref("Pet")) == {"$.id": "Pet", "$.home.city": ""}

    def test_innermost_through_arrays(self):
        assert self.names({"properties": {"data": ref("Pets")}})["$.data[*].id"] == "Pet"
        assert self.names(ref("Rows")) == {"$[*].n": "Rows"}

    def test_of_the_object_that_holds_an_array_of_scalars(self):
        assert self.names({"properties": {"tags": ref("Tags")}}) == {"$.tags[*]": ""}

    def test_of_the_whole_through_all_of(self):
        assert self.names(ref("Dog"))["$.id"] == "Dog"
        assert self.names(ref("Dog"))["$.bark"] == "Dog"
        assert self.names({"allOf": [ref("Pet")], "nullable": True})["$.id"] == "Pet"

    def test_of_each_alternative_and_of_all_that_share_a_field(self):
        assert self.names({"oneOf": [ref("Pet"), ref("Cat")]}) == {
            "$.id": "Pet | Cat",
            "$.lives": "Cat",
            "$.home.city": "",
        }

    def test_of_a_field_that_only_an_example_shows(self):
        shown = fields(answering({"properties": {"pet": ref("Pet")}}, example={"pet": {"nick": "x"}}), self.schemas)
        assert shown["$.pet.nick"].schema_name == "Pet"


def test_fields_that_only_examples_show():
    schema = {"properties": {"collection": {"type": "object"}, "items": {"type": "array"}, "any": {}, "open": {}}}
    example = {
        "collection": {"id": 10, "name": "Saga", "parts": [{"id": 1}, {"id": 2.5}]},
        "items": [],
        "any": {"x": None},
        "open": 3,
        "unknown": None,
    }
    found = fields(answering(schema, example=example))
    assert {path: field.type for path, field in found.items()} == {
        "$.open": "integer",
        "$.collection.id": "integer",
        "$.collection.name": "string",
        "$.collection.parts[*].id": "number",
        "$.any.x": "any",
        "$.unknown": "any",
    }


def test_a_bare_object_that_examples_show_as_null_is_no_field():
    assert types(answering({"properties": {"bare": {"type": "object"}}}, example={"bare": None})) == {}


def test_examples_are_harvested_everywhere_in_order_and_once():
    schema = {
        "properties": {
            "id": {"type": "integer", "example": 9},
            "owner": {"properties": {"name": {"type": "string"}}, "example": {"name": "Ann", "age": 4}},
        },
        "example": {"id": 7},
    }
    examples = {"one": {"value": {"id": 1}}, "two": {"value": {"id": 2, "owner": {"name": "Bob"}}}, "ext": {}}
    found = fields(answering(schema, examples=examples))
    assert found["$.id"].examples == [1, 2, 7, 9]
    assert found["$.owner.name"].examples == ["Bob", "Ann"]
    assert found["$.owner.age"].examples == [4]


def test_examples_are_few_distinct_and_never_null():
    body = [{"v": value} for value in (None, 1, True, 1.0, 1, *range(2, 40))]
    shown = fields(answering({}, example=body))["$[*].v"].examples
    assert len(shown) == MAX_EXAMPLES
    assert [type(value) for value in shown[:3]] == [int, bool, float]


def test_hand_written_examples_fit_their_type_but_bodies_stay_as_they_are():
    schema = {
        "properties": {"code": {"type": "string", "example": 4400}, "flag": {"type": "boolean", "example": "false"}}
    }
    found = fields(answering(schema, example={"code": 17}))
    assert found["$.code"].examples == [17, "4400"]
    assert found["$.flag"].examples == [False]


@pytest.mark.parametrize("written", ["-Infinity", "NaN", "1e999", "[" * 5000])
def test_what_is_no_json_is_read_into_no_example(written):
    found = fields(answering({"properties": {"rate": {"type": "number", "example": written}}}))
    assert [value for value in found["$.rate"].examples if not isinstance(value, str)] == []


@pytest.mark.parametrize(
    "media",
    [
        {"example": {"id": 1}},
        {"example": '{"id": 1}'},
        {"examples": {"a": {"$ref": "#/components/schemas/Shown"}}},
        {"schema": {"type": "object", "example": {"id": 1}}},
        {"schema": {"allOf": [{"example": {"id": 1}}]}},
    ],
)
def test_the_whole_example_body_is_kept(media):
    function = read_one(answering(**media), {"Shown": {"value": {"id": 1}}})
    assert function.response_example == {"id": 1}
    assert [field.path for field in function.outputs] == ["$.id"]


def test_the_first_successful_response_with_json_counts():
    def response(name, kind="application/json"):
        return {"content": {kind: {"schema": {"properties": {name: {"type": "string"}}}}}}

    responses = {
        "404": response("error"),
        "204": {"description": "nothing"},
        "201": response("xml", "text/xml"),
        "2XX": response("wanted", "application/vnd.zoo+json; charset=utf-8"),
        "default": response("other"),
    }
    assert list(fields({"responses": responses})) == ["$.wanted"]
    assert list(fields({"responses": {"404": response("error"), "default": response("other")}})) == ["$.other"]
    assert fields({"responses": {"404": response("error")}}) == {}


class TestCircles:
    def test_a_schema_inside_itself_is_entered_once(self):
        node = {
            "properties": {
                "id": {"type": "integer"},
                "kids": {"type": "array", "items": ref("Node")},
                "up": ref("Node"),
            }
        }
        assert types(answering(ref("Node")), {"Node": node}) == {"$.id": "integer"}

    def test_examples_fill_in_what_the_cut_leaves_out(self):
        node = {"properties": {"id": {"type": "integer"}, "kids": {"type": "array", "items": ref("Node")}}}
        found = fields(answering(ref("Node"), example={"id": 1, "kids": [{"id": 2}]}), {"Node": node})
        assert (found["$.kids[*].id"].examples, found["$.kids[*].id"].schema_name) == ([2], "Node")

    def test_a_base_that_lists_its_heirs(self):
        schemas = {
            "Pet": {"properties": {"id": {"type": "integer"}}, "oneOf": [ref("Cat"), ref("Dog")]},
            "Cat": {"allOf": [ref("Pet"), {"properties": {"lives": {"type": "integer"}}}]},
            "Dog": {"allOf": [ref("Pet"), {"properties": {"bark": {"type": "string"}}}]},
        }
        pet = {"properties": {"pet": ref("Pet"), "cat": ref("Cat")}}
        cat = {"properties": {"cat": ref("Cat"), "pet": ref("Pet")}}
        expected = {"$.pet.id", "$.pet.lives", "$.pet.bark", "$.cat.id", "$.cat.lives"}
        assert set(fields(answering(pet), schemas)) == set(fields(answering(cat), schemas)) == expected

    def test_a_schema_that_is_one_of_itself(self):
        schemas = {"E": {"oneOf": [{"type": "integer"}, ref("E")]}, "A": {"allOf": [ref("A")], "type": "string"}}
        found = types(answering({"properties": {"e": ref("E"), "a": ref("A")}}), schemas)
        assert found == {"$.e": "integer", "$.a": "string"}


class TestBounds:
    def test_the_deepest_fields_are_cut_first(self):
        schema = {
            "properties": {
                "deep": {"properties": {"x": {"type": "string"}}},
                "a": {"type": "string"},
                "b": {"type": "string"},
            }
        }
        assert set(types(answering(schema), max_fields=2)) == {"$.a", "$.b"}
        assert set(types(answering(schema), max_depth=1)) == {"$.a", "$.b"}

    def test_what_is_cut_is_told(self):
        schema = {"properties": {name: {"type": "string"} for name in "abcde"}}
        functions, (reject,) = read(api({"/a": {"get": answering(schema)}}), max_fields=2)
        assert len(functions[0].outputs) == 2
        assert reject.reason == "fields-cut"
        assert "3 known output fields" in reject.detail and "max_fields" in reject.detail

    def test_a_chain_of_ten_thousand_schemas(self):
        schemas = {f"S{i}": {"properties": {"n": {"type": "integer"}, "s": ref(f"S{i + 1}")}} for i in range(10_000)}
        assert len(types(answering(ref("S0")), schemas | {"S10000": {}})) == 12

    def test_references_that_fan_out(self):
        schemas = {f"S{i}": {"properties": {f"p{j}": ref(f"S{i + 1}") for j in range(30)}} for i in range(40)}
        assert types(answering(ref("S0")), schemas | {"S40": {"type": "string"}}) == {}

    def test_combinations_that_fan_out(self):
        keywords = ("allOf", "oneOf", "anyOf")
        schemas = {f"S{i}": {keywords[i % 3]: [ref(f"S{i + 1}"), {"allOf": [ref(f"S{i + 1}")]}]} for i in range(15)}
        assert types(answering({"properties": {"p": ref("S0")}}), schemas | {"S15": {"type": "string"}}) == {
            "$.p": "string"
        }

    def test_long_descriptions_are_cut(self):
        schema = {"properties": {"a": {"type": "string", "description": "x" * 9_000}}}
        assert len(fields(answering(schema))["$.a"].description) == MAX_TEXT
