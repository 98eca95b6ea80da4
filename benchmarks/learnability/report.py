"""The text of results/learnability.md: rank correlations of the predictors with measured learning."""

from __future__ import annotations

from collections import defaultdict
from typing import Any

import numpy as np

from benchmarks.learnability import CHOSEN_ON, REPORT, rows
from benchmarks.verification_set.report import bootstrap, spearman
from rewardsmith.reporting.proportion import wilson

NAMES = (
    "improvement",
    "advantage gap",
    "exact progress",
    "leads on",
    "does not mislead",
    "rehearsal",
    "difficulty",
    "difficulty and leads on",
)
FEWEST = 5  # rewards of a task for a correlation
LEARNED, HARDLY = 0.1, 0.05
Rows = list[dict[str, Any]]


def write() -> None:
    """Write results/learnability.md."""
    found = [row for row in rows().values() if "rehearsal" in row]
    groups: dict[tuple[str, str], Rows] = defaultdict(list)
    for row in found:
        groups[row["of"], row["task"]].append(row)
    for mine in groups.values():
        both = zip(_ranks([r["difficulty"] for r in mine]), _ranks([r["leads on"] for r in mine]), strict=True)
        for row, (one, other) in zip(mine, both, strict=True):
            row["difficulty and leads on"] = one + other
    lines = [
        "# Predictors of learning",
        "",
        "Written by `python -m benchmarks.learnability report`. Spearman's rank correlation with mean success over the",
        "curve; brackets: 95 %, bootstrap over rewards. Pooled: ranks within each task and set, as proportions.",
        "",
        "`improvement` is the predicted difficulty without the rehearsal: the earlier prediction.",
        "",
        f"Measured: {len(found)} rewards. The predictor was chosen on {' and '.join(map(_short, CHOSEN_ON))}.",
        "",
    ]
    for title, chosen in (("Tasks on which the predictor was chosen", True), ("Held-out tasks", False)):
        mine = {key: each for key, each in groups.items() if (key[1] in CHOSEN_ON) is chosen and len(each) >= FEWEST}
        lines += [f"## {title}", "", *_table(mine), ""]
    lines += ["## Rewards that will hardly be learned from", "", *_hardly(groups)]
    REPORT.write_text("\n".join(lines) + "\n", encoding="utf-8")
    print(REPORT)


def _table(groups: dict[tuple[str, str], Rows]) -> list[str]:
    heads = [f"{_short(task)}, {of} ({len(mine)})" for (of, task), mine in groups.items()]
    lines = [f"| predictor | {' | '.join(heads)} | pooled |", "|---|" + "---|" * (len(heads) + 1)]
    for name in NAMES:
        cells, predicted, measured = [], [], []
        for mine in groups.values():
            one, area = [r[name] for r in mine], [r["area"] for r in mine]
            cells.append(_cell(one, area))
            predicted += _ranks(one)
            measured += _ranks(area)
        lines.append(f"| {name} | {' | '.join(cells)} | {_cell(predicted, measured) if groups else ''} |")
    return lines


def _cell(predicted: list[float], measured: list[float]) -> str:
    low, high = bootstrap(predicted, measured)
    return f"{spearman(predicted, measured):.2f} [{low:.2f}, {high:.2f}]"


def _ranks(values: list[float]) -> list[float]:
    ordered = np.sort(values)
    middle = (np.searchsorted(ordered, values) + np.searchsorted(ordered, values, side="right")) / 2
    return (middle / len(values)).tolist()


def _hardly(groups: dict[tuple[str, str], Rows]) -> list[str]:
    lines = [
        f"A reward is told so if the rehearsal succeeds in under {100 * HARDLY:.0f} % of its episodes. It was learned "
        f"if the area is at least {LEARNED}. Brackets: Wilson, 95 %.",
        "",
        "| set | task | rewards | not learned, told | learned, told |",
        "|---|---|---|---|---|",
    ]
    totals = np.zeros(4, int)
    for (of, task), mine in sorted(groups.items()):
        told = [r["rehearsal"] < HARDLY for r in mine]
        poor = [t for t, r in zip(told, mine, strict=True) if r["area"] < LEARNED]
        good = [t for t, r in zip(told, mine, strict=True) if r["area"] >= LEARNED]
        counts = np.array([sum(poor), len(poor), sum(good), len(good)])
        totals += counts
        lines.append(f"| {of} | {_short(task)} | {len(mine)} | {_share(*counts[:2])} | {_share(*counts[2:])} |")
    lines.append(f"| together | | {totals[1] + totals[3]} | {_share(*totals[:2])} | {_share(*totals[2:])} |")
    return lines


def _share(some: int, of: int) -> str:
    if not of:
        return "-"
    low, high = wilson(int(some), int(of))
    return f"{some} of {of} [{100 * low:.0f}, {100 * high:.0f}] %"


def _short(name: str) -> str:
    return name.removeprefix("MiniGrid-").replace("-v0", "")
