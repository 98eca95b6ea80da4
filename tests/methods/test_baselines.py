"""Baselines: the bonus of each, its learning, and resumed trials, which are bit-identical."""

from __future__ import annotations

import numpy as np
import pytest
from tiny import STEPS, TASK, TRAINING, Killed, run

from rewardsmith.errors import UsageError
from rewardsmith.methods import get_method
from rewardsmith.methods.base import Setting
from rewardsmith.methods.hand import hand_written
from rewardsmith.methods.intrinsic.count_keys import CountKeys, FirstVisits, Visits
from rewardsmith.methods.intrinsic.running import Moments, ReturnScale
from rewardsmith.programs.problem import Problem
from rewardsmith.programs.rollout import Rollout
from rewardsmith.tasks import get_task
from rewardsmith.tasks.base import Task
from rewardsmith.training.learner import Experience, Learner
from rewardsmith.verification import checks
from rewardsmith.verification.checks import Proof, run_checks

QUICK = Proof(layouts=1, limit=500)  # certificates have tests of their own
HAND = [
    *("DoorKey-6x6", "MultiRoom-N2-S4"),
    *(pytest.param(name, marks=pytest.mark.slow) for name in ("Unlock", "UnlockPickup", "KeyCorridorS3R2")),
]


def played(task: Task, steps: int = 64, envs: int = 4, seed: int = 0) -> Experience:
    """A rollout of random actions."""
    batch, rng = task.batch(envs, "train"), np.random.default_rng(seed)
    batch.reset(seed)
    rollout = Rollout.empty(task, steps, envs)
    saw, sees = (np.zeros((steps, envs, task.observation_size), dtype=np.float32) for _ in range(2))
    starts = np.ones(envs, dtype=bool)
    for t in range(steps):
        batch.observe(saw[t])
        batch.state_rows(rollout.before[t])
        rollout.starts[t], rollout.actions[t] = starts, rng.integers(len(task.actions), size=envs)
        batch.step(rollout.actions[t])
        batch.observe(sees[t])
        batch.state_rows(rollout.after[t])
        starts = batch.terminated | batch.truncated
        batch.restart(starts)
    tables = batch.tables
    batch.close()
    return Experience(rollout, saw, sees, tables, 0)


def learner(name: str, tmp_path, **options) -> Learner:
    method, task = get_method(name), get_task(TASK)
    chosen = method.Options(**options)
    made = method.learner(Setting(task, TRAINING, method.reward("", chosen), 3, STEPS, tmp_path, chosen))
    assert made is not None
    return made


def test_a_killed_trial_of_all_methods_together_ends_bit_for_bit_the_same(tmp_path):
    errors = {"false_positive": 0.1, "false_negative": 0.1}
    moving = {"normalize": "moving"}
    methods = {get_method(name): {} for name in ("count", "e3b", "noveld", "deir", "etd", "rapid")}
    methods |= {get_method("calm"): errors, get_method("rnd"): moving, get_method("product"): {"episodic": "e3b"}}
    whole, curve = run(tmp_path / "whole", methods)
    for name in ("count", "rnd", "noveld", "product", "deir", "etd", "calm"):
        assert whole.telemetry["channels"][name]["magnitude_per_episode"] > 0
    with pytest.raises(Killed):
        run(tmp_path / "killed", methods, kill_at=13)
    resumed, rest = run(tmp_path / "killed", methods)
    assert (tmp_path / "whole/policy.safetensors").read_bytes() == (tmp_path / "killed/policy.safetensors").read_bytes()
    assert resumed.telemetry == whole.telemetry and rest[-1].telemetry == curve[-1].telemetry
    evidence_text = get_method("calm").evidence(whole.telemetry["methods"]["calm"])
    assert "100.0%" in evidence_text[0] and "picked_up_key" in evidence_text[1]


def test_count_pays_one_over_the_root_of_visits_in_time_order():
    visits = Visits()
    keys = np.array([[1, 1], [1, 2], [2, 2]])
    assert visits.reach(keys).tolist() == [[1, 2], [3, 1], [2, 3]]
    again = Visits()
    again.load(visits.state())
    assert again.reach(np.array([[1]])).tolist() == [[4]]


