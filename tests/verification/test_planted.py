"""Six planted exploits and the six clean specifications beside them, each a table with the environment's own reward."""

from __future__ import annotations

import gymnasium as gym
import numpy as np
import pytest

from rewardsmith.programs.problem import Problem
from rewardsmith.programs.reward import SPARSE
from rewardsmith.tasks.described.description import Description
from rewardsmith.tasks.described.task import DescribedTask
from rewardsmith.verification.certificate import certify

Rules = dict[int, dict[int, list[tuple[float, int, float, bool]]]]


def corridor(coin: float, again: bool) -> Rules:
    """Six places; place 1 has a coin, which comes back as soon as the agent leaves, or never. States 6 to 11: taken."""
    rules: Rules = {}
    for s in range(12):
        place, taken = s % 6, s >= 6
        rules[s] = {}
        for a in (0, 1):
            there = max(place - 1, 0) if a == 0 else min(place + 1, 5)
            found = there == 1 and place != 1 and not taken
            kept = taken or (found and not again)
            rules[s][a] = [(1.0, there + 6 * kept, coin * found + 1.0 * (there == 5), there == 5)]
    return rules


def penalties(ends: bool) -> Rules:
    """Each step costs; leaving to the left ends the episode for nothing, or costs more than the way."""
    rules: Rules = {}
    for s in range(6):
        left = (1.0, s, -2.0 if ends else -20.0, True) if s == 0 else (1.0, s - 1, -2.0, False)
        rules[s] = {0: [left], 1: [(1.0, min(s + 1, 5), 1.0 if s == 4 else -2.0, s == 4)]}
    return rules


def button(each: float) -> Rules:
    """A proxy: pressing a button pays each time (0.2) or costs nothing and pays nothing."""
    rules: Rules = {}
    for s in range(5):
        go = (1.0, min(s + 1, 4), float(s == 3), s == 3)
        rules[s] = {0: [(1.0, s, each, False)], 1: [go]}
    return rules


def laps(progress: float, back: float) -> Rules:
    """Progress along a line is paid; going back costs as much, or nothing."""
    rules: Rules = {}
    for s in range(6):
        rules[s] = {
            0: [(1.0, max(s - 1, 0), -back if s else 0.0, False)],
            1: [(1.0, min(s + 1, 5), progress + (1.0 if s == 4 else 0.0), s == 4)],
        }
    return rules


def gamble(prize: float) -> Rules:
    """A lottery on the way pays a prize or ends the episode; the sure way succeeds."""
    rules: Rules = {}
    for s in range(4):
        rules[s] = {
            0: [(0.7, s, prize, False), (0.3, s, 0.0, True)],
            1: [(0.9, s + 1 if s < 3 else s, 1.0 * (s == 3), s == 3), (0.1, s, 0.0, False)],
        }
    return rules


def slip(pay: float) -> Rules:
    """Ice that slips: waiting beside the goal pays, or does not."""
    rules: Rules = {}
    for s in range(4):
        on = (1.0, min(s + 1, 3), float(s == 2), s == 2)
        rules[s] = {
            0: [(0.8, s, pay if s == 2 else 0.0, False), (0.2, max(s - 1, 0), 0.0, False)],
            1: [(0.8, *on[1:]), (0.2, s, 0.0, False)],
        }
    return rules


PAIRS = {
    "a coin that comes back": (corridor(0.4, True), corridor(0.4, False)),
    "an end that saves costs": (penalties(True), penalties(False)),
    "a button that pays": (button(0.2), button(0.0)),
    "progress that may be repeated": (laps(0.5, 0.0), laps(0.5, 0.5)),
    "a lottery worth more than success": (gamble(2.0), gamble(0.05)),
    "waiting beside the goal": (slip(0.5), slip(0.0)),
}


class Table(gym.Env):
    """Plays the rules of one of PAIRS."""

    def __init__(self, name: str, clean: bool) -> None:
        self.P = PAIRS[name][clean]
        self.observation_space = gym.spaces.Discrete(len(self.P))
        self.action_space = gym.spaces.Discrete(2)

    def reset(self, *, seed=None, options=None):
        super().reset(seed=seed)
        self.state = 1 if len(self.P) == 6 else 0
        return self.state, {}

    def step(self, action):
        outcomes = self.P[self.state][int(action)]
        drawn = self.np_random.choice(len(outcomes), p=[p for p, *_ in outcomes])
        _, self.state, reward, over = outcomes[int(drawn)]
        return self.state, reward, over, False, {}


def certified(name: str, clean: bool):
    success = "terminated and reward >= 1"
    task = DescribedTask(
        Description.model_validate({
            "id": "planted", "env_id": "test_planted:Table", "env_kwargs": {"name": name, "clean": clean},
            "goal": "Get there.", "success": success, "max_steps": 100,
        }),
        None, examined=True,
    )  # fmt: skip
    return certify(Problem(task, SPARSE, 0.95)).layouts[0]


_FAST = ("an end that saves costs", "waiting beside the goal")


@pytest.mark.parametrize(
    "name", [pytest.param(name, marks=[] if name in _FAST else pytest.mark.slow) for name in PAIRS]
)
def test_a_planted_exploit_is_unsound_and_its_clean_twin_is_not(name):
    exploit, clean = certified(name, False), certified(name, True)
    assert exploit.misses and exploit.counterexample is not None, exploit.reason
    assert not clean.misses and clean.verdict in ("sound", "gamma-limited"), clean.reason
    assert np.isfinite(exploit.counterexample.claimed)
