"""Retraining if entropy dominates or guidance saturates: the proposed settings, and the job's decisions."""

from __future__ import annotations

import random
from pathlib import Path

import pytest
from made_up_jobs import World, complete, fresh, play, start

from rewardsmith.engine.jobs import lifecycle, steering
from rewardsmith.engine.jobs.advance import advance
from rewardsmith.engine.search.retraining import proposal, weighed
from rewardsmith.engine.search.snapshot import AGAIN
from rewardsmith.methods import get_method
from rewardsmith.programs.composition import Channel
from rewardsmith.programs.reward import ENV, TrainingReward
from rewardsmith.spec import TrainingSpec
from rewardsmith.storage import queue, records
from rewardsmith.storage.queue import Item
from rewardsmith.telemetry import ChannelPay, Telemetry

LESS_ENTROPY = {"reason": "entropy dominates", "training": {"entropy": 0.0025}}
LESS_WEIGHT = {"reason": "saturated", "weights": {"reward": 0.1}}


# --- what is proposed -----------------------------------------------------------------------------------


def measured(guidance: float, pay: float | None = None, env: float | None = None) -> Telemetry:
    return Telemetry.of(
        episodes=100, program_guidance_per_episode=guidance, success_pay=pay, env_success_pay=env, env_weight=1.0
    )


REWARD = TrainingReward("", ("reward",), (ENV, Channel("reward"), Channel("phi", kind="potential")))


def test_a_policy_held_by_entropy_gets_a_tenth_of_the_entropy_coefficient():
    found = proposal({"entropy dominates": "x"}, measured(0.0), TrainingSpec(entropy=0.025), REWARD)
    assert found == LESS_ENTROPY
    assert proposal({"entropy dominates": "x"}, measured(0.0), TrainingSpec(entropy=0.0), REWARD) is None


@pytest.mark.parametrize(
    ("measures", "weight"),
    [
        (measured(12.0), 0.083),  # no success: the weight at which guidance equals the environment's reward
        (measured(1e6), 0.01),
        (measured(12.0, pay=1.0, env=1.0), 0.083),
        (measured(110.0, pay=11.0, env=1.0), 0.01),  # the program's own pay for success shrinks with it
        (measured(30.0, pay=3.0, env=1.0), 0.036),  # 30 * 0.036 = 1 + 2 * 0.036
    ],
)
def test_saturated_program_gets_weight_of_equal_guidance_and_success(measures, weight):
    found = proposal({"shaping dominates": "x", "saturated": "x"}, measures, TrainingSpec(), REWARD)
    assert found == {"reason": "saturated", "weights": {"reward": weight}}
    changed = weighed(REWARD, found["weights"])
    assert [c.weight for c in changed.channels] == [1.0, weight, 1.0]


def test_no_weight_is_proposed_without_success_pay():
    assert proposal({"saturated": "x"}, measured(30.0, pay=3.0, env=0.0), TrainingSpec(), REWARD) is None


def test_other_labels_change_no_settings():
    assert proposal({"weak shaping": "x", "shaping dominates": "x"}, measured(9.0), TrainingSpec(), REWARD) is None


def test_dense_environment_reward_is_compared_by_its_episode_sum():
    measures = measured(120.0).updated(channels={"env": ChannelPay(mean_per_episode=20.0)})
    found = proposal({"saturated": "x"}, measures, TrainingSpec(), REWARD)
    assert found is not None and found["weights"] == {"reward": 0.17}


# --- how the job goes about it --------------------------------------------------------------------------


class Hidden(World):
    """All programs pass and reach 2 %; the diagnosis proposes `found`, and with it success is `after`."""

    def __init__(self, found: dict, after: float, recheck: float = 0.9) -> None:
        super().__init__(0)
        self.found, self.after, self.recheck = found, after, recheck

    def draw(self, item: Item) -> float:
        if item.key.kind == "recheck":
            return self.recheck
        if item.key.kind != "train":
            return 0.9
        return self.after if item.key.sample == AGAIN else 0.0

    def difficulty(self, item: Item) -> float | None:
        return None

    def behaviour(self, item: Item) -> str | None:
        return None

    def proposal(self, item: Item) -> dict | None:
        return self.found


