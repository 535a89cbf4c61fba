"""``goat submit``: a part of the road as a job on a Ray cluster."""

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from goat_ray.cli_options import plain_errors


class Part(StrEnum):
    """What a job may do. Each has a script in ``jobs/``."""

    run = "run"
    ingest = "ingest"
    graph = "graph"
    sample = "sample"
    synthesize = "synthesize"
    train = "train"
    evaluate = "evaluate"


@plain_errors
def submit(
    config: Annotated[Path, typer.Argument(help="YAML file below the working directory.", metavar="CONFIG")],
    address: Annotated[
        str, typer.Option(envvar="RAY_API_SERVER_ADDRESS", help="The cluster's dashboard.")
    ] = "http://127.0.0.1:8265",
    part: Annotated[Part, typer.Option("--part", help="What to do.")] = Part.run,
    changes: Annotated[list[str] | None, typer.Option("--set", metavar="KEY=VALUE", help="Change one setting.")] = None,
    env: Annotated[
        list[str] | None,
        typer.Option("--env", metavar="NAME=VALUE", help="Environment variable of the job; no secrets."),
    ] = None,
    driver_cpus: Annotated[float, typer.Option(min=0, help="CPUs kept for the driver; 0 runs it on the head.")] = 0,
    driver_memory_gb: Annotated[float, typer.Option(min=0, help="GB of memory kept for the driver.")] = 0,
    driver_resource: Annotated[
        list[str] | None, typer.Option(metavar="NAME=AMOUNT", help="Custom resource kept for the driver.")
    ] = None,
    again: Annotated[bool, typer.Option("--again", help="Also where the same job has succeeded before.")] = False,
    detach: Annotated[bool, typer.Option("--detach", help="Do not follow the job.")] = False,
) -> None:
    """Run a part of the road as a job on a cluster and follow it; the same command finds the same job again.

    The exit status is the job's. The working directory travels along, but for what .rayignore and .gitignore name.

    Example: goat submit configs/demo.yaml --address http://127.0.0.1:8265 --set run.directory=/mnt/shared/run-1
    """
    from goat_ray.config import load_config
    from goat_ray.submission import Cluster, Submission, exit_status, summary

    driver = {
        "entrypoint_num_cpus": driver_cpus or None,
        "entrypoint_memory": int(driver_memory_gb * 1e9) or None,
        "entrypoint_resources": {name: _number(amount) for name, amount in _pairs(driver_resource)} or None,
    }
    settings = load_config(config, changes or [])
    work = Submission(part, config, tuple(changes or ()), settings, dict(_pairs(env)), driver)
    cluster = Cluster(address, lambda text: typer.echo(text, nl=False))
    job = cluster.ensure(work, again=again)
    if not detach:
        details = cluster.follow(job)
        typer.echo(summary(details))
        raise typer.Exit(exit_status(details))


def _pairs(texts: list[str] | None) -> list[tuple[str, str]]:
    found = [text.partition("=") for text in texts or []]
    for name, equals, _ in found:
        if not (name and equals):
            raise typer.BadParameter(f"{name!r} lacks a name or a value; write NAME=VALUE")
    return [(name, value) for name, _, value in found]


def _number(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        raise typer.BadParameter(f"{text!r} is not a number") from None
