"""Chunks of a rollout, scored while the rollout is collected, give bit for bit the scores of the whole."""

from __future__ import annotations

import time
from typing import Any

import numpy as np
import pytest
from sandbox_task import SCHEMA, TABLES, host, rollout

from sandbox.client import HostError, HostSetup, Limits, RewardHost, Scores

HEAD = "def reward(prev, action, state, memory):\n"
REMEMBERS = (
    HEAD
    + """    memory['n'] = memory.get('n', 0) + 1
    memory.setdefault('first', prev.step)
    found = {'count': memory['n'] * 0.1, 'since': state.step - memory['first']}
    found['kept'] = float(memory.get('last') is prev)
    memory['last'] = state
    if memory['n'] > 9:
        found['late'] = 1.0 / memory['n']
    return found
def potential(state, memory):
    return state.step * 0.3 + memory.get('n', 0) * 0.7 + state.agent.y
"""
)
FUNCTIONS = ("reward", "potential")


def long_rollout() -> dict[str, Any]:
    inputs = rollout(40, 3, seed=3)
    for t, n in ((5, 0), (16, 1), (17, 1), (31, 2), (32, 2)):
        inputs["starts"][t, n] = True
        inputs["before"][t, n, 0] = 0
    return inputs


def in_chunks(running: RewardHost, inputs: dict[str, Any], size: int) -> Scores:
    for t in range(0, len(inputs["starts"]), size):
        running.submit(*(inputs[name][t : t + size] for name in ("before", "actions", "after", "starts")))
        running.tend()
    return running.finish()


@pytest.mark.parametrize("size", [1, 7, 16, 40])
@pytest.mark.parametrize("steps_of_room", [40, 3])
def test_chunks_score_like_the_whole_rollout(size: int, steps_of_room: int) -> None:
    inputs = long_rollout()
    with host(REMEMBERS, FUNCTIONS, capacity=120) as one, host(REMEMBERS, FUNCTIONS, capacity=3 * steps_of_room) as two:
        for _ in range(2):  # the second rollout goes on with the episodes of the first
            whole, parts = one.score(**inputs), in_chunks(two, inputs, size)
            assert whole.names == parts.names == ("count", "since", "kept", "late")
            for name in ("values", "phi", "phi0"):
                np.testing.assert_array_equal(getattr(whole, name), getattr(parts, name))
            inputs["starts"][0] = False


def test_the_caller_works_while_the_host_does() -> None:
    slow = HEAD + "    return float(sum(range(20_000)) > 0)\n"
    with host(slow, limits=Limits(transition_us=1e5)) as running:
        inputs = rollout(40)
        began = time.perf_counter()
        running.submit(**inputs)
        handed_over = time.perf_counter() - began
        running.finish()
        assert handed_over < 0.3 * (time.perf_counter() - began)


def test_the_step_of_a_fault_counts_from_the_first_chunk() -> None:
    with host(HEAD + "    return 1.0 / (state.step - 21)\n") as running, pytest.raises(HostError) as caught:
        in_chunks(running, rollout(40), 8)
    assert (caught.value.t, caught.value.n, caught.value.line) == (20, 0, 2)


def test_a_late_host_is_ended_while_the_rollout_goes_on() -> None:
    with host(HEAD + "    while True: pass\n", limits=Limits(call_seconds=0.2)) as running:
        running.submit(**rollout(2))
        with pytest.raises(HostError, match="longer than") as caught:
            for _ in range(10_000):
                running.tend()
                time.sleep(0.001)
        assert caught.value.line == 2


def test_collecting_without_a_submission_is_an_error_of_the_caller() -> None:
    with host(REMEMBERS, FUNCTIONS) as running, pytest.raises(ValueError, match="nothing was submitted"):
        running.finish()


def test_a_busy_host_is_reported_without_waiting() -> None:
    slow = HEAD + "    return float(sum(range(20_000)) > 0)\n"
    with host(slow, limits=Limits(transition_us=1e5)) as running:
        assert running.tend()
        running.submit(**rollout(40))
        assert not running.tend()
        running.finish()
        assert running.tend()


def test_a_host_that_starts_meanwhile_greets_before_start_is_called() -> None:
    with host(REMEMBERS, FUNCTIONS, wait=False) as running:
        end = time.monotonic() + 30
        while not running.greets and time.monotonic() < end:
            time.sleep(0.01)
        assert running.greets
        running.start()
        assert running.score(**rollout(5)).names == ("count", "since", "kept")


def test_environments_scored_in_groups_score_like_all_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    from sandbox import scoring

    inputs = long_rollout()
    found = []
    for at_once in (8192, 80, 1):  # all three environments, two, one at a time
        monkeypatch.setattr(scoring, "_AT_ONCE", at_once)
        program = scoring.Program(REMEMBERS, HostSetup(FUNCTIONS, SCHEMA, TABLES), 3, {})
        out = np.full((Limits().max_components + 2, 40, 3), np.nan)
        names = program.score(*(inputs[name] for name in ("before", "actions", "after", "starts")), out).names
        assert names == ("count", "since", "kept", "late")
        found.append(out)
    np.testing.assert_array_equal(found[0], found[1])
    np.testing.assert_array_equal(found[0], found[2])
