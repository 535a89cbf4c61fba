"""Run directories as readable text: functions, edges, samples, rejects and the funnel."""

import json
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from functools import cache, wraps
from itertools import islice
from pathlib import Path
from typing import Any, ParamSpec, TypeVar

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from goat_ray.agent.config import PromptConfig
from goat_ray.agent.events import Called, Event, Planned, Retrieved, Thought, Trouble
from goat_ray.agent.prompts import observation
from goat_ray.errors import printable
from goat_ray.graph.embedding import resolve_embedder
from goat_ray.graph.quality import Gold, Quality, grade, report
from goat_ray.places import Place
from goat_ray.records import ApiFunction, CandidateEdge, Edge, ExecutedCall, Lookalikes, Sample
from goat_ray.rows import Record
from goat_ray.storage import MANIFEST, Dataset, FunctionStore, open_dataset, read_book
from goat_ray.synthesis.exports.corpus import Corpus
from goat_ray.synthesis.splits import SplitsConfig

P = ParamSpec("P")
R = TypeVar("R", bound=Record)

ROAD = (
    "documents", "functions", "texts", "embeddings", "neighbours", "candidates", "calibration_sample", "calibration",
    "verified", "edges", "plans_drawn", "plans", "traces", "narrated", "examined", "samples", "examples",
)  # fmt: skip
"""The datasets of a run in the order of the road."""

GRAPH_STAGES = ("candidates", "verified", "edges")


def _printable(lines: Callable[P, Iterator[str]]) -> Callable[P, Iterator[str]]:
    """The lines as a terminal can be given them."""

    @wraps(lines)
    def made(*args: P.args, **kwargs: P.kwargs) -> Iterator[str]:
        return map(printable, lines(*args, **kwargs))

    return made


@_printable
def function_lines(function: ApiFunction) -> Iterator[str]:
    """One function with its parameters and output fields."""
    yield f"{function.title}  [{function.service}]  {function.name}  id {function.id}"
    yield f"  {function.summary or function.description}"
    for parameter in function.parameters:
        needed = "required" if parameter.required else "optional"
        yield f"  in   {parameter.name}: {parameter.type}, {parameter.location}, {needed}. {parameter.description}"[
            :160
        ]
    for field in islice(function.outputs, 12):
        yield f"  out  {field.path}: {field.type}. {field.description}"[:160]
    if len(function.outputs) > 12:
        yield f"  out  … {len(function.outputs) - 12} more"


def edge_line(edge: CandidateEdge, functions: FunctionStore) -> str:
    """One edge on one line."""
    source, target = functions[edge.source], functions[edge.target]
    ends = f"{source.title} {edge.field} -> {target.title} {edge.parameter}"
    execution = f"; {edge.execution}" if isinstance(edge, Edge) and edge.execution else ""
    return printable(f"{ends}  ({edge.carries}, cosine {edge.similarity:.2f}){execution}")


@_printable
def sample_lines(sample: Sample, functions: FunctionStore) -> Iterator[str]:
    """One sample as a person would read it: query, calls with where each argument came from, response."""
    yield f"Query     {sample.query}"
    for number, (call, subquery) in enumerate(zip(sample.calls, sample.subqueries, strict=True), 1):
        yield f"  {number}. {subquery}"
        yield f"     {functions[call.function].title}  {_arguments(call)}  -> {call.status}"
    yield f"Response  {sample.response}"


def _arguments(call: ExecutedCall) -> str:
    parts = []
    for argument in call.arguments:
        value = json.dumps(argument.value, ensure_ascii=False)
        origin = f"call {argument.step + 1} {argument.location}" if argument.step is not None else argument.provenance
        origin += f", {argument.chosen}" if argument.chosen else ""
        parts.append(f"{argument.parameter}={value} (from {origin})")
    return ", ".join(parts)


