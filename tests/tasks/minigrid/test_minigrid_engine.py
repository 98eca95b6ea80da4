"""The compiled engine plays MiniGrid exactly."""

import subprocess
import sys
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rewardsmith.tasks.minigrid import columns, get_task, kernels, list_ids
from rewardsmith.tasks.minigrid.families import COVERED
from rewardsmith.tasks.minigrid.state_tracker import EVENTS, STEPS, list_objects
from tests.tasks.minigrid.differential import (
    DROP,
    FORWARD,
    LEFT,
    PICK_UP,
    RIGHT,
    SMALL,
    TOGGLE,
    EnginePair,
    play_episodes,
)

ONE_OF_EACH_FAMILY = sorted({family.name: name for name, (family, _) in COVERED.items()}.values())
TANGLED = (
    "MiniGrid-DoorKey-5x5-v0", "MiniGrid-BlockedUnlockPickup-v0", "MiniGrid-ObstructedMaze-1Dlhb-v0",
    "MiniGrid-RedBlueDoors-6x6-v0", "MiniGrid-GoToObject-6x6-N2-v0",
)  # fmt: skip


@pytest.mark.parametrize("name", ONE_OF_EACH_FAMILY)
def test_every_step_equals_the_real_environment(name):
    # Episodes that any mistake ends are short, and their rules have the most branches.
    episodes = 40 if any(family in name for family in ("Fetch", "GoTo", "PutNear")) else 4
    _, _, differences = play_episodes(get_task(name, SMALL), episodes, seed=1)
    assert differences == []


@settings(max_examples=25, deadline=None)
@given(
    name=st.sampled_from(TANGLED),
    layout=st.integers(0, SMALL["train"] - 1),
    actions=st.lists(st.integers(0, 6), max_size=60),
)
def test_any_sequence_of_actions_equals_the_real_environment(name, layout, actions):
    pair = EnginePair(get_task(name, SMALL))
    assert pair.start(layout) is None
    for action in actions:
        difference, over = pair.step(action)
        assert difference is None
        if over:
            break


@pytest.mark.parametrize("layout", range(40))
def test_dropping_an_object_anywhere_equals_the_real_environment(layout):
    task = get_task("MiniGrid-PutNear-8x8-N3-v0", SMALL)
    plan, pair, rng = task.plan(layout), EnginePair(task), np.random.default_rng(layout)
    assert plan is not None and pair.start(layout) is None
    for action in plan.actions[: plan.actions.index(PICK_UP) + 1]:
        assert pair.step(action) == (None, False)
    wander = rng.choice([LEFT, RIGHT, FORWARD, FORWARD], size=rng.integers(1, 8))
    for action in (*wander, DROP):
        difference, over = pair.step(int(action))
        assert difference is None
        if over:
            break


def place_before_a_locked_door(pair, key_slot, door_slot):
    """Put the agent ahead of a door with a key in hand, in both environments."""
    real, fast = pair.real.unwrapped, pair.fast
    found = list_objects(real)
    key, door = found[key_slot], found[door_slot]
    x, y = next((x, y) for x in range(real.width) for y in range(real.height) if real.grid.get(x, y) is door)
    beside = [(x - dx, y - dy, d) for d, (dx, dy) in enumerate(STEPS)]
    ax, ay, direction = next(b for b in beside if real.grid.get(b[0], b[1]) is None)
    real.grid.grid[real.grid.grid.index(key)] = None
    real.carrying, real.agent_pos, real.agent_dir = key, (ax, ay), direction
    fast._cells[0, fast._things[0, key_slot, kernels.PLACE]] = kernels.EMPTY
    fast._things[0, key_slot, kernels.PLACE] = -1
    fast._agent[0, kernels.HELD] = key_slot
    fast._agent[0, kernels.POS] = (ay + kernels.PAD) * (real.width + 2 * kernels.PAD) + ax + kernels.PAD
    fast._agent[0, kernels.DIR] = direction


@pytest.mark.parametrize("fits", [True, False])
def test_only_a_key_of_its_colour_opens_a_locked_door(fits):
    pair = EnginePair(get_task("MiniGrid-ObstructedMaze-2Dl-v0", SMALL))
    assert pair.start(0) is None
    found = list_objects(pair.real.unwrapped)
    door = next(i for i, item in enumerate(found) if item.type == "door" and item.is_locked)
    key = next(i for i, item in enumerate(found) if item.type == "key" and (item.color == found[door].color) == fits)
    place_before_a_locked_door(pair, key, door)
    pair.tracker.after(pair.real, LEFT, 0.0, False)
    assert pair.step(TOGGLE) == (None, False)
    pair.fast.state_rows(pair.row)
    assert pair.row[0, columns.EVENT] == EVENTS.index("unlocked" if fits else "nothing")


