"""Opens what a description names as `reference`, and measures whether it succeeds."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from rewardsmith.errors import UsageError
from rewardsmith.tasks.base import BatchEnv
from rewardsmith.tasks.described import python_tasks
from rewardsmith.tasks.described.description import is_function
from rewardsmith.tasks.described.modules import importable
from rewardsmith.tasks.described.references.functions import FunctionReference
from rewardsmith.tasks.described.references.playing import PlayedReference, measure
from rewardsmith.tasks.described.references.recordings import RecordedReference, read_episodes
from rewardsmith.tasks.reference import Achieved

if TYPE_CHECKING:
    from rewardsmith.tasks.described.setup import Setup

MEASURED = 20
"""Episodes that a reference plays before a job."""

LEAST = 0.5
"""Success rate under which a reference is refused: it would stand for a solution that it mostly is not."""


def open_reference(setup: Setup) -> PlayedReference | None:
    """Open the reference of a description; None if it has none.

    Raises:
        UsageError: If it cannot be opened, or is made for another environment.
    """
    named = setup.description.reference
    if setup.hooks.reference is not None:
        name = named or f"reference of {setup.description.python or setup.description.id}"
        return FunctionReference(name, setup, setup.hooks.reference)
    return None if named is None else open_named(setup, named)


def open_named(setup: Setup, named: str) -> PlayedReference:
    """Open a reference by name: MODULE:FUNCTION, or a policy file or recorded episodes. Raises UsageError."""
    if is_function(named):
        found = setup.description.model_copy(update={"reference": named})
        with importable(setup.folder):
            return FunctionReference(named, setup, python_tasks.hooks_of(found, setup.folder).reference)
    path = place_of(named, setup.folder)
    if not path.is_file():
        raise UsageError(f"There is no file {path}.", "Correct `reference` in the description.")
    if path.suffix == ".json":
        return RecordedReference(named, setup, read_episodes(path, setup.form.actions))
    from rewardsmith.tasks.described.references import policies

    opened = policies.open_sb3 if path.suffix == ".zip" else policies.open_exported
    with importable(setup.folder):
        return opened(path, named, setup)


def place_of(named: str, folder: Path | None) -> Path:
    """Return the path of a file that a description names: relative ones begin in its folder."""
    return (folder or Path.cwd()) / named


def require_success(reference: PlayedReference, setup: Setup) -> Achieved:
    """Measure a reference, and return what it achieved.

    Raises:
        UsageError: If it succeeds in fewer than half of the episodes; where nothing counts as a success, if its mean
            return is no better than that of random play.
        TaskError: If it cannot play.
    """
    found, described = reference.achieves(MEASURED), setup.description
    what = f"The reference {reference.name} of {described.id}"
    remedy = "Correct the reference, or remove it. `rewardsmith tasks try` plays it."
    if described.condition is not None or setup.hooks.success is not None:
        if found.success_rate < LEAST:
            raise UsageError(
                f"{what} succeeds in {found.successes} of {found.episodes} episodes, and must in half of them, because "
                f"it stands for a solution. Its mean return is {found.mean_return:.3g}.",
                remedy,
            )
        return found
    usual = random_play(reference)
    sign = 1 if described.direction == "maximize" else -1
    if sign * found.mean_return <= sign * usual.mean_return:
        raise UsageError(
            f"{what} has a mean return of {found.mean_return:.3g}, no better than the {usual.mean_return:.3g} of "
            "random play.",
            remedy,
        )
    return found


def random_play(reference: PlayedReference, episodes: int = MEASURED) -> Achieved:
    """Return what random play achieves on the starts that a reference plays. Raises TaskError."""
    setup, batch = reference.setup, reference.batch(1)
    try:
        return measure(batch, _Random(batch, setup), reference.layouts(episodes), setup.schema)
    finally:
        batch.close()


class _Random:
    """Random play of one batch, as a player."""

    def __init__(self, batch: BatchEnv, setup: Setup) -> None:
        self._batch, self._space = batch, setup.form.actions
        self._rng = np.random.default_rng(0)

    def actions(self, rows: NDArray[Any], starts: NDArray[np.bool_]) -> NDArray[Any]:
        """Draw the next actions."""
        del starts
        return self._space.sample(self._rng, len(rows), allowed=self._batch.masks)
