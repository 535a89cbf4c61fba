"""Contenders on public benchmarks: who solves the tasks, who judges, and where the results go."""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from goat_ray.agent.retrieval import Retriever
from goat_ray.errors import ConfigError
from goat_ray.evaluation.apibank import CALL, apibank, check_calls
from goat_ray.evaluation.baseline import GraphPlanner
from goat_ray.evaluation.benchmark import Benchmark, MadeCall, Solution
from goat_ray.evaluation.benchmark_scores import Verdicts, score
from goat_ray.evaluation.goatbench import goatbench
from goat_ray.evaluation.judging import judge
from goat_ray.evaluation.predictions import read_predictions
from goat_ray.evaluation.restbench import restbench
from goat_ray.evaluation.results import Result, as_predictions
from goat_ray.executors.build import build_executor
from goat_ray.executors.python.executor import PythonExecutor
from goat_ray.identity import content_id
from goat_ray.pipeline import Models, Part, Road
from goat_ray.places import Place, Where
from goat_ray.records import ApiFunction, Sample
from goat_ray.storage import FunctionStore

BENCHMARKS: dict[str, Callable[[Path, Sequence[ApiFunction]], Benchmark]] = {
    "restbench": restbench,
    "apibank": apibank,
    "goatbench": goatbench,
}
PLANNERS = ("graph", "graph-tuned")
AGENTS = ("untuned", "tuned", "endpoint")
NEEDED: dict[str, Part] = {
    "graph": "graph",
    "graph-tuned": "train_retriever",
    "untuned": "evaluate_agent",
    "tuned": "evaluate_agent",
}
"""The part of the road that a contender needs all stages of; others need the documents alone."""


