from collections import deque


def _cost(state, goal):
    """moves from the agent to next to goal; closed doors cost 1 extra, locked doors block"""
    extra = {}
    solid = set()
    for o in state.objects:
        if o.id == goal.id or o.carried:
            continue
        if o.kind == "door":
            if o.state == "locked":
                solid.add((o.x, o.y))
            elif o.state == "closed":
                extra[(o.x, o.y)] = 1
        elif o.kind != "goal":
            solid.add((o.x, o.y))
    start = (state.agent.x, state.agent.y)
    best = {start: 0}
    q = deque([start])
    while q:
        p = q.popleft()
        for dx, dy in ((1, 0), (-1, 0), (0, 1), (0, -1)):
            n = (p[0] + dx, p[1] + dy)
            if n[0] < 0 or n[1] < 0 or n[0] >= state.width or n[1] >= state.height:
                continue
            if state.walls[n[0], n[1]] or n in solid:
                continue
            c = best[p] + 1 + extra.get(n, 0)
            if n not in best or c < best[n]:
                best[n] = c
                q.append(n)
    return best.get((goal.x, goal.y))


def _subgoal(state, memory):
    key = None
    locked = None
    ball = None
    for o in state.objects:
        if o.kind == "key":
            key = o
        elif o.kind == "door" and o.state == "locked":
            locked = o
        elif o.target:
            ball = o
    if locked is not None:
        if key is not None and key.carried:
            return "door", locked
        return "key", key
    return "ball", ball


def sparse(prev, action, state, memory):
    got = memory.setdefault("got", set())
    if state.solved:
        return 1.0
    value = 0.0
    for o in state.objects:
        if o.kind == "key" and o.carried and "key" not in got:
            got.add("key")
            value = 1.0
    if state.event == "unlocked" and "unlock" not in got:
        got.add("unlock")
        value = 1.0
    if "unlock" in got and state.carrying is None and "free" not in got:
        got.add("free")
        value = 1.0
    return value


def dense(prev, action, state, memory):
    best = memory.setdefault("best", {})
    name, goal = _subgoal(state, memory)
    if goal is None or goal.carried:
        return 0.0
    d = _cost(state, goal)
    if d is None:
        return 0.0
    if name not in best:
        best[name] = d
        return 0.0
    if d < best[name]:
        best[name] = d
        return 1.0
    return 0.0
