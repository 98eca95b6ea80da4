"""Free form: one reward() with named components, added to the environment's own reward (as in Eureka, arXiv
2310.12931).

A program may also define potential(state, memory), instead of reward() or beside it. It is rewarded as
gamma * Phi(s') - Phi(s).
"""

from __future__ import annotations

from typing import Any

from rewardsmith.methods.base import Method
from rewardsmith.programs.composition import Channel
from rewardsmith.programs.contract import Contract
from rewardsmith.programs.reward import free_channels, free_functions


class Free(Method):
    """The designer writes one function, reward()."""

    name = "free"
    summary = "reward() with up to 16 named components, added to the environment's reward"

    def contract(self, options: Any) -> Contract:
        """Return the contract of reward()."""
        return Contract(self.name, ("reward",))

    def functions(self, source: str, options: Any) -> tuple[str, ...]:
        """Return "reward", "potential" or both, as the program defines."""
        return free_functions(source) if source else ()

    def channels(self, source: str, options: Any) -> tuple[Channel, ...]:
        """Return the channel `env` and those of the program."""
        return free_channels(source)


METHOD = Free()
