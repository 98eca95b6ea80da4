"""Drawings as SVG: learning curves, stacked channels, the intervals of a claim, a lineage.

Every text is escaped. Colours come from the style sheet, and no attribute holds a style, so that a strict content
security policy applies.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from markupsafe import Markup, escape

from rewardsmith.plaintext import one_line
from rewardsmith.reporting.lineage import Node
from rewardsmith.reporting.measure import Measure
from rewardsmith.telemetry import at_point

_WIDTH, _HEIGHT = 640, 260
_LEFT, _RIGHT, _TOP, _BOTTOM = 56, 12, 12, 34
_LABEL = 14  # characters of a node's label


@dataclass(frozen=True)
class Axis:
    """A scale from values to pixels. low, high: values at the ends; start, end: their pixels."""

    low: float
    high: float
    start: float
    end: float

    def at(self, value: float) -> float:
        """Return the pixel of a value."""
        span = (self.high - self.low) or 1.0
        return round(self.start + (self.end - self.start) * (value - self.low) / span, 1)

    def ticks(self, count: int = 5) -> list[float]:
        """Return round values inside the scale, about `count`."""
        span = self.high - self.low
        if span <= 0 or not math.isfinite(span):
            return [self.low]
        raw = span / count
        unit = 10.0 ** math.floor(math.log10(raw))
        step = next((unit * k for k in (1, 2, 5) if unit * k >= raw), unit * 10)
        first = math.ceil(self.low / step - 1e-9)
        return [round(step * k, 12) for k in range(first, math.floor(self.high / step + 1e-9) + 1)]


def curves_svg(arms: Mapping[str, Sequence[Sequence[Mapping[str, Any]]]], measure: Measure) -> Markup:
    """Draw learning curves: a line per seed and the mean over seeds of each arm; "" without points."""
    known = {
        name: [[(p["steps"], v) for p in curve if (v := measure.of_point(p)[0]) is not None] for curve in curves]
        for name, curves in arms.items()
    }
    points = [p for curves in known.values() for curve in curves for p in curve]
    if not points:
        return Markup("")
    low, high = measure.span([v for _, v in points])
    x = Axis(0, max(s for s, _ in points), _LEFT, _WIDTH - _RIGHT)
    y = Axis(low, high if high > low else low + 1, _HEIGHT - _BOTTOM, _TOP)
    parts = [_grid(x, y, "environment steps", percent=measure.scale is None)]
    for k, curves in enumerate(known.values()):
        shared = set.intersection(*({s for s, _ in c} for c in curves if c)) if any(curves) else set()
        if len(curves) > 1:
            parts += [_line(curve, x, y, f"thin c{k}") for curve in curves if curve]
        tables = [dict(curve) for curve in curves if curve]
        mean = [(s, sum(t[s] for t in tables) / len(tables)) for s in sorted(shared)]
        parts.append(_line(mean, x, y, f"thick c{k}"))
    return _svg(parts, "Learning curves") + _legend(list(known))


def channels_svg(curves: Sequence[Sequence[Mapping[str, Any]]]) -> Markup:
    """Draw the channels' rewards per training episode of the first trial, stacked; "" without an ended episode."""
    told = [(p["steps"], at_point(p)) for p in (curves[0] if curves else ())]
    names = list(dict.fromkeys(name for _, t in told for name in t.channels))
    told = [(s, t) for s, t in told if t.channels]
    if not names or len(told) < 2:
        return Markup("")
    up, down = [0.0] * len(told), [0.0] * len(told)
    areas: list[tuple[int, list[float], list[float]]] = []
    for k, name in enumerate(names):
        for ends, sign in ((up, 1.0), (down, -1.0)):
            paid = [t.channels[name].mean_per_episode if name in t.channels else 0.0 for _, t in told]
            after = [end + (value if value * sign > 0 else 0.0) for end, value in zip(ends, paid, strict=True)]
            if after != ends:
                areas.append((k, list(ends), after))
            ends[:] = after
    low, high = min(0.0, *down), max(0.0, *up)
    steps = [s for s, _ in told]
    x = Axis(0, steps[-1], _LEFT, _WIDTH - _RIGHT)
    y = Axis(low, high if high > low else low + 1, _HEIGHT - _BOTTOM, _TOP)
    parts = [_grid(x, y, "environment steps", percent=False)]
    for k, before, after in areas:
        path = [(s, v) for s, v in zip(steps, before, strict=True)] + [
            (s, v) for s, v in zip(reversed(steps), reversed(after), strict=True)
        ]
        parts.append(f'<polygon class="area c{_channel(k)}" points="{_points(path, x, y)}"/>')
    whole = [(s, a + b) for s, a, b in zip(steps, up, down, strict=True)]
    parts.append(_line(whole, x, y, "thin total"))
    return _svg(parts, "Rewards per training episode by channel") + _legend(names, offset=True)


