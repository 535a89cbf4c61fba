"""Language models that the agent runs on."""

from collections import defaultdict
from collections.abc import Iterator, Sequence
from math import inf
from typing import Any, Protocol

from goat_ray.agent.batching import Batcher
from goat_ray.agent.decoding import NamesOnly
from goat_ray.errors import ModelError
from goat_ray.places import fetched
from goat_ray.teacher.client import TOO_LONG, Completion, Tools
from goat_ray.teacher.model_folder import adapter_config
from goat_ray.teacher.task import Failure, Message

Chat = Sequence[Message]
_Asked = tuple[Chat, int, Tools, tuple[str, ...]]
_Row = tuple[int, list[int], tuple[str, ...]]  # number, prompt, names that the answer is held to


class LanguageModel(Protocol):
    """Anything that goes on with a chat. What many tasks ask at once is worked on together."""

    async def complete(
        self, chat: Chat, max_tokens: int, tools: Tools = (), names: Sequence[str] = ()
    ) -> Completion | Failure:
        """The next message, of at most so many tokens; greedy unless configured otherwise.

        With ``names``, it is nothing but some of them, one a line, where the model is in the agent's own process.
        Raises ``GoatError`` where no other chat would get an answer either.
        """

    async def close(self) -> None:
        """Release connections."""


class TransformersModel:
    """A Hugging Face causal model, with its LoRA adapter if the folder holds one; greedy and batched."""

    def __init__(self, folder: str, batch_size: int = 16, device: str = "") -> None:
        import torch
        from transformers import AutoModelForCausalLM, AutoTokenizer
        from transformers.utils import logging as transformers_logging

        transformers_logging.disable_progress_bar()  # type: ignore[no-untyped-call]

        folder = fetched(folder)
        self._torch = torch
        self._batch_size = batch_size
        self._device = device or ("cuda" if torch.cuda.is_available() else "cpu")
        try:
            self._tokenizer: Any = AutoTokenizer.from_pretrained(folder, padding_side="left")
            self._model: Any = AutoModelForCausalLM.from_pretrained(fetched(base_of(folder)))
        except (OSError, ValueError) as error:
            raise ModelError(
                f"the language model {folder!r} cannot be loaded: {error}", remedy="Train it first, or give its folder"
            ) from error
        if base_of(folder) != folder:
            from peft import PeftModel

            # Merged, a step of decoding is one product a layer instead of three.
            self._model = PeftModel.from_pretrained(self._model, folder).merge_and_unload()
        if self._tokenizer.pad_token is None:
            self._tokenizer.pad_token = self._tokenizer.eos_token
        self._model.to(self._device).eval()
        self._batcher = Batcher(self._answer_all)

    async def complete(
        self, chat: Chat, max_tokens: int, tools: Tools = (), names: Sequence[str] = ()
    ) -> Completion | Failure:
        return await self._batcher((chat, max_tokens, tools, tuple(names)))

    async def close(self) -> None:
        """Nothing is open."""

    def _answer_all(self, asked: Sequence[_Asked]) -> list[Completion | Failure]:
        answers: dict[int, Completion | Failure] = {}
        for max_tokens, rows in self._batches(asked, answers):
            numbers, ids, names = zip(*rows, strict=True)
            answers.update(zip(numbers, self._generate(ids, max_tokens, names), strict=True))
        return [answers[number] for number in range(len(asked))]

    def _batches(
        self, asked: Sequence[_Asked], answers: dict[int, Completion | Failure]
    ) -> Iterator[tuple[int, list[_Row]]]:
        """Prompts with one limit, by length so that little is padded; those beyond the context are answered at once.

        Those that are held to names are in batches of their own.
        """
        text = self._model.config.get_text_config()  # of models that see and hear as well
        context = getattr(text, "max_position_embeddings", inf)
        alike: dict[tuple[int, bool], list[_Row]] = defaultdict(list)
        for number, (chat, max_tokens, tools, names) in enumerate(asked):
            ids = self._encode(chat, tools)
            if len(ids) + max_tokens > context:
                detail = f"{len(ids)} tokens of prompt and {max_tokens} of answer exceed the context of {context}"
                answers[number] = Failure(TOO_LONG, detail)
            else:
                alike[max_tokens, bool(names)].append((number, ids, names))
        for (max_tokens, _), rows in alike.items():
            rows.sort(key=lambda row: len(row[1]))
            for start in range(0, len(rows), self._batch_size):
                yield max_tokens, rows[start : start + self._batch_size]

    def _encode(self, chat: Chat, tools: Tools) -> list[int]:
        return self._tokens(
            self._tokenizer.apply_chat_template(
                list(chat), tools=list(tools) or None, tokenize=False, add_generation_prompt=True
            )
        )

    def _tokens(self, text: str) -> list[int]:
        ids: list[int] = self._tokenizer(text, add_special_tokens=False)["input_ids"]
        return ids

    def _generate(
        self, prompts: Sequence[list[int]], max_tokens: int, names: Sequence[tuple[str, ...]]
    ) -> Iterator[Completion]:
        ends = self._model.generation_config.eos_token_id
        ends = ends if isinstance(ends, list) else [ends]
        inputs = self._tokenizer.pad({"input_ids": list(prompts)}, return_tensors="pt").to(self._device)
        width = inputs["input_ids"].shape[1]
        held = [NamesOnly(some, self._tokens, ends) for some in names if some]
        with self._torch.inference_mode():
            output = self._model.generate(
                **inputs,
                max_new_tokens=max_tokens,
                do_sample=False,
                pad_token_id=self._tokenizer.pad_token_id,
                prefix_allowed_tokens_fn=(lambda row, ids: held[row].allowed(ids[width:].tolist())) if held else None,
            )
        for prompt, row in zip(prompts, output[:, width:].tolist(), strict=True):
            length = next((place for place, token in enumerate(row) if token in ends), None)
            written = row if length is None else row[:length]
            text = self._tokenizer.decode(written, skip_special_tokens=True)
            yield Completion(text, len(prompt), len(written), truncated=length is None)


def base_of(folder: str) -> str:
    """The base model that an adapter folder names; the folder itself where it holds a whole model."""
    adapter = adapter_config(folder)
    return folder if adapter is None else str(adapter["base_model_name_or_path"])
