"""``goat inspect``: what a run holds, as readable text."""

from pathlib import Path
from typing import Annotated

import typer

from goat_ray.cli_options import Count, RunDirectory, plain_errors
from goat_ray.errors import RunError, printable

inspect_app = typer.Typer(
    help="Look at what a run holds, as readable text.", no_args_is_help=True, rich_markup_mode=None
)


@inspect_app.command("corpus")
@plain_errors
def inspect_corpus(run_directory: RunDirectory, count: Count = 10) -> None:
    """Sizes, shapes, coverage, variety and tokens of the samples, what was dropped and why, and some samples.

    Example: goat inspect corpus runs/demo -n 3
    """
    from goat_ray import inspection

    for line in inspection.corpus_lines(run_directory, count):
        typer.echo(line)


@inspect_app.command("functions")
@plain_errors
def inspect_functions(run_directory: RunDirectory, count: Count = 5) -> None:
    """Functions with parameters and output fields.

    Example: goat inspect functions runs/demo -n 3
    """
    from goat_ray import inspection

    store = inspection.functions_of(run_directory)
    for function in inspection.spread(store, len(store), count):
        typer.echo("\n".join(inspection.function_lines(function)) + "\n")


@inspect_app.command("edges")
@plain_errors
def inspect_edges(run_directory: RunDirectory, count: Count = 20) -> None:
    """Verified edges, one a line.

    Example: goat inspect edges runs/demo -n 50
    """
    from goat_ray import inspection

    store = inspection.functions_of(run_directory)
    edges = inspection.graph_of(run_directory)
    for edge in inspection.spread(edges.records(), edges.rows, count):
        typer.echo(inspection.edge_line(edge, store))


@inspect_app.command("graph")
@plain_errors
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
        typer.echo(printable(line))
    if graphml is not None:
        statistics.write_graphml(graphml, functions, edges)
    if edgelist is not None:
        statistics.write_edgelist(edgelist, functions, edges)


@inspect_app.command("samples")
@plain_errors
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
@plain_errors
def inspect_rejects(
    run_directory: RunDirectory,
    dataset: Annotated[str, typer.Argument(help="One of the run's datasets, e.g. edges or narrated")],
    count: Count = 20,
) -> None:
    """What a step dropped, and why.

    Example: goat inspect rejects runs/demo verified
    """
    from goat_ray.rows import Record
    from goat_ray.storage import open_dataset

    for reject in open_dataset(run_directory / dataset, Record).rejected(count):
        typer.echo(printable(f"{reject.reason:<20} {reject.detail or reject.id}"))


@inspect_app.command("funnel")
@plain_errors
def inspect_funnel(run_directory: RunDirectory) -> None:
    """Rows kept and dropped at each step of a run.

    Example: goat inspect funnel runs/demo
    """
    from goat_ray import inspection

    stages = list(inspection.funnel(run_directory))
    if not stages:
        raise RunError(
            "holds nothing that a step has finished",
            place=str(run_directory),
            remedy="Give a run directory, such as runs/demo",
        )
    for stage in stages:
        counts = {**stage["facts"], **stage["rejects"]}
        detail = ", ".join(f"{count:,} {reason}" for reason, count in counts.items())
        typer.echo(f"{stage['name']:<12}{stage['rows']:>10,} kept  {detail}")
