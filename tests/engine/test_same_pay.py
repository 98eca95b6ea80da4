"""Two programs of one round that pay the same on every step: one of them trains."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from rewardsmith.config import Settings
from rewardsmith.engine.context import open_context
from rewardsmith.engine.items import dispatch
from rewardsmith.engine.jobs import lifecycle
from rewardsmith.engine.jobs.advance import advance
from rewardsmith.spec import JobSpec
from rewardsmith.storage import queue, records

CASE = Path(__file__).parents[1] / "cases" / "discrete_obs"
SPARSE = "def sparse(prev, action, state, memory):\n    return float(state.solved)\n\n"
DENSE = "def dense(prev, action, state, memory):\n"
DIFFERENCE = SPARSE + DENSE + "    return 10 * (state.c15 - prev.c15)\n"
RECORD = SPARSE + DENSE + (
    "    best = memory.get('best', prev.c15)\n"
    "    memory['best'] = max(best, state.c15)\n"
    "    return memory['best'] - best\n"
)  # fmt: skip
ANSWERS = {
    "designer": [f"A thought.\n```python\n{text}```\n" for text in (DIFFERENCE, RECORD)],
    "critic": ['{"verdict": "accept", "issues": []}'],
}


@pytest.mark.parametrize("direction", [1, -1])
def test_programs_with_the_same_signs_are_not_both_trained(tmp_path, monkeypatch, direction):
    """A difference and a record with the same signs are not both trained."""
    monkeypatch.syspath_prepend(str(CASE))
    (tmp_path / "answers.json").write_text(json.dumps(ANSWERS))
    context = open_context(Settings(home=tmp_path, allow_weak_sandbox=True))
    spec = JobSpec.model_validate(
        {"task": str(CASE / "frozen_module.yaml"), "model": f"listed:{tmp_path / 'answers.json'}", "iterations": 1,
         "samples": 2, "steps": 20_000, "confirm": 0}
    )  # fmt: skip
    job = lifecycle.create_job(context, spec)
    advance(context, job)
    for kind in ("design", "check"):
        claimed = [queue.claim(context.database, f"worker {k}", 60, job, [kind]) for k in range(2)]
        for item in claimed[::direction] if kind == "check" else claimed:
            dispatch.run_item(context, item.id, str(item.owner))
    with context.database.connect() as connection:
        trained = [i.key.candidate for i in records.items_of(connection, job) if i.key.kind == "train"]
        causes = {c.id: c.rejection_reason for c in records.candidates_of(connection, job)}
    assert trained == [f"{job}-1a"], causes
    assert causes[f"{job}-1b"].startswith(f"pays exactly what {job}-1a pays")
