"""Personal data and secrets in what real APIs answer: found, and replaced by made-up values of the same form.

A value is replaced by the same made-up one wherever it stands in a trace, so an argument still is what an earlier
body holds. Names of people and postal addresses are not found: that takes a model, and APIs about films are full of
both. Numbers in JSON are left alone, as an identifier cannot be told from a telephone number; but not those that are
replaced where they stand as text in the trace. A parameter may take as text what a body has as a number, or the other
way round: were one of them left, it would give the other away, and the argument would not be what the body holds.
"""

import math
import operator
import random
import re
from bisect import insort
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any, NamedTuple
from urllib.parse import unquote_plus

from phonenumbers import Leniency, PhoneNumberMatcher
from pydantic import Field
from stdnum import iban, luhn

from goat_ray import metering
from goat_ray.hiding import MIN_SECRET
from goat_ray.identity import rng
from goat_ray.jsonpath import parse, render
from goat_ray.records import Argument, CallTrace, ExecutedCall, Origin
from goat_ray.settings import Settings

SECRET_ENTROPY = 3.7  # bits a character; 40 hex digits have at most 4, English names about 3
SECRET_NAMES = re.compile(
    r"(?i)pass(word|wd|phrase)|secret|(api|private)[_\s-]?key|(access|auth|refresh|session|bearer)[_\s-]?token|credential"
)

# Answers have up to megabytes: a match must not begin at every character of a run that it reads to the end.
QUERY = re.compile(r"[?&;]([\w.-]+)=([^\s&#\"'<>]+)")  # of a link: APIs repeat a request's key in those to more pages
EMAIL = re.compile(r"(?<![\w.+-])[A-Za-z0-9][\w.+-]*@(?:[A-Za-z0-9-]+\.)+[A-Za-z]{2,}(?![\w-])")
IBAN = re.compile(r"(?<!\w)[A-Z]{2}\d{2}(?: ?[A-Z0-9]{4}){2,7}(?: ?[A-Z0-9]{1,4})?(?!\w)")
CARD = re.compile(r"(?<![\w.-])(?:\d{4}[ -]?){3}\d{1,7}(?![\w-]|\.\d*[1-9])")  # a decimal number is none
NUMBER = re.compile(r"[0-9]+(?:\.[0-9]+)?")
MEASURE = re.compile(r"[0-9](?:\.[0-9]+)?e[+-][0-9]{2,3}")  # a number too great or small to write out
PHONE_LIKE = re.compile(r"\+\d|\(\d|\d[ .)-]{1,5}\d[\d ().-]{0,30}\d{3}")
SECRET = re.compile(
    r"-----BEGIN [A-Z ]*PRIVATE KEY-----[^-]+(?:-{1,4}[^-]+)*-----END [A-Z ]*PRIVATE KEY-----"
    r"|(?<!\w)(?:(?:AKIA|ASIA)[A-Z0-9]{16}"  # AWS
    r"|gh[pousr]_[A-Za-z0-9]{36,}|github_pat_\w{22,}|glpat-[\w-]{20,}"  # GitHub, GitLab
    r"|xox[abeoprs]-[\w-]{10,}|sk-[\w-]{20,}|[sr]k_(?:live|test)_[A-Za-z0-9]{16,}"  # Slack, OpenAI, Stripe
    r"|AIza[\w-]{35}|ya29\.[\w-]{20,}|hf_[A-Za-z0-9]{30,}|npm_[A-Za-z0-9]{36}|SG\.[\w-]{20,}\.[\w-]{20,}"
    r"|(?<!-)eyJ[\w-]{8,}\.eyJ[\w-]{8,}\.[\w-]{8,})(?!\w)"  # JSON Web Tokens
)
OPAQUE = re.compile(r"(?<![\w+/.-])(?=[\w+/-]*\d)(?=[\w+/-]*[A-Z])(?=[\w+/-]*[a-z])[\w+/-]{32,}={0,2}(?![\w/.])")


class PrivacyConfig(Settings):
    """What is looked through."""

    origins: list[Origin] = Field(
        ["real", "recorded"], description="Origins of calls whose traces are redacted; the sandbox's data are made up."
    )
    region: str = Field("US", description="Where telephone numbers without a country code are from; two letters.")


class Found(NamedTuple):
    """A private value within a text."""

    start: int
    end: int
    kind: str


def find(text: str, region: str) -> list[Found]:
    """The private values of a text, in order, none within another; the surer kinds first."""
    found: list[Found] = []
    taken = bytearray(len(text))
    for one in _candidates(text, region):
        if not any(taken[one.start : one.end]):
            taken[one.start : one.end] = b"\1" * (one.end - one.start)
            found.append(one)
    return sorted(found)


