"""Personal data and secrets in what real APIs answer: found, and replaced by made-up values of the same form.

A value is replaced by the same made-up one wherever it stands in a trace, so an argument still is what an earlier
body holds. Names of people and postal addresses are not found: that takes a model, and APIs about films are full of
both. Numbers in JSON are left alone: an identifier cannot be told from a telephone number.
"""

import math
import random
import re
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from phonenumbers import Leniency, PhoneNumberMatcher
from pydantic import Field
from stdnum import iban, luhn

from goat_ray import metering
from goat_ray.hiding import MIN_SECRET
from goat_ray.identity import rng
from goat_ray.records import CallTrace, ExecutedCall, Origin
from goat_ray.settings import Settings

SECRET_ENTROPY = 3.7  # bits a character; 40 hex digits have at most 4, English names about 3
SECRET_NAMES = re.compile(r"(?i)(passw(or)?d|secret|api_?key|(access|auth|refresh|session|bearer)_?token|credential)")

EMAIL = re.compile(r"(?<![\w.+-])[A-Za-z0-9][\w.+-]*@(?:[A-Za-z0-9-]+\.)+[A-Za-z]{2,}(?![\w-])")
IBAN = re.compile(r"(?<!\w)[A-Z]{2}\d{2}(?: ?[A-Z0-9]{4}){2,7}(?: ?[A-Z0-9]{1,4})?(?!\w)")
CARD = re.compile(r"(?<![\w.-])(?:\d{4}[ -]?){3}\d{1,7}(?![\w-])")
PHONE_LIKE = re.compile(r"\+\d|\(\d|\d[ .)-]+\d[\d ().-]*\d{3}")
SECRET = re.compile(
    r"-----BEGIN [A-Z ]*PRIVATE KEY-----[\s\S]+?-----END [A-Z ]*PRIVATE KEY-----"
    r"|(?<!\w)(?:(?:AKIA|ASIA)[A-Z0-9]{16}"  # AWS
    r"|gh[pousr]_[A-Za-z0-9]{36,}|github_pat_\w{22,}|glpat-[\w-]{20,}"  # GitHub, GitLab
    r"|xox[abeoprs]-[\w-]{10,}|sk-[\w-]{20,}|[sr]k_(?:live|test)_[A-Za-z0-9]{16,}"  # Slack, OpenAI, Stripe
    r"|AIza[\w-]{35}|ya29\.[\w-]{20,}|hf_[A-Za-z0-9]{30,}|npm_[A-Za-z0-9]{36}|SG\.[\w-]{20,}\.[\w-]{20,}"
    r"|eyJ[\w-]{8,}\.eyJ[\w-]{8,}\.[\w-]{8,})(?!\w)"  # JSON Web Tokens
)
OPAQUE = re.compile(r"(?<![\w/.-])(?=[\w+/-]*\d)(?=[\w+/-]*[A-Z])(?=[\w+/-]*[a-z])[\w+/-]{32,}={0,2}(?![\w/.])")


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
    for one in _candidates(text, region):
        if all(one.end <= other.start or one.start >= other.end for other in found):
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
            if not phone.raw_string.isdigit():  # more likely an identifier
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


def _secret(_: str, random_: random.Random) -> str:
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

    def learn(self, value: Any, name: str = "") -> None:
        """Note the texts under names such as ``access_token``: wherever they stand, they are secret."""
        if isinstance(value, dict):
            for key, item in value.items():
                self.learn(item, key)
        elif isinstance(value, list):
            for item in value:
                self.learn(item, name)
        elif isinstance(value, str) and len(value) >= MIN_SECRET and SECRET_NAMES.search(name):
            self.named[value] = None

    def clean(self, value: Any) -> Any:
        """A JSON value without private ones."""
        if isinstance(value, dict):
            return {self._text(key): self.clean(item) for key, item in value.items()}
        if isinstance(value, list):
            return [self.clean(item) for item in value]
        return self._text(value) if isinstance(value, str) else value

    def _text(self, text: str) -> str:
        for secret in self.named:
            if secret in text:
                text = text.replace(secret, self._made("secret", secret))
        parts, end = [], 0
        for found in find(text, self.region):
            parts += [text[end : found.start], self._made(found.kind, text[found.start : found.end])]
            end = found.end
        return "".join([*parts, text[end:]]) if parts else text

    def _made(self, kind: str, value: str) -> str:
        self.counts[kind] += 1
        # The same value in other spelling is the same one: groups of digits, capitals of an address.
        same = re.sub(r"[\s().-]", "", value) if kind in ("phone", "card", "iban") else value.lower()
        return _MAKE[kind](value, rng("redacted", self.trace, kind, value if kind == "secret" else same))


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
    arguments = [
        # Where it comes from may name it, too: an object may have addresses as its keys.
        argument.model_copy(
            update={"value": redactor.clean(argument.value), "location": redactor.clean(argument.location)}
        )
        for argument in call.arguments
    ]
    return call.model_copy(update={"arguments": arguments, "body": redactor.clean(call.body)})
