"""What a job is called, what it may carry, and what it leaves behind when it fails. Real jobs: test_jobs.py."""

import json
import os
import runpy
import shutil
import signal
import time
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from zipfile import ZipFile

import pytest
from ray._private.runtime_env.packaging import create_package
from ray.job_submission import JobDetails, JobStatus
from typer.testing import CliRunner

from goat_ray import jobs
from goat_ray.cli import app
from goat_ray.cli_submit import Part
from goat_ray.config import load_config
from goat_ray.console import Console
from goat_ray.errors import ConfigError, RunError
from goat_ray.pipeline import Road
from goat_ray.places import Place
from goat_ray.runner import UNFINISHED, Runner
from goat_ray.submission import STAYS_BEHIND, Cluster, Submission, latest_attempt

ROOT = Path(__file__).resolve().parents[1]
DEMO = Path("configs/demo.yaml")
SHARED = "run.directory=/mnt/shared/run-1"
PLANTED = (
    ".env",
    "deploy/.env.local",
    "keys/tls.pem",
    "id_ed25519",
    ".git/config",
    "runs/a/samples.parquet",
    ".venv/x",
)


@pytest.fixture(autouse=True)
def at_the_root(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ROOT)
    monkeypatch.setenv("RAY_API_SERVER_ADDRESS", "")  # put back afterwards: submitting sets it


def submission(*changes: str, part: str = "run", **more: object) -> Submission:
    changes = (SHARED, *changes)
    return Submission(part, DEMO, changes, load_config(DEMO, changes), **more)


def test_equal_work_has_one_name_and_other_work_another() -> None:
    names = {
        submission().name,
        submission("sampling.plans=7").name,
        submission("run.directory=/mnt/shared/run-2").name,
        submission(part="train").name,
    }
    assert len(names) == 4
    assert submission().name == submission("sampling.plans=1500").name, "said or by the file: the same settings"


def test_attempts_are_counted_by_number() -> None:
    known = ["goat-run-ab-1", "goat-run-ab-10", "goat-run-ab-9", "goat-run-abc-12", "goat-train-ab-20", "raysubmit_x"]
    assert latest_attempt("goat-run-ab", known) == 10
    assert latest_attempt("goat-run-xy", known) == 0


def test_the_shell_gets_each_setting_as_it_was_given() -> None:
    hostile = "documents.paths=[a b, '$(touch x)']"
    assert submission(hostile).entrypoint.endswith("""--set 'documents.paths=[a b, '"'"'$(touch x)'"'"']'""")


def test_a_run_directory_must_outlive_the_job() -> None:
    with pytest.raises(ConfigError, match="vanish with it"):
        Submission("run", DEMO, (), load_config(DEMO))


def test_a_configuration_must_travel_with_the_job() -> None:
    with pytest.raises(ConfigError, match="outside the working directory"):
        Submission("run", ROOT / DEMO, (SHARED,), load_config(DEMO, [SHARED]))


