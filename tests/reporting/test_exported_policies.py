"""Exported policies: plain SB3 loads them with the lines of the card, and they act as the trained ones do."""

from __future__ import annotations

import pickle
import subprocess
import sys
import tempfile
from dataclasses import replace
from pathlib import Path
from typing import Any

import gymnasium as gym
import numpy as np
import onnxruntime
import pytest
import torch
from space_tasks import PENDULUM, POINT, TASKS, task_of

from rewardsmith.errors import UsageError
from rewardsmith.policy_files import onnx_file
from rewardsmith.policy_files.export import policy_files
from rewardsmith.policy_files.plain import plain_policy, trained_policy
from rewardsmith.policy_files.results import PolicyFiles, PolicyRequest
from rewardsmith.programs.reward import SPARSE
from rewardsmith.reporting.measure import measure_of
from rewardsmith.spec import TrainingSpec, default_training
from rewardsmith.tasks import get_task
from rewardsmith.tasks.stacking import stacked
from rewardsmith.training.checkpoint import save_policy
from rewardsmith.training.normalize import Moments
from rewardsmith.training.plan import TrialPlan
from rewardsmith.training.player import Player, deterministic
from rewardsmith.training.trial import _policy_card, build
from rewardsmith.training.vecenv import BatchVecEnv

SMALL = {"num_envs": 1, "hidden": (16, 12), "eval_episodes": 10, "final_episodes": 10}
GRID = "MiniGrid-DoorKey-5x5-v0"
FAST = {
    "SAC, normalised": (PENDULUM, "sac", {"normalize_observation": True}),
    "PPO on a grid": (GRID, "ppo", {}),
    "QR-DQN": ("CartPole-v1", "qr-dqn", {}),
}
SLOW = {
    **{f"PPO, {name}": (task, "ppo", {}) for name, (task, _, _) in TASKS.items()},
    **{name: (PENDULUM, name, {}) for name in ("a2c", "td3", "tqc", "crossq")},
    "CrossQ, normalised": (PENDULUM, "crossq", {"normalize_observation": True}),
    "TQC on goals, normalised": (POINT, "tqc", {"normalize_observation": True}),
    "SAC with state-dependent noise": (PENDULUM, "sac", {"sde": True}),
    "PPO with state-dependent noise": (PENDULUM, "ppo", {"sde": True}),
    "DQN on a grid": ("MiniGrid-Fetch-5x5-N2-v0", "dqn", {}),
    "PPO on a scaled grid": ("MiniGrid-Fetch-5x5-N2-v0", "ppo", {"cells": "scaled"}),
    "an LSTM on a grid": (GRID, "ppo", {"memory": "lstm"}),
    "an LSTM on a vector": ("CartPole-v1", "ppo", {"memory": "lstm"}),
    "frames of a vector": ("CartPole-v1", "ppo", {"frame_stack": 3}),
    "frames of a grid": (GRID, "ppo", {"frame_stack": 2}),
    "frames of an image": (TASKS["image"][0], "ppo", {"frame_stack": 2}),
    "DQN": ("CartPole-v1", "dqn", {"normalize_observation": True}),
}


def request_of(task: Any, algorithm: str, **changes: Any) -> PolicyRequest:
    """An untrained policy, with moments as a trained one has them."""
    task = get_task(task) if isinstance(task, str) else task
    small = SMALL if algorithm not in ("ppo", "a2c") else {**SMALL, "rollout_steps": 8}
    training = TrainingSpec.model_validate({**default_training(task.id, algorithm), **small, **changes})
    plan = TrialPlan(task, SPARSE, training, 7, 1000, 1.0, Path())
    env = BatchVecEnv(plan.task.batch(1, "train"), plan.task, training.collected, 0)
    model = build(plan, env)
    env.close()
    torch.manual_seed(0)
    with torch.no_grad():
        for name, weight in model.policy.named_parameters():
            if "log" not in name:  # so that different observations have different actions
                weight.add_(0.3 * torch.randn_like(weight))
    for module in model.policy.modules():
        if isinstance(module, Moments):
            module.mean.copy_(torch.linspace(-0.5, 0.7, len(module.mean)))
            module.variance.copy_(torch.linspace(1e-4, 2.0, len(module.variance)))
    with tempfile.TemporaryDirectory() as folder:
        save_policy(Path(folder) / "p", model, _policy_card(plan))
        return PolicyRequest(task, training, 7, (Path(folder) / "p").read_bytes(), episodes=5)


