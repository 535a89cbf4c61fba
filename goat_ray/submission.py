"""Sends a part of the road to a Ray cluster as a job, once, and follows it there.

A job's id derives from what it does: the part, the run directory and all other settings. Sending the same work again
therefore finds the job that does it already, and so does a second machine that sends it at the same moment.
"""

import asyncio
import logging
import os
import re
import shlex
import time
import uuid
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import aiohttp
from ray.exceptions import AuthenticationError
from ray.job_submission import JobDetails, JobStatus, JobSubmissionClient

from goat_ray import __version__
from goat_ray.config import GoatConfig
from goat_ray.errors import ConfigError, RunError
from goat_ray.identity import content_id

SUBMIT_TRIES = 10  # a cluster that has just started takes some seconds until a node accepts jobs
RETRY_S = 2.0
LOOK_TRIES = 30
_LOST = (RuntimeError, OSError, aiohttp.ClientError)  # a tunnel that ended, a head that starts again
_SECRET_NAME = re.compile(r"KEY|TOKEN|SECRET|PASSW|CREDENTIAL", re.IGNORECASE)
_SECRET_LENGTH = 8  # characters; shorter values occur in ordinary words
PATIENCE_S = 900.0  # for a head that starts again, on a node that has to be found for it
STAYS_BEHIND = [
    "/.git/",
    ".venv/",
    "runs/",
    ".env",
    ".env.*",
    ".netrc",
    "*.pem",
    "*.key",
    "*_rsa",
    "*_ed25519",
    "auth_token",
    "kubeconfig*",
]
"""Of any working directory, as ``.gitignore`` writes it: secrets, and what is too big to travel."""


@dataclass(frozen=True)
class Submission:
    """One part of the road with its settings, ready to be sent."""

    part: str
    config: Path  # below the working directory, which travels with the job
    changes: tuple[str, ...]
    settings: GoatConfig
    environment: Mapping[str, str] = field(default_factory=dict)  # plain values only
    driver: Mapping[str, Any] = field(default_factory=dict)  # ``submit_job``'s entrypoint_num_cpus and so on

    def __post_init__(self) -> None:
        if self.config.is_absolute() or ".." in self.config.parts:
            raise ConfigError(
                "is outside the working directory, which is all that travels with a job",
                place=str(self.config),
                remedy="Run goat submit in a folder that contains the file, and give a path relative to it",
            )
        directory = self.settings.run.directory
        if not (Path(directory).is_absolute() or "://" in directory):
            raise ConfigError(
                f"run.directory {directory!r} would lie in the job's copy of the working directory and vanish with it",
                place=str(self.config),
                remedy="Give a path that all nodes share or a store's URL: --set run.directory=/mnt/shared/run-1",
            )
        _refuse_secrets(self.environment, self.entrypoint)

    @property
    def name(self) -> str:
        """What all attempts at this work have in common."""
        return f"goat-{self.part}-{content_id(self.part, self.settings.model_dump(mode='json'))}"

    @property
    def entrypoint(self) -> str:
        """The shell command that the cluster runs."""
        changes = [word for change in self.changes for word in ("--set", change)]
        return shlex.join(["python", "-m", "goat_ray.jobs", self.part, "--config", str(self.config), *changes])

    @property
    def metadata(self) -> dict[str, str]:
        """What the dashboard shows beside the job."""
        return {
            "part": self.part,
            "config": str(self.config),
            "fingerprint": self.name.rpartition("-")[2],
            "run_directory": self.settings.run.directory,
            "goat_ray": __version__,
        }


def _refuse_secrets(environment: Mapping[str, str], entrypoint: str) -> None:
    """Whoever sees the dashboard sees a job's command and its runtime environment."""
    remedy = "Set it on the cluster's nodes (cluster/README.md, Secrets); configurations hold the variable's name"
    for name in environment:
        if _SECRET_NAME.search(name):
            raise ConfigError(f"{name} looks like a secret, and --env is shown to everyone", remedy=remedy)
    text = " ".join([entrypoint, *environment.values()])
    for name, value in os.environ.items():
        if _SECRET_NAME.search(name) and len(value) >= _SECRET_LENGTH and value in text:
            raise ConfigError(f"the value of {name} stands in the job's command or environment", remedy=remedy)


def latest_attempt(name: str, submission_ids: Iterable[str]) -> int:
    """The number of the last job that was sent for this work; 0 where there is none."""
    numbers = (re.fullmatch(rf"{re.escape(name)}-(\d+)", one) for one in submission_ids)
    return max((int(number[1]) for number in numbers if number), default=0)


