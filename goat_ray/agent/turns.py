"""Turns of a model that calls one function at a time and sees each result, in whatever form it writes them."""

from collections.abc import Sequence
from typing import Protocol

from goat_ray.agent import reading
from goat_ray.agent.episode import Episode, Unanswered
from goat_ray.agent.events import Thought
from goat_ray.executors.executor import CallResult
from goat_ray.records import ApiFunction
from goat_ray.teacher.client import Tools
from goat_ray.teacher.task import Message


class Form(Protocol):
    """How one query's turns are asked for, read and answered."""

    tools: Tools

    def opening(self) -> list[Message]:
        """What the model is asked."""

    def read(self, text: str) -> reading.Act | reading.Reply:
        """A turn; raises ``Unreadable``."""

    def find(self, name: str) -> ApiFunction | None:
        """The function that a turn names."""

    def unknown(self, name: str) -> str:
        """What a model is told that names a function which is not there."""

    def told(self, turn: reading.Act, result: CallResult) -> list[Message]:
        """The turn, and what became of its call."""

    def corrected(self, text: str, flaw: str) -> list[Message]:
        """A text that is no turn, or no call that can be made, and what is wrong with it."""

    async def answer(self, chat: Sequence[Message]) -> str:
        """The model's answer, where it must come to an end."""


class _Flaw(Exception):
    """Something is wrong with a turn; the message, or what was told already, is shown to the model."""

    def __init__(self, reason: str, detail: str, shown: str, told: Sequence[Message] = ()) -> None:
        self.reason = reason
        self.detail = detail
        self.told = list(told)
        super().__init__(shown)


async def take_turns(episode: Episode, form: Form) -> str:
    """Attempt the episode's query; returns the model's answer.

    Where the model goes wrong more often in a row than it may be told, comes to no end, or the chat outgrows its
    context, it is asked to answer with what there is.
    """
    config = episode.config
    chat = form.opening()
    flaws = 0  # in a row
    for turns_left in range(config.max_calls, -1, -1):
        try:
            said = await episode.ask(chat, config.turn_tokens, form.tools)
            turn = _read(episode, form, said.text)
            if isinstance(turn, reading.Reply):
                if said.text.rstrip().endswith(turn.text):  # otherwise what came after it was cut
                    episode.cut(said, "the answer", config.turn_tokens)
                return turn.text
            if not turns_left:
                episode.trouble("step-limit", f"no answer after {config.max_calls} turns")
                break
            chat += await _act(episode, form, turn)
            flaws = 0
        except Unanswered as unanswered:
            episode.trouble(unanswered.reason, unanswered.detail)
            break
        except _Flaw as flaw:
            flaws += 1
            again = flaws <= config.repairs and turns_left > 0
            episode.trouble(flaw.reason, flaw.detail, again=again)
            cut = "" if flaw.told else episode.cut(said, "the turn", config.turn_tokens, again=again)
            if not again:
                break
            chat += flaw.told or form.corrected(said.text, str(flaw) + cut)
    return await form.answer(chat)


def _read(episode: Episode, form: Form, text: str) -> reading.Act | reading.Reply:
    try:
        turn = form.read(text)
    except reading.Unreadable as error:
        raise _Flaw("bad-turn", text[: reading.SHOWN], str(error)) from error
    if turn.thought:
        episode.tell(Thought(text=turn.thought))
    return turn


async def _act(episode: Episode, form: Form, turn: reading.Act) -> list[Message]:
    """Make the call of a turn, the first one; returns what the chat goes on with."""
    if turn.left_out:  # it may make them in later turns: the chat goes on as though it had made one
        episode.trouble("calls-left-out", f"{turn.left_out} after the first of a turn", again=True)
    function = form.find(turn.function)
    if function is None:
        name = turn.function[: reading.SHOWN]
        raise _Flaw("unknown-function", name, form.unknown(name))
    try:
        arguments = reading.read_arguments(turn.arguments, episode.bodies, episode.query)
    except reading.Unreadable as error:
        raise _Flaw("bad-arguments", f"{function.name}: {error}", str(error)) from error
    result = await episode.call(function, arguments, _planned(episode, function))
    told = form.told(turn, result)
    if not result.ok:
        raise _Flaw("call-failed", f"{function.name} {result.status}", "", told)
    return told


def _planned(episode: Episode, function: ApiFunction) -> int:
    """A call of the function that has just failed is for the same step, any other for the next."""
    if not episode.calls:
        return 0
    last = episode.calls[-1]
    is_correction = last.function == function.id and not 200 <= last.status < 300
    return last.planned if is_correction else last.planned + 1
