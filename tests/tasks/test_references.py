"""References: what a description names as acting well, whether it does, and how jobs keep it."""

from __future__ import annotations

import itertools
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from rewardsmith.cli.tasks import record as record_command
from rewardsmith.errors import TaskError, UsageError
from rewardsmith.tasks import get_task
from rewardsmith.tasks.capabilities import reference_of
from rewardsmith.tasks.described.references.recordings import record_episodes, write_episodes
from rewardsmith.tasks.described.stored import changes_of, store_task
from rewardsmith.tasks.described.task import DescribedTask
from rewardsmith.tasks.trying import tries

CORRIDOR = """
import gymnasium as gym
import numpy as np


class Corridor(gym.Env):
    observation_space = gym.spaces.Box(0, 9, (2,), np.float32)
    action_space = gym.spaces.Discrete(3)

    def _observed(self):
        return np.array([self.at, self.door], np.float32)

    def reset(self, *, seed=None, options=None):
        super().reset(seed=seed)
        self.at, self.door = self.np_random.integers(0, 10, 2).astype(int)
        return self._observed(), {"secret": int(self.door)}

    def step(self, action):
        self.at = min(max(self.at + action - 1, 0), 9)
        return self._observed(), 0.0, bool(self.at == self.door and action == 1), False, {"secret": int(self.door)}


class CorridorTask:
    env = Corridor
    goal = "Stop at the door."
    actions = ["left", "stay", "right"]
    success = "terminated"
    max_steps = 20
    variables = [{"name": "at"}, {"name": "door"}]
"""
WALK = "np.sign(state.door - state.at) + 1"
_NUMBERS = itertools.count()


def corridor(folder: Path, reference: str) -> Path:
    """A task file whose class ends with the lines of `reference`."""
    name = f"corridor_{next(_NUMBERS)}"  # Python imports a module of one name once
    file = folder / f"{name}.py"
    lines = reference.replace("MODULE", name).splitlines()
    file.write_text(CORRIDOR + "".join(f"    {line}\n" for line in lines))
    return file


def achieved(folder: Path, reference: str) -> float:
    reference_ = reference_of(get_task(str(corridor(folder, reference))))
    assert reference_ is not None
    return reference_.achieves(10).success_rate


FORMS = {
    "a method of the task": f"def reference(self, state):\n    return {WALK}",
    "a method that remembers": "steps = 0\ndef reference(self, state):\n    self.steps += 1\n"
    f"    return {WALK} if self.steps <= 11 else 0",
    "a class that remembers": "class reference:\n    def __init__(self):\n        self.door = None\n"
    "    def act(self, state, info):\n        self.door = self.door or info.get('secret')\n"
    "        return np.sign(self.door - state.at) + 1",
    "a function of what it asks for": "def reference(self, observation, env):\n"
    "    return np.sign(env.door - observation[0]) + 1",
    "names of actions": "def reference(self, seen):\n"
    f"    return ['left', 'stay', 'right'][int({WALK.replace('state', 'seen')})]",
}


@pytest.mark.parametrize("form", FORMS)
def test_a_reference_in_python_succeeds(form, tmp_path):
    assert achieved(tmp_path, FORMS[form]) == 1.0


def test_a_task_without_reference_has_none(tmp_path):
    assert reference_of(get_task(str(corridor(tmp_path, "")))) is None


@pytest.mark.parametrize(
    ("reference", "told"),
    [
        ("def reference(self, state, wind):\n    return 0", "asks for `wind`"),
        ("def reference(self, state):\n    return 3", "3 is no action: they are 0 to 2"),
        ("def reference(self, state):\n    return 'up'", "there is no action 'up'; there are left, stay, right"),
        ("def reference(self, state):\n    return state.speed", "raised AttributeError"),
        ("def reference(self, state):\n    return None", "None is no number of an action"),
        ("reference = 'policy.pt'", "'policy.pt' is not known: give MODULE:FUNCTION, or a file"),
        ("reference = 'missing.zip'", "There is no file"),
        ("reference = 'MODULE:nothing'", "has no nothing"),
    ],
)
def test_a_wrong_reference_is_refused_with_its_reason(reference, told, tmp_path):
    with pytest.raises((UsageError, TaskError)) as refused:
        achieved(tmp_path, reference)
    assert told in refused.value.cause


def test_a_reference_that_mostly_fails_stops_a_job(tmp_path):
    file = corridor(tmp_path, "def reference(self, state):\n    return 1")
    with pytest.raises(UsageError, match=r"succeeds in [0-9] of 20 episodes"):
        store_task(str(file))


def record(folder: Path) -> Path:
    """Recorded episodes of the corridor's own reference."""
    task = get_task(str(corridor(folder, FORMS["a method of the task"])))
    reference = reference_of(task)
    assert reference is not None
    write_episodes(folder / "walks.json", task.id, record_episodes(reference, task.schema, 6))
    return folder / "walks.json"


def test_recorded_episodes_repeat_their_success(tmp_path):
    record(tmp_path)
    found = reference_of(get_task(str(corridor(tmp_path, "reference = 'walks.json'"))))
    assert found is not None
    assert (found.achieves().episodes, found.achieves().successes) == (6, 6)


@pytest.mark.parametrize(
    ("change", "told"),
    [
        (lambda file: file.update(episodes=[]), "it has no list `episodes`"),
        (lambda file: file["episodes"][1].pop("seed"), "Episode 2 of"),
        (lambda file: file["episodes"][0].update(actions=[7]), "Step 1 of episode 1"),
    ],
)
def test_a_damaged_recording_is_refused_with_its_place(change, told, tmp_path):
    file = record(tmp_path)
    read = json.loads(file.read_text())
    change(read)
    file.write_text(json.dumps(read))
    with pytest.raises(UsageError) as refused:
        achieved(tmp_path, "reference = 'walks.json'")
    assert told in refused.value.cause


