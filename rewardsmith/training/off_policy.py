"""Build an off-policy algorithm on a task, and connect its replay buffer to the reward channels."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from gymnasium import spaces
from stable_baselines3.common.logger import Logger
from stable_baselines3.common.noise import NormalActionNoise
from stable_baselines3.common.off_policy_algorithm import OffPolicyAlgorithm

from rewardsmith.spec import TrainingSpec
from rewardsmith.spec.training import ALGORITHMS
from rewardsmith.tasks.goals import goals_of
from rewardsmith.training.adaptation import Adaptation
from rewardsmith.training.algorithms import off_policy_class
from rewardsmith.training.device import choose_device
from rewardsmith.training.fit import require_hindsight
from rewardsmith.training.hindsight import GoalScorer, HindsightReplayBuffer
from rewardsmith.training.learning_rate import Decay, OverTrial
from rewardsmith.training.optimizer import LightAdam
from rewardsmith.training.pending import PendingRewards
from rewardsmith.training.plan import TrialPlan
from rewardsmith.training.policies import normalizer, policy_name
from rewardsmith.training.replay import ShapedDictReplayBuffer, ShapedReplayBuffer
from rewardsmith.training.shaping import RewardShaper
from rewardsmith.training.vecenv import BatchVecEnv


def build_off_policy(plan: TrialPlan, env: BatchVecEnv) -> OffPolicyAlgorithm:
    """Return an off-policy algorithm for a trial, with weights that depend on the seed alone.

    The replay buffer has no more transitions than the trial has steps.
    """
    settings, task = plan.training, plan.task
    decay = Decay(settings.learning_rate, plan.steps, settings.lr_hold, settings.final_lr)
    make: Any = off_policy_class(settings.algorithm)
    model = make(
        policy_name(task),
        env,
        learning_rate=decay,
        buffer_size=min(settings.buffer_size, plan.steps),
        learning_starts=_learning_starts(plan),
        batch_size=settings.batch_size,
        gamma=settings.gamma,
        train_freq=(settings.train_freq, "step"),
        gradient_steps=settings.gradient_steps,
        **_buffer(plan),
        policy_kwargs={
            "net_arch": list(settings.hidden), **normalizer(task, settings), **_optimizer(settings),
            **settings.policy_kwargs,
        },
        device=choose_device(task, settings).device,
        seed=None,
        _init_setup_model=False,
        **_own_arguments(settings, env),
    )  # fmt: skip
    torch.manual_seed(plan.seed)
    np.random.seed(plan.seed)
    model.action_space.seed(plan.seed)
    model._setup_model()
    decay.model = model
    exploration = getattr(model, "exploration_schedule", None)
    if exploration is not None:
        model.exploration_schedule = OverTrial(exploration, model, plan.steps)
    model.set_logger(Logger(folder=None, output_formats=[]))
    return model


def _learning_starts(plan: TrialPlan) -> int:
    """Hindsight experience replay samples complete episodes: learning starts after the first ones at the earliest."""
    settings = plan.training
    longest = plan.task.max_steps * settings.num_envs if settings.her else 0
    return max(settings.learning_starts, longest)


def _buffer(plan: TrialPlan) -> dict[str, Any]:
    """The arguments that choose the replay buffer."""
    own: dict[str, Any] = {"folder": plan.folder, "channels": tuple(c.name for c in plan.reward.channels)}
    if not plan.training.her:
        several = isinstance(plan.task.observation.space, spaces.Dict)
        kind = ShapedDictReplayBuffer if several else ShapedReplayBuffer
        own["recorded"] = plan.task if plan.reuses else None
        return {"replay_buffer_class": kind, "replay_buffer_kwargs": own}
    require_hindsight(plan.task, plan.reward)
    own |= {
        "problem": plan.problem,
        "n_sampled_goal": plan.training.n_sampled_goal,
        "goal_selection_strategy": plan.training.goal_selection,
    }
    return {"replay_buffer_class": HindsightReplayBuffer, "replay_buffer_kwargs": own}


def _optimizer(settings: TrainingSpec) -> dict[str, Any]:
    """The optimizer, for algorithms that take Adam with its defaults; QR-DQN and CrossQ have other arguments."""
    return {"optimizer_class": LightAdam} if settings.algorithm in ("dqn", "sac", "td3", "tqc") else {}


def _own_arguments(settings: TrainingSpec, env: BatchVecEnv) -> dict[str, Any]:
    """The arguments that not every off-policy algorithm takes."""
    known = ALGORITHMS[settings.algorithm].settings
    found: dict[str, Any] = {
        name: getattr(settings, name) for name in ("tau", "target_update_interval") if name in known
    }
    if "exploration_fraction" in known:
        found["exploration_fraction"] = settings.exploration_fraction
        found["exploration_final_eps"] = settings.exploration_final
    if settings.sde:
        found |= {"use_sde": True, "sde_sample_freq": settings.sde_sample_freq}
    if "action_noise" in known and settings.action_noise > 0.0:
        width = int(np.prod(env.action_space.shape or ()))
        found["action_noise"] = NormalActionNoise(np.zeros(width), np.full(width, settings.action_noise))
    return found


def start_replay(model: OffPolicyAlgorithm) -> None:
    """Create the files of the replay buffer, for a trial without a checkpoint. Raises DiskFull if they do not fit."""
    assert isinstance(model.replay_buffer, ShapedReplayBuffer)
    model.replay_buffer.map_files()


def end_replay(model: OffPolicyAlgorithm) -> None:
    """Delete the files of the replay buffer, for a trial that is complete."""
    assert isinstance(model.replay_buffer, ShapedReplayBuffer)
    model.replay_buffer.discard()


def connect_off_policy(
    model: OffPolicyAlgorithm, env: BatchVecEnv, shaper: RewardShaper, adaptation: Adaptation
) -> PendingRewards:
    """Connect the parts: programs are scored while steps are collected and gradient steps are taken.

    Returns:
        The transitions that wait for their rewards. Call its `collected` once `train_freq` steps are collected.
    """
    buffer = model.replay_buffer
    assert isinstance(buffer, ShapedReplayBuffer)
    if isinstance(buffer, HindsightReplayBuffer):
        goals = goals_of(shaper.problem.task)
        assert goals is not None
        replaced = int(buffer.her_ratio * model.batch_size)
        buffer.scorer = GoalScorer(shaper.problem, goals.goal_relabeller(), env.batch.tables, replaced)
        shaper.close_also(buffer.scorer)
    if adaptation.running is not None:
        buffer.factor = adaptation.running.factor
    return PendingRewards(shaper.problem.task, env, shaper, buffer, adaptation)
