"""``goat merge-adapter``: what is done with a trained model afterwards."""

from typing import Annotated

import typer

from goat_ray.cli_options import plain_errors


@plain_errors
def merge_adapter(
    adapter: Annotated[
        str, typer.Argument(help="Folder or URL of a trained adapter, e.g. runs/1/agent.", metavar="ADAPTER")
    ],
    output: Annotated[str, typer.Argument(help="Folder or URL to write to.", metavar="FOLDER")],
) -> None:
    """Merge a trained adapter into its base: a whole model for plain transformers, vLLM and others.

    Example: goat merge-adapter runs/gpu/agent models/agent
    """
    from goat_ray.training.merging import merge_adapter
    from goat_ray.training.models import quiet_libraries

    quiet_libraries(gpu=False)
    merge_adapter(adapter, output)
    typer.echo(f"merged     {adapter} and its base, in {output}")
