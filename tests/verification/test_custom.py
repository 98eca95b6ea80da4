"""Rewards for a user's MiniGrid environments: enumerated from the real environment, certified, replayed."""

from __future__ import annotations

import gymnasium
import minigrid  # noqa: F401  registers its ids
import pytest
from gymnasium.wrappers import TimeLimit
from minigrid.core.grid import Grid
from minigrid.core.mission import MissionSpace
from minigrid.core.world_object import Ball, Goal
from minigrid.minigrid_env import MiniGridEnv
from verification import rewards

from rewardsmith.errors import UsageError
from rewardsmith.offline.check_reward import check_reward, reward_of
from rewardsmith.programs.problem import Problem
from rewardsmith.tasks.minigrid.custom import CustomTask
from rewardsmith.verification.certificate import certify
from rewardsmith.verification.counterexample import CounterExample, replay


class BallThenGoal(MiniGridEnv):
    """The goal counts only for an agent that has picked up the ball before: a flag that the grid does not show."""

    def __init__(self) -> None:
        space = MissionSpace(mission_func=lambda: "fetch the ball, then go to the goal")
        super().__init__(space, grid_size=5, max_steps=60)

    def _gen_grid(self, width: int, height: int) -> None:
        self.grid = Grid(width, height)
        self.grid.wall_rect(0, 0, width, height)
        self.put_obj(Ball("red"), 2, 1)
        self.put_obj(Goal(), 3, 3)
        self.agent_pos, self.agent_dir, self.had_ball = (1, 1), 0, False
        self.mission = "fetch the ball, then go to the goal"

    def step(self, action):
        seen, paid, over, cut, info = super().step(action)
        self.had_ball = self.had_ball or self.carrying is not None
        return seen, paid if self.had_ball else 0.0, over, cut, info


class Moody(BallThenGoal):
    """An environment whose dynamics depend on a list attribute."""

    def step(self, action):
        self.moods = [*getattr(self, "moods", []), action]
        return super().step(6 if len(self.moods) % 3 == 0 else action)


@pytest.mark.parametrize("task_id", ["MiniGrid-DoorKey-5x5-v0", "MiniGrid-LavaGapS5-v0"])
def test_enumerating_the_real_environment_equals_the_compiled_engine(small_task, task_id):
    own = CustomTask(lambda: gymnasium.make(task_id), "own", {"train": 6, "select": 4, "claim": 4})
    for reward in (rewards.SUCCESS, rewards.PICKUP_EXPLOIT, rewards.DISTANCE_POTENTIAL):
        found, compiled = (certify(Problem(task, reward, 0.99), layouts=1).worst for task in (own, small_task(task_id)))
        assert (found.verdict, found.shortest) == (compiled.verdict, compiled.shortest)
        # Attributes that MiniGrid keeps beside the grid can distinguish equal states, as in DoorKey's first state.
        assert 0 <= found.nodes - compiled.nodes <= 1
        assert found.high.value == pytest.approx(compiled.high.value, abs=1e-9)


def test_own_environment_gets_replayable_counterexamples():
    task = CustomTask(BallThenGoal, "ball-then-goal", {"train": 4, "select": 2, "claim": 2})
    good = check_reward("def reward(prev, action, state, memory):\n    return float(state.solved)\n", task)
    assert good.passed and good.verdict("certificate").details["verdict"] == "sound"
    exploit = "def reward(prev, action, state, memory):\n    return 0.4 if state.event == 'picked_up' else 0.0\n"
    bad = check_reward(exploit, task, layouts=1)
    assert not bad.passed and bad.verdict("battery").passed is False
    example = CounterExample.from_dict(bad.verdict("certificate").details["layouts"][0]["counterexample"])
    played = replay(
        Problem(task, rewards.free("return 0.4 if state.event == 'picked_up' else 0.0"), example.gamma), example
    )
    assert played.confirms(example) and played.undiscounted > 5


def test_an_environment_with_hidden_state_is_not_certified():
    task = CustomTask(Moody, "moody", {"train": 2, "select": 1, "claim": 1})
    found = certify(Problem(task, rewards.SUCCESS, 0.99), layouts=1)
    assert found.verdict == "not certified"


