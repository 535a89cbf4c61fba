"""The ``goat`` command. Each subcommand takes one YAML file and makes whatever is still missing before it."""

import asyncio
import sys
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from typer.core import TyperGroup

from goat_ray import __version__
from goat_ray.cli_agent import agent_app
from goat_ray.cli_evaluate import evaluate_app
from goat_ray.cli_inspect import inspect_app
from goat_ray.cli_options import Changes, RunDirectory, default_command, plain_errors
from goat_ray.cli_plan import plan
from goat_ray.cli_submit import submit
from goat_ray.cli_train import merge_adapter
from goat_ray.places import Place

if TYPE_CHECKING:
    from goat_ray.pipeline import Part, Road


class _Commands(TyperGroup):
    """Arguments that cannot be used, such as a wrong URL, are told like all that cannot."""

    @plain_errors
    def invoke(self, ctx: Any) -> Any:
        return super().invoke(ctx)


app = typer.Typer(
    name="goat",
    cls=_Commands,
    help="Tool-use training data from API documents, and agents trained on it, on Ray.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)
app.add_typer(inspect_app, name="inspect")
app.add_typer(agent_app, name="agent")
app.add_typer(evaluate_app, name="evaluate")
app.command()(submit)
app.command()(plan)
app.command()(merge_adapter)


graph_app = typer.Typer(
    cls=default_command("build"),
    help="Build the dependency graph, or score it against a hand-made one.\n\nExample: goat graph configs/local.yaml",
    no_args_is_help=True,
    rich_markup_mode=None,
)
app.add_typer(graph_app, name="graph")

Config = Annotated[Path, typer.Argument(help="YAML file, e.g. configs/demo.yaml", metavar="CONFIG")]


class Which(StrEnum):
    """Which of the two models."""

    both = "both"
    retriever = "retriever"
    agent = "agent"


Only = Annotated[Which, typer.Option("--only", help="One of the two models.")]


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
@plain_errors
def run(config: Config, changes: Changes = None) -> None:
    """The whole road: documents, graph, samples, training, scores.

    Example: goat run configs/demo.yaml
    """
    _road(config, changes).perform("run")


@app.command()
@plain_errors
def ingest(config: Config, changes: Changes = None) -> None:
    """Read API documents into functions.

    Example: goat ingest configs/local.yaml
    """
    _road(config, changes).perform("ingest")


@graph_app.command("build")
@plain_errors
def graph(config: Config, changes: Changes = None) -> None:
    """Build the dependency graph: candidates, verification, execution.

    Example: goat graph configs/local.yaml && goat inspect edges runs/local
    """
    _road(config, changes).perform("graph")


@graph_app.command("evaluate")
@plain_errors
def graph_evaluate(
    gold: Annotated[Path, typer.Option("--gold", help="JSON Lines with source, target, param and, optionally, note.")],
    where: Annotated[
        str, typer.Argument(help="YAML file, whose graph is built if it is not there; or a run.", metavar="CONFIG|RUN")
    ] = "configs/local.yaml",
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

    directory = Place.of(where)
    if not directory.is_dir():
        road = _road(Path(where), changes)
        road.perform("graph")
        directory = road.runner.directory
    for line in inspection.graph_scores(directory, gold, ignore, count):
        typer.echo(line)


@app.command()
@plain_errors
def sample(config: Config, changes: Changes = None) -> None:
    """Draw call plans from the graph.

    Example: goat sample configs/local.yaml
    """
    _road(config, changes).perform("sample")


@app.command()
@plain_errors
def synthesize(config: Config, changes: Changes = None) -> None:
    """Execute the plans and write queries and responses: the corpus.

    Example: goat synthesize configs/local.yaml && goat inspect samples runs/local -n 10
    """
    _road(config, changes).perform("synthesize")


@app.command()
@plain_errors
def train(config: Config, changes: Changes = None, only: Only = Which.both) -> None:
    """Fine-tune the retriever and the agent on the corpus.

    Example: goat train configs/demo.yaml --only retriever
    """
    parts: dict[Which, Part] = {Which.both: "train", Which.retriever: "train_retriever", Which.agent: "train_agent"}
    _road(config, changes).perform(parts[only])


@evaluate_app.command("heldout")
@plain_errors
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
    axolotl = "axolotl"
    sharegpt = "sharegpt"
    bfcl = "bfcl"
    goat = "goat"
    huggingface = "huggingface"


@app.command()
@plain_errors
def export(
    run_directory: RunDirectory,
    into: Annotated[Place, typer.Argument(parser=Place.of, help="Folder to write to.", metavar="FOLDER")],
    form: Annotated[Format, typer.Option("--format", "-f", help="What reads it.")] = Format.messages,
    tools: Annotated[int, typer.Option(min=1, help="Tools shown with each sample.")] = 6,
) -> None:
    """Write the samples of a run for other programs: a file for each split.

    What an earlier export in this format left in the folder goes; other files in it stay as they are.

    Example: goat export runs/demo exports/demo --format sharegpt
    """
    from goat_ray import inspection
    from goat_ray.synthesis.exports.formats import FORMATS

    corpus = inspection.corpus_of(run_directory, tools)
    with into.refilled(f".exported-{form.value}") as folder:
        counts = FORMATS[form](corpus, folder)
    for name, count in counts.items():
        typer.echo(f"{into / name}  {count:,} entries")


@app.command("import")
@plain_errors
def import_(
    folder: Annotated[
        Place, typer.Argument(parser=Place.of, help="Folder with corpus.json and datasets.", metavar="FOLDER")
    ],
    run_directory: RunDirectory,
) -> None:
    """Read a corpus of GOAT's published code into a run directory, to look at it or to export it in other forms.

    Example: goat import exports/goat runs/imported && goat inspect corpus runs/imported
    """
    from goat_ray.console import Console
    from goat_ray.corpus import import_corpus
    from goat_ray.runner import Runner
    from goat_ray.synthesis.imports import Published

    import_corpus(Published(folder.fetch()), Runner(run_directory, Console()))


@app.command("fake-server")
@plain_errors
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
