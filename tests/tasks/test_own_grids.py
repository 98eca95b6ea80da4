"""MiniGrid environments of a user's own: MiniGrid's state, whatever objects, actions, views and wrappers they have."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml
from own_grids import LeverGrid

from rewardsmith.errors import TaskError, UsageError
from rewardsmith.methods.teacher.searchable import searchable
from rewardsmith.offline.check_reward import reward_of
from rewardsmith.programs.problem import Problem
from rewardsmith.programs.reward import TrainingReward
from rewardsmith.programs.rollout import record, score_rollout
from rewardsmith.reporting.export import _composed_alone
from rewardsmith.reporting.standalone_reward import standalone_reward
from rewardsmith.spec import TaskDescription, TrainingSpec
from rewardsmith.tasks import get_task
from rewardsmith.tasks.described import grids
from rewardsmith.tasks.described.description import Description
from rewardsmith.tasks.described.drafts import draft
from rewardsmith.tasks.described.grids import DescribedGrid
from rewardsmith.tasks.described.stored import open_stored, store_task
from rewardsmith.tasks.described.task import DescribedTask, opened
from rewardsmith.tasks.minigrid import get_task as get_grid
from rewardsmith.tasks.minigrid.captions import read_row
from rewardsmith.tasks.minigrid.custom import CustomTask
from rewardsmith.tasks.minigrid.state_tracker import StateTracker
from rewardsmith.training.policies import policy_for
from rewardsmith.training.trial import TrialPlan, run_trial
from sandbox.client import Isolation

LEFT, RIGHT, FORWARD, TOGGLE, JUMP, PICK_UP = range(6)
TESTS = Path(__file__).parents[1]


@pytest.fixture(autouse=True)
def few_layouts(monkeypatch):
    monkeypatch.setattr(grids, "SIZES", {"train": 6, "select": 3, "claim": 3})


def grid(env: str = "own_grids:LeverGrid", **fields: Any) -> DescribedGrid:
    given = {"id": "own", "env_id": env, "goal": "Get there.", "success": "terminated and reward > 0", "max_steps": 40}
    task = opened(Description.model_validate(given | fields), None, examined=True)
    assert isinstance(task, DescribedGrid)
    return task


@cache
def lever() -> DescribedGrid:
    return grid()


def play(task: Any, actions: list[int], layout: int = 0) -> tuple[list[dict[str, Any]], Any]:
    """The state after each action, as MiniGrid's captions read it, and the batch."""
    batch, row, seen = task.batch(1, "train"), task.schema.rows(1), []
    batch.play(layout)
    for action in actions:
        batch.step(np.array([action]))
        batch.state_rows(row)
        seen.append(read_row(row[0], batch.tables, task.schema))
    return seen, batch


def test_a_users_grid_has_minigrids_state_with_its_own_objects():
    task = lever()
    assert task.actions.names == ("TURN_LEFT", "TURN_RIGHT", "FORWARD", "TOGGLE", "JUMP", "PICK_UP")
    assert task.schema.field("objects").field("kind").values[5:] == ("lever", "gold_coin")
    text = task.interface().text
    assert "A lever (an object of this environment's own) cannot be carried" in text and "reacts to TOGGLE" in text
    assert "A gold coin (an object of this environment's own, a kind of ball) can be carried" in text
    assert "4 JUMP: an action of this environment's own" in text and "Opens the door when toggled." in text
    layout, plan = task.oracle_plans(1)[0]  # type: ignore[index]
    states, batch = play(task, plan, layout)
    changed = next(state for state in states if state["event"] == "changed")
    assert {o["kind"]: o["state"] for o in changed["objects"]}["door"] == "open"
    assert changed["objects"][changed["event_object"]]["kind"] == "lever"
    assert (
        states[-1]["solved"]
        and batch.success[0]
        and [o["kind"] for o in states[0]["objects"] if o["target"]] == ["goal"]
    )
    batch.close()


def test_an_own_action_that_moves_the_agent_is_a_move():
    task, env = lever(), lever().make_env()
    env.reset(seed=0)
    bare = env.unwrapped
    bare.grid.set(2, 2, bare.grid.get(3, 1))  # the coin in place of the door
    bare.agent_pos, bare.agent_dir = np.array((1, 2)), 0
    tracker = StateTracker(task.schema.as_dict())
    tracker.start(env)
    env.step(JUMP)
    assert task.read_event(tracker.after(env, JUMP, 0.0, False))[0] == "moved" and tuple(bare.agent_pos) == (3, 2)


