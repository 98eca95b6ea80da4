"""A trial's pay is scored once more in a fresh host at the end of each rung."""

from __future__ import annotations

import pytest

from rewardsmith.methods import get_method
from rewardsmith.spec import TrainingSpec
from rewardsmith.tasks import get_task
from rewardsmith.training.trial import TrialPlan, run_trial
from sandbox.client import HostError

TRAINING = TrainingSpec(num_envs=8, rollout_steps=64, batch_size=128, epochs=1, eval_episodes=10, final_episodes=10)

# The cache's keys count in binary how often the function was called; nothing but the cache holds the number.
COUNTING = """
from functools import cache

class Box:
    def __init__(self):
        self.new = False
    def __hash__(self):
        return 0
    def __eq__(self, other):
        return True

@cache
def mark(k, box):
    box.new = True
    return 0

def count():
    for k in range(2000):
        box = Box()
        mark(k, box)
        if box.new:
            return k
    return 2000

def reward(prev, action, state, memory):
    return 1.0 if state.solved or (count() > 600 and action == 0) else 0.0
"""

HONEST = """
def reward(prev, action, state, memory):
    memory["n"] = memory.get("n", 0) + 1
    paid = {"goal": 1.0 if state.solved else 0.0, "walk": 0.01 * abs(state.agent.x - prev.agent.x) / memory["n"]}
    if memory["n"] == 90:
        paid["late"] = 0.5
    return paid
"""


def train(folder, source):
    reward = get_method("free").reward(source)
    task = get_task("MiniGrid-Empty-5x5-v0")
    return run_trial(
        TrialPlan(task, reward, TRAINING, 3, 8 * 64 * 5, 1.0, folder), lambda point: None, lambda steps: None
    )


def test_a_program_that_pays_by_how_often_it_was_called_fails_its_trial(tmp_path):
    with pytest.raises(HostError, match="in a fresh host") as raised:
        train(tmp_path, COUNTING)
    assert raised.value.cause == "nondeterministic"


def test_pay_by_memory_and_rare_components_pass_the_audit(tmp_path):
    assert train(tmp_path, HONEST).complete
