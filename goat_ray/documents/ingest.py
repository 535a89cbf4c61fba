"""The step from documents to functions: finds out each document's format and reads it."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from goat_ray.documents import functions, goat_corpus, mcp, openapi, python, rapidapi, swagger
from goat_ray.documents.config import Limits
from goat_ray.documents.flaws import BadOperation, Flaw, UnknownFormat
from goat_ray.documents.loading import Source
from goat_ray.records import ApiFunction, Document, Reject
from goat_ray.rows import Json
from goat_ray.step import Resources, Step


@dataclass(frozen=True)
class Format:
    """A kind of document that can be read. Both functions raise ``Flaw`` on a document they cannot use."""

    name: str
    sniff: Callable[[Source], bool]  # by content, never by file name
    read: Callable[[Source], Iterator[ApiFunction | Reject]]


FORMATS = (
    # Before all others, which would take JSON Lines for broken JSON.
    Format("function schemas (OpenAI tools, BFCL)", functions.sniff, functions.read),
    Format("OpenAPI 3", openapi.sniff, openapi.read),
    Format("Swagger 2.0", swagger.sniff, swagger.read),
    Format("RapidAPI tools (ToolBench)", rapidapi.sniff, rapidapi.read),
    Format("GOAT corpus", goat_corpus.sniff, goat_corpus.read),
    Format("MCP tool lists", mcp.sniff, mcp.read),
    Format("Python functions and API-Bank tools", python.sniff, python.read),
)
"""The formats in the order in which they are tried. A new format is a module and a line here."""


class Ingest(Step[Document, ApiFunction]):
    """Reads documents. Give it the ``documents`` section of the configuration, or other limits."""

    name = "ingest"
    version = 6
    takes = Document
    gives = ApiFunction
    one_to_one = False
    resources = Resources(cpus=1.0, batch_size=8)  # documents: each may be many megabytes

    def __init__(self, limits: Limits) -> None:
        self._limits = limits

    def settings(self) -> Json:
        # Not the paths: what was found there is the step's input.
        return self._limits.model_dump(include=set(Limits.model_fields))

    def process(self, batch: Sequence[Document]) -> Iterator[ApiFunction | Reject]:
        for document in batch:
            try:
                yield from _read(Source.open(document, self._limits))
            except Flaw as flaw:
                yield flaw.reject(document.id)
            except Exception as error:
                yield BadOperation.unforeseen(error, "document").reject(document.id, document.path)


def _read(source: Source) -> Iterator[ApiFunction | Reject]:
    for format in FORMATS:
        if format.sniff(source):
            return format.read(source)
    raise UnknownFormat(
        f"is in none of the formats that can be read ({', '.join(format.name for format in FORMATS)})",
        place=source.document.path,
        remedy="Convert it to one of them, or leave it out; a file that only others refer to can stay",
    )
