"""Check an exploitable reward without training, and confirm that its fixed version is sound."""

from __future__ import annotations

from pathlib import Path

import rewardsmith

TASK = "MiniGrid-DoorKey-5x5-v0"
EXPLOITABLE = Path(__file__).with_name("pickup.py")
FIXED = """
def reward(prev, action, state, memory):
    first = state.event == "picked_up" and not memory.get("paid")
    if first:
        memory["paid"] = True
    return {"success": 1.0 if state.solved else 0.0, "key": 0.1 if first else 0.0}
"""


def main(layouts: int = 4) -> tuple[rewardsmith.CheckResult, rewardsmith.CheckResult]:
    """Check both rewards on the first `layouts` training layouts."""
    found = rewardsmith.check(TASK, EXPLOITABLE, layouts=layouts)
    print("exploitable reward:", "passed" if found.passed else "FAILED")
    for row in found.to_records():
        print(f"  {row['check']}: {row['message']}")
    for example in found.counterexamples[:1]:
        print(f"  counter-example: {example['text']}")
    found.save_counterexamples("counterexamples.json")

    # The battery of the second check replays the exploits of the first reward.
    fixed = rewardsmith.check(TASK, FIXED, layouts=layouts, exploits="counterexamples.json")
    print("fixed reward:", "passed" if fixed.passed else "FAILED")
    for row in fixed.to_records():
        print(f"  {row['check']}: {row['message']}")
    return found, fixed


if __name__ == "__main__":
    main()
