"""The job as a state machine, on a real SQLite file, with results made up instead of trained."""

from __future__ import annotations

import random
import tempfile
from collections import Counter
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from rewardsmith.config import Settings
from rewardsmith.engine.context import Context, open_context
from rewardsmith.engine.items.design import _candidate_id
from rewardsmith.engine.jobs import lifecycle, service, steering
from rewardsmith.engine.jobs.advance import advance
from rewardsmith.engine.search.rounds import decide
from rewardsmith.engine.search.snapshot import AGAIN, read_snapshot
from rewardsmith.errors import LostItem, UsageError
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
    """Decides outcomes by what an item is about, never by when it is done."""

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
        """One of three, so that many candidates of a round pay the same; None where nothing is known of it."""
        return [None, "one", "two", "three"][int(1000 * self.draw(item)) % 4]

    def proposal(self, item: Item) -> dict | None:
        """What a trial's diagnosis calls for: some are drowned, some saturated."""
        fate = int(1000 * self.draw(item)) % 5
        return {
            0: {"reason": "drowned", "training": {"entropy": 0.0003}},
            1: {"reason": "saturated", "weights": {"reward": 0.1}},
        }.get(fate)


def complete(context: Context, item: Item, world: World) -> None:
    """Do what a worker would, in no time."""
    chance = world.draw(item)
    with context.database.begin() as connection:
        snapshot = read_snapshot(connection, item.key.job_id)
        if item.key.kind == "design":
            design(connection, snapshot, item, chance)
            queue.finish(connection, item, "done", {})
        elif item.key.kind == "check":
            passed = chance > 0.3
            values = {"state": "passed"} if passed else {"state": "dead", "cause_of_death": "failed check battery: x"}
            records.update_candidate(connection, item.key.candidate, **values)
            told = {"difficulty": world.difficulty(item), "behaviour": world.behaviour(item)}
            queue.finish(connection, item, "done", {"passed": passed, **told})
        elif item.key.kind == "analyse":
            queue.finish(connection, item, "done", {})
        elif item.key.kind == "recheck":
            queue.finish(connection, item, "done", {"passed": chance > 0.3, "message": "battery: lost"})
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
        state="dead" if unreadable else "designed", cause_of_death="unreadable" if unreadable else None,
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
    """No diagnosis blames the trainer."""

    def proposal(self, item: Item) -> dict | None:
        return None


class AllTheSame(NeverAgain):
    """Every check passes, and every program pays the same; nothing ever succeeds."""

    def draw(self, item: Item) -> float:
        return 0.9 if item.key.kind in ("check", "design") else 0.5

    def difficulty(self, item: Item) -> float | None:
        return 5.0 - item.key.sample

    def behaviour(self, item: Item) -> str | None:
        return "the same"


@pytest.mark.parametrize("order", range(4))
@pytest.mark.parametrize("together", [True, False])
def test_of_candidates_of_a_round_that_pay_the_same_the_first_by_id_trains(tmp_path, order, together):
    context = fresh(tmp_path)
    job_id = start(context, iterations=1, samples=3, confirm=0, favourite_first=not together)
    play(context, job_id, AllTheSame(0), random.Random(order))
    with context.database.connect() as connection:
        trained = {i.key.candidate[-2:] for i in records.items_of(connection, job_id) if i.key.kind == "train"}
        causes = {c.id[-2:]: c.cause_of_death for c in records.candidates_of(connection, job_id)}
    assert trained == {"1a"}
    assert causes["1b"] == causes["1c"] and f"pays exactly what {job_id}-1a pays" in causes["1b"]


def test_repair_that_pays_like_a_design_is_compared_with_it(tmp_path):
    """A repair that comes to pay what a first design pays is compared with it."""

    class RepairedToTheSame(AllTheSame):
        def draw(self, item: Item) -> float:
            return 0.2 if item.key.kind == "check" and item.key.candidate.endswith("1b") else super().draw(item)

    context = fresh(tmp_path)
    for order in range(4):
        job_id = start(context, iterations=1, samples=2, confirm=0, target=None)
        play(context, job_id, RepairedToTheSame(0), random.Random(order))
        with context.database.connect() as connection:
            trained = {i.key.candidate for i in records.items_of(connection, job_id) if i.key.kind == "train"}
        assert trained == {f"{job_id}-1a"}


def test_a_person_s_own_program_trains_whatever_pays_the_same(tmp_path):
    context = fresh(tmp_path)
    spec = JobSpec(task=TASK, iterations=1, samples=2, confirm=0, steps=1000, method="free")
    job_id = lifecycle.create_job(context, spec, "def reward(prev, action, state, memory):\n    return 1.0\n")
    advance(context, job_id)
    play(context, job_id, AllTheSame(0), random.Random(0))
    with context.database.connect() as connection:
        trained = {i.key.candidate for i in records.items_of(connection, job_id) if i.key.kind == "train"}
    assert trained == {f"{job_id}-1seed"}


