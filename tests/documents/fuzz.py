"""Feeds spoilt documents to all readers and tells what was not foreseen.

    python -m tests.documents.fuzz --minutes 10 SHARED_DATA_FOLDER

Real documents are spoilt as trees (odd values, lost and doubled members, references) and as bytes (flips, cuts,
splices); some documents are JSON that means nothing. Every input derives from a number that is printed; --seed
starts there again. An exception, or a reject that only a last resort made, is a finding; the first input of each kind
is kept in a folder. Exits with 1 if there are findings.
"""

import argparse
import json
import random
import re
import resource
import sys
import tempfile
import time
import traceback
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import yaml

from goat_ray.documents.config import Limits
from goat_ray.documents.ingest import Ingest
from goat_ray.records import Document, Reject

SUFFIXES = (".json", ".jsonl", ".yaml", ".yml", ".py")
MAX_SEED_BYTES = 300_000  # larger documents lose members of their objects first, so that each input takes milliseconds
MAX_MEMBERS = 12  # that an object or array of such a document keeps
LAST_RESORT = re.compile(r"cannot be read: (\w+):")
OFTEN = (
    "$ref",
    "type",
    "properties",
    "items",
    "allOf",
    "oneOf",
    "parameters",
    "schema",
    "example",
    "enum",
    "name",
    "in",
)
ODD: list[Any] = [None, True, -1, 0.5, 10**30, 1e308, "", "\0", "\ud800", "é", "a" * 3_000, [], {}, [[]], {"": {}}]
REFERENCES = (
    "#",
    "#/",
    "#/paths",
    "#/nowhere",
    "#/components/schemas/a",
    "http://x.example/y",
    "../../etc/passwd",
    "%",
)