@pytest.mark.parametrize(
    "wrappers, kwargs, cells, policy",
    [
        ([], {}, 0, "LeanPolicy"),  # the lever has no category among MiniGrid's
        (["minigrid.wrappers:FullyObsWrapper"], {}, 0, "LeanPolicy"),
        (["minigrid.wrappers:OneHotPartialObsWrapper"], {"agent_view_size": 5}, 0, "LeanPolicy"),
        (["minigrid.wrappers:RGBImgPartialObsWrapper"], {}, 0, "MultiInputActorCriticPolicy"),
        (["minigrid.wrappers:RGBImgObsWrapper", "minigrid.wrappers:ImgObsWrapper"], {}, 0, "ActorCriticCnnPolicy"),
        (["minigrid.wrappers:FlatObsWrapper"], {}, 0, "LeanPolicy"),
    ],
)
def test_a_policy_sees_whatever_wrappers_show(wrappers, kwargs, cells, policy):
    task = grid(wrappers=wrappers, env_kwargs={**kwargs, "size": 5})
    assert_observes(task, cells, policy)


@pytest.mark.parametrize(
    "wrappers, kwargs, cells",
    [
        ([], {"agent_view_size": 9}, 81),
        (["minigrid.wrappers:FullyObsWrapper"], {}, 25),
        ([{"wrapper": "minigrid.wrappers:ViewSizeWrapper", "kwargs": {"agent_view_size": 3}}], {}, 9),
        (["minigrid.wrappers:DirectionObsWrapper"], {}, 49),
        ([{"wrapper": "minigrid.wrappers:StochasticActionWrapper", "kwargs": {"prob": 0.8}}], {}, 49),
        (["minigrid.wrappers:DictObservationSpaceWrapper"], {}, 49),
    ],
)
def test_cells_of_minigrids_own_types_stay_categories(wrappers, kwargs, cells):
    task = grid("minigrid.envs:DoorKeyEnv", env_kwargs={"size": 5, **kwargs}, wrappers=wrappers)
    assert_observes(task, cells, "GridPolicy")
    assert task.actions.names[:3] == ("TURN_LEFT", "TURN_RIGHT", "FORWARD") and len(task.actions) == 7


def assert_observes(task: DescribedGrid, cells: int, policy: str) -> None:
    assert task.view_cells == cells and policy_for(task, TrainingSpec())[0].__name__ == policy
    batch, rng, rows = task.batch(2, "train"), np.random.default_rng(0), task.observation.rows(2)
    batch.reset(0)
    seen = []
    for _ in range(12):
        batch.step(rng.integers(len(task.actions), size=2))
        batch.observe(rows)
        assert np.isfinite(rows).all() and task.observation.space.contains(_one(task.observation.structured(rows)))
        seen.append(rows.copy())
    assert len(np.unique(np.array(seen).reshape(24, -1), axis=0)) > 2
    batch.close()


def _one(structured: Any) -> Any:
    return {k: v[0] for k, v in structured.items()} if isinstance(structured, dict) else structured[0]


def test_a_plain_view_equals_that_of_minigrids_ids():
    task, known = grid("MiniGrid-DoorKey-5x5-v0"), get_grid("MiniGrid-Dynamic-Obstacles-5x5-v0", {"train": 6})
    real = get_grid("MiniGrid-DoorKey-5x5-v0", {"train": 6}).real_batch(1, "train")
    batch, mine, theirs = task.batch(1, "train"), task.observation.rows(1), np.zeros((1, 151), np.float32)
    for each in (batch, real):
        each.play(2)
    for action in np.random.default_rng(1).integers(7, size=30):
        batch.step(np.array([action]))
        real.step(np.array([action]))
        batch.observe(mine)
        real.observe(theirs)
        assert (mine[:, :151] == theirs).all() and task.view_cells == known.view_cells
        assert (batch.rewards[0], batch.terminated[0]) == (real.rewards[0], real.terminated[0])