def test_a_job_notices_that_its_recording_changed(tmp_path):
    from rewardsmith.spec import TaskDescription

    file = record(tmp_path)
    stored = store_task(str(corridor(tmp_path, "reference = 'walks.json'")))
    assert stored is not None
    kept = TaskDescription(**stored)
    assert changes_of(kept, "corridor.py") == []
    file.write_text(file.read_text() + " ")
    assert changes_of(kept, "corridor.py") == [f"walks.json in {tmp_path}"]


def test_a_policy_of_sb3_acts_as_it_does_there(tmp_path):
    import gymnasium as gym
    from stable_baselines3 import PPO

    model = PPO("MlpPolicy", gym.make("Pendulum-v1"), n_steps=8, batch_size=8, seed=1)
    model.save(tmp_path / "policy.zip")
    found = get_task("Pendulum-v1")
    assert isinstance(found, DescribedTask)
    reference = found.referring_to(str(tmp_path / "policy.zip"))
    batch = reference.batch(2)
    batch.play(5)
    rows = found.schema.rows(2)
    batch.state_rows(rows)
    chosen = reference.player(batch).actions(rows, np.ones(2, bool))
    batch.close()
    plain = gym.make("Pendulum-v1")
    expected = model.predict(plain.reset(seed=1_000_005)[0], deterministic=True)[0]
    assert chosen == pytest.approx(np.array([expected, expected]))
    hill: Any = get_task("MountainCar-v0")
    with pytest.raises(UsageError, match=r"observes Box.*the environment of MountainCar-v0 has"):
        hill.referring_to(str(tmp_path / "policy.zip"))


def test_a_policy_that_a_job_saved_acts_as_it_does_there(tmp_path):
    import gymnasium as gym
    from stable_baselines3 import PPO

    from rewardsmith.training.checkpoint import save_policy

    task = get_task("Pendulum-v1")
    assert isinstance(task, DescribedTask)
    model = PPO("MlpPolicy", gym.make("Pendulum-v1"), n_steps=8, batch_size=8, policy_kwargs={"net_arch": [8, 8]})
    card = {"task": task.id, "observation_size": 3, "actions": ["torque"]}
    network = {"policy": "MlpPolicy", "hidden": [8, 8], "memory": "none"}
    save_policy(tmp_path / "policy.safetensors", model, {**card, "network": network})
    reference = task.referring_to(str(tmp_path / "policy.safetensors"))
    batch, rows, seen = reference.batch(1), task.schema.rows(1), task.observation.rows(1)
    batch.play(5)
    batch.observe(seen)
    chosen = reference.player(batch).actions(rows, np.ones(1, bool))
    batch.close()
    assert chosen == pytest.approx(model.predict(seen, deterministic=True)[0])
    hill: Any = get_task("MountainCar-v0")
    with pytest.raises(UsageError, match="has other spaces than MountainCar-v0"):
        hill.referring_to(str(tmp_path / "policy.safetensors"))
    save_policy(tmp_path / "lstm.safetensors", model, {**card, "network": {**network, "memory": "lstm"}})
    with pytest.raises(UsageError, match="Give a policy without memory"):
        task.referring_to(str(tmp_path / "lstm.safetensors"))


def test_exported_transitions_contain_the_reference_s_success(tmp_path):
    from rewardsmith.reporting.export import record_transitions

    rollout = record_transitions(get_task(str(corridor(tmp_path, FORMS["a method of the task"]))))
    ends = rollout.terminated[:, 0] | rollout.truncated[:, 0]
    assert rollout.starts.shape[1] == 8 and ends.sum() > 2
    assert rollout.success[ends, 0].all()


def test_shipped_references_succeed():
    for task_id in ("MountainCar-v0", "MountainCarContinuous-v0", "Pendulum-v1"):
        reference = reference_of(get_task(task_id))
        assert reference is not None
        assert reference.achieves(3).success_rate == 1.0, task_id


@pytest.mark.slow
@pytest.mark.parametrize(
    "task_id",
    ["LunarLander-v3", "LunarLanderContinuous-v3", "FetchReach-v4", "Reacher-v5", "PointMaze_UMaze-v3",
     "PointMaze_Open_Diverse_GR-v3", "PointMaze_Medium-v3", "PointMaze_Large_Diverse_G-v3"],
)  # fmt: skip
def test_shipped_references_of_extras_succeed(task_id):
    for module in ["Box2D"] if "Lunar" in task_id else ["mujoco", "gymnasium_robotics"]:
        pytest.importorskip(module)
    reference = reference_of(get_task(task_id))
    assert reference is not None
    assert reference.achieves(10).success_rate >= 0.9


def test_trying_a_task_shows_what_its_reference_achieves(tmp_path):
    task = get_task(str(corridor(tmp_path, FORMS["a method of the task"])))
    tried = {each.name: each for each in tries(task)}
    (name,) = (name for name in tried if name.startswith("reference"))
    assert tried[name].successes == tried[name].episodes == 20
    assert tried["random"].successes < tried["random"].episodes


def test_recording_refuses_what_it_cannot_record(tmp_path):
    file = str(corridor(tmp_path, ""))
    with pytest.raises(UsageError, match="names no reference"):
        record_command(file, tmp_path / "walks.json")
    with pytest.raises(UsageError, match=r"does not end with \.json"):
        record_command(file, tmp_path / "walks.npz")
    file = str(corridor(tmp_path, FORMS["a method of the task"]))
    record_command(file, tmp_path / "walks.json", episodes=2)
    assert len(json.loads((tmp_path / "walks.json").read_text())["episodes"]) == 2
