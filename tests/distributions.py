"""A small distribution with tasks, installed as pip does it: a package and its .dist-info folder on Python's path."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Mapping
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parent / "cases" / "installed_tasks" / "warehouse_tasks"
LANE_TASKS = {
    "lane": "warehouse_tasks.lane:LaneTask",
    "lane-yaml": "warehouse_tasks:lane.yaml",
    "lane-path": "warehouse_tasks.lane:PATH",
    "lane-module": "warehouse_tasks.lane",
    "own-grid": "warehouse_tasks.lane:grid",
}


def install(
    site: Path, monkeypatch: pytest.MonkeyPatch, tasks: Mapping[str, str], name: str = "warehouse-tasks"
) -> Path:
    """Install version 1.2 of a distribution with these entry points into the folder `site`, and put it on the path."""
    site.mkdir(parents=True)
    shutil.copytree(PACKAGE, site / PACKAGE.name)
    metadata = site / f"{name.replace('-', '_')}-1.2.dist-info"
    metadata.mkdir()
    (metadata / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.2\n")
    entries = "".join(f"{task} = {value}\n" for task, value in tasks.items())
    (metadata / "entry_points.txt").write_text(f"[rewardsmith.tasks]\n{entries}")
    for module in [each for each in sys.modules if each.split(".")[0] == PACKAGE.name]:
        monkeypatch.delitem(sys.modules, module)
    monkeypatch.syspath_prepend(str(site))
    return site
