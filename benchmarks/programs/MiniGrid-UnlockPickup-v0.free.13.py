USES = ["walk_distance"]

def reward(prev, action, state, memory):
    key = next((o for o in state.objects if o.kind == "key"), None)
    door = next((o for o in state.objects if o.kind == "door"), None)
    box = next((o for o in state.objects if o.kind == "box"), None)

    if door is not None and door.state == "open":
        stage, target = 3, box
    elif key is not None and key.carried:
        stage, target = 2, door
    else:
        stage, target = 1, key

    closeness = 0.0
    if target is not None and target.walk_distance >= 0:
        closeness = 0.02 * stage / (1.0 + target.walk_distance)

    transition = 0.0
    if stage > memory.get("stage", 1):
        transition = 0.1
        memory["stage"] = stage

    return {"closeness": closeness, "transition": transition}
