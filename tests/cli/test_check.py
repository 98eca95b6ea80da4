"""`rewardsmith check`: a linter for rewards, with exit codes for CI."""

from __future__ import annotations

import json
import shutil

import pytest
from running import in_process
from verification import rewards

from rewardsmith.offline.check_reward import FAIL_ON, CheckedReward, layout_counts
from rewardsmith.programs.problem import Problem
from rewardsmith.programs.reward import TrainingReward
from rewardsmith.tasks import get_task
from rewardsmith.tasks.base import Behaviour
from rewardsmith.verification.battery import played_exploits
from rewardsmith.verification.checks import Checked, Verdict
from rewardsmith.verification.counterexample import CounterExample, replay

TASK = "MiniGrid-DoorKey-5x5-v0"
SOUND = rewards.LATCHED.source
EXPLOIT = rewards.PICKUP_EXPLOIT.source
POTENTIAL = rewards.DISTANCE_POTENTIAL.source


@pytest.fixture
def check(tmp_path):
    def run(source: str, *arguments: str):
        (tmp_path / "reward.py").write_text(source)
        return in_process(tmp_path, "check", "reward.py", "--task", TASK, *arguments)

    return run


def test_a_sound_reward_exits_with_0_and_shows_every_check(tmp_path):
    (tmp_path / "reward.py").write_text(SOUND)
    ran = in_process(tmp_path, "check", "reward.py", "--task", TASK, "--quick")
    assert ran.returncode == 0, ran.stderr
    for word in (
        "gate",
        "contract",
        "cost",
        "determinism",
        "battery",
        "sound on 8 of 8",
        "2 hard",
        "shaping ratio",
        "difficulty",
    ):
        assert word in ran.stdout, word
    assert "31.2 %" in ran.stdout and "Smallest" in ran.stdout  # a cell's lines break anywhere
    assert [each.name for each in (tmp_path / ".rewardsmith").iterdir()] == ["checks"]  # no job, no database


def test_exploitable_reward_exits_with_1_and_writes_a_replay(check, tmp_path):
    ran = check(EXPLOIT, "--format", "json", "--out", "exploits.json", "--layouts", "4")
    assert ran.returncode == 1, ran.stderr
    found = json.loads(ran.stdout)[0]
    verdicts = {v["kind"]: v for v in found["verdicts"]}
    assert not found["passed"] and verdicts["certificate"]["details"]["verdict"] == "unsound"
    assert not verdicts["battery"]["passed"]  # a failed battery does not skip the certificate
    values = json.loads((tmp_path / "exploits.json").read_text())
    assert len(values) == 4
    shown = found["soundness"]
    assert (shown["layouts_asked"], shown["unsound_or_undecided"], shown["unsound_rate_below"]) == (4, 4, 1.0)
    assert shown["headline"] == "unsound on 4 layouts" and shown["smallest_margin_layout"] in range(4)
    example = CounterExample.from_dict(values[0])
    reward = TrainingReward.from_dict(rewards.PICKUP_EXPLOIT.as_dict())
    assert replay(Problem(get_task(TASK), reward, example.gamma), example).confirms(example)


def test_a_cap_fixes_an_exploit_and_saved_exploits_are_played(check, tmp_path):
    (tmp_path / "exploits.json").write_text('[{"layout": 0, "prefix": [1], "cycle": [3, 4]}]')
    ran = check(EXPLOIT, "--episode-cap", "auto", "--exploits", "exploits.json", "--layouts", "1")
    assert ran.returncode == 0, ran.stdout + ran.stderr
    assert "sound on 1 of 1" in " ".join(ran.stdout.split())


def made(*verdicts: str, passed: bool = True, kind: str = "certificate") -> CheckedReward:
    """The verdicts of a check whose certificate has one layout per verdict."""
    optimum = {"value": 2.0, "value_without_success": 1.0, "error": 0.0, "solves": True, "may_solve": True, "steps": 5}
    layouts = [
        {"layout": k, "verdict": v, "low": None, "high": None if v == "not certified" else optimum, "episode": 9}
        for k, v in enumerate(verdicts)
    ]
    found = [Verdict("battery", True, ""), Verdict(kind, passed, "", {"layouts": layouts})]
    return CheckedReward("task", ("reward",), 0.99, Checked(found, {}, {}))


def test_exit_codes_follow_the_condition_of_fail_on():
    many = ["sound"] * 30
    codes = {
        "few": made("sound"), "many": made(*many), "undecided": made(*many * 2, "not certified"),
        "failed": made("unsound", passed=False), "nothing": made("sound", kind="other"),
    }  # fmt: skip
    found = {name: [each.exit_code(condition) for condition in FAIL_ON] for name, each in codes.items()}
    assert found == {
        "few": [0, 0, 3, 0], "many": [0, 0, 0, 0], "undecided": [0, 3, 0, 0], "failed": [1, 1, 1, 0],
        "nothing": [0, 3, 3, 0],
    }  # fmt: skip


