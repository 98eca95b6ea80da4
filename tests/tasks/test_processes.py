"""Environments that several processes step: the same episodes as in one, and their faults in their own words."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import gymnasium as gym
import numpy as np
import pytest
import yaml
from gymnasium import spaces
from space_tasks import TASKS, reward_of

from rewardsmith.errors import TaskError
from rewardsmith.spec import TrainingSpec
from rewardsmith.tasks.described import processes, stepping
from rewardsmith.tasks.described.batches import batch_of
from rewardsmith.tasks.described.task import DescribedTask, Description
from rewardsmith.training.trial import TrialPlan, run_trial
from sandbox.client import Isolation

HERE = os.getpid()


class Slow(gym.Env):
    """Walks with noise; a step takes `pause` seconds, and the third goes wrong in another process, as `fault` says."""

    observation_space = spaces.Box(-9, 9, (2,), np.float32)
    action_space = spaces.Box(-1, 1, (2,), np.float32)

    def __init__(self, pause: float = 0.0, fault: str = "") -> None:
        self.pause, self.fault = pause, fault
        if fault == "constructor" and os.getpid() != HERE:
            raise RuntimeError("no licence")

    def reset(self, *, seed=None, options=None):
        super().reset(seed=seed)
        self.place, self.steps = self.np_random.normal(size=2), 0
        return self.place.astype(np.float32), {"steps": 0}

    def step(self, action):
        time.sleep(self.pause)
        self.steps += 1
        if self.steps == 3 and os.getpid() != HERE:
            match self.fault:
                case "raise":
                    raise ValueError("joint limit passed")
                case "exit":
                    os._exit(7)
                case "hang":
                    time.sleep(60)
                case "nan":
                    self.place = np.full(2, np.nan)
        self.place = np.clip(self.place + action + self.np_random.normal(size=2) / 9, -9, 9)
        return self.place.astype(np.float32), -1.0, bool(self.np_random.random() < 0.1), False, {"steps": self.steps}


gym.register("Slow-v0", lambda **given: Slow(**given))
SLOW = {
    "id": "Slow-v0",
    "goal": "Walk.",
    "state": [
        {"name": "x", "from": "observation[0]"},
        {"name": "taken", "from": "info.steps"},
        {"name": "hidden", "from": "env.place[1]"},
    ],
    "success": "hidden > 1 and taken > 2",
    "max_steps": 12,
}


def slow(**more: Any) -> DescribedTask:
    return DescribedTask(Description.model_validate({**SLOW, **more}), examined=True)


def batch_by(task: DescribedTask, num_envs: int, count: int) -> Any:
    return batch_of(task._setup, num_envs, "train", count)


def played(task: DescribedTask, count: int, num_envs: int = 5, steps: int = 25) -> list[Any]:
    """All that a batch shows of random play, with a new start in between as at a checkpoint."""
    batch, rng, seen = batch_by(task, num_envs, count), np.random.default_rng(0), []
    rows, observations = task.schema.rows(num_envs), task.observation.rows(num_envs)
    batch.reset(5)
    for step in range(steps):
        batch.step(task.actions.sample(rng, num_envs, allowed=batch.masks))
        batch.state_rows(rows)
        batch.observe(observations)
        seen += [rows.copy(), observations.copy(), batch.rewards.copy(), batch.success.copy(), batch.layout.copy()]
        seen += [batch.terminated.copy(), batch.truncated.copy()]
        seen += [] if batch.masks is None else [batch.masks.copy()]
        over = batch.terminated | batch.truncated
        if step == steps // 2:
            batch.reset(6)
        elif over.any():
            batch.restart(over)
            batch.observe(observations, over)
            seen.append(observations.copy())
    batch.close()
    return seen


def require_same(task: DescribedTask) -> None:
    one, two = played(task, 1), played(task, 2)
    assert len(one) == len(two) and all(np.array_equal(a, b) for a, b in zip(one, two, strict=True))


def test_two_processes_play_the_same_episodes_as_one_to_the_last_bit():
    require_same(slow())


@pytest.mark.parametrize("name", ["goals in a Dict", "image", "action mask", "multi-discrete"])
def test_two_processes_show_the_same_of_every_kind_of_space(name):
    require_same(TASKS[name][0])


@pytest.mark.parametrize(
    "fault, words",
    [
        ("raise", r"raised ValueError: joint limit passed \(in step\(\), test_processes.py, line \d+\)"),
        ("nan", r"returned nan for observation\[0\]"),
        ("exit", r"A process that steps Slow-v0 ended in step\(\) \(exit code 7"),
        ("hang", r"Slow-v0 has not returned from step\(\) for 0.3 seconds"),
    ],
)
def test_a_fault_in_another_process_is_told_as_the_environment_s_own(fault, words):
    batch = batch_by(slow(env_kwargs={"fault": fault}, step_timeout=0.3), 4, 2)
    batch.reset(0)
    workers = list(batch._envs.processes)  # type: ignore[attr-defined]
    with pytest.raises(TaskError, match=words):
        for _ in range(4):
            batch.step(np.zeros((4, 2)))
    assert not any(worker.is_alive() for worker in workers)


def test_a_constructor_that_fails_in_another_process_is_told():
    with pytest.raises(TaskError, match="RuntimeError: no licence"):
        batch_by(slow(env_kwargs={"fault": "constructor"}), 4, 2)


LOST = """
import os, signal
from test_processes import batch_by, slow

