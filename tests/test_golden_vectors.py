"""Every room that interprets a program is run against the same small arrays (docs/contracts.md)."""

from __future__ import annotations

import json
import sys
import types
from functools import partial
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from rewardsmith.programs.composition import Channel
from rewardsmith.programs.problem import Problem
from rewardsmith.programs.reward import TrainingReward
from rewardsmith.programs.rollout import Rollout
from rewardsmith.reporting.standalone_reward import standalone_reward
from rewardsmith.tasks.actions import ActionSpace
from rewardsmith.tasks.base import Behaviour
from rewardsmith.tasks.described.conditions import translate
from rewardsmith.tasks.described.description import Description
from rewardsmith.tasks.described.export import state_reader
from rewardsmith.tasks.described.python_tasks import Hooks
from rewardsmith.tasks.described.reading import Variable
from rewardsmith.tasks.observations import vector
from rewardsmith.tasks.schema import Schema
from rewardsmith.training.shaping import RewardShaper
from rewardsmith.verification.battery import compare_returns
from rewardsmith.verification.scripts import Played
from sandbox.client import replay_module

VECTORS = json.loads((Path(__file__).with_name("golden") / "vectors.json").read_text())
CASES = list(VECTORS["cases"])
SCHEMA = {
    "name": "State",
    "dtype": "float64",
    "width": 4,
    "fields": [{"name": "value", "kind": "int", "column": 0}],
}


def toy_task() -> SimpleNamespace:
    description = Description.model_validate(
        {"id": "Golden-v0", "goal": "g", "state": [{"name": "value"}], "success": "value >= 3", "max_steps": 10}
    )
    setup = SimpleNamespace(
        description=description,
        hooks=Hooks(),
        form=SimpleNamespace(observation=vector(1)),
        variables=(Variable(SCHEMA["fields"][0], "observation[0]", 0),),
        condition=translate("value >= 3", {"value": None}),
    )
    return SimpleNamespace(
        id="Golden-v0",
        family="gymnasium",
        schema=Schema(SCHEMA),
        actions=ActionSpace(("WAIT", "GO")),
        max_steps=10,
        state_reader=partial(state_reader, setup),
    )


def reward_of(case: str) -> TrainingReward:
    values = VECTORS["cases"][case]
    channels = tuple(Channel(**c) for c in values["channels"])
    return TrainingReward(values["source"], tuple(values["functions"]), channels)


def problem_of(case: str) -> Problem:
    return Problem(toy_task(), reward_of(case), VECTORS["gamma"])


def rollout() -> Rollout:
    rows = {k: np.zeros((6, 2, 4)) for k in ("before", "after")}
    for key, filled in rows.items():
        filled[:, :, 0] = VECTORS[key]
    flags = {k: np.array(VECTORS[k], dtype=bool) for k in ("starts", "terminated", "truncated")}
    return Rollout(
        before=rows["before"],
        after=rows["after"],
        actions=np.array(VECTORS["actions"], dtype=np.int64),
        rewards=np.array(VECTORS["env"], dtype=np.float64),
        success=np.zeros((6, 2), dtype=bool),
        cut=np.zeros((6, 2), dtype=bool),
        **flags,
    )


def expected(case: str) -> np.ndarray:
    return np.array(VECTORS["cases"][case]["expected"])


@pytest.mark.parametrize("case", CASES)
def test_the_host_and_compose_agree_with_the_vectors(case):
    problem, played = problem_of(case), rollout()
    with problem.host({}, 2, 6) as host:
        scores = host.score(played.before, played.actions, played.after, played.starts)
    total = problem.compose(played, scores).total
    np.testing.assert_array_equal(total, expected(case))


@pytest.mark.parametrize("case", CASES)
@pytest.mark.parametrize("portion", [1, 2, 4])
def test_shaper_agrees_for_any_chunking_of_the_rollout(case, portion):
    shaper = RewardShaper(problem_of(case), {}, 2, 6)
    shaper.start()
    whole, parts = rollout(), []
    for t in range(0, 6, portion):
        parts.append(shaper(whole.part(t, t + portion)))
    shaper.close()
    np.testing.assert_array_equal(np.concatenate(parts), expected(case))


