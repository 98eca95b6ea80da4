"""What a job's environment steps went into: counts, and the lines that say them."""

from __future__ import annotations

from dataclasses import dataclass

_PLAYED = {
    "check": "in checks",
    "curve": "for the curve",
    "success": "for success",
    "greedy": "for greedy success",
    "watching": "watching failed episodes",
}


@dataclass(frozen=True)
class StepCounts:
    """Environment steps: trained on, and played besides by purpose (check, curve, success, greedy, watching).

    least: how many trials were judged on the fewest episodes allowed although those took more steps than they trained.
    """

    trained: int
    played: dict[str, int]
    least: int


def steps_by_purpose(search: StepCounts, claim: StepCounts) -> list[str]:
    """What a job's environment steps went into, a line for the search and one for the claim, if there are any."""
    lines = []
    for name, counts in (("search", search), ("claim", claim)):
        if not counts.trained and not counts.played:
            continue
        parts = [f"{counts.played[p]:,} {words}" for p, words in _PLAYED.items() if counts.played.get(p)]
        besides = f"; played besides: {', '.join(parts)}" if parts else ""
        lines.append(f"steps of the {name}: {counts.trained:,} trained{besides}")
        if counts.least:
            lines.append(
                f"trials that played more steps than they trained: {counts.least}, although judged on the fewest "
                "episodes that say anything (20); give --steps more, or shorten the episodes"
            )
    return lines
