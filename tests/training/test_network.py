"""The grid network: equal to its plain definition, learnable, saved and named."""

from __future__ import annotations

import subprocess
import sys

import numpy as np
import pytest
import torch
from gymnasium import spaces
from hypothesis import given
from hypothesis import strategies as st
from stable_baselines3.common.policies import ActorCriticPolicy

from rewardsmith.spec import TrainingSpec, default_training
from rewardsmith.tasks import get_task
from rewardsmith.training.network import GridPolicy, GridTorso, LeanPolicy
from rewardsmith.training.optimizer import LightAdam
from rewardsmith.training.policies import describe, policy_for
from rewardsmith.training.sparse_layer import SumOfRows, read_cells

CELLS, REST = 49, 6


def observations(seed: int, count: int) -> torch.Tensor:
    """Random cells as the tasks scale them, and a few plain numbers."""
    rng = np.random.default_rng(seed)
    parts = [rng.integers(0, high, (count, CELLS)) / scale for high, scale in ((11, 10), (6, 5), (3, 2))]
    view = np.stack(parts, 2).reshape(count, -1)
    return torch.from_numpy(np.hstack([view, rng.normal(size=(count, REST))]).astype(np.float32))


def by_definition(torso: GridTorso, seen: torch.Tensor) -> torch.Tensor:
    """One-hot kind, colour and state of every cell, then the rest, through the first layer."""
    view = seen[:, : 3 * CELLS].reshape(-1, CELLS, 3)
    parts = [
        torch.nn.functional.one_hot((view[..., k] * scale).round().long(), count)
        for k, (scale, count) in enumerate(((10, 11), (5, 6), (2, 3)))
    ]
    inputs = torch.cat([torch.cat(parts, 2).flatten(1).float(), seen[:, 3 * CELLS :]], 1)
    return torch.tanh(torso.first(inputs))


@given(st.integers(0, 2**16))
def test_the_first_layer_equals_that_of_one_hot_cells(seed):
    torch.manual_seed(seed)
    torso = GridTorso(3 * CELLS + REST, CELLS, (8, 4))
    seen = observations(seed, 5)
    expected = by_definition(torso, seen)
    torch.testing.assert_close(torso.shared(seen), expected, rtol=1e-4, atol=1e-5)
    with torch.no_grad():
        torch.testing.assert_close(torso.shared(seen), expected, rtol=1e-4, atol=1e-5)


def test_gradients_equal_those_of_one_hot_cells():
    torso = GridTorso(3 * CELLS + REST, CELLS, (8, 4))
    seen = observations(1, 32)
    (by_definition(torso, seen) ** 2).sum().backward()
    expected = torso.first.weight.grad.clone()
    torso.zero_grad()
    (torso.shared(seen) ** 2).sum().backward()
    torch.testing.assert_close(torso.first.weight.grad, expected, rtol=1e-4, atol=1e-4)


def test_the_cached_table_follows_the_weights():
    torso = GridTorso(3 * CELLS + REST, CELLS, (8, 4))
    seen = observations(2, 3)
    with torch.no_grad():
        before = torso.shared(seen)
        torso.first.weight.mul_(0.5)
        after = torso.shared(seen)
        torch.testing.assert_close(after, by_definition(torso, seen), rtol=1e-4, atol=1e-5)
    assert not torch.equal(before, after)


@pytest.mark.parametrize("fused", [False, True])
def test_the_cached_table_follows_an_optimizer_s_step(fused):
    torso = GridTorso(3 * CELLS + REST, CELLS, (8, 4))
    optimizer = LightAdam(torso.parameters(), lr=0.1, fused=fused)
    seen = observations(3, 4)
    with torch.no_grad():
        torso.shared(seen)
    torso.shared(seen).sum().backward()
    optimizer.step()
    with torch.no_grad():
        torch.testing.assert_close(torso.shared(seen), by_definition(torso, seen), rtol=1e-4, atol=1e-5)


@given(st.integers(1, 6), st.integers(1, 5), st.integers(0, 99))
def test_sums_of_rows_have_the_right_gradient(batch, picked, seed):
    generator = torch.Generator().manual_seed(seed)
    table = torch.randn(7, 3, generator=generator, requires_grad=True)
    indices = torch.randint(0, 7, (batch, picked), generator=generator)
    weights = torch.randn(batch, 3, generator=generator)
    (SumOfRows.apply(table, indices) * weights).sum().backward()
    got = table.grad.clone()
    table.grad = None
    (table[indices].sum(1) * weights).sum().backward()
    torch.testing.assert_close(got, table.grad)


