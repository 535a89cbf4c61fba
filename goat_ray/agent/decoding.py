"""Decoding that is held to given names, one a line: what a model writes is then a plan, whichever it is."""

from collections.abc import Callable, Iterator, Sequence
from typing import Any

_END = -1  # marks, among the tokens that may follow, that a name is complete

Node = dict[int, Any]  # token -> node


class NamesOnly:
    """Which tokens may follow, so that a text is one or more of ``names``, each in a line of its own.

    The names are spelt as the tokenizer spells them in such a text, alone and after another line: those are the
    tokens that a model was trained to write.
    """

    def __init__(self, names: Sequence[str], encode: Callable[[str], list[int]], ends: Sequence[int]) -> None:
        self._ends = list(ends)
        self._first: Node = {}
        self._later: Node = {}
        before = encode(names[0])
        for name in names:
            _add(self._first, encode(name))
            both = encode(f"{names[0]}\n{name}")
            _add(self._later, both[len(before) :] if both[: len(before)] == before else encode(f"\n{name}"))

    def allowed(self, written: Sequence[int]) -> list[int]:
        """The tokens that may follow those that are written; ends only, once there was one."""
        nodes = [self._first]
        for token in written:
            nodes = [node[token] for node in self._open(nodes) if token in node]
        following = {token for node in self._open(nodes) for token in node if token != _END}
        done = not nodes or any(_END in node for node in nodes)
        return sorted(following) + (self._ends if done else [])

    def _open(self, nodes: Sequence[Node]) -> Iterator[Node]:
        """The nodes themselves, as a name may begin another one, and the next line where a name is complete."""
        yield from nodes
        if any(_END in node for node in nodes):
            yield self._later


def _add(root: Node, tokens: Sequence[int]) -> None:
    for token in tokens:
        root = root.setdefault(token, {})
    root[_END] = {}
