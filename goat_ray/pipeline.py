"""The road: which step follows which, and what each one is given. No logic beyond that."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Literal

from goat_ray.agent.model import base_of
from goat_ray.cluster import connect, nodes
from goat_ray.config import GoatConfig
from goat_ray.console import Console
from goat_ray.corpus import CorpusMaker
from goat_ray.documents.discovery import discover
from goat_ray.documents.ingest import Ingest
from goat_ray.documents.servers import with_tool_lists
from goat_ray.evaluation.heldout import Predict, held_out
from goat_ray.evaluation.scoring import agent_scores, retrieval_groups, retriever_scores
from goat_ray.executors.build import Outside
from goat_ray.forecast import StepForecast, forecast
from goat_ray.graph.candidates import find_candidates
from goat_ray.graph.cascade import Cascade, calibrate, choose_sample
from goat_ray.graph.embedding import Embed
from goat_ray.graph.ends import distinct_texts
from goat_ray.graph.execution import ExecuteEdges
from goat_ray.graph.fields import VERSION as MEANINGS
from goat_ray.graph.neighbours import find_neighbours
from goat_ray.graph.scoring import EdgeModel
from goat_ray.graph.verification import Verify
from goat_ray.hard_negatives import find_lookalikes
from goat_ray.inspection import sample_lines, spread
from goat_ray.pilot import run_pilot
from goat_ray.places import Place
from goat_ray.plans import PlanSource
from goat_ray.preflight import check_road, teachers_engines
from goat_ray.records import (
    ApiFunction,
    CallPlan,
    CandidateEdge,
    Document,
    Edge,
    Embedding,
    Example,
    Lookalikes,
    Neighbours,
    Prediction,
    RetrievalExample,
    Sample,
    Score,
    Split,
)
from goat_ray.runner import Runner
from goat_ray.shards import search_of
from goat_ray.shared_limits import SharedLimits
from goat_ray.simulation import LlmExecutor
from goat_ray.storage import Dataset, FunctionStore
from goat_ray.teacher.build import build_teacher
from goat_ray.training.examples import FormatExamples
from goat_ray.training.publishing import trained_id
from goat_ray.training.retriever_examples import retrieval_examples

SHOWN_SAMPLES = 3

Part = Literal[
    "run", "ingest", "graph", "sample", "synthesize", "train", "train_retriever", "train_agent", "evaluate",
    "evaluate_retriever", "evaluate_agent",
]  # fmt: skip

Models = tuple[str, str]
"""Folders or hub names of an agent and of its retriever."""


class Road:
    """One run of the road. Each part first makes what it needs; what is finished is not made again."""

    def __init__(self, config: GoatConfig, console: Console | None = None) -> None:
        self.config = config
        self.console = console or Console()
        self.runner = self._runner(Place.of(config.run.directory))
        self.limits = SharedLimits()
        self.teacher = build_teacher(config.teacher, cache=self.runner.directory / "answers")
        player = LlmExecutor(self.teacher) if config.executor.backend == "llm" else None
        self.outside = Outside(self.limits, player)

    def ingest(self) -> Dataset[ApiFunction]:
        """Documents to functions."""
        connect(self.config.cluster)
        if self.config.executor.backend in ("http", "toolbench"):
            self.limits.start()
        self.teacher.check()
        self.console.heading("Documents")
        found = discover(with_tool_lists(self.config.documents, self.runner.directory / "mcp"))
        ids = sorted(document.id for document in found)
        documents = self.runner.gather("documents", Document, lambda: found, settings={"documents": ids})
        return self.runner.bulk(Ingest(self.config.documents), documents, into="functions")

    def candidates(self) -> Dataset[CandidateEdge]:
        """Functions to pairs worth a look: the part of the funnel that asks no teacher."""
        functions = self.ingest()
        self.console.heading("Dependency graph")
        graph = self.config.graph
        texts = self.runner.gather_tables(
            "texts",
            Embedding,
            lambda: distinct_texts(_store(functions)),
            settings={"meanings": MEANINGS},
            inputs=[functions],
        )
        embed = Embed(graph.embedding)
        embeddings = self.runner.bulk(embed, texts, into="embeddings")
        settings = {"embed": embed.settings(), **graph.candidates.decisive()}
        neighbours = self.runner.gather_tables(
            "neighbours",
            Neighbours,
            lambda: find_neighbours(
                embeddings,
                graph.candidates,
                self.runner.directory,
                search_of(self.runner.directory),
                self.runner.earlier("neighbours", Neighbours, settings),
            ),
            settings=settings,
            inputs=[embeddings],
        )
        facts: dict[str, int] = {}
        return self.runner.gather_tables(
            "candidates",
            CandidateEdge,
            lambda: find_candidates(_store(functions), neighbours, graph.candidates, facts),
            settings={"meanings": MEANINGS, "floor": graph.candidates.floor},
            inputs=[functions, neighbours],
            facts=facts,
        )

    def graph(self) -> Dataset[Edge]:
        """Functions to verified edges: the funnel of the paper."""
        candidates = self.candidates()
        functions = self.runner.finished("functions", ApiFunction)
        verified = self.runner.bulk(self._verify(functions, candidates), candidates, into="verified")
        if not self.config.graph.execute:
            self.runner.set_aside("edges")  # an earlier run's
            return verified
        return self.runner.bulk(
            ExecuteEdges(self.config.executor, functions.data, str(verified.folder), outside=self.outside),
            verified,
            into="edges",
        )

    def _verify(self, functions: Dataset[ApiFunction], candidates: Dataset[CandidateEdge]) -> Verify:
        """The judge of candidates; where a cascade is configured, behind one that is calibrated on a sample first."""
        config = self.config.graph.verification
        verify = Verify(self.teacher, functions.data, config)
        cascade = config.cascade
        if cascade is None:
            return verify
        facts: dict[str, int] = {}
        sample = self.runner.gather_tables(
            "calibration_sample",
            CandidateEdge,
            lambda: choose_sample(candidates, _store(functions), cascade.sample, facts),
            settings={"model": EdgeModel.shipped().id, "size": cascade.sample},
            inputs=[functions, candidates],
            facts=facts,
        )
        judged = self.runner.bulk(verify, sample, into="calibration")
        band = calibrate(sample, judged, _store(functions), cascade)
        self.console.note(f"  the cascade asks about scores from {band.low:.4f} to {band.high:.4f}")
        return Cascade(verify, band, judged)

    def sample(self) -> Dataset[CallPlan]:
        """Edges to call plans."""
        return self._plan_source().plans()

    def _plan_source(self) -> PlanSource:
        edges = self.graph()
        functions = self.runner.finished("functions", ApiFunction)
        self.console.heading("Synthesis")
        return PlanSource(self.runner, functions, edges, self.config.sampling)

    def synthesize(self) -> Dataset[Sample]:
        """Plans to executed calls to samples, as many as are asked for."""
        source = self._plan_source()
        self._lookalikes()  # for trainings and exports; before the rounds, whose memory would add to the embedder's
        config = self.config
        return CorpusMaker(
            self.runner,
            self.teacher,
            self.outside,
            source,
            executor=config.executor,
            synthesis=config.synthesis,
            embedder=config.graph.embedding.model,
        ).samples()

    def train_retriever(self) -> Place:
        """Samples to a fine-tuned retriever; returns its folder."""
        # Here and below: torch and transformers take seconds to load, and most commands need neither.
        from goat_ray.training.retriever import train_retriever

        samples = self.synthesize()
        self.teacher.release()  # its GPUs are needed now
        functions = self.runner.finished("functions", ApiFunction)
        self.console.heading("Retriever")
        training, parts = self.config.training.retriever, self.config.agent.document
        near = self._lookalikes()
        examples = self.runner.gather(
            "retrieval_examples",
            RetrievalExample,
            lambda: retrieval_examples(samples, _store(functions), near, training.hard_negatives, parts),
            settings=[training.hard_negatives.model_dump(), list(parts)],
            inputs=[samples, near],
        )
        folder = self.runner.directory / "retriever"
        report = train_retriever(
            examples.data, str(folder), training, storage=self._checkpoints, name="retriever", say=self.console.note
        )
        self.console.trained("retriever", folder, report)
        return folder

    def train_agent(self) -> Place:
        """Samples to a fine-tuned agent; returns its folder."""
        from goat_ray.training.agent import train_agent

        samples = self.synthesize()
        self.teacher.release()
        functions = self.runner.finished("functions", ApiFunction)
        training = self.config.training
        self.console.heading("Agent")
        splits = self.config.synthesis.splits
        step = FormatExamples(functions.data, training.examples, self.config.agent, self._lookalikes(), splits)
        examples = self.runner.bulk(step, samples, into="examples")
        folder = self.runner.directory / "agent"
        report = train_agent(
            examples.data, str(folder), training.agent, storage=self._checkpoints, name="agent", say=self.console.note
        )
        self.console.trained("agent", folder, report)
        return folder

    def train(self) -> None:
        """Both."""
        with self.console.quietly_again():
            self.train_retriever()
            self.train_agent()

    def evaluate_retriever(self) -> None:
        """Retrieval before and after training, on held-out samples and on the configured queries."""
        self.console.scores(self._score_retriever())

    def evaluate_agent(self) -> None:
        """SA, IA and CP before and after training, on held-out samples."""
        with self.console.quietly_again():
            self.console.scores(self._score_agent())

    def evaluate(self) -> None:
        """Both."""
        with self.console.quietly_again():
            recall = self._score_retriever()
            self.console.scores([*self._score_agent(), *recall])

    def _score_retriever(self) -> list[Score]:
        retriever = self.train_retriever()
        splits, config, parts = self.config.synthesis.splits, self.config.evaluation, self.config.agent.document
        heldout = self._heldout()
        unseen = self._heldout("unseen") if splits.unseen_functions else None
        store = _store(self.runner.finished("functions", ApiFunction))
        models = {"untuned": self.config.training.retriever.base_model, "tuned": str(retriever)}
        scores = self.runner.gather(
            "retrieval_scores",
            Score,
            lambda: retriever_scores(
                models, retrieval_groups(heldout, unseen, store, config, splits), store, config.recall_at, parts
            ),
            settings=[config.model_dump(mode="json"), [trained_id(model) for model in models.values()], list(parts)],
            inputs=[heldout, *([unseen] if unseen else [])],
        )
        return list(scores.records())

    def contenders(self) -> dict[str, Models]:
        """Models before and after training, by what the scores call them."""
        from goat_ray.training.agent import base_model

        retriever, agent = str(self.train_retriever()), str(self.train_agent())
        examples = self.runner.finished("examples", Example)
        base = base_model(examples.data, agent, self.config.training.agent)
        return {"untuned": (base, self.config.training.retriever.base_model), "tuned": (agent, retriever)}

    def predictions(
        self, contenders: Mapping[str, Models], queries: Dataset[Sample], into: str
    ) -> dict[str, Dataset[Prediction]]:
        """What agents, each with its retriever, do with queries; engines serve all that differ in an adapter only."""
        functions = self.runner.finished("functions", ApiFunction)
        adapters = {base_of(agent): agent for agent, _ in contenders.values() if base_of(agent) != agent}
        steps = {run: self._predict(models, functions, adapters) for run, models in contenders.items()}
        found = {}
        try:
            for run, following in zip(steps, [*list(steps)[1:], None], strict=True):
                found[run] = self.runner.bulk(steps[run], queries, into=f"{into}_{run}")
                if following and not steps[run].shares_engines(steps[following]):
                    steps[run].release()  # the next may need their place
        finally:
            for step in steps.values():
                step.release()
        return found

    def _score_agent(self) -> list[Score]:
        contenders = self.contenders()
        self.console.heading("Evaluation")
        heldout = self._heldout()
        predictions = self.predictions(contenders, heldout, into="predictions")
        scores = self.runner.gather(
            "scores", Score, lambda: agent_scores(predictions, heldout), settings={}, inputs=[*predictions.values()]
        )
        return list(scores.records())

    def forecast(self, size: int) -> list[StepForecast]:
        """What the teacher's steps will take, from a pilot of so many candidates and plans in ``pilot/``."""
        candidates = self.candidates()
        functions = self.runner.finished("functions", ApiFunction)
        self.console.heading("Pilot")
        pilot = self._runner(self.runner.directory / "pilot")
        return run_pilot(pilot, self.config, self.teacher, self.outside, functions, candidates, size)

    def run(self) -> None:
        """Everything, then a summary of where it lies."""
        self.evaluate()
        self.console.heading("Samples")
        samples = self.runner.finished("samples", Sample)
        store = _store(self.runner.finished("functions", ApiFunction))
        for sample in spread(samples.records(), samples.rows, SHOWN_SAMPLES):
            self.console.note("\n  ".join(sample_lines(sample, store)) + "\n")
        self.console.summary(self.runner.directory)

    def perform(self, part: Part, begin: Callable[[], None] = lambda: None) -> None:
        """One part by name; ``begin`` is called first, once the run directory is held."""
        with self.at_work(part, begin=begin):
            getattr(self, part)()

    @contextmanager
    def at_work(self, *parts: Part, begin: Callable[[], None] = lambda: None) -> Iterator[None]:
        """Alone in the run directory, on the cluster; the teacher's engines end with the work, however it ends.

        Raises ``ConfigError`` at once where a stage of the parts has no room, or could not do what it is for.
        """
        with self.runner.exclusive():
            try:
                begin()
                connect(self.config.cluster)
                for part in parts:
                    check_road(self.config, part, nodes())
                yield
            finally:
                self.teacher.release()

    def plan(self, size: int) -> Iterator[str]:
        """The forecast as text, alone in the run directory."""
        with self.at_work():
            yield from forecast(self.forecast(size), self.config.teacher, nodes())

    def _runner(self, directory: Place) -> Runner:
        return Runner(directory, self.console, self.config.cluster, lambda: teachers_engines(self.config, nodes()))

    def _lookalikes(self) -> Dataset[Lookalikes]:
        functions = self.runner.finished("functions", ApiFunction)
        edges = self.runner.finished("edges" if self.config.graph.execute else "verified", Edge)
        return find_lookalikes(self.runner, functions, edges, self.config.graph, self.config.agent.document)

    def _heldout(self, split: Split = "test") -> Dataset[Sample]:
        samples = self.runner.finished("samples", Sample)
        count = self.config.evaluation.samples
        return self.runner.gather(
            "heldout" if split == "test" else f"heldout_{split}",
            Sample,
            lambda: held_out(samples, count, split),
            settings={"samples": count},
            inputs=[samples],
        )

    def _predict(self, models: Models, functions: Dataset[ApiFunction], adapters: Mapping[str, str]) -> Predict:
        model, retriever = models
        return Predict(
            model,
            retriever,
            functions.data,
            self.config.executor,
            self.config.agent,
            self.config.evaluation,
            fingerprints=[trained_id(model), trained_id(retriever), functions.fingerprint],
            outside=self.outside,
            adapter=adapters.get(model, ""),
        )

    @property
    def _checkpoints(self) -> str:
        return str(self.runner.directory / "checkpoints")


def _store(functions: Dataset[ApiFunction]) -> FunctionStore:
    return FunctionStore.open(functions.data)
