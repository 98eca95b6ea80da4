"""Plans solve the real environment and are as short as brute force finds them."""

import copy

import pytest

from rewardsmith.tasks.minigrid import get_task
from tests.tasks.minigrid.differential import SMALL

PLANNED = (
    "MiniGrid-DoorKey-8x8-v0", "MiniGrid-UnlockPickup-v0", "MiniGrid-KeyCorridorS3R3-v0",
    "MiniGrid-BlockedUnlockPickup-v0", "MiniGrid-GoToDoor-6x6-v0", "MiniGrid-PutNear-6x6-N2-v0",
    "MiniGrid-RedBlueDoors-6x6-v0", "MiniGrid-MemoryS7-v0", "MiniGrid-LockedRoom-v0",
    "MiniGrid-ObstructedMaze-1Dlh-v0", "MiniGrid-Fetch-5x5-N2-v0", "MiniGrid-LavaGapS5-v0",
)  # fmt: skip


def solves(task, layout, actions):
    env = task.make_env()
    env.reset(seed=int(task.pool("train").seeds[layout]))
    for number, action in enumerate(actions):
        _, reward, terminated, truncated, _ = env.step(action)
        if terminated or truncated:
            return reward > 0 and number == len(actions) - 1
    return False


@pytest.mark.parametrize("name", PLANNED)
def test_plans_solve_the_real_environment(name):
    task = get_task(name, SMALL)
    plans = task.oracle_plans(3)
    assert plans is not None and len(plans) == 3
    assert all(solves(task, layout, actions) for layout, actions in plans)


def test_a_limited_search_still_finds_a_valid_plan():
    task = get_task("MiniGrid-KeyCorridorS5R3-v0", SMALL)
    best, cut = task.plan(0), task.plan(0, state_cap=15_000)
    assert best is not None and cut is not None
    assert best.optimal and not cut.optimal
    assert len(cut.actions) >= len(best.actions)
    assert solves(task, 0, cut.actions)


def shortest_by_brute_force(env):
    """Length of the shortest solution of a real environment, by copying it for every action."""
    frontier, seen, length = [env.unwrapped], set(), 0
    while frontier:
        length += 1
        following = []
        for state in frontier:
            for action in range(6):
                after = copy.deepcopy(state)
                _, reward, terminated, _, _ = after.step(action)
                held = None if after.carrying is None else after.carrying.encode()
                key = (after.grid.encode().tobytes(), tuple(map(int, after.agent_pos)), after.agent_dir, held)
                if terminated:
                    if reward > 0:
                        return length
                elif key not in seen:
                    seen.add(key)
                    following.append(after)
        frontier = following
    return None


@pytest.mark.parametrize("name", ["MiniGrid-DoorKey-5x5-v0", "MiniGrid-LavaGapS5-v0"])
def test_no_solution_is_shorter_than_the_plan(name):
    task = get_task(name, SMALL)
    layout = 1
    env = task.make_env()
    env.reset(seed=int(task.pool("train").seeds[layout]))
    plan = task.plan(layout)
    assert plan is not None and plan.optimal
    assert len(plan.actions) == shortest_by_brute_force(env)
