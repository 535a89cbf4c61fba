"""What was recorded is what is replayed, whatever happened in between."""

import asyncio
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest

from goat_ray import metering
from goat_ray.executors.build import build_executor
from goat_ray.executors.cassette import Player, Recorder
from goat_ray.executors.config import ExecutorConfig
from goat_ray.executors.executor import CallResult, Executor, Session
from goat_ray.places import Place
from goat_ray.records import ApiFunction
from goat_ray.rows import Json

READ = ApiFunction.create(service="s", name="read", method="GET")
WRITE = ApiFunction.create(service="s", name="write", method="POST")


class Notebook(Executor):
    """A service that answers with what its session wrote, and counts how often it was asked."""

    name = "notebook"

    def __init__(self, status: int = 200) -> None:
        self.asked = 0
        self.status = status

    def session(self) -> Session:
        return _Notes(self)


class _Notes(Session):
    def __init__(self, book: Notebook) -> None:
        self.book = book
        self.notes: list[Json] = []

    async def call(self, function: ApiFunction, arguments: dict[str, Any]) -> CallResult:
        self.book.asked += 1
        if function.name == "write":
            self.notes.append(arguments["note"])
        body = {"notes": list(self.notes), "text": "Grüße", "nothing": None}
        return CallResult(status=self.book.status, body=body, origin="real")


Calls = list[tuple[ApiFunction, dict[str, Any]]]
WRITES_AND_READS: list[Calls] = [
    [(READ, {}), (WRITE, {"note": 1}), (READ, {}), (WRITE, {"note": 2}), (READ, {})],
    [(WRITE, {"note": 2}), (READ, {}), (READ, {"page": 1})],
]


def play(executor: Executor, sessions: list[Calls]) -> list[list[CallResult]]:
    async def one(calls: Calls) -> list[CallResult]:
        async with executor.session() as session:
            return [await session.call(function, arguments) for function, arguments in calls]

    async def everything() -> list[list[CallResult]]:
        return await asyncio.gather(*(one(calls) for calls in sessions))

    try:
        return executor.run(everything())
    finally:
        executor.shutdown()


def as_recorded(results: list[list[CallResult]]) -> list[list[CallResult]]:
    return [[result.model_copy(update={"origin": "recorded"}) for result in session] for session in results]


def test_traces_with_writes_are_replayed_exactly(folder: Place) -> None:
    real = play(Recorder(Notebook(), folder), WRITES_AND_READS)
    assert real[0][0].body != real[0][2].body != real[0][4].body
    assert play(Player(folder, None), WRITES_AND_READS) == as_recorded(real)


@pytest.mark.parametrize("order", [1, -1])
def test_duplicates_and_the_order_of_files_do_not_matter(tmp_path: Path, order: int) -> None:
    for status in (200, 500)[::order]:
        play(Recorder(Notebook(status), tmp_path), WRITES_AND_READS)
    files = sorted(tmp_path.glob("*.parquet"))
    for number, file in enumerate(files[::order]):
        file.rename(tmp_path / f"{number}.parquet")
    ((first, *_), _) = play(Player(tmp_path, None), WRITES_AND_READS)
    assert (first.status, first.origin) == (200, "recorded"), "a success goes before a failure"


def test_a_miss_fails_or_is_asked_elsewhere(tmp_path: Path) -> None:
    play(Recorder(Notebook(), tmp_path), [[(READ, {})]])
    unknown: list[Calls] = [[(READ, {}), (READ, {"page": 7})]]
    metering.drain()
    ((hit, miss),) = play(Player(tmp_path, None), unknown)
    assert metering.drain() == {("status 200", "cassette"): 1, ("status not-recorded", "cassette"): 1}
    assert (hit.ok, miss.status, miss.problem) == (True, 504, "not-recorded")
    book = Notebook()
    ((hit, asked),) = play(Player(tmp_path, book), unknown)
    assert (hit.origin, asked.origin, book.asked) == ("recorded", "real", 1)
    ((hit, again),) = play(Player(tmp_path, book), unknown)
    assert (again, book.asked) == (asked.model_copy(update={"origin": "recorded"}), 1), "the cassette fills"


