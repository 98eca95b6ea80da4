"""The text of results/methods.md, from the rows of the trials."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from typing import Any

from rewardsmith.reporting.statistics import interquartile_mean, preliminary, stratified_bootstrap

from .arms import Arm
from .curves import area, reached


def table(rows: list[dict[str, Any]], tasks: Iterable[str], arms: Iterable[Arm]) -> str:
    """The text of results/methods.md."""
    seeds = max((len({r["seed"] for r in rows if r["task"] == t}) for t in tasks), default=0)
    label = "**preliminary** (fewer than 10 seeds)" if preliminary(seeds) else ""
    lines = [
        "# Methods compared", "",
        f"{seeds} seeds, the same for every arm {label}. Stochastic policy, success of the unshaped environment on "
        "layouts that training did not see.", "",
        "- steps to 90 %: the first of three evaluations in a row (200 episodes each) at 90 % or more; the median over "
        "seeds, and each seed in brackets. `> n`: not within n steps (right-censored). A median of censored runs is a "
        "lower bound.",
        "- area: mean success over the steps of the column `steps`; interquartile mean over seeds with a 95 % "
        "bootstrap interval.",
        "- against sparse: the ratio of median steps to 90 %, of the longest sparse runs of the task; `>=`: sparse was "
        "censored.",
        "- *: oracle-informed, uses privileged information (a planner's subgoals, or a simulated annotator that reads "
        "the state).", "",
        "| task | arm | setting | steps | steps to 90 % | against sparse | area | final success % |",
        "|---|---|---|---|---|---|---|---|",
    ]  # fmt: skip
    names = [*dict.fromkeys(a.name for a in arms), "sparse, prolonged"]
    for task in tasks:
        mine = {
            name: [r for r in rows if r["task"] == task and r["arm"] == name and r["pool"] == "claim"] for name in names
        }
        sparse = mine["sparse, prolonged"] or mine.get("sparse", [])
        lines += [_line(task, name, sorted(found, key=_seed), sparse) for name, found in mine.items() if found]
    chosen = [r for r in rows if r["task"] in set(tasks) and r["pool"] == "claim"]
    return "\n".join([*lines, *_annotators(chosen), *_language_models(chosen)]) + "\n"


def _annotators(rows: list[dict[str, Any]]) -> list[str]:
    """Speed and accuracy of ONI's annotator, mean over seeds."""
    columns = ("unique_captions", "annotated", "annotated_steps", "latency_p50_s", "latency_p95_s", "model_accuracy")
    return _telemetry_table(
        "ONI: captions, shares of captions and steps with a label, seconds until a label", "oni", columns, rows
    )


def _language_models(rows: list[dict[str, Any]]) -> list[str]:
    """Success of ULPS with its language model, mean over seeds; the first table has the policy alone."""
    columns = ("success_with_language_model", "agreement", "language_model_accuracy", "language_model_ece")
    return _telemetry_table(
        "ULPS: success with the language model, and the language model itself", "ulps", columns, rows
    )


def _telemetry_table(title: str, method: str, columns: tuple[str, ...], rows: list[dict[str, Any]]) -> list[str]:
    mine: dict[tuple[str, str], list[dict[str, Any]]] = {}
    for row in rows:
        if row["method"] == method and row.get("told"):
            mine.setdefault((row["task"], row["arm"]), []).append(row["told"])
    if not mine:
        return []
    lines = ["", f"## {title}", "", f"| task | arm | {' | '.join(columns)} |", "|" + "---|" * (2 + len(columns))]
    for (task, arm), telemetry in mine.items():
        cells = [[each[name] for each in telemetry if each.get(name) is not None] for name in columns]
        shown = (f"{sum(values) / len(values):.4g}" if values else "-" for values in cells)
        lines.append(f"| {task} | {arm} | {' | '.join(shown)} |")
    return lines


def _seed(row: Mapping[str, Any]) -> int:
    return row["seed"]


def _line(task: str, arm: str, rows: list[dict[str, Any]], sparse: list[dict[str, Any]]) -> str:
    setting = " ".join(f"{k}={v}" for k, v in rows[0]["options"].items() if k not in ("mode", "subgoals"))
    areas = [area(r) for r in rows]
    low, high = stratified_bootstrap(areas)
    interval = f" [{low:.3f}, {high:.3f}]" if math.isfinite(low) else " (one seed: no interval)"
    star = " *" if rows[0]["oracle_informed"] else ""
    final = ", ".join(f"{100 * r['final']:.1f}" for r in rows)
    median, censored = _median(rows)
    each = ", ".join(_steps(reached(r), r["steps"]) for r in rows)
    return (
        f"| {task} | {arm}{star} | {setting or '-'} | {rows[0]['steps']:,} | {'> ' if censored else ''}{median:,.0f} "
        f"({each}) | {_ratio(rows, sparse)} | {interquartile_mean(areas):.3f}{interval} | {final} |"
    )


def _steps(value: int | None, budget: int) -> str:
    return f"> {budget:,}" if value is None else f"{value:,}"


def _median(rows: list[dict[str, Any]]) -> tuple[float, bool]:
    """Median steps to 90 %, and whether it is a lower bound: the middle run, or one of two, was censored."""
    found: list[tuple[float, float]] = []
    for row in rows:
        steps = reached(row)
        found.append((math.inf if steps is None else steps, row["steps"]))
    found.sort()
    middle = found[(len(found) - 1) // 2 : len(found) // 2 + 1]
    values = [budget if math.isinf(value) else value for value, budget in middle]
    return sum(values) / len(values), any(math.isinf(value) for value, _ in middle)


def _ratio(rows: list[dict[str, Any]], sparse: list[dict[str, Any]]) -> str:
    if not sparse or rows[0]["method"] == "sparse":
        return "-"
    mine, censored = _median(rows)
    theirs, bound = _median(sparse)
    return "-" if censored else f"{'>= ' if bound else ''}{theirs / mine:.1f}x"
