"""Methods from the command line: whole jobs with combined channels, up to a verified export; wrong names."""

from __future__ import annotations

import json

import pytest
from running import FEW_EPISODES, in_process, rewardsmith

TASK = "MiniGrid-DoorKey-5x5-v0"
FEW_ENVS = ("--set", "training.num_envs=16")
SMALL = (
    "--task",
    TASK,
    "--steps",
    "6144",
    "--confirm",
    "1",
    "--claim-layouts",
    "0",
    "--slots",
    "1",
    *FEW_ENVS,
    *FEW_EPISODES,
)


def test_calm_with_a_count_bonus_runs_to_the_export_and_verifies(tmp_path):
    designed = ("--iterations", "1", "--samples", "1", "--with", "count", "--weight", "count=0.02")
    ran = rewardsmith(tmp_path, "run", *SMALL, "--method", "calm", *designed)
    assert ran.returncode == 0, ran.stderr
    best = json.loads(in_process(tmp_path, "show", "best", "--format", "json").stdout)[0]
    weights = {c["name"]: (c["kind"], c["weight"], c["gate"]) for c in best["reward"]["channels"]}
    assert weights["count"] == ("bonus", 0.02, "none") and weights["carry_the_key"] == ("program", 0.5, "latch")
    shown = in_process(tmp_path, "show", "best").stdout
    for words in ("not part of the other checks: count", "carry_the_key", "per success", "share", "count: keys"):
        assert words in shown, words
    assert in_process(tmp_path, "curves", "--channels", "--out", "c.png").returncode == 0
    exported = in_process(tmp_path, "export", "latest", "--best", "--out", "exported")
    assert exported.returncode == 0, exported.stderr
    assert "leaves out the channels that exist only in training: count" in (tmp_path / "exported/card.md").read_text()
    verified = in_process(tmp_path, "verify", "exported")
    assert verified.returncode == 0 and "every replayed reward matches the recorded one" in verified.stdout, (
        verified.stderr
    )


@pytest.mark.parametrize("method", ["lare", pytest.param("milestones", marks=pytest.mark.slow)])
def test_a_method_that_learns_from_a_program_runs_to_the_export(tmp_path, method):
    designed = ("--method", method, "--iterations", "1", "--samples", "1", "--set", "verification=false")
    ran = rewardsmith(tmp_path, "run", *SMALL, *designed)
    assert ran.returncode == 0, ran.stderr
    best = json.loads(in_process(tmp_path, "show", "best", "--format", "json").stdout)[0]
    kinds = {c["name"]: c["kind"] for c in best["reward"]["channels"]}
    assert kinds == {"env": "env", method: "bonus" if method == "lare" else "learned"}
    told = best["trials"][-1]["telemetry"]["methods"][method]
    assert told["episodes"] > 0
    assert f"not part of the other checks: {method}" in in_process(tmp_path, "show", "best").stdout
    exported = in_process(tmp_path, "export", "latest", "--best", "--out", "exported")
    assert exported.returncode == 0, exported.stderr
    assert (
        f"leaves out the channels that exist only in training: {method}" in (tmp_path / "exported/card.md").read_text()
    )
    verified = in_process(tmp_path, "verify", "exported")
    assert verified.returncode == 0, verified.stderr


def test_a_verifier_job_designs_nothing_names_its_verifier_and_exports(tmp_path):
    verifier = (
        "--set",
        "verification=false",
        "--option",
        "mode=verifier",
        "--option",
        "subgoals=preset",
        "--option",
        "false_positive=0.1",
    )
    ran = rewardsmith(tmp_path, "run", *SMALL, "--method", "calm", *verifier)
    assert ran.returncode == 0 and "oracle, not a language model" in ran.stderr, ran.stderr
    assert "oracle-informed" in in_process(tmp_path, "show").stdout
    rows = json.loads(in_process(tmp_path, "show", "best", "--format", "json").stdout)
    details = rows[0]["trials"][-1]["telemetry"]["methods"]["calm"]
    assert details["labelled"] == 1.0 and set(details["terminated"]) == {"picked_up_key", "unlocked_door"}
    assert in_process(tmp_path, "export", "--out", "exported").returncode == 0
    verified = in_process(tmp_path, "verify", "exported")
    assert verified.returncode == 0, verified.stderr


