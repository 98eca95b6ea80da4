"""Crafter behind Gymnasium's interface, observed as symbols: materials and creatures in view, and the inventory."""

from __future__ import annotations

import importlib
from typing import Any

import gymnasium as gym
import numpy as np
from gymnasium import spaces
from numpy.typing import NDArray

from rewardsmith.tasks.described.families.crafter import CREATURES, FACING, NONE, SOUGHT, THINGS, VIEW

# An optional package without types, whose constants come from a YAML file.
crafter: Any = importlib.import_module("crafter")
constants, objects = crafter.constants, crafter.objects

_CODES = {name: code for code, name in enumerate(THINGS)}
_CLASSES = {getattr(objects, name.capitalize()): _CODES[name] for name in CREATURES}
_DIRECTIONS = {(-1, 0): 0, (1, 0): 1, (0, -1): 2, (0, 1): 3}
_FURTHEST = 1_000  # more steps than any world is wide


class _Unseen(crafter.Env):
    """Crafter without pictures, whose creatures come and go in an order that does not depend on addresses in memory."""

    def _obs(self) -> None:
        """Draw nothing: it takes most of a step's time."""

    def _balance_chunk(self, chunk: Any, objs: Any) -> None:
        super()._balance_chunk(chunk, sorted(objs, key=lambda each: tuple(each.pos)))

    def begin(self, seed: int | None) -> None:
        """Start the episode of `seed`; without one, the next episode."""
        if seed is not None:
            self._seed, self._episode = seed, 0
        self.reset()

    @property
    def player(self) -> Any:
        """The player."""
        return self._player

    @property
    def world(self) -> Any:
        """The world: materials and creatures by place."""
        return self._world

    @property
    def materials(self) -> NDArray[np.uint8]:
        """The code of the material of every cell [x, y]."""
        return self._world._mat_map


class CrafterEnv(gym.Env[Any, Any]):
    """Crafter (Hafner 2021) with the 9 x 7 cells around the player as symbols instead of an image.

    Observations: `view`, the code of the thing in each cell, row by row from the top left; `inventory`; `facing`,
    0 to 3 for left, right, up, down; `daylight`; `sleeping`. Infos: `achievements`, how often each was reached in this
    episode; `ahead`, the thing in front of the player; `nearest`, for each thing its offset and distance in steps.
    """

    metadata = {"render_modes": ["rgb_array"]}  # noqa: RUF012  (Gymnasium's name and form)

    def __init__(self, render_mode: str | None = None, area: tuple[int, int] = (64, 64), length: int = 10_000) -> None:
        """area: width and height of the world. length: step limit of an episode."""
        self.render_mode = render_mode
        self.crafter = _Unseen(area=tuple(area), length=length, seed=0)
        self.action_space = spaces.Discrete(len(constants.actions))
        self.observation_space = spaces.Dict(
            view=spaces.MultiDiscrete(np.full(VIEW[0] * VIEW[1], len(THINGS))),
            inventory=spaces.Box(0.0, 9.0, (len(constants.items),), np.float32),
            facing=spaces.Discrete(len(FACING)),
            daylight=spaces.Box(0.0, 1.0, (1,), np.float32),
            sleeping=spaces.Discrete(2),
        )
        self._x, self._y = np.indices(area)

    def reset(self, *, seed: int | None = None, options: dict[str, Any] | None = None) -> tuple[Any, dict[str, Any]]:
        """Start an episode; the seed decides the world."""
        super().reset(seed=seed)
        self.crafter.begin(seed)
        return self._observed()

    def step(self, action: int) -> tuple[Any, float, bool, bool, dict[str, Any]]:
        """One step; death ends an episode, and the step limit cuts it."""
        _, reward, over, told = self.crafter.step(int(action))
        observation, info = self._observed()
        dead = bool(told["discount"] == 0)
        return observation, float(reward), dead, bool(over) and not dead, info

    def render(self) -> Any:
        """The picture that a player sees, uint8 [64, 64, 3]."""
        return self.crafter.render()

    def _observed(self) -> tuple[dict[str, Any], dict[str, Any]]:
        player, world = self.crafter.player, self.crafter.world
        things = self.crafter.materials.astype(np.int64)
        for each in world.objects:
            if (code := _CLASSES.get(type(each))) is not None:
                things[tuple(each.pos)] = code
        x, y = map(int, player.pos)
        across, down = VIEW[0] // 2, VIEW[1] // 2
        padded = np.pad(things, ((across, across), (down, down)))
        daylight = float(world.daylight)
        facing = int(player.facing[0]), int(player.facing[1])
        observation = {
            "view": padded[x : x + VIEW[0], y : y + VIEW[1]].T.ravel(),
            "inventory": np.array([player.inventory[name] for name in constants.items], np.float32),
            "facing": _DIRECTIONS[facing],
            "daylight": np.array([daylight], np.float32).clip(0.0, 1.0),
            "sleeping": int(player.sleeping),
        }
        ahead = padded[x + facing[0] + across, y + facing[1] + down]
        info = {
            "achievements": dict(player.achievements),
            "ahead": THINGS[int(ahead)],
            "nearest": self._nearest(things, x, y),
            "place": (x, y),
        }
        return observation, info

    def _nearest(self, things: NDArray[np.int64], x: int, y: int) -> dict[str, tuple[int, int, int]]:
        """For each thing: how far right and how far down the nearest one is, and the sum of both."""
        distance = np.abs(self._x - x) + np.abs(self._y - y)
        found = {}
        for name in SOUGHT:
            away = np.where(things == _CODES[name], distance, _FURTHEST)
            at = int(away.argmin())
            i, j = divmod(at, away.shape[1])
            steps = int(away[i, j])
            found[name] = (i - x, j - y, steps) if steps < _FURTHEST else (0, 0, NONE)
        return found


gym.register("Crafter-v0", f"{__name__}:CrafterEnv")
