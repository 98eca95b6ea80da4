"""Rows of measurements: one JSON line each, appended as they come, so that every part can be stopped and go on."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

ROWS = Path(__file__).parents[1] / "results" / "verification.jsonl"


def read_rows(part: str) -> dict[str, dict[str, Any]]:
    """Key -> the latest row of `part`."""
    if not ROWS.exists():
        return {}
    found = [json.loads(line) for line in ROWS.read_text(encoding="utf-8").splitlines() if line]
    return {row["key"]: row for row in found if row["part"] == part}


def add_row(part: str, key: str, **values: Any) -> None:
    """Append one row."""
    ROWS.parent.mkdir(exist_ok=True)
    with ROWS.open("a", encoding="utf-8") as file:
        file.write(json.dumps({"part": part, "key": key, **values}) + "\n")
