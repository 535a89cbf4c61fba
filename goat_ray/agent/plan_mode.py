"""Plan mode: choose all calls, then fill and make one after the other, then answer (paper: section 3.3)."""

from goat_ray.agent import prompts, reading
from goat_ray.agent.episode import Episode, Unanswered, exchange, is_passing, tries, user
from goat_ray.agent.events import Named, Planned
from goat_ray.records import ApiFunction, Argument


class _Spent(Exception):
    """All calls that a query may make are made, and more were wanted."""


async def follow_plan(episode: Episode) -> str:
    """Attempt the episode's query; returns the model's answer."""
    await episode.retrieve()
    plan = await _plan(episode)
    episode.tell(Planned(functions=[Named.of(function) for function in plan]))
    try:
        for number, function in enumerate(plan):
            await _carry_out(episode, function, number)
    except _Spent:
        episode.trouble("step-limit", f"more than {episode.config.max_calls} calls wanted, failed ones included")
    return await episode.answer()


async def _plan(episode: Episode) -> list[ApiFunction]:
    """The functions to call; names that are in no document are shown to the model once, then left out."""
    config = episode.config
    chat = [user(prompts.plan_prompt(episode.query, episode.candidates, config.prompt))]
    offered = list(prompts.shown_names(episode.candidates).values()) if config.only_candidates else []
    names: list[str] = []
    for again in tries(config.repairs):
        try:
            said = await episode.ask(chat, config.plan_tokens, names=offered)
        except Unanswered as unanswered:
            if not names:
                raise
            episode.trouble(unanswered.reason, unanswered.detail)
            break
        names = reading.read_plan(said.text)[: config.max_calls + 1]
        found = {name: episode.find(name) for name in names}
        unknown = [name[: reading.SHOWN] for name, function in found.items() if function is None]
        for name in unknown:
            episode.trouble("unknown-function", name, again=again)
        cut = episode.cut(said, "the plan", config.plan_tokens, again=again and bool(unknown))
        if not unknown or not again:
            break
        flaw = prompts.no_such(unknown, episode.candidates) + cut
        chat += exchange(said.text, prompts.correction(flaw, prompts.PLAN_QUESTION))
    plan = [function for name in names if (function := found[name]) is not None]
    if len(names) > config.max_calls:
        episode.trouble("step-limit", f"more than {config.max_calls} calls planned")
    return plan[: config.max_calls]


async def _carry_out(episode: Episode, function: ApiFunction, number: int) -> None:
    """Fill and make one call; unreadable arguments and a failed call are shown to the model once.

    Raises ``_Spent`` where a call would be one too many.
    """
    config = episode.config
    chat = [user(prompts.call_prompt(episode.query, episode.made, function, config.prompt))]
    refused: list[Argument] | None = None  # by the API, which would refuse them again
    for again in tries(config.repairs):
        if len(episode.calls) >= config.max_calls:
            raise _Spent
        try:
            said = await episode.ask(chat, config.call_tokens)
            arguments = reading.read_arguments(said.text, episode.bodies, episode.query)
        except Unanswered as unanswered:
            episode.trouble(unanswered.reason, unanswered.detail)
            return
        except reading.Unreadable as error:
            episode.trouble("bad-arguments", f"{function.name}: {error}", again=again)
            flaw = str(error) + episode.cut(said, "the JSON", config.call_tokens, again=again)
        else:
            if arguments == refused:
                episode.trouble("call-failed", f"{function.name}: the model insists on what was refused")
                return
            result = await episode.call(function, arguments, number)
            if result.ok:
                return
            refused = None if is_passing(result) else arguments
            flaw = prompts.failure(result.status, result.body, config.prompt)
            is_asked = again and len(episode.calls) < config.max_calls
            episode.trouble("call-failed", f"{function.name} {result.status}", again=is_asked)
        chat += exchange(said.text, prompts.correction(flaw, prompts.CALL_QUESTION))
