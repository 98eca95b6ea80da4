def _one(state, kind):
    for o in state.objects:
        if o.kind == kind:
            return o
    return None


def reward(prev, action, state, memory):
    out = {"edge": 0.0, "key_loss": 0.0, "approach": 0.0}
    fsm = memory.get("fsm", "WAIT_BALL")
    ball, key, door = _one(state, "ball"), _one(state, "key"), _one(state, "door")
    target = None
    for o in state.objects:
        if o.target:
            target = o
    if ball is None or key is None or door is None:
        return out

    gap = abs(ball.x - door.x) + abs(ball.y - door.y)
    before = fsm
    if fsm == "WAIT_BALL" and ball.carried:
        fsm = "HOLD_BALL"
        out["edge"] += 0.06
    if fsm == "HOLD_BALL" and not ball.carried and gap > 1:
        fsm = "NEED_KEY"
        out["edge"] += 0.1
    if fsm == "NEED_KEY" and key.carried:
        fsm = "HOLD_KEY"
        out["edge"] += 0.1
    if fsm == "HOLD_KEY" and state.event == "unlocked":
        fsm = "OPEN"
        out["edge"] += 0.15
    if fsm == "OPEN" and state.carrying is None:
        fsm = "FREE"
        out["edge"] += 0.08
    memory["fsm"] = fsm

    if before == "HOLD_KEY" and fsm == "HOLD_KEY":
        lost = memory.get("lost", False)
        if not key.carried and not lost:
            memory["lost"] = True
            out["key_loss"] = -0.05
        elif key.carried and lost:
            memory["lost"] = False
            out["key_loss"] = 0.05

    goal = {"WAIT_BALL": ball, "NEED_KEY": key, "HOLD_KEY": door if key.carried else None, "FREE": target}.get(fsm)
    if goal is not None and not goal.carried:
        if fsm == "FREE" and state.agent.x < door.x:
            d = abs(state.agent.x - door.x) + abs(state.agent.y - door.y) + abs(goal.x - door.x) + abs(goal.y - door.y)
        else:
            d = abs(state.agent.x - goal.x) + abs(state.agent.y - goal.y)
        best = memory.setdefault("best", {})
        paid = memory.get("paid", 0.0)
        if fsm not in best:
            best[fsm] = d
        elif d < best[fsm]:
            gain = min(0.01 * (best[fsm] - d), max(0.0, 0.2 - paid))
            best[fsm] = d
            memory["paid"] = paid + gain
            out["approach"] = gain
    return out
