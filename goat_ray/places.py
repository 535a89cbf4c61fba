"""Files and folders by name: on a file system that all nodes share, or in an object store (``s3://bucket/run``).

One class over ``pyarrow.fs``, which Ray Data, Ray Train and Parquet use as well: all of them see a store through the
same client. An object store has no rename. A file in it appears at once and whole; a folder is whole when the file is
there that is written last, its seal.
"""

import hashlib
import json
import os
import shutil
import tempfile
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from functools import cache
from pathlib import Path, PurePath, PurePosixPath
from typing import IO, Any
from uuid import uuid4

import pyarrow.fs as pafs

from goat_ray.errors import ConfigError, RunError

STORES = ("s3", "gs", "abfs")
"""Schemes of object stores: S3 and what speaks its protocol, Google Cloud Storage, Azure."""

_IN_MEMORY = 2**24  # bytes of a file on its way to a store; more go by the disk
_AT_ONCE = 16  # requests of a copy
_COPY_BYTES = 5 * 10**9  # S3 copies no longer objects by itself
_RETRIES = 10
_CONNECT_S, _ANSWER_S = 10, 60


@dataclass(frozen=True, order=True)
class Place:
    """A file or a folder; it need not exist. Plain data, so that it travels to every task."""

    url: str  # an absolute path, or the URL of an object

    @classmethod
    def of(cls, where: "Where") -> "Place":
        """A path, made absolute, or a URL; raises ``ConfigError`` for a store that cannot be used."""
        if isinstance(where, Place):
            return where
        scheme, marks, rest = str(where).partition("://")
        if not marks:
            _refuse_one_slash(str(where))
            return cls(str(Path(os.path.expanduser(where)).absolute()))  # Path's own fails for ~nobody
        if scheme == "file":
            return cls(str(Path("/", rest)))
        if scheme not in STORES or not rest.strip("/") or set(rest) & set("?#@"):
            # Nor is the wrong text repeated: what stands before @ or behind ? may be a secret.
            raise ConfigError(
                f"is no URL of a folder in a store: {' or '.join(f'{one}://bucket/folder' for one in STORES)}, "
                "without credentials or options",
                place=f"{scheme}://…",
                remedy="Set credentials and endpoint (AWS_ENDPOINT_URL) in the environment of the cluster's nodes",
            )
        return cls(f"{scheme}://{rest.rstrip('/')}")

    def __truediv__(self, name: str) -> "Place":
        return Place(f"{self.url}/{name}")

    def __str__(self) -> str:
        return self.url

    @property
    def name(self) -> str:
        """The last part."""
        return PurePosixPath(self.url).name

    @property
    def parent(self) -> "Place":
        """The folder that this is in."""
        return Place(self.url.rpartition("/")[0] or "/")

    @property
    def local(self) -> Path | None:
        """The path, where this is no object store."""
        return None if "://" in self.url else Path(self.url)

    @property
    def path(self) -> str:
        """The name that ``filesystem`` knows it by."""
        return self.url.rpartition("://")[2]

    @property
    def filesystem(self) -> Any:
        """The ``pyarrow.fs.FileSystem`` that it is on; it travels without credentials, which each node has itself."""
        with _explained(self):
            return _filesystem(self.url.rpartition("://")[0], self.path.partition("/")[0])

    # --- looking ---------------------------------------------------------------------------------

    def exists(self) -> bool:
        """Whether there is such a file or folder."""
        return bool(self._info().type != pafs.FileType.NotFound)

    def is_dir(self) -> bool:
        """Whether it is a folder; in a store, one with something in it."""
        return bool(self._info().type == pafs.FileType.Directory)

    def is_file(self) -> bool:
        """Whether it is a file."""
        return bool(self._info().is_file)

    def children(self) -> list["Place"]:
        """What is in this folder, by name; nothing where there is no folder."""
        return sorted(Place(f"{self.url}/{PurePosixPath(info.path).name}") for info in self._list(recursive=False))

    def files(self) -> list[tuple[str, Any]]:
        """(name relative to this folder, its ``pyarrow.fs.FileInfo``) of all files below, by name."""
        start = len(self.path) + 1
        return sorted((info.path[start:], info) for info in self._list(recursive=True) if info.is_file)

    def open(self) -> Any:
        """The file for reading, as a ``pyarrow.NativeFile`` with random access."""
        with _explained(self):
            return self.filesystem.open_input_file(self.path)

    def read_bytes(self) -> bytes:
        """All of the file; raises ``FileNotFoundError``."""
        with _explained(self), self.filesystem.open_input_stream(self.path) as stream:
            return bytes(stream.read())

    def _info(self) -> Any:
        with _explained(self):
            return self.filesystem.get_file_info(self.path)

    def _list(self, *, recursive: bool) -> list[Any]:
        with _explained(self):
            found: list[Any] = self.filesystem.get_file_info(
                pafs.FileSelector(self.path, recursive=recursive, allow_not_found=True)
            )
        return found

    # --- writing ---------------------------------------------------------------------------------

    def make(self) -> None:
        """Make the folder, with those above it; a bucket must be there. Raises ``ConfigError`` where none can be."""
        try:
            with _explained(self):
                self.filesystem.create_dir(self.path, recursive=True)
        except (FileExistsError, NotADirectoryError, PermissionError) as error:
            why = "you may not write there" if isinstance(error, PermissionError) else "a file is in its way"
            raise ConfigError(
                f"the folder cannot be made: {why}", place=str(self), remedy="Name another folder"
            ) from error

    @contextmanager
    def written(self) -> Iterator[IO[bytes]]:
        """A file to fill. It appears as a whole once the block ends without an error; readers see no part of it."""
        if self.local is None:
            with tempfile.SpooledTemporaryFile(_IN_MEMORY) as file:
                yield file
                file.seek(0)
                with _explained(self), self.filesystem.open_output_stream(self.path) as stream:
                    shutil.copyfileobj(file, stream, _IN_MEMORY)
            return
        self.local.parent.mkdir(parents=True, exist_ok=True)
        aside = self.local.with_name(f".{self.name}.{uuid4().hex[:8]}.tmp")
        try:
            with aside.open("wb") as local:
                yield local
                local.flush()
                os.fsync(local.fileno())
            aside.replace(self.local)
        finally:
            aside.unlink(missing_ok=True)

    def write_bytes(self, content: bytes) -> None:
        """Write a file that readers see whole or not at all."""
        with self.written() as file:
            file.write(content)

    @contextmanager
    def filled(self) -> Iterator[Path]:
        """A folder on this machine; what is in it at the end is then in this folder too."""
        if self.local is not None:
            self.local.mkdir(parents=True, exist_ok=True)
            yield self.local
            return
        with tempfile.TemporaryDirectory(prefix="goat-") as folder:
            yield Path(folder)
            _copy(Place(folder), self, ())

    @contextmanager
    def refilled(self, listing: str) -> Iterator[Path]:
        """A folder on this machine to fill; its files are then here in place of those of an earlier filling.

        ``listing``, a file here, names them. No other file is touched: where one stands in the way, ``RunError`` says
        so. After an error within the block everything is as it was.
        """
        with self._aside(f"{listing}.partial") as folder:
            yield folder
            new = [name for name, _ in Place.of(folder).files()]
            there, listed = {name for name, _ in self.files()}, self / listing
            ours = there & set(json.loads(listed.read_bytes())) if listed.exists() else set()
            if foreign := sorted(there.intersection(new) - ours):
                raise RunError(
                    f"holds {foreign[0]}, which no earlier call of this command has noted as its own",
                    place=self.url,
                    remedy="Name another folder, or move away what is in this one",
                )
            listed.write_bytes(json.dumps(sorted(ours.union(new))).encode())  # whatever a kill leaves is in it
            for name in new if self.local is not None else ():
                Path((self / name).url).parent.mkdir(parents=True, exist_ok=True)
                (folder / name).replace((self / name).url)
            if self.local is None:
                _copy(Place.of(folder), self, ())
            for name in sorted(ours.difference(new)):
                self._drop(name)
            listed.write_bytes(json.dumps(new).encode())

    @contextmanager
    def _aside(self, name: str) -> Iterator[Path]:
        """An empty folder on this machine, on the file system of this one if that is here too."""
        if self.local is None:
            with tempfile.TemporaryDirectory(prefix="goat-") as folder:
                yield Path(folder)
            return
        shutil.rmtree(self.local / name, ignore_errors=True)  # of a killed process
        inner = self.local / name / "new"  # so deep that nobody takes what a kill leaves for files of this folder
        inner.mkdir(parents=True)
        try:
            yield inner
        finally:
            shutil.rmtree(self.local / name, ignore_errors=True)

    def _drop(self, name: str) -> None:
        """Remove a file, and a folder here that it leaves empty."""
        (self / name).remove()
        if self.local is not None and (self.local / name).parent != self.local:
            with suppress(OSError):
                (self.local / name).parent.rmdir()

    @contextmanager
    def made(self, seal: str) -> Iterator[Path]:
        """A folder on this machine to fill; it then appears here as a whole, which ``seal``, one of its files, shows.

        If another process was faster, its folder is left as it is.
        """
        if self.local is None:
            with tempfile.TemporaryDirectory(prefix="goat-") as folder:
                yield Path(folder)
                if not (self / seal).exists():
                    _copy(Place(folder), self, (seal,))
            return
        aside = self.local.with_name(f"{self.name}.partial")
        shutil.rmtree(aside, ignore_errors=True)  # of a killed process
        aside.mkdir(parents=True)
        try:
            yield aside
            if not (self / seal).exists():
                aside.replace(self.local)
        finally:
            shutil.rmtree(aside, ignore_errors=True)

    def remove(self, seals: Iterable[str] = ()) -> None:
        """Remove the file or the folder, its seals first; nothing happens where it is not there."""
        for seal in seals:
            (self / seal).remove()
        with _explained(self):
            info = self._info()
            if info.is_file:
                self.filesystem.delete_file(self.path)
            elif info.type == pafs.FileType.Directory:
                self.filesystem.delete_dir(self.path)

    def move(self, target: "Place", seals: Iterable[str] = ()) -> None:
        """Move the folder, in a store by copies: a kill on the way leaves one of the two with its seals."""
        if self.local is not None and target.local is not None:
            target.local.parent.mkdir(parents=True, exist_ok=True)
            self.local.rename(target.local)
            return
        _copy(self, target, tuple(seals))
        self.remove(seals)

    def fetch(self) -> Path:
        """The file or folder on this machine, for libraries that know paths only; raises ``FileNotFoundError``.

        What is in a store is copied once for each machine and content, below ``GOAT_CACHE``.
        """
        if self.local is not None:
            return self.local
        files = self.files() or [("", self._info())]
        if not all(info.is_file for _, info in files):
            raise FileNotFoundError(self.url)
        stamp = repr([self.url, [(name, info.size, info.mtime_ns) for name, info in files]])
        target = cache_folder() / hashlib.sha256(stamp.encode()).hexdigest()[:16] / self.name
        if not target.exists():
            target.parent.mkdir(parents=True, exist_ok=True)
            with tempfile.TemporaryDirectory(dir=target.parent) as folder:
                aside = Place(folder) / self.name
                _each(_transfer, [(self, aside, "")] if files[0][0] == "" else [(self, aside, n) for n, _ in files])
                if not target.exists():  # a process beside this one may have been faster
                    Path(aside.url).replace(target)
        return target


