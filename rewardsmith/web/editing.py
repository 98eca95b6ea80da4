"""Changes from a page, for a reader with the token: comment, veto, fork, pause, resume, cancel, submit a job."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from urllib.parse import parse_qs

from fastapi import FastAPI, HTTPException, Request
from fastapi.responses import HTMLResponse, RedirectResponse, Response
from starlette.concurrency import run_in_threadpool

from rewardsmith.config import settings
from rewardsmith.engine.context import Context
from rewardsmith.errors import UsageError
from rewardsmith.pages.rendering import render
from rewardsmith.web.site import Site

_LARGEST = 400_000  # bytes of a form
_NUMBERS = ("iterations", "samples", "confirm", "steps", "seed")
_TEXTS = ("task", "method", "model")


def add(app: FastAPI, site: Site) -> None:
    """Add the addresses that change something; each needs the token and a page of this server."""
    context = Context(site.engine, settings())

    async def form_of(request: Request) -> dict[str, str]:
        if not site.access.may_edit(request):
            raise HTTPException(403, "Changes need the token: open the address that `rewardsmith ui` has printed.")
        body = b""
        async for part in request.stream():
            body += part
            if len(body) > _LARGEST:
                raise HTTPException(413, f"A form may have at most {_LARGEST:,} bytes.")
        return {name: values[-1] for name, values in parse_qs(body.decode("utf-8", "replace")).items()}

    @app.post("/jobs/{name}/{action}")
    async def change_job(request: Request, name: str, action: str) -> Response:
        form = await form_of(request)
        await run_in_threadpool(_change_job, site, context, name, action, form)
        return RedirectResponse(f"/jobs/{name}", 303)

    @app.post("/candidates/{name}/{action}")
    async def change_candidate(request: Request, name: str, action: str) -> Response:
        form = await form_of(request)
        shown = await run_in_threadpool(_change_candidate, site, context, name, action, form)
        return RedirectResponse(shown, 303)

    @app.get("/submit", response_class=HTMLResponse)
    def form_for_job(request: Request) -> str:
        if not site.editing(request):
            raise HTTPException(403, "Changes need the token: open the address that `rewardsmith ui` has printed.")
        return render("submit.html")

    @app.post("/submit")
    async def submit(request: Request) -> Response:
        form = await form_of(request)
        return RedirectResponse(f"/jobs/{await run_in_threadpool(_submit, context, form)}", 303)


def _change_job(site: Site, context: Context, name: str, action: str, form: Mapping[str, str]) -> None:
    from rewardsmith.engine.jobs import lifecycle, service, steering

    with site.reading() as connection:
        job = site.job(connection, name)
    if action == "comment":
        if not form.get("text", "").strip():
            raise UsageError("The comment is empty.", "Write it into the field, then send it.")
        steering.comment(context, job.id, form["text"])
    elif action == "pause":
        service.halt_job(context, job.id)
    elif action == "cancel":
        lifecycle.cancel_job(context, job.id)
    elif action == "resume" and job.service:
        service.resume_service_job(context, job.id)
    elif action == "resume":
        raise UsageError(
            f"Job {job.id} belongs to no service, and this server does not train.",
            f"Run `rewardsmith resume {job.id}` in its folder.",
        )
    else:
        raise HTTPException(404, "There is no such action.")


def _change_candidate(site: Site, context: Context, name: str, action: str, form: Mapping[str, str]) -> str:
    """Change a candidate; return the address to show then."""
    from rewardsmith.engine.jobs import steering

    with site.reading() as connection:
        candidate = site.candidate(connection, name)
    if action == "veto":
        steering.veto(context, candidate.id)
        return f"/candidates/{candidate.id}"
    if action == "fork":
        # Browsers send line breaks of a text field as CR LF.
        text = form.get("program", "").replace("\r\n", "\n")
        added, _ = steering.add_program(context, candidate, text)
        return f"/candidates/{added}"
    raise HTTPException(404, "There is no such action.")


def _submit(context: Context, form: Mapping[str, str]) -> str:
    from rewardsmith.engine.jobs.service import submit_job
    from rewardsmith.spec import read_spec, with_defaults

    values: dict[str, Any] = {name: form[name].strip() for name in _TEXTS if form.get(name, "").strip()}
    for name in _NUMBERS:
        if given := form.get(name, "").strip():
            if not given.isdecimal():
                raise UsageError(f"{name} must be a whole number, not {given!r}.", "Correct the field.")
            values[name] = int(given)
    if "task" not in values:
        raise UsageError("The task is missing.", "`rewardsmith tasks list` shows the ids of tasks.")
    return submit_job(context, read_spec(with_defaults(values)), owner=form.get("owner", "").strip()[:80])
