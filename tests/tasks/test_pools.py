"""Environments that EnvPool steps: Gymnasium's dynamics, seeds, ends, success, and what is refused."""

from __future__ import annotations

import importlib.util
import sys
from typing import Any

import gymnasium as gym
import numpy as np
import pytest
import yaml
from space_tasks import reward_of

from rewardsmith.errors import TaskError, UsageError
from rewardsmith.spec import TrainingSpec
from rewardsmith.tasks.described import pools
from rewardsmith.tasks.described.description import parse_description
from rewardsmith.tasks.described.task import DescribedTask, Description
from rewardsmith.training.trial import TrialPlan, run_trial
from sandbox.client import Isolation

installed = pytest.mark.skipif(
    importlib.util.find_spec("envpool") is None,
    reason="EnvPool is not installed here: pip install 'rewardsmith[envpool]'",
)
CART: dict[str, Any] = {
    "id": "CartPole-v1",
    "goal": "Balance the pole.",
    "engine": "envpool",
    "state": [
        {"name": "angle", "from": "observation[2]"},
        {"name": "pair", "from": "observation[0:2]", "entries": ["x", "v"]},
    ],
    "success": "held(3, abs(angle) < 0.1) and step > 5",
    "max_steps": 30,
}


def cart(**more: Any) -> DescribedTask:
    return DescribedTask(Description.model_validate({**CART, **more}), examined=True)


def refusal_of(**more: Any) -> str:
    with pytest.raises(UsageError) as caught:
        _ = cart(**more).schema
    assert "engine: envpool" in caught.value.remedy
    return caught.value.cause


def ended(batch: Any) -> np.ndarray:
    return batch.terminated | batch.truncated


@installed
@pytest.mark.parametrize("name, action", [("CartPole-v1", 1), ("Pendulum-v1", 0.7)])
def test_states_follow_each_other_as_in_gymnasium_up_to_the_last(name, action):
    task = DescribedTask(
        Description(id=name, goal="Play.", engine="envpool", score="return", max_steps=40), examined=True
    )
    steps, last = 0.0, False
    batch, env, seen = task.batch(2, "train"), gym.make(name).unwrapped, task.schema.rows(2)
    given = np.full((2, 1) if name == "Pendulum-v1" else 2, action)
    env.reset(seed=0)
    batch.reset(0)
    while not ended(batch).all():
        batch.state_rows(seen)
        before = seen[0, :-3]
        swing = np.array([np.arctan2(before[1], before[0]), before[-1]])
        env.state = swing if name == "Pendulum-v1" else before.copy()  # type: ignore[attr-defined]
        batch.step(given)
        batch.state_rows(seen)
        if seen[0, -3] > steps:
            observation, reward, terminated, *_ = env.step(given[0])
            assert np.allclose(seen[0, :-3], observation, atol=1e-5) and np.isclose(batch.rewards[0], reward, atol=1e-5)
            steps, last = seen[0, -3], terminated
    assert steps > 5 and batch.terminated[0] == last
    batch.close()


@installed
def test_a_seed_decides_all_episodes_and_a_layout_one():
    def played(seed: int) -> list[np.ndarray]:
        task, found = cart(), []
        batch, rng, rows = task.batch(3, "train"), np.random.default_rng(0), task.schema.rows(3)
        batch.reset(seed)
        for _ in range(60):
            batch.step(rng.integers(2, size=3))
            batch.state_rows(rows)
            found += [rows.copy(), ended(batch)]
            batch.restart(ended(batch))
        batch.close()
        assert sum(each.sum() for each in found[1::2]) > 3
        return found

    first = played(1)
    assert all(np.array_equal(a, b) for a, b in zip(first, played(1), strict=True))
    assert not all(np.array_equal(a, b) for a, b in zip(first, played(2), strict=True))


