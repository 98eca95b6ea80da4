from typing import Optional

SCALE = 0.02
STEP = -0.005
BAD_DROP = -0.3


def remaining(state) -> Optional[float]:
    """Cells that are left to walk, counted with the object in hand or not."""
    first = [o for o in state.objects if o.rank == 1]
    second = [o for o in state.objects if o.rank == 2]
    if not first or not second:
        return None
    a, b = first[0], second[0]
    to_b = abs(a.x - b.x) + abs(a.y - b.y)
    if a.carried:
        return float(to_b)
    return float(abs(state.agent.x - a.x) + abs(state.agent.y - a.y) + to_b)


def reward(prev, action, state, memory):
    before, after = remaining(prev), remaining(state)
    total = STEP
    if before is not None and after is not None:
        total += SCALE * (before - after)
    if state.event == "dropped":
        total += 1.0 if state.solved else BAD_DROP
    return total
