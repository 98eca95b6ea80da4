"""The certificate as a picture: optimal values as colours for each facing, optimal arrows, the exploit's path."""

from __future__ import annotations

import textwrap
from typing import TYPE_CHECKING, Any

from rewardsmith.errors import UsageError
from rewardsmith.plots.canvas import COLORS, label, plain_labels

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_SIDES = (
    ((0.5, -0.5), (0.5, 0.5)),
    ((0.5, 0.5), (-0.5, 0.5)),
    ((-0.5, 0.5), (-0.5, -0.5)),
    ((-0.5, -0.5), (0.5, -0.5)),
)
"""Ends of the side that an agent faces, for right, down, left, up; y points down."""

_AHEAD = ((1, 0), (0, 1), (-1, 0), (0, -1))
_NAMES = {"FORWARD": "", "TURN_LEFT": "L", "TURN_RIGHT": "R", "PICKUP": "P", "DROP": "D", "TOGGLE": "T", "DONE": "!"}
_SENTENCE = 110  # characters of a line


def draw_value_map(found: Any, sentence: str) -> Figure:
    """Draw a ValueMap of verification.value_map beside the sentence of the certificate.

    Each triangle of a cell is the agent in that cell facing its outer side; its colour is the optimal value. An arrow
    means that stepping ahead is optimal there, a letter another action: L and R turn, P picks up, D drops, T toggles.
    The white line is an optimal path, the dashed one the counter-example's. Raises UsageError without a panel.
    """
    if not found.panels:
        raise UsageError("There is nothing to draw.", "Check the reward on a task whose layouts can be enumerated.")
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure
    from matplotlib.patches import Polygon, Rectangle

    values = [v for panel in found.panels for v, _ in panel.values.values()]
    with plain_labels():
        from matplotlib import colormaps
        from matplotlib.cm import ScalarMappable
        from matplotlib.colors import Normalize

        shades = ScalarMappable(Normalize(min(values), max(values)), colormaps["viridis"])
        wide = max(3.2, 0.45 * found.width)
        figure = Figure(figsize=(wide * len(found.panels) + 1.2, 0.45 * found.height + 1.9), layout="constrained")
        FigureCanvasAgg(figure)
        every = figure.subplots(1, len(found.panels), squeeze=False)[0]
        for k, (axes, panel) in enumerate(zip(every, found.panels, strict=True)):
            for (x, y, facing), (value, action) in panel.values.items():
                (ax, ay), (bx, by) = _SIDES[facing]
                corners = [(x, y), (x + ax, y + ay), (x + bx, y + by)]
                axes.add_patch(Polygon(corners, facecolor=shades.to_rgba(value), edgecolor="none"))
                _mark(axes, (x, y, facing), found.actions[action])
            for cells, color in ((found.walls, "#565b61"), (found.lava, "#ff7b29")):
                for x, y in cells:
                    axes.add_patch(Rectangle((x - 0.5, y - 0.5), 1, 1, facecolor=color))
            for kind, color, x, y, state, _ in panel.objects:
                text = label(f"{color} {kind}" + (f"\n{state}" if state else ""))
                axes.text(x, y, text, ha="center", va="center", fontsize=6, color="white",
                          bbox={"facecolor": "black", "alpha": 0.55, "pad": 1, "linewidth": 0})  # fmt: skip
            _path(axes, panel.best, "white", "-")
            _path(axes, panel.exploit, COLORS[2], "--")
            axes.set_xlim(-0.5, found.width - 0.5)
            axes.set_ylim(found.height - 0.5, -0.5)
            axes.set_aspect("equal")
            axes.set_xticks([])
            axes.set_yticks([])
            held = f"carrying the {panel.held[1]} {panel.held[0]}" if panel.held else "carrying nothing"
            axes.set_title(label(f"{k + 1}. {held}"), fontsize=9, loc="left")
        figure.colorbar(shades, ax=list(every), shrink=0.8, label="optimal value")
        figure.suptitle(label_lines(sentence), fontsize=9, x=0.01, ha="left")
    return figure


def label_lines(sentence: str) -> str:
    """Return a sentence as the lines of a title."""
    return "\n".join(label(line) for line in textwrap.wrap(sentence, _SENTENCE)[:4])


def _mark(axes: Any, place: tuple[int, int, int], action: str) -> None:
    x, y, facing = place
    dx, dy = _AHEAD[facing]
    if action == "FORWARD":
        arrow = {"arrowstyle": "->", "color": "white", "linewidth": 0.8}
        axes.annotate("", (x + 0.46 * dx, y + 0.46 * dy), (x + 0.18 * dx, y + 0.18 * dy), arrowprops=arrow)
    else:
        from matplotlib.patheffects import withStroke

        said, rim = label(_NAMES.get(action, action[:1])), [withStroke(linewidth=1.2, foreground="black")]
        axes.text(
            x + 0.32 * dx, y + 0.32 * dy, said, ha="center", va="center", fontsize=6, color="white", path_effects=rim
        )  # fmt: skip


def _path(axes: Any, places: Any, color: str, style: str) -> None:
    if len(places) > 1:
        axes.plot([x for x, _ in places], [y for _, y in places], color=color, linestyle=style, linewidth=1.8)
