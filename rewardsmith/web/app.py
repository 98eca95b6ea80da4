"""The application: addresses of pages, parts of pages, figures and downloads. It reads; web.editing changes things."""

from __future__ import annotations

import json
from typing import Annotated, Any

from fastapi import FastAPI, HTTPException, Query, Request
from fastapi.responses import HTMLResponse, JSONResponse, RedirectResponse, Response, StreamingResponse
from sqlalchemy import Connection, Engine
from starlette.exceptions import HTTPException as StarletteHTTPException
from starlette.staticfiles import StaticFiles

from rewardsmith.errors import RewardsmithError
from rewardsmith.pages import players, reading, views
from rewardsmith.pages.drawing import curves_svg
from rewardsmith.pages.rendering import STATIC, code, render
from rewardsmith.reporting import text
from rewardsmith.reporting.measure import measure_of
from rewardsmith.reporting.service import read_standing
from rewardsmith.storage.artifacts import ArtifactStore
from rewardsmith.storage.events import latest_events
from rewardsmith.storage.rows import Job
from rewardsmith.storage.workers import STALE_SECONDS
from rewardsmith.web import downloads
from rewardsmith.web.live import Signal, stream
from rewardsmith.web.security import COOKIE, Access, Guard
from rewardsmith.web.site import Site

Key = Annotated[str, Query(max_length=64)]


def make_app(engine: Engine, store: ArtifactStore, access: Access = Access()) -> FastAPI:
    """Return the application on an open database."""
    app = FastAPI(title="rewardsmith", docs_url=None, redoc_url=None, openapi_url=None)
    app.state.stopping = lambda: False  # serving.server_of replaces it
    site = Site(engine, store, access)
    app.mount("/static", StaticFiles(directory=STATIC), name="static")
    _add_lists(app, site)
    _add_job(app, site)
    _add_candidate(app, site)
    _add_live(app, site)
    downloads.add(app, site)
    if access.allow_edit:
        from rewardsmith.web import editing

        editing.add(app, site)
    app.add_exception_handler(RewardsmithError, _explained)
    app.add_exception_handler(StarletteHTTPException, _refused)
    app.add_middleware(Guard, access=access)
    return app


async def _explained(request: Request, error: Exception) -> Response:
    assert isinstance(error, RewardsmithError)
    return HTMLResponse(
        render("error.html", cause=error.cause, remedy=error.remedy), 409 if request.method == "POST" else 400
    )


async def _refused(request: Request, error: Exception) -> Response:
    del request
    assert isinstance(error, StarletteHTTPException)
    remedy = "The first page lists the jobs." if error.status_code == 404 else "See docs/ui.md."
    return HTMLResponse(render("error.html", cause=str(error.detail), remedy=remedy), error.status_code)


def _add_lists(app: FastAPI, site: Site) -> None:
    @app.get("/", response_class=HTMLResponse)
    def jobs(
        request: Request, after: Key = "", state: Key = "", task: Annotated[str, Query(max_length=200)] = ""
    ) -> str:
        with site.reading() as connection:
            page = reading.page_of_jobs(connection, after, state, task)
        measures = {job.id: measure_of(job.spec) for job in page.rows}
        tasks = [t for t in dict.fromkeys(j.task for j in page.rows) if sum(j.task == t for j in page.rows) > 1]
        return render(
            "jobs.html",
            page=page,
            state=state,
            task=task,
            measures=measures,
            tasks=tasks,
            editing=site.editing(request),
        )

    @app.get("/tasks", response_class=HTMLResponse)
    def task_jobs(task: Annotated[str, Query(max_length=200)]) -> str:
        with site.reading() as connection:
            rows, arms, measure = [], {}, None
            for job in reading.page_of_jobs(connection, task=task).rows[:12]:
                values = views.job_values(connection, job, site.sums.of(connection, job.id))
                rows.append({**values, "verdict": values["claim"].verdict if values["claim"] else None})
                if job.best_candidate and measure in (None, values["measure"]):
                    measure = values["measure"]
                    arms[job.best_candidate] = views.queries.curves_of(connection, job.best_candidate)
        curve = curves_svg(dict(list(arms.items())[:8]), measure) if measure is not None else ""
        return render("tasks.html", task=task, rows=rows, curve=curve)

    @app.get("/fleet", response_class=HTMLResponse)
    def fleet() -> str:
        return render("fleet.html", **_fleet(site))

    @app.get("/fleet/part", response_class=HTMLResponse)
    def fleet_part() -> str:
        return render("fleet_part.html", **_fleet(site))

    @app.get("/login")
    def login(token: Annotated[str, Query(max_length=200)] = "") -> Response:
        answer = RedirectResponse("/", 303)
        answer.set_cookie(COOKIE, token, httponly=True, samesite="strict")
        return answer


def _fleet(site: Site) -> dict[str, Any]:
    with site.reading() as connection:
        return {"standing": read_standing(connection), "busy": reading.busy_items(connection), "stale": STALE_SECONDS}


