"""Whether a base model keeps examples apart that lie one after another in a row.

transformers tells them apart by their positions, where the model hands these on to the attention's mask. Falcon and OPT
do not, so that an example silently sees those before it; no setting of theirs says so. It shows in what they compute.
"""

import copy
from typing import Any

import torch
from transformers import AttentionInterface, AutoModelForCausalLM, PreTrainedConfig, PreTrainedModel
from transformers.masking_utils import AttentionMaskInterface, flash_attention_mask

from goat_ray.errors import ConfigError
from goat_ray.training.batches import Batch, pack

_KEEP_APART = {"full_attention", "sliding_attention", "chunked_attention", "attention", "mlp", "moe", "dense", "sparse"}
"""Kinds of layers that keep packed examples apart by their positions, or look at one token alone. Others run along the
row, such as linear attention and convolutions, and would have to be told the borders."""

_VOCABULARY, _HEADS, _INNER, _LENGTH = 64, 2, 32, 12
_INNER_SIZES = (
    "intermediate_size",
    "moe_intermediate_size",
    "shared_expert_intermediate_size",
    "expert_ffn_hidden_size",
    "ffn_hidden_size",
    "ffn_dim",
    "n_inner",
)
_KEY_HEADS = ("num_key_value_heads", "num_global_key_value_heads", "num_kv_heads")
_PROBE = "goat_ray_probe"  # transformers' name of the attention that looks at what FlashAttention would be told
_NOISE = 1e-3
"""Of the logits' standard deviation. fp32 leaves 3e-6 in transformers 5.19; the least that was carried over is 1e-2."""


def check_packing(text: PreTrainedConfig, base: str, attention: str) -> None:
    """Raise ``ConfigError`` where packed examples would not be kept apart.

    ``text`` is the configuration of the part that reads. A small model of its kind is run, which takes a moment. Where
    that cannot be done packing is refused: padding costs time alone, and mixed examples would be trained on unnoticed.
    FlashAttention needs a GPU: it is judged by the eager one, and by what it would be told.
    """
    layers = getattr(text, "layer_types", None) or getattr(text, "layers_block_type", None) or ()
    if mixing := sorted(set(layers) - _KEEP_APART):
        raise _refused(
            f"the base model {base!r} has layers ({', '.join(mixing)}) that carry what they read of one example into "
            "the next"
        )
    try:
        small = _shrunken(text)
        carried = _carried(small, "sdpa" if attention == "sdpa" else "eager")
        told = attention != "flash_attention_2" or _tells_flash_attention(small)
    except Exception as error:  # models of a hundred kinds raise what they like
        raise _refused(
            f"a small model of the kind of {base!r} cannot be run to see whether it keeps examples apart "
            f"({' '.join(str(error).split())})"
        ) from error
    if not carried < _NOISE:  # nor where it is not a number
        raise _refused(f"the base model {base!r} carries what it reads of one example into the next")
    if not told:
        raise _refused(
            f"the base model {base!r} does not tell FlashAttention where examples begin, so that each would see those "
            "before it",
            remedy="Set attention: sdpa or packing: false",
        )


def _refused(why: str, remedy: str = "Set packing: false") -> ConfigError:
    return ConfigError(f"packing: true, and {why}", remedy=remedy)


def _shrunken(text: PreTrainedConfig) -> PreTrainedConfig:
    """The configuration with few layers, of each kind one at least, and narrow ones.

    The width of a head stays as it is, since rotary embeddings are cut to it; so does the number of experts, as groups
    of them are.
    """
    small = copy.deepcopy(text)
    depth = small.num_hidden_layers
    kinds = list(getattr(small, "layer_types", None) or ())
    layers = max([2, *(kinds.index(kind) + 1 for kind in kinds)])
    narrow: dict[str, Any] = {
        "num_hidden_layers": layers,
        "hidden_size": _HEADS * (small.hidden_size // small.num_attention_heads),
        "num_attention_heads": _HEADS,
        "num_kv_shared_layers": 0,
        **dict.fromkeys(_INNER_SIZES, _INNER),
    }
    for name in _KEY_HEADS:
        narrow[name] = min(getattr(small, name, None) or _HEADS, _HEADS)
    for name, value in vars(small).items():
        if isinstance(value, list) and len(value) == depth:  # one for each layer
            narrow[name] = [narrow[name]] * layers if name in narrow else value[:layers]
        if "vocab_size" in name:
            narrow[name] = _VOCABULARY
        if name.endswith("_token_id") and value is not None:
            narrow[name] = 0
    for name, value in narrow.items():
        if hasattr(small, name):
            setattr(small, name, value)
    return small


@torch.no_grad()
def _carried(config: PreTrainedConfig, attention: str) -> float:
    """How far the logits of two packed rows are from those of each alone, in standard deviations of these."""
    model, rows = _model_and_rows(config, attention)
    packed, *alone = (_logits(model, pack(group, group)) for group in (rows, rows[:1], rows[1:]))
    apart = torch.cat(alone)
    return float((packed - apart).abs().max() / apart.std())


@torch.no_grad()
def _tells_flash_attention(config: PreTrainedConfig) -> bool:
    """Whether each layer hands the positions on to its attention: there is no mask that FlashAttention could go by."""
    model, rows = _model_and_rows(config, "eager")
    batch = pack(rows, rows)
    told: list[bool] = []

    def probe(
        module: torch.nn.Module, query: torch.Tensor, key: torch.Tensor, value: torch.Tensor, mask: None, **more: Any
    ) -> tuple[torch.Tensor, None]:
        positions = more.get("position_ids")
        told.append(positions is not None and torch.equal(positions, batch.position_ids))
        rows, heads, length, _ = query.shape
        return query.new_zeros(rows, length, heads, value.shape[-1]), None

    AttentionInterface.register(_PROBE, probe)
    AttentionMaskInterface.register(_PROBE, flash_attention_mask)
    model.set_attn_implementation(_PROBE)  # which models with a FlashAttention of their own ignore
    _logits(model, batch)
    return bool(told) and all(told)


def _model_and_rows(config: PreTrainedConfig, attention: str) -> tuple[PreTrainedModel, list[torch.Tensor]]:
    """A model of random weights, and the token ids of two rows."""
    with torch.random.fork_rng(devices=[]):  # leave the caller's random state as it was
        torch.manual_seed(0)
        model: PreTrainedModel = AutoModelForCausalLM.from_config(  # type: ignore[no-untyped-call]
            config, attn_implementation=attention, dtype=torch.float32
        )
        return model.eval(), list(torch.randint(1, _VOCABULARY, (2, _LENGTH)))  # type: ignore[no-untyped-call]


def _logits(model: PreTrainedModel, batch: Batch) -> torch.Tensor:
    logits: torch.Tensor = model(input_ids=batch.input_ids, position_ids=batch.position_ids, use_cache=False).logits
    return logits[0]
