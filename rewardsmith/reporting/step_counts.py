"""Environment steps of a job by purpose: the counts, and their lines on the screen."""

from __future__ import annotations

from dataclasses import dataclass, field

_PLAYED = {
    "check": "in checks",
    "curve": "for the learning curve",
    "success": "for the final success rate",
    "greedy": "for greedy success",
    "watching": "to record failed episodes",
}


@dataclass(frozen=True)
class StepCounts:
    """Environment steps of the search or of the final evaluation.

    Attributes:
        trained: Steps that policies were trained on.
        played: Further steps by purpose: check, curve, success, greedy, watching.
        least: Number of trials that were evaluated on the fewest episodes allowed and still played more steps than
            `training.evaluation_share` allows.
        saved: Steps that trials did not train, because they began from the transitions of an earlier candidate.
        reused: Number of these trials.
        empty: Why trials started empty although the job reuses transitions, by candidate.
    """

    trained: int
    played: dict[str, int]
    least: int
    saved: int = 0
    reused: int = 0
    empty: dict[str, str] = field(default_factory=dict)

    @property
    def share(self) -> float:
        """Steps played without training on them, as a fraction of the trained ones; 0 if none were trained."""
        return sum(self.played.values()) / self.trained if self.trained else 0.0

    def as_json(self) -> dict[str, int]:
        """Return the steps by purpose, "trained" among them, and those "saved" if any trial reused transitions."""
        return {"trained": self.trained, **self.played, **({"saved": self.saved} if self.reused else {})}


_SCORED = {
    "success": "for the final score", "greedy": "for the greedy score", "watching": "to record episodes",
}  # fmt: skip


def steps_by_purpose(search: StepCounts, claim: StepCounts, *, scored: bool = False) -> list[str]:
    """Return a line on the steps of the search and one on those of the final evaluation, if there were any.

    scored: whether the task has a score instead of a success.
    """
    lines, purposes = [], {**_PLAYED, **_SCORED} if scored else _PLAYED
    for name, counts in (("search", search), ("final evaluation", claim)):
        if not counts.trained and not counts.played:
            continue
        parts = [f"{counts.played[p]:,} {words}" for p, words in purposes.items() if counts.played.get(p)]
        besides = f"; also played: {', '.join(parts)} ({counts.share:.0%} of those trained)" if parts else ""
        lines.append(f"steps of the {name}: {counts.trained:,} trained{besides}")
        if counts.reused:
            began = f"{counts.reused} trials began from an earlier candidate's transitions"
            lines.append(f"environment steps saved by reuse: {counts.saved:,}; {began}")
        lines += [f"{candidate} started empty: {why}" for candidate, why in counts.empty.items()]
        if counts.least:
            lines.append(
                f"{counts.least} trials played a larger share of their steps than training.evaluation_share, although "
                "they were evaluated on the smallest number of episodes (5); raise --steps, or shorten the episodes"
            )
    return lines