class Cluster:
    """The jobs of one Ray cluster."""

    def __init__(self, address: str, say: Callable[[str], None]) -> None:
        """Connect to a dashboard such as ``http://localhost:8265``; raises ``RunError`` where that fails."""
        os.environ["RAY_API_SERVER_ADDRESS"] = address  # RAY_ADDRESS, if it is set, would win over an argument
        logging.getLogger("ray").setLevel(logging.ERROR)  # it lists each ignored folder, many times
        self._say = say
        try:
            self._client = JobSubmissionClient(address)
        except AuthenticationError as error:
            raise RunError(
                "the cluster wants another token, or any",
                place=address,
                remedy="Set RAY_AUTH_MODE=token, and RAY_AUTH_TOKEN to the cluster's token",
            ) from error
        except (ConnectionError, RuntimeError) as error:
            raise RunError(
                f"no Ray dashboard answers ({error})",
                place=address,
                remedy="Give the address of the dashboard, e.g. http://localhost:8265 through kubectl port-forward",
            ) from error

    def ensure(self, work: Submission, *, again: bool = False) -> str:
        """The id of the job that does this work: one that runs or has succeeded, else a new one.

        ``again`` also sends work that has succeeded before.
        """
        jobs = self._jobs()
        attempt = latest_attempt(work.name, jobs)
        last = jobs.get(f"{work.name}-{attempt}")
        if last is not None and not last.status.is_terminal():
            self._have_it_look()
            last = self._jobs().get(f"{work.name}-{attempt}")
        if last is not None and (not last.status.is_terminal() or (last.status == JobStatus.SUCCEEDED and not again)):
            hint = "; --again sends it anew, if documents or code have changed" if last.status.is_terminal() else ""
            self._say(f"{last.submission_id}: sent before, {last.status.lower()}{hint}\n")
            return str(last.submission_id)
        if last is not None:
            self._say(f"{last.submission_id}: {last.status.lower()}; trying again\n")
        return self._submit(work, f"{work.name}-{attempt + 1}")

    def _submit(self, work: Submission, job: str) -> str:
        for left in reversed(range(SUBMIT_TRIES)):
            try:
                self._client.submit_job(
                    entrypoint=work.entrypoint,
                    submission_id=job,
                    # Ray reads .rayignore and .gitignore by itself, where there are any.
                    runtime_env={"working_dir": ".", "excludes": STAYS_BEHIND, "env_vars": dict(work.environment)},
                    metadata=work.metadata,
                    **work.driver,
                )
            except ValueError as error:  # a working directory that is too big, say, which no other try makes smaller
                raise RunError(
                    f"the job cannot be sent: {error}", remedy="Name what it does not need in .rayignore"
                ) from error
            except (RuntimeError, OSError) as error:
                if self._knows(job):  # someone else was faster, or the reply was lost
                    break
                if not left:
                    raise RunError(
                        f"the cluster does not take the job: {error}", remedy="Look at the head's logs"
                    ) from error
                time.sleep(RETRY_S)
            else:
                break
        self._say(f"{job}: sent\n")
        return job

    def _jobs(self) -> dict[str, JobDetails]:
        try:
            return {job.submission_id: job for job in self._client.list_jobs() if job.submission_id}
        except (RuntimeError, OSError) as error:
            raise RunError(f"the cluster does not list its jobs: {error}", remedy="Look at the head's logs") from error

    def _knows(self, job: str) -> bool:
        return job in self._jobs()

    def _have_it_look(self) -> None:
        """Have the head look after its jobs, by sending one that does nothing.

        A head that was started again does so only then (Ray 2.60). Until then, jobs whose drivers died with the old one
        are said to run, and whoever waits for their output waits for ever.
        """
        look, sent = f"goat-look-{uuid.uuid4().hex[:12]}", False
        for _ in range(LOOK_TRIES):
            with suppress(*_LOST):  # it answers some seconds before it takes jobs
                if not sent:
                    self._client.submit_job(entrypoint="true", submission_id=look)
                    sent = True
                if self._client.get_job_status(look).is_terminal():
                    return
            time.sleep(RETRY_S)

    def _check_known(self, job: str) -> None:
        if all(known.submission_id != job for known in self._client.list_jobs()):
            raise RunError(
                "the cluster that answers now has never heard of the job",
                place=job,
                remedy="What is finished is kept; submit the same again",
            )

    def follow(self, job: str) -> JobDetails:
        """Pass on a job's output until it ends, across lost connections.

        Raises ``RunError`` where the job is lost with its cluster and another one answers, or nobody for
        ``PATIENCE_S``.
        """
        return asyncio.run(self._follow(job))

    async def _follow(self, job: str) -> JobDetails:
        shown, heard, lost = 0, time.monotonic(), False
        while True:
            position = 0
            try:
                if lost:
                    self._check_known(job)
                    heard = time.monotonic()
                    self._have_it_look()
                    lost = False
                    details = self._client.get_job_info(job)
                    if details.status.is_terminal():  # its output may be lost with the head
                        with suppress(*_LOST):
                            self._say(self._client.get_job_logs(job)[shown:])
                        return details
                async for text in self._client.tail_job_logs(job):  # from the start each time
                    self._say(text[max(shown - position, 0) :])
                    position += len(text)
                    shown = max(shown, position)
                details, heard = self._client.get_job_info(job), time.monotonic()
                if details.status.is_terminal():
                    self._say(self._client.get_job_logs(job)[shown:])
                    return details
            except _LOST:
                if not lost:
                    self._say(f"{job}: connection lost, trying again\n")
                lost = True
                if time.monotonic() - heard > PATIENCE_S:
                    raise RunError(
                        f"the cluster has not answered for {PATIENCE_S / 60:.0f} minutes",
                        place=job,
                        remedy="The job may go on. When the cluster answers, the same command finds it again",
                    ) from None
            await asyncio.sleep(RETRY_S)


def summary(details: JobDetails) -> str:
    """How a job ended, in a few lines."""
    seconds = ((details.end_time or 0) - (details.start_time or 0)) / 1000
    directory = (details.metadata or {}).get("run_directory", "")
    lines = [f"{details.submission_id}: {details.status.lower()} after {seconds:,.0f} s", f"run directory  {directory}"]
    if details.status != JobStatus.SUCCEEDED:
        if details.driver_exit_code is None:  # it never ran, or was stopped; else its own log says why
            lines.append(f"message        {(details.message or '').strip()}")
        lines.append("what is finished is kept; mend the cause and submit the same again")
    return "\n  ".join(lines)


def exit_status(details: JobDetails) -> int:
    """0 for success; else the driver's own status, or 1 where it left none, as when it was stopped."""
    return 0 if details.status == JobStatus.SUCCEEDED else details.driver_exit_code or 1
