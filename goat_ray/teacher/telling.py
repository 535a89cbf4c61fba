"""The embedded writer: queries, sub-queries and responses from executed calls, by rule.

It asks for what the last calls return, so that a query is a goal and not a list of steps.
"""

import random
from collections import Counter

from goat_ray.teacher import asking_forms, phrases
from goat_ray.teacher.asking_forms import capital
from goat_ray.teacher.goals import Goal, goals_of, instruction, shared_thing, together
from goat_ray.teacher.noun_phrases import NounPhrases
from goat_ray.teacher.story import Story
from goat_ray.teacher.things import MAX_OWNER, Voice

OWNERS_SHARE = 0.85  # of the wordings that say "that film's second review"
TOGETHER_SHARE = 0.75  # of the wishes for several things of one that are one question
OWNED_SHARE = 0.5  # of the questions about a short name: "Quiet Tide's author"


class Teller:
    """Tells one story. The same seed and variant give the same words; variants say the same in other words."""

    def __init__(self, story: Story, variant: int = 0) -> None:
        self.story = story
        self._seed = f"{story.seed}/{variant}"

    def query(self) -> str:
        """One request from which all calls follow."""
        wording = random.Random(self._seed)
        voice = Voice(
            quotes=wording.choice(("", '"')),
            names_kind=wording.random() < 0.5,
            owners=wording.random() < OWNERS_SHARE,
        )
        goals = goals_of(self.story)
        if len(goals) > 1 and (one := together(goals)) and wording.random() < TOGETHER_SHARE:
            goals = [one]
        asked = [(_form(goal, wording, voice), goal.what) for goal in goals]
        query = asking_forms.request(asked, shared_thing(self.story), self._topic(), voice, wording)
        throughout = NounPhrases(self.story).throughout()
        return f"{query} {wording.choice(asking_forms.THROUGHOUT).format(throughout)}" if throughout else query

    def _topic(self) -> str:
        """What a request is about at large: "movies"."""
        number = self.story.goals[0]
        first = self.story.calls[number].function
        if self.story.phrases.topic(first).open:  # "trending movies"; there are no trendings
            return NounPhrases(self.story).short(number).removeprefix("the ")
        return phrases.pluralise(self.story.phrases.resource_noun(first))

    def response(self) -> str:
        """An answer that says only what the outputs say, and of what only where that is not plain.

        Empty where the outputs tell nothing of something that is asked: nobody asks for ids.
        """
        goals = goals_of(self.story)
        if not all(goal.answer for goal in goals):
            return ""
        if len(goals) == 1:
            return goals[0].answer
        heads = Counter(goal.head for goal in goals)
        voice = Voice()
        return " ".join(goal.answer if goal.head and heads[goal.head] == 1 else _full(goal, voice) for goal in goals)

    def subquery(self, number: int) -> str:
        """What one call does, as an instruction; upstream things are "that book"."""
        return f"{capital(instruction(self.story, number, shallow=True).text)}."


def _form(goal: Goal, wording: random.Random, voice: Voice) -> str:
    short = len(goal.what.text.split()) <= MAX_OWNER and voice.may_own(goal.what)
    return wording.choice(goal.owned if goal.owned and short and wording.random() < OWNED_SHARE else goal.asks)


def _full(goal: Goal, voice: Voice) -> str:
    return capital(goal.full.replace("{what}", voice.say(goal.what)))
