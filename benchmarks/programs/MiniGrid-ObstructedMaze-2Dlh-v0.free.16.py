import random

def reward(prev, action, state, memory):
    stage = memory.get("stage", 0)
    bonus = 0.0
    if state.event_object.kind == "box" and stage == 0:
        stage = 1
        bonus = 0.1
    elif state.event_object.kind == "key" and stage == 1:
        stage = 2
        bonus = 0.2
    elif state.event_object.kind == "door" and stage == 2:
        stage = 3
        bonus = 0.3
    elif state.event_object.kind == "ball" and stage == 3:
        stage = 4
        bonus = 1.0
    memory["stage"] = stage
    explore = 0.001 * random.random()
    return {"bonus": bonus, "explore": explore}
