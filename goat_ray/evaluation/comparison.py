"""Results as tables for people: one run with its breakdown, or several runs side by side."""

from collections.abc import Sequence

from rich.console import Console
from rich.table import Table

from goat_ray.errors import RunError
from goat_ray.evaluation.confidence import interval
from goat_ray.evaluation.results import ALL, Estimate, Result

COLUMN = 44  # characters for a run, where the output is no terminal


def show(results: Sequence[Result]) -> None:
    """Print the table; as wide as it needs to be where nobody's terminal would break its lines."""
    console = Console(highlight=False)
    if not console.is_terminal:
        console = Console(highlight=False, width=COLUMN * (1 + len(results)))
    console.print(comparison_table(results))


def comparison_table(results: Sequence[Result]) -> Table:
    """A row for each measure and group, a column for each run, values with their 95 % intervals.

    From the second run on, the rows over all tasks also have the difference to the first run. Its interval is
    paired: both runs are resampled on the same tasks, so it is narrower than the two intervals suggest.
    Raises ``RunError`` for results of different benchmarks.
    """
    benchmarks = sorted({result.benchmark for result in results})
    if len(benchmarks) != 1:
        raise RunError(
            f"results of different benchmarks cannot be compared: {', '.join(benchmarks)}",
            remedy="Give result folders of one benchmark",
        )
    table = Table(box=None, header_style="bold", padding=(0, 3, 0, 2), title=benchmarks[0], title_justify="left")
    for heading in ("measure", "tasks"):
        table.add_column(heading, no_wrap=True)
    for result in results:
        table.add_column(result.run)
    estimates = [{(one.metric, one.group): one for one in result.estimates()} for result in results]
    rows = dict.fromkeys(key for found in estimates for key in found)
    # All that is over all tasks comes first.
    for metric, group in sorted(rows, key=lambda key: key[1] != ALL):
        cells = [_cell(found.get((metric, group))) for found in estimates]
        if group == ALL:
            cells[1:] = [
                f"{cell}\n{_difference(results[0], result, metric)}".rstrip()
                for cell, result in zip(cells[1:], results[1:], strict=True)
            ]
        table.add_row(metric, group, *cells)
    return table


def _cell(estimate: Estimate | None) -> str:
    if estimate is None:
        return "-"
    return f"{estimate.value:.3f} [{estimate.low:.3f}, {estimate.high:.3f}] n={estimate.count:,}"


def _difference(first: Result, other: Result, metric: str) -> str:
    """The mean difference over tasks that both have a value for; empty where there are none."""
    before, after = first.values(metric), other.values(metric)
    differences = [after[task] - before[task] for task in sorted(before.keys() & after.keys())]
    if not differences:
        return ""
    low, high = interval(differences, first.benchmark, first.run, other.run, metric)
    return f"({sum(differences) / len(differences):+.3f} [{low:+.3f}, {high:+.3f}])"
