"""Structured logs: one JSON object a line on stderr, which Ray keeps in a file of each process.

They are for collectors on a cluster and off by default: people read the console, and what became of each record
stands in the datasets. Only this project's own loggers speak here. Libraries do not: some log whole URLs, with keys.
"""

import logging
import sys
from typing import Literal

import ray
from pythonjsonlogger.json import JsonFormatter

Level = Literal["DEBUG", "INFO", "WARNING"]

_PACKAGE = logging.getLogger("goat_ray")

EVENTS = logging.getLogger("goat_ray.events")
"""What happens to steps, batches and records; silent until ``log_to_stderr`` is given a level."""
EVENTS.disabled = True


class _Context(logging.Filter):
    """Adds to each line what all lines of this process share."""

    def __init__(self, fields: dict[str, str]) -> None:
        super().__init__()
        self._fields = fields

    def filter(self, record: logging.LogRecord) -> bool:
        for name, value in self._fields.items():
            record.__dict__.setdefault(name, value)
        return True


def log_to_stderr(level: Level | None, **context: str) -> None:
    """Log from now on, in this process, from ``level`` on and with this context in each line; None logs no events.

    Lines of a process on the cluster carry its job, node and worker by Ray's ids as well.
    """
    for handler in list(_PACKAGE.handlers):
        _PACKAGE.removeHandler(handler)
    _PACKAGE.propagate = EVENTS.disabled = level is None
    _PACKAGE.setLevel(level or logging.NOTSET)
    if level is None:
        return
    handler = logging.StreamHandler(sys.stderr)
    names = {"levelname": "level", "exc_info": "trace"}
    handler.setFormatter(JsonFormatter("%(levelname)s %(message)s", rename_fields=names, timestamp="time"))
    handler.addFilter(_Context(context | _place()))
    _PACKAGE.addHandler(handler)


def _place() -> dict[str, str]:
    """Where on the cluster this process is."""
    if not ray.is_initialized():
        return {}
    here = ray.get_runtime_context()
    return {"job": here.get_job_id(), "node": here.get_node_id(), "worker": here.get_worker_id()}
