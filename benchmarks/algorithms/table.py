"""The table of benchmarks.algorithms: results/algorithms.md."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from statistics import mean
from typing import Any

import numpy as np

from benchmarks.algorithms import COMPARISONS, SEEDS, Comparison, families, written_file
from benchmarks.algorithms.published import SOURCE, published
from benchmarks.algorithms.runs import RESULTS, Run, read_rows, spent_hours
from rewardsmith.errors import RewardsmithError
from rewardsmith.reporting.proportion import clopper_pearson_upper
from rewardsmith.reporting.statistics import UNBOUNDED, stratified_bootstrap

Row = dict[str, Any]
Measured = dict[tuple[str, str, str], list[Row]]  # (task, algorithm, arm) and its rows, in the order of seeds
NAMES = {"own": "the environment's own", "synth": "synth without the planner", "written": "hand-written"}
_DETERMINISTIC = ("dqn", "qr-dqn", "td3")  # algorithms whose stochastic and greedy results are one evaluation


def write_table() -> None:
    """Write results/algorithms.md from the rows so far."""
    found = {row["key"]: row for row in read_rows()}
    measured = {(c.task, c.algorithm, arm): _rows_of(c, arm, found) for c in COMPARISONS for arm in c.arms}
    lines = [
        *_head(), *_comparisons(measured), "", *_seeds(measured), "", *_rewards(), "", *_missing(measured), "",
        *_former(measured, found), "", *_families(found),
    ]  # fmt: skip
    (RESULTS / "algorithms.md").write_text("\n".join(lines) + "\n", encoding="utf-8")


def _rows_of(comparison: Comparison, arm: str, found: dict[str, Row]) -> list[Row]:
    """The rows with the settings that the task and algorithm have now; rows with former defaults are left out."""
    try:
        keys = [Run(comparison, arm, seed).key for seed in range(SEEDS)]
    except RewardsmithError:
        return []
    return [found[key] for key in keys if key in found]


def _head() -> Iterator[str]:
    yield from (
        "# Algorithms", "",
        "**Preliminary**: at most three seeds. Written by `python -m benchmarks.algorithms table`. Each row is one",
        "reward, trained by the trial of a job with the default settings of its task and algorithm. Final weights,",
        "**200 episodes** per seed and policy on starts that training does not use. The return is always that of the",
        "environment's own reward, whichever reward was trained.", "",
        "A cell is the mean over seeds, with a 95 % bootstrap interval over the seeds in brackets; with one seed there",
        "is none. `greedy` takes the most probable action. Policies of DQN are deterministic, so they have one result.",
        "`steps/s` counts training alone. `wall` and `CPU` are means per trial in seconds, evaluations included, on",
        "two cores that were shared with other work.", "",
        f"`published`: the RL-Zoo's mean return ± standard deviation over episodes, one agent, [source]({SOURCE}).",
        "The environment's version and the steps stand beside it. FetchReach-v1 used mujoco-py, which v4 does not.", "",
        f"All rows so far took {spent_hours():.1f} core-hours of the 24 that the benchmark may take.", "",
    )  # fmt: skip


def _comparisons(measured: Measured) -> Iterator[str]:
    yield "## Own and designed rewards"
    yield ""
    yield (
        "| task | algorithm | steps | reward | seeds | success, % | greedy, % | return | greedy | published | steps/s "
        "| wall | CPU |"
    )
    yield "|" + "---|" * 13
    for c in COMPARISONS:
        for arm in c.arms:
            told = [r for r in measured[c.task, c.algorithm, arm] if "error" not in r]
            beside = published(c.algorithm, c.published) if arm == "own" else ""
            head = f"| {c.task} | {c.algorithm}{_her(c)} | {c.steps:,} | {NAMES[arm]}"
            if not told:
                yield f"{head} | {_why_none(measured[c.task, c.algorithm, arm])} | | | | | {beside} | | | |"
                continue
            cells = [_cell(told, kind, number) for number in (_success, _return) for kind in ("stochastic", "greedy")]
            if c.algorithm in _DETERMINISTIC:
                cells[1] = cells[3] = "the same"
            costs = [f"{mean(r[name] for r in told):.0f}" for name in ("steps_per_second", "seconds", "cpu_seconds")]
            yield f"{head} | {len(told)} | {' | '.join(cells)} | {beside} | {' | '.join(costs)} |"


def _her(comparison: Comparison) -> str:
    return " with HER" if comparison.settings.get("her") else ""


def _why_none(rows: list[Row]) -> str:
    errors = {row["error"].split(". ")[0] for row in rows if "error" in row}
    return f"refused: {'; '.join(sorted(errors))}" if errors else "not run"


def _success(numbers: dict[str, Any]) -> float:
    return 100 * numbers["successes"] / numbers["episodes"]


def _return(numbers: dict[str, Any]) -> float:
    return numbers["return"]


def _cell(rows: list[Row], kind: str, number: Callable[[dict[str, Any]], float]) -> str:
    scores = [number(row[kind]) for row in rows]
    interval = stratified_bootstrap(scores, statistic=lambda each: np.asarray(each).mean(axis=-1))
    shown = f"{mean(scores):.1f}"
    return shown if interval == UNBOUNDED else f"{shown} ({interval[0]:.1f} to {interval[1]:.1f})"


def _seeds(measured: Measured) -> Iterator[str]:
    yield from (
        "## Each seed", "",
        "Success with the 95 % interval of Clopper and Pearson for the 200 episodes of this one policy; return ± its",
        "standard deviation over episodes. The curve: success in % of 20 episodes at each quarter of the steps.", "",
        "| task | algorithm | reward | seed | success, % | greedy, % | return | greedy | curve | code |",
        "|" + "---|" * 10,
    )  # fmt: skip
    for (task, algorithm, arm), rows in measured.items():
        for row in rows:
            if "error" in row:
                continue
            parts = [row["stochastic"], row["greedy"]]
            success = " | ".join(map(_proportion, parts))
            returns = " | ".join(f"{p['return']:.1f} ± {p['deviation']:.1f}" for p in parts)
            curve = " ".join(f"{100 * success:.0f}" for _, success, _ in row["curve"])
            told = f"| {task} | {algorithm} | {arm} | {row['seed']} | {success} | {returns}"
            yield f"{told} | {curve} | {row['code']} |"


def _proportion(numbers: dict[str, Any]) -> str:
    k, n = numbers["successes"], numbers["episodes"]
    low, high = 1 - clopper_pearson_upper(n - k, n, 0.975), clopper_pearson_upper(k, n, 0.975)
    return f"{100 * k / n:.1f} ({100 * low:.1f} to {100 * high:.1f})"


def _rewards() -> Iterator[str]:
    yield from (
        "## The designed rewards", "",
        "`synth` is the first answer of synth to the prompt of the method `free`, without the planner's order of",
        "subgoals; nothing was chosen among several answers. The hand-written rewards are ours:", "",
    )  # fmt: skip
    for task in dict.fromkeys(c.task for c in COMPARISONS):
        path = written_file(task)
        if path.exists():
            told = path.read_text(encoding="utf-8").split('"""')[1].strip()
            yield f"- {task}: {' '.join(told.split())} [{path.name}](../algorithms/rewards/{path.name})"


