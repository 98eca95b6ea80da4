"""A whole job over HTTP with a provider on the loopback interface; no written file contains a key."""

from __future__ import annotations

import json
import sqlite3
import sys
from dataclasses import replace
from pathlib import Path

from running import FEW_EPISODES, in_process, rewardsmith

sys.path.insert(0, str(Path(__file__).parents[1] / "agents"))
from provider import Provider, completion, error

from rewardsmith.agents.replay import read_cassette

TASK = "MiniGrid-Empty-5x5-v0"
UNCHECKED = ("--set", "verification=false")
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


SECRETS = {
    "OPENAI_API_KEY": KEY,
    "ANTHROPIC_API_KEY": "ant-planted-55d1e0aa93",
    "HF_TOKEN": "hf-planted-0b1c2d3e4f",
    "AWS_SECRET_ACCESS_KEY": "aws-planted-77aa88bb99",
    "MY_CLIENT_SECRET": "client-planted-1234567",
}


def outcome(folder: Path, job: str) -> dict[str, list]:
    """Results of a job, without its random id and without timings."""
    name = f"replace({{}}, '{job}-', '')"
    queries = {
        "candidates": f"SELECT {name.format('id')}, move, state, score, source_hash, thoughts FROM candidates "
        f"WHERE job_id = '{job}' ORDER BY 1",
        "checks": f"SELECT {name.format('candidate_id')}, kind, passed, CASE WHEN kind = 'cost' THEN '' ELSE message "
        f"END FROM checks WHERE candidate_id LIKE '{job}-%' ORDER BY 1, 2",
        "trials": f"SELECT {name.format('candidate_id')}, purpose, seed, steps, success FROM trials "
        f"WHERE job_id = '{job}' ORDER BY 1, 2, 3",
        "curves": f"SELECT {name.format('t.candidate_id')}, t.seed, p.steps, p.success, p.shaped_return FROM "
        f"curve_points p JOIN trials t ON t.id = p.trial_id WHERE t.job_id = '{job}' ORDER BY 1, 2, 3",
        "analyses": f"SELECT {name.format('candidate_id')}, labels, suggestion FROM analyses "
        f"WHERE candidate_id LIKE '{job}-%' ORDER BY 1",
        "calls": f"SELECT {name.format('candidate')}, role, sample, attempt, prompt_hash, answer, prompt_tokens, "
        f"price_usd FROM llm_calls WHERE job_id = '{job}' AND answer IS NOT NULL ORDER BY 1, 2, 3, 4",
    }
    with sqlite3.connect(folder / ".rewardsmith" / "rewardsmith.db") as database:
        return {what: database.execute(query).fetchall() for what, query in queries.items()}


def jobs_in(folder: Path) -> list[dict]:
    return json.loads(in_process(folder, "ls", "--format", "json").stdout)


def test_a_recorded_job_is_replayed_offline_with_the_same_result(tmp_path):
    # One fault in between: the recording contains answers, not the provider's errors.
    replies = [completion(BAD), error(503, "overloaded"), completion(GOOD), *[completion(t) for t in (REVIEW, READING)]]
    cassette = tmp_path / "calls.jsonl"
    with Provider(*replies) as provider:
        ran = rewardsmith(
            tmp_path,
            *("run", "--task", TASK, "--method", "free", "--model", "openai/gpt-4o"),
            *("--api-base", provider.url, "--iterations", "1", "--samples", "1", "--steps", "2048"),
            *("--confirm", "0", "--no-planner", "--slots", "1", "--max-dollars", "5", "--record", str(cassette)),
            *FEW_EPISODES,
            env={"OPENAI_API_KEY": KEY},
        )
    assert ran.returncode == 0, ran.stderr
    assert KEY.encode() not in cassette.read_bytes()
    (first,) = jobs_in(tmp_path)
    # The provider is closed, and there is no key.
    ran = rewardsmith(tmp_path, "run", "--replay", str(cassette), "--slots", "1")
    assert ran.returncode == 0, ran.stderr
    again = next(j for j in jobs_in(tmp_path) if j["job"] != first["job"])
    found, repeated = outcome(tmp_path, first["job"]), outcome(tmp_path, again["job"])
    assert found == repeated
    assert all(found.values()), "an empty comparison shows nothing"

    folder = tmp_path / "exported"
    ran = in_process(tmp_path, "export", first["job"], "--out", str(folder), "--with-cassette")
    assert ran.returncode == 0, ran.stderr
    exported, recorded = read_cassette(folder / "cassette.jsonl"), read_cassette(cassette)
    assert {(c.key, c.prompt_sha256, c.answer) for c in exported} == {
        (c.key, c.prompt_sha256, c.answer) for c in recorded if c.answer
    }


