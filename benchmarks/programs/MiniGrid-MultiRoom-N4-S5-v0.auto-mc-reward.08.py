from collections import deque


def goal_distance(state):
    goals = [(o.x, o.y) for o in state.objects if o.kind == "goal"]
    dist = {g: 0 for g in goals}
    q = deque(goals)
    while q:
        x, y = q.popleft()
        for nx, ny in ((x + 1, y), (x - 1, y), (x, y + 1), (x, y - 1)):
            if (nx, ny) in dist or nx < 0 or ny < 0 or nx >= state.width or ny >= state.height:
                continue
            if state.walls[nx, ny]:
                continue
            dist[(nx, ny)] = dist[(x, y)] + 1
            q.append((nx, ny))
    return dist


def start(prev, memory):
    if "dist" not in memory:
        memory["dist"] = goal_distance(prev)
        memory["d0"] = memory["dist"].get((prev.agent.x, prev.agent.y), 999)
        memory["record"] = memory["d0"]
        memory["through"] = set()
        memory["faced"] = set()
        memory["opened"] = set()


def sparse(prev, action, state, memory):
    start(prev, memory)
    if state.solved:
        return 1.0
    here = (state.agent.x, state.agent.y)
    for o in state.objects:
        if o.kind == "door" and (o.x, o.y) == here and o.id not in memory["through"]:
            memory["through"].add(o.id)
            if memory["dist"].get(here, 999) < memory["d0"]:
                return 1.0
    return 0.0


def dense(prev, action, state, memory):
    start(prev, memory)
    v = 0.0
    here = (state.agent.x, state.agent.y)
    d = memory["dist"].get(here, 999)
    if d < memory["record"]:
        memory["record"] = d
        v += 1.0
    f = state.front
    if f is not None and f.kind == "door" and f.state == "closed" and f.id not in memory["faced"]:
        memory["faced"].add(f.id)
        if memory["dist"].get((f.x, f.y), 999) < d:
            v += 1.0
    if state.event == "opened" and state.event_object is not None \
            and state.event_object.id not in memory["opened"]:
        memory["opened"].add(state.event_object.id)
        v += 1.0
    if state.event == "closed":
        v -= 1.0
    return v
