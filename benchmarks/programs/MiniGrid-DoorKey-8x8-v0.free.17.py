def reward(prev, action, state, memory):
    comp = {"face_key": 0.0, "key": 0.0, "face_door": 0.0, "door": 0.0, "success": 0.0}
    front = state.front
    carrying_key = state.carrying is not None and state.carrying.kind == "key"

    if front is not None and front.kind == "key" and not memory.get("fk"):
        memory["fk"] = 1
        comp["face_key"] = 1.0
    if carrying_key and not memory.get("k"):
        memory["k"] = 1
        comp["key"] = 5.0
    if carrying_key and front is not None and front.kind == "door" and not memory.get("fd"):
        memory["fd"] = 1
        comp["face_door"] = 1.0
    if state.event == "unlocked" and not memory.get("d"):
        memory["d"] = 1
        comp["door"] = 10.0
    if state.solved:
        comp["success"] = 20.0
    return comp
