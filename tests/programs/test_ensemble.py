"""Ensembles: programs that contain several rewards and pay the smallest, or mean less deviation."""

from __future__ import annotations

import numpy as np
import pytest
from running import in_process

from rewardsmith.errors import UsageError
from rewardsmith.methods import get_method
from rewardsmith.programs.ensemble import ensemble_of
from rewardsmith.programs.problem import Problem
from rewardsmith.programs.rollout import record
from rewardsmith.tasks import get_task
from rewardsmith.verification.checks import Proof, run_checks

TASK = "MiniGrid-DoorKey-5x5-v0"
MOVES = (
    'USES = ["walk_distance"]\nSIZE = 0.5\n\n\n'
    'def size(state):\n    return SIZE if state.event == "moved" else 0.0\n\n\n'
    "def reward(prev, action, state, memory):\n"
    '    memory["n"] = memory.get("n", 0) + 1\n'
    '    return {"moved": size(state), "first": 1.0 if memory["n"] == 1 else 0.0}\n'
)
EAST = (
    "SIZE = 2.0\n\n\ndef reward(prev, action, state, memory):\n"
    '    memory["n"] = memory.get("n", 0) + 2\n    return SIZE * (state.agent.y - prev.agent.y) + 0.0 * memory["n"]\n'
)


def played():
    task, rng = get_task(TASK), np.random.default_rng(0)
    batch = task.batch(4, "train")
    batch.reset(0)
    made = record(batch, task, lambda t, starts: rng.integers(7, size=4), 40)
    batch.close()
    return made


def paid(source: str, rollout) -> np.ndarray:
    scores = Problem(get_task(TASK), get_method("free").reward(source), 0.99).scores(rollout)
    assert scores is not None
    return scores.values.sum(-1)


@pytest.mark.parametrize("pay", ["min", "pessimistic"])
def test_members_keep_their_names_and_memories_apart(pay):
    rollout = played()
    each = np.stack([paid(MOVES, rollout), paid(EAST, rollout)])
    together = paid(ensemble_of([MOVES, EAST], pay), rollout)
    wanted = each.min(0) if pay == "min" else each.mean(0) - each.std(0)
    assert together == pytest.approx(wanted) and len(np.unique(together)) > 2


def test_an_ensemble_is_checked_like_any_program():
    source = ensemble_of([MOVES, EAST])
    assert source.startswith("USES = ['walk_distance']")
    checked = run_checks(Problem(get_task(TASK), get_method("free").reward(source), 0.99), Proof(wanted=False))
    assert checked.passed and set(checked.components) == {"ensemble"}


@pytest.mark.parametrize(
    ("sources", "words"),
    [([MOVES], "at least two"), ([MOVES, "def f():\n    pass\n"], "no reward"), ([MOVES, "def reward(:"], "parsed")],
)
def test_what_is_no_program_is_a_cause_and_a_remedy(sources, words):
    with pytest.raises(UsageError, match=words) as caught:
        ensemble_of(sources)
    assert len(str(caught.value).splitlines()) == 2


def test_files_are_combined_on_the_command_line(tmp_path):
    (tmp_path / "one.py").write_text(MOVES)
    (tmp_path / "two.py").write_text(EAST)
    ran = in_process(tmp_path, "ensemble", "one.py", "two.py", "--out", "both.py")
    assert ran.returncode == 0, ran.stderr
    assert "combines 2 programs" in ran.stderr
    assert (tmp_path / "both.py").read_text() == ensemble_of([MOVES, EAST])
    assert in_process(tmp_path, "ensemble", "one.py", "none.py", "--out", "both.py").returncode == 2
    assert in_process(tmp_path, "ensemble", "one.py", "two.py", "--pay", "most", "--out", "both.py").returncode == 2
