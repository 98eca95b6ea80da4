"""PPO, SAC and a CNN on a CUDA device and on the CPU: speed, exact and resumed trials, and a whole job.

.venv/bin/python -m benchmarks.gpu

Needs one CUDA device, which torch sees, and takes less than 8 minutes. Writes results/gpu.md with the name of the
device. Without a device it says what is missing, and writes nothing.

`--device cpu` rehearses the benchmark on a machine without a GPU. It runs on the CPU only, and writes to --out.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file

from benchmarks import gpu_image
from rewardsmith.methods import get_method
from rewardsmith.spec import TrainingSpec, default_training
from rewardsmith.tasks import get_task
from rewardsmith.tasks.base import Task
from rewardsmith.tasks.described.description import Description
from rewardsmith.tasks.described.task import DescribedTask
from rewardsmith.training.trial import TrialPlan, TrialReport, run_trial

RESULTS = Path(__file__).with_name("results")
JOB = ("--task", "CartPole-v1", "--model", "synth", "--iterations", "1", "--samples", "1", "--confirm", "1")

CARTPOLE = "def reward(prev, action, state, memory):\n    return 0.1 - abs(state.pole_angle)\n"
PENDULUM = "def reward(prev, action, state, memory):\n    return 0.1 * state.cos_angle - 0.001 * action[0] ** 2\n"


@dataclass(frozen=True)
class Case:
    """One trial: its task, settings, program, and steps."""

    name: str
    open: Callable[[], Task]
    algorithm: str
    settings: dict[str, Any]
    program: str
    steps: int


def spot() -> Task:
    """Return the image task."""
    return DescribedTask(Description.model_validate(gpu_image.TASK))


CASES = (
    Case("PPO", lambda: get_task("CartPole-v1"), "ppo", {"num_envs": 16}, CARTPOLE, 32_768),
    Case("SAC", lambda: get_task("Pendulum-v1"), "sac", {}, PENDULUM, 3_000),
    Case("CNN (PPO)", spot, "ppo", {"num_envs": 16, "batch_size": 256}, gpu_image.REWARD, 8_192),
)


def trained(case: Case, device: str, folder: Path, share: float, rungs: tuple[float, ...]) -> TrialReport:
    """Train a case up to the end of each rung; return the report of the last one."""
    task = case.open()
    settings = {**default_training(task.id, case.algorithm), "eval_episodes": 10, "final_episodes": 50}
    training = TrainingSpec.model_validate({**settings, **case.settings, "device": device})
    reward, steps = get_method("free").reward(case.program), int(case.steps * share)
    plans = [TrialPlan(task, reward, training, 1, steps, rung, folder, curve_points=2) for rung in rungs]
    return [run_trial(plan, lambda _: None, lambda _: None) for plan in plans][-1]


def row(case: Case, device: str, share: float) -> str:
    """Train a case on a device in one go, and again with an interruption; return the row of the table."""
    with tempfile.TemporaryDirectory() as name:
        whole, parts = Path(name, "whole"), Path(name, "parts")
        for folder in (whole, parts):
            folder.mkdir()
        report = trained(case, device, whole, share, (1.0,))
        resumed = trained(case, device, parts, share, (0.5, 1.0))
        first, second = (load_file(folder / "policy.safetensors") for folder in (whole, parts))
    apart = max(float((first[key] - second[key]).abs().max()) for key in first)
    reached = f"{100 * report.stochastic.success:.0f} %" if report.stochastic.success is not None else "-"
    print(f"{case.name} on {device}: {report.steps_per_second:,.0f} steps/s", file=sys.stderr, flush=True)
    return (
        f"| {case.name} | {device} | {report.steps:,} | {report.steps_per_second:,.0f} | {reached} | "
        f"{resumed.steps:,} | {apart:.2g} |"
    )


def whole_job(device: str, steps: int) -> str:
    """Run one job through the local executor with `training.device`; return a sentence on it."""
    command = [
        sys.executable,
        "-m",
        "rewardsmith",
        "run",
        *JOB,
        "--steps",
        str(steps),
        "--set",
        f"training.device={device}",
    ]
    began = time.monotonic()
    with tempfile.TemporaryDirectory() as folder:
        ran = subprocess.run(command, cwd=folder, stdout=subprocess.PIPE, text=True)
        listed = [sys.executable, "-m", "rewardsmith", "ls", "--format", "json"]
        jobs = json.loads(subprocess.run(listed, cwd=folder, stdout=subprocess.PIPE, text=True, check=True).stdout)
    return (
        f"A job with `training.device: {device}` through the local executor (CartPole-v1, {steps:,} steps): exit code "
        f"{ran.returncode}, state {jobs[0]['state']}, {time.monotonic() - began:.0f} s."
    )


def report(device: str, share: float) -> list[str]:
    """Run everything and return the lines of the page."""
    cuda = device == "cuda"
    name = torch.cuda.get_device_name() if cuda else "the CPU, as a rehearsal"
    lines = [
        "# Training on a GPU", "",
        f"`python -m benchmarks.gpu`, run on {name}, torch {torch.__version__}. One trial per row, seed 1.",
        "Each trial was repeated with an interruption at half of its steps. The last column is the largest",
        "difference between the final weights of both; it is 0 on the CPU.", "",
        "| trial | device | steps | steps/s | success | steps of the resumed trial | difference |", "|" + "---|" * 7,
    ]  # fmt: skip
    lines += [row(case, where, share) for case in CASES for where in dict.fromkeys((device, "cpu"))]
    return [*lines, "", whole_job(device, int(4096 * max(share, 0.5)))]


def main() -> int:
    """Parse the command line, run, write the page."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--device", choices=("cuda", "cpu"), default="cuda")
    parser.add_argument("--share", type=float, default=1.0, help="share of the steps, for a rehearsal")
    parser.add_argument("--out", type=Path, help="file to write; results/gpu.md by default")
    options = parser.parse_args()
    if options.device == "cuda" and not torch.cuda.is_available():
        build = torch.version.cuda or "none: this torch is a CPU build"
        print(f"torch {torch.__version__} sees no CUDA device (CUDA of the build: {build}).", file=sys.stderr)
        print("Install a CUDA build of torch and the driver; `rewardsmith doctor` checks them.", file=sys.stderr)
        return 1
    if options.device == "cpu" and options.out is None:
        parser.error("--device cpu needs --out: results/gpu.md is for a GPU")
    text = "\n".join(report(options.device, options.share)) + "\n"
    (options.out or RESULTS / "gpu.md").write_text(text, encoding="utf-8")
    print(text)
    return 0


if __name__ == "__main__":
    sys.exit(main())
