from collections import deque

FAR = 22


def _field(state, origin, door_xy):
    dist = {origin: 0}
    q = deque([origin])
    while q:
        x, y = q.popleft()
        for c in ((x + 1, y), (x - 1, y), (x, y + 1), (x, y - 1)):
            if c in dist:
                continue
            if not (0 <= c[0] < state.width and 0 <= c[1] < state.height):
                continue
            if state.walls[c[0], c[1]] and c != door_xy:
                continue
            dist[c] = dist[(x, y)] + 1
            q.append(c)
    return dist


def _remaining(state):
    key = door = box = None
    for o in state.objects:
        if o.kind == "key":
            key = o
        elif o.kind == "door":
            door = o
        elif o.kind == "box":
            box = o
    if door is None or box is None:
        return None
    me = (state.agent.x, state.agent.y)
    dxy = (door.x, door.y)
    if box.carried:
        return 0
    to_box = _field(state, (box.x, box.y), dxy)
    if door.state == "open":
        return to_box.get(me, FAR) + (4 if state.carrying is not None else 0)
    to_door = _field(state, dxy, dxy)
    tail = to_box.get(dxy, FAR) + 4 + 4
    if door.state == "closed":
        return to_door.get(me, FAR) + to_box.get(dxy, FAR) + 6
    if key is None or key.carried:
        return to_door.get(me, FAR) + tail
    to_key = _field(state, (key.x, key.y), dxy)
    return to_key.get(me, FAR) + 4 + to_door.get((key.x, key.y), FAR) + tail


def reward(prev, action, state, memory):
    if "best" not in memory:
        memory["best"] = _remaining(prev)
    now = _remaining(state)
    pay = 0.0
    if now is not None and memory["best"] is not None and now < memory["best"]:
        pay = 0.01 * (memory["best"] - now)
        memory["best"] = now
    lost = -0.3 if state.event == "opened_box" else 0.0
    return {"plan": pay, "lost_box": lost}
