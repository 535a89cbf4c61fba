"""Who a made-up thing is: names, addresses and places that fit together, from Faker's lists."""

import re
import unicodedata
from collections.abc import Callable, Sequence
from random import Random
from typing import Any

from faker import Faker

from goat_ray.executors.sandbox import vocabulary
from goat_ray.executors.sandbox.codes import is_coded
from goat_ray.executors.sandbox.keys import is_label
from goat_ray.naming import words

_FAKER = Faker("en_US", use_weighting=False)  # its own generator: Faker's global one stays untouched
_TITLES = re.compile(r"\b(?:Mrs?|Ms|Miss|Dr|Sir|Jr|Sr|Prof)\b\.?|[,.]")


class Profile:
    """What is asked of a thing under many names: a person's parts of the name, a firm, a place.

    ``name`` is what the thing is called where that is settled already; ``personal`` if it is a person's.
    """

    def __init__(self, random: Random, name: str = "", personal: bool = False) -> None:
        _FAKER.factories[0].random = random
        made = f"{_FAKER.first_name()} {_FAKER.last_name()}"
        self.firm: str = _FAKER.company()
        latitude, longitude, self.city, self.country_code, self.timezone = _FAKER.location_on_land()
        self.latitude, self.longitude = float(latitude), float(longitude)
        self.street: str = _FAKER.street_address().partition(" Apt")[0].partition(" Suite")[0]
        self.postcode: str = _FAKER.postcode()
        self.job: str = _FAKER.job().partition(",")[0]
        self.ip: str = _FAKER.ipv4_public()
        self.iban: str = _FAKER.iban()
        self.bic: str = _FAKER.swift8()
        self.person = name if name and personal else made
        self.called = name or self.firm
        self.country: str = _COUNTRIES.get(self.country_code) or _FAKER.country()

    @property
    def first(self) -> str:
        """The first name."""
        return self._names[0]

    @property
    def last(self) -> str:
        """The last name."""
        return self._names[-1]

    @property
    def _names(self) -> list[str]:
        return _TITLES.sub("", self.person).split() or [self.person]

    @property
    def handle(self) -> str:
        """The person as the name of an account: ``ada.lovelace``."""
        return ".".join(dict.fromkeys(slug(one) for one in (self.first, self.last)))

    @property
    def slug(self) -> str:
        """The thing as part of a link."""
        return slug(self.called)


def slug(text: str) -> str:
    """Lower-case ASCII words joined by hyphens."""
    plain = unicodedata.normalize("NFKD", text).encode("ascii", "ignore").decode().lower()
    return re.sub(r"[^a-z0-9]+", "-", plain.replace("'", "")).strip("-") or "item"


_COUNTRIES = dict(
    zip(
        "AU AT BE BR CA CN DE ES FR GB IE IN IT JP KE MX NL NO PL PT RU SE TR US ZA".split(),
        "Australia,Austria,Belgium,Brazil,Canada,China,Germany,Spain,France,United Kingdom,Ireland,India,Italy,Japan,"
        "Kenya,Mexico,Netherlands,Norway,Poland,Portugal,Russia,Sweden,Türkiye,United States,South Africa".split(","),
        strict=True,
    )
)
Meaning = Callable[[Profile], Any]
_FEW = 1  # more examples than that are a choice of their own
_PICTURES = frozenset("image photo picture avatar thumbnail poster icon logo".split())
_LINKS = frozenset("url uri link href website homepage".split())
_FIRST = frozenset({"first", "given", "fore", "forename", "firstname"})
_LAST = frozenset({"last", "family", "sur", "surname", "lastname"})
# Last words of names, and what they ask for.
_BY_LAST: tuple[tuple[frozenset[str], Meaning], ...] = (
    (frozenset({"forename", "firstname"}), lambda one: one.first),
    (frozenset({"surname", "lastname"}), lambda one: one.last),
    (frozenset({"username", "login", "handle", "nickname"}), lambda one: one.handle),
    (frozenset({"city", "town", "locality", "suburb"}), lambda one: one.city),
    (frozenset({"timezone", "tz"}), lambda one: one.timezone),
    (frozenset({"street", "address", "address1", "line1", "street1"}), lambda one: one.street),
    (frozenset({"postcode", "zip", "zipcode"}), lambda one: one.postcode),
    (frozenset({"latitude", "lat"}), lambda one: one.latitude),
    (frozenset({"longitude", "lon", "lng"}), lambda one: one.longitude),
    (frozenset({"company", "employer", "organization", "organisation"}), lambda one: one.firm),
    (frozenset({"job", "occupation", "profession"}), lambda one: one.job),
    (frozenset({"ip", "ipv4"}), lambda one: one.ip),
    (frozenset({"iban"}), lambda one: one.iban),
    (frozenset({"bic", "swift"}), lambda one: one.bic),
)
_BY_PAIR: dict[tuple[str, str], Meaning] = {
    ("user", "name"): lambda one: one.handle,
    ("screen", "name"): lambda one: one.handle,
    ("job", "title"): lambda one: one.job,
    ("company", "name"): lambda one: one.firm,
    ("organization", "name"): lambda one: one.firm,
    ("city", "name"): lambda one: one.city,
    ("time", "zone"): lambda one: one.timezone,
    ("postal", "code"): lambda one: one.postcode,
    ("zip", "code"): lambda one: one.postcode,
    ("ip", "address"): lambda one: one.ip,
    ("shopper", "ip"): lambda one: one.ip,
    ("country", "code"): lambda one: one.country_code,
}