batch = batch_by(slow(), 4, 2)
batch.reset(0)
print(*(process.pid for process in batch._envs.processes), flush=True)
os.kill(os.getpid(), signal.SIGKILL)
"""


def test_processes_end_with_a_parent_that_is_killed():
    here = Path(__file__).parent
    shown = subprocess.run(
        [sys.executable, "-c", LOST], capture_output=True, text=True, timeout=120,
        env={**os.environ, "PYTHONPATH": f"{here}:{here.parent}"},
    )  # fmt: skip
    pids = [int(word) for word in shown.stdout.split()]
    assert len(pids) == 2, shown.stderr
    end = time.monotonic() + 10
    while time.monotonic() < end and any(map(_lives, pids)):
        time.sleep(0.05)
    assert not any(map(_lives, pids))


def _lives(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


def test_a_fast_environment_is_stepped_in_one_process():
    task = slow()
    found = stepping.choose("auto", lambda n, count: batch_by(task, n, count), task.actions, cores=2)
    assert found.processes == 1


def test_a_slow_environment_is_stepped_by_a_process_for_each_core():
    task = slow(env_kwargs={"pause": 0.015})
    found = stepping.choose("auto", lambda n, count: batch_by(task, n, count), task.actions, cores=2)
    assert found.processes == 2 and "2 processes" in found.why


@pytest.mark.parametrize("given, count", [("none", 1), (3, 3)])
def test_a_description_may_decide(given, count):
    task = slow(processes=given)
    assert task.choose_stepping() == stepping.Stepping(count, "as the description says")
    batch = task.batch(6, "train")
    assert isinstance(batch, processes.ProcessBatch) == (count > 1)
    batch.close()


def test_a_job_keeps_the_choice_and_show_tells_it(tmp_path, monkeypatch):
    from rewardsmith.reporting.text import stepping_words
    from rewardsmith.spec import JobSpec, TaskDescription
    from rewardsmith.tasks import get_task
    from rewardsmith.tasks.described.stored import store_task

    (tmp_path / "slow.yaml").write_text(yaml.safe_dump({**SLOW, "processes": 2}), encoding="utf-8")
    monkeypatch.setattr(stepping, "available_cores", lambda: 2)
    stored = store_task(str(tmp_path / "slow.yaml"))
    assert stored is not None
    spec = JobSpec(task="slow.yaml", description=TaskDescription(**stored))
    again = JobSpec(task="slow.yaml", description=TaskDescription(**{**stored, "stepping": None}))
    assert spec.fingerprint() == again.fingerprint()
    assert "by 2 processes (as the description says)" in (stepping_words(spec.model_dump(mode="json")) or "")
    batch = get_task("slow.yaml", spec.description).batch(4, "train")
    assert isinstance(batch, processes.ProcessBatch)
    batch.close()


@pytest.mark.slow
def test_a_trial_resumed_with_two_processes_equals_one_in_one_process(tmp_path):
    def trained(name: str, count: int, kill_at: int | None = None) -> bytes:
        def beat(steps: int) -> None:
            if kill_at is not None and steps >= kill_at:
                raise KeyboardInterrupt  # as kill -9 does, nothing is written after it

        task = DescribedTask(slow().described, examined=True, processes=count)
        folder = tmp_path / name
        settings = TrainingSpec(
            num_envs=4, rollout_steps=16, batch_size=32, epochs=1, eval_episodes=10, final_episodes=10
        )
        reward = reward_of("state.x - action.a0")
        plan = TrialPlan(task, reward, settings, 1, 768, 1.0, folder, isolation=Isolation.NONE)
        run_trial(plan, lambda point: None, beat)
        return (folder / "policy.safetensors").read_bytes()

    whole = trained("one", 1)
    assert trained("two", 2) == whole
    with pytest.raises(KeyboardInterrupt):
        trained("killed", 2, 640)
    assert trained("killed", 2) == whole
