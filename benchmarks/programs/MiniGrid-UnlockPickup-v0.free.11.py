USES = ["walk_distance"]

def reward(prev, action, state, memory):
    key_bonus = 0.0
    unlock_bonus = 0.0
    approach = 0.0
    drop_penalty = 0.0

    if state.event == "picked_up" and state.event_object is not None and state.event_object.kind == "key":
        if not memory.get("key"):
            memory["key"] = True
            key_bonus = 0.15
    if state.event == "unlocked" and not memory.get("unlocked"):
        memory["unlocked"] = True
        unlock_bonus = 0.25

    if state.event == "dropped":
        drop_penalty = -0.1

    if memory.get("unlocked"):
        for o in state.objects:
            if o.target and o.walk_distance >= 0:
                best = memory.get("best", o.walk_distance)
                if o.walk_distance < best:
                    approach = 0.01 * (best - o.walk_distance)
                memory["best"] = min(best, o.walk_distance)

    return {"key": key_bonus, "unlock": unlock_bonus, "approach": approach, "drop": drop_penalty}
