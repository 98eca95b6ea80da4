"""Where variables are read: paths into observations, infos and attributes, and a function of the user's own."""

from __future__ import annotations

from types import SimpleNamespace

import gymnasium as gym
import numpy as np
import pytest
from gymnasium import spaces

from rewardsmith.errors import TaskError, UsageError
from rewardsmith.tasks.described.description import parse_description
from rewardsmith.tasks.described.reading import NoValue, follow, known, number, split_path
from rewardsmith.tasks.described.task import DescribedTask, Description


class Cart(gym.Env):
    """Shows its place in every way: observation, info and attributes; the info loses `late` after two steps."""

    def __init__(self) -> None:
        inner = spaces.Dict(pose=spaces.Box(-50, 50, (2, 2), np.float32), lamp=spaces.Discrete(3))
        self.observation_space = spaces.Dict(body=inner, goal=spaces.Box(-50, 50, (3,), np.float32))
        self.action_space = spaces.Discrete(2)

    def _returned(self):
        x = float(self.n)
        body = {"pose": np.array([[x, 2 * x], [3 * x, 4 * x]], np.float32), "lamp": self.n % 3}
        info = {"far": x > 2, "names": {"gear": "high" if self.n % 2 else "low"}, "all": [x, -x, 0.5]}
        if self.n == 2:
            info["late"] = 7.0
        self.engine = SimpleNamespace(heat=[x * 10, x * 20], label="e")
        return {"body": body, "goal": np.array([1, 2, 3], np.float32)}, info

    def reset(self, *, seed=None, options=None):
        super().reset(seed=seed)
        self.n = 0
        return self._returned()

    def step(self, action):
        self.n += 1
        observation, info = self._returned()
        return observation, 0.5, False, False, info


gym.register("Cart-of-reading-v0", Cart)
SOURCES = {
    "x": ("observation.body.pose[0][0]", 3.0),
    "row": ("observation.body.pose[1]", [9.0, 12.0]),
    "column": ("observation.body.pose[0:2]", [3.0, 6.0, 9.0, 12.0]),
    "last": ("observation.goal[-1]", 3.0),
    "ends": ("observation.goal[1:]", [2.0, 3.0]),
    "lamp": ("observation.body.lamp", 0.0),
    "quoted": ('observation["goal"][0]', 1.0),
    "far": ("info.far", 1.0),
    "every": ("info.all", [3.0, -3.0, 0.5]),
    "second": ("info.all[1]", -3.0),
    "heat": ("env.engine.heat[1]", 60.0),
    "late": ("info.late", 0.0),
}


def task(**values) -> DescribedTask:
    return DescribedTask(
        Description.model_validate(
            {"id": "Cart-of-reading-v0", "goal": "g", "success": "step >= 99", "max_steps": 20} | values
        )
    )


def state_after(described: DescribedTask, steps: int) -> dict:
    batch, row = described.batch(1, "train"), described.schema.rows(1)
    batch.play(0)
    for _ in range(steps):
        batch.step(np.array([0]))
    batch.state_rows(row)
    batch.close()
    named = [reader for reader in described._setup.variables if reader.name not in described._setup.unnamed]
    return {reader.name: reader.read(row[0]) for reader in named}


def test_a_variable_is_what_its_source_says():
    described = task(state=[{"name": name, "from": source} for name, (source, _) in SOURCES.items()])
    assert state_after(described, 3) == {name: value for name, (_, value) in SOURCES.items()}
    assert state_after(described, 2)["late"] == 7.0, "an info that comes and goes is 0 while it is not there"


def test_a_text_of_an_info_is_one_of_those_seen():
    described = task(state=[{"name": "gear", "from": "info.names.gear"}])
    assert state_after(described, 1) == {"gear": "high"} and state_after(described, 2) == {"gear": "low"}
    assert "gear: one of 'high', 'low'" in described.interface().text or "'low', 'high'" in described.interface().text


def test_kinds_and_what_the_policy_does_not_see_are_found_by_play():
    described = task(state=[{"name": n, "from": SOURCES[n][0]} for n in ("x", "lamp", "far", "every", "heat")])
    found = {v.name: (v.kind, v.length, v.training_only) for v in described.description.state}
    assert found == {
        "x": ("float", None, False),
        "lamp": ("int", None, False),
        "far": ("bool", None, True),
        "every": ("float", 3, True),
        "heat": ("float", None, True),
    }
    text = described.interface().text
    assert "every: vector of 3 floats (x, y, z)" in text and text.count("the policy does not see it") == 3


