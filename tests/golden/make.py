"""Writes vectors.json. The expected values are computed here by hand-sized loops, not by the code under test."""

from __future__ import annotations

import json
import math
from pathlib import Path

GAMMA = 0.9
# Two environments, six steps. Environment 0: an episode that terminates at step 2, then one that is truncated at
# step 5. Environment 1: an episode that was already running, truncated at step 1, then one that terminates at 4.
STARTS = [[1, 0], [0, 0], [0, 1], [1, 0], [0, 0], [0, 1]]
TERMINATED = [[0, 0], [0, 0], [1, 0], [0, 0], [0, 1], [0, 0]]
TRUNCATED = [[0, 0], [0, 1], [0, 0], [0, 0], [0, 0], [1, 0]]
STATE = [[1, 5], [2, 6], [3, 0], [0, 1], [1, 2], [2, 0]]  # one number per state after
BEFORE = [[0, 4], [1, 5], [2, 9], [8, 0], [0, 1], [1, 7]]
ENV = [[0.0, 0.0], [0.0, 0.0], [0.75, 0.0], [0.0, 0.0], [0.0, 0.5], [0.0, 0.0]]
ACTIONS = [[0, 1], [1, 0], [1, 1], [0, 0], [1, 1], [0, 0]]

PROGRAMS = {
    "sign_and_cap": {
        "source": (
            "def sparse(prev, action, state, memory):\n"
            "    return 2.5 if state.value == 3 else 0.0\n\n"
            "def dense(prev, action, state, memory):\n"
            "    return state.value - prev.value\n"
        ),
        "functions": ["sparse", "dense"],
        "channels": [
            {"name": "sparse", "bound": "sign"},
            {"name": "dense", "weight": 0.1, "bound": "sign", "cap": 0.15},
        ],
    },
    "components_and_memory": {
        "source": (
            "def reward(prev, action, state, memory):\n"
            '    memory["n"] = memory.get("n", 0) + 1\n'
            '    parts = {"zeta": 0.1 * state.value, "count": 0.3 * memory["n"]}\n'
            "    if action == GO:\n"
            '        parts["alpha"] = 0.7\n'
            "    return parts\n"
        ),
        "functions": ["reward"],
        "channels": [{"name": "env", "kind": "env"}, {"name": "reward", "weight": 0.5}],
    },
    "potential": {
        "source": "def potential(state, memory):\n    return -0.5 * state.value\n",
        "functions": ["potential"],
        "channels": [
            {"name": "env", "kind": "env"},
            {"name": "potential", "kind": "potential", "weight": 2.0},
        ],
    },
    "latch": {
        "source": "def reward(prev, action, state, memory):\n    return 1.0 if state.value >= 1 else 0.0\n",
        "functions": ["reward"],
        "channels": [{"name": "reward", "gate": "latch", "weight": 3.0}],
    },
    "delta": {
        "source": "def reward(prev, action, state, memory):\n    return 1.5 * state.value\n",
        "functions": ["reward"],
        "channels": [{"name": "reward", "delta": True, "weight": 2.0, "gate": "outcome"}],
    },
}


def sign(x: float) -> float:
    return float((x > 0) - (x < 0))


def expected(name: str) -> list[list[float]]:
    total = [[0.0, 0.0] for _ in STARTS]
    for n in range(2):
        spent, count, latched, phi, last_value = 0.0, 0, False, None, 0.0
        for t in range(len(STARTS)):
            if STARTS[t][n]:
                spent, count, latched, phi, last_value = 0.0, 0, False, -0.5 * BEFORE[t][n], 0.0
            value, before = STATE[t][n], BEFORE[t][n]
            if name == "sign_and_cap":
                reached = min(0.15, max(-0.15, spent + 0.1 * sign(value - before)))
                total[t][n] = sign(2.5 if value == 3 else 0.0) + (reached - spent)
                spent = reached
            elif name == "components_and_memory":
                count += 1
                # Sorted names: alpha, count, zeta.
                parts = (0.7 if ACTIONS[t][n] == 1 else 0.0), 0.3 * count, 0.1 * value
                total[t][n] = ENV[t][n] + 0.5 * (((0.0 + parts[0]) + parts[1]) + parts[2])
            elif name == "potential":
                last = 0.0 if phi is None else phi  # an episode that began before this rollout has no earlier value
                now = 0.0 if TERMINATED[t][n] else -0.5 * value
                total[t][n] = ENV[t][n] + 2.0 * (GAMMA * now - last)
                phi = now
            elif name == "delta":
                # No success rate is known, so the gate is open.
                total[t][n] = 2.0 * (1.5 * value - last_value)
                last_value = 1.5 * value
            else:
                total[t][n] = 3.0 if value >= 1 and not latched else 0.0
                latched = latched or value >= 1
    assert all(math.isfinite(x) for row in total for x in row)
    return total


def main() -> None:
    vectors = {
        "gamma": GAMMA,
        "starts": STARTS,
        "terminated": TERMINATED,
        "truncated": TRUNCATED,
        "before": BEFORE,
        "after": STATE,
        "env": ENV,
        "actions": ACTIONS,
        "cases": {name: {**case, "expected": expected(name)} for name, case in PROGRAMS.items()},
    }
    path = Path(__file__).with_name("vectors.json")
    path.write_text(json.dumps(vectors, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
