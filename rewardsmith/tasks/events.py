"""What the last action did, read off a state row through its schema."""

from __future__ import annotations

from typing import Any

from rewardsmith.tasks.base import Schema


def read_event(row: Any, schema: Schema) -> tuple[str, str | None]:
    """The last event in a state row [W], and the kind of object it concerned, if any."""
    fields = {f["name"]: f for f in schema["fields"]}
    event = fields["event"]["values"][int(row[fields["event"]["column"]])]
    slot = int(row[fields["event_object"]["column"]])
    if slot < 0:
        return event, None
    objects = fields[fields["event_object"]["of"]]
    kind = next(f for f in objects["fields"] if f["name"] == "kind")
    value = int(row[objects["start"] + slot * objects["stride"] + kind["column"]])
    return event, kind["values"][value] if value >= 0 else None
