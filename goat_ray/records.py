"""The records that travel along the road, and their Arrow schemas. Read this file first.

    documents -> ApiFunction -> Embedding -> Neighbours -> CandidateEdge -> Edge
              -> CallPlan -> CallTrace -> Sample -> Example

Each record type is one Parquet dataset in the run directory. A record keeps its id on the steps that
turn one record into one record: a candidate edge and the verified edge have the same id, and so have
a plan, its trace and its sample. ``rows.py`` turns them into Parquet rows
and back.
"""

from collections.abc import Sequence
from typing import Any, Literal

from goat_ray.identity import content_id
from goat_ray.rows import Json, Part, Record, Vector

# --- documents ----------------------------------------------------------------------------------

Location = Literal["path", "query", "header", "cookie", "body"]
ValueType = Literal["string", "integer", "number", "boolean", "array", "object", "any"]


class Document(Record):
    """One API document to read; ``id`` derives from its bytes."""

    path: str  # relative to ``root``
    root: str  # no ``$ref`` may leave this folder


class Parameter(Part):
    """One argument that a function takes. Body properties of objects in the body are ``a.b``."""

    name: str
    location: Location
    type: ValueType
    item_type: ValueType | None = None  # of arrays
    required: bool = False
    description: str = ""
    format: str = ""
    enum: list[Json] = []
    minimum: float | None = None
    maximum: float | None = None
    default: Json = None
    example: Json = None
    style: str = ""  # of arrays and objects outside JSON: OpenAPI's names, "json", or "" for the location's default
    explode: bool | None = None  # a pair for each element rather than one for all; None is the style's default


class SecurityScheme(Part):
    """A way to authenticate as the document describes it; never a credential."""

    name: str  # what the document calls it
    type: str  # OpenAPI 3's: apiKey, http, oauth2, openIdConnect or mutualTLS
    scheme: str = ""  # of http: basic, bearer ...
    location: str = ""  # of apiKey: query, header or cookie
    parameter: str = ""  # of apiKey: what it is called there


class OutputField(Part):
    """One scalar that a successful response can carry."""

    path: str  # JSON path pattern, e.g. $.results[*].id
    type: ValueType
    description: str = ""
    format: str = ""
    enum: list[Json] = []
    minimum: float | None = None
    maximum: float | None = None
    examples: list[Json] = []  # distinct values seen in the document, at most MAX_EXAMPLES
    schema_name: str = ""  # the named schema of the object that holds the field, if any


MAX_EXAMPLES = 8


class ApiFunction(Record):
    """One callable operation of a service; ``id`` derives from all other fields but the bounds of its outputs."""

    service: str
    name: str  # unique within the service, e.g. the operationId
    method: str = "GET"  # HTTP method in capitals; tools without HTTP use "CALL"
    path: str = ""  # path template, e.g. /movie/{movie_id}
    summary: str = ""
    description: str = ""
    category: str = ""
    server: str = ""  # base URL
    parameters: list[Parameter] = []
    body_type: str = ""  # media type of the request body; empty for JSON and for no body
    security: list[list[SecurityScheme]] = []  # alternatives, each of schemes to be met together
    outputs: list[OutputField] = []
    response_example: Json = None  # one whole successful body, where the document shows one
    deprecated: bool = False

    @classmethod
    def create(cls, **fields: Any) -> "ApiFunction":
        """Make a function with its content-derived id."""
        draft = cls(id="", **fields)
        decisive = draft.model_dump(exclude={"id": True, "outputs": {"__all__": {"minimum", "maximum"}}})
        return draft.model_copy(update={"id": content_id(decisive)})

    @property
    def title(self) -> str:
        """How the benchmarks write a function: ``GET /movie/{movie_id}``; the name where no path is."""
        return f"{self.method} {self.path}" if self.path else self.name

    def parameter(self, name: str) -> Parameter:
        """The parameter of that name; raises ``KeyError`` if there is none."""
        for parameter in self.parameters:
            if parameter.name == name:
                return parameter
        raise KeyError(name)

    def output(self, path: str) -> OutputField:
        """The output field at that JSON path pattern; raises ``KeyError`` if there is none."""
        for field in self.outputs:
            if field.path == path:
                return field
        raise KeyError(path)


