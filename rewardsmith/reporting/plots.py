"""Pictures: learning curves with intervals, and rewards by channel."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from rewardsmith.errors import UsageError
from rewardsmith.plaintext import one_line
from rewardsmith.reporting.measure import SUCCESS, Measure
from rewardsmith.telemetry import at_point

_FEW = 10
_COLORS = ("#0072b2", "#7f7f7f", "#d55e00", "#009e73", "#cc79a7")


def learning_curves(
    arms: Mapping[str, Sequence[Sequence[Mapping[str, Any]]]], path: Path, title: str, measure: Measure = SUCCESS
) -> None:
    """Draw success, or the score, over environment steps: a thick line per arm, a thin one per seed.

    The band is the range over seeds; with one seed, the 95 % interval over its episodes. Random play and the reference
    of a score are dashed lines.

    Args:
        arms: By label of each arm, the points of each trial's curve.
        path: Picture to write; its suffix chooses the format.
        title: Title of the picture.
        measure: What is drawn.

    Raises:
        UsageError: No trial has a point yet, or the suffix is unknown.
    """
    drawn = {name: [c for c in curves if c] for name, curves in arms.items()}
    drawn = {name: curves for name, curves in drawn.items() if curves}
    if not drawn:
        raise UsageError(
            "There is no curve to draw yet.",
            "Wait for the first evaluation of a trial; `rewardsmith show` lists the trials.",
        )
    plt = _pyplot()
    figure, axes = plt.subplots(figsize=(7.2, 4.0), layout="constrained")
    for color, (name, curves) in zip(_COLORS, drawn.items(), strict=False):
        _draw(axes, curves, name, color, measure)
    if measure.scale is None:
        axes.set_ylim(-0.02, 1.02)
        axes.set_ylabel("success rate")
        axes.yaxis.set_major_formatter(lambda value, _: f"{100 * value:.0f} %")
    else:
        axes.set_ylabel("score (mean return of an episode)")
        ends = {"random play": measure.scale.random, "reference": measure.scale.reference}
        for name, value in ends.items():
            if value is not None:
                axes.axhline(value, color="black", linewidth=0.8, linestyle="--" if name == "reference" else ":",
                             label=name)  # fmt: skip
    _finish(plt, figure, axes, path, title)


def channel_curves(curves: Sequence[Sequence[Mapping[str, Any]]], path: Path, title: str) -> None:
    """Draw the reward of each channel per training episode over environment steps, the mean over seeds.

    Points of fewer than 10 episodes are hollow: the first episodes to end are short, and often successes. Raises
    UsageError if no episode has ended yet.
    """
    paid: dict[str, dict[int, list[float]]] = {}
    ended: dict[int, int] = {}
    for point in (p for curve in curves for p in curve):
        kept = at_point(point)
        ended[point["steps"]] = ended.get(point["steps"], 0) + kept.episodes
        for name, channel in kept.channels.items():
            paid.setdefault(name, {}).setdefault(point["steps"], []).append(channel.mean_per_episode)
    if not paid:
        raise UsageError(
            "No training episode has ended yet.", "Wait until one has; `rewardsmith show` lists the trials."
        )
    plt = _pyplot()
    figure, axes = plt.subplots(figsize=(7.2, 4.0), layout="constrained")
    for name, points in paid.items():
        steps = sorted(points)
        values = [float(np.mean(points[s])) for s in steps]
        (line,) = axes.plot(steps, values, linewidth=2, label=_label(name))
        for fill, wanted in ((line.get_color(), False), ("white", True)):
            mine = [(s, v) for s, v in zip(steps, values, strict=True) if (ended[s] < _FEW) == wanted]
            axes.plot(*zip(*mine, strict=True) if mine else ((), ()), "o", color=line.get_color(), markerfacecolor=fill)
    few = any(ended[s] < _FEW for points in paid.values() for s in points)
    axes.set_ylabel("per training episode" + (f"\n(hollow: under {_FEW} ended)" if few else ""))
    _finish(plt, figure, axes, path, title, outside=True)


def _pyplot() -> Any:
    import matplotlib as mpl

    mpl.use("Agg")
    mpl.rcParams["text.usetex"] = False  # labels are plain text, whatever the user's matplotlib settings are
    import matplotlib.pyplot as plt

    return plt


def _label(text: str) -> str:
    """Escape a text for matplotlib, where a dollar sign would begin a formula."""
    return one_line(text).replace("$", r"\$")


def _finish(plt: Any, figure: Any, axes: Any, path: Path, title: str, outside: bool = False) -> None:
    """Add the common axes, title and legend, and write the file."""
    axes.set_xlabel("environment steps")
    axes.xaxis.set_major_formatter(lambda value, _: f"{value / 1000:,.0f}k" if value else "0")
    axes.set_title(_label(title), loc="left", fontsize=11)
    axes.grid(alpha=0.25, linewidth=0.6)
    for side in ("top", "right"):
        axes.spines[side].set_visible(False)
    if outside:
        axes.legend(frameon=False, loc="center left", bbox_to_anchor=(1.0, 0.5))
    else:
        axes.legend(frameon=False, loc="best")
    path.parent.mkdir(parents=True, exist_ok=True)
    try:
        figure.savefig(path, dpi=150)
    except ValueError as error:
        raise UsageError(
            f"Cannot write {path}: {error}", "Pass --out with a name that ends in .png, .svg or .pdf."
        ) from error
    finally:
        plt.close(figure)


def _draw(axes: Any, curves: Sequence[Sequence[Mapping[str, Any]]], name: str, color: str, measure: Measure) -> None:
    # A point whose evaluation would have taken too many steps has no value.
    known = [{p["steps"]: v for p in c if (v := measure.of_point(p))[0] is not None} for c in curves]
    steps = np.array(sorted(set.intersection(*(set(points) for points in known))), dtype=np.int64)
    if not len(steps):
        return
    success = np.array([[points[s][0] for s in steps.tolist()] for points in known])
    if len(curves) == 1:
        low, high = np.array([known[0][s][1:] for s in steps.tolist()]).T
        label = f"{name} (1 seed, band: 95 % interval over episodes)"
    else:
        low, high = success.min(axis=0), success.max(axis=0)
        label = f"{name} ({len(curves)} seeds, band: range)"
        for one in success:
            axes.plot(steps, one, color=color, linewidth=0.5, alpha=0.5)
    axes.fill_between(steps, low, high, color=color, alpha=0.18, linewidth=0)
    axes.plot(steps, success.mean(axis=0), color=color, linewidth=2, label=_label(label))
