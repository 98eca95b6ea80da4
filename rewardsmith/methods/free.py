"""Free form: one reward() with named components, added to the environment's own reward (as in Eureka)."""

from __future__ import annotations

from typing import Any

from rewardsmith.methods.base import Method
from rewardsmith.programs.composition import Channel
from rewardsmith.programs.contract import Contract
from rewardsmith.programs.reward import ENV


class Free(Method):
    """The designer writes reward()."""

    name = "free"
    summary = "reward() with up to 16 named components, added to the environment's reward"

    def contract(self, options: Any) -> Contract:
        """The one function."""
        return Contract(self.name, ("reward",))

    def channels(self, source: str, options: Any) -> tuple[Channel, ...]:
        """The environment's reward and the program's."""
        return (ENV, Channel(name="reward", weight=1.0))


METHOD = Free()
