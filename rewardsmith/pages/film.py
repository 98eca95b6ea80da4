"""Recorded episodes as moving pictures (GIF, WebP, APNG) and as strips of stills, drawn with Pillow."""

from __future__ import annotations

import base64
import io
import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from PIL import Image, ImageDraw, UnidentifiedImageError

from rewardsmith.errors import UsageError
from rewardsmith.pages.players import Shown
from rewardsmith.plaintext import one_line
from rewardsmith.recorded import RecordedEpisode

FORMATS = {".gif": "GIF", ".webp": "WEBP", ".png": "PNG"}
"""Formats of moving pictures by suffix; .png is an animated one."""

_CELL, _GAP, _TEXT = 28, 16, 34  # pixels
_HOLD = 6  # frames that the last one stands
_COLORS = {
    "red": "#d43c3c", "green": "#2f9e44", "blue": "#2f6fd4", "purple": "#8e44ad", "yellow": "#d9a800",
    "grey": "#80868c",
}  # fmt: skip
_MOST_PIXELS = 4_000_000  # of one recorded image


def write_video(shown: Sequence[Shown], path: Path, milliseconds: int = 180) -> int:
    """Write episodes side by side as a moving picture; return its number of frames.

    Args:
        shown: The episodes; each needs a picture. The shorter ones stand still at their ends.
        path: File to write; its suffix is one of FORMATS.
        milliseconds: Time of a frame.

    Raises:
        UsageError: The suffix is unknown, or no episode has a picture.
    """
    form = FORMATS.get(path.suffix.lower())
    if form is None:
        raise UsageError(f"Cannot write {path.name}.", f"Pass --out with a name that ends in {', '.join(FORMATS)}.")
    films = _films(shown)
    length = max(len(stills) for _, stills in films) + _HOLD
    frames = [_side_by_side([(t, s[min(k, len(s) - 1)]) for t, s in films]) for k in range(length)]
    path.parent.mkdir(parents=True, exist_ok=True)
    options: dict[str, Any] = {"save_all": True, "append_images": frames[1:], "duration": milliseconds, "loop": 0}
    frames[0].save(path, form, **options)
    return length


def write_strip(shown: Sequence[Shown], path: Path, stills: int = 6) -> None:
    """Write a strip of stills at equal distances, one row per episode, as a PNG. Raises UsageError as `write_video`."""
    rows = []
    for title, film in _films(shown):
        apart = [round(k * (len(film) - 1) / max(1, stills - 1)) for k in range(min(stills, len(film)))]
        rows.append(_side_by_side([(title if k == 0 else "", film[at]) for k, at in enumerate(apart)]))
    made = Image.new("RGB", (max(r.width for r in rows), sum(r.height for r in rows)), "white")
    for k, row in enumerate(rows):
        made.paste(row, (0, sum(r.height for r in rows[:k])))
    path.parent.mkdir(parents=True, exist_ok=True)
    made.save(path, "PNG")


def _films(shown: Sequence[Shown]) -> list[tuple[str, list[Image.Image]]]:
    """Return (title, stills) of each episode with a picture. Raises UsageError if there is none."""
    films = [(_title(each), stills_of(each.episode)) for each in shown]
    films = [(title, stills) for title, stills in films if stills]
    if not films:
        raise UsageError(
            "No recorded episode of this job has pictures.",
            "Jobs of earlier versions recorded none; `rewardsmith ui` shows what is recorded.",
        )
    return films


def stills_of(episode: RecordedEpisode) -> list[Image.Image]:
    """Return the pictures of an episode, the start first; [] if it has none that can be read."""
    picture = episode.picture
    if picture is None:
        return []
    try:
        if picture["kind"] == "grid":
            return _grids(picture)
        return [_decoded(each) for each in picture["images"]]
    except (KeyError, TypeError, ValueError, IndexError, OSError, UnidentifiedImageError):
        return []


def _decoded(text: str) -> Image.Image:
    image = Image.open(io.BytesIO(base64.b64decode(text)), formats=("WEBP", "PNG", "JPEG"))
    if image.width * image.height > _MOST_PIXELS:
        raise ValueError("a recorded image is too large")
    return image.convert("RGB")


