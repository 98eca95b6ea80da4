"""Jobs on a real SQLite file with simulated results in place of training."""

from __future__ import annotations

import random
from pathlib import Path

from rewardsmith.config import Settings
from rewardsmith.engine.context import Context, open_context
from rewardsmith.engine.items.design import _candidate_id
from rewardsmith.engine.jobs import lifecycle
from rewardsmith.engine.jobs.advance import advance
from rewardsmith.engine.search.rounds import decide
from rewardsmith.engine.search.snapshot import AGAIN, read_snapshot
from rewardsmith.methods import get_method
from rewardsmith.programs.reward import source_hash
from rewardsmith.spec import JobSpec
from rewardsmith.storage import queue, records
from rewardsmith.storage.queue import Item

TASK = "CartPole-v1"


def fresh(folder: Path) -> Context:
    return open_context(Settings(home=folder))


def start(context: Context, **options) -> str:
    spec = JobSpec(**{"task": TASK, "iterations": 2, "samples": 2, "confirm": 2, "steps": 1000, **options})
    job_id = lifecycle.create_job(context, spec)
    advance(context, job_id)
    return job_id


class World:
    """Draws the outcome of an item from its key, so that the order of completion does not matter."""

    def __init__(self, seed: int) -> None:
        self.seed = seed

    def draw(self, item: Item) -> float:
        key = item.key
        name = key.candidate.split("-", 1)[-1]
        about = (self.seed, key.kind, key.iteration, name, key.seed, key.rung, key.sample)
        return random.Random(repr(about)).random()

    def difficulty(self, item: Item) -> float | None:
        return 10 * self.draw(item)

    def behaviour(self, item: Item) -> str | None:
        """One of three behaviours, so that a round has duplicates; None if unknown."""
        return [None, "one", "two", "three"][int(1000 * self.draw(item)) % 4]

    def proposal(self, item: Item) -> dict | None:
        """The adjustment that a trial's diagnosis proposes: some are held by entropy, some saturated, most neither."""
        fate = int(1000 * self.draw(item)) % 5
        return {
            0: {"reason": "entropy dominates", "training": {"entropy": 0.0003}},
            1: {"reason": "saturated", "weights": {"reward": 0.1}},
        }.get(fate)


def complete(context: Context, item: Item, world: World) -> None:
    """Complete an item with a simulated result, as a worker would."""
    chance = world.draw(item)
    with context.database.begin() as connection:
        snapshot = read_snapshot(connection, item.key.job_id)
        if item.key.kind == "design":
            design(connection, snapshot, item, chance)
            queue.finish(connection, item, "done", {})
        elif item.key.kind == "check":
            passed = chance > 0.3
            values = (
                {"state": "passed"} if passed else {"state": "rejected", "rejection_reason": "failed check battery: x"}
            )
            records.update_candidate(connection, item.key.candidate, **values)
            details = {"difficulty": world.difficulty(item), "behaviour": world.behaviour(item)}
            queue.finish(connection, item, "done", {"passed": passed, **details})
        elif item.key.kind == "analyse":
            queue.finish(connection, item, "done", {})
        elif item.key.kind == "recheck":
            result = {"passed": chance > 0.3, "message": "battery: lost", "told": "unsound on 1 of 9 layouts"}
            queue.finish(connection, item, "done", result)
        else:
            share = 0.5 if item.key.kind == "train" else 1.0
            purpose = "retrain" if item.key.sample == AGAIN else item.key.kind
            records.put_trial(
                connection, item.key.job_id, item.key.candidate, purpose, item.key.seed, state="done",
                steps=int(1000 * share * (item.key.rung + 1)) if item.key.kind == "train" else 0,
            )  # fmt: skip
            scores = dict.fromkeys(("success", "late", "area", "train_success"), chance)
            if item.key.kind == "train":
                scores["proposal"] = world.proposal(item)
            result = {"fault": "NaN"} if 0 < chance < 0.1 else scores
            queue.finish(connection, item, "done", result)


def design(connection, snapshot, item: Item, chance: float) -> None:
    repaired = next((c for c in snapshot.candidates if c.id == item.key.candidate), None)
    depth = 0 if repaired is None else snapshot.repair_depth(repaired) + 1
    unreadable = chance < 0.15
    source = f"# {item.key.iteration} {item.key.sample} {depth}"
    records.put_candidate(
        connection, id=_candidate_id(item, depth), job_id=item.key.job_id, iteration=item.key.iteration,
        kind="designed", move=item.payload["move"], sample=item.key.sample, parents=item.payload["parents"],
        source=source, source_hash=source_hash(source), reward=get_method("free").reward(source).stored,
        state="rejected" if unreadable else "designed", rejection_reason="unreadable" if unreadable else None,
        oracle_informed=False,
    )  # fmt: skip


def play(context: Context, job_id: str, world: World, order: random.Random) -> list[str]:
    """Complete open items in a random order, advancing twice each time, until the job ends."""
    for _ in range(500):
        with context.database.connect() as connection:
            items = [i for i in records.items_of(connection, job_id) if i.state == "queued"]
        if not items:
            break
        chosen = order.choice(items)
        kind = chosen.key.kind
        claimed = queue.claim(context.database, "me", 60, job_id, [kind])
        complete(context, claimed, world)
        advance(context, job_id)
        assert advance(context, job_id) == 0, "a second call found something left to do"
    with context.database.connect() as connection:
        snapshot = read_snapshot(connection, job_id)
    assert snapshot.job.state in ("done", "failed")
    assert decide(snapshot) == []
    return [c.id.split("-", 1)[1] for c in snapshot.ranking()]


def behaviour_of(items: list[Item], candidate: str) -> str | None:
    return next((i.result["behaviour"] for i in items if i.key.kind == "check" and i.key.candidate == candidate), None)


class NeverAgain(World):
    """No diagnosis proposes a second training."""

    def proposal(self, item: Item) -> dict | None:
        return None


class AllTheSame(NeverAgain):
    """Every check passes, all programs are duplicates, and no trial succeeds."""

    def draw(self, item: Item) -> float:
        return 0.9 if item.key.kind in ("check", "design") else 0.5

    def difficulty(self, item: Item) -> float | None:
        return 5.0 - item.key.sample

    def behaviour(self, item: Item) -> str | None:
        return "the same"


class LaterIsEasier(NeverAgain):
    """All programs pass, later samples are predicted easier, and no trial succeeds."""

    def draw(self, item: Item) -> float:
        return 0.9 if item.key.kind in ("check", "design") else 0.5

    def difficulty(self, item: Item) -> float | None:
        return 5.0 - item.key.sample


class Scored(NeverAgain):
    """Success of each candidate's trials, by the letter that ends its name."""

    def __init__(self, scores: dict[str, float]) -> None:
        super().__init__(0)
        self.scores = scores

    def draw(self, item: Item) -> float:
        return self.scores.get(item.key.candidate[-1:], 0.9)


class Rated(Scored):
    """Every program passes; c is predicted to learn soonest, then b, then a."""

    def draw(self, item: Item) -> float:
        return 0.9 if item.key.kind in ("check", "design") else super().draw(item)

    def difficulty(self, item: Item) -> float | None:
        return 5.0 - item.key.sample
