"""Python tools are read without being run: API-Bank's classes, and typed functions with docstrings."""

import hypothesis.strategies as st
import pytest
from hypothesis import given

from goat_ray.documents import python
from goat_ray.documents.config import DocumentsConfig
from goat_ray.documents.discovery import discover
from goat_ray.documents.flaws import Flaw
from goat_ray.documents.ingest import Ingest
from goat_ray.records import ApiFunction, Reject

from .writing import source

REMINDER = """
from apis.api import API

class AddReminder(API):
    description = "Adds a reminder."
    input_parameters = {
        "token": {"type": "str", "description": "The user's token."},
        "time": {"type": "str", "description": "When."},
        "tags": {"type": "list[str]", "description": "Labels."},
    }
    output_parameters = {"status": {"type": "str", "description": "success or failed"}, "id": {"type": "int"}}
    database_name = "Reminder"

    def __init__(self, init_database=None, token_checker=None):
        raise SystemExit("must never run")

    def call(self, token: str, time: str, tags: list = None) -> dict:
        raise SystemExit("must never run")
"""
CITIES = '''
from dataclasses import dataclass
from typing import Literal, Optional

raise SystemExit("must never run")

@dataclass
class City:
    id: int
    name: str

def find_cities(query: str, limit: int = 5, order: Literal["name", "size"] = "name") -> list[City]:
    """Search for cities.

    Args:
        query: Part of the name.
        limit (int): How many.

    Returns:
        The cities found.
    """

async def weather(city_id: int, days: Optional[list[int]] = None) -> dict:
    """Get the weather.

    Parameters
    ----------
    city_id : int
        The city.
    """

def note(text: str):
    """Write a note.

    :param text: What to write.
    """

def _hidden(x: int) -> int:
    """Not a tool."""

def nothing(a, b):
    pass
'''


def test_tool_classes_of_one_folder_are_one_service(tmp_path) -> None:
    folder = tmp_path / "apis"
    folder.mkdir()
    (folder / "add_reminder.py").write_text(REMINDER)
    (folder / "add_alarm.py").write_text(REMINDER.replace("AddReminder", "AddAlarm"))
    config = DocumentsConfig(paths=[str(tmp_path)])
    alarm, reminder = Ingest(config).process(discover(config))
    assert (alarm.service, alarm.name, reminder.service, reminder.name) == ("apis", "AddAlarm", "apis", "AddReminder")
    assert reminder.method == "CALL" and reminder.category == "Reminder"
    assert {(p.name, p.type, p.required) for p in reminder.parameters} == {
        ("token", "string", True),
        ("time", "string", True),
        ("tags", "array", False),
    }
    assert {(field.path, field.type) for field in reminder.outputs} == {("$.status", "string"), ("$.id", "integer")}


def test_signatures_and_docstrings_of_three_styles() -> None:
    found = list(python.read(source(CITIES, path="tools.py")))
    functions = {one.name: one for one in found if isinstance(one, ApiFunction)}
    (reject,) = [one for one in found if isinstance(one, Reject)]
    assert set(functions) == {"find_cities", "weather", "note"}
    assert reject.reason == "undocumented" and "nothing" in reject.detail
    cities = functions["find_cities"]
    assert cities.service == "tools"
    assert cities.description.startswith("Search for cities.")
    assert cities.parameter("query").required and cities.parameter("query").description == "Part of the name."
    assert (cities.parameter("limit").type, cities.parameter("limit").default) == ("integer", 5)
    assert cities.parameter("order").enum == ["name", "size"]
    assert cities.parameter("order").description == ""
    assert [(field.path, field.type) for field in cities.outputs] == [("$[*].id", "integer"), ("$[*].name", "string")]
    assert functions["weather"].parameter("city_id").description == "The city."
    assert not functions["weather"].parameter("days").required
    assert functions["note"].parameter("text").description == "What to write."


def test_aliases_that_multiply_at_each_level_say_what_they_can() -> None:
    aliases = "A0 = int\n" + "".join(f"A{n} = Union[{', '.join([f'A{n - 1}'] * 20)}]\n" for n in range(1, 10))
    text = f'{aliases}\ndef f(a: A9, b: int, c: tuple[()]):\n    """F."""\n'
    (function,) = python.read(source(text, path="a.py"))
    assert isinstance(function, ApiFunction)
    assert [parameter.type for parameter in function.parameters[1:]] == ["integer", "array"]


@pytest.mark.parametrize("text", ['{"a": 1}', "openapi: 3.0.0\n", "", "class of 2020: yes", "def is a word"])
def test_other_texts_are_not_taken_for_python(text: str) -> None:
    assert not python.sniff(source(text, path="x.txt"))


def test_values_of_a_call_are_followed_once_each() -> None:
    """Each way to each of them would be a thousand million."""
    steps = "        v = w\n        w = v\n" * 500
    body = f"    def call(self):\n        v = 1\n{steps}        return {{'output': w}}\n"
    stated = "    description = 'T.'\n    input_parameters = {}\n    output_parameters = {'id': 'int'}\n"
    (tool,) = python.read(source(f"class T:\n{stated}{body}", path="t.py"))
    assert isinstance(tool, ApiFunction) and [field.path for field in tool.outputs] == ["$"]  # the bare value


def test_python_that_cannot_be_parsed_is_a_flaw_with_its_line() -> None:
    with pytest.raises(Flaw, match="line 2"):
        list(python.read(source("def a(x: int):\n  return (\n", path="a.py")))


@given(st.text(alphabet="def class(x:int=1)->[]\"\n' ,{}", max_size=200))
def test_any_text_gives_functions_rejects_or_one_flaw(text: str) -> None:
    try:
        found = list(python.read(source(text, path="x.py")))
    except Flaw as flaw:
        assert flaw.remedy
    else:
        assert all(isinstance(one, ApiFunction | Reject) for one in found)
