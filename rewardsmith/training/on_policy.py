"""Build PPO and A2C on a task, and connect their rollout buffer to the reward channels."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from stable_baselines3.common.logger import Logger
from stable_baselines3.common.on_policy_algorithm import OnPolicyAlgorithm

from rewardsmith.spec import TrainingSpec
from rewardsmith.training.adaptation import Adaptation
from rewardsmith.training.algorithms import algorithm_for
from rewardsmith.training.buffers import Shaping
from rewardsmith.training.device import choose_device
from rewardsmith.training.guidance import attach, guided
from rewardsmith.training.horizon import set_discount
from rewardsmith.training.learner import Experience, Learners
from rewardsmith.training.learning_rate import Decay
from rewardsmith.training.optimizer import LightAdam
from rewardsmith.training.plan import TrialPlan
from rewardsmith.training.policies import exact, policy_for
from rewardsmith.training.shaping import RewardShaper
from rewardsmith.training.vecenv import BatchVecEnv


def build_on_policy(plan: TrialPlan, env: BatchVecEnv, learners: Learners | None = None) -> OnPolicyAlgorithm:
    """Return PPO or A2C for a trial, with weights that depend on the seed alone.

    Args:
        plan: The arguments of the trial.
        env: Its environments.
        learners: The learners of its methods, one of which may have a teacher policy.
    """
    settings = plan.training
    size = settings.num_envs * settings.rollout_steps
    policy, policy_kwargs = policy_for(plan.task, settings)
    if learners is not None and learners.teacher_policy is not None:
        policy = guided(policy)
    decay = Decay(settings.learning_rate, plan.steps, settings.lr_hold, settings.final_lr)
    device = choose_device(plan.task, settings)
    if settings.device != "cpu":
        print(f"trained on {device.device} ({device.why})", flush=True)  # the trial's log
    algorithm, more = algorithm_for(plan.task, settings)
    model = algorithm(
        policy,
        env,
        n_steps=settings.rollout_steps,
        learning_rate=decay,
        gamma=settings.gamma,
        gae_lambda=settings.gae_lambda,
        ent_coef=settings.entropy,
        normalize_advantage=settings.normalize_advantage,
        device=device.device,
        seed=None,
        **_own_arguments(settings, size, policy_kwargs, fused=not exact(plan.task, settings)),
        **more,
    )
    # SB3's own seeding draws from the same generators. Seeding after construction and initialising again makes the
    # weights depend on the seed alone.
    torch.manual_seed(plan.seed)
    np.random.seed(plan.seed)
    model._setup_model()
    decay.model = model
    # Without a logger, SB3 creates a folder in the temporary directory for each learner.
    model.set_logger(Logger(folder=None, output_formats=[]))
    model.rollout_buffer.single = exact(plan.task, settings)
    return model


def _own_arguments(settings: TrainingSpec, size: int, policy_kwargs: dict[str, Any], *, fused: bool) -> dict[str, Any]:
    """The arguments that only one of PPO and A2C takes, or takes with another value."""
    policy_kwargs = {**policy_kwargs, **settings.policy_kwargs}
    sde = {"use_sde": True, "sde_sample_freq": settings.sde_sample_freq} if settings.sde else {}
    if settings.algorithm == "a2c":  # SB3 chooses RMSprop
        return {"policy_kwargs": policy_kwargs, **sde}
    kind = {"fused": True} if fused else {}  # torch's fused Adam rounds differently from the one that SB3 uses
    adam = {"optimizer_class": LightAdam, "optimizer_kwargs": {"eps": 1e-5, **kind}}
    return {
        "batch_size": min(settings.batch_size, size),
        "n_epochs": settings.epochs,
        "clip_range": settings.clip_range,
        "policy_kwargs": {**policy_kwargs, **adam},
        **sde,
    }


def connect_on_policy(
    model: OnPolicyAlgorithm,
    env: BatchVecEnv,
    shaper: RewardShaper,
    learners: Learners,
    adaptation: Adaptation,
) -> Callable[[], None]:
    """Connect the parts: programs are scored while a rollout is collected, channels composed once it is complete.

    Returns:
        What to call once a rollout is collected: nothing, because the rollout buffer asks for the reward.
    """
    buffer = model.rollout_buffer
    assert isinstance(buffer, Shaping)
    env.on_step = lambda recorded: shaper.follow(env.rollout, recorded)

    if adaptation.entropy is not None:
        model.ent_coef = adaptation.entropy.now
    if adaptation.horizon is not None:
        set_discount(model, shaper, adaptation.horizon.gamma)
    if not learners:
        buffer.shape_rollout = lambda: adaptation.scaled(shaper(env.rollout), env.rollout)
        return lambda: None
    env.record_observations()
    observed, following = env.observed, env.following
    assert observed is not None and following is not None
    if learners.teacher_policy is not None:
        attach(learners.teacher_policy, model.policy, env, buffer)

    def shape_rollout() -> NDArray[np.float64]:
        scores = shaper.scored(env.rollout)
        seen = Experience(env.rollout, observed, following, env.batch.tables, shaper.steps, scores)
        composed = shaper.composed(env.rollout, learners.rewards(seen))
        learners.composed(seen, composed.parts, model)
        return adaptation.scaled(composed.total, env.rollout)

    buffer.shape_rollout = shape_rollout
    return lambda: None
