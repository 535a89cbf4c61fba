"""A cheap, calibrated score of candidate edges: how likely a judge is to accept one.

A logistic regression over features that the documents alone give. Each feature depends on the candidate and on what
it names, never on other candidates, so a score is the same in any batch. ``train_edge_model`` makes its weights.
"""

import json
import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from importlib import resources
from typing import Any

import numpy as np
import numpy.typing as npt

from goat_ray import jsonpath
from goat_ray.graph.kinds import fixed_segments, one_of
from goat_ray.identity import content_id
from goat_ray.naming import is_identifier, words
from goat_ray.records import ApiFunction, CandidateEdge, OutputField, Parameter
from goat_ray.storage import FunctionStore
from goat_ray.teacher.edges import alternatives, repeats_argument

Floats = npt.NDArray[np.float64]

FEATURES = (
    "similarity", "same meaning", "same meaning, to be looked up", "same attribute", "shared words of the meanings",
    "asks for an identifier", "carries an identifier", "in the path", "required", "repeats an argument",
    "same type", "in a list", "same service", "same name", "shared words of the descriptions",
    "schema named in the question", "source about the kind", "parameter has choices",
)  # fmt: skip
MODEL = "edge_model.json"
_WORDS = re.compile(r"[a-z]{3,}")


@dataclass(frozen=True)
class EdgeModel:
    """Weights of a logistic regression over ``FEATURES``."""

    weights: Floats  # one for each feature
    intercept: float
    id: str  # content-derived, for fingerprints

    @classmethod
    def shipped(cls) -> "EdgeModel":
        """The model that comes with the package."""
        return cls.of(json.loads(resources.files("goat_ray.graph").joinpath(MODEL).read_text(encoding="utf-8")))

    @classmethod
    def of(cls, content: dict[str, Any]) -> "EdgeModel":
        """A model from its JSON form: ``{"intercept": 0.1, "weights": {feature: weight}}``."""
        weights = [content["weights"][name] for name in FEATURES]
        return cls(np.array(weights), content["intercept"], content_id(content["intercept"], weights))

    def scores(self, features: Floats) -> Floats:
        """Probabilities [n] that a judge accepts, of features [n, len(FEATURES)]; rounded, to be alike everywhere."""
        return np.round(1 / (1 + np.exp(-(features @ self.weights + self.intercept))), 6)


class Scorer:
    """Scores candidates of one corpus; what is known of their ends is kept between calls."""

    def __init__(self, functions: FunctionStore, model: EdgeModel | None = None) -> None:
        self._functions = functions
        self._model = model or EdgeModel.shipped()
        self._fields: dict[tuple[str, str], _Field] = {}
        self._inputs: dict[tuple[str, str], _Input] = {}

    def scores(self, edges: Sequence[CandidateEdge]) -> Floats:
        """Probabilities [n] that a judge accepts these edges."""
        return self._model.scores(self.features(edges))

    def features(self, edges: Sequence[CandidateEdge]) -> Floats:
        """[n, len(FEATURES)], each between -1 and 1."""
        rows = [self._features(edge) for edge in edges]
        return np.array(rows, np.float64).reshape(len(rows), len(FEATURES))

    def _features(self, edge: CandidateEdge) -> tuple[float, ...]:
        field, wanted = self._field(edge.source, edge.field), self._input(edge.target, edge.parameter)
        carries, wants = _phrase(edge.carries), _phrase(edge.wants)
        same = not carries.meanings.isdisjoint(wants.meanings)
        in_path = wanted.parameter.location == "path"
        return (
            edge.similarity,
            same,
            same and (in_path or wants.identifier),
            not carries.attributes.isdisjoint(wants.attributes),
            _overlap(carries.words, wants.words),
            wants.identifier,
            carries.identifier,
            in_path,
            wanted.parameter.required,
            repeats_argument(field.function, edge.field, edge.parameter, edge.wants),
            field.field.type == (wanted.parameter.item_type or wanted.parameter.type),
            field.listed,
            field.function.service == wanted.function.service,
            field.leaf == wanted.leaf,
            _overlap(field.described, wanted.described),
            not field.schema.isdisjoint(wants.words),
            not field.subject.isdisjoint(wants.words),
            bool(wanted.parameter.enum),
        )

    def _field(self, function: str, path: str) -> "_Field":
        found = self._fields.get((function, path))
        if found is None:
            owner = self._functions[function]
            found = self._fields[function, path] = _Field(owner, owner.output(path))
        return found

    def _input(self, function: str, name: str) -> "_Input":
        found = self._inputs.get((function, name))
        if found is None:
            owner = self._functions[function]
            found = self._inputs[function, name] = _Input(owner, owner.parameter(name))
        return found


class _Field:
    """What the features need of an output field."""

    def __init__(self, function: ApiFunction, field: OutputField) -> None:
        self.function, self.field = function, field
        self.leaf = words((jsonpath.names(field.path) or [""])[-1])
        self.listed = "[*]" in field.path
        self.described = _described(field.description)
        self.schema = frozenset(words(field.schema_name))
        self.subject = frozenset(one_of(words((fixed_segments(function) or [function.name])[-1])))


class _Input:
    """What the features need of a parameter."""

    def __init__(self, function: ApiFunction, parameter: Parameter) -> None:
        self.function, self.parameter = function, parameter
        self.leaf = words(parameter.name.rpartition(".")[2])
        self.described = _described(parameter.description)


class _Phrase:
    """A meaning such as "movie id or tv id", taken apart."""

    def __init__(self, text: str) -> None:
        self.meanings = frozenset(alternatives(text))
        self.words = frozenset(word for meaning in self.meanings for word in meaning.split())
        self.attributes = frozenset(meaning.rpartition(" ")[2] for meaning in self.meanings)
        self.identifier = is_identifier(text)


@lru_cache(maxsize=65536)
def _phrase(text: str) -> _Phrase:
    return _Phrase(text)


def _described(text: str) -> frozenset[str]:
    return frozenset(_WORDS.findall(text.lower()))


def _overlap(one: frozenset[str], other: frozenset[str]) -> float:
    """Shared words among all words of both, 0 to 1."""
    shared = len(one & other)
    return shared / (len(one) + len(other) - shared) if shared else 0.0