@installed
def test_an_episode_that_has_ended_stays_until_it_is_restarted():
    task = cart()
    batch, rows, later = task.batch(2, "train"), task.schema.rows(2), task.schema.rows(2)
    batch.reset(0)
    while not ended(batch)[0]:
        batch.step(np.array([1, int(batch._row[1][0] > 0)]))  # type: ignore[attr-defined]
    assert batch.terminated[0] and not ended(batch)[1]
    batch.state_rows(rows)
    batch.step(np.array([1, 0]))
    batch.state_rows(later)
    assert np.array_equal(rows[0], later[0]) and not np.array_equal(rows[1], later[1])
    assert batch.rewards.tolist() == [0.0, 1.0] and batch.terminated.tolist() == [True, False]
    batch.restart(np.array([True, False]))
    batch.state_rows(rows)
    assert rows[0, -3] == 0 and np.array_equal(rows[1], later[1]) and not ended(batch).any()
    batch.step(np.array([1, 0]))
    assert batch.rewards.tolist() == [1.0, 1.0]
    batch.close()


@installed
def test_an_end_on_the_last_step_is_no_truncation():
    lengths = {}
    for limit in (200, None):
        task = cart(max_steps=limit or lengths[200])
        batch = task.batch(1, "train")
        batch.play(3)
        while not ended(batch)[0]:
            batch.step(np.array([1]))
        lengths[limit] = int(batch._row[0][-3])  # type: ignore[attr-defined]
        assert batch.terminated[0] and not batch.truncated[0]
        batch.close()
    assert lengths[200] == lengths[None]


@installed
def test_conditions_count_held_steps_and_returns():
    task = cart(success="held(9, step > 0)")
    limited = cart(success=None, score="return", threshold=12.0, max_steps=12)
    for each in (task, limited):
        batch, rng, successes = each.batch(1, "train"), np.random.default_rng(2), 0
        batch.reset(0)
        for _ in range(8):
            solved = False
            for step in range(1, 31):
                batch.step(rng.integers(2, size=1))
                now = step >= 9 if each is task else ended(batch)[0] and step >= 12
                solved = solved or now
                assert (batch._row[0][-2] == 1.0) == now and batch.success[0] == solved  # type: ignore[attr-defined]
                if ended(batch)[0]:
                    break
            successes += solved
            batch.restart(ended(batch))
        assert successes > 2
        batch.close()


@installed
def test_nan_of_an_environment_of_envpool_is_told():
    class Broken:
        def reset(self, ids: Any) -> Any:
            return np.zeros((1, 4), np.float32), {"env_id": ids}

        def step(self, actions: Any, ids: Any) -> Any:
            over = np.zeros(1, bool)
            return np.full((1, 4), np.nan, np.float32), np.ones(1), over, over, {"env_id": ids}

        def close(self) -> None: ...

    task = cart()
    batch: Any = task.batch(1, "train")
    batch._envs = Broken()
    with pytest.raises(TaskError, match=r"CartPole-v1 returned NaN or infinity in observation \(in step"):
        batch.step(np.zeros(1, np.int64))


@installed
def test_every_reason_against_envpool_is_told_at_once():
    state = [*CART["state"], {"name": "taken", "from": "info.episode.l"}, {"name": "pole", "from": "env.length"}]
    cause = refusal_of(
        id="Cart",
        env_id="gymnasium.envs.classic_control.cartpole:CartPoleEnv",
        env_kwargs={"sutton_barto_reward": True},
        wrappers=["gymnasium.wrappers:RecordEpisodeStatistics"],
        state=state,
        success="info.episode.l > 3",
    )
    for reason in (
        "taken reads `info`", "pole reads `env`", "success reads info.episode", "`wrappers`", "sutton_barto_reward",
        "no environment called CartPoleEnv",
    ):  # fmt: skip
        assert reason in cause, reason


@installed
def test_other_spaces_than_those_of_gymnasium_are_refused():
    with pytest.raises(UsageError, match=r"observations are Box\(3,\) of ints, and Gymnasium's are 0: Discrete\(32"):
        _ = DescribedTask(
            Description(id="Blackjack-v1", goal="Win.", engine="envpool", score="return", max_steps=9), examined=True
        ).schema


@installed
def test_observations_outside_of_gymnasium_s_space_are_refused(monkeypatch):
    real = pools.leaf_of
    monkeypatch.setattr(
        "rewardsmith.tasks.described.fit_for_pools.leaf_of", lambda seen, path: real(seen, path) + np.float32(5)
    )
    assert "leave Gymnasium's space (observation[0] was" in refusal_of(goal="Leave it.")  # worked out once each


