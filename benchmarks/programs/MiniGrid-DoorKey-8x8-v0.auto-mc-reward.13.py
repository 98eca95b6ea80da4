def _pick(state, kind):
    for o in state.objects:
        if o.kind == kind:
            return o
    return None


def sparse(prev, action, state, memory):
    if state.solved:
        memory["phase"] = 6
        return 1.0
    phase = memory.get("phase", 0)
    hand = state.carrying
    if phase < 2 and hand is not None and hand.kind == "key":
        memory["phase"] = 2
        return 1.0
    if phase < 4 and state.event == "unlocked":
        memory["phase"] = 4
        return 1.0
    return 0.0


def dense(prev, action, state, memory):
    phase = memory.get("phase", 0)
    front = state.front
    hand = state.carrying
    door = _pick(state, "door")
    if phase == 0 and front is not None and front.kind == "key":
        memory["phase"] = 1
        return 1.0
    if phase == 2 and hand is not None and front is not None and front.kind == "door":
        memory["phase"] = 3
        return 1.0
    if phase == 4 and door is not None and state.agent.x >= door.x:
        memory["phase"] = 5
        return 1.0

    if phase < 2:
        name = "key"
    elif phase < 5:
        name = "door"
    else:
        name = "goal"
    obj = _pick(state, name)
    if obj is None or obj.carried:
        return 0.0
    if name == "door" and phase < 4 and hand is None:
        return 0.0
    d = abs(state.agent.x - obj.x) + abs(state.agent.y - obj.y)
    slot = "best_" + name
    if slot not in memory:
        memory[slot] = d
        return 0.0
    if d < memory[slot]:
        memory[slot] = d
        return 1.0
    return 0.0
