"""RestBench (arXiv 2306.06624): human queries with the paths of a right solution, for TMDB and Spotify.

Its files are JSON lists of ``{"query", "solution": ["GET /search/movie", ...]}``. Some gold entries carry stray
blanks, another parameter name than the document or a singular for its plural (``/track/{id}``); functions are therefore
named by method and path with the parameter names blanked out, and each such quirk is a remark.
"""

import re
from collections.abc import Sequence, Set
from pathlib import Path

from goat_ray.errors import DocumentError
from goat_ray.evaluation.benchmark import Benchmark, BenchmarkTask, by_length, counted, names_of
from goat_ray.evaluation.foreign import entry_at, json_list, member
from goat_ray.records import ApiFunction

MEASURES = ("CP", "extra calls", "SR")


def restbench(root: Path, functions: Sequence[ApiFunction]) -> Benchmark:
    """The benchmark whose query file is, or lies below, ``root``; raises ``DocumentError``."""
    titles = {function.title for function in functions}
    known = {normalised(title) for title in titles}
    file = query_file(root, known)

    def documented(title: str) -> str:
        return _documented(normalised(title), known)

    tasks, remarks = [], []
    for query, solution in read_queries(file):
        for step in solution:
            if step not in titles and (titles or step != step.strip()):
                remarks.append(f"{step!r} {_remark(documented(step) in known, bool(titles))}: {query}")
        gold: tuple[tuple[str, object], ...] = tuple((documented(step), {}) for step in solution)
        tasks.append(BenchmarkTask(query, MEASURES, by_length(gold), gold))
    return Benchmark(
        f"restbench-{file.stem.removesuffix('_queries')}",
        counted(tasks),
        names_of(functions, lambda function: normalised(function.title)),
        documented,
        remarks,
    )


def query_file(root: Path, known: Set[str] = frozenset()) -> Path:
    """The query file that is meant: of several, the one that the documented paths are for.

    Raises ``DocumentError`` where there is none or more than one.
    """
    if root.is_file():
        return root
    found = [file for file in sorted(root.rglob("*.json")) if _is_query_file(file)]
    if len(found) > 1:
        found = [file for file in found if _paths(file) & known] or found
    if len(found) != 1:
        names = ", ".join(str(file.relative_to(root)) for file in found) or "none"
        raise DocumentError(
            f"one RestBench query file is wanted, found: {names}",
            place=str(root),
            remedy="Give the file itself, e.g. --root restbench/tmdb_queries.json, or documents of one of them",
        )
    return found[0]


def read_queries(path: Path) -> list[tuple[str, list[str]]]:
    """(query, gold path) of each entry; raises ``DocumentError`` on another format."""
    pairs = []
    for number, entry in enumerate(json_list(path)):
        with entry_at(f"{path}#{number}", "is no entry of a RestBench query file", "[{query, solution: [titles]}]"):
            pairs.append((member(entry, "query", str), list(map(_text, member(entry, "solution", list)))))
    return pairs


def normalised(title: str) -> str:
    """Method and path without parameter names and stray blanks: ``GET /movie/{}/credits``."""
    method, _, path = title.strip().partition(" ")
    return re.sub(r"\{[^}]*\}", "{}", f"{method.upper()} {path.strip()}".strip())


def _documented(title: str, known: Set[str]) -> str:
    """A normalised title as documented, also where singular and plural are mixed up; any other as it is."""
    if title in known:
        return title
    alike = [one for one in known if _singular(one) == _singular(title)]
    return alike[0] if len(alike) == 1 else title


def _singular(title: str) -> str:
    return re.sub(r"s(?=/|$)", "", title)


def _paths(file: Path) -> set[str]:
    return {normalised(step) for _, solution in read_queries(file) for step in solution}


def _remark(known: bool, checked: bool) -> str:
    if not checked:
        return "read without its blanks; no documents to check paths against"
    return "read as the documented path" if known else "is in no document"


def _text(step: object) -> str:
    if not isinstance(step, str):
        raise TypeError(f"a step is no text: {step!r}")
    return step


def _is_query_file(path: Path) -> bool:
    try:
        return bool(read_queries(path))
    except DocumentError:
        return False
