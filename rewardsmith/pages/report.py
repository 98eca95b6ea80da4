"""A job as one HTML file: the templates of the pages with everything inlined. It fetches nothing and prints well."""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from markupsafe import Markup
from sqlalchemy import Connection, select

from rewardsmith.errors import UsageError
from rewardsmith.pages import players, reading, views
from rewardsmith.pages.drawing import curves_svg
from rewardsmith.pages.rendering import STATIC, render, whole
from rewardsmith.storage.artifacts import ArtifactStore
from rewardsmith.storage.rows import Job
from rewardsmith.storage.schema import candidates

LIMIT = 1_000_000
"""Bytes of a report, which must fit into a mail."""

_EPISODES = 320_000  # bytes of the recorded episodes
_FAILURES = 3


@dataclass(frozen=True)
class Level:
    """How much of each candidate a report shows; later levels show less.

    Attributes:
        shown: The most candidates with a section of their own.
        colours: Whether programs are coloured.
        diffs: Whether the changes since the parents are shown.
        drawings: Whether each candidate has its curve.
        cut: Characters of each text that are shown.
        left_out: What the report says is left out, "" for nothing.
    """

    shown: int
    colours: bool
    diffs: bool
    drawings: bool
    cut: int
    left_out: str


LEVELS = (
    Level(200, True, True, True, 40_000, ""),
    Level(200, False, True, True, 20_000, "colours of programs"),
    Level(200, False, False, False, 8_000, "changes since the parents, and the curves of single candidates"),
    Level(
        60, False, False, False, 4_000, "changes since the parents, curves of single candidates, all but 60 candidates"
    ),
    Level(
        15, False, False, False, 2_000, "changes since the parents, curves of single candidates, all but 15 candidates"
    ),
)


def report_html(connection: Connection, store: ArtifactStore, job: Job) -> str:
    """Return the report of a job: at most LIMIT bytes in UTF-8.

    Levels of detail are tried one after the other. Raises UsageError if even the last one is too large.
    """
    values, text = _job_values(connection, store, job), ""
    for level in LEVELS:
        shown = _candidates(connection, job, level)
        text = render("report.html", **values, **shown, left_out=level.left_out, cut=level.cut)
        if len(text.encode()) <= LIMIT:
            return text
    raise UsageError(
        f"The report of job {job.id} would have {len(text.encode()):,} bytes.",
        "Look at the job with `rewardsmith ui`, or export a candidate.",
    )


def _job_values(connection: Connection, store: ArtifactStore, job: Job) -> dict[str, Any]:
    arms, measure = views.curves_values(connection, job)
    script, style = (STATIC / "player.js").read_text("utf-8"), (STATIC / "style.css").read_text("utf-8")
    tree = views.lineage_values(connection, job, link="#")
    return {
        **views.job_values(connection, job),
        **tree,
        "curve": curves_svg(arms, measure),
        "episodes": fitting(_episodes(connection, store, job)),
        "script": Markup(script),
        "style": Markup(style),
        "policy": f"default-src 'none'; script-src '{_hash(script)}'; style-src '{_hash(style)}'; img-src data:",
        "link": "#",
        "link_more": False,
        "more": False,
        "evidence": False,
    }


def _candidates(connection: Connection, job: Job, level: Level) -> dict[str, Any]:
    """Return the table of candidates and a section for each, the best ones first."""
    names = _names(connection, job, level.shown)
    found = reading.candidates_named(connection, names)
    sections = []
    for name in names:
        values = views.candidate_values(connection, job, found[name])
        if not level.colours or len(found[name].source) > level.cut:
            values["code"] = whole(found[name].source, level.cut)
        small = len(found[name].source) <= level.cut
        values["diffs"] = values["diffs"] if level.diffs and small else []
        if not level.drawings:
            values |= {"curve": "", "stack": ""}
        sections.append(values)
    rows = [row for at in range(0, len(names), 50) for row in reading.rows_of(connection, job, names[at : at + 50])]
    return {"sections": sections, "page": reading.Page(rows)}


def _names(connection: Connection, job: Job, most: int) -> list[str]:
    """Return the baseline, the best candidate, then the others by their results; those without a result come last."""
    query = select(candidates.c.id).where(candidates.c.job_id == job.id)
    ranked = query.order_by(candidates.c.score.is_(None), candidates.c.score.desc(), candidates.c.id)
    first = [name for name in (f"{job.id}-sparse", job.best_candidate) if name]
    return list(dict.fromkeys([*first, *connection.execute(ranked.limit(most)).scalars()]))[:most]


def _episodes(connection: Connection, store: ArtifactStore, job: Job) -> list[players.Shown]:
    """Return episodes of the best candidate and of the baseline, and failures or counter-examples of three others."""
    chosen: list[players.Shown] = []
    for name in (job.best_candidate, f"{job.id}-sparse"):
        mine = players.episodes_of(connection, store, name) if name else []
        chosen += [each for kind in ("success", "failure") if (each := players.typical(mine, kind)) is not None]
    others = [name for name in _names(connection, job, 40) if name not in (job.best_candidate, f"{job.id}-sparse")]
    failures = 0
    for name in reversed(others):
        mine = players.episodes_of(connection, store, name)
        found = players.typical(mine, "counter-example") or players.typical(mine, "failure")
        if found is not None and failures < _FAILURES:
            chosen.append(found)
            failures += 1
    return chosen


def fitting(shown: Sequence[players.Shown], most: int = _EPISODES) -> list[dict[str, Any]]:
    """Return episodes as data for JSON of at most about `most` bytes: images are thinned out, then episodes dropped."""
    told = [each.as_json() for each in shown]
    for _ in range(4):
        if _size(told) <= most:
            return told
        told = [_thinned(each) for each in told]
    while told and _size(told) > most:
        told.pop()
    return told


def _thinned(episode: Mapping[str, Any]) -> dict[str, Any]:
    """Return an episode with every second image, if it has images."""
    picture = episode["picture"]
    if not picture or picture["kind"] != "images" or len(picture["images"]) < 3:
        return dict(episode)
    return {**episode, "picture": {**picture, "images": picture["images"][::2], "at": picture["at"][::2]}}


def _size(told: Any) -> int:
    return len(json.dumps(told, separators=(",", ":")))


def _hash(text: str) -> str:
    return f"sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}"
