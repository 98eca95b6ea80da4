"""MiniGrid environments as users write them: object types, actions and success of their own."""

from __future__ import annotations

from enum import IntEnum

import gymnasium as gym
from minigrid.core.constants import IDX_TO_OBJECT, OBJECT_TO_IDX
from minigrid.core.grid import Grid
from minigrid.core.mission import MissionSpace
from minigrid.core.world_object import Ball, Door, Goal, WorldObj
from minigrid.minigrid_env import MiniGridEnv

OBJECT_TO_IDX["lever"], IDX_TO_OBJECT[11] = 11, "lever"


class Lever(WorldObj):
    """Opens the door when toggled. Nothing else does."""

    def __init__(self) -> None:
        super().__init__("lever", "red")
        self.pulled = False

    def toggle(self, env, pos):
        self.pulled = env.door.is_open = True
        return True

    def render(self, img):
        img[:] = 200 if self.pulled else 90


class GoldCoin(Ball):
    """Worth a little."""


class Moves(IntEnum):
    left, right, forward, toggle, jump, pickup = range(6)
    drop, done = 98, 99


class LeverGrid(MiniGridEnv):
    """Behind a locked door is a goal; a lever opens the door, and the agent can jump over objects."""

    def __init__(self, size=5, max_steps=40, **kwargs) -> None:
        space = MissionSpace(mission_func=lambda: "pull the lever and reach the goal")
        super().__init__(space, grid_size=size, max_steps=max_steps, **kwargs)
        self.actions, self.action_space = Moves, gym.spaces.Discrete(6)

    def _gen_grid(self, width, height):
        self.grid = Grid(width, height)
        self.grid.wall_rect(0, 0, width, height)
        self.grid.vert_wall(2, 0, height)
        self.door = Door("red", is_locked=True)
        self.put_obj(self.door, 2, 2)
        self.put_obj(Goal(), 3, 3)
        self.put_obj(Lever(), 1, 1)
        self.put_obj(GoldCoin("yellow"), 3, 1)
        self.agent_pos, self.agent_dir = (1, 2 + self._rand_int(0, 2)), self._rand_int(0, 4)
        self.mission = "pull the lever and reach the goal"

    def step(self, action):
        if action != Moves.jump:
            return super().step(action)
        self.step_count += 1
        ahead, beyond = self.agent_pos + self.dir_vec, self.agent_pos + 2 * self.dir_vec
        if (
            self.grid.get(*ahead) is not None
            and self.grid.get(*ahead).type == "ball"
            and self.grid.get(*beyond) is None
        ):
            self.agent_pos = beyond
        return self.gen_obs(), 0, False, self.step_count >= self.max_steps, {}


class Scrambled(LeverGrid):
    """Its actions have no names and another order: forward, left, right."""

    def __init__(self) -> None:
        super().__init__()
        self.action_space = gym.spaces.Discrete(3)

    def step(self, action):
        return super().step((2, 0, 1)[action])


class Paid(LeverGrid):
    """Pays a cost per step, and says in `info` whether the lever was pulled."""

    def step(self, action):
        seen, reward, over, cut, info = super().step(action)
        return seen, float(reward) - 0.01, over, cut, {**info, "pulled": self.grid.get(1, 1).pulled}


def pulled(env) -> bool:
    """Whether the lever was pulled."""
    return env.grid.get(1, 1).pulled
