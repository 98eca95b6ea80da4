"""Count bonus beta / sqrt(N(s')), where N(s') is the number of visits to s' in the whole trial.

MBIE-EB (Strehl and Littman 2008); Bellemare et al. 2016, arXiv 1606.01868, use it with function approximation.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from rewardsmith.methods.base import Method, Options, Setting
from rewardsmith.methods.intrinsic.places import Places, Sight, Visits
from rewardsmith.programs.composition import Channel
from rewardsmith.training.learner import Experience, Learner


class CountOptions(Options):
    """Options of the count bonus; for the kind of key see intrinsic/places.py."""

    beta: float = Field(default=0.01, ge=0, description="weight of the bonus")
    sight: Sight = "view"


class Counter(Learner):
    """Counts visits in one table for the whole trial."""

    def __init__(self, setting: Setting) -> None:
        self._places = Places(setting.task.schema, setting.options.sight)
        self._visits = Visits()

    def rewards(self, seen: Experience) -> dict[str, NDArray[Any]]:
        """Return 1 / sqrt(N) [T, N envs]; N includes the present visit."""
        return {"count": 1.0 / np.sqrt(self._visits.reach(self._places(seen)))}

    def state(self) -> Any:
        """The table of visits for a checkpoint."""
        return self._visits.state()

    def load(self, state: Any) -> None:
        """Restore the table from a checkpoint."""
        self._visits.load(state)

    def telemetry(self) -> dict[str, Any]:
        """How many places the trial has seen."""
        return {"places": len(self._visits.counts)}


class Count(Method):
    """The environment's reward plus the count bonus."""

    name = "count"
    summary = "count bonus 1/sqrt(visits) of the next state (baseline)"
    Options = CountOptions

    def bonuses(self, options: Any) -> tuple[Channel, ...]:
        """Return the channel `count` of weight beta."""
        return (Channel("count", kind="bonus", weight=options.beta),)

    def learner(self, setting: Setting) -> Learner:
        """Return the learner that counts visits."""
        return Counter(setting)


METHOD = Count()
