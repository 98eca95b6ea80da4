"""A whole job over HTTP with a provider on the loopback interface; no key reaches anything that is written."""

from __future__ import annotations

import json
import sqlite3
import sys
from pathlib import Path

from running import rewardsmith

sys.path.insert(0, str(Path(__file__).parents[1] / "agents"))
from provider import Provider, completion

KEY = "sk-planted-7f3a91c2"
BAD = "My idea.\n```python\ndef reward(prev, action, state, memory):\n    return state.no_such_field\n```\n"
GOOD = """A milestone each.
```python
def reward(prev, action, state, memory):
    paid = memory.setdefault("paid", set())
    parts = {"event": 0.0, "success": 1.0 if state.solved else 0.0}
    if state.event in ("picked_up", "unlocked") and state.event not in paid:
        paid.add(state.event)
        parts["event"] = 0.5
    return parts
```
"""
REVIEW = '{"verdict": "accept", "issues": []}'
READING = '{"causes": ["none"], "suggestion": "keep it", "prediction": "no change"}'


def test_a_job_over_http_repairs_checks_reviews_and_analyzes(tmp_path):
    replies = [completion(text) for text in (BAD, "I cannot format this.", GOOD, REVIEW, READING)]
    with Provider(*replies) as provider:
        ran = rewardsmith(
            tmp_path,
            *("run", "--task", "MiniGrid-DoorKey-5x5-v0", "--method", "free", "--model", "openai/gpt-4o"),
            *("--api-base", provider.url, "--iterations", "1", "--samples", "1", "--steps", "20000"),
            *("--confirm", "0", "--no-planner", "--slots", "1"),
            env={"OPENAI_API_KEY": KEY},
        )
        asked = provider.asked
    assert ran.returncode == 0, ran.stderr
    assert [a.body["model"] for a in asked] == ["gpt-4o"] * 5
    assert all(a.headers["authorization"] == f"Bearer {KEY}" for a in asked)
    second = asked[1].body["messages"][-1]["content"]
    assert "no field 'no_such_field'" in second, "the error must go back to the model"
    assert "could not be read" in asked[2].body["messages"][-1]["content"]
    with sqlite3.connect(tmp_path / ".rewardsmith" / "rewardsmith.db") as database:
        calls = database.execute("SELECT role, prompt_tokens, completion_tokens, price_usd FROM llm_calls").fetchall()
        states = dict(database.execute("SELECT substr(id, 8), state FROM candidates").fetchall())
    assert [c[0] for c in calls] == ["designer", "designer", "designer", "critic", "analyzer"]
    assert all(c[1:3] == (11, 7) and c[3] > 0 for c in calls)
    assert states["1a"] == "dead" and states["1a2"] == "trained"
    assert "1a2" in json.loads(rewardsmith(tmp_path, "ls", "--format", "json").stdout)[0]["best"]
    for path in tmp_path.rglob("*"):
        assert path.is_dir() or KEY.encode() not in path.read_bytes(), path
    assert KEY not in ran.stdout + ran.stderr


def test_a_call_limit_is_kept(tmp_path):
    with Provider(completion(GOOD), completion(REVIEW), completion(READING)) as provider:
        ran = rewardsmith(
            tmp_path,
            *("run", "--task", "MiniGrid-DoorKey-5x5-v0", "--method", "free", "--model", "openai/gpt-4o"),
            *("--api-base", provider.url, "--iterations", "5", "--samples", "1", "--steps", "20000"),
            *("--confirm", "0", "--target", "1.0", "--max-calls", "3", "--slots", "1"),
            env={"OPENAI_API_KEY": KEY},
        )
        assert len(provider.asked) <= 3
    assert ran.returncode == 0, ran.stderr
    assert "budget for language-model calls is spent" in ran.stderr
