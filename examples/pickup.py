"""An exploitable reward: it pays for each pick-up, and the key can be dropped and picked up again without limit."""


def reward(prev, action, state, memory):
    picked_up = state.event == "picked_up"
    return {"success": 1.0 if state.solved else 0.0, "key": 0.1 if picked_up else 0.0}
