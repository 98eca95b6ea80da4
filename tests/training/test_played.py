"""Steps that a trial plays without training: always counted, limited for slow environments in the search."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rewardsmith.methods import get_method
from rewardsmith.programs.reward import SPARSE
from rewardsmith.reporting.proportion import anytime_interval
from rewardsmith.scores import ScoreScale, anytime_half_width
from rewardsmith.spec import TrainingSpec
from rewardsmith.tasks import get_task
from rewardsmith.tasks.described.task import DescribedTask, Description, Variable
from rewardsmith.training.episodes import Watched
from rewardsmith.training.evaluation import Evaluation, evaluate_within
from rewardsmith.training.played import FEWEST_EPISODES, LEAST_EPISODES, PlayedSteps
from rewardsmith.training.trial import TrialPlan, TrialReport, build, run_trial
from rewardsmith.training.turns import Limit, Tally, Within
from rewardsmith.training.vecenv import BatchVecEnv
from rewardsmith.verification.sample import RANDOM_TRANSITIONS, sample_transitions
from sandbox.client import Isolation

EMPTY = "MiniGrid-Empty-5x5-v0"
SLOW = DescribedTask(
    Description(
        id="Short", env_id="CartPole-v1", goal="Never mind.", max_steps=20, actions=["left", "right"],
        success="x > 2.3", state=[Variable(name=n) for n in ("x", "speed", "angle", "turning")],
    )
)  # fmt: skip
PROGRAM = "def reward(prev, action, state, memory):\n    return 0.0\n"
TRAINING = TrainingSpec(num_envs=16, rollout_steps=20, batch_size=160, epochs=1, eval_episodes=50, final_episodes=100)


def run(
    folder: Path, steps: int, fraction: float = 1.0, task: str | DescribedTask = SLOW, **changes
) -> tuple[TrialReport, list]:
    points: list = []
    plan = TrialPlan(get_task(task) if isinstance(task, str) else task, SPARSE, TRAINING, 1, steps, fraction, folder)
    plan = dataclasses.replace(plan, **changes)
    return run_trial(plan, points.append, lambda steps: None), points


def test_slow_environment_is_played_a_quarter_of_the_trained_steps(tmp_path):
    reward = get_method("free").reward(PROGRAM)
    before = {"check": 200}
    for fraction in (0.5, 1.0):
        report, points = run(tmp_path, 9_600, fraction, reward=reward, played=before, isolation=Isolation.NONE)
        before = report.telemetry["played"]
        assert sum(before.values()) <= 0.25 * report.steps and not report.telemetry["played_least"]
    assert report.steps == 9_600 and before["check"] == 200
    assert before["success"] > 0 and report.stochastic.episodes >= LEAST_EPISODES
    assert report.failed_episodes, "the analyzer has nothing to read"
    assert any(p.evaluation is None for p in points), "a point that is too dear has no number"
    assert points[-1].evaluation == report.stochastic


@pytest.mark.parametrize(
    ("episodes", "successes", "precise"),
    [(60, 0, False), (80, 0, True), (80, 80, True), (200, 100, False), (2_000, 1_000, True)],
)
def test_a_success_rate_is_precise_once_its_interval_is_narrow(episodes, successes, precise):
    assert Tally(episodes=episodes, successes=successes).precise(None) is precise
    low, high = anytime_interval(successes, episodes)
    assert (high - low <= 0.1) is precise and low <= successes / episodes <= high


@pytest.mark.parametrize(
    ("episodes", "spread", "precise"), [(19, 0.0, False), (20, 0.0, True), (20, 10.0, False), (400, 10.0, True)]
)
def test_a_score_is_precise_relative_to_random_play_and_the_reference(episodes, spread, precise):
    scale = ScoreScale(0.0, -1.0, 1.0, 200, reference=100.0)
    squares = episodes * 50.0**2 + (episodes - 1) * spread**2
    tally = Tally(episodes=episodes, returned=50.0 * episodes, squares=squares)
    assert tally.precise(scale) is precise
    assert (anytime_half_width(spread**2, episodes) <= 5.0) is precise or episodes < 20


def test_a_policy_that_never_succeeds_is_measured_on_fewer_episodes(tmp_path):
    plan = TrialPlan(SLOW, SPARSE, TRAINING, 1, 320, 1.0, tmp_path)
    env = BatchVecEnv(SLOW.batch(16, "train"), SLOW, 20, seed=0)
    policy = build(plan, env).policy
    env.close()
    found, steps = evaluate_within(policy, SLOW, "select", 1, Limit(400, 100_000, 16))
    assert found.sequential and found.successes == 0 and 60 < found.episodes < 110
    assert found.mean_length * found.episodes <= steps <= 110 * 20


def test_the_share_is_a_setting(tmp_path):
    more = TRAINING.model_copy(update={"evaluation_share": 1.0})
    report, _ = run(tmp_path, 1_600, training=more)
    assert 0.25 * report.steps < sum(report.telemetry["played"].values()) <= report.steps


def test_short_trial_is_evaluated_on_the_fewest_episodes(tmp_path):
    report, _ = run(tmp_path, 320)
    assert FEWEST_EPISODES <= report.stochastic.episodes < LEAST_EPISODES and report.greedy is None
    assert report.telemetry["played_least"] is True


@settings(max_examples=30, deadline=None)
@given(
    st.floats(0.01, 1.0), st.integers(1, 16), st.integers(1, 50), st.lists(st.integers(1, 3_000), min_size=1),
    st.lists(st.integers(0, 100), min_size=1, max_size=20), st.data(),
)  # fmt: skip
def test_no_sequence_of_evaluations_exceeds_the_share(share, envs, longest, rungs, asked, data):
    """Evaluations end early by any amount; only the fewest episodes of a rung's end may exceed the share."""
    played = PlayedSteps(cast(Any, SimpleNamespace(max_steps=longest)), share, envs)

    def play(policy, task, pool, seed, limit, *, greedy):
        steps = data.draw(st.integers(1, max(1, limit.steps)))
        return Evaluation(0, 1, 1.0, 0.0, sequential=True), steps

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("rewardsmith.training.played.evaluate_within", play)
        trained = 0
        for more in rungs:
            trained += more
            for wanted in asked:
                before = sum(played.counts.values())
                played.curve(None, "select", 10 + wanted, 0, trained)
                assert sum(played.counts.values()) <= max(before, share * trained / 2)
            played.success(None, "select", 200, 0, trained)
            fewest = FEWEST_EPISODES * longest
            assert sum(played.counts.values()) <= max(share * trained, before + fewest)
            assert played.least == (sum(played.counts.values()) > int(share * trained))
            if episodes := played.watchable(trained):
                played.watched(episodes * longest)
            played.greedy(None, "select", 200, 0, trained)
            assert played.least or sum(played.counts.values()) <= share * trained


