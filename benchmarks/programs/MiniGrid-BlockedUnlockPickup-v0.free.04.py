def _objs(state):
    ball = key = door = box = None
    for o in state.objects:
        if o.kind == "ball":
            ball = o
        elif o.kind == "key":
            key = o
        elif o.kind == "door":
            door = o
        elif o.target:
            box = o
    return ball, key, door, box


def _near(state, x, y):
    d = abs(state.agent.x - x) + abs(state.agent.y - y)
    return 1.0 - min(d, 16) / 16.0


def _potential(state):
    ball, key, door, box = _objs(state)
    if door is None:
        return 0.0
    c = state.carrying
    if door.state == "locked":
        if ball is not None and ball.carried:
            # away from the door is better, then put it down
            d = abs(ball.x - door.x) + abs(ball.y - door.y)
            return 0.10 + 0.02 * min(d, 4) / 4.0
        blocking = ball is not None and abs(ball.x - door.x) + abs(ball.y - door.y) == 1
        if blocking:
            if c is not None:
                return 0.02
            return 0.08 * _near(state, ball.x, ball.y)
        if c is not None and c.kind == "key":
            return 0.25 + 0.08 * _near(state, door.x, door.y)
        if key is not None:
            return 0.14 + 0.08 * _near(state, key.x, key.y)
        return 0.14
    # door was unlocked once
    base = 0.40
    if box is None:
        return base
    if box.carried:
        return 0.60
    past = state.agent.x > door.x
    if c is None:
        base += 0.06
    if past:
        return base + 0.05 + 0.06 * _near(state, box.x, box.y)
    return base + 0.05 * _near(state, door.x, door.y)


def reward(prev, action, state, memory):
    return {"shaping": _potential(state) - _potential(prev)}