def test_secrets_do_not_travel(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(ConfigError, match="looks like a secret"):
        submission(environment={"OPENAI_API_KEY": "x"})
    monkeypatch.setenv("OPENAI_API_KEY", "sk-0123456789")
    with pytest.raises(ConfigError, match="OPENAI_API_KEY") as caught:
        submission("teacher.engine.extra={token: sk-0123456789}")
    assert "sk-0123456789" not in str(caught.value)
    with pytest.raises(ConfigError, match="OPENAI_API_KEY"):
        submission(environment={"NOTE": "is sk-0123456789"})


def test_what_stays_behind_and_what_travels_by_rays_own_packaging(tmp_path: Path) -> None:
    folders, stays = ("goat_ray", "jobs", "configs"), (*PLANTED, "goat_ray/.env", "configs/tls.pem")
    tree = tmp_path / "project"
    for folder in folders:
        shutil.copytree(ROOT / folder, tree / folder, ignore=shutil.ignore_patterns("__pycache__"))
    needed = {str(file.relative_to(tree)) for file in tree.rglob("*") if file.is_file()}
    for name in (".rayignore", ".gitignore"):
        shutil.copy(ROOT / name, tree / name)
    for name in stays:
        (tree / name).parent.mkdir(parents=True, exist_ok=True)
        (tree / name).write_text("hush")

    create_package(str(tree), tmp_path / "job.zip", include_gitignore=True)

    assert packed(tmp_path / "job.zip") == needed | {".rayignore", ".gitignore"}


def test_secrets_of_a_folder_without_any_ignore_file_stay_behind(tmp_path: Path) -> None:
    """As in a user's own project, which goat submit sends."""
    tree = tmp_path / "own"
    for name in (*PLANTED, "own.yaml", "documents/.env", "documents/shop.yaml"):
        (tree / name).parent.mkdir(parents=True, exist_ok=True)
        (tree / name).write_text("hush")
    create_package(str(tree), tmp_path / "job.zip", excludes=STAYS_BEHIND, include_gitignore=True)
    assert packed(tmp_path / "job.zip") == {"own.yaml", "documents/shop.yaml"}


def packed(archive: Path) -> set[str]:
    """The files in a working directory as Ray sends it."""
    return {name for name in ZipFile(archive).namelist() if not name.endswith("/")}


def test_no_dashboard_is_one_clear_error() -> None:
    with pytest.raises(RunError, match="no Ray dashboard answers"):
        Cluster("http://127.0.0.1:9", print)
    result = CliRunner().invoke(app, ["submit", str(DEMO), "--set", SHARED, "--address", "http://127.0.0.1:9"])
    assert result.exit_code == 1 and "no Ray dashboard answers" in result.output and result.output.count("\n") == 1


def test_a_job_is_followed_across_lost_connections(monkeypatch: pytest.MonkeyPatch) -> None:
    """By log and by status: a tunnel ends, a head starts again."""

    class Tunnel:
        """Breaks in the middle of the log, then before the status; the job has ended when that can be asked."""

        def __init__(self, address: str) -> None:
            self.broken = [RuntimeError("log"), None, None]
            self.told = [JobStatus.RUNNING, ConnectionError("status"), JobStatus.SUCCEEDED]
            self.refused = [None, None, RuntimeError("No available agent")]

        async def tail_job_logs(self, job: str) -> AsyncIterator[str]:
            yield "one\n"
            if (error := self.broken.pop(0)) is not None:
                raise error
            yield "two\n"

        def get_job_info(self, job: str) -> SimpleNamespace:
            if isinstance(told := self.told.pop(0), Exception):
                raise told
            return SimpleNamespace(status=told)

        def get_job_logs(self, job: str) -> str:
            return "one\ntwo\nthree\n"

        def list_jobs(self) -> list[SimpleNamespace]:
            return [SimpleNamespace(submission_id=job) for job in known]

        def submit_job(self, *, entrypoint: str, submission_id: str) -> None:
            assert entrypoint == "true"
            if (error := self.refused.pop()) is not None:
                raise error
            looks[submission_id] = 0

        def get_job_status(self, job: str) -> JobStatus:
            looks[job] += 1
            return JobStatus.SUCCEEDED if looks[job] > 1 else JobStatus.PENDING

    known, looks = ["job"], dict[str, int]()
    monkeypatch.setattr("goat_ray.submission.JobSubmissionClient", Tunnel)
    monkeypatch.setattr("goat_ray.submission.RETRY_S", 0)
    said: list[str] = []
    assert Cluster("http://127.0.0.1:9", said.append).follow("job").status == JobStatus.SUCCEEDED
    lost = "job: connection lost, trying again\n"
    assert [text for text in said if text] == ["one\n", lost, "two\n", lost, "three\n"]
    assert list(looks.values()) == [2, 2], "a head that was started again looks after its jobs when one is sent"

    class Gone(Tunnel):
        """Nobody answers any more."""

        async def tail_job_logs(self, job: str) -> AsyncIterator[str]:
            raise ConnectionError
            yield

        def list_jobs(self) -> list[SimpleNamespace]:
            raise ConnectionError

    monkeypatch.setattr("goat_ray.submission.JobSubmissionClient", Gone)
    monkeypatch.setattr("goat_ray.submission.PATIENCE_S", 0.01)
    with pytest.raises(RunError, match="has not answered for"):
        Cluster("http://127.0.0.1:9", print).follow("job")
    with pytest.raises(RunError, match="does not list its jobs"):
        Cluster("http://127.0.0.1:9", print).ensure(submission())
    monkeypatch.setattr("goat_ray.submission.JobSubmissionClient", Tunnel)

    known.clear()  # as where a new cluster has taken the place of the one that had the job
    with pytest.raises(RunError, match="never heard of the job"):
        Cluster("http://127.0.0.1:9", print).follow("job")


def test_each_part_has_a_script() -> None:
    scripts = {file.stem for file in (ROOT / "jobs").glob("*.py")}
    assert scripts == {"pipeline" if part is Part.run else part.value for part in Part}


@pytest.mark.parametrize("part", Part)
def test_each_script_asks_for_its_own_part(part: Part, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[str] = []
    monkeypatch.setattr("goat_ray.jobs.main", asked.append)
    runpy.run_path(
        str(ROOT / "jobs" / ("pipeline.py" if part is Part.run else f"{part.value}.py")), run_name="__main__"
    )
    assert asked == [part.value]


@pytest.mark.parametrize(
    ("status", "driver", "wanted", "said"),
    [
        (JobStatus.SUCCEEDED, 0, 0, "succeeded after 7 s"),
        (JobStatus.FAILED, 3, 3, "submit the same again"),
        (JobStatus.FAILED, None, 1, "no node took it"),  # it never ran
        (JobStatus.STOPPED, None, 1, "submit the same again"),
        (JobStatus.STOPPED, 0, 1, "submit the same again"),  # stopped, whatever the driver made of it
    ],
)
def test_goat_submit_gives_the_jobs_status_and_says_how_it_ended(
    status: JobStatus, driver: int | None, wanted: int, said: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """On a cluster that answers at once; what is sent is what the dashboard is to show."""
    sent: dict[str, Any] = {}

    class Client:
        def __init__(self, address: str) -> None:
            assert address == "http://127.0.0.1:9"

        def list_jobs(self) -> list[JobDetails]:
            return []

        def submit_job(self, **work: Any) -> None:
            sent.update(work)

        async def tail_job_logs(self, job: str) -> AsyncIterator[str]:
            yield "at work\n"

        def get_job_logs(self, job: str) -> str:
            return "at work\n"

        def get_job_info(self, job: str) -> JobDetails:
            times = {"start_time": 1000, "end_time": 8000}
            ended = {"status": status, "message": "no node took it", "driver_exit_code": driver}
            return JobDetails(type="SUBMISSION", submission_id=job, entrypoint="", metadata={}, **times, **ended)

    monkeypatch.setattr("goat_ray.submission.JobSubmissionClient", Client)
    command = ["submit", str(DEMO), "--set", SHARED, "--address", "http://127.0.0.1:9"]
    result = CliRunner().invoke(app, [*command, "--env", "NOTE=hello", "--driver-cpus", "4"])
    assert result.exit_code == wanted and "at work\n" in result.output and said in result.output
    travels = sent["runtime_env"]
    assert (travels["working_dir"], travels["env_vars"]) == (".", {"NOTE": "hello"})
    assert sent["metadata"]["run_directory"] == "/mnt/shared/run-1" and sent["entrypoint_num_cpus"] == 4


def test_a_malformed_option_is_named() -> None:
    result = CliRunner().invoke(app, ["submit", str(DEMO), "--set", SHARED, "--env", "HF_HOME"])
    assert result.exit_code == 2 and "NAME=VALUE" in result.output


class TestReports:
    @pytest.fixture
    def run(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
        """A run directory with a dataset that is not finished; the handler of signals is put back."""
        for name in ("connect", "nodes", "check_road"):
            monkeypatch.setattr(f"goat_ray.pipeline.{name}", lambda *_: None)
        (tmp_path / "verified").mkdir()
        (tmp_path / "verified" / UNFINISHED).write_text("{}")
        handler = signal.getsignal(signal.SIGTERM)
        yield tmp_path
        signal.signal(signal.SIGTERM, handler)

    def call(self, run: Path, *changes: str) -> None:
        sets = [word for change in (f"run.directory={run}", *changes) for word in ("--set", change)]
        jobs.main("ingest", ["--config", str(DEMO), *sets])

    def test_a_failed_job_reports_what_is_finished_until_one_succeeds(
        self, run: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        with pytest.raises(SystemExit, match="no file is at 'nowhere'"):
            self.call(run, "documents.paths=[nowhere]")
        report = json.loads((run / "failure.json").read_text())
        assert (report["part"], report["unfinished"], report["finished"]) == ("ingest", ["verified"], {})
        assert "no file is at 'nowhere'" in report["error"] and report["remedy"]

        def end(road: Road, part: str, begin: Callable[[], None]) -> None:
            begin()
            assert json.loads((run / "failure.json").read_text())["error"] == "it has not ended", (
                "as one would leave it"
            )

        monkeypatch.setattr("goat_ray.pipeline.Road.perform", end)
        self.call(run)
        assert not (run / "failure.json").exists()

    def test_a_second_job_leaves_no_report_in_the_run_of_the_first(self, run: Path) -> None:
        with Runner(run, Console()).exclusive(), pytest.raises(SystemExit, match="another goat process"):
            self.call(run)
        assert not (run / "failure.json").exists()

    def test_a_job_that_is_stopped_reports_so(self, run: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        def stopped(*_: object) -> None:
            os.kill(os.getpid(), signal.SIGTERM)
            time.sleep(10)

        monkeypatch.setattr("goat_ray.pipeline.discover", stopped)  # before any Ray that has a handler of its own
        with pytest.raises(SystemExit) as error:
            self.call(run)
        assert error.value.code == 128 + signal.SIGTERM
        report = json.loads((run / "failure.json").read_text())
        assert report["error"] == "stopped from outside" and report["unfinished"] == ["verified"]

    def test_a_store_out_of_reach_does_not_hide_the_error(self, store: Place, run: Path) -> None:
        with pytest.raises(SystemExit, match="the object store does not do it"):
            self.call(Path(), "run.directory=s3://nowhere/run")
