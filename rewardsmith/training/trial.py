"""Run one trial: PPO on a task with a training reward, up to the end of a rung, resumed from the last checkpoint."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from stable_baselines3.common.callbacks import BaseCallback
from stable_baselines3.common.logger import Logger
from stable_baselines3.common.on_policy_algorithm import OnPolicyAlgorithm

from rewardsmith.programs.problem import Problem
from rewardsmith.programs.reward import SPARSE, TrainingReward
from rewardsmith.seeds import curve_seed, rung_end_seed
from rewardsmith.spec import TrainingSpec, default_training
from rewardsmith.tasks.base import Task
from rewardsmith.tasks.capabilities import start_kind
from rewardsmith.telemetry import Learning, Telemetry
from rewardsmith.training.adaptation import Adaptation
from rewardsmith.training.algorithms import algorithm_for
from rewardsmith.training.buffers import Shaping
from rewardsmith.training.checkpoint import load_checkpoint, save_checkpoint, save_policy
from rewardsmith.training.device import choose_device
from rewardsmith.training.episodes import watch_failures
from rewardsmith.training.evaluation import Evaluation
from rewardsmith.training.gradients import learning_telemetry
from rewardsmith.training.guidance import attach, guided
from rewardsmith.training.learner import Experience, Learner, Learners
from rewardsmith.training.optimizer import LightAdam
from rewardsmith.training.played import PlayedSteps
from rewardsmith.training.policies import describe, policy_for
from rewardsmith.training.schedule import Schedule, schedule
from rewardsmith.training.shaping import RewardShaper
from rewardsmith.training.vecenv import BatchVecEnv
from sandbox.client import Isolation


@dataclass(frozen=True)
class TrialPlan:
    """The arguments of a trial.

    Attributes:
        seed: The seed of weights, layouts and minibatches.
        steps: Environment steps of the full trial.
        fraction: The fraction of `steps`, in (0, 1], at which this rung ends.
        folder: The folder of checkpoints and the policy.
        pool: The evaluation layouts: "select" in the search, "claim" in the final evaluation.
        isolation: The isolation of the reward host.
        curve_points: About how many points the curve of a full trial has.
        learners: The learners of this trial, by method.
        played: Steps played before this rung without training on them, by purpose (see training.played).
    """

    task: Task
    reward: TrainingReward
    training: TrainingSpec
    seed: int
    steps: int
    fraction: float
    folder: Path
    pool: str = "select"
    isolation: Isolation = Isolation.KERNEL
    curve_points: int = 12
    learners: dict[str, Learner] = field(default_factory=dict)
    played: dict[str, int] = field(default_factory=dict)

    @property
    def problem(self) -> Problem:
        """The decision problem that the learner optimises: task, reward and discount."""
        return Problem(self.task, self.reward, self.training.gamma, self.isolation)

    @property
    def played_steps(self) -> PlayedSteps:
        """The counts and limits of the steps that this trial plays without training on them."""
        return PlayedSteps(self.task, self.pool == "select" and not self.task.cheap_steps, dict(self.played))


@dataclass(frozen=True)
class CurvePoint:
    """One point of a training curve."""

    steps: int  # environment steps trained so far
    evaluation: Evaluation | None  # None if it would exceed the limit on played steps
    telemetry: dict[str, Any]  # since the last point, as Telemetry.as_json()


@dataclass(frozen=True)
class TrialReport:
    """The result of a rung. Evaluations are of the final weights."""

    steps: int  # environment steps trained so far
    stochastic: Evaluation
    greedy: Evaluation | None  # None if it would exceed the limit on played steps
    unseen: bool  # whether no evaluation layout occurs in training
    telemetry: dict[str, Any]  # since the last point of the curve, as Telemetry.as_json()
    sandbox_level: str  # of the reward host, or "not needed"
    steps_per_second: float  # trained steps, in this rung
    seconds: float  # of this rung, evaluations included
    complete: bool  # whether this was the last rung
    failed_episodes: list[str]  # up to two, in words; those with the lowest scores where nothing is a success
    starts: str = "layouts"  # what the task's starts are called, see tasks.capabilities.start_kind


def run_trial(plan: TrialPlan, on_point: Callable[[CurvePoint], None], heartbeat: Callable[[int], None]) -> TrialReport:
    """Train to the end of the rung.

    Args:
        plan: The arguments of the trial.
        on_point: Called with each point of the curve.
        heartbeat: Called with the trained steps after each rollout; it may raise to stop the trial.

    Raises:
        HostError: If the reward program fails.
    """
    torch.set_num_threads(1)  # two trials with two threads each on two cores are 3.6 times slower
    began = time.monotonic()
    plans = schedule(plan.task, plan.training, plan.steps, plan.curve_points)
    batch = plan.task.batch(plan.training.num_envs, "train")
    env = BatchVecEnv(batch, plan.task, plan.training.rollout_steps, plan.seed, plans.cut_every)
    learners = Learners(plan.learners)
    settings = plan.training
    adaptation = Adaptation(settings)
    shaper = RewardShaper(plan.problem, batch.tables, settings.num_envs, settings.rollout_steps)
    try:
        model = _build(plan, env, learners)
        resumed = load_checkpoint(plan.folder, model)
        first = 0
        if resumed is not None:
            env.cuts, first = resumed.cuts, resumed.steps
            learners.load(resumed.learners or {})
            adaptation.load(resumed.adaptation)
        shaper.steps = first
        _connect(model, env, shaper, learners, adaptation)
        callback = _Progress(_Running(plan, plans, env, shaper, learners, adaptation), on_point, heartbeat)
        if resumed is not None:
            callback.played.include(resumed.telemetry.played)
            callback.last_telemetry = resumed.telemetry.without("played")
        left = plans.rung_end(plan.fraction) * plans.per_rollout - first
        if left > 0:
            model.learn(left, callback=callback, reset_num_timesteps=False)
            callback.after_rollout()
        shaper.start()
        shaper.audit()
        return _report(plan, plans, model, shaper, callback, first, began)
    finally:
        learners.close()
        shaper.close()
        env.close()


def rehearse(task: Task) -> None:
    """Build a learner and let it act once, so that trials forked from this process find everything in memory.

    There is no update: threads that autograd may start would not survive the fork.
    """
    torch.set_num_threads(1)
    training = TrainingSpec.model_validate({**default_training(task.id), "num_envs": 2, "rollout_steps": 8})
    plan = TrialPlan(task, SPARSE, training, 0, 16, 1.0, Path())
    env = BatchVecEnv(task.batch(2, "train"), task, 8, 0, 1)
    try:
        model = _build(plan, env)
        if training.memory == "none":
            with torch.no_grad():
                seen = task.observation.structured(task.observation.rows(2))
                model.policy(model.policy.obs_to_tensor(seen)[0])
    finally:
        env.close()


def _connect(
    model: OnPolicyAlgorithm,
    env: BatchVecEnv,
    shaper: RewardShaper,
    learners: Learners,
    adaptation: Adaptation,
) -> None:
    """Connect the parts: programs are scored while a rollout is collected, channels composed once it is complete."""
    buffer = model.rollout_buffer
    assert isinstance(buffer, Shaping)
    env.on_step = lambda recorded: shaper.follow(env.rollout, recorded)

    if adaptation.entropy is not None:
        model.ent_coef = adaptation.entropy.now
    if not learners:
        buffer.shape_rollout = lambda: adaptation.scaled(shaper(env.rollout), env.rollout)
        return
    env.record_observations()
    observed, following = env.observed, env.following
    assert observed is not None and following is not None
    if learners.teacher_policy is not None:
        attach(learners.teacher_policy, model.policy, env, buffer)

    def shape_rollout() -> NDArray[np.float64]:
        seen = Experience(env.rollout, observed, following, env.batch.tables, shaper.steps)
        return adaptation.scaled(shaper(env.rollout, learners.rewards(seen)), env.rollout)

    buffer.shape_rollout = shape_rollout


def _build(plan: TrialPlan, env: BatchVecEnv, learners: Learners | None = None) -> OnPolicyAlgorithm:
    settings = plan.training
    size = settings.num_envs * settings.rollout_steps
    policy, policy_kwargs = policy_for(plan.task, settings)
    if learners is not None and learners.teacher_policy is not None:
        policy = guided(policy)
    decay = _Decay(settings.learning_rate, plan.steps, settings.lr_hold, settings.final_lr)
    device = choose_device(plan.task, settings)
    if settings.device != "cpu":
        print(f"trained on {device.device} ({device.why})", flush=True)  # the trial's log
    algorithm, more = algorithm_for(plan.task, settings)
    model = algorithm(
        policy,
        env,
        n_steps=settings.rollout_steps,
        batch_size=min(settings.batch_size, size),
        n_epochs=settings.epochs,
        learning_rate=decay,
        gamma=settings.gamma,
        gae_lambda=settings.gae_lambda,
        clip_range=settings.clip_range,
        ent_coef=settings.entropy,
        normalize_advantage=settings.normalize_advantage,
        policy_kwargs={**policy_kwargs, "optimizer_class": LightAdam, "optimizer_kwargs": {"eps": 1e-5, "fused": True}},
        device=device.device,
        seed=None,
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
    return model


class _Decay:
    """A learning rate that falls linearly over the full trial, whichever rung is running.

    SB3's own progress covers one `learn` call, so the decay would restart at every rung. Without decay, policies that
    had solved DoorKey-8x8 fell back to 70-90 % before the trial's end.
    """

    def __init__(self, start: float, steps: int, hold: float, final_share: float) -> None:
        self.start, self.steps, self.hold, self.final_share = start, steps, hold, final_share
        self.model: OnPolicyAlgorithm | None = None

    def __call__(self, _progress_remaining: float) -> float:
        done = 0 if self.model is None else min(self.model.num_timesteps / self.steps, 1.0)
        fallen = max(0.0, done - self.hold) / max(1.0 - self.hold, 1e-9)
        return self.start * (1.0 - (1.0 - self.final_share) * fallen)


def _report(
    plan: TrialPlan,
    plans: Schedule,
    model: OnPolicyAlgorithm,
    shaper: RewardShaper,
    callback: _Progress,
    first: int,
    began: float,
) -> TrialReport:
    trained = time.monotonic() - began
    complete = plans.rung_end(plan.fraction) == plans.total
    asked, steps, played = _final(plan, plans), model.num_timesteps, callback.played
    stochastic = callback.judged or played.success(model.policy, plan.pool, *asked, steps)
    # A final evaluation needs numbers only; the search's analyzer reads failed episodes.
    searching = plan.pool == "select" and (plan.reward.functions or plan.learners)
    watched, told = None, callback.last_telemetry
    if searching and (episodes := played.watchable(steps)):
        watched = watch_failures(model.policy, plan.problem, plan.pool, asked[1], episodes)
        played.watched(watched.played)
        told = told.updated(trajectories=watched.telemetry())
    greedy = played.greedy(model.policy, plan.pool, *asked, steps)
    if complete:
        save_policy(plan.folder / "policy.safetensors", model, _policy_card(plan))
    return TrialReport(
        steps=model.num_timesteps,
        stochastic=stochastic,
        greedy=greedy,
        unseen=plan.task.unseen(plan.pool),
        telemetry=told.updated(played=dict(played.counts), played_least=played.least).as_json(),
        sandbox_level=shaper.host.level if shaper.host else "not needed",
        steps_per_second=(model.num_timesteps - first) / max(trained, 1e-9),
        seconds=time.monotonic() - began,
        complete=complete,
        failed_episodes=watched.texts if watched else [],
        starts=start_kind(plan.task),
    )


def _final(plan: TrialPlan, plans: Schedule) -> tuple[int, int]:
    """Episodes and seed of the evaluation at the end of the rung."""
    complete = plans.rung_end(plan.fraction) == plans.total
    return plan.training.final_episodes if complete else plan.training.eval_episodes, rung_end_seed(plan.seed)


def _policy_card(plan: TrialPlan) -> dict[str, Any]:
    return {
        "task": plan.task.id,
        "seed": plan.seed,
        "steps": plan.steps,
        "observation_size": plan.task.observation_size,
        "actions": list(plan.task.actions.names),
        "action_kind": plan.task.actions.kind,
        # A Discrete space may begin at any number: the policy's action k is first_action + k in the environment.
        "first_action": plan.task.actions.first[0],
        "network": describe(plan.task, plan.training),
        "algorithm": "RecurrentPPO (sb3-contrib)" if plan.training.memory == "lstm" else "PPO (stable-baselines3)",
    }


@dataclass(frozen=True)
class _Running:
    """The parts of a running trial."""

    plan: TrialPlan
    plans: Schedule
    env: BatchVecEnv
    shaper: RewardShaper
    learners: Learners
    adaptation: Adaptation


class _Progress(BaseCallback):
    """Evaluates, reports and saves between rollouts, when neither weights nor generators change."""

    def __init__(
        self, trial: _Running, on_point: Callable[[CurvePoint], None], heartbeat: Callable[[int], None]
    ) -> None:
        super().__init__()
        plan = self._plan = trial.plan
        self._plans, self._env, self._shaper = trial.plans, trial.env, trial.shaper
        self._learners, self._adaptation = trial.learners, trial.adaptation
        self._on_point, self._heartbeat = on_point, heartbeat
        self._seen = -1
        self.last_telemetry = Telemetry()
        self.played = plan.played_steps
        self.judged: Evaluation | None = None  # the rung's final evaluation, if the curve's last point is the same one
        self._learning = Learning()

    def _on_training_start(self) -> None:
        self._seen = self.model.num_timesteps

    def _on_rollout_start(self) -> None:
        # SB3 has just trained on the previous rollout.
        if self.model.num_timesteps > self._seen:
            self.after_rollout()

    def _on_step(self) -> bool:
        return True

    def _on_rollout_end(self) -> None:
        # This is the last call before SB3 empties the buffer.
        assert isinstance(self.model, OnPolicyAlgorithm)
        if self._is_point(self.model.num_timesteps // self._plans.per_rollout):
            self._learning = learning_telemetry(self.model, self._shaper.return_rms, self._adaptation.scale)

    def _is_point(self, done: int) -> bool:
        """Whether the curve has a point after `done` rollouts."""
        ends = done == self._plans.rung_end(self._plan.fraction)
        return ends or (self._plans.total - done) % self._plans.point_every == 0

    def after_rollout(self) -> None:
        """After each update: let learners learn, evaluate a point of the curve, save a checkpoint, report progress."""
        assert isinstance(self.model, OnPolicyAlgorithm)
        self._seen = self.model.num_timesteps
        self._learners.learn(self.model)
        if self._adaptation.entropy is not None:
            progress = self._seen / self._plan.steps
            self.model.ent_coef = self._adaptation.entropy.after(self._env.rollout, progress)
        done = self._seen // self._plans.per_rollout
        if self._is_point(done):
            self._point(done == self._plans.rung_end(self._plan.fraction))
        # The trial's end is also saved: a repeated last rung must not train everything again.
        if done % self._plans.cut_every == 0 or done == self._plans.total:
            state, adapted = self._learners.state(), self._adaptation.state()
            told = self.last_telemetry.updated(played=dict(self.played.counts))
            save_checkpoint(self._plan.folder, self.model, self._env.cuts, told, state, adapted)
            # A resumed trial begins here with empty counters, so an uninterrupted one must do the same.
            self._shaper.clear_tallies()
            self._learners.telemetry()
        self._heartbeat(self._seen)

    def _point(self, ends: bool) -> None:
        pool, policy = self._plan.pool, self.model.policy
        if ends and self.played.limited:
            asked = _final(self._plan, self._plans)
            result = self.judged = self.played.success(policy, pool, *asked, self._seen)
        else:
            seed = curve_seed(self._plan.seed, self._seen)
            result = self.played.curve(policy, pool, self._plan.training.eval_episodes, seed, self._seen)
        now = {"methods": self._learners.telemetry(), "learning": self._learning}
        telemetry = self._shaper.telemetry().updated(**now)
        # If no episode has ended since, keep the previous sums over episodes; reports of methods are always current.
        kept = telemetry if telemetry.episodes or not self.last_telemetry else self.last_telemetry
        self.last_telemetry = kept.updated(**now)
        self._on_point(CurvePoint(self._seen, result, telemetry.as_json()))
        self._shaper.clear_tallies()
