"""The battery where a task's reference stands for the planner's solution."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from verification import rewards

from rewardsmith.programs.problem import Problem
from rewardsmith.tasks import get_task
from rewardsmith.tasks.capabilities import reference_of
from rewardsmith.verification.battery import played_bank, run_battery
from rewardsmith.verification.checks import Proof, run_checks
from rewardsmith.verification.episode_cap import within_cap
from rewardsmith.verification.layouts import battery_layouts
from rewardsmith.verification.ways import Rival, bank_steps, played_ways

STEPS = bank_steps(1)
HILL, TORQUE = "MountainCar-v0", "Pendulum-v1"
CLIMB = "return {'speed': 10 * (abs(state.velocity) - abs(prev.velocity)), 'goal': 10.0 * state.solved}"
LINGER = "return {'near': 1.0 if state.position > -0.55 else 0.0}"
FAILS = """
id: MountainCar-v0
goal: Drive the car up the right hill.
success: terminated and position >= 0.5
reference: rewardsmith.tasks.described.controllers.classic:REFERENCE
actions: [push_left, coast, push_right]
max_steps: 40
state: [{name: position}, {name: velocity}]
"""


def problem(source: str, task_id: str = HILL) -> Problem:
    return Problem(get_task(task_id), rewards.free(source), 0.99)


def bank_of(task: Any) -> Any:
    return played_ways(task, 0, STEPS)


def report_of(source: str, task_id: str = HILL) -> Any:
    return run_battery(problem(source, task_id), layouts=(0,))


def names_of(task: Any) -> set[str]:
    return {script.name for script in bank_of(task).scripts}


def test_the_bank_holds_every_kind_of_behaviour():
    found = names_of(get_task(HILL))
    assert {"reference", "only coast", "only push_left", "random 4", "alternating push_left and coast"} <= found
    assert {name.split("then ")[-1] for name in found if name.startswith("reference for")} >= {
        "only coast", "random 3", "that action held", "alternating coast and push_right",
    }  # fmt: skip
    assert any(name.startswith("reference that reads velocity") for name in found)
    found = names_of(get_task(TORQUE))
    assert {"reference", "only torque=0", "only torque = -2", "alternating torque = -2 and torque = 2"} <= found
    assert any(name.endswith("10 steps back and forth") for name in found)


def test_an_episode_of_the_bank_is_the_one_that_its_actions_give():
    task = get_task(HILL)
    played = bank_of(task)
    column = max(range(len(played.scripts)), key=lambda n: -int(played.length[n]))
    batch, rows = task.batch(1, "train"), task.schema.rows(1)
    batch.play(0)
    for t in range(int(played.length[column])):
        batch.step(played.rollout.actions[t, column : column + 1])
        batch.state_rows(rows)
        assert (rows[0] == played.rollout.after[t, column]).all()
    assert batch.terminated[0] or batch.truncated[0]


def test_a_reward_that_guides_to_the_goal_passes():
    report = run_battery(problem(CLIMB), layouts=(0,))
    assert report is not None and report.passed
    assert report.findings[0].solution.script.startswith("reference") and report.difficulty is not None


def test_a_reward_for_lingering_near_the_goal_is_rejected_with_numbers():
    checked = run_checks(problem(LINGER), Proof(layouts=1))
    verdict = next(v for v in checked.verdicts if v.kind == "battery")
    assert not verdict.passed and "never solves the task" in verdict.message
    assert f"with seed {1_000_000 + verdict.details['layout']}" in verdict.message
    assert verdict.details["rival"]["returned"] > verdict.details["solution"]["returned"]
    assert checked.played["transitions"] == bank_of(get_task(HILL)).steps


def test_guidance_predicts_less_difficulty_than_none():
    hard = {name: report_of(source).difficulty for name, source in (("guided", CLIMB), ("none", "return 0.0"))}
    misled = report_of("return {'still': -abs(state.velocity) * 100}").difficulty
    assert hard["guided"] < hard["none"] < misled


def test_the_automatic_cap_spares_the_reference():
    capped = within_cap(problem(CLIMB), "auto", 1)
    caps = [channel.cap for channel in capped.channels if channel.kind == "program"]
    assert caps and caps[0] is not None and caps[0] >= 10.0


def test_an_earlier_policy_that_fails_is_a_rival():
    class Still:
        def actions(self, rows, starts):
            return np.full(len(rows), 1)

    report = run_battery(
        problem(LINGER), layouts=(0,), rivals=(Rival("policy of an earlier round", lambda batch: Still()),)
    )
    assert report is not None
    assert "policy of an earlier round" in {finding.rival.script for finding in report.findings}


def test_only_starts_that_the_reference_solves_are_compared(tmp_path: Path):
    file = tmp_path / "hill.yaml"
    file.write_text(FAILS.replace("REFERENCE", "swing_car"))
    task = get_task(str(file))  # 40 steps are too few
    reference = reference_of(task)
    assert reference is not None and reference.achieves(3).successes == 0
    assert played_bank(task) == () and battery_layouts(task, 3) == (0, 1, 2)
    assert run_battery(Problem(task, rewards.free(CLIMB), 0.99)) is None


@pytest.mark.slow
def test_hovering_over_the_pad_is_rejected_before_training():
    pytest.importorskip("Box2D")
    hover = "return {'upright': 1.0 - min(abs(state.angle), 1.0), 'centred': 1.0 - min(abs(state.x), 1.0)}"
    report = run_battery(problem(hover, "LunarLander-v3"))
    assert report is not None and report.lost
    assert report_of("return 0.0", "LunarLander-v3").passed
