"""What a certificate costs: seconds per program and task, states, coverage. Writes results/verification.md."""

from __future__ import annotations

import argparse
import os
import statistics
import time
from pathlib import Path

from rewardsmith.methods import get_method
from rewardsmith.programs.composition import Channel
from rewardsmith.programs.reward import ENV, TrainingReward
from rewardsmith.tasks import get_task
from rewardsmith.verification.certificate import LIMIT, QUICK_LIMIT, certify

RESULTS = Path(__file__).with_name("results")
TASKS = ("MiniGrid-DoorKey-8x8-v0", "MiniGrid-UnlockPickup-v0", "MiniGrid-DoorKey-16x16-v0")
HEAD = "def reward(prev, action, state, memory):\n    "
PROGRAMS = {
    "success": HEAD + "return 1.0 if state.solved else 0.0\n",
    "pickup farm": HEAD + "return 0.5 if state.event == 'picked_up' else 0.0\n",
    "walking distance": 'USES = ["walk_distance"]\n'
    "def near(state):\n    return max(o.walk_distance for o in state.objects if o.target)\n"
    + HEAD
    + "return 0.01 * (near(prev) - near(state))\n",
    "first pickup (memory)": HEAD + "if state.event == 'picked_up' and 'got' not in memory:\n"
    "        memory['got'] = True\n        return 0.5\n    return 0.0\n",
    "visited cells (memory)": HEAD + "seen = memory.setdefault('seen', set())\n"
    "    cell = (state.agent.x, state.agent.y)\n    new = cell not in seen\n    seen.add(cell)\n"
    "    return 0.01 if new else 0.0\n",
    "potential": 'USES = ["walk_distance"]\ndef potential(state, memory):\n'
    "    far = max(o.walk_distance for o in state.objects if o.target)\n"
    "    return -0.01 * far if far >= 0 else -1.0\n",
    "dense and sparse": "def sparse(prev, action, state, memory):\n    return 1.0 if state.solved else 0.0\n"
    "def dense(prev, action, state, memory):\n    return 1.0 if state.event == 'picked_up' else 0.0\n",
}


def reward_of(source: str) -> TrainingReward:
    """The training reward of one of PROGRAMS."""
    if "def sparse" in source:
        return get_method("auto-mc-reward").reward(source)
    name, kind = ("potential", "potential") if "def potential" in source else ("reward", "program")
    return TrainingReward(source, (name,), (ENV, Channel(name, kind=kind)))


def main() -> None:
    """Certify every program on one layout of every task, `--runs` times, and write the table."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--tasks", nargs="*", default=TASKS)
    chosen = parser.parse_args()
    lines = [
        "# Certificates",
        "",
        f"One layout, at most {LIMIT:,} nodes; median of {chosen.runs} runs. Load average over "
        f"{os.cpu_count()} cores at the start: {os.getloadavg()[0]:.1f}. Coverage is 100 % unless the verdict says not "
        f"certified. In jobs the limit is {QUICK_LIMIT:,}.",
        "",
        "| task | program | seconds | processor seconds | nodes | verdict | reason, if not certified |",
        "|---|---|---|---|---|---|---|",
    ]
    for task_id in chosen.tasks:
        task = get_task(task_id)
        task.state_graph(0, 1)  # loads what is compiled
        for name, source in PROGRAMS.items():
            lines.append(_line(task, name, reward_of(source), chosen.runs))
            print(lines[-1], flush=True)
    RESULTS.mkdir(exist_ok=True)
    (RESULTS / "verification.md").write_text("\n".join(lines) + "\n")


def _line(task, name: str, reward: TrainingReward, runs: int) -> str:
    seconds, worked = [], []
    for _ in range(runs):
        began, spent = time.perf_counter(), sum(os.times()[:4])
        found = certify(task, reward, 0.99, layouts=1)
        seconds.append(time.perf_counter() - began)
        worked.append(sum(os.times()[:4]) - spent)  # the sandbox's process included
    each = found.worst
    reason = each.reason if each.verdict == "not certified" else ""
    times = [f"{statistics.median(t):.2f}" for t in (seconds, worked)]
    cells = [task.id, name, *times, f"{each.nodes:,}", each.verdict, reason]
    return f"| {' | '.join(cells)} |"


if __name__ == "__main__":
    main()
