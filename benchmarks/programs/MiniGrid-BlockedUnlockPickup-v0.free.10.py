import numpy as np
import gymnasium as gym

def reward(prev, action, state, memory):
    """Reward for MiniGrid-BlockedUnlockPickup-v0"""
    reward = 0.0
    agent_pos = np.array(state.agent.pos)
    box = None
    for obj in state.objects:
        if obj.type == "box":
            box = obj
    if box is not None:
        dist = np.linalg.norm(agent_pos - np.array(box.pos))
        reward -= 0.01 * dist
    if state.carrying and state.carrying.type == "key":
        reward += 0.2
    if state.carrying and state.carrying.type == "box":
        reward += 1.0
    return float(reward)
