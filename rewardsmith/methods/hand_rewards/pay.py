# 0.5 for each milestone, once; 0.02 for each step of a new shortest walk to what is needed next; 1 for success.
def reward(prev, action, state, memory):
    passed, target = next_target(state)  # noqa: F821 - of the task's own part
    best = memory.setdefault("best", {})
    parts = {"milestone": 0.0, "approach": 0.0, "success": 1.0 if state.solved else 0.0}
    if "passed" not in memory:
        memory["passed"] = next_target(prev)[0]  # noqa: F821
    if passed > memory["passed"]:
        parts["milestone"] = 0.5 * (passed - memory["passed"])
        memory["passed"] = passed
    walk = -1 if target is None else target.walk_distance
    if walk >= 0:
        parts["approach"] = 0.02 * max(best.get(passed, walk) - walk, 0)
        best[passed] = min(walk, best.get(passed, walk))
    return parts
