GAMMA = 0.99


def _phi(s):
    ball = key = door = box = None
    for o in s.objects:
        if o.kind == "ball":
            ball = o
        elif o.kind == "key":
            key = o
        elif o.kind == "door":
            door = o
        elif o.kind == "box":
            box = o
    phi = 0.0
    goal = ball
    if door is not None and door.state != "locked":
        phi += 0.4
        goal = box
    elif s.carrying is not None and s.carrying.kind == "key":
        phi += 0.25
        goal = door
    elif ball is not None and door is not None and abs(ball.x - door.x) + abs(ball.y - door.y) > 1:
        phi += 0.1
        goal = key
    if goal is not None:
        d = abs(s.agent.x - goal.x) + abs(s.agent.y - goal.y)
        phi += 0.01 * d
    return phi


def reward(prev, action, state, memory):
    return {"potential": GAMMA * _phi(state) - _phi(prev)}
