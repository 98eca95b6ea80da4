"""Predictors of learning, compared on rewards that were trained: who is learned from sooner, and who hardly at all.

.venv/bin/python -m benchmarks.learnability measure [--only TEXT] [--seconds S]   # resumable
.venv/bin/python -m benchmarks.learnability report                                # writes results/learnability.md

Two sets: programs that language models wrote (results/programs.jsonl, today's training settings) and the labelled set
(results/verification.jsonl, the settings of its time). Each reward is enumerated on its first layout as a job does. The
predictor was chosen on the tasks of CHOSEN_ON; the others are held out.
"""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from statistics import mean
from typing import Any

from benchmarks.programs import programs
from benchmarks.verification_set import entries
from benchmarks.verification_set.label import GAMMA
from rewardsmith.offline.check_reward import reward_of
from rewardsmith.programs.problem import Problem
from rewardsmith.programs.reward import TrainingReward
from rewardsmith.spec import TrainingSpec, default_training
from rewardsmith.tasks import get_task
from rewardsmith.verification import certificate, partial
from rewardsmith.verification.certificate import QUICK_LIMIT, certify_layout
from rewardsmith.verification.difficulty import predict_difficulty
from rewardsmith.verification.direction import guidance_of

RESULTS = Path(__file__).parents[1] / "results"
ROWS, REPORT = RESULTS / "learnability.jsonl", RESULTS / "learnability.md"
CHOSEN_ON = ("MiniGrid-DoorKey-8x8-v0", "MiniGrid-KeyCorridorS3R3-v0")
"""Tasks on which the predictor was chosen."""
WEIGHT = 15.0
"""Weight of the rehearsal in the predicted difficulty, see difficulty.py."""


@dataclass(frozen=True)
class Trained:
    """A reward with its measured learning.

    Attributes:
        key: Unique name of the reward.
        task: id of the task.
        of: "language models" or "labelled set".
        area: Mean success over the curve, over all seeds, in [0, 1].
        gamma: The discount of its training.
        source: Its program.
        method: The method of its functions; None if they name it.
    """

    key: str
    task: str
    of: str
    area: float
    gamma: float
    source: str
    method: str | None = None

    def reward(self) -> TrainingReward:
        """The training reward of the program."""
        from rewardsmith.methods import get_method

        return reward_of(self.source) if self.method is None else get_method(self.method).reward(self.source)


def trained() -> Iterator[Trained]:
    """All rewards with a recorded training under the default settings."""
    areas: dict[str, list[float]] = defaultdict(list)
    for row in _lines(RESULTS / "programs.jsonl"):
        if row["arm"] == "default" and "curve" in row:
            areas[row["program"]].append(mean(success for _, success in row["curve"]))
    for program in programs():
        if program.name in areas:
            gamma = TrainingSpec(**default_training(program.task)).gamma
            area = mean(areas[program.name])
            yield Trained(program.name, program.task, "language models", area, gamma, program.source, program.method)
    longest: dict[str, tuple[int, float]] = {}
    for row in _lines(RESULTS / "verification.jsonl"):
        if row["part"] == "rank":
            longest[row["entry"]] = max(longest.get(row["entry"], (0, 0.0)), (row["steps"], row["area"]))
    for entry in entries():
        if entry.key in longest:
            yield Trained(entry.key, entry.task, "labelled set", longest[entry.key][1], GAMMA, entry.source)


def measure(one: Trained) -> dict[str, Any]:
    """Enumerate the reward on its first layout and return its predictors; empty if it cannot be enumerated."""
    task, found = get_task(one.task), {}

    def noted(task: Any, model: Any, far: Any, gamma: float, walks: Any) -> Any:
        told = guidance_of(task, model, far, gamma, walks)
        found["row"] = predictors(model, far, task.max_steps, gamma, told)
        return told

    certificate.guidance_of = partial.guidance_of = noted  # the models are kept nowhere else
    try:
        certify_layout(Problem(task, one.reward(), one.gamma), 0, QUICK_LIMIT)
    finally:
        certificate.guidance_of = partial.guidance_of = guidance_of
    return found.get("row", {})


def predictors(model: Any, far: Any, max_steps: int, gamma: float, told: Any) -> dict[str, float]:
    """The predictors of one enumerated reward, each larger for a reward that is learned sooner."""
    new = predict_difficulty(model, far, max_steps, gamma)
    return {
        "improvement": -new.score + WEIGHT * (1.0 - new.success),
        "advantage gap": new.advantage_gap,
        "exact progress": told.correlation,
        "leads on": told.leads_on,
        "does not mislead": -told.misleads,
        "rehearsal": new.success,
        "difficulty": -new.score,
    }


def _lines(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()] if path.exists() else []


def rows() -> dict[str, dict[str, Any]]:
    """The measured predictors by key of the reward."""
    return {row["key"]: row for row in _lines(ROWS)}
