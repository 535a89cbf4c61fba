"""The other end of ``worker.py``: starts the server, and talks to the processes of sessions."""

import contextlib
import json
import os
import signal
import socket
import subprocess
import sys
import tempfile
import threading
from pathlib import Path
from typing import IO, Any

from goat_ray.errors import ConfigError
from goat_ray.executors.python import worker
from goat_ray.executors.python.config import PythonConfig

PASSED = ("PATH", "HOME", "LANG", "LC_ALL", "TZ", "TMPDIR")
PLACE = "executor.python"


class Server:
    """The process that forks sessions. It is started when needed, and again should it die."""

    def __init__(self, config: PythonConfig) -> None:
        root = Path(config.root).expanduser().resolve()
        if not root.is_dir():
            raise ConfigError(
                f"root names no folder: {config.root!r} (looked in {Path.cwd()})",
                place=PLACE,
                remedy="Give the folder that the tools are imported from, by a path that all nodes see",
            )
        self._config = config.model_copy(update={"root": str(root)})
        self._lock = threading.Lock()
        self._process: subprocess.Popen[bytes] | None = None
        self._control: socket.socket | None = None
        with self._lock:
            self._start()

    def fork(self) -> "Process":
        """A process for a session; raises ``OSError`` or ``ConfigError`` where none can be had."""
        ours, theirs = socket.socketpair()
        with theirs:
            with self._lock:
                if self._process is None or self._process.poll() is not None:
                    self._start()
                assert self._control is not None
                socket.send_fds(self._control, [b"+"], [theirs.fileno()])
        return Process(ours, self._config)

    def close(self) -> None:
        """End the server and all its sessions."""
        with self._lock:
            if self._control is not None and self._process is not None:
                self._control.close()
                self._process.wait()
            self._process = self._control = None

    def _start(self) -> None:
        ours, theirs = socket.socketpair()
        with theirs, tempfile.TemporaryFile() as words:
            try:
                self._process = self._spawned(theirs.fileno(), words)
            except OSError as error:
                raise _unusable(f"{error.filename}: {error.strerror}") from error
            theirs.close()
            if ours.recv(1) != worker.READY:
                words.seek(0)
                lines = words.read().decode(errors="replace").strip().splitlines()
                raise _unusable(lines[-1] if lines else "it ended without a word")
        self._control = ours

    def _spawned(self, control: int, stderr: IO[bytes]) -> subprocess.Popen[bytes]:
        python = self._config.interpreter or sys.executable
        settings = json.dumps(self._config.model_dump(mode="json"))
        return subprocess.Popen(  # noqa: S603 - what the configuration names is run on purpose
            [python, "-P", "-s", worker.__file__, str(control), settings],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=stderr,
            env=_environment(self._config.env),
            pass_fds=[control],
        )


def _unusable(problem: str) -> ConfigError:
    return ConfigError(
        f"the Python for tools does not start: {problem}",
        place=PLACE,
        remedy="Check interpreter (Python 3.11 or newer, with pydantic) and preload",
    )


class Process:
    """The process of one session. Its methods block, and at most one runs at a time, but for ``kill``."""

    def __init__(self, connection: socket.socket, config: PythonConfig) -> None:
        self._config = config
        connection.settimeout(config.timeout_s)
        self._connection = connection
        self._stream = connection.makefile("rwb")
        self._id = 0

    def ask(self, request: dict[str, Any]) -> dict[str, Any]:
        """The answer to a request; raises ``TimeoutError``, and ``EOFError`` when the process has ended."""
        try:
            self._id = self._id or int(self._line())
            self._stream.write(json.dumps(request).encode() + b"\n")
            self._stream.flush()
            answer: dict[str, Any] = json.loads(self._line())
        except (ConnectionError, ValueError) as error:
            raise EOFError from error
        return answer

    def kill(self) -> None:
        """End the process and whatever it started. At once: a thread that asks it gets ``EOFError``."""
        with contextlib.suppress(OSError):
            self._connection.shutdown(socket.SHUT_RDWR)  # first: a process without a number is asked nothing after it
        if self._id:  # numbers of processes are not used again soon, so this is still its own group
            with contextlib.suppress(OSError):
                os.killpg(self._id, signal.SIGKILL)

    def close(self) -> None:
        """Let the process end when it has nothing to do."""
        with contextlib.suppress(OSError):
            self._stream.close()
        with contextlib.suppress(OSError):
            self._connection.close()

    def _line(self) -> bytes:
        line = self._stream.readline()
        if not line.endswith(b"\n"):
            raise EOFError
        return line


def _environment(names: list[str]) -> dict[str, str]:
    """What the tools see. Hashes are fixed, so that sets have the same order in every run."""
    passed = {name: os.environ[name] for name in (*PASSED, *names) if name in os.environ}
    return {**passed, "PYTHONHASHSEED": "0", "PYTHONDONTWRITEBYTECODE": "1"}
