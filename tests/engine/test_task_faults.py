"""An environment that fails ends its job with its own error; no reward is blamed."""

from __future__ import annotations

import json
from pathlib import Path

import gymnasium
import numpy as np
import pytest
from gymnasium import spaces
from running import FEW_EPISODES, in_process, rewardsmith

from rewardsmith.config import Settings
from rewardsmith.engine.context import Context, open_context
from rewardsmith.engine.items import dispatch
from rewardsmith.engine.items.train import train_item
from rewardsmith.engine.jobs import lifecycle
from rewardsmith.engine.jobs.advance import advance
from rewardsmith.errors import TaskError, UsageError
from rewardsmith.reporting.overview import read_overview
from rewardsmith.spec import JobSpec
from rewardsmith.storage import queue, records
from rewardsmith.tasks import get_task
from rewardsmith.tasks.described.description import parse_description
from rewardsmith.tasks.described.task import DescribedTask

CASE = Path(__file__).parents[1] / "cases" / "env_raises"
PROGRAM = "def reward(prev, action, state, memory):\n    return state.x - prev.x\n"


class Faulty(gymnasium.Env):
    """Walks on a line of cells; shows the fault `fault` from step `at` on."""

    observation_space, action_space = spaces.Box(0, 9, (1,), np.float32), spaces.Discrete(2)
    mended = False

    def __init__(self, fault: str = "", at: int = 3) -> None:
        self.fault, self.at = fault, at
        if fault == "constructor":
            raise RuntimeError("no licence")

    def reset(self, *, seed=None, options=None):
        super().reset(seed=seed)
        self.n, self.x = 0, int(self.np_random.integers(0, 4))
        if self.fault == "reset":
            raise RuntimeError("motor driver lost")
        if self.fault == "bare reset":
            return np.array([self.x], np.float32)
        return np.array([self.x], np.float32), {}

    def step(self, action):
        self.n += 1
        self.x = min(max(self.x + (1 if action else -1), 0), 9)
        observation, paid, over = np.array([self.x], np.float32), float(self.x == 9), False
        match self.fault if self.n >= self.at and not self.mended else "":
            case "step":
                raise RuntimeError("motor driver lost")
            case "exit":
                raise SystemExit(3)
            case "nan":
                observation[0] = np.nan
            case "inf":
                observation = np.array([1e300])
            case "nan reward":
                paid = float("nan")
            case "no reward":
                paid = None
            case "shape":
                observation = np.zeros(2, np.float32)
            case "scalar":
                observation = np.float32(1.0)
            case "text":
                observation = "left"
            case "four":
                return observation, paid, over, {}
            case "flag":
                over = np.zeros(2, bool)
        return observation, paid, over, False, {}


gymnasium.register("Faulty-v0", Faulty, disable_env_checker=True)

FAULTS = {
    "constructor": ("no licence", "while making Faulty-v0", "test_task_faults.py, line"),
    "reset": ("RuntimeError: motor driver lost", "reset(), test_task_faults.py, line"),
    "bare reset": ("It must return (observation, info).",),
    "step": ("RuntimeError: motor driver lost", "step(), test_task_faults.py, line"),
    "exit": ("SystemExit: 3",),
    "nan": ("returned nan for observation[0] (the variable x)", "step() on step 3"),
    "inf": ("returned 1e+300 for observation[0]",),
    "nan reward": ("returned the reward nan",),
    "no reward": ("returned the reward None",),
    "shape": ("observation of shape (2,) instead of 1 numbers",),
    "text": ("observation of type str instead of 1 numbers",),
    "four": ("returned a tuple of 4", "(observation, reward, terminated, truncated, info)"),
    "flag": ("for terminated and truncated",),
}


def describe(folder: Path, fault: str, at: int = 3, success: str = "x >= 9") -> str:
    path = folder / "faulty.yaml"
    path.write_text(
        json.dumps(
            {
                "id": "Faulty",
                "env_id": "Faulty-v0",
                "env_kwargs": {"fault": fault, "at": at},
                "goal": "Walk right to cell 9.",
                "state": [{"name": "x", "low": 0, "high": 9}],
                "actions": ["left", "right"],
                "success": success,
                "max_steps": 40,
            }
        )
    )
    return str(path)


@pytest.mark.parametrize("fault", FAULTS)
def test_faults_of_an_environment_are_named_as_the_task_s(tmp_path, fault):
    # As a job opens it: the inspection, which looks for faults before a job begins, is over.
    text = Path(describe(tmp_path, fault)).read_text()
    task = DescribedTask(parse_description(text, "faulty.yaml"), tmp_path, examined=True)
    with pytest.raises((TaskError, UsageError)) as raised:
        batch = task.batch(2, "train")
        batch.reset(0)
        for _ in range(4):
            batch.step(np.ones(2, dtype=np.int64))
    for words in ("Faulty", *FAULTS[fault]):
        assert words in str(raised.value)
    assert len(str(raised.value).splitlines()) == 2


