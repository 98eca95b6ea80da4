from collections import deque


def _label_rooms(state):
    doors = {(o.x, o.y) for o in state.objects if o.kind == "door"}
    label = {}
    n = 0
    for x in range(state.width):
        for y in range(state.height):
            if (x, y) in label or (x, y) in doors or state.walls[x, y]:
                continue
            q = deque([(x, y)])
            label[(x, y)] = n
            while q:
                cx, cy = q.popleft()
                for nb in ((cx + 1, cy), (cx - 1, cy), (cx, cy + 1), (cx, cy - 1)):
                    if nb in label or nb in doors:
                        continue
                    if not (0 <= nb[0] < state.width and 0 <= nb[1] < state.height):
                        continue
                    if state.walls[nb[0], nb[1]]:
                        continue
                    label[nb] = n
                    q.append(nb)
            n += 1
    return label


def reward(prev, action, state, memory):
    if "rooms" not in memory:
        rooms = _label_rooms(prev)
        memory["rooms"] = rooms
        memory["seen"] = {rooms.get((prev.agent.x, prev.agent.y))}
        memory["flags"] = set()
        for o in prev.objects:
            if o.kind == "key":
                memory["key_room"] = rooms.get((o.x, o.y))
            elif o.kind == "ball":
                memory["ball_room"] = rooms.get((o.x, o.y))
    out = {"new_room": 0.0, "key_room": 0.0, "key": 0.0, "at_lock": 0.0,
           "unlock": 0.0, "ball_room": 0.0, "hands": 0.0}
    flags = memory["flags"]

    def once(name, amount, cond):
        if cond and name not in flags:
            flags.add(name)
            out[name] = amount

    here = memory["rooms"].get((state.agent.x, state.agent.y))
    if here is not None and here not in memory["seen"]:
        memory["seen"].add(here)
        if len(memory["seen"]) <= 5:
            out["new_room"] = 0.02

    has_key = state.carrying is not None and state.carrying.kind == "key"
    once("key_room", 0.05, here is not None and here == memory.get("key_room"))
    once("key", 0.1, has_key)
    once("at_lock", 0.05, has_key and state.front is not None
         and state.front.kind == "door" and state.front.state == "locked")
    once("unlock", 0.15, state.event == "unlocked")
    once("ball_room", 0.05, here is not None and here == memory.get("ball_room"))
    once("hands", 0.08, "unlock" in flags and state.carrying is None)
    return out
