"""A whole job on recorded answers: it ends when they are used up, keeps what it has, and says so."""

from __future__ import annotations

import json
from pathlib import Path

from rewardsmith.config import Settings
from rewardsmith.engine.context import open_context
from rewardsmith.engine.jobs import lifecycle
from rewardsmith.spec import JobSpec
from rewardsmith.storage import records
from workers.local import LocalExecutor

PROGRAM = """```python
def reward(prev, action, state, memory):
    return {"success": 1.0 if state.solved else 0.0}
```"""


def test_the_search_ends_with_what_it_has_when_the_answers_are_used_up(tmp_path: Path) -> None:
    about = {"task": "MiniGrid-Empty-5x5-v0", "method": "free", "date": "2026-11-29"}
    (tmp_path / "about.json").write_text(json.dumps(about))
    (tmp_path / "designer-i1-s0-a0.md").write_text(PROGRAM)
    context = open_context(Settings(home=tmp_path / "home"))
    spec = JobSpec.model_validate(
        {
            "task": "MiniGrid-Empty-5x5-v0", "method": "free", "model": f"recorded:{tmp_path}",
            "iterations": 3, "samples": 2,
            "steps": 2048, "rungs": (1.0,), "confirm": 0, "target": 1.0, "verification": False,
            "training": {"eval_episodes": 10, "final_episodes": 10},
        }
    )  # fmt: skip
    job_id = lifecycle.create_job(context, spec)
    LocalExecutor(context, job_id, 1, None).run()
    with context.database.connect() as connection:
        job = records.get_job(connection, job_id)
        designed = [c for c in records.candidates_of(connection, job_id) if c.kind == "designed"]
    assert job.state == "done", (job.note, [c.rejection_reason for c in designed])
    assert job.best_candidate == f"{job_id}-1a"
    assert job.note == "The search ended: the recorded answers of the designer are used up."
    assert [(c.id.split("-")[1], c.state) for c in designed] == [("1a", "trained"), ("1b", "rejected")]
    assert (designed[1].rejection_reason or "").startswith("not designed: The 1 recorded answers of the designer")
