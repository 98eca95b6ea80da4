"""A search for training settings with Optuna, over rewards by several authors.

.venv/bin/pip install optuna
.venv/bin/python -m benchmarks.tuning study --trials 20     # resumable; several processes may run it at once
.venv/bin/python -m benchmarks.tuning table                 # writes results/tuning.md

Takes hours; trials are stored in results/tuning.journal. One trial of the study trains each of CASES once with the same
settings. Its value is the mean over the cases of 0.75 times the area under the success curve plus 0.25 times the final
success of the greedy policy. Settings that train slower than 4 epochs of batches of 1,024 are not proposed, see
UPDATES. `python -m benchmarks.programs` confirms the result on other programs and tasks.
"""

from __future__ import annotations

import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks.programs import Program, programs
from benchmarks.trial import designed
from rewardsmith.methods import get_method
from rewardsmith.programs.reward import SPARSE, TrainingReward
from rewardsmith.spec import TrainingSpec
from rewardsmith.tasks import get_task
from rewardsmith.training.trial import CurvePoint, TrialPlan, run_trial

POTENTIAL = """
def potential(state, memory):
    key = door = goal = None
    for thing in state.objects:
        if thing.kind == "key":
            key = thing
        elif thing.kind == "door":
            door = thing
        elif thing.kind == "goal":
            goal = thing
    wanted, done = (key, 0) if door.state == "locked" and state.carrying is None else (door, 1)
    if door.state == "open":
        wanted, done = goal, 2
    if wanted is None:
        return 0.2 * done
    return 0.2 * done - 0.01 * (abs(state.agent.x - wanted.x) + abs(state.agent.y - wanted.y))
"""


@dataclass(frozen=True)
class Case:
    """A reward on a task, trained for a number of environment steps.

    Attributes:
        task: id of the task.
        reward: "sparse", "hand", "synth", "potential", or the name of a program of benchmarks/programs.
        steps: environment steps of the trial.
    """

    task: str
    reward: str
    steps: int

    def training_reward(self) -> TrainingReward:
        """The reward in the form that a trial takes."""
        task, hand = get_task(self.task), get_method("hand")
        if self.reward == "sparse":
            return SPARSE
        if self.reward == "hand":
            return hand.reward(hand.program(task, hand.Options()))
        if self.reward == "synth":
            return designed(task, "auto-mc-reward", 0, planner=True)
        if self.reward == "potential":
            return get_method("free").reward(POTENTIAL)
        return _named(self.reward).reward()


def _named(name: str) -> Program:
    return next(p for p in programs() if p.name == name)


CASES = (
    Case("MiniGrid-DoorKey-8x8-v0", "MiniGrid-DoorKey-8x8-v0.free.04", 100_000),
    Case("MiniGrid-UnlockPickup-v0", "MiniGrid-UnlockPickup-v0.free.02", 250_000),
    Case("MiniGrid-LavaCrossingS9N2-v0", "MiniGrid-LavaCrossingS9N2-v0.free.02", 250_000),
    Case("MiniGrid-DoorKey-8x8-v0", "potential", 150_000),
    Case("MiniGrid-DoorKey-5x5-v0", "sparse", 100_000),
    Case("MiniGrid-UnlockPickup-v0", "MiniGrid-UnlockPickup-v0.free.08", 150_000),
    Case("MiniGrid-KeyCorridorS3R3-v0", "synth", 200_000),
    Case("MiniGrid-LavaCrossingS9N2-v0", "MiniGrid-LavaCrossingS9N2-v0.free.04", 150_000),
    Case("MiniGrid-KeyCorridorS3R3-v0", "MiniGrid-KeyCorridorS3R3-v0.free.02", 300_000),
    Case("MiniGrid-UnlockPickup-v0", "hand", 200_000),
)

UPDATES = {"4 x 1024": (4, 1024), "3 x 512": (3, 512), "2 x 512": (2, 512), "2 x 256": (2, 256)}
"""(epochs, batch size) by name. One update on 1,024 steps takes about as long as two on 256: most is overhead."""


def train(case: Case, settings: dict[str, Any], seed: int) -> dict[str, float]:
    """Train a case; returns the area under its success curve and its final success, both policies, in [0, 1]."""
    training = TrainingSpec.model_validate({**settings, "eval_episodes": 100, "final_episodes": 300})
    curve: list[float] = []

    def note(point: CurvePoint) -> None:
        assert point.evaluation is not None
        curve.append(point.evaluation.success)

    with tempfile.TemporaryDirectory() as folder:
        plan = TrialPlan(get_task(case.task), case.training_reward(), training, seed, case.steps, 1.0, Path(folder))
        report = run_trial(plan, note, lambda _: None)
    assert report.greedy is not None
    return {"area": sum(curve) / len(curve), "success": report.stochastic.success, "greedy": report.greedy.success}
