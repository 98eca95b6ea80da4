"""Training steps per second while ONI's annotator labels, against training without ONI, by turns.

.venv/bin/python -m benchmarks.methods.annotation

Takes about 4 minutes. Writes results/annotation.md.
"""

from __future__ import annotations

import statistics
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

from benchmarks.training import Clock, by_turns, medians
from rewardsmith.methods.base import Setting
from rewardsmith.methods.recipe import recipe_of
from rewardsmith.spec import read_spec, with_defaults
from rewardsmith.tasks import get_task
from rewardsmith.training.trial import TrialPlan, run_trial

RESULTS = Path(__file__).parents[1] / "results"
TASK, STEPS = "MiniGrid-UnlockPickup-v0", 150_000


def speed(method: str, **options: Any) -> Callable[[], float]:
    """A function that trains once and returns steps per second of the median rollout with its update."""
    spec = read_spec(with_defaults({"task": TASK, "method": method, "options": {method: options}}))
    recipe, task = recipe_of(spec), get_task(TASK)
    reward = recipe.reward(recipe.program(task))

    def work() -> float:
        clock = Clock()
        with tempfile.TemporaryDirectory() as folder:
            place = Path(folder)

            def setting(chosen: Any) -> Setting:
                return Setting(task, spec.training, reward, 1, STEPS, place, chosen)

            learners = recipe.learners(setting)
            plan = TrialPlan(task, reward, spec.training, 1, STEPS, 1.0, place, curve_points=1, learners=learners)
            run_trial(plan, lambda _: None, clock.beat)
        return clock.speed

    return work


def main() -> None:
    """Measure all reward models by turns and write the table."""
    models = ("retrieval", "classification", "ranking")
    found = by_turns({"off": speed("sparse"), **{name: speed("oni", reward_model=name) for name in models}})
    speeds = medians(found)
    lines = [
        "# Training while an annotator labels", "",
        f"{TASK}, one torch thread, simulated annotator; medians of {len(found['off'])} turns.", "",
        "| reward model | steps/s | ratio to none |", "|---|---|---|",
    ]  # fmt: skip
    for name in found:
        shares = [b / a for a, b in zip(found["off"], found[name], strict=True)]
        lines.append(f"| {name} | {speeds[name]:,.0f} | {statistics.median(shares):.3f} |")
    text = "\n".join(lines) + "\n"
    (RESULTS / "annotation.md").write_text(text)
    print(text)


if __name__ == "__main__":
    main()
