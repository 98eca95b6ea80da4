"""What prompts say about a candidate's checks and training."""

from __future__ import annotations

from rewardsmith.engine.items.shown import check_figures, difficulty_in, where_episodes_stop
from rewardsmith.spec import JobSpec
from rewardsmith.telemetry import Telemetry

RARE = {"mean": 0.0, "min": 0.0, "max": 1.0, "fires": 0.002}
TOLD = Telemetry.from_json(
    {
        "episodes": 200,
        "successes": 1,
        "components": {
            "door": {**RARE, "paid_episodes": 0.02, "paid_steps": 0.02},
            "key": {**RARE, "paid_episodes": 1.0, "paid_steps": 1.0},
            "near": {**RARE, "fires": 0.9, "paid_episodes": 1.0, "paid_steps": 80.0},
            "goal": {**RARE, "max": 0.0, "fires": 0.0, "paid_episodes": 0.0, "paid_steps": 0.0},
        },
        "trajectories": {"failed": 8, "episodes": 8, "milestones": {"picked_up key": 8, "unlocked door": 1}},
    }
)


def test_episodes_stop_at_the_program_s_milestones_without_a_planner():
    text = where_episodes_stop(TOLD, planner=False)
    assert text is not None and text.endswith("key in 100 %, door in 2 %, goal in 0 %; 0.5 % succeeded.")
    assert "unlocked" not in text


def test_episodes_stop_at_the_planner_s_milestones_where_it_is_shown():
    text = where_episodes_stop(TOLD, planner=True)
    expected = "Of 8 recorded episodes of the final policy: picked_up key in 8, unlocked door in 1, success in 0."
    assert text == expected


def test_without_milestones_nothing_is_said():
    assert where_episodes_stop(Telemetry(), planner=True) is None


def test_figures_of_the_checks_are_sentences():
    details = {
        "battery": {"shaping": {"guidance": 0.75, "success_pay": 1.5, "exploited": 0.4}},
        "certificate": {"difficulty": 12.25},
        "direction": {"leads_on": 0.625},
    }
    solved, difficulty, leads = check_figures(details, difficulty_in(details))
    assert "guidance of 0.75" in solved and "pays 1.5" in solved
    assert "12.2" in difficulty and "62 %" in leads
    assert check_figures({}, difficulty_in({})) == []


def test_the_planner_is_shown_to_synth_and_hidden_from_all_other_authors():
    shown = {
        name: JobSpec(task="t", model=name).shows_planner() for name in ("synth", "openai/gpt-4o", "manual", "listed:a")
    }
    assert shown == {"synth": True, "openai/gpt-4o": False, "manual": False, "listed:a": False}
    assert JobSpec(task="t", model="openai/gpt-4o", planner=True).shows_planner()
    assert not JobSpec(task="t", planner=False).shows_planner()
    mixed = JobSpec(task="t", designer_model="openai/gpt-4o")
    assert not mixed.shows_planner() and not mixed.shows_planner("analyzer")
