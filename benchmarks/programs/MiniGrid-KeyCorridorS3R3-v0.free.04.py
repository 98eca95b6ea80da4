from collections import deque

NEIGH = ((1, 0), (-1, 0), (0, 1), (0, -1))


def _closeness(state, target):
    if target is None:
        return 0.0
    goal = (target.x, target.y)
    barrier = set()
    doors = set()
    for o in state.objects:
        if o.kind == "door":
            doors.add((o.x, o.y))
            if o.state == "locked":
                barrier.add((o.x, o.y))
    start = (state.agent.x, state.agent.y)
    if start == goal:
        return 1.0
    dist = {start: 0}
    q = deque([start])
    while q:
        cur = q.popleft()
        for dx, dy in NEIGH:
            nxt = (cur[0] + dx, cur[1] + dy)
            if nxt in dist:
                continue
            if nxt == goal:
                return 1.0 / (1.0 + 0.25 * dist[cur])
            if not (0 <= nxt[0] < state.width and 0 <= nxt[1] < state.height):
                continue
            if nxt in barrier or (state.walls[nxt[0], nxt[1]] and nxt not in doors):
                continue
            dist[nxt] = dist[cur] + 1
            q.append(nxt)
    return 0.0


def _phi(state):
    key = lock = ball = None
    for o in state.objects:
        if o.kind == "key":
            key = o
        elif o.kind == "ball":
            ball = o
        elif o.kind == "door" and o.state == "locked":
            lock = o
    if ball is not None and ball.carried:
        return 0.55
    if lock is None:
        free = 0.08 if state.carrying is None else 0.0
        return 0.30 + 0.10 * _closeness(state, ball) + free
    if key is not None and key.carried:
        return 0.14 + 0.08 * _closeness(state, lock)
    return 0.08 * _closeness(state, key)


def reward(prev, action, state, memory):
    if "phi" not in memory:
        memory["phi"] = _phi(prev)
    before, after = memory["phi"], _phi(state)
    memory["phi"] = after
    return {"potential": after - before}
