"""A curriculum over tasks of a family: joined layouts, the chances of tasks, and whole trials."""

from __future__ import annotations

import numpy as np
import pytest

from rewardsmith.errors import UsageError
from rewardsmith.programs.reward import SPARSE
from rewardsmith.spec import TrainingSpec
from rewardsmith.tasks import get_task
from rewardsmith.training.curriculum import Curriculum, chances, joined, progress
from rewardsmith.training.fit import require_algorithm
from rewardsmith.training.trial import TrialPlan, run_trial

SMALL, LARGE = "MiniGrid-DoorKey-5x5-v0", "MiniGrid-DoorKey-6x6-v0"
TINY = TrainingSpec(
    num_envs=4, rollout_steps=64, batch_size=64, epochs=1, eval_episodes=10, final_episodes=10, curriculum=(SMALL,)
)


def test_progress_is_the_change_of_success_between_the_halves():
    assert progress([False] * 50 + [True] * 50) == 1.0
    assert progress([True] * 30 + [False] * 20 + [True] * 20 + [False] * 30) == pytest.approx(0.2)
    assert progress([True] * 19) == 1.0 and progress([True] * 20) == 0.0


def test_a_fifth_of_the_draws_has_equal_chances():
    assert chances(np.array([0.3, 0.1, 0.0, 0.0])).tolist() == pytest.approx([0.65, 0.25, 0.05, 0.05])
    assert chances(np.zeros(4)).tolist() == [0.25] * 4


@pytest.mark.parametrize(
    "small, large", [(SMALL, LARGE), ("MiniGrid-KeyCorridorS3R1-v0", "MiniGrid-KeyCorridorS3R2-v0")]
)
def test_a_smaller_layout_plays_the_same_within_walls(small: str, large: str):
    own, whole = get_task(small), joined(get_task(large), (small,))
    (name, _, count), (other, first, _) = whole.arms  # type: ignore[attr-defined]
    assert (name, other, first) == (large, small, count)
    batch, alone = whole.batch(1, "train"), own.batch(1, "train")
    rng = np.random.default_rng(0)
    seen, expected = (np.zeros((1, own.observation_size), dtype=np.float32) for _ in range(2))
    for layout in range(8):
        batch.play(first + layout)
        alone.play(layout)
        for _ in range(60):
            batch.observe(seen)
            alone.observe(expected)
            assert np.array_equal(seen, expected)
            action = rng.integers(0, 6, 1)
            batch.step(action)
            alone.step(action)
            assert (batch.success[0], batch.terminated[0]) == (alone.success[0], alone.terminated[0])
            if alone.terminated[0] or alone.truncated[0]:
                break


def test_evaluations_play_the_task_itself():
    whole, own = joined(get_task(LARGE), (SMALL,)), get_task(LARGE)
    for pool in ("select", "claim"):
        assert np.array_equal(whole.pool_hashes(pool), own.pool_hashes(pool))  # type: ignore[attr-defined]
    assert whole.schema.width == own.schema.width and whole.max_steps == own.max_steps


def test_episodes_of_other_tasks_are_no_successes_of_the_policy():
    task = joined(get_task(LARGE), (SMALL,))
    curriculum, batch = Curriculum(task, 64, 0), task.batch(64, "train")
    batch.reset(0)
    curriculum.reset(0)
    curriculum.begin(batch, np.ones(64, dtype=bool))
    first = task.arms[1][1]  # type: ignore[attr-defined]
    other = batch.layout >= first
    assert 16 < other.sum() < 48
    batch.step(np.full(64, 6))
    assert np.array_equal(curriculum.after(batch, np.full(64, 6)), other)


def test_a_resumed_trial_with_a_curriculum_is_the_same(tmp_path):
    def trained(folder, kill_at=None):
        points = []

        def beat(done: int) -> None:
            if kill_at is not None and done >= kill_at * 256:
                raise KeyboardInterrupt

        plan = TrialPlan(get_task(LARGE), SPARSE, TINY, 3, 20 * 256, 1.0, folder, curve_points=5)
        return run_trial(plan, points.append, beat), points

    whole, points = trained(tmp_path / "whole")
    told = points[-1].telemetry["methods"]["start states"]
    assert told[f"chance of {SMALL}"] + told[f"chance of {LARGE}"] == pytest.approx(1.0)
    with pytest.raises(KeyboardInterrupt):
        trained(tmp_path / "killed", kill_at=19)
    resumed, _ = trained(tmp_path / "killed")
    assert (tmp_path / "whole/policy.safetensors").read_bytes() == (tmp_path / "killed/policy.safetensors").read_bytes()
    assert resumed.telemetry == whole.telemetry


@pytest.mark.parametrize(
    "task, other, words",
    [
        (LARGE, "MiniGrid-Empty-5x5-v0", "no other task of the family DoorKey"),
        (SMALL, LARGE, "is larger than"),
        ("CartPole-v1", SMALL, "has no family of tasks"),
    ],
)
def test_tasks_that_do_not_fit_are_refused(task: str, other: str, words: str):
    with pytest.raises(UsageError, match=words) as caught:
        require_algorithm(get_task(task), TrainingSpec(curriculum=(other,)))
    assert len(str(caught.value).splitlines()) == 2
