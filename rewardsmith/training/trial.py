"""Run one trial: train a policy on a task with a training reward, up to the end of a rung, from the last checkpoint."""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import torch
from stable_baselines3.common.base_class import BaseAlgorithm
from stable_baselines3.common.off_policy_algorithm import OffPolicyAlgorithm
from stable_baselines3.common.on_policy_algorithm import OnPolicyAlgorithm

from rewardsmith.programs.reward import SPARSE
from rewardsmith.recorded import write_episodes
from rewardsmith.spec import TrainingSpec, default_training
from rewardsmith.tasks.base import Task
from rewardsmith.tasks.capabilities import start_kind
from rewardsmith.tasks.policy_inputs import inputs_of
from rewardsmith.telemetry import Telemetry
from rewardsmith.training.adaptation import Adaptation
from rewardsmith.training.algorithms import title_of
from rewardsmith.training.alignment import Alignment, movable
from rewardsmith.training.checkpoint import load_checkpoint, save_checkpoint, save_policy
from rewardsmith.training.curriculum import Curriculum
from rewardsmith.training.episodes import Watched, watch_episodes
from rewardsmith.training.learner import Learner, Learners
from rewardsmith.training.off_policy import build_off_policy, connect_off_policy, end_replay, start_replay
from rewardsmith.training.on_policy import build_on_policy, connect_on_policy
from rewardsmith.training.plan import CurvePoint, TrialPlan, TrialReport, final_evaluation
from rewardsmith.training.played import PlayedSteps
from rewardsmith.training.player import deterministic
from rewardsmith.training.policies import describe
from rewardsmith.training.progress import Progress, Running
from rewardsmith.training.reuse import Reused, begin, earlier_reuse
from rewardsmith.training.schedule import Schedule, schedule
from rewardsmith.training.shaping import RewardShaper
from rewardsmith.training.starts import NearGoal
from rewardsmith.training.vecenv import BatchVecEnv
from sandbox.client import HostError

__all__ = ["CurvePoint", "TrialPlan", "TrialReport", "rehearse", "run_trial"]


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
    env = BatchVecEnv(batch, plan.task, plan.training.collected, plan.seed, plans.cut_every)
    settings = plan.training
    adaptation = Adaptation(settings, plan.task)
    shaper = RewardShaper(plan.problem, batch.tables, settings.num_envs, settings.collected)
    learners = Learners({**plan.learners, **_starting(plan), **_alignment(plan, shaper)})
    env.starts = learners.starts
    adaptation.outcome = shaper.outcome
    try:
        model = build(plan, env, learners)
        resumed = load_checkpoint(plan.folder, model)
        if resumed is not None:
            env.cuts = resumed.cuts
            learners.load(resumed.learners or {})
            adaptation.load(resumed.adaptation)
        elif isinstance(model, OffPolicyAlgorithm):
            start_replay(model)
            if plan.reuses:
                _begin_from_donor(plan, plans, model, env, adaptation, heartbeat)
        asked, reused = plan, earlier_reuse(plan.folder) if plan.reuses else Reused()
        plan = reused.ending(plan, plans)
        shaper.steps = first = model.num_timesteps
        if isinstance(model, OffPolicyAlgorithm):
            pending = connect_off_policy(model, env, shaper, adaptation)
            called = pending.collected, pending.settle
        else:
            assert isinstance(model, OnPolicyAlgorithm)
            called = connect_on_policy(model, env, shaper, learners, adaptation), lambda: None
        callback = Progress(Running(plan, plans, env, shaper, learners, adaptation, *called), on_point, heartbeat)
        if resumed is not None:
            callback.played.include(resumed.telemetry.played)
            callback.last_telemetry = resumed.telemetry.without("played")
        left = plans.rung_end(plan.fraction) * plans.per_rollout - first
        if left > 0:
            model.learn(left, callback=callback, reset_num_timesteps=False)
            callback.after_rollout()
        shaper.start()
        shaper.audit()
        report = _report(plan, plans, model, shaper, callback, first, began)
        return reused.reported(report, asked, plans)
    finally:
        learners.close()
        shaper.close()
        env.close()


def _starting(plan: TrialPlan) -> dict[str, Learner]:
    """The learner of the settings `starts` and `curriculum`; empty if episodes begin where the task begins them."""
    settings, learner = plan.training, Learner()
    if settings.curriculum:
        learner.starts = Curriculum(plan.task, settings.num_envs, plan.seed)
    elif settings.starts != "task":
        planned = settings.starts == "near-goal-planned"
        learner.starts = NearGoal(plan.task, settings.num_envs, plan.seed, planned)
    else:
        return {}
    return {"starts": learner}


def _alignment(plan: TrialPlan, shaper: RewardShaper) -> dict[str, Learner]:
    """Return the learner that moves the factors of the shaper's channels, if the settings ask for it."""
    if plan.training.align == "none" or not movable(plan.reward.channels):
        return {}
    return {"align": Alignment(plan.task, plan.training, plan.reward.channels, plan.steps, shaper.carry.factors)}


