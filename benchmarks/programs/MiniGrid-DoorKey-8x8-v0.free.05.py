from collections import deque
from functools import lru_cache


def _dist_map(state, sx, sy, door_xy):
    w, h = int(state.width), int(state.height)
    dist = {(sx, sy): 0}
    q = deque([(sx, sy)])
    while q:
        x, y = q.popleft()
        for dx, dy in ((1, 0), (-1, 0), (0, 1), (0, -1)):
            c = (x + dx, y + dy)
            if c in dist or not (0 <= c[0] < w and 0 <= c[1] < h):
                continue
            if bool(state.walls[c[0], c[1]]) and c != door_xy:
                continue
            dist[c] = dist[(x, y)] + 1
            q.append(c)
    return dist


def _plan(state):
    key = door = goal = None
    for o in state.objects:
        if o.kind == "key":
            key = o
        elif o.kind == "door":
            door = o
        elif o.kind == "goal":
            goal = o
    if goal is None or door is None:
        return None
    dxy = (door.x, door.y)
    a = (state.agent.x, state.agent.y)
    from_goal = _dist_map(state, goal.x, goal.y, dxy)
    if door.state != "locked":
        extra = 0 if door.state == "open" else 2
        return from_goal.get(a, 40) + extra
    from_door = _dist_map(state, door.x, door.y, dxy)
    tail = from_goal.get(dxy, 20) + 5
    if key is None or key.carried:
        return from_door.get(a, 20) + tail
    from_key = _dist_map(state, key.x, key.y, dxy)
    return from_key.get(a, 20) + 5 + from_door.get((key.x, key.y), 20) + tail


def reward(prev, action, state, memory):
    if "best" not in memory:
        memory["best"] = _plan(prev)
    p = _plan(state)
    gain = 0.0
    if p is not None:
        if memory["best"] is None:
            memory["best"] = p
        elif p < memory["best"]:
            gain = 0.012 * (memory["best"] - p)
            memory["best"] = p
    return {"plan_progress": min(gain, 0.2)}
