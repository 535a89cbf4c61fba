"""Scripts for the fake server: what a model says when an agent asks it."""

from collections.abc import Callable
from typing import Any

Script = Callable[[dict[str, Any]], str]

QUERY = "What are the books by Maren Holloway?"

PLAN = "searchAuthors\nlistAuthorBooks"
BY_NAME = '{"name": "Maren Holloway"}'
BY_REFERENCE = '{"author_id": "$1.results[0].id"}'

SEARCH = 'Thought: I need the author.\nAction: searchAuthors\nAction Input: {"name": "Maren Holloway"}'
BOOKS = 'Thought: Now her books.\nAction: listAuthorBooks\nAction Input: {"author_id": "$1.results[0].id"}'
CALL = f'I need the author.\n<tool_call>\n{{"name": "searchAuthors", "arguments": {BY_NAME}}}\n</tool_call>'
REPLY = "Thought: I know enough.\nAnswer: She wrote two books."
FORCED = "As far as I can see, two."


def book(*plans: str, **calls: list[str]) -> Script:
    """Plan mode: answers by the question. The second of a list follows the first correction; the last one stays."""
    calls = {"searchAuthors": [BY_NAME], "listAuthorBooks": [BY_REFERENCE], **calls}

    def answer(body: dict[str, Any]) -> str:
        messages = body["messages"]
        question, tries = messages[0]["content"], len(messages) // 2
        if question.endswith("one a line:"):
            texts = list(plans) or [PLAN]
        elif question.endswith("JSON:"):
            texts = calls[question.rsplit("\nAPI: ", 1)[1].split(":")[0]]
        else:
            texts = ["Two books."]
        return texts[min(tries, len(texts) - 1)]

    return answer


def turns(*said: str) -> Script:
    """ReAct and chat mode: one turn after the other, the last one for ever; ``FORCED`` where an answer is asked for."""

    def answer(body: dict[str, Any]) -> str:
        messages = body["messages"]
        if messages[-1]["content"].endswith("Answer:"):
            return FORCED
        return said[min(len(messages) // 2, len(said) - 1)]

    return answer
