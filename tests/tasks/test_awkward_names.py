"""Keys, words and names of a user's environment that are no names in Python, or that mean something else there."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import gymnasium as gym
import numpy as np
import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st
from space_tasks import reward_of

from rewardsmith import check
from rewardsmith.errors import UsageError
from rewardsmith.spec import TrainingSpec
from rewardsmith.tasks.described.candidates import source_of
from rewardsmith.tasks.described.description import parse_description
from rewardsmith.tasks.described.drafts import draft
from rewardsmith.tasks.described.reading import split_path
from rewardsmith.tasks.described.task import DescribedTask
from rewardsmith.tasks.observations import Part, space_of
from rewardsmith.training.trial import TrialPlan, run_trial
from sandbox.client import Isolation

BOX = gym.spaces.Box(-1, 1, (2,), np.float32)


class Keys(gym.Env):
    """Wait for five steps."""

    observation_space = gym.spaces.Dict(
        {
            "arm": gym.spaces.Dict({"pos": BOX, "grip-open": gym.spaces.Discrete(2)}),
            "arm_pos": BOX,
            "arm.pos": BOX,
            "task id": gym.spaces.Discrete(3),
            "class": BOX,
            "step": BOX,
            "3d": BOX,
            'the "goal"': BOX,
        }
    )
    action_space = gym.spaces.MultiBinary(2)

    def reset(self, *, seed=None, options=None):
        super().reset(seed=seed)
        self.t, self.observation_space = 0, self.observation_space
        return self._observed(), {}

    def _observed(self) -> dict[str, Any]:
        values = iter(np.linspace(0.1, 0.7, 7))
        kept = {k: np.full(2, next(values), np.float32) for k in ("arm_pos", "arm.pos", "class", "step", "3d")}
        kept['the "goal"'] = np.full(2, next(values), np.float32)
        return {"arm": {"pos": np.full(2, 0.7, np.float32), "grip-open": self.t % 2}, "task id": 1, **kept}

    def step(self, action):
        self.t += 1
        return self._observed(), 0.0, self.t == 5, False, {"class": self.t == 5, "won?": self.t == 5}


MODULE = f"{__name__}:Keys"
REWARD = (
    "state.arm_pos[0] + state.arm_pos_2.x + state.class_value.x + state.step_value.x + state.task_id + state.goal.x"
)


@pytest.fixture(scope="module")
def drafted(tmp_path_factory) -> Any:
    return draft(MODULE, tmp_path_factory.mktemp("keys"))


def test_a_draft_names_every_key(drafted):
    parsed = parse_description(drafted.text, "task.yaml")
    assert {v.name: v.source for v in parsed.state} == {
        "observation_3d": 'observation["3d"]',
        "arm_grip_open": 'observation.arm["grip-open"]',
        "arm_pos": "observation.arm.pos",
        "arm_pos_2": 'observation["arm.pos"]',
        "arm_pos_3": "observation.arm_pos",
        "class_value": "observation.class",
        "step_value": "observation.step",
        "task_id": 'observation["task id"]',
        "goal": "observation['the \"goal\"']",
    }


def test_a_policy_is_trained_on_every_key(drafted, tmp_path):
    task = DescribedTask(parse_description(drafted.text, "task.yaml"), drafted.folder)
    assert len(task.observation.space.spaces) == 9 and task.observation.size == 16
    training = TrainingSpec(num_envs=2, rollout_steps=16, batch_size=16, epochs=1, eval_episodes=10, final_episodes=10)
    plan = TrialPlan(task, reward_of(REWARD), training, 0, 64, 1.0, tmp_path, isolation=Isolation.NONE)
    assert run_trial(plan, lambda point: None, lambda steps: None).complete


def test_without_names_every_key_is_a_variable_of_its_own():
    bare = parse_description(f"{{id: Keys, env_id: '{MODULE}', goal: g, success: terminated, max_steps: 9}}", "bare")
    names = [field.name for field in DescribedTask(bare, Path()).schema]
    assert len(names) == 9 + 3 and len({*names}) == len(names)


@pytest.mark.parametrize("key", ["class", "won?", 'so "well"'])
def test_an_info_of_any_name_is_a_success(key):
    text = yaml.safe_dump({"id": "Keys", "env_id": MODULE, "goal": "g", "success": source_of(key), "max_steps": 9})
    task = DescribedTask(parse_description(text, "task.yaml"), Path())
    batch = task.batch(1, "train")
    batch.reset(0)
    for _ in range(5):
        batch.step(task.actions.rows(1))
    assert batch.success[0] == (key != 'so "well"')
    batch.close()


@pytest.mark.parametrize(
    ("more", "cause"),
    [
        ("state: [{name: class, from: observation.class}]", "'class' is a word of Python's own"),
        ("state: [{name: pos, from: observation.arm.pos, entries: [in, y]}]", "'in' is a word of Python's own"),
        ("state: [{name: step, from: observation.step}]", "every state has step, solved, failed"),
        ("actions: [lambda, gain]", "names an entry of its actions 'lambda'"),
    ],
)
def test_a_name_that_no_program_can_read_is_refused(more, cause):
    text = f"id: Keys\nenv_id: '{MODULE}'\ngoal: g\nsuccess: terminated\nmax_steps: 9\n{more}\n"
    with pytest.raises(UsageError) as refused:
        DescribedTask(parse_description(text, "task.yaml"), Path()).schema  # noqa: B018
    assert cause in refused.value.cause


KEYS = st.text(st.characters(codec="ascii", exclude_characters="\"'\n\r"), min_size=1, max_size=8)


@settings(max_examples=200, deadline=None)
@given(path=st.lists(st.one_of(KEYS, st.integers(0, 20)), min_size=1, max_size=3))
def test_the_source_of_a_part_leads_back_to_it(path):
    root, steps = split_path(Part(tuple(path), BOX, 0, 2).source)
    assert root == "observation" and [str(step) for step in steps] == [str(key) for key in path]


def test_parts_of_one_name_get_numbers():
    space = gym.spaces.Dict({"a": gym.spaces.Dict({"b": BOX}), "a.b": BOX, "a_b": BOX, "": BOX})
    found, _ = space_of(space)
    assert sorted(part.name for part in found.parts) == ["a_b", "a_b_2", "a_b_3", "part_2"]


def odd_reward(observation, action, next_observation, info):
    return float(next_observation["arm"]["grip-open"]) + float(next_observation["class"][0] + next_observation["3d"][1])


def test_a_function_of_observations_reads_keys_of_any_name():
    found = check(odd_reward, Keys, layouts=1)
    passed = {verdict.check: verdict.passed for verdict in found.verdicts}
    assert passed["gate"] and passed["contract"] and passed["determinism"]
