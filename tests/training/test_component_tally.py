"""Statistics of components over the episodes that ended, computed by hand."""

from __future__ import annotations

import numpy as np
import pytest

from rewardsmith.training.component_tally import ComponentTallies
from sandbox.client import Scores

# Two environments, four steps: the episode of the first ends at step 1, that of the second at step 3.
KEY = np.array([[1.0, 0.0], [0.0, 0.0], [1.0, 0.0], [0.0, 0.0]])
NEAR = np.array([[0.1, -0.2], [0.1, 0.3], [0.5, 0.3], [0.5, 0.3]])
DONE = np.array([[0, 0], [1, 0], [0, 0], [0, 1]], dtype=bool)


def scores(*values: np.ndarray) -> Scores:
    return Scores(("key", "near"), np.stack(values, axis=-1), None, None, 0.0)


def test_episodes_are_counted_by_hand():
    tallies = ComponentTallies(2)
    tallies.add(scores(KEY, NEAR), DONE, DONE)
    found = tallies.values()
    assert found["key"].paid_episodes == 0.5 and found["key"].paid_steps == 0.5 and found["key"].mean_per_episode == 0.5
    assert found["near"].paid_episodes == 1.0 and found["near"].paid_steps == pytest.approx((2 + 3) / 2)
    assert found["near"].mean_per_episode == pytest.approx((0.2 + 0.7) / 2)
    assert found["key"].fires == 2 / 8 and found["near"].min == -0.2
    assert found["key"].is_milestone and not found["near"].is_milestone


def test_an_episode_may_span_rollouts_and_points_of_the_curve():
    whole, parts = ComponentTallies(2), ComponentTallies(2)
    whole.add(scores(KEY, NEAR), DONE, DONE)
    parts.add(scores(KEY[:3], NEAR[:3]), DONE[:3], DONE[:3])
    first = parts.values()["near"]
    parts.clear()
    parts.add(scores(KEY[3:], NEAR[3:]), DONE[3:], DONE[3:])
    second = parts.values()["near"]
    assert first.mean_per_episode == pytest.approx(0.2) and second.mean_per_episode == pytest.approx(0.7)
    assert whole.values()["near"].mean_per_episode == pytest.approx((0.2 + 0.7) / 2)


def test_cut_episodes_do_not_count():
    tallies = ComponentTallies(2)
    tallies.add(scores(KEY, NEAR), DONE, DONE & np.array([[True, False]]))
    assert tallies.episodes == 1 and tallies.values()["key"].paid_episodes == 1.0
    tallies.add(scores(KEY, NEAR), DONE, np.zeros_like(DONE))
    assert tallies.episodes == 1


def test_shares_are_absent_before_any_episode_ended():
    tallies = ComponentTallies(2)
    tallies.add(scores(KEY, NEAR), np.zeros_like(DONE), np.zeros_like(DONE))
    assert tallies.values()["key"].as_json() == {"mean": 0.25, "min": 0.0, "max": 1.0, "fires": 0.25}
    assert not tallies.values()["key"].is_milestone
