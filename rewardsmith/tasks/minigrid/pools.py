"""Pools of starting layouts, read from the real environment after its reset and cached on disk.

Pools of a task draw from disjoint ranges of seeds. A layout of "select" or "claim" that also occurs in "train" is
replaced by the layout of a later seed.
"""

from __future__ import annotations

import contextlib
import hashlib
import io
import os
import tempfile
import warnings
import zipfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields
from functools import lru_cache
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .families import FOREIGN, Family, mission_code
from .state_tracker import kind_of, list_objects, named_objects

FORMAT = 1
"""The version of the stored arrays. Increase it when their meaning changes, so that older files are rebuilt."""

SIZES: Mapping[str, int] = {"train": 2048, "select": 512, "claim": 1024}
FIRST_SEED: Mapping[str, int] = {"train": 0, "select": 10_000_000, "claim": 20_000_000}
TRIES_WITHOUT_NEWS = 512
"""Consecutive seeds that may repeat training layouts before a pool accepts repeated ones."""

_LARGEST_CODE = (10, 5, 2)
"""MiniGrid's largest type (the agent, which no cell holds), colour and state."""

# Columns of Pool.objects.
OBJECT_KIND, OBJECT_COLOR, OBJECT_X, OBJECT_Y = range(4)
OBJECT_STATE, OBJECT_CONTENT, OBJECT_TARGET, OBJECT_RANK = range(4, 8)


@dataclass(frozen=True)
class Pool:
    """L starting layouts of one task.

    Attributes:
        seeds: int64 [L], the seed of the real environment's reset.
        cells: uint8 [L, H, W], minigrid's type * 18 + colour * 3 + state.
        agent: int32 [L, 3]: x, y, direction.
        objects: int32 [L, S, 8], columns OBJECT_KIND to OBJECT_RANK; x is -1 inside a box, kind -1 in an empty slot.
        goal: int32 [L, 2], slots or cells (y * W + x) that the family's rule of success reads.
        missions: str [L], the missions in words.
        features: float32 [L, F], the mission as a policy observes it.
        hashes: str [L], sha256 over cells, box contents, agent, mission and target.
        unseen: bool [], whether no layout occurs in the training pool.
    """

    seeds: NDArray[np.int64]
    cells: NDArray[np.uint8]
    agent: NDArray[np.int32]
    objects: NDArray[np.int32]
    goal: NDArray[np.int32]
    missions: NDArray[np.str_]
    features: NDArray[np.float32]
    hashes: NDArray[np.str_]
    unseen: NDArray[np.bool_]

    def __len__(self) -> int:
        return len(self.seeds)


def load_pool(task_id: str, split: str, family: Family, slots: int, count: int, train_count: int) -> Pool:
    """Return a pool of a task, from disk if it is there and intact; otherwise it is built and stored.

    Args:
        task_id: The task's id.
        split: "train", "select" or "claim".
        family: The task's family.
        slots: The number of object slots.
        count: The number of layouts.
        train_count: The number of layouts of the training pool, which the others avoid.
    """
    name = f"{task_id}-{split}-{count}-{train_count}-minigrid{version('minigrid')}-f{FORMAT}.npz"
    path = cache_folder() / "minigrid" / name
    return _load_cached(path, task_id, split, family, slots, count, train_count)


@lru_cache(maxsize=32)
def _load_cached(
    path: Path, task_id: str, split: str, family: Family, slots: int, count: int, train_count: int
) -> Pool:
    stored = read_pool(path)
    if stored is not None:
        return stored
    seen: set[str] = set()
    if split != "train":
        train = load_pool(task_id, "train", family, slots, train_count, train_count)
        seen = set(train.hashes.tolist())
    pool = build_pool(task_id, family, slots, count, FIRST_SEED[split], seen)
    write_pool(path, pool)
    return pool


def cache_folder() -> Path:
    """Return the folder of files that can be rebuilt: $REWARDSMITH_CACHE or ~/.cache/rewardsmith."""
    return Path(os.environ.get("REWARDSMITH_CACHE") or Path.home() / ".cache" / "rewardsmith")


def read_pool(path: Path) -> Pool | None:
    """Return the pool stored at `path`, or None if it is absent or damaged."""
    try:
        with np.load(path, allow_pickle=False) as stored:
            return Pool(**{field.name: stored[field.name] for field in fields(Pool)})
    except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile):
        return None