# --- graph --------------------------------------------------------------------------------------


class Embedding(Record):
    """A distinct text of the corpus and its unit vector; ``id`` derives from the text."""

    text: str
    asked: bool = False  # some parameter asks for it
    carried: bool = False  # some output field carries it
    vector: Vector = []  # empty until embedded


class Neighbours(Record):
    """The carried texts nearest to one asked text; ``id`` is the text's. Texts that are only carried have none."""

    asked: bool
    carried: bool
    nearest: list[str] = []  # Embedding.id, best first
    similarities: Vector = []  # their cosines, -1 to 1


class CandidateEdge(Record):
    """An output field that might feed a parameter: the paper's ``(n_i, n_j, k)`` plus the field."""

    source: str  # ApiFunction.id
    field: str  # JSON path pattern in the source's output
    target: str  # ApiFunction.id
    parameter: str  # name of a parameter of the target
    carries: str  # what the field carries, e.g. "movie id"
    wants: str  # what the parameter asks for
    similarity: float  # cosine of the two texts, -1 to 1


class Edge(CandidateEdge):
    """A candidate that a teacher accepted, and, after the execute step, what calling showed."""

    reason: str  # the teacher's, in one sentence
    teacher: str
    execution: str = ""  # empty until executed, then how the value was used
    origin: str = ""  # of the calls: real, recorded or simulated


# --- synthesis ----------------------------------------------------------------------------------


class Binding(Part):
    """Where one argument of a planned call comes from: an upstream step's output, or free."""

    parameter: str
    step: int | None = None  # index of the upstream call; None means free
    field: str = ""  # JSON path pattern in that call's output


class PlannedCall(Part):
    """One call of a plan, before it has values."""

    function: str  # ApiFunction.id
    bindings: list[Binding]


class PlanOrder(Record):
    """What one plan should be like; ``id`` derives from the number, which no other order of a run has."""

    number: int
    length: int  # calls
    shape: str  # one of synthesis/shapes.py
    service: str = ""  # of the function to start from; empty for any
    function: int  # to start from: its number in the call graph
    edge: int = -1  # to start from: the row in the call graph of an edge into that function; -1 for none


class CallPlan(Record):
    """A connected subgraph in topological order, with a source for each argument."""

    calls: list[PlannedCall]
    seed: int  # the number of the order that it was drawn for
    shape: str = ""  # how its calls hang together, see synthesis/shapes.py
    service: str = ""  # of the function that it was grown from
    structure: str = ""  # the same for plans that differ only in their seed and in the order of independent calls


Provenance = Literal["user", "constant", "upstream"]
Origin = Literal["real", "recorded", "simulated"]


class Argument(Part):
    """One argument value and where it came from."""

    parameter: str
    value: Json
    provenance: Provenance
    step: int | None = None  # upstream only: index of the executed call whose output holds the value
    location: str = ""  # upstream only: JSON path of the value in that call's body
    chosen: str = ""
    """Upstream only: how the item was chosen where the value stands in a list. Empty for by position, which
    ``location`` shows; "highest F" or "lowest F" of a number and "latest F" or "earliest F" of a date, F being the
    name of a member of the items; "each" where the call is one of a fan-out over the items."""


class ExecutedCall(Part):
    """One call that was really made.

    A planned call becomes one executed call, except that

    - a fan-out makes it several: neighbours in the trace with the same ``planned``, all successful, which differ
      in the arguments that say ``chosen="each"``;
    - a failed call that was corrected stays in the trace before its correction, with the same ``planned``.
    """

    function: str  # ApiFunction.id
    arguments: list[Argument]
    status: int  # HTTP status, or its nearest equivalent
    body: Json
    origin: Origin
    planned: int = 0  # index of the plan's call that this one carries out
    group: int = 0  # calls of one group do not depend on each other: they may run at once, after those of lower groups
    corrected_by: int | None = None  # of a failed call: index of the executed call that makes up for it

    @property
    def values(self) -> dict[str, Any]:
        """Argument values by parameter name."""
        return {argument.parameter: argument.value for argument in self.arguments}


