from collections import deque

DIRS = ((1, 0), (0, 1), (-1, 0), (0, -1))


def _find(state, kind):
    for o in state.objects:
        if o.kind == kind:
            return o
    return None


def _bfs(state, tx, ty):
    """Steps from the agent to (tx, ty); the target cell itself may be solid."""
    w, h = state.width, state.height
    blocked = set()
    for o in state.objects:
        if o.carried:
            continue
        if o.kind == "door" and o.state == "open":
            continue
        if o.kind == "goal":
            continue
        blocked.add((o.x, o.y))
    start = (state.agent.x, state.agent.y)
    if start == (tx, ty):
        return 0
    seen = {start}
    queue = deque([(start, 0)])
    while queue:
        (x, y), d = queue.popleft()
        for dx, dy in DIRS:
            nx, ny = x + dx, y + dy
            if (nx, ny) == (tx, ty):
                return d + 1
            if not (0 <= nx < w and 0 <= ny < h):
                continue
            if state.walls[nx, ny] or (nx, ny) in blocked or (nx, ny) in seen:
                continue
            seen.add((nx, ny))
            queue.append(((nx, ny), d + 1))
    return None


def _stage(state):
    door = _find(state, "door")
    if door is None or door.state != "locked":
        return 2
    if state.carrying is not None and state.carrying.kind == "key":
        return 1
    return 0


def reward(prev, action, state, memory):
    if "stage" not in memory:
        memory["stage"] = _stage(prev)
        memory["best"] = {}
    out = {"got_key": 0.0, "unlocked": 0.0, "approach": 0.0}

    stage = _stage(state)
    if stage > memory["stage"]:
        if memory["stage"] < 1:
            out["got_key"] = 0.1
        if stage >= 2:
            out["unlocked"] = 0.15
        memory["stage"] = stage

    if stage == memory["stage"]:
        target = _find(state, ("key", "door", "goal")[stage])
        if target is not None:
            d = _bfs(state, target.x, target.y)
            if d is not None:
                best = memory["best"].get(stage)
                if best is None:
                    memory["best"][stage] = d
                elif d < best:
                    out["approach"] = 0.01 * min(best - d, 5)
                    memory["best"][stage] = d
    return out
