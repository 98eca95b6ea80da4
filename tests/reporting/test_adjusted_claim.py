"""A candidate with adjusted settings: the claim, the card, the export and the screens state them."""

from __future__ import annotations

import json

import pytest
from running import in_process

from rewardsmith.config import Settings
from rewardsmith.engine.context import open_context
from rewardsmith.engine.jobs import lifecycle
from rewardsmith.engine.search.claim import claim_of
from rewardsmith.engine.search.retraining import weighed
from rewardsmith.methods import get_method
from rewardsmith.programs.reward import source_hash
from rewardsmith.reporting import queries
from rewardsmith.reporting.card import card_text
from rewardsmith.reporting.export import export_candidate
from rewardsmith.reporting.verify import verify_folder
from rewardsmith.spec import JobSpec
from rewardsmith.storage import records
from sandbox.client import Isolation

PROGRAM = "def reward(prev, action, state, memory):\n    return 5.0 if state.solved else 0.0\n"
LESS_ENTROPY = {"training": {"entropy": 0.0025}}
HELD = {
    **LESS_ENTROPY, "reason": "entropy dominates", "rung": 0, "stands": True,
    "note": "trained once more with entropy 0.0025 instead of 0.025: 90.0% success instead of 2.0%",
}  # fmt: skip
SATURATED = {
    "weights": {"reward": 0.2}, "reason": "saturated", "rung": 0, "stands": True,
    "note": "trained once more with a weight of reward of 0.2 instead of 1: 90.0% success instead of 2.0%",
}  # fmt: skip


def job_with_adjusted_claim(folder, adjustment: dict):
    """(context, job, best candidate) of a job with two claims: one with its own settings, one with adjusted ones."""
    context = open_context(Settings(home=folder / ".rewardsmith"))
    job_id = lifecycle.create_job(context, JobSpec(task="MiniGrid-DoorKey-5x5-v0", method="free", steps=10_000))
    reward = weighed(get_method("free").reward(PROGRAM), adjustment.get("weights", {}))
    best, baseline = f"{job_id}-1a", f"{job_id}-sparse"
    changes = {"training": adjustment["training"]} if "training" in adjustment else None
    with context.database.begin() as connection:
        records.put_candidate(
            connection, id=best, job_id=job_id, iteration=1, kind="designed", move="new", sample=0, parents=[],
            source=PROGRAM, source_hash=source_hash(PROGRAM), reward=reward.stored, state="trained", score=0.9,
            oracle_informed=False, adjustment=adjustment,
        )  # fmt: skip
        for name, purpose, seed, success, settings in (
            (best, "search", 0, 0.02, None),
            (best, "retrain", 0, 0.9, {k: adjustment[k] for k in ("training", "weights") if k in adjustment}),
            (best, "confirm", 20_000, 0.8, changes),
            (best, "confirm", 20_001, 0.7, changes),
            (baseline, "confirm", 20_000, 0.3, changes),
            (baseline, "confirm", 20_001, 0.2, changes),
            (baseline, "confirm", 10_000, 0.6, None if changes else {"training": {"entropy": 9.0}}),
        ):
            trial = records.put_trial(
                connection, job_id, name, purpose, seed, state="done", steps=10_000, success=success, episodes=1000,
                greedy_success=success, unseen=True, settings=settings,
            )  # fmt: skip
            records.put_point(connection, trial_id=trial, steps=10_000, success=success, episodes=200)
        records.update_job(connection, job_id, state="done", best_candidate=best)
    with context.database.connect() as connection:
        return context, records.get_job(connection, job_id), records.get_candidate(connection, best)


@pytest.mark.parametrize("adjustment", [HELD, SATURATED])
def test_the_claim_compares_trials_with_the_same_settings(tmp_path, adjustment):
    context, job, best = job_with_adjusted_claim(tmp_path, adjustment)
    with context.database.connect() as connection:
        claim, stored = queries.read_claim(connection, job), claim_of(connection, job.id, best.id)
    assert claim.best.seeds == claim.baseline.seeds == [20_000, 20_001]
    assert stored["sparse"]["scores"] == {"20000": 0.3, "20001": 0.2}
    assert claim.settings == ("entropy 0.0025 instead of 0.025" if adjustment is HELD else None)


def test_curves_come_from_the_trials_with_the_adopted_settings(tmp_path):
    context, job, best = job_with_adjusted_claim(tmp_path, HELD)
    with context.database.connect() as connection:
        assert best.search_purpose == "retrain" and best.retrained_from == 0
        confirmed = queries.curves_of(connection, f"{job.id}-sparse", best.training_changes)
        assert [c[-1]["success"] for c in confirmed] == [0.3, 0.2]
        assert [c[-1]["success"] for c in queries.curves_of(connection, f"{job.id}-sparse")] == [0.6]


def test_the_card_states_the_training_settings(tmp_path):
    for name, adjustment in (("entropy dominates", HELD), ("saturated", SATURATED)):
        context, job, best = job_with_adjusted_claim(tmp_path / name, adjustment)
        with context.database.connect() as connection:
            card = " ".join(card_text(connection, job, best, {}).replace("\\", "").split())
        assert f"settings: {adjustment['reason']}: trained once more with" in card
        assert ("trained with entropy 0.0025 instead of 0.025, as was the environment" in card) == (adjustment is HELD)
        assert f"weights of channels: env 1, reward {0.2 if adjustment is SATURATED else 1:g}" in card


def test_the_exported_reward_has_the_weight_of_the_training(tmp_path):
    context, _, best = job_with_adjusted_claim(tmp_path, SATURATED)
    out = tmp_path / "out"
    export_candidate(context.database, best, out, files={}, force=False, isolation=Isolation.KERNEL)
    assert "weight=0.2" in (out / "reward.py").read_text()
    assert json.loads((out / "manifest.json").read_text())["adjustment"]["weights"] == {"reward": 0.2}
    verify_folder(out)


def test_show_states_the_adjusted_settings_of_job_and_candidate(tmp_path):
    _, job, best = job_with_adjusted_claim(tmp_path, HELD)
    shown = " ".join(in_process(tmp_path, "show", job.id).stdout.split())
    assert "training settings of both rewards: entropy 0.0025 instead of 0.025" in shown
    (row,) = [r for r in json.loads(in_process(tmp_path, "show", job.id, "--format", "json").stdout) if r["best"]]
    assert row["success"] == 0.9 and row["adjustment"].startswith("entropy dominates: trained once more")
    assert (row["steps"], row["retrained"]) == (20_000, 10_000)
    shown = in_process(tmp_path, "show", best.id).stdout
    assert "settings: entropy dominates: trained once more" in " ".join(shown.split())
    assert "settings: entropy dominates" in " ".join(in_process(tmp_path, "why", best.id).stdout.split())
