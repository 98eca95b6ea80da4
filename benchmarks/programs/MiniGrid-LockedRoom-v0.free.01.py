from collections import deque


def _bfs(state, tx, ty, locked_ok):
    """distance from (tx,ty) to the agent; closed doors are passable, locked doors are walls unless locked_ok."""
    w, h = state.width, state.height
    doors = {(o.x, o.y): o.state for o in state.objects if o.kind == "door"}
    start = (state.agent.x, state.agent.y)
    seen = {(tx, ty)}
    queue = deque([(tx, ty, 0)])
    while queue:
        x, y, d = queue.popleft()
        if (x, y) == start:
            return d
        for dx, dy in ((1, 0), (-1, 0), (0, 1), (0, -1)):
            nx, ny = x + dx, y + dy
            if not (0 <= nx < w and 0 <= ny < h) or (nx, ny) in seen:
                continue
            if state.walls[nx, ny]:
                continue
            if doors.get((nx, ny)) == "locked" and not locked_ok and (nx, ny) != start:
                continue
            seen.add((nx, ny))
            queue.append((nx, ny, d + 1))
    return None


def _find(state, kind, pred=lambda o: True):
    for o in state.objects:
        if o.kind == kind and pred(o):
            return o
    return None


def reward(prev, action, state, memory):
    if "init" not in memory:
        memory["init"] = True
        locked = _find(prev, "door", lambda o: o.state == "locked")
        memory["locked_id"] = locked.id if locked is not None else None
        memory["best"] = {}
        memory["got"] = set()
    out = {"key": 0.0, "unlock": 0.0, "approach": 0.0, "solved": 0.0}

    key = _find(state, "key")
    door = _find(state, "door", lambda o: o.id == memory["locked_id"])
    goal = _find(state, "goal")

    if state.event == "picked_up" and state.event_object is not None \
            and state.event_object.kind == "key" and "key" not in memory["got"]:
        memory["got"].add("key")
        out["key"] = 0.1
    if state.event == "unlocked" and "unlock" not in memory["got"]:
        memory["got"].add("unlock")
        out["unlock"] = 0.15

    # current leg
    if "unlock" in memory["got"]:
        leg, target, locked_ok = "goal", goal, True
    elif state.carrying is not None and state.carrying.kind == "key":
        leg, target, locked_ok = "door", door, True
    else:
        leg, target, locked_ok = "key", key, False

    if target is not None:
        d = _bfs(state, target.x, target.y, locked_ok)
        if d is not None:
            best = memory["best"].get(leg)
            if best is None:
                memory["best"][leg] = d
            elif d < best:
                out["approach"] = 0.004 * (best - d)
                memory["best"][leg] = d
    if state.solved:
        out["solved"] = 0.6
    return out
