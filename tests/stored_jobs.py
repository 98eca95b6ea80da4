"""Jobs written row by row into a real database, with every kind of row, in place of hours of training."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from datetime import timedelta
from pathlib import Path
from typing import Any

from sqlalchemy import Engine, insert

from rewardsmith.programs.reward import source_hash
from rewardsmith.recorded import RecordedEpisode, write_episodes
from rewardsmith.reporting.statistics import summarise
from rewardsmith.spec import JobSpec, with_defaults
from rewardsmith.storage import schema
from rewardsmith.storage.artifacts import ArtifactStore
from rewardsmith.storage.database import open_database
from rewardsmith.storage.schema import now

TASK = "MiniGrid-DoorKey-5x5-v0"
SCALE = {
    "direction": "maximize", "random": 10.0, "random_low": 8.0, "random_high": 12.0, "episodes": 100, "reference": 90.0,
}  # fmt: skip
"""The scale of a task that has a score instead of a success."""
PROGRAM = (
    "def reward(prev, action, state, memory):\n    return {{'near': {k}.0, 'open': 1.0 if state.solved else 0.0}}\n"
)


def open_home(home: Path) -> Engine:
    """A migrated SQLite database in the folder that `rewardsmith --home` takes."""
    home.mkdir(parents=True, exist_ok=True)
    return open_database(f"sqlite:///{(home / 'rewardsmith.db').resolve()}")


def spec_of(**values: Any) -> dict[str, Any]:
    given = {"task": TASK, "method": "free", "iterations": 3, "samples": 2, "confirm": 2, "steps": 100_000, **values}
    return JobSpec.model_validate(with_defaults(given)).model_dump(mode="json")


def store_job(
    engine: Engine,
    job: str = "abc123",
    *,
    state: str = "done",
    rounds: int = 2,
    samples: int = 2,
    score: Mapping[str, Any] | None = None,
    claim: bool = True,
    text: Callable[[str], str] = lambda text: text,
    **spec: Any,
) -> list[str]:
    """Store a job and return the ids of its candidates, the baseline first.

    score: scale of the task's scores, for a task without success. text: changes every text that users, programs and
    models wrote, such as into a hostile one.
    """
    settings = spec_of(**spec) | ({"score": dict(score)} if score else {})
    names = [f"{job}-{n}{chr(97 + k)}" for n in range(1, rounds + 1) for k in range(samples)]
    best = next((n for n in names if n.endswith("a")), None) if state == "done" and claim else None
    began = now() - timedelta(minutes=10)
    fresh = {10_000 + k: 0.9 + 0.02 * k for k in range(4)}
    told = summarise(fresh, {seed: 0.3 + 0.01 * k for k, seed in enumerate(fresh)}) if best else None
    with engine.begin() as connection:
        row = {
            "id": job, "task": settings["task"], "method": "free", "fingerprint": "0" * 64, "spec": settings,
            "state": state, "note": text("reached the target of 95%"), "best_candidate": best, "created_at": began,
            "finished_at": now() if state in ("done", "failed") else None, "active_seconds": 300.0,
            "oracle_informed": False, "owner": text(""), "service": False, "priority": 0, "claim": told,
        }  # fmt: skip
        connection.execute(insert(schema.jobs), [row])
        rows = [{"job_id": job, "number": n, "state": "done", "summary": text("s")} for n in range(1, rounds + 1)]
        if rows:
            connection.execute(insert(schema.iterations), rows)
        _candidates(connection, job, names, text)
        for k, name in enumerate([f"{job}-sparse", *names]):
            if k and k % 3 == 0:
                continue  # rejected before training
            _trial(connection, job, name, "search", 0, 0.25 + 0.1 * k, text, score)
            if best and name in (best, f"{job}-sparse"):
                for seed, value in fresh.items():
                    rate = value if name == best else value - 0.6
                    _trial(connection, job, name, "confirm", seed, rate, text, score)
        _calls(connection, job, names, text)
        event = {"at": began, "kind": "submitted", "job_id": job, "owner": text("ada"), "text": text("submitted")}
        connection.execute(insert(schema.events), [event])
    return [f"{job}-sparse", *names]


def _candidates(connection: Any, job: str, names: list[str], text: Callable[[str], str]) -> None:
    base = {
        "job_id": job, "iteration": 0, "kind": "baseline", "move": "baseline", "sample": 0, "parents": [], "source": "",
        "source_hash": source_hash(""), "thoughts": None, "reward": {"channels": []}, "state": "passed",
        "rejection_reason": None, "score": 0.25, "oracle_informed": False, "created_at": now(), "adjustment": None,
    }  # fmt: skip
    rows = [{**base, "id": f"{job}-sparse"}]
    for k, name in enumerate(names, start=1):
        rejected = k % 3 == 0
        source = text(PROGRAM.format(k=k))
        iteration = int(name.split("-")[1][:-1])
        parents = [other for other in names if other.startswith(f"{job}-{iteration - 1}a")]
        rows.append({
            **base, "id": name, "iteration": iteration, "kind": "designed", "sample": k % 2, "parents": parents,
            "move": "revise" if parents else "new", "source": source, "source_hash": source_hash(source),
            "thoughts": text("Pay for coming closer."), "score": None if rejected else 0.25 + 0.1 * k,
            "state": "rejected" if rejected else "trained",
            "rejection_reason": text("failed check battery: an exploit earns more") if rejected else None,
            "reward": {"functions": ["reward"], "channels": [
                {"name": "env", "kind": "env", "weight": 1.0, "bound": "none"},
                {"name": text("reward"), "kind": "program", "weight": 0.5, "bound": "none"}]},
        })  # fmt: skip
    connection.execute(insert(schema.candidates), rows)
    checks = [
        {"candidate_id": name, "kind": kind, "passed": passed, "message": text(message), "details": details}
        for k, name in enumerate(names, start=1)
        for kind, passed, message, details in (
            ("gate", True, "no finding", None),
            ("battery", k % 3 != 0, "an exploit earns 2.0, the solution 1.0", {"exploit": text("go back and forth")}),
        )
    ]
    if checks:
        connection.execute(insert(schema.checks), checks)
        analyses = [
            {"candidate_id": name, "labels": {text("sparse credit"): text("few steps pay")}, "text": text("t"),
             "suggestion": text("pay earlier"), "prediction": text("success rises"), "episodes": text("e")}
            for name in names
        ]  # fmt: skip
        connection.execute(insert(schema.analyses), analyses)


def _trial(
    connection: Any, job: str, candidate: str, purpose: str, seed: int, success: float, text: Any, score: Any
) -> None:
    told = {"mean": 100 * success, "low": 90 * success, "high": 110 * success, "episodes": 200, "greedy": 1.0}
    paid = {text("env"): {"mean_per_episode": success}, text("reward"): {"mean_per_episode": 0.4 - success / 2}}
    kept = {"episodes": 20, "channels": paid, **({"score": told} if score else {})}
    telemetry = kept | {"components": {text("near"): {"mean": 0.1, "min": -1.0, "max": 1.0, "fires": 0.5}}}
    inserted = connection.execute(
        insert(schema.trials).returning(schema.trials.c.id),
        [{"job_id": job, "candidate_id": candidate, "purpose": purpose, "seed": seed, "state": "done",
          "steps": 100_000, "success": None if score else success, "success_low": None if score else success - 0.05,
          "success_high": None if score else success + 0.05, "greedy_success": None if score else success,
          "episodes": 200, "unseen": True, "telemetry": telemetry, "sandbox_level": "kernel",
          "steps_per_second": 30_000.0, "seconds": 3.3, "failure": None}],
    ).scalar_one()  # fmt: skip
    points = [
        {"trial_id": inserted, "steps": 10_000 * n, "success": None if score else min(1.0, success * n / 7),
         "episodes": 200, "shaped_return": 1.0, "env_return": success,
         "components": kept | ({"score": told | {"mean": 10 * n}} if score else {})}
        for n in range(1, 11)
    ]  # fmt: skip
    connection.execute(insert(schema.curve_points), points)


def _calls(connection: Any, job: str, names: list[str], text: Callable[[str], str]) -> None:
    rows = [
        {"job_id": job, "iteration": 1, "candidate": name, "role": "designer", "sample": k, "attempt": 0,
         "model": text("openai/x"), "outcome": "completed", "prompt_hash": "f" * 64,
         "prompt": text("# Role\nWrite a reward."), "answer": text(json.dumps({"program": "..."})),
         "prompt_tokens": 900, "completion_tokens": 120, "price_usd": 0.01, "latency_s": 2.5, "charged_calls": 1,
         "charged_tokens": 1020, "charged_usd": 0.01, "created_at": now(), "note": text("left out: nothing")}
        for k, name in enumerate(names)
    ]  # fmt: skip
    if rows:
        connection.execute(insert(schema.llm_calls), rows)


def store_episodes(engine: Engine, artifacts: Path, candidate: str, text: Callable[[str], str] = lambda t: t) -> None:
    """Store a success and a failure with the candidate's first trial, and a counter-example with a failed check."""
    kinds = ("success", "failure")
    path = artifacts / "episodes.json.gz"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(write_episodes([made_up_episode(kind, text) for kind in kinds]))
    key, digest = ArtifactStore(str(artifacts)).put(path)
    path.unlink()
    job = candidate.split("-")[0]
    with engine.begin() as connection:
        mine = schema.trials.c.candidate_id == candidate
        trial = connection.execute(schema.trials.select().where(mine).order_by(schema.trials.c.id)).first()
        assert trial is not None
        row = {"job_id": job, "trial_id": trial.id, "kind": "episodes", "path": key, "sha256": digest,
               "created_at": now()}  # fmt: skip
        connection.execute(insert(schema.artifacts), [row])
        details = {"episode": made_up_episode("counter-example", text).as_json()}
        check = {"candidate_id": candidate, "kind": "search", "passed": False, "message": text("unsound"),
                 "details": details}  # fmt: skip
        connection.execute(insert(schema.checks), [check])


def made_up_episode(kind: str, text: Callable[[str], str] = lambda t: t) -> RecordedEpisode:
    """Three steps of a corridor of two cells between walls: right, pick up a key, right again."""
    objects = [["key", "yellow", 2, 1, None, False]]
    states = [[1, 1, 0, None, objects], [1, 1, 0, ["key", "yellow"], []], [2, 1, 0, ["key", "yellow"], None]]
    walls = [[x, y] for x in range(4) for y in range(3) if y != 1 or x in (0, 3)]
    return RecordedEpisode(
        kind=kind, layout=3, pool="claim", success=kind == "success", length=3, at=[0, 1],
        actions=["PICKUP", "FORWARD"], captions=[text("The start."), text("It picked up the key."), text("It moved.")],
        env=[0.0, 0.0, 0.9], channels={"env": [0.0, 0.0, 0.9], text("reward"): [0.5, -0.25, 0.0]},
        components={text("near"): [1.0, -0.5, 0.0]}, memory=[0],
        picture={"kind": "grid", "width": 4, "height": 3, "walls": walls, "lava": [], "states": states},
    )  # fmt: skip