@pytest.mark.parametrize("status", [429, 503])
def test_a_service_that_had_no_time_is_asked_again_by_a_replay(tmp_path: Path, status: int) -> None:
    play(Recorder(Notebook(status), tmp_path), WRITES_AND_READS)
    book = Notebook()
    ((first, *_), _) = play(Player(tmp_path, book), WRITES_AND_READS)
    assert (first.status, first.origin, book.asked) == (200, "real", 8)


class SharedNotebook(Notebook):
    """One service for all sessions, which has what was recorded."""

    starts_anew = False


@pytest.mark.parametrize(("kind", "notes"), [(Notebook, [1]), (SharedNotebook, [])])
def test_a_miss_after_recorded_writes_is_asked_where_they_are_known(
    tmp_path: Path, kind: type[Notebook], notes: list[int]
) -> None:
    write: Calls = [(WRITE, {"note": 1})]
    play(Recorder(Notebook(), tmp_path), [write])
    ((_, read),) = play(Player(tmp_path, kind()), [[*write, (READ, {})]])
    assert isinstance(read.body, dict) and read.body["notes"] == notes


def test_the_configuration_chooses(tmp_path: Path) -> None:
    def built(**cassette: Any) -> Executor:
        config = {"cassette": {"path": str(tmp_path), **cassette}}
        return build_executor(ExecutorConfig.model_validate(config), [READ])

    assert [built(mode=mode).name for mode in ("off", "record", "replay")] == ["sandbox", "recorder", "player"]
    ((simulated,),) = play(built(mode="replay", on_miss="sandbox"), [[(READ, {})]])
    assert simulated.origin == "simulated"
    play(built(mode="record"), [[(READ, {})]])
    assert list(tmp_path.iterdir()) == [], "simulated answers are not recorded"
    with pytest.raises(ValueError, match=r"executor\.cassette\.path"):
        ExecutorConfig.model_validate({"cassette": {"mode": "record"}})


KILLED = """
import asyncio, os, signal, sys
from pathlib import Path
from goat_ray.executors.cassette import Recorder
from tests.executors.test_cassette import READ, Notebook

async def main():
    recorder = Recorder(Notebook(), Path(sys.argv[1]))
    async with recorder.session() as session:
        for number in range(1500):
            await session.call(READ, {"page": number})
        Path(sys.argv[1], ".unfinished.tmp").write_bytes(b"PAR1 half a file")
        os.kill(os.getpid(), signal.SIGKILL)

asyncio.run(main())
"""


def test_a_kill_loses_at_most_what_was_not_written(tmp_path: Path) -> None:
    killed = subprocess.run(
        [sys.executable, "-c", KILLED, str(tmp_path)], check=False, env={**os.environ, "PYTHONPATH": os.getcwd()}
    )
    assert killed.returncode == -signal.SIGKILL
    (file,) = tmp_path.glob("*.parquet")
    assert pq.read_metadata(file).num_rows == 1000
    ((first, last),) = play(Player(tmp_path, None), [[(READ, {"page": 0}), (READ, {"page": 999})]])
    assert first.ok and last.ok


def test_what_never_reached_the_api_is_not_recorded(tmp_path: Path) -> None:
    """A replay would repeat an outage, or a setting that was mended since, for ever."""

    class Unreachable(Executor):
        name = "unreachable"

        def session(self) -> Session:
            return Away()

    class Away(Session):
        async def call(self, function: ApiFunction, arguments: dict[str, Any]) -> CallResult:
            return CallResult.failed(503, "nobody is there", "circuit-open", "real")

    play(Recorder(Unreachable(), tmp_path), [[(READ, {})]])
    ((miss,),) = play(Player(tmp_path, None), [[(READ, {})]])
    assert miss.problem == "not-recorded" and not miss.heard


def test_arguments_that_no_file_can_hold_are_recorded_all_the_same(tmp_path: Path) -> None:
    calls: list[Calls] = [[(READ, {"q": "caf\ud83d"})]]
    play(Recorder(Notebook(), tmp_path), calls)
    ((answer,),) = play(Player(tmp_path, None), calls)
    assert answer.ok and answer.origin == "recorded"
