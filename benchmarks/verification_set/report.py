"""The text of results/verification.md, from the labels and all rows."""

from __future__ import annotations

import statistics
from collections import Counter
from typing import Any

import numpy as np

from rewardsmith.reporting.statistics import wilson

from . import TASKS, Entry, entries, labels
from .rows import ROWS, read_rows

PATH = ROWS.with_name("verification.md")


def write() -> None:
    """Write results/verification.md."""
    checks, known = read_rows("check"), labels()
    lines = [
        "# Checks before training, on the labelled set",
        "",
        "Written by `python -m benchmarks.verification report` from `verification.jsonl` and",
        "`benchmarks/verification_set/labels.json`; parts that have not been run are missing. *unsound* and *good* are",
        "labels of an independent exact optimum (good: every optimal policy solves, whether success is paid 0.1 or 1),",
        "not the checks' own. Brackets: Wilson, 95 %.",
        "",
        *_labelled(known),
        *_caught("All", entries(), known, checks),
        *_caught("Of these, the held-out third", [e for e in entries() if e.held_out], known, checks),
        *_caught("Of these, written before the checks were known", [e for e in entries() if e.origin == "blind"],
                 known, checks),
        *_missed(known, checks),
        *_speed(checks),
        *_ranks(checks),
        *_outcomes(),
    ]  # fmt: skip
    PATH.write_text("\n".join(lines) + "\n", encoding="utf-8")
    print(PATH)


def _labelled(known: dict[str, Any]) -> list[str]:
    lines = [
        "## The set",
        "",
        "| task | rewards | labelled | sound | unsound | other | labelled on |",
        "|" + "---|" * 7,
    ]
    for task in TASKS:
        mine = entries(task)
        found = [known[e.key] for e in mine if e.key in known]
        counts = Counter(f["label"] for f in found)
        other = ", ".join(f"{n} {name}" for name, n in counts.items() if name not in ("sound", "unsound"))
        on = ", ".join(sorted({f["labelled_on"] for f in found})) or "-"
        lines.append(
            f"| {task} | {len(mine)} | {len(found)} | {counts['sound']} | {counts['unsound']} | {other} | {on} |"
        )
    return [*lines, ""]


def _caught(title: str, mine: list[Entry], known: dict[str, Any], checks: dict[str, Any]) -> list[str]:
    lines = [f"## {title}", "", "| task | checked | unsound caught | good rejected |", "|---|---|---|---|"]
    totals = np.zeros(4, int)
    for task in TASKS:
        rows = [(known[e.key]["label"], checks[e.key]["passed"]) for e in mine
                if e.task == task and e.key in known and e.key in checks]  # fmt: skip
        bad = [passed for label, passed in rows if label == "unsound"]
        good = [passed for label, passed in rows if label == "sound"]
        counts = np.array([bad.count(False), len(bad), good.count(False), len(good)])
        totals += counts
        lines.append(f"| {task} | {len(rows)} | {_share(*counts[:2])} | {_share(*counts[2:])} |")
    lines.append(f"| together | | {_share(*totals[:2])} | {_share(*totals[2:])} |")
    return [*lines, ""]


def _share(some: int, of: int) -> str:
    if not of:
        return "-"
    low, high = wilson(int(some), int(of))
    return f"{some} of {of}: {100 * some / of:.1f} % [{100 * low:.1f}, {100 * high:.1f}]"


def _missed(known: dict[str, Any], checks: dict[str, Any]) -> list[str]:
    lines = ["## Where checks and labels disagree", "", "| reward | label | checks | why |", "|---|---|---|---|"]
    for entry in entries():
        if entry.key not in known or entry.key not in checks:
            continue
        label, row = known[entry.key]["label"], checks[entry.key]
        if (label == "unsound" and row["passed"]) or (label == "sound" and not row["passed"]):
            result = "passed" if row["passed"] else f"failed {', '.join(row['failed'])}"
            lines.append(f"| {entry.key} | {label} | {result}, {row['verdict']} | {row['reason'][:120]} |")
    return [*lines, ""] if len(lines) > 4 else []


