"""Measurements of one entry: verdict and duration of the checks, and success of a training."""

from __future__ import annotations

import os
import tempfile
import time
from functools import lru_cache
from pathlib import Path
from typing import Any

from rewardsmith.offline.check_reward import check_reward, reward_of
from rewardsmith.spec import TrainingSpec, default_training
from rewardsmith.tasks import get_task
from rewardsmith.verification.certificate import LIMIT, QUICK_LIMIT

from . import Entry
from .label import GAMMA

LAYOUTS = {"MiniGrid-DoorKey-16x16-v0": 1, "MiniGrid-KeyCorridorS3R3-v0": 1}
"""Layouts of a certificate, for tasks that would take over a minute with 3."""
LIMITS = {"MiniGrid-KeyCorridorS3R3-v0": QUICK_LIMIT}
"""Limit of enumerated states per layout, for tasks that are enumerated partially, as in a job."""


def checked(entry: Entry) -> dict[str, Any]:
    """Check one entry on three layouts, unless LAYOUTS or LIMITS have its task; returns its row."""
    _warm(entry.task)
    began, worked = time.perf_counter(), sum(os.times()[:4])
    layouts, limit = LAYOUTS.get(entry.task, 3), LIMITS.get(entry.task, LIMIT)
    found = check_reward(entry.source, entry.task, layouts=layouts, limit=limit, gamma=GAMMA)
    seconds, worked = time.perf_counter() - began, sum(os.times()[:4]) - worked
    certificate = found.verdict("certificate")
    details = certificate.details if certificate else {}
    coverage = [each["coverage"] for each in details.get("layouts", []) if each["coverage"] is not None]
    return {
        "passed": found.passed,
        "failed": [v.kind for v in found.checked.verdicts if not v.passed],
        "verdict": details.get("verdict"),
        "reason": certificate.message[:200] if certificate else "",
        "coverage": min(coverage, default=None),
        "seconds": round(seconds, 2),
        "processor_seconds": round(worked, 2),
        "difficulty": found.difficulty,
        "predicted": next((each["difficulty"] for each in details.get("layouts", [])), None),
    }


@lru_cache(maxsize=8)
def _warm(task: str) -> None:
    """Run one check, so that kernels, layouts and plans of the task are ready before the timed ones."""
    check_reward("def reward(prev, action, state, memory):\n    return 0.0\n", task, layouts=1, limit=500)


def trained(entry: Entry, steps: int, seed: int) -> dict[str, Any]:
    """Train one entry; returns its row with the success curve and its mean, the area in [0, 1]."""
    from rewardsmith.training.trial import TrialPlan, run_trial

    began = time.perf_counter()
    settings = {**default_training(entry.task), "final_episodes": 200, "gamma": GAMMA}
    points: list[Any] = []
    with tempfile.TemporaryDirectory() as folder:
        plan = TrialPlan(
            get_task(entry.task), reward_of(entry.source), TrainingSpec(**settings), seed, steps, 1.0, Path(folder)
        )
        report = run_trial(plan, points.append, lambda _: None)
    curve = [[p.steps, round(p.evaluation.success, 3)] for p in points]
    area = sum(success for _, success in curve) / max(len(curve), 1)
    return {
        "steps": steps,
        "seed": seed,
        "area": round(area, 4),
        "success": report.stochastic.success,
        "curve": curve,
        "seconds": round(time.perf_counter() - began, 1),
    }
