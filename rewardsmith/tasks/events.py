"""Read the event of the last action from a state row, through its schema."""

from __future__ import annotations

from typing import Any

from rewardsmith.tasks.base import Schema


def read_event(row: Any, schema: Schema) -> tuple[str, str | None]:
    """Return (event, kind of the object that it concerns or None) of the last action, from a state row [W]."""
    told, item = schema.field("event"), schema.field("event_object")
    event, slot = told.values[int(row[told.column])], int(row[item.column])
    if slot < 0:
        return event, None
    objects = schema.field(item.of)
    kind = objects.field("kind")
    value = int(row[objects.slots()[slot] + kind.column])
    return event, kind.values[value] if value >= 0 else None
