"""What a designer of rewards is told beside the interface of the task."""

from __future__ import annotations

from rewardsmith.programs.problem import Problem
from rewardsmith.programs.reward import TrainingReward, free_channels
from rewardsmith.spec import JobSpec
from rewardsmith.spec.job import with_defaults
from rewardsmith.tasks import get_task
from rewardsmith.tasks.random_play import play_at_random
from rewardsmith.tasks.subgoals import planner_events, subgoal_order
from rewardsmith.training.briefing import briefing, start_maps
from rewardsmith.verification.checks import run_checks
from rewardsmith.verification.cost import too_slow
from rewardsmith.verification.extent import Proof

TASK = "MiniGrid-DoorKey-5x5-v0"


def told(task: str, **settings: object) -> str:
    spec = JobSpec.model_validate(with_defaults({"task": task, "steps": 20_000, **settings}))
    return briefing(get_task(task), spec).text


def test_the_training_is_told_in_numbers() -> None:
    text = told(TASK, training={"gamma": 0.95})
    assert "learns from the reward for at most 20,000 environment steps. Its discount is 0.95 per step." in text
    assert "The policy observes a view of 49 grid cells near the agent" in text
    assert "pays 0.91 for a success after a tenth of an episode's 250 steps, 0.55 after half of them, and 0.10" in text
    assert "of the last 4 steps" in told("CartPole-v1", training={"frame_stack": 4})


def test_the_meaning_of_fields_at_their_edges_is_told() -> None:
    text = told(TASK)
    for edge in (
        "1 for an object beside the agent, 0 for a carried one",
        "once the box is opened",
        "None for all other",
    ):
        assert edge in text, edge


def test_random_play_counts_successes_and_events_by_episode() -> None:
    played = play_at_random(get_task(TASK))
    events = dict(played.events)
    assert played.episodes == 64 and 0 <= played.successes < 64
    assert events["declared"] == 64 and events["picked_up key"] >= events.get("unlocked door", 0)
    assert [*events] == sorted(events), "an order of events would be that of a solution"
    assert f"Random play solves {played.successes} of 64 episodes." in told(TASK)


def test_start_layouts_are_drawn_once_each() -> None:
    maps = start_maps(get_task(TASK))
    assert sum("##" in line for line in maps) == 11 and sum("Gg" in line for line in maps) == 2
    assert start_maps(get_task("CartPole-v1")) == ()


def test_no_part_of_the_briefing_comes_from_the_planner(monkeypatch) -> None:
    def forbidden(*_: object) -> None:
        raise AssertionError("the planner was asked")

    task = type(get_task(TASK))
    monkeypatch.setattr(task, "plan", forbidden)
    told(TASK)


def test_repeated_events_of_a_plan_are_all_told() -> None:
    task = get_task("MiniGrid-MultiRoom-N2-S4-v0")
    assert planner_events(task) == ("opened door", "reached goal")
    rooms = planner_events(get_task("MiniGrid-MultiRoom-N4-S5-v0")) or ()
    assert rooms.count("opened door") > 1 and rooms[-1] == "reached goal"
    assert len(subgoal_order(get_task("MiniGrid-MultiRoom-N4-S5-v0")) or ()) == 2
    assert planner_events(get_task("CartPole-v1")) is None


SLOW = """
def reward(prev, action, state, memory):
    return sum(1e-9 for _ in range(40_000))
"""


def test_a_program_that_is_too_slow_is_told_the_limit_and_the_helpers() -> None:
    task = get_task(TASK)
    checked = run_checks(
        Problem(task, TrainingReward(SLOW, ("reward",), free_channels(SLOW)), 0.99), Proof(wanted=False)
    )
    verdict = checked.verdicts[-1]
    assert verdict.kind == "cost" and not verdict.passed
    assert verdict.told == too_slow(task, 100.0) and "state.walk_steps(a, b)" in verdict.told
    assert "us of processor time, more than the limit of 100 us" in verdict.message or "took longer" in verdict.message
    assert "memory" in too_slow(get_task("CartPole-v1"), 100.0)
