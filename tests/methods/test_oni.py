"""ONI: the stack of captions, labellers, the three reward models, labels on disk, resuming."""

from __future__ import annotations

import threading
import time
from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest
from tiny import TASK, TRAINING, Killed, run

from rewardsmith.errors import BudgetSpent, UsageError
from rewardsmith.methods import get_method
from rewardsmith.methods.base import Setting
from rewardsmith.methods.labelling.labeller import ModelLabeller, ShuffledLabeller, SimulatedLabeller, read_words
from rewardsmith.methods.labelling.labels import Caption, Label, LabelFile, read_labels
from rewardsmith.methods.labelling.reward_models import Classification, Ranking, Retrieval
from rewardsmith.methods.labelling.sources import Asking, LiveLabels, StoredLabels
from rewardsmith.methods.oni import OniLearner
from rewardsmith.tasks import get_task


def captions(*names: str, progress: bool = False) -> list[Caption]:
    return [Caption(i + 1000 * progress, name, progress) for i, name in enumerate(names)]


class Gated:
    """A labeller that answers when the test releases it, and records its questions."""

    calls = 0

    def __init__(self) -> None:
        self.asked: list[list[str]] = []
        self.go = threading.Semaphore(0)

    def label(self, captions):
        self.asked.append([c.text for c in captions])
        assert self.go.acquire(timeout=20)
        return [1.0] * len(captions)

    def compare(self, pairs):
        return self.label([a for a, _ in pairs])


def wait_for(condition) -> None:
    end = time.monotonic() + 20
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.005)


# ---- what is asked when


def test_the_newest_captions_are_asked_first_and_none_twice():
    labeller = Gated()
    source = LiveLabels(labeller, Asking(batch=2))
    a, b, c, d, e = captions("a", "b", "c", "d", "e")
    source.offer([a])
    wait_for(lambda: labeller.asked)
    source.offer([a, b, c, d])  # a is under way
    source.offer([b, e])  # b has been seen again, and is newer now
    assert source.collect() == []  # the queue is empty
    labeller.go.release(5)
    wait_for(lambda: source.waiting == 0)
    assert labeller.asked == [["a"], ["e", "b"], ["d", "c"]]
    labels = source.collect()
    assert [label.captions[0].text for label in labels] == ["a", "e", "b", "d", "c"]
    assert source.collect() == []
    source.offer([a, b, c, d, e])  # all are known: the threads rest
    assert source.waiting == 0 and len(labeller.asked) == 3
    source.close()


def test_a_full_stack_drops_its_oldest_captions():
    labeller = Gated()
    source = LiveLabels(labeller, Asking(batch=1, capacity=2))
    first, *rest = captions("first", "a", "b", "c")
    source.offer([first])
    wait_for(lambda: labeller.asked)
    source.offer(rest)
    assert source.waiting == 3  # first under way, b and c on the stack
    source.offer(rest[:1])
    labeller.go.release(9)
    wait_for(lambda: source.waiting == 0)
    assert [asked[0] for asked in labeller.asked] == ["first", "a", "c"]
    source.close()


def test_a_spent_budget_stops_the_labeller_with_the_reason():
    class Spent(Gated):
        def label(self, captions):
            raise BudgetSpent("the budget of 3 calls is spent", "Raise --max-calls.")

    source = LiveLabels(Spent())
    source.offer(captions("a"))
    wait_for(lambda: source.stopped is not None)
    assert "3 calls" in source.stopped
    source.offer(captions("b"))
    assert source.collect() == []


# ---- who labels


def test_simulated_labels_err_at_their_rates_per_caption():
    labeller = SimulatedLabeller(0.1, 0.3, 0.0, seed=1)
    without, having = captions(*map(str, range(1000))), captions(*map(str, range(1000)), progress=True)
    wrong, missed = np.mean(labeller.label(without)), 1 - np.mean(labeller.label(having))
    assert wrong == pytest.approx(0.1, abs=0.04) and missed == pytest.approx(0.3, abs=0.06)
    assert labeller.label(without) == labeller.label(without)
    assert SimulatedLabeller(0.0, 0.0, 0.0, 0).compare([(having[0], without[0]), (without[0], without[1])]) == [
        1.0,
        0.5,
    ]


def test_shuffled_labels_keep_their_number_but_not_their_captions():
    mixed = [c for pair in zip(captions(*"abcdefgh"), captions(*"abcdefgh", progress=True), strict=True) for c in pair]
    true = SimulatedLabeller(0.0, 0.0, 0.0, 0).label(mixed)
    dealt = ShuffledLabeller(SimulatedLabeller(0.0, 0.0, 0.0, 0), 3).label(mixed)
    assert sorted(dealt) == sorted(true) and dealt != true


