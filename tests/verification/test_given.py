"""`check` of functions, wrappers and environments that a caller holds as objects."""

from __future__ import annotations

import gymnasium as gym
import numpy as np
import pytest
from minigrid.core.grid import Grid
from minigrid.core.mission import MissionSpace
from minigrid.core.world_object import Goal, Key
from minigrid.minigrid_env import MiniGridEnv

import rewardsmith
from rewardsmith.errors import UsageError
from rewardsmith.tasks.given.layers import LayerState, frozen, wrapped
from rewardsmith.tasks.given.tasks import task_of_environment
from rewardsmith.tasks.minigrid.custom import CustomTask


class Corridor(gym.Env):
    """Four cells and a Dict observation; the last cell is the goal."""

    observation_space = gym.spaces.Dict(at=gym.spaces.Box(0, 3, (1,), np.float32), kind=gym.spaces.Discrete(2))
    action_space = gym.spaces.Discrete(2, start=1)

    def reset(self, *, seed=None, options=None):
        super().reset(seed=seed)
        self.at, self.steps = 0, 0
        return self._seen(), {}

    def step(self, action):
        self.steps += 1
        self.at = min(3, max(0, self.at + (1 if action == 2 else -1)))
        return self._seen(), float(self.at == 3), self.at == 3, self.steps >= 8, {"left": 3 - self.at}

    def _seen(self):
        return {"at": np.array([self.at], np.float32), "kind": 1}


class KeyRoom(MiniGridEnv):
    """A key and a goal in a room of four cells."""

    def __init__(self):
        super().__init__(MissionSpace(lambda: "go to the goal"), grid_size=4, max_steps=10)

    def _gen_grid(self, width, height):
        self.grid = Grid(width, height)
        self.grid.wall_rect(0, 0, width, height)
        self.put_obj(Key("red"), 2, 1)
        self.put_obj(Goal(), 2, 2)
        self.agent_pos, self.agent_dir = (1, 1), 0
        self.mission = "go to the goal"


class KeyOnce(gym.Wrapper):
    """Pays for the first key of an episode."""

    def __init__(self, env, pay=0.2):
        super().__init__(env)
        self.pay, self.paid = pay, set()

    def reset(self, **options):
        self.paid = set()
        return self.env.reset(**options)

    def step(self, action):
        observation, reward, terminated, truncated, info = self.env.step(action)
        if self.unwrapped.carrying is not None and self.counts():
            self.paid.add("key")
            reward += self.pay
        return observation, reward, terminated, truncated, info

    def counts(self):
        return "key" not in self.paid


class KeyAlways(KeyOnce):
    """Pays for every step with a key in hand."""

    def counts(self):
        return True


def progress(obs, action, next_obs, info):
    return float(next_obs["at"][0] - obs["at"][0]) + (action == 2) * 0.0 + next_obs["kind"] - 1


def told(obs, action, next_obs, info):
    return -float(info["left"])


def broken(obs, action, next_obs, info):
    return next_obs["nowhere"]


def facing(obs, action, next_obs, info):
    return float(next_obs["direction"] == 0)


@pytest.fixture(scope="module")
def progress_checked():
    return rewardsmith.check(progress, Corridor, layouts=1)


def test_a_functions_source_runs_in_the_sandbox(progress_checked):
    assert progress_checked.origin["runs_in"] == "sandbox"
    assert progress_checked.origin["file"] == __file__
    assert progress_checked.verdict("contract").passed
    assert {"min": -1.0, "max": 1.0}.items() <= progress_checked.components["reward"].items()


@pytest.mark.slow
def test_the_order_of_function_and_environment_does_not_matter(progress_checked):
    assert rewardsmith.check(Corridor(), progress, layouts=1).components == progress_checked.components


@pytest.mark.parametrize(
    ("function", "why"),
    [
        pytest.param(told, "infos", id="infos"),
        pytest.param((lambda k: lambda o, a, n, i: k)(2.0), "closure", id="closure", marks=pytest.mark.slow),
    ],
)
def test_a_function_runs_in_this_process_and_the_result_says_why(function, why):
    found = rewardsmith.check(function, Corridor, layouts=1)
    assert found.origin["runs_in"] == "this process" and why in found.origin["why"]
    assert found.verdict("determinism").passed
    with pytest.raises(UsageError, match=why):
        rewardsmith.check(function, Corridor, run_in="sandbox")


