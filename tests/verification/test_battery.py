"""The exploit battery: the behaviours it plays, and its verdict on rewards that pay for something else."""

from __future__ import annotations

import numpy as np
import pytest
from verification import rewards

from rewardsmith.methods import get_method
from rewardsmith.programs.problem import Problem
from rewardsmith.tasks.base import Behaviour
from rewardsmith.tasks.minigrid import columns as col
from rewardsmith.verification.battery import played_bank, run_battery
from rewardsmith.verification.certificate import certify
from rewardsmith.verification.checks import run_checks
from rewardsmith.verification.episode_cap import within_cap
from rewardsmith.verification.plans import first_plans

DOORKEY, LAVA = "MiniGrid-DoorKey-5x5-v0", "MiniGrid-LavaGapS5-v0"


def names_of(task) -> set[str]:
    return {script.name for _, played in played_bank(task) for script in played.scripts}


def test_the_bank_holds_every_kind_of_behaviour(small_task):
    doorkey, lava = names_of(small_task(DOORKEY)), names_of(small_task(LAVA))
    assert {"solution", "solution with a detour", "near miss: all but the last step, then idling"} <= doorkey & lava
    assert {"only TURN_LEFT", "only DONE", "against a wall", "random 1"} <= doorkey & lava
    assert {f"to and fro before the {kind}" for kind in ("key", "door", "goal")} <= doorkey
    assert {"after picked up key, alternating DROP and PICK_UP", "after unlocked door, only TOGGLE"} <= doorkey
    assert {"into lava", "to and fro before the goal"} <= lava and "into lava" not in doorkey
    assert "DONE in place of the last step" in doorkey
    fetch = names_of(small_task("MiniGrid-Fetch-5x5-N2-v0"))
    assert "to an end without success" in fetch and "into lava" not in fetch


def test_a_cycle_returns_to_its_start_and_lava_ends_the_episode(small_task):
    for name in (DOORKEY, LAVA):
        task = small_task(name)
        layout, plan = first_plans(task)[0]
        for behaviour in task.behaviours(layout, plan):
            batch = task.batch(1, "train")
            batch.play(layout)
            rows = []
            for action in (*behaviour.prefix, *behaviour.cycle):
                batch.step(np.array([action]))
                row = np.zeros((1, task.schema.width), np.int32)
                batch.state_rows(row)
                rows.append(np.delete(row[0], [col.STEP, col.EVENT, col.EVENT_OBJECT]))
            assert not batch.success[0]
            assert batch.terminated[0] == (behaviour.name == "into lava")
            if behaviour.cycle:
                assert (rows[len(behaviour.prefix) - 1] == rows[-1]).all(), behaviour.name
                assert behaviour.name == "against a wall" or len(behaviour.cycle) >= 6


def test_step_cost_may_favour_giving_up_over_a_detour(small_task):
    task = small_task("MiniGrid-LavaCrossingS9N1-v0")
    report = run_battery(Problem(task, rewards.free("return -0.06"), 0.99))
    assert report.passed and report.findings[0].solution.script == "solution"
    assert not run_battery(Problem(task, rewards.free("return -0.2"), 0.99)).passed


def test_battery_passes_if_another_solution_earns_most(small_task):
    body = "return -0.8 if action == TURN_LEFT else 0.0"
    task = small_task(DOORKEY)
    assert not run_battery(Problem(task, rewards.free(body), 0.99)).passed
    by_kind = {v.kind: v for v in run_checks(Problem(task, rewards.free(body), 0.99)).verdicts}
    assert by_kind["certificate"].details["verdict"] == "sound"
    assert by_kind["battery"].passed and "another solution" in by_kind["battery"].message
    exploit = run_checks(Problem(task, rewards.PICKUP_EXPLOIT, 0.99))
    assert [v.kind for v in exploit.verdicts if not v.passed] == ["battery", "certificate"]


@pytest.mark.parametrize(
    ("reward", "rival"),
    [(rewards.PICKUP_EXPLOIT, "alternating PICK_UP and DROP"), (rewards.OSCILLATION, "to and fro before the goal")],
)
def test_exploit_fails_with_its_earnings_by_component(small_task, reward, rival):
    """An exploit fails, and the message states the earnings of both behaviours by component."""
    verdict = next(v for v in run_checks(Problem(small_task(DOORKEY), reward, 0.99)).verdicts if not v.passed)
    assert (verdict.kind, verdict.passed) == ("battery", False)
    assert rival in verdict.message and "more than the solution" in verdict.message
    assert f"reward {verdict.details['rival']['components']['reward']:.3g}" in verdict.message
    assert verdict.details["margin"] < 0


def test_a_saved_exploit_of_an_earlier_program_is_played_too(small_task):
    task = small_task(DOORKEY)
    layout, plan = first_plans(task)[0]
    # Turning one step before the goal is not among the scripts.
    body = (
        "goal = next(o for o in state.objects if o.target)\n"
        "near = abs(goal.x - state.agent.x) + abs(goal.y - state.agent.y) == 1\n"
        "return 0.2 if state.event == 'turned' and near and state.front is not goal else 0.0"
    )
    exploit = Behaviour("", plan[:-1], (0, 1), layout)
    report = run_battery(Problem(task, rewards.free(body), 0.99), exploits=(exploit,))
    assert report is not None and not report.passed
    assert report.findings[0].rival.script == "saved exploit 1"
    without = run_battery(Problem(task, rewards.free(body), 0.99))
    assert without is not None and without.findings[0].margin > report.findings[0].margin


def test_the_shaping_ratio_compares_guidance_with_success(small_task):
    task = small_task(DOORKEY)
    exploit = run_battery(Problem(task, rewards.PICKUP_EXPLOIT, 0.99))
    plain = run_battery(Problem(task, rewards.SUCCESS, 0.99))
    assert exploit is not None and plain is not None
    assert (plain.shaping.guidance, plain.shaping.exploited, plain.shaping.ratio) == (0.0, 0.0, 0.0)
    assert exploit.shaping.guidance == pytest.approx(0.5)  # one pickup on the way
    assert exploit.shaping.exploited > 50 and exploit.shaping.ratio > 50
    assert exploit.shaping.success_pay < 1.0


def test_the_shaping_ratio_leaves_potentials_out(small_task):
    source = "def potential(state, memory):\n    return 50.0 - state.agent.x\n"
    report = run_battery(Problem(small_task(DOORKEY), get_method("free").reward(source), 0.99))
    assert report is not None
    assert (report.shaping.guidance, report.shaping.exploited) == pytest.approx((0.0, 0.0))
    assert 0.1 <= report.shaping.success_pay <= 1.0


def test_an_automatic_cap_keeps_solutions_whole_and_ends_an_exploit(small_task):
    task = small_task(DOORKEY)
    bounded = within_cap(Problem(task, rewards.PICKUP_EXPLOIT, 0.99), "auto")
    assert [c.cap for c in bounded.channels] == [None, 0.5]
    before, after = (run_battery(Problem(task, r, 0.99)) for r in (rewards.PICKUP_EXPLOIT, bounded))
    assert before is not None and after is not None and after.passed and not before.passed
    paid = [{f.layout: f.solution.returned for f in report.findings} for report in (before, after)]
    assert paid[1] == pytest.approx(paid[0])
    assert certify(Problem(task, bounded, 0.99), layouts=1).verdict == "sound"
    shaped = within_cap(Problem(task, rewards.DISTANCE_POTENTIAL, 0.99), "auto")
    assert shaped == rewards.DISTANCE_POTENTIAL  # potentials are never bounded
