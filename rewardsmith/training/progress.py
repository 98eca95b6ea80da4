"""The callback of a trial: it evaluates, reports and saves between rollouts."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from stable_baselines3.common.callbacks import BaseCallback
from stable_baselines3.common.on_policy_algorithm import OnPolicyAlgorithm

from rewardsmith.seeds import curve_seed
from rewardsmith.telemetry import Learning, Telemetry
from rewardsmith.training.adaptation import Adaptation
from rewardsmith.training.checkpoint import save_checkpoint
from rewardsmith.training.evaluation import Evaluation
from rewardsmith.training.gradients import learning_telemetry
from rewardsmith.training.horizon import set_discount
from rewardsmith.training.learner import Learners
from rewardsmith.training.normalize import MomentsUpdate
from rewardsmith.training.plan import CurvePoint, TrialPlan, final_evaluation
from rewardsmith.training.schedule import Schedule
from rewardsmith.training.shaping import RewardShaper
from rewardsmith.training.vecenv import BatchVecEnv


@dataclass(frozen=True)
class Running:
    """The parts of a running trial, which the callback reads and saves."""

    plan: TrialPlan
    plans: Schedule
    env: BatchVecEnv
    shaper: RewardShaper
    learners: Learners
    adaptation: Adaptation
    on_collected: Callable[[], None]  # called once a rollout is collected, before the update on it
    settle: Callable[[], None]  # writes the rewards that are still computed


class Progress(BaseCallback):
    """Evaluates, reports and saves between rollouts, when neither weights nor generators change."""

    def __init__(
        self, trial: Running, on_point: Callable[[CurvePoint], None], heartbeat: Callable[[int], None]
    ) -> None:
        super().__init__()
        plan = self._plan = trial.plan
        self._plans, self._env, self._shaper = trial.plans, trial.env, trial.shaper
        self._learners, self._adaptation = trial.learners, trial.adaptation
        self._on_point, self._heartbeat = on_point, heartbeat
        self._on_collected, self._settle = trial.on_collected, trial.settle
        self._moments: MomentsUpdate | None = None
        self._seen = -1
        self.last_telemetry = Telemetry()
        self.played = plan.played_steps
        self.judged: Evaluation | None = None  # the rung's final evaluation, if the curve's last point is the same one
        self._learning = Learning()

    def _on_training_start(self) -> None:
        self._seen = self.model.num_timesteps
        if self._plan.training.normalize_observation:
            self._moments = MomentsUpdate(self.model.policy, self._plan.task.observation)
            self._env.record_observations()

    def _on_rollout_start(self) -> None:
        # SB3 has just trained on the previous rollout.
        if self.model.num_timesteps > self._seen:
            self.after_rollout()

    def _on_step(self) -> bool:
        return True

    def _on_rollout_end(self) -> None:
        self._on_collected()
        # For an on-policy algorithm this is the last call before SB3 empties the buffer.
        point = self._is_point(self.model.num_timesteps // self._plans.per_rollout)
        if point and isinstance(self.model, OnPolicyAlgorithm):
            self._learning = learning_telemetry(self.model, self._shaper.return_rms, self._adaptation.scale)

    def _is_point(self, done: int) -> bool:
        """Whether the curve has a point after `done` rollouts."""
        ends = done == self._plans.rung_end(self._plan.fraction)
        return ends or (self._plans.total - done) % self._plans.point_every == 0

    def after_rollout(self) -> None:
        """After each update: let learners learn, evaluate a point of the curve, save a checkpoint, report progress."""
        self._seen = self.model.num_timesteps
        if isinstance(self.model, OnPolicyAlgorithm):
            self._learners.learn(self.model)
        if self._adaptation.entropy is not None and isinstance(self.model, OnPolicyAlgorithm):
            progress = self._seen / self._plan.steps
            self.model.ent_coef = self._adaptation.entropy.after(self._env.rollout, progress)
        if self._moments is not None and self._env.observed is not None:
            self._moments.after(self._env.observed)
        done = self._seen // self._plans.per_rollout
        # The trial's end is also saved: a repeated last rung must not train everything again.
        point, saved = self._is_point(done), done % self._plans.cut_every == 0 or done == self._plans.total
        if point or saved:
            self._settle()
        if point:
            self._point(done == self._plans.rung_end(self._plan.fraction))
        if saved:
            if self._adaptation.horizon is not None and isinstance(self.model, OnPolicyAlgorithm):
                set_discount(self.model, self._shaper, self._adaptation.horizon.at_checkpoint())
            state, adapted = self._learners.state(), self._adaptation.state()
            told = self.last_telemetry.updated(played=dict(self.played.counts))
            if self._moments is not None:
                self._moments.flush()
            coming = 0 if done == self._plans.total else self._plans.cut_every * self._plan.training.collected
            save_checkpoint(self._plan.folder, self.model, self._env.cuts, told, state, adapted, coming)
            # A resumed trial begins here with empty counters, so an uninterrupted one must do the same.
            self._shaper.clear_tallies()
            self._learners.telemetry()
        self._heartbeat(self._collected)

    @property
    def _collected(self) -> int:
        """Environment steps that the trial has collected itself."""
        return self._seen - self._plan.begun_at

    def _point(self, ends: bool) -> None:
        pool, policy = self._plan.pool, self.model.policy
        if ends and self.played.limited:
            asked = final_evaluation(self._plan, self._plans)
            result = self.judged = self.played.success(policy, pool, *asked, self._collected)
        else:
            seed = curve_seed(self._plan.seed, self._seen)
            result = self.played.curve(policy, pool, self._plan.training.eval_episodes, seed, self._collected)
        methods = self._learners.telemetry()
        if self._adaptation.horizon is not None:
            methods["horizon"] = {"gamma": self._adaptation.horizon.gamma}
        now = {"methods": methods, "learning": self._learning}
        telemetry = self._shaper.telemetry().updated(**now)
        # If no episode has ended since, keep the previous sums over episodes; reports of methods are always current.
        kept = telemetry if telemetry.episodes or not self.last_telemetry else self.last_telemetry
        self.last_telemetry = kept.updated(**now)
        self._on_point(CurvePoint(self._collected, result, telemetry.as_json()))
        self._shaper.clear_tallies()
