"""CALM: reading, verification, latching and coding of subgoals; offline examination of the verifier."""

from __future__ import annotations

import copy
import json
import threading
import time
from dataclasses import replace
from functools import lru_cache

import numpy as np
import pytest
from listening import Listening
from test_baselines import played
from tiny import TASK, TRAINING

from rewardsmith.agents import roles
from rewardsmith.agents.models import Answer, Request
from rewardsmith.agents.registry import open_model
from rewardsmith.errors import BudgetSpent, UsageError
from rewardsmith.methods import get_method
from rewardsmith.methods.asking.noisy_truth import NoisyTruth
from rewardsmith.methods.base import Setting
from rewardsmith.methods.calm import CalmOptions
from rewardsmith.methods.verifying.learner import VerifiedSubgoals
from rewardsmith.methods.verifying.subgoal_program import read_predicates, read_sentences
from rewardsmith.methods.verifying.verifier import ModelVerifier, TransitionQuestion
from rewardsmith.offline import evaluate_verifier
from rewardsmith.offline.examination import Agreement, Examination, draw_examination
from rewardsmith.programs.answer_text import UnreadableAnswer
from rewardsmith.programs.problem import Problem
from rewardsmith.tasks import get_task
from rewardsmith.tasks.subgoals import named_subgoal, plan_events, preset_subgoals, terminated
from rewardsmith.tasks.transitions import VIEWS, Describer
from rewardsmith.training.learner import Experience
from rewardsmith.verification import checks
from rewardsmith.verification.checks import Proof, run_checks

CALM = get_method("calm")
QUICK = Proof(layouts=1, limit=500)  # certificates have tests of their own
PRESET = {"mode": "verifier", "subgoals": "preset"}
SEEDED = 'def subgoals():\n    return {"take the key": took_key}\n\n\ndef took_key(prev, action, state, memory):\n'


def verified(tmp_path, task=TASK, open_model=None, envs=4, **options) -> VerifiedSubgoals:
    chosen, found = CalmOptions.model_validate({**PRESET, **options}), get_task(task)
    reward = CALM.reward(CALM.program(found, chosen), chosen)
    training = TRAINING.model_copy(update={"num_envs": envs})
    learner = CALM.learner(Setting(found, training, reward, 3, 1000, tmp_path, chosen, open_model))
    assert isinstance(learner, VerifiedSubgoals)
    return learner


@lru_cache
def examination_of(task_id: str) -> Examination:
    """An examination of a task, drawn once."""
    task = get_task(task_id)
    return draw_examination(task, preset_subgoals(task), 40, 0)


def solution(task_id: str) -> Experience:
    """The planner's solution of one layout, then random steps, in one environment."""
    examined = copy.deepcopy(examination_of(task_id))
    first = slice(0, 1)
    rollout = examined.rollout.chosen(slice(None), first)
    return Experience(rollout, examined.observations[:, first], examined.following[:, first], examined.tables, 0)


# ---- what a designer wrote


def test_predicates_and_sentences_are_read_without_running_them():
    assert read_predicates(SEEDED + "    return 1.0 / 0\n") == {"take the key": "took_key"}
    assert read_sentences('def subgoals():\n    return {"key": "takes the key"}\n') == {"key": "takes the key"}
    reward = CALM.reward(SEEDED + "    return 0.0\n", CalmOptions(beta=0.1))
    assert reward.functions == ("took_key",)
    assert [(c.name, c.weight, c.gate) for c in reward.channels] == [("env", 1.0, "none"), ("took_key", 0.1, "latch")]


@pytest.mark.parametrize(
    "source, words",
    [
        ("x = 1\n", "dict literal"),
        ("def subgoals():\n    return dict(a=1)\n", "dict literal"),
        ("def subgoals():\n    return {}\n", "names 0 subgoals"),
        ('def subgoals():\n    return {"a": missing}\n', "must name a function"),
        ('def subgoals():\n    return {"a": reward}\n\n\ndef reward(p, a, s, m):\n    return 0.0\n', "a valid name"),
        ('def subgoals():\n    return {"a": f, "b": f}\n\n\ndef f(p, a, s, m):\n    return 0.0\n', "same predicate"),
    ],
)
def test_unreadable_subgoals_are_reported_to_the_model(source, words):
    with pytest.raises(UnreadableAnswer, match=words):
        read_predicates(source)


