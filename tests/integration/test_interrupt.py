"""Ctrl-C ends `run` within seconds, leaves no process, and the same command later continues the job."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import pytest
from running import clean_environment, in_process
from test_kill import SPEC, processes, query, states, wait_for

sys.path.insert(0, str(Path(__file__).parents[1] / "agents"))
from provider import Provider, completion

SECONDS = 5.0
TRAINING = SPEC.replace("steps: 20000", "steps: 3000000")
# An environment in the executor's process whose step takes longer than a command may take to end.
SLOW_TASK = """
id: Slow-v0
env_id: slow_env:Slow-v0
goal: Walk right to cell 9.
state: [{name: x, low: 0, high: 9}]
actions: [left, right]
success: x >= 9
max_steps: 40
"""
SLOW_ENV = """
import sys, time
import gymnasium as gym
import numpy as np
from gymnasium import spaces

class Slow(gym.Env):
    observation_space, action_space = spaces.Box(0, 9, (1,), np.float32), spaces.Discrete(2)

    def reset(self, *, seed=None, options=None):
        super().reset(seed=seed)
        self.x = 0
        return np.array([self.x], np.float32), {}

    def step(self, action):
        if "workers.local" in sys.orig_argv:
            open("stepped", "w").close()
            time.sleep(600)
        self.x = min(max(self.x + (1 if action else -1), 0), 9)
        return np.array([self.x], np.float32), float(self.x == 9), False, False, {}

gym.register("Slow-v0", Slow, max_episode_steps=40)
"""


def launch(folder: Path, spec: str = TRAINING, ignored: bool = True, **env: str) -> subprocess.Popen:
    """`rewardsmith run`, with SIGINT ignored as a shell's background leaves it."""
    (folder / "job.yaml").write_text(spec)
    handler = signal.SIG_IGN if ignored else signal.SIG_DFL

    def begin() -> None:
        signal.signal(signal.SIGINT, handler)
        signal.signal(signal.SIGHUP, signal.SIG_DFL)  # the process that runs the tests may ignore it

    return subprocess.Popen(
        [sys.executable, "-m", "rewardsmith.cli.main", "run", "--spec", "job.yaml", "--slots", "2"],
        cwd=folder,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        env={**clean_environment(), "PYTHONPATH": str(folder), **env},
        start_new_session=True,
        preexec_fn=begin,
    )


def processes_of_commands(folder: Path) -> list[int]:
    """Processes of the commands run in `folder`, except reward hosts, whose folder is /."""
    return processes(folder, "python")


def hosts_left(known: set[int]) -> set[int]:
    return {pid for pid in known if Path(f"/proc/{pid}").exists() and "sandbox" in command_of(pid)}


def command_of(pid: int) -> str:
    try:
        return (Path(f"/proc/{pid}") / "cmdline").read_bytes().replace(b"\0", b" ").decode()
    except OSError:
        return ""


def children(pid: int) -> set[int]:
    found, todo = set(), [pid]
    while todo:
        try:
            tasks = list(Path(f"/proc/{todo.pop()}/task").iterdir())
            new = {int(child) for task in tasks for child in (task / "children").read_text().split()}
        except OSError:
            continue
        todo += new - found
        found |= new
    return found


def during_training(folder: Path) -> bool:
    """Whether a trial has reported its steps."""
    return bool(query(folder, "SELECT 1 FROM trials WHERE state = 'running' AND steps > 0"))


def no_attempt_counted(folder: Path) -> bool:
    """Whether every interrupted item can be claimed again, and has lost no attempt."""
    open_items = query(folder, "SELECT state, attempt, owner FROM work_items WHERE state IN ('leased', 'queued')")
    return bool(open_items) and all(item == ("queued", 0, None) for item in open_items)


def interrupt(running: subprocess.Popen, *signals: int) -> tuple[str, float]:
    """Send the signals; returns the command's output, and the seconds until it ended."""
    began = time.monotonic()
    for sign in signals or (signal.SIGINT,):
        running.send_signal(sign)
        time.sleep(0.1)
    output, _ = running.communicate(timeout=60)
    return output, time.monotonic() - began


