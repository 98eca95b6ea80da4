"""docs/api.md equals the docstrings, which describe every argument and every attribute of a result."""

from __future__ import annotations

import inspect
import re
from dataclasses import fields
from pathlib import Path

import pytest

import rewardsmith
from scripts.make_api import FUNCTIONS, RESULTS, TARGET, api_text

DOCS = Path(__file__).parents[1]


def test_the_page_is_generated_from_the_docstrings():
    """Run `python -m scripts.make_api` to update the page."""
    assert TARGET.read_text(encoding="utf-8") == api_text()


@pytest.mark.parametrize("name", [*FUNCTIONS, *RESULTS])
def test_every_argument_and_attribute_is_described(name):
    found = getattr(rewardsmith, name)
    names = [*inspect.signature(found).parameters] if name in FUNCTIONS else [field.name for field in fields(found)]
    described = re.findall(r"^ +(\w+): ", inspect.getdoc(found) or "", re.M)
    assert [each for each in names if each not in described] == []


def test_everything_public_is_on_the_page():
    page = TARGET.read_text(encoding="utf-8")
    assert [name for name in rewardsmith.__all__ if name != "__version__" and f"### `{name}`" not in page] == []


def test_the_docs_refer_to_no_internals():
    """Pages for authors of methods are exempt: methods are built from internal base classes."""
    pages = [DOCS / "README.md", *sorted((DOCS / "docs").rglob("*.md"))]
    inside = re.compile(r"^\s*(?:from|import) rewardsmith\.\w+", re.M)
    named = {page.relative_to(DOCS).as_posix() for page in pages if inside.search(page.read_text(encoding="utf-8"))}
    assert named <= {"docs/methods/adding.md"}
