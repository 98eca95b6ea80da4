"""Replaces training and checks in a service's processes by stubs that take no time.

Everything else is real: the trial's process and its supervisor, the leases, the fenced rows.
"""

from __future__ import annotations

import os
import sys
import time
import types
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

SECONDS = 0.1
POINTS = 4
HOLD = "hold"
"""While the home folder has a file of this name, trials do not go beyond their first point."""
SAVED = 100_000  # bytes of a checkpoint, which a full disk refuses


@dataclass
class TrialPlan:
    task: Any
    reward: Any
    training: Any
    seed: int
    steps: int
    fraction: float
    folder: Path
    pool: str
    isolation: str
    learners: Any = None
    played: Any = None
    donor: Any = None
    donor_name: str = ""
    scale: Any = None


@dataclass
class Evaluation:
    success: float
    episodes: int = 10
    sequential: bool = False


@dataclass
class Point:
    steps: int
    evaluation: Evaluation
    telemetry: dict = field(default_factory=lambda: {"episodes": 0, "channels": {}, "components": {}})


@dataclass
class Report:
    steps: int
    complete: bool
    stochastic: dict
    greedy: dict
    telemetry: dict
    failed_episodes: list = field(default_factory=list)
    recorded: bytes = b""
    unseen: bool = True
    starts: str = "layouts"
    sandbox_level: str = "stub"
    steps_per_second: float = 1.0
    seconds: float = 1.0


def run_trial(plan: TrialPlan, on_point: Any, heartbeat: Any) -> Report:
    end = int(plan.steps * plan.fraction)
    for k in range(1, POINTS + 1):
        time.sleep(SECONDS / POINTS)
        on_point(Point(k * end // POINTS, Evaluation(k / POINTS)))
        _save(plan.folder / "checkpoint.safetensors", k)
        heartbeat(k * end // POINTS)
        while Path(os.environ["REWARDSMITH_HOME"], HOLD).exists():
            time.sleep(0.05)
            heartbeat(k * end // POINTS)
    if plan.fraction >= 1.0:
        _save(plan.folder / "policy.safetensors", plan.seed)
    successes = {"successes": 50 + len(plan.reward.source) % 40, "episodes": 100, "sequential": False}
    telemetry = {"episodes": 10, "successes": 5, "channels": {}, "components": {}}
    return Report(end, plan.fraction >= 1.0, successes, successes, telemetry)


def _save(path: Path, content: int) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_suffix(f".{os.getpid()}.partial")
    partial.write_bytes(content.to_bytes(4, "big") * (SAVED // 4))
    partial.replace(path)


@dataclass
class Verdict:
    kind: str
    passed: bool
    message: str
    details: Any = field(default_factory=dict)


class Proof(types.SimpleNamespace):
    """Takes any extent."""

    played: Any = None


def run_checks(*_: Any) -> Any:
    verdicts = [Verdict("contract", True, "not looked at")]
    return types.SimpleNamespace(verdicts=verdicts, passed=True, played={}, components={}, difficulty=None)


def _put(name: str, **content: Any) -> None:
    module = types.ModuleType(name)
    module.__dict__.update(content)
    sys.modules[name] = module


_put("rewardsmith.training.trial", TrialPlan=TrialPlan, run_trial=run_trial, rehearse=lambda _: None)
_put(
    "rewardsmith.verification.checks",
    Proof=Proof, Verdict=Verdict, Checked=types.SimpleNamespace, run_checks=run_checks,
    steps_played=lambda *_: 0, RANDOM_TRANSITIONS=4096,
    ADVISORY=frozenset({"battery", "certificate"}),
)  # fmt: skip


def _without_a_process() -> None:
    """Trials that end at once in the worker's process, which leaves only the queue's work."""
    from rewardsmith.engine.items import supervise
    from rewardsmith.storage import queue, records

    def instant(context: Any, item: Any, stopping: Any) -> None:
        key = item.key

        def rows(connection: Any) -> None:
            queue.hold(connection, item)
            records.put_trial(connection, key.job_id, key.candidate, "search", key.seed, state="done", steps=1000)
            result = {"success": 0.5, "area": 0.5, "train_success": 0.5, "steps": 1000}
            queue.finish(connection, item, "done", result)

        context.write(rows)

    supervise.supervise_trial = instant


if os.environ.get("STUB_INSTANT"):
    _without_a_process()