def raw_and_actions(asked: PolicyRequest, count: int) -> tuple[list[Any], np.ndarray]:
    """Observations as the environment returns them, and the trained policy's most probable actions for them."""
    task = asked.task
    policy = trained_policy(task, asked.training, asked.weights)
    player = Player(policy, task, 1, np.random.default_rng(0), greedy=True)
    grid = task.view_cells > 0
    batch: Any = task.real_batch(1, "train") if grid else task.batch(1, "train")  # type: ignore[attr-defined]
    batch.reset(5)
    rng, rows = np.random.default_rng(1), task.observation.rows(1)
    raw, actions = [], []
    for _ in range(count):
        batch.observe(rows)
        raw.append(dict(batch._observed[0]) if grid else batch.observed[0].astype(np.float32))
        actions.append(player.act(rows)[0])
        batch.step(task.actions.sample(rng, 1))
        batch.restart(batch.terminated | batch.truncated)
    batch.close()
    return raw, np.array(actions)


SCRIPT = """
import os, pickle, re, sys
class Refuse:
    def find_spec(self, name, *_):
        assert name.split(".")[0] not in ("rewardsmith", "sandbox", "workers"), name
sys.meta_path.insert(0, Refuse())
import numpy as np
import torch
torch.set_num_threads(1)
for folder in sys.argv[1:]:
    os.chdir(folder)
    sys.path.insert(0, folder)
    sys.modules.pop("policy_env", None)
    raw, expected, normal = pickle.load(open("raw.pkl", "rb"))
    blocks = re.findall("```python\\n(.*?)```", open("card.md").read(), re.S)
    assert len(blocks) == 2
    for block in blocks:
        scope = {}
        exec(block, scope)
        assert len(block.strip().split("\\n\\n")[1].splitlines()) == 3
        wrap = scope["policy_env"].observed if "policy_env" in scope else lambda x: x
        seen = np.stack([wrap(each) for each in raw])
        seen = scope["env"].normalize_obs(seen) if normal else seen
        found, _ = scope["model"].predict(seen, deterministic=True)
        found = found.reshape(expected.shape)
        assert np.allclose(found, expected, atol=1e-4) if found.dtype.kind == "f" else (found == expected).all(), folder
        assert found.dtype.kind != "f" or len(np.unique(found)) > 1, folder
    sys.path.remove(folder)
print("fine")
"""


def written(folder: Path, name: str) -> tuple[PolicyRequest, PolicyFiles]:
    task, algorithm, changes = {**FAST, **SLOW}[name]
    asked = request_of(task, algorithm, **changes)
    found = policy_files(asked, f"gymnasium.make({asked.task.id!r})")
    folder.mkdir()
    for file, content in found.files.items():
        (folder / file).write_bytes(content)
    (folder / "card.md").write_text(found.text)
    return asked, found


@pytest.fixture(scope="module")
def kinds(tmp_path_factory: pytest.TempPathFactory) -> dict[str, tuple[Path, PolicyRequest, PolicyFiles]]:
    home = tmp_path_factory.mktemp("policies")
    return {name: (home / f"p{k}", *written(home / f"p{k}", name)) for k, name in enumerate(FAST)}


def test_plain_sb3_loads_the_files_with_the_cards_lines(kinds) -> None:
    for folder, asked, found in kinds.values():
        told = (*raw_and_actions(asked, 200), "vecnormalize.pkl" in found.files)
        (folder / "raw.pkl").write_bytes(pickle.dumps(told))
    folders = [str(folder) for folder, _, _ in kinds.values()]
    ran = subprocess.run([sys.executable, "-P", "-c", SCRIPT, *folders], capture_output=True, text=True, timeout=300)
    assert ran.stdout.splitlines()[-1:] == ["fine"], ran.stderr


@pytest.mark.parametrize("name", FAST)
def test_each_file_agrees_with_the_trained_policy(kinds, name: str) -> None:
    require_agreement(kinds[name][2])


@pytest.mark.slow
@pytest.mark.parametrize("name", SLOW)
def test_files_of_every_algorithm_and_space_agree(tmp_path: Path, name: str) -> None:
    # ONNX Runtime adds the thousands of products of a CNN's units in another order than torch.
    require_agreement(written(tmp_path / "out", name)[1], 1e-4 if "image" in name else 1e-5)


def require_agreement(found: PolicyFiles, rounding: float = 1e-5) -> None:
    assert set(found.agreement) == {"policy.zip", "policy.safetensors", "policy.onnx"}, found.notes
    for name, each in found.agreement.items():
        assert (each.count, each.equal) == (1000, 1000), (name, each)
        assert each.difference < (rounding if name == "policy.onnx" else 1e-5), (name, each)


def test_the_card_gives_what_the_file_itself_achieves(kinds) -> None:
    _, _, found = kinds["PPO on a grid"]
    assert set(found.played) == {"deterministic", "stochastic"}
    assert all(each.episodes == 5 for each in found.played.values())
    assert "| deterministic actions | " in found.text and "| stochastic actions | " in found.text
    assert "success [95 %]" in found.text
    _, _, fixed = kinds["QR-DQN"]
    assert set(fixed.played) == {"deterministic"} and "| deterministic policy | " in fixed.text


