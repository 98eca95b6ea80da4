"""What a sandboxed process of this machine observes, asked before a worker takes anybody's programs."""

from __future__ import annotations

from rewardsmith.errors import RewardsmithError
from sandbox.client import Isolation, Observation, SandboxError, observe_level


def observe() -> Observation:
    """Which layers held when a sandboxed process tried them just now. Raises RewardsmithError if none starts."""
    try:
        return observe_level()
    except SandboxError as error:
        cause, _, remedy = str(error).partition("\n")
        raise RewardsmithError(cause, remedy or "See sandbox/README.md.") from error


def observed_level(floor: Isolation) -> Isolation:
    """The protection level that a program would have here. Raises RewardsmithError below `floor`."""
    seen = observe()
    if seen.level.is_below(floor):
        layers = ", ".join(f"{layer} ({why})" for layer, why, _ in seen.missing)
        raise RewardsmithError(
            f"A program would be protected at level {seen.level}, below {floor}; not in force: {layers}.",
            "; ".join(dict.fromkeys(remedy for _, _, remedy in seen.missing)).capitalize() + ".",
        )
    return seen.level