def custom(make, **sizes: int) -> CustomTask:
    return CustomTask(make, "own", {"train": 3, "select": 1, "claim": 1, **sizes})


def state_reading_reward(state: str = "0.0") -> str:
    return f"def reward(prev, action, state, memory):\n    return {state}\n"


class Farm(BallThenGoal):
    """Pays for every pick-up by itself."""

    def step(self, action):
        held = self.carrying
        seen, paid, over, cut, info = super().step(action)
        return seen, paid + 0.5 * (held is None and self.carrying is not None), over, cut, info


class Generous(BallThenGoal):
    """Pays ten for success at any step."""

    def step(self, action):
        seen, paid, over, cut, info = super().step(action)
        return seen, 10.0 if paid > 0 else 0.0, over, cut, info


def test_the_environment_s_own_reward_is_in_the_certificate():
    assert not check_reward(state_reading_reward(), custom(Farm)).passed  # the optimum picks up and drops for ever
    assert check_reward(
        state_reading_reward("0.02"), custom(Generous)
    ).passed  # 0.02 for ever is worth 2, and 10 is more
    assert not check_reward(state_reading_reward("0.02"), custom(BallThenGoal)).passed


class Unset(BallThenGoal):
    """The flag is None before it is set."""

    def _gen_grid(self, width: int, height: int) -> None:
        super()._gen_grid(width, height)
        self.armed = None

    def step(self, action):
        seen, paid, over, cut, info = super().step(action)
        self.armed = "yes" if self.carrying is not None else self.armed
        return seen, paid if self.armed else 0.0, over, cut, info


class Listed(BallThenGoal):
    """The flag is in a list."""

    def _gen_grid(self, width: int, height: int) -> None:
        super()._gen_grid(width, height)
        self.held = []

    def step(self, action):
        seen, paid, over, cut, info = super().step(action)
        if self.carrying is not None:
            self.held.append(self.carrying.type)
        return seen, paid if self.held else 0.0, over, cut, info


class Cut(BallThenGoal):
    """Cuts an episode short on the way to the goal."""

    def step(self, action):
        seen, paid, over, cut, info = super().step(action)
        return seen, paid, over, cut or self.agent_pos[1] == 2 or self.agent_pos[0] == 3, info


def test_an_episode_shorter_than_its_stated_limit_is_not_certified():
    for make in (Cut, lambda: TimeLimit(BallThenGoal(), 4)):
        found = check_reward(state_reading_reward(), custom(make))
        assert found.verdict("certificate").details["verdict"] == "not certified"


def test_changing_lists_are_not_certified():
    costly = "-2.0 if state.event == 'picked_up' else 0.0"
    assert (
        certify(Problem(custom(Unset), reward_of(state_reading_reward(costly)), 0.99), layouts=1).verdict == "unsound"
    )
    found = check_reward(state_reading_reward(costly), custom(Listed))
    assert found.verdict("certificate").details["verdict"] == "not certified"


class Sizes(BallThenGoal):
    """The size of its grid varies."""

    def _gen_grid(self, width: int, height: int) -> None:
        self.width = self.height = int(self._rand_int(5, 9))
        super()._gen_grid(self.width, self.height)


def test_unsuitable_environments_are_refused_with_the_reason():
    for make in (BallThenGoal(), lambda: 5):
        with pytest.raises(UsageError, match="new MiniGridEnv"):
            custom(make)
    with pytest.raises(UsageError, match="differs in size"):
        check_reward(state_reading_reward(), custom(Sizes))
    few = check_reward(state_reading_reward(), custom(BallThenGoal, train=2))  # fewer layouts than the default number
    assert few.verdict("certificate").passed


class Hurried(BallThenGoal):
    """Too few steps to solve it."""

    def __init__(self) -> None:
        super().__init__()
        self.max_steps = 3


def test_a_task_unsolvable_in_time_is_no_fault_of_the_reward():
    found = check_reward(state_reading_reward(), custom(Hurried))
    assert found.verdict("certificate").passed and "an episode has 3" in found.verdict("certificate").message
