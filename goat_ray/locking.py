"""One driver for each run directory: a lock of the file system, or in an object store a lease that its owner renews."""

import fcntl
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any
from uuid import uuid4

from goat_ray.errors import RunError
from goat_ray.places import Place
from goat_ray.storage import read_json, write_json

LOCK = ".lock"
BEAT_S = 5.0  # between renewals of a lease
DEAD_S = 20.0  # a lease that was not renewed for so long is free
SETTLE_S = 1.0  # after which the later one of two that came at once has been seen by both


class RunTaken(RunError):
    """Another process works in the run directory, which is therefore not touched."""


@contextmanager
def held(directory: Place) -> Iterator[Callable[[], None]]:
    """Hold a run directory; what is given raises ``RunError`` if it was lost on the way.

    Raises ``RunTaken`` where another process holds it. On file systems the lock ends with the process. In a store it
    ends ``DEAD_S`` after a process that was killed, by the waiting one's clock alone.
    """
    if directory.local is None:
        lease = _Lease(directory / LOCK)
        try:
            yield lease.check
        finally:
            lease.release()
    else:
        with _flock(directory.local / LOCK):
            yield lambda: None


@contextmanager
def _flock(file: Path) -> Iterator[None]:
    with file.open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise _taken(Place.of(file)) from error
        except OSError as error:  # NFS without a lock daemon, Lustre without -o flock
            raise RunError(
                f"this file system locks no files ({error.strerror})",
                place=str(file.parent),
                remedy="Mount it with locks, or choose a run.directory elsewhere or in an object store",
            ) from error
        yield


def _taken(file: Place) -> RunTaken:
    return RunTaken(
        "another goat process is working in this run directory",
        place=str(file.parent),
        remedy="Wait for it, or choose another run.directory",
    )


class _Lease:
    """A file with its owner's name and a count that grows while the owner lives.

    Stores' clients have no common way to write a file only if it is not there. So whoever finds none writes its own
    and looks again a little later: of two that came at once, the one that wrote last finds itself there.
    """

    def __init__(self, file: Place) -> None:
        self._file = file
        self._owner = uuid4().hex
        self._await_end()
        self._beat(0)
        time.sleep(SETTLE_S)
        if not self._is_mine():
            raise _taken(file)
        self._renewed = time.monotonic()
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._renew, daemon=True)
        self._thread.start()

    def check(self) -> None:
        """Raise ``RunError`` if another process may have taken over."""
        if time.monotonic() - self._renewed > DEAD_S:
            raise RunError(
                "this process has lost its run directory: its lease was not renewed in time",
                place=str(self._file.parent),
                remedy="See that the store can be reached and that no other process works there; run the command again",
            )

    def release(self) -> None:
        """Let others have it."""
        self._stop.set()
        self._thread.join()
        if self._is_mine():
            self._file.remove()

    def _await_end(self) -> None:
        """Return as soon as nobody holds the file; raise if its owner is seen to live."""
        found = _content(self._file)
        deadline = time.monotonic() + DEAD_S
        while found and time.monotonic() < deadline:
            time.sleep(BEAT_S / 5)
            now = _content(self._file)
            if now and now != found:
                raise _taken(self._file)
            found = now

    def _beat(self, count: int) -> None:
        write_json(self._file, {"owner": self._owner, "beats": count})

    def _is_mine(self) -> bool:
        return _content(self._file).get("owner") == self._owner

    def _renew(self) -> None:
        count = 0
        while not self._stop.wait(BEAT_S):
            with suppress(RunError):  # the store may answer next time; ``check`` tells if it does not
                if not self._is_mine():
                    self._renewed = float("-inf")
                    return
                self._beat(count := count + 1)
                self._renewed = time.monotonic()


def _content(file: Place) -> dict[str, Any]:
    return read_json(file) or {}
