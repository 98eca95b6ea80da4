"""A tiny real job whose program pays almost nothing: entropy dominates, so it is retrained with less entropy."""

from __future__ import annotations

import json

import pytest
from running import in_process

from rewardsmith.config import Settings
from rewardsmith.engine.context import open_context
from rewardsmith.engine.items import dispatch
from rewardsmith.engine.items.train import train_item
from rewardsmith.engine.jobs import lifecycle
from rewardsmith.engine.jobs.advance import advance
from rewardsmith.spec import JobSpec
from rewardsmith.storage import queue

PROGRAM = """
def reward(prev, action, state, memory):
    return 1e-6 * float(state.agent.x - prev.agent.x)
"""
TRAINING = {
    "normalize_advantage": False, "normalize_reward": False, "entropy": 0.5, "num_envs": 8, "rollout_steps": 64,
    "batch_size": 256, "eval_episodes": 10, "final_episodes": 10,
}  # fmt: skip


@pytest.fixture(scope="module")
def job(tmp_path_factory):
    """A folder with the job, whose trials have run in this process."""
    folder = tmp_path_factory.mktemp("retrained")
    context = open_context(Settings(home=folder / ".rewardsmith"))
    spec = JobSpec(
        task="MiniGrid-DoorKey-8x8-v0", method="free", iterations=1, samples=1, repairs=0, steps=2_048, confirm=0,
        rungs=(1.0,), verification=False, training=TRAINING,
    )  # fmt: skip
    job_id = lifecycle.create_job(context, spec, PROGRAM)
    advance(context, job_id)
    with context.database.begin() as connection:
        # Only the given program matters here.
        queue.cancel_open(connection, job_id, "")
        queue.cancel_open(connection, job_id, f"{job_id}-sparse")
    advance(context, job_id)
    while (item := queue.claim(context.database, "me", 600, job_id)) is not None:
        train = item.key.kind in queue.TRAINING_KINDS
        (train_item if train else dispatch._HANDLERS[item.key.kind])(context, item)
        advance(context, job_id)
    return folder


def test_show_reports_the_second_trial_and_its_settings(job):
    (found,) = json.loads(in_process(job, "show", "latest-1seed", "--format", "json").stdout)
    assert found["adjustment"]["reason"] == "entropy dominates" and found["adjustment"]["training"] == {"entropy": 0.05}
    trials = {t["purpose"]: t for t in found["trials"] if t["purpose"] != "confirm"}
    assert trials["retrain"]["settings"] == {"training": {"entropy": 0.05}} and trials["search"]["settings"] is None
    assert trials["retrain"]["seed"] == trials["search"]["seed"] and trials["retrain"]["steps"] > 0
    coefficients = [t["telemetry"]["learning"]["entropy_coefficient"] for t in trials.values()]
    assert sorted(coefficients) == [0.05, 0.5]
    shown = in_process(job, "show", "latest-1seed").stdout
    assert "settings: entropy dominates: trained once more with entropy 0.05 instead of 0.5" in " ".join(shown.split())
    assert "learner, late in training: " in shown and "retrain" in shown


def test_why_and_the_diagnosis_report_the_second_trial(job):
    output = " ".join(in_process(job, "why", "latest-1seed").stdout.split())
    assert (
        "diagnosis: entropy dominates - " in output
        and "earns a bonus of" in output
        and "settings: entropy dominates: trained" in output
    )
