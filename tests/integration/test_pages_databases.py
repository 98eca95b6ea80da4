"""Pages, reports and live updates on SQLite and on Postgres."""

from __future__ import annotations

import re
import sys
import urllib.request
from pathlib import Path

import pytest
from both_databases import url  # noqa: F401  (a fixture)
from sqlalchemy import insert
from stored_jobs import store_episodes, store_job

from rewardsmith.pages.report import report_html
from rewardsmith.storage import reads, schema
from rewardsmith.storage.artifacts import ArtifactStore
from rewardsmith.storage.database import open_database, read
from rewardsmith.storage.schema import now

sys.path.append(str(Path(__file__).parents[1] / "web"))

pytestmark = pytest.mark.integration

PAGES = (
    "/", "/?state=done", "/fleet", "/jobs/donejb", "/jobs/donejb?order=score",
    "/jobs/donejb/candidates?after=donejb-1b", "/jobs/donejb/candidates?order=score&after=donejb-1b",
    "/jobs/donejb/tree?first=2", "/jobs/donejb/calls?after=1", "/calls/1", "/candidates/donejb-1a",
    "/candidates/donejb-1a/episodes.json", "/compare?a=donejb-1a&b=donejb-2a", "/jobs/donejb/curves.json",
    "/jobs/donejb/curves.csv", "/jobs/donejb/candidates.csv",
)  # fmt: skip


def test_every_page_works_on_both_databases(url, tmp_path):  # noqa: F811
    from browser import served

    from rewardsmith.web.live import Signal

    engine = open_database(url)
    store_job(engine, "donejb", rounds=3)
    store_episodes(engine, tmp_path, "donejb-1a")
    with served(engine, tmp_path) as site:
        for page in PAGES:
            with urllib.request.urlopen(site + page, timeout=60) as answer:
                assert answer.status == 200
    with read(engine) as connection:
        text = report_html(connection, ArtifactStore(str(tmp_path)), reads.get_job(connection, "donejb"))
    assert re.search(r"donejb-1a solves \d+\.\d %", text)
    signal = Signal(engine, "donejb")
    assert signal.look() == (False, []) == signal.look()
    with engine.begin() as connection:
        connection.execute(schema.jobs.update().values(state="paused"))
        connection.execute(insert(schema.events), [{"at": now(), "kind": "paused", "job_id": "donejb", "text": "x"}])
    changed, (event,) = signal.look()
    assert changed and event["kind"] == "paused"
    signal.close()
    engine.dispose()
