"""A run directory in a store has one driver: the first one, and after its death the next."""

import errno
import fcntl
import os
import signal
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from goat_ray import locking
from goat_ray.errors import RunError
from goat_ray.locking import LOCK, held
from goat_ray.places import Place


@pytest.fixture(autouse=True)
def hasty(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, seconds in {"BEAT_S": 0.2, "DEAD_S": 2.0, "SETTLE_S": 0.3}.items():
        monkeypatch.setattr(locking, name, seconds)


def test_a_second_driver_is_refused_while_the_first_lives(folder: Place) -> None:
    folder.make()
    with held(folder) as check:
        for _ in range(2):
            with pytest.raises(RunError, match="another goat process is working"), held(folder):
                pass
        check()
    with held(folder) as check:
        check()


def test_of_two_that_come_at_once_one_is_refused(store_folder: Place) -> None:
    outcomes: list[str] = []
    leave = threading.Event()

    def drive() -> None:
        try:
            with held(store_folder):
                outcomes.append("held")
                leave.wait(10)
        except RunError:
            outcomes.append("refused")
            leave.set()

    drivers = [threading.Thread(target=drive) for _ in range(2)]
    for driver in drivers:
        driver.start()
    for driver in drivers:
        driver.join()
    assert sorted(outcomes) == ["held", "refused"]


def test_a_file_system_without_locks_is_told_as_such(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> None:
        raise OSError(errno.ENOLCK, os.strerror(errno.ENOLCK))

    monkeypatch.setattr(fcntl, "flock", refuse)
    with pytest.raises(RunError, match=r"locks no files \(No locks available\)"), held(Place.of(tmp_path)):
        pass


KILLED = """
import os, signal, sys
from goat_ray import locking
from goat_ray.places import Place
locking.SETTLE_S = 0
with locking.held(Place.of(sys.argv[1])):
    os.kill(os.getpid(), signal.SIGKILL)
"""


def test_what_a_killed_driver_held_is_free_after_a_while(store_folder: Place) -> None:
    killed = subprocess.run([sys.executable, "-c", KILLED, str(store_folder)], env=os.environ, check=False)
    assert killed.returncode == -signal.SIGKILL and (store_folder / LOCK).exists()
    with held(store_folder) as check:
        check()
    assert not (store_folder / LOCK).exists()


def test_a_driver_that_lost_its_directory_hears_of_it(store_folder: Place) -> None:
    with held(store_folder) as check:
        (store_folder / LOCK).write_bytes(b'{"owner": "another"}')
        with pytest.raises(RunError, match="has lost its run directory"):
            while True:
                check()
    assert (store_folder / LOCK).exists(), "which is the other's"
