"""Figures over environment steps: learning curves with intervals, and rewards by channel."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from rewardsmith.errors import UsageError
from rewardsmith.plots.canvas import CHANNELS, COLORS, finish, label, new_figure, plain_labels
from rewardsmith.reporting.measure import SUCCESS, Measure
from rewardsmith.telemetry import at_point

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_FEW = 10

Curve = Sequence[Mapping[str, Any]]
"""The points of one trial's learning curve, as stored."""


def learning_curves(arms: Mapping[str, Sequence[Curve]], title: str, measure: Measure = SUCCESS) -> Figure:
    """Draw success, or the score, over environment steps: a thick line per arm, a thin one per seed.

    The band is the range over seeds; with one seed, the 95 % interval over its episodes. Random play and the reference
    of a score are dashed lines.

    Args:
        arms: By label of each arm, the points of each trial's curve.
        title: Title of the figure.
        measure: What is drawn.

    Raises:
        UsageError: No trial has a point yet.
    """
    drawn = {name: [c for c in curves if c] for name, curves in arms.items()}
    drawn = {name: curves for name, curves in drawn.items() if curves}
    if not drawn:
        raise UsageError(
            "There is no curve to draw yet.",
            "Wait for the first evaluation of a trial; `rewardsmith show` lists the trials.",
        )
    with plain_labels():
        figure, axes = new_figure()
        for color, (name, curves) in zip(COLORS, drawn.items(), strict=False):
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
                    style = "--" if name == "reference" else ":"
                    axes.axhline(value, color="black", linewidth=0.8, linestyle=style, label=name)
        finish(axes, title)
    return figure


def channel_curves(curves: Sequence[Curve], title: str) -> Figure:
    """Draw the reward of each channel per training episode over environment steps, the mean over seeds.

    Points of fewer than 10 episodes are hollow: the first episodes to end are short, and often successes. Raises
    UsageError if no episode has ended yet.
    """
    paid, ended = _paid(curves)
    with plain_labels():
        figure, axes = new_figure()
        for k, (name, points) in enumerate(paid.items()):
            steps = sorted(points)
            values = [points[s] for s in steps]
            color = CHANNELS[k % len(CHANNELS)]
            axes.plot(steps, values, linewidth=2, color=color, label=label(name))
            for fill, wanted in ((color, False), ("white", True)):
                mine = [(s, v) for s, v in zip(steps, values, strict=True) if (ended[s] < _FEW) == wanted]
                xs, ys = ([p[k] for p in mine] for k in (0, 1))
                axes.plot(xs, ys, "o", color=color, markerfacecolor=fill)
        few = any(ended[s] < _FEW for points in paid.values() for s in points)
        axes.set_ylabel("per training episode" + (f"\n(hollow: under {_FEW} ended)" if few else ""))
        finish(axes, title, outside=True)
    return figure


def channel_stack(curves: Sequence[Curve], title: str) -> Figure:
    """Draw the rewards of the channels per training episode on top of each other, the mean over seeds.

    Positive rewards are stacked upwards and negative ones downwards, so that the height above zero minus the depth
    below it is the shaped return. Raises UsageError if no episode has ended yet.
    """
    paid, _ = _paid(curves)
    steps = sorted({s for points in paid.values() for s in points})
    with plain_labels():
        figure, axes = new_figure()
        up, down = np.zeros(len(steps)), np.zeros(len(steps))
        for k, (name, points) in enumerate(paid.items()):
            values = np.array([points.get(s, 0.0) for s in steps])
            color = CHANNELS[k % len(CHANNELS)]
            gain, loss = np.maximum(values, 0.0), np.minimum(values, 0.0)
            axes.fill_between(steps, up, up + gain, color=color, alpha=0.85, linewidth=0, label=label(name))
            axes.fill_between(steps, down, down + loss, color=color, alpha=0.85, linewidth=0)
            up, down = up + gain, down + loss
        axes.plot(steps, up + down, color="black", linewidth=1.2, label="shaped return")
        axes.axhline(0.0, color="black", linewidth=0.6)
        axes.set_ylabel("reward per training episode")
        finish(axes, title, outside=True)
    return figure


def _paid(curves: Sequence[Curve]) -> tuple[dict[str, dict[int, float]], dict[int, int]]:
    """Return the mean reward per episode of each channel by steps, and the number of ended episodes by steps."""
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
    means = {name: {s: float(np.mean(v)) for s, v in points.items()} for name, points in paid.items()}
    return means, ended


def _draw(axes: Any, curves: Sequence[Curve], name: str, color: str, measure: Measure) -> None:
    # A point whose evaluation would have taken too many steps has no value.
    known = [{p["steps"]: v for p in c if (v := measure.of_point(p))[0] is not None} for c in curves]
    steps = np.array(sorted(set.intersection(*(set(points) for points in known))), dtype=np.int64)
    if not len(steps):
        return
    success = np.array([[points[s][0] for s in steps.tolist()] for points in known])
    if len(curves) == 1:
        low, high = np.array([known[0][s][1:] for s in steps.tolist()]).T
        described = f"{name} (1 seed, band: 95 % interval over episodes)"
    else:
        low, high = success.min(axis=0), success.max(axis=0)
        described = f"{name} ({len(curves)} seeds, band: range)"
        for one in success:
            axes.plot(steps, one, color=color, linewidth=0.5, alpha=0.5)
    axes.fill_between(steps, low, high, color=color, alpha=0.18, linewidth=0)
    axes.plot(steps, success.mean(axis=0), color=color, linewidth=2, label=label(described))
