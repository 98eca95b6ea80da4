"""Hindsight experience replay scores relabelled transitions with the program, and otherwise is SB3's."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import gymnasium as gym
import numpy as np
import pytest
import stable_baselines3 as sb3
import torch
from gymnasium import spaces
from space_tasks import Point, reward_of, task_of
from stable_baselines3.common.logger import Logger
from stable_baselines3.her.her_replay_buffer import HerReplayBuffer

from rewardsmith.errors import UsageError
from rewardsmith.methods import get_method
from rewardsmith.programs.composition import Channel
from rewardsmith.programs.reward import ENV, SPARSE, TrainingReward
from rewardsmith.reporting.text import baseline_words
from rewardsmith.spec import TrainingSpec, default_training, read_spec, with_defaults
from rewardsmith.tasks import get_task
from rewardsmith.training.checkpoint import load_checkpoint
from rewardsmith.training.fit import baseline_training, interface_for, require_algorithm, require_hindsight
from rewardsmith.training.hindsight import HindsightReplayBuffer
from rewardsmith.training.replay import ShapedReplayBuffer
from rewardsmith.training.trial import TrialPlan, build, run_trial
from rewardsmith.training.vecenv import BatchVecEnv

CLOSE = 0.2


class Reach(Point):
    """A point that is to stay at a goal: nothing ends an episode but its limit of steps."""

    def compute_reward(self, achieved, desired, info):
        return -(np.linalg.norm(achieved - desired, axis=-1) >= CLOSE).astype(np.float32)

    def step(self, action):
        observation, reward, _, _, info = super().step(action)
        return observation, reward, False, False, info


class OneByOne(Reach):
    """Computes the reward of one pair of goals at a time."""

    def compute_reward(self, achieved, desired, info):
        assert achieved.shape == (2,) and info == {}
        return -float(math.dist(achieved, desired) >= CLOSE)


class Bonus(Reach):
    """Pays more than its compute_reward says."""

    def step(self, action):
        observation, reward, terminated, truncated, info = super().step(action)
        return observation, reward + 0.5, terminated, truncated, info


class Steps(Reach):
    """Chooses among four directions."""

    def __init__(self) -> None:
        super().__init__()
        self.action_space = spaces.Discrete(4)

    def step(self, action):
        return super().step(np.array([(1, 0), (-1, 0), (0, 1), (0, -1)][action], np.float32))


for _made in (Reach, OneByOne, Bonus, Steps):
    gym.register(f"{_made.__name__}-of-tests-v0", f"{__name__}:{_made.__name__}")

GOALS = [{"name": name, "from": f"observation.{name}"} for name in ("achieved_goal", "desired_goal")]
SUCCESS = {
    "success": "info.is_success", "goal_success": f"distance(achieved_goal, desired_goal) < {CLOSE}", "state": GOALS,
}  # fmt: skip
REACH = task_of("Reach-of-tests-v0", actions=["along", "across"], **SUCCESS)
DISTANCE = "-math.dist(state.achieved_goal, state.desired_goal) + 2.0 * state.solved + 4.0 * prev.solved"
POTENTIAL = get_method("free").reward(
    "import math\n\ndef potential(state, memory):\n    return -math.dist(state.achieved_goal, state.desired_goal)\n"
)


def trial(folder: Path, steps: int, task: Any = REACH, algorithm: str = "sac", reward=SPARSE, **changes) -> TrialPlan:
    given = {
        "her": True, "learning_starts": 20, "batch_size": 32, "normalize_reward": False, "hidden": (16,),
        "eval_episodes": 10, "final_episodes": 10, **changes,
    }  # fmt: skip
    settings = TrainingSpec.model_validate({**default_training(task.id, algorithm), **given})
    return TrialPlan(task, reward, settings, 3, steps, 1.0, folder)


@pytest.fixture(autouse=True)
def kept_replay(monkeypatch: pytest.MonkeyPatch) -> None:
    """Keep the files of replay buffers, which a complete trial deletes."""
    monkeypatch.setattr(ShapedReplayBuffer, "discard", lambda self: None)


def ignored(*_: Any) -> None:
    """Nothing is done with points and heartbeats."""


def rebuilt(plan: TrialPlan) -> Any:
    env = BatchVecEnv(plan.task.batch(plan.training.num_envs, "train"), plan.task, plan.training.collected, 0)
    model = build(plan, env)
    assert load_checkpoint(plan.folder, model) is not None
    return model


class PlainVecEnv(BatchVecEnv):
    """The same environments with their own rewards, and the method that SB3's buffer calls."""

    def step_wait(self) -> Any:
        t = self.recorded
        observations, _, done, infos = super().step_wait()
        return observations, self.rollout.rewards[t].astype(np.float32), done, infos

    def env_method(self, method_name: str, *args: Any, indices: Any = None, **kwargs: Any) -> list[Any]:
        assert method_name == "compute_reward"
        return [Reach().compute_reward(*args)]


