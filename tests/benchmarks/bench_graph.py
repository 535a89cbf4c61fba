"""What each idea of the graph is worth: an ablation against a hand-made gold.

    python -m tests.benchmarks.bench_graph DOCUMENT EDGES.jsonl AMBIGUOUS.jsonl

Rows with a threshold take the one that is best on the gold itself, so they are upper bounds.
"""

import sys
import tempfile
from collections import defaultdict
from collections.abc import Callable, Iterable
from pathlib import Path

import numpy as np

from goat_ray.documents.config import DocumentsConfig
from goat_ray.documents.discovery import discover
from goat_ray.documents.ingest import Ingest
from goat_ray.executors.config import ExecutorConfig
from goat_ray.graph.embedding import load_embedder
from goat_ray.graph.ends import CALLERS_OWN, end_text, fits
from goat_ray.graph.execution import ExecuteEdges
from goat_ray.graph.fields import Meanings
from goat_ray.graph.quality import Counts, Gold, Triple, grade
from goat_ray.graph.verification import Verify
from goat_ray.naming import is_identifier, words
from goat_ray.records import ApiFunction, Edge, OutputField, Parameter
from goat_ray.storage import FunctionStore, write_records
from goat_ray.teacher.rules import RulesTeacher
from tests.world import all_pairs

Text = Callable[[ApiFunction, OutputField], str]
Asked = Callable[[ApiFunction, Parameter], str]


class Ablation:
    """One document with its gold and the cosines that different texts give."""

    def __init__(self, functions: FunctionStore, gold: Gold) -> None:
        self.functions = list(functions)
        self.gold = gold
        self.meanings = Meanings(self.functions)
        self.model = load_embedder()
        self._vectors: dict[str, np.ndarray] = {}

    def cosines(self, carried: Text, asked: Asked, *, typed: bool, own: bool) -> dict[Triple, float]:
        """The best cosine of each (source, target, parameter) over the source's fields."""
        fields = {f.id: [(o, carried(f, o)) for o in f.outputs] for f in self.functions}
        wanted = [
            (t, p, asked(t, p))
            for t in self.functions
            for p in t.parameters
            if own or p.name.lower() not in CALLERS_OWN
        ]
        self._embed([text for found in fields.values() for _, text in found] + [text for _, _, text in wanted])
        best: dict[Triple, float] = defaultdict(lambda: -1.0)
        for source in self.functions:
            if not fields[source.id]:
                continue
            matrix = np.stack([self._vectors[text] for _, text in fields[source.id]])
            for target, parameter, text in wanted:
                if target.id == source.id:
                    continue
                scores = matrix @ self._vectors[text]
                if typed:
                    scores = scores[[fits(field.type, parameter) for field, _ in fields[source.id]]]
                if len(scores):
                    triple = Triple(source.title, target.title, parameter.name)
                    best[triple] = max(best[triple], float(scores.max()))
        return best

    def best(self, cosines: dict[Triple, float], keep: Callable[[Triple], bool] = lambda _: True) -> tuple[Counts, str]:
        """The counts at the threshold with the best F1."""
        judged = {t: score for t, score in cosines.items() if t not in self.gold.ignored and keep(t)}
        ranked = sorted(judged, key=lambda triple: -judged[triple])
        found, right, chosen = Counts(0, 0, len(self.gold.edges)), 0, 1.0
        for rank, triple in enumerate(ranked, 1):
            right += triple in self.gold.edges
            counts = Counts(right, rank - right, len(self.gold.edges) - right)
            if counts.f1 > found.f1:
                found, chosen = counts, judged[triple]
        return found, f"cosine >= {chosen:.2f}"

    def _embed(self, texts: Iterable[str]) -> None:
        new = sorted({text for text in texts if text not in self._vectors})
        if new:
            vectors = self.model.encode(new, normalize_embeddings=True, show_progress_bar=False)
            self._vectors |= dict(zip(new, vectors, strict=True))


def row(name: str, counts: Counts, note: str = "") -> None:
    """Print one line of the table."""
    print(f"| {name} | {counts.precision:.3f} | {counts.recall:.3f} | {counts.f1:.3f} | {note} |")


def main(document: str, edges: str, ambiguous: str) -> None:
    """Print the table."""
    config = DocumentsConfig(paths=[document])
    found = [one for one in Ingest(config).process(discover(config)) if isinstance(one, ApiFunction)]
    with tempfile.TemporaryDirectory() as folder:
        write_records(Path(folder), ApiFunction, found)
        data = str(Path(folder, "outcome=kept"))
        store = FunctionStore.open(data)
        gold, _ = Gold.read(Path(edges), Path(ambiguous)).restricted(store)
        ablate(store, data, gold)


def ablate(store: FunctionStore, data: str, gold: Gold) -> None:
    """One row for each idea, each on top of the ones before."""
    study = Ablation(store, gold)
    meanings = study.meanings

    def whole(function: ApiFunction, _: OutputField) -> str:
        fields = ", ".join(f"{field.path} {field.description}".strip() for field in function.outputs)
        return f"{function.summary} returns {fields}"[:1000]

    def leaf(_: ApiFunction, field: OutputField) -> str:
        return end_text(" ".join(words(field.path)), field.description)

    def carried(function: ApiFunction, field: OutputField) -> str:
        return end_text(meanings.of_field(function, field).phrase, field.description)

    def name(_: ApiFunction, parameter: Parameter) -> str:
        return end_text(" ".join(words(parameter.name)), parameter.description)

    def wanted(function: ApiFunction, parameter: Parameter) -> str:
        return end_text(meanings.of_parameter(function, parameter).phrase, parameter.description)

    print("| method | precision | recall | F1 | |\n|---|---|---|---|---|")
    row("bare cosine of whole outputs (the paper)", *study.best(study.cosines(whole, name, typed=False, own=True)))
    row("field by field, names as written", *study.best(study.cosines(leaf, name, typed=False, own=True)))
    row("+ kinds: what a field carries and a parameter asks for", *study.best(
        study.cosines(carried, wanted, typed=False, own=True)))  # fmt: skip
    row("+ types must fit", *study.best(study.cosines(carried, wanted, typed=True, own=True)))
    ours = study.cosines(carried, wanted, typed=True, own=False)
    row("+ without paging, locale and the like", *study.best(ours))
    asks = {
        (function.title, parameter.name): parameter.location == "path"
        or is_identifier(meanings.of_parameter(function, parameter).phrase)
        for function in store
        for parameter in function.parameters
    }
    row("+ optional parameters only where they ask for an identifier", *study.best(
        ours, lambda triple: asks[triple.target, triple.parameter]))  # fmt: skip
    verify, execute = Verify(RulesTeacher(), data), ExecuteEdges(ExecutorConfig(), data)
    verify.start()
    execute.start()
    verified = [edge for edge in verify.process(all_pairs(store)) if isinstance(edge, Edge)]
    row("kinds compared as words, echoes excluded: the embedded judge", grade(verified, gold, store).triples)
    executed = [edge for edge in execute.process(verified) if isinstance(edge, Edge)]
    row("+ execution", grade(executed, gold, store).triples)


if __name__ == "__main__":
    main(*sys.argv[1:4])
