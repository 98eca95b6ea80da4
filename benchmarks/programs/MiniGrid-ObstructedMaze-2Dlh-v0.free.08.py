import math


def virtual_distance(state, ball):
    w, h = state.width, state.height
    toll = {}
    held = state.carrying
    for o in state.objects:
        if o.kind != "door":
            continue
        if o.state == "locked":
            ok = held is not None and held.kind == "key" and held.color == o.color
            toll[(o.x, o.y)] = 7 if ok else 14
        elif o.state == "closed":
            toll[(o.x, o.y)] = 2
    start = (state.agent.x, state.agent.y)
    best = {start: 0}
    buckets = {0: [start]}
    level = 0
    top = 0
    while level <= top:
        for cell in buckets.pop(level, []):
            if best[cell] != level:
                continue
            if cell == (ball.x, ball.y):
                return level
            x, y = cell
            for n in ((x + 1, y), (x - 1, y), (x, y + 1), (x, y - 1)):
                if not (0 <= n[0] < w and 0 <= n[1] < h) or state.walls[n]:
                    continue
                c = level + 1 + toll.get(n, 0)
                if c < best.get(n, math.inf):
                    best[n] = c
                    buckets.setdefault(c, []).append(n)
                    top = max(top, c)
        level += 1
    return None


def reward(prev, action, state, memory):
    out = {"way": 0.0, "box": 0.0, "release": 0.0, "solved": 0.0}
    ball = next((o for o in state.objects if o.kind == "ball"), None)
    if ball is not None and not ball.carried:
        d = virtual_distance(state, ball)
        if d is not None:
            best = memory.get("best")
            if best is None:
                memory["best"] = d
            elif d < best:
                out["way"] = 0.008 * (best - d)
                memory["best"] = d
    if state.event == "opened_box" and memory.get("boxes", 0) < 2:
        memory["boxes"] = memory.get("boxes", 0) + 1
        out["box"] = 0.05
    if state.event == "unlocked":
        memory["unlocked"] = True
    if state.event == "dropped" and memory.get("unlocked") and not memory.get("released"):
        memory["released"] = True
        out["release"] = 0.05
    if state.solved:
        out["solved"] = 1.0
    return out
