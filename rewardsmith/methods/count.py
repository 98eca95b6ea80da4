"""Count bonus beta / sqrt(N(s')), where N(s') is the number of visits to s' in the whole trial.

MBIE-EB (Strehl and Littman 2008); Bellemare et al. 2016, arXiv 1606.01868, use it with function approximation.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from rewardsmith.methods.base import Method, Setting
from rewardsmith.methods.intrinsic.count_keys import CountKey, CountKeys, Visits
from rewardsmith.methods.intrinsic.standardised import BonusOptions, standardised
from rewardsmith.programs.composition import Channel
from rewardsmith.training.learner import Experience, Learner


class CountOptions(BonusOptions):
    """Options of the count bonus; for the kind of key see intrinsic/count_keys.py."""

    former_names: ClassVar[Mapping[str, str]] = {"sight": "count_key"}

    beta: float = Field(default=0.01, ge=0, description="weight of the bonus")
    count_key: CountKey = "view"


class Counter(Learner):
    """Counts visits in one table for the whole trial."""

    def __init__(self, setting: Setting) -> None:
        self._keys = CountKeys(setting.task.schema, setting.options.count_key)
        self._visits = Visits()

    def rewards(self, seen: Experience) -> dict[str, NDArray[Any]]:
        """Return 1 / sqrt(N) [T, N envs]; N includes the present visit."""
        return {"count": 1.0 / np.sqrt(self._visits.reach(self._keys(seen)))}

    def state(self) -> Any:
        """The table of visits for a checkpoint."""
        return self._visits.state()

    def load(self, state: Any) -> None:
        """Restore the table from a checkpoint."""
        self._visits.load(state)

    def telemetry(self) -> dict[str, Any]:
        """How many keys the trial has seen."""
        return {"keys": len(self._visits.counts)}


class Count(Method):
    """The environment's reward plus the count bonus."""

    name = "count"
    summary = "count bonus 1/sqrt(visits) of the next state (baseline)"
    page = "baselines"
    Options = CountOptions

    def bonuses(self, options: Any) -> tuple[Channel, ...]:
        """Return the channel `count` of weight beta."""
        return (Channel("count", kind="bonus", weight=options.beta),)

    def learner(self, setting: Setting) -> Learner:
        """Return the learner that counts visits."""
        return standardised(Counter(setting), setting.options)


METHOD = Count()