def begin(folder: Path, **options) -> tuple:
    context = fresh(folder)
    return context, start(context, **{"iterations": 1, "samples": 1, "confirm": 2, "rungs": [1.0], **options})


def read(context, job_id: str) -> tuple[dict, list[Item]]:
    with context.database.connect() as connection:
        candidates = {c.id.split("-", 1)[1]: c for c in records.candidates_of(connection, job_id)}
        return candidates, records.items_of(connection, job_id)


def again(items: list[Item]) -> list[Item]:
    return [i for i in items if i.key.kind == "train" and i.key.sample == AGAIN]


def test_a_candidate_that_entropy_dominates_is_retrained_once(tmp_path):
    context, job_id = begin(tmp_path, seeds=2)
    play(context, job_id, Hidden(LESS_ENTROPY, 0.1), random.Random(0))
    candidates, items = read(context, job_id)
    first = [i for i in items if i.key.kind == "train" and i.key.sample != AGAIN]
    assert [(i.key.seed, i.key.rung) for i in again(items)] == [(i.key.seed, i.key.rung) for i in first]
    assert all(i.payload == {"training": {"entropy": 0.0025}} for i in again(items))
    a = candidates["1a"]
    assert a.adjustment["stands"] and a.score == pytest.approx(0.1)
    assert (
        a.adjustment["note"] == "trained once more with entropy 0.0025 instead of 0.025: 10.0% success instead of 0.0%"
    )
    kinds = [i.key.kind for i in items]
    assert kinds.index("analyse") > max(k for k, i in enumerate(items) if i in again(items))


def test_both_arms_of_the_claim_use_the_adjusted_settings(tmp_path):
    context, job_id = begin(tmp_path)
    play(context, job_id, Hidden(LESS_ENTROPY, 0.1), random.Random(0))
    _, items = read(context, job_id)
    confirms = [i for i in items if i.key.kind == "confirm"]
    arms = {name: [i.key.seed for i in confirms if i.key.candidate == f"{job_id}-{name}"] for name in ("1a", "sparse")}
    assert len(confirms) == 4 and arms["1a"] == arms["sparse"]
    assert all(i.payload == {"training": {"entropy": 0.0025}} for i in confirms)


def test_the_first_trial_is_kept_unless_the_second_is_better(tmp_path):
    context, job_id = begin(tmp_path)
    play(context, job_id, Hidden(LESS_ENTROPY, 0.0), random.Random(0))
    candidates, items = read(context, job_id)
    assert candidates["1a"].adjustment["stands"] is False and "no better than" in candidates["1a"].adjustment["note"]
    assert len(again(items)) == 1
    assert all(i.payload == {} for i in items if i.key.kind == "confirm")


def test_saturated_candidate_is_rechecked_before_it_trains(tmp_path):
    context, job_id = begin(tmp_path)
    play(context, job_id, Hidden(LESS_WEIGHT, 0.5), random.Random(0))
    candidates, items = read(context, job_id)
    (check,) = [i for i in items if i.key.kind == "recheck"]
    (trial,) = again(items)
    assert check.id < trial.id and check.payload == trial.payload == {"weights": {"reward": 0.1}}
    weights = {c["name"]: c["weight"] for c in candidates["1a"].reward["channels"]}
    assert weights == {"env": 1.0, "reward": 0.1}
    assert "a weight of reward of 0.1 instead of 1: 50.0% success" in candidates["1a"].adjustment["note"]
    assert all(i.payload == {} for i in items if i.key.kind == "confirm")


def test_a_worse_verdict_rejects_the_weight_with_the_reason(tmp_path):
    context, job_id = begin(tmp_path)
    play(context, job_id, Hidden(LESS_WEIGHT, 0.5, recheck=0.1), random.Random(0))
    candidates, items = read(context, job_id)
    a = candidates["1a"]
    assert again(items) == [] and a.adjustment["stands"] is False and a.adjustment["note"].endswith("battery: lost")
    assert {c["name"]: c["weight"] for c in a.reward["channels"]} == {"env": 1.0, "reward": 1.0}


