"""The dataset and corpus of GOAT's published code (arXiv 2510.12218) as records: the inverse of its export.

Its items say nothing of where an argument came from. A value that the query says is the user's; else one that an
earlier response holds is taken from the latest that does; all others count as the user's, too.
"""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, get_args

from goat_ray import jsonpath
from goat_ray.documents.config import Limits
from goat_ray.documents.embedded import parsed as embedded
from goat_ray.documents.flaws import Flaw
from goat_ray.documents.goat_corpus import read
from goat_ray.documents.loading import Source
from goat_ray.documents.schemas import text
from goat_ray.errors import DocumentError
from goat_ray.identity import content_id
from goat_ray.records import ApiFunction, Argument, Document, ExecutedCall, Lineage, Reject, Sample, Split
from goat_ray.storable import MAX_DEPTH, storable, unquoted, writable

VERSION = 2  # of what is made of the same files
CORPUS = "corpus.json"
TEACHER = "imported"
MIN_VALUE = 2  # characters; shorter values occur in any query by chance


@dataclass
class Published:
    """A folder with ``corpus.json`` and datasets, there or in folders of their own.

    A dataset's file name says its split, where it is one.
    """

    folder: Path

    def __post_init__(self) -> None:
        found = [*self.folder.glob("*.json"), *self.folder.glob("*/*.json")]
        self.files = sorted(file for file in found if file.name != CORPUS and file.is_file())
        if not (self.folder / CORPUS).is_file() or not self.files:
            raise DocumentError(
                f"does not hold {CORPUS} and a dataset",
                place=str(self.folder),
                remedy="Give the folder of an export, or put the published code's files there under these names",
            )
        contents = [(self._name(file), _content(file).hex()) for file in (self.folder / CORPUS, *self.files)]
        self.id = content_id(VERSION, contents)

    def functions(self) -> Iterator[ApiFunction | Reject]:
        """The corpus, as ``goat ingest`` reads it. Raises ``DocumentError`` on a file that is none."""
        yield from read(self._corpus())

    def samples(self, functions: Iterator[ApiFunction]) -> Iterator[Sample | Reject]:
        """An outcome for each item of all datasets; what is repeated, names no function or is no item is a reject."""
        by_name = {(function.service, function.name): function.id for function in functions}
        by_number = {
            number: by_name.get((text(content.get("tool_name")), text(content.get("api_name"))))
            for number, content in self._documents()
        }
        seen: dict[str, str] = {}  # sample -> where it stands
        for file in self.files:
            split = file.stem if file.stem in get_args(Split) else "train"
            for number, item in enumerate(_list(file)):
                place = f"{self._name(file)}#{number}"
                outcome = self._sample(item, place, split, by_number)
                if outcome.id in seen:  # no reject's: ids of places are not ids of samples
                    outcome = _reject(place, "repeated", f"same query and calls as {seen[outcome.id]}")
                elif isinstance(outcome, Sample):
                    seen[outcome.id] = place
                yield outcome

    def _name(self, file: Path) -> str:
        return writable(file.relative_to(self.folder).as_posix())

    def _corpus(self) -> Source:
        return Source.open(Document(id=self.id, path=CORPUS, root=str(self.folder.absolute())), Limits())

    def _documents(self) -> Iterator[tuple[str, dict[str, Any]]]:
        """The number of each document that can be read, as a text, and its content; ``functions`` tells of others."""
        source = self._corpus()
        for document in source.tree if isinstance(source.tree, list) else [source.tree]:
            if isinstance(document, dict) and "docid" in document:
                content = document.get("document_content")
                if isinstance(content, str):
                    try:
                        content = embedded(source, content.encode(), CORPUS)
                    except Flaw:
                        continue
                if isinstance(content, dict):
                    yield str(document["docid"]), content

    def _sample(self, item: Any, place: str, split: Any, by_number: dict[str, str | None]) -> Sample | Reject:
        try:
            item = storable(item)
            path, query = item["api_path"], item["query"]
            if not path:
                return _reject(place, "no-calls", "its api_path is empty")
            for step in path:
                if by_number.get(str(step["docid"])) is None:  # a number there, a text here
                    return _reject(place, "unknown-function", f"{step['docid']!s:.100}")
            calls: list[ExecutedCall] = []
            for number, step in enumerate(path):
                calls.append(_call(step, number, by_number[str(step["docid"])] or "", query, calls))
            wordings = [(item.get("paraphrase") or {}).get(key) for key in ("query1", "query2")]
            return Sample(
                id=content_id(query, [[call.function, call.values] for call in calls]),
                query=query,
                subqueries=_subqueries(item),
                calls=calls,
                response=item["final_response"],
                paraphrases=[one for one in wordings if one not in ("", None, query)],
                split=split,
                lineage=Lineage(teacher=TEACHER, prompts="", fingerprint=self.id, seed=0),
            )
        except RecursionError:
            return _reject(place, "too-deep", f"is nested more than {MAX_DEPTH} levels deep")
        except (KeyError, TypeError, AttributeError, ValueError) as error:
            return _reject(place, "not-an-item", f"{type(error).__name__}: {' '.join(str(error).split())[:200]}")