@settings(max_examples=8, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(
    world=st.integers(0, 10_000), first=st.integers(0, 99), second=st.integers(100, 199), together=st.booleans()
)  # fmt: skip
def test_a_job_ends_the_same_in_whatever_order_its_items_finish(world, first, second, together):
    with tempfile.TemporaryDirectory() as folder:
        context = fresh(Path(folder))
        outcomes = []
        for order in (first, second):
            job_id = start(context, samples=4, favourite_first=together)
            ranked = play(context, job_id, World(world), random.Random(order))
            with context.database.connect() as connection:
                candidates = records.candidates_of(connection, job_id)
                items = records.items_of(connection, job_id)
            assert all(c.cause_of_death for c in candidates if c.state == "dead")
            assert all(c.state in ("dead", "trained", "passed") for c in candidates)
            assert len({i.key for i in items}) == len(items)
            assert not any(c.retrains for c in candidates)
            again = [i for i in items if i.key.sample == AGAIN and i.key.kind == "train"]
            begun = {c.id: c.adjustment["rung"] for c in candidates if c.adjustment}
            assert all(i.key.rung >= begun[i.key.candidate] for i in again)
            stands = {c.id for c in candidates if c.retrained_from is not None}
            assert all(i.key.candidate in stands for i in again if i.key.rung > begun[i.key.candidate])
            trained = {i.key.candidate.split("-", 1)[1] for i in items if i.key.kind == "train"}
            paid = [(c.iteration, behaviour_of(items, c.id)) for c in candidates if c.id.split("-", 1)[1] in trained]
            assert len(set(known := [p for p in paid if p[1]])) == len(known), "two that pay the same were trained"
            states = {c.id.split("-", 1)[1]: (c.state, c.adjustment and c.adjustment["stands"]) for c in candidates}
            outcomes.append((ranked, trained, states))
        assert outcomes[0] == outcomes[1]
        context.database.dispose()


def test_repairs_follow_failed_checks_only_and_stop_at_the_limit(tmp_path):
    class AlwaysFails(World):
        def draw(self, item: Item) -> float:
            return 0.2 if item.key.kind == "check" else 0.9

    context = fresh(tmp_path)
    job_id = start(context, iterations=1, samples=1, repairs=2)
    play(context, job_id, AlwaysFails(0), random.Random(0))
    with context.database.connect() as connection:
        names = [c.id.split("-", 1)[1] for c in records.candidates_of(connection, job_id)]
    assert sorted(names) == ["1a", "1a2", "1a3", "sparse"]


def test_the_budget_of_environment_steps_keeps_the_claim_paid(tmp_path):
    context = fresh(tmp_path)
    with pytest.raises(UsageError, match="cannot pay the claim"):
        start(context, budget={"env_steps": 4000})
    # So few steps hold no cut, so both rungs are one: the claim, the baseline and one candidate cost 6,000.
    job_id = start(context, budget={"env_steps": 6200}, samples=4, rungs=[0.5, 1.0])
    play(context, job_id, World(3), random.Random(0))
    with context.database.connect() as connection:
        items = records.items_of(connection, job_id)
        dead = [c for c in records.candidates_of(connection, job_id) if "budget" in (c.cause_of_death or "")]
    assert sum(i.key.kind == "train" for i in items) <= 1
    assert dead


class LaterIsEasier(NeverAgain):
    """All programs pass; the later the sample the easier it is predicted to be; nothing ever succeeds."""

    def draw(self, item: Item) -> float:
        return 0.9 if item.key.kind in ("check", "design") else 0.5

    def difficulty(self, item: Item) -> float | None:
        return 5.0 - item.key.sample


def test_predicted_easiest_trains_first_with_a_short_budget(tmp_path):
    """Who is predicted to learn soonest trains first and gets a short budget."""
    context = fresh(tmp_path)
    for budget, together, trained in (({}, True, "cba"), ({}, False, "cba"), ({"env_steps": 6200}, False, "c")):
        job_id = start(context, iterations=1, samples=3, rungs=[0.5, 1.0], budget=budget, favourite_first=not together)
        play(context, job_id, LaterIsEasier(0), random.Random(1))
        with context.database.connect() as connection:
            items = records.items_of(connection, job_id)
        first = [i.key.candidate[-1] for i in items if i.key.kind == "train" and i.key.rung == 0]
        assert "".join(first) == trained


class Scored(NeverAgain):
    """Success of each candidate's trials, by the letter that ends its name."""

    def __init__(self, scores: dict[str, float]) -> None:
        super().__init__(0)
        self.scores = scores

    def draw(self, item: Item) -> float:
        return self.scores.get(item.key.candidate[-1:], 0.9)


@pytest.mark.parametrize(
    ("scores", "finalists"),
    [
        ({"a": 1.0, "b": 0.8, "c": 0.5}, "a"),  # the leader has surely reached the target, the others surely not
        ({"a": 1.0, "b": 0.98, "c": 0.5}, "ab"),  # the second may be as good
        ({"a": 0.96, "b": 0.8, "c": 0.5}, "ab"),  # 192 of 200 may be less than 95 %
    ],
)
def test_a_leader_that_has_surely_reached_the_target_goes_on_alone(tmp_path, scores, finalists):
    context = fresh(tmp_path)
    for target, expected in ((0.95, finalists), (None, "ab")):
        job_id = start(
            context, iterations=1, samples=3, rungs=[0.5, 1.0], confirm=0, target=target, steps=10**6,
            favourite_first=False,
        )  # fmt: skip
        play(context, job_id, Scored(scores), random.Random(1))
        with context.database.connect() as connection:
            items = records.items_of(connection, job_id)
        last = {i.key.candidate[-1] for i in items if i.key.kind == "train" and i.key.rung == 1}
        assert "".join(sorted(last)) == expected


class Rated(Scored):
    """Every program passes; c is predicted to learn soonest, then b, then a."""

    def draw(self, item: Item) -> float:
        return 0.9 if item.key.kind in ("check", "design") else super().draw(item)

    def difficulty(self, item: Item) -> float | None:
        return 5.0 - item.key.sample


@pytest.mark.parametrize(
    ("scores", "trained", "best"),
    [
        ({"a": 1.0, "b": 1.0, "c": 0.96}, {"c": 2}, "c"),  # the favourite reaches the target: nobody else trains
        ({"a": 0.3, "b": 1.0, "c": 0.5}, {"b": 2, "c": 2}, "b"),  # it does not: the next, to the end
        ({"a": 1.0, "b": 1.0, "c": 0.0}, {"b": 2, "c": 1}, "b"),  # it makes way half-way
        ({"a": 0.9, "b": 0.8, "c": 0.5}, {"a": 2, "b": 2, "c": 2}, "a"),  # all have been tried
        (
            {"a": 0.0, "b": 0.0, "c": 0.0},
            {"a": 1, "b": 2, "c": 2},
            "c",
        ),  # no success half-way: two go on
        ({"a": 0.0, "b": 0.5, "c": 0.0}, {"a": 1, "b": 2, "c": 2}, "b"),
        ({"a": 0.3, "b": 1.0, "c": 0.01}, {"b": 2, "c": 1}, "b"),  # a fault ends it early
    ],
)
def test_favourites_train_one_by_one_until_one_reaches_the_target(tmp_path, scores, trained, best):
    context = fresh(tmp_path)
    job_id = start(context, iterations=1, samples=3, rungs=[0.5, 1.0], confirm=0, steps=10**6)
    ranked = play(context, job_id, Rated(scores), random.Random(1))
    with context.database.connect() as connection:
        items = records.items_of(connection, job_id)
        causes = {c.id[-1]: c.cause_of_death for c in records.candidates_of(connection, job_id)}
    count = Counter(i.key.candidate[-1] for i in items if i.key.kind == "train")
    assert count == trained
    assert ranked[0].endswith(best)
    if best == "b" and trained == {"b": 2, "c": 1} and not scores["c"]:
        assert causes["c"] == "given up after 50% of its steps: 0% success"
    for name in set("abc") - set(trained):
        assert causes[name].startswith("not trained: ") and causes[name].endswith("reached the target")


def test_a_persons_own_program_is_the_favourite(tmp_path):
    context = fresh(tmp_path)
    job_id = start(context, iterations=1, samples=3, rungs=[0.5, 1.0], confirm=0)
    with context.database.begin() as connection:
        records.put_candidate(
            connection, id=f"{job_id}-1seed", job_id=job_id, iteration=1, kind="seeded", move="new", sample=3,
            parents=[], source="# mine", source_hash=source_hash("# mine"), reward={}, state="designed",
            cause_of_death=None, oracle_informed=False,
        )  # fmt: skip
    advance(context, job_id)
    play(context, job_id, Rated({"d": 1.0}), random.Random(2))
    with context.database.connect() as connection:
        first = next(i for i in records.items_of(connection, job_id) if i.key.kind == "train")
    assert first.key.candidate == f"{job_id}-1seed"


def test_nobody_trains_while_a_check_of_the_round_is_open(tmp_path):
    context = fresh(tmp_path)
    job_id = start(context, iterations=1, samples=2, confirm=0)
    world = LaterIsEasier(0)
    for kind in ("baseline", "design", "design", "check"):
        complete(context, queue.claim(context.database, "me", 60, job_id, [kind]), world)
        advance(context, job_id)
    assert queue.claim(context.database, "me", 60, job_id, ["train"]) is None
    complete(context, queue.claim(context.database, "me", 60, job_id, ["check"]), world)
    advance(context, job_id)
    assert queue.claim(context.database, "me", 60, job_id, ["train"]).key.candidate.endswith("1b")


def test_the_favourite_is_chosen_once_repairs_have_been_checked(tmp_path):
    class RepairedIsEasiest(World):
        def draw(self, item: Item) -> float:
            return 0.2 if item.key.kind == "check" and item.key.candidate.endswith("1a") else 0.9

        def difficulty(self, item: Item) -> float | None:
            return 1.0 if item.key.candidate.endswith("1a2") else 2.0

    context = fresh(tmp_path)
    job_id, world = start(context, iterations=1, samples=2, confirm=0), RepairedIsEasiest(0)
    for kind in ("baseline", "design", "design", "check", "check", "design", "check"):
        assert queue.claim(context.database, "me", 60, job_id, ["train"]) is None
        complete(context, queue.claim(context.database, "me", 60, job_id, [kind]), world)
        advance(context, job_id)
    assert queue.claim(context.database, "me", 60, job_id, ["train"]).key.candidate.endswith("1a2")


def test_an_item_can_be_claimed_finished_and_lost_only_as_the_fence_allows(tmp_path):
    context = fresh(tmp_path)
    job_id = start(context)
    item = queue.claim(context.database, "one", 60, job_id)
    with context.database.begin() as connection:
        queue.cancel_open(connection, job_id)
    with pytest.raises(LostItem):
        queue.heartbeat(context.database, item, 60)
    with pytest.raises(LostItem), context.database.begin() as connection:
        queue.finish(connection, item, "done", {})


def test_a_dead_owner_s_item_is_queued_again_and_lost_after_three_attempts(tmp_path):
    context = fresh(tmp_path)
    job_id = start(context)
    gone = queue.make_owner().rsplit(":", 1)[0] + ":1"  # this process id with another start time
    states = []
    for _ in range(3):
        claimed = queue.claim(context.database, gone, 60, job_id, ["baseline"])
        assert claimed is not None
        assert queue.reap(context.database, 3) == 1
        states.append(queue.get(context.database, claimed.id).state)
    assert states == ["queued", "queued", "lost"]


def test_a_paused_job_hands_out_nothing_until_it_is_resumed(tmp_path):
    context = fresh(tmp_path)
    job_id = start(context)
    lifecycle.pause_job(context, job_id, "break")
    assert queue.claim(context.database, "me", 60, job_id) is None
    lifecycle.resume_job(context, job_id)
    assert queue.claim(context.database, "me", 60, job_id) is not None


@pytest.mark.parametrize("state", ["done", "failed", "cancelled"])
@pytest.mark.parametrize(
    "steer", [lifecycle.resume_job, service.resume_service_job, service.halt_job, lifecycle.cancel_job]
)
def test_a_job_that_has_ended_is_neither_resumed_nor_paused(tmp_path, steer, state):
    context = fresh(tmp_path)
    job_id = start(context)
    with context.database.begin() as connection:
        records.update_job(connection, job_id, state=state)
    with pytest.raises(UsageError, match=rf"has ended already \({state}\)"):
        steer(context, job_id)
    with context.database.connect() as connection:
        assert records.get_job(connection, job_id).state == state


@pytest.mark.parametrize("end", ["cancel", "time", "veto"])
def test_no_trial_is_running_after_its_job_or_candidate_ended(tmp_path, end):
    """No trial runs in the table once its job or its candidate has ended."""
    context = fresh(tmp_path)
    job_id = start(context, samples=1)
    for kind in ("design", "check"):
        complete(context, queue.claim(context.database, "me", 60, job_id, [kind]), LaterIsEasier(0))
        advance(context, job_id)
    item = queue.claim(context.database, "me", 60, job_id, ["train"])
    with context.database.begin() as connection:
        records.put_trial(connection, job_id, item.key.candidate, "search", item.key.seed, state="running", steps=500)
    match end:
        case "cancel":
            lifecycle.cancel_job(context, job_id)
        case "time":
            lifecycle.stop_for_time(context, job_id, "spent")
        case "veto":
            steering.veto(context, item.key.candidate)
    with context.database.connect() as connection:
        (trial,) = records.trials_of(connection, candidate_id=item.key.candidate)
    assert (trial.state, trial.steps) == ("stopped", 500)


def test_extend_adds_iterations_to_a_finished_job(tmp_path):
    context = fresh(tmp_path)
    job_id = start(context, iterations=1)
    play(context, job_id, World(5), random.Random(0))
    lifecycle.extend_job(context, job_id, 1)
    advance(context, job_id)
    play(context, job_id, World(5), random.Random(0))
    with context.database.connect() as connection:
        assert len(records.iterations_of(connection, job_id)) == 2
