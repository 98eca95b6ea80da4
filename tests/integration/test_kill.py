"""kill -9 of any process, then the same command again: goes on and ends as if nothing had happened."""

from __future__ import annotations

import json
import os
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from running import clean_environment, rewardsmith

SPEC = """
task: MiniGrid-Empty-5x5-v0
method: free
iterations: 2
samples: 1
steps: 30000
rungs: [1.0]
target: null
confirm: 0
training: {eval_episodes: 50, final_episodes: 100}
"""
COMMAND = ["run", "--spec", "job.yaml", "--slots", "2"]


def launch(folder: Path) -> subprocess.Popen:
    (folder / "job.yaml").write_text(SPEC)
    return subprocess.Popen(
        [sys.executable, "-m", "rewardsmith.cli.main", *COMMAND],
        cwd=folder,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        env=clean_environment(),
        start_new_session=True,
        # A test run in a shell's background inherits an ignored SIGINT, which Ctrl-C in a terminal is not.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    )


def query(folder: Path, text: str) -> list:
    path = folder / ".rewardsmith" / "rewardsmith.db"
    if not path.exists():
        return []
    try:
        with sqlite3.connect(path, timeout=30) as connection:
            return connection.execute(text).fetchall()
    except sqlite3.OperationalError:
        return []  # the tables are being made


def wait_for(condition: Callable[[], bool], seconds: float = 240) -> None:
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "it never came to that"
        time.sleep(0.02)


def processes(folder: Path, words: str) -> list[int]:
    """Processes whose command line has `words` and whose working folder or home is `folder`."""
    found = []
    for entry in Path("/proc").iterdir():
        if not entry.name.isdigit():
            continue
        try:
            command = (entry / "cmdline").read_bytes().replace(b"\0", b" ").decode()
            inside = str((entry / "cwd").readlink()) == str(folder)
            running = (entry / "stat").read_text().rsplit(")", 1)[1].split()[0] != "Z"
        except OSError:
            continue
        if words in command and inside and running:
            found.append(int(entry.name))
    return found


def trials(folder: Path) -> list[int]:
    """Trials are forked by a warm parent and share its command line."""
    warm = processes(folder, "workers.warm")
    return [pid for pid in warm if _parent(pid) in warm]


def warm_parents(folder: Path) -> list[int]:
    return [pid for pid in processes(folder, "workers.warm") if pid not in trials(folder)]


def _parent(pid: int) -> int:
    try:
        return int(Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[1])
    except OSError:
        return 0


def kill(pids: list[int]) -> None:
    for pid in pids:
        os.kill(pid, signal.SIGKILL)


def during_design(folder: Path) -> bool:
    return bool(query(folder, "SELECT 1 FROM work_items WHERE kind = 'design' AND state = 'leased'"))


def during_training(folder: Path) -> bool:
    return bool(query(folder, "SELECT 1 FROM trials t JOIN curve_points p ON p.trial_id = t.id"))


def between_iterations(folder: Path) -> bool:
    return bool(query(folder, "SELECT 1 FROM iterations WHERE state = 'done'"))


# What is killed, and when.
CASES: dict[str, tuple[Callable[[Path], list[int]], Callable[[Path], bool]]] = {
    "the engine during design": (lambda f: processes(f, "workers.local"), during_design),
    "the trial during training": (trials, during_training),
    "the warm parent of trials": (warm_parents, during_training),
    "every process between iterations": (
        lambda f: [*processes(f, "workers."), *processes(f, "rewardsmith.cli.main")],
        between_iterations,
    ),
    "the command while it watches": (lambda f: processes(f, "rewardsmith.cli.main"), during_training),
}
RECOVERS = {"the trial during training", "the warm parent of trials"}  # without another command


@pytest.mark.parametrize("case", list(CASES))
def test_kill_9_loses_nothing(case, tmp_path, undisturbed):
    victims, moment = CASES[case]
    running = launch(tmp_path)
    wait_for(lambda: moment(tmp_path) and bool(victims(tmp_path)))
    kill(victims(tmp_path))
    running.wait(400)
    wait_for(lambda: not processes(tmp_path, "workers."))
    if case not in RECOVERS:
        again = rewardsmith(tmp_path, *COMMAND)
        assert again.returncode == 0, again.stderr
    jobs = json.loads(rewardsmith(tmp_path, "ls", "--format", "json").stdout)
    finished = [j for j in jobs if j["state"] == "done"]
    assert finished
    assert len(jobs) == 1, "the same command must go on with the same job"
    assert outcome(tmp_path, finished[-1]["job"]) == undisturbed


def outcome(folder: Path, job: str) -> list:
    """Names, states and scores of all candidates and trials: what may not depend on interruptions."""
    name = f"replace({{}}, '{job}', 'job')"
    candidates = query(
        folder,
        f"SELECT {name.format('id')}, state, score, source_hash FROM candidates WHERE job_id = '{job}' ORDER BY id",
    )
    trials = query(
        folder,
        f"SELECT {name.format('candidate_id')}, purpose, seed, steps, success, greedy_success FROM trials "
        f"WHERE job_id = '{job}' ORDER BY candidate_id, purpose, seed",
    )
    return [candidates, trials]


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory) -> list:
    folder = tmp_path_factory.mktemp("undisturbed")
    (folder / "job.yaml").write_text(SPEC)
    ran = rewardsmith(folder, *COMMAND)
    assert ran.returncode == 0, ran.stderr
    job = json.loads(rewardsmith(folder, "ls", "--format", "json").stdout)[0]["job"]
    return outcome(folder, job)


def test_ctrl_c_keeps_what_is_done_and_the_same_command_goes_on(tmp_path, undisturbed):
    running = launch(tmp_path)
    wait_for(lambda: during_training(tmp_path))
    os.kill(running.pid, signal.SIGINT)
    running.wait(240)
    wait_for(lambda: not processes(tmp_path, "workers."))
    job = json.loads(rewardsmith(tmp_path, "ls", "--format", "json").stdout)[0]
    assert job["state"] == "paused"
    again = rewardsmith(tmp_path, *COMMAND)
    assert again.returncode == 0 and "going on" in again.stderr
    assert outcome(tmp_path, job["job"]) == undisturbed


def test_a_wall_clock_limit_ends_the_job_and_keeps_the_best(tmp_path):
    (tmp_path / "job.yaml").write_text(SPEC)
    ran = rewardsmith(tmp_path, *COMMAND, "--max-seconds", "9", "--steps", "3000000")
    assert "budget of 9 s is spent" in ran.stderr
    assert not processes(tmp_path, "workers.")


def test_cancel_ends_a_running_job(tmp_path):
    running = launch(tmp_path)
    wait_for(lambda: during_training(tmp_path))
    assert rewardsmith(tmp_path, "cancel", "latest").returncode == 0
    running.wait(240)
    wait_for(lambda: not processes(tmp_path, "workers."))
    assert query(tmp_path, "SELECT state FROM jobs") == [("cancelled",)]