def test_quick_and_a_number_of_layouts_exclude_each_other(check):
    ran = check(SOUND, "--quick", "--layouts", "4")
    assert ran.returncode == 2 and "Leave out one of them." in ran.stderr
    ran = check(SOUND, "--fail-on", "anything")
    assert ran.returncode == 2 and "failure, undecided, bound, never" in ran.stderr
    assert (layout_counts(None), layout_counts(None, quick=True), layout_counts(3)) == ((30, 4), (8, 2), (3, 0))


@pytest.mark.parametrize(
    "entry, cause",
    [
        ({"prefix": ["a"]}, "actions that"),
        ({"prefix": [99]}, "actions that"),
        ({"prefix": [], "cycle": []}, "actions that"),
        ({"prefix": "12"}, "actions that"),
        ({"layout": 99999}, "names layout 99999"),
        ({"layout": -1}, "names layout -1"),
        ({"task": "MiniGrid-LavaGapS5-v0"}, "counter-examples for MiniGrid-LavaGapS5-v0"),
    ],
)
def test_saved_exploits_of_another_task_are_refused(check, tmp_path, entry, cause):
    whole = {"task": TASK, "layout": 0, "prefix": [1], "cycle": [3, 4], **entry}
    (tmp_path / "exploits.json").write_text(json.dumps([whole]))
    ran = check(SOUND, "--exploits", "exploits.json")
    assert ran.returncode == 2 and cause in " ".join(ran.stderr.split()), ran.stderr


def test_exploits_on_layouts_beyond_the_bank_are_played_too():
    exploit = [Behaviour("", (), (2,), 7), Behaviour("", (1,), (0, 1), 0)]
    task = get_task(TASK)
    assert [at for at, _ in played_exploits(task, tuple(exploit))] == [0, 7]


def test_names_and_files_beyond_ascii_are_read(check, tmp_path):
    head, name = "\ufeffdef reward(prev, action, state, memory):\n", "gr\u00f6\u00dfe"
    ran = check(f"{head}    {name} = 1.0\n    return {name} if state.solved else 0.0\n", "--layouts", "1")
    assert ran.returncode == 0, ran.stdout + ran.stderr


def test_a_potential_is_shaped_by_the_service_and_preserves_the_optimum(check):
    ran = check(POTENTIAL, "--format", "json", "--layouts", "4")
    assert ran.returncode == 0, ran.stderr
    (told,) = json.loads(ran.stdout)
    assert told["origin"]["kind"] == "file" and told["origin"]["file"].endswith(".py") and told["origin"]["line"] >= 1
    certificate = next(v for v in told["verdicts"] if v["kind"] == "certificate")
    assert certificate["details"]["verdict"] == "sound" and "stay optimal" in certificate["message"]


def test_a_program_that_breaks_the_contract_fails_before_any_proof(check):
    ran = check("def reward(prev, action, state, memory):\n    return state.agent.z\n")
    assert ran.returncode == 1 and "has no field 'z'" in " ".join(ran.stdout.split())
    assert "certificate" not in ran.stdout


@pytest.mark.parametrize(
    ("source", "arguments", "cause"),
    [
        ("def other():\n    return 0\n", (), "defines neither"),
        (SOUND, ("--gamma", "1.5"), "gamma"),
        (SOUND, ("--task", "MiniGrid-DorKey-5x5-v0"), "Did you mean"),
        (SOUND, ("--layouts", "0"), "--layouts"),
        (SOUND, ("--episode-cap", "-1"), "cap"),
        (SOUND, ("--exploits", "no.json"), "counter-examples"),
        (SOUND, ("--format", "xml"), "xml"),
        (SOUND, ("--layouts", "100000"), "has 2048 training layouts"),
        (SOUND, ("--out", "nowhere/exploits.json"), "Cannot write"),
        (SOUND, ("--out", "."), "Cannot write"),
    ],
)
def test_wrong_usage_exits_with_2(check, source, arguments, cause):
    ran = check(source, *arguments)
    assert ran.returncode == 2 and cause in ran.stderr, ran.stderr


def test_a_file_that_is_not_there_is_named(tmp_path):
    ran = in_process(tmp_path, "check", "no.py", "--task", TASK)
    assert ran.returncode == 2 and "no.py" in ran.stderr
    shutil.rmtree(tmp_path)


def test_without_a_planner_the_skipped_checks_are_named(tmp_path):
    (tmp_path / "reward.py").write_text("def reward(prev, action, state, memory):\n    return 1.0\n")
    ran = in_process(tmp_path, "check", "reward.py", "--task", "CartPole-v1")
    assert ran.returncode == 0 and "not run" in ran.stdout
    ran = in_process(tmp_path, "check", "reward.py", "--task", "CartPole-v1", "--format", "json")
    shown = json.loads(ran.stdout)[0]
    assert "no planner" in shown["not_run"]["battery"]
