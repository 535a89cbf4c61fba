"""How various a set of texts is: distinct n-grams and self-BLEU."""

import math
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

Tokens = Sequence[str]


def tokens(text: str) -> list[str]:
    """Lower-case words, with punctuation as words of its own left out."""
    return [word for raw in text.lower().split() if (word := raw.strip(".,;:!?\"'()"))]


def ngrams(words: Tokens, n: int) -> Counter[tuple[str, ...]]:
    """All runs of n words, counted."""
    return Counter(zip(*(words[start:] for start in range(n)), strict=False))


@dataclass
class DistinctGrams:
    """Distinct n-grams by all n-grams (Li et al. 2016) of texts that are added one by one, for n of 1 and 2.

    The share falls with the number of texts, so only those of as many texts can be compared.
    """

    _grams: dict[int, Counter[tuple[str, ...]]] = field(default_factory=lambda: {1: Counter(), 2: Counter()})

    def add(self, text: str) -> None:
        """Count a text's n-grams."""
        words = tokens(text)
        for n, grams in self._grams.items():
            grams.update(ngrams(words, n))

    def share(self, n: int) -> float:
        """Of 1 where no n-gram comes twice; 0 where there are none."""
        total = self._grams[n].total()
        return len(self._grams[n]) / total if total else 0.0


def distinct(texts: Iterable[str], n: int) -> float:
    """The share of distinct n-grams of some texts."""
    grams = DistinctGrams()
    for text in texts:
        grams.add(text)
    return grams.share(n)


def self_bleu(texts: Sequence[str], order: int = 4) -> float:
    """Mean BLEU of each text against all others (Zhu et al. 2018, Texygen), 0 to 1; lower is more various.

    BLEU with n-grams up to ``order``, clipped by the most that one other text has, uniform weights, precision smoothed
    by one where nothing matches, and the closest reference for the brevity penalty (Papineni et al. 2002). Takes
    time in the square of the number of texts.
    """
    words = [tokens(text) for text in texts]
    grams = [[ngrams(one, n) for n in range(1, order + 1)] for one in words]
    scores = [
        _bleu(len(words[at]), grams[at], [len(w) for w in words[:at] + words[at + 1 :]], grams[:at] + grams[at + 1 :])
        for at in range(len(texts))
        if words[at] and len(texts) > 1
    ]
    return sum(scores) / len(scores) if scores else 0.0


def _bleu(
    length: int,
    grams: list[Counter[tuple[str, ...]]],
    reference_lengths: list[int],
    references: list[list[Counter[tuple[str, ...]]]],
) -> float:
    logs = []
    for n, own in enumerate(grams):
        total = own.total()
        if total:
            matched = sum(min(count, max(other[n][gram] for other in references)) for gram, count in own.items())
            logs.append(math.log(matched / total) if matched else math.log(1 / (2 * total)))
    closest = min(reference_lengths, key=lambda other: (abs(other - length), other))
    brevity = 1.0 if length >= closest else math.exp(1 - closest / max(length, 1))
    return brevity * math.exp(sum(logs) / len(logs))
