"""ULPS (arXiv 2606.06673): PPO with a teacher policy, a language model fitted to a planner and weighted by its
certainty.

    P_LLM = (1/T) sum over T stochastic passes          h = H(P_LLM) / ln |A|
    b     = (1 - h) P_LLM + h pi                        a ~ b

P_LLM is the teacher's action distribution, h the mixing coefficient. PPO's ratio is b(a|s) / b_old(a|s), with h and
P_LLM as they were when the step was taken. The entropy bonus is that of pi, and the critic estimates V of b.

Where h is near 0, the gradient (h pi / b) grad log pi vanishes and pi would not learn. Therefore pi is also distilled
from P_LLM on the visited states, and the weight of the teacher is annealed to 0. Only pi is exported.
docs/methods/ulps.md lists the differences from the paper.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, Literal, cast

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from rewardsmith.methods.base import Method, Options, Setting
from rewardsmith.methods.teacher.searchable import searchable
from rewardsmith.tasks.base import Tables, Task
from rewardsmith.training.learner import Experience, Learner, TeacherPolicy

if TYPE_CHECKING:  # a method's module must not load torch
    import torch
    from stable_baselines3 import PPO
    from stable_baselines3.common.on_policy_algorithm import OnPolicyAlgorithm

    from rewardsmith.methods.teacher.language_model import Teacher
    from rewardsmith.methods.teacher.prompts import StateDescriber
    from rewardsmith.methods.teacher.uncertainty import CachedOpinions, Opinion

Gates = Literal["entropy", "information", "decay", "single"]


class UlpsOptions(Options):
    """Options of ULPS.

    `gate` selects h: "entropy" (published), "information" (mutual information), "decay" (0, so that only the annealing
    counts) or "single" (entropy of one pass without dropout).
    """

    gate: Gates = Field(default="entropy", description="how h is computed")
    prompts: Literal["privileged", "view"] = Field(
        default="privileged", description="the full state, or the agent's own views"
    )
    language_model: str | None = Field(default=None, description="path or name for transformers; none: small encoder")
    pairs: int = Field(default=21_500, ge=200, description="(state, optimal actions) pairs that it is fitted on")
    passes: int = Field(default=8, ge=1, le=64, description="stochastic passes, T")
    dropout: float = Field(default=0.1, gt=0, lt=1, description="dropout probability of the passes")
    language_model_epochs: int | None = Field(
        default=None, ge=1, description="most epochs of its fit; none: 5 for a pretrained model, 30 for the encoder"
    )
    language_model_seed: int = Field(default=0, ge=0, description="seed of its data, weights and dropout masks")
    anneal: float = Field(default=0.3, gt=0, le=1, description="proportion of the steps after which pi acts alone")
    distill: float = Field(default=1.0, ge=0, description="weight of distilling P_LLM into pi; 0: none")
    final_episodes: int = Field(default=1000, ge=10, description="episodes that score the blend at the end")


def blend(probs: torch.Tensor, h: torch.Tensor, own: torch.Tensor) -> torch.Tensor:
    """Return log b = log((1 - h) P_LLM + h pi), [B, A].

    Args:
        probs: P_LLM [B, A].
        h: Mixing coefficient [B, 1], in [0, 1].
        own: Logits of pi [B, A].
    """
    import torch

    return torch.log(((1.0 - h) * probs + h * torch.softmax(own, 1)).clamp_min(1e-12))


class Blend(TeacherPolicy):
    """Queries the language model at each step; the result is P_LLM and h, [N, A + 1]."""

    def __init__(self, setting: Setting, teacher: Teacher) -> None:
        from rewardsmith.methods.teacher.uncertainty import CachedOpinions

        actions = len(setting.task.actions)
        self.size = actions + 1
        self._options: UlpsOptions = setting.options
        self._task, self._teacher = setting.task, teacher
        self._anneal_steps = self._options.anneal * setting.steps
        model = teacher.deterministic() if self._options.gate == "single" else teacher.model
        self.opinions: CachedOpinions = CachedOpinions(model, actions)
        self._describer: StateDescriber | None = None
        self.steps = 0  # environment steps of the trial before this rollout
        self.teacher_output: list[NDArray[np.float32]] = []  # of this rollout, for the distillation

    @property
    def trust(self) -> float:
        """The annealing factor of the teacher in [0, 1], which falls linearly to 0; its certainty is not included."""
        return max(0.0, 1.0 - self.steps / self._anneal_steps)

    def describer(self, tables: Tables, envs: int) -> StateDescriber:
        """Return a new describer that writes prompts of the kind that the language model was fitted on."""
        return self._teacher.describer(self._task, tables, envs)

    def outputs(self, observations: NDArray[np.float32], rows: NDArray[Any], tables: Tables) -> NDArray[np.float32]:
        """Return P_LLM and the annealed h, [N, A + 1]; h = 1 without a query once pi acts alone."""
        teacher_output = np.full((len(rows), self.size), 1.0 / (self.size - 1), np.float32)
        teacher_output[:, -1] = 1.0
        if self.trust > 0:
            if self._describer is None:
                self._describer = self.describer(tables, len(rows))
            keys = self._describer.look(rows, observations, rows[:, _STEP] == 0)
            opinion = self.opinions.of(self._describer, keys)
            teacher_output[:, :-1] = opinion.probs
            teacher_output[:, -1] = 1.0 - (1.0 - self.gate(opinion)) * self.trust
            self.teacher_output.append(teacher_output)
        return teacher_output

    def gate(self, opinion: Opinion) -> NDArray[np.float32]:
        """Return h [N] before annealing, in [0, 1]."""
        if self._options.gate == "decay":
            return np.zeros(len(opinion.probs), np.float32)
        return opinion.gate("information" if self._options.gate == "information" else "entropy")

    def logits(self, own: torch.Tensor, teacher_output: torch.Tensor) -> torch.Tensor:
        """Return log b [B, A] from the logits of pi and the stored P_LLM and h."""
        return blend(teacher_output[:, :-1], teacher_output[:, -1:], own)


_STEP = 1
"""Column of the step count in MiniGrid's state rows; it is 0 at the start of an episode."""


