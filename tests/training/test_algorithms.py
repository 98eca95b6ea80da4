"""Every algorithm trains with reward channels as plain SB3 trains on the environment's reward, and resumes exactly."""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import sb3_contrib
import stable_baselines3 as sb3
import torch
from stable_baselines3.common.logger import Logger
from stable_baselines3.common.noise import NormalActionNoise

from benchmarks import equality
from rewardsmith.errors import DiskFull, UsageError
from rewardsmith.methods.recipe import recipe_of
from rewardsmith.programs.composition import Channel
from rewardsmith.programs.reward import SPARSE, TrainingReward
from rewardsmith.spec import TrainingSpec, default_training, read_spec, with_defaults
from rewardsmith.spec.training import ALGORITHMS
from rewardsmith.tasks import get_task
from rewardsmith.training.checkpoint import load_checkpoint
from rewardsmith.training.fit import require_algorithm
from rewardsmith.training.replay import ShapedReplayBuffer
from rewardsmith.training.trial import TrialPlan, build, run_trial
from rewardsmith.training.vecenv import BatchVecEnv

SMALL = {
    "eval_episodes": 10, "final_episodes": 10, "normalize_reward": False, "hidden": (16,),
}  # fmt: skip
OFF_POLICY = {"learning_starts": 20, "batch_size": 16}
PLAIN = {
    "ppo": {"num_envs": 4, "rollout_steps": 20, "batch_size": 40, "lr_hold": 1.0, "entropy_schedule": "constant"},
}  # fmt: skip
TASKS = {"dqn": "CartPole-v1", "qr-dqn": "CartPole-v1", "a2c": "CartPole-v1", "ppo": "CartPole-v1"}
CLASSES = {
    "ppo": sb3.PPO, "a2c": sb3.A2C, "dqn": sb3.DQN, "sac": sb3.SAC, "td3": sb3.TD3,
    "qr-dqn": sb3_contrib.QRDQN, "tqc": sb3_contrib.TQC, "crossq": sb3_contrib.CrossQ,
}  # fmt: skip


def task_of(algorithm: str) -> str:
    return TASKS.get(algorithm, "Pendulum-v1")


def settings_of(algorithm: str, **changes: Any) -> TrainingSpec:
    given = {**SMALL, **(OFF_POLICY if ALGORITHMS[algorithm].off_policy else {}), **changes}
    own = {"algorithm": algorithm, **ALGORITHMS[algorithm].defaults}
    base = default_training(task_of(algorithm)) if algorithm == "ppo" else own
    return TrainingSpec.model_validate({**base, **given})


def trial(folder: Path, algorithm: str, steps: int, reward: TrainingReward = SPARSE, **changes: Any) -> TrialPlan:
    settings = settings_of(algorithm, **changes)
    return TrialPlan(get_task(task_of(algorithm)), reward, settings, 3, steps, 1.0, folder)


def ignored(*_: Any) -> None:
    """Nothing is done with points and heartbeats."""


class PlainVecEnv(BatchVecEnv):
    """The same environments with their own rewards, as plain SB3 receives them."""

    def step_wait(self) -> Any:
        t = self.recorded
        observations, _, done, infos = super().step_wait()
        return observations, self.rollout.rewards[t].astype(np.float32), done, infos


def plain(algorithm: str, settings: TrainingSpec, seed: int, steps: int) -> Any:
    """The class of SB3 after `steps` steps, on the buffers, the optimizer and the rewards of its own."""
    task = get_task(task_of(algorithm))
    env = PlainVecEnv(task.batch(settings.num_envs, "train"), task, settings.collected, seed)
    kwargs: dict[str, Any] = {"learning_rate": settings.learning_rate, "gamma": settings.gamma}
    if settings.off_policy:
        kwargs |= OFF_POLICY
    if algorithm == "ppo":
        names = ("batch_size", "clip_range", "gae_lambda", "normalize_advantage")
        kwargs |= {name: getattr(settings, name) for name in names}
        kwargs |= {"n_steps": settings.rollout_steps, "n_epochs": settings.epochs, "ent_coef": settings.entropy}
    if algorithm == "td3":
        kwargs["action_noise"] = NormalActionNoise(np.zeros(1), np.full(1, settings.action_noise))
    model = CLASSES[algorithm]("MlpPolicy", env, seed=None, policy_kwargs={"net_arch": [16]}, **kwargs)
    torch.manual_seed(seed)
    np.random.seed(seed)
    model.action_space.seed(seed)
    model._setup_model()
    model.set_logger(Logger(folder=None, output_formats=[]))
    model.learn(steps)
    return model