def test_state_keys_ignore_time_and_the_last_event():
    task = get_task(TASK)
    seen = played(task, steps=2)
    rows = seen.rollout.after
    rows[1] = rows[0]
    fields = {f.name: f.column for f in task.schema if f.kind not in ("record", "list")}
    rows[1, :, fields["step"]] += 1
    rows[1, :, fields["event"]] += 1
    keys = CountKeys(task.schema, "state")(seen)
    assert (keys[0] == keys[1]).all()
    rows[1, :, task.schema.field("agent").fields[0].column] += 1
    assert (CountKeys(task.schema, "state")(seen)[1] != keys[0]).all()


def test_a_state_key_is_new_once_per_episode_and_the_first_never():
    first = FirstVisits(1)
    keys, before = np.array([[7], [8], [7], [5], [7]]), np.array([[5], [7], [8], [7], [9]])
    starts = np.array([[True], [False], [False], [False], [True]])
    assert first(keys, before, starts).ravel().tolist() == [True, True, False, False, True]


def test_random_networks_pay_less_where_they_have_been_distilled(tmp_path):
    seen = played(get_task(TASK))
    made = learner("rnd", tmp_path, learning_rate=1e-2, update_proportion=1.0)
    distilled = made._distilled  # type: ignore[attr-defined]
    made.rewards(seen)
    before = distilled.errors(seen.following).mean()
    for _ in range(30):
        made.learn(seen, None)  # type: ignore[arg-type]
    assert distilled.errors(seen.following).mean() < 0.2 * before


def test_noveld_pays_for_the_difference_of_novelty_once_per_episode(tmp_path):
    seen = played(get_task(TASK))
    paid = learner("noveld", tmp_path, alpha=0.5).rewards(seen)["noveld"]
    still = (seen.observations == seen.following).all(-1)
    assert (paid >= 0).all() and (paid > 0).any()
    assert (paid[still] == 0).all()  # keys seen in this episode are not new


def test_e3b_measures_the_ellipse_before_its_own_update(tmp_path):
    seen = played(get_task(TASK), steps=20, envs=4)
    made = learner("e3b", tmp_path, ridge=0.5)
    phi = made._trained.networks["phi"](_tensor(seen.following)).detach().double().numpy()  # type: ignore[attr-defined]
    paid = made.rewards(seen)["e3b"]
    for n in range(4):
        c = 0.5 * np.eye(phi.shape[-1])
        for t in range(20):
            assert paid[t, n] == pytest.approx(phi[t, n] @ np.linalg.inv(c) @ phi[t, n], rel=1e-6)
            c += np.outer(phi[t, n], phi[t, n])


def _tensor(values):
    import torch

    return torch.from_numpy(values)


def test_running_moments_equal_those_of_all_values_at_once():
    values = np.random.default_rng(0).normal(3.0, 2.0, size=(50, 3))
    moments = Moments((3,))
    for part in np.split(values, [7, 20]):
        moments.add(part)
    assert np.allclose(moments.mean, values.mean(0)) and np.allclose(moments.std, values.std(0))


def test_intrinsic_rewards_are_scaled_by_their_returns():
    rewards = np.random.default_rng(1).random((200, 2))
    sums, total = [], np.zeros(2)
    for now in rewards:
        total = 0.9 * total + now
        sums.append(total)
    assert np.allclose(ReturnScale(2, 0.9)(rewards), rewards / np.std(sums))


@pytest.mark.parametrize("name", HAND)
def test_the_hand_written_reward_passes_the_checks_of_a_designed_one(name, monkeypatch):
    monkeypatch.setattr(checks, "MAX_US_PER_TRANSITION", 1e4)  # wall clock, on a machine that may be busy
    method, task = get_method("hand"), get_task(f"MiniGrid-{name}-v0")
    problem = Problem(task, method.reward(method.program(task, method.Options())), 0.99)
    checked = run_checks(problem, proof=QUICK)
    failed = [(v.kind, v.message) for v in checked.verdicts if not v.passed and v.kind != "certificate"]
    assert not failed
    assert checked.components["milestone"]["max"] > 0 or name == "MultiRoom-N2-S4"


def test_a_task_without_a_hand_written_reward_is_refused():
    with pytest.raises(UsageError, match="There is no hand-written reward") as caught:
        get_method("hand").program(get_task("CartPole-v1"), get_method("hand").Options())
    assert len(str(caught.value).splitlines()) == 2
    assert {"doorkey", "keycorridor", "multiroom", "fourrooms"} <= set(hand_written())