def test_a_second_trial_that_fails_leaves_the_first(tmp_path):
    context, job_id = begin(tmp_path)
    play(context, job_id, Hidden(LESS_ENTROPY, 0.05), random.Random(0))  # a fault, as `complete` has it
    candidates, items = read(context, job_id)
    assert len(again(items)) == 1 and "which failed: NaN" in candidates["1a"].adjustment["note"]
    assert candidates["1a"].state == "trained"


@pytest.mark.parametrize("found", [LESS_ENTROPY, LESS_WEIGHT])
def test_no_candidate_retrains_beyond_the_budget(tmp_path, found):
    # The claim costs 4,000 steps, the baseline and a candidate 1,000 each.
    for limit, count in ((6_999, 0), (7_000, 1)):
        context, job_id = begin(tmp_path / str(limit), budget={"env_steps": limit})
        play(context, job_id, Hidden(found, 0.5), random.Random(0))
        assert len(again(read(context, job_id)[1])) == count


def test_several_candidates_share_the_remaining_budget(tmp_path):
    context, job_id = begin(tmp_path, samples=3, confirm=0, budget={"env_steps": 5_000}, order="halving")
    play(context, job_id, Hidden(LESS_WEIGHT, 0.5), random.Random(0))
    assert len(again(read(context, job_id)[1])) == 1


def test_a_second_trial_that_is_lost_leaves_the_first(tmp_path):
    context, job_id = begin(tmp_path, confirm=0)
    world = Hidden(LESS_ENTROPY, 0.5)
    item = until(context, job_id, "train", AGAIN, world)
    assert queue.give_back(context.database, item, "no disk", 1) == "lost"
    advance(context, job_id)
    play(context, job_id, world, random.Random(0))
    candidates, _ = read(context, job_id)
    assert candidates["1a"].state == "trained" and "it was lost: no disk" in candidates["1a"].adjustment["note"]


def test_the_command_line_turns_retraining_off():
    from rewardsmith.cli.asked_job import AskedJob, read_job

    assert read_job(AskedJob({"task": "CartPole-v1", "retrain": False}), None)[0].retrain is False
    assert read_job(AskedJob({"task": "CartPole-v1"}), None)[0].retrain is True


def test_with_retrain_off_no_candidate_is_retrained(tmp_path):
    context, job_id = begin(tmp_path, retrain=False)
    play(context, job_id, Hidden(LESS_ENTROPY, 0.5), random.Random(0))
    candidates, items = read(context, job_id)
    assert again(items) == [] and candidates["1a"].adjustment is None


def test_rewardsmith_train_never_adjusts_a_given_reward(tmp_path):
    context = fresh(tmp_path)
    from rewardsmith.spec import JobSpec

    spec = JobSpec(task="CartPole-v1", method="free", model="none", iterations=1, samples=1, confirm=2, steps=1000)
    job_id = lifecycle.create_job(context, spec, "def reward(prev, action, state, memory):\n    return 1.0\n")
    advance(context, job_id)
    play(context, job_id, Hidden(LESS_ENTROPY, 0.5), random.Random(0))
    assert again(read(context, job_id)[1]) == []


def until(context, job_id: str, kind: str, sample: int, world: World) -> Item:
    """Complete items until one of `kind` and `sample` is claimed; returns it."""
    while (item := queue.claim(context.database, "me", 60, job_id)) is not None:
        if item.key.kind == kind and item.key.sample == sample:
            return item
        complete(context, item, world)
        advance(context, job_id)
    raise AssertionError("it never came")


