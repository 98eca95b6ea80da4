import math

BONUS = [0.1, 0.18, 0.12]
BUDGET = 0.15


def reward(prev, action, state, memory):
    out = {"advance": 0.0, "novelty": 0.0, "ruined": 0.0}
    stage = memory.setdefault("stage", 0)
    carry = None if state.carrying is None else state.carrying.kind

    moved_on = False
    if stage == 0:
        moved_on = carry == "key"
    elif stage == 1:
        moved_on = state.event == "unlocked"
    elif stage == 2:
        moved_on = carry is None
    if moved_on:
        out["advance"] = BONUS[stage]
        stage += 1
        memory["stage"] = stage

    counts = memory.setdefault("counts", {})
    k = (stage, state.agent.x, state.agent.y, state.agent.direction)
    counts[k] = counts.get(k, 0) + 1
    if counts[k] == 1:
        spent = memory.get("spent", 0.0)
        pay = min(0.006 / math.sqrt(1 + stage), BUDGET - spent)
        if pay > 0:
            out["novelty"] = pay
            memory["spent"] = spent + pay

    if state.event == "opened_box":
        out["ruined"] = -0.3
    return out