@pytest.mark.parametrize(
    "source, told",
    [
        ("observation.body.pose[2]", "leads outside of observation.body.pose, which has shape (2, 2)"),
        ("observation.nothing", "there is no observation.nothing"),
        ("info.nothing", "info.nothing was not there in 50 random steps"),
        ("env.engine.cold", "env.engine.cold was not there"),
        ("env.engine", "holds SimpleNamespace, which is no number"),
    ],
)
def test_a_source_that_leads_nowhere_is_refused_with_what_there_is(source, told):
    with pytest.raises(UsageError) as caught:
        task(state=[{"name": "a", "from": source}]).batch(1, "train")
    assert told in caught.value.cause
    assert "observation.body.lamp ()" in caught.value.remedy and "observation.goal (3,)" in caught.value.remedy


@pytest.mark.parametrize(
    "source, told",
    [
        ("state.x", "must begin with observation, info or env"),
        ("info.get('far')", "is not understood from"),
        ("observation[1, 2]", "is not understood from '[1, 2]' on"),
    ],
)
def test_a_source_that_is_no_path_is_refused_with_the_file(source, told):
    text = f'id: A\ngoal: g\nsuccess: terminated\nmax_steps: 3\nstate: [{{name: a, from: "{source}"}}]\n'
    with pytest.raises(UsageError) as caught:
        parse_description(text, "a.yaml")
    assert told in caught.value.cause and "a.yaml" in caught.value.cause and "state.0.from" in caught.value.cause


def test_every_wrong_source_is_named():
    with pytest.raises(UsageError) as caught:
        task(state=[{"name": "a", "from": "info.p"}, {"name": "b", "from": "observation.q"}]).batch(1, "train")
    assert "info.p" in caught.value.cause and "observation.q" in caught.value.cause
    assert "info.far" in caught.value.remedy


def test_paths_have_names_indices_and_slices():
    assert split_path("observation[3]") == ("observation", [3])
    assert split_path("info.pos[0:2]") == ("info", ["pos", slice(0, 2)])
    assert split_path("env.a.b[-1]['k'][\"l m\"]") == ("env", ["a", "b", -1, "k", "l m"])
    assert split_path("observation[1:]") == ("observation", [slice(1, None)])


def test_following_a_path_reads_mappings_sequences_and_attributes():
    value = {"a": [SimpleNamespace(b=(4, 5))]}
    assert follow(value, ["a", 0, "b", 1], "s") == 5
    for steps in (["c"], ["a", 1], ["a", 0, "c"], ["a", "b"]):
        with pytest.raises(NoValue):
            follow(value, steps, "s")


def test_a_number_is_whatever_is_one_number():
    assert [number(v) for v in (True, np.int8(3), np.array([2.5]), np.array(1), "a")] == [True, 3, 2.5, 1, "a"]
    for value in ([1, 2], None, {}):
        with pytest.raises(NoValue):
            number(value)
    assert known({}, ["a"]) == 0 and known({"a": None}, ["a"]) == 0 and known({"a": np.bool_(True)}, ["a"]) is True


def state_of_cart(env, observation, info):
    return {"twice": 2 * env.n, "gears": observation["goal"][:2], "hot": bool(env.n > 1)}


def forgetful(env, observation, info):
    return {"n": 0.0} if env.n < 9 else {}


def test_a_state_function_gives_variables_by_name():
    described = task(state_function=f"{__name__}:state_of_cart", state=[{"name": "twice", "unit": "m", "doc": "two x"}])
    assert state_after(described, 3) == {"twice": 6.0, "gears": [1.0, 2.0], "hot": 1.0}
    text = described.interface().text
    assert "twice: int m - two x" in text and "gears: vector of 2 floats (x, y)" in text and "hot: bool" in text


def test_a_state_function_that_leaves_a_variable_out_is_the_task_s_fault():
    described = task(state_function=f"{__name__}:forgetful", max_steps=8)
    described.batch(1, "train").close()
    batch = task(state_function=f"{__name__}:forgetful").batch(1, "train")
    batch.play(0)
    with pytest.raises(TaskError, match="state\\(\\) returns no 'n'"):
        for _ in range(10):
            batch.step(np.array([0]))
