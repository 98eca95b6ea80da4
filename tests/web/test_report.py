"""The offline report: one file under 1 MB that fetches nothing and shows hostile text as text."""

from __future__ import annotations

import base64
import hashlib
import json
import re
import unicodedata

import pytest
from running import in_process
from stored_jobs import SCALE, made_up_episode, open_home, store_episodes, store_job
from test_pages import HOSTILE, KINDS, Parsed

from rewardsmith.pages.players import Shown
from rewardsmith.pages.report import LIMIT, fitting, report_html
from rewardsmith.storage import reads
from rewardsmith.storage.artifacts import ArtifactStore
from rewardsmith.storage.database import read


def report_of(engine, folder, job: str) -> str:
    with read(engine) as connection:
        return report_html(connection, ArtifactStore(str(folder)), reads.get_job(connection, job))


def require_offline(text: str) -> Parsed:
    """Nothing is fetched, and only the file's own style and script are allowed."""
    parsed = Parsed(text)
    allowed = set(re.findall(r"sha256-[A-Za-z0-9+/=]+", text.split("<style>")[0]))
    for tag, attributes in parsed.tags:
        assert not [name for name in attributes if name.startswith("on") or name == "style"], (tag, attributes)
        assert tag not in ("link", "img", "iframe", "object", "embed", "base", "form", "audio", "video")
        for name in ("href", "src", "action", "data-player", "hx-get"):
            assert re.match(r"(#|$)", attributes.get(name) or ""), attributes
    inline = re.findall(r"<(?:style|script)>(.*?)</(?:style|script)>", text, re.DOTALL)
    digests = {f"sha256-{base64.b64encode(hashlib.sha256(each.encode()).digest()).decode()}" for each in inline}
    assert len(inline) == 2 and digests == allowed
    assert "url(" not in inline[0] and "@import" not in inline[0]
    return parsed


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A folder with jobs of every kind, of which one has recorded episodes."""
    folder = tmp_path_factory.mktemp("report")
    engine = open_home(folder / ".rewardsmith")
    for job, options in KINDS.items():
        store_job(engine, job, **options)
    store_episodes(engine, folder / ".rewardsmith/artifacts", "donejb-1a")
    return folder, engine


@pytest.mark.parametrize("job", KINDS)
def test_a_report_of_every_kind_of_job_is_one_offline_file(folder, job):
    text = report_of(folder[1], folder[0] / ".rewardsmith/artifacts", job)
    parsed = require_offline(text)
    assert f"Job {job}" in parsed.text and len(text.encode()) <= LIMIT
    links = {a["href"] for tag, a in parsed.tags if tag == "a" and a.get("href")}
    targets = {f"#{a['id']}" for _, a in parsed.tags if a.get("id")}
    assert links <= targets


def test_a_report_plays_the_recorded_episodes(folder):
    text = report_of(folder[1], folder[0] / ".rewardsmith/artifacts", "donejb")
    (data,) = re.findall(r'<script type="application/json" id="recorded">(.*?)</script>', text, re.DOTALL)
    assert [e["kind"] for e in json.loads(data)] == ["success", "failure"]


def test_a_report_of_sixty_candidates_has_less_than_one_megabyte(tmp_path):
    engine = open_home(tmp_path)
    names = store_job(engine, "sixty0", rounds=12, samples=5, text=lambda said: f"{said}\n# {'pay ' * 500}")
    text = report_of(engine, tmp_path / "artifacts", "sixty0")
    parsed = require_offline(text)
    assert 100_000 < len(text.encode()) <= LIMIT
    shown = {a["id"] for tag, a in parsed.tags if tag == "details"}
    assert set(names) <= shown or "Left out, because a report has at most 1 MB" in text


@pytest.mark.parametrize("k", range(len(HOSTILE)))
def test_a_report_shows_hostile_text_as_text(tmp_path, k):
    text = HOSTILE[k].encode("utf-8", "replace").decode() if HOSTILE[k] == "\ud83d" else HOSTILE[k]
    engine = open_home(tmp_path)
    store_job(engine, "badjob", rounds=1, text=lambda said: f"{text} {said}")
    store_episodes(engine, tmp_path / "artifacts", "badjob-1a", lambda said: f"{text[:500]} {said}")
    report = report_of(engine, tmp_path / "artifacts", "badjob")
    parsed = require_offline(report)
    assert not {c for c in report if c != "\n" and unicodedata.category(c) in ("Cc", "Cf", "Cs", "Zl", "Zp")}
    if text.isprintable() and len(text) < 100:
        assert text in " ".join(parsed.text.split())


def test_images_are_thinned_out_before_episodes_are_dropped():
    images = {"kind": "images", "type": "image/webp", "images": ["A" * 1000] * 40, "at": [*range(40)]}
    told = [Shown("j-1a", "t", made_up_episode("success")) for _ in range(2)]
    data = [each.as_json() | {"picture": images} for each in told]
    shown = [type("Fake", (), {"as_json": lambda self, d=d: d})() for d in data]
    assert len(fitting(shown, most=45_000)[0]["picture"]["images"]) == 20
    assert len(fitting(shown, most=4_000)) == 1
    assert fitting(told) == [each.as_json() for each in told]


def test_the_command_writes_the_report(folder):
    ran = in_process(folder[0], "report", "donejb", "--out", "out/r.html")
    assert ran.returncode == 0, ran.stderr
    assert ran.stdout.strip() == "out/r.html" and (folder[0] / "out/r.html").stat().st_size <= LIMIT


def test_a_job_with_a_score_is_reported_by_its_score(tmp_path):
    engine = open_home(tmp_path)
    store_job(engine, "scored", score=SCALE)
    assert "reaches a score of" in report_of(engine, tmp_path / "artifacts", "scored")
