"""The sandbox level of this machine, measured before a worker runs programs of other people."""

from __future__ import annotations

from rewardsmith.errors import RewardsmithError
from sandbox.client import Isolation, Observation, SandboxError, observe_level


def observe() -> Observation:
    """Start a sandboxed process that tests every layer. Raises RewardsmithError if it cannot be started."""
    try:
        return observe_level()
    except SandboxError as error:
        cause, _, remedy = str(error).partition("\n")
        raise RewardsmithError(cause, remedy or "sandbox/README.md describes what the sandbox needs.") from error


def observed_level(floor: Isolation) -> Isolation:
    """Return the sandbox level of this machine. Raises RewardsmithError if it is below `floor`."""
    seen = observe()
    if seen.level.is_below(floor):
        layers = ", ".join(f"{layer} ({why})" for layer, why, _ in seen.missing)
        raise RewardsmithError(
            f"The sandbox reaches level {seen.level} on this machine, below the required {floor}; missing: {layers}.",
            "; ".join(dict.fromkeys(remedy for _, _, remedy in seen.missing)).capitalize() + ".",
        )
    return seen.level
