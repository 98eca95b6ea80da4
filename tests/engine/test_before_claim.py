"""The check before the claim: on more layouts, and of the next best candidate if it fails."""

from __future__ import annotations

import random

import pytest
from engine.made_up_jobs import World, fresh, play, start

from rewardsmith.engine.search.snapshot import BEFORE_CLAIM, read_snapshot
from rewardsmith.storage.queue import Item


class Judge(World):
    """Fails the check before the claim for the first `fails` candidates that are checked; all trials work."""

    def __init__(self, fails: int) -> None:
        super().__init__(3)
        self.fails, self.judged = fails, list[str]()

    def draw(self, item: Item) -> float:
        if item.key.kind == "recheck" and item.key.sample == BEFORE_CLAIM:
            self.judged.append(item.key.candidate)
            return 0.1 if len(self.judged) <= self.fails else 0.9
        return 0.5 + super().draw(item) / 4

    def behaviour(self, item: Item) -> None:
        return None

    def proposal(self, item: Item) -> None:
        return None


def ended(folder, world: World, **options):
    context = fresh(folder)
    job_id = start(context, retrain=False, target=None, **{"claim_layouts": 30, **options})
    play(context, job_id, world, random.Random(0))
    with context.database.connect() as connection:
        return read_snapshot(connection, job_id)


@pytest.mark.parametrize("fails", [0, 1, 2])
def test_the_next_best_candidate_is_claimed_where_the_check_fails(tmp_path, fails):
    world = Judge(fails)
    snapshot = ended(tmp_path, world)
    claimed = {i.key.candidate for i in snapshot.items_of("confirm")} - {f"{snapshot.job.id}-sparse"}
    assert len(world.judged) == fails + 1 and claimed == {world.judged[-1]}
    assert snapshot.job.best_candidate == world.judged[-1] and snapshot.ranking()[0].id == world.judged[-1]
    assert snapshot.job.state == "done"
    for failed in world.judged[:-1]:
        assert f"{failed} failed the check before the claim: unsound on 1 of 9 layouts." in snapshot.job.note
    assert ("the next best, is claimed instead" in snapshot.job.note) == (fails > 0)


def test_nothing_is_claimed_if_every_candidate_fails_the_check(tmp_path):
    world = Judge(100)
    snapshot = ended(tmp_path, world)
    assert len(world.judged) == len({c.id for c in snapshot.ranking()}) > 1
    assert not snapshot.items_of("confirm") and snapshot.job.claim is None
    assert snapshot.job.note.endswith("Nothing is claimed.")


@pytest.mark.parametrize(
    "options", [{"claim_layouts": 0}, {"confirm": 0}, {"verification": False}, {"claim_layouts": None}]
)
def test_without_a_claim_or_checks_no_candidate_is_checked_again(tmp_path, options):
    world = Judge(100)
    snapshot = ended(tmp_path, world, **options)
    assert world.judged == [] and snapshot.job.state == "done"
