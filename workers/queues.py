"""The broker's queues, and the name of the one task that their messages call."""

from __future__ import annotations

QUEUES = {
    "llm": ("design", "analyse", "ask"), "control": ("check", "recheck"), "train": ("baseline", "train", "confirm"),
}  # fmt: skip
"""The kinds of work items that each queue carries."""

QUEUE_OF = {kind: name for name, kinds in QUEUES.items() for kind in kinds}

WORK = "rewardsmith.work"
"""The task's name. Senders use the name, so that they need not import the workers' code."""
