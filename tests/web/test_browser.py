"""Pages in real headless Chromium: the console, live updates, the player, the keyboard, a narrow screen."""

from __future__ import annotations

import time
from typing import Any

import pytest
from browser import open_browser, served
from sqlalchemy import insert
from stored_jobs import open_home, store_episodes, store_job
from test_pages import HOSTILE, KINDS
from test_report import report_of

from rewardsmith.storage import schema
from rewardsmith.storage.schema import now

pytestmark = pytest.mark.integration

PAGES = [
    "/jobs/{job}", "/jobs/{job}?order=score", "/jobs/{job}/calls", "/candidates/{job}-1a",
    "/candidates/{job}-sparse", "/compare?a={job}-1a&b={job}-2a",
]  # fmt: skip


@pytest.fixture(scope="module")
def browser():
    """One browser for all tests of this file."""
    opened = open_browser()
    opened.set_page_load_timeout(120)
    yield opened
    opened.quit()


@pytest.fixture(scope="module")
def database(tmp_path_factory):
    """The engine of a database with jobs of every kind and one of hostile text; the folder of artifacts."""
    home = tmp_path_factory.mktemp("browser")
    engine = open_home(home)
    for job, options in KINDS.items():
        store_job(engine, job, **options)
    hostile = " ".join(each for each in HOSTILE if len(each) < 100 and each != "\ud83d")
    store_job(engine, "badjob", rounds=2, text=lambda said: f"{hostile} {said}")
    for name in ("donejb-1a", "badjob-1a"):
        store_episodes(engine, home / "artifacts", name, lambda said: f"<b onclick=x>{said}")
    return engine, home / "artifacts"


@pytest.fixture(scope="module")
def site(database):
    """The address of the pages."""
    with served(*database) as address:
        yield address


def wait_for(browser: Any, script: str, seconds: float = 30.0) -> Any:
    """What a script returns, as soon as it is true; the time that it took must stay within the limit."""
    end = time.monotonic() + seconds
    while not (found := browser.execute_script(f"return {script}")):
        assert time.monotonic() < end, script
        time.sleep(0.05)
    return found


def errors(browser: Any) -> list[str]:
    return [entry["message"] for entry in browser.get_log("browser") if entry["level"] in ("SEVERE", "WARNING")]


@pytest.mark.parametrize("job", [*KINDS, "badjob"])
def test_no_page_has_an_error_on_the_console(browser, site, job):
    for page in PAGES if job != "empty0" else PAGES[:3]:
        browser.get(site + page.format(job=job))
        wait_for(browser, "document.readyState === 'complete'")
        assert errors(browser) == []
        assert browser.execute_script("return document.querySelectorAll('main script, main iframe').length") == 0
    for page in ("/", "/fleet", "/tasks?task=MiniGrid-DoorKey-5x5-v0"):
        browser.get(site + page)
        assert errors(browser) == []


def test_a_change_is_shown_within_two_seconds(browser, site, database):
    browser.get(f"{site}/jobs/runjob")
    wait_for(browser, "!document.getElementById('live').hidden")
    wait_for(browser, "document.querySelector('[data-chart]').dataset.drawn")
    time.sleep(1.0)
    with database[0].begin() as connection:
        connection.execute(schema.jobs.update().where(schema.jobs.c.id == "runjob").values(state="cancelled"))
        row = {"at": now(), "kind": "cancelled", "job_id": "runjob", "text": "<i>told</i>"}
        connection.execute(insert(schema.events), [row])
    began = time.monotonic()
    wait_for(browser, "document.querySelector('#head .state.cancelled')", 10)
    wait_for(browser, "document.getElementById('log').firstChild.textContent.includes('<i>told</i>')", 10)
    assert time.monotonic() - began < 2.0
    assert errors(browser) == []


def test_the_player_shows_each_step_by_the_keyboard(browser, site):
    from selenium.webdriver.common.keys import Keys

    browser.get(f"{site}/candidates/donejb-1a")
    wait_for(browser, "document.querySelector('.player').dataset.ready === '3'")
    slider = browser.find_element("css selector", ".player input[type=range]")
    slider.send_keys(Keys.ARROW_RIGHT)
    said = browser.find_element("css selector", ".player .step").text
    assert said == "Step 1 of 3: PICKUP memory changed"
    assert browser.find_element("css selector", ".player .caption").text == "<b onclick=x>It picked up the key."
    slider.send_keys(Keys.ARROW_RIGHT)
    rows = [row.text for row in browser.find_elements("css selector", ".player .bars tr")]
    assert rows[0] == "<b onclick=x>near -0.5 sum 0.5"
    pixels = "document.querySelector('.player canvas').getContext('2d').getImageData(0, 0, 136, 102).data"
    assert browser.execute_script(f"return [...{pixels}].some((value) => value)")
    assert errors(browser) == []


def test_a_page_fits_a_narrow_screen_and_begins_with_a_skip_link(browser, site):
    from selenium.webdriver.common.keys import Keys

    browser.set_window_size(500, 800)
    for page in ("/jobs/donejb", "/candidates/donejb-1a", "/", "/fleet"):
        browser.get(site + page)
        wait_for(browser, "document.readyState === 'complete'")
        assert browser.execute_script("return document.documentElement.scrollWidth <= window.innerWidth + 1"), page
    browser.find_element("tag name", "body").send_keys(Keys.TAB)
    assert browser.execute_script("return document.activeElement.className") == "skip"
    browser.set_window_size(1180, 900)


def test_a_report_opens_from_disk_and_plays(browser, database, tmp_path):
    path = tmp_path / "report.html"
    path.write_text(report_of(*database, "donejb"), encoding="utf-8")
    browser.get(path.as_uri())
    wait_for(browser, "document.querySelector('.player').dataset.ready === '2'")
    assert browser.execute_script("return performance.getEntriesByType('resource').length") == 0
    assert errors(browser) == []
