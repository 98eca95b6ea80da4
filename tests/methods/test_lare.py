"""LaRe: the loss of return decomposition, the store of episodes, factors, reports, and resumed trials."""

from __future__ import annotations

from dataclasses import replace
from itertools import combinations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from test_baselines import played
from tiny import TASK, TRAINING, Killed, run, run_program

from rewardsmith.agents import roles
from rewardsmith.agents.models import Answer, Request, Usage
from rewardsmith.agents.registry import open_model
from rewardsmith.errors import UsageError
from rewardsmith.methods import get_method
from rewardsmith.methods.base import Setting
from rewardsmith.methods.decomposition.decoder import Decoder, decomposition_loss
from rewardsmith.methods.decomposition.episodes import Episode, EpisodeStore
from rewardsmith.methods.decomposition.factors import read_factors
from rewardsmith.methods.decomposition.report import auroc, rank_correlation, report_of
from rewardsmith.offline.check_reward import reward_of
from rewardsmith.offline.dry_run import plan_calls
from rewardsmith.programs.answer_text import UnreadableAnswer
from rewardsmith.programs.problem import Problem
from rewardsmith.programs.reward_file import method_of
from rewardsmith.programs.rollout import Rollout
from rewardsmith.spec import read_spec
from rewardsmith.tasks import get_task
from rewardsmith.training.learner import Experience
from rewardsmith.verification.checks import Proof, behaviour_hash, run_checks
from sandbox.client import Scores

LARE = get_method("lare")
FACTORS = (
    "def factors(prev, action, state, memory):\n"
    "    return {\n"
    '        "holds_key": 1.0 if state.carrying is not None else 0.0,\n'
    '        "moved": 1.0 if state.event == "moved" else 0.0,\n'
    '        "east": float(state.agent.x - prev.agent.x),\n'
    "    }\n"
)


def episode(*features: list[float], returned: float = 0.0, success: bool = False, held_out: bool = False) -> Episode:
    return Episode(np.array(features, dtype=np.float32), returned, success, held_out)


# ---- the loss


def test_the_loss_of_two_of_four_steps_is_that_of_the_equation():
    # R/T = 12/4 = 3, the mean of the two is 1.5 and their sample variance 0.5: 1.5^2 - (1 - 2/4)/2 * 0.5 = 2.125.
    assert float(decomposition_loss(torch.tensor([1.0, 2.0]), 12.0, 4)) == pytest.approx(2.125)
    assert float(decomposition_loss(torch.tensor([1.0, 2.0]), 12.0, 4, unbiased=False)) == pytest.approx(2.25)
    # All four steps were drawn, so there is no variance to subtract: (3 - 2.5)^2.
    assert float(decomposition_loss(torch.tensor([1.0, 2.0, 3.0, 4.0]), 12.0, 4)) == pytest.approx(0.25)


@settings(deadline=None, max_examples=30)
@given(
    st.lists(st.floats(-5, 5), min_size=3, max_size=7),
    st.floats(-20, 20),
    st.integers(2, 3),
)
def test_the_loss_of_drawn_steps_is_unbiased(values, returned, drawn):
    steps = torch.tensor(values, dtype=torch.float64)
    subsets = combinations(range(len(values)), min(drawn, len(values)))
    losses = [float(decomposition_loss(steps[list(chosen)], returned, len(values))) for chosen in subsets]
    whole = (returned / len(values) - float(steps.mean())) ** 2
    assert np.mean(losses) == pytest.approx(whole, abs=1e-9)


def test_the_decoder_finds_the_feature_that_earns_the_return():
    rng, known = np.random.default_rng(0), []
    for _ in range(120):
        steps = (rng.random((rng.integers(5, 30), 2)) < 0.2).astype(np.float32)
        known.append(Episode(steps, float(steps[:, 0].sum()), bool(steps[:, 0].any()), False))
    decoder = Decoder(2, seed=0, learning_rate=3e-3)
    decoder.moments.add(np.concatenate([e.features for e in known]))
    decoder.train(known, 300)
    decoder.calibrate(known)
    paid = decoder(np.array([[1.0, 0.0], [0.0, 1.0], [0.0, 0.0]]))
    assert paid[0] > 0.6 and abs(paid[1]) < 0.3 and abs(paid[2]) < 0.2
    told = report_of(decoder, known, ("earns", "idle"))
    assert told["rank_correlation"] > 0.9 and told["size"]["earns"] > 3 * told["size"]["idle"]
    assert told["effect"]["earns"] > 0 and told["auroc"] > told["auroc_without"]["earns"]


