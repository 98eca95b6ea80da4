"""LaRe: latent rewards from a language model's factors (Qu et al., AAAI 2025, arXiv 2412.11120).

A designer writes factors phi(s, a) in R^d, which evaluate one step from several sides. A decoder f_psi turns them into
a proxy reward, whose sum over an episode approaches the episode's return:

    r^(s, a) = f_psi(phi(s, a)),   L(psi) = E[(R/T - mean over K steps of r^)^2 - (1 - K/T) / K * Var_K(r^)]

docs/methods/lare.md lists the differences from the paper.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal

from pydantic import Field

from rewardsmith.methods.base import Method, Options, Setting
from rewardsmith.methods.decomposition.factors import FactorDecomposition, read_factors
from rewardsmith.methods.decomposition.learner import Fitting, StateDecomposition
from rewardsmith.methods.decomposition.words import words_of_report
from rewardsmith.methods.intrinsic.spaces import require_numbers
from rewardsmith.programs.composition import Channel
from rewardsmith.programs.contract import Contract
from rewardsmith.programs.reward import ENV
from rewardsmith.tasks.base import Task
from rewardsmith.training.learner import Learner

CHANNEL = "lare"


class LareOptions(Options):
    """Options of LaRe. Published: 5 candidates, learning rate 3e-4, and the proxy replaces the environment's reward."""

    factors: Literal["program", "state"] = Field(
        default="program", description="written by a designer, or the policy's observation (control)"
    )
    weight: float = Field(default=1.0, ge=0, description="weight of the proxy reward")
    keep_env: bool = Field(default=True, description="add the environment's reward; false: the proxy replaces it")
    candidates: int = Field(default=5, ge=1, le=16, description="programs that a designer writes and then merges")
    learning_rate: float = Field(default=3e-4, gt=0, description="of the decoder")
    batches: int = Field(default=100, ge=1, le=10_000, description="decoder steps per rollout")
    by_length: bool = Field(default=True, description="weight each episode's loss by T^2; false: as published")
    shuffled: bool = Field(default=False, description="control: permute the factors over the steps of a rollout")


class Lare(Method):
    """The designer writes factors; the decoder is learned in training."""

    name = "lare"
    summary = "LaRe: a designer's factors of a step, from which a decoder learns to redistribute the return"
    Options = LareOptions

    def check(self, task: Task, options: Any, modelled: bool) -> None:
        """Raise UsageError if observations are the factors and the task is observed as an image."""
        if options.factors == "state":
            require_numbers(task, self.name)

    def contract(self, options: Any) -> Contract | None:
        """Return the contract of factors(); None if observations are the factors."""
        chosen = options or LareOptions()
        if chosen.factors == "state":
            return None
        return Contract(self.name, ("factors",), check=read_factors, candidates=chosen.candidates)

    def channels(self, source: str, options: Any) -> tuple[Channel, ...]:
        """Return the channel `env`, whose weight is 0 if the proxy replaces it."""
        return (ENV if options.keep_env else Channel(name="env", kind="env", weight=0.0),)

    def bonuses(self, options: Any) -> tuple[Channel, ...]:
        """Return the channel `lare`, the proxy reward."""
        return (Channel(CHANNEL, kind="bonus", weight=options.weight),)

    def combined_options(self, values: Mapping[str, Any]) -> Any:
        """With `--with lare`, observations are the factors, because no designer writes any."""
        return LareOptions.model_validate({"factors": "state", **values})

    def learner(self, setting: Setting) -> Learner:
        """Return the learner of the decoder."""
        chosen: LareOptions = setting.options
        fitting = Fitting(chosen.learning_rate, chosen.batches, chosen.by_length)
        if chosen.factors == "state":
            return StateDecomposition(setting, CHANNEL, fitting)
        return FactorDecomposition(setting, CHANNEL, fitting, shuffled=chosen.shuffled)

    def evidence(self, telemetry: Mapping[str, Any]) -> tuple[str, ...]:
        """Report how well the decoder predicts success, and the effect of each factor."""
        return words_of_report(telemetry)


METHOD = Lare()
