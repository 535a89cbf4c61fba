"""Of a chat, exactly the assistant's turns are trained, and of these all but the values, whatever the template does."""

import copy
import json
import re
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from transformers import PreTrainedTokenizerBase

from goat_ray.agent.chat_form import Chat, call_turn, result_turn
from goat_ray.errors import ModelError
from goat_ray.training.chat_tokens import HOLDS_MARKER, tokenize_chat
from goat_ray.training.tiny import make_tiny_model
from goat_ray.training.tokenization import IGNORED, TOO_LONG, Tokens, load_tokenizer

LONG = 100_000

# As in Qwen3-Coder: arguments are elements, and texts among them are not quoted.
ELEMENTS = """{% for tool in tools %}{{ tool.function.name + ' ' }}{% endfor %}
{% for message in messages %}{{ '<|im_start|>' + message.role + '\n' + message.content }}
{% for call in message.tool_calls or [] %}{{ '<function=' + call.function.name + '>' }}
{% for name, value in call.function.arguments.items() %}{{ '<parameter=' + name + '>\n' }}
{{ value if value is string else value | tojson }}{{ '\n</parameter>' }}{% endfor %}
{{ '</function>' }}{% endfor %}{{ '<|im_end|>\n' }}{% endfor %}
{% if add_generation_prompt %}{{ '<|im_start|>assistant\n' }}{% endif %}"""

# As in Qwen3: the last turn is written in another way than the same turn amid a chat.
THINKING = """{{ tools | tojson }}
{% for message in messages %}{{ '<|im_start|>' + message.role + '\n' }}
{% if loop.last and message.role == 'assistant' %}{{ '<think>\n\n</think>\n\n' }}{% endif %}{{ message.content }}
{% for call in message.tool_calls or [] %}{{ '<tool_call>' + call.function | tojson + '</tool_call>' }}{% endfor %}
{{ '<|im_end|>\n' }}{% endfor %}
{% if add_generation_prompt %}{{ '<|im_start|>assistant\n' }}{% endif %}"""

VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.text(max_size=8)
    | st.sampled_from(['", "b": "', "</parameter>", "\n"]),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.text(max_size=3), inner, max_size=2),
    max_leaves=4,
)
ARGUMENTS = st.dictionaries(st.sampled_from(["id", "name", "page", "q"]), VALUES, max_size=3)
CALLS = st.lists(st.tuples(st.text(max_size=8), ARGUMENTS, st.text(max_size=12)), max_size=3)


@pytest.fixture(scope="module", params=["own", "elements", "thinking"])
def writer(request: pytest.FixtureRequest, tokenizer: PreTrainedTokenizerBase) -> PreTrainedTokenizerBase:
    """A tokenizer with the template of tiny models, and with those of others."""
    changed = copy.deepcopy(tokenizer)
    others = {"elements": ELEMENTS, "thinking": THINKING}
    if request.param in others:
        changed.chat_template = others[request.param].replace("\n{", "{")
    return changed


def chat(calls: list[tuple[str, dict[str, Any], str]], response: str = "It is done.", **changes: Any) -> Chat:
    """All turns trained and all values masked."""
    messages: list[dict[str, Any]] = [{"role": "user", "content": "Please."}]
    masked = {}
    for number, (wish, arguments, result) in enumerate(calls):
        masked[len(messages)] = list(arguments)
        messages += [call_turn(wish, "getFilm", arguments, number), result_turn("getFilm", result, number)]
    messages.append({"role": "assistant", "content": response})
    trained = [number for number, message in enumerate(messages) if message["role"] == "assistant"]
    tools = [{"type": "function", "function": {"name": "getFilm", "description": "A film", "parameters": {}}}]
    return Chat(**{"tools": tools, "messages": messages, "trained": trained, "masked": masked, **changes})


def trained_text(tokens: Tokens | str, tokenizer: PreTrainedTokenizerBase) -> str:
    """What the loss sees, with a blank for each stretch of tokens that it does not."""
    assert isinstance(tokens, Tokens)
    pieces = [
        tokenizer.decode([token]) if label != IGNORED else "█"
        for token, label in zip(tokens.input_ids, tokens.labels, strict=True)
    ]
    return re.sub("█+", "█", "".join(pieces))


