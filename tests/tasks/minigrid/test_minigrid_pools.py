"""Pools equal the real reset, are disjoint if the task has enough layouts, and survive a damaged cache."""

import multiprocessing

import numpy as np
import pytest

from rewardsmith.tasks.minigrid import get_task, pools
from rewardsmith.tasks.minigrid.pools import cache_folder
from tests.tasks.minigrid.differential import SMALL


@pytest.fixture
def fresh_cache(tmp_path, monkeypatch):
    monkeypatch.setenv("REWARDSMITH_CACHE", str(tmp_path))
    pools._load_cached.cache_clear()
    return tmp_path


def test_select_and_claim_hold_no_training_layout():
    task = get_task("MiniGrid-DoorKey-8x8-v0", {"train": 512, "select": 64, "claim": 64})
    train = set(task.pool_hashes("train"))
    for split in ("select", "claim"):
        assert len(task.pool_hashes(split)) == 64
        assert task.unseen(split)
        assert not train & set(task.pool_hashes(split))
        assert not set(task.pool("train").seeds.tolist()) & set(task.pool(split).seeds.tolist())


def test_a_seen_layout_is_replaced_by_that_of_a_further_seed():
    task = get_task("MiniGrid-DoorKey-6x6-v0", {"train": 400, "select": 100, "claim": 10})
    seeds = task.pool("select").seeds
    assert seeds[-1] - seeds[0] >= len(seeds), "400 of the task's layouts should hit some of the next 100"
    assert task.unseen("select")


def test_pools_of_a_task_with_too_few_starts_are_not_unseen():
    task = get_task("MiniGrid-Empty-8x8-v0", SMALL)
    assert len(task.pool("select")) == SMALL["select"]
    assert not task.unseen("select")
    assert not task.unseen("train")


@pytest.mark.parametrize("damage", [b"", b"not a zip file", None])
def test_a_damaged_cache_is_rebuilt(fresh_cache, damage):
    task = get_task("MiniGrid-DoorKey-5x5-v0", SMALL)
    hashes = task.pool_hashes("train")
    (path,) = (fresh_cache / "minigrid").iterdir()
    whole = path.read_bytes()
    path.write_bytes(whole[: len(whole) // 2] if damage is None else damage)
    pools._load_cached.cache_clear()
    assert task.pool_hashes("train") == hashes
    assert pools.read_pool(path) is not None
    assert [p.name for p in (fresh_cache / "minigrid").iterdir()] == [path.name]


def build_hashes(_):
    return get_task("MiniGrid-DoorKey-5x5-v0", SMALL).pool_hashes("train")


def test_two_processes_can_build_a_pool_at_once(fresh_cache):
    with multiprocessing.get_context("spawn").Pool(2) as workers:
        first, second = workers.map(build_hashes, range(2))
    assert first == second
    assert cache_folder() == fresh_cache


def test_a_layout_equals_that_of_the_real_reset():
    task = get_task("MiniGrid-KeyCorridorS3R2-v0", SMALL)
    pool, env = task.pool("train"), task.make_env()
    for layout in range(5):
        env.reset(seed=int(pool.seeds[layout]))
        encoded = env.unwrapped.grid.encode().astype(int) @ (18, 3, 1)
        assert np.array_equal(encoded.T, pool.cells[layout])
        assert env.unwrapped.mission == pool.missions[layout]
