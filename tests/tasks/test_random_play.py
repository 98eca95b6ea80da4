"""What random play achieves and shows: measured once, stored in a job, and told to designers as it is stored."""

from __future__ import annotations

import gymnasium as gym
import numpy as np
import pytest
from gymnasium import spaces
from running import in_process

from rewardsmith.engine.jobs.task_files import with_description
from rewardsmith.spec import JobSpec
from rewardsmith.tasks import get_task
from rewardsmith.tasks.described import measured
from rewardsmith.tasks.described.description import Description, described_ids, read_built_in
from rewardsmith.tasks.described.measured import RandomPlay, shipped_play
from rewardsmith.tasks.described.task import DescribedTask


class Coins(gym.Env):
    """Each step throws three coins; an episode ends on three heads."""

    def __init__(self, length: int = 3) -> None:
        coins = spaces.Box(0, 1, (length,), np.float32)
        self.observation_space = spaces.Dict(coins=coins, clock=spaces.Discrete(100))
        self.action_space = spaces.Discrete(2)

    def reset(self, *, seed=None, options=None):
        super().reset(seed=seed)
        self.clock = 0
        return {"coins": np.zeros(3, np.float32), "clock": 0}, {}

    def step(self, action):
        self.clock += 1
        coins = self.np_random.integers(0, 2, 3).astype(np.float32)
        heads = bool(coins.all())
        info = {"mood": "glad" if heads else "calm", "odd": float("nan")}
        return {"coins": coins, "clock": self.clock}, float(heads), heads, False, info


gym.register("Coins-played-v0", Coins)
STATE = [
    {"name": "first", "from": "observation.coins[0]", "unit": "m", "doc": "the first coin"},
    {"name": "mood", "from": "info.mood"},
    {"name": "odd", "from": "info.odd", "kind": "float"},
]


def coins(**more: object) -> DescribedTask:
    data = {"id": "Coins-played-v0", "goal": "Throw heads.", "success": "terminated", "max_steps": 9, "state": STATE}
    return DescribedTask(Description.model_validate({**data, **more}), examined=True)


def test_figures_of_random_play_are_those_of_the_episodes():
    played = coins().random_play()
    assert played.steps == 1_000 and played.successes == played.terminated > 30
    assert played.mean_return == pytest.approx(played.successes / played.episodes, abs=1e-3)
    assert played.rewards == (0.0, 1.0) and played.seen["first"] == [0.0, 1.0]
    assert played.example.state["odd"] == "nan"
    assert sorted(played.seen["mood"]) == ["calm", "glad"]
    assert played.example.reward == 1.0 and played.example.terminated and played.example.state["mood"] == "glad"
    assert RandomPlay.model_validate_json(played.model_dump_json()) == played == coins().random_play()


def test_play_goes_on_until_some_episodes_have_ended():
    task = DescribedTask(read_built_in("Pendulum-v1").model_copy(update={"max_steps": 201}), examined=True)
    assert (task.random_play().steps, task.random_play().episodes) == (1_005, 5)


def test_a_designer_is_told_ranges_random_play_endings_and_an_example():
    text = coins(mechanics=["Coins are fair."]).interface().text
    for told in (
        "  first: float m - the first coin (random play: 0 to 1)",
        "episodes succeeded. They ended ",
        "Mechanics:\n  - Coins are fair.\n  - An episode ends after 9 steps at the latest; the environment may end it",
        "The environment's reward of this step was 1, and the episode was terminated.",
    ):
        assert told in text, text


def test_what_the_policy_sees_is_readable_without_a_name():
    task = coins()
    names = [field.name for field in task.schema]
    assert names == ["first", "mood", "odd", "coins", "clock", "step", "solved", "failed"]
    text = task.interface().text
    assert "coins: vector of 3 floats (x, y, z) - observation.coins as the environment returns it (seen by the" in text
    assert "coins" not in str(task.interface().facts["fields"])
    named = coins(state=[*STATE, {"name": "clock", "from": "observation.coins"}])
    assert [f.name for f in named.schema][3:5] == ["clock", "seen_clock"]
    assert [f.name for f in coins(state=[]).schema][:2] == ["coins", "clock"]


def test_a_slow_environment_is_played_for_a_limited_time(monkeypatch):
    monkeypatch.setattr(measured, "SECONDS", 0.0)
    assert coins().random_play().steps == 1


def test_a_job_stores_what_random_play_showed():
    spec = with_description(JobSpec(task="Coins-played-v0", model="synth"))
    assert spec.description is not None and spec.description.random_play is not None
    played = {**spec.description.random_play, "successes": 7, "episodes": 8}
    changed = spec.description.model_copy(update={"random_play": played})
    assert "7 of 8 episodes succeeded" in get_task(spec.task, changed).interface().text
    without = spec.description.model_copy(update={"random_play": None})
    assert "Random play:" not in get_task(spec.task, without).interface().text
    same = spec.model_copy(update={"description": changed})
    assert same.fingerprint() == spec.fingerprint()


def test_describe_prints_the_text_of_the_model(tmp_path):
    shown = in_process(tmp_path, "tasks", "describe", "MountainCar-v0")
    assert get_task("MountainCar-v0").interface().text in shown.stdout
    assert "0 of 5 episodes succeeded" in shown.stdout


def test_shipped_figures_cover_every_variable():
    for task_id in described_ids():
        played = shipped_play(task_id)
        assert played is not None and played.steps >= measured.STEPS, f"python -m scripts.make_random_play {task_id}"
        assert {v.name for v in read_built_in(task_id).state} <= set(played.seen) == {*played.example.state, "solved"}
