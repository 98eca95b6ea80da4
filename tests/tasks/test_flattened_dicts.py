"""Names of the numbers of a Dict that a wrapper flattens."""

from __future__ import annotations

import shutil
from pathlib import Path

import gymnasium as gym
import numpy as np
import pytest
import yaml
from running import in_process
from space_tasks import refused

from rewardsmith.errors import UsageError
from rewardsmith.tasks import get_task
from rewardsmith.tasks.described.description import Description
from rewardsmith.tasks.described.flattening import flattened_places, order_warning, places_of, require_names

CASES = Path(__file__).parents[1] / "cases"


def test_names_are_shown_with_key_and_index_and_a_warning():
    shown = in_process(CASES / "dict_order", "tasks", "describe", "point_flat.yaml")
    assert shown.returncode == 0, shown.stderr
    for expected in (
        "(ax = observation[0])",
        "(gx = observation[2])",
        "(px = achieved_goal[0])",
        "(vy = desired_goal[1])",
    ):
        assert expected in shown.stdout
    assert "warning: PointReachFlat-v0 observes a flattened Dict" in shown.stderr
    assert "(observation, achieved_goal, desired_goal)" in shown.stderr


def test_names_in_a_wrongly_guessed_order_are_refused(tmp_path):
    described = (CASES / "dict_order" / "point_flat.yaml").read_text()
    for name, guessed in (("ax", "achieved_goal_x"), ("gx", "desired_goal_x"), ("px", "observation_x")):
        described = described.replace(f"name: {name},", f"name: {guessed},")
    (tmp_path / "task.yaml").write_text(described)
    (tmp_path / "pointreach.py").write_bytes((CASES / "dict_order" / "pointreach.py").read_bytes())
    shown = in_process(tmp_path, "tasks", "describe", "task.yaml")
    assert shown.returncode == 2
    assert "achieved_goal_x is observation[0], but its name contains achieved_goal" in shown.stderr
    assert "observation_x is achieved_goal[0], but its name contains observation" in shown.stderr


def test_the_numbers_of_a_dict_are_named_in_the_order_of_its_keys():
    task = get_task(str(CASES / "dict_order" / "point_dict.yaml"))
    sources = [variable.source for variable in task.description.state]
    assert sources == [
        *(f"observation.observation[{k}]" for k in range(4)),
        *("observation.achieved_goal[0]", "observation.achieved_goal[1]"),
        *("observation.desired_goal[0]", "observation.desired_goal[1]"),
    ]
    assert "ax: float - place x" in task.interface().text


def test_too_few_names_for_a_dict_are_refused_with_the_order(tmp_path):
    described = yaml.safe_load((CASES / "dict_order" / "point_dict.yaml").read_text())
    described["state"].pop()
    (tmp_path / "task.yaml").write_text(yaml.safe_dump(described))
    shutil.copy(CASES / "dict_order" / "pointreach.py", tmp_path)
    error = refused(tmp_path / "task.yaml")
    assert "observes 8 numbers, the description names 7" in error.cause
    assert "observation.achieved_goal[1], observation.desired_goal[0]" in error.remedy and "`from:`" in error.remedy


SPACE = gym.spaces.Dict(
    observation=gym.spaces.Box(-1, 1, (2,)), desired_goal=gym.spaces.Box(-1, 1, (1,)), goal=gym.spaces.Box(-1, 1, (1,))
)


def named(*names: str) -> Description:
    state = [{"name": name} for name in names]
    return Description(id="A", goal="g", state=state, actions=["a"], success="step > 1", max_steps=1)


