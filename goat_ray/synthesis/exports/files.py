"""JSON files that are written item by item, so that a corpus of any size takes no memory."""

import json
from pathlib import Path
from types import TracebackType
from typing import Any, Self, TextIO


class JsonFiles:
    """Files below one folder, opened when first written to; each ends up whole or not at all.

    Files named ``.json`` are one list, all others have one value a line.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._open: dict[str, TextIO] = {}
        self.counts: dict[str, int] = {}

    def add(self, name: str, value: Any) -> None:
        """Append one value to a file."""
        file = self._open.get(name)
        if file is None:
            (self._folder / name).parent.mkdir(parents=True, exist_ok=True)
            file = self._open[name] = self._partial(name).open("w", encoding="utf-8")
            self.counts[name] = 0
        if name.endswith(".json"):
            file.write(",\n" if self.counts[name] else "[\n")
        file.write(json.dumps(value, ensure_ascii=False))
        if not name.endswith(".json"):
            file.write("\n")
        self.counts[name] += 1

    def _partial(self, name: str) -> Path:
        whole = self._folder / name
        return whole.with_name(f".{whole.name}.part")

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for name, file in self._open.items():
            if name.endswith(".json"):
                file.write("\n]\n")
            file.close()
            if error is None:
                self._partial(name).replace(self._folder / name)
            else:
                self._partial(name).unlink()
