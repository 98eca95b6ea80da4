"""Results in a notebook: a picture of the curves, and hostile text as text."""

from __future__ import annotations

import ast
import json
from html.parser import HTMLParser
from pathlib import Path

import pytest
from stored_jobs import SCALE, open_home, store_job

import rewardsmith
from rewardsmith import notebook
from rewardsmith.config import settings


class Tags(HTMLParser):
    """The tags of a text with their attributes."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.found: list[tuple[str, dict]] = []
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        self.found.append((tag, dict(attrs)))


@pytest.mark.parametrize("score", [None, SCALE])
def test_a_loaded_job_shows_the_curves_of_its_claim(tmp_path, score):
    store_job(open_home(tmp_path), "donejb", score=score)
    shown = rewardsmith.load("donejb", home=tmp_path)._repr_html_()
    lines = [attributes for tag, attributes in Tags(shown).found if tag == "polyline"]
    assert len(lines) == 2 * 4  # four fresh seeds of both rewards
    assert all(len(line["points"].split()) == 10 for line in lines)
    assert "donejb-1a" in shown and "donejb-sparse" in shown


def test_points_stand_where_their_values_say():
    (line,) = [a for tag, a in Tags(notebook.curves("t", {"x": [[(0, 0.0), (100, 1.0)]]})).found if tag == "polyline"]
    assert line["points"] == "50.0,180.0 550.0,10.0"
    assert notebook.curves("t", {"x": [[]]}) == ""


def test_hostile_labels_are_text():
    bad = "<script>alert(1)</script>' onload='x"
    found = Tags(notebook.curves(bad, {bad: [[(1, 1.0)]]})).found
    assert {tag for tag, _ in found} == {"h4", "svg", "text", "path", "polyline"}
    assert not [name for _, attributes in found for name in attributes if name.startswith("on")]


def test_the_example_notebook_runs_and_every_cell_shows_something(tmp_path, monkeypatch):
    path = Path(__file__).parents[1] / "examples" / "look_at_a_job.ipynb"
    cells = [c for c in json.loads(path.read_text())["cells"] if c["cell_type"] == "code"]
    store_job(open_home(tmp_path / ".rewardsmith"), "donejb")
    monkeypatch.setenv("REWARDSMITH_HOME", str(tmp_path / ".rewardsmith"))
    settings.cache_clear()
    scope: dict = {}
    for cell in cells:
        assert cell["outputs"] == []
        *first, last = ast.parse("".join(cell["source"])).body
        exec(compile(ast.Module(first, []), "cell", "exec"), scope)
        shown = eval(compile(ast.Expression(last.value), "cell", "eval"), scope)
        assert shown is not None
    settings.cache_clear()
