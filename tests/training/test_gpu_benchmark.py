"""The benchmark of a GPU runs without one as a rehearsal, and says what it needs."""

from __future__ import annotations

import pytest
import torch

from benchmarks import gpu
from benchmarks.gpu_image import Spot


def test_without_a_device_the_gpu_benchmark_says_what_is_missing(monkeypatch, capsys):
    monkeypatch.setattr("sys.argv", ["gpu"])
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    assert gpu.main() == 1
    said = capsys.readouterr().err.splitlines()
    assert len(said) == 2 and "sees no CUDA device" in said[0] and "doctor" in said[1]


def test_the_image_of_the_gpu_benchmark_shows_agent_and_goal():
    env = Spot()
    picture, info = env.reset(seed=3)
    assert env.observation_space.contains(picture)
    assert sorted({int(v) for v in picture.flat}) == [0, 128, 255] and info["distance"] > 0


@pytest.mark.slow
def test_the_gpu_benchmark_resumes_exactly_on_the_cpu(tmp_path, monkeypatch):
    page = tmp_path / "gpu.md"
    monkeypatch.setattr("sys.argv", ["gpu", "--device", "cpu", "--share", "0.1", "--out", str(page)])
    assert gpu.main() == 0
    rows = [line for line in page.read_text().splitlines() if line.startswith("| ") and " cpu |" in line]
    assert [row.split("|")[1].strip() for row in rows] == ["PPO", "SAC", "CNN (PPO)"]
    assert all(row.endswith("| 0 |") for row in rows)
    assert "exit code 0, state done" in page.read_text()
