"""What an exported policy is given and what it returns: the environment's own spaces where SB3 can read them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from gymnasium import spaces
from numpy.typing import NDArray

from rewardsmith.tasks.base import Task
from rewardsmith.tasks.observations import Part, RawObservations
from rewardsmith.tasks.raw_observations import raw_observations_of
from rewardsmith.tasks.stacking import frames_of
from rewardsmith.training.sparse_layer import COLORS, FEATURES, KINDS, STATES, read_cells

WRAPPER = "policy_env.py"
"""Name of the file whose `wrap` turns the environment into the one that a policy reads."""

_PARTS = Path(__file__).with_name("export_parts")


@dataclass(frozen=True)
class Form:
    """The spaces of an exported policy.

    Attributes:
        observation: The space of what it is given.
        action: The space of what it returns.
        wrapper: The text of `policy_env.py`; None if the policy reads the environment's own observations.
        encoded: Whether only rewardsmith can make what the policy reads.
        given: Turns a task's rows [N, D] into what the policy is given: an array [N, ...], or a dict of arrays.
        feature_scale: What the trained policy divides the features by and the exported one does not, [F]; None if
            neither or both do.
        cells: Cells at the start of an observation that are written one-hot; 0 if none are.
    """

    observation: spaces.Space
    action: spaces.Space
    wrapper: str | None
    encoded: bool
    given: Callable[[NDArray[Any]], Any]
    feature_scale: NDArray[np.float64] | None = None
    cells: int = 0


def form_of(task: Task, one_hot: bool) -> Form:
    """Return the form of a task's exported policies.

    Args:
        task: The task.
        one_hot: Whether the trained policy reads the task's cells as one-hot vectors.
    """
    raw = raw_observations_of(task)
    cells = task.view_cells if one_hot else 0
    if raw is not None and raw.complete and _sb3_reads(task) and not cells and frames_of(task) == 1:
        return _plain(task, raw)
    code = None if raw is None else _wrapper(task, raw, cells)
    space, given = task.observation.space, task.observation.structured
    if cells:
        size = task.observation_size + cells * (FEATURES - 3)
        space, given = spaces.Box(-np.inf, np.inf, (size,), np.float32), lambda rows: one_hot_rows(rows, cells)
    return Form(space, task.actions.space(), code, code is None, given, cells=cells)


def one_hot_rows(rows: NDArray[Any], cells: int) -> NDArray[np.float32]:
    """Return rows [N, D] whose first cells, three numbers each, are written as 20 zeros and ones, float32 [N, D']."""
    import torch

    codes = read_cells(torch.as_tensor(np.asarray(rows, np.float32)), cells, codes=False).numpy()
    out = np.zeros((len(rows), cells * FEATURES + rows.shape[1] - 3 * cells), np.float32)
    np.put_along_axis(out, codes, 1.0, axis=1)
    out[:, cells * FEATURES :] = rows[:, 3 * cells :]
    return out


def _sb3_reads(task: Task) -> bool:
    """Whether SB3 reads the environment's own observations, and returns its own actions."""
    parts, actions = task.observation.parts, task.actions
    if any(len(part.path) > 1 or not all(isinstance(key, str) for key in part.path) for part in parts):
        return False
    if any(actions.first) or (actions.kind != "discrete" and actions.kind != "box" and len(actions.shape) != 1):
        return False
    if actions.kind == "box" and np.dtype(actions.dtype).kind != "f":
        return False
    return all(_leaf_reads(part) for part in parts)


def _leaf_reads(part: Part) -> bool:
    if isinstance(part.leaf, spaces.Box):
        # SB3 would divide small pictures by 255, too, and a policy here reads them as plain numbers.
        return part.is_image or part.leaf.dtype != np.uint8
    return not part.first.any() and len(part.leaf.shape or ()) <= 1


def _plain(task: Task, raw: RawObservations) -> Form:
    observed = task.observation
    single = len(observed.parts) == 1 and not observed.parts[0].path
    leaves = {part.name: part.space() if part.is_image else part.leaf for part in observed.parts}

    def given(rows: NDArray[Any]) -> Any:
        if observed.dtype == "uint8":
            return observed.structured(rows)
        exact = np.asarray(rows, np.float64) * raw.scale + raw.offset
        values = {p.name: _value(p, exact) for p in observed.parts}
        return values[observed.parts[0].name] if single else values

    scale = np.concatenate([_scale_of_features(part, raw.scale) for part in _in_order(task)])
    return Form(
        leaves[observed.parts[0].name] if single else spaces.Dict(leaves),
        _own_actions(task),
        None,
        False,
        given,
        None if (scale == 1.0).all() else scale,
    )


def _value(part: Part, rows: NDArray[Any]) -> NDArray[Any]:
    value = part.structured(rows)
    if not isinstance(part.leaf, spaces.Box) or part.is_image:
        return value
    return value.reshape(len(rows), *part.leaf.shape).astype(part.leaf.dtype)


def _in_order(task: Task) -> list[Part]:
    """The parts in the order of a policy's features, which is that of the keys of SB3's Dict."""
    space = task.observation.space
    order = list(space.spaces) if isinstance(space, spaces.Dict) else [part.name for part in task.observation.parts]
    return sorted(task.observation.parts, key=lambda part: order.index(part.name))


def _scale_of_features(part: Part, scale: NDArray[Any]) -> NDArray[np.float64]:
    """The divisors of a part's features; ones for images and one-hot codes, whose number is found by SB3 itself."""
    from stable_baselines3.common.preprocessing import get_flattened_obs_dim
    from stable_baselines3.common.torch_layers import CombinedExtractor

    if part.is_image:
        one = CombinedExtractor(spaces.Dict({"image": part.space()}))
        return np.ones(one.features_dim)
    if isinstance(part.leaf, spaces.Box):
        return np.asarray(scale[part.start : part.start + part.size], np.float64)
    return np.ones(get_flattened_obs_dim(part.space()))


def _own_actions(task: Task) -> spaces.Space:
    actions = task.actions
    if actions.kind != "box":
        return actions.space()
    kind: Any = np.dtype(actions.dtype)
    low, high = (np.array(end, kind).reshape(actions.shape) for end in (actions.low, actions.high))
    return spaces.Box(low, high, dtype=kind)


def _wrapper(task: Task, raw: RawObservations, cells: int) -> str | None:
    """Return the text of policy_env.py; None if nothing but rewardsmith makes the task's observations."""
    if raw.code is None and not task.observation.parts[0].path and task.view_cells:
        return None
    leaves = [_leaf(part, raw) for part in task.observation.parts]
    actions = task.actions
    constants = [
        f"LEAVES = {leaves!r}",
        f"SINGLE = {len(task.observation.parts) == 1 and not task.observation.parts[0].path!r}",
        f"CELLS = {cells!r}",
        f"VIEW = {task.view_cells // frames_of(task)!r}",
        f"FRAMES = {frames_of(task)!r}",
        f"CODES = {(KINDS, COLORS, STATES)!r}",
        f"KIND = {actions.kind!r}",
        f"LOW = {actions.low!r}".replace("inf", "np.inf"),
        f"HIGH = {actions.high!r}".replace("inf", "np.inf"),
        f"COUNTS = {actions.counts!r}",
        f"ENTRIES = {len(actions)!r}",
        f"FIRST = {actions.first!r}",
        f"SHAPE = {actions.shape!r}",
        f"DTYPE = {actions.dtype!r}",
    ]
    template = (_PARTS / "policy_env.py").read_text(encoding="utf-8")
    encoder = raw.code or "encoded = None"
    return template.replace("# CONSTANTS", "\n".join(constants)).replace("# ENCODER", encoder)


def _leaf(part: Part, raw: RawObservations) -> dict[str, Any]:
    """One leaf of an observation as plain data: where it is, its kind, and what is subtracted and divided."""
    space = part.space()
    kind = {spaces.Discrete: "discrete", spaces.MultiDiscrete: "multi-discrete", spaces.MultiBinary: "multi-binary"}
    found: dict[str, Any] = {
        "path": part.path, "name": part.name, "size": part.size, "kind": kind.get(type(space), "box"),
        "first": part.first.tolist(),
    }  # fmt: skip
    if found["kind"] == "multi-discrete":
        found["counts"] = [int(n) for n in space.nvec]
    elif found["kind"] == "discrete":
        found["counts"] = int(space.n)
    elif part.is_image:
        found |= {"kind": "image", "shape": space.shape, "channels_last": space.shape != part.leaf.shape}
    elif raw.code is None:
        start, size = part.start // part.frames, part.size // part.frames
        found["scale"] = raw.scale[start : start + size].tolist()
    return found
