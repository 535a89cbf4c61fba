"""Record and replay: what executors answered, kept in Parquet, and answered again without them.

A cassette is a folder of Parquet files with one row for each answer. Its key is the function, the arguments, and the
session's earlier calls that may have changed something (all but GET and HEAD), so that a trace is replayed exactly.
A file appears whole or not at all; of several rows with one key the smallest answers, a success before a failure.
"""

import hashlib
import json
import uuid
from typing import Any, Literal, Self

import pyarrow as pa
import pyarrow.parquet as pq
from pydantic import Field, model_validator

from goat_ray.executors.executor import READS, TRANSIENT, CallResult, Executor, Session, count_status
from goat_ray.identity import canonical_json, content_id
from goat_ray.places import Place, Where
from goat_ray.records import ApiFunction
from goat_ray.settings import Settings
from goat_ray.storable import writable
from goat_ray.storage import parquet_files, read_parquet

ROWS_PER_FILE = 1000
SCHEMA = pa.schema(
    [("key", pa.string()), ("function", pa.string()), ("arguments", pa.string()), ("calls_before", pa.string()),
     ("status", pa.int64()), ("body", pa.string()), ("problem", pa.string())]
)  # fmt: skip

ANSWER = ("status", "body", "problem")


class CassetteConfig(Settings):
    """The ``executor.cassette`` section."""

    path: str | None = Field(None, description="Folder, shared by all nodes of the cluster.")
    mode: Literal["off", "record", "replay"] = "off"
    on_miss: Literal["fail", "sandbox", "call"] = Field(
        "fail", description="What replay does with a call it lacks. What is then really called is recorded as well."
    )

    @model_validator(mode="after")
    def _has_a_path(self) -> Self:
        if self.mode != "off" and not self.path:
            raise ValueError("set executor.cassette.path to the folder of the recorded answers")
        return self


class Tape:
    """What one process records, from the calls of its sessions to files; the last calls when no session is open."""

    def __init__(self, folder: Where) -> None:
        self._folder = Place.of(folder)
        self._rows: list[dict[str, Any]] = []
        self._written: set[str] = set()
        self._open = 0

    def keep(self, key: str, calls_before: str, function: ApiFunction, arguments: Any, result: CallResult) -> None:
        """Remember a real answer, also a failure; each success once.

        What never reached the API is no answer, nor is a request to come again later: a replay would repeat an outage
        for ever.
        """
        is_passing = result.status in TRANSIENT and not result.problem
        if result.origin != "real" or not result.heard or is_passing or key in self._written:
            return
        if result.ok:
            self._written.add(key)
        self._rows.append(
            {
                "key": key,
                "function": function.id,
                "arguments": writable(canonical_json(arguments)),
                "calls_before": calls_before,
                "status": result.status,
                "body": canonical_json(result.body),
                "problem": result.problem,
            }
        )
        if len(self._rows) >= ROWS_PER_FILE:
            self.flush()

    def opened(self) -> None:
        """Told of the beginning of each session."""
        self._open += 1

    def closed(self) -> None:
        """Told of the end of each session."""
        self._open -= 1
        if not self._open:
            self.flush()

    def flush(self) -> None:
        """Write what is remembered, as one file."""
        if not self._rows:
            return
        with (self._folder / f"{uuid.uuid4().hex}.parquet").written() as file:
            pq.write_table(pa.Table.from_pylist(self._rows, schema=SCHEMA), file)
        self._rows = []


class Recorder(Executor):
    """Passes calls on and records what really happened."""

    name = "recorder"

    def __init__(self, executor: Executor, folder: Where) -> None:
        self._executor = executor
        self._tape = Tape(folder)

    def session(self) -> Session:
        return _RecordingSession(self._executor.session(), self._tape)

    async def close(self) -> None:
        self._tape.flush()
        await self._executor.close()


class _RecordingSession(Session):
    def __init__(self, session: Session, tape: Tape) -> None:
        self._session, self._tape, self._history = session, tape, _History()
        tape.opened()

    async def call(self, function: ApiFunction, arguments: dict[str, Any]) -> CallResult:
        key, before = self._history.add(function, arguments)
        result = await self._session.call(function, arguments)
        self._tape.keep(key, before, function, arguments, result)
        return result

    async def close(self) -> None:
        await self._session.close()
        self._tape.closed()


class Player(Executor):
    """Answers from a cassette. ``otherwise`` answers what it lacks, if there is one; its real answers are recorded."""

    name = "player"

    def __init__(self, folder: Where, otherwise: Executor | None) -> None:
        self.otherwise = otherwise
        self.tape = Tape(folder)
        self._answers, self._rows = _read(folder)

    def session(self) -> Session:
        return _PlayingSession(self)

    def recorded(self, key: str) -> CallResult | None:
        """The recorded answer to a call, or None."""
        row = self._rows.get(key)
        if row is None:
            return None
        status, body, problem = (self._answers[name][row].as_py() for name in ANSWER)
        return CallResult(status=status, body=json.loads(body), origin="recorded", problem=problem)

    async def close(self) -> None:
        self.tape.flush()
        if self.otherwise is not None:
            await self.otherwise.close()


class _PlayingSession(Session):
    def __init__(self, player: Player) -> None:
        self._player, self._history = player, _History()
        self._otherwise = player.otherwise.session() if player.otherwise else None
        self._unheard: list[tuple[ApiFunction, dict[str, Any]]] = []  # writes that only the cassette has answered
        player.tape.opened()

    async def call(self, function: ApiFunction, arguments: dict[str, Any]) -> CallResult:
        key, before = self._history.add(function, arguments)
        recorded = self._player.recorded(key)
        if recorded is not None:
            if function.method not in READS:
                self._unheard.append((function, arguments))
            return count_status("cassette", recorded)
        if self._otherwise is None:
            missing = {"error": "not-recorded"}
            result = CallResult(status=504, body=missing, origin="recorded", problem="not-recorded")
            return count_status("cassette", result)
        await self._catch_up(self._otherwise)
        result = await self._otherwise.call(function, arguments)
        self._player.tape.keep(key, before, function, arguments, result)
        return result

    async def _catch_up(self, session: Session) -> None:
        """Bring a session that began empty to where this one is; a service that all share has the writes already."""
        assert self._player.otherwise is not None
        writes, self._unheard = self._unheard, []
        if self._player.otherwise.starts_anew:
            for function, arguments in writes:
                await session.call(function, arguments)

    async def close(self) -> None:
        if self._otherwise is not None:
            await self._otherwise.close()
        self._player.tape.closed()


class _History:
    """The calls of a session so far that may have changed something."""

    def __init__(self) -> None:
        self._before = ""

    def add(self, function: ApiFunction, arguments: dict[str, Any]) -> tuple[str, str]:
        """(key of a call, what stands for the calls before it)."""
        before = self._before
        key = hashlib.sha256(canonical_json([before, function.id, arguments]).encode("utf-8", "replace")).hexdigest()
        if function.method not in READS:
            self._before = content_id(key)
        return key, before


def _read(folder: Where) -> tuple[pa.Table, dict[str, int]]:
    """The answers, and the row that counts of each key, whatever the order of files. Bodies stay in Arrow."""
    tables = [read_parquet(file, ["key", *ANSWER]) for file in parquet_files(folder)]
    table = pa.concat_tables(tables) if tables else SCHEMA.empty_table()
    order = table.select(["key", *ANSWER]).sort_by([(name, "ascending") for name in ("key", *ANSWER)])
    rows: dict[str, int] = {}
    for row, key in enumerate(order["key"].to_pylist()):
        rows.setdefault(key, row)
    return order, rows
