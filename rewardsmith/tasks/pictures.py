"""Pictures of a task's states, for recorded episodes: an optional capability of a task, in one of two forms.

A picture of kind "grid" has `width` and `height` in cells, the cells of its `walls` and its `lava` as [x, y], and one
entry of `states` per state: [x, y, direction, carried object or null, objects]. The direction is 0 to 3 for right,
down, left, up. An object is [kind, colour, x, y, state or null, target], a carried one [kind, colour]. Objects that
equal those of the state before are null.

A picture of kind "images" has encoded images of the MIME type `type` as base64 in `images`, and in `at` the state that
each shows; state 0 is the start.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol, runtime_checkable

from numpy.typing import NDArray

from rewardsmith.tasks.base import Tables, Task

MOST_IMAGES = 40
"""Images of an episode; of a longer one, states at equal distances are shown."""


@runtime_checkable
class Pictured(Protocol):
    """Draws its states from their rows. Without it and without `Filmed`, players show captions only."""

    def picture(self, rows: NDArray[Any], tables: Tables) -> dict[str, Any]:
        """Return the picture of the states in rows [S, W]."""
        ...


@runtime_checkable
class Filmed(Protocol):
    """Replays an episode in an environment that renders itself."""

    def film(self, pool: str, layout: int, actions: Sequence[Any], states: Sequence[int]) -> dict[str, Any] | None:
        """Return the picture of an episode, or None if its environment cannot be rendered here.

        Args:
            pool: The pool of the layout.
            layout: Index of the layout.
            actions: All actions of the episode: ints, or vectors.
            states: The states to show: k is the one after k actions.
        """
        ...


def picture_of(
    task: Task,
    rows: NDArray[Any],
    tables: Tables,
    pool: str,
    layout: int,
    actions: Sequence[Any],
    states: Sequence[int],
) -> dict[str, Any] | None:
    """Return the picture of an episode's states `rows` [S, W], or None if the task has none.

    The other arguments are those of `Filmed.film`.
    """
    if isinstance(task, Pictured):
        return task.picture(rows, tables)
    if isinstance(task, Filmed):
        apart = max(1, -(-len(states) // MOST_IMAGES))
        return task.film(pool, layout, actions, sorted({*states[::apart], states[-1]}))
    return None
