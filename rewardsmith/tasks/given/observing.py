"""Python text that gives a reward program the observation and the action as the environment's own code has them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from rewardsmith.tasks.actions import ActionSpace
from rewardsmith.tasks.base import Task
from rewardsmith.tasks.described.task import DescribedTask
from rewardsmith.tasks.observations import Part


class NotReadable(Exception):
    """A program cannot be given the observation; the message is the reason, in a clause."""


def observation_code(task: Task) -> str | None:
    """Return the text of `_observed(state)` and `_acted(action)`, which take what reward programs are given.

    None if the state of the task does not consist of parts of the observation, as on MiniGrid.
    Raises NotReadable if the state of the task lacks a part of the observation.
    """
    if not isinstance(task, DescribedTask):
        return None
    env = task.make_env()
    space = env.observation_space
    env.close()
    return rebuilding_code(space, task.observation.parts, _numbers(task), task.actions, task.described.observe)


def rebuilding_code(
    space: Any, parts: Sequence[Part], numbers: Sequence[str], actions: ActionSpace, keys: Sequence[str] = ()
) -> str:
    """Return the same for any state.

    Args:
        space: The environment's observation space.
        parts: Its leaves.
        numbers: For each number of the flattened leaves, the text that reads it from a state `s`.
        actions: The actions.
        keys: Keys of an outer Dict that the leaves are of; () for all.
    """
    told = _nested(space, {part.path: _leaf(part, numbers) for part in parts}, (), keys)
    acted = _action(actions)
    return f"import numpy\n\n\ndef _observed(s):\n    return {told}\n\n\ndef _acted(a):\n    return {acted}\n"


def _numbers(task: DescribedTask) -> list[str]:
    """For each number of an observation, the text that reads it."""
    found = {reader.flat: reader for reader in task.setup.variables if reader.flat is not None}
    texts: list[str] = []
    while len(texts) < task.observation.size:
        reader = found.get(len(texts))
        if reader is None:
            raise NotReadable("its observation holds more than a program can read, such as an image")
        texts += [f"s.{reader.name}[{k}]" for k in range(reader.length)] if reader.vector else [f"s.{reader.name}"]
    return texts


def _leaf(part: Part, numbers: Sequence[str]) -> str:
    """The text that makes the value of one leaf of the observation."""
    from gymnasium import spaces

    mine = numbers[part.start : part.start + part.size]
    if part.frames > 1:
        raise NotReadable("its observations are stacked")
    if isinstance(part.leaf, spaces.Discrete):
        return f"int({mine[0]})"
    dtype, shape = part.leaf.dtype, tuple(part.leaf.shape or ())
    name, _, index = mine[0].rpartition("[")
    whole = [f"{name}[{k}]" for k in range(part.size)]
    if index == "0]" and [*mine] == whole and f"{name}[{part.size}]" not in numbers:
        mine = [f"*{name}"]  # a whole vector, which is read at once
    inner = f"numpy.array([{', '.join(mine)}], dtype={_dtype(dtype)})"
    return inner if shape == (part.size,) else f"{inner}.reshape({shape!r})"


def _dtype(dtype: Any) -> str:
    known = {"float32", "float64", "int32", "int64", "int8", "uint8"}
    return f"numpy.{dtype.name}" if dtype.name in known else "numpy.float64"


def _nested(space: Any, leaves: dict[tuple[str | int, ...], str], path: tuple[str | int, ...], keys: Any) -> str:
    from gymnasium import spaces

    if isinstance(space, spaces.Dict):
        inner = []
        for key, each in space.spaces.items():
            if path or not keys or key in keys:
                inner.append(f"{key!r}: {_nested(each, leaves, (*path, key), ())}")
        return "{" + ", ".join(inner) + "}"
    if isinstance(space, spaces.Tuple):
        return "(" + "".join(f"{_nested(s, leaves, (*path, k), ())}, " for k, s in enumerate(space.spaces)) + ")"
    if path not in leaves:
        raise NotReadable("its observation holds more than a program can read")
    return leaves[path]


def _action(actions: ActionSpace) -> str:
    if actions.discrete:
        return f"a + {actions.first[0]}" if actions.first[0] else "a"
    array = "numpy.array([*a]"
    array += f", dtype=numpy.{actions.dtype})" if actions.dtype in ("float32", "float64", "int64", "int32") else ")"
    if actions.kind == "multi-discrete" and any(actions.first):
        array += f" + numpy.array({list(actions.first)})"
    return array if actions.shape == (len(actions),) else f"{array}.reshape({actions.shape!r})"
