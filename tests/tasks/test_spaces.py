"""An environment's spaces against its description: bounds, every kind of space, first actions."""

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
from space_tasks import refused

from rewardsmith.errors import UsageError
from rewardsmith.tasks import get_task
from rewardsmith.tasks.described.bounds import require_bounds
from rewardsmith.tasks.described.description import Description, parse_description, read_built_in
from rewardsmith.tasks.described.task import DescribedTask
from rewardsmith.tasks.observations import ObservationSpace, space_of

CASES = Path(__file__).parents[1] / "cases"


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
