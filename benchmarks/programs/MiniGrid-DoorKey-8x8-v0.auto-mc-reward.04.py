from collections import deque


def _field(state, src, pass_door):
    """distances from src to every free cell; door passable if pass_door"""
    block = set()
    for o in state.objects:
        if o.kind == "door" and not pass_door and (o.x, o.y) != src:
            block.add((o.x, o.y))
    dist = {src: 0}
    q = deque([src])
    while q:
        x, y = q.popleft()
        for nx, ny in ((x + 1, y), (x - 1, y), (x, y + 1), (x, y - 1)):
            if nx < 0 or ny < 0 or nx >= state.width or ny >= state.height:
                continue
            if (nx, ny) in dist or (nx, ny) in block or state.walls[nx, ny]:
                continue
            dist[(nx, ny)] = dist[(x, y)] + 1
            q.append((nx, ny))
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
    if key is None or door is None or goal is None:
        return None
    me = (state.agent.x, state.agent.y)
    if door.state != "locked":
        d = _field(state, (goal.x, goal.y), True).get(me)
        if d is None:
            return None
        return d + (1 if door.state == "closed" and me[0] < door.x else 0)
    after = _field(state, (goal.x, goal.y), True).get((door.x, door.y), 0)
    to_door = _field(state, (door.x, door.y), True)
    if key.carried:
        d = to_door.get(me)
        return None if d is None else d + 1 + after
    leg = to_door.get((key.x, key.y))
    d = _field(state, (key.x, key.y), False).get(me)
    if leg is None or d is None:
        return None
    return d + 1 + leg + 1 + after


def sparse(prev, action, state, memory):
    if state.solved:
        return 1.0
    c = state.carrying
    if c is not None and c.kind == "key" and "key" not in memory:
        memory["key"] = True
        return 1.0
    if state.event == "unlocked" and "unlock" not in memory:
        memory["unlock"] = True
        return 1.0
    if state.event == "dropped" and "unlock" not in memory and "lost" not in memory:
        memory["lost"] = True
        return -1.0
    return 0.0


def dense(prev, action, state, memory):
    a = _plan(prev)
    b = _plan(state)
    if a is None or b is None:
        return 0.0
    return float(a - b)
