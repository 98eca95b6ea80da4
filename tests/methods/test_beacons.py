"""Words as Beacons: routes, progress and pay computed by hand, what the policy is told, and whole trials."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from tiny import STEPS, TASK, TRAINING, Killed

from rewardsmith.agents import roles
from rewardsmith.agents.registry import open_model
from rewardsmith.errors import UsageError
from rewardsmith.methods import get_method
from rewardsmith.methods.base import Setting
from rewardsmith.methods.beacons import BeaconsOptions
from rewardsmith.methods.recipe import recipe_of
from rewardsmith.methods.routing.beacon import Progress, Told, egocentric, shown
from rewardsmith.methods.routing.routes import ErringRoutes, PlannedRoutes, WrittenRoutes
from rewardsmith.policy_files.plain import trained_policy
from rewardsmith.spec import read_spec, with_defaults
from rewardsmith.tasks import get_task
from rewardsmith.tasks.capabilities import planner_of
from rewardsmith.training.trial import TrialPlan, run_trial

GRID = get_task(TASK)
KINDS = GRID.schema.field("objects").field("kind")
SLOTS = GRID.schema.field("objects").slots()
ALL = np.ones(1, dtype=bool)


def kinds_of(route, row) -> list[str]:
    return [KINDS.values[row[SLOTS[slot] + KINDS.column]] for slot in route]


def first_rows(count: int):
    batch = GRID.batch(count, "train")
    batch.reset(0)
    rows = GRID.schema.rows(count)
    batch.state_rows(rows)
    return batch, rows


def test_the_planned_route_is_key_door_and_goal():
    batch, rows = first_rows(3)
    for route, row in zip(PlannedRoutes(GRID).of(rows, batch.layout, batch.tables), rows, strict=True):
        assert kinds_of(route, row) == ["key", "door", "goal"]


def test_a_program_of_synth_lists_the_same_route():
    spec = read_spec(with_defaults({"task": TASK, "method": "beacons"}))
    recipe = recipe_of(spec)
    asked = roles.DesignRequest(recipe.contract, GRID.interface(), 1, 0, 1, "new", 0, [], [])
    designed = roles.design(open_model("synth"), asked).result
    batch, rows = first_rows(4)
    written = WrittenRoutes(GRID, designed.source, "beacons", 2)
    try:
        found = written.of(rows[:2], batch.layout[:2], batch.tables) + written.of(rows[2:], batch.layout, batch.tables)
    finally:
        written.close()
    assert found == PlannedRoutes(GRID).of(rows, batch.layout, batch.tables)
    assert not recipe.oracle_informed and recipe.reward(designed.source).functions == ()


def test_errors_replace_subgoals_at_the_given_rate_and_repeat_by_layout():
    batch, rows = first_rows(200)
    planned = PlannedRoutes(GRID)
    right = planned.of(rows, batch.layout, batch.tables)
    erring = ErringRoutes(planned, GRID, 0.75, seed=0)
    wrong = erring.of(rows, batch.layout, batch.tables)
    assert wrong == erring.of(rows, batch.layout, batch.tables)
    share = np.mean([a == b for x, y in zip(right, wrong, strict=True) for a, b in zip(x, y, strict=True)])
    assert share == pytest.approx(0.75, abs=0.06)
    assert ErringRoutes(planned, GRID, 1.0, seed=0).of(rows, batch.layout, batch.tables) == right


def test_a_subgoal_pays_by_the_steps_since_the_one_before():
    layout, plan = next(iter(planner_of(GRID).oracle_plans(1)))
    batch, before, after = GRID.batch(1, "train"), GRID.schema.rows(1), GRID.schema.rows(1)
    batch.play(layout)
    batch.state_rows(before)
    progress = Progress(GRID, PlannedRoutes(GRID), 1, 0.2, expires=True)
    progress.begin(before, batch.layout, batch.tables, ALL)
    paid = []
    for action in plan:
        batch.step(np.array([action]))
        batch.state_rows(after)
        paid.append(progress.step(before, after)[0])
        before[:] = after
    reached = np.flatnonzero(paid)
    assert len(reached) == 3 and reached[-1] == len(plan) - 1
    apart = np.diff([-1, *reached])
    assert [paid[t] for t in reached] == pytest.approx([0.2 * (1 - k / 250) for k in apart])
    assert progress.present[0] == -1


def test_a_subgoal_that_is_not_reached_expires():
    batch, rows = first_rows(1)
    for expires, expected in ((True, 1), (False, 0)):
        progress = Progress(GRID, PlannedRoutes(GRID), 1, 0.2, expires=expires)
        progress.begin(rows, batch.layout, batch.tables, ALL)
        route = PlannedRoutes(GRID).of(rows, batch.layout, batch.tables)[0]
        for _ in range(84):  # 250 steps for 3 subgoals
            assert progress.step(rows, rows)[0] == 0.0
        assert progress.present[0] == route[expected]


def test_places_are_told_as_the_agent_sees_them():
    agent = np.array([[2, 2, 0], [2, 2, 1], [2, 2, 2], [2, 2, 3]])
    aside, ahead = egocentric(agent, np.array([[5, 3]] * 4))  # three columns right, one row down
    assert ahead.tolist() == [3, 1, -3, -1] and aside.tolist() == [1, -3, -1, 3]


def test_an_object_is_shown_exactly_where_the_view_has_its_kind():
    batch, rows = first_rows(64)
    seen = np.zeros((64, GRID.observation_size), dtype=np.float32)
    rng = np.random.default_rng(0)
    agent = [GRID.schema.field("agent").field(n).column for n in ("x", "y", "direction")]
    found = 0
    for _ in range(30):
        batch.step(rng.integers(0, 3, 64))
        batch.observe(seen)
        batch.state_rows(rows)
        key = SLOTS[[kinds_of(range(3), row).index("key") for row in rows]][:, None]
        x, y = (GRID.schema.field("objects").field(n).column for n in ("x", "y"))
        aside, ahead = egocentric(rows[:, agent], np.take_along_axis(rows, key + np.array([x, y]), 1))
        visible = shown(seen, aside, ahead, np.full(64, KINDS.number("key")))
        in_view = np.rint(10 * seen[:, :147:3]) == 5
        assert visible[in_view.any(1)].all() and not visible[~in_view.any(1)].any()
        found += int(visible.sum())
    assert found > 50


def test_the_policy_is_told_of_the_key_once_it_has_been_seen():
    batch, _ = first_rows(32)
    told = {}
    for whole in (True, False):
        tracker = Told(GRID, Progress(GRID, PlannedRoutes(GRID), 32, 0.2, expires=True), "both", 0.0, whole=whole)
        tracker.reset(0)
        tracker.begin(batch, np.ones(32, dtype=bool))
        told[whole] = tracker.values.copy()
    assert (told[True][:, 2] == np.float32(1 / 6)).all()  # kind 0 of 5
    unseen = (told[False] == 0).all(1)
    assert 0 < unseen.sum() < 32 and np.array_equal(told[False][~unseen], told[True][~unseen])
    silent = Told(GRID, Progress(GRID, PlannedRoutes(GRID), 32, 0.2, expires=True), "object", 0.5, whole=True)
    silent.reset(0)
    silent.begin(batch, np.ones(32, dtype=bool))
    assert 5 < (silent.values == 0).all(1).sum() < 27


def trained(folder, kill_at=None, **options):
    method = get_method("beacons")
    chosen = BeaconsOptions(source="oracle", **options)
    task, reward = method.observed(GRID, chosen, ""), method.reward("", chosen)
    learner = method.learner(Setting(task, TRAINING, reward, 3, STEPS, folder, chosen))
    points = []

    def beat(done: int) -> None:
        if kill_at is not None and done >= kill_at * 256:
            raise Killed

    plan = TrialPlan(task, reward, TRAINING, 3, STEPS, 1.0, folder, curve_points=3, learners={"beacons": learner})
    return run_trial(plan, points.append, beat), points


def test_a_killed_trial_with_beacons_ends_bit_for_bit_the_same(tmp_path):
    whole, points = trained(tmp_path / "whole")
    assert whole.telemetry["channels"]["beacons"]["magnitude_per_episode"] > 0
    assert points[0].telemetry["methods"]["beacons"]["subgoals_per_episode"] > 0
    with pytest.raises(Killed):
        trained(tmp_path / "killed", kill_at=13)
    resumed, _ = trained(tmp_path / "killed")
    stored = (tmp_path / "whole/policy.safetensors").read_bytes()
    assert (tmp_path / "killed/policy.safetensors").read_bytes() == stored
    assert replace(resumed, seconds=0, steps_per_second=0) != whole and resumed.telemetry == whole.telemetry
    trained_policy(GRID, TRAINING, stored)  # the stored policy reads the task's own observations


def test_a_task_without_objects_is_refused():
    method = get_method("beacons")
    with pytest.raises(UsageError, match="Subgoals are objects of a grid") as caught:
        method.check(get_task("CartPole-v1"), method.Options(), True)
    assert len(str(caught.value).splitlines()) == 2
