from collections import deque


def _cost(state, tx, ty):
    w, h = state.width, state.height
    extra = {}
    for o in state.objects:
        if o.carried:
            continue
        if o.kind == "door":
            if o.state == "closed":
                extra[(o.x, o.y)] = 2
            elif o.state == "locked":
                extra[(o.x, o.y)] = None
        elif o.kind != "goal":
            extra[(o.x, o.y)] = None
    start = (state.agent.x, state.agent.y)
    best = {start: 0}
    queue = deque([start])
    found = None
    while queue:
        c = queue.popleft()
        for dx, dy in ((1, 0), (-1, 0), (0, 1), (0, -1)):
            n = (c[0] + dx, c[1] + dy)
            if not (0 <= n[0] < w and 0 <= n[1] < h):
                continue
            if n == (tx, ty):
                v = best[c] + 1
                if found is None or v < found:
                    found = v
                continue
            if state.walls[n[0], n[1]] and n not in extra:
                continue
            e = extra.get(n, 0)
            if e is None:
                continue
            v = best[c] + 1 + e
            if v < best.get(n, 999):
                best[n] = v
                queue.append(n)
    return found


def reward(prev, action, state, memory):
    out = {"key": 0.0, "unlock": 0.0, "free_hands": 0.0, "approach": 0.0}
    key = locked = ball = None
    for o in state.objects:
        if o.kind == "key":
            key = o
        elif o.kind == "door" and o.state == "locked":
            locked = o
        elif o.target:
            ball = o
    holding = key is not None and key.carried

    if holding and not memory.get("key"):
        memory["key"] = True
        out["key"] = 0.12
    if state.event == "unlocked" and not memory.get("unlock"):
        memory["unlock"] = True
        out["unlock"] = 0.18
    if memory.get("unlock") and state.carrying is None and not memory.get("free"):
        memory["free"] = True
        out["free_hands"] = 0.08

    if memory.get("unlock"):
        name, target = "ball", ball
    elif holding:
        name, target = "lock", locked
    else:
        name, target = "fetch", key
    if target is not None and not target.carried:
        c = _cost(state, target.x, target.y)
        if c is not None:
            old = memory.get("best_" + name)
            if old is None:
                memory["best_" + name] = c
            elif c < old:
                out["approach"] = 0.008 * (old - c)
                memory["best_" + name] = c
    return out