def _reject(place: str, reason: str, problem: str) -> Reject:
    return Reject(id=content_id(place), reason=reason, detail=f"{place}: {problem}")


def _subqueries(item: Any) -> Any:
    """One for each call: the item's own, else those of its steps; raises ``ValueError`` where neither are."""
    given, path = item.get("subinstructions"), item["api_path"]
    of_steps = [step.get("sub_instruction", "") for step in path]
    if not given or len(given) == len(path):
        return given or of_steps
    if not all(of_steps):
        raise ValueError(f"{len(given)} subinstructions for {len(path)} calls, and not each has a sub_instruction")
    return of_steps


def _call(step: Any, number: int, function: str, query: str, earlier: list[ExecutedCall]) -> ExecutedCall:
    values = unquoted(step["llm_generation"])
    arguments = [_argument(name, value, query, earlier) for name, value in (values or {}).items()]
    sources = [earlier[argument.step].group for argument in arguments if argument.step is not None]
    return ExecutedCall(
        function=function,
        arguments=arguments,
        status=200,  # the published form keeps no status, and its export here holds successful calls only
        body=_unwrapped(unquoted(step.get("server_response"))),
        origin="recorded",
        planned=number,
        group=max(sources, default=-1) + 1,
    )


def _unwrapped(body: Any) -> Any:
    """ToolBench's proxy wraps what an API says: ``{"error": "", "response": "<JSON>"}``."""
    wrapped = isinstance(body, dict) and body.keys() == {"error", "response"} and not body["error"]
    return unquoted(body["response"]) if wrapped else body


def _argument(name: str, value: Any, query: str, earlier: list[ExecutedCall]) -> Argument:
    said = str(value).lower()
    if not (len(said) >= MIN_VALUE and said in query.lower()):
        for step in reversed(range(len(earlier))):
            for tokens, found in _leaves(earlier[step].body, ()):
                if str(found).lower() == said:
                    location = jsonpath.render(tokens)
                    return Argument(parameter=name, value=value, provenance="upstream", step=step, location=location)
    return Argument(parameter=name, value=value, provenance="user")


def _leaves(value: Any, at: tuple[Any, ...]) -> Iterator[tuple[tuple[Any, ...], Any]]:
    if isinstance(value, dict):
        for key, item in value.items():
            yield from _leaves(item, (*at, key))
    elif isinstance(value, list):
        for index, item in enumerate(value):
            yield from _leaves(item, (*at, index))
    elif value is not None and not isinstance(value, bool):
        yield at, value


def _content(file: Path) -> bytes:
    try:
        return file.read_bytes()
    except OSError as error:
        raise DocumentError(
            f"cannot be read: {error.strerror}", place=str(file), remedy="Make it readable, or take it away"
        ) from error


def _list(file: Path) -> list[Any]:
    try:
        items = json.loads(_content(file))
    except (ValueError, RecursionError) as error:
        raise DocumentError(
            f"is not JSON: {' '.join(str(error).split())}", place=str(file), remedy="Mend the file, or take it away"
        ) from error
    if not isinstance(items, list):
        raise DocumentError("is no list", place=str(file), remedy="Give a JSON list of items")
    return items