@pytest.mark.slow  # test_calm.py discovers subgoals in one process
def test_a_verifier_job_may_discover_its_subgoals(tmp_path):
    few = ("--steps", "4096", "--confirm", "0", "--iterations", "1", "--samples", "1", "--slots", "1")
    ran = rewardsmith(
        tmp_path, "run", "--task", TASK, *few, *FEW_EPISODES, "--method", "calm", "--option", "mode=verifier"
    )
    assert ran.returncode == 0, ran.stderr
    details = json.loads(in_process(tmp_path, "show", "best", "--format", "json").stdout)[0]
    often = details["trials"][-1]["telemetry"]["methods"]["calm"]["terminated"]
    assert set(often) == {"picked_up_key", "unlocked_door"} and max(often.values()) <= 1.0


@pytest.mark.parametrize(
    "wrong, words",
    [
        (["--with", "oni", "--task", "CartPole-v1"], "CartPole-v1 has none"),
        (["--with", "calm", "--task", "CartPole-v1"], "CartPole-v1 has none"),
        (["--method", "oni", "--task", "MiniGrid-Dynamic-Obstacles-5x5-v0"], "needs a planner, and none solves"),
        (["--method", "calm", "--option", "mode=verifier", "--task", "BabyAI-GoToRedBall-v0"], "No planner provides"),
        (["--method", "oni", "--option", "weight=inf", "--task", TASK], "Option weight of oni"),
    ],
)
def test_method_unsuited_to_a_task_is_refused_before_training(tmp_path, wrong, words):
    ran = in_process(tmp_path, "run", *wrong)
    assert ran.returncode == 2 and words in ran.stderr and len(ran.stderr.strip().splitlines()) == 2, ran.stderr
    assert not list(tmp_path.glob("**/trials/*"))


@pytest.mark.parametrize(
    "wrong, words",
    [
        (["--method", "magic"], "There is no method 'magic'."),
        (["--with", "count,coutn"], "There is no method 'coutn'."),
        (["--with", "count", "--weight", "count=heavy"], "--weight 'count=heavy' is not a weight."),
        (["--with", "count", "--weight", "count=1", "--weight", "count=2"], "--weight sets count twice."),
        (
            ["--method", "calm", "--option", "calm.mode=code", "--option", "mode=verifier"],
            "--option sets calm.mode twice.",
        ),
        (["--with", "count", "--weight", "cuont=1"], "--weight names the channel 'cuont', which this job does not"),
        (["--method", "calm", "--option", "mode=guess"], "Option mode of calm"),
        (["--method", "count", "--seed-reward", "mine.py"], "The method count takes no program."),
    ],
)
def test_wrong_names_and_weights_are_a_cause_and_a_remedy(tmp_path, wrong, words):
    (tmp_path / "mine.py").write_text("def reward(prev, action, state, memory):\n    return 0.0\n")
    ran = in_process(tmp_path, "run", "--task", TASK, *wrong)
    assert ran.returncode == 2 and words in ran.stderr and len(ran.stderr.strip().splitlines()) == 2, ran.stderr


def test_evaluate_judge_still_works_and_names_evaluate_verifier(tmp_path):
    """The earlier names of command and mode give the same rows, and name the current ones on stderr."""
    few = ("--task", TASK, "--transitions", "8", "--subgoals", "preset", "--view", "caption", "--format", "json")
    now = in_process(tmp_path, "evaluate-verifier", *few, "--mode", "verifier")
    former = in_process(tmp_path, "evaluate-judge", *few, "--mode", "judge")
    assert former.returncode == 0 and former.stdout == now.stdout and json.loads(now.stdout)[0]["mode"] == "verifier"
    assert "`evaluate-judge` is deprecated" in former.stderr and "deprecated" not in now.stderr
    assert "`--mode judge` is deprecated" in former.stderr


def test_methods_are_listed_with_their_options(tmp_path):
    rows = json.loads(in_process(tmp_path, "methods", "--format", "json").stdout)
    known = {row["method"]: row for row in rows}
    assert {"auto-mc-reward", "free", "sparse", "hand", "count", "rnd", "noveld", "e3b", "calm"} <= set(known)
    assert known["calm"]["combines"] and not known["free"]["combines"] and "count_key=view" in known["count"]["options"]