Where = str | PurePath | Place
"""What a place can be made of."""


def _refuse_one_slash(where: str) -> None:
    scheme, mark, _ = where.partition(":/")
    if mark and scheme in (*STORES, "file"):
        raise ConfigError(
            "is neither a URL nor a folder", place=f"{scheme}:/…", remedy=f"Write a URL with two slashes: {scheme}://"
        )


def cache_folder() -> Path:
    """Where copies of what is in stores lie on this machine; nothing there is needed after a run."""
    return Path(os.environ.get("GOAT_CACHE") or Path.home() / ".cache" / "goat-ray")


def fetched(name: str) -> str:
    """A model's folder on this machine, where its name is a URL; else the name, which may be a hub's."""
    return str(Place.of(name).fetch()) if "://" in name else name


def _copy(source: Place, target: Place, seals: tuple[str, ...]) -> None:
    names = [name for name, _ in source.files()]
    _each(_transfer, [(source, target, name) for name in names if name not in seals])
    _each(_transfer, [(source, target, name) for name in names if name in seals])


def _each(do: Callable[..., None], arguments: list[tuple[Place, Place, str]]) -> None:
    with ThreadPoolExecutor(_AT_ONCE) as threads:
        for done in [threads.submit(do, *one) for one in arguments]:
            done.result()