def test_predictions_are_scaled_to_the_returns_of_successes():
    decoder = Decoder(1, seed=0)
    decoder.moments.add(np.array([[0.0], [1.0]]))
    known = [episode([1.0], [1.0], returned=1.0, success=True), episode([0.0], returned=0.0)]
    unscaled = float(decoder.returns(known[:1])[0])
    known[0] = episode([1.0], [1.0], returned=2.0 * unscaled, success=True)
    decoder.calibrate(known)
    assert decoder.scale == pytest.approx(2.0)
    assert float(decoder.returns(known[:1])[0]) == pytest.approx(2.0 * unscaled)
    decoder.calibrate([episode([1.0], [1.0], returned=-unscaled, success=True)])
    assert decoder.scale == 1.0  # predictions of the wrong sign are not turned around


# ---- the store of episodes


def rollout(rewards: list[list[float]], ends: dict[tuple[int, int], str]) -> Rollout:
    """A rollout of one number per step; `ends` maps (t, n) to "success", "failure" or "cut"."""
    made = Rollout.empty(get_task(TASK), len(rewards), len(rewards[0]))
    made.rewards[:] = rewards
    for at, how in ends.items():
        made.terminated[at], made.truncated[at] = how == "success", how != "success"
        made.success[at], made.cut[at] = how == "success", how == "cut"
    return made


def test_episodes_run_on_over_rollouts_and_cut_ones_are_left_out():
    store = EpisodeStore(envs=2, size=1)
    steps = np.arange(8, dtype=np.float32).reshape(4, 2, 1)
    store.add(steps, rollout([[0, 0], [0, 0], [0.5, 0], [0, 0]], {(2, 0): "success"}))
    store.add(
        steps + 10, rollout([[0, 0], [0, 0], [0, 0], [0, 0]], {(0, 0): "failure", (1, 1): "failure", (3, 1): "cut"})
    )
    first, second, third = store
    assert first.features.ravel().tolist() == [0, 2, 4] and (first.returned, first.success) == (0.5, True)
    assert second.features.ravel().tolist() == [6, 10] and (second.returned, second.success) == (0.0, False)
    assert third.features.ravel().tolist() == [1, 3, 5, 7, 11, 13]
    assert store.informative and store.bytes == 4 * 11


def test_the_store_keeps_its_limits_and_its_state_round_trips():
    store = EpisodeStore(envs=1, size=2, most=12, most_bytes=200)
    for k in range(30):
        length = 1 + k % 3
        store.add(
            np.full((length, 1, 2), k, dtype=np.float32),
            rollout([[0.0]] * (length - 1) + [[float(k)]], {(length - 1, 0): "success" if k % 2 else "failure"}),
        )
    assert len(store) <= 12 and store.bytes <= 200 and store.seen == 30
    assert [e.returned for e in store.held_out()] == [19.0, 29.0]
    again = EpisodeStore(envs=1, size=2, most=12, most_bytes=200)
    again.load(store.state())
    assert again.bytes == store.bytes and again.seen == store.seen
    for mine, theirs in zip(store, again, strict=True):
        assert (mine.features == theirs.features).all()
        assert (mine.returned, mine.success, mine.held_out) == (theirs.returned, theirs.success, theirs.held_out)
    empty = EpisodeStore(envs=1, size=2)
    empty.load(EpisodeStore(envs=1, size=2).state())
    assert len(empty) == 0 and not empty.informative


# ---- reports


def test_auroc_counts_ordered_pairs_and_ties_half():
    scores = np.array([0.9, 0.5, 0.5, 0.1])
    # Pairs (positive, other): (0.9, 0.5) and (0.9, 0.1) ordered, (0.5, 0.5) tied, (0.5, 0.1) ordered: 3.5 of 4.
    assert auroc(scores, np.array([True, True, False, False])) == pytest.approx(0.875)
    assert auroc(scores, np.ones(4, dtype=bool)) is None
    assert rank_correlation(np.array([1.0, 2.0, 9.0]), np.array([3.0, 4.0, 5.0])) == pytest.approx(1.0)
    assert rank_correlation(np.ones(3), np.arange(3.0)) is None


