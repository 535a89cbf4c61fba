"""What the ``goat`` command's modules share: how errors are shown, and arguments that many commands take."""

from collections.abc import Callable
from functools import wraps
from typing import Annotated, Any, ParamSpec, TypeVar

import typer
from typer.core import TyperGroup

from goat_ray.errors import GoatError
from goat_ray.places import Place

P = ParamSpec("P")
T = TypeVar("T")

RunDirectory = Annotated[
    Place, typer.Argument(parser=Place.of, help="Run directory, e.g. runs/demo or s3://bucket/run", metavar="RUN")
]
Count = Annotated[int, typer.Option("--count", "-n", min=1, help="How many to show.")]

Changes = Annotated[
    list[str] | None, typer.Option("--set", metavar="KEY=VALUE", help="Change one setting, e.g. sampling.plans=100.")
]


def default_command(name: str) -> type[TyperGroup]:
    """A group of commands of which one needs no name: ``goat graph CONFIG`` is ``goat graph build CONFIG``."""

    class Group(TyperGroup):
        def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
            known = [*self.commands, "--help"]
            return super().parse_args(ctx, [name, *args] if args and args[0] not in known else args)

    return Group


def plain_errors(command: Callable[P, T]) -> Callable[P, T]:
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
