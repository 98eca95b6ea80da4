"""Free form: one reward() with named components, added to the environment's own reward (as in Eureka).

A text may define potential(state, memory) instead or besides, which is paid as gamma * Phi(s') - Phi(s).
"""

from __future__ import annotations

from typing import Any

from rewardsmith.methods.base import Method
from rewardsmith.programs.composition import Channel
from rewardsmith.programs.contract import Contract
from rewardsmith.programs.reward import free_channels, free_functions


class Free(Method):
    """The designer writes reward()."""

    name = "free"
    summary = "reward() with up to 16 named components, added to the environment's reward"

    def contract(self, options: Any) -> Contract:
        """The one function."""
        return Contract(self.name, ("reward",))

    def functions(self, source: str, options: Any) -> tuple[str, ...]:
        """reward(), potential() or both."""
        return free_functions(source) if source else ()

    def channels(self, source: str, options: Any) -> tuple[Channel, ...]:
        """The environment's reward and the program's."""
        return free_channels(source)


METHOD = Free()
