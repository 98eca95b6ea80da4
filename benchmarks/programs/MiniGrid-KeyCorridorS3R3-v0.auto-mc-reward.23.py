from collections import deque


def _fill(state, goal):
    stop = set()
    for o in state.objects:
        if o.carried:
            continue
        if o.kind == "door" and o.state == "open":
            continue
        stop.add((o.x, o.y))
    g = None if goal is None else (goal.x, goal.y)
    start = (state.agent.x, state.agent.y)
    dist = {start: 0}
    q = deque([start])
    gd = None
    while q:
        x, y = q.popleft()
        for dx, dy in ((1, 0), (-1, 0), (0, 1), (0, -1)):
            n = (x + dx, y + dy)
            if n[0] < 0 or n[1] < 0 or n[0] >= state.width or n[1] >= state.height:
                continue
            if n == g and gd is None:
                gd = dist[(x, y)] + 1
            if n in dist or n in stop or state.walls[n[0], n[1]]:
                continue
            dist[n] = dist[(x, y)] + 1
            q.append(n)
    return len(dist), gd


def _goal(state, memory):
    key = lock = ball = None
    for o in state.objects:
        if o.kind == "key":
            key = o
        elif o.kind == "door" and o.state == "locked":
            lock = o
        elif o.target:
            ball = o
    if lock is None:
        return ball
    if key is not None and key.carried:
        return lock
    return key


def sparse(prev, action, state, memory):
    if state.solved:
        return 1.0
    passed = memory.setdefault("passed", {"key": 0, "unlock": 0, "away": 0})
    c = state.carrying
    if not passed["key"] and c is not None and c.kind == "key":
        passed["key"] = 1
        return 1.0
    if not passed["unlock"] and state.event == "unlocked":
        passed["unlock"] = 1
        return 1.0
    if passed["unlock"] and not passed["away"] and c is None:
        passed["away"] = 1
        return 1.0
    return 0.0


def dense(prev, action, state, memory):
    g0 = _goal(prev, memory)
    g1 = _goal(state, memory)
    area0, d0 = _fill(prev, g0)
    area1, d1 = _fill(state, g1)
    top = memory.get("area", area0)
    grown = area1 > top
    memory["area"] = max(top, area1)
    if grown:
        return 1.0
    if g0 is None or g1 is None or g0.id != g1.id or g1.carried:
        return 0.0
    if d0 is None or d1 is None:
        return 0.0
    return float(d0 - d1)