def _candidates(text: str, region: str) -> Iterator[Found]:
    for kind, pattern, holds in (
        ("secret", SECRET, lambda _: True),
        ("email", EMAIL, lambda _: True),
        ("iban", IBAN, iban.is_valid),
        ("card", CARD, _is_card),
        ("secret", OPAQUE, lambda value: _entropy(value) >= SECRET_ENTROPY),
    ):
        for match in pattern.finditer(text):
            if holds(match.group()):
                yield Found(*match.span(), kind)
    if PHONE_LIKE.search(text):
        for phone in PhoneNumberMatcher(text, region, Leniency.STRICT_GROUPING):
            if not NUMBER.fullmatch(phone.raw_string):  # more likely an identifier or a coordinate
                yield Found(phone.start, phone.end, "phone")


def _is_card(value: str) -> bool:
    digits = re.sub(r"\D", "", value)
    # Issuers' first digits; and one digit repeated passes the checksum, too.
    return digits[0] in "23456" and len(set(digits)) > 1 and bool(luhn.is_valid(digits))


def _entropy(value: str) -> float:
    counts = Counter(value)
    return -sum(count / len(value) * math.log2(count / len(value)) for count in counts.values())


# --- made-up values of the same form ---------------------------------------------------------------


def _email(_: str, random_: random.Random) -> str:
    return f"user{random_.randrange(10**6):06d}@example.com"  # a domain that nobody has (RFC 2606)


def _phone(value: str, random_: random.Random) -> str:
    """The country code and the grouping stay; 555-01 is set aside for fiction in North America."""
    head = re.match(r"\+\d{1,3}\b|\+\d", value)
    start = head.end() if head else 0
    digits = iter("555" + "".join(str(random_.randrange(10)) for _ in range(20)))
    return value[:start] + re.sub(r"\d", lambda _: next(digits), value[start:])


def _card(value: str, random_: random.Random) -> str:
    size = len(re.sub(r"\D", "", value))
    body = "400000" + "".join(str(random_.randrange(10)) for _ in range(size - 7))
    digits = iter(body + luhn.calc_check_digit(body))
    return re.sub(r"\d", lambda _: next(digits), value)


def _iban(value: str, random_: random.Random) -> str:
    """The country and the grouping stay; the bank is none."""
    rest = iter("0000" + "".join(str(random_.randrange(10)) for _ in range(40)))
    account = "".join(next(rest) for _ in value[4:].replace(" ", ""))
    new = iter(value[:2] + iban.calc_check_digits(f"{value[:2]}00{account}") + account)
    return "".join(" " if char == " " else next(new) for char in value)


def _secret(value: str, random_: random.Random) -> str:
    """A number for a number, which must outlive being a float: no zeros at its ends, and of 16 digits below 2**53."""
    if NUMBER.fullmatch(value):
        made = re.sub("[0-9]", lambda _: str(random_.randrange(1, 9)), value)
        return str(float(made)) if "." in made else made
    return f"REDACTED-{random_.randrange(16**8):08x}"


_MAKE: dict[str, Callable[[str, random.Random], str]] = {
    "email": _email,
    "phone": _phone,
    "card": _card,
    "iban": _iban,
    "secret": _secret,
}


