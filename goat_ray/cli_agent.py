"""``goat agent``: ask the agent of a run, or serve it."""

import signal
import threading
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from goat_ray.cli_options import plain_errors

if TYPE_CHECKING:
    from goat_ray.agent.equipment import Equipment
    from goat_ray.agent.events import Answered, Event
    from goat_ray.config import GoatConfig
    from goat_ray.executors.limits import Limits

agent_app = typer.Typer(help="Ask the agent of a run, or serve it.", no_args_is_help=True, rich_markup_mode=None)

Config = Annotated[Path, typer.Option("--config", "-c", help="YAML file, e.g. configs/demo.yaml.")]
Changes = Annotated[
    list[str] | None, typer.Option("--set", metavar="KEY=VALUE", help="Change one setting, e.g. agent.mode=react.")
]


@agent_app.command()
@plain_errors
def ask(
    query: Annotated[str, typer.Argument(help="What you want to know or to have done.", metavar="QUERY")],
    config: Config,
    changes: Changes = None,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object for each step, for programs.")] = False,
) -> None:
    """Answer a query with calls of the APIs, each step shown as it happens. Exit status 1 without an answer.

    Takes model and retriever that were trained in the run directory, else the base ones, and says which.

    Example: goat agent ask "Which books has Maren Holloway written?" --config configs/demo.yaml
    """
    loaded = _load(config, changes or [])
    if loaded.agent.engine is not None or loaded.teacher.backend == "vllm":
        _connect(loaded)
    equipment = _equip(loaded, to_stderr=as_json)
    with equipment.ready():
        agent = equipment.open()

        async def told() -> "Answered":
            attempt = await agent.attempt(query, lambda event: _show(event, as_json))
            await agent.close()
            return attempt.answer

        answer = agent.executor.run(told())
    if not answer.text:
        raise typer.Exit(1)


@agent_app.command()
@plain_errors
def serve(
    config: Config,
    port: Annotated[int | None, typer.Option(min=1, max=65535, help="Instead of agent.server.port.")] = None,
    changes: Changes = None,
) -> None:
    """Serve the agent on Ray Serve, as a model of an OpenAI-compatible endpoint, until interrupted.

    POST /v1/chat/completions answers the last message of the user; GET /trace/ID shows what was done.

    Example: goat agent serve --config configs/demo.yaml --port 8000
    """
    loaded = _load(config, [*(changes or []), *([f"agent.server.port={port}"] if port is not None else [])])
    from goat_ray import serving
    from goat_ray.shared_limits import SharedLimits

    _connect(loaded)
    limits = SharedLimits()
    limits.start()
    equipment = _equip(loaded, limits=limits)
    server = loaded.agent.server
    try:
        url = serving.deploy(equipment, server)
        typer.echo(f"serving    {url}, model {server.model_name!r}; Ctrl-C ends it")
        until_stopped()
    finally:
        serving.shutdown()
        equipment.release()


def _load(config: Path, changes: list[str]) -> "GoatConfig":
    # Ray and torch take seconds to import; --help and configuration errors should not wait for them.
    from goat_ray.config import load_config

    return load_config(config, changes)


def _connect(config: "GoatConfig") -> None:
    from goat_ray.cluster import connect

    connect(config.cluster)


def _equip(config: "GoatConfig", limits: "Limits | None" = None, to_stderr: bool = False) -> "Equipment":
    from goat_ray.equipping import equip

    equipment, remarks = equip(config, limits)
    for remark in remarks:
        typer.echo(remark, err=to_stderr)
    return equipment


def until_stopped() -> None:
    """Wait for SIGINT or SIGTERM; a second one ends what is still being released."""
    stopped = threading.Event()
    before = {number: signal.signal(number, lambda *_: stopped.set()) for number in (signal.SIGINT, signal.SIGTERM)}
    stopped.wait()
    for number, handler in before.items():
        signal.signal(number, handler)


def _show(event: "Event", as_json: bool) -> None:
    from goat_ray.inspection import event_lines

    if as_json:
        typer.echo(event.model_dump_json())
        return
    for line in event_lines(event):
        typer.echo(line)