@_printable
def event_lines(event: Event) -> Iterator[str]:
    """One step of an agent as a person would read it."""
    if isinstance(event, Retrieved | Planned):
        verb = "Retrieved" if isinstance(event, Retrieved) else "Planned"
        yield f"{verb:<10} {', '.join(function.name for function in event.functions) or 'nothing'}"
    elif isinstance(event, Thought):
        yield f"Thought    {event.text}"
    elif isinstance(event, Called):
        yield f"  {event.call.group + 1}. {event.function.title}  {_arguments(event.call)}  -> {event.call.status}"
        yield f"     {observation(event.call.body, PromptConfig(observation_characters=160))}"
    elif isinstance(event, Trouble):
        yield f"Trouble    {event.problem}{'; the model is asked again' if event.again else ''}"
    else:
        yield f"Answer     {event.text or 'none'}"
        yield from (f"Problem    {problem}" for problem in event.problems)
        yield f"           {event.usage.requests} requests, {event.usage.tokens:,} tokens, {event.seconds:.1f} s"


def funnel(run: Place) -> Iterator[dict[str, Any]]:
    """For each finished dataset: name, rows, rejects by reason, facts, seconds. Those of rounds are added up."""
    last = _rounds(run)
    for name in ROAD:
        noun, _, part = name.partition("_")
        numbered = (run / f"{noun}-{number:03d}{'_' * bool(part)}{part}" for number in range(1, last + 1))
        rounds = [manifest for folder in numbered if (manifest := read_book(folder / MANIFEST)) is not None]
        finished = rounds or [manifest for manifest in [read_book(run / name / MANIFEST)] if manifest is not None]
        if finished:
            rejects, facts = (sum((Counter(one[key]) for one in finished), Counter()) for key in ("rejects", "facts"))
            rows, seconds = (sum(one[key] for one in finished) for key in ("rows", "seconds"))
            yield {"name": name, "rows": rows, "rejects": dict(rejects), "facts": dict(facts), "seconds": seconds}


def _rounds(run: Place) -> int:
    """How many rounds the samples were made in, as they say themselves: an earlier run may have left more."""
    rounds: int = (read_book(run / "samples" / MANIFEST) or {}).get("facts", {}).get("rounds", 0)
    return rounds


@_printable
def corpus_lines(run: Place, count: int) -> Iterator[str]:
    """What a run's corpus is like, what was dropped on the way to it, and some samples."""
    corpus = corpus_of(run)
    yield from corpus.report().lines()
    yield from corpus.history
    for sample in spread(corpus, corpus.samples.rows, count):
        yield ""
        yield from sample_lines(sample, corpus.functions)


def history(run: Place) -> Iterator[str]:
    """What each step of the road dropped and why, what it redacted, and the account of a corpus of a wanted size."""
    for stage in funnel(run):
        if stage["rejects"]:
            reasons = ", ".join(f"{count:,} {reason}" for reason, count in stage["rejects"].items())
            yield f"dropped: {stage['name']:<11}{reasons}"
        kinds = {
            kind: count for what, count in stage["facts"].items() if (kind := what.removesuffix(" redacted")) != what
        }
        if kinds:
            yield "redacted            " + ", ".join(f"{count:,} {kind}" for kind, count in sorted(kinds.items()))
        if "asked" in stage["facts"]:
            yield "account             " + ", ".join(f"{what} {count:,}" for what, count in stage["facts"].items())


def count_tokens(text: str) -> int:
    """Tokens by the default embedder's tokenizer, which is there without a network."""
    return len(_tokenizer().encode(text, add_special_tokens=False).ids)


@cache
def _tokenizer() -> Any:
    from tokenizers import Tokenizer

    tokenizer = Tokenizer.from_file(str(Path(resolve_embedder()) / "tokenizer.json"))
    tokenizer.no_truncation()
    tokenizer.no_padding()
    return tokenizer


def _has_graph(run: Place) -> bool:
    return any((run / name / MANIFEST).exists() for name in ("edges", "verified"))


