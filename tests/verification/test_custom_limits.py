"""Checks of a user's environment: limits of the enumeration, cheap checks before it, progress messages."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

import rewardsmith
from rewardsmith.errors import UsageError
from rewardsmith.offline.check_reward import check_reward, reward_of
from rewardsmith.programs.problem import Problem
from rewardsmith.tasks import progress
from rewardsmith.tasks.minigrid import behaviours
from rewardsmith.tasks.minigrid.custom import CustomTask
from rewardsmith.verification.certificate import certify

CASES = Path(__file__).parents[1] / "cases"


@pytest.fixture
def two_keys(monkeypatch):
    """(the task of the case, how many steps its environments took)."""
    monkeypatch.syspath_prepend(str(CASES / "custom_minigrid"))
    monkeypatch.setattr(behaviours, "LISTED", 2000)
    from twokeys import TwoKeys

    class Counted(TwoKeys):
        """With short episodes: tests have little time."""

        steps = 0

        def __init__(self):
            super().__init__()
            self.max_steps = 60

        def step(self, action):
            Counted.steps += 1
            return super().step(action)

    yield CustomTask(Counted, "two-keys", {"train": 4, "select": 2, "claim": 2}), Counted
    sys.modules.pop("twokeys", None)


def source() -> str:
    return (CASES / "custom_minigrid" / "reward.py").read_text()


def test_a_misspelt_field_is_reported_before_enumeration(two_keys, monkeypatch):
    task, counted = two_keys
    monkeypatch.setattr(task, "_walker", lambda layout: pytest.fail("a state was listed"))
    found = check_reward(source().replace('o.state == "open"', "o.open"), task)
    assert [v.kind for v in found.checked.verdicts if not v.passed] == ["contract"]
    assert "has no field 'open'" in found.verdict("contract").message
    assert counted.steps < 10_000


def test_the_limit_is_kept_and_the_message_names_it(two_keys):
    task, counted = two_keys
    problem = Problem(task, reward_of(source()), 0.99)
    found = certify(problem, 1, 1500, bounds=0).message()
    assert "more than 1,500 states, the limit per layout" in found and "400,000" not in found
    assert set(task._walkers) == {0}  # the other layouts were not even planned
    assert len(task._walkers[0]._states_after) <= 12_000  # states that behaviours visit; the certificate needed fewer
    before = counted.steps
    assert certify(problem, 1, 1500, bounds=0).message() == found
    assert counted.steps - before < 1_000  # enumerated and played states are reused


def test_an_exploit_is_refused_whatever_the_limit(two_keys):
    task, _ = two_keys
    exploit = "def reward(prev, action, state, memory):\n    return 0.4 if state.event == 'picked_up' else 0.0\n"
    for limit, failed in ((2500, {"battery", "certificate"}), (500, {"battery"})):
        found = check_reward(exploit, task, layouts=1, limit=limit)
        assert {v.kind for v in found.checked.verdicts if not v.passed} == failed


def test_a_continued_enumeration_equals_an_uninterrupted_one(two_keys):
    task, _ = two_keys
    other = CustomTask(task.make_env, "two-keys", task.sizes)
    task.plan(0)
    for limit in (300, 900, 500):
        mine, theirs = task.state_graph(0, limit), other.state_graph(0, limit)
        for name, values in vars(mine).items():
            if name not in ("tables", "layout", "complete"):
                assert (values == getattr(theirs, name)).all(), name
        assert len(mine.state) == limit and not mine.complete


def test_equal_layouts_of_an_own_environment_are_checked_once(monkeypatch):
    monkeypatch.syspath_prepend(str(CASES / "minigrid_own_env"))
    from obstacle_env import ObstacleRoom

    nothing = "def reward(prev, action, state, memory):\n    return 0.0\n"
    gap = check_reward(nothing, CustomTask(lambda: ObstacleRoom(), "gap"), gamma=0.99)
    assert gap.verdict("certificate").passed and (gap.soundness.asked, gap.soundness.headline) == (1, "sound")
    assert gap.soundness.margin == pytest.approx(0.9135, abs=1e-4)
    assert not check_reward(nothing, CustomTask(lambda: ObstacleRoom(barrier=True), "barrier"), gamma=0.99).passed

    class Secret(ObstacleRoom):
        """The layouts differ in what the grid does not show."""

        def _gen_grid(self, width, height):
            super()._gen_grid(width, height)
            self.barrier_costs = float(self._rand_float(1, 2))

    assert check_reward(nothing, CustomTask(Secret, "secret"), gamma=0.99, layouts=2).soundness.asked == 2
    sys.modules.pop("obstacle_env", None)


def test_design_refuses_an_environment_object_and_names_check(two_keys):
    with pytest.raises(UsageError, match="not a CustomTask") as reported:
        rewardsmith.design(two_keys[0])
    assert "rewardsmith.check" in str(reported.value.remedy)


def test_an_expected_duration_is_reported_once(monkeypatch):
    now, reported = [0.0], []
    monkeypatch.setattr(progress.time, "monotonic", lambda: now[0])
    with progress.announced(reported.append):
        progress.report("states listed", 0, 1000, bound=True, begins=True)
        for done in range(100, 1001, 100):
            now[0] += 1.0
            progress.report("states listed", done, 1000, bound=True)
    assert reported == ["states listed: 200 of at most 1,000 so far, at most 8 s to go"]
    progress.report("states listed", 1, 1000)  # no listener is registered
    with progress.announced(reported.append):
        for done in range(10):
            now[0] += 0.1
            progress.report("layouts played", done, 10, begins=done == 0)
    assert len(reported) == 1  # too short to be reported


def test_progress_goes_to_stderr_and_changes_no_result(two_keys, capfd, monkeypatch):
    task, _ = two_keys
    other = CustomTask(task.make_env, "two-keys", task.sizes)
    monkeypatch.setattr(progress, "PATIENCE", 1e9)
    silent = check_reward(source(), other, layouts=1, limit=300)
    assert capfd.readouterr().err == ""
    for name in ("PATIENCE", "_MEASURED", "_WORTH_TELLING"):
        monkeypatch.setattr(progress, name, 0.0)
    reported = check_reward(source(), task, layouts=1, limit=300)
    out, err = capfd.readouterr()
    assert "to go" in err and out == ""
    timed = ("cost",)
    assert [v for v in reported.checked.verdicts if v.kind not in timed] == [
        v for v in silent.checked.verdicts if v.kind not in timed
    ]
