"""What the entry points in ``jobs/`` share: options, one part of the road, an exit status, a report of failure."""

import argparse
import sys
import time
from contextlib import suppress
from pathlib import Path
from typing import Any, get_args

from goat_ray.cluster import end_in_order
from goat_ray.config import GoatConfig, load_config
from goat_ray.errors import GoatError, RunError
from goat_ray.inspection import funnel
from goat_ray.locking import RunTaken
from goat_ray.pipeline import Part, Road
from goat_ray.places import Place
from goat_ray.storage import UNFINISHED, write_json

REPORT = "failure.json"


def main(part: Part, arguments: list[str] | None = None) -> None:
    """Run one part of the road on the job's cluster.

    On an error the process exits with a status other than 0 and leaves ``failure.json`` in the run directory. One that
    is killed leaves it as well: it lies there from the beginning until the work is complete.
    """
    parser = argparse.ArgumentParser(description=f"goat-ray job: {part}")
    parser.add_argument("--config", type=Path, required=True, help="YAML file below the job's working directory")
    parser.add_argument(
        "--set", action="append", default=[], metavar="KEY=VALUE", help="e.g. run.directory=/shared/run"
    )
    options = parser.parse_args(arguments)
    end_in_order()  # from the beginning, and not only once it is connected
    try:
        _perform(part, load_config(options.config, options.set))
    except GoatError as error:
        sys.exit(f"goat: {error}")


def _perform(part: Part, config: GoatConfig) -> None:
    report = Place.of(config.run.directory) / REPORT

    def begin() -> None:
        killed = RunError("it has not ended", remedy="It is at work, or was killed; what is finished is kept")
        write_json(report, failure(part, report.parent, killed))

    try:
        Road(config).perform(part, begin)
    except RunTaken:  # the run is another job's, and so is its report
        raise
    except BaseException as error:  # a job that is stopped, too, leaves its work incomplete
        with suppress(OSError, GoatError):  # a full disk or a store out of reach, which would hide the error
            write_json(report, failure(part, report.parent, error))
        raise
    report.remove()


def failure(part: str, run: Place, error: BaseException) -> dict[str, Any]:
    """What a person or a scheduler needs to know about a job that did not finish."""
    if not isinstance(error, GoatError):
        stopped = isinstance(error, SystemExit | KeyboardInterrupt)
        text = "stopped from outside" if stopped else f"{type(error).__name__}: {error}"
        error = GoatError(text, remedy="Look at the job's log; what is finished is kept")
    return {
        "part": part,
        "error": error.problem,
        "place": error.place,
        "remedy": error.remedy,
        "finished": {stage["name"]: {"rows": stage["rows"], "rejects": stage["rejects"]} for stage in funnel(run)},
        "unfinished": [one.name for one in run.children() if (one / UNFINISHED).exists()],
        "time": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
    }


if __name__ == "__main__":
    if not sys.argv[1:] or sys.argv[1] not in get_args(Part):
        sys.exit(f"usage: python -m goat_ray.jobs {{{','.join(get_args(Part))}}} --config FILE [--set KEY=VALUE]")
    main(sys.argv[1], sys.argv[2:])  # type: ignore[arg-type]
