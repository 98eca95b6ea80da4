"""Rows of measurements: one JSON line each, appended one by one, which makes every part resumable."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

ROWS = Path(__file__).parents[1] / "results" / "verification.jsonl"


def read_rows(part: str) -> dict[str, dict[str, Any]]:
    """The latest row of each key of `part`."""
    if not ROWS.exists():
        return {}
    found = [json.loads(line) for line in ROWS.read_text(encoding="utf-8").splitlines() if line]
    return {row["key"]: row for row in found if row["part"] == part}


def add_row(part: str, key: str, **values: Any) -> None:
    """Append one row to results/verification.jsonl."""
    ROWS.parent.mkdir(exist_ok=True)
    with ROWS.open("a", encoding="utf-8") as file:
        file.write(json.dumps({"part": part, "key": key, **values}) + "\n")
