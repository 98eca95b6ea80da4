"""A batch steps N environments as one alone is stepped: the same rows, rewards, ends and successes."""

from __future__ import annotations

from typing import Any

import gymnasium as gym
import numpy as np
import pytest
from gymnasium import spaces
from space_tasks import TASKS

from rewardsmith.errors import TaskError
from rewardsmith.tasks.described.task import DescribedTask, Description

VARIED = {
    "id": "Varied-v0",
    "goal": "Vary.",
    "state": [
        {"name": "second", "from": "observation[1]"},
        {"name": "pair", "from": "observation[0:2]", "entries": ["left", "right"]},
        {"name": "fuel", "from": "info.fuel"},
        {"name": "phase", "from": "info.phase", "values": ["early", "late"]},
        {"name": "hidden", "from": "env.hidden"},
    ],
    "max_steps": 9,
}
CONDITIONS = [
    "terminated and reward > 0",
    "(terminated or truncated) and episode_return >= 2",
    "pair.left > 0.5 and pair[1] < 0.9 or distance(pair, pair) > 1",
    "held(2, second > 0.4) and not held(3, fuel > 1)",
    "info.fuel > 3 and phase == 'late' and step % 2 == 0",
    "truncated",
    "length >= 4 and episode_return / length > 0.3",
]


class Varied(gym.Env):
    """Everything that a step returns varies, and in more types than one."""

    observation_space = spaces.Box(-1, 1, (3,), np.float32)
    action_space = spaces.Discrete(3, start=-1)

    def reset(self, *, seed=None, options=None):
        super().reset(seed=seed)
        self.time = self.hidden = 0
        return self.np_random.random(3, np.float32), {}

    def step(self, action) -> Any:
        self.time += 1
        self.hidden += int(action)
        seen = self.np_random.random(3, np.float32)
        over = self.np_random.random() < 0.15
        info: dict[str, Any] = {"phase": "late" if self.time > 3 else "early"}
        if self.time % 2:
            info["fuel"] = np.float32(self.time)
        reward = np.float32(seen[0]) if self.time % 3 else int(action)
        observation = seen.astype(np.float64) if self.time % 4 == 0 else seen
        return observation, reward, over if self.time % 2 else np.bool_(over), self.time > 7, info


gym.register("Varied-v0", lambda **_: Varied())


def described(success: str | None = None, **more: Any) -> DescribedTask:
    return DescribedTask(Description.model_validate({**VARIED, "success": success, **more}), examined=True)


def alone(task: DescribedTask, layouts: list[int], actions: Any) -> list[tuple]:
    """One environment, step by step, as an exported reward reads it."""
    env, form, found = task.guarded_env(), task._setup.form, []
    reading, row, over = form.reading(), np.zeros(task.schema.width), True
    for action in actions:
        if over:
            observation, info = env.reset(1_000_000 + layouts.pop(0))
            reading.first(env.env, observation, info, env.flat, row)
            found.append(row.copy())
        outcome = env.step(form.actions.in_environment(action))
        late = reading.next(env.env, outcome, env.flat, row)
        over = outcome[2] or late
        found.append((row.copy(), outcome[1], outcome[2], late, reading.success, env.flat.copy()))
    return found


def together(task: DescribedTask, actions: Any) -> tuple[list[list], list[list[int]]]:
    batch = task.batch(actions.shape[1], "train")
    batch.reset(3)
    rows, seen = task.schema.rows(batch.num_envs), np.zeros((batch.num_envs, task.observation_size))
    batch.state_rows(rows)
    found: list[list] = [[row.copy()] for row in rows]
    layouts: list[list[int]] = [[n] for n in batch.layout.tolist()]
    for chosen in actions:
        batch.step(chosen)
        batch.state_rows(rows)
        seen[:] = batch._columns.observed  # type: ignore[attr-defined]
        for n in range(batch.num_envs):
            ends = bool(batch.terminated[n]), bool(batch.truncated[n]), bool(batch.success[n])
            found[n].append((rows[n].copy(), float(batch.rewards[n]), *ends, seen[n].copy()))
        done = batch.terminated | batch.truncated
        batch.restart(done)
        batch.state_rows(rows)
        for n in np.flatnonzero(done):
            found[n].append(rows[n].copy())
            layouts[n].append(int(batch.layout[n]))
    batch.close()
    return found, layouts


def require_equal(task: DescribedTask, steps: int = 60, num_envs: int = 3) -> None:
    actions = task.actions.sample(np.random.default_rng(1), steps, num_envs)
    found, layouts = together(task, actions)
    for n in range(num_envs):
        single = alone(task, layouts[n], actions[:, n])
        for mine, other in zip(found[n], single, strict=False):
            assert all(np.array_equal(a, b) for a, b in zip(mine, other, strict=True)), (mine, other)


@pytest.mark.parametrize("condition", CONDITIONS)
def test_a_batch_equals_single_environments_under_every_condition(condition):
    require_equal(described(condition))


@pytest.mark.parametrize("name", ["CartPole-v1", "FrozenLake-v1", "Blackjack-v1", "Pendulum-v1"])
def test_a_batch_of_a_shipped_description_equals_single_environments(name):
    from rewardsmith.tasks import get_task

    task = get_task(name)
    assert isinstance(task, DescribedTask)
    require_equal(task)


@pytest.mark.parametrize("name", ["goals in a Dict", "image", "box action"])
def test_a_batch_of_every_space_equals_single_environments(name):
    require_equal(next(task for key, (task, *_) in TASKS.items() if name in key), 20)


class Faulty(Varied):
    """Returns `wrong` on the third step, in place of what belongs there."""

    def __init__(self, place: int, wrong: Any) -> None:
        self.place, self.wrong = place, wrong

    def step(self, action) -> Any:
        outcome = list(super().step(action))
        if self.time == 3:
            outcome[self.place : self.place + 1] = [] if self.wrong is None else [self.wrong]
        return tuple(outcome)


FAULTS = [
    (0, np.full(3, np.nan, np.float32), r"returned nan for observation\[0\] .*step 3 of"),
    (0, np.array([0, np.inf, 0], np.float32), r"returned inf for observation\[1\]"),
    (0, np.zeros((3, 2), np.float32), r"shape \(3, 2\) instead of 3 numbers"),
    (0, "text", "observation of type str"),
    (1, float("nan"), "returned the reward nan"),
    (1, np.zeros(2), "returned the reward an array of shape"),
    (2, np.zeros(2), "for terminated and truncated"),
    (4, 3, "returned the info 3"),
    (4, None, "returned a tuple of 4"),
]


@pytest.mark.parametrize("place, wrong, words", FAULTS)
def test_a_fault_of_one_environment_is_found_on_its_step(place, wrong, words):
    gym.register("FaultsByName-v0", lambda **given: Faulty(**given), kwargs={"place": place, "wrong": wrong})
    task = described("terminated", id="FaultsByName-v0", state=[])
    batch = task.batch(3, "train")
    batch.reset(0)
    with pytest.raises(TaskError, match=words):
        for _ in range(3):
            batch.terminated[:] = False
            batch.step(np.zeros(3, np.int64))
