"""Bonuses with a moving mean and deviation: the options of those that offer it, and the learner that applies it."""

from __future__ import annotations

from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from rewardsmith.methods.base import Options
from rewardsmith.methods.intrinsic.running import MovingStandard
from rewardsmith.training.learner import Experience, Learner


class BonusOptions(Options):
    """Options that the bonuses share.

    Attributes:
        normalize: "moving" standardises the bonus to mean 0 and deviation 1. So weights of bonuses compare, and an idle
            agent loses reward. "none" pays the bonus as its paper does.
    """

    normalize: Literal["none", "moving"] = Field(default="none", description="moving: mean 0, deviation 1")


class Standardised(Learner):
    """Standardises all channels of another learner; everything else is that learner's own."""

    def __init__(self, bonus: Learner) -> None:
        self.bonus = bonus
        self._standards: dict[str, MovingStandard] = {}

    def rewards(self, seen: Experience) -> dict[str, NDArray[Any]]:
        """Return the other learner's values, standardised by channel."""
        raw = self.bonus.rewards(seen)
        for name in raw:
            self._standards.setdefault(name, MovingStandard())
        return {name: self._standards[name](np.asarray(values, np.float64)) for name, values in raw.items()}

    def learn(self, seen: Experience, model: Any) -> None:
        """Let the other learner learn."""
        self.bonus.learn(seen, model)

    def state(self) -> Any:
        """The other learner's state, and the moments by channel."""
        standards = {name: standard.state() for name, standard in self._standards.items()}
        return {"bonus": self.bonus.state(), "standards": standards}

    def load(self, state: Any) -> None:
        """Restore the value that `state` returned."""
        self.bonus.load(state["bonus"])
        for name, moments in state["standards"].items():
            self._standards.setdefault(name, MovingStandard()).load(moments)

    def telemetry(self) -> dict[str, Any]:
        """Return the statistics of the other learner."""
        return self.bonus.telemetry()

    def close(self) -> None:
        """Close the learner that is standardised."""
        self.bonus.close()


def standardised(bonus: Learner, options: BonusOptions) -> Learner:
    """Return `bonus`, standardised if the options ask for it."""
    return Standardised(bonus) if options.normalize == "moving" else bonus
