"""Honest programs pass the gate, run in the host and do the same thing twice."""

from __future__ import annotations

import numpy as np
import pytest
from honest_rewards import REWARDS as FIRST_REWARDS
from more_honest_rewards import MORE_REWARDS
from sandbox_task import ACTIONS, SCHEMA, SETUP, rollout, score

from sandbox import gate
from sandbox.client import check_determinism
from sandbox.client import gate as gate_in_host
from sandbox.views import costly_fields

REWARDS = {**FIRST_REWARDS, **MORE_REWARDS}


def test_the_honest_corpus_is_large() -> None:
    assert len(REWARDS) == len(FIRST_REWARDS) + len(MORE_REWARDS) >= 60


@pytest.mark.parametrize("name", REWARDS)
def test_an_honest_reward_passes_the_gate_and_the_host(name: str) -> None:
    assert gate.check(REWARDS[name], ["reward"], costly_fields(SCHEMA), ACTIONS) == []
    scores = score(REWARDS[name])
    assert scores.values.shape == (6, 3, len(scores.names))
    assert np.isfinite(scores.values).all()


@pytest.mark.parametrize("name", ["memory_latch", "deque", "numpy", "class"])
def test_an_honest_reward_is_deterministic(name: str) -> None:
    inputs = rollout()
    assert check_determinism(REWARDS[name], SETUP, **inputs) is None


def test_the_gate_in_its_own_process_gives_the_same_findings() -> None:
    source = "import random\n\ndef reward(prev, action, state, memory):\n    print(1)\n    return state.walk\n"
    found = gate_in_host(source, ["reward"], costly_fields(SCHEMA), ACTIONS)
    assert found == gate.check(source, ["reward"], costly_fields(SCHEMA), ACTIONS)
    assert [finding.line for finding in found] == [1, 4, 5]
