SQUEAK = 0.4


def reward(prev, action, state, memory):
    noise = 0.0
    if state.event in ("opened", "closed"):
        noise = -SQUEAK
    return {"noise": noise, "arrival": 0.5 if state.solved else 0.0}
