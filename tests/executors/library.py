"""A small library API, written by hand, and a shorter way to call the sandbox."""

import asyncio

from goat_ray.executors.sandbox import SandboxExecutor
from goat_ray.executors.sandbox.config import SandboxConfig
from goat_ray.jsonpath import ANY, render
from goat_ray.records import ApiFunction, OutputField, Parameter


def param(name, type="string", location="query", **more):
    return Parameter(name=name, type=type, location=location, required=location == "path", **more)


def outputs_of(example, schemas=None):
    """The output fields that a reader would find in an example body."""
    found = {}

    def walk(value, at):
        if isinstance(value, dict):
            for name, inner in value.items():
                walk(inner, (*at, name))
        elif isinstance(value, list):
            for inner in value:
                walk(inner, (*at, ANY))
        elif value is not None:
            types = {bool: "boolean", int: "integer", float: "number", str: "string"}
            schema = (schemas or {}).get(render(at[:-1]), "")
            field = found.setdefault(render(at), {"type": types[type(value)], "examples": [], "schema_name": schema})
            if value not in field["examples"]:
                field["examples"].append(value)

    walk(example, ())
    return [OutputField(path=path, **field) for path, field in found.items()]


def api(method, path, *parameters, gives=None, service="library", schemas=None, **more):
    outputs = outputs_of(gives, schemas) if gives is not None else []
    return ApiFunction.create(
        service=service,
        name=f"{method} {path}",
        method=method,
        path=path,
        parameters=list(parameters),
        outputs=more.pop("outputs", outputs),
        response_example=gives,
        **more,
    )


BOOK = {"id": 50312, "title": "The Tidekeeper's Ledger", "author": {"id": 2041, "name": "Maren Holloway"}, "pages": 342}
OTHER = {
    "id": 50347,
    "title": "The Weight of Small Moons",
    "author": {"id": 2058, "name": "Teodor Vance"},
    "pages": 488,
}
AUTHOR = {"id": 2041, "name": "Maren Holloway", "born_year": 1978, "bio": "Writes coastal mysteries."}
REVIEW = {"review_id": 880121, "book_id": 50312, "rating": 5, "text": "I read it in two evenings."}

FUNCTIONS = [
    api(
        "GET",
        "/books",
        param("query"),
        param("genre", enum=["mystery", "poetry"]),
        param("author_id", "integer"),
        param("min_pages", "integer"),
        param("sort_by"),
        param("page", "integer", minimum=1),
        param("limit", "integer", minimum=1, maximum=50),
        gives={"results": [BOOK | {"genre": "mystery"}, OTHER | {"genre": "poetry"}], "page": 1, "total": 2},
    ),
    api("GET", "/books/{book_id}", param("book_id", "integer", "path"), gives=BOOK | {"synopsis": "A harbour clerk."}),
    api("GET", "/authors/{author_id}", param("author_id", "integer", "path"), gives=AUTHOR),
    api(
        "GET",
        "/authors/{author_id}/books",
        param("author_id", "integer", "path", example=2041),
        gives={"items": [BOOK]},
    ),
    api(
        "GET", "/books/{book_id}/reviews", param("book_id", "integer", "path"), gives={"results": [REVIEW], "total": 1}
    ),
    api("GET", "/reviews/{review_id}", param("review_id", "integer", "path"), gives=REVIEW),
    api(
        "POST",
        "/books/{book_id}/reviews",
        param("book_id", "integer", "path"),
        param("rating", "integer", "body", minimum=1, maximum=5),
        param("text", location="body"),
        gives=REVIEW,
    ),
    api(
        "PATCH",
        "/reviews/{review_id}",
        param("review_id", "integer", "path"),
        param("text", location="body"),
        gives=REVIEW,
    ),
    api("DELETE", "/reviews/{review_id}", param("review_id", "integer", "path")),
    api(
        "POST",
        "/books",
        param("title", location="body"),
        param("author_id", "integer", "body"),
        param("pages", "integer", "body"),
        gives=BOOK,
    ),
    api("GET", "/status"),
]


def executor(functions=FUNCTIONS, **config):
    return SandboxExecutor(functions, SandboxConfig(**config))


class Client:
    """Calls functions by title in one session."""

    def __init__(self, functions=FUNCTIONS, sandbox=None, **config):
        self.functions = {function.title: function for function in functions}
        self.sandbox = sandbox or executor(functions, **config)
        self.session = self.sandbox.session()

    def __call__(self, title, /, **arguments):
        return self.call(title, arguments)

    def call(self, title, arguments):
        return asyncio.run(self.session.call(self.functions[title], arguments))

    def body(self, title, /, **arguments):
        result = self.call(title, arguments)
        assert result.ok, (title, arguments, result)
        return result.body

    def afresh(self):
        """The same world in a fresh session."""
        return Client(list(self.functions.values()), self.sandbox)
