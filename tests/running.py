"""Running the command as a user would."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

# Evaluations of a claim take 1,000 episodes; a test that is about something else makes do with fewer.
FEW_EPISODES = ("--set", "training.eval_episodes=20", "--set", "training.final_episodes=40")


def rewardsmith(
    folder: Path, *arguments: str, timeout: float = 600, env: dict[str, str] | None = None
) -> subprocess.CompletedProcess[str]:
    """Run `rewardsmith` in `folder` to its end."""
    return subprocess.run(
        [sys.executable, "-m", "rewardsmith.cli.main", *arguments],
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=timeout,
        env={**clean_environment(), **(env or {})},
    )


def clean_environment() -> dict[str, str]:
    """This process's environment without settings of ours."""
    ours = ("REWARDSMITH_HOME", "REWARDSMITH_DATABASE_URL")
    return {k: v for k, v in os.environ.items() if k not in ours}
