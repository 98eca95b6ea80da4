"""The tables of benchmarks.programs: trials that learn, rank correlation of predicted difficulty, each program."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from statistics import mean
from typing import Any

from benchmarks.programs import STEPS, Program, programs
from benchmarks.programs.train import CHECKS, RESULTS, ROWS, rows

LEARNED = 0.9
Rows = dict[tuple[str, str], list[dict[str, Any]]]


def write_table() -> None:
    """Write results/programs.md from the rows so far."""
    measured: Rows = defaultdict(list)
    for row in sorted(rows(ROWS), key=lambda r: r["seed"]):
        measured[row["arm"], row["program"]].append(row)
    checks = {row["program"]: row for row in rows(CHECKS)}
    lines = [
        "# Rewards that language models wrote, trained", "",
        "Written by `python -m benchmarks.programs table`. 500 episodes of the final policy on unseen layouts.",
        "`before` has the earlier default settings, see `before` in benchmarks/programs/train.py.", "",
        *_shares(measured), "", *_correlations(measured, checks), "", *_each(measured, checks),
    ]  # fmt: skip
    (RESULTS / "programs.md").write_text("\n".join(lines) + "\n", encoding="utf-8")


def _shares(measured: Rows) -> Iterator[str]:
    yield "## Trials that end at 90 % success"
    yield ""
    yield "Each cell: trials that end at 90 % with the stochastic and with the greedy policy, of all trials. One seed"
    yield "per program with `before`, up to three with `default`."
    yield ""
    yield "| task | steps | size of the model | before | default |"
    yield "|---|---|---|---|---|"
    for task, steps in STEPS.items():
        for size in ("strong", "mid", "small"):
            chosen = programs([task], [size])
            found = ([r for p in chosen for r in measured.get((arm, p.name), [])] for arm in ("before", "default"))
            cells = map(_share, found)
            yield f"| {_short(task)} | {steps:,} | {size} | {' | '.join(cells)} |"


def _share(trials: list[dict[str, Any]]) -> str:
    if not trials:
        return ""
    both = (sum(r.get(kind, 0.0) >= LEARNED for r in trials) for kind in ("success", "greedy"))
    return f"{', '.join(map(str, both))} of {len(trials)}"


def _correlations(measured: Rows, checks: dict[str, dict[str, Any]]) -> Iterator[str]:
    yield "## Predicted difficulty and learning"
    yield ""
    yield "Spearman's rank correlation of the predicted difficulty, negated, with mean success over the curve of all"
    yield "seeds; programs of strong and mid models, flawed ones included."
    yield ""
    yield "| task | programs | before | default |"
    yield "|---|---|---|---|"
    for task in STEPS:
        known = [p for p in programs([task], ["strong", "mid"]) if checks.get(p.name, {}).get("difficulty") is not None]
        cells, count = [], 0
        for arm in ("before", "default"):
            areas = [(p, _area(p, arm, measured)) for p in known]
            pairs = [(-checks[p.name]["difficulty"], area) for p, area in areas if area is not None]
            count = max(count, len(pairs))
            cells.append(f"{_spearman(pairs):.2f}" if len(pairs) > 3 else "")
        yield f"| {_short(task)} | {count} | {' | '.join(cells)} |"


def _area(program: Program, arm: str, measured: Rows) -> float | None:
    curves = [r["curve"] for r in measured.get((arm, program.name), []) if "curve" in r]
    return mean(mean(success for _, success in curve) for curve in curves) if curves else None


def _spearman(pairs: list[tuple[float, float]]) -> float:
    import numpy as np

    def ranks(values: list[float]) -> Any:
        ordered = np.sort(values)
        return (np.searchsorted(ordered, values) + np.searchsorted(ordered, values, side="right")) / 2

    first, second = (ranks([pair[k] for pair in pairs]) for k in (0, 1))
    return float(np.corrcoef(first, second)[0, 1]) if np.ptp(first) and np.ptp(second) else 0.0


def _each(measured: Rows, checks: dict[str, dict[str, Any]]) -> Iterator[str]:
    yield "## By program"
    yield ""
    yield "Success in %, stochastic and in brackets greedy, one entry per seed; steps to the first point of the curve"
    yield "at 90 %."
    yield ""
    yield "| program | size | asked to be flawed | check | difficulty | before | default | steps to 90 % |"
    yield "|" + "---|" * 8
    for p in programs():
        checked = checks.get(p.name, {})
        verdict = checked.get("failed") or checked.get("verdict") or ""
        difficulty = "" if checked.get("difficulty") is None else f"{checked['difficulty']:.1f}"
        found = [measured.get((arm, p.name), []) for arm in ("before", "default")]
        cells = (", ".join(map(_ending, trials)) for trials in found)
        reached = ", ".join(map(_to_90, found[1]))
        asked = (p.flaw or "").replace("|", "/")
        yield f"| {_short(p.name)} | {p.size} | {asked} | {verdict} | {difficulty} | {' | '.join(cells)} | {reached} |"


def _ending(row: dict[str, Any]) -> str:
    return "fault" if "fault" in row else f"{100 * row['success']:.0f} ({100 * row['greedy']:.0f})"


def _to_90(row: dict[str, Any]) -> str:
    steps = next((steps for steps, success in row.get("curve", []) if success >= LEARNED), None)
    return "never" if steps is None else f"{steps / 1e6:.2f}M"


def _short(name: str) -> str:
    return name.removeprefix("MiniGrid-").replace("-v0", "")
