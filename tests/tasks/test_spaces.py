"""An environment's spaces against its description: bounds, flattened keys, kinds that need a wrapper, first actions."""

from __future__ import annotations

import re
from pathlib import Path

import gymnasium as gym
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from running import in_process

from rewardsmith.errors import UsageError
from rewardsmith.tasks import get_task
from rewardsmith.tasks.described.description import Description, parse_description, read_built_in
from rewardsmith.tasks.described.flattening import flattened_places, order_warning, places_of, require_names
from rewardsmith.tasks.described.spaces import require_bounds
from rewardsmith.tasks.described.task import BoxTask

CASES = Path(__file__).parents[1] / "cases"


def refused(path: Path) -> UsageError:
    with pytest.raises(UsageError) as caught:
        get_task(str(path)).batch(1, "train")
    assert "\n" not in caught.value.cause and "\n" not in caught.value.remedy
    return caught.value


class Walker(gym.Env):
    """Walks from 0 by one per step; its Box has the given bounds."""

    def __init__(self, box: float = np.inf) -> None:
        self.observation_space = gym.spaces.Box(-box, box, (1,), np.float32)
        self.action_space = gym.spaces.Discrete(2)

    def reset(self, *, seed=None, options=None):
        self.x = 0.0
        return np.array([self.x], np.float32), {}

    def step(self, action):
        self.x += 1.0
        return np.array([self.x], np.float32), 0.0, False, False, {}


gym.register("Walker-spaces-v0", Walker, max_episode_steps=300)
gym.register("Walker-endless-v0", Walker)


def walker(**values) -> BoxTask:
    bounds = {key: values.pop(key) for key in ("low", "high") if key in values}
    return BoxTask(
        Description(
            id=values.pop("id", "Walker-spaces-v0"), goal="Walk.", state=[{"name": "x", **bounds}],
            actions=["left", "right"], success="x > 100", max_steps=300, env_kwargs=values,
        )
    )  # fmt: skip


# Bounds


def test_a_bound_that_the_box_exceeds_is_refused_with_both_numbers():
    error = refused(CASES / "bounds" / "line.yaml")
    assert "allows 9 for x, but the description has high: 5" in error.cause


def test_a_bound_that_random_steps_leave_is_refused_with_both_numbers():
    with pytest.raises(UsageError, match=r"1,000 random steps show 300 for x, but the description has high: 200"):
        walker(high=200).batch(1, "train")


def test_bound_on_an_open_box_is_taken_if_random_steps_keep_it():
    walker(low=-1000, high=1000).batch(1, "train").close()
    walker().batch(1, "train").close()


def test_a_box_that_its_environment_leaves_does_not_prove_a_bound():
    with pytest.raises(UsageError, match="random steps show 300 for x, but the description has high: 9"):
        walker(low=-9, high=9, box=9).batch(1, "train")


def test_random_play_is_a_thousand_steps_without_a_step_limit_too():
    with pytest.raises(UsageError, match="random steps show 1000 for x"):
        walker(id="Walker-endless-v0", high=900).batch(1, "train")
    walker(id="Walker-endless-v0", high=1000).batch(1, "train").close()


@given(st.floats(0.001, 1e6))
def test_rounding_to_float32_or_to_three_digits_is_no_contradiction(bound):
    described = Description(
        id="A",
        goal="g",
        state=[{"name": "x", "low": -bound, "high": bound}],
        actions=["a"],
        success="x > 1",
        max_steps=1,
    )
    for said in (float(np.float32(bound)), float(f"{bound:.6g}"), np.nextafter(bound, np.inf)):
        require_bounds(described, np.array([-said]), np.array([said]), "the space allows")
    with pytest.raises(UsageError):
        require_bounds(described, np.array([-1.01 * bound]), np.array([bound]), "the space allows")


def test_two_pi_with_three_digits_is_two_pi():
    described = parse_description((CASES / "lunarlander_success" / "task_proxy.yaml").read_text(), "task_proxy.yaml")
    angle = next(v for v in described.state if v.name == "angle")
    only = described.model_copy(update={"state": [angle]})
    require_bounds(only, np.array([-6.2831855]), np.array([6.2831855]), "the space allows")


@pytest.mark.parametrize("task_id", ["CartPole-v1", "MountainCar-v0"])
def test_built_in_descriptions_keep_the_rules_for_users_descriptions(task_id):
    BoxTask(read_built_in(task_id)).batch(1, "train").close()


@pytest.mark.parametrize("name", ["success_terminated/acrobot.yaml", "success_terminated/warehouse.yaml"])
def test_correct_bounds_are_accepted(name):
    get_task(str(CASES / name)).batch(1, "train").close()


def test_random_play_leaves_the_global_generators_alone():
    np.random.seed(3)
    before = np.random.get_state()[1].copy()
    walker(high=1000, low=-7).batch(1, "train").close()
    assert (np.random.get_state()[1] == before).all()


# Flattened Dicts


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


def test_dict_refusal_states_the_flattened_order():
    error = refused(CASES / "dict_order" / "point_dict.yaml")
    assert "FlattenObservation" in error.remedy
    assert "observation[3], achieved_goal[0], achieved_goal[1], desired_goal[0], desired_goal[1]" in error.remedy


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


def test_an_order_that_play_does_not_reveal_is_warned_of():
    env = OwnOrder(Dots(), times=2.0)
    assert places_of(env) == ()
    warning = order_warning(env, named("a", "b", "c", "d")) or ""
    assert "check each name under `state` against the order of that wrapper" in warning