@pytest.mark.parametrize(
    "sign",
    [signal.SIGTERM, *(pytest.param(each, marks=pytest.mark.slow) for each in (signal.SIGINT, signal.SIGHUP))],
)
def test_a_training_job_in_the_background_pauses_within_five_seconds(tmp_path, sign):
    running = launch(tmp_path)
    wait_for(lambda: during_training(tmp_path))
    known = children(running.pid)
    output, seconds = interrupt(running, sign)
    assert seconds < SECONDS
    assert running.returncode == 0
    assert "error:" not in output and "is paused" in output and "rewardsmith resume" in output
    assert states(tmp_path) == ["paused"]
    wait_for(lambda: not processes_of_commands(tmp_path) and not hosts_left(known), 5)
    assert query(
        tmp_path, "SELECT count(*) FROM work_items WHERE state = 'leased' OR (state = 'queued' AND attempt > 0)"
    ) == [(0,)]


def test_an_item_in_a_long_step_is_released_uncounted(tmp_path):
    (tmp_path / "slow.yaml").write_text(SLOW_TASK)
    (tmp_path / "slow_env.py").write_text(SLOW_ENV)
    spec = SPEC.replace("MiniGrid-Empty-5x5-v0", "slow.yaml").replace("verification: false", "verification: true")
    running = launch(tmp_path, spec)
    wait_for(lambda: (tmp_path / "stepped").exists())
    output, seconds = interrupt(running)
    assert seconds < SECONDS and running.returncode == 0 and "error:" not in output
    assert not processes_of_commands(tmp_path)
    assert no_attempt_counted(tmp_path)
    assert query(tmp_path, "SELECT count(*) FROM work_items WHERE kind = 'design' AND state = 'queued'") == [(1,)]


def test_an_unanswered_call_is_abandoned(tmp_path):
    with Provider(replace(completion("late"), delay_s=120.0)) as provider:
        spec = SPEC + f"model: openai/slow\napi_base: {provider.url}\n"
        running = launch(tmp_path, spec, OPENAI_API_KEY="sk-none", REWARDSMITH_CALL_SECONDS="300")
        wait_for(lambda: bool(provider.asked))
        output, seconds = interrupt(running)
    assert seconds < SECONDS and running.returncode == 0 and "error:" not in output
    assert states(tmp_path) == ["paused"] and not processes_of_commands(tmp_path)


def test_an_executor_is_ended_while_it_loads(tmp_path):
    running = launch(tmp_path)
    wait_for(lambda: bool(processes(tmp_path, "workers.warm")))
    output, seconds = interrupt(running)
    assert seconds < SECONDS and running.returncode == 0 and "error:" not in output
    assert states(tmp_path) == ["paused"] and not processes_of_commands(tmp_path)


def test_second_interruption_ends_unresponsive_work_at_once(tmp_path):
    running = launch(tmp_path)
    wait_for(lambda: during_training(tmp_path))
    known = children(running.pid)
    for pid in processes(tmp_path, "workers.local"):
        os.kill(pid, signal.SIGSTOP)
    output, seconds = interrupt(running, signal.SIGINT, signal.SIGINT)
    assert seconds < 3.0 and running.returncode == 0 and "error:" not in output
    assert states(tmp_path) == ["paused"] and not processes_of_commands(tmp_path)
    wait_for(lambda: not hosts_left(known), 5)
    assert no_attempt_counted(tmp_path)


def test_the_steps_of_a_resumed_trial_never_fall(tmp_path):
    """The trial continues from a checkpoint before the last reported steps."""
    running = launch(tmp_path)
    wait_for(lambda: during_training(tmp_path))
    interrupt(running)
    steps = "SELECT id, steps FROM trials"
    before = dict(query(tmp_path, steps))
    running = launch(tmp_path)
    seen = before
    end = time.monotonic() + 4.0
    wait_for(lambda: bool(query(tmp_path, "SELECT 1 FROM work_items WHERE state = 'leased'")))
    while time.monotonic() < end:
        now = dict(query(tmp_path, steps))
        assert all(now[trial] >= seen[trial] for trial in seen), (seen, now)
        seen = now
        time.sleep(0.05)
    interrupt(running)


def test_a_pause_from_another_terminal_is_no_error_and_waits_for_nothing(tmp_path):
    running = launch(tmp_path)
    wait_for(lambda: during_training(tmp_path))
    began = time.monotonic()
    assert in_process(tmp_path, "pause", "latest").returncode == 0
    output, _ = running.communicate(timeout=60)
    assert time.monotonic() - began < SECONDS
    assert running.returncode == 0 and "error:" not in output and "is paused" in output
    assert not processes_of_commands(tmp_path)