@pytest.mark.parametrize("run_in", ["auto", "process"])
def test_a_functions_own_fault_is_a_verdict_with_its_line(run_in):
    verdict = rewardsmith.check(broken, Corridor, run_in=run_in).verdict("contract")
    assert not verdict.passed and "KeyError" in verdict.message
    assert f"line {broken.__code__.co_firstlineno + 1}" in verdict.message


def test_a_function_that_remembers_earlier_calls_is_not_deterministic():
    calls = []
    verdict = rewardsmith.check(lambda o, a, n, i: float(calls.append(1) or len(calls)), Corridor).verdict(
        "determinism"
    )
    assert not verdict.passed


@pytest.mark.parametrize(("returned", "shown"), [(None, "a NoneType"), (float("nan"), "nan"), (True, "a bool")])
def test_what_is_no_finite_number_breaks_the_contract(returned, shown):
    kept = [returned]
    verdict = rewardsmith.check(lambda o, a, n, i: kept[0], Corridor).verdict("contract")
    assert not verdict.passed and shown in verdict.message


def test_what_a_wrapper_keeps_belongs_to_the_enumerated_states():
    task = task_of_environment(KeyRoom, wrap=KeyOnce)
    assert isinstance(task, CustomTask)
    graph, bare = task.state_graph(0, 500), CustomTask(KeyRoom, "bare").state_graph(0, 500)
    assert graph is not None and bare is not None and graph.complete
    assert len(graph.state) > len(bare.state)  # the same places with and without the key paid for
    assert graph.pay.max() > 0.2 and (graph.won.sum() >= bare.won.sum())


@pytest.mark.parametrize(
    ("wrapper", "passes"), [pytest.param(KeyOnce, True, marks=pytest.mark.slow), (KeyAlways, False)]
)
def test_a_wrapper_is_judged_by_the_success_of_the_environment_inside(wrapper, passes):
    found = rewardsmith.check(wrapper, KeyRoom, layouts=1)
    assert found.passed is passes
    assert found.components["environment"]["max"] <= 1.0 and found.components["wrapper"]["max"] == pytest.approx(0.2)
    assert bool(found.counterexamples) is not passes


@pytest.mark.slow
def test_a_wrapped_environment_is_taken_apart():
    found = rewardsmith.check(KeyAlways(KeyRoom()), layouts=1)
    assert found.origin["kind"] == "wrapper" and found.origin["line"] == KeyAlways.counts.__code__.co_firstlineno - 3
    assert not found.passed


def test_a_function_of_a_grid_observation_runs_in_the_sandbox():
    found = rewardsmith.check(facing, KeyRoom, layouts=1)
    assert found.origin["runs_in"] == "sandbox" and not found.passed
    assert found.counterexamples


def test_the_state_of_wrappers_is_restored_with_its_containers():
    env = wrapped(KeyRoom(), KeyOnce)
    env.reset(seed=0)
    layers = LayerState(env)
    key, kept = layers.save()
    env.env.paid.add("key")
    assert layers.save()[0] != key
    layers.restore(kept)
    assert layers.save()[0] == key and env.env.paid == set()
    assert frozen({"a": {1, 2}}) == frozen({"a": {2, 1}}) != frozen({"a": [1, 2]})


@pytest.mark.parametrize(
    ("arguments", "cause"),
    [
        ((Corridor, 5), "The reward is a int"),
        ((progress, 3), "The environment is a int"),
        ((lambda obs: 1.0, Corridor), "returned a float"),
        ((progress, lambda size: Corridor()), "needs arguments: size"),
        ((lambda o, a: 0.0, Corridor), "cannot be called with four arguments"),
    ],
)
def test_wrong_arguments_are_told_in_two_lines(arguments, cause):
    with pytest.raises(UsageError, match=cause) as error:
        rewardsmith.check(*arguments)
    assert str(error.value).count("\n") == 1
