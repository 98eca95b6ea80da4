"""The certificate as a picture: values, optimal path and exploit of a layout, and the command that draws them."""

from __future__ import annotations

import pytest
from running import in_process
from verification import rewards

from rewardsmith.plots.canvas import written
from rewardsmith.plots.value_map import draw_value_map
from rewardsmith.programs.problem import Problem
from rewardsmith.tasks import get_task
from rewardsmith.verification.model import NotCertified
from rewardsmith.verification.value_map import value_map

GAMMA = 0.9


def test_values_fall_by_gamma_with_each_step_from_the_goal(small_task):
    """Empty-5x5: success pays 1 at most, so a cell k steps before it has the value gamma^(k - 1)."""
    found = value_map(Problem(small_task("MiniGrid-Empty-5x5-v0"), rewards.SUCCESS, GAMMA), 0, 10_000)
    (panel,) = found.panels
    before = panel.values[3, 2, 1]
    assert found.actions[before[1]] == "FORWARD"
    turned = panel.values[3, 2, 0]
    assert turned[0] == pytest.approx(GAMMA * before[0]) and found.actions[turned[1]] == "TURN_RIGHT"
    assert panel.best[0] == (1, 1) and (len(found.walls), found.lava) == (16, [])
    assert written(draw_value_map(found, "sound"), "png")[:4] == b"\x89PNG"


def test_an_exploit_is_drawn_where_it_goes(small_task):
    problem = Problem(
        small_task("MiniGrid-DoorKey-5x5-v0"), rewards.free("return 1.0 if state.event == 'turned' else 0.0"), 0.99
    )
    example = {"layout": 0, "prefix": [0, 1], "cycle": [0]}
    found = value_map(problem, 0, 100_000, example)
    assert found.panels[0].exploit[0] == found.panels[0].best[0] and len(set(found.panels[0].exploit)) == 1
    assert b"optimal value" in written(draw_value_map(found, "a <b> $x$"), "svg")


def test_a_task_without_grids_has_no_picture():
    with pytest.raises(NotCertified, match="not drawn as grids"):
        value_map(Problem(get_task("CartPole-v1"), rewards.SUCCESS, 0.99), 0, 1000)


def test_check_writes_the_picture_beside_its_verdict(tmp_path):
    (tmp_path / "r.py").write_text(
        "def reward(prev, action, state, memory):\n    return 1.0 if state.solved else 0.0\n"
    )
    arguments = ("check", "r.py", "--task", "MiniGrid-Empty-5x5-v0", "--layouts", "1", "--picture", "p.svg")
    ran = in_process(tmp_path, *arguments)
    assert (tmp_path / "p.svg").exists(), ran.stderr
    assert "picture of layout" in ran.stderr
