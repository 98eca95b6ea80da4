"""An environment's spaces against its description: bounds, flattened keys, every kind of space, first actions."""

from __future__ import annotations

import re
import shutil
from pathlib import Path

import gymnasium as gym
import numpy as np
import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st
from running import in_process

from rewardsmith.errors import UsageError
from rewardsmith.tasks import get_task
from rewardsmith.tasks.described.bounds import require_bounds
from rewardsmith.tasks.described.description import Description, parse_description, read_built_in
from rewardsmith.tasks.described.flattening import flattened_places, order_warning, places_of, require_names
from rewardsmith.tasks.described.task import DescribedTask
from rewardsmith.tasks.observations import ObservationSpace, space_of

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


def walker(**values) -> DescribedTask:
    bounds = {key: values.pop(key) for key in ("low", "high") if key in values}
    return DescribedTask(
        Description(
            id=values.pop("id", "Walker-spaces-v0"), goal="Walk.", state=[{"name": "x", **bounds}],
            actions=["left", "right"], success="x > 100",
            max_steps=values.pop("max_steps", 300), env_kwargs=values,
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


def test_random_play_is_a_thousand_steps_in_episodes_of_the_task_s_length():
    with pytest.raises(UsageError, match="random steps show 1000 for x"):
        walker(id="Walker-endless-v0", high=900, max_steps=2000).batch(1, "train")
    walker(id="Walker-endless-v0", high=1000, max_steps=2000).batch(1, "train").close()
    with pytest.raises(UsageError, match="random steps show 300 for x"):
        walker(id="Walker-endless-v0", high=200).batch(1, "train")


def allowing(low: float, high: float) -> ObservationSpace:
    return space_of(gym.spaces.Box(low, high, (1,), np.float64))[0]


@given(st.floats(0.001, 1e6))
def test_rounding_to_float32_or_to_three_digits_is_no_contradiction(bound):
    described = Description(
        id="A",
        goal="g",
        state=[{"name": "x", "from": "observation[0]", "low": -bound, "high": bound}],
        actions=["a"],
        success="x > 1",
        max_steps=1,
    )
    for said in (float(np.float32(bound)), float(f"{bound:.6g}"), float(np.nextafter(bound, np.inf))):
        require_bounds(described, allowing(-said, said))
    with pytest.raises(UsageError):
        require_bounds(described, allowing(-1.01 * bound, bound))


def test_two_pi_with_three_digits_is_two_pi():
    described = parse_description((CASES / "lunarlander_success" / "task_proxy.yaml").read_text(), "task_proxy.yaml")
    angle = next(v for v in described.state if v.name == "angle").model_copy(update={"source": "observation[0]"})
    only = described.model_copy(update={"state": [angle]})
    require_bounds(only, allowing(-6.2831855, 6.2831855))


@pytest.mark.parametrize("task_id", ["CartPole-v1", "MountainCar-v0"])
def test_built_in_descriptions_keep_the_rules_for_users_descriptions(task_id):
    DescribedTask(read_built_in(task_id)).batch(1, "train").close()


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


def test_an_order_that_play_does_not_reveal_is_warned_of():
    env = OwnOrder(Dots(), times=2.0)
    assert places_of(env) == ()
    warning = order_warning(env, named("a", "b", "c", "d")) or ""
    assert "check each name under `state` against the order of that wrapper" in warning


# Kinds of spaces

ZOO = CASES / "dict_and_multidiscrete"


@pytest.mark.parametrize(
    "name, observed, kind, names",
    [
        ("flat-discrete", gym.spaces.Box(-np.inf, np.inf, (3,)), "discrete", ["observation"]),
        ("discrete-discrete", gym.spaces.Discrete(16), "discrete", ["observation"]),
        ("multidiscrete-discrete", gym.spaces.MultiDiscrete([5, 2, 2]), "discrete", ["observation"]),
        ("tuple-discrete",
         gym.spaces.Dict({"0": gym.spaces.Discrete(32), "1": gym.spaces.Discrete(11), "2": gym.spaces.Discrete(2)}),
         "discrete", ["observation_0", "observation_1", "observation_2"]),
        ("image-discrete", gym.spaces.Box(-np.inf, np.inf, (3072,)), "discrete", []),
        ("matrix-discrete", gym.spaces.Box(-np.inf, np.inf, (60,)), "discrete", ["observation"]),
        ("dict-discrete",
         gym.spaces.Dict(a=gym.spaces.Box(-np.inf, np.inf, (4,)), b=gym.spaces.Box(-np.inf, np.inf, (1,))),
         "discrete", ["a", "b"]),
        ("flat-multidiscrete", gym.spaces.Box(-np.inf, np.inf, (3,)), "multi-discrete", ["observation"]),
        ("flat-multibinary", gym.spaces.Box(-np.inf, np.inf, (3,)), "multi-binary", ["observation"]),
        ("flat-continuous", gym.spaces.Box(-np.inf, np.inf, (3,)), "box", ["observation"]),
        ("goal-continuous",
         gym.spaces.Dict({k: gym.spaces.Box(-np.inf, np.inf, (3,)) for k in
                          ("achieved_goal", "desired_goal", "observation")}),
         "box", ["achieved_goal", "desired_goal", "observation"]),
    ],
)  # fmt: skip
def test_every_kind_of_space_is_played_without_a_word_about_it(tmp_path, name, observed, kind, names):
    described = yaml.safe_load((ZOO / f"{name}.yaml").read_text())
    shutil.copy(ZOO / "spaces_zoo.py", tmp_path)
    (tmp_path / "task.yaml").write_text(yaml.safe_dump({**described, "state": [], "actions": []}))
    task = get_task(str(tmp_path / "task.yaml"))
    assert task.observation.space == observed and task.actions.kind == kind
    assert [field.name for field in task.schema] == [*names, "step", "solved", "failed"]
    batch, rng = task.batch(2, "train"), np.random.default_rng(0)
    batch.reset(0)
    for step in range(1, 21):
        batch.step(task.actions.sample(rng, 2))
        assert (batch.terminated == (step == 20)).all()
    assert batch.success.all()
    batch.close()


@pytest.mark.parametrize(
    "name, causes",
    [
        ("discrete-discrete", ["observes 1 numbers, the description names 3"]),
        ("image-discrete", ["observes 3072 numbers, the description names 3"]),
        ("matrix-discrete", ["observes 60 numbers, the description names 3"]),
        ("dict-discrete", ["observes 5 numbers, the description names 3"]),
        ("flat-multidiscrete", ["has 2 numbers in an action, the description names 4"]),
        ("flat-multibinary", ["has 3 numbers in an action, the description names 4"]),
        ("flat-continuous", ["has 2 numbers in an action, the description names 4"]),
        ("goal-continuous", ["observes 9 numbers, the description names 3", "has 2 numbers in an action"]),
        ("multidiscrete-discrete", ["allows 4 for first, but the description has high: 1"]),
        ("tuple-discrete", ["allows 31 for first", "allows 10 for second"]),
    ],
)
def test_names_and_bounds_that_do_not_fit_are_refused_with_every_reason(name, causes):
    error = refused(ZOO / f"{name}.yaml")
    assert all(cause in error.cause for cause in causes)
    assert "wrap" not in error.remedy.lower() and ("actions" in error.remedy) == ("action" in error.cause)


class Words(Walker):
    """Observes a text beside its place."""

    def __init__(self, keys=("place", "mission")):
        super().__init__()
        parts = {"place": self.observation_space, "mission": gym.spaces.Text(20)}
        self.observation_space = gym.spaces.Dict({key: parts[key] for key in keys})

    def reset(self, *, seed=None, options=None):
        return {"place": super().reset(seed=seed)[0], "mission": "walk"}, {}

    def step(self, action):
        place, *rest = super().step(action)
        return {"place": place, "mission": "walk"}, *rest


gym.register("Words-spaces-v0", Words, max_episode_steps=300)


def test_a_text_that_no_policy_reads_is_refused_and_can_be_left_out():
    described = {"id": "Words-spaces-v0", "goal": "Walk.", "success": "step > 3", "max_steps": 300}
    with pytest.raises(UsageError) as caught:
        DescribedTask(Description(**described)).batch(1, "train")
    assert "observes what no policy can read: mission (Text)" in caught.value.cause
    assert "`observe: [place]`" in caught.value.remedy
    batch = DescribedTask(Description(**described, observe=["place"])).batch(1, "train")
    batch.reset(0)
    batch.step(np.array([0]))
    batch.close()
    with pytest.raises(UsageError, match="observes no plaice: its observation has the keys mission, place"):
        DescribedTask(Description(**described, observe=["plaice"])).batch(1, "train")


def test_goals_and_a_continuous_arm_fit_their_description(tmp_path):
    shutil.copy(ZOO / "spaces_zoo.py", tmp_path)
    described = yaml.safe_load((CASES / "fetchreach_dict_continuous" / "task.yaml").read_text())
    described["state"] = [{"name": "gripper", "from": "observation.achieved_goal"}]
    described |= {"actions": ["along", "across"], "success": "abs(gripper.x) < 0.05"}
    (tmp_path / "task.yaml").write_text(yaml.safe_dump(described))
    task = get_task(str(tmp_path / "task.yaml"))
    assert "gripper: vector of 3 floats (x, y, z)" in task.interface().text
    assert "action.across = action[1] in [-1, 1]" in task.interface().text


@pytest.mark.parametrize("name", ["task.yaml", "task_module.yaml"])
def test_a_minigrid_id_with_arguments_is_played_by_its_parts(name, tmp_path):
    described = yaml.safe_load((CASES / "minigrid_longer_episodes" / name).read_text())
    error = refused(CASES / "minigrid_longer_episodes" / name)
    assert "mission (MissionSpace)" in error.cause and "`observe: [direction, image]`" in error.remedy
    described |= {"observe": ["direction", "image"], "state": [{"name": "facing", "from": "observation.direction"}]}
    (tmp_path / "task.yaml").write_text(yaml.safe_dump(described))
    batch = get_task(str(tmp_path / "task.yaml")).batch(1, "train")
    batch.reset(0)
    for step in range(1, 241):
        batch.step(np.array([0]))
        assert batch.truncated[0] == (step == 240)
    batch.close()


@pytest.mark.parametrize("name, cells", [("frozen.yaml", 16), ("cliff.yaml", 48), ("taxi.yaml", 500)])
def test_an_index_observation_is_played_and_a_policy_sees_one_hot(name, cells):
    task = get_task(str(CASES / "discrete_obs" / name))
    assert task.observation.space == gym.spaces.Discrete(cells)
    batch, rows = task.batch(2, "train"), task.observation.rows(2)
    batch.reset(0)
    batch.step(np.array([1, 2]))
    batch.observe(rows)
    state = np.zeros((2, task.schema.width))
    batch.state_rows(state)
    assert (task.observation.structured(rows) == state[:, 0]).all()
    batch.close()


def test_a_named_one_hot_observation_is_played():
    get_task(str(CASES / "discrete_obs" / "frozen_module.yaml")).batch(1, "train").close()


WALK = """
class Walk(gym.Env):
    observation_space, action_space = gym.spaces.Box(0, 9, (1,)), gym.spaces.Discrete(2)

    def reset(self, *, seed=None, options=None):
        super().reset(seed=seed)
        self.place, self.door, self.at_door = 0, types.SimpleNamespace(open=True), False
        return np.zeros(1, np.float32), {}

    def step(self, action):
        self.place = min(max(self.place + 2 * int(action) - 1, 0), 9)
        self.at_door = self.place == 3
        return np.array([self.place], np.float32), 0.0, self.at_door, False, {}
"""


def test_the_task_in_python_of_the_docs_is_a_task(tmp_path):
    text = (Path(__file__).parents[2] / "docs" / "tasks.md").read_text()
    block = next(b for b in re.findall(r"```python\n(.*?)```", text, re.S) if "my_task.py" in b)
    stub = re.search(r"class Walk\(gym.Env\):\n(?:    .*\n)+", block)
    assert stub is not None
    (tmp_path / "task_of_the_docs.py").write_text(f"import types\nimport numpy as np\n{block.replace(stub[0], WALK)}")
    task = get_task(str(tmp_path / "task_of_the_docs.py"))
    batch = task.batch(1, "train")
    batch.play(0)
    for step in range(3):
        assert not batch.success[0], step
        batch.step(np.array([1]))
    assert batch.success[0] and "door_open: bool" in task.interface().text
    batch.close()


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
    assert task.actions.first[0] == -1
