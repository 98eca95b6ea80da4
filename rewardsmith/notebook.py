"""Results as HTML for notebooks. All text is escaped, because programs, models and other users wrote much of it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from html import escape
from typing import Any

from rewardsmith.plaintext import plain

_COLORS = ("#2b8ccf", "#808890", "#d55e00", "#009e73")
_LONGEST = 400  # characters of a cell


def facts(title: str, pairs: Mapping[str, Any]) -> str:
    """Return a heading with a table of names and values. Values of None are left out."""
    rows = "".join(
        f"<tr><th style='text-align:left'>{_text(name)}</th><td style='text-align:left'>{_cell(value)}</td></tr>"
        for name, value in pairs.items()
        if value is not None
    )
    return f"<h4>{_text(title)}</h4><table>{rows}</table>"


def table(title: str, records: Sequence[Mapping[str, Any]], columns: Sequence[str]) -> str:
    """Return a heading with a table of the named columns of `records`; "" if there are no records."""
    if not records:
        return ""
    head = "".join(f"<th style='text-align:left'>{_text(name.replace('_', ' '))}</th>" for name in columns)
    body = "".join(
        "<tr>" + "".join(f"<td style='text-align:left'>{_cell(record[name])}</td>" for name in columns) + "</tr>"
        for record in records
    )
    return f"<h4>{_text(title)}</h4><table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>"


def curves(title: str, arms: Mapping[str, Sequence[Sequence[tuple[int, float]]]]) -> str:
    """Return learning curves as a drawing, a line per trial; "" if there are no points.

    A notebook has no style sheet of ours, so that colours are attributes. They stay visible on dark pages.

    Args:
        title: Heading of the drawing.
        arms: By label, (environment steps, value) of each point of each trial.
    """
    points = [point for lines in arms.values() for line in lines for point in line]
    if not points:
        return ""
    most, low, high = max(s for s, _ in points), min(0.0, *(v for _, v in points)), max(1e-9, *(v for _, v in points))
    parts = [
        f"<text x='{x}' y='{y}' font-size='11' fill='#808890' text-anchor='{side}'>{_text(said)}</text>"
        for x, y, side, said in (
            (44, 20, "end", f"{high:.3g}"), (44, 180, "end", f"{low:.3g}"), (548, 196, "end", f"{most:,} steps"),
        )
    ]  # fmt: skip
    parts.append("<path d='M50 10V180H550' fill='none' stroke='#808890'/>")
    for k, (name, lines) in enumerate(arms.items()):
        color = _COLORS[k % len(_COLORS)]
        for line in lines:
            places = " ".join(
                f"{50 + 500 * s / max(most, 1):.1f},{180 - 170 * (v - low) / (high - low):.1f}" for s, v in line
            )
            parts.append(f"<polyline points='{places}' fill='none' stroke='{color}' stroke-width='1.6'/>")
        parts.append(f"<text x='60' y='{22 + 15 * k}' font-size='12' fill='{color}'>{_text(name)}</text>")
    drawn = f"<svg viewBox='0 0 560 200' width='560' height='200' role='img'>{''.join(parts)}</svg>"
    return f"<h4>{_text(title)}</h4>{drawn}"


def program(title: str, source: str | None) -> str:
    """Return a program's text in a block that opens on a click; "" if there is no program."""
    if not source:
        return ""
    return f"<details><summary>{_text(title)}</summary><pre>{_text(source)}</pre></details>"


def _cell(value: Any) -> str:
    if value is None:
        return "-"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, int):
        return f"{value:,}"
    if isinstance(value, float):
        return f"{value:.4g}"
    text = str(value)
    return _text(text if len(text) <= _LONGEST else f"{text[:_LONGEST]} ...")


def _text(text: str) -> str:
    # Escaping alone leaves invisible and bidirectional characters, which can change the text as it is displayed.
    return escape(plain(text), quote=True)