def _missing(measured: Measured) -> Iterator[str]:
    yield from ("## Not run yet", "")
    none = True
    for c in COMPARISONS:
        for arm in c.arms:
            rows = measured[c.task, c.algorithm, arm]
            seeds = [seed for seed in range(SEEDS) if seed not in {r["seed"] for r in rows if "error" not in r}]
            if seeds:
                none = False
                yield f"- {c.task}, {c.algorithm}{_her(c)}, {arm}: `{c.command((arm,), seeds)}`"
    if none:
        yield "Every row of the table was run."


def _former(measured: Measured, found: dict[str, Row]) -> Iterator[str]:
    """Rows whose settings, steps or reward are no longer those of the comparison; no figure above contains them."""
    now = {row["key"] for rows in measured.values() for row in rows}
    asked = set(measured)
    former = [
        row
        for row in found.values()
        if row["key"] not in now and "error" not in row and (row["task"], row["algorithm"], row["arm"]) in asked
    ]
    if not former:
        return
    yield from (
        "## Rows with former settings", "",
        "Trained with settings, rewards or a scale of replayed rewards that have changed since: before 40651ac,",
        "returns in a replay buffer were scaled to 1 instead of 100. results/algorithms.jsonl has the settings.", "",
        "| task | algorithm | reward | seed | success, % | greedy, % | return | greedy | code |", "|" + "---|" * 9,
    )  # fmt: skip
    for row in former:
        parts = [row["stochastic"], row["greedy"]]
        numbers = [f"{number(part):.1f}" for number in (_success, _return) for part in parts]
        yield (
            f"| {row['task']} | {row['algorithm']} | {row['arm']} | {row['seed']} | {' | '.join(numbers)} "
            f"| {row['code']} |"
        )


def _families(found: dict[str, Row]) -> Iterator[str]:
    yield from (
        "## Other tasks of the families", "",
        "They are no part of the 24 core-hours. `run` without `--task` leaves them out.", "",
        "| task | algorithm | steps | published | rows | command |", "|" + "---|" * 6,
    )  # fmt: skip
    ran = [(row["task"], row["algorithm"]) for row in found.values() if "error" not in row]
    for c in families():
        beside = published(c.algorithm, c.published)
        count = ran.count((c.task, c.algorithm)) or "not run"
        command = f"`python -m benchmarks.algorithms run --task {c.task}`"
        yield f"| {c.task} | {c.algorithm}{_her(c)} | {c.steps:,} | {beside} | {count} | {command} |"