def test_evidence_names_factors_and_advises_a_bonus_without_a_success():
    (silent,) = LARE.evidence({"loss": None, "episodes": 40, "successes": 0})
    assert "--with count" in silent
    told = LARE.evidence(
        {"loss": 0.1, "episodes": 40, "successes": 4, "auroc": 0.9, "effect": {"moved": -0.02},
         "auroc_without": {"moved": 0.85}}
    )  # fmt: skip
    assert "0.90" in told[1] and told[2].startswith("Factor moved") and "-0.02" in told[2] and "0.85" in told[2]


# ---- factors


@pytest.mark.parametrize(
    ("source", "words"),
    [
        ("def factor(prev, action, state, memory):\n    return {}\n", "must define `def factors"),
        ("def factors(prev, action, state, memory):\n    return [1.0, 2.0]\n", "must return a dict"),
        ('def factors(prev, action, state, memory):\n    return {"a": 1.0}\n', "returns 1 factors; give 2 to 8"),
        (
            "def factors(prev, action, state, memory):\n    return {"
            + ", ".join(f'"f{k}": 1.0' for k in range(9))
            + "}\n",
            "returns 9 factors",
        ),
        ("def factors(:\n", "cannot be parsed"),
    ],
)
def test_a_program_without_two_to_eight_factors_is_refused(source, words):
    with pytest.raises(UnreadableAnswer, match=words):
        read_factors(source)


def test_a_dict_that_is_built_step_by_step_is_accepted():
    read_factors('def factors(prev, action, state, memory):\n    found = {}\n    found["a"] = 1.0\n    return found\n')


def factor_learner(tmp_path, **options):
    chosen = LARE.Options(**options)
    made = LARE.learner(Setting(get_task(TASK), TRAINING, LARE.reward(FACTORS, chosen), 3, 1000, tmp_path, chosen))
    assert made is not None
    return made


def scored(names: tuple[str, ...], values: list[float], envs: int = 4) -> Experience:
    seen = played(get_task(TASK), steps=2, envs=envs)
    columns = np.broadcast_to(np.array(values), (2, envs, len(values)))
    return Experience(
        seen.rollout, seen.observations, seen.following, seen.tables, 0, Scores(names, columns, None, None, 0.0)
    )


def test_factors_are_clipped_and_keep_their_columns(tmp_path):
    made = factor_learner(tmp_path)
    first = made.features(scored(("factors.a", "factors.b"), [1.0, -50.0]))
    later = made.features(scored(("factors.b", "factors.a", "factors.c"), [2.0, 3.0, 4.0]))
    assert first[0, 0].tolist() == [1, -10, 0, 0, 0, 0, 0, 0]
    assert later[0, 0].tolist() == [3, 2, 4, 0, 0, 0, 0, 0] and made.names == ("a", "b", "c")


@pytest.mark.parametrize("names", [("factors",), ("factors.a",), tuple(f"factors.f{k}" for k in range(9))])
def test_too_few_or_too_many_factors_in_training_are_a_cause_and_a_remedy(tmp_path, names):
    with pytest.raises(UsageError, match="2 to 8") as caught:
        factor_learner(tmp_path).rewards(scored(names, [1.0] * len(names)))
    assert len(str(caught.value).splitlines()) == 2


def test_shuffled_factors_belong_to_other_steps(tmp_path):
    seen = scored(("factors.a", "factors.b"), [0.0, 0.0])
    values = np.arange(16.0).reshape(2, 4, 2) / 10
    object.__setattr__(seen, "scores", Scores(("factors.a", "factors.b"), values, None, None, 0.0))
    right = factor_learner(tmp_path).features(seen)
    wrong = factor_learner(tmp_path, shuffled=True).features(seen)
    assert (right != wrong).any() and np.allclose(np.sort(right.ravel()), np.sort(wrong.ravel()))


# ---- checks, trials


def test_factors_are_checked_and_different_ones_are_no_duplicates():
    task, reward = get_task(TASK), LARE.reward(FACTORS).written
    checked = run_checks(Problem(task, reward, 0.99), Proof(wanted=False))
    assert checked.passed and set(checked.components) == {"factors.holds_key", "factors.moved", "factors.east"}
    other = LARE.reward(FACTORS.replace('"moved" else', '"turned" else')).written
    seen = played(task).rollout
    hashes = []
    for each in (reward, other):
        problem = Problem(task, each, 0.99)
        scores = problem.scores(seen)
        assert scores is not None
        hashes.append(behaviour_hash(problem, seen, scores))
    assert hashes[0] != hashes[1]


def test_a_file_of_factors_is_checked_like_a_reward_file():
    assert method_of(FACTORS) == "lare"
    reward = reward_of(FACTORS)
    assert reward.functions == ("factors",) and [c.name for c in reward.channels] == ["env"]


