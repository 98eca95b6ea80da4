"""Ids that the engine does not play run through the real environment, behind the same protocol."""

import numpy as np
import pytest

from rewardsmith.tasks.capabilities import planner_of
from rewardsmith.tasks.minigrid import get_task
from rewardsmith.tasks.minigrid.captions import read_row
from rewardsmith.tasks.minigrid.pools import reset_quietly
from rewardsmith.tasks.minigrid.real import with_quick_views
from tests.tasks.minigrid.differential import SMALL

FOREIGN = (
    "MiniGrid-Dynamic-Obstacles-6x6-v0", "MiniGrid-Playground-v0", "BabyAI-GoToRedBall-v0",
    "BabyAI-OpenTwoDoors-v0", "BabyAI-PutNextS5N2Carrying-v0", "BabyAI-MiniBossLevel-v0",
)  # fmt: skip
TINY = {"train": 6, "select": 3, "claim": 3}


@pytest.mark.parametrize("name", FOREIGN)
def test_a_foreign_task_can_be_trained_on(name):
    task = get_task(name, TINY)
    assert task.engine == "real" and planner_of(task) is None
    batch, rng = task.batch(2, "train"), np.random.default_rng(0)
    rows = np.zeros((2, task.schema.width), np.int32)
    seen = np.zeros((2, task.observation_size), np.float32)
    for _ in range(40):
        batch.step(rng.integers(0, len(task.actions), 2))
        batch.state_rows(rows)
        state = read_row(rows[0], batch.tables, task.schema)
        assert state["solved"] == batch.success[0]
        assert state["mission"] == batch.tables["missions"][batch.layout[0]]
        assert task.caption(rows[0], batch.tables)
        batch.restart(batch.terminated | batch.truncated)
        batch.observe(seen)
        assert np.isfinite(seen).all() and (seen[:, 147:151].sum(1) == 1).all()
    batch.close()


@pytest.mark.parametrize("name", ["BabyAI-MiniBossLevel-v0", "MiniGrid-Dynamic-Obstacles-6x6-v0"])
def test_quick_views_show_what_the_environment_shows(name):
    plain, quick = (get_task(name, TINY).make_env() for _ in range(2))
    with_quick_views(quick)
    rng = np.random.default_rng(0)
    for seed in range(10):
        seen = [reset_quietly(env, seed) for env in (plain, quick)]
        for _ in range(60):
            assert np.array_equal(seen[0]["image"], seen[1]["image"])
            assert seen[0]["direction"] == seen[1]["direction"] and seen[0]["mission"] == seen[1]["mission"]
            action = int(rng.choice(plain.action_space.n))
            steps = [env.step(action) for env in (plain, quick)]
            seen = [step[0] for step in steps]
            if steps[0][2] or steps[0][3]:
                break


def test_the_real_batch_agrees_with_the_engine():
    task = get_task("MiniGrid-DoorKey-5x5-v0", SMALL)
    real, fast = task.real_batch(3, "train"), task.batch(3, "train")
    rng = np.random.default_rng(0)
    rows = np.zeros((2, 3, task.schema.width), np.int32)
    seen = np.zeros((2, 3, task.observation_size), np.float32)
    real.reset(7)
    fast.reset(7)
    for _ in range(400):
        actions = rng.integers(0, 7, 3)
        for i, batch in enumerate((real, fast)):
            batch.step(actions)
            batch.restart(batch.terminated | batch.truncated)
            batch.state_rows(rows[i])
            batch.observe(seen[i])
        assert np.array_equal(rows[0], rows[1])
        assert np.array_equal(seen[0], seen[1])
        assert np.array_equal(real.rewards, fast.rewards)
        assert np.array_equal(real.truncated, fast.truncated)