@pytest.mark.parametrize(
    "name, subgoals", [("DoorKey-6x6", "discover"), ("KeyCorridorS3R2", "discover"), ("UnlockPickup", "preset")]
)
def test_synth_writes_predicates_from_the_prompt_alone(name, subgoals, monkeypatch):
    monkeypatch.setattr(checks, "MAX_US_PER_TRANSITION", 1e4)  # wall clock, on a machine that may be busy
    task, options = get_task(f"MiniGrid-{name}-v0"), CalmOptions(subgoals=subgoals)
    contract = CALM.contract(options)
    assert contract is not None
    asked = roles.DesignRequest(
        contract, task.interface(), 1, 0, 3, "new", 0, [], [], given=CALM.given(task, options)
    )  # fmt: skip
    model = Listening(open_model("synth"))
    outcome = roles.design(model, asked)
    assert outcome.result is not None, outcome.reason
    assert "pick up the key" in model.prompts[0] or subgoals == "discover"
    checked = run_checks(Problem(task, CALM.reward(outcome.result.source, options), 0.99), proof=QUICK)
    assert not [(v.kind, v.message) for v in checked.verdicts if not v.passed and v.kind != "certificate"]
    assert sum(c["max"] > 0 for c in checked.components.values()) >= 2


# ---- truth and descriptions


def test_the_simulator_s_truth_is_the_event_itself():
    task = get_task("MiniGrid-UnlockPickup-v0")
    subgoals = preset_subgoals(task)
    assert {"picked_up_key", "unlocked_door"} <= {s.name for s in subgoals}
    layout, actions = (task.oracle_plans(1) or [])[0]
    seen = solution("MiniGrid-UnlockPickup-v0")
    truth = terminated(seen.rollout.after, subgoals, task.schema)[: len(actions), 0]
    for t, event, kind in plan_events(task, layout, actions):
        names = {subgoals[g].name for g in np.flatnonzero(truth[t])}
        assert names == ({f"{event}_{kind}"} & {s.name for s in subgoals})
    assert named_subgoal("picked_up_key", task) in subgoals and named_subgoal("baked_cake", task) is None


def test_a_key_dropped_before_the_door_is_unlocked_terminates_nothing():
    task = get_task("MiniGrid-UnlockPickup-v0")
    dropped = named_subgoal("dropped_key", task)
    assert dropped is not None
    seen = solution(task.id)
    at = np.argwhere(terminated(seen.rollout.after, (dropped,), task.schema)[:, 0, 0])[0, 0]
    row = seen.rollout.after[at, 0].copy()
    objects = task.schema.field("objects")
    kind, state = objects.field("kind"), objects.field("state")
    door = next(start for start in objects.slots() if row[start + kind.column] == kind.number("door"))
    assert terminated(row, (dropped,), task.schema).all()
    row[door + state.column] = state.number("locked")
    assert not terminated(row, (dropped,), task.schema).any()


@pytest.mark.parametrize("view", VIEWS)
def test_transitions_with_equal_keys_read_the_same_and_others_do_not(view):
    task, seen = get_task(TASK), played(get_task(TASK), steps=48)
    describer, rollout = Describer(task, view), seen.rollout
    keys = describer.keys(rollout.before, rollout.actions, rollout.after, seen.observations, seen.following)
    words: dict[int, set[str]] = {}
    for t, n in np.ndindex(keys.shape):
        text = describer.words(
            rollout.before[t, n], int(rollout.actions[t, n]), rollout.after[t, n],
            seen.observations[t, n], seen.following[t, n], seen.tables,
        )  # fmt: skip
        words.setdefault(int(keys[t, n]), set()).add(text)
    assert all(len(texts) == 1 for texts in words.values())
    if view == "caption":
        assert len({next(iter(texts)) for texts in words.values()}) == len(words)
    assert ("##" in next(iter(words[int(keys[0, 0])]))) or view == "caption"


