def reward(prev, action, state, memory):
    out = {"pickup": 0.0, "wrong": 0.0, "done": 0.0}
    if state.event == "picked_up":
        if state.event_object.rank == 1:
            if "had" not in memory:
                memory["had"] = 1
                out["pickup"] = 0.3
        else:
            out["wrong"] = -0.2
    if state.solved:
        out["done"] = 1.0
    return out
