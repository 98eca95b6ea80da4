"""`tasks new`: a description drafted from the spaces of an environment and random play."""

from __future__ import annotations

from dataclasses import replace

import gymnasium as gym
import numpy as np
import pytest
import yaml
from gymnasium import spaces
from space_tasks import TASKS

from rewardsmith.errors import TaskError, UsageError
from rewardsmith.tasks import get_task
from rewardsmith.tasks.described.description import parse_description
from rewardsmith.tasks.described.drafts import draft
from rewardsmith.tasks.described.play import Shown
from rewardsmith.tasks.described.task import DescribedTask


class Ends(gym.Env):
    """Ends after `length` steps.

    Told by `how`: an info, the reward of the last step, or the return.
    """

    observation_space = spaces.Box(np.array([0, -np.inf], np.float32), np.array([50, np.inf], np.float32))
    action_space = spaces.Discrete(2)

    def __init__(self, how="info"):
        self.how = how

    def reset(self, *, seed=None, options=None):
        super().reset(seed=seed)
        self.n, self.length = 0, int(self.np_random.integers(5, 9))
        return np.array([0.0, self.length], np.float32), {}

    def step(self, action):
        self.n += 1
        over = self.n >= self.length
        info = {"is_success": over and bool(action), "a key": 1.0} if self.how == "info" else {}
        reward = {"last reward": float(over and action), "never": 0.0}.get(self.how, 0.5 - float(action))
        if self.how == "raises" and self.n == 4:
            raise RuntimeError("motor lost")
        return np.array([self.n, self.length], np.float32), reward, over, False, info


for _how in ("info", "last reward", "never", "return", "raises"):
    gym.register(f"Ends-by-{_how.replace(' ', '-')}-v0", Ends, kwargs={"how": _how})
gym.register("Ends-solved-v0", Ends, kwargs={"how": "return"}, reward_threshold=2.5, max_episode_steps=7)


@pytest.mark.parametrize(
    "name, success",
    [
        ("Ends-by-info-v0", {"success": "info.is_success"}),
        ("Ends-by-last-reward-v0", {"success": "reward > 0"}),
        ("Ends-by-never-v0", {"success": "reward > 0"}),
        ("Ends-by-return-v0", {"score": "return"}),
        ("Ends-solved-v0", {"score": "return", "threshold": 2.5}),
    ],
)
def test_success_is_guessed_from_what_play_shows(name, success, tmp_path):
    made = draft(name, tmp_path)
    found = yaml.safe_load(made.text)
    assert {key: found[key] for key in ("success", "score", "threshold") if key in found} == success
    assert made.why and "\n" not in made.why


def test_a_draft_has_bounds_ranges_infos_and_the_limit(tmp_path):
    text = draft("Ends-by-info-v0", tmp_path).text
    assert "- {name: n, low: 0, high: 50}  # seen: 0 to 8" in text
    assert "- {name: length}  # seen: 5 to 8" in text
    assert "info.is_success (bool, true on" in text and 'info["a key"] (float, always 1)' in text
    assert "goal: Ends after length steps.\n" in text and "actions: [action_0, action_1]" in text
    assert "max_steps: 1000" in text and "the environment has no limit of its own; 1000 is a guess" in text
    assert "one_start" not in text
    assert "max_steps: 7" in draft("Ends-solved-v0", tmp_path).text


def test_the_limit_is_the_length_at_which_the_environment_truncated():
    shown = Shown(np.zeros(1), np.zeros(1), lengths=[3, 9, 9], truncated=[9, 9])
    assert shown.own_limit == 9
    assert replace(shown, truncated=[9]).own_limit is None
    assert replace(shown, truncated=[8, 9]).own_limit is None
    assert replace(shown, lengths=[12, 9, 9]).own_limit is None


@pytest.mark.parametrize("name", TASKS)
def test_a_draft_of_every_kind_of_space_is_a_task(name, tmp_path):
    task_id = TASKS[name][0].description.environment
    described = parse_description(draft(task_id, tmp_path).text, "draft")
    task = DescribedTask(described, tmp_path)
    task.require_sound()
    batch = task.batch(2, "train")
    batch.reset(0)
    batch.step(task.actions.sample(np.random.default_rng(0), 2, allowed=batch.masks))
    batch.close()


def test_a_draft_never_says_more_than_one_start_if_starts_differ(tmp_path):
    assert "one_start: true" in draft("FrozenLake-v1", tmp_path).text
    assert "one_start" not in draft("CartPole-v1", tmp_path).text


def test_an_environment_that_fails_or_is_unknown_is_no_draft(tmp_path):
    with pytest.raises(TaskError, match="motor lost"):
        draft("Ends-by-raises-v0", tmp_path)
    with pytest.raises(UsageError, match="Gymnasium cannot make NoSuch-v0"):
        draft("NoSuch-v0", tmp_path)


def test_the_generators_of_a_process_are_left_alone(tmp_path):
    np.random.seed(3)
    before = np.random.get_state()[1].copy()
    draft("CartPole-v1", tmp_path)
    assert (np.random.get_state()[1] == before).all()


def test_an_id_that_nobody_described_is_a_task_by_its_draft():
    task = get_task("Ends-by-info-v0")
    assert task.success_rule == "An episode succeeds on a step where: info.is_success."
    batch = task.batch(1, "train")
    batch.reset(0)
    while not batch.terminated[0]:
        batch.step(np.array([1]))
    assert batch.success[0]
