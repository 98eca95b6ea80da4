WRONG_OBJECT = -5000.0
USELESS = -300.0


def reward(prev, action, state, memory):
    r = 0.0
    if action in (DROP, TOGGLE, DONE):
        r += USELESS
    if state.event == "blocked":
        r += USELESS
    if state.event == "picked_up" and not state.event_object.target:
        r += WRONG_OBJECT
    return r
