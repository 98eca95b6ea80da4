"""A small transformer encoder that names the next action, trained here: nothing is downloaded for it."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import torch
from torch import nn
from torch.nn import functional

PAD, CLS, UNKNOWN = 0, 1, 2
_WORD = re.compile(r"\d+ \w+|\w+")
"""A number and its unit are one word ("2 ahead"): prompts get shorter, and what matters is in one place."""


@dataclass(frozen=True)
class EncoderSize:
    """Width, blocks and heads of the default encoder; `length` in words, a prompt's rest is cut off.

    One block reads a prompt, eight passes at once, in a tenth of the time of two: of the last block only the first word
    is computed.
    """

    width: int = 64
    blocks: int = 1
    heads: int = 4
    length: int = 48


class Vocabulary:
    """Words to numbers; a word that the fitting prompts never held is UNKNOWN."""

    def __init__(self, words: Sequence[str]) -> None:
        self.words = tuple(words)
        self._number = {word: 3 + i for i, word in enumerate(self.words)}

    @staticmethod
    def of(prompts: Iterable[str]) -> Vocabulary:
        """All words of `prompts`, sorted."""
        return Vocabulary(sorted({word for prompt in prompts for word in _WORD.findall(prompt)}))

    def __len__(self) -> int:
        return len(self.words) + 3

    def encode(self, prompts: Sequence[str], length: int) -> torch.Tensor:
        """int64 [B, L]: CLS, then the words, then PAD; L is that of the longest prompt, at most `length`."""
        lines = [[CLS, *(self._number.get(w, UNKNOWN) for w in _WORD.findall(p))][:length] for p in prompts]
        longest = max(map(len, lines))
        return torch.tensor([line + [PAD] * (longest - len(line)) for line in lines])


class Dropout(nn.Module):
    """Dropout that, asked to, keeps one mask per stochastic pass.

    A hidden unit that pass t drops is then dropped for every prompt and word (as in Gal and Ghahramani 2016), so that
    P_LLM is a function of the prompt alone: whatever shares its batch, and whenever it is asked for, the answer is
    the same. Inputs are [T, B, ..., D], T being 1 until the first dropout; with `flat`, [T * B, ..., D].
    """

    def __init__(self, rate: float = 0.1, flat: bool = False) -> None:
        super().__init__()
        self.rate, self._flat = rate, flat
        self.passes = self._seed = 0
        self._masks: torch.Tensor | None = None

    def draw(self, passes: int, seed: int) -> None:
        """Keep the masks of `passes` passes from now on; 0 goes back to ordinary dropout in training, none outside."""
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
        """The masks [T, D], drawn when the width is first known."""
        if self._masks is None:
            generator = torch.Generator().manual_seed(self._seed)
            kept = torch.rand(self.passes, x.shape[-1], generator=generator) >= self.rate
            self._masks = (kept.float() / (1.0 - self.rate)).to(x)
        return self._masks


class Block(nn.Module):
    """Self-attention and two dense layers, normalised before each (Xiong et al. 2020)."""

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
        """[T, B, L, D] to the same; `last`: only the first word's, [T, B, 1, D], since nothing else is read."""
        normal = self.norm(x)
        keys, values = self._split(self.pair(normal)).chunk(2, -1)
        asked = self._split(self.query(normal[..., :1, :] if last else normal))
        mixed = functional.scaled_dot_product_attention(asked, keys, values, attn_mask=there)
        x = x[..., :1, :] if last else x
        x = x + self.after_mix(self.mix(mixed.transpose(-2, -3).flatten(-2)))
        return x + self.after_dense(self.dense(x))

    def _split(self, x: torch.Tensor) -> torch.Tensor:
        """[T, B, L, D] to [T, B, heads, L, D / heads]."""
        return x.unflatten(-1, (self._heads, -1)).transpose(-2, -3)


class SmallEncoder(nn.Module):
    """Prompts to logits of actions; 40,000 weights at the default size."""

    def __init__(self, vocabulary: Vocabulary, actions: int, size: EncoderSize, rate: float = 0.1) -> None:
        super().__init__()
        self.vocabulary, self._size = vocabulary, size
        self.word = nn.Embedding(len(vocabulary), size.width, padding_idx=PAD)
        self.place = nn.Parameter(torch.randn(size.length, size.width) * 0.02)
        self.blocks = nn.ModuleList(Block(size.width, size.heads, rate) for _ in range(size.blocks))
        self.norm, self.drop = nn.LayerNorm(size.width), Dropout(rate)
        self.head = nn.Linear(size.width, actions)

    def encode(self, prompts: Sequence[str]) -> torch.Tensor:
        """Words as numbers, int64 [B, L]."""
        return self.vocabulary.encode(prompts, self._size.length)

    def forward(self, words: torch.Tensor) -> torch.Tensor:
        """Logits [T, B, A] for words [B, L]; T is 1 unless masks have been drawn (`draw_masks`)."""
        there = (words != PAD)[:, None, None, :]
        x = (self.word(words) + self.place[: words.shape[1]]).unsqueeze(0)
        for number, block in enumerate(self.blocks):
            x = block(x, there, last=number == len(self.blocks) - 1)
        return self.head(self.drop(self.norm(x[..., 0, :])))


def draw_masks(model: nn.Module, passes: int, seed: int) -> None:
    """Fix the dropout masks of `passes` stochastic passes in every Dropout of `model`; 0 turns them off."""
    for number, module in enumerate(m for m in model.modules() if isinstance(m, Dropout)):
        module.draw(passes, 1009 * seed + number)