def test_a_missing_envpool_is_told_with_all_other_reasons(monkeypatch):
    monkeypatch.setitem(sys.modules, "envpool", None)
    with pytest.raises(UsageError) as caught:
        _ = cart(goal="Miss it.").schema
    assert "is not installed" in caught.value.cause and "rewardsmith[envpool]" in caught.value.remedy
    told = refusal_of(wrappers=["gymnasium.wrappers:RecordEpisodeStatistics"])
    assert "is not installed" in told and "RecordEpisodeStatistics" in told


def test_a_grid_is_not_stepped_by_envpool():
    from rewardsmith.tasks.described.task import opened

    grid = Description(
        id="MiniGrid-Empty-5x5-v0", goal="Go.", engine="envpool", success="terminated and reward > 0", max_steps=9
    )
    with pytest.raises(UsageError, match="EnvPool cannot step"):
        opened(grid, None)


def test_another_engine_is_refused_by_name():
    with pytest.raises(UsageError, match="engine: Input should be 'gymnasium' or 'envpool'"):
        parse_description(yaml.safe_dump({**CART, "engine": "brax"}), "cart.yaml")


@installed
def test_jobs_and_designers_are_told_that_envpool_steps(tmp_path):
    from rewardsmith.reporting.text import stepping_words
    from rewardsmith.spec import JobSpec, TaskDescription
    from rewardsmith.tasks import get_task
    from rewardsmith.tasks.described.stored import store_task

    (tmp_path / "cart.yaml").write_text(yaml.safe_dump({**CART, "processes": 2}), encoding="utf-8")
    stored = store_task(str(tmp_path / "cart.yaml"))
    assert stored is not None and "engine: envpool" in stored["text"]
    spec = JobSpec(task="cart.yaml", description=TaskDescription(**stored))
    assert "by EnvPool with 2 threads" in (stepping_words(spec.model_dump(mode="json")) or "")
    task = get_task("cart.yaml", spec.description)
    assert "results, differ from those of Gymnasium" in task.interface().text
    batch = task.batch(4, "train")
    assert isinstance(batch, pools.PoolBatch)
    batch.close()


@installed
def test_a_trial_resumed_with_envpool_equals_an_uninterrupted_one(tmp_path):
    def trained(name: str, kill_at: int | None = None) -> bytes:
        def beat(steps: int) -> None:
            if kill_at is not None and steps >= kill_at:
                raise KeyboardInterrupt  # as kill -9 does, nothing is written after it

        settings = TrainingSpec(
            num_envs=4, rollout_steps=16, batch_size=32, epochs=1, eval_episodes=10, final_episodes=10
        )
        plan = TrialPlan(
            cart(), reward_of("state.angle"), settings, 1, 768, 1.0, tmp_path / name, isolation=Isolation.NONE
        )
        run_trial(plan, lambda point: None, beat)
        return (tmp_path / name / "policy.safetensors").read_bytes()

    whole = trained("whole")
    with pytest.raises(KeyboardInterrupt):
        trained("killed", 640)
    assert trained("killed") == whole


@pytest.mark.slow
@installed
def test_goals_in_a_dict_are_stepped_by_envpool():
    gym.register_envs(pytest.importorskip("gymnasium_robotics"))
    task = DescribedTask(
        Description.model_validate(
            {
                "id": "FetchReach-v4",
                "goal": "Reach.",
                "engine": "envpool",
                "state": [
                    {"name": "hand", "from": "observation.achieved_goal"},
                    {"name": "target", "from": "observation.desired_goal"},
                ],
                "success": "distance(hand, target) < 0.05",
                "max_steps": 50,
            }
        ),
        examined=True,
    )
    batch, rows = task.batch(3, "train"), task.schema.rows(3)
    batch.reset(0)
    for _ in range(50):
        batch.state_rows(rows)
        move = np.clip(8 * (rows[:, 3:6] - rows[:, 0:3]), -1, 1)
        batch.step(np.concatenate([move, np.zeros((3, 1))], axis=1))
    assert batch.success.all() and batch.truncated.all()
    batch.close()
