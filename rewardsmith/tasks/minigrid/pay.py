"""MiniGrid's reward: only for success, and smaller the later it comes."""

from __future__ import annotations

RULE = "The environment pays 1 - 0.9 * step / max_steps on the step that succeeds, and 0 on all others."

FIRST, LAST = 1.0, 0.1
"""Limits of the success reward: at the first step of a long episode, and at its last step."""


def success_reward(step: int, max_steps: int) -> float:
    """Return MiniGrid's reward for a success at `step`, from 1 to `max_steps`."""
    return 1 - 0.9 * (step / max_steps)
