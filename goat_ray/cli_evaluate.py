"""``goat evaluate``: public benchmarks, and runs side by side."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from goat_ray.cli_options import Changes, default_command, plain_errors
from goat_ray.errors import ConfigError, printable
from goat_ray.places import Place

if TYPE_CHECKING:
    from goat_ray.benchmarking import Benchmarking

SHOWN_REMARKS = 20

evaluate_app = typer.Typer(
    cls=default_command("heldout"),
    help="Score retriever and agent on held-out samples, or contenders on a public benchmark.\n\n"
    "Example: goat evaluate configs/demo.yaml",
    no_args_is_help=True,
    rich_markup_mode=None,
)

Config = Annotated[
    Path | None, typer.Argument(help="YAML file; not needed to score predictions files.", metavar="[CONFIG]")
]
Root = Annotated[
    Place,
    typer.Option("--root", parser=Place.of, help="The benchmark's official files: a folder, or one file of it."),
]
Contenders = Annotated[
    list[str] | None,
    typer.Option(
        "--contender",
        "-c",
        metavar="NAME|[NAME=]FILE",
        help="graph or graph-tuned (the plan of graph and retriever, no language model), untuned or tuned (the agent), "
        "endpoint (the model at agent.endpoint, which takes the agent's place), or a JSON file of predictions, with a "
        "name where files have the same. May be repeated. Default: graph, untuned and tuned, or graph and endpoint.",
    ),
]
Into = Annotated[
    Place | None,
    typer.Option("--into", parser=Place.of, help="Folder for results. Default: benchmarks in the run, else here."),
]


@evaluate_app.command()
@plain_errors
def restbench(
    root: Root, config: Config = None, contender: Contenders = None, into: Into = None, changes: Changes = None
) -> None:
    """RestBench, TMDB or Spotify: correct path, calls beyond the gold path, success by judge.

    Example: goat evaluate restbench configs/tmdb.yaml --root restbench/tmdb_queries.json -c graph -c tuned
    """
    _evaluate("restbench", root, config, contender, into, changes)


@evaluate_app.command()
@plain_errors
def apibank(
    root: Root, config: Config = None, contender: Contenders = None, into: Into = None, changes: Changes = None
) -> None:
    """API-Bank: correctness of calls, as its own tools judge it, and ROUGE-L of replies, by level.

    The configuration reads and runs the tools of your clone: documents.paths names its apis folder, executor.backend
    is python and executor.python.root the clone. --root is a folder of dialogues, or the file of level 3.

    Example: goat evaluate apibank configs/apibank.yaml --root api-bank/lv1-lv2-samples -c tuned
    """
    _evaluate("apibank", root, config, contender, into, changes)


@evaluate_app.command()
@plain_errors
def goatbench(
    root: Root, config: Config = None, contender: Contenders = None, into: Into = None, changes: Changes = None
) -> None:
    """GOATBench, or any dataset in the form of GOAT's published code: SA, IA, success by judge.

    Example: goat evaluate goatbench --root goatbench/seen_intertool.json -c predictions.json
    """
    _evaluate("goatbench", root, config, contender, into, changes)


@evaluate_app.command()
@plain_errors
def compare(
    folders: Annotated[
        list[Place], typer.Argument(parser=Place.of, help="Folders that an evaluation wrote.", metavar="RESULT...")
    ],
) -> None:
    """Results of several contenders side by side, with the paired difference to the first.

    Example: goat evaluate compare runs/tmdb/benchmarks/restbench-tmdb/*
    """
    from goat_ray.evaluation.comparison import show
    from goat_ray.evaluation.results import Result

    show([Result.read(folder) for folder in folders])


def _evaluate(
    name: str,
    root: Place,
    config: Path | None,
    contenders: list[str] | None,
    into: Place | None,
    changes: list[str] | None,
) -> None:
    from goat_ray.benchmarking import Benchmarking, named, parts_of
    from goat_ray.config import load_config
    from goat_ray.pipeline import Road

    loaded = None if config is None else load_config(config, changes or [])
    served = loaded is not None and loaded.agent.endpoint is not None
    chosen = contenders or ["graph", *(["endpoint"] if served else ["untuned", "tuned"])]
    runs = [named(contender)[0] for contender in chosen]
    if len(set(runs)) < len(runs):
        raise ConfigError(
            "two contenders have the same name", place=" ".join(chosen), remedy="Give names: -c NAME=FILE"
        )
    if loaded is None:
        _report(Benchmarking.open(name, root.fetch(), None, chosen), chosen, into or Place.of("benchmarks"))
        return
    road = Road(loaded)
    with road.at_work(*parts_of(chosen)), road.console.quietly_again():  # all contenders stand on the same road
        opened = Benchmarking.open(name, root.fetch(), road, chosen)
        _report(opened, chosen, into or road.runner.directory / "benchmarks")


def _report(benchmarking: "Benchmarking", contenders: list[str], into: Place) -> None:
    """Evaluate, and show the table, the remarks and where everything lies."""
    from goat_ray.evaluation.comparison import show

    results, folders = zip(*[benchmarking.evaluate(contender, into) for contender in contenders], strict=True)
    show(results)
    remarks = dict.fromkeys(remark for result in results for remark in result.remarks)
    typer.echo(f"{len(remarks)} remarks" if remarks else "no remarks")
    for remark in list(remarks)[:SHOWN_REMARKS]:
        typer.echo(f"  {printable(remark)}")
    if len(remarks) > SHOWN_REMARKS:
        typer.echo(f"  … {len(remarks) - SHOWN_REMARKS} more in scores.json")
    for folder in folders:
        typer.echo(f"{folder}: scores.json, scores.parquet, tasks.parquet, predictions.json")
