BUDGET = 0.1


def _pick(s, kind):
    for o in s.objects:
        if o.kind == kind:
            return o
    return None


def _blocks(ball, door):
    return (not ball.carried) and abs(ball.x - door.x) + abs(ball.y - door.y) == 1


def _stage_and_goal(s):
    ball, key, door, box = _pick(s, "ball"), _pick(s, "key"), _pick(s, "door"), _pick(s, "box")
    if ball is None or key is None or door is None or box is None:
        return "none", None
    if door.state == "locked":
        if _blocks(ball, door):
            return "ball", ball
        if ball.carried:
            return "carry_ball", None
        if key.carried:
            return "door", door
        return "key", key
    if s.agent.x <= door.x:
        return "cross", (door.x + 1, door.y)
    return "box", box


def _d(s, goal):
    if goal is None:
        return 0
    if isinstance(goal, tuple):
        gx, gy = goal
    else:
        gx, gy = goal.x, goal.y
    return abs(s.agent.x - gx) + abs(s.agent.y - gy)


def reward(prev, action, state, memory):
    out = {"lift": 0.0, "clear": 0.0, "key": 0.0, "unlock": 0.0, "free": 0.0, "near": 0.0, "undo": 0.0}
    got = memory.setdefault("got", {})
    spent = memory.setdefault("spent", {})
    s0, g0 = _stage_and_goal(prev)
    s1, g1 = _stage_and_goal(state)
    ball, door = _pick(state, "ball"), _pick(state, "door")
    c = state.carrying

    if c is not None and c.kind == "ball" and "lift" not in got:
        got["lift"] = 1
        out["lift"] = 0.05
    if ball is not None and door is not None and not ball.carried and not _blocks(ball, door) and "clear" not in got:
        got["clear"] = 1
        out["clear"] = 0.08
    if s1 == "door" and "key" not in got:
        got["key"] = 1
        out["key"] = 0.1
    if state.event == "unlocked" and "unlock" not in got:
        got["unlock"] = 1
        out["unlock"] = 0.12
    if "unlock" in got and c is None and "free" not in got:
        got["free"] = 1
        out["free"] = 0.06

    if s0 == s1 and g1 is not None:
        step = 0.02 * (_d(prev, g0) - _d(state, g1))
        used = spent.get(s1, 0.0)
        new = min(BUDGET, max(-BUDGET, used + step))
        out["near"] = new - used
        spent[s1] = new

    if state.event == "closed":
        out["undo"] = -0.01
    if state.event == "dropped" and ball is not None and door is not None and _blocks(ball, door) and door.state == "locked":
        out["undo"] = -0.03
    return out
