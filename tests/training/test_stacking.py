"""Frame stacking: policies observe the last frames, as with SB3's VecFrameStack, in training and wherever they play."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from safetensors import safe_open
from stable_baselines3.common.vec_env.stacked_observations import StackedObservations

from rewardsmith.errors import UsageError
from rewardsmith.methods.recipe import recipe_of
from rewardsmith.programs.reward import SPARSE
from rewardsmith.spec import TrainingSpec, default_training, read_spec, with_defaults
from rewardsmith.tasks import get_task
from rewardsmith.tasks.base import Task
from rewardsmith.tasks.capabilities import events_of, planner_of
from rewardsmith.tasks.described.references.policies import PolicyReference
from rewardsmith.tasks.described.task import DescribedTask
from rewardsmith.tasks.stacking import frames_of, stacked
from rewardsmith.training.fit import require_algorithm
from rewardsmith.training.trial import TrialPlan, run_trial
from rewardsmith.training.vecenv import BatchVecEnv
from tests.space_tasks import POINT, TASKS, task_of

CARTPOLE, PICTURE = get_task("CartPole-v1"), TASKS["image"][0]


def played(task: Task, steps: int = 60) -> list[tuple[Any, Any, Any]]:
    """(observations, ends, infos) of random play; the first is of the reset."""
    env = BatchVecEnv(task.batch(3, "train"), task, 30, 0, cut_every=1)
    rng = np.random.default_rng(0)
    found: list[tuple[Any, Any, Any]] = [(copied(env.reset()), None, None)]
    for _ in range(steps):
        env.step_async(task.actions.rows(3) + rng.integers(0, 2, task.actions.rows(3).shape))
        observations, _, done, infos = env.step_wait()
        found.append((copied(observations), done, [dict(info) for info in infos]))
    env.close()
    return found


def copied(seen: Any) -> Any:
    return {key: value.copy() for key, value in seen.items()} if isinstance(seen, dict) else seen.copy()


@pytest.mark.parametrize("task", [CARTPOLE, PICTURE, POINT], ids=["vector", "image", "dict"])
def test_stacks_equal_those_of_sb3(task: Task) -> None:
    single, several = played(task), played(stacked(task, 3))
    sb3 = StackedObservations(3, 3, task.observation.space)
    expected = sb3.reset(single[0][0])
    assert any(done.any() for _, done, _ in single[1:])
    for (seen, done, infos), (stack, ends, told) in zip(single, several, strict=True):
        if done is not None:
            expected, infos = sb3.update(seen, done, infos)
            assert np.array_equal(done, ends)
            for mine, theirs in zip(told, infos, strict=True):
                assert mine.keys() == theirs.keys()
                if "terminal_observation" in mine:
                    np.testing.assert_equal(mine["terminal_observation"], theirs["terminal_observation"])
        np.testing.assert_equal(stack, expected)
        if isinstance(stack, dict):
            assert stacked(task, 3).observation.space.contains({key: value[0] for key, value in stack.items()})


def test_a_stacked_grid_begins_with_the_cells_of_all_frames() -> None:
    task = get_task("MiniGrid-Empty-5x5-v0")
    found = stacked(task, 2)
    assert (found.view_cells, found.observation_size) == (98, 2 * task.observation_size)
    assert planner_of(found) and events_of(found) and frames_of(found) == 2 and stacked(found, 2) is found
    (before, *_), (after, *_) = played(task, 1)
    stack = played(found, 1)[1][0]
    cells = np.concatenate([before[:, :147], after[:, :147]], axis=1)
    assert np.array_equal(stack, np.concatenate([cells, before[:, 147:], after[:, 147:]], axis=1))


def trained(task: Task, folder: Path, algorithm: str, steps: int, stop: int | None = None, **settings: Any) -> bytes:
    small = {"eval_episodes": 10, "final_episodes": 10, "hidden": (16,), "frame_stack": 3}
    chosen = TrainingSpec.model_validate({**default_training(task.id, algorithm), **small, **settings})

    def beat(steps: int) -> None:
        if stop is not None and steps >= stop:
            raise KeyboardInterrupt

    run_trial(TrialPlan(task, SPARSE, chosen, 1, steps, 1.0, folder), lambda point: None, beat)
    return (folder / "policy.safetensors").read_bytes()


DQN = {"learning_starts": 20, "batch_size": 16, "train_freq": 60, "normalize_observation": True}


def test_a_resumed_trial_with_stacks_equals_an_uninterrupted_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("rewardsmith.training.schedule._CUT_STEPS", 0)
    task = task_of("CartPole-v1", state=[{"name": n} for n in "abcd"], actions=["left", "right"], max_steps=40)
    whole = trained(task, tmp_path / "whole", "dqn", 600, **DQN)
    with pytest.raises(KeyboardInterrupt):
        trained(task, tmp_path / "parts", "dqn", 600, stop=300, **DQN)
    assert trained(task, tmp_path / "parts", "dqn", 600, **DQN) == whole
    with safe_open(str(tmp_path / "whole" / "policy.safetensors"), "pt") as file:
        card = json.loads(file.metadata()["policy"])
    assert (card["frame_stack"], card["observation_size"]) == (3, 12)


@pytest.mark.parametrize("algorithm", [pytest.param("ppo", marks=pytest.mark.slow), "dqn"])
def test_images_are_read_by_sb3_s_cnn_in_stacks(tmp_path: Path, algorithm: str) -> None:
    own = {"num_envs": 4, "rollout_steps": 20, "batch_size": 40, "epochs": 1} if algorithm == "ppo" else {**DQN}
    trained(PICTURE, tmp_path, algorithm, 120, **own)
    with safe_open(str(tmp_path / "policy.safetensors"), "pt") as file:
        first = next(file.get_tensor(name) for name in sorted(file.keys()) if name.endswith("cnn.0.weight"))
    assert first.shape[1] == 9


@pytest.mark.parametrize(
    ("task", "frames", "words"),
    [(PICTURE, 16, "at most 13"), (TASKS["action mask"][0], 2, "only numbers and images can be stacked")],
)
def test_what_cannot_be_stacked_is_refused(task: Task, frames: int, words: str) -> None:
    with pytest.raises(UsageError, match=words):
        require_algorithm(task, TrainingSpec(frame_stack=frames))


def test_methods_that_learn_in_training_read_single_frames() -> None:
    asked = with_defaults({"task": "MiniGrid-Empty-5x5-v0", "method": "rnd", "training": {"frame_stack": 2}})
    with pytest.raises(UsageError, match="single observations"):
        recipe_of(read_spec(asked))


def test_a_saved_policy_keeps_its_own_stack(tmp_path: Path) -> None:
    trained(CARTPOLE, tmp_path, "ppo", 64, num_envs=4, rollout_steps=16, batch_size=32, epochs=1)
    assert isinstance(CARTPOLE, DescribedTask)
    reference = CARTPOLE.referring_to(str(tmp_path / "policy.safetensors"))
    assert isinstance(reference, PolicyReference)
    own, stack = reference.batch(1), stacked(CARTPOLE, 3).batch(1, "train")
    seen, player = np.zeros((1, 12), np.float32), reference.player(own)
    for layout in (3, 4):
        starts = np.ones(1, bool)
        own.play(layout)
        stack.play(layout)
        for _ in range(5):
            stack.observe(seen)
            chosen = player.actions(CARTPOLE.schema.rows(1), starts)
            assert chosen == reference.policy.predict(seen, deterministic=True)[0]
            own.step(chosen)
            stack.step(chosen)
            starts[0] = False
    own.close()
    stack.close()
