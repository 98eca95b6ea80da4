from collections import deque


def _find(state, kind):
    for o in state.objects:
        if o.kind == kind:
            return o
    return None


def _bfs(state, gx, gy):
    block = set()
    for o in state.objects:
        if o.carried or o.kind == "goal":
            continue
        if o.kind == "door" and o.state == "open":
            continue
        block.add((o.x, o.y))
    block.discard((gx, gy))
    start = (state.agent.x, state.agent.y)
    dist = {start: 0}
    q = deque([start])
    while q:
        x, y = q.popleft()
        if (x, y) == (gx, gy):
            return dist[(x, y)]
        for dx, dy in ((1, 0), (-1, 0), (0, 1), (0, -1)):
            n = (x + dx, y + dy)
            if n in dist or n in block:
                continue
            if n[0] < 0 or n[1] < 0 or n[0] >= state.width or n[1] >= state.height:
                continue
            if state.walls[n[0], n[1]]:
                continue
            dist[n] = dist[(x, y)] + 1
            q.append(n)
    return None


def _stage(state):
    door = _find(state, "door")
    key = _find(state, "key")
    if door is not None and door.state == "locked":
        if key is not None and key.carried:
            return 1, door
        return 0, key
    return 2, _find(state, "goal")


def sparse(prev, action, state, memory):
    got = memory.setdefault("got", set())
    if state.solved:
        return 1.0
    c = state.carrying
    if "key" not in got and c is not None and c.kind == "key":
        got.add("key")
        return 1.0
    if "unlock" not in got and state.event == "unlocked":
        got.add("unlock")
        return 1.0
    door = _find(state, "door")
    if "through" not in got and "unlock" in got and door is not None and state.agent.x > door.x:
        got.add("through")
        return 1.0
    return 0.0


def dense(prev, action, state, memory):
    best = memory.setdefault("best", {})
    n, goal = _stage(state)
    if goal is None:
        return 0.0
    d = _bfs(state, goal.x, goal.y)
    if d is None:
        return 0.0
    if n not in best:
        n0, g0 = _stage(prev)
        if n0 == n:
            d0 = _bfs(prev, goal.x, goal.y)
            best[n] = d if d0 is None else d0
        else:
            best[n] = d
            return 0.0
    if d < best[n]:
        best[n] = d
        return 1.0
    return 0.0
