"""Telemetry of any version is read, and written again unchanged."""

from __future__ import annotations

import json

import pytest

from rewardsmith.telemetry import KEPT_BY_CURVES, ChannelPay, Learning, Telemetry, at_point

# The telemetry of the first version, without shares, correlations and the reward for success.
OLD = {
    "episodes": 7,
    "successes": 2,
    "channels": {"env": {"mean_per_episode": 0.5, "magnitude_per_episode": 0.5, "mean_per_success": None}},
    "components": {"near": {"mean": 0.1, "min": 0.0, "max": 1.0, "fires": 0.2}},
}
NEW = {
    **OLD,
    "success_pay": None,
    "potentials": ["phi"],
    "methods": {"ulps": {"loss": 0.5, "layers": [1, 2]}},
    "learning": {"entropy_coefficient": 0.01, "return_scale": 1.0, "explained_variance": None, "signal": 1.0},
    "trajectories": {"failed": 0, "distinct_states": None, "looping": None, "paid_looping": None},
    "played": {"curve": 100},
    "score": {"mean": -3.0, "low": -4.0, "high": -2.0, "episodes": 20},
    "played_least": False,
    "sequential": True,
    "failed_episodes": ["It fell."],
}


@pytest.mark.parametrize("stored", [{}, OLD, NEW], ids=["none", "old", "new"])
def test_stored_telemetry_is_written_again_unchanged(stored):
    assert json.dumps(Telemetry.from_json(stored).as_json()) == json.dumps(stored)


def test_keys_of_other_versions_are_defaulted_or_ignored():
    record = Telemetry.from_json({**OLD, "of_a_later_version": 1})
    assert record.success_pay is None and record.learning == Learning() and not record.learning
    assert record.channels["env"].share is None and record.success_rate == 2 / 7
    assert record.as_json() == OLD
    assert not Telemetry.from_json(None) and Telemetry.from_json(OLD)


def test_fields_of_a_record_can_be_added_and_removed():
    record = Telemetry.of(episodes=1).updated(played={"curve": 5}, episodes=2)
    assert record.as_json() == {"episodes": 2, "played": {"curve": 5}}
    assert record.without("played").as_json() == {"episodes": 2}
    with pytest.raises(TypeError):
        record.updated(episode=3)
    with pytest.raises(TypeError):
        ChannelPay.of(mean=3)


def test_a_curve_point_keeps_only_the_fields_that_are_read():
    kept = Telemetry.from_json(NEW).as_json(KEPT_BY_CURVES)
    assert set(kept) == set(KEPT_BY_CURVES)
    assert at_point({"components": kept}).channels == Telemetry.from_json(NEW).channels
    assert at_point({"components": None}) == Telemetry() == at_point({})