def write_pool(path: Path, pool: Pool) -> None:
    """Store `pool` atomically, so that no other process reads half a file."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.NamedTemporaryFile(dir=path.parent, suffix=".tmp", delete=False) as file:
        try:
            np.savez_compressed(file, **{field.name: getattr(pool, field.name) for field in fields(Pool)})
            file.close()
            Path(file.name).replace(path)
        except BaseException:
            Path(file.name).unlink(missing_ok=True)
            raise


def build_pool(task_id: str, family: Family, slots: int, count: int, first_seed: int, seen: set[str]) -> Pool:
    """Collect `count` layouts from the seeds from `first_seed` on, skipping layouts whose hash is in `seen`."""
    return collect_layouts(make_real(task_id).unwrapped, family, slots, count, first_seed, seen)


def collect_layouts(
    env: Any,
    family: Family,
    slots: int,
    count: int,
    first_seed: int,
    seen: set[str],
    beside: Callable[[Any], str] | None = None,
) -> Pool:
    """Collect layouts as `build_pool` does, from a given environment, which is closed afterwards.

    Args:
        env: The real environment, in its wrappers if they affect its reset.
        family: The task's family.
        slots: The number of object slots.
        count: The number of layouts.
        first_seed: The first seed of a reset.
        seen: Hashes of layouts to skip.
        beside: Returns a text that distinguishes layouts of equal appearance; it enters their hashes.
    """
    bare = env.unwrapped
    if family.rule != FOREIGN:
        # The first observation is half the cost of a reset, and no layout needs it.
        env.gen_obs = dict
    kept: list[dict[str, Any]] = []
    seed, without_news, unseen = first_seed, 0, True
    while len(kept) < count:
        reset_quietly(env, seed)
        layout = {"seeds": seed, **read_layout(bare, family, slots)}
        if beside is not None:
            layout["hashes"] = hashlib.sha256(f"{layout['hashes']} {beside(bare)}".encode()).hexdigest()
        seed += 1
        if unseen and layout["hashes"] in seen:
            without_news += 1
            unseen = without_news < TRIES_WITHOUT_NEWS
            continue
        without_news = 0
        kept.append(layout)
    env.close()
    columns = {name: np.array([layout[name] for layout in kept]) for name in kept[0]}
    return Pool(**columns, unseen=np.array(unseen and bool(seen)))


def make_real(task_id: str) -> Any:
    """Make the real Gymnasium environment of a MiniGrid or BabyAI id."""
    import gymnasium
    import minigrid  # noqa: F401  registers its ids

    with warnings.catch_warnings():
        # Superseded versions are supported for comparison with published results.
        warnings.simplefilter("ignore", DeprecationWarning)
        return gymnasium.make(task_id, disable_env_checker=True)


def reset_quietly(env: Any, seed: int) -> dict[str, Any]:
    """Reset a real environment and return its observation, without BabyAI's printed lines about rejected layouts."""
    with contextlib.redirect_stdout(io.StringIO()):
        return env.reset(seed=seed)[0]


def read_layout(env: Any, family: Family, slots: int) -> dict[str, Any]:
    """Read one layout's entries of a Pool, by name, from a real environment that has just been reset."""
    found = list_objects(env)
    if family.rule != FOREIGN and len(found) > slots:
        raise ValueError(f"{len(found)} objects, {slots} expected; minigrid's layouts have changed")
    found = found[:slots]
    encoded = np.array([(1, 0, 0) if cell is None else cell.encode()[:3] for cell in env.grid.grid])
    # Types, colours and states of a user's own have no code; `objects` tells them apart.
    encoded = np.minimum(encoded, _LARGEST_CODE)
    cells = (encoded @ (18, 3, 1)).astype(np.uint8).reshape(env.height, env.width)
    agent = np.array([*env.agent_pos, env.agent_dir], np.int32)
    objects = _read_objects(env, found, slots, family)
    goal = np.array(_GOALS[family.rule](env, objects), np.int32)
    digest = hashlib.sha256()
    for part in (cells, agent, objects, goal, np.frombuffer(env.mission.encode(), np.uint8)):
        digest.update(part.tobytes())
    features = mission_code(family, env.mission) if family.words or family.rule == FOREIGN else []
    return {
        "cells": cells, "agent": agent, "objects": objects, "goal": goal, "missions": env.mission,
        "features": np.array(features, np.float32), "hashes": digest.hexdigest(),
    }  # fmt: skip


def _read_objects(env: Any, found: list[Any], slots: int, family: Family) -> NDArray[np.int32]:
    """The columns OBJECT_KIND to OBJECT_RANK of every slot, int32 [S, 8]."""
    where = {id(cell): divmod(i, env.width)[::-1] for i, cell in enumerate(env.grid.grid) if cell}
    number = {id(item): slot for slot, item in enumerate(found)}
    objects = np.full((slots, 8), -1, np.int32)
    objects[:, OBJECT_TARGET:] = 0
    for slot, item in enumerate(found):
        x, y = where.get(id(item), (-1, -1))
        state = item.encode()[2] if item.type == "door" else 0
        kind, color = kind_of(item), item.color
        content = number.get(id(getattr(item, "contains", None)), -1)
        number_of = (_place(family.kinds, kind), _place(family.colors, color))
        objects[slot, :6] = *number_of, x, y, state, content
    for slot, rank, target in named_objects(env, found):
        objects[slot, OBJECT_TARGET:] = target, rank
    return objects


def _place(values: tuple[str, ...], value: str) -> int:
    return values.index(value) if value in values else -1


def _cell(env: Any, position: Any) -> int:
    return int(position[1]) * env.width + int(position[0])


def _slots_by_rank(env: Any, objects: NDArray[np.int32]) -> tuple[int, int]:
    """Slots of the objects of rank 1 and 2 (-1 if none)."""
    ranks = objects[:, OBJECT_RANK].tolist()
    return (ranks.index(1) if 1 in ranks else -1, ranks.index(2) if 2 in ranks else -1)


def _no_goal(env: Any, objects: NDArray[np.int32]) -> tuple[int, int]:
    return -1, -1


def _target_cell(env: Any, objects: NDArray[np.int32]) -> tuple[int, int]:
    return _cell(env, env.target_pos), -1


def _match_cells(env: Any, objects: NDArray[np.int32]) -> tuple[int, int]:
    return _cell(env, env.success_pos), _cell(env, env.failure_pos)


_GOALS: tuple[Callable[[Any, NDArray[np.int32]], tuple[int, int]], ...] = (
    _no_goal, _slots_by_rank, _slots_by_rank, _slots_by_rank, _no_goal, _target_cell, _target_cell,
    _match_cells, _no_goal,
)  # fmt: skip
