"""The errors this project raises on purpose. Each message says what is wrong and what to do about it."""

import errno
import os

_STEERS = {code: "\ufffd" for code in (*range(32), *range(127, 160)) if chr(code) not in "\n\t"}


def printable(text: str) -> str:
    """A text that does not steer a terminal: documents, responses and models may say what they like."""
    return text.translate(_STEERS)


class GoatError(Exception):
    """Root of all errors that are meant for the user: the CLI prints them without a stack trace."""

    def __init__(self, problem: str, *, remedy: str, place: str = "") -> None:
        self.problem = problem
        self.remedy = remedy
        self.place = place
        super().__init__(printable(f"{place + ': ' if place else ''}{problem}. {remedy}"))

    def __reduce__(self) -> tuple[object, ...]:
        # Keyword-only arguments do not survive default exception pickling, and Ray pickles every task error.
        return (_rebuild, (type(self), self.problem, self.remedy, self.place))


def _rebuild(kind: type[GoatError], problem: str, remedy: str, place: str) -> GoatError:
    return kind(problem, remedy=remedy, place=place)


class ConfigError(GoatError):
    """The configuration cannot be used; raised before any work starts."""


class DocumentError(GoatError):
    """An API document, or one operation of it, cannot be read. In bulk it becomes a reject."""


class ModelError(GoatError):
    """A model or its weights cannot be had, or are not what they should be."""


class RunError(GoatError):
    """A step could not finish, or what it needs from an earlier step is missing."""


def is_full(error: BaseException) -> bool:
    """Whether a disk or a quota was; some libraries say so in their text alone."""
    if isinstance(error, OSError) and error.errno is not None:
        return error.errno in (errno.ENOSPC, errno.EDQUOT)
    return os.strerror(errno.ENOSPC) in str(error)


def full_disk(place: str) -> RunError:
    """What to say where nothing more can be written."""
    return RunError(
        "the disk is full", place=place, remedy="What is finished is kept; make room and run the same command again"
    )