@pytest.mark.parametrize("algorithm", CLASSES)
def test_training_equals_plain_sb3_bit_for_bit(tmp_path: Path, algorithm: str) -> None:
    steps = 160
    plan = trial(tmp_path, algorithm, steps, **PLAIN.get(algorithm, {}))
    run_trial(plan, ignored, ignored)
    expected = plain(algorithm, plan.training, plan.seed, steps)
    found = rebuilt(plan)
    for name, value in expected.policy.state_dict().items():
        assert torch.equal(value, found.policy.state_dict()[name]), name
    if plan.training.off_policy:
        ours, theirs = found.replay_buffer, expected.replay_buffer
        for name in ("observations", "next_observations", "actions", "rewards"):
            assert np.array_equal(getattr(ours, name)[:steps], getattr(theirs, name)[:steps]), name
        terminated = theirs.dones * (1 - theirs.timeouts)
        assert np.array_equal((ours.dones * (1 - ours.timeouts))[:steps], terminated[:steps])


@pytest.mark.slow
@pytest.mark.parametrize("case", equality.CASES)
def test_actions_and_losses_equal_plain_sb3_bit_for_bit(case: str) -> None:
    row = equality.compare(case, 2_000)
    assert row["actions"] and row["losses"] and row["env"] is None and row["zero"] is None


@pytest.fixture(autouse=True)
def kept_replay(monkeypatch: pytest.MonkeyPatch) -> None:
    """Keep the files of replay buffers, which a complete trial deletes."""
    monkeypatch.setattr(ShapedReplayBuffer, "discard", lambda self: None)


def rebuilt(plan: TrialPlan) -> Any:
    """The algorithm as the trial's last checkpoint has it."""
    env = BatchVecEnv(plan.task.batch(plan.training.num_envs, "train"), plan.task, plan.training.collected, 0)
    model = build(plan, env)
    assert load_checkpoint(plan.folder, model) is not None
    return model


class Stopped(Exception):
    """Ends a trial from its heartbeat, as a killed process would."""


def stop_at(steps: int) -> Any:
    def heartbeat(trained: int) -> None:
        if trained >= steps:
            raise Stopped

    return heartbeat


RESUMED = [("dqn", {}), ("sac", {"train_freq": 5, "normalize_observation": True})] + [
    pytest.param(name, {}, marks=pytest.mark.slow) for name in ("td3", "tqc")
]


