"""A whole job with `reuse`: candidates begin from earlier transitions, and the final evaluation starts empty."""

from __future__ import annotations

import pytest
from running import in_process

import rewardsmith
from rewardsmith.config import Settings
from rewardsmith.engine.context import open_context
from rewardsmith.engine.items import dispatch
from rewardsmith.engine.items.train import train_item
from rewardsmith.engine.jobs import lifecycle
from rewardsmith.engine.jobs.advance import advance
from rewardsmith.spec import JobSpec, with_defaults
from rewardsmith.storage import queue

PROGRAM = """
def reward(prev, action, state, memory):
    return abs(state.velocity) - abs(prev.velocity) + (1.0 if state.solved else 0.0)
"""
TRAINING = {
    "algorithm": "dqn", "reuse": True, "hidden": [16], "batch_size": 16, "train_freq": 4, "gradient_steps": 1,
    "learning_starts": 50, "target_update_interval": 100, "eval_episodes": 10, "final_episodes": 10,
}  # fmt: skip


@pytest.mark.slow
def test_a_job_saves_the_steps_that_its_candidates_reuse(tmp_path, monkeypatch):
    monkeypatch.setattr("rewardsmith.training.schedule._CUT_STEPS", 0)
    context = open_context(Settings(home=tmp_path / ".rewardsmith", allow_weak_sandbox=True))
    asked = {
        "task": "MountainCar-v0",
        "method": "free",
        "iterations": 1,
        "samples": 1,
        "repairs": 0,
        "verification": False,
    }
    sizes = {"steps": 1_200, "confirm": 1, "rungs": [1.0], "training": TRAINING}
    job_id = lifecycle.create_job(context, JobSpec.model_validate(with_defaults({**asked, **sizes})), PROGRAM)
    advance(context, job_id)
    while (item := queue.claim(context.database, queue.make_owner(), 600, job_id)) is not None:
        if item.key.kind in queue.TRAINING_KINDS:
            train_item(context, item)
            advance(context, job_id)
        else:
            dispatch.run_item(context, item.id, str(item.owner))
    job = rewardsmith.load(job_id, home=tmp_path / ".rewardsmith")
    assert job.state == "done" and job.claim is not None
    given = next(c for c in job.candidates if c.id.endswith("1seed"))
    begun = [c for c in job.candidates if c.steps == 600]  # others use memory, and train 1,200 steps
    assert given in begun, [(c.id, c.steps, c.note) for c in job.candidates]
    assert job.steps["search"]["saved"] == 600 * len(begun) and "saved" not in job.steps["claim"]
    assert job.claim.best.steps == job.claim.baseline.steps == 1_200
    shown = " ".join(in_process(tmp_path, "show", "latest").stdout.split())
    assert f"environment steps saved by reuse: {600 * len(begun):,}" in shown
    assert not list((tmp_path / ".rewardsmith").rglob("replay")), "buffers of a finished job are deleted"