class UlpsLearner(Learner):
    """Distils P_LLM into pi after each update, and scores the blend at the end of the trial."""

    def __init__(self, setting: Setting) -> None:
        chosen: UlpsOptions = setting.options
        self._setting, self._options = setting, chosen
        self._teacher = teacher_of(setting.task, chosen)
        self.teacher_policy = self._blend = Blend(setting, self._teacher)
        self._clear()

    def _clear(self) -> None:
        self._rollouts, self._h, self._loss, self._agreement = 0, 0.0, 0.0, 0.0
        self._with: float | None = None

    def rewards(self, seen: Experience) -> dict[str, NDArray[Any]]:
        """Return no bonus; count the steps for the annealing."""
        self._blend.steps = seen.steps + seen.rollout.rewards.size
        return {}

    def learn(self, seen: Experience, model: OnPolicyAlgorithm) -> None:
        """Distil P_LLM of this rollout's states into pi; at the end of the trial, score the blend."""
        if self._blend.teacher_output:
            teacher_output = np.stack(self._blend.teacher_output)
            self._blend.teacher_output = []
            self._rollouts += 1
            self._h += float(teacher_output[..., -1].mean())
            if self._options.distill > 0:
                self._distil(seen.observations, teacher_output, cast("PPO", model))
        if model.num_timesteps + seen.rollout.rewards.size > self._setting.steps:
            self._with = self._success_with(model)

    def _distil(self, observations: NDArray[np.float32], teacher_output: NDArray[np.float32], model: PPO) -> None:
        """Minimise -(1 - h) sum_a P_LLM(a) log pi(a) in one pass; 1 - h lets only certain states count."""
        import torch

        from rewardsmith.methods.teacher.imitation import descend, shuffled_log_probs

        policy: Any = model.policy
        states = torch.from_numpy(observations.reshape(-1, observations.shape[-1]))
        said = torch.from_numpy(teacher_output.reshape(-1, teacher_output.shape[-1]))
        losses, agreed = [], 0
        for chosen, log_probs in shuffled_log_probs(policy, states, model.batch_size):
            probs, h = said[chosen, :-1].to(policy.device), said[chosen, -1].to(policy.device)
            loss = -((1 - h) * (probs * log_probs).sum(1)).mean()
            descend(policy, self._options.distill * loss, model.max_grad_norm)
            losses.append(float(loss.detach()))
            agreed += int((log_probs.argmax(1) == probs.argmax(1)).sum())
        self._loss += float(np.mean(losses))
        self._agreement += agreed / len(states)

    def _success_with(self, model: OnPolicyAlgorithm) -> float:
        """Success rate of the blend in [0, 1], without annealing, on the search's evaluation layouts."""
        from rewardsmith.methods.teacher.blended import Adviser, play_blended

        envs, task = min(64, self._options.final_episodes), self._setting.task
        batch = task.batch(envs, "select")
        gate = "information" if self._options.gate == "information" else "entropy"
        describer = self._blend.describer(batch.tables, envs)
        try:
            adviser = Adviser(describer, self._blend.opinions, gate)
            episodes, seed = self._options.final_episodes, self._setting.seed
            return play_blended(model.policy, task, batch, adviser, episodes, seed).success
        finally:
            batch.close()

    def state(self) -> dict[str, Any]:
        """The step count of the annealing. Opinions are a function of the prompt and need not be stored."""
        return {"steps": self._blend.steps}

    def load(self, state: Any) -> None:
        """Restore the step count of the annealing."""
        self._blend.steps = state["steps"]

    def telemetry(self) -> dict[str, Any]:
        """Averages over the rollouts since the last call, and the held-out scores of the language model."""
        count = max(self._rollouts, 1)
        known = self._teacher.calibration
        told = {
            "prompts": self._options.prompts,
            "privileged": self._options.prompts == "privileged",
            "trust": self._blend.trust,
            "h": self._h / count if self._rollouts else None,
            "distillation_loss": self._loss / count if self._rollouts else None,
            "agreement": self._agreement / count if self._rollouts else None,
            "prompts_read": self._blend.opinions.prompts,
            "states_asked": self._blend.opinions.states,
            "language_model_accuracy": known.accuracy,
            "language_model_ece": known.ece,
            "success_with_language_model": self._with,
            "report": str(self._teacher.folder),
        }
        self._clear()
        return told