@pytest.mark.parametrize(
    "names, wrong",
    [
        (("desired_goal_x", "y", "g", "h"), "desired_goal_x is observation[0], but its name contains desired_goal"),
        (("x", "y", "observation_z", "h"), "observation_z is desired_goal[0], but its name contains observation"),
        (("x", "y", "g", "desired_goal_x"), "desired_goal_x is goal[0], but its name contains desired_goal"),
        (("x", "goal_y", "g", "h"), "goal_y is observation[1], but its name contains goal"),
    ],
)
def test_a_name_that_contains_another_key_s_name_is_refused(names, wrong):
    with pytest.raises(UsageError) as caught:
        require_names(named(*names), flattened_places(SPACE))
    assert wrong in caught.value.cause
    assert "observation[0], observation[1], desired_goal[0], goal[0]" in caught.value.remedy


@pytest.mark.parametrize("names", [("x", "y", "desired_goal_x", "goal_x"), ("observation_x", "y", "g", "h")])
def test_a_name_that_contains_its_own_key_s_name_is_right(names):
    require_names(named(*names), flattened_places(SPACE))


def test_a_short_key_is_only_seen_as_a_word():
    places = flattened_places(gym.spaces.Dict(a=gym.spaces.Box(-1, 1, (1,)), b=gym.spaces.Box(-1, 1, (1,))))
    require_names(named("x", "place"), places)
    with pytest.raises(UsageError):
        require_names(named("x", "place_a"), places)


def test_inner_dicts_are_flattened_with_their_keys_joined():
    inner = gym.spaces.Dict(pos=gym.spaces.Box(-1, 1, (2,)), open=gym.spaces.Discrete(2))
    space = gym.spaces.Dict(robot=inner, door=gym.spaces.Box(-1, 1, (1,)))
    assert flattened_places(space) == ("robot.open[0]", "robot.open[1]", "robot.pos[0]", "robot.pos[1]", "door[0]") or (
        flattened_places(space) == ("robot.pos[0]", "robot.pos[1]", "robot.open[0]", "robot.open[1]", "door[0]")
    )
    sample = space.sample()
    flat = gym.spaces.flatten(space, sample)
    where = dict(zip(flattened_places(space), flat, strict=True))
    assert where["door[0]"] == sample["door"][0] and where["robot.pos[1]"] == sample["robot"]["pos"][1]


class Dots(gym.Env):
    """A Dict of three vectors that all change."""

    observation_space = SPACE
    action_space = gym.spaces.Discrete(2)

    def _observed(self):
        return {k: np.float32(self.x * (i + 1) + np.arange(*s.shape)) for i, (k, s) in enumerate(SPACE.spaces.items())}

    def reset(self, *, seed=None, options=None):
        super().reset(seed=seed)
        self.x = float(self.np_random.random())
        return self._observed(), {}

    def step(self, action):
        self.x += 0.1 + 0.01 * action
        return self._observed(), 0.0, False, False, {}


class OwnOrder(gym.ObservationWrapper):
    """Joins the vectors in an order that differs from gymnasium's."""

    def __init__(self, env, keys=("goal", "observation", "desired_goal"), times=1.0):
        super().__init__(env)
        self.keys, self.times = keys, times
        self.observation_space = gym.spaces.Box(-np.inf, np.inf, (4,), np.float32)

    def observation(self, observation):
        return self.times * np.concatenate([observation[key] for key in self.keys])


def test_the_order_of_a_custom_wrapper_is_found_by_playing():
    assert places_of(OwnOrder(Dots())) == ("goal[0]", "observation[0]", "observation[1]", "desired_goal[0]")
    assert places_of(OwnOrder(Dots(), tuple(SPACE.spaces))) == flattened_places(SPACE)


def test_a_dict_that_no_wrapper_turns_into_numbers_is_not_warned_of():
    assert order_warning(Dots(), named("a", "b", "c", "d")) is None


def test_an_order_that_play_does_not_reveal_is_warned_of():
    env = OwnOrder(Dots(), times=2.0)
    assert places_of(env) == ()
    warning = order_warning(env, named("a", "b", "c", "d")) or ""
    assert "check each name under `state` against the order of that wrapper" in warning