def test_only_grid_tasks_have_drawn_views():
    with pytest.raises(UsageError, match="is not a grid"):
        Describer(get_task("CartPole-v1"), "full")


# ---- the verifier


def test_verified_subgoal_pays_once_or_on_every_recurrence(tmp_path):
    task = get_task("MiniGrid-DoorKey-6x6-v0")
    seen = solution(task.id)
    at = int(np.argwhere(terminated(seen.rollout.after, preset_subgoals(task), task.schema))[0, 0])
    for array in (seen.rollout.before, seen.rollout.after, seen.rollout.actions, seen.observations, seen.following):
        array[:] = array[at]  # every step terminates the same subgoal
    seen.rollout.starts[:] = False
    seen.rollout.starts[[0, 10]] = True
    latched = verified(tmp_path, task.id, envs=1)
    assert np.flatnonzero(latched.rewards(seen)["calm"][:, 0]).tolist() == [0, 10]
    assert latched.telemetry()["labelled"] == 1.0
    assert (verified(tmp_path, task.id, envs=1, latch=False).rewards(seen)["calm"] == 1.0).all()


def test_simulated_errors_are_fixed_per_description_at_their_rate():
    noisy = NoisyTruth(3, false_positive=0.2, false_negative=0.4, seed=1)
    negatives = [noisy.of(key, 0) for key in range(2000)]
    assert np.mean([v != 0 for v in negatives]) == pytest.approx(0.2, abs=0.03)
    assert np.mean([noisy.of(key, 0b010) == 0 for key in range(2000)]) == pytest.approx(0.4, abs=0.04)
    assert negatives == [noisy.of(key, 0) for key in range(2000)]
    assert negatives != [NoisyTruth(3, 0.2, 0.4, seed=2).of(key, 0) for key in range(2000)]
    assert all(NoisyTruth(3).of(key, truth) == truth for key in range(50) for truth in range(8))


def test_late_verdicts_are_used_from_then_on(tmp_path):
    seen = solution("MiniGrid-DoorKey-6x6-v0")
    late = verified(tmp_path, "MiniGrid-DoorKey-6x6-v0", envs=1, latency=0.05)
    assert late.rewards(seen)["calm"].sum() == 0
    time.sleep(0.06)
    assert late.rewards(seen)["calm"].sum() > 0


class Spoken:
    """A language model that answers by the text of the transition's message; `gate` delays its answers."""

    name, is_language_model = "test/spoken", True

    def __init__(self, most: int | None = None) -> None:
        self.prompts: list[str] = []
        self.gate, self.most, self.waiting = threading.Event(), most, 0
        self.gate.set()

    def complete(self, request: Request) -> Answer:
        self.waiting += 1
        self.gate.wait(10)
        if self.most is not None and len(self.prompts) >= self.most:
            raise BudgetSpent("spent", "Raise it.")
        self.prompts.append(request.prompt)
        took = "Message: It picked up the" in request.prompt and "key" in request.prompt.split("Message:")[1]
        names = request.prompt.split("```json")[-1].split('"')[1::2]
        return Answer("completed", json.dumps({n: took and n == "picked_up_key" for n in names}), self.name)


def collect_until(verifier: ModelVerifier, count: int) -> dict[int, int]:
    found: dict[int, int] = {}
    for _ in range(500):
        found |= verifier.collect()
        if len(found) >= count:
            break
        time.sleep(0.01)
    return found


def test_the_verifier_asks_newest_first_and_nothing_twice():
    model = Spoken()
    model.gate.clear()
    verifier = ModelVerifier(model, lambda words: f"{words}\n```json\n{{}}", ["picked_up_key"])
    questions = [TransitionQuestion(key, lambda key=key: f"transition {key}") for key in range(20)]
    verifier.submit(questions[:4])
    until = time.monotonic() + 10
    while model.waiting < 4 and time.monotonic() < until:  # until four threads hold these
        time.sleep(0.01)
    verifier.submit(questions)
    verifier.submit(questions)
    model.gate.set()
    assert set(collect_until(verifier, 20)) == set(range(20))
    asked = [int(p.split()[1]) for p in model.prompts]
    assert sorted(asked) == list(range(20)) and asked[4] > 15
    verifier.close()


