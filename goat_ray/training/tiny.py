"""Tiny language models made on the spot: real files and real code paths, where no model hub can be reached."""

from collections.abc import Iterable
from pathlib import Path

import torch
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast

from goat_ray.errors import ConfigError

_BOS, _EOS, _PAD = "<|im_start|>", "<|im_end|>", "<|pad|>"
_SPECIALS = [_BOS, _EOS, _PAD]

# ChatML: each turn between markers; the end marker is also the end of text, so that an answer stops there. Tools and
# calls as Hermes and Qwen write them, without instructions, of which a model made on the spot understands nothing.
_CHAT_TEMPLATE = (
    "{% if tools %}"
    "{{ '<|im_start|>system\n' }}"
    "{% for tool in tools %}{{ tool.function | tojson + '\n' }}{% endfor %}"
    "{{ '<|im_end|>\n' }}"
    "{% endif %}"
    "{% for message in messages %}"
    "{{ '<|im_start|>' + message.role + '\n' + message.content }}"
    "{% for call in message.tool_calls or [] %}"
    "{{ '\n<tool_call>\n' + call.function | tojson + '\n</tool_call>' }}"
    "{% endfor %}"
    "{{ '<|im_end|>\n' }}"
    "{% endfor %}"
    "{% if add_generation_prompt %}{{ '<|im_start|>assistant\n' }}{% endif %}"
)


def make_tiny_model(
    folder: Path,
    texts: Iterable[str],
    *,
    vocabulary: int = 2048,
    hidden: int = 128,
    layers: int = 4,
    heads: int = 4,
    context: int = 2048,
    seed: int = 0,
) -> Path:
    """Write a Llama with random weights and a tokenizer trained on ``texts``; returns ``folder``.

    The files are those of the Hugging Face layout, so transformers and vLLM load them like any model.
    The same arguments give the same files. ``vocabulary`` is the number of tokens at most (few texts
    may not fill it) and at least 259: all bytes and three special tokens.
    """
    smallest = len(pre_tokenizers.ByteLevel.alphabet()) + len(_SPECIALS)
    if vocabulary < smallest:
        raise ConfigError(
            f"a vocabulary of {vocabulary} cannot hold all bytes", remedy=f"Give vocabulary={smallest} or more"
        )
    tokenizer = _train_tokenizer(texts, vocabulary, context)
    tokenizer.save_pretrained(folder)
    _random_llama(tokenizer, vocabulary, hidden, layers, heads, context, seed).save_pretrained(folder)
    return folder


def _train_tokenizer(texts: Iterable[str], vocabulary: int, context: int) -> PreTrainedTokenizerFast:
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=vocabulary,
        special_tokens=_SPECIALS,
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    tokenizer.train_from_iterator(texts, trainer)
    return PreTrainedTokenizerFast(  # type: ignore[no-untyped-call]
        tokenizer_object=tokenizer,
        bos_token=_BOS,
        eos_token=_EOS,
        pad_token=_PAD,
        chat_template=_CHAT_TEMPLATE,
        model_max_length=context,
    )


def _random_llama(
    tokenizer: PreTrainedTokenizerFast, vocabulary: int, hidden: int, layers: int, heads: int, context: int, seed: int
) -> LlamaForCausalLM:
    config = LlamaConfig(
        vocab_size=vocabulary,
        hidden_size=hidden,
        intermediate_size=hidden * 4,
        num_hidden_layers=layers,
        num_attention_heads=heads,
        num_key_value_heads=heads,
        max_position_embeddings=context,
        tie_word_embeddings=True,
        bos_token_id=tokenizer.bos_token_id,
        eos_token_id=tokenizer.eos_token_id,
        pad_token_id=tokenizer.pad_token_id,
    )
    with torch.random.fork_rng(devices=[]):  # leave the caller's random state as it was
        torch.manual_seed(seed)
        return LlamaForCausalLM(config)  # type: ignore[no-untyped-call]
