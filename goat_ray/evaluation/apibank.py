"""API-Bank (arXiv 2304.08244): dialogues with API calls, read from its folders of JSON Lines.

As in its own evaluator, each API turn is a task (given the dialogue so far, make the call; executed and compared by
the called tool's own ``check_api_call_correctness``), and so is each AI turn right after one (ROUGE-L of the reply).
A dialogue of level 3, where tools are searched for, is a further task as a whole: the user's words, the path of calls.
"""

import asyncio
import json
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from goat_ray.errors import DocumentError
from goat_ray.evaluation.benchmark import Benchmark, BenchmarkTask, Solution, counted, names_of
from goat_ray.executors.python.executor import PythonExecutor
from goat_ray.records import ApiFunction

SEARCH = "ToolSearcher"
CALL, REPLY, PATH = ("correct",), ("ROUGE-L",), ("CP", "extra calls", "SR")
_LEVEL = re.compile(r"level-(\d)")

Turn = dict[str, Any]


def apibank(root: Path, functions: Sequence[ApiFunction]) -> Benchmark:
    """The tasks of all dialogues below a folder; raises ``DocumentError`` on another format."""
    files = [root] if root.is_file() else sorted(root.rglob("*.jsonl"))
    if not files:
        raise DocumentError("holds no dialogues", place=str(root), remedy="Give the folder of API-Bank's *.jsonl files")
    tasks: list[BenchmarkTask] = []
    for file in files:
        tasks += dialogue_tasks(read_dialogue(file), _level(file))
    known = {function.name for function in functions}
    wanted = {name for task in tasks for name, _ in task.gold}
    missing = wanted - known if functions else ()  # without any, predictions of others are scored
    remarks = [f"the tool {name} is not among the run's functions: no agent can call it" for name in missing]
    return Benchmark("apibank", counted(tasks), names_of(functions, lambda f: f.name), str.strip, sorted(remarks))


def read_dialogue(file: Path) -> list[Turn]:
    """The turns of one file."""
    turns: list[Turn] = []
    for number, line in enumerate(file.read_text(encoding="utf-8").splitlines(), 1):
        if not line.strip():
            continue
        try:
            turn = json.loads(line)
            wanted = ("api_name", "param_dict", "result") if turn["role"] == "API" else ("text",)
            turns.append({"role": turn["role"], **{key: turn[key] for key in wanted}})
        except (ValueError, KeyError, TypeError) as error:
            raise DocumentError(
                f"is no turn of a dialogue ({error!r})",
                place=f"{file}:{number}",
                remedy="Expected {role: User | AI, text} or {role: API, api_name, param_dict, result}",
            ) from error
    return turns


def dialogue_tasks(turns: Sequence[Turn], level: str) -> list[BenchmarkTask]:
    """The tasks of one dialogue."""
    tasks = []
    for number, turn in enumerate(turns):
        so_far = "\n".join(map(_line, turns[:number]))
        if turn["role"] == "API":
            gold = ((turn["api_name"], turn["param_dict"]),)
            tasks.append(BenchmarkTask(so_far, CALL, level, gold, results=(turn["result"],)))
        elif turn["role"] == "AI" and number and turns[number - 1]["role"] == "API":
            tasks.append(BenchmarkTask(so_far, REPLY, level, response=turn["text"]))
    if any(turn.get("api_name") == SEARCH for turn in turns):
        said = "\n".join(turn["text"] for turn in turns if turn["role"] == "User")
        calls = [turn for turn in turns if turn["role"] == "API" and turn["api_name"] != SEARCH]
        path = tuple((turn["api_name"], turn["param_dict"]) for turn in calls)
        tasks.append(BenchmarkTask(said, PATH, f"{level}, whole", path))
    return tasks


def check_calls(
    benchmark: Benchmark,
    solutions: Mapping[str, Solution],
    functions: Sequence[ApiFunction],
    executor: PythonExecutor,
) -> tuple[dict[str, float], list[str]]:
    """Whether the first call of each solution is right, as the tool itself judges it, by task id; and remarks.

    Each call is made in a session of its own, as in API-Bank's evaluator, with arguments converted as there (and JSON
    values taken too, see ``_converted`` in ``executors.python.worker``). A gold call that needs what earlier calls
    of its dialogue left behind cannot be right then, whoever makes it; those are remarks.
    """
    by_name = {function.name: function for function in reversed(functions)}

    async def check(task: BenchmarkTask, name: str, arguments: Any) -> float:
        if name != task.gold[0][0] or name not in by_name or not isinstance(arguments, dict):
            return 0.0
        async with executor.session() as session:
            return float(await session.check(by_name[name], arguments, task.results[0]))

    async def check_all(calls: Sequence[tuple[BenchmarkTask, str, Any]]) -> list[float]:
        return await asyncio.gather(*(check(*call) for call in calls))

    tasks = [task for task in benchmark.tasks if task.measures == CALL]
    made = [(task, call.function, call.arguments) for task in tasks for call in solutions[task.id].calls[:1]]
    verdicts = executor.run(check_all(made))
    of_gold = executor.run(check_all([(task, *task.gold[0]) for task in tasks]))
    remarks = [
        f"the gold call itself is not correct by its tool: {task.gold[0][0]} after {task.query.splitlines()[-1][:99]!r}"
        for task, verdict in zip(tasks, of_gold, strict=True)
        if not verdict and task.gold[0][0] in by_name
    ]
    checks = dict.fromkeys((task.id for task in tasks), 0.0)
    checks.update({task.id: verdict for (task, _, _), verdict in zip(made, verdicts, strict=True)})
    return checks, remarks


def _line(turn: Turn) -> str:
    if turn["role"] != "API":
        return f"{turn['role']}: {turn['text']}"
    given = ", ".join(f"{name}={value!r}" for name, value in turn["param_dict"].items())
    result = turn["result"]
    output = result.get("output") if isinstance(result, dict) else result
    return f"API: [{turn['api_name']}({given})] Response: {json.dumps(output, ensure_ascii=False)}"


def _level(file: Path) -> str:
    """From the file's name: the folder ``level-1-given-desc`` holds levels 1 and 2."""
    named = _LEVEL.search(file.stem)
    return f"level {named[1]}" if named else "level unknown"
