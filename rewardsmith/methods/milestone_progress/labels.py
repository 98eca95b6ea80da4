"""Which milestones an episode has reached after each step, and the progress that each step is labelled with."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray


def progress_labels(reached: NDArray[np.int64], success: bool, milestones: int) -> NDArray[np.float64]:
    """Return the progress (k + fraction) / (K + 1) after each step of a complete episode.

    k is the number of milestones reached by then. Success is one more stage, K + 1 in all. Between two stages the
    fraction grows linearly with the steps; it is 0 after the last stage that the episode reached.

    Args:
        reached: int64 [T], k after each step, never falling.
        success: Whether the episode succeeded, on its last step.
        milestones: The number K.

    Returns:
        float64 [T] in [0, 1].
    """
    stages = milestones + 1
    counts = reached.astype(np.float64)
    if success:
        counts[-1] = stages
    # The start, with nothing reached, comes before the first step.
    times = np.concatenate([[0], np.arange(1, len(counts) + 1)])
    counts = np.concatenate([[0.0], counts])
    risen = np.flatnonzero(np.concatenate([[True], np.diff(counts) > 0]))
    return np.interp(times, times[risen], counts[risen])[1:] / stages


class ReachedMilestones:
    """Counts the distinct milestones that each running episode has reached.

    Attributes:
        episodes: float64 [K], episodes that reached each milestone, since a caller last set it to 0.
    """

    def __init__(self, envs: int, milestones: int) -> None:
        self._reached = np.zeros((envs, milestones), dtype=bool)
        self.episodes = np.zeros(milestones)

    def __call__(self, fired: NDArray[np.bool_], starts: NDArray[np.bool_]) -> NDArray[np.int64]:
        """Return the number reached after each step, int64 [T, N].

        Args:
            fired: bool [T, N, K], whether each step terminated each milestone.
            starts: bool [T, N], whether an episode starts at the step.
        """
        counts = np.empty(starts.shape, dtype=np.int64)
        for t in range(len(starts)):
            self._reached[starts[t]] = False
            self.episodes += (fired[t] & ~self._reached).sum(0)
            self._reached |= fired[t]
            counts[t] = self._reached.sum(1)
        return counts
