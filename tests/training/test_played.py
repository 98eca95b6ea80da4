"""Steps that a trial plays without training: always counted, limited for slow environments in the search."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import pytest

from rewardsmith.methods import get_method
from rewardsmith.programs.reward import SPARSE
from rewardsmith.spec import TrainingSpec
from rewardsmith.tasks import get_task
from rewardsmith.tasks.described.task import DescribedTask, Description, Variable
from rewardsmith.training.episodes import Watched
from rewardsmith.training.played import LEAST_EPISODES
from rewardsmith.training.trial import TrialPlan, TrialReport, run_trial
from rewardsmith.verification.checks import RANDOM_TRANSITIONS, sample_transitions
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


def test_slow_environment_is_played_no_more_than_trained(tmp_path):
    reward = get_method("free").reward(PROGRAM)
    before = {"check": 200}
    for fraction in (0.5, 1.0):
        report, points = run(tmp_path, 4_800, fraction, reward=reward, played=before, isolation=Isolation.NONE)
        before = report.telemetry["played"]
        assert sum(before.values()) <= report.steps and not report.telemetry["played_least"]
    assert report.steps == 4_800 and before["check"] == 200
    assert before["success"] > 0 and report.stochastic.episodes >= LEAST_EPISODES
    assert report.failed_episodes, "the analyzer has nothing to read"
    assert any(p.evaluation is None for p in points), "a point that is too dear has no number"
    assert points[-1].evaluation == report.stochastic


def test_short_trial_is_evaluated_on_the_fewest_episodes(tmp_path):
    report, _ = run(tmp_path, 320)
    assert report.stochastic.episodes == LEAST_EPISODES and report.greedy is None
    assert report.telemetry["played_least"] is True


def test_trial_within_its_share_reports_no_excess(tmp_path):
    report, _ = run(tmp_path, 640)
    assert report.stochastic.episodes == LEAST_EPISODES
    assert sum(report.telemetry["played"].values()) <= report.steps
    assert report.telemetry["played_least"] is False


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
    report, _ = run(
        tmp_path, 3200, task="CartPole-v1", reward=get_method("free").reward(PROGRAM), isolation=Isolation.NONE
    )
    assert 0 < report.telemetry["played"]["watching"] < 8 * 500


def test_a_check_plays_the_allowed_number_of_random_steps():
    task = get_task("CartPole-v1")
    assert sample_transitions(task).starts.size == RANDOM_TRANSITIONS
    assert sample_transitions(task, most=1000).starts.size <= 1000


def test_steps_of_watched_failures_are_not_in_their_telemetry():
    assert "played" not in Watched([], 0, None, None, None, 5).telemetry().as_json()