def test_a_description_may_allow_some_actions_only():
    task = grid("MiniGrid-DoorKey-5x5-v0", actions=["left", "right", "forward", "pick_up", "toggle"], max_steps=250)
    assert task.actions.names == ("TURN_LEFT", "TURN_RIGHT", "FORWARD", "PICK_UP", "TOGGLE")
    layout, plan = task.oracle_plans(1)[0]  # type: ignore[index]
    states, _ = play(task, plan, layout)
    assert "unlocked" in [state["event"] for state in states] and states[-1]["solved"]
    with pytest.raises(UsageError, match=r"no action fly\.\n.*left, right, forward"):
        _ = grid(actions=["left", "fly"]).actions


def test_actions_in_another_order_are_named_by_what_they_do():
    assert grid("own_grids:Scrambled").actions.names == ("FORWARD", "TURN_LEFT", "TURN_RIGHT")
    labelled = grid("own_grids:Scrambled", actions=["ahead", {"name": "left", "doc": "to the left"}, "right"])
    assert labelled.actions.names == ("AHEAD", "TURN_LEFT", "TURN_RIGHT") and labelled.actions.docs[1] == "to the left"


def test_arguments_of_minigrids_classes_under_a_name_of_ones_own():
    rooms = {"minNumRooms": 7, "maxNumRooms": 7, "maxRoomSize": 8}
    task = grid("minigrid.envs:MultiRoomEnv", id="seven-rooms", env_kwargs=rooms, max_steps=210)
    assert task.max_steps == 210 and task.schema.field("width").exact == 25
    assert play(task, [LEFT])[0][0]["objects"][0]["kind"] == "door"


def test_success_may_be_a_condition_a_function_or_a_return():
    pull = [LEFT] * 4
    for success, solved in (("info.pulled", True), ("own_grids:pulled", True), ("terminated and reward > 0", False)):
        task = grid("own_grids:Paid", success=success)
        env = task.make_env()
        env.reset(seed=0)
        facing = int(env.unwrapped.agent_dir)
        down = int(env.unwrapped.agent_pos[1]) == 3
        pull = [LEFT] * ((facing - 3) % 4) + [FORWARD] * down + [TOGGLE]
        states, batch = play(task, pull)
        assert (bool(batch.success[0]), states[-1]["solved"]) == (solved, solved)
        assert (task.oracle_plans(1) is None) == solved  # states are enumerated by MiniGrid's rule alone
    task = grid("own_grids:Paid", success=None, score="return", threshold=-0.02)
    assert not play(task, pull)[1].success[0] and "episode_return >= -0.02" in task.success_rule
    with pytest.raises(UsageError, match=r"info\.NAME"):
        grid(success="agent.x > 3")


def test_a_step_cost_is_no_death_and_pay_is_described():
    task = grid("own_grids:Paid")
    states, _ = play(task, [FORWARD, LEFT])
    assert {state["event"] for state in states} <= {"moved", "blocked", "turned"}
    assert "in random play from -0.01" in task.interface().text


def test_a_teacher_of_minigrids_objects_refuses_others():
    with pytest.raises(UsageError, match="7 x 7 cells"):
        searchable(lever())


def test_random_actions_are_not_certified():
    wrappers = [{"wrapper": "minigrid.wrappers:StochasticActionWrapper", "kwargs": {"prob": 0.5}}]
    task = grid("minigrid.envs:EmptyEnv", env_kwargs={"size": 5}, wrappers=wrappers)
    assert task.state_graph(0, 500) is None


