"""What the cascade saves: calls of a language model against F1, beside asking about all above a cosine.

    python -m tests.benchmarks.bench_cascade DOCUMENT EDGES.jsonl AMBIGUOUS.jsonl

The model is the gold itself, a judge without errors behind a real HTTP endpoint. It accepts what the gold names, with
the field that the gold names, and nothing else; ambiguous edges, which the score leaves out, it rejects.
"""

import sys
import tempfile
import time
from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np

from goat_ray.graph.cascade import Cascade, calibrate, choose_sample
from goat_ray.graph.config import CandidatesConfig, CascadeConfig
from goat_ray.graph.quality import Gold, Triple, grade
from goat_ray.graph.scoring import Scorer
from goat_ray.graph.train_edge_model import all_candidates, calibration, read_functions
from goat_ray.graph.verification import Verify
from goat_ray.records import ApiFunction, CandidateEdge, Edge, Reject
from goat_ray.rows import Record
from goat_ray.storage import MANIFEST, Dataset, FunctionStore, write_json, write_records
from goat_ray.teacher.build import build_teacher
from goat_ray.teacher.config import TeacherConfig
from goat_ray.teacher.edges import JudgeEdge
from goat_ray.teacher.fake_server import Body, FakeServer

SETTINGS = [(0.9, 0.9), (0.95, 0.95), (0.98, 0.98)]
SAMPLES = (200, 400)
COSINES = (0.3, 0.5, 0.6, 0.7, 0.8, 0.9)


class Study:
    """A corpus with its gold and a judge that knows it."""

    def __init__(self, document: str, gold: Gold, folder: Path) -> None:
        self.folder = folder
        self.functions = read_functions(document)
        self.gold, _ = gold.restricted(self.functions)
        write_records(folder / "functions", ApiFunction, self.functions)
        self.data = str(folder / "functions" / "outcome=kept")
        self.edges = list(all_candidates(self.functions, CandidatesConfig()))
        self.candidates = dataset(folder / "candidates", CandidateEdge, self.edges)
        ask = Verify(build_teacher(TeacherConfig()), self.data)
        ask.start()
        self.answers = {
            JudgeEdge().messages(ask._question(edge))[-1]["content"]: self.is_gold(edge) for edge in self.edges
        }

    def is_gold(self, edge: CandidateEdge) -> bool:
        fields = self.gold.edges.get(self.triple(edge))
        return fields is not None and (not fields or edge.field.removeprefix("$.").replace("[*]", "[]") in fields)

    def triple(self, edge: CandidateEdge) -> Triple:
        return Triple(self.functions[edge.source].title, self.functions[edge.target].title, edge.parameter)

    def judge(self, body: Body) -> dict[str, object]:
        return {"accept": self.answers[body["messages"][-1]["content"]], "reason": "as the gold has it"}

    def cosine(self, verify: Verify, threshold: float) -> list[Edge | Reject]:
        """The paper's way: ask about every candidate above a threshold."""
        return list(verify.process([edge for edge in self.edges if edge.similarity >= threshold]))

    def cascade(self, verify: Verify, config: CascadeConfig) -> tuple[list[Edge | Reject], Cascade]:
        name = f"{config.precision}-{config.recall}-{config.sample}"
        facts: dict[str, int] = {}
        tables = list(choose_sample(self.candidates, self.functions, config.sample, facts))
        chosen = [CandidateEdge.from_row(row) for table in tables for row in table.to_pylist()]
        sample = dataset(self.folder / f"sample-{name}", CandidateEdge, chosen, facts)
        judged = dataset(self.folder / f"judged-{name}", Edge, verify.process(chosen))
        cascade = Cascade(verify, calibrate(sample, judged, self.functions, config), judged)
        cascade.start()
        return list(cascade.process(self.edges)), cascade


def dataset(
    folder: Path, kind: type[Record], records: Iterable[Record], facts: dict[str, int] | None = None
) -> Dataset:
    """A finished dataset, without a runner."""
    records = list(records)
    write_records(folder, kind, records)
    write_json(folder / MANIFEST, {"facts": facts or {}})
    return Dataset(folder, kind, "", sum(isinstance(one, kind) for one in records), {})


def main(document: str, edges: str, ambiguous: str) -> None:
    with tempfile.TemporaryDirectory() as folder:
        study = Study(document, Gold.read(Path(edges), Path(ambiguous)), Path(folder))
        held_out(study)
        with FakeServer(answers=study.judge) as server:
            config = TeacherConfig(backend="openai", model="gold", base_url=server.base_url)
            verify = Verify(build_teacher(config), study.data)
            verify.start()
            print("| way | calls | precision | recall | F1 |\n|---|---|---|---|---|")
            for threshold in COSINES:
                before = server.count
                row(f"all above cosine {threshold}", before, study.cosine(verify, threshold), study, server)
            for size in SAMPLES:
                for precision, recall in SETTINGS:
                    before = server.count
                    found, cascade = study.cascade(
                        verify, CascadeConfig(precision=precision, recall=recall, sample=size)
                    )
                    low, high = cascade.band
                    name = f"cascade {precision} / {recall}, sample {size}: asks from {low:.4f} to {high:.4f}"
                    row(name, before, found, study, server)


def row(name: str, before: int, found: Sequence[Edge | Reject], study: Study, server: FakeServer) -> None:
    counts = grade([one for one in found if isinstance(one, Edge)], study.gold, study.functions).triples
    calls = server.count - before
    print(f"| {name} | {calls:,} | {counts.precision:.3f} | {counts.recall:.3f} | {counts.f1:.3f} |", flush=True)


def held_out(study: Study) -> None:
    """How well calibrated the shipped model is on a document that it has never seen, and how fast it is."""
    judged = [edge for edge in study.edges if study.triple(edge) not in study.gold.ignored]
    started = time.perf_counter()
    scores = Scorer(FunctionStore.of(study.functions)).scores(judged)
    seconds = time.perf_counter() - started
    print("\n".join(calibration(scores, np.array([study.is_gold(edge) for edge in judged]))))
    print(f"{len(study.edges):,} candidates; {len(judged) / seconds:,.0f} scored a second\n")


if __name__ == "__main__":
    main(*sys.argv[1:4])
