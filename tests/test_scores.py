"""The scale of a score: random play is 0, the reference is 1, and both directions are right."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rewardsmith.errors import UsageError
from rewardsmith.reporting.measure import Measure
from rewardsmith.reporting.statistics import summarise
from rewardsmith.scores import ScoreRule, ScoreScale, scale_of
from rewardsmith.telemetry import EpisodeScores, Telemetry
from rewardsmith.verification.diagnosis import diagnose

returns = st.lists(st.floats(-1e4, 1e4), min_size=2, max_size=20)


def scale(direction="maximize", reference=None, random=-100.0) -> ScoreScale:
    return ScoreScale(random, random - 5, random + 5, 20, reference, "a policy", direction)


@given(returns, st.floats(0.1, 1e4), st.sampled_from(["maximize", "minimize"]), st.floats(-1e4, 1e4))
def test_random_play_is_zero_and_the_reference_one(played, apart, direction, score):
    mean = sum(played) / len(played)
    reference = mean + apart if direction == "maximize" else mean - apart
    made = scale_of("T", ScoreRule(direction, reference), played, "a policy")
    assert made.merit(made.random) == 0 and made.merit(reference) == pytest.approx(1)
    better = score + 1 if direction == "maximize" else score - 1
    assert made.merit(better) > made.merit(score)
    assert made.score(made.merit(score)) == pytest.approx(score, abs=1e-6)
    assert ScoreScale.from_spec({"score": made.as_dict()}) == made


def test_without_a_reference_the_merit_is_the_distance_from_random_play():
    assert scale().merit(-60.0) == 40.0 and scale("minimize").merit(-60.0) == -40.0
    assert scale().normalised(-60.0) is None and "no reference is stated" in scale().words


@pytest.mark.parametrize("direction, reference", [("maximize", -100.0), ("maximize", -120.0), ("minimize", 3.0)])
def test_a_reference_that_is_no_better_than_random_play_is_refused(direction, reference):
    with pytest.raises(UsageError, match="no better than random play, which scores -100"):
        scale_of("T", ScoreRule(direction, reference), [-110.0, -90.0], "a policy")


def test_lower_scores_win_where_less_is_better():
    mine, theirs = ({k: value + k / 100 for k in range(8)} for value in (10.0, 20.0))
    low, high = (summarise(mine, theirs, minimize=minimize) for minimize in (True, False))
    assert low is not None and high is not None
    assert (low["verdict"], low["improvement"]) == ("better", 1.0) and high["verdict"] == "worse"
    assert low["designed"]["mean"] == high["designed"]["mean"] == pytest.approx(10.035)
    assert Measure(scale("minimize")).rose(20.0, 10.0) and not Measure(scale("minimize")).rose(10.0, 20.0)


def test_the_interval_of_a_mean_return_shrinks_with_the_episodes():
    few, many = (
        EpisodeScores.measured({"mean_return": 3.0, "mean_squared_return": 13.0, "episodes": n}) for n in (10, 1000)
    )
    assert few.low == pytest.approx(3 - 1.96 * 2 / 3) and many.high == pytest.approx(3 + 1.96 * 2 / 999**0.5)


def told(mean: float, half: float = 2.0) -> EpisodeScores:
    return EpisodeScores.of(mean=mean, low=mean - half, high=mean + half, episodes=20)


def labels_of(final: float, points: list[float], found: ScoreScale) -> set[str]:
    curve = [{"success": None, "shaped_return": None, "components": {"score": told(p).as_json()}} for p in points]
    return set(diagnose(0.0, curve, Telemetry.of(score=told(final)), scale=found))


def test_a_diagnosis_reads_the_score_where_nothing_is_a_success():
    up, down = scale(reference=0.0), scale("minimize", reference=-200.0)
    assert labels_of(-1.0, [-50.0], up) == labels_of(-199.0, [-150.0], down) == {"solved"}
    assert labels_of(-40.0, [-10.0], up) == labels_of(-160.0, [-190.0], down) == {"unstable"}
    assert labels_of(-99.0, [-99.0], up) == labels_of(-101.0, [-99.0], down) == {"weak shaping"}
    assert labels_of(-50.0, [-52.0], up) == labels_of(-150.0, [-152.0], down) == set()
    assert labels_of(-99.0, [], scale()) == {"weak shaping"} and labels_of(-50.0, [], scale()) == set()
