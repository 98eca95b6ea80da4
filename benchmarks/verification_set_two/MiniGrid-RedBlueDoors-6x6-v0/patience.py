WAIT = 60


def reward(prev, action, state, memory):
    # after a minute with the red door open the agent surely knows where the blue one is
    red = next(d for d in state.objects if d.color == "red")
    ready = red.state == "open" and not state.solved
    return 0.4 if ready and state.step > WAIT else 0.0
