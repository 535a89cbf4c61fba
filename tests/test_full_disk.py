"""A disk that is full gives one clear error, and nothing that was finished is lost."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]

pytestmark = [pytest.mark.ray, pytest.mark.slow]


SPILLING = pytest.param("spilling", "object_spilling_directory", marks=pytest.mark.soak)


@pytest.mark.parametrize(("kind", "place"), [("output", "disk/run"), SPILLING])
def test_a_full_disk_is_one_error_and_loses_nothing(kind: str, place: str, tmp_path: Path, private_home: None) -> None:
    command = ["unshare", "--map-root-user", "--mount", sys.executable, "-m", "tests.full_disk", kind, str(tmp_path)]
    done = subprocess.run(command, check=False, cwd=ROOT, capture_output=True, text=True, timeout=400)
    assert done.returncode == 0, done.stderr[-2000:]
    found = json.loads(done.stdout.splitlines()[-1])
    assert f"{place}: the disk is full" in found["said"]
    assert found["right"]
    assert 0 < found["redone"] < 100 or kind == "spilling", "what was written before is not done again"
