import random
import math

def reward(prev, action, state, memory):
    total = 0
    for obj in state.objects:
        d = math.sqrt((obj.x - state.agent.x)**2 + (obj.y - state.agent.y)**2)
        if obj.kind == "key" and not memory.get("key"):
            total += 0.01 / d
        if obj.kind == "box" and memory.get("door"):
            total += 0.02 / d
    if state.event == "picked_up":
        memory["key"] = True
        total += 0.2
    if state.event == "unlocked":
        memory["door"] = True
        total += 0.3
    total += random.uniform(-0.001, 0.001)
    print("reward:", total)
    return total
