from collections import deque

DIRS = {"right": 0, "down": 1, "left": 2, "up": 3}
VEC = ((1, 0), (0, 1), (-1, 0), (0, -1))


def _part(state, kind):
    for o in state.objects:
        if o.kind == kind:
            return o
    return None


def _effort(state, goal, step_on):
    solid = set()
    for o in state.objects:
        if o.carried or o.kind == "goal":
            continue
        if o.kind == "door" and o.state == "open":
            continue
        solid.add((o.x, o.y))
    start = (state.agent.x, state.agent.y, DIRS[state.agent.direction])
    dist = {start: 0}
    q = deque([start])
    while q:
        cur = q.popleft()
        x, y, d = cur
        fx, fy = x + VEC[d][0], y + VEC[d][1]
        if step_on:
            if x == goal.x and y == goal.y:
                return dist[cur]
        elif fx == goal.x and fy == goal.y:
            return dist[cur]
        nxt = [(x, y, (d + 1) % 4), (x, y, (d + 3) % 4)]
        if 0 <= fx < state.width and 0 <= fy < state.height:
            if not state.walls[fx, fy] and (fx, fy) not in solid:
                nxt.append((fx, fy, d))
        for n in nxt:
            if n not in dist:
                dist[n] = dist[cur] + 1
                q.append(n)
    return None


def sparse(prev, action, state, memory):
    if state.solved:
        return 1.0
    mark = memory.setdefault("mark", {})
    c = state.carrying
    door = _part(state, "door")
    if c is not None and c.kind == "key" and "key" not in mark:
        mark["key"] = state.step
        return 1.0
    if state.event == "unlocked" and "unlock" not in mark:
        mark["unlock"] = state.step
        return 1.0
    if "unlock" in mark and door is not None and state.agent.x > door.x and "pass" not in mark:
        mark["pass"] = state.step
        return 1.0
    return 0.0


def dense(prev, action, state, memory):
    mark = memory.get("mark", {})
    c = state.carrying
    if "unlock" in mark:
        leg, goal, on = "goal", _part(state, "goal"), True
    elif c is not None and c.kind == "key":
        leg, goal, on = "door", _part(state, "door"), False
    elif "key" not in mark:
        leg, goal, on = "key", _part(state, "key"), False
    else:
        return 0.0
    if goal is None:
        return 0.0
    e = _effort(state, goal, on)
    if e is None:
        return 0.0
    rec = memory.setdefault("rec", {})
    if leg not in rec:
        rec[leg] = e
        return 0.0
    if e < rec[leg]:
        rec[leg] = e
        return 1.0
    return 0.0
