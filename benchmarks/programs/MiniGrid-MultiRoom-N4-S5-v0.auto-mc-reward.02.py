from collections import deque


def bfs(state):
    d = {}
    q = deque()
    for o in state.objects:
        if o.kind == "goal":
            d[(o.x, o.y)] = 0
            q.append((o.x, o.y))
    while q:
        x, y = q.popleft()
        for dx, dy in ((1, 0), (-1, 0), (0, 1), (0, -1)):
            nx, ny = x + dx, y + dy
            if 0 <= nx < state.width and 0 <= ny < state.height \
                    and (nx, ny) not in d and not state.walls[nx, ny]:
                d[(nx, ny)] = d[(x, y)] + 1
                q.append((nx, ny))
    return d


def sparse(prev, action, state, memory):
    passed = memory.setdefault("passed", set())
    if state.solved:
        return 1.0
    for o in state.objects:
        if o.kind == "door" and (o.x, o.y) == (state.agent.x, state.agent.y):
            if o.id not in passed:
                passed.add(o.id)
                return 1.0
    return 0.0


def dense(prev, action, state, memory):
    if "d" not in memory:
        memory["d"] = bfs(prev)
        memory["opened"] = set()
    if state.event == "opened" and state.event_object is not None:
        i = state.event_object.id
        if i not in memory["opened"]:
            memory["opened"].add(i)
            return 1.0
        return 0.0
    a = memory["d"].get((prev.agent.x, prev.agent.y))
    b = memory["d"].get((state.agent.x, state.agent.y))
    if a is None or b is None:
        return 0.0
    return float(a - b)
