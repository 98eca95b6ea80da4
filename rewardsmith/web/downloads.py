"""Downloads: figures as pictures, curves and candidates as CSV, curves as JSON, programs as text."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Mapping, Sequence
from typing import Annotated, Any

from fastapi import FastAPI, HTTPException, Query
from fastapi.responses import JSONResponse, Response

from rewardsmith.errors import UsageError
from rewardsmith.pages import views
from rewardsmith.plaintext import in_csv
from rewardsmith.reporting.measure import Measure
from rewardsmith.storage import reads
from rewardsmith.web.site import Site

FIGURES = ("curves", "components", "lineage")
"""Figures of rewardsmith.plots that a page offers."""

_TYPES = {"png": "image/png", "svg": "image/svg+xml", "pdf": "application/pdf"}
_LARGEST = 2_000  # candidates up to which a lineage is drawn as a picture

Name = Annotated[str, Query(max_length=64)]


def add(app: FastAPI, site: Site) -> None:
    """Add the addresses of all downloads."""

    @app.get("/jobs/{name}/curves.json")
    def curves_json(name: str, candidate: Name = "") -> Response:
        with site.reading() as connection:
            job = site.job(connection, name)
            arms, measure = views.curves_values(connection, job, _named(candidate))
        return JSONResponse({"percent": measure.scale is None, "lines": lines_of(arms, measure)})

    @app.get("/jobs/{name}/curves.csv")
    def curves_csv(name: str, candidate: Name = "") -> Response:
        with site.reading() as connection:
            job = site.job(connection, name)
            arms, measure = views.curves_values(connection, job, _named(candidate))
        rows = (
            (arm, k, point["steps"], *measure.of_point(point), point.get("episodes"))
            for arm, curves in arms.items()
            for k, curve in enumerate(curves)
            for point in curve
        )
        head = ("candidate", "trial", "steps", measure.name, "low", "high", "episodes")
        return _csv(f"{job.id}-curves.csv", head, rows)

    @app.get("/jobs/{name}/candidates.csv")
    def candidates_csv(name: str) -> Response:
        with site.reading() as connection:
            job = site.job(connection, name)
            columns = ("id", "iteration", "move", "state", "score", "rejection_reason")
            found = reads.fetch(connection, "candidates", columns=columns, order=("iteration", "id"), job_id=job.id)
        return _csv(f"{job.id}-candidates.csv", columns, (tuple(row.values()) for row in found))

    @app.get("/candidates/{name}/program.py")
    def program(name: str) -> Response:
        with site.reading() as connection:
            found = site.candidate(connection, name)
        return _file(f"{found.id}.py", found.source.encode("utf-8", "replace"), "text/plain; charset=utf-8")

    @app.get("/jobs/{name}/figures/{figure}.{form}")
    def picture(name: str, figure: str, form: str, candidate: Name = "") -> Response:
        if figure not in FIGURES or form not in _TYPES:
            raise HTTPException(404, "There is no such figure.")
        with site.reading() as connection:
            what = site.candidate(connection, candidate).id if candidate else site.job(connection, name).id
            written = _drawn(connection, figure, what, form)
        return _file(f"{what}-{figure}.{form}", written, _TYPES[form])


def lines_of(arms: Mapping[str, Sequence[Sequence[Mapping[str, Any]]]], measure: Measure) -> list[dict[str, Any]]:
    """Return the lines of a chart: the mean over the trials of each arm, and a thin line for each of several trials."""
    lines = []
    for k, (name, curves) in enumerate(arms.items()):
        known = [[(p["steps"], v) for p in c if (v := measure.of_point(p)[0]) is not None] for c in curves]
        known = [curve for curve in known if curve]
        if not known:
            continue
        shared = sorted(set.intersection(*({s for s, _ in curve} for curve in known)))
        tables = [dict(curve) for curve in known]
        mean = [sum(t[s] for t in tables) / len(tables) for s in shared]
        lines.append({"name": name, "color": k, "thin": False, "steps": shared, "values": mean})
        if len(known) > 1:
            lines += [
                {"name": f"{name} trial {n}", "color": k, "thin": True, "steps": [*t], "values": [*t.values()]}
                for n, t in enumerate(tables, start=1)
            ]
    return lines


def _drawn(connection: Any, figure: str, what: str, form: str) -> bytes:
    """Return a figure of rewardsmith.plots as a file. Raises UsageError if it cannot be drawn."""
    try:
        from rewardsmith.plots import canvas, learning, search
        from rewardsmith.plots import reading as plotted
    except ImportError as error:
        cause = "Figures need matplotlib, which is not installed."
        raise UsageError(cause, "Install the extra `train`: pip install 'rewardsmith[train]'.") from error
    if figure == "lineage":
        job, nodes = plotted.read_lineage(connection, what, most=_LARGEST)
        drawn = search.lineage_tree(
            nodes, f"{job.task}: lineage of job {job.id}", job.best_candidate, plotted.measure(job)
        )
    else:
        found = plotted.read_curves(connection, what)
        if figure == "curves":
            drawn = learning.learning_curves(found.arms, found.title, found.measure)
        else:
            title = f"{found.task}: what the shaped return of an episode consists of"
            drawn = learning.channel_stack(next(iter(found.arms.values())), title)
    return canvas.written(drawn, form)


def _named(candidate: str) -> list[str]:
    return [candidate] if candidate else []


def _csv(name: str, head: Sequence[str], rows: Iterable[Sequence[Any]]) -> Response:
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(head)
    writer.writerows([in_csv(value) for value in row] for row in rows)
    return _file(name, out.getvalue().encode(), "text/csv; charset=utf-8")


def _file(name: str, content: bytes, kind: str) -> Response:
    # Ids of jobs and candidates are plain names; whatever else a database holds must not end the header.
    plain = "".join(c if c.isalnum() or c in "-_." else "_" for c in name)
    safe = plain.encode("ascii", "replace").decode().replace("?", "_")
    return Response(content, media_type=kind, headers={"content-disposition": f'attachment; filename="{safe}"'})
