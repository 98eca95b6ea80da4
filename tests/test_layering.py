"""Imports run downwards and in no circle, files and functions stay small, light commands load light modules."""

from __future__ import annotations

import ast
import json
import re
import subprocess
import sys
from xml.etree import ElementTree

import networkx as nx
import pytest

from scripts.rooms import FIGURES, PAGE, PICTURE, ROOT, House, drawn, with_table

HOUSE = House()

# A kernel that exported files contain unchanged.
KERNELS = {"fill_walk_distances"}


@pytest.mark.parametrize("module", HOUSE.paths)
def test_a_room_imports_only_the_permitted_rooms(module):
    room = HOUSE.room_of(module)
    assert room is not None, f"{module} lies in no room of scripts/rooms.toml"
    for name in HOUSE.imported(module):
        other = HOUSE.room_of(name)
        assert other is not None
        allowed = other == room or other.name in room.may or (other.for_all and room.name != "sandbox")
        assert allowed, f"{module} imports {name}, which scripts/rooms.toml does not let {room.name} import"


def test_rooms_do_not_import_each_other_in_a_circle():
    may = {(room.name, other) for room in HOUSE.rooms.values() for other in room.may}
    assert nx.is_directed_acyclic_graph(nx.DiGraph(list(may)))


def test_no_modules_import_each_other_in_a_circle():
    """Lazy imports and imports for types count too, so that each module can be read alone."""
    assert not HOUSE.circles()


def test_the_architecture_page_shows_the_current_rooms():
    """Run `make generate` to update the page."""
    page = PAGE.read_text()
    assert page == with_table(page, HOUSE)


def test_the_picture_shows_the_current_rooms():
    """Run `make generate` to draw it anew. The file carries what it shows as text."""
    said = ElementTree.parse(PICTURE).findtext(".//{http://purl.org/dc/elements/1.1/}description")
    assert said == drawn(HOUSE)


@pytest.mark.parametrize(
    ("figure", "most"),
    [("functions with more than 7 parameters", 15), ("comparisons of a task's family or engine", 0)],
)
def test_counts_of_the_structure_stay_within_their_limits(figure, most):
    assert len(FIGURES[figure](HOUSE)) <= most


def test_the_architecture_page_names_files_that_exist():
    named = re.findall(
        r"`((?:rewardsmith|sandbox|workers|scripts|tests|engine|storage)/[\w/.]+\.\w+)`", PAGE.read_text()
    )
    assert len(named) > 10
    missing = [name for name in named if not (ROOT / name).exists() and not (ROOT / "rewardsmith" / name).exists()]
    assert not missing


@pytest.mark.parametrize("module", HOUSE.paths)
def test_files_and_functions_stay_small(module):
    text = HOUSE.paths[module].read_text()
    assert len(text.splitlines()) <= 410
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            jitted = any("jit" in ast.unparse(d) for d in node.decorator_list)
            # Parameters are declarations (a command's options); kernels read better whole. The docstrings of the
            # public functions are their manual, a line an argument.
            described = module == "rewardsmith.api" and len(node.body) > 1 and ast.get_docstring(node) is not None
            body = (node.end_lineno or 0) - node.body[1 if described else 0].lineno + 1
            assert jitted or node.name in KERNELS or body <= 60, f"{node.name} has {body} lines"


HEAVY = (
    "torch",
    "stable_baselines3",
    "minigrid",
    "gymnasium",
    "litellm",
    "celery",
    "numba",
    "matplotlib",
    "alembic",
    "numpy",
    "pydantic",
    "sqlalchemy",
)


@pytest.mark.parametrize("arguments", [["--help"], ["ls"], ["show", "latest"], ["show", "best"], ["tree"]])
def test_reading_commands_load_nothing_heavy(arguments, small_job):
    script = (
        "import sys, json\n"
        f"sys.argv = ['rewardsmith', *{arguments!r}]\n"
        "from rewardsmith.cli.main import main\n"
        "try:\n    main()\nexcept SystemExit as end:\n    assert not end.code, end.code\n"
        "print('LOADED ' + json.dumps(sorted(sys.modules)), file=sys.stderr)\n"
    )
    ran = subprocess.run([sys.executable, "-c", script], cwd=small_job.folder, capture_output=True, text=True)
    assert ran.returncode == 0, ran.stderr
    loaded = json.loads(ran.stderr.split("LOADED ")[1])
    assert not [name for name in HEAVY if name in loaded]
    assert "sqlalchemy.orm" not in loaded
