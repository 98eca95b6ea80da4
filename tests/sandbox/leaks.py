"""Starts hosts, ends each in some way at a random moment, counts what is left: python -m tests.sandbox.leaks."""

from __future__ import annotations

import argparse
import contextlib
import gc
import os
import random
import signal
import sys
import time
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np

from sandbox.client import HostError, HostSetup, Limits, RewardHost

STEPS, ENVS = 24, 4
SCHEMA: dict[str, Any] = {"name": "State", "width": 1, "fields": [{"name": "step", "kind": "int", "column": 0}]}
_HEAD = """
for _c in ().__class__.__base__.__subclasses__():
    if _c.__name__ == "_wrap_close":
        _modules = _c.__init__.__globals__["sys"].modules
os, ctypes = _modules["os"], _modules["ctypes"]

def reward(prev, action, state, memory):
    sum(range(2000))
    if state.step >= MOMENT:
        WHAT
    return 1.0
"""
# Ways to end a host: the first two come from outside, the others from its program.
ENDINGS = {
    "killed": "pass",
    "killed at its start": "pass",
    "crashes": "ctypes.string_at(0)",
    "exits": "os._exit(3)",
    "hoards memory": "memory['x'] = [0.0] * 10**9",
    "hoards memory and hides it": "x = []\n        while True:\n            try: x.append([0.0] * 10**6)\n"
    "            except MemoryError: pass",
    "loops": "while True: pass",
    "waits": "os.read(0, 1)",
    "raises": "raise ValueError('x')",
    "forges an answer": "os.write(1, b'x' * 500)",
    "makes a forbidden call": "ctypes.CDLL(None).syscall(9999)",
    "nothing": "pass",
}


def traces() -> dict[str, int]:
    """Processes, descriptors and shared memory of this process, counted."""
    gc.collect()
    children = Path(f"/proc/self/task/{os.getpid()}/children").read_text().split()
    return {
        "processes": len(children),
        "descriptors": len(list(Path("/proc/self/fd").iterdir())) - 1,
        "shared memory": Path("/proc/self/maps").read_text().count("memfd:rewardsmith"),
        "files in /dev/shm": len(list(Path("/dev/shm").iterdir())),
    }


def end_one(ending: str, rng: random.Random) -> str:
    """Start a host and end it; returns the HostError's cause, or "scored". Other exceptions are raised."""
    source = _HEAD.replace("MOMENT", str(rng.randrange(STEPS))).replace("WHAT", ENDINGS[ending])
    states = np.arange(STEPS, dtype=np.int32)[:, None, None].repeat(ENVS, 1)
    starts = np.arange(STEPS)[:, None].repeat(ENVS, 1) == 0
    limits = Limits(call_seconds=0.05, memory_mb=48)
    running = RewardHost(source, HostSetup(["reward"], SCHEMA, {}, limits=limits), ENVS, 8 * ENVS)
    outcome = "scored"
    try:
        if ending == "killed at its start":
            os.kill(running.pid, signal.SIGKILL)
        for t in range(0, STEPS, 8):
            rows = states[t : t + 8]
            running.submit(rows, rows[..., 0] * 0, rows, starts[t : t + 8])
            if ending == "killed" and t >= 8:
                time.sleep(rng.random() * 0.004)
                os.kill(running.pid, signal.SIGKILL)
        running.finish()
    except HostError as problem:
        outcome = problem.cause
    # Half of the hosts are dropped without close().
    if rng.random() < 0.5:
        running.close()
    return outcome


def run(count: int, seed: int) -> tuple[Counter[tuple[str, str]], dict[str, int], float]:
    """Returns (counts by ending and outcome, leftover resources, seconds of the slowest ending)."""
    rng = random.Random(seed)
    end_one("nothing", rng)
    before, outcomes, slowest = traces(), Counter[tuple[str, str]](), 0.0
    for index in range(count):
        ending = list(ENDINGS)[index % len(ENDINGS)]
        began = time.monotonic()
        outcomes[ending, end_one(ending, rng)] += 1
        slowest = max(slowest, time.monotonic() - began)
    after = traces()
    return outcomes, {name: after[name] - before[name] for name in before}, slowest


def main() -> int:
    """Print the table; exit code 1 if a resource is left over."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--hosts", type=int, default=1000)
    parser.add_argument("--seed", type=int, default=0)
    given = parser.parse_args()
    outcomes, left, slowest = run(given.hosts, given.seed)
    for (ending, outcome), count in sorted(outcomes.items()):
        print(f"{ending:30} {outcome:10} {count:6}")
    print(f"left behind by {given.hosts} hosts: {left}; slowest {slowest:.2f} s")
    return int(any(left.values()))


if __name__ == "__main__":
    with contextlib.suppress(KeyboardInterrupt):
        sys.exit(main())