def meaning(name: str, type_: str, format_: str, pool: Sequence[Any], about: str) -> Meaning | None:
    """What of a thing's profile a member shows; None if it is about something else, or its examples suffice."""
    parts = words(name)
    if not parts or type_ not in ("string", "number") or (pool and all(isinstance(v, int | float) for v in pool)):
        return None
    texts = [text for text in pool if isinstance(text, str)]
    if type_ == "string" and (format_ == "email" or "email" in parts):
        return _mail(parts, texts, about)
    if parts[-1] == "name" and set(parts[:-1]) & _FIRST:
        return lambda one: one.first
    if parts[-1] == "name" and set(parts[:-1]) & _LAST:
        return lambda one: one.last
    if len(texts) > _FEW:
        return None
    if texts and parts[-1] in ("country", "nation", "code", "timezone"):
        return None
    if parts[-1] in ("country", "nation"):
        return lambda one: one.country
    if type_ == "string" and (format_ in ("uri", "url") or _LINKS & set(parts)) and not any(map(is_coded, texts)):
        return _link(parts, texts)
    found = _BY_PAIR.get(parts[-2:]) if len(parts) > 1 else None  # type: ignore[arg-type]
    found = found or next((give for last, give in _BY_LAST if parts[-1] in last), None)
    if found is not None:
        return found if type_ == "string" or parts[-1][:2] in ("la", "lo", "ln") else None
    people = vocabulary.PEOPLE & ({*parts[:-1]} if is_label(name) and len(parts) > 1 else {*words(about), *parts})
    if type_ == "string" and people and not texts and (is_label(name) or parts[-1] in vocabulary.PEOPLE):
        return lambda one: one.person
    return None


def _link(parts: Sequence[str], pool: Sequence[str]) -> Meaning:
    """Where the thing is on the web, with its name at the end."""
    host = "/".join(pool[0].split("/")[:3]) if pool and "://" in pool[0] else "https://site.example"
    ending = ".jpg" if set(parts) & _PICTURES else ""
    return lambda one: f"{host}/{one.slug}{ending}"


def _mail(parts: Sequence[str], pool: Sequence[str], about: str) -> Meaning:
    """``ada.lovelace@...`` for people, ``support@firm.example`` for firms."""
    hosts = sorted({text.partition("@")[2] for text in pool if "@" in text})
    box = next((part for part in parts if part not in ("email", "address", "mail", "e")), "")
    if box and box not in vocabulary.PEOPLE and not vocabulary.PEOPLE & set(words(about)):
        return lambda one: f"{box}@{one.slug}.example"
    if len(hosts) == 1:
        return lambda one: f"{one.handle}@{hosts[0]}"
    return lambda one: f"{one.handle}@{hosts[len(one.handle) % len(hosts)] if hosts else 'mail.example'}"
