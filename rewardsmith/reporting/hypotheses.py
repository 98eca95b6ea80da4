"""Whether the analyzer's prediction came true for the programs that were derived from an analysed candidate."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from rewardsmith.reporting.measure import SUCCESS, Measure, measure_of
from rewardsmith.storage import reads
from rewardsmith.storage.rows import Candidate

if TYPE_CHECKING:
    from rewardsmith.storage.reads import Readable


@dataclass(frozen=True)
class Tested:
    """A program derived from an analysed candidate.

    Attributes:
        candidate: Its id.
        before: Success rate of the analysed candidate, 0 to 1, or its score.
        after: Success rate or score of this program; None if it was not trained.
        gone: Diagnosis labels that it no longer has; None if it was not analysed.
        measure: What the two are compared by.
    """

    candidate: str
    before: float
    after: float | None
    gone: tuple[str, ...] | None
    measure: Measure = SUCCESS

    @property
    def outcome(self) -> str:
        """Return whether success rose by more than 5 points, or the score by as much, as every prediction implies."""
        if self.after is None:
            return "not tested"
        return "came true" if self.measure.rose(self.before, self.after) else "did not come true"

    def words(self) -> str:
        """Return the outcome as one line of text."""
        if self.after is None:
            return f"{self.candidate}, derived from it, was not trained: the prediction is not tested"
        gone = "" if self.gone is None else f"; no longer diagnosed: {', '.join(self.gone) or 'nothing'}"
        return (
            f"{self.candidate}: {self.measure.name} {self.measure.show(self.before)} -> "
            f"{self.measure.show(self.after)}{gone}: "
            f"the prediction {self.outcome}"
        )


def outcomes_of(connection: Readable, candidate: Candidate) -> list[Tested]:
    """Return the programs whose first parent is `candidate`; a repaired program is replaced by its last repair."""
    if candidate.score is None:
        return []
    measure = measure_of(reads.get_job(connection, candidate.job_id).spec)
    everybody = reads.candidates_of(connection, candidate.job_id)
    analysed = reads.fetch(
        connection, "analyses", columns=["candidate_id", "labels"], prefix=("candidate_id", f"{candidate.job_id}-")
    )
    labels = {row["candidate_id"]: set(row["labels"]) for row in analysed}
    found = []
    for child in everybody:
        if child.parents[:1] != [candidate.id] or child.move not in ("revise", "combine"):
            continue
        last = _repaired(child, everybody)
        gone = None
        if last.id in labels:
            gone = tuple(sorted(labels.get(candidate.id, set()) - labels[last.id]))
        found.append(Tested(last.id, candidate.score, last.score, gone, measure))
    return found


def _repaired(candidate: Candidate, everybody: list[Candidate]) -> Candidate:
    """Return the last repair of a candidate, or the candidate itself."""
    following = next((c for c in everybody if c.move == "repair" and c.parents[:1] == [candidate.id]), None)
    return candidate if following is None else _repaired(following, everybody)
