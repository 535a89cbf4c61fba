"""How people ask: forms of questions and requests, context, politeness, and ways to say a thing only once.

Every form is a sentence without its end mark. None adds a fact: what is asked stays the same in all of them.
"""

import random
from collections.abc import Sequence

from goat_ray.teacher.things import Thing, Voice

_QUESTION_WORDS = ("What", "Which", "Who", "How", "When", "Where", "Since", "In which", "Is", "Are", "Do", "Does")

SHOW = (
    *("Show me {what}", "List {what}", "Give me {what}", "Find {what}", "I want to see {what}", "I need {what}"),
    *("I'm looking for {what}", "Look up {what}", "Get me {what}", "I'd love to see {what}", "Pull up {what}"),
    *("Help me find {what}", "I'm interested in {what}"),
)
TOGETHER = ("What are {what}", "Tell me {what}", "I'd like to know {what}", *SHOW)
LIST = ("What are {what}", "Which are {what}", *SHOW)
DETAIL = (
    *("Tell me about {what}", "Give me the details of {what}", "What is known about {what}", "Describe {what}"),
    *("I want to know more about {what}", "What can you tell me about {what}", "I'd like some details on {what}"),
    *("Give me an overview of {what}", "Look up {what}", "What do we know about {what}", "Fill me in on {what}"),
)
FIELD = (
    *("What {be} the {noun} of {what}", "Tell me the {noun} of {what}", "Find the {noun} of {what}"),
    *("I want to know the {noun} of {what}", "I'd like to know the {noun} of {what}", "Look up the {noun} of {what}"),
    *("Do you know the {noun} of {what}", "Give me the {noun} of {what}", "I need the {noun} of {what}"),
    *("I wonder what the {noun} of {what} {be}", "Check the {noun} of {what}", "For {what}, what {be} the {noun}"),
)
OWNED = (
    *("What {be} {what}'s {noun}", "Tell me {what}'s {noun}", "I'd like to know {what}'s {noun}"),
    *("Find {what}'s {noun}", "Do you know {what}'s {noun}", "I need {what}'s {noun}"),
)
COUNT = (
    *("How many {counted} does {what} have", "Tell me how many {counted} {what} has"),
    *("What is the number of {counted} of {what}", "Count the {counted} of {what}"),
)

_OPENINGS = ("I'm curious. ", "Quick question: ", "Could you help? ", "Hi! ", "One thing I'd like to know. ", "Hello, ")
_CONTEXT = (
    *("I'm reading up on {topic}. ", "I have a question about {topic}. ", "I'm doing some research on {topic}. "),
    *("This is about {topic}. ", "I'm comparing {topic}. ", "I was just talking with a friend about {topic}. "),
    *("I'm making a list of {topic}. ", "A colleague asked me about {topic}. "),
)
_POLITE = (
    *("Please {low}.", "Can you {low}?", "Could you {low}?", "I need you to {low}.", "{plain}, please.", "{plain}."),
    *("Would you {low}?", "Could you please {low}?", "{plain}, if you can."),
)
_AGAIN = (
    *("Also, {low}", "And {low}", "Besides that, {low}", "{plain}", "While you are at it, {low}", "In addition, {low}"),
)
_TAKE = ("Take {phrase}. ", "I'm thinking of {phrase}. ", "I'm interested in {phrase}. ", "Look at {phrase}. ")
THROUGHOUT = ("All of this{}, please.", "I need all of it{}.", "Everything{}, please.", "All{}.")
PLAIN_SHARE = 0.75  # of the short requests that start with neither context nor greeting
LONG = 14  # words of a thing that is better told in a sentence of its own
LONG_SHARE = 0.6  # of the long ones
TAKE_SHARE = 0.4  # of the requests with several questions about one thing


def request(
    asked: Sequence[tuple[str, Thing]], common: Thing | None, topic: str, voice: Voice, wording: random.Random
) -> str:
    """One request made of one or more questions, each a form and what it is about.

    ``common`` is a thing that all of them share. It may be told first, in a sentence of its own, where there are
    several or it makes a single one long.
    """
    opening = ""
    words = len(asked[0][1].text.split())
    if common and wording.random() < (TAKE_SHARE if len(asked) > 1 else LONG_SHARE if words > LONG else 0.0):
        opening = wording.choice(_TAKE).format(phrase=voice.introduce(common))
    elif words <= LONG and wording.random() > PLAIN_SHARE:
        fresh = topic not in asked[0][1].text and wording.random() < 0.6  # nobody says what the question says anyway
        opening = wording.choice(_CONTEXT).format(topic=topic) if fresh else wording.choice(_OPENINGS)
    questions = [capital(form.replace("{what}", voice.say(what))) for form, what in asked]
    first = _first(questions[0], wording, plain=opening.endswith("? "))
    sentences = [opening + (lower_first(first) if opening.endswith(", ") else first)]
    sentences += [_ended(wording.choice(_AGAIN).format(plain=one, low=lower_first(one)), one) for one in questions[1:]]
    return " ".join(sentences)


def _first(sentence: str, wording: random.Random, *, plain: bool) -> str:
    if sentence.startswith((*_QUESTION_WORDS, "I ", "I'", "For ")):
        return _ended(sentence, sentence)
    form = "{plain}." if plain else wording.choice(_POLITE)
    return form.format(plain=sentence, low=lower_first(sentence))


def _ended(text: str, sentence: str) -> str:
    """With the end mark that the sentence inside asks for."""
    asks = sentence.startswith(_QUESTION_WORDS) or (sentence.startswith("For ") and ", what" in sentence)
    return text + ("?" if asks else ".")


def capital(text: str) -> str:
    """With a capital first letter."""
    return text[:1].upper() + text[1:]


def lower_first(text: str) -> str:
    """As it stands after other words; "I" stays."""
    return text if text.startswith(("I ", "I'")) else text[:1].lower() + text[1:]
