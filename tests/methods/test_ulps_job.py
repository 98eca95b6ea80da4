"""A whole job of ULPS with ONI's bonus beside it, from the command line to the verified export."""

from __future__ import annotations

import pytest
from running import FEW_EPISODES, in_process, rewardsmith

JOB = [
    *(
        "run",
        "--task",
        "MiniGrid-DoorKey-5x5-v0",
        "--method",
        "ulps",
        "--with",
        "oni",
        "--confirm",
        "1",
        "--claim-layouts",
        "0",
    ),
    *("--steps", "4096", "--slots", "1", "--option", "pairs=300", "--option", "language_model_epochs=2"),
    *("--set", "training.num_envs=16"),
    *("--option", "final_episodes=20", "--option", "oni.latency=0", *FEW_EPISODES),
]


@pytest.mark.integration
def test_a_ulps_job_runs_to_its_claim_and_its_export_verifies(tmp_path):
    ran = rewardsmith(tmp_path, *JOB)
    assert ran.returncode == 0, ran.stderr
    output = ran.stdout + ran.stderr
    assert "small encoder, fitted here" in output and "The labeller is an oracle" in output
    assert "oracle-informed" in in_process(tmp_path, "show", "latest").stdout
    assert list((tmp_path / ".rewardsmith/artifacts").rglob("labels.jsonl"))
    exported = in_process(tmp_path, "export", "latest", "--best", "--out", "exported")
    assert exported.returncode == 0, exported.stderr
    assert (tmp_path / "exported/policy.safetensors").exists()
    verified = in_process(tmp_path, "verify", "exported")
    assert verified.returncode == 0, verified.stderr
