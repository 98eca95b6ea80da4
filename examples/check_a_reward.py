"""Check a reward without training: find out what is wrong with it, and that a mended one is sound."""

from __future__ import annotations

from pathlib import Path

import rewardsmith

TASK = "MiniGrid-DoorKey-5x5-v0"
EXPLOITABLE = Path(__file__).with_name("pickup.py")
MENDED = """
def reward(prev, action, state, memory):
    first = state.event == "picked_up" and not memory.get("paid")
    if first:
        memory["paid"] = True
    return {"success": 1.0 if state.solved else 0.0, "key": 0.1 if first else 0.0}
"""


def main(layouts: int = 4) -> tuple[rewardsmith.CheckResult, rewardsmith.CheckResult]:
    """Check both rewards on the first `layouts` training layouts."""
    found = rewardsmith.check(TASK, EXPLOITABLE, layouts=layouts)
    print("as it was:", "passed" if found.passed else "FAILED")
    for row in found.to_records():
        print(f"  {row['check']}: {row['message']}")
    for example in found.counterexamples[:1]:
        print(f"  counter-example: {example['text']}")
    found.save_counterexamples("counterexamples.json")

    # The battery of the second check plays what exploited the first reward.
    mended = rewardsmith.check(TASK, MENDED, layouts=layouts, hacks="counterexamples.json")
    print("mended:", "passed" if mended.passed else "FAILED")
    for row in mended.to_records():
        print(f"  {row['check']}: {row['message']}")
    return found, mended


if __name__ == "__main__":
    main()
