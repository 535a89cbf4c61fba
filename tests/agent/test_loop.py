"""The agent's loop with a scripted model: what it makes of good and of bad model output."""

from collections.abc import Sequence

from goat_ray.agent.config import AgentConfig, PromptConfig
from goat_ray.agent.loop import Agent, Attempt
from goat_ray.executors.sandbox import SandboxExecutor
from goat_ray.executors.sandbox.config import SandboxConfig
from goat_ray.records import ApiFunction
from tests.world import World


class Script:
    """A model that answers by the kind of prompt."""

    def __init__(self, plan: str, calls: dict[str, str], answer: str = "done") -> None:
        self.plan = plan
        self.calls = calls
        self.answer = answer
        self.prompts: list[str] = []

    def generate(self, prompts: Sequence[str], max_new_tokens: int) -> list[str]:
        self.prompts += prompts
        return [self._one(prompt) for prompt in prompts]

    def _one(self, prompt: str) -> str:
        if prompt.endswith("one a line:"):
            return self.plan
        if prompt.endswith("JSON:"):
            name = prompt.rsplit("\nAPI: ", 1)[1].split(":")[0]
            return self.calls[name]
        return self.answer


class Shelf:
    """A retriever that finds everything."""

    def __init__(self, functions: list[ApiFunction]) -> None:
        self.functions = functions

    def search(self, queries: Sequence[str], k: int) -> list[list[ApiFunction]]:
        return [self.functions[:k] for _ in queries]


def attempt(world: World, script: Script) -> Attempt:
    functions = list(world.functions)
    config = AgentConfig(prompt=PromptConfig(argument_style="references"), max_calls=4)
    agent = Agent(script, Shelf(functions), SandboxExecutor(functions, SandboxConfig()), config)  # type: ignore[arg-type]
    return agent.run(["the first book by Maren Holloway"])[0]


CALLS = {"searchAuthors": '{"name": "Maren Holloway"}', "listAuthorBooks": '{"author_id": "$1.results[0].id"}'}


def test_a_plan_is_executed_with_references_resolved(world: World) -> None:
    made = attempt(world, Script("searchAuthors\nlistAuthorBooks", CALLS))
    assert made.problems == []
    assert [call.status for call in made.executed()] == [200, 200]
    first, second = made.executed()
    assert second.values == {"author_id": first.body["results"][0]["id"]}
    assert made.response == "done"


def test_later_prompts_hold_earlier_results(world: World) -> None:
    script = Script("searchAuthors\nlistAuthorBooks", CALLS)
    attempt(world, script)
    assert "1. searchAuthors" in script.prompts[2] and "1. searchAuthors" not in script.prompts[1]
    assert "2. listAuthorBooks" in script.prompts[3]


def test_unknown_functions_are_noted_and_passed_over(world: World) -> None:
    made = attempt(world, Script("searchAuthors\nflyToMoon", CALLS))
    assert [call.function for call in made.executed()] == [made.plan[0].id]
    assert any(problem.startswith("unknown-function: flyToMoon") for problem in made.problems)


def test_bad_arguments_and_failing_calls_are_noted_and_the_agent_still_answers(world: World) -> None:
    made = attempt(world, Script("searchAuthors\nlistAuthorBooks", {**CALLS, "listAuthorBooks": "author 3"}))
    assert [call.status for call in made.executed()] == [200, 422]
    assert [problem.split(":")[0] for problem in made.problems] == ["bad-arguments", "call-failed"]
    assert made.response == "done"


def test_plans_are_bounded(world: World) -> None:
    assert len(attempt(world, Script("searchAuthors\n" * 50, CALLS)).executed()) == 4


def test_an_empty_plan_makes_no_calls(world: World) -> None:
    made = attempt(world, Script("", CALLS))
    assert made.executed() == [] and made.response == "done"
