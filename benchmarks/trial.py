"""One full trial with chosen training settings; prints its row as JSON.

Trains the program of synth's answer number --sample, a program of benchmarks/programs, or the sparse reward. Takes from
10 seconds on small tasks to some minutes.

.venv/bin/python -m benchmarks.trial --task MiniGrid-KeyCorridorS3R3-v0 --seed 10001
.venv/bin/python -m benchmarks.trial --task MiniGrid-DoorKey-8x8-v0 --sparse --set entropy=0.02
.venv/bin/python -m benchmarks.trial --task MiniGrid-LavaCrossingS9N2-v0 --steps 300000 --set gae_lambda=0.98 \
    --program MiniGrid-LavaCrossingS9N2-v0.free.02
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
from pathlib import Path

import yaml

from benchmarks.programs import programs
from rewardsmith.agents import roles
from rewardsmith.agents.registry import open_model
from rewardsmith.methods import get_method
from rewardsmith.programs.reward import SPARSE, TrainingReward
from rewardsmith.spec import TrainingSpec, default_steps, default_training
from rewardsmith.tasks import get_task
from rewardsmith.tasks.subgoals import subgoal_order
from rewardsmith.training.trial import CurvePoint, TrialPlan, run_trial


def designed(task, method_name: str, sample: int, planner: bool) -> TrainingReward:
    """The reward that synth designs in the first iteration as answer number `sample`."""
    method = get_method(method_name)
    order = subgoal_order(task) if planner else None
    contract = method.contract(method.Options())
    assert contract is not None, f"{method_name} does not ask a designer for a program"
    asked = roles.DesignRequest(
        contract, task.interface(), 1, sample, 3, "new", 0, [], [], subgoal_order=list(order) if order else None
    )
    return method.reward(roles.design(open_model("synth"), asked).result.source)


def main() -> None:
    """Parse the command line, train, print the row."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--task", required=True)
    parser.add_argument("--sparse", action="store_true")
    parser.add_argument("--program", metavar="TASK.METHOD.NUMBER", help="a program of benchmarks/programs")
    parser.add_argument("--method", default="auto-mc-reward")
    parser.add_argument("--sample", type=int, default=0)
    parser.add_argument("--no-planner", action="store_true")
    parser.add_argument("--seed", type=int, default=10_000)
    parser.add_argument("--steps", type=int)
    parser.add_argument(
        "--pool", default="select", help="pool of layouts for evaluation; `claim` is kept for final evaluations"
    )
    parser.add_argument("--set", nargs="*", default=[], metavar="NAME=VALUE", help="training settings")
    options = parser.parse_args()
    changes = {name: yaml.safe_load(value) for name, value in (pair.split("=", 1) for pair in options.set)}
    training = TrainingSpec.model_validate({**default_training(options.task), **changes})
    task = get_task(options.task)
    if options.program:
        reward = next(p for p in programs([options.task]) if p.name == options.program).reward()
    else:
        reward = SPARSE if options.sparse else designed(task, options.method, options.sample, not options.no_planner)
    points: list[CurvePoint] = []
    with tempfile.TemporaryDirectory() as folder:
        steps = options.steps or default_steps(options.task)
        plan = TrialPlan(task, reward, training, options.seed, steps, 1.0, Path(folder), pool=options.pool)

        def note(point: CurvePoint) -> None:
            points.append(point)
            print(f"{point.steps:,} steps: {100 * point.evaluation.success:.1f} %", file=sys.stderr, flush=True)

        report = run_trial(plan, note, lambda _: None)
    curve = [[p.steps, round(p.evaluation.success, 3)] for p in points]
    row = {
        "task": options.task,
        "reward": options.program or ("sparse" if options.sparse else f"{options.method} {options.sample}"),
        "seed": options.seed,
        "changes": changes,
        "success": report.stochastic.success,
        "greedy": report.greedy.success,
        "steps_per_second": round(report.steps_per_second),
        "curve": curve,
    }
    print(json.dumps(row))


if __name__ == "__main__":
    main()
