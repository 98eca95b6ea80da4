from typing import Dict, Tuple

def reward(prev, action, state, memory) -> Tuple[Dict[str, float], float]:
    rewards: Dict[str, float] = {}
    rewards["key"] = 0.0
    rewards["door"] = 0.0
    rewards["explore"] = 0.0

    visited = memory.setdefault("visited", set())
    pos = (state.agent.x, state.agent.y)
    if pos not in visited:
        visited.add(pos)
        rewards["explore"] = 0.01

    if state.event == "picked_up" and not memory.get("key"):
        memory["key"] = True
        rewards["key"] = 0.2
    if state.event == "unlocked" and not memory.get("door"):
        memory["door"] = True
        rewards["door"] = 0.3

    total = sum(rewards.values())
    return rewards, total