def test_a_dry_run_prints_prompts_and_the_bound_and_does_nothing(tmp_path):
    command = ("run", "--task", TASK, "--model", "openai/gpt-4o", "--samples", "2", "--dry-run")
    ran = in_process(tmp_path, *command)
    assert ran.returncode == 0, ran.stderr
    assert ran.stdout.count("You are the Reward Designer") == 2
    assert "The same facts for machines" not in ran.stdout
    assert "at most" in ran.stdout and "$" in ran.stdout
    assert not (tmp_path / ".rewardsmith").exists()
    assert "of unknown price" in in_process(tmp_path, *command, "--critic-model", "openai/mine").stdout
    refused = in_process(tmp_path, *command, "--critic-model", "openai/mine", "--max-dollars", "1")
    assert refused.returncode == 2 and "price of openai/mine is unknown" in refused.stderr


def test_job_over_http_repairs_reviews_analyzes_and_stores_no_key(tmp_path):
    """The provider quotes every key in an error and in answers; everything on disk and on screen is searched."""
    quoting = " ".join(SECRETS.values())
    answers = [f"{quoting}\n{BAD}", quoting, f"# {quoting}\n{GOOD}", REVIEW.replace("accept", f"{quoting}"), REVIEW]
    replies = [error(500, quoting), *[completion(a) for a in answers], completion(READING), error(401, quoting)]
    with Provider(*replies) as provider:
        ran = rewardsmith(
            tmp_path,
            *("run", "--task", TASK, "--method", "free", "--model", "openai/gpt-4o", "--no-planner"),
            *("--api-base", provider.url, "--iterations", "2", "--samples", "1", "--steps", "4000", "--target", "1.0"),
            *("--confirm", "0", "--slots", "1", "--record", str(tmp_path / "calls.jsonl"), *FEW_EPISODES),
            env=SECRETS,
        )
        asked = provider.asked
    assert [a.body["model"] for a in asked] == ["gpt-4o"] * 8
    assert all(a.headers["authorization"] == f"Bearer {KEY}" for a in asked)
    prompts = [a.body["messages"][-1]["content"] for a in asked]
    assert prompts[0] == prompts[1], "a server's error is no answer: the same request again"
    assert "no field 'no_such_field'" in prompts[2], "the error must go back to the model"
    assert "could not be read" in prompts[3] and "verdict" in prompts[5]
    with sqlite3.connect(tmp_path / ".rewardsmith" / "rewardsmith.db") as database:
        query = "SELECT role, prompt_tokens, completion_tokens, price_usd FROM llm_calls WHERE answer IS NOT NULL"
        calls = database.execute(query).fetchall()
        states = dict(database.execute("SELECT substr(id, 8), state FROM candidates").fetchall())
    assert [c[0] for c in calls] == ["designer", "designer", "designer", "critic", "critic", "analyzer"]
    assert all(c[1:3] == (11, 7) and c[3] > 0 for c in calls)
    assert states["1a"] == "rejected" and states["1a2"] == "trained"

    written = [in_process(tmp_path, *c, env=SECRETS) for c in (
        ("calls", "latest"), ("calls", "latest", "--format", "json"), ("show", "latest", "--prompts"), ("logs",),
        ("why",), ("export", "latest", "--out", "exported", "--with-cassette"),
    )]  # fmt: skip
    listed = json.loads(in_process(tmp_path, "ls", "--format", "json").stdout)[0]
    assert listed["state"] == "paused" and "1a2" in listed["best"], ran.stderr
    assert all(w.returncode == 0 for w in written), [w.stderr for w in written]
    seen = ran.stdout + ran.stderr + "".join(w.stdout + w.stderr for w in written)
    assert "[OPENAI_API_KEY]" in seen, "the keys were not quoted, so nothing was shown"
    for secret in SECRETS.values():
        assert secret not in seen
        for path in tmp_path.rglob("*"):
            assert path.is_dir() or secret.encode() not in path.read_bytes(), path


def test_samples_are_requested_concurrently_within_the_call_limit(tmp_path):
    slow = replace(completion(GOOD), delay_s=3.0)
    with Provider(slow) as provider:
        ran = rewardsmith(
            tmp_path,
            *("run", "--task", TASK, "--method", "free", "--model", "openai/gpt-4o", "--api-base", provider.url),
            *("--iterations", "5", "--samples", "4", "--steps", "2000", "--confirm", "0", "--slots", "1"),
            *("--critic-model", "synth", "--analyzer-model", "synth", "--max-calls", "4", "--target", "1.0"),
            *(*FEW_EPISODES, *UNCHECKED),
            env={"OPENAI_API_KEY": KEY},
        )
        times = [asked.at for asked in provider.asked]
    assert ran.returncode == 0, ran.stderr
    assert len(times) == 4 and "budget for language-model calls is spent" in ran.stderr
    assert times[3] - times[0] < 3.0, "the fourth was asked only after the first had answered"
