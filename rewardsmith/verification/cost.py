"""What the check `cost` tells the designer of a program that is too slow."""

from __future__ import annotations

from rewardsmith.tasks.base import Task
from sandbox.views import is_grid


def too_slow(task: Task, limit_us: float) -> str:
    """Return the verdict for prompts. It contains no measured time, which would differ when a job is repeated."""
    return (
        f"one transition costs more processor time than the limit of {limit_us:g} us, over all functions of the "
        f"program together. {cheaper(task)}"
    )


def cheaper(task: Task) -> str:
    """Return what a program should use instead of what usually makes programs slow."""
    if is_grid(task.schema.as_dict()):
        return (
            "Do not search the grid in the program: state.walk_steps(a, b), state.doors_between(a, b), "
            'state.room_of(place) and, with USES = ["walk_distance"], the field walk_distance have the result at hand.'
        )
    return "Compute what does not change once per episode and keep it in memory."
