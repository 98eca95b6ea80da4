from collections import deque


def pair(state):
    goal = None
    for o in state.objects:
        if o.kind == "goal":
            goal = (o.x, o.y)
    if goal is None:
        return None
    shut = {(o.x, o.y) for o in state.objects if o.kind == "door" and o.state != "open"}
    start = (state.agent.x, state.agent.y)
    best = {start: (0, 0)}
    q = deque([start])
    while q:
        c = q.popleft()
        k, n = best[c]
        for dx, dy in ((1, 0), (-1, 0), (0, 1), (0, -1)):
            m = (c[0] + dx, c[1] + dy)
            if not (0 <= m[0] < state.width and 0 <= m[1] < state.height):
                continue
            if state.walls[m[0], m[1]]:
                continue
            v = (k + (m in shut), n + 1)
            if m not in best or v < best[m]:
                best[m] = v
                q.append(m)
    return best.get(goal)


def sparse(prev, action, state, memory):
    ever = memory.setdefault("ever", {o.id for o in prev.objects
                                      if o.kind == "door" and o.state == "open"})
    fresh = {o.id for o in state.objects if o.kind == "door" and o.state == "open"} - ever
    ever |= fresh
    if state.solved or fresh:
        return 1.0
    return 0.0


def dense(prev, action, state, memory):
    if "pair" not in memory:
        memory["pair"] = pair(prev)
        memory["since"] = 0
        memory["idle"] = 0
    now = pair(state)
    if now is not None and (memory["pair"] is None or now < memory["pair"]):
        memory["pair"] = now
        memory["since"] = 0
        return 1.0
    memory["since"] += 1
    if memory["since"] > 60 and memory["since"] % 4 == 0 and memory["idle"] < 15:
        memory["idle"] += 1
        return -1.0
    return 0.0