@pytest.mark.parametrize(("algorithm", "changes"), RESUMED)
def test_a_resumed_trial_equals_an_uninterrupted_one(
    tmp_path: Path, algorithm: str, changes: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("rewardsmith.training.schedule._CUT_STEPS", 0)
    monkeypatch.setitem(TASKS, "dqn", "MountainCar-v0")
    settings = {"buffer_size": 500, "normalize_reward": True, **changes}
    whole, parts = (trial(tmp_path / name, algorithm, 1000, **settings) for name in ("whole", "parts"))
    expected = run_trial(whole, ignored, ignored)
    with pytest.raises(Stopped):
        run_trial(parts, ignored, stop_at(900))  # the checkpoint is at 600, so the ring has been overwritten since
    found = run_trial(parts, ignored, ignored)
    assert replace(found, seconds=0.0, steps_per_second=0.0, telemetry={}) == replace(
        expected, seconds=0.0, steps_per_second=0.0, telemetry={}
    )
    one, other = rebuilt(whole), rebuilt(parts)
    for name, value in one.policy.state_dict().items():
        assert torch.equal(value, other.policy.state_dict()[name]), name
    for name in ("observations", "rewards", "env_rewards", "parts"):
        assert np.array_equal(getattr(one.replay_buffer, name), getattr(other.replay_buffer, name)), name


def test_a_checkpoint_without_its_replay_files_is_not_resumed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("rewardsmith.training.schedule._CUT_STEPS", 0)
    monkeypatch.setitem(TASKS, "dqn", "MountainCar-v0")
    plan = trial(tmp_path, "dqn", 1000)
    with pytest.raises(Stopped):
        run_trial(plan, ignored, stop_at(700))
    shutil.rmtree(tmp_path / "replay")
    trained: list[int] = []
    assert run_trial(plan, ignored, trained.append).steps == 1000
    assert min(trained) < 600, "it started again"


def test_a_complete_trial_deletes_its_replay_and_is_not_repeated(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.undo()
    plan, trained = trial(tmp_path, "dqn", 200), []
    first = run_trial(plan, ignored, ignored)
    assert not (tmp_path / "replay").exists() and (tmp_path / "policy.safetensors").exists()
    again = run_trial(plan, ignored, trained.append)
    assert (again.steps, again.stochastic, trained) == (200, first.stochastic, [])


PROGRAM = '''def reward(prev, action, state, memory):
    """Counts the steps of an episode in memory."""
    memory["steps"] = memory.get("steps", 0) + 1
    return {"steps": 0.01 * memory["steps"]}
'''


def test_replay_holds_the_composed_reward_and_its_parts(tmp_path: Path) -> None:
    channels = (Channel("env", "env"), Channel("reward", "program", weight=2.0))
    plan = trial(tmp_path, "dqn", 200, TrainingReward(PROGRAM, ("reward",), channels))
    run_trial(plan, ignored, ignored)
    buffer = rebuilt(plan).replay_buffer
    ends = buffer.dones[:200, 0] > 0
    step = np.empty(200)
    since = 0
    for t in range(200):
        since += 1
        step[t] = since
        since = 0 if ends[t] else since
    assert np.allclose(buffer.parts[:200, 0], np.stack([np.ones(200), 0.02 * step], axis=1))
    assert np.allclose(buffer.rewards[:200, 0], 1.0 + 0.02 * step)
    assert np.array_equal(buffer.env_rewards[:200, 0], np.ones(200, np.float32))


def test_a_setting_of_another_algorithm_is_refused_with_the_nearest() -> None:
    with pytest.raises(UsageError, match=r"SAC \(stable-baselines3\) has no setting `epochs`") as caught:
        with_defaults({"task": "Pendulum-v1", "training": {"algorithm": "sac", "epochs": 5}})
    assert "training.gradient_steps" in str(caught.value)


def test_a_replay_buffer_that_does_not_fit_is_refused_with_its_size(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("shutil.disk_usage", lambda path: type("Usage", (), {"free": 2**20})())
    with pytest.raises(DiskFull, match=r"The replay buffer needs 0\.0 GB on disk"):
        run_trial(trial(tmp_path, "dqn", 200), ignored, ignored)


def test_observations_are_normalised_inside_the_policy(tmp_path: Path) -> None:
    plan = trial(tmp_path, "ppo", 512, normalize_observation=True, num_envs=4, rollout_steps=64, batch_size=64)
    run_trial(plan, ignored, ignored)
    env = BatchVecEnv(plan.task.batch(64, "train"), plan.task, 8, 5)
    moments = rebuilt(plan).policy.features_extractor.moments
    seen = torch.as_tensor(env.reset())
    assert moments.count == 512 and moments.variance.min() > 0
    expected = (seen - moments.mean) / torch.sqrt(moments.variance + 1e-8)
    assert torch.allclose(moments(seen), expected.clamp(-10, 10))
    assert not torch.allclose(moments.mean, torch.zeros(4))


def test_the_last_steps_of_an_off_policy_trial_are_audited(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from rewardsmith.training import shaping

    seen = []
    monkeypatch.setattr(shaping, "require_same_scores", lambda problem, rollout, scores: seen.append((rollout, scores)))
    channels = (Channel("env", "env"), Channel("reward", "program"))
    run_trial(trial(tmp_path, "dqn", 700, TrainingReward(PROGRAM, ("reward",), channels)), ignored, ignored)
    ((rollout, scores),) = seen
    assert 512 <= len(rollout.starts) < 520 and rollout.starts.sum() > 1
    assert scores.values.shape == (*rollout.starts.shape, 1)
    before = np.concatenate([[False], (rollout.terminated | rollout.truncated)[:-1, 0]])
    assert np.array_equal(rollout.starts[1:, 0], before[1:])


@pytest.mark.parametrize("algorithm", ["ppo", "sac"])
def test_state_dependent_exploration_trains_and_is_evaluated(tmp_path: Path, algorithm: str) -> None:
    settings = {"sde": True, "num_envs": 2}
    task = get_task("Pendulum-v1")
    chosen = settings_of(algorithm, **settings, **({"train_freq": 20} if algorithm == "sac" else {"rollout_steps": 50}))
    report = run_trial(TrialPlan(task, SPARSE, chosen, 3, 200, 1.0, tmp_path, pool="claim"), ignored, ignored)
    assert report.greedy is not None and report.stochastic != report.greedy


@pytest.mark.parametrize(
    ("task", "training", "words"),
    [
        ("CartPole-v1", {"algorithm": "sac"}, "cannot choose discrete actions"),
        ("Pendulum-v1", {"algorithm": "dqn"}, "cannot choose continuous actions"),
        ("CartPole-v1", {"sde": True}, "State-dependent exploration needs continuous actions"),
        ("Pendulum-v1", {"algorithm": "td3", "policy_kwargs": {"log_std_init": -3}}, "has no argument 'log_std_init'"),
    ],
)
def test_an_algorithm_that_does_not_fit_is_refused(task: str, training: dict[str, Any], words: str) -> None:
    spec = read_spec(with_defaults({"task": task, "training": training}))
    with pytest.raises(UsageError, match=words):
        require_algorithm(get_task(task), spec.training)


@pytest.mark.parametrize("given", [{"optimizer_class": 1}, {"n_critics": 10**9}, {"net_arch": [1]}])
def test_an_argument_of_a_policy_is_one_of_a_few_numbers(given: dict[str, Any]) -> None:
    with pytest.raises(UsageError, match=r"training\.policy_kwargs"):
        read_spec(with_defaults({"task": "Pendulum-v1", "training": {"policy_kwargs": given}}))


@pytest.mark.parametrize(
    ("method", "algorithm"), [("count", "dqn"), ("clone", "a2c"), ("ulps", "a2c"), ("calm", "qr-dqn")]
)
def test_a_method_that_learns_in_training_is_refused_where_it_cannot(method: str, algorithm: str) -> None:
    asked = with_defaults({"task": "MiniGrid-Empty-5x5-v0", "method": method, "training": {"algorithm": algorithm}})
    with pytest.raises(UsageError, match="learns in training"):
        recipe_of(read_spec(asked))
