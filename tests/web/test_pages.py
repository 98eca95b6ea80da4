"""Pages of stored jobs of every kind: complete, escaped, read-only, paged, and live."""

from __future__ import annotations

import http.client
import json
import re
import time
import unicodedata
import urllib.error
import urllib.request
from html.parser import HTMLParser
from pathlib import Path

import pytest
from browser import served
from sqlalchemy import insert
from stored_jobs import SCALE, open_home, store_episodes, store_job

from rewardsmith.pages.reading import PAGE
from rewardsmith.storage import schema
from rewardsmith.storage.schema import now

KINDS = {
    "donejb": {}, "scored": {"score": SCALE}, "runjob": {"state": "running", "claim": False},
    "failed": {"state": "failed", "claim": False}, "paused": {"state": "paused", "claim": False},
    "empty0": {"state": "running", "rounds": 0, "claim": False}, "budget": {"budget": {"dollars": 1.0, "calls": 50}},
    "nobest": {"claim": False}, "trains": {"designs": False, "combine": ["count"]},
}  # fmt: skip
PAGES = ["/jobs/{job}", "/jobs/{job}?order=score", "/jobs/{job}/head", "/jobs/{job}/candidates", "/jobs/{job}/tree",
         "/jobs/{job}/calls", "/candidates/{job}-1a", "/candidates/{job}-2a", "/candidates/{job}-2b",
         "/candidates/{job}-sparse", "/compare?a={job}-1a&b={job}-2a"]  # fmt: skip
HOSTILE = [
    "<script>alert(1)</script>", "</pre><script>alert(1)</script>", "<img src=x onerror=alert(1)>",
    "{{ 7 * 7 }}{% raw %}",
    "\" onmouseover=\"alert(1)", "' autofocus onfocus='alert(1)", "</title><svg onload=alert(1)>", "<!--", "]]>",
    "javascript:alert(1)", "&lt;b&gt;&amp;&#60;script&#62;", "\x1b[2J\x1b]8;;http://a\x07z\x9b31m\u202e\u2066\u200b",
    "</script><iframe srcdoc=x>", "a" * 300_000, "\ud83d", "<style>*{display:none}</style>",
]  # fmt: skip
HOSTILE_PAGES = ["/jobs/{job}", "/candidates/{job}-1a", "/jobs/{job}/calls", "/calls/{call}"]