def test_onnx_without_its_packages_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(onnx_file, "find_spec", lambda name: None if name == "onnx" else object())
    with pytest.raises(UsageError, match=r"needs onnx, which is not installed") as caught:
        onnx_file.require_onnx()
    assert "rewardsmith[onnx]" in caught.value.remedy


class Pair(gym.Env):
    """Observes a Dict with a number and the name of an output of the ONNX file as keys."""

    observation_space = gym.spaces.Dict(
        {"0": gym.spaces.Box(-1, 1, (2,), np.float32), "action": gym.spaces.Discrete(3)}
    )
    action_space = gym.spaces.Discrete(2)

    def reset(self, *, seed=None, options=None):
        super().reset(seed=seed)
        return self._observed(), {}

    def _observed(self):
        return {"0": self.np_random.uniform(-1, 1, 2).astype(np.float32), "action": int(self.np_random.integers(3))}

    def step(self, action):
        return self._observed(), float(action), False, False, {}


gym.register("Pair-of-tests-v0", Pair)


def test_the_inputs_of_an_onnx_file_have_valid_names_of_their_own() -> None:
    found = policy_files(request_of(task_of("Pair-of-tests-v0", success="reward > 0"), "ppo"), "gymnasium.make('Pair')")
    session = onnxruntime.InferenceSession(found.files["policy.onnx"], providers=["CPUExecutionProvider"])
    names = [each.name for each in session.get_inputs()]
    assert names == ["observation_0", "observation_action"]
    assert f"Its inputs are {', '.join(f'`{name}`' for name in names)}." in found.text
    require_agreement(found)


def test_weights_of_another_network_are_refused() -> None:
    asked, other = (request_of("CartPole-v1", "dqn", hidden=widths) for widths in ((16, 12), (8,)))
    with pytest.raises(UsageError, match="does not fit the job's network"):
        trained_policy(asked.task, asked.training, other.weights)


@pytest.mark.parametrize("algorithm", ["ppo", "sac"])
def test_an_exported_policy_is_a_reference_that_acts_as_trained(tmp_path: Path, algorithm: str) -> None:
    asked = replace(request_of(PENDULUM, algorithm), episodes=0, onnx=False)
    raw, actions = raw_and_actions(asked, 8)
    (tmp_path / "policy.safetensors").write_bytes(policy_files(asked, "made").files["policy.safetensors"])
    reference: Any = PENDULUM.referring_to(str(tmp_path / "policy.safetensors"))
    for seen, action in zip(raw, actions, strict=True):
        assert np.allclose(reference.policy.predict(seen, deterministic=True)[0], action, atol=1e-5)


def test_a_policy_that_normalises_is_no_reference(tmp_path: Path) -> None:
    asked = request_of(PENDULUM, "sac", normalize_observation=True)
    (tmp_path / "policy.safetensors").write_bytes(asked.weights)
    with pytest.raises(UsageError, match="normalises observations"):
        PENDULUM.referring_to(str(tmp_path / "policy.safetensors"))


@pytest.mark.slow
@pytest.mark.parametrize("name", ["frames of a vector", "frames of a grid", "PPO, multi-discrete"])
def test_the_wrapper_observes_what_a_trial_observes(name: str) -> None:
    task, algorithm, changes = SLOW[name]
    asked = request_of(task, algorithm, **changes)
    plain = plain_policy(stacked(asked.task, asked.training.frame_stack), asked.training, _policy_of(asked))
    assert plain.form.wrapper is not None
    wrapper: dict[str, Any] = {"__name__": "policy_env"}
    exec(plain.form.wrapper, wrapper)
    task = stacked(asked.task, asked.training.frame_stack)
    single: Any = asked.task
    env, batch = wrapper["wrap"](single.make_env()), task.batch(1, "train")
    batch.play(0)
    seed = single.start_seed(0) if hasattr(single, "start_seed") else 1_000_000
    seen, rows, rng = env.reset(seed=seed)[0], task.observation.rows(1), np.random.default_rng(0)
    for _ in range(12):
        batch.observe(rows)
        assert env.observation_space.contains(seen)
        assert np.allclose(seen, plain.form.given(rows)[0], atol=1e-6)
        action = task.actions.sample(rng, 1)
        batch.step(action)
        seen, *_ = env.step(action[0])
        if (batch.terminated | batch.truncated).any():
            break
    env.close()
    batch.close()


def _policy_of(asked: PolicyRequest) -> Any:
    return trained_policy(asked.task, asked.training, asked.weights)


@pytest.mark.parametrize("algorithm", ["dqn", "td3", "sac"])
def test_deterministic_policies_are_labelled_as_such(algorithm: str) -> None:
    asked = request_of(PENDULUM if algorithm != "dqn" else "CartPole-v1", algorithm)
    fixed = deterministic(trained_policy(asked.task, asked.training, asked.weights))
    assert measure_of({"training": {"algorithm": algorithm}}).policy == (
        "deterministic policy" if fixed else "stochastic policy"
    )
