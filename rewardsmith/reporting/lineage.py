"""The lineage of a job's candidates as a drawing: a place for each node, a line to each parent."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Node:
    """A candidate in the drawing.

    Attributes:
        candidate: Its id.
        column: Its column from the left, counted from 0: a program stands to the right of its parents.
        row: Its row from the top; a parent stands at the mean row of its children.
        parents: Ids of its parents that are in the drawing; the first one decides its place.
        move: How it was made: "new", "revise", "combine", "repair", "fork" or "baseline".
        state: Its state: "designed", "passed", "trained", "rejected" or "vetoed".
        score: Success rate, 0 to 1, or score of the search; None without a training.
        reason: The first line of its rejection reason, or "".
    """

    candidate: str
    column: int
    row: float
    parents: tuple[str, ...]
    move: str
    state: str
    score: float | None
    reason: str = ""


def place_lineage(candidates: Sequence[Mapping[str, Any]]) -> list[Node]:
    """Place candidates so that no two stand at the same place, in the order in which they are given.

    Args:
        candidates: Rows with the columns id, iteration, parents, move, state, score and rejection_reason, parents
            before their children. For the place, parents that do not come before them are ignored.
    """
    known = {row["id"]: row for row in candidates}
    depth: dict[str, int] = {}
    children: dict[str | None, list[str]] = {}
    for name, row in known.items():
        # Only a candidate before this one counts, so that there is no circle.
        parent = next((p for p in row["parents"] if p in depth), None)
        depth[name] = 0 if parent is None else depth[parent] + 1
        children.setdefault(parent, []).append(name)
    rows = _rows(children)
    return [
        Node(
            candidate=name,
            column=depth[name],
            row=rows[name],
            parents=tuple(p for p in row["parents"] if p in known and p != name),
            move=row["move"],
            state=row["state"],
            score=row["score"],
            reason=(row["rejection_reason"] or "").split("\n")[0],
        )
        for name, row in known.items()
    ]


def _rows(children: Mapping[str | None, Sequence[str]]) -> dict[str, float]:
    """Return the row of each node: leaves one below the other, a parent at the mean of its first and last child."""
    rows: dict[str, float] = {}
    leaves = 0
    # A long line of repairs is deeper than Python's stack.
    waiting: list[tuple[str, bool]] = [(name, False) for name in reversed(children.get(None, ()))]
    while waiting:
        name, seen = waiting.pop()
        below = children.get(name, ())
        if not below:
            rows[name], leaves = float(leaves), leaves + 1
        elif seen:
            rows[name] = (rows[below[0]] + rows[below[-1]]) / 2
        else:
            waiting.append((name, True))
            waiting += [(child, False) for child in reversed(below)]
    return rows