def test_the_environment_stands_for_a_proxy_that_replaces_it_in_checks():
    reward = LARE.reward(FACTORS, LARE.Options(keep_env=False))
    assert [(c.name, c.weight) for c in reward.channels] == [("env", 0.0), ("lare", 1.0)]
    assert [(c.name, c.weight) for c in reward.written.channels] == [("env", 1.0)]


def test_a_killed_trial_with_factors_ends_bit_for_bit_the_same(tmp_path):
    options = {"batches": 5, "shuffled": True}
    whole, curve = run_program(tmp_path / "whole", LARE, FACTORS, options)
    told = whole.telemetry["methods"]["lare"]
    assert told["episodes"] > 0 and told["megabytes"] <= 64
    with pytest.raises(Killed):
        run_program(tmp_path / "killed", LARE, FACTORS, options, kill_at=13)
    resumed, rest = run_program(tmp_path / "killed", LARE, FACTORS, options)
    assert (tmp_path / "whole/policy.safetensors").read_bytes() == (tmp_path / "killed/policy.safetensors").read_bytes()
    assert resumed.telemetry == whole.telemetry and rest[-1].telemetry == curve[-1].telemetry


def test_with_lare_decomposes_the_return_over_observations(tmp_path):
    whole, _ = run(tmp_path, {LARE: {"batches": 5}})
    told = whole.telemetry["methods"]["lare"]
    assert told["episodes"] > 0 and "effect" not in told
    if told["successes"]:
        assert whole.telemetry["channels"]["lare"]["magnitude_per_episode"] > 0


# ---- designing


class Scripted:
    """Answers with the texts given, and keeps the requests."""

    name, is_language_model = "scripted", True

    def __init__(self, *answers: str) -> None:
        self.answers, self.requests = list(answers), []

    def complete(self, request: Request) -> Answer:
        self.requests.append(request)
        usage = Usage(prompt_tokens=1, completion_tokens=1)
        return Answer("completed", self.answers.pop(0), self.name, usage, 0.0, 0.0, 1)


def design_request(candidates: int, move: str = "new") -> roles.DesignRequest:
    contract = LARE.contract(LARE.Options(candidates=candidates))
    assert contract is not None
    return roles.DesignRequest(contract, get_task(TASK).interface(), 1, 0, 3, move, 0, [], [])


def fenced(name: str) -> str:
    return f"```python\n{FACTORS.replace('east', name)}```\n"


def test_candidates_are_asked_for_at_temperature_1_and_merged_at_0_3():
    model = Scripted(fenced("one"), fenced("two"), fenced("three"), fenced("merged"))
    outcome = roles.design(model, design_request(3))
    assert "merged" in outcome.result.source
    assert [r.temperature for r in model.requests] == [1.0, 1.0, 1.0, 0.3]
    assert len({r.key for r in model.requests}) == 4
    assert all(name in model.requests[-1].prompt for name in ('"one"', '"two"', '"three"', "Merge the programs below"))


def test_the_bound_on_calls_counts_the_candidates():
    values = {"task": TASK, "iterations": 2, "samples": 3, "options": {"lare": {"candidates": 4}}}
    alone = plan_calls(read_spec({**values, "method": "lare", "options": {"lare": {"candidates": 1}}})).calls
    # Each of 6 new programs has 4 candidates, and every answer may be requested twice.
    assert plan_calls(read_spec({**values, "method": "lare"})).calls == alone + 6 * 4 * 2


def test_an_unreadable_merge_leaves_the_first_candidate():
    model = Scripted(fenced("one"), fenced("two"), "no program", "again none")
    assert '"one"' in roles.design(model, design_request(2)).result.source


def test_a_repair_is_one_program_without_candidates():
    model = Scripted(fenced("one"))
    assert '"one"' in roles.design(model, design_request(5, move="repair")).result.source


@pytest.mark.parametrize("task", ["MiniGrid-UnlockPickup-v0", "CartPole-v1", "Pendulum-v1"])
def test_synth_writes_factors_that_pass_the_gate_and_run(task):
    asked = design_request(2)
    outcome = roles.design(open_model("synth"), replace(asked, interface=get_task(task).interface()))
    reward = LARE.reward(outcome.result.source).written
    checked = run_checks(Problem(get_task(task), reward, 0.99), Proof(wanted=False))
    assert [v for v in checked.verdicts if not v.passed and v.kind != "cost"] == []
    assert 2 <= len(checked.components) <= 8
