"""``goat plan``: what a run will take, from a pilot of its own documents or from measured rates alone."""

import math
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from goat_ray.cli_options import Changes, plain_errors
from goat_ray.errors import ConfigError

if TYPE_CHECKING:
    from rich.table import Table as Rows

    from goat_ray.capacity import Stage


@plain_errors
def plan(
    config: Annotated[
        Path | None, typer.Argument(help="YAML file, e.g. configs/local.yaml", metavar="[CONFIG]")
    ] = None,
    changes: Changes = None,
    size: Annotated[int, typer.Option("--pilot", min=1, help="Candidates and plans to try.")] = 100,
    documents: Annotated[float | None, typer.Option(min=1, help="How many, without CONFIG.")] = None,
    samples: Annotated[float, typer.Option(min=1, help="Accepted ones.")] = 1e6,
    model_size: Annotated[str, typer.Option(help="The teacher.")] = "70b",
    agent_size: Annotated[str, typer.Option(help="The model to train.")] = "8b",
    gpus: Annotated[str, typer.Option(help="Number and kind.")] = "8xH100",
    cores: Annotated[int, typer.Option(min=1, help="For all CPU stages.")] = 64,
    gpu_price: Annotated[float, typer.Option(min=0, help="USD an hour.")] = 3.0,
    core_price: Annotated[float, typer.Option(min=0, help="USD an hour.")] = 0.05,
    table: Annotated[Path | None, typer.Option(help="Other rates than goat_ray/capacity.yaml.")] = None,
) -> None:
    """What a run will take: with CONFIG, requests, tokens, hours and money from a pilot; else hours and cost a stage.

    Example: goat plan configs/local.yaml --pilot 200

    Example: goat plan --documents 10000 --samples 1000000 --model-size 70b --gpus 64xH100
    """
    if (config is None) == (documents is None):
        raise ConfigError("a plan is of a CONFIG or of a number of --documents", remedy="Give one of the two")
    numbers = {"documents": documents, "samples": samples, "gpu-price": gpu_price, "core-price": core_price}
    for name, number in numbers.items():
        if number == math.inf:
            raise ConfigError("is no finite number", place=f"--{name}", remedy="Give one, such as 1e6")
    if config is not None:
        from goat_ray.config import load_config  # Ray and torch take seconds to import

        loaded = load_config(config, changes or [])
        from goat_ray.pipeline import Road

        for line in Road(loaded).plan(size):
            typer.echo(line)
        return
    from rich.console import Console

    from goat_ray import capacity

    count, kind = capacity.parse_gpus(gpus)
    teacher, agent = capacity.parse_size(model_size), capacity.parse_size(agent_size)
    demand = capacity.Demand(documents or 0, samples, teacher, agent, kind, count, cores, gpu_price, core_price)
    rates = capacity.Table.read(table)
    found = list(capacity.stages(demand, rates))
    console = Console(highlight=False)
    console.print(_rows(found))
    longest = max(found, key=lambda stage: stage.seconds)
    total = sum(stage.seconds for stage in found)
    console.print(f"{longest.name} bounds: {longest.seconds / total:.0%} of the time, on {longest.where}.\n")
    for line in capacity.assumptions(demand, rates):
        console.print(f"- {line}", markup=False, soft_wrap=True)


def _rows(stages: Sequence["Stage"]) -> "Rows":
    from rich.box import SIMPLE_HEAD
    from rich.table import Table as Rows

    rows = Rows(box=SIMPLE_HEAD, show_footer=True)
    hours, usd = sum(stage.hours for stage in stages), sum(stage.usd for stage in stages)
    rows.add_column("stage", "together")
    rows.add_column("amount", justify="right")
    rows.add_column("on")
    rows.add_column("hours", f"{hours:,.2f}", justify="right")
    rows.add_column("USD", f"{usd:,.2f}", justify="right")
    for stage in stages:
        amount = f"{stage.amount:,.0f} {stage.unit}"
        rows.add_row(stage.name, amount, stage.where, f"{stage.hours:,.2f}", f"{stage.usd:,.2f}")
    return rows
