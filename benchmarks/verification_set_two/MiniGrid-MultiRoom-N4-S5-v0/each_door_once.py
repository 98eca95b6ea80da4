def reward(prev, action, state, memory):
    r = 0.0
    done = memory.setdefault("doors", [])
    if state.event == "opened" and state.event_object.id not in done:
        done.append(state.event_object.id)
        done.sort()
        r += 0.3
    if state.event == "reached":
        r += 3.0
    return r
