"""What a function does, in the words of its document, and what becomes of it as one asks for it to be done."""

import re

from goat_ray.naming import words
from goat_ray.records import ApiFunction

THIRD_PERSON = {
    **{f"{verb}s": verb for verb in "get retrieve return create update delete remove add find edit cancel".split()},
    **{f"{verb}s": verb for verb in "list obtain show read enable disable set send allocate invite revoke".split()},
    **{"fetches": "fetch", "searches": "search", "applies": "apply"},
}  # verbs of summaries such as "Retrieves a specific item"; no plurals of nouns
_MAKING = frozenset(
    "create add place book start make register submit open post send save upload schedule generate issue put".split()
)
_CHANGING = frozenset("update change edit modify set rename".split())
_REMARK = re.compile(r"\s*\([^()]*\)")
_ALLOWING = re.compile(r"^(?:an? [\w ]+ that )?(?:allows?|enables?|lets?) \w+ to ", re.IGNORECASE)
_BY = re.compile(r"\s+by\s+([\w ]+)$")
MAX_HEADLINE = 16  # words
WRITES = frozenset(("POST", "PUT", "PATCH", "DELETE"))


def headline(function: ApiFunction) -> str:
    """What a document says a function does: its summary, a short description, else its name; without the full stop."""
    text = function.summary.strip() or function.description.strip().split("\n")[0]
    if not function.summary and not 1 < len(text.split()) <= MAX_HEADLINE:
        text = " ".join(words(function.name))
    return text.rstrip(".")


def imperative(summary: str) -> str:
    """A summary as what one asks to be done: "Creates an order (paid)." -> create an order."""
    tokens = _ALLOWING.sub("", _REMARK.sub("", summary).strip()).rstrip(".").split()
    for place in (0, 2) if tokens[1:2] in (["or"], ["and"]) else (0,):  # "Opens or resumes a conversation"
        for verb in tokens[place : place + 1]:
            tokens[place] = THIRD_PERSON.get(verb.lower()) or _plain_verb(verb[:1].lower() + verb[1:])
    return " ".join(tokens)


def task(function: ApiFunction) -> str:
    """What one asks a function to do, as an imperative; not by which of its parameters."""
    done = imperative(headline(function))
    by = _BY.search(done)
    names = {"".join(words(parameter.name)) for parameter in function.parameters}
    return done[: by.start()] if by and "".join(words(by[1])) in names else done


def _plain_verb(verb: str) -> str:
    if not verb.endswith("s") or verb.endswith(("ss", "us", "is")) or len(verb) < 4:
        return verb
    if verb.endswith("ies"):
        return f"{verb[:-3]}y"
    return verb[:-2] if verb.endswith(("sses", "shes", "ches", "xes", "zzes", "oes")) else verb[:-1]


def makes(verb: str) -> bool:
    """Whether a verb says that something new comes of it."""
    return verb in _MAKING


def outcome(task: str) -> str:
    """What doing this makes of a thing: "new" or "updated"; empty for neither."""
    verb = task.partition(" ")[0]
    return "new" if makes(verb) else "updated" if verb in _CHANGING else ""