class Parsed(HTMLParser):
    """Tags, attributes and text of a page, as a browser would read them."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.text = ""
        self.feed(page)

    def handle_starttag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))

    def handle_data(self, data):
        self.text += data


def get(address: str, host: str | None = None) -> tuple[int, str, dict[str, str]]:
    """The status, the text and the headers of an address."""
    request = urllib.request.Request(address, headers={"host": host} if host else {})
    try:
        with urllib.request.urlopen(request, timeout=60) as answer:
            return answer.status, answer.read().decode(), dict(answer.headers)
    except urllib.error.HTTPError as error:
        return error.code, error.read().decode(), dict(error.headers)


@pytest.fixture(scope="module")
def database(tmp_path_factory):
    """The engine of a database with a job of every kind, and a job for each hostile text; the folder of artifacts."""
    home = tmp_path_factory.mktemp("web")
    engine = open_home(home)
    for job, options in KINDS.items():
        store_job(engine, job, **options)
    store_episodes(engine, home / "artifacts", "donejb-1a")
    for k, text in enumerate(HOSTILE):
        stored = text.encode("utf-8", "replace").decode() if text == "\ud83d" else text
        store_job(engine, f"bad{k:03}", rounds=1, text=lambda said, stored=stored: f"{stored} {said}")
    return engine, home / "artifacts"


@pytest.fixture(scope="module")
def site(database):
    """The address of the pages."""
    with served(*database) as address:
        yield address


@pytest.mark.parametrize("job", KINDS)
def test_every_page_of_a_job_is_complete_and_has_no_inline_code(site, job):
    for page in PAGES:
        status, text, headers = get(site + page.format(job=job))
        if job == "empty0" and ("-1a" in page or "-2" in page):
            assert status == 404
            continue
        assert status == 200, (page, text[-400:])
        require_no_code(Parsed(text))
        assert "script-src 'self'" in headers["content-security-policy"]
        assert "unsafe" not in headers["content-security-policy"]


def require_no_code(page: Parsed) -> None:
    for tag, attributes in page.tags:
        assert not [name for name in attributes if name.startswith("on") or name == "style"], (tag, attributes)
        assert tag not in ("iframe", "object", "embed", "base", "style")
        if tag == "script":
            assert (attributes.get("src") or "").startswith("/static/")
        for name in ("href", "src", "action"):
            assert re.match(r"(/|#|$)", attributes.get(name) or ""), attributes


@pytest.mark.parametrize(
    "page", ["/", "/?state=done", "/?task=nothing", "/fleet", "/fleet/part", "/tasks?task=MiniGrid-DoorKey-5x5-v0"]
)
def test_lists_are_complete(site, page):
    status, text, _ = get(site + page)
    assert status == 200
    require_no_code(Parsed(text))


@pytest.mark.parametrize("k", range(len(HOSTILE)))
@pytest.mark.parametrize("page", HOSTILE_PAGES)
def test_hostile_text_is_shown_as_text(site, database, k, page):
    job = f"bad{k:03}"
    with database[0].connect() as connection:
        call = connection.execute(schema.llm_calls.select().where(schema.llm_calls.c.job_id == job)).first()
    status, text, _ = get(site + page.format(job=job, call=call.id))
    assert status == 200
    parsed = Parsed(text)
    require_no_code(parsed)
    known = Parsed(get(site + page.format(job="donejb", call=1))[1])
    assert {tag for tag, _ in parsed.tags} <= {tag for tag, _ in known.tags} | {"em", "p", "section", "span", "pre"}
    assert not {c for c in text if c != "\n" and unicodedata.category(c) in ("Cc", "Cf", "Cs", "Zl", "Zp")}
    shown = HOSTILE[k] if HOSTILE[k].isprintable() and len(HOSTILE[k]) < 100 else ""
    assert shown in " ".join(parsed.text.split())
    assert len(text) < 2_500_000


def test_nothing_can_be_changed_without_allow_edit(site):
    host = site.removeprefix("http://")
    for path in ("/jobs/donejb/pause", "/jobs/donejb/cancel", "/jobs/donejb/comment", "/candidates/donejb-1a/veto"):
        connection = http.client.HTTPConnection(host, timeout=30)
        connection.request("POST", path, "text=x", {"content-type": "application/x-www-form-urlencoded"})
        assert connection.getresponse().status in (404, 405)


def test_requests_for_another_host_name_are_refused(site):
    assert get(site + "/", host="evil.example")[0] == 421
    assert get(site + "/", host="localhost:80")[0] == 200


def test_unknown_addresses_explain_themselves(site):
    for path in (
        "/jobs/nope",
        "/candidates/nope-1a",
        "/calls/999999",
        "/jobs/donejb/figures/pie.png",
        "/jobs/%3Cscript%3E",
    ):
        status, text, _ = get(site + path)
        assert status == 404 and "The first page lists the jobs" in text
        require_no_code(Parsed(text))


def test_a_key_of_no_row_begins_at_the_start(site):
    for page in ("/jobs/donejb/candidates?after=no-such", "/jobs/donejb/candidates?order=score&after=donejb-2a",
                 "/jobs/donejb/candidates?order=dance", "/?after=nothing", "/jobs/donejb/tree?first=99"):  # fmt: skip
        assert get(site + page)[0] == 200


def test_downloads_hold_the_figures_numbers(site):
    status, text, headers = get(site + "/jobs/donejb/curves.csv")
    rows = text.splitlines()
    assert (
        status == 200 and rows[0] == "candidate,trial,steps,success,low,high,episodes" and len(rows) == 1 + 2 * 4 * 10
    )
    assert 'filename="donejb-curves.csv"' in headers["content-disposition"]
    told = json.loads(get(site + "/jobs/donejb/curves.json")[1])
    assert told["percent"] and len([line for line in told["lines"] if not line["thin"]]) == 2
    assert get(site + "/jobs/donejb/figures/curves.svg")[1].startswith("<?xml")
    assert "reward(prev" in get(site + "/candidates/donejb-1a/program.py")[1]


def test_recorded_episodes_come_from_the_artifacts_alone(site):
    told = json.loads(get(site + "/candidates/donejb-1a/episodes.json")[1])
    assert [e["kind"] for e in told] == ["counter-example", "success", "failure"]
    assert told[1]["picture"]["kind"] == "grid" and told[1]["memory"] == [0]


def test_a_long_list_is_read_page_by_page(tmp_path):
    engine = open_home(tmp_path)
    names = store_job(engine, "longer", rounds=40, samples=4)
    with served(engine, tmp_path / "artifacts") as site:
        for order in ("design", "score"):
            seen, after = [], ""
            while True:
                text = get(f"{site}/jobs/longer/candidates?order={order}&after={after}")[1]
                rows = re.findall(r'<tr class="(?:rejected|best|)"><td><a href="/candidates/([\w-]+)"', text)
                assert len(rows) <= PAGE
                seen += rows
                following = re.search(r"after=([\w-]+)&amp;", text)
                if following is None:
                    break
                after = following[1]
            assert len(seen) == len(set(seen))
            assert order == "score" or sorted(seen) == sorted(names)
        first = get(f"{site}/jobs/longer/tree")[1]
        following = re.search(r"tree\?first=(\d+)", first)
        assert following is not None and first.count("<title>") <= 150
        assert "<title>" in get(f"{site}/jobs/longer/tree?first={following[1]}")[1]


def test_a_change_reaches_an_open_page_within_two_seconds(tmp_path):
    engine = open_home(tmp_path)
    store_job(engine, "runjob", state="running", claim=False)
    with served(engine, tmp_path / "artifacts") as site:
        connection = http.client.HTTPConnection(site.removeprefix("http://"), timeout=20)
        connection.request("GET", "/jobs/runjob/events")
        answer = connection.getresponse()
        assert answer.getheader("content-type", "").startswith("text/event-stream")
        answer.readline()
        time.sleep(1.0)
        with engine.begin() as writing:
            row = {"at": now(), "kind": "paused", "job_id": "runjob", "owner": "", "text": "by <b>ada</b>"}
            writing.execute(insert(schema.events), [row])
            writing.execute(schema.jobs.update().values(state="paused"))
        began, lines = time.monotonic(), []
        while not lines or not lines[-1].startswith("event: changed"):
            lines.append(answer.readline().decode())
            assert time.monotonic() - began < 10
        assert time.monotonic() - began < 2.0
        (logged,) = [json.loads(line[6:]) for line in lines if line.startswith("data: {") and "kind" in line]
        assert logged["kind"] == "paused" and logged["text"] == "by <b>ada</b>"
        connection.close()


def test_vendored_files_are_unchanged_and_carry_their_licences():
    folder = Path(__file__).parents[2] / "rewardsmith/pages/static/vendor"
    assert "Zero-Clause BSD" in (folder / "htmx.LICENSE").read_text()
    assert "MIT License" in (folder / "uPlot.LICENSE").read_text()
    assert {p.name for p in folder.iterdir()} == {
        "README.md", "htmx.min.js", "htmx.LICENSE", "uPlot.iife.min.js", "uPlot.min.css", "uPlot.LICENSE"}  # fmt: skip
