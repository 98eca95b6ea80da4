"""A small transformer encoder that predicts the next action; trained from scratch, without a download."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import torch
from torch import nn
from torch.nn import functional

PAD, CLS, UNKNOWN = 0, 1, 2
_WORD = re.compile(r"\d+ \w+|\w+")
"""A number and the word after it are one token ("2 ahead"), which shortens prompts."""


@dataclass(frozen=True)
class EncoderSize:
    """Size of the default encoder.

    One block takes a tenth of the time of two (eight passes at once), because the last block computes only the first
    position.

    Attributes:
        width: Size of the hidden vectors.
        blocks: Number of transformer blocks.
        heads: Attention heads per block.
        length: Longest prompt in words; longer ones are truncated.
    """

    width: int = 64
    blocks: int = 1
    heads: int = 4
    length: int = 48


class Vocabulary:
    """Maps words to numbers; a word that did not occur in the fitting prompts is UNKNOWN."""

    def __init__(self, words: Sequence[str]) -> None:
        self.words = tuple(words)
        self._number = {word: 3 + i for i, word in enumerate(self.words)}

    @staticmethod
    def of(prompts: Iterable[str]) -> Vocabulary:
        """Return the vocabulary of all words in `prompts`, sorted."""
        return Vocabulary(sorted({word for prompt in prompts for word in _WORD.findall(prompt)}))

    def __len__(self) -> int:
        return len(self.words) + 3

    def encode(self, prompts: Sequence[str], length: int) -> torch.Tensor:
        """Return int64 [B, L]: CLS, the words, then PAD. L is the length of the longest prompt, at most `length`."""
        lines = [[CLS, *(self._number.get(w, UNKNOWN) for w in _WORD.findall(p))][:length] for p in prompts]
        longest = max(map(len, lines))
        return torch.tensor([line + [PAD] * (longest - len(line)) for line in lines])


class Dropout(nn.Module):
    """Dropout with an optional fixed mask per stochastic pass.

    With fixed masks, a hidden unit that pass t drops is dropped for every prompt and word (as in Gal and Ghahramani
    2016). P_LLM is then a function of the prompt alone: it depends neither on the batch nor on the time of the query.

    Args:
        rate: Dropout probability.
        flat: Inputs are [T * B, ..., D] instead of [T, B, ..., D]. T is 1 before the first dropout.
    """

    def __init__(self, rate: float = 0.1, flat: bool = False) -> None:
        super().__init__()
        self.rate, self._flat = rate, flat
        self.passes = self._seed = 0
        self._masks: torch.Tensor | None = None

    def draw(self, passes: int, seed: int) -> None:
        """Fix the masks of `passes` passes from now on. With 0: ordinary dropout in training, none in evaluation."""
        self.passes, self._seed, self._masks = passes, seed, None

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        if not self.passes:
            return functional.dropout(x, self.rate, self.training)
        masks = self._kept(x)
        if not self._flat:
            return x * masks.view(-1, *(1,) * (x.dim() - 2), x.shape[-1])
        apart = x.unflatten(0, (self.passes, -1))
        return (apart * masks.view(-1, *(1,) * (apart.dim() - 2), x.shape[-1])).flatten(0, 1)

    def _kept(self, x: torch.Tensor) -> torch.Tensor:
        """The masks [T, D], drawn at the first use, when the width is known."""
        if self._masks is None:
            generator = torch.Generator().manual_seed(self._seed)
            kept = torch.rand(self.passes, x.shape[-1], generator=generator) >= self.rate
            self._masks = (kept.float() / (1.0 - self.rate)).to(x)
        return self._masks


class Block(nn.Module):
    """A transformer block: self-attention and two dense layers, each after a layer norm (Xiong et al. 2020)."""

    def __init__(self, width: int, heads: int, rate: float) -> None:
        super().__init__()
        self._heads = heads
        self.norm, self.query, self.pair = nn.LayerNorm(width), nn.Linear(width, width), nn.Linear(width, 2 * width)
        self.mix, self.after_mix = nn.Linear(width, width), Dropout(rate)
        self.dense = nn.Sequential(
            nn.LayerNorm(width), nn.Linear(width, 2 * width), nn.GELU(), nn.Linear(2 * width, width)
        )
        self.after_dense = Dropout(rate)

    def forward(self, x: torch.Tensor, there: torch.Tensor, last: bool) -> torch.Tensor:
        """Map [T, B, L, D] to the same shape; with `last`, to the first position only, [T, B, 1, D]."""
        normal = self.norm(x)
        keys, values = self._split(self.pair(normal)).chunk(2, -1)
        asked = self._split(self.query(normal[..., :1, :] if last else normal))
        mixed = functional.scaled_dot_product_attention(asked, keys, values, attn_mask=there)
        x = x[..., :1, :] if last else x
        x = x + self.after_mix(self.mix(mixed.transpose(-2, -3).flatten(-2)))
        return x + self.after_dense(self.dense(x))

    def _split(self, x: torch.Tensor) -> torch.Tensor:
        """Reshape [T, B, L, D] to [T, B, heads, L, D / heads]."""
        return x.unflatten(-1, (self._heads, -1)).transpose(-2, -3)


class SmallEncoder(nn.Module):
    """Maps prompts to logits of actions; 40,000 weights at the default size."""

    def __init__(self, vocabulary: Vocabulary, actions: int, size: EncoderSize, rate: float = 0.1) -> None:
        super().__init__()
        self.vocabulary, self._size = vocabulary, size
        self.word = nn.Embedding(len(vocabulary), size.width, padding_idx=PAD)
        self.place = nn.Parameter(torch.randn(size.length, size.width) * 0.02)
        self.blocks = nn.ModuleList(Block(size.width, size.heads, rate) for _ in range(size.blocks))
        self.norm, self.drop = nn.LayerNorm(size.width), Dropout(rate)
        self.head = nn.Linear(size.width, actions)

    def encode(self, prompts: Sequence[str]) -> torch.Tensor:
        """Return the words of prompts as numbers, int64 [B, L]."""
        return self.vocabulary.encode(prompts, self._size.length)

    def forward(self, words: torch.Tensor) -> torch.Tensor:
        """Return logits [T, B, A] for words [B, L]; T is 1 unless masks have been drawn (`draw_masks`)."""
        there = (words != PAD)[:, None, None, :]
        x = (self.word(words) + self.place[: words.shape[1]]).unsqueeze(0)
        for number, block in enumerate(self.blocks):
            x = block(x, there, last=number == len(self.blocks) - 1)
        return self.head(self.drop(self.norm(x[..., 0, :])))


def draw_masks(model: nn.Module, passes: int, seed: int) -> None:
    """Fix the dropout masks of `passes` stochastic passes in every Dropout of `model`; 0 turns them off."""
    for number, module in enumerate(m for m in model.modules() if isinstance(m, Dropout)):
        module.draw(passes, 1009 * seed + number)
