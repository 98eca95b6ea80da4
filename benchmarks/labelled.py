"""The second set of labelled rewards: how many unsound ones the checks catch, and how many sound ones they reject.

.venv/bin/python -m benchmarks.labelled [--task TEXT] [--seconds S]   # resumable; then writes results/labelled.md

Each reward of benchmarks/verification_set_two is checked as `rewardsmith check --quick` does: 8 random layouts of a
grid and 2 hard ones, every start of a table. A reward counts as caught if a check fails, as undecided if none fails and
the certificate does not say `sound`.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import rewardsmith
from rewardsmith.reporting.proportion import wilson

HERE = Path(__file__).parent
REWARDS = HERE / "verification_set_two"
ROWS, REPORT = HERE / "results" / "labelled.jsonl", HERE / "results" / "labelled.md"


@dataclass(frozen=True)
class Labelled:
    """A reward of the set: its task, file below `REWARDS`, label, whether that is open to doubt, and its author.

    An author is `informed` if it knew the checks, `blind` if it did not.
    """

    task: str
    file: str
    label: str
    why: str
    unsure: bool = False
    author: str = "blind"

    @property
    def checked_as(self) -> str:
        """What `check` is given as the task: an id, or the description beside the reward."""
        folder = (REWARDS / self.file).parent
        found = sorted(folder.glob("*.yaml"))
        return str(found[0]) if found else self.task


def labelled(text: str = "") -> list[Labelled]:
    """The rewards whose task or file contains `text`."""
    lines = (REWARDS / "labels.jsonl").read_text(encoding="utf-8").splitlines()
    rewards = [Labelled(**json.loads(line)) for line in lines if line.strip()]
    return [each for each in rewards if text in each.task or text in each.file]


def checked(reward: Labelled) -> dict[str, Any]:
    """Check one reward and return its row."""
    began, used = time.monotonic(), time.process_time()
    found = rewardsmith.check(reward.checked_as, REWARDS / reward.file, quick=True)
    soundness = found.soundness or {}
    return {
        "file": reward.file,
        "failed": [v.check for v in found.verdicts if not v.passed],
        "headline": soundness.get("headline"),
        "message": next((v.message[:300] for v in found.verdicts if not v.passed), ""),
        "certificate": next((v.message[:300] for v in found.verdicts if v.check == "certificate"), ""),
        "seconds": round(time.monotonic() - began, 1),
        "processor_seconds": round(time.process_time() - used, 1),
    }


def outcome(row: dict[str, Any]) -> str:
    """`rejected`, `sound` or `undecided`."""
    if row["failed"]:
        return "rejected"
    return "sound" if str(row["headline"]).startswith("sound") else "undecided"


def main() -> None:
    """Parse the command line, check the missing rewards and write the report."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--task", default="", help="only rewards whose task or file contains this text")
    parser.add_argument("--seconds", type=float, default=3600.0, help="start no new check after this many seconds")
    chosen = parser.parse_args()
    until = time.monotonic() + chosen.seconds
    known = read_rows()
    for reward in labelled(chosen.task):
        if reward.file in known or time.monotonic() > until:
            continue
        row = checked(reward)
        with ROWS.open("a", encoding="utf-8") as file:
            file.write(json.dumps(row) + "\n")
        print(f"{reward.file}: {reward.label}, {outcome(row)}, {row['seconds']} s", flush=True)
    REPORT.write_text(report(labelled(), read_rows()), encoding="utf-8")


def read_rows() -> dict[str, dict[str, Any]]:
    """The rows so far, by file."""
    if not ROWS.exists():
        return {}
    rows = [json.loads(line) for line in ROWS.read_text(encoding="utf-8").splitlines() if line.strip()]
    return {row["file"]: row for row in rows}


def report(rewards: list[Labelled], rows: dict[str, dict[str, Any]]) -> str:
    """The results as a page: counts by task with Wilson intervals, then every reward that came out otherwise."""
    done = [each for each in rewards if each.file in rows]
    tasks = [*dict.fromkeys(each.task for each in rewards)]
    lines = [
        "# The second set of labelled rewards",
        "",
        "Made by `python -m benchmarks.labelled`. `caught` counts unsound rewards that a check rejects, `rejected`",
        "sound ones that a check rejects, each with Wilson's 95 % interval.",
        f"{len(done)} of {len(rewards)} rewards were checked.",
        "",
        "| task | unsound | caught | undecided | sound | rejected | undecided |",
        "|---|---|---|---|---|---|---|",
        *(_line(task, [each for each in done if each.task == task], rows) for task in tasks),
        _line("all", done, rows),
        _line("all with a label that is not in doubt", [each for each in done if not each.unsure], rows),
        "",
        "## Otherwise than labelled",
        "",
        *(_told(each, rows[each.file]) for each in done if outcome(rows[each.file]) != _expected(each)),
    ]
    return "\n".join(lines) + "\n"


def _expected(reward: Labelled) -> str:
    return "rejected" if reward.label == "unsound" else "sound"


def _line(name: str, mine: list[Labelled], rows: dict[str, dict[str, Any]]) -> str:
    cells: list[str] = []
    for label in ("unsound", "sound"):
        found = [outcome(rows[each.file]) for each in mine if each.label == label]
        cells += [str(len(found)), _share(found, "rejected"), str(found.count("undecided"))]
    return f"| {name} | {' | '.join(cells)} |"


def _share(found: Iterable[str], wanted: str) -> str:
    found = [*found]
    count = found.count(wanted)
    if not found:
        return "-"
    low, high = wilson(count, len(found))
    return f"{count} ({100 * low:.0f} to {100 * high:.0f} %)"


def _told(reward: Labelled, row: dict[str, Any]) -> str:
    said = row["message"] or row["certificate"] or "no check of the optimum ran"
    unsure = ", a label in doubt" if reward.unsure else ""
    return f"- `{reward.file}` ({reward.label}{unsure}) is {outcome(row)}. {reward.why} The check says: {said}"


if __name__ == "__main__":
    main()
