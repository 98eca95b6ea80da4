from collections import deque


def _goal_room(state):
    goal = door = None
    for o in state.objects:
        if o.kind == "goal":
            goal = o
        elif o.kind == "door":
            door = o
    if goal is None or door is None:
        return frozenset()
    room = {(goal.x, goal.y)}
    q = deque(room)
    while q:
        x, y = q.popleft()
        for nx, ny in ((x + 1, y), (x - 1, y), (x, y + 1), (x, y - 1)):
            if not (0 <= nx < state.width and 0 <= ny < state.height):
                continue
            if state.walls[nx, ny] or (nx, ny) == (door.x, door.y) or (nx, ny) in room:
                continue
            room.add((nx, ny))
            q.append((nx, ny))
    return frozenset(room)


def reward(prev, action, state, memory):
    if "room" not in memory:
        memory["room"] = _goal_room(prev)
        memory["waste"] = 0.0
        memory["hit"] = set()
    hit = memory["hit"]
    out = {"key": 0.0, "unlock": 0.0, "second_room": 0.0, "waste": 0.0}

    if "key" not in hit and state.carrying is not None and state.carrying.kind == "key":
        hit.add("key")
        out["key"] = 0.2
    if "unlock" not in hit and state.event == "unlocked":
        hit.add("unlock")
        out["unlock"] = 0.25
    if "second_room" not in hit and "unlock" in hit \
            and (state.agent.x, state.agent.y) in memory["room"]:
        hit.add("second_room")
        out["second_room"] = 0.15

    if state.event in ("nothing", "blocked", "declared") and memory["waste"] < 0.1:
        out["waste"] = -0.001
        memory["waste"] += 0.001
    return out