def played(seed, num_envs=32, steps=120):
    """State rows, layouts and observations of random play."""
    batch = get_task("MiniGrid-DoorKey-5x5-v0", SMALL).batch(num_envs, "train")
    batch.reset(seed)
    rows = np.zeros((num_envs, get_task("MiniGrid-DoorKey-5x5-v0").schema.width), np.int32)
    seen = np.zeros((num_envs, batch.observation_size), np.float32)
    rng, history = np.random.default_rng(5), []
    for _ in range(steps):
        batch.step(rng.integers(0, 7, num_envs))
        assert not (batch.terminated & batch.truncated).any()
        batch.restart(batch.terminated | batch.truncated)
        batch.state_rows(rows)
        batch.observe(seen)
        history.append((rows.copy(), seen.copy(), batch.layout.copy()))
    return history


def test_equal_seeds_give_equal_play():
    first, again, other = played(3), played(3), played(4)
    for a, b in zip(first, again, strict=True):
        assert all(np.array_equal(x, y) for x, y in zip(a, b, strict=True))
    assert any(not np.array_equal(a[2], b[2]) for a, b in zip(first, other, strict=True))


def test_all_layouts_are_played_before_any_is_repeated():
    task = get_task("MiniGrid-DoorKey-6x6-v0", SMALL)
    batch = task.batch(16, "train")
    batch.reset(0)
    met = [batch.layout.copy()]
    for _ in range(3):
        batch.restart(np.ones(16, np.bool_))
        met.append(batch.layout.copy())
    assert sorted(np.concatenate(met)) == list(range(64))


def test_restart_changes_only_the_given_environments():
    task = get_task("MiniGrid-DoorKey-6x6-v0", SMALL)
    batch = task.batch(2, "train")
    rows = np.zeros((2, task.schema.width), np.int32)
    batch.step(np.array([0, 0]))
    batch.restart(np.array([True, False]))
    batch.state_rows(rows)
    assert rows[:, 1].tolist() == [0, 1]


def test_an_observation_is_the_scaled_image_the_direction_and_the_mission():
    task = get_task("MiniGrid-Fetch-8x8-N3-v0", SMALL)
    batch: Any = task.batch(8, "train")
    image = np.zeros((8, 7, 7, 3), np.uint8)
    seen = np.full((8, task.observation_size), 9, np.float32)
    batch.images(image)
    batch.observe(seen)
    scaled = (image / np.array([10, 5, 2])).reshape(8, -1).astype(np.float32)
    assert np.array_equal(seen[:, :147], scaled)
    assert np.array_equal(seen[:, 147:151].argmax(1), batch.directions)
    assert (seen[:, 147:151].sum(1) == 1).all()
    for n in range(8):
        color, kind = batch.tables["missions"][batch.layout[n]].split()[-2:]
        colors = ("red", "green", "blue", "purple", "yellow", "grey")
        assert seen[n, 151:].tolist() == [*[float(c == color) for c in colors],
                                          *[float(k == kind) for k in ("key", "ball")]]  # fmt: skip


def test_observe_leaves_unmasked_rows_alone():
    batch = get_task("MiniGrid-Empty-5x5-v0", SMALL).batch(3, "train")
    seen = np.full((3, batch.observation_size), 9, np.float32)
    batch.observe(seen, np.array([False, True, False]))
    assert (seen[[0, 2]] == 9).all()
    assert (seen[1] <= 1).all()


def test_covered_ids_are_registered_and_unknown_ids_raise():
    engines = dict(list_ids())
    assert set(COVERED) <= set(engines)
    assert engines["MiniGrid-DoorKey-8x8-v0"] == "batched"
    assert engines["BabyAI-GoToRedBall-v0"] == "real"
    with pytest.raises(KeyError, match="CartPole"):
        get_task("CartPole-v1")
    with pytest.raises(KeyError):
        get_task("MiniGrid-DoorKey-9x9-v0")


def test_naming_a_task_loads_nothing_heavy():
    code = (
        "import sys; from rewardsmith.tasks.minigrid import get_task;"
        "t = get_task('MiniGrid-DoorKey-8x8-v0'); assert len(t.actions) == 7 and t.observation_size == 151;"
        "print([m for m in ('numba', 'minigrid', 'gymnasium', 'pygame') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
