"""Rules of design.md: resume loses nothing and repeats nothing finished, rejects are records, funnels add up."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from goat_ray.cluster import ClusterConfig, NodesOnDemand, StageConfig, connect
from goat_ray.console import Console
from goat_ray.errors import RunError
from goat_ray.places import Place
from goat_ray.records import Document
from goat_ray.runner import SUPERSEDED, Runner
from goat_ray.storage import MANIFEST, Dataset, parquet_files, read_json
from tests.steps import Cross, Forget, Meet, Share, Shout, documents

pytestmark = pytest.mark.ray


@pytest.fixture
def runner(tmp_path: Path, ray_cluster: None) -> Runner:
    return Runner(tmp_path / "run", Console())


def source(runner: Runner, count: int = 100) -> Dataset[Document]:
    return runner.gather("documents", Document, lambda: documents(count), settings={"count": count})


def test_every_record_is_kept_or_rejected_with_a_reason(runner: Runner, recwarn: pytest.WarningsRecorder) -> None:
    out = runner.bulk(Shout(), source(runner), into="loud")

    assert not [warning for warning in recwarn if "concurrent tasks" in str(warning.message)]
    assert (out.rows, out.rejects) == (90, {"tenth": 10})
    kept, rejected = list(out.records()), list(out.rejected())
    assert {r.id for r in kept} | {r.id for r in rejected} == {d.id for d in documents(100)}
    assert {r.root for r in kept} == {"ROOT!"}
    assert {r.reason for r in rejected} == {"tenth"}
    manifest = read_json(out.folder / MANIFEST)
    assert manifest is not None and manifest["rows"] == 90 and manifest["rejects"] == {"tenth": 10}


def test_finished_work_is_not_done_again(runner: Runner, tmp_path: Path) -> None:
    first = runner.bulk(Shout(notes=tmp_path), source(runner), into="loud")
    for file in tmp_path.glob("[0-9]*"):
        file.unlink()

    again = runner.bulk(Shout(notes=tmp_path), source(runner), into="loud")

    assert again == first
    assert not list(tmp_path.glob("[0-9]*"))


def test_other_settings_make_it_new_and_keep_the_old(runner: Runner) -> None:
    old = runner.bulk(Shout(mark="!"), source(runner), into="loud")
    new = runner.bulk(Shout(mark="?"), source(runner), into="loud")
    assert {r.root for r in new.records()} == {"ROOT?"}
    assert (runner.directory / SUPERSEDED / f"loud-{old.fingerprint}").is_dir()

    back = runner.bulk(Shout(mark="!"), source(runner), into="loud")
    assert back.fingerprint == old.fingerprint
    assert {r.root for r in back.records()} == {"ROOT!"}


def test_a_step_that_forgets_a_record_is_an_error(runner: Runner) -> None:
    with pytest.raises(RunError, match="exactly one outcome"):
        runner.bulk(Forget(), source(runner), into="loud")


@pytest.fixture
def late_node(ray_cluster: None) -> Iterator[ClusterConfig]:
    """A cluster whose autoscaler was to add a node for the stages, and never does."""
    promised = NodesOnDemand(count=1, resources={"CPU": 2, "pool_late": 1})
    config = ClusterConfig(patience_s=2, on_demand=[promised], stages={"default": StageConfig(pool="pool_late")})
    connect(config)
    yield config
    connect(ClusterConfig())


def test_a_stage_that_finds_no_room_says_so(tmp_path: Path, late_node: ClusterConfig) -> None:
    runner = Runner(tmp_path / "run", Console(), late_node)

    with pytest.raises(RunError, match=r"(?s)step 'shout' found no room within 2 s.*cluster\.patience_s"):
        runner.bulk(Shout(), source(runner), into="loud")


def test_workers_may_take_all_that_reading_and_writing_leave(runner: Runner, tmp_path: Path) -> None:
    """Three workers of 1.25 of the cluster's 6 CPUs; by Ray's own measure there would be two."""
    notes = tmp_path / "notes"
    notes.mkdir()
    assert runner.bulk(Meet(notes=notes), source(runner), into="loud").rows == 90


def test_a_worker_that_waits_for_others_takes_up_two_batches_at_once(runner: Runner) -> None:
    out = runner.bulk(Cross(), source(runner, 40), into="loud")
    assert {r.id for r in out.records()} | {r.id for r in out.rejected()} == {d.id for d in documents(40)}
    assert out.rows == 36


def test_no_worker_hoards_batches_that_another_could_have(runner: Runner, tmp_path: Path) -> None:
    notes = tmp_path / "notes"
    notes.mkdir()
    assert runner.bulk(Share(notes=notes), source(runner, 40), into="loud").rows == 36


def test_no_input_gives_no_output(runner: Runner) -> None:
    out = runner.bulk(Shout(), source(runner, 0), into="loud")
    assert (out.rows, out.rejects, list(out.records())) == (0, {}, [])


def test_two_drivers_do_not_share_a_run(runner: Runner) -> None:
    with runner.exclusive():
        with pytest.raises(RunError, match="another goat process"):
            with Runner(runner.directory, Console()).exclusive():
                pass


DRIVER = """
import sys
from pathlib import Path
from goat_ray.cluster import ClusterConfig, connect
from goat_ray.console import Console
from goat_ray.places import Place
from goat_ray.runner import Runner
from tests.steps import Shout
from tests.test_runner import source
connect(ClusterConfig(address=sys.argv[3]))
runner = Runner(Place.of(sys.argv[1]), Console())
out = runner.bulk(Shout(notes=Path(sys.argv[2]), seconds=0.4), source(runner, 200), into="loud")
print("finished", out.rows)
"""


@pytest.mark.soak
def test_a_killed_driver_goes_on_where_it_was_in_an_object_store(
    tmp_path: Path, store_folder: Place, ray_cluster: None
) -> None:
    """On a file system ``synthesis/test_kills.py`` kills drivers."""
    before, after = tmp_path / "before", tmp_path / "after"
    before.mkdir()
    after.mkdir()
    root = Path(__file__).resolve().parents[1]
    import ray

    address = ray.get_runtime_context().gcs_address
    command = [sys.executable, "-c", DRIVER, str(store_folder)]
    driver = subprocess.Popen([*command, str(before), address], cwd=root, start_new_session=True)
    checkpoint = store_folder / "loud" / ".checkpoint"
    deadline = time.monotonic() + 120
    while len([file for file in parquet_files(checkpoint) if "pending" not in file.name]) < 3:
        assert driver.poll() is None and time.monotonic() < deadline
        time.sleep(0.1)
    os.killpg(driver.pid, signal.SIGKILL)
    driver.wait()

    result = subprocess.run(
        [*command, str(after), address], cwd=root, capture_output=True, text=True, timeout=180, check=False
    )

    assert "finished 180" in result.stdout, result.stderr
    runner = Runner(store_folder, Console())
    out = runner.finished("loud", Document)
    ids = [r.id for r in out.records()] + [r.id for r in out.rejected()]
    assert sorted(ids) == sorted(d.id for d in documents(200)), "each record exactly once"
    redone = {line for file in after.iterdir() for line in file.read_text().split()}
    assert 0 < len(redone) < 200, "only what was not committed is done again"
