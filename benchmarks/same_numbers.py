"""Compare the numbers of two small jobs bit for bit, to show that a refactoring changes none of them.

.venv/bin/python -m benchmarks.same_numbers record after.json        # DoorKey-8x8 and UnlockPickup, about 4 minutes
.venv/bin/python -m benchmarks.same_numbers compare benchmarks/results/same_numbers.json after.json
.venv/bin/python -m benchmarks.same_numbers compare before.json after.json

The record contains for each candidate its program, reward, score, and the verdict and details of each check; for each
trial its telemetry, curve and final success; for the job its best candidate and its claim. Durations and speeds are
left out. `compare` prints the differences and exits with status 1 if there are any.
"""

from __future__ import annotations

import argparse
import json
import sqlite3
import sys
import tempfile
from pathlib import Path
from typing import Any

import rewardsmith
from rewardsmith.programs.reward import SPARSE

JOBS: dict[str, dict[str, Any]] = {
    "DoorKey-8x8": {"task": "MiniGrid-DoorKey-8x8-v0", "model": "synth", "steps": 100_000, "confirm": 2},
    "UnlockPickup": {
        "task": "MiniGrid-UnlockPickup-v0", "model": "synth", "method": "free", "steps": 120_000, "confirm": 1,
    },
}  # fmt: skip

# Parts of names whose values depend on the clock or the machine.
TIMED = ("second", "_us", "us_per", "per_s", "latency", "speed", "cost", "rss", "pid")

# Columns and keys that are named differently in the record: name in the database -> name in the record.
RENAMED = {"reward": "channels"}

# Keys and values of the record that revision 0008 of the database renamed: name in the record -> name now.
KEYS = {"cause_of_death": "rejection_reason", "flooding": "shaping", "farmed": "exploited", "budget": "cap"}
VALUES = {
    "dead": "rejected",
    # The hash of the sparse reward, whose channel has the key `cap` instead of `budget`.
    "b43b066907685dde7a31e2a70cb29e171e490110c47130c87a4ab01312af2b7d": SPARSE.hash,
}
# Messages for people, whose wording may change.
TEXTS = ("message", "rejection_reason", "thoughts", "text", "reason", "notes", "note", "headline", "failed_episodes")


def _plain(value: Any) -> Any:
    """`value` without timed entries; floats as hexadecimal text, which is exact."""
    if isinstance(value, dict):
        kept = {k: v for k, v in value.items() if not any(word in str(k) for word in TIMED)}
        return {str(k): _plain(v) for k, v in sorted(kept.items(), key=lambda pair: str(pair[0]))}
    if isinstance(value, list | tuple):
        return [_plain(v) for v in value]
    return value.hex() if isinstance(value, float) else value


def _rows(connection: sqlite3.Connection, query: str) -> list[dict[str, Any]]:
    found = connection.execute(query)
    names = [column[0] for column in found.description]
    return [{RENAMED.get(n, n): _read(v) for n, v in zip(names, row, strict=True) if not _is_timed(n)} for row in found]


def _is_timed(name: str) -> bool:
    return name.endswith("_at") or name in ("id", "job_id") or any(word in name for word in TIMED)


def _read(value: Any) -> Any:
    if isinstance(value, str) and value[:1] in "{[":
        try:
            return json.loads(value)
        except ValueError:
            return value
    return value


def record(name: str) -> dict[str, Any]:
    """Run one job in a fresh folder and return the rows of its database."""
    with tempfile.TemporaryDirectory() as folder:
        done = rewardsmith.design(**JOBS[name], home=folder, slots=2)
        base = next(Path(folder).rglob("*.db"))
        with sqlite3.connect(base) as connection:
            candidates = _rows(connection, "SELECT id AS name, * FROM candidates ORDER BY id")
            checks = _rows(
                connection,
                "SELECT candidate_id AS name, * FROM checks WHERE kind <> 'cost' ORDER BY candidate_id, kind",
            )
            trials = _rows(
                connection, "SELECT candidate_id AS name, * FROM trials ORDER BY candidate_id, purpose, seed"
            )
            curves = _rows(
                connection,
                "SELECT t.candidate_id AS name, t.purpose, t.seed, p.* FROM curve_points p "
                "JOIN trials t ON t.id = p.trial_id ORDER BY 1, 2, 3, p.steps",
            )
            claim = _rows(connection, "SELECT best_candidate, state, claim FROM jobs")
    text = json.dumps(
        _plain({"job": claim, "candidates": candidates, "checks": checks, "trials": trials, "curves": curves})
    )
    # The job's id differs in every run and occurs in names.
    return json.loads(text.replace(done.job_id, "JOB"))


def without_second_source(job: dict[str, Any]) -> dict[str, Any]:
    """A job's record in which rewards do not repeat the source of their candidate.

    Records from databases before revision 0007 contain the source twice. The copy is dropped if it equals the original.
    """
    for candidate in job["candidates"]:
        reward = candidate["channels"]
        if isinstance(reward, dict) and reward.get("source") == candidate["source"]:
            del reward["source"]
    return job


def under_current_names(value: Any) -> Any:
    """Return a record with current keys and values, without texts for people."""
    if isinstance(value, dict):
        named = {KEYS.get(name, name): under_current_names(each) for name, each in value.items()}
        return {name: each for name, each in named.items() if name not in TEXTS}
    if isinstance(value, list):
        return [under_current_names(each) for each in value]
    return VALUES.get(value, value) if isinstance(value, str) else value


def differences(before: Any, after: Any, place: str = "") -> list[str]:
    """Differences between two records, one line each: path, value before, value after."""
    if isinstance(before, dict) and isinstance(after, dict):
        names = sorted(before.keys() | after.keys())
        return [line for n in names for line in differences(before.get(n), after.get(n), f"{place}.{n}")]
    if isinstance(before, list) and isinstance(after, list) and len(before) == len(after):
        pairs = enumerate(zip(before, after, strict=True))
        return [line for i, (b, a) in pairs for line in differences(b, a, f"{place}[{i}]")]
    return [] if before == after else [f"{place}: {str(before)[:120]} -> {str(after)[:120]}"]


def without_numbers(job: dict[str, Any]) -> dict[str, Any]:
    """A job's record without row ids of trials, which depend on which of two slots began first."""
    return {**job, "curves": [{n: v for n, v in point.items() if n != "trial_id"} for point in job["curves"]]}


def _normal(jobs: dict[str, Any]) -> dict[str, Any]:
    return {name: under_current_names(without_numbers(without_second_source(job))) for name, job in jobs.items()}


def _count(value: Any) -> int:
    if isinstance(value, dict | list):
        return sum(_count(v) for v in (value.values() if isinstance(value, dict) else value))
    return 1


def main() -> None:
    """Parse the command line; record, or compare and exit with status 1 if the records differ."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    commands = parser.add_subparsers(dest="command", required=True)
    commands.add_parser("record").add_argument("file", type=Path)
    compare = commands.add_parser("compare")
    compare.add_argument("before", type=Path)
    compare.add_argument("after", type=Path)
    options = parser.parse_args()
    if options.command == "record":
        options.file.write_text(json.dumps({name: record(name) for name in JOBS}, separators=(",", ":")) + "\n")
        return
    before, after = (_normal(json.loads(path.read_text())) for path in (options.before, options.after))
    found = differences(before, after)
    print("\n".join(found) if found else f"{_count(before):,} values are the same.")
    sys.exit(bool(found))


if __name__ == "__main__":
    main()
