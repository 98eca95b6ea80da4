from collections import deque


def _steps(state, target):
    solid = set()
    door_cells = set()
    for o in state.objects:
        if o.carried or o.id == target.id:
            continue
        if o.kind == "door":
            door_cells.add((o.x, o.y))
            if o.state == "locked":
                solid.add((o.x, o.y))
        else:
            solid.add((o.x, o.y))
    s = (state.agent.x, state.agent.y)
    t = (target.x, target.y)
    q = deque([(s, 0)])
    seen = {s}
    while q:
        (x, y), d = q.popleft()
        if (x, y) == t:
            return d
        for n in ((x + 1, y), (x - 1, y), (x, y + 1), (x, y - 1)):
            if n in seen or n in solid:
                continue
            if n[0] < 0 or n[1] < 0 or n[0] >= state.width or n[1] >= state.height:
                continue
            if state.walls[n[0], n[1]] and n not in door_cells and n != t:
                continue
            seen.add(n)
            q.append((n, d + 1))
    return None


def _score(state):
    objs = {}
    lock = None
    for o in state.objects:
        if o.kind == "door":
            if o.state == "locked":
                lock = o
        else:
            objs[o.kind] = o
    ball, key = objs.get("ball"), objs.get("key")
    if ball is not None and ball.carried:
        return 4.0
    if lock is None:
        stage, target = (3 if state.carrying is None else 2), ball
    elif key is not None and key.carried:
        stage, target = 1, lock
    else:
        stage, target = 0, key
    if target is None:
        return float(stage)
    d = _steps(state, target)
    if d is None:
        return float(stage)
    return stage + max(0.0, 0.9 - d * 0.06)


def reward(prev, action, state, memory):
    top = memory.get("top")
    if top is None:
        top = _score(prev)
    now = _score(state)
    memory["top"] = max(top, now)
    return {"record": 0.13 * max(0.0, now - top)}