def _speed(checks: dict[str, Any]) -> list[str]:
    lines = [
        "## Seconds per program, and coverage", "",
        "All checks of one program, start-up of the tool and kernels left out; wall clock and processor time (sandbox",
        "included); DoorKey-8x8 and UnlockPickup alone on the machine, the others while other work kept it busy.", "",
        "| task | programs | median s | 90 % s | median processor s | full coverage |", "|" + "---|" * 6,
    ]  # fmt: skip
    for task in TASKS:
        rows = [checks[e.key] for e in entries(task) if e.key in checks and checks[e.key]["verdict"]]
        if not rows:
            continue
        seconds, worked = [r["seconds"] for r in rows], [r["processor_seconds"] for r in rows]
        full = sum(r["coverage"] == 1.0 for r in rows)
        lines.append(
            f"| {task} | {len(rows)} | {statistics.median(seconds):.2f} | {np.quantile(seconds, 0.9):.2f} | "
            f"{statistics.median(worked):.2f} | {full} of {len(rows)} |"
        )
    return [*lines, ""]


def _ranks(checks: dict[str, Any]) -> list[str]:
    lines = [
        "## Predicted rank against measured area under the success curve", "",
        "| task | programs | steps | seeds | Spearman | 95 % (bootstrap over programs) |", "|" + "---|" * 6,
    ]  # fmt: skip
    rows = list(read_rows("rank").values())
    for task, steps in sorted({(r["task"], r["steps"]) for r in rows}):
        mine = [r for r in rows if (r["task"], r["steps"]) == (task, steps) and r["entry"] in checks]
        names = sorted({r["entry"] for r in mine if checks[r["entry"]]["passed"]})
        area = [statistics.mean(r["area"] for r in mine if r["entry"] == name) for name in names]
        predicted = [-checks[name]["difficulty"] for name in names]
        seeds = len({r["seed"] for r in mine})
        if len(names) < 3:
            continue
        low, high = bootstrap(predicted, area)
        rho = spearman(predicted, area)
        lines.append(f"| {task} | {len(names)} | {steps:,} | {seeds} | {rho:.2f} | [{low:.2f}, {high:.2f}] |")
    return [*lines, ""] if len(lines) > 4 else []


def _outcomes() -> list[str]:
    lines = [
        "## Success after training, by label", "",
        "A sample drawn by hash, trained regardless of its verdicts; final success, mean of the seeds.", "",
        "| task | label | programs | seeds | steps | solved, 90 % on all seeds | never, under 10 % | success, each |",
        "|" + "---|" * 8,
    ]  # fmt: skip
    rows = list(read_rows("outcome").values())
    for task, steps, label in sorted({(r["task"], r["steps"], r["label"]) for r in rows}):
        mine = [r for r in rows if (r["task"], r["steps"], r["label"]) == (task, steps, label)]
        each = [[r["success"] for r in mine if r["entry"] == name] for name in sorted({r["entry"] for r in mine})]
        solved, never = sum(min(s) >= 0.9 for s in each), sum(max(s) < 0.1 for s in each)
        means = ", ".join(f"{100 * statistics.mean(s):.0f}" for s in each)
        seeds = len({r["seed"] for r in mine})
        lines.append(f"| {task} | {label} | {len(each)} | {seeds} | {steps:,} | {solved} | {never} | {means} % |")
    return [*lines, ""] if rows else []


def spearman(first: list[float], second: list[float]) -> float:
    """Spearman's rank correlation in [-1, 1], with mean ranks for ties; NaN if one side is constant."""
    a, b = (_ranked(np.asarray(v, float)) for v in (first, second))
    if not a.std() or not b.std():
        return float("nan")
    return float(np.corrcoef(a, b)[0, 1])


def _ranked(values: np.ndarray) -> np.ndarray:
    _, inverse, counts = np.unique(values, return_inverse=True, return_counts=True)
    last = np.cumsum(counts)
    return (last - (counts - 1) / 2)[inverse]


def bootstrap(first: list[float], second: list[float], draws: int = 2000) -> tuple[float, float]:
    """95 % bootstrap interval of Spearman's correlation over programs."""
    rng, a, b = np.random.default_rng(0), np.asarray(first), np.asarray(second)
    picks = [rng.integers(len(a), size=len(a)) for _ in range(draws)]
    found = [spearman(a[p].tolist(), b[p].tolist()) for p in picks]
    return float(np.nanquantile(found, 0.025)), float(np.nanquantile(found, 0.975))
