from collections import deque

STEPS = ((0, 1), (0, -1), (1, 0), (-1, 0))


def _goal(s):
    lock, key, tgt = None, None, None
    for o in s.objects:
        if o.kind == "door" and o.state == "locked":
            lock = o
        if o.kind == "key":
            key = o
        if o.target:
            tgt = o
    if lock is None:
        return "ball", tgt
    if key is not None and key.carried:
        return "lock", lock
    return "key", key


def _measure(s, goal):
    doors = {}
    things = set()
    for o in s.objects:
        if o.carried or o.id == goal.id:
            continue
        if o.kind == "door":
            doors[(o.x, o.y)] = o.state
        else:
            things.add((o.x, o.y))
    src = (goal.x, goal.y)
    dist = {src: 0}
    queue = deque([src])
    me = (s.agent.x, s.agent.y)
    while queue:
        p = queue.popleft()
        for dx, dy in STEPS:
            n = (p[0] + dx, p[1] + dy)
            if not (0 <= n[0] < s.width and 0 <= n[1] < s.height):
                continue
            if s.walls[n[0], n[1]] or n in things:
                continue
            st = doors.get(n)
            if st == "locked":
                continue
            w = dist[p] + (2 if st == "closed" else 1)
            if w < dist.get(n, 999):
                dist[n] = w
                queue.append(n)
    return dist.get(me, -1)


def sparse(prev, action, state, memory):
    if state.solved:
        return 1.0
    done = memory.setdefault("done", {})
    if state.carrying is not None and state.carrying.kind == "key" and not done.get("key"):
        done["key"] = True
        return 1.0
    if state.event == "unlocked" and not done.get("lock"):
        done["lock"] = True
        return 1.0
    if done.get("lock") and state.carrying is None and not done.get("hands"):
        done["hands"] = True
        return 1.0
    return 0.0


def dense(prev, action, state, memory):
    if state.event == "closed":
        return -1.0
    name, goal = _goal(state)
    if goal is None or goal.carried:
        return 0.0
    d = _measure(state, goal)
    if d < 0:
        return 0.0
    best = memory.setdefault("best", {})
    last = best.get(name)
    if last is None:
        best[name] = d
        return 0.0
    if d < last:
        best[name] = d
        return 1.0
    return 0.0
