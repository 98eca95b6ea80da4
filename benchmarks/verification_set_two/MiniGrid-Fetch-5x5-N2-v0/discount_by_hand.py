GAMMA = 0.9


def phi(s):
    return -0.3 * min(abs(o.x - s.agent.x) + abs(o.y - s.agent.y) for o in s.objects if o.target)


def reward(prev, action, state, memory):
    """Potential-based shaping, which is known to change nothing."""
    return {"shaping": GAMMA * phi(state) - phi(prev), "success": 1.0 if state.solved else 0.0}
