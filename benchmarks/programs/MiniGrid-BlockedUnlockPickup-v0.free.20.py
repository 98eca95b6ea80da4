from collections import deque

RINGS = (4, 2, 1)


def _named(state):
    d = {}
    for o in state.objects:
        d[o.kind] = o
    return d


def _dist(state, goal):
    solid = set()
    for o in state.objects:
        if o is goal or o.id == goal.id or o.carried or o.kind == "goal":
            continue
        if o.kind == "door" and o.state == "open":
            continue
        solid.add((o.x, o.y))
    start = (state.agent.x, state.agent.y)
    end = (goal.x, goal.y)
    seen = {start: 0}
    q = deque([start])
    while q:
        p = q.popleft()
        if p == end:
            return seen[p]
        for dx, dy in ((0, 1), (1, 0), (0, -1), (-1, 0)):
            n = (p[0] + dx, p[1] + dy)
            if n in seen or not (0 <= n[0] < state.width and 0 <= n[1] < state.height):
                continue
            if state.walls[n[0], n[1]] or n in solid:
                continue
            if p != start and p == end:
                continue
            seen[n] = seen[p] + 1
            q.append(n)
    return None


def reward(prev, action, state, memory):
    o = _named(state)
    out = {"cleared": 0.0, "armed": 0.0, "unlocked": 0.0, "unburdened": 0.0, "ring": 0.0}
    ball, key, door, box = o.get("ball"), o.get("key"), o.get("door"), o.get("box")
    if ball is None or key is None or door is None or box is None:
        return out
    flags = memory.setdefault("flags", set())
    rings = memory.setdefault("rings", set())
    hands = state.carrying
    free_way = not ball.carried and abs(ball.x - door.x) + abs(ball.y - door.y) >= 2

    if free_way and "cleared" not in flags:
        flags.add("cleared")
        out["cleared"] = 0.12
    if free_way and key.carried and "armed" not in flags:
        flags.add("armed")
        out["armed"] = 0.12
    if door.state != "locked" and "unlocked" not in flags:
        flags.add("unlocked")
        out["unlocked"] = 0.16
    if "unlocked" in flags and hands is None and "unburdened" not in flags:
        flags.add("unburdened")
        out["unburdened"] = 0.08

    if door.state != "locked":
        goal = box if hands is None or hands.kind == "box" else None
    elif ball.carried:
        goal = None
    elif not free_way:
        goal = ball if hands is None else None
    elif key.carried:
        goal = door
    else:
        goal = key
    if goal is not None and not goal.carried:
        d = _dist(state, goal)
        if d is not None:
            for r in RINGS:
                if d <= r and (goal.kind, r) not in rings:
                    rings.add((goal.kind, r))
                    out["ring"] += 0.015
    return out
