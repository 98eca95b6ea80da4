"""The Method protocol: the documented example, resuming with learned state, teachers in PPO, composition."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest
import torch
from tiny import TASK, TRAINING, Killed, run
from torch.nn import functional

import rewardsmith.methods
from rewardsmith.errors import UsageError
from rewardsmith.methods import all_methods, get_method
from rewardsmith.methods.base import Method
from rewardsmith.methods.recipe import recipe_of
from rewardsmith.programs.problem import Problem
from rewardsmith.spec import read_spec
from rewardsmith.tasks import get_task
from rewardsmith.training.learner import Learner, TeacherPolicy
from rewardsmith.training.nested import pack, unpack
from rewardsmith.training.on_policy import connect_on_policy
from rewardsmith.training.trial import TrialPlan, build
from rewardsmith.training.vecenv import BatchVecEnv

PAGE = Path(__file__).parents[2] / "docs/methods/adding.md"


@pytest.fixture
def cells_method(tmp_path, monkeypatch) -> Method:
    """The example of docs/methods/adding.md, installed as a method module."""
    (text,) = re.findall(r"```python\n(.*?)```", PAGE.read_text(), re.DOTALL)
    assert len([line for line in text.splitlines() if line.strip()]) <= 40
    folder = tmp_path / "more"
    folder.mkdir()
    (folder / "cells.py").write_text(text)
    monkeypatch.setattr(rewardsmith.methods, "__path__", [*rewardsmith.methods.__path__, str(folder)])
    return get_method("cells")


def test_the_documented_example_is_found_trained_and_resumed_bit_for_bit(cells_method, tmp_path):
    whole, curve = run(tmp_path / "whole", {cells_method: {}})
    assert whole.telemetry["channels"]["cells"]["mean_per_episode"] > 0
    with pytest.raises(Killed):
        run(tmp_path / "killed", {cells_method: {}}, kill_at=13)
    resumed, rest = run(tmp_path / "killed", {cells_method: {}})
    assert (tmp_path / "whole/policy.safetensors").read_bytes() == (tmp_path / "killed/policy.safetensors").read_bytes()
    assert resumed.stochastic == whole.stochastic
    assert rest[-1].telemetry == curve[-1].telemetry


def test_hindsight_experience_replay_leaves_caps_out():
    values = {"task": TASK, "training": {"algorithm": "sac", "her": True}}
    capped, uncapped = (recipe_of(read_spec(v)).reward("").channels for v in ({"task": TASK}, values))
    assert [c.cap for c in capped if c.name == "dense"] == [3.0]
    assert not any(c.cap for c in uncapped)


def test_combined_channel_is_added_with_its_weight(cells_method):
    spec = read_spec({"task": TASK, "combine": ["cells"], "weights": {"cells": 0.5, "dense": 0.2}})
    channels = {c.name: c.weight for c in recipe_of(spec).reward("").channels}
    assert channels == {"sparse": 1.0, "dense": 0.2, "cells": 0.5}


@pytest.mark.parametrize(
    "wrong, words",
    [
        ({"method": "magic"}, "no method 'magic'"),
        ({"combine": ["free"]}, "no bonus channel"),
        ({"combine": ["cells", "cells"]}, "named twice"),
        ({"weights": {"dance": 1.0}}, "channel 'dance', which this job does not have"),
        ({"weights": {"dense": -1.0}}, "weight -1 of the channel dense"),
        ({"weights": {"dense": float("nan")}}, "weights.dense: .*finite number"),
        ({"options": {"cells": {}}}, "which this job does not use"),
        ({"combine": ["cells"], "options": {"cells": {"height": 1}}}, "Option height of cells"),
        ({"combine": ["cells"], "options": {"cells": {"weight": "much"}}}, "Option weight of cells"),
    ],
)
def test_wrong_names_options_and_weights_are_cause_and_remedy(cells_method, wrong, words):
    with pytest.raises(UsageError, match=words) as caught:
        recipe_of(read_spec({"task": TASK, **wrong}))
    assert len(str(caught.value).splitlines()) == 2


def test_former_names_of_options_are_accepted_with_a_notice():
    calm, oni = {"mode": "judge", "judge_seed": 7}, {"judge_seed": 3}
    recipe = recipe_of(
        read_spec({"task": TASK, "method": "calm", "combine": ["oni"], "options": {"calm": calm, "oni": oni}})
    )
    assert recipe.options["calm"] == get_method("calm").Options(mode="verifier", error_seed=7)
    assert recipe.options["oni"].error_seed == 3
    all_notices = " ".join(recipe.notices)
    for words in (
        "mode=judge is now mode=verifier",
        "Option of calm: judge_seed is now error_seed",
        "Option of oni",
    ):
        assert words in all_notices, words
    new = {"calm": {"mode": "verifier", "error_seed": 7}}
    assert not recipe_of(read_spec({"task": TASK, "method": "calm", "options": new})).renamed
    with pytest.raises(UsageError, match="Option judge_seed of calm: there is no such option"):
        recipe_of(read_spec({"task": TASK, "method": "calm", "options": {"calm": {"judge_seed": 1, "error_seed": 1}}}))


def test_a_job_with_former_option_names_is_found_under_either(tmp_path):
    """A job of an earlier version with mode=judge is resumed by mode=judge and by mode=verifier."""
    from rewardsmith.config import Settings
    from rewardsmith.engine.context import open_context
    from rewardsmith.engine.jobs.lifecycle import create_job, find_unfinished

    def asked(**options):
        return read_spec({"task": TASK, "method": "calm", "steps": 5000, "options": {"calm": options}})

    context = open_context(Settings(home=tmp_path))
    job = create_job(context, asked(mode="judge", subgoals="preset", judge_seed=1))
    assert find_unfinished(context, asked(mode="judge", subgoals="preset", judge_seed=1)) == job
    assert find_unfinished(context, asked(mode="verifier", subgoals="preset", error_seed=1)) == job
    assert find_unfinished(context, asked(mode="code", subgoals="preset", error_seed=1)) is None


def test_every_method_module_defines_one_method():
    assert {"auto-mc-reward", "free"} <= set(all_methods())
    assert all(name == method.name for name, method in all_methods().items())


class OneAction(TeacherPolicy):
    """A teacher that nearly always takes action `number % 7`, where number counts its calls."""

    size = 2

    def __init__(self) -> None:
        self.number = 0

    def outputs(self, observations, rows, tables):
        assert rows.shape[0] == observations.shape[0]
        self.number += 1
        return np.tile(np.array([self.number % 7, 0.05], dtype=np.float32), (len(observations), 1))

    def logits(self, own, teacher_output):
        shares = functional.one_hot(teacher_output[:, 0].long(), own.shape[1])
        trust = 1 - teacher_output[:, 1:]
        return torch.log(trust * shares + (1 - trust) * torch.softmax(own, 1))


class Guided(Learner):
    def __init__(self) -> None:
        self.teacher_policy = OneAction()


@pytest.mark.parametrize("cells_kind", ["one-hot", "scaled"])
def test_a_teacher_changes_rollout_and_loss_in_the_same_way(tmp_path, cells_kind):
    from rewardsmith.programs.reward import SPARSE
    from rewardsmith.training.adaptation import Adaptation
    from rewardsmith.training.learner import Learners
    from rewardsmith.training.shaping import RewardShaper

    task, training = get_task(TASK), TRAINING.model_copy(update={"cells": cells_kind, "batch_size": 32})
    batch = task.batch(4, "train")
    env = BatchVecEnv(batch, task, 64, seed=0)
    learners = Learners({"guided": Guided()})
    model = build(TrialPlan(task, SPARSE, training, 0, 10_000, 1.0, tmp_path), env, learners)
    connect_on_policy(
        model, env, RewardShaper(Problem(task, SPARSE, 0.99), batch.tables, 4, 64), learners, Adaptation(training, task)
    )
    model.learn(4 * 64)
    expected = (1 + np.arange(64)) % 7
    assert (env.rollout.actions == expected[:, None]).mean() > 0.85
    policy, buffer = model.policy, model.rollout_buffer
    policy_before = {k: v.clone() for k, v in policy.state_dict().items()}
    # SB3 asks for minibatches in another order; each must find its own steps' teacher output.
    model.collect_rollouts(env, _quiet(model), buffer, 64)  # type: ignore[arg-type]
    for minibatch in buffer.get(32):
        _, log_probs, entropy = policy.evaluate_actions(minibatch.observations, minibatch.actions.long().flatten())
        assert torch.allclose(log_probs, minibatch.old_log_prob, atol=1e-5)
        assert entropy is not None and entropy.mean() > 1.0  # the policy's own, not that of the guided distribution
    assert all(torch.equal(v, policy_before[k]) for k, v in policy.state_dict().items())
    env.close()


def _quiet(model):
    from stable_baselines3.common.callbacks import CallbackList

    callback = CallbackList([])
    callback.init_callback(model)
    return callback


def test_nested_state_round_trips_and_unknown_types_are_refused():
    state = {"a": [1, 2.5, None, "x"], 3: {"t": torch.arange(3)}, "pair": (np.array([1, 2]), True)}
    tensors: dict[str, torch.Tensor] = {}
    back = unpack(pack(state, "learner.", tensors), tensors)
    assert back["a"] == state["a"] and torch.equal(back[3]["t"], state[3]["t"])
    assert isinstance(back["pair"], tuple) and back["pair"][1] is True and (back["pair"][0] == [1, 2]).all()
    with pytest.raises(TypeError, match="set"):
        pack({"a": {1}}, "", {})


POTENTIAL = "def potential(state, memory):\n    return -0.01 * state.agent.x\n"
REWARD = "def reward(prev, action, state, memory):\n    return {}\n"


@pytest.mark.parametrize(
    ("source", "functions", "kinds"),
    [
        (REWARD.format("1.0"), ("reward",), ["env", "program"]),
        (POTENTIAL, ("potential",), ["env", "potential"]),
        (POTENTIAL + REWARD.format("1.0"), ("reward", "potential"), ["env", "program", "potential"]),
        (POTENTIAL + REWARD.format("potential(state, memory)"), ("reward",), ["env", "program"]),
        ("potential = 0.5\n" + REWARD.format("1.0"), ("reward",), ["env", "program"]),
    ],
)
def test_free_programs_may_define_a_potential_besides_helpers(source, functions, kinds):
    reward = get_method("free").reward(source)
    assert reward.functions == functions
    assert [c.kind for c in reward.channels] == kinds