# Kinds of spaces

ZOO = CASES / "dict_and_multidiscrete"


@pytest.mark.parametrize(
    "name, causes, ways",
    [
        ("discrete-discrete", ["Discrete(16)"], ["ObservationWrapper", "row and column"]),
        ("multidiscrete-discrete", ["MultiDiscrete([5 2 2])"], ["TransformObservation into a Box of its 3 numbers"]),
        ("tuple-discrete", ["Tuple("], ["ObservationWrapper that returns the few numbers"]),
        ("image-discrete", ["Box(0, 255, (32, 32, 3), uint8)"], ["3,072 numbers to name", "ObservationWrapper"]),
        ("matrix-discrete", ["Box(-1.0, 1.0, (10, 6)"], ["FlattenObservation", "60 entries"]),
        ("dict-discrete", ["Dict("], ["FlattenObservation", "a[0], a[1], a[2], a[3], b[0]"]),
        ("flat-multidiscrete", ["several discrete choices at once (MultiDiscrete([3 4]))"], ["12 combinations"]),
        ("flat-multibinary", ["several discrete choices at once (MultiBinary(3))"], ["8 combinations"]),
        ("flat-continuous", ["continuous actions (Box("], ["TransformAction"]),
        ("goal-continuous", ["no flat Box observation but Dict(", "continuous actions (Box("],
         ["FlattenObservation", "TransformAction"]),
    ],
)  # fmt: skip
def test_unsupported_spaces_are_refused_with_every_reason(name, causes, ways):
    error = refused(ZOO / f"{name}.yaml")
    assert all(cause in error.cause for cause in causes)
    assert all(way in error.remedy for way in ways)
    assert error.remedy.count('docs/tasks.md, "Spaces that need a wrapper"') == 1
    assert ("continuous" in error.cause) == ("continuous" in name)
    if not any(way.startswith("FlattenObservation") for way in ways):
        assert "FlattenObservation" not in error.remedy


def test_flat_observations_and_discrete_actions_are_played():
    get_task(str(ZOO / "flat-discrete.yaml")).batch(1, "train").close()


def test_fetch_reach_is_refused_with_both_reasons(monkeypatch):
    monkeypatch.syspath_prepend(str(ZOO))
    error = refused(CASES / "fetchreach_dict_continuous" / "task.yaml")
    assert "Dict(" in error.cause and "continuous actions" in error.cause


@pytest.mark.parametrize("name", ["task.yaml", "task_module.yaml"])
def test_arguments_for_a_minigrid_id_are_refused_with_the_reason(name):
    error = refused(CASES / "minigrid_longer_episodes" / name)
    assert "doesn't exist" not in error.cause and "FlattenObservation" not in error.remedy
    assert "tasks by id, without arguments: `--task MiniGrid-MultiRoom-N6-v0`" in error.remedy
    assert "ObservationWrapper" in error.remedy


@pytest.mark.parametrize("name", ["frozen.yaml", "cliff.yaml", "taxi.yaml"])
def test_an_index_observation_is_refused_with_row_and_column_advice(name):
    error = refused(CASES / "discrete_obs" / name)
    assert "row and column" in error.remedy and "FlattenObservation" not in error.remedy


def test_a_named_one_hot_observation_is_played():
    get_task(str(CASES / "discrete_obs" / "frozen_module.yaml")).batch(1, "train").close()


def test_the_examples_of_the_docs_are_tasks():
    text = (Path(__file__).parents[2] / "docs" / "tasks.md").read_text()
    blocks = re.findall(r"```python\n(.*?)```", text, re.S)
    space: dict = {}
    for block in blocks:
        if "warehouse.py" not in block and "pointreach" not in block:
            exec(block, space)
    cells = gym.make("FrozenCells-v0")
    observation, _ = cells.reset(seed=0)
    assert cells.observation_space.contains(observation) and cells.observation_space.shape == (2,)
    force = gym.make("PendulumThree-v0")
    assert force.action_space.n == 3
    force.reset(seed=0)
    force.step(2)

    class Choices(Walker):
        def __init__(self):
            super().__init__()
            self.action_space = gym.spaces.MultiDiscrete([3, 4])

        def step(self, action):
            self.got = tuple(int(a) for a in action)
            return np.zeros(1, np.float32), 0.0, True, False, {"is_success": self.got == (2, 3)}

    env = space["WithSuccess"](space["one_action"](Choices()))
    assert env.action_space.n == 12
    env.reset()
    assert env.step(11)[0].tolist() == [0.0, 1.0] and env.unwrapped.got == (2, 3)


# First actions


def test_actions_of_a_discrete_space_begin_where_it_says():
    task = get_task(str(CASES / "discrete_start_minus_one" / "task.yaml"))
    batch = task.batch(3, "train")
    rows = np.zeros((3, task.schema.width))
    batch.play(0)
    batch.state_rows(rows)
    before = rows[:, 0].copy()
    batch.step(np.array([0, 1, 2]))
    batch.state_rows(rows)
    assert (rows[:, 0] - before).tolist() == [-1, 0, 1]
    for _ in range(10):
        batch.step(np.array([0, 0, 0]))
    assert batch.success.all()
    example = task.interface().example
    assert example["action"] == "LEFT" and example["state"]["place"] == example["prev"]["place"] - 1
    assert task.first_action == -1
