"""A tiny real job whose program pays next to nothing: it drowns, and is trained once more with less entropy."""

from __future__ import annotations

import json

import pytest
from running import FEW_EPISODES, in_process, rewardsmith

PROGRAM = """
def reward(prev, action, state, memory):
    return 1e-6 * float(state.agent.x - prev.agent.x)
"""
SETTINGS = (
    "normalize_advantage=false", "normalize_reward=false", "entropy=0.5", "num_envs=8", "rollout_steps=64",
    "batch_size=256",
)  # fmt: skip


@pytest.fixture(scope="module")
def job(tmp_path_factory):
    folder = tmp_path_factory.mktemp("retrained")
    (folder / "mine.py").write_text(PROGRAM)
    changes = [part for setting in SETTINGS for part in ("--set", f"training.{setting}")]
    ran = rewardsmith(
        folder, "run", "--task", "MiniGrid-DoorKey-8x8-v0", "--method", "free", "--seed-reward", "mine.py",
        "--iterations", "1", "--samples", "1", "--steps", "3000", "--confirm", "0", "--slots", "2", "--train-anyway",
        "--set", "rungs=[1.0]", *changes, *FEW_EPISODES,
    )  # fmt: skip
    assert ran.returncode == 0, ran.stderr
    return folder


def test_show_tells_of_the_second_trial_and_its_settings(job):
    (found,) = json.loads(in_process(job, "show", "latest-1seed", "--format", "json").stdout)
    assert found["adjustment"]["reason"] == "drowned" and found["adjustment"]["training"] == {"entropy": 0.05}
    trials = {t["purpose"]: t for t in found["trials"] if t["purpose"] != "confirm"}
    assert trials["retrain"]["settings"] == {"training": {"entropy": 0.05}} and trials["search"]["settings"] is None
    assert trials["retrain"]["seed"] == trials["search"]["seed"] and trials["retrain"]["steps"] > 0
    coefficients = [t["telemetry"]["learning"]["entropy_coefficient"] for t in trials.values()]
    assert sorted(coefficients) == [0.05, 0.5]
    shown = in_process(job, "show", "latest-1seed").stdout
    assert "settings: drowned: trained once more with entropy 0.05 instead of 0.5" in " ".join(shown.split())
    assert "learner, late in training: " in shown and "retrain" in shown


def test_why_and_the_diagnosis_tell_of_it_too(job):
    told = " ".join(in_process(job, "why", "latest-1seed").stdout.split())
    assert "diagnosis: drowned - " in told and "the bonus pays" in told and "settings: drowned: trained" in told
