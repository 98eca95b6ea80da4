def is_open(state, color):
    for o in state.objects:
        if o.kind == "door" and o.color == color:
            return o.state == "open"
    return False


def reward(prev, action, state, memory):
    red, blue = is_open(state, "red"), is_open(state, "blue")
    score = 0.0
    if red and not blue:
        score = 0.1      # half way
    elif red and blue:
        score = 1.0      # done
    elif blue:
        score = -1.0     # wrong order
    return score