def test_a_policy_is_chosen_by_the_task_and_the_setting():
    grid, box = get_task("MiniGrid-DoorKey-5x5-v0"), get_task("CartPole-v1")
    assert policy_for(grid, TrainingSpec())[0] is GridPolicy
    assert policy_for(grid, TrainingSpec(cells="scaled"))[0] is LeanPolicy
    assert policy_for(box, TrainingSpec())[0] is LeanPolicy
    assert describe(grid, TrainingSpec())["view_cells"] == 49


def test_saved_weights_share_no_tensor(tmp_path):
    from safetensors.torch import load_file, save_file

    space = spaces.Box(-np.inf, np.inf, (3 * CELLS + REST,), np.float32)
    policy = GridPolicy(space, spaces.Discrete(7), lambda _: 1e-3, cells=CELLS, hidden=(8, 4))
    save_file(policy.state_dict(), str(tmp_path / "p.safetensors"))
    policy.load_state_dict(load_file(str(tmp_path / "p.safetensors")))


def test_light_adam_is_adam_and_leaves_the_compiler_alone():
    program = (
        "import sys, torch\n"
        "from rewardsmith.training.optimizer import LightAdam\n"
        "def run(kind):\n"
        "    torch.manual_seed(0); layer = torch.nn.Linear(3, 2)\n"
        "    o = kind(layer.parameters(), lr=0.01, eps=1e-5, fused=True)\n"
        "    for _ in range(5):\n"
        "        o.zero_grad(); layer(torch.ones(1, 3)).pow(2).sum().backward(); o.step()\n"
        "    o.load_state_dict(o.state_dict())\n"
        "    return layer.weight\n"
        "light = run(LightAdam)\n"
        "assert 'torch._dynamo' not in sys.modules\n"
        "assert torch.equal(light, run(torch.optim.Adam))\n"
    )
    subprocess.run([sys.executable, "-c", program], check=True)
    assert issubclass(LightAdam, torch.optim.Adam)


@pytest.mark.parametrize("task", ["MiniGrid-DoorKey-8x8-v0", "BabyAI-GoToObj-v0", "CartPole-v1", "mine.yaml"])
def test_every_task_has_settings(task):
    TrainingSpec.model_validate(default_training(task))


def test_the_fast_forward_pass_equals_sb3_s():
    space = spaces.Box(-np.inf, np.inf, (3 * CELLS + REST,), np.float32)
    policy = GridPolicy(space, spaces.Discrete(7), lambda _: 1e-3, cells=CELLS, hidden=(8, 4))
    seen = observations(5, 16)
    with torch.no_grad():
        torch.manual_seed(7)
        actions, values, log_probs = policy(seen)
        expected, entropy_free = policy.evaluate_actions(seen, actions)[:2]
        torch.testing.assert_close(values, expected)
        torch.testing.assert_close(log_probs, entropy_free)
        greedy = policy(seen, deterministic=True)[0]
        assert torch.equal(greedy, policy.get_distribution(seen).mode())
        drawn = torch.stack([policy(seen[:1].repeat(4000, 1))[0].bincount(minlength=7)])
        torch.testing.assert_close(
            drawn[0] / 4000, policy.get_distribution(seen[:1]).distribution.probs[0], atol=0.04, rtol=0
        )


def test_the_fast_loss_equals_sb3_s():
    space = spaces.Box(-np.inf, np.inf, (3 * CELLS + REST,), np.float32)
    policy = LeanPolicy(space, spaces.Discrete(7), lambda _: 1e-3, net_arch=[8, 4])
    seen, actions = observations(6, 16), torch.arange(16) % 7
    ours = policy.evaluate_actions(seen, actions)
    for got, expected in zip(ours, ActorCriticPolicy.evaluate_actions(policy, seen, actions), strict=True):
        torch.testing.assert_close(got, expected)


def test_both_encodings_of_a_cell_agree_with_torch():
    seen = observations(8, 9)
    parts = seen[:, : 3 * CELLS].reshape(-1, CELLS, 3) * torch.tensor([10.0, 5.0, 2.0])
    kind, color, state = parts.round().long().unbind(2)
    first = torch.arange(CELLS)
    assert torch.equal(read_cells(seen, CELLS, codes=True), first * 198 + (kind * 6 + color) * 3 + state)
    features = read_cells(seen, CELLS, codes=False).reshape(-1, CELLS, 3)
    assert torch.equal(features, torch.stack([first * 20 + kind, first * 20 + 11 + color, first * 20 + 17 + state], 2))
