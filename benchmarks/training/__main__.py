"""The command line of benchmarks.training."""

from __future__ import annotations

import argparse

import torch

import benchmarks.training
from benchmarks.training import RESULTS, same, solving, speed, starting, variables

PARTS = {
    "engine": speed.engine, "ppo": speed.ppo, "same": same.same, "pair": speed.pair, "start": starting.start,
    "settings": speed.settings, "race": solving.race, "hard": solving.hard, "variables": variables.scale,
}  # fmt: skip


def main() -> None:
    """Measure the named parts (default: all) and write them; the files of other parts are kept."""
    parser = argparse.ArgumentParser(
        description=benchmarks.training.__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("parts", nargs="*", default=list(PARTS), choices=[*PARTS, []])
    options = parser.parse_args()
    torch.set_num_threads(1)
    folder = RESULTS / "training"
    folder.mkdir(parents=True, exist_ok=True)
    for name in options.parts:
        text = ""
        for line in PARTS[name]():  # long parts yield rows one by one, so that a stopped one leaves some
            text += f"{line}\n"
            print(line, flush=True)
            (folder / f"{name}.md").write_text(text)
    found = [(folder / f"{name}.md").read_text() for name in PARTS if (folder / f"{name}.md").exists()]
    head = "# Training\n\nWritten by `python -m benchmarks.training`, a part at a time; medians of runs by turns.\n\n"
    (RESULTS / "training.md").write_text(head + "\n".join(found))


main()