@pytest.mark.parametrize("case", CASES)
@pytest.mark.parametrize("chunk", [1, 4])
def test_the_training_shaper_agrees_when_it_follows_the_rollout_in_chunks(case, chunk, monkeypatch):
    monkeypatch.setattr("rewardsmith.training.shaping.CHUNK_STEPS", chunk)
    monkeypatch.setattr("rewardsmith.training.shaping.CHUNK_TRANSITIONS", 0)  # it counts where environments are few
    shaper, played = RewardShaper(problem_of(case), {}, 2, 6), rollout()
    shaper.start()
    for recorded in range(1, 7):
        shaper.follow(played, recorded)
    found = shaper(played)
    shaper.close()
    np.testing.assert_array_equal(found, expected(case))


@pytest.mark.parametrize("case", CASES)
def test_the_battery_sums_the_vectors_values(case):
    problem, played = problem_of(case), rollout()
    with problem.host({}, 2, 6) as host:
        scores = host.score(played.before, played.actions, played.after, played.starts)
    scripts = (Behaviour("solution", (), (0,)), Behaviour("idle", (), (0,)))
    bank = Played(scripts, played, np.array([3, 2]), np.array([True, False]))
    finding, _ = compare_returns(problem, 0, bank, scores)
    discount = VECTORS["gamma"] ** np.arange(6)
    wanted = expected(case)
    solution = float((wanted[:3, 0] * discount[:3]).sum())
    rival = float((wanted[:2, 1] * discount[:2]).sum())
    if case == "potential":
        rival -= 2.0 * VECTORS["gamma"] ** 2 * (-0.5 * VECTORS["after"][1][1])
    assert finding.solution.returned == pytest.approx(solution, abs=1e-12)
    assert finding.rival.returned == pytest.approx(rival, abs=1e-12)


def exported(case: str) -> str:
    return standalone_reward(toy_task(), reward_of(case), VECTORS["gamma"], "Golden.")


def one_environment(n: int) -> dict[str, np.ndarray]:
    played = rollout()
    names = ("before", "after", "actions", "rewards", "starts", "terminated")
    return {k: np.ascontiguousarray(getattr(played, k)[:, n : n + 1]) for k in names}


@pytest.mark.parametrize("case", CASES)
@pytest.mark.parametrize("n", [0, 1])
def test_the_replay_of_verify_agrees_with_the_vectors(case, n):
    total = replay_module(exported(case), one_environment(n), (6, 1))
    np.testing.assert_array_equal(total[:, 0], expected(case)[:, n])


@pytest.mark.parametrize("case", CASES)
@pytest.mark.parametrize("n", [0, 1])
def test_the_exported_file_in_plain_python_agrees_with_the_vectors(case, n, tmp_path):
    path = tmp_path / "reward.py"
    path.write_text(exported(case))
    module = types.ModuleType("exported_reward")
    sys.modules["exported_reward"] = module
    exec(compile(path.read_text(), str(path), "exec"), module.__dict__)
    total = module.replay(one_environment(n))
    np.testing.assert_array_equal(total[:, 0], expected(case)[:, n])


HOSTILE_NAMES = """
import json as np

def field(x):
    return x

def compose(x):
    return field(x)

def len(x):
    return 7

class Channel:
    pass

def reward(prev, action, state, memory):
    return 1.0 if compose(state.value) >= 1 else 0.0
"""


def test_a_program_may_use_the_names_of_the_exported_file():
    latch = reward_of("latch")
    reward = TrainingReward(HOSTILE_NAMES, latch.functions, latch.channels)
    text = standalone_reward(toy_task(), reward, VECTORS["gamma"], "Names.")
    total = replay_module(text, one_environment(0), (6, 1))
    np.testing.assert_array_equal(total[:, 0], expected("latch")[:, 0])
