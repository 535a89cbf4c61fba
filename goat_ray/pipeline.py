"""The road: which step follows which, and what each one is given. No logic beyond that."""

from pathlib import Path

from goat_ray.cluster import connect
from goat_ray.config import GoatConfig
from goat_ray.console import Console
from goat_ray.documents.discovery import discover
from goat_ray.documents.ingest import Ingest
from goat_ray.graph.candidates import distinct_texts, find_candidates
from goat_ray.graph.embedding import Embed
from goat_ray.graph.execution import ExecuteEdges
from goat_ray.graph.verification import Verify
from goat_ray.records import (
    ApiFunction,
    CallPlan,
    CandidateEdge,
    Document,
    Edge,
    Embedding,
    Sample,
)
from goat_ray.runner import Runner
from goat_ray.storage import Dataset, FunctionStore
from goat_ray.synthesis.calling import Call
from goat_ray.synthesis.curation import curate
from goat_ray.synthesis.narration import Narrate
from goat_ray.synthesis.sampling import sample_plans
from goat_ray.teacher.build import build_teacher


class Road:
    """One run of the road. Each part first makes what it needs; what is finished is not made again."""

    def __init__(self, config: GoatConfig, console: Console | None = None) -> None:
        self.config = config
        self.console = console or Console()
        self.runner = Runner(Path(config.run.directory).absolute(), self.console)
        self.teacher = build_teacher(config.teacher)

    def ingest(self) -> Dataset[ApiFunction]:
        """Documents to functions."""
        connect(self.config.cluster)
        self.console.heading("Documents")
        found = discover(self.config.documents)
        ids = sorted(document.id for document in found)
        documents = self.runner.gather("documents", Document, lambda: found, settings={"documents": ids})
        return self.runner.bulk(Ingest(self.config.documents), documents, into="functions")

    def graph(self) -> Dataset[Edge]:
        """Functions to verified edges: the funnel of the paper."""
        functions = self.ingest()
        self.console.heading("Dependency graph")
        graph = self.config.graph
        texts = self.runner.gather(
            "texts", Embedding, lambda: distinct_texts(_store(functions)), settings={}, inputs=[functions]
        )
        embeddings = self.runner.bulk(Embed(graph.embedding), texts, into="embeddings")
        facts: dict[str, int] = {}
        candidates = self.runner.gather(
            "candidates",
            CandidateEdge,
            lambda: find_candidates(_store(functions), embeddings.table(["text", "vector"]), graph.candidates, facts),
            settings=graph.candidates.model_dump(mode="json"),
            inputs=[functions, embeddings],
            facts=facts,
        )
        verified = self.runner.bulk(Verify(self.teacher, functions.data), candidates, into="verified")
        if not graph.execute:
            return verified
        return self.runner.bulk(ExecuteEdges(self.config.executor, functions.data), verified, into="edges")

    def sample(self) -> Dataset[CallPlan]:
        """Edges to call plans."""
        edges = self.graph()
        functions = self.runner.finished("functions", ApiFunction)
        self.console.heading("Synthesis")
        sampling = self.config.sampling
        return self.runner.gather(
            "plans",
            CallPlan,
            lambda: sample_plans(_store(functions), edges.records(), sampling),
            settings=sampling.model_dump(mode="json"),
            inputs=[functions, edges],
        )

    def synthesize(self) -> Dataset[Sample]:
        """Plans to executed calls to samples."""
        plans = self.sample()
        functions = self.runner.finished("functions", ApiFunction)
        synthesis = self.config.synthesis
        traces = self.runner.bulk(Call(self.teacher, self.config.executor, functions.data), plans, into="traces")
        narrated = self.runner.bulk(
            Narrate(self.teacher, functions.data, synthesis, traces.fingerprint), traces, into="narrated"
        )
        return self.runner.gather(
            "samples",
            Sample,
            lambda: curate(narrated, synthesis),
            settings=synthesis.model_dump(mode="json"),
            inputs=[narrated],
        )


def _store(functions: Dataset[ApiFunction]) -> FunctionStore:
    return FunctionStore.open(functions.data)
