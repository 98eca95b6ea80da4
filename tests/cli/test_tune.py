"""`tune`: the numbers of a program by the checks, and the job that trains the best settings against each other."""

from __future__ import annotations

import json

import pytest
from running import FEW_EPISODES, in_process, rewardsmith

from rewardsmith.agents.models import ReplayKey, Request
from rewardsmith.agents.registry import open_model
from rewardsmith.errors import UsageError
from rewardsmith.offline.tune_reward import tune_reward, write_race
from rewardsmith.programs.params import ranges_of

TASK = "MiniGrid-Empty-5x5-v0"
# With a pay of 1 or more for every step that does not solve the task, idling earns more than success.
PROGRAM = """PARAMS = {"pay": (0.001, 3.0), "done": 1.0}


def reward(prev, action, state, memory):
    return PARAMS["done"] if state.solved else (PARAMS["pay"] if action == FORWARD else 0.0)
"""
SMALL = ("--steps", "6144", "--confirm", "1", "--claim-layouts", "0", "--slots", "1", *FEW_EPISODES)


@pytest.fixture(scope="module")
def tuned():
    told: list[str] = []
    return tune_reward(PROGRAM, TASK, trials=4, layouts=1, tell=told.append), told


def test_a_setting_that_fails_a_check_is_never_chosen(tuned):
    found, told = tuned
    assert len(told) == found.tried == 4 and told[0].startswith("pay 0.05477")  # the geometric middle comes first
    failed = [line for line in told if "failed check" in line]
    assert found.passed + len(failed) == 4 and found.passed >= 1
    assert not any(line.startswith(f"pay {found.values['pay']:g}:") for line in failed)


def test_the_chosen_numbers_are_constants_of_the_program(tuned):
    found, _ = tuned
    assert ranges_of(found.source) == {} and f"'pay': {found.values['pay']!r}, 'done': 1.0" in found.source
    assert found.source == found.ranked[0] and len(set(found.ranked)) == len(found.ranked)


def test_the_raced_settings_are_the_answers_of_a_designer(tuned, tmp_path):
    path = tmp_path / "race.json"
    for _ in range(2):  # a file that is written again starts with its first answer
        write_race(path, ["a = 1\n", "a = 2\n"])
        answers = [
            open_model(f"listed:{path}").complete(Request("designer", "", "", ReplayKey("designer", 1, k)))
            for k in (0, 1)
        ]
        assert [a.text for a in answers] == ["```python\na = 1\n```\n", "```python\na = 2\n```\n"]
    with pytest.raises(UsageError, match="No setting passed"):
        write_race(path, [])


@pytest.mark.slow
def test_a_job_trains_the_raced_settings_and_counts_their_steps(tmp_path):
    (tmp_path / "open.py").write_text(PROGRAM)
    asked = (
        "--task",
        TASK,
        "--out",
        "tuned.py",
        "--trials",
        "4",
        "--layouts",
        "1",
        "--race",
        "race.json",
    )
    ran = in_process(tmp_path, "tune", "open.py", *asked)
    assert ran.returncode == 0, ran.stderr
    command = next(line for line in ran.stderr.splitlines() if "rewardsmith run" in line)
    arguments = command.partition("rewardsmith run ")[2].split()
    job = rewardsmith(tmp_path, "run", *arguments, *SMALL)
    assert job.returncode == 0, job.stderr
    shown = json.loads(in_process(tmp_path, "show", "latest", "--format", "json").stdout)
    assert shown, shown
    found = json.loads((tmp_path / "race.json").read_text())["designer"]
    assert 1 <= len(found) <= 4


def test_a_program_without_open_numbers_is_refused(tmp_path):
    (tmp_path / "closed.py").write_text("def reward(prev, action, state, memory):\n    return 0.0\n")
    ran = in_process(tmp_path, "tune", "closed.py", "--task", TASK, "--out", "tuned.py")
    assert ran.returncode != 0 and "declares no PARAMS" in ran.stderr