@settings(max_examples=40, deadline=None)
@given(st.integers(1, 60), st.integers(1, 2_000), st.integers(1, 16), st.integers(1, 30), st.integers(0, 2**32 - 1))
def test_episodes_within_a_limit_cost_no_more_than_it(wanted, steps, at_once, longest, seed):
    """Turns over environments whose episodes last any time up to the step limit, of which none is precise."""
    limit, rng = Limit(wanted, max(steps, longest), at_once), np.random.default_rng(seed)
    envs = limit.environments(longest)
    turns, tally, begun = Within(envs, limit, cast(Any, SimpleNamespace(max_steps=longest))), Tally(), 0
    turns._comparable = False
    left = rng.integers(1, longest + 1, envs)
    while (playing := turns.playing.copy()).any():
        tally.steps += envs
        left -= 1
        done = left == 0
        begun += int((done & playing).sum())
        left[done] = rng.integers(1, longest + 1, int(done.sum()))
        turns.end(done & playing, tally)
    assert tally.steps <= limit.steps and limit.certain(longest) <= begun <= wanted


def test_a_resumed_trial_counts_what_it_played_before_it_was_killed(tmp_path):
    class Killed(Exception):
        pass

    def beat(steps: int) -> None:
        if steps >= 4_000:
            raise Killed

    whole, curve = run(tmp_path / "whole", 4_800)
    plan = TrialPlan(SLOW, SPARSE, TRAINING, 1, 4_800, 1.0, tmp_path / "killed")
    with pytest.raises(Killed):
        run_trial(plan, lambda point: None, beat)
    resumed, rest = run(tmp_path / "killed", 4_800)
    assert resumed.telemetry["played"] == whole.telemetry["played"]
    assert resumed.stochastic == whole.stochastic and resumed.greedy == whole.greedy
    by_steps = {p.steps: p.evaluation for p in curve}
    assert rest and all(by_steps[p.steps] == p.evaluation for p in rest)


@pytest.mark.parametrize(("task", "pool"), [(EMPTY, "select"), ("CartPole-v1", "claim")])
def test_a_claim_and_the_compiled_engine_are_counted_and_not_limited(tmp_path, task, pool):
    report, points = run(tmp_path, 3200, task=task, pool=pool)
    assert report.stochastic.episodes == report.greedy.episodes == TRAINING.final_episodes
    assert all(p.evaluation is not None for p in points)
    assert set(report.telemetry["played"]) >= {"curve", "success", "greedy"}


def test_evaluation_ends_with_the_last_episode(tmp_path):
    reward, training = get_method("free").reward(PROGRAM), TRAINING.model_copy(update={"evaluation_share": 1.0})
    report, _ = run(tmp_path, 3200, task="CartPole-v1", reward=reward, training=training, isolation=Isolation.NONE)
    assert 0 < report.telemetry["played"]["watching"] < 8 * 500


def test_a_check_plays_the_allowed_number_of_random_steps():
    task = get_task("CartPole-v1")
    assert sample_transitions(task).starts.size == RANDOM_TRANSITIONS
    assert sample_transitions(task, most=1000).starts.size <= 1000


def test_steps_of_watched_failures_are_not_in_their_telemetry():
    assert "played" not in Watched([], 0, None, None, None, 5).telemetry().as_json()
