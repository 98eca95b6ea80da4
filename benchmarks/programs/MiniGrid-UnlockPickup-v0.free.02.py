from collections import deque


def _walk(state, tx, ty):
    solid = set()
    for o in state.objects:
        if o.carried or (o.kind == "door" and o.state == "open"):
            continue
        solid.add((o.x, o.y))
    start = (state.agent.x, state.agent.y)
    seen = {start: 0}
    q = deque([start])
    while q:
        c = q.popleft()
        for dx, dy in ((1, 0), (-1, 0), (0, 1), (0, -1)):
            n = (c[0] + dx, c[1] + dy)
            if n == (tx, ty):
                return seen[c] + 1
            if n in seen or n in solid:
                continue
            if n[0] < 0 or n[1] < 0 or n[0] >= state.width or n[1] >= state.height:
                continue
            if state.walls[n[0], n[1]]:
                continue
            seen[n] = seen[c] + 1
            q.append(n)
    return 25


def _phi(state):
    key = door = box = None
    for o in state.objects:
        if o.kind == "key":
            key = o
        elif o.kind == "door":
            door = o
        elif o.target:
            box = o
    if box is not None and box.carried:
        return 0.6
    holding = key is not None and key.carried
    if door is None or door.state == "open":
        if box is None:
            return 0.0
        near = 1.0 - min(_walk(state, box.x, box.y), 25) / 25.0
        level = 0.35 + 0.12 * near
        if state.carrying is None:
            level += 0.06
        return level
    if holding:
        return 0.15 + 0.08 * (1.0 - min(_walk(state, door.x, door.y), 25) / 25.0)
    if door.state == "closed":
        return 0.25
    if key is None:
        return 0.0
    return 0.10 * (1.0 - min(_walk(state, key.x, key.y), 25) / 25.0)


def reward(prev, action, state, memory):
    old = memory.get("phi")
    if old is None:
        old = _phi(prev)
    new = _phi(state)
    memory["phi"] = new
    return {"potential": new - old}
