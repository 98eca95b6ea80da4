"""Real trials with tiny budgets: resuming, forced truncations, bootstrapping, failing programs."""

from __future__ import annotations

import tempfile
from pathlib import Path

import numpy as np
import pytest

from rewardsmith.methods import get_method
from rewardsmith.programs.reward import SPARSE, TrainingReward
from rewardsmith.spec import TrainingSpec
from rewardsmith.tasks import get_task
from rewardsmith.training.schedule import distinct_rungs, schedule
from rewardsmith.training.shaping import CHUNK_STEPS
from rewardsmith.training.trial import TrialPlan, build, run_trial
from rewardsmith.training.vecenv import BatchVecEnv
from sandbox.client import HostError

TASK = "MiniGrid-Empty-5x5-v0"  # 100 steps at most, so a forced truncation every 320 steps of each environment
TRAINING = TrainingSpec(num_envs=8, rollout_steps=64, batch_size=128, epochs=2, eval_episodes=16, final_episodes=32)
STEPS = 8 * 64 * 15
PROGRAM = """
def sparse(prev, action, state, memory):
    return 1.0 if state.solved or (state.event == "blocked" and not memory.setdefault("paid", False)) else 0.0

def dense(prev, action, state, memory):
    memory["n"] = memory.get("n", 0) + 1
    return float(state.agent.x - prev.agent.x) + 0.001 * memory["n"]
"""


class Killed(Exception):
    """Simulates kill -9: nothing is written after it."""


def plan(folder: Path, reward: TrainingReward, fraction: float = 1.0) -> TrialPlan:
    return TrialPlan(get_task(TASK), reward, TRAINING, 3, STEPS, fraction, folder)


def run(folder: Path, reward: TrainingReward, fraction: float = 1.0, kill_at: int | None = None):
    points = []

    def beat(steps: int) -> None:
        if kill_at is not None and steps >= kill_at:
            raise Killed

    report = run_trial(plan(folder, reward, fraction), points.append, beat)
    return report, points


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory):
    """(report, curve, bytes of the policy) of a trial with both channels that nothing interrupts."""
    folder = tmp_path_factory.mktemp("undisturbed")
    report, curve = run(folder, get_method("auto-mc-reward").reward(PROGRAM))
    return report, curve, (folder / "policy.safetensors").read_bytes()


@pytest.mark.parametrize("method", [pytest.param("sparse", marks=pytest.mark.slow), "auto-mc-reward"])
def test_killed_trial_resumes_bit_for_bit(tmp_path, method, undisturbed):
    reward = SPARSE if method == "sparse" else get_method(method).reward(PROGRAM)
    whole, curve, policy = undisturbed
    if method == "sparse":
        whole, curve = run(tmp_path / "whole", reward)
        policy = (tmp_path / "whole/policy.safetensors").read_bytes()
    with pytest.raises(Killed):
        run(tmp_path / "killed", reward, kill_at=8 * 64 * 12)
    resumed, rest = run(tmp_path / "killed", reward)
    assert policy == (tmp_path / "killed/policy.safetensors").read_bytes()
    assert resumed.stochastic == whole.stochastic
    by_steps = {p.steps: p for p in curve}
    assert rest and all(by_steps[p.steps].evaluation == p.evaluation for p in rest)
    assert rest[-1].telemetry == curve[-1].telemetry


def test_rungs_one_after_another_equal_one_long_rung(tmp_path, undisturbed):
    reward = get_method("auto-mc-reward").reward(PROGRAM)
    whole, _, policy = undisturbed
    for fraction in (0.5, 0.8, 1.0):
        last, _ = run(tmp_path / "rungs", reward, fraction)
    assert last.stochastic == whole.stochastic
    assert policy == (tmp_path / "rungs/policy.safetensors").read_bytes()


def test_forced_truncations_lie_three_step_limits_apart():
    plans = schedule(get_task(TASK), TRAINING, STEPS)
    assert plans.cut_every * TRAINING.rollout_steps >= 3 * 100
    assert plans.rung_end(0.5) % plans.cut_every == 0
    assert plans.rung_end(1.0) == 15