@dataclass
class Redactor:
    """Replaces the private values of one trace."""

    trace: str  # its id, which the made-up values derive from: those of different traces cannot be matched up
    region: str
    counts: Counter[str] = field(default_factory=Counter)
    named: dict[str, None] = field(default_factory=dict)  # values that stood under the name of a secret
    numbers: dict[str, tuple[str, str]] = field(default_factory=dict)
    """Digits that are private wherever they stand, in texts or as numbers: their kind, and made-up ones."""

    _sizes: dict[str, list[int]] = field(default_factory=dict, repr=False)
    """Lengths of the named ones by the characters that they begin with, longest first: there may be thousands."""

    _found: dict[str, list[Found]] = field(default_factory=dict, repr=False)  # most texts are looked through twice

    def learn(self, value: Any, name: str = "") -> None:
        """Note texts under names such as ``access_token``, in links as well, and digits of cards and telephones.

        Wherever those stand, they are private.
        """
        if isinstance(value, dict):
            for key, item in value.items():
                self._learn_digits(key)
                self.learn(item, key)
        elif isinstance(value, list):
            for item in value:
                self.learn(item, name)
        elif isinstance(value, str):
            self._learn_digits(value)
            self._learn_named(name, value)
            for key, written in QUERY.findall(value):
                self._learn_named(key, written)
                self._learn_named(key, unquote_plus(written))

    def _learn_named(self, name: str, value: str) -> None:
        if len(value) < MIN_SECRET or not SECRET_NAMES.search(name):
            return
        unsigned = value.removeprefix("+").removeprefix("-")
        if MEASURE.fullmatch(unsigned):
            return
        if not NUMBER.fullmatch(unsigned):
            self.named[value] = None
            sizes = self._sizes.setdefault(value[:MIN_SECRET], [])
            if len(value) not in sizes:
                insort(sizes, len(value), key=operator.neg)
        elif len(plain := _plain(unsigned)) >= MIN_SECRET:  # not 1 for 000001: that is any page, index and count
            self.numbers.setdefault(plain, ("secret", self._make("secret", plain)))

    def _learn_digits(self, text: str) -> None:
        for found in self._find(text):
            if found.kind in ("card", "phone"):
                value = text[found.start : found.end]
                digits, made = (re.sub(r"\D", "", one) for one in (value, self._make(found.kind, value)))
                # Numbers become texts without groups, so that spelling decides where a number has several.
                known = self.numbers.get(_plain(digits)) if digits != value.removeprefix("+") else None
                self.numbers[_plain(digits)] = known or (found.kind, made)

    def clean(self, value: Any) -> Any:
        """A JSON value without private ones."""
        if isinstance(value, dict):
            return {self._text(key): self.clean(item) for key, item in value.items()}
        if isinstance(value, list):
            return [self.clean(item) for item in value]
        if isinstance(value, int | float) and not isinstance(value, bool) and self.numbers:
            return self._number(value)
        return self._text(value) if isinstance(value, str) else value

    def _number(self, value: float) -> float:
        kind, made = self.numbers.get(_plain(str(abs(value))), ("", ""))
        if not kind:
            return value
        self.counts[kind] += 1
        new = type(value)(made)
        return -new if value < 0 else new

    def _text(self, text: str) -> str:
        parts, end = [], 0
        for found in self._private(text):
            parts += [self._digits(text[end : found.start]), self._made(found.kind, text[found.start : found.end])]
            end = found.end
        return "".join([*parts, self._digits(text[end:])])

    def _private(self, text: str) -> list[Found]:
        """All that is to be replaced; what overlaps is one, lest a part of it be left."""
        if not self.named:
            return self._find(text)
        whole: list[Found] = []
        for one in sorted([*self._named_in(text), *self._find(text)], key=lambda found: (found.start, -found.end)):
            if not whole or one.start >= whole[-1].end:
                whole.append(one)
            elif one.end > whole[-1].end:
                whole[-1] = Found(whole[-1].start, one.end, "secret")
        return whole

    def _named_in(self, text: str) -> Iterator[Found]:
        for start in range(len(text) - MIN_SECRET + 1):
            for size in self._sizes.get(text[start : start + MIN_SECRET], ()):
                if text[start : start + size] in self.named:
                    yield Found(start, start + size, "secret")
                    break

    def _digits(self, text: str) -> str:
        return NUMBER.sub(self._made_digits, text) if self.numbers else text

    def _made_digits(self, match: re.Match[str]) -> str:
        plain = _plain(match[0])
        kind, made = self.numbers.get(plain, ("", ""))
        if not kind:
            return match[0]
        self.counts[kind] += 1
        return match[0].replace(plain, made, 1)

    def _find(self, text: str) -> list[Found]:
        if text not in self._found:
            self._found[text] = find(text, self.region)
        return self._found[text]

    def _made(self, kind: str, value: str) -> str:
        self.counts[kind] += 1
        return self._make(kind, value)

    def _make(self, kind: str, value: str) -> str:
        # The same value in other spelling is the same one: groups of digits, capitals of an address.
        same = re.sub(r"[\s().-]", "", value) if kind in ("phone", "card", "iban") else value.lower()
        return _MAKE[kind](value, rng("redacted", self.trace, kind, value if kind == "secret" else same))


def _plain(number: str) -> str:
    """Without the zeros in which spellings of a number differ: of 007 and 7.0 it is 7."""
    whole, _, fraction = number.partition(".")
    whole, fraction = whole.lstrip("0"), fraction.rstrip("0")
    return f"{whole or 0}.{fraction}" if fraction else whole


def redacted(trace: CallTrace, config: PrivacyConfig) -> CallTrace:
    """A trace whose arguments and bodies hold no private values, where a call's origin asks for it.

    What was replaced is counted as ``redacted email`` and so on.
    """
    if not any(call.origin in config.origins for call in trace.calls):
        return trace
    redactor = Redactor(trace.id, config.region)
    for call in trace.calls:
        redactor.learn(call.values)
        redactor.learn(call.body)
    calls = [_clean_call(call, redactor) for call in trace.calls]
    for kind, count in redactor.counts.items():
        metering.count("redacted", kind, count)
    return trace.model_copy(update={"calls": calls}) if redactor.counts else trace


def _clean_call(call: ExecutedCall, redactor: Redactor) -> ExecutedCall:
    arguments = [_clean_argument(argument, redactor) for argument in call.arguments]
    return call.model_copy(update={"arguments": arguments, "body": redactor.clean(call.body)})


def _clean_argument(argument: Argument, redactor: Redactor) -> Argument:
    """Where it comes from names members, and a body's may be private, as an object may have addresses as its keys."""
    order, space, member = argument.chosen.partition(" ")
    return argument.model_copy(
        update={
            "value": redactor.clean(argument.value),
            "location": argument.location and _clean_location(argument.location, redactor),
            "chosen": f"{order}{space}{redactor.clean(member)}",
        }
    )


def _clean_location(location: str, redactor: Redactor) -> str:
    """Name by name: in the text of a path, a secret may be an index or leave what is no path."""
    return render(tuple(token if isinstance(token, int) else redactor.clean(token) for token in parse(location)))
