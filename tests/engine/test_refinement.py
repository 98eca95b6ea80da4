"""What a revising designer is told of the round before, in a whole job with listed answers."""

from __future__ import annotations

import json
from pathlib import Path

from sqlalchemy import text

from rewardsmith.config import Settings
from rewardsmith.engine.context import open_context
from rewardsmith.engine.jobs import lifecycle
from rewardsmith.spec import JobSpec
from workers.local import LocalExecutor

PROGRAM = """```python
def reward(prev, action, state, memory):
    return {"success": %s if state.solved else 0.0, "turning": 0.001 if state.event == "turned" else 0.0}
```"""
ANSWERS = {
    "designer": [PROGRAM % "1.0", PROGRAM % "2.0"],
    "critic": ['{"verdict": "accept", "issues": []}'],
    "analyzer": [
        '{"causes": ["It turns.", "It never walks."], "suggestion": "Pay walking.", "prediction": "It walks."}'
    ],
}


def prompts_of(tmp_path: Path, target: float, rounds: int) -> dict[str, list[str]]:
    """Run a job and return the prompts by role, in order."""
    (tmp_path / "answers.json").write_text(json.dumps(ANSWERS))
    context = open_context(Settings(home=tmp_path))
    spec = JobSpec.model_validate(
        {
            "task": "MiniGrid-Empty-5x5-v0", "method": "free", "model": f"listed:{tmp_path / 'answers.json'}",
            "iterations": rounds, "samples": 1, "steps": 2048, "rungs": (1.0,), "target": target, "confirm": 0,
            "training": {"eval_episodes": 10, "final_episodes": 10},
        }
    )  # fmt: skip
    LocalExecutor(context, lifecycle.create_job(context, spec), 1, None).run()
    with context.database.connect() as connection:
        calls = connection.execute(text("SELECT role, prompt FROM llm_calls ORDER BY id")).all()
    return {role: [prompt for r, prompt in calls if r == role] for role in ANSWERS}


def test_a_revision_is_told_the_whole_analysis_and_the_checks_figures(tmp_path: Path) -> None:
    asked = prompts_of(tmp_path, target=1.0, rounds=2)
    first, second = asked["designer"]
    for told in (
        "The Analyzer sees a cause: It turns.\nThe Analyzer sees a cause: It never walks.\n",
        "The Analyzer suggests: Pay walking.\nThe Analyzer predicts of this change: It walks.\n",
        "Measured by the checks: a solved episode has guidance of",
        "Measured by the checks: the predicted difficulty of learning is",
        "only actions that lead on are paid best",
        "Late in training, the components that pay rarely paid in this share of the episodes: success in",
        "Component success: paid in",
    ):
        assert told in second and told not in first, told
    assert "Measured by the checks" in asked["critic"][0]
    assert "Late in training" in asked["analyzer"][0]


def test_the_analyzer_does_not_read_what_reached_the_target(tmp_path: Path) -> None:
    asked = prompts_of(tmp_path, target=0.01, rounds=1)
    assert len(asked["designer"]) == 1 and asked["analyzer"] == []