def main() -> int:
    """Run for the minutes given and print what was found."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path)
    parser.add_argument("--minutes", type=float, default=10.0)
    parser.add_argument("--seed", type=int, default=0, help="number of the first input")
    parser.add_argument("--count", type=int, default=sys.maxsize, help="inputs, if that is sooner")
    options = parser.parse_args()
    seeds = dict(_seeds(options.data))
    print(f"{len(seeds)} real documents, first input {options.seed}")
    fuzz = Fuzz(seeds, Path(tempfile.mkdtemp(prefix="fuzz-")))
    end = time.monotonic() + 60 * options.minutes
    number = options.seed
    while time.monotonic() < end and number < options.seed + options.count:
        fuzz.try_one(number)
        number += 1
    fuzz.report(number - options.seed)
    return 1 if fuzz.findings else 0


def _seeds(folder: Path) -> Iterator[tuple[str, bytes]]:
    for file in sorted(folder.rglob("*")):
        if file.suffix in SUFFIXES and file.is_file():
            yield file.relative_to(folder).as_posix(), file.read_bytes()


class Fuzz:
    """Makes inputs, feeds them to the step, and remembers the outcomes."""

    def __init__(self, seeds: dict[str, bytes], kept: Path) -> None:
        self._seeds = seeds
        self._trees = {name: _tree(content) for name, content in seeds.items()}
        self._kept = kept
        self._step = Ingest(Limits(max_bytes=5_000_000, max_nodes=500_000))
        self._reasons: Counter[str] = Counter()
        self._slowest = (0.0, 0, "")
        self.findings: dict[str, tuple[int, Path]] = {}
        """By kind: how often, and a file with the first such input."""

    def try_one(self, number: int) -> None:
        """Make the input of that number and see what becomes of it."""
        dice = random.Random(number)
        name = dice.choice(list(self._seeds))
        content = self._input(name, dice)
        file = self._kept / "input"
        file.write_bytes(content)
        start = time.process_time()
        try:
            for found in self._step.process([Document(id=str(number), path=file.name, root=str(self._kept))]):
                self._note(found, number, content)
        except Exception as error:
            frame = traceback.extract_tb(error.__traceback__)[-1]
            place = f"{Path(frame.filename).name}:{frame.lineno}"
            self._find(f"ESCAPED {type(error).__name__} at {place}", number, content)
        self._slowest = max(self._slowest, (time.process_time() - start, number, name))

    def _note(self, found: Any, number: int, content: bytes) -> None:
        try:
            json.dumps(found.to_row(), allow_nan=False).encode()
        except (ValueError, TypeError) as error:
            self._find(f"CANNOT BE STORED {type(error).__name__}", number, content)
        if not isinstance(found, Reject):
            self._reasons["(function)"] += 1
            return
        self._reasons[found.reason] += 1
        unforeseen = LAST_RESORT.search(found.detail)
        if unforeseen:
            self._find(f"LAST RESORT {found.detail[unforeseen.start() :][:110]}", number, content)

    def _find(self, kind: str, number: int, content: bytes) -> None:
        if kind not in self.findings:
            file = self._kept / f"{number}.txt"
            file.write_bytes(content)
            self.findings[kind] = (0, file)
            print(f"input {number}: {kind}", flush=True)
        count, file = self.findings[kind]
        if len(content) < file.stat().st_size:  # the smallest is the easiest to understand
            file.write_bytes(content)
        self.findings[kind] = (count + 1, file)

    def _input(self, name: str, dice: random.Random) -> bytes:
        tree = self._trees[name]
        way = dice.random()
        if way < 0.1:
            return json.dumps(_anything(dice, 5)).encode()
        if tree is not None and way < 0.7:
            return _spoilt_tree(tree, dice)
        content = self._seeds[name]
        if len(content) > MAX_SEED_BYTES:
            content = json.dumps(tree, default=str).encode() if tree is not None else content[:MAX_SEED_BYTES]
        return _spoilt_bytes(content, self._seeds[dice.choice(list(self._seeds))], dice)

    def report(self, inputs: int) -> None:
        """Print the counts, the findings and what was slow."""
        print(f"{inputs} inputs: " + ", ".join(f"{count} {reason}" for reason, count in self._reasons.most_common()))
        seconds, number, name = self._slowest
        print(f"slowest: {seconds:.2f} s CPU, input {number} from {name}")
        print(f"peak memory: {resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024:.0f} MiB")
        for kind, (count, file) in sorted(self.findings.items(), key=lambda found: -found[1][0]):
            print(f"{count:>6} x {kind}\n         {file}")


def _tree(content: bytes) -> Any:
    """A document as values, thinned out if it is large; None if it is neither JSON nor YAML, such as Python."""
    text = content.decode("utf-8", "replace")
    try:
        tree = json.loads(text)
    except ValueError:
        try:
            tree = [json.loads(line) for line in text.splitlines()[:20]]
        except ValueError:
            try:
                tree = yaml.load(text, Loader=yaml.CSafeLoader)
            except yaml.YAMLError:
                return None
    if not isinstance(tree, dict | list):
        return None
    return _thinned(tree, random.Random(0)) if len(content) > MAX_SEED_BYTES else tree


def _thinned(node: Any, dice: random.Random) -> Any:
    if isinstance(node, list):
        return [_thinned(item, dice) for item in dice.sample(node, min(len(node), MAX_MEMBERS))]
    if isinstance(node, dict):
        keys = dice.sample(list(node), min(len(node), MAX_MEMBERS))
        return {str(key): _thinned(node[key], dice) for key in node if key in keys or key in ("paths", "components")}
    return node


def _spoilt_tree(tree: Any, dice: random.Random) -> bytes:
    tree = _copied(tree)
    for _ in range(dice.choice((1, 2, 5, 30))):
        holder, key = _place(tree, dice)
        if holder is None:
            continue
        match dice.randrange(6):
            case 0:
                holder[key] = _copied(dice.choice(ODD))
            case 1:
                holder[key] = _anything(dice, 3)
            case 2:
                del holder[key]
            case 3:
                holder[key] = {"$ref": dice.choice(REFERENCES)}
            case 4:
                other, from_key = _place(tree, dice)
                holder[key] = _copied(other[from_key]) if other is not None else None
            case _ if isinstance(holder, dict):
                holder[dice.choice(OFTEN)] = holder.pop(key)
    if dice.random() < 0.2:
        tree = json.loads(json.dumps(tree).replace("\\ud800", "?"))  # which libyaml cannot write
        return yaml.dump(tree, Dumper=yaml.CSafeDumper, allow_unicode=True).encode("utf-8", "replace")
    text = json.dumps(tree, ensure_ascii=dice.random() < 0.5)
    return text.encode("utf-8", "replace")


def _copied(tree: Any) -> Any:
    return json.loads(json.dumps(tree, default=str))  # dates of YAML 1.1 too


def _place(tree: Any, dice: random.Random) -> tuple[Any, Any]:
    """A random holder and key in it, at a random depth."""
    holder, key, node = None, None, tree
    for _ in range(dice.randrange(1, 16)):
        if not isinstance(node, dict | list) or not node:
            break
        holder = node
        key = dice.choice(list(node)) if isinstance(node, dict) else dice.randrange(len(node))
        node = node[key]
    return holder, key


def _anything(dice: random.Random, depth: int) -> Any:
    if depth == 0 or dice.random() < 0.3:
        return _copied(dice.choice(ODD))
    if dice.random() < 0.3:
        return [_anything(dice, depth - 1) for _ in range(dice.randrange(4))]
    keys = (*OFTEN, "openapi", "swagger", "paths", "tools", "function", "/a", "get", "responses", "200", "content")
    return {dice.choice(keys): _anything(dice, depth - 1) for _ in range(dice.randrange(6))}


def _spoilt_bytes(content: bytes, other: bytes, dice: random.Random) -> bytes:
    data = bytearray(content)
    match dice.randrange(4):
        case 0:
            for _ in range(dice.choice((1, 3, 50))):
                data[dice.randrange(len(data))] = dice.randrange(256)
        case 1:
            del data[dice.randrange(len(data)) :]
        case 2:
            start = dice.randrange(len(data))
            del data[start : start + dice.choice((1, 10, 1_000))]
        case _:
            start, begin = dice.randrange(len(data)), dice.randrange(len(other))
            data[start:start] = other[begin : begin + dice.choice((1, 20, 5_000))]
    return bytes(data)


if __name__ == "__main__":
    sys.exit(main())
