"""Queries of benchmarks that a corpus must not hold, in these or other words."""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from pydantic import Field

from goat_ray.errors import ConfigError
from goat_ray.graph.embedding import load_embedder
from goat_ray.identity import content_id
from goat_ray.places import Place, Where
from goat_ray.settings import Settings
from goat_ray.storable import parsed

SHORTEST = 4  # words; a shorter benchmark query inside another one is chance
KEYS = ("query", "question", "instruction", "prompt")
_WORD = re.compile(r"\w+")
_LINE_END = re.compile(r"\r\n?|\n")  # not all that Unicode ends lines with: in JSON's strings it may stand as it is


class ContaminationConfig(Settings):
    """What counts as a benchmark's query."""

    benchmarks: list[str] = Field(
        [],
        description="Files of queries: RestBench's, BFCL's or API-Bank's, JSON or JSON Lines with a 'query', or a "
        "query a line. Of several messages each one by a user is a query.",
    )
    ngram: int = Field(8, ge=SHORTEST, description="Equal words in a row; shorter benchmark queries count as a whole.")
    similarity: float | None = Field(
        0.9,
        gt=0,
        le=1,
        description="Cosine of the queries' embeddings, by the graph's model; null looks at words only.",
    )


@dataclass(frozen=True)
class Entry:
    """A benchmark's query and where it stands."""

    name: str  # file#number, from 1
    query: str


@dataclass(frozen=True)
class Match:
    """The entry that a query is too like, and in what way: exact, n-gram or embedding."""

    way: str
    entry: Entry

    def __str__(self) -> str:
        return f"{self.way}: {self.entry.name}: {self.entry.query}"


class Benchmarks:
    """All benchmark queries, ready to be compared with. Heavy parts are loaded by ``start``."""

    def __init__(self, config: ContaminationConfig, embedder: str = "") -> None:
        self.config = config
        self.entries = [entry for path in config.benchmarks for entry in read_queries(path)]
        self.embedder = embedder

    def settings(self) -> Any:
        """What the outcome depends on; the entries as a digest."""
        if not self.entries:
            return None
        config = self.config
        return [content_id([entry.query for entry in self.entries]), config.ngram, config.similarity, self.embedder]

    def start(self) -> None:
        """Index the entries' words and embed them."""
        self._exact: dict[tuple[str, ...], Entry] = {}
        self._grams: dict[int, dict[tuple[str, ...], Entry]] = {}
        for entry in self.entries:
            said = words(entry.query)
            self._exact.setdefault(said, entry)
            size = min(self.config.ngram, len(said))
            if size >= SHORTEST:
                for gram in _grams(said, size):
                    self._grams.setdefault(size, {}).setdefault(gram, entry)
        self._model = None
        if self.entries and self.config.similarity is not None:
            self._model = load_embedder(self.embedder)
            self._vectors = self._embed([entry.query for entry in self.entries])

    def matches(self, queries: Sequence[Sequence[str]]) -> list[Match | None]:
        """For each query, given in all its wordings, the first match."""
        if not self.entries:
            return [None] * len(queries)
        found = [next(filter(None, map(self._by_words, wordings)), None) for wordings in queries]
        open_ = [number for number, match in enumerate(found) if match is None]
        if self._model is not None and open_:
            # Paraphrases lie near each other, but one may be on the other side of the bound.
            wordings = [wording for number in open_ for wording in queries[number]]
            cosines = self._embed(wordings) @ self._vectors.T
            first = np.cumsum([0, *(len(queries[number]) for number in open_[:-1])])
            assert self.config.similarity is not None
            for number, row in zip(open_, np.maximum.reduceat(cosines, first), strict=True):
                if row.max() >= self.config.similarity:
                    found[number] = Match("embedding", self.entries[int(row.argmax())])
        return found

    def _by_words(self, query: str) -> Match | None:
        said = words(query)
        if said in self._exact:
            return Match("exact", self._exact[said])
        for size, known in self._grams.items():
            for gram in _grams(said, size):
                if gram in known:
                    return Match("n-gram", known[gram])
        return None

    def _embed(self, texts: list[str]) -> npt.NDArray[np.float32]:
        assert self._model is not None
        return np.asarray(self._model.encode(texts, normalize_embeddings=True, show_progress_bar=False), np.float32)


def words(query: str) -> tuple[str, ...]:
    """A query without case and punctuation."""
    return tuple(_WORD.findall(query.lower()))


def _grams(said: tuple[str, ...], size: int) -> Iterator[tuple[str, ...]]:
    return (said[start : start + size] for start in range(len(said) - size + 1))


def read_queries(where: Where) -> Iterator[Entry]:
    """The queries of a benchmark's file, by path or URL; raises ``ConfigError`` where it has none."""
    path = Place.of(where)
    try:
        text = path.read_bytes().decode("utf-8-sig")
        queries = [query for query in map(str.strip, _texts(_items(text))) if query]
    except OSError as error:
        raise _unusable(path, f"cannot be read: {error}") from error
    except UnicodeDecodeError as error:
        raise _unusable(path, f"is no UTF-8 text: {error}") from error
    except ValueError as error:
        raise _unusable(path, f"begins as JSON does and is no JSON: {error}") from error
    if not queries:
        raise ConfigError(
            "has no queries",
            place=str(path),
            remedy=f"Give JSON or JSON Lines of objects with one of {', '.join(KEYS)}, or one query a line",
        )
    for number, query in enumerate(queries, 1):
        yield Entry(f"{path.name}#{number}", query)


def _unusable(path: Place, problem: str) -> ConfigError:
    return ConfigError(problem, place=str(path), remedy="Correct synthesis.contamination.benchmarks or the file")


def _items(text: str) -> list[Any]:
    """The items of a file's JSON, or of its lines, where one that is no JSON is a query as it stands.

    Raises ``ValueError`` for what begins as JSON does and is none: its lines would be queries that nobody asks.
    """
    whole: ValueError | None = None
    if text.lstrip().startswith(("[", "{")):
        try:
            return _listed(parsed(text))
        except ValueError as error:
            whole = error
    items: list[Any] = []
    for number, line in enumerate(_LINE_END.split(text), 1):
        if not line.strip():
            continue
        try:
            item = parsed(line)
        except ValueError:
            if whole is not None:
                raise (ValueError(f"line {number} is not") if items else whole) from None
            item = line
        items += _listed(item) if isinstance(item, str | list | dict) else [line]  # a query may be a number
    return items


def _listed(item: Any) -> list[Any]:
    return item if isinstance(item, list) else [item]


def _texts(items: list[Any]) -> Iterator[str]:
    for item in items:
        if isinstance(item, str):
            yield item
        elif isinstance(item, dict):
            yield from _said_by_user([item])
            for key in KEYS:
                yield from [item[key]] if isinstance(item.get(key), str) else _said_by_user(item.get(key))


def _said_by_user(messages: Any) -> Iterator[str]:
    """Of messages with a role each, alone (API-Bank's lines) or in lists, also of turns (BFCL's questions)."""
    for message in messages if isinstance(messages, list) else ():
        if isinstance(message, list):
            yield from _said_by_user(message)
        elif isinstance(message, dict) and str(message.get("role")).lower() == "user":
            yield from (message[key] for key in ("content", "text") if isinstance(message.get(key), str))