def _grids(picture: Mapping[str, Any]) -> list[Image.Image]:
    size = int(picture["width"]) * _CELL, int(picture["height"]) * _CELL
    if not 0 < size[0] * size[1] <= _MOST_PIXELS:
        raise ValueError("a grid of this size is not drawn")
    stills, objects = [], []
    for x, y, facing, held, now in picture["states"]:
        objects = objects if now is None else now
        image = Image.new("RGB", size, "#f3f3ef")
        pen = ImageDraw.Draw(image)
        for cells, color in ((picture["walls"], "#565b61"), (picture["lava"], "#ff7b29")):
            for cx, cy in cells:
                pen.rectangle(_box(cx, cy, 0), fill=color)
        for kind, color, ox, oy, state, _ in objects:
            _draw_object(pen, (kind, _COLORS.get(color, "#888888"), state), ox, oy)
        _draw_agent(pen, x, y, facing)
        if held:
            middle = (x + 0.5) * _CELL, (y + 0.5) * _CELL
            pen.ellipse(
                (middle[0] - 4, middle[1] - 4, middle[0] + 4, middle[1] + 4), fill=_COLORS.get(held[1], "#888888")
            )
        stills.append(image)
    return stills


def _box(x: float, y: float, inside: int) -> tuple[float, float, float, float]:
    left, top = x * _CELL + inside, y * _CELL + inside
    return left, top, left + _CELL - 1 - 2 * inside, top + _CELL - 1 - 2 * inside


def _draw_object(pen: ImageDraw.ImageDraw, what: tuple[str, str, str | None], x: int, y: int) -> None:
    kind, color, state = what
    if kind == "goal":
        pen.rectangle(_box(x, y, 1), fill=color)
    elif kind == "door":
        pen.rectangle(_box(x, y, 3), fill=color if state == "locked" else None, outline=color, width=3)
        if state != "open":
            left, top, right, bottom = _box(x, y, 3)
            pen.ellipse((right - 8, (top + bottom) / 2 - 2, right - 4, (top + bottom) / 2 + 2), fill="#111111")
    elif kind == "key":
        left, top, right, bottom = _box(x, y, 6)
        middle = (left + right) / 2
        pen.ellipse((middle - 5, top, middle + 5, top + 9), outline=color, width=3)
        pen.line((middle, top + 9, middle, bottom, middle + 5, bottom), fill=color, width=3)
    elif kind == "ball":
        pen.ellipse(_box(x, y, 5), fill=color)
    else:
        pen.rectangle(_box(x, y, 6), fill=None if kind == "box" else color, outline=color, width=3)


def _draw_agent(pen: ImageDraw.ImageDraw, x: int, y: int, facing: int) -> None:
    middle = (x + 0.5) * _CELL, (y + 0.5) * _CELL
    corners = ((11, 0), (-8, -8), (-8, 8))
    turn = facing * math.pi / 2
    cosine, sine = math.cos(turn), math.sin(turn)
    pen.polygon(
        [(middle[0] + a * cosine - b * sine, middle[1] + a * sine + b * cosine) for a, b in corners], fill="#c8102e"
    )


def _title(shown: Shown) -> str:
    solved = "solved" if shown.episode.success else "not solved"
    return f"{one_line(shown.candidate)[:32]}: {solved}, {shown.episode.length} steps"


def _side_by_side(parts: Sequence[tuple[str, Image.Image]]) -> Image.Image:
    height = max(image.height for _, image in parts) + _TEXT + 2 * _GAP
    widths = [max(image.width, 190) for _, image in parts]
    made = Image.new("RGB", (sum(widths) + _GAP * (len(parts) + 1), height), "white")
    pen, left = ImageDraw.Draw(made), _GAP
    for (title, image), width in zip(parts, widths, strict=True):
        pen.text((left, _GAP), title.encode("ascii", "replace").decode(), fill="#1d2125")
        made.paste(image, (left, _GAP + _TEXT))
        left += width + _GAP
    return made


def beside_each_other(best: Sequence[Shown], baseline: Sequence[Shown]) -> list[Shown]:
    """Return an episode of each on the same layout if they share one, else the first one of each."""
    for one in best:
        for other in baseline:
            same = (one.episode.layout, one.episode.pool) == (other.episode.layout, other.episode.pool)
            if same and one.episode.picture and other.episode.picture:
                return [one, other]
    return [each[0] for each in (best, baseline) if each]
