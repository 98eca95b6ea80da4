"""After kill -9 of any process, the same command continues the job and ends with the same result."""

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
from running import clean_environment, in_process, rewardsmith

SPEC = """
task: MiniGrid-Empty-5x5-v0
method: free
iterations: 2
samples: 1
steps: 40000
rungs: [1.0]
target: null
confirm: 0
verification: false
training: {eval_episodes: 50, final_episodes: 100}
"""
COMMAND = ["run", "--spec", "job.yaml", "--slots", "2"]


def launch(folder: Path) -> subprocess.Popen:
    (folder / "job.yaml").write_text(SPEC)
    return subprocess.Popen(
        [sys.executable, "-P", "-m", "rewardsmith.cli.main", *COMMAND],
        cwd=folder,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        # More attempts than the default, because each kill costs one.
        env={**clean_environment(), "REWARDSMITH_MAX_ATTEMPTS": "9"},
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
    """Whether a running trial has written a point of its curve."""
    return bool(query(
        folder,
        "SELECT 1 FROM trials t JOIN curve_points p ON p.trial_id = t.id JOIN work_items w ON w.candidate = "
        "t.candidate_id AND w.seed = t.seed WHERE w.state = 'leased' AND t.state = 'running'",
    ))  # fmt: skip


def between_iterations(folder: Path) -> bool:
    return bool(query(folder, "SELECT 1 FROM iterations WHERE state = 'done' AND number > 0"))


def processes_at(folder: Path, moment: Callable[[Path], bool], victims: Callable[[Path], list[int]]) -> list[int]:
    """Wait for the moment; returns the processes to kill."""
    wait_for(lambda: moment(folder) and bool(victims(folder)))
    return victims(folder)


def test_a_job_survives_the_kill_of_each_of_its_processes(tmp_path, undisturbed_outcome):
    """One job is killed six times in turn; its results equal those of an undisturbed job."""
    running = launch(tmp_path)
    kill(processes_at(tmp_path, during_design, lambda f: processes(f, "workers.local")))
    assert running.wait(60) == 1

    running = run_again(tmp_path)
    kill(processes_at(tmp_path, during_training, trials))
    kill(processes_at(tmp_path, during_training, warm_parents))
    time.sleep(1)
    assert running.poll() is None, "a trial and its parent are replaced without another command"

    os.kill(processes_at(tmp_path, during_training, lambda _: [running.pid])[0], signal.SIGINT)
    running.wait(60)
    assert states(tmp_path) == ["paused"]

    running = run_again(tmp_path)
    kill(processes_at(tmp_path, during_training, lambda _: [running.pid]))
    running.wait(60)

    running = run_again(tmp_path)
    kill(processes_at(tmp_path, between_iterations, lambda f: [*processes(f, "workers."), running.pid]))
    running.wait(60)

    assert run_again(tmp_path).wait(240) == 0
    assert states(tmp_path) == ["done"], "the same command must go on with the same job"
    job = json.loads(in_process(tmp_path, "ls", "--format", "json").stdout)[0]["job"]
    assert outcome(tmp_path, job) == undisturbed_outcome
    given_back = query(tmp_path, "SELECT text FROM events WHERE kind = 'given back'")
    assert sum("SIGKILL" in text for (text,) in given_back) >= 2


def run_again(folder: Path) -> subprocess.Popen:
    """Run the same command again once all processes of the previous one have ended."""
    wait_for(lambda: not processes(folder, "workers."), 60)
    return launch(folder)


def states(folder: Path) -> list[str]:
    return [state for (state,) in query(folder, "SELECT state FROM jobs")]


def outcome(folder: Path, job: str) -> list:
    """Names, states and scores of all candidates and trials, which must not depend on interruptions."""
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
def undisturbed_outcome(tmp_path_factory) -> list:
    folder = tmp_path_factory.mktemp("undisturbed")
    (folder / "job.yaml").write_text(SPEC)
    ran = rewardsmith(folder, *COMMAND)
    assert ran.returncode == 0, ran.stderr
    job = json.loads(in_process(folder, "ls", "--format", "json").stdout)[0]["job"]
    return outcome(folder, job)


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