def test_a_model_labels_in_batches_and_unreadable_means_unhelpful():
    from rewardsmith.agents.models import Answer

    class Model:
        name, is_language_model = "test", True

        def __init__(self) -> None:
            self.requests = []

        def complete(self, request):
            self.requests.append(request)
            return Answer("completed", "1. The key opens the door. ALPHA\n2. hm\n3) **BETA**", "test")

    model = Model()
    labeller = ModelLabeller(model, "Pick up the box.", per_call=3)
    assert labeller.label(captions("took the key", "b", "c", "d")) == [1.0, 0.0, 0.0, 1.0]
    assert len({request.key for request in model.requests}) == 2 and labeller.calls == 2
    assert "1. took the key" in model.requests[0].prompt and "Pick up the box." in model.requests[0].prompt
    assert read_words("1: FIRST\n2 - it is a TIE", 3) == ["FIRST", "TIE", ""]


# ---- the reward models


def labelled(count: int = 40) -> list[Label]:
    good = [Caption(i, f"it picked up the key number {i}") for i in range(count)]
    bad = [Caption(count + i, f"it turned towards wall {i}") for i in range(count)]
    return [Label((c,), float(c in good), 0.0, 1.0) for pair in zip(good, bad, strict=True) for c in pair]


def values_of(model, *texts: str) -> list[float]:
    return model.values(list(range(900, 900 + len(texts))), list(texts)).tolist()


def test_retrieval_pays_labels_and_nothing_for_unknown_captions():
    model = Retrieval()
    label = labelled(1)[0]
    assert model.values([label.captions[0].key], ["x"]).tolist() == [0.0]
    model.learn([label])
    assert model.values([label.captions[0].key, 77], ["x", "y"]).tolist() == [1.0, 0.0]


def test_classification_pays_above_threshold_and_generalises():
    model = Classification(seed=0, learning_rate=1e-2)
    assert values_of(model, "it picked up the key") == [0.0]  # untrained
    for _ in range(4):
        model.learn(labelled())
    model.learn([])
    assert values_of(model, "it picked up the key number 99", "it turned towards wall 99") == [1.0, 0.0]


@pytest.mark.parametrize("threshold", [-0.5, 0.0])
def test_ranking_pays_normalised_rewards_above_the_threshold_only(threshold):
    model = Ranking(seed=0, learning_rate=1e-2, threshold=threshold)
    singles = labelled()
    pairs = [
        Label((a.captions[0], b.captions[0]), 0.5 + (a.value - b.value) / 2, 0.0, 1.0)
        for a, b in zip(singles, singles[3:] + singles[:3], strict=True)
    ]
    for _ in range(4):
        model.learn(pairs)
    model.learn([])
    texts = [label.captions[0].text for label in singles]
    model.observe(texts, np.ones(len(texts), dtype=np.int64))
    model.observe(texts, np.ones(len(texts), dtype=np.int64))
    raw, paid = model.scores(texts), np.array(values_of(model, *texts))
    normal = (raw - raw.mean()) / raw.std()
    above = normal > threshold
    assert np.allclose(paid[above], normal[above], rtol=1e-3)  # r~, not r
    assert (paid[~above] == 0).all() and not above.all()
    assert paid[0::2].min() > paid[1::2].max()


@pytest.mark.parametrize("kind", [Classification, Ranking])
def test_network_pays_one_rollout_later_across_checkpoints(kind):
    model, singles = kind(seed=0, learning_rate=1e-2), labelled()
    pairs = [Label((a.captions[0], b.captions[0]), a.value, 0.0, 1.0) for a, b in pairwise(singles)]
    labels, texts = (singles if kind is Classification else pairs), [label.captions[0].text for label in singles]
    assert model.learn(labels) == 1
    model.observe(texts, np.ones(len(texts), dtype=np.int64))
    assert model.version == 0 and values_of(model, *texts) == [0.0] * len(texts)
    again = kind(seed=1, learning_rate=1e-2)
    again.load(model.state())
    again.remember(labels)
    for each in (model, again):
        assert each.learn(labels) == 2 and each.version == 1
    assert values_of(model, *texts) == values_of(again, *texts) != [0.0] * len(texts)
    first = model.scores(texts)
    for each in (model, again):
        assert each.learn([]) == 2
    assert (model.scores(texts) == again.scores(texts)).all() and not (model.scores(texts) == first).all()


def test_ranking_normalises_by_the_present_network():
    model, singles = Ranking(seed=0, learning_rate=1e-2), labelled()
    texts = [label.captions[0].text for label in singles]
    pairs = [
        Label((a.captions[0], b.captions[0]), 0.5 + (a.value - b.value) / 2, 0.0, 1.0)
        for a, b in zip(singles, singles[3:] + singles[:3], strict=True)
    ]
    times = np.arange(1, len(texts) + 1)
    model.learn(pairs)
    model.observe(texts, times)  # by the network of the first arrival
    for _ in range(3):
        model.learn(pairs)
    scores = model.scores(texts)
    mean = np.average(scores, weights=times)
    assert model.statistics() == pytest.approx((mean, np.average((scores - mean) ** 2, weights=times) ** 0.5))
    again = Ranking(seed=1, learning_rate=1e-2)
    again.load(model.state())
    assert again.statistics() == pytest.approx(model.statistics())


