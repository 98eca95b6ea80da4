"""E3B: exploration by elliptical episodic bonuses (Henaff et al., NeurIPS 2022, arXiv 2210.05805).

    b(s_t) = phi(s_t)^T C_(t-1)^-1 phi(s_t),   C_(t-1) = sum over i < t of phi(s_i) phi(s_i)^T + lambda I

C is reset in each episode. phi is learned with an inverse-dynamics model, which predicts the action between two states.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from rewardsmith.methods.base import Method, Setting
from rewardsmith.methods.intrinsic.spaces import require_discrete, require_numbers
from rewardsmith.methods.intrinsic.standardised import BonusOptions, standardised
from rewardsmith.programs.composition import Channel
from rewardsmith.tasks.base import Task
from rewardsmith.training.learner import Experience, Learner

_HIDDEN, _FEATURES = 128, 32
_MINIBATCH = 1024


class E3BOptions(BonusOptions):
    """Options of E3B; the learning rate is that of the inverse-dynamics model."""

    former_names: ClassVar[Mapping[str, str]] = {"rate": "learning_rate"}

    weight: float = Field(default=0.01, ge=0, description="weight of the bonus")
    ridge: float = Field(default=0.1, gt=0, description="lambda, the regulariser of C")
    learning_rate: float = Field(default=1e-4, gt=0)


class E3BLearner(Learner):
    """Holds phi, the inverse-dynamics head and C^-1 of each running episode."""

    def __init__(self, setting: Setting) -> None:
        from rewardsmith.methods.intrinsic.networks import Trained, mlp, seeded

        chosen, actions = setting.options, len(setting.task.actions)
        with seeded(setting.seed):
            networks = {
                "phi": mlp(setting.task.observation_size, _HIDDEN, _FEATURES),
                "action": mlp(2 * _FEATURES, _HIDDEN, actions),
            }
        self._trained = Trained(setting.seed, chosen.learning_rate, dict(networks), ["phi", "action"])
        self._ridge = chosen.ridge
        self._inverse = np.empty((setting.training.num_envs, _FEATURES, _FEATURES))
        self._accuracy = 0.0

    def rewards(self, seen: Experience) -> dict[str, NDArray[Any]]:
        """Return b(s_t), computed before the rank-one update of C^-1 by the same step (Sherman-Morrison formula)."""
        import torch

        with torch.no_grad():
            phi = self._trained.networks["phi"](torch.from_numpy(seen.following)).double().numpy()
        bonus = np.empty(phi.shape[:2])
        for t, starts in enumerate(seen.rollout.starts):
            self._inverse[starts] = np.eye(_FEATURES) / self._ridge
            u = np.einsum("nij,nj->ni", self._inverse, phi[t])
            bonus[t] = np.einsum("ni,ni->n", phi[t], u)
            self._inverse -= u[:, :, None] * u[:, None, :] / (1.0 + bonus[t])[:, None, None]
        return {"e3b": bonus}

    def learn(self, seen: Experience, model: Any) -> None:
        """Train the inverse-dynamics model with one pass over the rollout."""
        import torch
        from torch.nn import functional

        networks = self._trained.networks
        before, after = (torch.from_numpy(o).flatten(0, 1) for o in (seen.observations, seen.following))
        actions = torch.from_numpy(seen.rollout.actions).flatten()
        right = 0
        for chosen in self._trained.minibatches(len(actions), _MINIBATCH):
            pair = torch.cat([networks["phi"](before[chosen]), networks["phi"](after[chosen])], 1)
            guesses = networks["action"](pair)
            self._trained.step(functional.cross_entropy(guesses, actions[chosen]))
            right += int((guesses.argmax(1) == actions[chosen]).sum())
        self._accuracy = right / len(actions)

    def state(self) -> Any:
        """The networks. C is not stored: a checkpoint ends all episodes."""
        return self._trained.state()

    def load(self, state: Any) -> None:
        """Restore the networks from a checkpoint."""
        self._trained.load(state)

    def telemetry(self) -> dict[str, Any]:
        """Accuracy of the inverse-dynamics model on the last rollout."""
        return {"action_accuracy": self._accuracy}


class E3B(Method):
    """The environment's reward plus the elliptical bonus."""

    name = "e3b"
    summary = "E3B: elliptical episodic novelty bonus (baseline)"
    page = "baselines"
    Options = E3BOptions

    def check(self, task: Task, options: Any, modelled: bool) -> None:
        """Raise UsageError if the task has spaces that the networks cannot read."""
        require_numbers(task, self.name)
        require_discrete(task, self.name)

    def bonuses(self, options: Any) -> tuple[Channel, ...]:
        """Return the channel `e3b` of the given weight."""
        return (Channel("e3b", kind="bonus", weight=options.weight),)

    def learner(self, setting: Setting) -> Learner:
        """Return the learner that computes the bonus."""
        return standardised(E3BLearner(setting), setting.options)


METHOD = E3B()