def _begin_from_donor(
    plan: TrialPlan,
    plans: Schedule,
    model: OffPolicyAlgorithm,
    env: BatchVecEnv,
    adaptation: Adaptation,
    heartbeat: Callable[[int], None],
) -> None:
    """Begin from an earlier candidate's transitions, and save a checkpoint, so that this is not repeated."""
    reused = begin(plan, plans, model, env.batch.tables, adaptation, heartbeat)
    if reused.steps:
        env.cuts = reused.steps // (plans.cut_every * plans.per_rollout)
        coming = plans.cut_every * plan.training.collected
        save_checkpoint(plan.folder, model, env.cuts, Telemetry(), {}, adaptation.state(), coming)


def build(plan: TrialPlan, env: BatchVecEnv, learners: Learners | None = None) -> BaseAlgorithm:
    """Return the algorithm of a trial, before any step. The arguments are those of `build_on_policy`."""
    if plan.training.off_policy:
        return build_off_policy(plan, env)
    return build_on_policy(plan, env, learners)


def rehearse(task: Task) -> None:
    """Build a learner and let it act once, so that trials forked from this process find everything in memory.

    There is no update: threads that autograd may start would not survive the fork.
    """
    torch.set_num_threads(1)
    training = TrainingSpec.model_validate({**default_training(task.id), "num_envs": 2, "rollout_steps": 8})
    plan = TrialPlan(task, SPARSE, training, 0, 16, 1.0, Path())
    env = BatchVecEnv(task.batch(2, "train"), task, 8, 0, 1)
    try:
        model = build(plan, env)
        if training.memory == "none":
            with torch.no_grad():
                seen = task.observation.structured(task.observation.rows(2))
                model.policy(model.policy.obs_to_tensor(seen)[0])
    finally:
        env.close()


def _report(
    plan: TrialPlan,
    plans: Schedule,
    model: BaseAlgorithm,
    shaper: RewardShaper,
    callback: Progress,
    first: int,
    began: float,
) -> TrialReport:
    trained = time.monotonic() - began
    complete = plans.rung_end(plan.fraction) == plans.total
    steps, played = model.num_timesteps - plan.begun_at, callback.played
    asked = final_evaluation(plan, plans)
    stochastic = callback.judged or played.success(model.policy, plan.pool, *asked, steps)
    # The search's analyzer reads failed episodes, so that they come first where steps are limited.
    searching = plan.pool == "select" and (plan.reward.functions or plan.learners)
    watched, told = None, callback.last_telemetry
    if searching and (watched := _watch(plan, model, played, asked[1])):
        told = told.updated(trajectories=watched.telemetry())
    # The greedy policy of a deterministic one is itself.
    same = deterministic(model.policy)
    greedy = stochastic if same else played.greedy(model.policy, plan.pool, *asked, steps)
    shown = watched
    if not searching:
        with suppress(HostError):  # the trial's result does not depend on what a player shows
            shown = _watch(plan, model, played, asked[1])
    if complete:
        save_policy(plan.folder / "policy.safetensors", model, _policy_card(plan), inputs_of(plan.task))
        if isinstance(model, OffPolicyAlgorithm) and not plan.reuses:
            end_replay(model)
    return TrialReport(
        steps=steps,
        stochastic=stochastic,
        greedy=greedy,
        unseen=plan.task.unseen(plan.pool),
        telemetry=told.updated(played=dict(played.counts), played_least=played.least).as_json(),
        sandbox_level=shaper.host.level if shaper.host else "not needed",
        steps_per_second=(model.num_timesteps - first) / max(trained, 1e-9),
        seconds=time.monotonic() - began,
        complete=complete,
        failed_episodes=watched.texts if watched else [],
        recorded=write_episodes(shown.recorded) if shown else b"",
        starts=start_kind(plan.task),
    )


def _watch(plan: TrialPlan, model: BaseAlgorithm, played: PlayedSteps, seed: int) -> Watched | None:
    """Play and record some episodes at a rung's end; None if that would exceed the limit on played steps."""
    episodes = played.watchable(model.num_timesteps - plan.begun_at)
    if not episodes:
        return None
    watched = watch_episodes(model.policy, plan.problem, plan.pool, seed, episodes)
    played.watched(watched.played)
    return watched


def _policy_card(plan: TrialPlan) -> dict[str, Any]:
    return {
        "task": plan.task.id,
        "seed": plan.seed,
        "steps": plan.steps,
        "observation_size": plan.task.observation_size - inputs_of(plan.task),
        "frame_stack": plan.training.frame_stack,
        "actions": list(plan.task.actions.names),
        "action_kind": plan.task.actions.kind,
        # A Discrete space may begin at any number: the policy's action k is first_action + k in the environment.
        "first_action": plan.task.actions.first[0],
        "network": describe(plan.task, plan.training),
        "algorithm": title_of(plan.task, plan.training),
    }
