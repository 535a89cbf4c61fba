"""Makes ``edge_model.json`` from documents whose gold is known, and says how well it is calibrated.

    python -m goat_ray.graph.train_edge_model configs/demo/documents goat_ray/graph/golds/demo.yaml

The printed figures leave out one service at a time: its edges are scored by a model that never saw its parameters.
"""

import json
import sys
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import yaml
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import brier_score_loss, log_loss

from goat_ray import jsonpath
from goat_ray.documents.config import DocumentsConfig
from goat_ray.documents.discovery import discover
from goat_ray.documents.ingest import Ingest
from goat_ray.graph.config import CandidatesConfig
from goat_ray.graph.embedding import DEFAULT_MODEL, load_embedder
from goat_ray.graph.ends import Asking, Carrying, ends, fits
from goat_ray.graph.scoring import FEATURES, MODEL, EdgeModel, Floats, Scorer
from goat_ray.identity import content_id
from goat_ray.records import ApiFunction, CandidateEdge
from goat_ray.storage import FunctionStore
from goat_ray.teacher.edges import repeats_argument

Labels = npt.NDArray[np.bool_]
STRENGTH = 0.1  # inverse of the L2 penalty
DIGITS = 3  # of the weights, so that another machine's rounding errors do not show


class TypingTable:
    """A gold as which fields carry what, and which parameters take it (see ``golds/``)."""

    def __init__(self, content: dict[str, dict[str, list[str]]]) -> None:
        self._fields = [
            (thing, operation, tuple(end.split(".")))
            for thing, entry in content.items()
            for operation, _, end in (text.rpartition(":") for text in entry["fields"])
        ]
        self._things = {name: thing for thing, entry in content.items() for name in entry["parameters"]}

    @classmethod
    def read(cls, path: Path) -> "TypingTable":
        """Read the YAML form."""
        return cls(yaml.safe_load(path.read_text(encoding="utf-8")))

    def label(self, edge: CandidateEdge, functions: FunctionStore) -> bool | None:
        """Whether an edge is gold; None where it is neither right nor wrong."""
        thing, source = self._things.get(edge.parameter), functions[edge.source]
        if thing is None or not self._carries(source, edge.field, thing):
            return False
        if any(one.required and self._things.get(one.name) == thing for one in source.parameters):
            return False if repeats_argument(source, edge.field, edge.parameter, edge.wants) else None
        return True

    def _carries(self, source: ApiFunction, path: str, thing: str) -> bool:
        names = tuple(jsonpath.names(path))
        return any(
            of == thing and operation in ("", source.name) and names[-len(end) :] == end
            for of, operation, end in self._fields
        )


def read_functions(documents: str) -> FunctionStore:
    """The functions of some documents."""
    config = DocumentsConfig(paths=[documents])
    return FunctionStore.of(f for f in Ingest(config).process(discover(config)) if isinstance(f, ApiFunction))


def all_candidates(functions: FunctionStore, config: CandidatesConfig) -> Iterator[CandidateEdge]:
    """The candidates of a corpus that is small enough to compare everything with everything."""
    asking: list[Asking] = []
    carrying: list[Carrying] = []
    for service in functions.services():
        asked, carried = ends(service)
        asking += asked
        carrying += carried
    texts = sorted({one.text for one in asking} | {one.text for one in carrying})
    row = {text: number for number, text in enumerate(texts)}
    vectors = load_embedder().encode(texts, normalize_embeddings=True, show_progress_bar=False)
    base = vectors[[row[one.text] for one in carrying]]
    for wanted in asking:
        cosines = np.round(base @ vectors[row[wanted.text]], 4)
        near = [
            int(number)
            for number in np.argsort(-cosines, kind="stable")
            if cosines[number] >= config.floor
            and carrying[number].function.id != wanted.function.id
            and fits(carrying[number].field.type, wanted.parameter)
        ]
        for number in near[: config.per_parameter]:
            given = carrying[number]
            ids = (given.function.id, given.field.path, wanted.function.id, wanted.parameter.name)
            yield CandidateEdge(
                id=content_id(*ids),
                **dict(zip(("source", "field", "target", "parameter"), ids, strict=True)),
                carries=given.carries,
                wants=wanted.wants,
                similarity=float(cosines[number]),
            )


def fit(features: Floats, labels: Labels) -> dict[str, Any]:
    """The model's JSON form, without provenance."""
    model = LogisticRegression(C=STRENGTH, max_iter=5000, tol=1e-8).fit(features, labels)
    weights = {name: round(float(weight), DIGITS) for name, weight in zip(FEATURES, model.coef_[0], strict=True)}
    return {"intercept": round(float(model.intercept_[0]), DIGITS), "weights": weights}


class TrainingData:
    """The labelled candidates of some documents."""

    def __init__(self, documents: str, table: Path) -> None:
        functions, gold = read_functions(documents), TypingTable.read(table)
        edges = list(all_candidates(functions, CandidatesConfig()))
        labelled = [(edge, label) for edge in edges if (label := gold.label(edge, functions)) is not None]
        self.features = Scorer(functions, EdgeModel(np.zeros(len(FEATURES)), 0.0, "")).features(
            [e for e, _ in labelled]
        )
        self.labels = np.array([label for _, label in labelled])
        self.services = np.array([functions[edge.target].service for edge, _ in labelled])

    def model(self) -> dict[str, Any]:
        """The content of ``edge_model.json``."""
        provenance = {
            "made by": "python -m goat_ray.graph.train_edge_model",
            "embedding": DEFAULT_MODEL,
            "services": sorted(set(self.services.tolist())),
            "candidates": len(self.labels),
            "edges": int(self.labels.sum()),
        }
        return {"provenance": provenance, **fit(self.features, self.labels)}

    def held_out_scores(self) -> Floats:
        """Scores of each service's candidates by a model of the others."""
        scores = np.zeros(len(self.labels))
        for service in sorted(set(self.services.tolist())):
            out = self.services == service
            scores[out] = EdgeModel.of(fit(self.features[~out], self.labels[~out])).scores(self.features[out])
        return scores


def calibration(scores: Floats, labels: Labels) -> Iterator[str]:
    """Log loss, Brier score and a reliability table, as lines."""
    yield f"log loss {log_loss(labels, scores):.4f}, Brier {brier_score_loss(labels, scores):.4f}"
    yield "| score | candidates | mean score | accepted |"
    yield "|---|---|---|---|"
    edges = (0, 0.02, 0.1, 0.3, 0.5, 0.7, 0.9, 0.98, 1.000001)
    for low, high in pairwise(edges):
        inside = (scores >= low) & (scores < high)
        if inside.any():
            mean, share = scores[inside].mean(), labels[inside].mean()
            yield f"| {low:g} to {min(high, 1):g} | {inside.sum():,} | {mean:.3f} | {share:.3f} |"


def main(documents: str, table: str) -> None:
    """Write the model and print how well it does on services that it has not seen."""
    data = TrainingData(documents, Path(table))
    path = Path(__file__).with_name(MODEL)
    path.write_text(json.dumps(data.model(), indent=2) + "\n", encoding="utf-8")
    print("\n".join(calibration(data.held_out_scores(), data.labels)))
    print(f"written: {path.name}")


if __name__ == "__main__":
    main(*sys.argv[1:3])
