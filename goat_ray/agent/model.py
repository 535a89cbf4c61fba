"""Language models that the agent runs on."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Protocol

from goat_ray.errors import ModelError


class LanguageModel(Protocol):
    """Anything that continues prompts."""

    def generate(self, prompts: Sequence[str], max_new_tokens: int) -> list[str]:
        """One continuation for each prompt, in order."""


class TransformersModel:
    """A Hugging Face causal model, with its LoRA adapter if the folder holds one; greedy and batched."""

    def __init__(self, folder: str, batch_size: int = 16, device: str = "") -> None:
        import torch
        from transformers import AutoModelForCausalLM, AutoTokenizer
        from transformers.utils import logging as transformers_logging

        transformers_logging.disable_progress_bar()  # type: ignore[no-untyped-call]

        self._torch = torch
        self._batch_size = batch_size
        self._device = device or ("cuda" if torch.cuda.is_available() else "cpu")
        try:
            self._tokenizer: Any = AutoTokenizer.from_pretrained(folder, padding_side="left")
            self._model: Any = AutoModelForCausalLM.from_pretrained(base_of(folder))
        except (OSError, ValueError) as error:
            raise ModelError(
                f"the language model {folder!r} cannot be loaded: {error}", remedy="Train it first, or give its folder"
            ) from error
        if base_of(folder) != folder:
            from peft import PeftModel

            self._model = PeftModel.from_pretrained(self._model, folder)
        self._model.to(self._device).eval()

    def generate(self, prompts: Sequence[str], max_new_tokens: int) -> list[str]:
        # Prompts of like length share a batch, so that little is spent on padding.
        order = sorted(range(len(prompts)), key=lambda number: len(prompts[number]))
        texts = [""] * len(prompts)
        for start in range(0, len(order), self._batch_size):
            numbers = order[start : start + self._batch_size]
            for number, text in zip(numbers, self._batch([prompts[n] for n in numbers], max_new_tokens), strict=True):
                texts[number] = text
        return texts

    def _batch(self, prompts: list[str], max_new_tokens: int) -> list[str]:
        rendered = [
            self._tokenizer.apply_chat_template(
                [{"role": "user", "content": prompt}], tokenize=False, add_generation_prompt=True
            )
            for prompt in prompts
        ]
        inputs = self._tokenizer(rendered, return_tensors="pt", padding=True, add_special_tokens=False)
        limit = self._model.config.max_position_embeddings - max_new_tokens
        ids, mask = inputs["input_ids"][:, -limit:], inputs["attention_mask"][:, -limit:]
        with self._torch.inference_mode():
            output = self._model.generate(
                input_ids=ids.to(self._device),
                attention_mask=mask.to(self._device),
                max_new_tokens=max_new_tokens,
                do_sample=False,
                pad_token_id=self._tokenizer.pad_token_id,
            )
        texts: list[str] = self._tokenizer.batch_decode(output[:, ids.shape[1] :], skip_special_tokens=True)
        return texts


def base_of(folder: str) -> str:
    """The base model that an adapter folder names; the folder itself where it holds a whole model."""
    import json

    adapter = Path(folder) / "adapter_config.json"
    if not adapter.is_file():
        return folder
    return str(json.loads(adapter.read_text(encoding="utf-8"))["base_model_name_or_path"])
