"""Figures of a search: the lineage of its candidates, predicted difficulty against result, steps to 90 %."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from rewardsmith.errors import UsageError
from rewardsmith.plots.canvas import COLORS, finish, label, new_figure, plain_labels
from rewardsmith.reporting.lineage import Node
from rewardsmith.reporting.measure import SUCCESS, Measure
from rewardsmith.reporting.statistics import median_steps

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_NAMED = 60  # most nodes or points whose names are written beside them


def lineage_tree(nodes: Sequence[Node], title: str, best: str | None = None, measure: Measure = SUCCESS) -> Figure:
    """Draw candidates as a tree from left to right, coloured by result; a cross is a rejected candidate.

    Args:
        nodes: The candidates with their places.
        title: Title of the figure.
        best: Id of the candidate to mark with a ring.
        measure: What the candidates' results are.

    Raises:
        UsageError: There is no candidate.
    """
    if not nodes:
        raise UsageError("The job has no candidates yet.", "Wait for its first round; `rewardsmith show` follows it.")
    place = {node.candidate: (node.column, node.row) for node in nodes}
    rows = 1 + max(node.row for node in nodes)
    with plain_labels():
        width = 2.6 + 1.7 * (1 + max(node.column for node in nodes))
        figure, axes = new_figure(min(width, 30.0), min(1.4 + 0.26 * rows, 60.0))
        for node in nodes:
            for k, parent in enumerate(node.parents):
                (x0, y0), (x1, y1) = place[parent], place[node.candidate]
                axes.plot([x0, x1], [y0, y1], color="#999999", linewidth=0.8, linestyle=":" if k else "-", zorder=1)
        dots = _scatter(axes, nodes, measure)
        if best in place:
            axes.scatter(*place[best], s=150, facecolors="none", edgecolors=COLORS[2], linewidths=1.8, zorder=4)
        if len(nodes) <= _NAMED:
            for node in nodes:
                x, y = place[node.candidate]
                text = f"{node.candidate.split('-', 1)[-1]} {node.move}"
                axes.annotate(label(text), (x, y), (8, 0), textcoords="offset points", fontsize=8, va="center")
        axes.invert_yaxis()
        axes.margins(x=0.12, y=0.06)
        finish(axes, title, steps=False)
        axes.set_axis_off()
        if dots is not None:
            figure.colorbar(dots, ax=axes, shrink=0.8, label=f"{measure.name} in the search")
    return figure


def _scatter(axes: Any, nodes: Sequence[Node], measure: Measure) -> Any:
    """Draw the nodes; return the coloured ones, or None if none has a result."""
    rejected = [n for n in nodes if n.state in ("rejected", "vetoed")]
    others = [n for n in nodes if n.score is None and n.state not in ("rejected", "vetoed")]
    scored = [n for n in nodes if n.score is not None and n not in rejected]
    axes.scatter([n.column for n in rejected], [n.row for n in rejected], marker="x", s=36, color="#777777", zorder=3)
    axes.scatter(
        [n.column for n in others], [n.row for n in others], s=36, facecolors="white", edgecolors="#777777", zorder=3
    )
    if not scored:
        return None
    low, high = measure.span([n.score for n in scored])
    return axes.scatter(
        [n.column for n in scored], [n.row for n in scored], c=[n.score for n in scored], cmap="viridis", vmin=low,
        vmax=high if high > low else low + 1, s=48, edgecolors="black", linewidths=0.5, zorder=3,
    )  # fmt: skip


def difficulty_scatter(
    points: Sequence[tuple[str, float, float | None]], title: str, measure: Measure = SUCCESS
) -> Figure:
    """Draw the result of each candidate against the difficulty that was predicted before training.

    Args:
        points: (candidate, predicted difficulty, result of the search) of each; points without a result are left out.
        title: Title of the figure; Spearman's rank correlation is added for 3 points or more.
        measure: What the results are.

    Raises:
        UsageError: No candidate has both numbers.
    """
    known = [(name, x, y) for name, x, y in points if y is not None]
    if not known:
        raise UsageError(
            "No candidate has both a predicted difficulty and a result.",
            "The certificate predicts it, for tasks with enumerable states; `rewardsmith show` lists the trials.",
        )
    xs, ys = [x for _, x, _ in known], [y for _, _, y in known]
    with plain_labels():
        figure, axes = new_figure()
        axes.scatter(xs, ys, color=COLORS[0], s=36)
        if len(known) <= _NAMED:
            for name, x, y in known:
                text = label(name.split("-", 1)[-1])
                axes.annotate(text, (x, y), (5, 4), textcoords="offset points", fontsize=8)
        axes.set_xlabel("predicted difficulty (smaller learns sooner)")
        axes.set_ylabel(f"{measure.name} in the search")
        if measure.scale is None:
            axes.set_ylim(-0.03, 1.05)
        correlation = spearman(xs, ys)
        told = "" if correlation is None else f" (rank correlation {correlation:+.2f}, n = {len(known)})"
        finish(axes, title + told, steps=False)
    return figure


def spearman(xs: Sequence[float], ys: Sequence[float]) -> float | None:
    """Return Spearman's rank correlation, with mean ranks for ties; None for fewer than 3 points or constant values."""
    import numpy as np

    if len(xs) < 3:
        return None
    ranks = [np.array([sum(v < u for v in vs) + (sum(v == u for v in vs) - 1) / 2 for u in vs]) for vs in (xs, ys)]
    if any(r.std() == 0 for r in ranks):
        return None
    return float(np.corrcoef(ranks[0], ranks[1])[0, 1])


def steps_to_threshold_plot(
    arms: Mapping[str, tuple[Sequence[int | None], int]], title: str, threshold: str = "90 % success"
) -> Figure:
    """Draw the environment steps to a threshold: a point per seed, and the median with its 95 % bootstrap interval.

    A seed that never reached it stands as a hollow triangle at the steps trained: it needs more than these.

    Args:
        arms: By label of each arm, the steps of each seed (None where never reached), and the steps trained.
        title: Title of the figure.
        threshold: What is to be reached, in words.

    Raises:
        UsageError: There is no seed.
    """
    shown = {name: arm for name, arm in arms.items() if arm[0]}
    if not shown:
        raise UsageError(
            "The job has no final evaluation yet.", "Wait for its end; `--confirm` sets the number of fresh seeds."
        )
    with plain_labels():
        figure, axes = new_figure(7.2, 1.6 + 0.8 * len(shown))
        for row, (color, (_, (steps, trained))) in enumerate(zip(COLORS, shown.items(), strict=False)):
            reached = [s for s in steps if s is not None]
            axes.plot(reached, [row + 0.12] * len(reached), "o", color=color, alpha=0.6)
            censored = len(steps) - len(reached)
            axes.plot([trained] * censored, [row + 0.12] * censored, ">", color=color, markerfacecolor="white")
            median, low, high = (min(value, trained) for value in median_steps(steps))
            if math.isfinite(low):
                axes.plot([low, high], [row - 0.12] * 2, color=color, linewidth=2.5)
            mark = "D" if median_steps(steps)[0] <= trained else ">"
            axes.plot([median], [row - 0.12], mark, color=color, markersize=7)
        axes.set_yticks(range(len(shown)), [label(name) for name in shown])
        axes.set_ylim(-0.6, len(shown) - 0.4)
        axes.invert_yaxis()
        axes.set_xlim(left=0)
        finish(axes, title)
        axes.set_xlabel(f"environment steps to {threshold} (diamond: median over seeds; hollow: not reached)")
    return figure