def test_a_file_with_one_environment_is_a_task(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    text = (TESTS / "own_grids.py").read_text().partition("class Scrambled")[0]
    (tmp_path / "lever_in_a_file.py").write_text(text)
    stored = store_task("./lever_in_a_file.py")
    assert stored is not None and list(stored["files"]) == ["lever_in_a_file.py"]
    for task in (open_stored("./lever_in_a_file.py", TaskDescription(**stored)), get_task("lever_in_a_file:LeverGrid")):
        assert isinstance(task, DescribedGrid) and task.id == "LeverGrid" and task.max_steps == 40
    (tmp_path / "lever_and_more.py").write_text(text + "class Another(LeverGrid): ...\n")
    with pytest.raises(UsageError, match="defines 2 environments: LeverGrid, Another"):
        get_task("./lever_and_more.py")
    described = (
        "from lever_in_a_file import LeverGrid\nTASK = {'env': LeverGrid, 'goal': 'Pull.', 'env_kwargs': {'size': 6}}\n"
    )
    (tmp_path / "lever_described.py").write_text(described)
    task = get_task("lever_described.py")
    assert isinstance(task, DescribedGrid) and task.schema.field("width").exact == 6


def test_a_draft_of_a_grid_runs_as_it_is(tmp_path):
    for name in ("own_grids:LeverGrid", "BabyAI-GoToObj-v0"):
        drafted = yaml.safe_load(draft(name, tmp_path).text)
        task = opened(Description.model_validate(drafted), tmp_path, examined=True)
        assert isinstance(task, DescribedGrid) and len(play(task, [FORWARD, LEFT])[0]) == 2


def test_a_description_with_variables_is_no_grid():
    fields = {"observe": ["direction"], "state": [{"name": "facing", "from": "observation.direction"}]}
    given = {"id": "own", "env_id": "own_grids:LeverGrid", "goal": "Turn.", "success": "facing == 0", "max_steps": 9}
    assert isinstance(opened(Description.model_validate(given | fields), None, examined=True), DescribedTask)


PULL = "(0.5 if state.event == 'changed' else 0.0) + (0.1 if action == JUMP else 0.0) + float(state.solved)"


def test_a_policy_trains_on_a_users_grid(tmp_path):
    few = TrainingSpec(num_envs=4, rollout_steps=16, batch_size=32, epochs=1, eval_episodes=10, final_episodes=10)
    plan = TrialPlan(grid(max_steps=20), made_of(PULL), few, 1, 128, 1.0, tmp_path, isolation=Isolation.NONE)
    report = run_trial(plan, lambda point: None, lambda steps: None)
    assert report.steps == 128 and (tmp_path / "policy.safetensors").exists()


def made_of(expression: str) -> TrainingReward:
    return reward_of(f"def reward(prev, action, state, memory):\n    return {expression}\n")


EXPORTED = """
import json, sys
import reward
env = reward.wrap(reward.make_environment())
env.reset(seed=int(sys.argv[1]))
print(json.dumps([env.step(action)[1] for action in json.loads(sys.argv[2])]))
assert not any(name.startswith("rewardsmith") for name in sys.modules)
"""


@pytest.mark.parametrize(
    "fields",
    [
        {"success": "info.pulled", "actions": ["toggle", "left", "forward"]},
        pytest.param({}, marks=pytest.mark.slow),
    ],
)
def test_an_exported_reward_imports_the_users_module_alone(fields, tmp_path):
    env = "own_grids:Paid" if fields else "own_grids:LeverGrid"
    task, rng = grid(env, **fields), np.random.default_rng(3)
    reward = made_of(PULL.replace(" + (0.1 if action == JUMP else 0.0)", "") if fields else PULL)
    batch = task.batch(1, "train")
    batch.play(1)
    rollout = record(batch, task, lambda t, starts: task.actions.sample(rng, 1), task.max_steps, once=True)
    problem = Problem(task, reward, 0.97, Isolation.NONE)
    with problem.host_of(rollout) as host:
        expected = _composed_alone(problem, rollout, score_rollout(host, rollout, task), 0)
    (tmp_path / "reward.py").write_text(standalone_reward(task, reward, 0.97, "A lever."))
    given = [str(task.start_seed(1)), json.dumps(rollout.actions[: len(expected), 0].tolist())]
    ran = subprocess.run(
        [sys.executable, "-c", EXPORTED, *given], cwd=tmp_path, capture_output=True, text=True, timeout=60,
        env={**os.environ, "PYTHONPATH": f"{tmp_path}:{TESTS}", "SDL_VIDEODRIVER": "dummy"},
    )  # fmt: skip
    assert ran.returncode == 0, ran.stderr
    assert json.loads(ran.stdout.splitlines()[-1]) == expected.tolist()
    assert len(np.unique(expected)) > 1


class Broken(LeverGrid):
    """Its step returns the old API's four values."""

    def step(self, action):  # type: ignore[override]
        return super().step(action)[:4]


def test_an_environment_of_the_old_api_is_reported():
    with pytest.raises(TaskError, match="not enough values to unpack"):
        _ = CustomTask(Broken, "broken").actions