def _add_job(app: FastAPI, site: Site) -> None:
    @app.get("/jobs/{name}", response_class=HTMLResponse)
    def job(request: Request, name: str, order: Key = "design") -> str:
        with site.reading() as connection:
            found = site.job(connection, name)
            order = "score" if order == "score" else "design"
            arms, measure = views.curves_values(connection, found)
            # The page of a large job is shown at once; htmx then fetches its head with the sums.
            sums = {} if reading.is_large(connection, found.id) else site.sums.of(connection, found.id)
            values = views.job_values(connection, found, sums)
            values |= views.lineage_values(connection, found)
            values |= {"page": reading.page_of_candidates(connection, found, order=order), "order": order}
            values |= {"events": latest_events(connection, 40, found.id), "curve": curves_svg(arms, measure)}
            values |= {
                "comments": reading.comments_on(connection, found.id),
                "player": bool(_shown(site, connection, found)),
            }
        values |= {"link": "/candidates/", "more": True, "link_more": True, "figures": downloads.FIGURES}
        settings = code(json.dumps(found.spec, indent=1, default=str), "json")
        return render("job.html", **values, editing=site.editing(request), settings=settings)

    @app.get("/jobs/{name}/head", response_class=HTMLResponse)
    def head(name: str) -> str:
        with site.reading() as connection:
            found = site.job(connection, name)
            values = views.job_values(connection, found, site.sums.of(connection, found.id))
        return render("job_head.html", **values, link="/candidates/")

    @app.get("/jobs/{name}/candidates", response_class=HTMLResponse)
    def candidates(name: str, after: Key = "", order: Key = "design") -> str:
        with site.reading() as connection:
            found = site.job(connection, name)
            order = "score" if order == "score" else "design"
            page = reading.page_of_candidates(connection, found, after, order)
        values = {"job": found, "page": page, "order": order, "measure": measure_of(found.spec), "more": True}
        return render("candidate_rows.html", **values, link="/candidates/")

    @app.get("/jobs/{name}/tree", response_class=HTMLResponse)
    def tree(name: str, first: Annotated[int, Query(ge=0)] = 0) -> str:
        with site.reading() as connection:
            values = views.lineage_values(connection, site.job(connection, name), first)
        return render("tree.html", **values, link_more=True)

    @app.get("/jobs/{name}/calls", response_class=HTMLResponse)
    def calls(name: str, after: Annotated[int, Query(ge=0)] = 0) -> str:
        with site.reading() as connection:
            found = site.job(connection, name)
            page = reading.page_of_calls(connection, found.id, after)
        return render("calls.html", job=found, calls=page.rows, after=page.after)

    @app.get("/jobs/{name}/episodes.json")
    def episodes(name: str) -> Response:
        with site.reading() as connection:
            found = site.job(connection, name)
            shown = _shown(site, connection, found)
        return JSONResponse([each.as_json() for each in shown])


def _shown(site: Site, connection: Connection, job: Job) -> list[players.Shown]:
    """Return the episodes of a job's player: those of the best candidate, and those of the baseline."""
    named = [*([job.best_candidate] if job.best_candidate else []), f"{job.id}-sparse"]
    return [each for name in named for each in players.episodes_of(connection, site.store, name)[:6]]


def _add_candidate(app: FastAPI, site: Site) -> None:
    @app.get("/candidates/{name}", response_class=HTMLResponse)
    def candidate(request: Request, name: str) -> str:
        with site.reading() as connection:
            found = site.candidate(connection, name)
            values = views.candidate_values(connection, site.job(connection, found.job_id), found)
            values["player"] = bool(players.episodes_of(connection, site.store, found.id))
        values |= {"link": "/candidates/", "evidence": True, "oracle": text.ORACLE_INFORMED}
        return render("candidate.html", **values, editing=site.editing(request))

    @app.get("/candidates/{name}/episodes.json")
    def episodes(name: str) -> Response:
        with site.reading() as connection:
            found = site.candidate(connection, name)
            shown = players.episodes_of(connection, site.store, found.id)
        return JSONResponse([each.as_json() for each in shown])

    @app.get("/compare", response_class=HTMLResponse)
    def compare(a: Key, b: Key) -> str:
        with site.reading() as connection:
            pair = [site.candidate(connection, name) for name in (a, b)]
            values = views.compared_values(connection, *pair)
        return render("compare.html", **values)

    @app.get("/calls/{number}", response_class=HTMLResponse)
    def call(number: int) -> str:
        with site.reading() as connection:
            found = reading.call_of(connection, number)
        if found is None:
            raise HTTPException(404, f"There is no call {number}.")
        return render("call.html", call=found)


def _add_live(app: FastAPI, site: Site) -> None:
    def answer(request: Request, job_id: str | None) -> Response:
        last = request.headers.get("last-event-id", "")
        signal = Signal(site.engine, job_id, int(last) if last.isdecimal() else None)

        async def gone() -> bool:
            return request.app.state.stopping() or await request.is_disconnected()

        return StreamingResponse(stream(signal, gone), media_type="text/event-stream")

    @app.get("/jobs/{name}/events")
    async def job_events(request: Request, name: str) -> Response:
        return answer(request, name)

    @app.get("/events")
    async def all_events(request: Request) -> Response:
        return answer(request, None)
