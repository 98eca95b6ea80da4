"""Wall clock of the commands that read a small finished job, and of `--help`.

.venv/bin/python -m benchmarks.startup

Takes about one minute. Writes results/startup.md.
"""

from __future__ import annotations

import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

RESULTS = Path(__file__).with_name("results")
COMMANDS = (["--help"], ["ls"], ["show", "latest"], ["show", "best"])
RUNS = 9
JOB = [
    *("run", "--task", "MiniGrid-DoorKey-5x5-v0", "--iterations", "1", "--samples", "1"),
    *("--steps", "30000", "--confirm", "1"),
]


def seconds(command: list[str], folder: str) -> float:
    """Run `rewardsmith COMMAND` in `folder` and return its wall clock in seconds."""
    began = time.perf_counter()
    subprocess.run(
        [sys.executable, "-m", "rewardsmith.cli.main", *command], cwd=folder, check=True, capture_output=True
    )
    return time.perf_counter() - began


def main() -> None:
    """Run the commands by turns and write the table."""
    with tempfile.TemporaryDirectory() as folder:
        seconds(JOB, folder)
        taken: dict[str, list[float]] = {" ".join(c): [] for c in COMMANDS}
        bare = []
        for _ in range(RUNS):
            began = time.perf_counter()
            subprocess.run([sys.executable, "-c", "pass"], check=True)
            bare.append(time.perf_counter() - began)
            for command in COMMANDS:
                taken[" ".join(command)].append(seconds(command, folder))
    lines = [
        "# Start-up",
        "",
        f"Medians of {RUNS} interleaved runs, seconds.",
        "",
        "| command | median | slowest |",
        "|---|---|---|",
    ]
    lines += [f"| rewardsmith {name} | {statistics.median(t):.3f} | {max(t):.3f} |" for name, t in taken.items()]
    lines.append(f"| python -c pass | {statistics.median(bare):.3f} | {max(bare):.3f} |")
    RESULTS.mkdir(exist_ok=True)
    (RESULTS / "startup.md").write_text("\n".join(lines) + "\n")
    print("\n".join(lines))


if __name__ == "__main__":
    main()
