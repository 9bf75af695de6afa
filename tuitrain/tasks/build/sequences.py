"""Networks over characters: (n, context) int64 in, (n, context, num_outputs) out, each output of what is before it."""

from __future__ import annotations

import math
from collections import OrderedDict
from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional

from tuitrain.tasks.build.layers import dropout_module

_STD = 0.02


class RecurrentLayer(nn.LSTM):
    """One layer of LSTM cells, for which every window begins with a state of zeros."""

    def __init__(self, width: int, num_units: int) -> None:
        super().__init__(width, num_units, batch_first=True)
        with torch.no_grad():  # it begins by remembering (Gers et al. 2000; Jozefowicz et al. 2015)
            self.get_parameter("bias_ih_l0")[num_units : 2 * num_units] = 1.0

    @property
    def weight(self) -> Tensor:
        """(4 · units, units): from the state to the next one, which is the weight to watch."""
        return self.get_parameter("weight_hh_l0")

    def forward(self, x: Tensor) -> Tensor:  # type: ignore[override]
        """(n, context, width) → (n, context, units)."""
        outputs: Tensor = super().forward(x)[0]
        return outputs


class CharacterEmbedding(nn.Module):
    """A vector for each character and one for each place, added up."""

    def __init__(self, num_characters: int, context: int, width: int) -> None:
        super().__init__()
        self.characters = nn.Embedding(num_characters, width)
        self.places = nn.Embedding(context, width)

    def forward(self, x: Tensor) -> Tensor:
        """(n, length) → (n, length, width); length at most the context."""
        found: Tensor = self.characters(x) + self.places.weight[: x.shape[1]]
        return found


class CausalAttention(nn.Module):
    """Scaled dot-product attention of several heads to what is not later (Vaswani et al. 2017)."""

    def __init__(self, width: int, num_heads: int) -> None:
        super().__init__()
        self._num_heads = num_heads
        self.query_key_value = nn.Linear(width, 3 * width)
        self.out = nn.Linear(width, width)

    def forward(self, x: Tensor) -> Tensor:
        """(n, length, width), the shape stays."""
        count, length, width = x.shape
        parts = self.query_key_value(x).view(count, length, 3, self._num_heads, -1).permute(2, 0, 3, 1, 4)
        query, key, value = parts.unbind(0)  # (n, heads, length, width of a head)
        found = functional.scaled_dot_product_attention(query, key, value, is_causal=True)
        mixed: Tensor = self.out(found.transpose(1, 2).reshape(count, length, width))
        return mixed


class DecoderBlock(nn.Module):
    """Attention, then two affine maps, each after a norm and with a skip around it (Radford et al. 2019)."""

    def __init__(self, width: int, num_heads: int, inner_width: int, dropout_kind: str, dropout: float) -> None:
        super().__init__()
        self.norm_1 = nn.LayerNorm(width)
        self.attention = CausalAttention(width, num_heads)
        self.drop_1 = dropout_module(dropout_kind, dropout)
        self.norm_2 = nn.LayerNorm(width)
        self.lin_1 = nn.Linear(width, inner_width)
        self.act = nn.GELU()
        self.lin_2 = nn.Linear(inner_width, width)
        self.drop_2 = dropout_module(dropout_kind, dropout)

    def forward(self, x: Tensor) -> Tensor:
        """(n, length, width), the shape stays."""
        x = x + self.drop_1(self.attention(self.norm_1(x)))
        mixed: Tensor = x + self.drop_2(self.lin_2(self.act(self.lin_1(self.norm_2(x)))))
        return mixed


def lstm(num_characters: int, hidden: Sequence[int], dropout_kind: str, dropout: float) -> nn.Sequential:
    """Recurrent layers of the given widths; characters are vectors of the first width. Weights as torch gives them."""
    layers: OrderedDict[str, nn.Module] = OrderedDict()
    layers["embed"] = nn.Embedding(num_characters, hidden[0])
    width = hidden[0]
    for number, next_width in enumerate(hidden, start=1):
        layers[f"lstm_{number}"] = RecurrentLayer(width, next_width)
        layers[f"drop_{number}"] = dropout_module(dropout_kind, dropout)
        width = next_width
    layers["lin_last"] = nn.Linear(width, num_characters)
    return nn.Sequential(layers)


def char_transformer(
    num_characters: int, context: int, hidden: Sequence[int], depth: int, num_heads: int,
    dropout_kind: str, dropout: float,
) -> nn.Sequential:  # fmt: skip
    """Blocks of the width hidden[0], inside as wide as hidden[1], else four times as wide.

    Weights begin with a deviation of 0.02, those in front of a sum 1/√(2 · depth) times that, biases at 0, as in GPT-2.
    """
    width, inner_width = hidden[0], hidden[1] if len(hidden) > 1 else 4 * hidden[0]
    layers: OrderedDict[str, nn.Module] = OrderedDict()
    layers["embed"] = CharacterEmbedding(num_characters, context, width)
    layers["drop_0"] = dropout_module(dropout_kind, dropout)
    for number in range(1, depth + 1):
        layers[f"block_{number}"] = DecoderBlock(width, num_heads, inner_width, dropout_kind, dropout)
    layers["norm_last"] = nn.LayerNorm(width)
    layers["lin_last"] = nn.Linear(width, num_characters)
    model = nn.Sequential(layers)
    for name, module in model.named_modules():
        if isinstance(module, nn.Linear | nn.Embedding):
            is_summed = name.endswith(("attention.out", "lin_2"))
            nn.init.normal_(module.weight, std=_STD / math.sqrt(2.0 * depth) if is_summed else _STD)
        if isinstance(module, nn.Linear):
            nn.init.zeros_(module.bias)
    return model
