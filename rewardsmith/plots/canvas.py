"""What every figure shares: size, axes, colours, labels without markup, and the file it is written to."""

from __future__ import annotations

import io
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rewardsmith.errors import UsageError
from rewardsmith.plaintext import one_line

if TYPE_CHECKING:
    from matplotlib.figure import Figure

COLORS = ("#0072b2", "#7f7f7f", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9", "#000000")
"""Colours that colour-blind people can tell apart (Okabe and Ito, 2008), with a grey for the baseline."""

CHANNELS = (COLORS[0], *COLORS[2:])
"""Colours of channels and components: those of COLORS without the grey, which is the baseline's."""


@contextmanager
def plain_labels() -> Iterator[None]:
    """Let matplotlib read labels as plain text, whatever the user's settings of matplotlib are."""
    import matplotlib as mpl

    with mpl.rc_context({"text.usetex": False, "svg.hashsalt": "rewardsmith"}):
        yield


def new_figure(width: float = 7.2, height: float = 4.0) -> tuple[Figure, Any]:
    """Return an empty figure of this size in inches, and its axes. pyplot and its global state are not used."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(width, height), layout="constrained")
    FigureCanvasAgg(figure)
    return figure, figure.add_subplot()


def label(text: str) -> str:
    """Escape a text for matplotlib, where a dollar sign would begin a formula."""
    return one_line(text).replace("$", r"\$")


def finish(axes: Any, title: str, *, outside: bool = False, steps: bool = True) -> None:
    """Add the title, the grid and the legend.

    Args:
        axes: The axes.
        title: Title of the figure.
        outside: Whether the legend stands at the right of the axes.
        steps: Whether the horizontal axis counts environment steps.
    """
    if steps:
        axes.set_xlabel("environment steps")
        axes.xaxis.set_major_formatter(lambda value, _: f"{value / 1000:,.0f}k" if value else "0")
    axes.set_title(label(title), loc="left", fontsize=11)
    axes.grid(alpha=0.25, linewidth=0.6)
    axes.set_axisbelow(True)
    for side in ("top", "right"):
        axes.spines[side].set_visible(False)
    if not axes.get_legend_handles_labels()[0]:
        return
    if outside:
        axes.legend(frameon=False, loc="center left", bbox_to_anchor=(1.0, 0.5))
    else:
        axes.legend(frameon=False, loc="best")


def written(figure: Figure, form: str) -> bytes:
    """Return a figure as the content of a file. form: "png", "svg" or "pdf". Raises ValueError for others."""
    out = io.BytesIO()
    # Without a date, the same figure is the same file.
    dated: dict[str, dict[str, Any]] = {"svg": {"Date": None}, "pdf": {"CreationDate": None}}
    with plain_labels():
        figure.savefig(out, format=form, dpi=150, metadata=dated.get(form))
    return out.getvalue()


def save(figure: Figure, path: Path) -> None:
    """Write a figure; the suffix of `path` chooses the format. Raises UsageError if matplotlib does not know it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    try:
        path.write_bytes(written(figure, path.suffix.lower().removeprefix(".") or "png"))
    except ValueError as error:
        raise UsageError(
            f"Cannot write {path}: {error}", "Pass --out with a name that ends in .png, .svg or .pdf."
        ) from error