# ---- in a trial


def test_labels_pay_from_a_later_rollout_by_counts(tmp_path):
    report, curve = run(tmp_path, {get_method("oni"): {"latency": 0.0}})
    reports = [p.telemetry["methods"]["oni"] for p in curve]
    assert reports[-1]["annotated"] > 0.5 and reports[-1]["model_accuracy"] == 1.0
    assert reports[-1]["latency_p95_s"] >= reports[-1]["latency_p50_s"] > 0
    paid = [p.telemetry["channels"].get("oni", {}).get("mean_per_episode", 0.0) for p in curve]
    assert max(paid) > 0
    assert read_labels(tmp_path / "labels.jsonl")[-1][0] >= 1  # a later rollout took labels, too
    assert report.complete


@pytest.mark.parametrize("kind", ["retrieval", "classification", "ranking"])
def test_rewards_can_be_computed_again_from_the_stored_labels(tmp_path, kind):
    first, labels = replayed(tmp_path / "a", kind, None)
    again, _ = replayed(tmp_path / "b", kind, StoredLabels(labels))
    assert any((values != 0).any() for values in first)
    assert all((a == b).all() for a, b in zip(first, again, strict=True))


def replayed(folder, kind, source):
    """Channel values of the same eight random rollouts."""
    from rewardsmith.programs.rollout import Rollout
    from rewardsmith.training.learner import Experience

    method, task = get_method("oni"), get_task(TASK)
    options = method.Options(reward_model=kind, latency=0.01, false_positive=0.2)
    setting = Setting(task, TRAINING, method.reward("", options), 3, 10_000, folder, options)
    learner = OniLearner(setting, source)
    batch, rng, found = task.batch(4, "train"), np.random.default_rng(0), []
    for k in range(8):
        run = Rollout.empty(task, 64, 4)
        seen = np.zeros((64, 4, task.observation_size), np.float32)
        for t in range(64):
            batch.state_rows(run.before[t])
            run.actions[t] = rng.integers(6, size=4)
            batch.step(run.actions[t])
            batch.state_rows(run.after[t])
            run.success[t] = batch.success
            batch.restart(batch.terminated | batch.truncated)
        found.append(learner.rewards(Experience(run, seen, seen, batch.tables, 256 * k))["oni"])
        if source is None:
            wait_for(lambda: learner._source.waiting == 0)
    learner.close()
    return found, folder / "labels.jsonl"


def test_a_resumed_trial_continues_with_its_checkpoint_s_labels(tmp_path):
    options = {"reward_model": "classification", "latency": 0.0}
    with pytest.raises(Killed):
        run(tmp_path, {get_method("oni"): options}, kill_at=13)
    written = read_labels(tmp_path / "labels.jsonl")
    with (tmp_path / "labels.jsonl").open("a") as file:
        file.write('{"rollout": 99, "version": 9, "value": 1.0, "waited_s": 0, "captions": [[7, "lost", false]]}\n')
    report, curve = run(tmp_path, {get_method("oni"): options})
    after = read_labels(tmp_path / "labels.jsonl")
    assert report.complete and not any(label.captions[0].text == "lost" for _, label in after)
    assert [label.captions for _, label in after[:5]] == [label.captions for _, label in written[:5]]
    keys = [label.captions[0].key for _, label in after]
    assert len(keys) == len(set(keys)) == curve[-1].telemetry["methods"]["oni"]["labels"]


def test_trial_killed_before_a_checkpoint_leaves_no_labels(tmp_path):
    file = LabelFile(tmp_path)
    file.append(labelled(3), rollout=0, version=1)
    fresh = LabelFile(tmp_path)
    fresh.append(labelled(1)[:1], rollout=0, version=1)
    assert len(read_labels(file.path)) == 1


def test_training_does_not_wait_for_a_labeller_that_never_answers(tmp_path):
    report, curve = run(tmp_path, {get_method("oni"): {"latency": 600.0}})
    reports = curve[-1].telemetry["methods"]["oni"]
    assert report.complete and reports["annotated"] == 0.0 and reports["waiting"] > 0


def test_a_task_without_captions_is_refused_when_the_job_is_made():
    method = get_method("oni")
    with pytest.raises(UsageError, match="has none"):
        method.check(get_task("CartPole-v1"), method.Options(), False)


def test_only_a_model_s_labels_are_free_of_privileged_information():
    method = get_method("oni")
    assert method.oracle_informed(method.Options(), modelled=False)
    assert not method.oracle_informed(method.Options(), modelled=True)
    channel = replace(method.bonuses(method.Options(weight=0.3))[0])
    assert (channel.weight, channel.gate, channel.exponent, channel.kind) == (0.3, "count", 3.0, "bonus")