def test_rungs_without_a_truncation_between_them_are_merged():
    task = get_task(TASK)
    assert distinct_rungs(task, TRAINING, 8 * 64 * 10, (0.25, 0.5, 1.0)) == (0.5, 1.0)
    assert distinct_rungs(task, TRAINING, 10 * STEPS, (0.25, 0.5, 1.0)) == (0.25, 0.5, 1.0)
    assert distinct_rungs(task, TRAINING, 1_000, (0.25, 0.5, 1.0)) == (1.0,)


def test_a_forced_truncation_ends_every_episode_and_is_not_counted():
    task = get_task(TASK)
    env = BatchVecEnv(task.batch(4, "train"), task, 8, seed=0, cut_every=2)
    env.reset()
    for t in range(16):
        env.step_async(np.full(4, 6))  # DONE changes nothing
        _, rewards, dones, infos = env.step_wait()
        assert not rewards.any()
        assert dones.all() == (t == 15)
    assert env.rollout.cut[-1].all() and env.rollout.truncated[-1].all() and not env.rollout.terminated.any()
    assert all(info["TimeLimit.truncated"] for info in infos)
    assert env.cuts == 1
    env.step_wait()
    assert env.rollout.starts[0].all()


def test_the_state_after_the_last_step_is_not_the_next_episode_s_first():
    task = get_task(TASK)
    env = BatchVecEnv(task.batch(2, "train"), task, 100, seed=0)
    env.reset()
    for _ in range(100):
        env.step_async(np.zeros(2, dtype=np.int64))
        env.step_wait()
    step = task.schema.field("step").column
    assert (env.rollout.after[-1, :, step] == 100).all()
    assert (env.rollout.before[0, :, step] == 0).all()


@pytest.mark.parametrize(
    "body, words",
    [
        ("return float('nan')", "finite"),
        ("return 1 / (state.step - 300) if state.step < 80 else 'x'", "str"),
        ("return state.nothing", "no field 'nothing'"),
        ("while state.step > 40: pass\n    return 0.0", "time"),
    ],
)
def test_a_program_that_fails_in_training_ends_the_trial_with_its_cause(tmp_path, body, words):
    source = f"def reward(prev, action, state, memory):\n    {body}\n"
    with pytest.raises(HostError, match=words):
        run(tmp_path, get_method("free").reward(source))


def test_training_and_claim_layouts_are_disjoint():
    task = get_task("MiniGrid-DoorKey-8x8-v0")
    seen = set(task.pool_hashes("train"))
    assert task.unseen("claim") and not seen & set(task.pool_hashes("claim"))
    assert task.unseen("select") and not seen & set(task.pool_hashes("select"))


def test_scoring_in_chunks_trains_bit_for_bit_like_scoring_whole_rollouts(tmp_path, monkeypatch, undisturbed):
    reward = get_method("auto-mc-reward").reward(PROGRAM)
    assert CHUNK_STEPS not in (7, 10**6)
    policies = {undisturbed[2]}
    for folder, steps in (("odd", 7), ("whole", 10**6)):
        monkeypatch.setattr("rewardsmith.training.shaping.CHUNK_STEPS", steps)
        monkeypatch.setattr("rewardsmith.training.shaping.CHUNK_TRANSITIONS", 0)  # it counts where environments are few
        run(tmp_path / folder, reward)
        policies.add((tmp_path / folder / "policy.safetensors").read_bytes())
    assert len(policies) == 1


@pytest.mark.parametrize("memory", ["none", "lstm"])
def test_a_trial_leaves_nothing_in_the_temporary_folder(tmp_path, monkeypatch, memory):
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    training = TRAINING.model_copy(update={"memory": memory})
    started = TrialPlan(get_task(TASK), SPARSE, training, 3, 8 * 64, 1.0, Path("unused"))
    env = BatchVecEnv(started.task.batch(8, "train"), started.task, 64, seed=0)
    try:
        build(started, env).learn(0)
    finally:
        env.close()
    assert list(tmp_path.iterdir()) == []