def plain(plan: TrialPlan) -> Any:
    """SB3's SAC and HerReplayBuffer after the trial's steps."""
    settings = plan.training
    env = PlainVecEnv(REACH.batch(settings.num_envs, "train"), REACH, settings.collected, plan.seed)
    model = sb3.SAC(
        "MultiInputPolicy", env, learning_rate=settings.learning_rate, gamma=settings.gamma, seed=None,
        learning_starts=20, batch_size=32, policy_kwargs={"net_arch": [16]}, replay_buffer_class=HerReplayBuffer,
        _init_setup_model=False,
    )  # fmt: skip
    torch.manual_seed(plan.seed)
    np.random.seed(plan.seed)
    model.action_space.seed(plan.seed)
    model._setup_model()
    model.set_logger(Logger(folder=None, output_formats=[]))
    model.learn(plan.steps)
    return model


def test_without_a_program_it_equals_sb3s_her_bit_for_bit(tmp_path):
    plan = trial(tmp_path, 120)
    run_trial(plan, ignored, ignored)
    found, expected = rebuilt(plan).policy.state_dict(), plain(plan).policy.state_dict()
    assert all(torch.equal(value, found[name]) for name, value in expected.items())


@pytest.fixture(scope="module")
def distance_reward():
    return reward_of(DISTANCE)


def sampled(folder: Path, reward: TrainingReward, monkeypatch: Any) -> Any:
    """A batch with relabelled transitions only, from the end of a short trial."""
    seen: list[Any] = []
    own = HindsightReplayBuffer._get_virtual_samples

    def watched(self, *arguments):
        seen.append(own(self, *arguments))
        return seen[-1]

    monkeypatch.setattr(HindsightReplayBuffer, "_get_virtual_samples", watched)
    run_trial(trial(folder, 60, reward=reward), ignored, ignored)
    assert len(seen[-1].rewards) == 25  # four fifths of 32
    return seen[-1]


def distances(observations: Any) -> np.ndarray:
    return np.linalg.norm(observations["achieved_goal"].numpy() - observations["desired_goal"].numpy(), axis=1)


def test_the_program_scores_relabelled_goals(tmp_path, distance_reward, monkeypatch):
    batch = sampled(tmp_path, distance_reward, monkeypatch)
    before, after = distances(batch.observations), distances(batch.next_observations)
    own = -(after >= CLOSE).astype(float)
    found = batch.rewards.numpy()[:, 0] - (own - after + 2.0 * (after < CLOSE))
    # The first state of an episode is no success, whatever its distance.
    assert set(np.round(found, 4)) <= {0.0, 4.0} and (own == 0.0).any() and (own == -1.0).any()
    assert np.allclose(found[before >= CLOSE], 0.0, atol=1e-5)
    assert not batch.dones.any()


def test_a_potential_sees_the_new_goal_on_both_sides(tmp_path, monkeypatch):
    batch = sampled(tmp_path, POTENTIAL, monkeypatch)
    before, after = distances(batch.observations), distances(batch.next_observations)
    expected = -(after >= CLOSE).astype(float) + 0.99 * -after + before
    assert np.allclose(batch.rewards.numpy()[:, 0], expected, atol=1e-5)


class Stopped(Exception):
    """Ends a trial from its heartbeat, as a killed process would."""


def test_a_resumed_trial_equals_an_uninterrupted_one(tmp_path, distance_reward, monkeypatch):
    monkeypatch.setattr("rewardsmith.training.schedule._CUT_STEPS", 0)
    settings = {"buffer_size": 150, "normalize_reward": True, "num_envs": 2, "reward": distance_reward}
    whole, parts = (trial(tmp_path / name, 600, **settings) for name in ("whole", "parts"))
    expected = run_trial(whole, ignored, ignored)

    def stop(trained: int) -> None:
        if trained >= 500:
            raise Stopped

    with pytest.raises(Stopped):
        run_trial(parts, ignored, stop)
    found = run_trial(parts, ignored, ignored)
    assert (found.steps, found.stochastic) == (expected.steps, expected.stochastic)
    one, other = rebuilt(whole), rebuilt(parts)
    for name, value in one.policy.state_dict().items():
        assert torch.equal(value, other.policy.state_dict()[name]), name
    for name in ("before", "after", "chosen", "rewards", "ep_start", "ep_length"):
        assert np.array_equal(getattr(one.replay_buffer, name), getattr(other.replay_buffer, name)), name


def test_discrete_actions_and_rewards_of_one_pair_are_relabelled_too(tmp_path, distance_reward):
    steps = task_of("Steps-of-tests-v0", **SUCCESS)
    plan = trial(tmp_path / "dqn", 60, steps, "dqn", distance_reward, goal_selection="final")
    assert run_trial(plan, ignored, ignored).steps == 60
    alone = task_of("OneByOne-of-tests-v0", actions=["along", "across"], **SUCCESS)
    assert run_trial(trial(tmp_path / "one", 40, alone, "td3", goal_selection="episode"), ignored, ignored).steps == 40


