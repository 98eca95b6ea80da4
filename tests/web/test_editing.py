"""Changes from a page: refused without the token, from another page, and carried out with both."""

from __future__ import annotations

import http.client
import urllib.parse

import pytest
from browser import served
from sqlalchemy import select
from stored_jobs import open_home, store_job

from rewardsmith.storage import schema
from rewardsmith.web.security import COOKIE, Access, is_loopback

PROGRAM = "def reward(prev, action, state, memory):\r\n    return 1.0 if state.solved else 0.0\r\n"


@pytest.fixture
def site(tmp_path, monkeypatch):
    """(address without its scheme, token, engine) of pages that may be changed."""
    monkeypatch.setenv("REWARDSMITH_HOME", str(tmp_path))
    engine = open_home(tmp_path)
    store_job(engine, "runjob", state="running", claim=False)
    access = Access(allow_edit=True)
    with served(engine, tmp_path / "artifacts", access) as address:
        yield address.removeprefix("http://"), access.token, engine


def post(host: str, path: str, token: str | None, origin: str | None, **form: str) -> tuple[int, str]:
    connection = http.client.HTTPConnection(host, timeout=60)
    headers = {"content-type": "application/x-www-form-urlencoded"}
    headers |= {"cookie": f"{COOKIE}={token}"} if token else {}
    headers |= {"origin": origin} if origin else {}
    connection.request("POST", path, urllib.parse.urlencode(form), headers)
    answer = connection.getresponse()
    return answer.status, answer.getheader("location") or answer.read().decode()


def test_a_change_needs_the_token_and_a_page_of_this_server(site):
    host, token, engine = site
    own = f"http://{host}"
    for cookie, origin in ((None, own), ("wrong", own), (token, None), (token, "http://evil.example"), (token, "null")):
        assert post(host, "/jobs/runjob/pause", cookie, origin)[0] == 403
    assert post(host, "/jobs/runjob/pause", token, own) == (303, "/jobs/runjob")
    with engine.connect() as connection:
        assert connection.execute(select(schema.jobs.c.state)).scalar() == "paused"


def test_comment_veto_and_fork_change_the_job(site):
    host, token, engine = site
    own = f"http://{host}"
    assert post(host, "/jobs/runjob/comment", token, own, text="pay <b>less</b>")[0] == 303
    assert post(host, "/candidates/runjob-2a/veto", token, own)[0] == 303
    status, place = post(host, "/candidates/runjob-1a/fork", token, own, program=PROGRAM)
    assert status == 303 and place.startswith("/candidates/runjob-")
    with engine.connect() as connection:
        assert connection.execute(select(schema.comments.c.text)).scalar() == "pay <b>less</b>"
        rows = {c.id: c for c in connection.execute(select(schema.candidates))}
    assert rows["runjob-2a"].state == "vetoed"
    added = rows[place.removeprefix("/candidates/")]
    assert added.kind == "forked" and "\r" not in added.source


def test_a_wrong_change_names_cause_and_remedy(site):
    host, token, _ = site
    own = f"http://{host}"
    for path, form, words in (
        ("/jobs/runjob/comment", {"text": " "}, "The comment is empty"),
        ("/jobs/runjob/resume", {}, "rewardsmith resume runjob"),
        ("/candidates/runjob-1a/fork", {"program": "x = ("}, "<h1>"),
        ("/submit", {"task": "x", "steps": "many"}, "whole number"),
    ):
        status, text = post(host, path, token, own, **form)
        assert status == 409 and words in text, (path, text)
    assert post(host, "/jobs/runjob/dance", token, own)[0] == 404
    assert post(host, "/jobs/runjob/comment", token, own, text="x" * 500_000)[0] == 413


def test_the_login_sets_a_cookie_that_scripts_cannot_read(site):
    host, token, _ = site
    connection = http.client.HTTPConnection(host, timeout=30)
    connection.request("GET", f"/login?token={token}")
    cookie = connection.getresponse().getheader("set-cookie") or ""
    assert token in cookie and "HttpOnly" in cookie and "SameSite=strict" in cookie


def test_reading_from_other_machines_needs_the_token(tmp_path):
    engine = open_home(tmp_path)
    access = Access(("*",), guarded=True)
    with served(engine, tmp_path / "artifacts", access) as address:
        for cookie, expected in ((None, 401), ("wrong", 401), (access.token, 200)):
            connection = http.client.HTTPConnection(address.removeprefix("http://"), timeout=30)
            connection.request("GET", "/", headers={"cookie": f"{COOKIE}={cookie}"} if cookie else {})
            assert connection.getresponse().status == expected
    assert is_loopback("127.0.0.1") and is_loopback("::1") and is_loopback("localhost") and not is_loopback("0.0.0.0")
