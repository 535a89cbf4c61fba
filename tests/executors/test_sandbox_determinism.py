"""The same corpus, seed and calls give the same bytes, whenever, wherever and in whatever order."""

import ast
import json
import os
import random
import subprocess
import sys
from pathlib import Path

import hypothesis.strategies as st
from hypothesis import given, settings

import goat_ray.executors.sandbox as sandbox
from tests.executors.library import FUNCTIONS, Client, api, param

CALLS = [
    ("GET /books", {}),
    ("GET /books", {"query": "the", "page": 2}),
    ("GET /books", {"genre": "poetry"}),
    ("GET /books/{book_id}", {"book_id": 50347}),
    ("GET /authors/{author_id}", {"author_id": 2058}),
    ("GET /authors/{author_id}/books", {"author_id": 2058}),
    ("GET /books/{book_id}/reviews", {"book_id": 50347}),
    ("POST /books", {"title": "A New Tale"}),
    ("POST /books/{book_id}/reviews", {"book_id": 50347, "rating": 3}),
]


def transcript():
    call = Client()
    return json.dumps([call.call(title, arguments).model_dump() for title, arguments in CALLS])


class TestSameBytes:
    def test_in_two_instances(self):
        assert transcript() == transcript()

    def test_in_another_process_with_another_hash_seed(self):
        code = "from tests.executors.test_sandbox_determinism import transcript; print(transcript())"
        root = Path(__file__).resolve().parents[2]
        for seed in ("1", "2"):
            environment = os.environ | {"PYTHONHASHSEED": seed, "PYTHONPATH": str(root)}
            done = subprocess.run(
                [sys.executable, "-c", code], cwd=root, env=environment, capture_output=True, text=True, check=True
            )
            assert done.stdout.strip() == transcript()

    def test_whatever_was_called_before(self):
        expected = {}
        for title, arguments in CALLS:
            expected[title, str(arguments)] = Client().call(title, arguments).body
        call = Client()
        for turn in range(5):
            shuffled = random.Random(turn).sample(CALLS, len(CALLS))
            for title, arguments in shuffled:
                assert call.afresh().call(title, arguments).body == expected[title, str(arguments)]

    def test_whatever_the_order_of_the_functions(self):
        assert Client(FUNCTIONS[::-1]).body("GET /books", limit=24) == Client().body("GET /books", limit=24)

    def test_another_seed_gives_another_world(self):
        assert Client(seed=1).body("GET /books", limit=24) != Client(seed=2).body("GET /books", limit=24)

    def test_answers_are_not_shared(self):
        call = Client()
        call.body("GET /books/{book_id}", book_id=50312)["author"]["name"] = "changed by the caller"
        assert call.body("GET /books/{book_id}", book_id=50312)["author"]["name"] == "Maren Holloway"


class TestIndependence:
    def test_nothing_of_the_graph_or_the_teacher_is_imported(self):
        allowed = {
            "goat_ray." + name
            for name in ("errors", "executors", "identity", "jsonpath", "naming", "records", "rows", "settings")
        }
        for module in Path(sandbox.__file__).parent.glob("*.py"):
            for node in ast.walk(ast.parse(module.read_text())):
                names = [node.module] if isinstance(node, ast.ImportFrom) else []
                names += [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
                for name in names:
                    if name and name.startswith("goat_ray"):
                        assert any(name.startswith(prefix) for prefix in allowed) or name == "goat_ray", (module, name)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=6,
)
MIXED = [
    *FUNCTIONS,
    api(
        "PUT",
        "/shops/{shop_code}",
        param("shop_code", location="path"),
        param("address.city", location="body"),
        param("tags", "array", "body", item_type="string"),
        param("extra", "object", "body"),
        param("since", format="date-time"),
        param("ratio", "number", minimum=0, maximum=1),
        param("open", "boolean"),
        param("any", "any"),
        gives={"shop_code": "HAR-M", "address": {"city": "Harrowmere"}, "tags": ["new"]},
    ),
]
CLIENT = Client(MIXED)
NAMES = sorted({parameter.name for function in MIXED for parameter in function.parameters} | {"unknown", "address"})
KNOWN = st.sampled_from([50312, 2041, 880121, "HAR-M", "50312", 1, 0, "mystery"])


@settings(max_examples=300)
@given(
    title=st.sampled_from(sorted(CLIENT.functions)),
    arguments=st.dictionaries(st.sampled_from(NAMES), JSON | KNOWN, max_size=5),
)
def test_any_arguments_give_a_status_and_never_raise(title, arguments):
    result = CLIENT.call(title, arguments)
    assert result.status in {200, 201, 204, 404, 409, 422}
    assert result.origin == "simulated"
    json.dumps(result.body, allow_nan=False)