@_printable
def graph_scores(run: Place, gold_file: Path, ignore: Path | None, count: int) -> Iterator[str]:
    """The finished stages of a run's graph against a gold graph, then errors of the last stage.

    Raises ``RunError`` where no stage is finished, ``ConfigError`` for an unusable gold file.
    """
    beside = gold_file.with_name(gold_file.name.replace("_edges", "_ambiguous"))
    if ignore is None and beside != gold_file and beside.exists():
        ignore = beside
    functions = functions_of(run)
    gold, foreign = Gold.read(gold_file, ignore).restricted(functions)
    yield f"gold: {len(gold.edges):,} edges"
    if ignore is not None:
        yield f"left out of the score: {len(gold.ignored):,} edges of {ignore}"
    if foreign:
        yield f"{foreign:,} more gold edges name functions that the documents do not have"
    stages: dict[str, Quality] = {}
    for name in GRAPH_STAGES:
        if (run / name / MANIFEST).exists():
            stages[name] = grade(open_dataset(run / name, CandidateEdge).records(), gold, functions)
    if not stages:
        open_dataset(run / GRAPH_STAGES[0], CandidateEdge)  # raises the error that says what to do
    yield from report(stages)
    last = stages[list(stages)[-1]]
    for label, triples in (("missed", last.missed), ("false", last.false)):
        for triple in triples[:count]:
            yield f"{label:<8}{triple.source} -> {triple.target} {triple.parameter}"
        if len(triples) > count:
            yield f"{label:<8}… {len(triples) - count:,} more"


def edges_of(run: Place) -> Iterator[Edge]:
    """The edges of a run's finished graph, executed where that was asked for; raises ``RunError`` if there are none."""
    yield from graph_of(run).records()


def graph_of(run: Place) -> Dataset[Edge]:
    """The same as a dataset."""
    executed = (run / "edges" / MANIFEST).exists()
    return open_dataset(run / ("edges" if executed else "verified"), Edge)


def functions_of(run: Place) -> FunctionStore:
    """The functions of a run; raises ``RunError`` where they are not there."""
    return FunctionStore.open(open_dataset(run / "functions", ApiFunction).data)


def corpus_of(run: Place, tools: int = 6) -> Corpus:
    """The finished samples of a run; raises ``RunError`` where they are not there."""
    near = open_dataset(run / "lookalikes", Lookalikes).data if (run / "lookalikes" / MANIFEST).exists() else ""
    samples = open_dataset(run / "samples", Sample)
    return Corpus(
        samples,
        functions_of(run),
        tools,
        near,
        _splits(run),
        list(history(run)),
        count_links=lambda: _links(run),
        count_tokens=count_tokens,
    )


def _links(run: Place) -> int:
    """Pairs of a function and one that it feeds, in the run's graph if it has one; by column, eight bytes an edge."""
    if not _has_graph(run):
        return 0
    functions = open_dataset(run / "functions", ApiFunction).batches(["id"])
    ids = pa.chunked_array([batch["id"] for batch in functions], pa.string()).combine_chunks()
    pairs = [np.empty(0, np.int64)]
    for batch in graph_of(run).batches(["source", "target"]):
        source, target = (pc.index_in(batch[name], ids).to_numpy(zero_copy_only=False) for name in batch.schema.names)
        pairs.append(np.unique(source.astype(np.int64) * len(ids) + target))
    return len(np.unique(np.concatenate(pairs)))


def _splits(run: Place) -> SplitsConfig:
    """What the samples were split by, as the step that did it has noted; nothing is unseen in an imported corpus."""
    manifest = read_book(run / ("examined-001" if _rounds(run) else "examined") / MANIFEST)
    return SplitsConfig(**manifest["settings"]["splits"]) if manifest else SplitsConfig()


def spread(records: Iterable[R], rows: int, count: int) -> Iterator[R]:
    """``count`` records spread evenly over a dataset of ``rows``."""
    stride = max(1, rows // max(1, count))
    yield from islice(islice(records, 0, None, stride), count)
