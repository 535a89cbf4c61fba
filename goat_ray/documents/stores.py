"""Documents in object stores: ``s3://bucket/apis`` and what else fsspec reaches."""

import glob
import posixpath
import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import IO, Any, cast

import fsspec  # type: ignore[import-untyped]  # ships no types

from goat_ray.errors import ConfigError

_URL = re.compile(r"([A-Za-z][A-Za-z0-9+.-]*)://")
# Stores by scheme, and the package that brings the driver. A list, because some of fsspec's schemes run commands.
_DRIVERS = {"s3": "s3fs", "gs": "gcsfs", "gcs": "gcsfs", "az": "adlfs", "abfs": "adlfs", "abfss": "adlfs"}
_DRIVERS |= {"hf": "huggingface_hub", "memory": "fsspec"}


def scheme(path: str) -> str:
    """The scheme of a URL in small letters, ``""`` for a path on this machine; ``file`` is for the caller to undo."""
    match = _URL.match(path)
    return match[1].lower() if match else ""


def find(url: str) -> list[tuple[str, str]]:
    """(root URL, path below it) of the file, of all files below the folder, or of those a glob matches, by name.

    Hidden files below a folder are left out. Raises ``ConfigError`` if the store cannot be used.
    """
    with _store(url) as (store, path):
        if store.isfile(path):
            return [_split(store, path)]
        if store.isdir(path):
            return _below(store, path)
        matches = sorted(store.glob(path)) if glob.has_magic(path) else []
        return [
            found
            for match in matches
            for found in ([_split(store, match)] if store.isfile(match) else _below(store, match))
        ]


@contextmanager
def opened(root: str, path: str) -> Iterator[IO[bytes]]:
    """A file of a store, for reading; raises ``ConfigError`` if the store or the file cannot be read."""
    url = f"{root.rstrip('/')}/{path}"
    with _store(url) as (store, name), store.open(name, "rb") as stream:
        yield cast(IO[bytes], stream)


def confined(path: str) -> bool:
    """Whether a path below a root URL stays below it."""
    return not path.startswith("/") and ".." not in path.split("/")


@contextmanager
def _store(url: str) -> Iterator[tuple[Any, str]]:
    """The file system of a URL and the path in it; what goes wrong with them becomes a ``ConfigError``."""
    kind = scheme(url)
    if kind not in _DRIVERS or "::" in url:
        raise ConfigError(
            f"documents are not read over {kind}://",
            place=url,
            remedy=f"Download them and give their folder, or use one of {', '.join(_DRIVERS)}",
        )
    try:
        store, path = fsspec.core.url_to_fs(url)
        yield store, path
    except ImportError as error:
        raise ConfigError(
            f"the driver for {kind}:// is not installed",
            place=url,
            remedy=f"Install {_DRIVERS[kind]} on the driver and all workers (pip install {_DRIVERS[kind]})",
        ) from error
    except ConfigError:
        raise
    except Exception as error:  # each driver has its own errors, few of them OSErrors
        raise ConfigError(
            f"cannot be read: {type(error).__name__}: {' '.join(str(error).split())[:300]}",
            place=url,
            remedy="Check the address, the network and the credentials in the environment",
        ) from error


def _split(store: Any, path: str) -> tuple[str, str]:
    folder, name = posixpath.split(path)
    return str(store.unstrip_protocol(folder)), name


def _below(store: Any, folder: str) -> list[tuple[str, str]]:
    root = str(store.unstrip_protocol(folder))
    prefix = folder.rstrip("/") + "/"
    names = (file.removeprefix(prefix) for file in sorted(store.find(folder)))
    return [(root, name) for name in names if not any(part.startswith(".") for part in name.split("/"))]