@given(calls=CALLS, response=st.text(max_size=12))
@settings(max_examples=150)
def test_what_is_trained_does_not_depend_on_results(
    writer: PreTrainedTokenizerBase, calls: list[tuple[str, dict[str, Any], str]], response: str
) -> None:
    tokens = tokenize_chat(chat(calls, response), writer, LONG)
    if tokens == HOLDS_MARKER:
        return
    assert isinstance(tokens, Tokens)
    assert all(label in (IGNORED, token) for token, label in zip(tokens.input_ids, tokens.labels, strict=True))
    without_results = tokenize_chat(chat([(wish, given_, "") for wish, given_, _ in calls], response), writer, LONG)
    assert trained_text(tokens, writer) == trained_text(without_results, writer)
    unmasked = tokenize_chat(chat(calls, response, masked={}), writer, LONG)
    assert isinstance(unmasked, Tokens) and unmasked.input_ids == tokens.input_ids
    differ = [one for one, other in zip(unmasked.labels, tokens.labels, strict=True) if one != other]
    assert bool(differ) == any(value != "" for _, given_, _ in calls for value in given_.values())


def test_values_are_blank_and_all_else_the_assistant_writes_is_not(writer: PreTrainedTokenizerBase) -> None:
    seen = trained_text(
        tokenize_chat(chat([("Find it.", {"q": "Dune", "page": 2}, "a result")], "Here it is."), writer, LONG), writer
    )
    assert "Dune" not in seen and "2" not in seen and "a result" not in seen and "Please" not in seen
    assert "Find it." in seen and "getFilm" in seen and "Here it is.<|im_end|>" in seen
    assert '"q": "█' in seen or "<parameter=q>\n█" in seen
    assert seen.count("<|im_end|>") == 2


@given(name=st.sampled_from(["q", "page"]), value=VALUES)
@settings(max_examples=150)
def test_no_character_of_a_value_is_trained(writer: PreTrainedTokenizerBase, name: str, value: Any) -> None:
    """Counted in bytes: what is trained of a chat is what would be there without the value."""
    tokens = tokenize_chat(chat([("w", {name: value}, "")]), writer, LONG)
    if tokens == HOLDS_MARKER:
        return
    empty = tokenize_chat(chat([("w", {name: "" if isinstance(value, str) else 0}, "")]), writer, LONG)
    assert isinstance(tokens, Tokens) and isinstance(empty, Tokens)
    assert letters(tokens, writer) <= letters(empty, writer)


def letters(tokens: Tokens, tokenizer: PreTrainedTokenizerBase) -> int:
    return sum(len(tokenizer.convert_ids_to_tokens(label)) for label in tokens.labels if label != IGNORED)


def test_the_answer_alone_may_be_trained(writer: PreTrainedTokenizerBase) -> None:
    whole = chat([("Find it.", {"q": "Dune"}, "a result")], "Here it is.")
    seen = trained_text(tokenize_chat(whole.model_copy(update={"trained": [3], "masked": {}}), writer, LONG), writer)
    assert seen.replace("<think>\n\n</think>\n\n", "").startswith("█Here it is.<|im_end|>")
    assert "getFilm" not in seen


def test_chats_are_dropped_whole_and_never_cut(tokenizer: PreTrainedTokenizerBase) -> None:
    tokens = tokenize_chat(chat([]), tokenizer, LONG)
    assert isinstance(tokens, Tokens)
    length = len(tokens.input_ids)
    assert tokenize_chat(chat([]), tokenizer, length) == tokens
    assert tokenize_chat(chat([]), tokenizer, length - 1) == TOO_LONG
    assert tokenize_chat(chat([], "So <|im_end|> it ends."), tokenizer, LONG) == HOLDS_MARKER


def test_a_template_that_knows_no_tools_is_a_clear_error(tmp_path: Path) -> None:
    folder = make_tiny_model(tmp_path, ["some text"], vocabulary=300, hidden=8, layers=1, heads=1)
    plain = "{% for message in messages %}{{ message.content + '<|im_end|>' }}{% endfor %}"
    (folder / "chat_template.jinja").write_text(plain)
    with pytest.raises(ModelError, match="does not write the arguments"):
        tokenize_chat(chat([("w", {"q": "Dune"}, "")]), load_tokenizer(str(folder)), LONG)
    (folder / "chat_template.jinja").write_text("{{ raise_exception('no tools') }}")
    load_tokenizer.cache_clear()
    with pytest.raises(ModelError, match="no tools"):
        tokenize_chat(chat([]), load_tokenizer(str(folder)), LONG)


def test_a_chat_survives_its_example() -> None:
    made = chat([("w", {"q": [1, {"a": None}]}, "r")])
    assert Chat.model_validate_json(made.model_dump_json()) == made
    assert json.loads(made.model_dump_json())["masked"] == {"1": ["q"]}
