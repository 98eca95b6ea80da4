"""Environments as users write them, from a file and at most 15 lines of description to the first training rollouts."""

from __future__ import annotations

import ast
import shutil
from pathlib import Path

import gymnasium as gym
import numpy as np
import pytest
import yaml
from running import in_process
from space_tasks import reward_of

from rewardsmith.errors import UsageError
from rewardsmith.programs.reward import SPARSE, TrainingReward
from rewardsmith.spec import TrainingSpec
from rewardsmith.tasks import get_task
from rewardsmith.tasks.described.inspection import inspect
from rewardsmith.tasks.described.task import DescribedTask
from rewardsmith.training.trial import TrialPlan, run_trial
from sandbox.client import Isolation

FOLDER = Path(__file__).parents[1] / "cases" / "user_environments"
TRAINING = TrainingSpec(num_envs=2, rollout_steps=32, batch_size=32, epochs=1, eval_episodes=10, final_episodes=10)
REWARDS = {
    "grid_world.yaml": "(state.x - prev.x) + (state.y - prev.y) + (0.1 if action == DOWN else 0.0)",
    "warehouse_robot.py": "math.hypot(*prev.offset) - math.hypot(*state.offset) + state.carries - 0.01 * action.grip",
    "inventory.yaml": "sum(state.sold) - 0.1 * state.stock.milk - 0.1 * action.cheese - state.lost",
    "trading.py": "state.wealth - prev.wealth - 0.001 * abs(action.position - prev.held) + 0 * state.changes[9]",
    "point_mass.yaml": "-math.dist(state.achieved_goal, state.desired_goal) - 0.1 * math.hypot(action.fx, action.fy)",
    "camera.yaml": "abs(prev.offset) - abs(state.offset) - (0.1 if action == STAY else 0.0)",
    "board_game.yaml": "(1.0 if state.winner == 'me' else 0.0) + 0.1 * state.board[4] + 0.01 * action",
    "elevator.yaml": "abs(prev.floor - prev.wanted) - abs(state.floor - state.wanted) + (1 if action == STOP else 0)",
    "known_by_info.yaml": "abs(state.x) - abs(prev.x) - 0.1 * action.left * action.right",
}


def trained(task: DescribedTask, reward: TrainingReward, folder: Path):
    plan = TrialPlan(task, reward, TRAINING, 0, 128, 1.0, folder, isolation=Isolation.NONE)
    return run_trial(plan, lambda point: None, lambda steps: None)


def description_lines(path: Path) -> int:
    """Lines of a description: of the YAML file, or of TASK or the class with a goal in a Python file."""
    if path.suffix == ".yaml":
        return len(path.read_text().splitlines())
    for node in ast.parse(path.read_text()).body:
        names = [getattr(target, "id", "") for target in getattr(node, "targets", ())]
        if names == ["TASK"] or (isinstance(node, ast.ClassDef) and "goal = " in ast.unparse(node)):
            return (node.end_lineno or 0) - node.lineno + 1
    raise AssertionError(f"{path} describes no task")


@pytest.mark.parametrize("name", REWARDS)
def test_an_environment_is_trained_from_its_file(name, tmp_path):
    assert description_lines(FOLDER / name) <= 15
    task = get_task(str(FOLDER / name))
    assert "Example: prev = " in task.interface().text
    report = trained(task, reward_of(REWARDS[name]), tmp_path)
    assert report.steps == 128 and report.complete and 5 <= report.stochastic.episodes <= 10


@pytest.mark.parametrize("name", REWARDS)
def test_its_description_is_shown_by_the_command(name):
    shown = in_process(FOLDER, "tasks", "describe", name)
    assert shown.returncode == 0, shown.stderr
    assert "Environment reward" in shown.stdout or "Success: " in shown.stdout


