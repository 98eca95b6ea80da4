"""`rewardsmith check` keeps results: the same program, task, settings and version are checked once."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest
from running import in_process
from verification import rewards

from rewardsmith.offline import kept_checks
from rewardsmith.offline.kept_checks import KeptChecks, key_of
from rewardsmith.programs.problem import Problem
from rewardsmith.tasks import get_task
from rewardsmith.tasks.base import Behaviour
from rewardsmith.verification.checks import Checked, Proof, Verdict

TASK = "MiniGrid-DoorKey-5x5-v0"
KEPT = "result of an earlier check"


def test_the_second_check_returns_the_result_of_the_first(tmp_path):
    (tmp_path / "reward.py").write_text(rewards.LATCHED.source)
    asked = ("check", "reward.py", "--task", TASK, "--layouts", "1", "--format", "json")
    first, second = in_process(tmp_path, *asked), in_process(tmp_path, *asked)
    assert first.returncode == second.returncode == 0, first.stderr
    assert KEPT not in first.stderr and KEPT in second.stderr
    assert json.loads(first.stdout) == json.loads(second.stdout)
    (path,) = (tmp_path / ".rewardsmith" / "checks").iterdir()
    path.write_text(path.read_text()[:-40])  # damaged: checked again
    assert KEPT not in in_process(tmp_path, *asked).stderr
    assert KEPT not in in_process(tmp_path, *asked, "--no-cache").stderr


def test_the_key_depends_on_all_that_the_result_depends_on(monkeypatch):
    problem, proof = Problem(get_task(TASK), rewards.LATCHED, 0.99), Proof(3)
    keys = {
        key_of(problem, proof, ()),
        key_of(problem.with_reward(rewards.PICKUP_EXPLOIT), proof, ()),
        key_of(replace(problem, gamma=0.98), proof, ()),
        key_of(replace(problem, task=get_task("MiniGrid-DoorKey-6x6-v0")), proof, ()),
        key_of(problem, Proof(4), ()),
        key_of(problem, proof, (Behaviour("exploit", (1,)),)),
    }
    monkeypatch.setattr(kept_checks, "_versions", lambda: {"code": "another"})
    assert len({*keys, key_of(problem, proof, ())}) == 7


def test_old_results_are_removed(tmp_path, monkeypatch):
    monkeypatch.setattr(kept_checks, "MOST", 2)
    kept, checked = KeptChecks(tmp_path / "checks"), Checked([Verdict("gate", True, "no findings")], {}, {"steps": 3})
    for key in ("a", "b", "c"):
        kept.put(key, checked)
    assert len(list((tmp_path / "checks").iterdir())) == 2
    assert kept.get("c") == checked and kept.get("missing") is None


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"verdicts": [1]}'])
def test_a_damaged_file_is_no_result(tmp_path, text):
    (tmp_path / "key.json").write_text(text)
    assert KeptChecks(tmp_path).get("key") is None
