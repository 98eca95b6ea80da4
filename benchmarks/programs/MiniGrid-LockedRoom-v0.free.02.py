def _room_colour(mission):
    words = mission.replace(",", " ").split()
    for i, w in enumerate(words):
        if w == "room" and i > 0:
            return words[i - 1]
    return None


MILESTONES = {
    "open_key_room": 0.08,
    "enter_key_room": 0.07,
    "get_key": 0.12,
    "carry_out": 0.06,
    "face_locked": 0.06,
    "unlock": 0.14,
    "enter_goal_room": 0.07,
}


def reward(prev, action, state, memory):
    done = memory.setdefault("done", set())
    if "locked_id" not in memory:
        memory["locked_id"] = None
        memory["room_id"] = None
        colour = _room_colour(prev.mission)
        for o in prev.objects:
            if o.kind == "door":
                if o.state == "locked":
                    memory["locked_id"] = o.id
                elif o.color == colour:
                    memory["room_id"] = o.id

    by_id = {o.id: o for o in state.objects}
    room_door = by_id.get(memory["room_id"])
    locked_door = by_id.get(memory["locked_id"])
    has_key = state.carrying is not None and state.carrying.kind == "key"
    pos = (state.agent.x, state.agent.y)

    reached = set()
    if room_door is not None:
        if room_door.state == "open":
            reached.add("open_key_room")
        if pos == (room_door.x, room_door.y) and not has_key:
            reached.add("enter_key_room")
        if pos == (room_door.x, room_door.y) and has_key:
            reached.add("carry_out")
    if has_key:
        reached.add("get_key")
    if locked_door is not None:
        front_is_it = state.front is not None and state.front.id == locked_door.id
        if has_key and front_is_it and locked_door.state == "locked":
            reached.add("face_locked")
        if locked_door.state != "locked":
            reached.add("unlock")
        if pos == (locked_door.x, locked_door.y):
            reached.add("enter_goal_room")

    out = {name: 0.0 for name in MILESTONES}
    for name in reached:
        if name not in done:
            done.add(name)
            out[name] = MILESTONES[name]
    out["solved"] = 1.0 if state.solved else 0.0
    return out