def success_of(name: str, actions) -> list[bool]:
    batch = get_task(str(FOLDER / name)).batch(1, "train")
    batch.play(0)
    found = []
    for action in actions:
        batch.step(np.array([action]))
        found.append(bool(batch.success[0]))
    batch.close()
    return found


def test_success_that_only_the_info_knows_is_seen_once_and_stays():
    left, right = (success_of("known_by_info.yaml", [step] * 4) for step in ((1.0, 0.0), (0.0, 1.0)))
    assert sorted([left, right]) == [[False] * 4, [False, True, True, True]]


def test_a_goal_counts_once_it_has_been_held():
    task = get_task(str(FOLDER / "point_mass.yaml"))
    batch, row = task.batch(1, "train"), task.schema.rows(1)
    batch.play(0)
    close, success = [], []
    for _ in range(80):
        batch.state_rows(row)
        at, goal, speed = row[0, :2], row[0, 2:4], row[0, 4:6]
        batch.step(np.clip(20 * (0.3 * (goal - at) - speed), -1, 1)[None])
        batch.state_rows(row)
        close.append(np.linalg.norm(row[0, :2] - row[0, 2:4]) < 0.1)
        success.append(bool(batch.success[0]))
    batch.close()
    first = success.index(True)
    assert all(close[first - 4 : first + 1]) and not all(close[first - 5 : first])


def test_a_return_above_the_threshold_is_the_success_of_a_score():
    task = get_task(str(FOLDER / "inventory.yaml"))
    batch = task.batch(1, "train")
    batch.play(0)
    total = 0.0
    for _ in range(52):
        batch.step(np.array([[3.0, 2.0, 1.0]]))
        total += batch.rewards[0]
        assert not batch.success[0] or batch.truncated[0]
    assert batch.truncated[0] and batch.success[0] == (total >= 150)
    batch.close()


def test_a_player_of_the_board_game_never_moves_to_an_occupied_square(tmp_path):
    """The environment raises for such a move, which would end the trial; several hundred moves are played."""
    task = get_task(str(FOLDER / "board_game.yaml"))
    assert task.masked and trained(task, SPARSE, tmp_path).complete


FAULTS = {
    "no seed": "reset() takes no `seed`",
    "unseeded": "the same seed gives different first observations",
    "dtype": "is of type complex64, its space of float32",
    "outside": "the observation leaves its space: [0] can be",
    "array reward": "step() returns an array of shape (2,) as the reward",
    "shared state": "two instances share state",
    "late info": 'info["x"] lags: on each step it is what the observation was one step before',
    "hangs": "step() does not return (not for 2 seconds)",
}


@pytest.fixture
def faulty(tmp_path, monkeypatch):
    """A function that writes the description of the environment with one of the faults."""
    shutil.copy(FOLDER / "faulty.py", tmp_path)
    monkeypatch.syspath_prepend(str(tmp_path))

    def described(fault: str) -> Path:
        text = yaml.safe_load((FOLDER / "faulty.yaml").read_text())
        text |= {"env_kwargs": {"fault": fault}, "step_timeout": 2}
        (tmp_path / "task.yaml").write_text(yaml.safe_dump(text))
        return tmp_path / "task.yaml"

    return described


@pytest.mark.parametrize("fault", FAULTS)
def test_a_fault_is_found_before_a_job_rests_on_it(fault, faulty):
    with pytest.raises(UsageError) as caught:
        get_task(str(faulty(fault)))
    assert FAULTS[fault] in caught.value.cause and "\n" not in caught.value.cause


def test_the_same_environment_without_a_fault_is_a_task(faulty, tmp_path):
    assert trained(get_task(str(faulty("none"))), SPARSE, tmp_path).complete


@pytest.mark.parametrize("task_id", ["CartPole-v1", "MountainCar-v0", "Pendulum-v1", "Acrobot-v1"])
def test_environments_of_gymnasium_have_no_severe_fault(task_id):
    assert [f for f in inspect(lambda: gym.make(task_id, disable_env_checker=True)) if f.severe] == []
