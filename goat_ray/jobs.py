"""What the entry points in ``jobs/`` share: one option, one part of the road, one exit status."""

import argparse
import sys
from pathlib import Path

from goat_ray.config import load_config
from goat_ray.errors import GoatError
from goat_ray.pipeline import Part, Road


def main(part: Part, arguments: list[str] | None = None) -> None:
    """Run one part of the road on the job's cluster; exits with status 1 and one line on an error."""
    parser = argparse.ArgumentParser(description=f"goat-ray job: {part}")
    parser.add_argument("--config", type=Path, required=True, help="YAML file below the job's working directory")
    parser.add_argument(
        "--set", action="append", default=[], metavar="KEY=VALUE", help="e.g. run.directory=/shared/run"
    )
    options = parser.parse_args(arguments)
    try:
        Road(load_config(options.config, options.set)).perform(part)
    except GoatError as error:
        sys.exit(f"goat: {error}")
