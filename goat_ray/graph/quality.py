"""Scoring a dependency graph against a hand-made one: precision, recall and F1 after each stage of the funnel."""

import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

from goat_ray.errors import ConfigError
from goat_ray.records import CandidateEdge
from goat_ray.storage import FunctionStore


class Triple(NamedTuple):
    """The paper's edge ``(n_i, n_j, k)``, its functions as the benchmarks write them: ``GET /movie/{movie_id}``."""

    source: str
    target: str
    parameter: str


@dataclass(frozen=True)
class Counts:
    """How many edges agree with the gold."""

    right: int
    wrong: int
    missed: int

    @property
    def precision(self) -> float:
        """Share of the edges that are gold; 0 where there is no edge."""
        return self.right / (self.right + self.wrong) if self.right else 0.0

    @property
    def recall(self) -> float:
        """Share of the gold that is found; 0 where there is no gold."""
        return self.right / (self.right + self.missed) if self.right else 0.0

    @property
    def f1(self) -> float:
        """Harmonic mean of the two."""
        total = 2 * self.right + self.wrong + self.missed
        return 2 * self.right / total if total else 0.0


@dataclass(frozen=True)
class Quality:
    """One stage's graph against the gold."""

    triples: Counts  # (source, target, parameter)
    pairs: Counts  # (source, target)
    fields: float  # share of the right triples whose every chosen output field is gold; 1 where the gold names none
    false: list[Triple]
    missed: list[Triple]


@dataclass
class Gold:
    """Hand-made edges with the output fields that carry the value, and edges to leave out of the score."""

    edges: dict[Triple, set[str]] = field(default_factory=dict)
    ignored: set[Triple] = field(default_factory=set)

    @classmethod
    def read(cls, edges: Path, ignored: Path | None = None) -> "Gold":
        """Read JSON Lines with ``source``, ``target``, ``param`` and, optionally, ``note``: ``results[].id; id``.

        Raises ``ConfigError`` naming file and line.
        """
        gold = cls()
        for triple, note in _lines(edges):
            fields = gold.edges.setdefault(triple, set())
            fields.update(part.strip() for part in note.split(";") if part.strip())
        if not gold.edges:
            raise ConfigError("holds no edge", place=str(edges), remedy="Give one JSON object a line")
        gold.ignored = {triple for triple, _ in _lines(ignored)} - gold.edges.keys() if ignored else set()
        return gold

    def restricted(self, functions: FunctionStore) -> tuple["Gold", int]:
        """The gold in the words of the documents, and how many edges name a function that they do not have."""
        titles = {name: function.title for function in functions for name in (function.name, function.title)}
        edges: dict[Triple, set[str]] = {}
        for triple, fields in self.edges.items():
            if triple.source in titles and triple.target in titles:
                edges[Triple(titles[triple.source], titles[triple.target], triple.parameter)] = fields
        ignored = {
            Triple(titles.get(triple.source, ""), titles.get(triple.target, ""), triple.parameter)
            for triple in self.ignored
        }
        return Gold(edges, ignored), len(self.edges) - len(edges)


def grade(edges: Iterable[CandidateEdge], gold: Gold, functions: FunctionStore) -> Quality:
    """Score edges. Gold edges between functions that the documents lack count as missed."""
    found: dict[Triple, set[str]] = {}
    for edge in edges:
        triple = Triple(functions[edge.source].title, functions[edge.target].title, edge.parameter)
        found.setdefault(triple, set()).add(edge.field.removeprefix("$.").replace("[*]", "[]"))
    judged = found.keys() - gold.ignored
    right = judged & gold.edges.keys()
    noted = [triple for triple in right if gold.edges[triple]]
    chosen_well = sum(found[triple] <= gold.edges[triple] for triple in noted)
    gold_pairs = {triple[:2] for triple in gold.edges}
    pairs = {triple[:2] for triple in judged}
    return Quality(
        triples=Counts(len(right), len(judged - right), len(gold.edges.keys() - right)),
        pairs=Counts(len(pairs & gold_pairs), len(pairs - gold_pairs), len(gold_pairs - pairs)),
        fields=chosen_well / len(noted) if noted else 1.0,
        false=sorted(judged - right),
        missed=sorted(gold.edges.keys() - right),
    )


def report(stages: Mapping[str, Quality]) -> Iterator[str]:
    """The scores of the stages as lines of a table."""
    yield f"{'':<12}{'(source, target, parameter)':^44}{'(source, target)':^28}{'right':>8}"
    yield f"{'stage':<12}{'right':>8}{'wrong':>8}{'P':>8}{'R':>8}{'F1':>8}    {'P':>8}{'R':>8}{'F1':>8}{'fields':>12}"
    for stage, quality in stages.items():
        triples, pairs = quality.triples, quality.pairs
        yield (
            f"{stage:<12}{triples.right:>8}{triples.wrong:>8}{triples.precision:>8.3f}{triples.recall:>8.3f}"
            f"{triples.f1:>8.3f}    {pairs.precision:>8.3f}{pairs.recall:>8.3f}{pairs.f1:>8.3f}{quality.fields:>12.3f}"
        )


def _lines(path: Path) -> Iterator[tuple[Triple, str]]:
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"cannot be read: {error}", place=str(path), remedy="Give a file of JSON Lines") from error
    for number, line in enumerate(text.splitlines(), 1):
        if not line.strip():
            continue
        try:
            entry = json.loads(line)
            triple = Triple(*(str(entry[key]) for key in ("source", "target", "param")))
        except (ValueError, KeyError, TypeError) as error:
            raise ConfigError(
                f"line {number} is not a gold edge ({type(error).__name__}: {error})",
                place=str(path),
                remedy='Write {"source": "GET /a", "target": "GET /b", "param": "id"}, one a line',
            ) from error
        yield triple, str(entry.get("note") or "")