def teacher_of(task: Task, options: UlpsOptions, told: Callable[[str], None] | None = None) -> Teacher:
    """Return the language model of `options`, from disk or newly fitted.

    Args:
        task: A task that the planner can search.
        options: Options of the method.
        told: Receives a line of progress at a time.

    Raises:
        UsageError: The planner cannot search the task, or the language model cannot be loaded.
    """
    from rewardsmith.methods.teacher.finetune import silent
    from rewardsmith.methods.teacher.language_model import TeacherSpec, fitted_teacher

    spec = TeacherSpec(
        options.prompts, options.language_model, options.pairs, options.passes, options.dropout,
        options.language_model_epochs, options.language_model_seed,
    )  # fmt: skip
    return fitted_teacher(searchable(task), spec, told or silent)


class Ulps(Method):
    """Needs no designer; the reward is the environment's own."""

    name = "ulps"
    summary = "ULPS: PPO with a language model as teacher, fitted to a planner and weighted by its certainty"
    recurrent = False
    algorithms = frozenset({"ppo"})  # their updates use PPO's minibatches
    Options = UlpsOptions

    def program(self, task: Task, options: Any) -> str:
        """Return "". Raises UsageError if the planner cannot search the task, or transformers is needed but missing."""
        searchable(task)
        if options.language_model is not None:
            from rewardsmith.methods.teacher.pretrained import need_transformers

            need_transformers(options.language_model)
        return ""

    def learner(self, setting: Setting) -> Learner:
        """Return the learner. Raises UsageError if the planner or the language model is missing."""
        return UlpsLearner(setting)

    def oracle_informed(self, options: Any, modelled: bool) -> bool:
        """Always true: the language model is fitted to the planner's actions."""
        return True

    def reads_files(self, options: UlpsOptions) -> bool:
        """Whether `language_model` is set, which may name a folder."""
        return options.language_model is not None

    def oracle_notice(self, options: Any) -> str | None:
        """Return the notice about the small encoder; None if a language model is named."""
        if options.language_model is not None:
            return None
        return (
            "The language model of ULPS is a small encoder, fitted here to the planner's actions. Set a pretrained one "
            "with --language-model. Results are oracle-informed"
            + (", and prompts contain the full state (privileged)." if options.prompts == "privileged" else ".")
        )

    def evidence(self, telemetry: Mapping[str, Any]) -> tuple[str, ...]:
        """Report the accuracy of the language model, and the success rate of the blend if known."""
        with_it = telemetry.get("success_with_language_model")
        lines = [
            f"The language model names an optimal action in {telemetry['language_model_accuracy']:.1%} of test states."
        ]
        if with_it is not None:
            lines.append(
                f"Success rate of the policy blended with the language model, on unseen layouts: {with_it:.1%}."
            )
        return tuple(lines)


METHOD = Ulps()
