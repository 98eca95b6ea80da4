"""Write rewardsmith/tasks/described/built_in/random_play.json: what random play shows of each shipped description.

.venv/bin/python -m scripts.make_random_play [ID ...]

Designers are told these figures. They are checked in, so that a prompt is the same on every machine. Only the given ids
are measured anew; all of them unless any is given. Takes about two minutes.
"""

from __future__ import annotations

import json
import sys

from rewardsmith.tasks.described import measured
from rewardsmith.tasks.described.description import described_ids, read_built_in
from rewardsmith.tasks.described.task import DescribedTask


def main() -> None:
    """Measure and write."""
    measured.SECONDS = 600.0  # a count decides, not the machine
    path = measured.SHIPPED
    found = json.loads(path.read_text(encoding="utf-8")) if path.exists() else {}
    for name in sys.argv[1:] or described_ids():
        played = DescribedTask(read_built_in(name), examined=True).random_play()
        found[name] = played.model_dump(mode="json")
        print(f"{name}: {' '.join(played.lines())}", flush=True)
    lines = [f"{json.dumps(name)}: {json.dumps(found[name])}" for name in described_ids() if name in found]
    path.write_text("{\n" + ",\n".join(lines) + "\n}\n", encoding="utf-8")


if __name__ == "__main__":
    main()
