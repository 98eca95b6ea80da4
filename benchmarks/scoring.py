"""Time to score a rollout in the sandbox, against the same function called in process.

.venv/bin/python -m benchmarks.scoring

Takes about 10 seconds. Writes results/scoring.md.
"""

from __future__ import annotations

import statistics
import time
from pathlib import Path
from types import SimpleNamespace

import numpy as np

from rewardsmith.programs.rollout import score_rollout
from rewardsmith.tasks import get_task
from rewardsmith.verification.sample import sample_transitions
from sandbox.client import HostSetup, RewardHost
from sandbox.views import build_view

RESULTS = Path(__file__).with_name("results")
RUNS = 7
PROGRAM = '''
def reward(prev, action, state, memory):
    """Twenty lines in the usual style: events, distances, memory."""
    parts = {"step": -0.001, "key": 0.0, "door": 0.0, "near": 0.0, "goal": 0.0}
    paid = memory.setdefault("paid", set())
    if state.event == "picked_up" and "key" not in paid:
        paid.add("key")
        parts["key"] = 0.5
    if state.event == "unlocked" and "door" not in paid:
        paid.add("door")
        parts["door"] = 0.5
    x, y = state.agent.x, state.agent.y
    for o in state.objects:
        if o.target:
            distance = abs(o.x - x) + abs(o.y - y)
            last = memory.get("distance", distance)
            parts["near"] = 0.01 * (last - distance)
            memory["distance"] = distance
    if state.solved:
        parts["goal"] = 1.0
    return parts
'''


def main() -> None:
    """Score one rollout in both ways by turns, and write the table."""
    task = get_task("MiniGrid-DoorKey-8x8-v0")
    rollout = sample_transitions(task)
    tables = rollout.tables
    steps, envs = rollout.starts.shape
    scope: dict = {}
    exec(PROGRAM, scope)
    view = build_view(task.schema.as_dict())
    cold, sandboxed, direct = [], [], []
    for _ in range(RUNS):
        began = time.perf_counter()
        setup = HostSetup(("reward",), task.schema.as_dict(), tables, task.actions.names)
        host = RewardHost(PROGRAM, setup, envs, steps * envs)
        cold.append(time.perf_counter() - began)
        began = time.perf_counter()
        score_rollout(host, rollout, task)
        sandboxed.append((time.perf_counter() - began) / (steps * envs))
        host.close()
        direct.append(in_process(scope["reward"], view, rollout, tables) / (steps * envs))
    ratio = statistics.median(s / d for s, d in zip(sandboxed, direct, strict=True))
    lines = [
        "# Scoring in the sandbox",
        "",
        f"{steps * envs:,} transitions of DoorKey-8x8, a 20-line scalar reward; medians of {RUNS} runs by turns.",
        "",
        "| | median |",
        "|---|---|",
        f"| host's cold start | {1000 * statistics.median(cold):.0f} ms |",
        f"| sandboxed, us per transition | {1e6 * statistics.median(sandboxed):.2f} |",
        f"| same function in process, us per transition | {1e6 * statistics.median(direct):.2f} |",
        f"| ratio | {ratio:.2f} |",
    ]
    RESULTS.mkdir(exist_ok=True)
    (RESULTS / "scoring.md").write_text("\n".join(lines) + "\n")
    print("\n".join(lines))


def in_process(reward, view, rollout: SimpleNamespace, tables) -> float:
    """Seconds of the plain double loop over the same views."""
    began = time.perf_counter()
    for n in range(rollout.starts.shape[1]):
        memory: dict = {}
        after = rollout.after[:, n].tolist()
        before = rollout.before[:, n].tolist()
        actions = rollout.actions[:, n].tolist()
        total = np.zeros(len(after))
        for t in range(len(after)):
            if rollout.starts[t, n]:
                memory = {}
            result = reward(view(before[t], tables), actions[t], view(after[t], tables), memory)
            total[t] = sum(float(v) for v in result.values())
    return time.perf_counter() - began


if __name__ == "__main__":
    main()
