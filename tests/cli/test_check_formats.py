"""What `check` writes for other tools: JUnit's XML, SARIF, and the action that runs it."""

from __future__ import annotations

import json
import os
import subprocess
import tomllib
from pathlib import Path
from xml.etree import ElementTree

import pytest
import yaml

from rewardsmith import testing
from rewardsmith.offline.check_formats import RULES, Checkout, as_junit, as_sarif
from rewardsmith.offline.check_reward import CheckedReward
from rewardsmith.verification.checks import Checked, Verdict

ROOT = Path(__file__).parents[2]
TEXT = "import math\n\n\ndef reward(prev, action, state, memory):\n    return open\n"


def checked(*verdicts: Verdict) -> CheckedReward:
    return CheckedReward("Task-v0", ("reward",), 0.99, Checked(list(verdicts), {}, {}))


FAILED = checked(
    Verdict("gate", False, "line 5: the name open is refused; use numbers\nline 1: <math> & \x00 bell; remove it"),
)
OPEN = checked(Verdict("contract", True, "4 transitions scored"))


@pytest.mark.parametrize("result", [FAILED, OPEN], ids=["failed", "open"])
def test_sarif_has_the_form_of_the_standard(result):
    log = as_sarif(result, Checkout("rewards/my reward.py", TEXT, "1.0"))
    assert log["version"] == "2.1.0" and log["$schema"].endswith("sarif-schema-2.1.0.json")
    (run,) = log["runs"]
    driver = run["tool"]["driver"]
    assert driver["name"] == "rewardsmith" and {r["id"] for r in driver["rules"]} <= RULES.keys()
    assert run["invocations"][0]["exitCode"] == (0 if result is OPEN else 1)
    for found in run["results"]:
        assert driver["rules"][found["ruleIndex"]]["id"] == found["ruleId"]
        assert found["level"] in ("none", "note", "warning", "error") and found["message"]["text"]
        place = found["locations"][0]["physicalLocation"]
        assert place["artifactLocation"]["uri"] == "rewards/my%20reward.py" and place["region"]["startLine"] >= 1
    json.dumps(log)


def test_sarif_names_the_line_of_each_finding():
    results = as_sarif(FAILED, Checkout("r.py", TEXT, "1.0"))["runs"][0]["results"]
    assert [r["locations"][0]["physicalLocation"]["region"]["startLine"] for r in results] == [5, 1]
    unsound = checked(Verdict("battery", False, "spinning earns more"))
    (result,) = as_sarif(unsound, Checkout("r.py", TEXT, "1.0"))["runs"][0]["results"]
    assert result["locations"][0]["physicalLocation"]["region"]["startLine"] == 4  # where reward() is defined


@pytest.mark.parametrize(("result", "failures", "skipped"), [(FAILED, 1, 0), (OPEN, 0, 1)], ids=["failed", "open"])
def test_junit_counts_its_cases(result, failures, skipped):
    report = ElementTree.fromstring(as_junit(result, Checkout("rewards/r.py", TEXT, "1.0")))
    assert report.tag == "testsuites"
    (suite,) = report
    cases = suite.findall("testcase")
    assert int(suite.get("tests", "")) == len(cases) == 1 + skipped
    assert int(suite.get("failures", "")) == len(suite.findall("testcase/failure")) == failures
    assert int(suite.get("skipped", "")) == len(suite.findall("testcase/skipped")) == skipped
    assert [each.tag for each in suite if each.tag != "testcase"] == ["properties", "system-out", "system-err"]
    assert all(case.get("classname") == "rewards.r" for case in cases)
    assert all(len(case) <= 1 for case in cases)


class Given:
    """A result of `rewardsmith.check` in a test."""

    def __init__(self, monkeypatch, result):
        from rewardsmith import api, results

        monkeypatch.setattr(api, "check", lambda *_, **__: results.read_check(result))


def test_assert_sound_shows_the_verdict_and_its_place(monkeypatch):
    Given(monkeypatch, FAILED)
    with pytest.raises(testing.Unsound, match="the name open is refused") as error:
        testing.assert_sound("reward.py", "Task-v0")
    assert error.value.result.task == "Task-v0" and isinstance(error.value, AssertionError)


def test_assert_sound_accepts_an_undecided_verdict_only_if_told(monkeypatch):
    Given(monkeypatch, OPEN)
    with pytest.raises(testing.Unsound, match="undecided=True"):
        testing.assert_sound("reward.py", "Task-v0")
    assert testing.assert_sound("reward.py", "Task-v0", undecided=True).passed


def test_pytest_finds_the_plugin():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    assert project["entry-points"]["pytest11"] == {"rewardsmith": testing.__name__}


ACTION = yaml.safe_load((ROOT / "action.yml").read_text(encoding="utf-8"))


def run_step(name: str, folder: Path, program: str, **env: str) -> subprocess.CompletedProcess[str]:
    """Run a step of the action in a shell, with `program` as the command rewardsmith."""
    (folder / "bin").mkdir()
    command = folder / "bin" / "rewardsmith"
    command.write_text(program, encoding="utf-8")
    command.chmod(0o755)
    step = next(s for s in ACTION["runs"]["steps"] if s["id"] == name)
    path = f"{folder / 'bin'}:{os.environ['PATH']}"
    given = {"PATH": path, "HOME": str(folder), "GITHUB_OUTPUT": str(folder / "output"), **env}
    assert given.keys() >= step["env"].keys()
    return subprocess.run(
        ["bash", "--noprofile", "--norc", "-eo", "pipefail", "-c", step["run"]],
        cwd=folder, env=given, capture_output=True, text=True, timeout=500,
    )  # fmt: skip


def test_the_action_checks_every_file_and_ends_with_the_worst_exit_code(tmp_path):
    program = '#!/bin/bash\necho "$@" >> calls\ncase "$2" in bad*) exit 3;; esac\n'
    ran = run_step(
        "check", tmp_path, program, REWARD="bad one.py\ngood.py\n", TASK="Task-v0", FAIL_ON="bound",
        ARGUMENTS="--quick --limit 5", REPORTS="reports",
    )  # fmt: skip
    assert ran.returncode == 3 and "::error file=bad one.py::" in ran.stdout
    first, second = (tmp_path / "calls").read_text(encoding="utf-8").splitlines()
    assert first.startswith("check bad one.py --task Task-v0 --fail-on bound --report reports/sarif/bad_one.py.sarif")
    assert second.endswith("--report reports/junit/good.py.xml --quick --limit 5")
    assert (tmp_path / "output").read_text(encoding="utf-8").splitlines()[0] == "sarif=reports/sarif"


def test_the_action_passes_its_inputs_by_the_environment_alone():
    steps = ACTION["runs"]["steps"]
    assert ACTION["runs"]["using"] == "composite" and all(step["shell"] == "bash" for step in steps)
    assert not any("${{" in step["run"] for step in steps)  # a file's name must not become a command
    named = " ".join(value for step in steps for value in step["env"].values())
    assert all(f"inputs.{name}" in named for name in ACTION["inputs"])
    assert set(ACTION["outputs"]) == {"sarif", "junit"}
