"""Compute the labels of the set.

.venv/bin/python -m benchmarks.verification_set.label [--task ID] [--seconds N]

Takes hours for all tasks. Resumable: writes each label to labels.json. A label is the worst over LAYOUTS layouts.
KeyCorridorS3R3 has too many states for a plain implementation; its rewards are labelled on KeyCorridorS3R1, which has
the same objects and rules.
"""

from __future__ import annotations

import argparse
import json
import time

from . import LABELS, TASKS, Entry, entries, exact, labels

LABELLED_ON = {"MiniGrid-KeyCorridorS3R3-v0": "MiniGrid-KeyCorridorS3R1-v0"}
LAYOUTS = {"MiniGrid-LavaCrossingS9N2-v0": 3, "MiniGrid-KeyCorridorS3R3-v0": 2}
"""Layouts per label, for tasks whose layouts are small; 1 for the others."""
SEED = 1_000_000
"""The first seed of the layouts, outside of the first seeds of all pools."""
GAMMA = 0.99
MOST = 600_000
WORST_FIRST = ("crash", "unsound", "time-dependent", "tie", "unknown", "sound")


def main() -> None:
    """Label the rewards without a label, for at most `--seconds`."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--task", choices=TASKS)
    parser.add_argument("--seconds", type=float, default=500.0)
    chosen = parser.parse_args()
    began = time.monotonic()
    for task in [chosen.task] if chosen.task else TASKS:
        _label_task(task, began + chosen.seconds)


def _label_task(task: str, until: float) -> None:
    known = labels()
    missing = [entry for entry in entries(task) if entry.key not in known]
    if not missing or time.monotonic() > until:
        return
    played = LABELLED_ON.get(task, task)
    layouts = LAYOUTS.get(task, 1)
    worlds = [exact.enumerate_world(exact.Grid(played, SEED + k), MOST) for k in range(layouts)]
    print(f"{task}: {[len(w.views) for w in worlds]} states", flush=True)
    for entry in missing:
        if time.monotonic() > until:
            return
        known[entry.key] = {"label": _worst(entry, worlds), "layouts": layouts, "labelled_on": played}
        print(f"{entry.key}: {entry.category} -> {known[entry.key]['label']}", flush=True)
        LABELS.write_text(json.dumps(known, indent=1, sort_keys=True) + "\n", encoding="utf-8")


def _worst(entry: Entry, worlds: list[exact.World]) -> str:
    found: list[str] = []
    for world in worlds:
        found.append(exact.label(world, entry.source, GAMMA, MOST, print))
        if found[-1] in ("crash", "unknown"):
            break
    return min(found, key=WORST_FIRST.index)


if __name__ == "__main__":
    main()
