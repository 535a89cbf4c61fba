"""ReAct mode: think, act, observe, in turns, until the model answers (Yao et al. 2023, arXiv 2210.03629)."""

from goat_ray.agent import prompts, reading
from goat_ray.agent.episode import Episode, Unanswered, exchange, user
from goat_ray.agent.events import Thought
from goat_ray.records import ApiFunction


class _Flaw(Exception):
    """Something is wrong with a turn; the message is shown to the model."""

    def __init__(self, reason: str, detail: str, shown: str) -> None:
        self.reason = reason
        self.detail = detail
        super().__init__(shown)


async def think_and_act(episode: Episode) -> str:
    """Attempt the episode's query; returns the model's answer.

    Where the model goes wrong more often in a row than it may be told, comes to no end, or the chat outgrows its
    context, it is asked to answer with what there is.
    """
    config = episode.config
    await episode.retrieve()
    chat = [user(prompts.react_prompt(episode.query, episode.candidates, config.prompt))]
    flaws = 0  # in a row
    for turns_left in range(config.max_calls, -1, -1):
        try:
            text = await episode.ask(chat, config.turn_tokens)
            turn = _read(episode, text)
            if isinstance(turn, reading.Reply):
                return turn.text
            if not turns_left:
                episode.trouble("step-limit", f"no answer after {config.max_calls} turns")
                break
            text, reply, flaws = turn.written, await _act(episode, turn), 0
        except Unanswered as unanswered:
            episode.trouble(unanswered.reason, unanswered.detail)
            break
        except _Flaw as flaw:
            reply, flaws = f"Observation: {flaw}", flaws + 1
            again = flaws <= config.repairs and turns_left > 0
            episode.trouble(flaw.reason, flaw.detail, again=again)
            if not again:
                break
        chat += exchange(text, reply)
    return await episode.answer()


def _read(episode: Episode, text: str) -> reading.Act | reading.Reply:
    try:
        turn = reading.read_turn(text)
    except reading.Unreadable as error:
        raise _Flaw("bad-turn", text[: reading.SHOWN], str(error)) from error
    if turn.thought:
        episode.tell(Thought(text=turn.thought))
    return turn


async def _act(episode: Episode, turn: reading.Act) -> str:
    """Make the call of a turn; returns what the model observes."""
    config = episode.config.prompt
    function = episode.find(turn.function)
    if function is None:
        name = turn.function[: reading.SHOWN]
        raise _Flaw("unknown-function", name, prompts.no_such([name], episode.candidates))
    try:
        arguments = reading.read_arguments(turn.arguments, episode.bodies, episode.query)
    except reading.Unreadable as error:
        raise _Flaw("bad-arguments", f"{function.name}: {error}", str(error)) from error
    result = await episode.call(function, arguments, _planned(episode, function))
    if not result.ok:
        shown = prompts.failure(result.status, result.body, config)
        raise _Flaw("call-failed", f"{function.name} {result.status}", shown)
    return prompts.react_observation(len(episode.calls), result.status, result.body, config)


def _planned(episode: Episode, function: ApiFunction) -> int:
    """A call of the function that has just failed is for the same step, any other for the next."""
    if not episode.calls:
        return 0
    last = episode.calls[-1]
    is_correction = last.function == function.id and not 200 <= last.status < 300
    return last.planned if is_correction else last.planned + 1
