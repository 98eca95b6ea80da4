"""Time from a claimed item to the first training step, and memory of a trial, in runs of `rewardsmith train`."""

from __future__ import annotations

import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from benchmarks.training import RUNS, TASK

# A sitecustomize that notes when a trial is claimed, when it makes its first step, and its memory at step 100.
TRACE = """
import importlib.abc, importlib.util, os, sys, time

def note(*words):
    with open(os.environ["TRACE_FILE"], "a") as file:
        file.write(" ".join(map(str, words)) + "\\n")

def claims(module):
    plain = module.supervise_trial
    def supervise_trial(*args, **kwargs):
        note("claim", time.time())
        return plain(*args, **kwargs)
    module.supervise_trial = supervise_trial

def steps(module):
    plain, made = module.BatchVecEnv.step_wait, {}
    def step_wait(self):
        found = plain(self)
        count = made[os.getpid()] = made.get(os.getpid(), 0) + 1
        if count == 1:
            note("step", time.time())
        if count == 100:
            lines = [line.split() for line in open("/proc/self/smaps_rollup") if "kB" in line]
            kept = {words[0]: words[1] for words in lines}
            note("memory", kept["Rss:"], int(kept["Private_Clean:"]) + int(kept["Private_Dirty:"]))
        return found
    module.BatchVecEnv.step_wait = step_wait

WRAPPED = {"rewardsmith.engine.items.supervise": claims, "rewardsmith.training.vecenv": steps}

class Hook(importlib.abc.MetaPathFinder):
    def find_spec(self, name, path, target=None):
        wrap = WRAPPED.pop(name, None)
        if wrap is None:
            return None
        spec = importlib.util.find_spec(name)
        plain = spec.loader.exec_module
        def exec_module(module):
            plain(module)
            wrap(module)
        spec.loader.exec_module = exec_module
        return spec

sys.meta_path.insert(0, Hook())
"""


def start() -> list[str]:
    """Seconds and megabytes of trials forked from the warm parent and in fresh interpreters; returns lines."""
    rows = {"forked": _runs("cpu"), "fresh": _runs("auto")}
    lines = [
        "## Starting a trial, DoorKey-8x8", "",
        f"From {RUNS} runs of `rewardsmith train` each, one slot, warm file caches. The first trial of a run waits",
        "for its warm parent to load and is left out of the forked ones' line. `fresh` sets training.device to auto,",
        "which starts an interpreter for every trial. Unique memory: private pages, of /proc/PID/smaps_rollup.", "",
        "| | claim to first step, median s | slowest | resident MB | unique MB |", "|" + "---|" * 5,
    ]  # fmt: skip
    for name, (_, waits, resident, unique) in rows.items():
        lines.append(
            f"| {name} | {statistics.median(waits):.3f} | {max(waits):.3f} | {statistics.median(resident):.0f} | "
            f"{statistics.median(unique):.0f} |"
        )
    firsts = rows["forked"][0]
    return [*lines, "", f"`rewardsmith train`, from the command to the baseline's first step: median "
                        f"{statistics.median(firsts):.2f} s, slowest {max(firsts):.2f} s."]  # fmt: skip


def _runs(device: str) -> tuple[list[float], list[float], list[float], list[float]]:
    """(s from command to first step, s from claim to first step, resident MB, unique MB) over RUNS runs."""
    firsts, waits, resident, unique = [], [], [], []
    for turn in range(RUNS + 1):
        with tempfile.TemporaryDirectory() as folder:
            began, lines = _trace(Path(folder), device)
        if not turn:
            continue
        claims = [float(words[1]) for words in lines if words[0] == "claim"]
        steps = [float(words[1]) for words in lines if words[0] == "step"]
        firsts.append(steps[0] - began)
        found = [step - claim for claim, step in zip(claims, steps, strict=True)]
        waits += found[1:]
        memory = [words[1:] for words in lines if words[0] == "memory"]
        resident += [int(words[0]) / 1000 for words in memory]
        unique += [int(words[1]) / 1000 for words in memory]
    return firsts, waits, resident, unique


def _trace(folder: Path, device: str) -> tuple[float, list[list[str]]]:
    (folder / "sitecustomize.py").write_text(TRACE)
    (folder / "reward.py").write_text("def reward(prev, action, state, memory):\n    return float(state.solved)\n")
    root = str(Path(__file__).parents[2])
    environment = {
        **os.environ, "TRACE_FILE": str(folder / "trace"), "PYTHONPATH": f"{folder}:{root}",
        "REWARDSMITH_HOME": str(folder / "home"),
    }  # fmt: skip
    few = [f"training.{name}=10" for name in ("eval_episodes", "final_episodes")]
    options = [word for change in (*few, f"training.device={device}") for word in ("--set", change)]
    began = time.time()
    subprocess.run(
        [sys.executable, "-m", "rewardsmith", "train", "--reward", "reward.py", "--task", TASK, "--steps", "12288",
         "--slots", "1", *options],
        check=True, cwd=folder, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
    )  # fmt: skip
    return began, [line.split() for line in (folder / "trace").read_text().splitlines()]