MEMORY = "def reward(prev, action, state, m):\n    m['n'] = 1\n    return 0.0\n"
REFUSED_REWARDS = [
    (get_method("free").reward(MEMORY), "uses `memory`"),
    (TrainingReward("", (), (ENV, Channel("x", cap=1.0))), "the cap of channel x"),
    (TrainingReward("", (), (ENV, Channel("x", gate="latch"))), "the gate 'latch'"),
    (reward_of("float(state.speed)"), "The value of speed under another goal"),
]


@pytest.mark.parametrize(("reward", "reason"), REFUSED_REWARDS)
def test_a_reward_that_needs_the_episode_is_refused(reward, reason):
    task = task_of("Reach-of-tests-v0", **{**SUCCESS, "state": [*GOALS, {"name": "speed", "from": "env.speed[0]"}]})
    with pytest.raises(UsageError, match=reason):
        require_hindsight(task, reward)


def test_a_variable_that_depends_on_no_goal_may_be_read():
    free = {"name": "speed", "from": "env.speed[0]", "goal_free": True}
    task = task_of("Reach-of-tests-v0", **{**SUCCESS, "state": [*GOALS, free]})
    require_hindsight(task, reward_of("float(state.speed)"))


HER = TrainingSpec.model_validate({**default_training("x", "sac"), "her": True})
REFUSED_TASKS = [
    (lambda: get_task("Pendulum-v1"), HER, "has none: its observation has no entries"),
    (lambda: REACH, HER.model_copy(update={"buffer_size": 30}), "less than two episodes"),
    (lambda: task_of("Reach-of-tests-v0", success="info.is_success"), HER, "is not known for another goal"),
    (lambda: task_of("Bonus-of-tests-v0", **SUCCESS), HER, "for a step that paid"),
    (lambda: task_of("Point-of-tests-v0", **SUCCESS), HER, "no method `compute_reward`"),
    (
        lambda: task_of(
            "Reach-of-tests-v0", **{**SUCCESS, "goal_success": "distance(achieved_goal, desired_goal) < 3"}
        ),
        HER,
        "`goal_success` of Reach-of-tests-v0 is True on a step",
    ),
]


@pytest.mark.parametrize(("task", "training", "reason"), REFUSED_TASKS)
def test_a_task_whose_goals_cannot_be_replaced_is_refused(task, training, reason):
    with pytest.raises(UsageError, match=reason):
        require_algorithm(task(), training)


@pytest.mark.parametrize(
    ("settings", "reason"),
    [
        ({"her": True}, "PPO .* has no setting `her`"),
        ({"algorithm": "sac", "n_sampled_goal": 2}, "belongs to hindsight experience replay"),
        ({"algorithm": "sac", "her": True, "n_sampled_goal": 0}, "n_sampled_goal"),
        ({"algorithm": "sac", "her": True, "goal_selection": "past"}, "goal_selection"),
    ],
)
def test_settings_of_her_that_fit_nothing_are_refused(settings, reason):
    with pytest.raises(UsageError, match=reason):
        read_spec(with_defaults({"task": "PointMaze_UMaze-v3", "training": settings}))


def test_shipped_goal_tasks_can_be_relabelled():
    for name in ("FetchReach-v4", "PointMaze_UMaze-v3"):
        require_algorithm(get_task(name), hindsight_of(name))


def hindsight_of(name: str) -> TrainingSpec:
    return TrainingSpec.model_validate({**default_training(name, "tqc"), "her": True})


def test_designers_are_told_that_goals_are_replaced():
    her = HER.model_copy(update={"her": False})
    assert interface_for(REACH, her) == REACH.interface()
    assert "must not use `memory`" in interface_for(REACH, HER).text


GOAL_JOBS = [
    ({}, {"algorithm": "tqc", "her": True}),
    ({"algorithm": "sac"}, {"her": True}),
    ({"algorithm": "tqc", "her": True}, {}),
]


@pytest.mark.parametrize(("training", "changes"), GOAL_JOBS)
def test_the_baseline_of_a_goal_task_has_hindsight(training, changes):
    spec = read_spec(with_defaults({"task": "Reach-of-tests-v0", "training": training}))
    found = baseline_training(REACH, spec)
    assert {name: found[name] for name in ("algorithm", "her") if name in found} == changes
    assert spec.training.changed(found).her


def test_a_baseline_keeps_the_jobs_settings_without_goals_or_if_asked_to():
    spec = read_spec(with_defaults({"task": "CartPole-v1"}))
    assert baseline_training(get_task("CartPole-v1"), spec) == {}
    assert baseline_training(REACH, spec.model_copy(update={"baseline_training": {}})) == {}
    assert baseline_training(task_of("Bonus-of-tests-v0", **SUCCESS), spec) == {}  # its goals cannot be replaced
    wrong = spec.model_copy(update={"baseline_training": {"gamma": 2}})
    with pytest.raises(UsageError, match="gamma cannot be changed so"):
        baseline_training(REACH, wrong)


def test_words_of_a_baselines_own_settings():
    assert baseline_words({"algorithm": "tqc", "her": True}) == "tqc with hindsight experience replay"
    assert baseline_words({"gamma": 0.9}) == "gamma 0.9"
    assert baseline_words({}) is None
