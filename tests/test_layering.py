"""Imports run downwards only, and light commands load light modules."""

from __future__ import annotations

import ast
import json
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]

FOR_ALL = {"rewardsmith.errors", "rewardsmith.files", "rewardsmith.syntax", "rewardsmith.plaintext"}

# What each room may import besides itself, third parties and FOR_ALL.
MAY = {
    "sandbox": set(),
    "rewardsmith.errors": set(),
    "rewardsmith.files": set(),
    "rewardsmith.syntax": set(),
    "rewardsmith.plaintext": set(),
    "rewardsmith.config": {"rewardsmith.place"},
    "rewardsmith.spec": set(),
    "rewardsmith.tasks": {"sandbox"},
    "rewardsmith.programs": {"rewardsmith.tasks", "sandbox"},
    "rewardsmith.methods": {
        "rewardsmith.agents", "rewardsmith.training", "rewardsmith.verification", "rewardsmith.programs",
        "rewardsmith.tasks", "rewardsmith.spec", "sandbox",
    },
    "rewardsmith.agents": {"rewardsmith.programs", "rewardsmith.tasks"},
    "rewardsmith.training": {"rewardsmith.programs", "rewardsmith.tasks", "rewardsmith.spec", "sandbox"},
    "rewardsmith.verification.soundness": {"rewardsmith.reporting.proportion"},
    "rewardsmith.verification": {
        "rewardsmith.programs", "rewardsmith.tasks", "rewardsmith.verification.soundness", "sandbox",
    },
    "rewardsmith.storage": {"rewardsmith.config"},
    "rewardsmith.place": set(),
    "rewardsmith.reporting.proportion": set(),
    "rewardsmith.reporting.statistics": {"rewardsmith.reporting.proportion"},
    "rewardsmith.reporting": {
        "rewardsmith.storage", "rewardsmith.programs", "rewardsmith.tasks", "rewardsmith.spec", "sandbox",
        "rewardsmith.reporting.statistics", "rewardsmith.reporting.proportion", "rewardsmith.verification.soundness",
    },
    "rewardsmith.engine": {
        "rewardsmith.agents", "rewardsmith.methods", "rewardsmith.training", "rewardsmith.verification",
        "rewardsmith.verification.soundness", "rewardsmith.programs", "rewardsmith.tasks", "rewardsmith.storage",
        "rewardsmith.spec", "rewardsmith.config",
        "rewardsmith.reporting.statistics", "rewardsmith.reporting.proportion", "sandbox",
    },
    # What needs no job: the commands that check a file, examine a verifier, show a job's first prompts.
    "rewardsmith.offline": {
        "rewardsmith.agents", "rewardsmith.engine", "rewardsmith.methods", "rewardsmith.training",
        "rewardsmith.verification", "rewardsmith.verification.soundness", "rewardsmith.programs", "rewardsmith.tasks", "rewardsmith.spec",
        "rewardsmith.storage", "sandbox",
    },
    "rewardsmith.executor": {"rewardsmith.engine", "rewardsmith.config"},
    "rewardsmith.api": {
        "rewardsmith.agents", "rewardsmith.executor", "rewardsmith.offline",
        "rewardsmith.engine", "rewardsmith.reporting", "rewardsmith.storage", "rewardsmith.spec", "rewardsmith.config",
    },
    "rewardsmith.cli": {
        "rewardsmith.api", "rewardsmith.engine", "rewardsmith.offline", "rewardsmith.reporting", "rewardsmith.storage", "rewardsmith.tasks",
        "rewardsmith.spec", "rewardsmith.config", "rewardsmith.place", "rewardsmith.agents", "rewardsmith.__version__",
        "rewardsmith.verification.soundness",
    },
    "rewardsmith": {"rewardsmith.api"},
    "rewardsmith.__main__": {"rewardsmith.cli"},
    "workers": {"rewardsmith.engine", "rewardsmith.storage", "rewardsmith.config", "rewardsmith.__version__"},
    "rewardsmith.__version__": set(),
}  # fmt: skip


# What every room may import.

# Compiled where it is used, and carried as it stands by exported files.
KERNELS = {"fill_walk_distances"}


def room_of(module: str) -> str | None:
    """The longest entry of MAY that `module` lies in."""
    matches = [room for room in MAY if module == room or module.startswith(room + ".")]
    return max(matches, key=len, default=None)


def imports_of(path: Path) -> set[str]:
    package = ".".join(path.relative_to(ROOT).with_suffix("").parts[:-1])
    found: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            base = node.module or ""
            if node.level:
                up = package.split(".")[: len(package.split(".")) - node.level + 1]
                base = ".".join([*up, base]).rstrip(".")
            found |= {f"{base}.{alias.name}" for alias in node.names}
    return {name for name in found if name.split(".")[0] in ("rewardsmith", "sandbox", "workers")}


SOURCES = sorted(p for folder in ("rewardsmith", "sandbox", "workers") for p in (ROOT / folder).rglob("*.py"))
# Text that is put into exported files, not imported by anybody.
SOURCES = [p for p in SOURCES if "export_parts" not in p.parts]


@pytest.mark.parametrize("path", SOURCES, ids=lambda p: str(p.relative_to(ROOT)))
def test_a_room_imports_only_what_lies_below_it(path):
    module = ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")
    room = room_of(module)
    assert room is not None
    for name in imports_of(path):
        other = room_of(name)
        allowed = other == room or other in MAY[room] or (other in FOR_ALL and room != "sandbox")
        assert allowed, f"{module} imports {name}, which is not below it"


@pytest.mark.parametrize("path", SOURCES, ids=lambda p: str(p.relative_to(ROOT)))
def test_files_and_functions_stay_small(path):
    text = path.read_text()
    assert len(text.splitlines()) <= 410
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            jitted = any("jit" in ast.unparse(d) for d in node.decorator_list)
            # Parameters are declarations (a command's options), kernels read better whole.
            body = (node.end_lineno or 0) - node.body[0].lineno + 1
            assert jitted or node.name in KERNELS or body <= 45, f"{node.name} has {body} lines"


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
