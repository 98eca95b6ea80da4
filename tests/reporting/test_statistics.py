"""Statistics, compared with values computed by hand and with properties that hold for any scores."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from rewardsmith.reporting.statistics import (
    UNBOUNDED,
    difference,
    hierarchical_bootstrap,
    interquartile_mean,
    order_chance,
    preliminary,
    probability_of_improvement,
    steps_to_threshold,
    stratified_bootstrap,
    verdict,
    wilson,
)

RATES = st.lists(st.floats(0, 1, allow_nan=False).map(lambda x: round(x, 3)), min_size=1, max_size=12)


def mean(scores: np.ndarray) -> np.ndarray:
    return scores.mean(axis=-1)


@pytest.mark.parametrize(
    ("successes", "n", "level", "expected"),
    [
        (8, 10, 0.95, (0.4902, 0.9433)),
        (0, 10, 0.95, (0.0, 0.2775)),
        (10, 10, 0.95, (0.7225, 1.0)),
        (50, 100, 0.95, (0.4038, 0.5962)),
        (81, 263, 0.95, (0.2553, 0.3662)),  # Newcombe 1998, table I
        (1, 29, 0.95, (0.0061, 0.1718)),  # the same
        (5, 10, 0.99, (0.1842, 0.8158)),
        (0, 0, 0.95, (0.0, 1.0)),
    ],
)
def test_wilsons_interval_equals_the_known_one(successes, n, level, expected) -> None:
    assert wilson(successes, n, level) == pytest.approx(expected, abs=6e-5)


@given(st.integers(1, 500), st.data())
def test_wilsons_interval_holds_the_rate_and_mirrors_failures(n: int, data: st.DataObject) -> None:
    successes = data.draw(st.integers(0, n))
    low, high = wilson(successes, n)
    assert 0 <= low <= successes / n <= high <= 1
    assert wilson(n - successes, n) == pytest.approx((1 - high, 1 - low))
    wider = wilson(successes, n, 0.99)
    assert wider[0] <= low and high <= wider[1]


@pytest.mark.parametrize(("successes", "n", "level"), [(3, 2, 0.95), (-1, 2, 0.95), (1, 2, 1.0), (1, 2, 0.0)])
def test_wilson_refuses_counts_that_form_no_proportion(successes, n, level) -> None:
    with pytest.raises(ValueError, match=r"successes|level"):
        wilson(successes, n, level)


@pytest.mark.parametrize(
    ("scores", "expected"),
    [
        ([7.0], 7.0),
        ([1, 2, 6], 3.0),
        ([0, 0, 1, 100], 0.5),
        ([8, 1, 7, 2, 6, 3, 5, 4], 4.5),
        (range(1, 11), 5.5),
        ([0, 0, 10, 20, 30, 40, 50, 90, 100, 1000], (10 + 20 + 30 + 40 + 50 + 90) / 6),
    ],
)
def test_the_interquartile_mean_leaves_out_a_quarter_at_each_end(scores, expected) -> None:
    assert interquartile_mean(list(scores)) == pytest.approx(expected)


def test_the_interquartile_mean_works_along_the_last_axis() -> None:
    assert interquartile_mean([[0, 1, 3, 9], [4, 4, 4, 4]]).tolist() == [2.0, 4.0]
    with pytest.raises(ValueError, match="no scores"):
        interquartile_mean([])


def test_the_bootstrap_of_two_scores_has_three_outcomes() -> None:
    # Means 0, 0.5 and 1 come with probability 1/4, 1/2, 1/4.
    assert stratified_bootstrap([0, 1], mean) == (0.0, 1.0)
    assert stratified_bootstrap([0, 1], mean, level=0.4) == (0.5, 0.5)


def test_strata_are_resampled_separately() -> None:
    assert stratified_bootstrap({"easy": [1, 1, 1], "hard": [0, 0, 0]}, mean) == (0.5, 0.5)
    low, high = stratified_bootstrap([1, 1, 1, 0, 0, 0], mean)
    assert low < 0.2 and high > 0.8


def test_the_bootstrap_agrees_with_the_normal_interval_of_many_scores() -> None:
    scores = np.random.default_rng(3).normal(10, 2, size=400)
    half = 1.96 * scores.std() / math.sqrt(400)
    interval = stratified_bootstrap(scores, mean)
    assert interval == pytest.approx((scores.mean() - half, scores.mean() + half), abs=0.02)


def test_jobs_are_the_unit_of_a_claim_about_a_method() -> None:
    jobs = [[0.0] * 50, [1.0] * 50]
    assert hierarchical_bootstrap(jobs, mean) == (0.0, 1.0)
    assert hierarchical_bootstrap([[0.4, 0.6]], mean) == UNBOUNDED


def test_one_seed_gives_an_unbounded_interval() -> None:
    assert stratified_bootstrap([0.9]) == UNBOUNDED
    assert stratified_bootstrap({"a": [0.9, 0.8], "b": [0.1]}) == UNBOUNDED
    assert difference([0.9], [0.1]) == UNBOUNDED
    assert verdict([0.9], [0.1]) == "not shown"


def test_interval_does_not_depend_on_the_order_of_strata() -> None:
    a, b = np.random.default_rng(0).normal([[0], [3]], 1.0, size=(2, 9))
    one = stratified_bootstrap({"a": a, "b": b}, seed=5)
    assert one == stratified_bootstrap({"b": b, "a": a}, seed=5)
    assert one != stratified_bootstrap({"a": a, "b": b}, seed=6)


@settings(max_examples=50, deadline=None)
@given(RATES.filter(lambda scores: len(scores) > 1))
def test_an_interval_lies_within_the_scores_and_moves_with_them(scores: list[float]) -> None:
    low, high = stratified_bootstrap(scores, reps=200)
    assert min(scores) - 1e-12 <= low <= high <= max(scores) + 1e-12
    moved = stratified_bootstrap([score + 5 for score in scores], reps=200)
    assert moved == pytest.approx((low + 5, high + 5))


def test_probability_of_improvement_counts_pairs() -> None:
    # 1 beats 0; 2 beats 0 and ties twice; 3 beats all: (1 + 2 + 3) / 9.
    assert probability_of_improvement([1, 2, 3], [2, 2, 0]) == pytest.approx(6 / 9)


@given(RATES, RATES)
def test_probability_of_improvement_and_its_reverse_sum_to_one(a: list[float], b: list[float]) -> None:
    assert probability_of_improvement(a, b) + probability_of_improvement(b, a) == pytest.approx(1)
    assert probability_of_improvement(a, a) == 0.5


def test_a_constant_advantage_on_paired_seeds_has_no_spread() -> None:
    a = np.array([0.2, 0.9, 0.5, 0.4, 0.7, 0.1])
    assert difference(a + 0.1, a) == pytest.approx((0.1, 0.1))
    with pytest.raises(ValueError, match="paired"):
        difference([1, 2], [1, 2, 3])


def test_order_chance_equals_that_of_random_assignments() -> None:
    # Of the C(8, 4) = 70 deals two separate the sides fully; of C(6, 3) = 20, two.
    assert order_chance([5, 6, 7, 8], [1, 2, 3, 4]) == pytest.approx(2 / 70, abs=0.006)
    assert order_chance([4, 5, 6], [1, 2, 3]) == pytest.approx(2 / 20, abs=0.012)
    assert order_chance([1, 1, 1], [1, 1, 1]) == 1.0
    assert order_chance([1, 1, 1, 1], [0, 0, 0, 0]) == pytest.approx(2 / 70, abs=0.006)


@pytest.mark.parametrize(
    ("a", "b", "expected"),
    [
        ([0.98, 0.97, 0.99, 0.95], [0.03, 0.0, 0.05, 0.1], "better"),
        ([0.03, 0.0, 0.05, 0.1], [0.98, 0.97, 0.99, 0.95], "worse"),
        ([1.0] * 10, [0.0] * 10, "better"),
        ([0.9, 0.8, 0.7], [0.1, 0.2, 0.3], "not shown"),  # 3 against 3 cannot be
        ([0.5] * 10, [0.5] * 10, "not shown"),
        ([0.9, 0.1, 0.8, 0.2, 0.9, 0.1], [0.8, 0.2, 0.7, 0.3, 0.9, 0.1], "not shown"),
        # Each seed gains a little, yet dealt at random the scores would often look so.
        ([0.11, 0.31, 0.51, 0.71, 0.91], [0.1, 0.3, 0.5, 0.7, 0.9], "not shown"),
        ([0.9] * 9 + [0.0], [0.1] * 10, "better"),  # one failed seed in ten
    ],
)
def test_a_verdict_needs_enough_seeds_and_a_clear_difference(a, b, expected) -> None:
    assert verdict(a, b) == expected


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 10_000), st.integers(2, 12))
@example(817, 8)  # borderline: the chance of such an order is 4.9 % in some deals and 5.1 % in others
def test_swapping_the_two_arms_reverses_the_verdict(seed: int, n: int) -> None:
    a, b = np.random.default_rng(seed).normal([[0.4], [0.0]], 0.3, size=(2, n))
    assert {verdict(a, b), verdict(b, a)} in ({"better", "worse"}, {"not shown"})


def test_equal_arms_differ_in_at_most_5_percent_of_cases() -> None:
    generator = np.random.default_rng(11)
    for seeds in (4, 6, 10):
        shown = sum(verdict(*generator.beta(5, 1, size=(2, seeds)), reps=400) != "not shown" for _ in range(200))
        assert shown <= 20  # 5 % of 200, and three standard deviations of it


def test_fewer_than_ten_seeds_are_preliminary() -> None:
    assert [preliminary(n) for n in (1, 9, 10, 11)] == [True, True, False, False]


@pytest.mark.parametrize("scores", [[], [[0.1, 0.2]], [float("nan"), 1.0], [float("inf")]])
def test_invalid_scores_are_refused(scores) -> None:
    for statistic in (
        stratified_bootstrap,
        lambda s: probability_of_improvement(s, [1.0]),
        lambda s: verdict(s, s),
    ):
        with pytest.raises(ValueError, match="scores must be"):
            statistic(scores)


STEPS = [100, 200, 300, 400, 500, 600]


@pytest.mark.parametrize(
    ("success", "expected"),
    [
        ([0.9, 0.9, 0.9, 0.0, 0.0, 0.0], 100),
        ([0.1, 0.95, 0.95, 0.5, 0.92, 0.93], None),  # two in a row, twice
        ([0.1, 0.95, 0.5, 0.91, 0.9, 1.0], 400),
        ([0.1, 0.2, 0.3, 0.89, 0.899, 0.8999], None),
        ([float("nan"), 0.95, 0.95, float("nan"), 0.95, 0.95], None),
        ([0.0] * 6, None),
    ],
)
def test_the_threshold_is_reached_at_the_first_of_three_in_a_row(success, expected) -> None:
    assert steps_to_threshold(STEPS, success) == expected


def test_an_empty_curve_is_censored_and_an_uneven_one_refused() -> None:
    assert steps_to_threshold([], []) is None
    assert steps_to_threshold(STEPS, [0.5] * 6, threshold=0.5, consecutive=1) == 100
    with pytest.raises(ValueError, match="equal length"):
        steps_to_threshold([1, 2], [0.5])
    with pytest.raises(ValueError, match="consecutive"):
        steps_to_threshold([1], [0.5], consecutive=0)