def intervals_svg(arms: Sequence[tuple[str, float, tuple[float, float], Sequence[float]]], measure: Measure) -> Markup:
    """Draw the arms of a claim: the mean with its interval, and a dot per seed.

    arms: (name, mean, interval, value of each seed); an interval that is not finite is left out.
    """
    values = [v for _, mean, ends, each in arms for v in (mean, *each, *(e for e in ends if math.isfinite(e)))]
    low, high = (0.0, 1.0) if measure.scale is None else (min(values), max(values))
    x = Axis(low, high if high > low else low + 1, 130, _WIDTH - 20)
    parts = []
    for tick in x.ticks():
        parts.append(f'<line class="grid" x1="{x.at(tick)}" x2="{x.at(tick)}" y1="6" y2="{40 * len(arms)}"/>')
        said = f"{100 * tick:.0f} %" if measure.scale is None else f"{tick:g}"
        parts.append(
            f'<text class="tick" x="{x.at(tick)}" y="{40 * len(arms) + 16}" text-anchor="middle">{said}</text>'
        )
    for k, (name, mean, (least, most), each) in enumerate(arms):
        y = 24 + 40 * k
        parts.append(f'<text x="122" y="{y + 4}" text-anchor="end">{_shown(name)}</text>')
        if math.isfinite(least) and math.isfinite(most):
            parts.append(f'<line class="interval c{k}" x1="{x.at(least)}" x2="{x.at(most)}" y1="{y}" y2="{y}"/>')
        parts += [f'<circle class="seed c{k}" cx="{x.at(v)}" cy="{y + 10}" r="3"/>' for v in each]
        parts.append(f'<circle class="mean c{k}" cx="{x.at(mean)}" cy="{y}" r="6"/>')
    return _svg(parts, "Both rewards with their intervals", height=40 * len(arms) + 24)


def lineage_svg(nodes: Sequence[Node], best: str | None, measure: Measure, link: str = "/candidates/") -> Markup:
    """Draw candidates as a tree from left to right; "" without candidates.

    link: the beginning of each candidate's address, "#" for one inside the same document.
    """
    if not nodes:
        return Markup("")
    across, down = 168, 24
    width = 40 + across * (1 + max(n.column for n in nodes))
    height = 20 + down * (1 + max(n.row for n in nodes))
    place = {n.candidate: (16 + across * n.column, 18 + down * n.row) for n in nodes}
    low, high = measure.span([n.score for n in nodes])
    parts = []
    for node in nodes:
        for k, parent in enumerate(node.parents):
            (x0, y0), (x1, y1) = place[parent], place[node.candidate]
            middle = (x0 + x1) / 2
            kind = "edge more" if k else "edge"
            curve = f"M{x0} {y0:g}C{middle:g} {y0:g} {middle:g} {y1:g} {x1} {y1:g}"
            parts.append(f'<path class="{kind}" d="{curve}"/>')
    for node in nodes:
        x, y = place[node.candidate]
        rejected = node.state in ("rejected", "vetoed")
        share = 0 if node.score is None else round(9 * (node.score - low) / ((high - low) or 1.0))
        kind = "rejected" if rejected else "open" if node.score is None else f"s{min(9, max(0, share))}"
        ring = f'<circle class="ring" cx="{x}" cy="{y:g}" r="10"/>' if node.candidate == best else ""
        shape = (
            f'<path class="node {kind}" d="M{x - 5} {y - 5:g}l10 10m0 -10l-10 10"/>'
            if rejected
            else f'<circle class="node {kind}" cx="{x}" cy="{y:g}" r="6"/>'
        )
        told = f"{node.candidate}: {node.move}, {node.state}"
        told += f", {measure.name} {measure.show(node.score)}" if node.score is not None else ""
        told += f"; {node.reason}" if node.reason else ""
        name = node.candidate.split("-", 1)[-1]
        result = "" if node.score is None else f" {measure.short(node.score)}"
        label = f"{name} {node.move[:_LABEL]}{result}"
        parts.append(
            f'<a href="{_shown(link + node.candidate)}"><title>{_shown(told[:400])}</title>{ring}{shape}'
            f'<text x="{x + 13}" y="{y + 4:g}">{_shown(label)}</text></a>'
        )
    return _svg(parts, "Lineage of the candidates", width, round(height), fixed=True)


def _channel(k: int) -> int:
    return k if k == 0 else k + 1  # the second colour is the baseline's


def _grid(x: Axis, y: Axis, label: str, *, percent: bool) -> str:
    parts = []
    for tick in y.ticks():
        said = f"{100 * tick:.0f} %" if percent else f"{tick:g}"
        parts.append(f'<line class="grid" x1="{_LEFT}" x2="{_WIDTH - _RIGHT}" y1="{y.at(tick)}" y2="{y.at(tick)}"/>')
        parts.append(f'<text class="tick" x="{_LEFT - 6}" y="{y.at(tick) + 4}" text-anchor="end">{said}</text>')
    for tick in x.ticks():
        said = f"{tick / 1000:g}k" if tick else "0"
        parts.append(
            f'<text class="tick" x="{x.at(tick)}" y="{_HEIGHT - _BOTTOM + 16}" text-anchor="middle">{said}</text>'
        )
    parts.append(f'<text class="tick" x="{_WIDTH - _RIGHT}" y="{_HEIGHT - 4}" text-anchor="end">{label}</text>')
    return "".join(parts)


def _line(points: Sequence[tuple[float, float]], x: Axis, y: Axis, kind: str) -> str:
    return f'<polyline class="line {kind}" points="{_points(points, x, y)}"/>'


def _points(points: Sequence[tuple[float, float]], x: Axis, y: Axis) -> str:
    return " ".join(f"{x.at(a):g},{y.at(b):g}" for a, b in points)


def _shown(text: str) -> str:
    return str(escape(one_line(text)))


def _svg(
    parts: Sequence[str], title: str, width: int = _WIDTH, height: int = _HEIGHT, *, fixed: bool = False
) -> Markup:
    size = f' width="{width}" height="{height}"' if fixed else ""
    head = f'<svg viewBox="0 0 {width} {height}"{size} role="img" aria-label="{_shown(title)}">'
    return Markup(head + "".join(parts) + "</svg>")


def _legend(names: Sequence[str], *, offset: bool = False) -> Markup:
    marks = (f'<li class="c{_channel(k) if offset else k}">{_shown(name)}</li>' for k, name in enumerate(names))
    return Markup(f'<ul class="legend">{"".join(marks)}</ul>')
