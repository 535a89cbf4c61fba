"""API-Bank (arXiv 2304.08244): dialogues with API calls, read from its folders of JSON Lines.

As in its own evaluator, each API turn is a task (given the dialogue so far, make the call; executed and compared by
the called tool's own ``check_api_call_correctness``), and so is the turn right after one: ROUGE-L of an AI's reply, or
a further call, which therefore counts twice. A dialogue of level 3, where tools are searched for, is one more task as a
whole: the user's words, the path of calls. The official file of level 3, a JSON list of ``{requirement, apis:
[{api_name, input, output}], response}``, is read as dialogues of one request each; its own evaluator counts each call
once, and so it is here.
"""

import asyncio
import json
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from goat_ray.errors import DocumentError
from goat_ray.evaluation.benchmark import Benchmark, BenchmarkTask, Solution, counted, names_of
from goat_ray.evaluation.foreign import entry_at, json_list, member
from goat_ray.executors.python.executor import PythonExecutor
from goat_ray.records import ApiFunction
from goat_ray.storable import parsed

SEARCH = "ToolSearcher"
CALL, REPLY, PATH = ("correct",), ("ROUGE-L",), ("CP", "extra calls", "SR")
_LEVEL = re.compile(r"level-(\d)")

Turn = dict[str, Any]


def apibank(root: Path, functions: Sequence[ApiFunction]) -> Benchmark:
    """The tasks of a file, or of all dialogues in JSON Lines below a folder; raises ``DocumentError``."""
    files = [root] if root.is_file() else sorted(root.rglob("*.jsonl"))
    foreign = [] if root.is_file() else [file for file in files if not _is_dialogue(file)]
    if len(foreign) == len(files):
        raise DocumentError(
            "holds no dialogues" + f", only other JSON Lines, such as {foreign[0].name}" * bool(foreign),
            place=str(root),
            remedy="Give API-Bank's folder lv1-lv2-samples, one file of dialogue, or its level-3.json",
        )
    tasks: list[BenchmarkTask] = []
    for file in files:
        dialogues = [] if file in foreign else read_level_3(file) if file.suffix == ".json" else [read_dialogue(file)]
        for turns in dialogues:
            tasks += dialogue_tasks(turns, _level(file), twice=file.suffix != ".json")
    known = {function.name for function in functions}
    wanted = {name for task in tasks for name, _ in task.gold}
    missing = wanted - known if functions else ()  # without any, predictions of others are scored
    remarks = [f"the tool {name} is not among the run's functions: no agent can call it" for name in missing]
    remarks += [f"{file.relative_to(root)} holds no dialogue and is left out" for file in foreign]
    return Benchmark("apibank", counted(tasks), names_of(functions, lambda f: f.name), str.strip, sorted(remarks))


def read_dialogue(file: Path) -> list[Turn]:
    """The turns of one file; raises ``DocumentError``."""
    turns: list[Turn] = []
    for number, line in enumerate(file.read_bytes().split(b"\n"), 1):  # texts may hold other ends of lines
        if not line.strip():
            continue
        try:
            turn = parsed(line)
            if member(turn, "role", str) == "API":
                turns.append(_call_turn(turn, "param_dict", "result"))
            else:
                turns.append({"role": turn["role"], "text": member(turn, "text", str)})
        except (ValueError, KeyError, TypeError) as error:
            problem = str(error) if isinstance(error, UnicodeError) else repr(error)  # which would hold all of the line
            raise DocumentError(
                f"is no turn of a dialogue ({problem})",
                place=f"{file}:{number}",
                remedy="Expected {role: User | AI, text} or {role: API, api_name, param_dict, result}",
            ) from error
    return turns


def read_level_3(file: Path) -> list[list[Turn]]:
    """The entries of the official file as dialogues: a request, all calls, the reply; raises ``DocumentError``."""
    dialogues = []
    for number, entry in enumerate(json_list(file)):
        with entry_at(
            f"{file}#{number}",
            "is no entry of level 3",
            "{requirement, response, apis: [{api_name, input, output}]}",
        ):
            calls = [_call_turn(one, "input", "output") for one in member(entry, "apis", list)]
            request = {"role": "User", "text": member(entry, "requirement", str).strip()}
            dialogues.append([request, *calls, {"role": "AI", "text": member(entry, "response", str)}])
    return dialogues


def dialogue_tasks(turns: Sequence[Turn], level: str, twice: bool = True) -> list[BenchmarkTask]:
    """The tasks of one dialogue; ``twice``: a call right after a call is two."""
    tasks = []
    for number, turn in enumerate(turns):
        so_far = "\n".join(map(_line, turns[:number]))
        follows = number > 0 and turns[number - 1]["role"] == "API"
        if turn["role"] == "API":
            gold = ((turn["api_name"], turn["param_dict"]),)
            tasks += [BenchmarkTask(so_far, CALL, level, gold, results=(turn["result"],))] * (1 + (twice and follows))
        elif turn["role"] == "AI" and follows:
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


def _call_turn(entry: Any, arguments: str, result: str) -> Turn:
    """The turn of a call, from an object with members of these names."""
    name, given = member(entry, "api_name", str), member(entry, arguments, dict)
    return {"role": "API", "api_name": name, "param_dict": given, "result": entry[result]}


def _line(turn: Turn) -> str:
    if turn["role"] != "API":
        return f"{turn['role']}: {turn['text']}"
    given = ", ".join(f"{name}={value!r}" for name, value in turn["param_dict"].items())
    result = turn["result"]
    output = result.get("output") if isinstance(result, dict) else result
    return f"API: [{turn['api_name']}({given})] Response: {json.dumps(output, ensure_ascii=False)}"


def _is_dialogue(file: Path) -> bool:
    """Whether the first line has a role. A clone holds other JSON Lines as well."""
    with file.open(encoding="utf-8-sig", errors="replace") as lines:
        first = next(filter(str.strip, lines), "")
    try:
        turn = parsed(first)
    except ValueError:
        return False
    return isinstance(turn, dict) and "role" in turn


def _level(file: Path) -> str:
    """From the file's name: the folder ``level-1-given-desc`` holds levels 1 and 2."""
    named = _LEVEL.search(file.stem)
    return f"level {named[1]}" if named else "level unknown"
