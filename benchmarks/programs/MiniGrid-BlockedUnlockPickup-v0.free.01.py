from collections import deque


def _bfs(state, sources, blocked):
    dist = {}
    q = deque()
    for s in sources:
        dist[s] = 0
        q.append(s)
    while q:
        x, y = q.popleft()
        for dx, dy in ((1, 0), (-1, 0), (0, 1), (0, -1)):
            nx, ny = x + dx, y + dy
            if nx < 0 or ny < 0 or nx >= state.width or ny >= state.height:
                continue
            if (nx, ny) in dist or (nx, ny) in blocked or state.walls[nx, ny]:
                continue
            dist[(nx, ny)] = dist[(x, y)] + 1
            q.append((nx, ny))
    return dist


def _distance(state, obj):
    blocked = set()
    for o in state.objects:
        if o.id == obj.id or o.carried:
            continue
        if o.kind == "door" and o.state == "open":
            continue
        if o.kind == "goal":
            continue
        blocked.add((o.x, o.y))
    dist = _bfs(state, [(obj.x, obj.y)], blocked)
    return dist.get((state.agent.x, state.agent.y))


def _find(state, kind):
    for o in state.objects:
        if o.kind == kind:
            return o
    return None


def _ball_in_way(ball, door):
    return abs(ball.x - door.x) + abs(ball.y - door.y) <= 1


def _stage(state):
    door = _find(state, "door")
    ball = _find(state, "ball")
    key = _find(state, "key")
    c = state.carrying
    if door is not None and door.state == "locked":
        if c is not None and c.kind == "ball":
            return 1, None
        if ball is not None and _ball_in_way(ball, door):
            return 0, ball
        if c is None:
            return 2, key
        return 3, door
    box = None
    for o in state.objects:
        if o.target:
            box = o
    return 4, box


def reward(prev, action, state, memory):
    out = {"ball_lifted": 0.0, "way_cleared": 0.0, "key": 0.0, "unlock": 0.0, "hands_free": 0.0, "progress": 0.0}
    done = memory.setdefault("done", set())
    best = memory.setdefault("best", {})
    st, goal = _stage(state)
    c = state.carrying
    ball = _find(state, "ball")
    door = _find(state, "door")

    if "ball" not in done and state.event == "picked_up" and c is not None and c.kind == "ball":
        done.add("ball")
        out["ball_lifted"] = 0.08
    if "clear" not in done and "ball" in done and ball is not None and door is not None and not ball.carried and not _ball_in_way(ball, door):
        done.add("clear")
        out["way_cleared"] = 0.1
    if "key" not in done and "clear" in done and c is not None and c.kind == "key":
        done.add("key")
        out["key"] = 0.1
    if "unlock" not in done and state.event == "unlocked":
        done.add("unlock")
        out["unlock"] = 0.15
    if "free" not in done and "unlock" in done and c is None and door is not None and door.state == "open":
        done.add("free")
        out["hands_free"] = 0.08

    if goal is not None:
        d = _distance(state, goal)
        if d is not None:
            if st not in best:
                best[st] = (d, max(d, 1))
            else:
                b, d0 = best[st]
                if d < b:
                    out["progress"] = 0.05 * (b - d) / d0
                    best[st] = (d, d0)
    return out