def test_training_continues_after_the_verifier_s_budget_is_spent(tmp_path):
    model = Spoken(most=3)
    learner = verified(tmp_path, "MiniGrid-DoorKey-6x6-v0", lambda role: model, envs=1)
    seen = solution("MiniGrid-DoorKey-6x6-v0")
    learner.rewards(seen)
    for _ in range(200):
        if "stopped" in learner.telemetry():
            break
        time.sleep(0.01)
    assert learner.rewards(seen)["calm"].shape == seen.rollout.actions.shape
    assert "spent" in learner.telemetry()["stopped"]
    learner.close()


def test_a_model_s_verdicts_pay_and_are_recorded(tmp_path):
    model = Spoken()
    learner = verified(tmp_path, "MiniGrid-DoorKey-6x6-v0", lambda role: model, envs=1)
    seen = solution("MiniGrid-DoorKey-6x6-v0")
    assert learner.rewards(seen)["calm"].sum() == 0  # no answer has arrived yet
    for _ in range(500):
        paid = learner.rewards(seen)["calm"]
        if learner.telemetry()["labelled"] == 1.0:
            break
        time.sleep(0.02)
    assert paid.sum() > 0
    lines = [json.loads(line) for line in (tmp_path / "verdicts.jsonl").read_text().splitlines()]
    assert any(line["verdict"] for line in lines) and all("Action:" in line["transition"] for line in lines)
    for words in ("# Role", "# Subgoals", "pick up the key", "# The transition"):
        assert words in model.prompts[0], words
    learner.close()


# ---- the verifier examined offline


def test_an_examination_is_balanced_and_has_hard_negatives():
    task = get_task("MiniGrid-DoorKey-6x6-v0")
    drawn = draw_examination(task, preset_subgoals(task), 60, 0)
    assert drawn.positive.sum() * 2 == len(drawn.steps) and drawn.hard.sum() * 4 >= len(drawn.steps) - 3
    assert not (drawn.hard & drawn.positive).any()
    same = draw_examination(task, preset_subgoals(task), 60, 0)
    assert (same.steps == drawn.steps).all()


def test_agreement_has_the_usual_accuracy_precision_and_recall():
    assert Agreement(3, 1, 5, 1, 4, 1) == Agreement(tp=3, fp=1, tn=5, fn=1, hard=4, hard_fp=1)
    a = Agreement(3, 1, 5, 1, 4, 1)
    assert (a.accuracy, a.precision, a.recall, a.f1) == (0.8, 0.75, 0.75, 0.75)
    assert Agreement(0, 0, 4, 0, 0, 0).precision is None


def test_evaluate_verifier_scores_simulator_predicates_and_model(monkeypatch):
    task = "MiniGrid-DoorKey-6x6-v0"
    arms = (("verifier", "preset", "cropped"), ("code", "discover", "full"))
    exact, coded = evaluate_verifier.evaluate_verifier(evaluate_verifier.VerifierTest(task, transitions=80, arms=arms))
    assert exact.agreement.accuracy == 1.0 and exact.flagged_by == "oracle labeller" and exact.oracle_informed
    assert coded.flagged_by == "synth" and not coded.oracle_informed and (coded.agreement.f1 or 0) > 0.8
    noisy = evaluate_verifier.VerifierTest(task, transitions=80, arms=arms[:1], false_positive=0.5, false_negative=0.5)
    assert evaluate_verifier.evaluate_verifier(noisy)[0].agreement.accuracy < 0.9
    model = Spoken()
    monkeypatch.setattr(evaluate_verifier, "open_model", lambda name: model)
    verifier_test = evaluate_verifier.VerifierTest(task, "test/spoken", 40, arms=(("verifier", "preset", "caption"),))
    (score,) = evaluate_verifier.evaluate_verifier(verifier_test)
    assert score.flagged_by == "test/spoken" and score.calls == 40 == len(model.prompts)
    assert score.agreement.precision == 1.0 and 0 < (score.agreement.recall or 0) < 1.0  # it recognises keys only
    with pytest.raises(BudgetSpent):
        evaluate_verifier.evaluate_verifier(replace(verifier_test, max_calls=3))
