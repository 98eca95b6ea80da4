"""Design a reward for a custom environment, which corridor.yaml describes and corridor.py implements."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import rewardsmith

TASK = Path(__file__).with_name("corridor.yaml")


def main(**settings: Any) -> rewardsmith.JobResult:
    """Run the job; `settings` are arguments of `rewardsmith.design`."""
    chosen = {"iterations": 1, "samples": 2, "steps": 100_000, "confirm": 4, **settings}
    result = rewardsmith.design(str(TASK), **chosen)
    print(f"job {result.job_id}: {result.state}, best: {result.best}")
    print(result.source or "no reward passed its checks")
    if result.claim is not None:
        best, baseline = result.claim.best, result.claim.baseline
        print(f"{best.mean:.1%} against {baseline.mean:.1%} of the baseline: {result.claim.verdict}")
    return result


if __name__ == "__main__":
    main()
