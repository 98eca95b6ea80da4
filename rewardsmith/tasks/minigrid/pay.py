"""What MiniGrid pays: for success alone, and less the later it comes."""

from __future__ import annotations

RULE = "The environment pays 1 - 0.9 * step / max_steps on the step that succeeds, and 0 on all others."

FIRST, LAST = 1.0, 0.1
"""The limits of what a success is paid: at the first step of a long episode, and at its last."""


def success_reward(step: int, max_steps: int) -> float:
    """What MiniGrid's `_reward` pays for a success at `step`, 1 to `max_steps`."""
    return 1 - 0.9 * (step / max_steps)
