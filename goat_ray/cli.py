"""The ``goat`` command. Each subcommand takes one YAML file and makes whatever is still missing before it."""

import asyncio
import sys
from collections.abc import Callable
from enum import StrEnum
from functools import wraps
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, ParamSpec, TypeVar

import typer
from typer.core import TyperGroup

from goat_ray import __version__
from goat_ray.errors import GoatError

if TYPE_CHECKING:
    from goat_ray.pipeline import Part, Road

P = ParamSpec("P")
T = TypeVar("T")

app = typer.Typer(
    name="goat",
    help="Tool-use training data from API documents, and agents trained on it, on Ray.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)
inspect_app = typer.Typer(
    help="Look at what a run holds, as readable text.", no_args_is_help=True, rich_markup_mode=None
)
app.add_typer(inspect_app, name="inspect")


class _BuildByDefault(TyperGroup):
    """``goat graph CONFIG`` is short for ``goat graph build CONFIG``."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        known = [*self.commands, "--help"]
        return super().parse_args(ctx, ["build", *args] if args and args[0] not in known else args)


graph_app = typer.Typer(
    cls=_BuildByDefault,
    help="Build the dependency graph, or score it against a hand-made one.\n\nExample: goat graph configs/local.yaml",
    no_args_is_help=True,
    rich_markup_mode=None,
)
app.add_typer(graph_app, name="graph")

Config = Annotated[Path, typer.Argument(help="YAML file, e.g. configs/demo.yaml", metavar="CONFIG")]
Changes = Annotated[
    list[str] | None, typer.Option("--set", metavar="KEY=VALUE", help="Change one setting, e.g. sampling.plans=100.")
]
RunDirectory = Annotated[Path, typer.Argument(help="Run directory, e.g. runs/demo", metavar="RUN")]


class Which(StrEnum):
    """Which of the two models."""

    both = "both"
    retriever = "retriever"
    agent = "agent"


Only = Annotated[Which, typer.Option("--only", help="One of the two models.")]
Count = Annotated[int, typer.Option("--count", "-n", min=1, help="How many to show.")]


def _plain_errors(command: Callable[P, T]) -> Callable[P, T]:
    """Errors meant for the user are one line on stderr and exit status 1; others are bugs and keep their trace."""

    @wraps(command)
    def run(*args: P.args, **kwargs: P.kwargs) -> T:
        try:
            return command(*args, **kwargs)
        except GoatError as error:
            typer.echo(f"goat: {error}", err=True)
            raise typer.Exit(1) from None
        except KeyboardInterrupt:
            typer.echo("goat: interrupted; run the same command again to go on", err=True)
            raise typer.Exit(130) from None

    return run


def _version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"goat-ray {__version__}")
        raise typer.Exit


@app.callback()
def _main(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version.")
    ] = False,
) -> None:
    pass


@app.command()
@_plain_errors
def run(config: Config, changes: Changes = None) -> None:
    """The whole road: documents, graph, samples, training, scores.

    Example: goat run configs/demo.yaml
    """
    _road(config, changes).perform("run")


@app.command()
@_plain_errors
def ingest(config: Config, changes: Changes = None) -> None:
    """Read API documents into functions.

    Example: goat ingest configs/local.yaml
    """
    _road(config, changes).perform("ingest")


@graph_app.command("build")
@_plain_errors
def graph(config: Config, changes: Changes = None) -> None:
    """Build the dependency graph: candidates, verification, execution.

    Example: goat graph configs/local.yaml && goat inspect edges runs/local
    """
    _road(config, changes).perform("graph")


@graph_app.command("evaluate")
@_plain_errors
def graph_evaluate(
    gold: Annotated[Path, typer.Option("--gold", help="JSON Lines with source, target, param and, optionally, note.")],
    where: Annotated[
        Path, typer.Argument(help="YAML file, whose graph is built if it is not there; or a run.", metavar="CONFIG|RUN")
    ] = Path("configs/local.yaml"),
    ignore: Annotated[
        Path | None,
        typer.Option("--ignore", help="Edges to leave out. Default: X_ambiguous.jsonl beside a gold X_edges.jsonl."),
    ] = None,
    changes: Changes = None,
    count: Annotated[int, typer.Option("--count", "-n", min=0, help="How many errors of each sort to list.")] = 20,
) -> None:
    """Precision, recall and F1 after each stage of the funnel; then misses and false edges of the last.

    Example: goat graph evaluate configs/local.yaml --gold tmdb_edges.jsonl --set 'documents.paths=[tmdb_oas.json]'
    """
    from goat_ray import inspection

    directory = where
    if not where.is_dir():
        road = _road(where, changes)
        road.perform("graph")
        directory = road.runner.directory
    for line in inspection.graph_scores(directory, gold, ignore, count):
        typer.echo(line)


@app.command()
@_plain_errors
def plan(config: Config, changes: Changes = None, size: Annotated[int, typer.Option("--pilot", min=1)] = 100) -> None:
    """What a run will ask of its teacher: requests, tokens, hours, money, extrapolated from a pilot.

    Example: goat plan configs/local.yaml --pilot 200
    """
    for line in _road(config, changes).plan(size):
        typer.echo(line)


@app.command()
@_plain_errors
def sample(config: Config, changes: Changes = None) -> None:
    """Draw call plans from the graph.

    Example: goat sample configs/local.yaml
    """
    _road(config, changes).perform("sample")


@app.command()
@_plain_errors
def synthesize(config: Config, changes: Changes = None) -> None:
    """Execute the plans and write queries and responses: the corpus.

    Example: goat synthesize configs/local.yaml && goat inspect samples runs/local -n 10
    """
    _road(config, changes).perform("synthesize")


@app.command()
@_plain_errors
def train(config: Config, changes: Changes = None, only: Only = Which.both) -> None:
    """Fine-tune the retriever and the agent on the corpus.

    Example: goat train configs/demo.yaml --only retriever
    """
    parts: dict[Which, Part] = {Which.both: "train", Which.retriever: "train_retriever", Which.agent: "train_agent"}
    _road(config, changes).perform(parts[only])


@app.command()
@_plain_errors
def evaluate(config: Config, changes: Changes = None, only: Only = Which.both) -> None:
    """Score retriever and agent on held-out samples, before and after training.

    Example: goat evaluate configs/demo.yaml
    """
    parts: dict[Which, Part] = {
        Which.both: "evaluate",
        Which.retriever: "evaluate_retriever",
        Which.agent: "evaluate_agent",
    }
    _road(config, changes).perform(parts[only])


class Format(StrEnum):
    """How a corpus may be written."""

    openai = "openai"
    messages = "messages"
    sharegpt = "sharegpt"
    bfcl = "bfcl"
    goat = "goat"
    huggingface = "huggingface"


@app.command()
@_plain_errors
def export(
    run_directory: RunDirectory,
    into: Annotated[Path, typer.Argument(help="Folder to write to.", metavar="FOLDER")],
    form: Annotated[Format, typer.Option("--format", "-f", help="What reads it.")] = Format.messages,
    tools: Annotated[int, typer.Option(min=1, help="Tools shown with each sample.")] = 6,
) -> None:
    """Write the samples of a run for other programs: a file for each split.

    Example: goat export runs/demo exports/demo --format sharegpt
    """
    from goat_ray import inspection
    from goat_ray.synthesis.exports.formats import FORMATS

    corpus = inspection.corpus_of(run_directory, tools)
    for name, count in FORMATS[form](corpus, into).items():
        typer.echo(f"{into / name}  {count:,} entries")


@inspect_app.command("corpus")
@_plain_errors
def inspect_corpus(run_directory: RunDirectory) -> None:
    """Sizes, shapes, coverage and variety of the samples.

    Example: goat inspect corpus runs/demo
    """
    from goat_ray import inspection
    from goat_ray.synthesis.report import CorpusReport

    corpus = inspection.corpus_of(run_directory)
    for line in CorpusReport.of(corpus, corpus.functions).lines():
        typer.echo(line)


@inspect_app.command("functions")
@_plain_errors
def inspect_functions(run_directory: RunDirectory, count: Count = 5) -> None:
    """Functions with parameters and output fields.

    Example: goat inspect functions runs/demo -n 3
    """
    from goat_ray import inspection

    store = inspection.functions_of(run_directory)
    for function in inspection.spread(store, len(store), count):
        typer.echo("\n".join(inspection.function_lines(function)) + "\n")


@inspect_app.command("edges")
@_plain_errors
def inspect_edges(run_directory: RunDirectory, count: Count = 20) -> None:
    """Verified edges, one a line.

    Example: goat inspect edges runs/demo -n 50
    """
    from goat_ray import inspection
    from goat_ray.records import Edge
    from goat_ray.storage import open_dataset

    store = inspection.functions_of(run_directory)
    edges = open_dataset(run_directory / "edges", Edge)
    for edge in inspection.spread(edges.records(), edges.rows, count):
        typer.echo(inspection.edge_line(edge, store))


@inspect_app.command("graph")
@_plain_errors
def inspect_graph(
    run_directory: RunDirectory,
    graphml: Annotated[
        Path | None, typer.Option("--graphml", help="Also write the graph to this GraphML file.")
    ] = None,
    edgelist: Annotated[
        Path | None,
        typer.Option("--edgelist", help="Also write a weighted edge list, its weight the parameter's index."),
    ] = None,
) -> None:
    """The graph's size, components, degrees, hubs and chains.

    Example: goat inspect graph runs/demo --graphml demo.graphml
    """
    from goat_ray import inspection
    from goat_ray.graph import statistics

    functions, edges = inspection.functions_of(run_directory), list(inspection.edges_of(run_directory))
    for line in statistics.describe(functions, edges):
        typer.echo(line)
    if graphml is not None:
        statistics.write_graphml(graphml, functions, edges)
    if edgelist is not None:
        statistics.write_edgelist(edgelist, functions, edges)


@inspect_app.command("samples")
@_plain_errors
def inspect_samples(run_directory: RunDirectory, count: Count = 5) -> None:
    """Samples: query, calls with the origin of each argument, response.

    Example: goat inspect samples runs/demo -n 10
    """
    from goat_ray import inspection
    from goat_ray.records import Sample
    from goat_ray.storage import open_dataset

    store = inspection.functions_of(run_directory)
    samples = open_dataset(run_directory / "samples", Sample)
    for found in inspection.spread(samples.records(), samples.rows, count):
        typer.echo("\n".join(inspection.sample_lines(found, store)) + "\n")


@inspect_app.command("rejects")
@_plain_errors
def inspect_rejects(
    run_directory: RunDirectory,
    dataset: Annotated[str, typer.Argument(help="One of the run's datasets, e.g. edges or narrated")],
    count: Count = 20,
) -> None:
    """What a step dropped, and why.

    Example: goat inspect rejects runs/demo verified
    """
    from goat_ray.records import Record
    from goat_ray.storage import open_dataset

    for reject in open_dataset(run_directory / dataset, Record).rejected(count):
        typer.echo(f"{reject.reason:<20} {reject.detail or reject.id}")


@inspect_app.command("funnel")
@_plain_errors
def inspect_funnel(run_directory: RunDirectory) -> None:
    """Rows kept and dropped at each step of a run.

    Example: goat inspect funnel runs/demo
    """
    from goat_ray import inspection

    for stage in inspection.funnel(run_directory):
        counts = {**stage["facts"], **stage["rejects"]}
        detail = ", ".join(f"{count:,} {reason}" for reason, count in counts.items())
        typer.echo(f"{stage['name']:<12}{stage['rows']:>10,} kept  {detail}")


@app.command("fake-server")
@_plain_errors
def fake_server(
    port: Annotated[int, typer.Option(min=0, max=65535, help="0 takes a free one.")] = 8000,
    latency: Annotated[float, typer.Option(min=0, help="Seconds before each reply.")] = 0.0,
    jitter: Annotated[float, typer.Option(min=0, help="At most so many seconds more, at random.")] = 0.0,
    error: Annotated[
        list[str] | None, typer.Option(metavar="STATUS=SHARE", help="Share of failing requests, e.g. 500=0.3.")
    ] = None,
    busy: Annotated[str, typer.Option(metavar="FROM-UNTIL", help="Seconds of nothing but 429, e.g. 5-15.")] = "",
    busy_every: Annotated[int, typer.Option(min=0, help="429 for each so manieth request.")] = 0,
    malformed: Annotated[float, typer.Option(min=0, max=1, help="Share of answers with broken JSON.")] = 0.0,
    dropped: Annotated[float, typer.Option(min=0, max=1, help="Share of connections that are dropped.")] = 0.0,
    answers: Annotated[Path | None, typer.Option(help="JSON file: schema name to answer.")] = None,
    seed: Annotated[int, typer.Option(help="Of all that is random.")] = 0,
) -> None:
    """An OpenAI-compatible server without a model, with faults at will, to try pipelines on.

    Example: goat fake-server --port 8000 --latency 0.05 --error 500=0.1 --busy 5-15
    """
    from goat_ray.teacher.fake_server import scripted

    server = scripted(error or [], busy, answers, port=port, latency_s=latency, jitter_s=jitter, busy_every=busy_every,
                      malformed_share=malformed, dropped=dropped, seed=seed, keep=False)  # fmt: skip
    asyncio.run(server.serve(lambda url: typer.echo(f"serving {url}")))


def _road(config: Path, changes: list[str] | None) -> "Road":
    # Ray and torch take seconds to import; --help and configuration errors should not wait for them.
    from goat_ray.config import load_config

    loaded = load_config(config, changes or [])
    from goat_ray.pipeline import Road

    return Road(loaded)


if __name__ == "__main__":
    sys.exit(app())