def test_an_uncomputable_success_condition_is_the_task_s_fault(tmp_path):
    with pytest.raises(UsageError, match="success were read: ZeroDivisionError"):
        get_task(describe(tmp_path, "", success="1 / (x - x) > 2"))
    batch = get_task(describe(tmp_path, "", success="1 / (length - 3) > 2")).batch(1, "train")
    batch.reset(0)
    with pytest.raises(TaskError, match="ZeroDivisionError"):
        for _ in range(3):
            batch.step(np.ones(1, dtype=np.int64))


def start(folder: Path, fault: str, at: int, seed_reward: str | None = PROGRAM, **options) -> tuple[Context, str]:
    context = open_context(Settings(home=folder / "home", allow_weak_sandbox=True))
    training = {"num_envs": 4, "rollout_steps": 16, "eval_episodes": 10, "final_episodes": 10}
    asked = {"method": "free", "iterations": 1, "samples": 1, "steps": 1000, "confirm": 0, **options}
    spec = JobSpec.model_validate({"task": describe(folder, fault, at), "training": training, **asked})
    job = lifecycle.create_job(context, spec, seed_reward)
    advance(context, job)
    return context, job


def work(context: Context, job: str, kind: str) -> queue.Item:
    """Run one item of a kind; its trial runs in this process."""
    claimed = queue.claim(context.database, queue.make_owner(), 60, job, [kind])
    assert claimed is not None
    if kind in queue.TRAINING_KINDS:
        train_item(context, claimed)
        advance(context, job)
    else:
        dispatch.run_item(context, claimed.id, str(claimed.owner))
    return queue.get(context.database, claimed.id)


def job_that_ended(context: Context, job: str) -> records.Job:
    with context.database.connect() as connection:
        found = records.get_job(connection, job)
        left = [i.state for i in records.items_of(connection, job)]
        trials = records.trials_of(connection, job_id=job)
        candidates = records.candidates_of(connection, job)
    assert not {"queued", "leased"} & set(left)
    assert all(t.state != "running" for t in trials)
    assert not [c for c in candidates if c.state == "rejected"], "a candidate was blamed"
    return found


@pytest.mark.parametrize("fault", ["constructor", "reset", "step"])
def test_environment_that_cannot_reset_is_refused_before_a_job(tmp_path, fault):
    with pytest.raises(UsageError, match=FAULTS[fault][0]):
        start(tmp_path, fault, at=1)


@pytest.mark.parametrize("fault", ["step", "nan"])
def test_environment_fault_in_the_baseline_ends_the_job(tmp_path, fault):
    context, job = start(tmp_path, fault, at=30)
    item = work(context, job, "baseline")
    assert item.state == "failed"
    found = job_that_ended(context, job)
    assert found.state == "failed" and FAULTS[fault][0] in found.note
    with context.database.connect() as connection:
        (trial,) = records.trials_of(connection, job_id=job)
    assert trial.state == "failed" and FAULTS[fault][0] in trial.failure


@pytest.mark.parametrize("fault", ["step", "nan"])
def test_an_environment_that_fails_in_a_check_ends_the_job_with_its_error(tmp_path, fault):
    context, job = start(tmp_path, fault, 10, model="none")
    assert work(context, job, "check").state == "failed"
    found = job_that_ended(context, job)
    assert found.state == "failed" and FAULTS[fault][0] in found.note


def test_work_left_undone_by_a_failing_environment_is_shown(tmp_path):
    context, job = start(tmp_path, "step", 10, model="none")
    work(context, job, "check")
    with context.database.connect() as connection:
        states = {row.candidate: row.state for row in read_overview(connection, job).rows}
    assert states == {f"{job}-sparse": "cancelled", f"{job}-1seed": "failed"}
    why = rewardsmith(tmp_path, "why", f"{job}-1seed", env={"REWARDSMITH_HOME": str(tmp_path / "home")})
    assert "not completed: The environment of Faulty raised" in why.stdout


def test_job_ended_by_its_environment_continues_with_extend(tmp_path, monkeypatch):
    context, job = start(tmp_path, "step", 30)
    work(context, job, "baseline")
    with pytest.raises(UsageError, match="ended already"):
        lifecycle.resume_job(context, job)
    monkeypatch.setattr(Faulty, "mended", True)
    lifecycle.extend_job(context, job, 1)
    assert work(context, job, "baseline").state == "done"
    with context.database.connect() as connection:
        assert records.get_job(connection, job).state == "running"
        (trial,) = records.trials_of(connection, job_id=job)
    assert trial.state == "done" and trial.failure is None


def test_run_reports_a_failing_environment_in_two_lines(tmp_path):
    for file in CASE.iterdir():
        (tmp_path / file.name).write_bytes(file.read_bytes())
    asked = ("--iterations", "1", "--samples", "1", "--steps", "4096", "--confirm", "0", *FEW_EPISODES)
    ran = rewardsmith(tmp_path, "run", "--task", "raises.yaml", *asked, env={"PYTHONPATH": "."})
    assert ran.returncode in (1, 2)
    error = ran.stderr[ran.stderr.index("error: ") :].splitlines()
    assert len(error) == 2 and "motor driver lost" in error[0] and "raises_env.py, line 18" in error[0]
    shown = in_process(tmp_path, "show")
    assert "motor driver lost" in shown.stdout and "failed" in shown.stdout
    (job,) = json.loads(in_process(tmp_path, "ls", "--format", "json").stdout)
    assert job["state"] == "failed"