@pytest.mark.parametrize(("found", "kind", "sample"), [(LESS_ENTROPY, "train", AGAIN), (LESS_WEIGHT, "recheck", -1)])
@pytest.mark.parametrize("end", ["veto", "cancel", "pause"])
def test_a_veto_or_the_job_s_end_stops_the_second_training(tmp_path, found, kind, sample, end):
    context, job_id = begin(tmp_path, confirm=0)
    world = Hidden(found, 0.5)
    item = until(context, job_id, kind, sample, world)
    if end == "pause":
        lifecycle.pause_job(context, job_id, "break")
        lifecycle.resume_job(context, job_id)
        complete(context, item, world)
        advance(context, job_id)
        play(context, job_id, world, random.Random(0))
        assert read(context, job_id)[0]["1a"].adjustment["stands"]
        return
    if end == "veto":
        steering.veto(context, f"{job_id}-1a")
        advance(context, job_id)
        play(context, job_id, world, random.Random(0))
    else:
        lifecycle.cancel_job(context, job_id)
        advance(context, job_id)
    candidates, items = read(context, job_id)
    assert not [i for i in items if i.state in queue.OPEN]
    assert "stands" not in candidates["1a"].adjustment


def test_an_adjusted_candidate_keeps_its_settings_at_the_next_rung(tmp_path):
    class OneHidden(Hidden):
        """a and b reach 10 %; c reaches nothing at first, and most with less entropy."""

        def draw(self, item: Item) -> float:
            if item.key.kind == "train" and not item.key.candidate.endswith("c"):
                return 0.1
            return super().draw(item)

        def proposal(self, item: Item) -> dict | None:
            return LESS_ENTROPY if item.key.candidate.endswith("c") else None

    context, job_id = begin(tmp_path, samples=3, rungs=[0.5, 1.0], confirm=0, steps=10**6, order="halving", target=0.99)
    ranked = play(context, job_id, OneHidden(LESS_ENTROPY, 0.6), random.Random(0))
    candidates, items = read(context, job_id)
    assert ranked[0] == "1c" and candidates["1c"].retrained_from == 0
    mine = [(i.key.rung, i.key.sample) for i in items if i.key.kind == "train" and i.key.candidate.endswith("1c")]
    assert mine == [(0, -1), (0, AGAIN), (1, AGAIN)]
    assert candidates["1b"].state == "rejected" and "not promoted from rung 1" in candidates["1b"].rejection_reason


def test_no_candidate_retrains_beside_one_that_reached_the_target(tmp_path):
    class OneIsGood(Hidden):
        def draw(self, item: Item) -> float:
            good = item.key.kind == "train" and item.key.candidate.endswith("a")
            return 1.0 if good else super().draw(item)

        def proposal(self, item: Item) -> dict | None:
            return None if item.key.candidate.endswith("a") else LESS_ENTROPY

    context, job_id = begin(tmp_path, samples=2, order="halving")
    play(context, job_id, OneIsGood(LESS_ENTROPY, 0.5), random.Random(0))
    assert again(read(context, job_id)[1]) == []


def test_a_later_claim_of_an_extended_job_has_its_own_baseline(tmp_path):
    class LaterHeldByEntropy(Hidden):
        """The first round is good as it is; the second is better, and only with less entropy."""

        def draw(self, item: Item) -> float:
            if item.key.kind == "train" and item.key.iteration == 1:
                return 0.5
            return super().draw(item)

        def proposal(self, item: Item) -> dict | None:
            return LESS_ENTROPY if item.key.iteration > 1 else None

    context, job_id = begin(tmp_path)
    world = LaterHeldByEntropy(LESS_ENTROPY, 0.8)
    play(context, job_id, world, random.Random(0))
    lifecycle.extend_job(context, job_id, 1)
    advance(context, job_id)
    ranked = play(context, job_id, world, random.Random(0))
    assert ranked[0] == "2a"
    _, items = read(context, job_id)
    baseline = [i for i in items if i.key.kind == "confirm" and i.key.candidate.endswith("sparse")]
    assert len(baseline) == 4 and len({i.key.seed for i in baseline}) == 4
    assert sum(i.payload == {"training": {"entropy": 0.0025}} for i in baseline) == 2


def test_the_method_of_the_tests_pays_through_a_channel_called_reward():
    assert [c.name for c in get_method("free").reward("").channels] == ["env", "reward"]