def without_failures(calls: Sequence[ExecutedCall]) -> list[ExecutedCall]:
    """The calls that failed left out and the steps of the others counted anew: what should have been done at once."""
    if all(call.corrected_by is None for call in calls):
        return list(calls)
    kept = [number for number, call in enumerate(calls) if call.corrected_by is None]
    place = {number: index for index, number in enumerate(kept)}
    return [calls[number].model_copy(update={"arguments": _renumbered(calls[number], place)}) for number in kept]


def _renumbered(call: ExecutedCall, place: dict[int, int]) -> list[Argument]:
    return [a if a.step is None else a.model_copy(update={"step": place[a.step]}) for a in call.arguments]


class CallTrace(Record):
    """The executed calls of one plan; ``id`` is the plan's."""

    calls: list[ExecutedCall]
    seed: int
    shortened: list[str] = []  # tasks whose documents were more than the teacher could read at once


class Lineage(Part):
    """What a sample was made from and by."""

    teacher: str
    prompts: str  # version of the prompts or rules
    fingerprint: str  # of the step and all that it depends on
    seed: int
    shortened: list[str] = []  # tasks whose documents were more than the teacher could read at once, by name


Split = Literal["train", "validation", "test", "unseen"]


class Sample(Record):
    """A user's goal, the calls that reach it, and the answer; ``id`` is the plan's."""

    query: str
    subqueries: list[str]  # one per call; a failed call and its correction are after the same
    calls: list[ExecutedCall]
    response: str
    paraphrases: list[str] = []
    verdict: str = ""  # the judge's reason for keeping it
    split: Split = "train"
    lineage: Lineage


class Traits(Record):
    """What curation needs to know of a sample, as columns; ``id`` is the sample's."""

    query: int  # digest: equal for queries that differ in case and space only
    calls: int  # digest of functions and arguments
    length: int  # calls
    shape: str  # see synthesis/shapes.py
    service: str  # of the last call
    split: Split
    signature: list[int]  # MinHash of the query, see synthesis/near_duplicates.py


class Lookalikes(Record):
    """Functions that one might be confused with; ``id`` is the function's."""

    linked: list[str]  # ApiFunction.id of neighbours in the graph
    similar: list[str]  # ApiFunction.id, nearest first by embedding


class Span(Part):
    """A stretch of text, in characters: ``[start, end)``."""

    start: int
    end: int


ExampleKind = Literal["plan", "call", "answer", "chat"]


class Example(Record):
    """One training example as text; the loss falls on ``target`` except its ``masked`` spans.

    A chat is one text only once a model's template has written it: its ``prompt`` is the JSON of agent/chat_form.py's
    ``Chat``, which says where the loss falls, and its ``target`` is empty.
    """

    sample: str  # Sample.id
    kind: ExampleKind
    split: Split
    prompt: str
    target: str
    masked: list[Span]  # within target


class RetrievalExample(Record):
    """A query and the documents that it needs, for training the retriever."""

    query: str
    positives: list[str]  # documents that it needs, each once
    negatives: list[str]  # documents that it does not need, though they are like those
    split: Split


class Prediction(Record):
    """What an agent did with a query; ``id`` is the sample's."""

    query: str
    calls: list[ExecutedCall]
    response: str
    planned: list[str] | None = None  # ids of functions chosen before any call; None where none were asked for
    problems: list[str] = []  # what went wrong on the way, e.g. "unknown-function: foo"
    seconds: float | None = None  # of its worker: what the queries answered together took, over their number


class Score(Record):
    """One number of an evaluation; ``id`` derives from run and metric."""

    run: str  # what was evaluated, e.g. "untuned" or "tuned"
    metric: str  # e.g. "SA", "IA", "Recall@5"
    value: float
    count: int  # over how many instances


class Reject(Record):
    """A record that did not pass a step, with the reason; ``id`` is the input record's."""

    reason: str  # a short constant to count by, e.g. "unknown-id"
    detail: str = ""
