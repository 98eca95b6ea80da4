"""A training reward: the source of one program, the functions it must define, and its channels."""

from __future__ import annotations

import ast
import hashlib
import json
import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rewardsmith.programs.composition import POTENTIALS, TRAINING_ONLY, Channel, sum_components
from rewardsmith.syntax import NotPython, parse_module

ENV = Channel(name="env", kind="env")
"""The environment's own reward, unchanged."""


@dataclass(frozen=True)
class TrainingReward:
    """The reward of a trial. Without a program it is the environment's own (sparse) reward.

    Attributes:
        source: Text of the program, "" if there is none.
        functions: Names of the functions that the program defines, in calling order.
        channels: The channels that `compose` adds up.
    """

    source: str
    functions: tuple[str, ...]
    channels: tuple[Channel, ...]

    @property
    def hash(self) -> str:
        """The sha256 of source, functions and channels, which identifies the reward."""
        return hashlib.sha256(json.dumps(self.as_dict(), sort_keys=True).encode()).hexdigest()

    def as_dict(self) -> dict[str, Any]:
        """Return the fields as plain data that JSON can hold."""
        return {
            "source": self.source,
            "functions": list(self.functions),
            "channels": [channel.as_dict() for channel in self.channels],
        }

    @property
    def stored(self) -> dict[str, Any]:
        """The fields that a candidate's row stores beside the source, as plain data."""
        return {name: value for name, value in self.as_dict().items() if name != "source"}

    @staticmethod
    def from_stored(source: str, values: Mapping[str, Any]) -> TrainingReward:
        """Make a reward from its source and the data of `stored`."""
        return TrainingReward.from_dict({**values, "source": source})

    @property
    def potentials(self) -> tuple[str, ...]:
        """Names of the potential channels."""
        return tuple(c.name for c in self.channels if c.kind in POTENTIALS)

    @property
    def written(self) -> TrainingReward:
        """The reward without the channels that a method computes only during training.

        If nothing else has a weight, such a channel replaces the environment's reward, and `env` stands for it.
        """
        kept = tuple(c for c in self.channels if c.kind not in TRAINING_ONLY)
        if not any(c.weight for c in kept):
            kept = tuple(replace(c, weight=math.copysign(1.0, c.weight)) if c.kind == "env" else c for c in kept)
        return replace(self, channels=kept)

    @property
    def pays_program(self) -> bool:
        """Whether a channel pays the program's own values; otherwise a method only learns from them in training."""
        return any(c.kind in ("program", "potential") for c in self.channels)

    @property
    def training_only(self) -> tuple[str, ...]:
        """Names of the channels that a method computes only during training."""
        return tuple(c.name for c in self.channels if c.kind in TRAINING_ONLY)

    @staticmethod
    def from_dict(values: dict[str, Any]) -> TrainingReward:
        """Make a reward from the data of `as_dict`."""
        channels = tuple(_channel_of(c) for c in values["channels"])
        return TrainingReward(values["source"], tuple(values["functions"]), channels)


def _channel_of(values: Mapping[str, Any]) -> Channel:
    """Make a channel from plain data; files of an earlier version name its `cap` "budget"."""
    named = {"cap" if name == "budget" else name: value for name, value in values.items()}
    return Channel(**{**named, "anneal": tuple(values.get("anneal", (0, 0)))})


SPARSE = TrainingReward(source="", functions=(), channels=(ENV,))
"""The environment's own reward: the baseline of every candidate."""


def top_level_names(source: str) -> set[str]:
    """Return the names that a program defines or imports at its top level; empty if it does not parse."""
    try:
        body = parse_module(source).body
    except NotPython:
        return set()
    names: set[str] = set()
    for node in body:
        if isinstance(node, ast.FunctionDef | ast.ClassDef):
            names.add(node.name)
        elif isinstance(node, ast.Import | ast.ImportFrom):
            names |= {(a.asname or a.name).split(".")[0] for a in node.names}
        else:
            names |= {n.id for n in ast.walk(node) if isinstance(n, ast.Name) and isinstance(n.ctx, ast.Store)}
    return names


def syntax_problem(source: str) -> str | None:
    """Return the syntax error of a text, such as "line 3: expected ':'"; None if it is valid Python."""
    try:
        parse_module(source)
    except NotPython as error:
        return str(error)
    return None


def free_functions(source: str) -> tuple[str, ...]:
    """Return which of reward() and potential() give the reward of a program of the method `free`.

    If there is a reward(), a potential that the program itself uses, or whose parameters are not (state, memory), is a
    helper and not a reward. The result is ("reward",) if the program defines neither.
    """
    names = top_level_names(source)
    if "potential" in names and "reward" in names:
        tree = parse_module(source)
        paid = any(
            isinstance(n, ast.FunctionDef) and n.name == "potential" and len(n.args.args) == 2 for n in tree.body
        )
        used = any(
            isinstance(n, ast.Name) and n.id == "potential" and isinstance(n.ctx, ast.Load) for n in ast.walk(tree)
        )
        return ("reward", "potential") if paid and not used else ("reward",)
    return ("potential",) if "potential" in names else ("reward",)


def free_channels(source: str) -> tuple[Channel, ...]:
    """Return the channels of a program of the method `free`: the environment's reward, its reward and its potential."""
    kinds = {"reward": "program", "potential": "potential"}
    return (ENV, *(Channel(name, kind=kinds[name]) for name in free_functions(source)))


def source_hash(source: str) -> str:
    """Return the sha256 of a program's text with line ends and trailing blanks normalised."""
    text = "\n".join(line.rstrip() for line in source.strip().splitlines())
    return hashlib.sha256(text.encode()).hexdigest()


def channel_values(
    channel: Channel, names: tuple[str, ...], values: NDArray[np.float64], functions: tuple[str, ...]
) -> NDArray[np.float64]:
    """Return the raw values float64 [T, N] of a program channel: the sum of its function's components [T, N, C].

    The components of a function `f` are named `f` or `f.part`; those of `reward` have no prefix.
    """
    others = [f for f in functions if f != "reward"]
    if channel.name == "reward":
        mine = [i for i, n in enumerate(names) if not any(n == f or n.startswith(f + ".") for f in others)]
    else:
        mine = [i for i, n in enumerate(names) if n == channel.name or n.startswith(channel.name + ".")]
    return sum_components(tuple(names[i] for i in mine), values[:, :, mine])
