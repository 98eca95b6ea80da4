"""The device of a trial. Tests that need a GPU are skipped without one."""

from __future__ import annotations

import pytest
import torch

from rewardsmith.errors import RewardsmithError
from rewardsmith.spec import TrainingSpec
from rewardsmith.tasks import get_task
from rewardsmith.training import device
from rewardsmith.training.device import choose_device

TASK = "MiniGrid-Empty-5x5-v0"
needs_gpu = pytest.mark.skipif(
    not torch.cuda.is_available(), reason="no CUDA device: figures of GPUs are not shown here"
)
needs_none = pytest.mark.skipif(torch.cuda.is_available(), reason="a CUDA device is at hand")


@needs_none
def test_without_a_gpu_auto_is_the_cpu_and_cuda_is_refused():
    found = choose_device(get_task(TASK), TrainingSpec(device="auto"))
    assert found.device == "cpu" and "no CUDA device" in found.why
    with pytest.raises(RewardsmithError, match="no CUDA device"):
        choose_device(get_task(TASK), TrainingSpec(device="cuda"))


@pytest.mark.parametrize(("cpu", "cuda", "faster"), [(0.1, 0.2, "cpu"), (0.2, 0.1, "cuda")])
def test_auto_takes_the_faster_and_says_why(cpu, cuda, faster, monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(device, "_rollout_seconds", lambda task, training, name: {"cpu": cpu, "cuda": cuda}[name])
    found = choose_device(get_task(TASK), TrainingSpec(device="auto"))
    assert found.device == faster
    assert f"cpu {1000 * cpu:.0f} ms" in found.why and f"cuda {1000 * cuda:.0f} ms" in found.why


@pytest.mark.parametrize("memory", ["none", "lstm"])
def test_the_measurement_grows_with_the_work(memory):
    few, many = (
        TrainingSpec(num_envs=8, rollout_steps=n, batch_size=64, epochs=n // 16, memory=memory) for n in (16, 512)
    )
    small, large = (device._rollout_seconds(get_task(TASK), training, "cpu") for training in (few, many))
    assert 0 < small < large


@needs_gpu
def test_auto_measures_both_on_a_real_gpu():
    assert "cuda" in choose_device(get_task(TASK), TrainingSpec(device="auto")).why