def _transfer(source: Place, target: Place, name: str) -> None:
    """Copy one file of a folder, or the file itself where there is no name."""
    source, target = (source / name, target / name) if name else (source, target)
    with _explained(target if source.local else source):
        if target.local is not None:
            target.local.parent.mkdir(parents=True, exist_ok=True)
        if source.local is None and target.local is None and source._info().size <= _COPY_BYTES:
            source.filesystem.copy_file(source.path, target.path)
            return
        with source.filesystem.open_input_stream(source.path) as given:
            with target.filesystem.open_output_stream(target.path) as taken:
                shutil.copyfileobj(given, taken, _IN_MEMORY)


@cache
def _filesystem(scheme: str, bucket: str) -> Any:
    if not scheme:
        return pafs.LocalFileSystem()
    setting = os.environ.get  # pyarrow reads the credentials itself, but not the rest
    if scheme == "gs":
        return pafs.GcsFileSystem()
    if scheme == "abfs":
        return _azure(setting("AZURE_STORAGE_ACCOUNT"))
    endpoint = setting("AWS_ENDPOINT_URL_S3") or setting("AWS_ENDPOINT_URL")
    region = setting("AWS_REGION") or setting("AWS_DEFAULT_REGION")
    return pafs.S3FileSystem(
        endpoint_override=endpoint,
        region=region or (None if endpoint else pafs.resolve_s3_region(bucket)),
        retry_strategy=pafs.AwsStandardS3RetryStrategy(max_attempts=_RETRIES),
        connect_timeout=_CONNECT_S,
        request_timeout=_ANSWER_S,
    )


def _azure(account: str | None) -> Any:
    if not account:
        raise ConfigError(
            "the storage account of abfs:// is not known",
            remedy="Set AZURE_STORAGE_ACCOUNT to its name in the environment of the cluster's nodes",
        )
    return pafs.AzureFileSystem(account_name=account)


@contextmanager
def _explained(place: Place) -> Iterator[None]:
    """What goes wrong with a store as an error for the user; with a file system, as it is."""
    try:
        yield
    except FileNotFoundError:
        raise
    except OSError as error:
        if place.local is not None:
            raise
        raise RunError(
            f"the object store does not do it: {str(error).strip().splitlines()[0]}",
            place=place.url,
            remedy="Check that the bucket exists, and that credentials (and AWS_ENDPOINT_URL, for a store other than "
            "Amazon's) were set on every node before Ray started there; see cluster/README.md",
        ) from error
