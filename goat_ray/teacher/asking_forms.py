"""How people ask: forms of questions and requests, context, politeness, and ways to say a thing only once.

Every form is a sentence without its end mark. None adds a fact: what is asked stays the same in all of them.
"""

import random
from collections.abc import Sequence

_QUESTION_WORDS = ("What", "Which", "Who", "How", "When", "Where", "Is", "Are", "Do", "Does")

LIST = (
    *("What are {what}", "Which are {what}", "Show me {what}", "List {what}", "Give me {what}", "Find {what}"),
    *("I want to see {what}", "I'm looking for {what}", "Look up {what}", "Get me {what}", "I need {what}"),
    *("I'd love to see {what}", "Pull up {what}", "Help me find {what}", "I'm interested in {what}"),
)
DETAIL = (
    *("Tell me about {what}", "Give me the details of {what}", "What is known about {what}", "Describe {what}"),
    *("I want to know more about {what}", "What can you tell me about {what}", "I'd like some details on {what}"),
    *("Give me an overview of {what}", "Look up {what}", "What do we know about {what}", "Fill me in on {what}"),
)
FIELD = (
    *("What is the {noun} of {what}", "Tell me the {noun} of {what}", "Find the {noun} of {what}"),
    *("I want to know the {noun} of {what}", "I'd like to know the {noun} of {what}", "Look up the {noun} of {what}"),
    *("Do you know the {noun} of {what}", "Give me the {noun} of {what}", "I need the {noun} of {what}"),
    *("I wonder what the {noun} of {what} is", "Check the {noun} of {what}", "For {what}, what is the {noun}"),
)
OWNED = (
    *("What is {what}'s {noun}", "Tell me {what}'s {noun}", "I'd like to know {what}'s {noun}"),
    *("Find {what}'s {noun}", "Do you know {what}'s {noun}", "I need {what}'s {noun}"),
)
COUNT = (
    *("How many {counted} does {what} have", "Tell me how many {counted} {what} has"),
    *("What is the number of {counted} of {what}", "Count the {counted} of {what}"),
)
MAX_OWNER = 4  # words that an apostrophe may follow

_OPENINGS = ("I'm curious. ", "Quick question: ", "Could you help? ", "Hi! ", "One thing I'd like to know. ", "Hello, ")
_CONTEXT = (
    *("I'm reading up on {topic}. ", "I have a question about {topic}. ", "I'm doing some research on {topic}. "),
    *("This is about {topic}. ", "I'm comparing {topic}. ", "I was just talking with a friend about {topic}. "),
    *("I'm making a list of {topic}. ", "I'm new to all these {topic}. ", "A colleague asked me about {topic}. "),
)
_POLITE = (
    *("Please {low}.", "Can you {low}?", "Could you {low}?", "I need you to {low}.", "{plain}, please.", "{plain}."),
    *("Would you {low}?", "Could you please {low}?", "{plain}, if you can.", "Would you mind helping? {plain}."),
)
_AGAIN = (
    *("Also, {low}", "And {low}", "Besides that, {low}", "{plain}", "While you are at it, {low}", "In addition, {low}"),
)
_TAKE = ("Take {phrase}. ", "I'm thinking of {phrase}. ", "I'm interested in {phrase}. ", "Look at {phrase}. ")
PLAIN_SHARE = 0.45  # of the requests that start with neither context nor greeting
LONG = 14  # words of a question that is better told in two sentences


def request(questions: Sequence[str], mentions: dict[str, str], topic: str, wording: random.Random) -> str:
    """One request made of one or more questions.

    ``mentions`` maps noun phrases that the questions may hold to their nouns. A phrase that all of them share, or
    that makes a single one long, is told once, and "that NOUN" stands for it from there.
    """
    shared = _shared(questions, mentions)
    opening = ""
    if shared and (len(questions) > 1 or (len(questions[0].split()) > LONG and wording.random() < 0.8)):
        that = f"that {mentions[shared]}"
        first = questions[0]
        if len(questions) == 1 or wording.random() < 0.4:
            opening = wording.choice(_TAKE).format(phrase=shared)
            first = first.replace(shared, that)
        questions = [first, *(other.replace(shared, that) for other in questions[1:])]
    elif wording.random() > PLAIN_SHARE:
        fresh = topic not in questions[0] and wording.random() < 0.6  # nobody says what the question says anyway
        opening = wording.choice(_CONTEXT).format(topic=topic) if fresh else wording.choice(_OPENINGS)
    sentences = [opening + _first(questions[0], wording)]
    sentences += [_ended(wording.choice(_AGAIN).format(plain=one, low=lower_first(one)), one) for one in questions[1:]]
    return " ".join(sentences)


def _first(sentence: str, wording: random.Random) -> str:
    if sentence.startswith((*_QUESTION_WORDS, "I ", "I'", "For ")):
        return _ended(sentence, sentence)
    form = wording.choice(_POLITE)
    return form.format(plain=sentence, low=lower_first(sentence))


def _ended(text: str, sentence: str) -> str:
    """With the end mark that the sentence inside asks for."""
    asks = sentence.startswith(_QUESTION_WORDS) or (sentence.startswith("For ") and ", what" in sentence)
    return text + ("?" if asks else ".")


def _shared(questions: Sequence[str], mentions: dict[str, str]) -> str:
    """The longest phrase that stands in every question and is not all that one asks for."""
    common = [one for one in mentions if all(one in text and _inside(one, text) for text in questions)]
    return max(common, key=lambda one: (len(one), one), default="")


def _inside(phrase: str, question: str) -> bool:
    return any(f"{word} {phrase}" in question for word in ("of", "for", "with", "by", "without", "in"))


def capital(text: str) -> str:
    """With a capital first letter."""
    return text[:1].upper() + text[1:]


def lower_first(text: str) -> str:
    """As it stands after other words; "I" stays."""
    return text if text.startswith(("I ", "I'")) else text[:1].lower() + text[1:]