@dataclass
class Benchmarking:
    """One benchmark, for all contenders.

    A contender is a planner without a language model ("graph" with the untuned retriever, "graph-tuned"), the road's
    agent ("untuned", "tuned"), the model at ``agent.endpoint`` in its place ("endpoint", with the untuned retriever),
    or a file of predictions. Only files can be scored without a road.
    """

    road: Road | None
    benchmark: Benchmark
    functions: Sequence[ApiFunction]
    agents: Sequence[str]  # of the contenders; what they do is found out together, so that engines start once
    remarks: list[str] = field(default_factory=list)  # on the contender at hand

    @classmethod
    def open(cls, name: str, root: Path, road: Road | None, contenders: Sequence[str]) -> "Benchmarking":
        """Read the benchmark's files, and the functions of the road's documents; raises ``ConfigError``."""
        if "endpoint" in contenders and road is not None and road.config.agent.endpoint is None:
            raise ConfigError(
                "the contender 'endpoint' is the model at agent.endpoint, and none is set",
                place="agent.endpoint",
                remedy="Set it: --set 'agent.endpoint={model: NAME, base_url: http://HOST:PORT/v1}'",
            )
        functions = list(FunctionStore.open(road.ingest().data)) if road is not None else []
        agents = [contender for contender in contenders if contender in AGENTS]
        return cls(road, BENCHMARKS[name](root, functions), functions, agents)

    def evaluate(self, contender: str, into: Where) -> tuple[Result, Place]:
        """The result of a contender, and the folder below ``into`` that it is written to."""
        self.remarks = []
        run, file = named(contender)
        solutions = self._given(file) if file is not None else self._own(run)
        planned = file is None and run in PLANNERS  # a file may be called like a planner
        verdicts = self._verdicts(run, solutions, planned, given=file is not None)
        checks = self._checks(run, solutions, planned)
        result = score(self.benchmark, run, solutions, verdicts, checks, self.remarks)
        folder = Place.of(into) / self.benchmark.name / run
        result.write(folder, list(as_predictions(self.benchmark, solutions)))
        return result, folder

    def _given(self, file: Path) -> dict[str, Solution]:
        solutions, remarks = read_predictions(file, self.benchmark)
        self.remarks += remarks
        return solutions

    def _own(self, run: str) -> dict[str, Solution]:
        if self.road is None:
            raise ConfigError(
                f"the contender {run!r} needs documents, a graph or models",
                remedy="Give a configuration: goat evaluate BENCH CONFIG --root FOLDER",
            )
        return self._planned(self.road, run) if run in PLANNERS else self._answered(self.road, run)

    def _planned(self, road: Road, contender: str) -> dict[str, Solution]:
        edges = road.graph()
        tuned = contender == "graph-tuned"
        model = str(road.train_retriever()) if tuned else road.config.training.retriever.base_model
        retriever = Retriever(self.functions, model, parts=road.config.agent.document)
        planner = GraphPlanner(self.functions, edges.records(), retriever)
        solutions = {}
        for task in self.benchmark.tasks:
            began = time.perf_counter()
            (plan,) = planner.plan([task.query])
            names = tuple(self.benchmark.names[function.id] for function in plan)
            seconds = time.perf_counter() - began
            solutions[task.id] = Solution(tuple(map(MadeCall, names)), planned=names, seconds=seconds)
        return solutions

    def _answered(self, road: Road, contender: str) -> dict[str, Solution]:
        models = self._served(road) if contender == "endpoint" else road.contenders()
        samples = self.benchmark.samples()
        queries = road.runner.gather(
            f"queries_{self.benchmark.name}",
            Sample,
            lambda: samples,
            settings=content_id([sample.id for sample in samples]),
        )
        agents = {agent: models[agent] for agent in dict.fromkeys([*self.agents, contender])}
        made = road.predictions(agents, queries, into=f"predictions_{self.benchmark.name}")
        solutions = {one.id: self.benchmark.solution(one) for one in made[contender].records()}
        lost = Solution(planned=() if road.config.agent.mode == "plan" else None, problems=("rejected",))
        return {sample.id: solutions.get(sample.id, lost) for sample in samples}

    def _served(self, road: Road) -> dict[str, Models]:
        endpoint = road.config.agent.endpoint
        assert endpoint is not None, "open() has looked"
        self.remarks.append(f"endpoint is {endpoint.model} at {endpoint.base_url}, with the untuned retriever")
        return {"endpoint": ("", road.config.training.retriever.base_model)}

    def _verdicts(self, run: str, solutions: dict[str, Solution], planned: bool, given: bool) -> Verdicts:
        judged = [task for task in self.benchmark.tasks if "SR" in task.measures]
        if not judged:
            return {}
        if planned:
            self.remarks.append(f"SR is not taken for {run}: its plan has no response to judge")
            return {}
        if given and not any(solutions[task.id].response.strip() for task in judged):
            self.remarks.append(f"SR is not taken for {run}: none of its predictions has a response to judge")
            return {}
        if self.road is None or self.road.config.teacher.backend == "rules":
            self.remarks.append("SR is not taken: it needs a configuration whose teacher is a language model")
            return {}
        teacher = self.road.teacher
        try:
            teacher.prepare()
            teacher.start()
            return judge(teacher, self.benchmark, solutions)
        finally:
            teacher.release()

    def _checks(self, run: str, solutions: dict[str, Solution], planned: bool) -> dict[str, float]:
        if not any(task.measures == CALL for task in self.benchmark.tasks):
            return {}
        if planned:
            self.remarks.append(f"correctness is not taken for {run}: the calls of its plan have no arguments")
            return {}
        config = self.road.config.executor if self.road is not None else None
        if config is None or config.backend != "python":
            self.remarks.append("correctness is not taken: it needs executor.backend 'python' on API-Bank's own tools")
            return {}
        executor = build_executor(config, self.functions)
        assert isinstance(executor, PythonExecutor)
        try:
            checks, remarks = check_calls(self.benchmark, solutions, self.functions, executor)
        finally:
            executor.shutdown()
        self.remarks += remarks
        return checks


def parts_of(contenders: Sequence[str]) -> list[Part]:
    """The parts of the road that contenders need."""
    return list(dict.fromkeys(NEEDED.get(contender, "ingest") for contender in contenders))


def named(contender: str) -> tuple[str, Path | None]:
    """(name of the run, file of predictions): ``graph``, ``predictions.json`` or ``gpt=predictions.json``."""
    if contender in (*PLANNERS, *AGENTS):
        return contender, None
    name, equals, file = contender.partition("=")
    return (name, Path(file)) if equals else (Path(contender).stem, Path(contender))
