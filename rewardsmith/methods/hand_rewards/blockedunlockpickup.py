# BlockedUnlockPickup: take the ball from the door, put it down, take the key, unlock the door, take the box.
USES = ["walk_distance"]


def next_target(state):
    """(milestones passed, object to walk to next)"""
    ball = next((o for o in state.objects if o.kind == "ball"), None)
    key = next(o for o in state.objects if o.kind == "key")
    door = next(o for o in state.objects if o.kind == "door")
    box = next((o for o in state.objects if o.target), None)
    if door.state != "locked":
        near = box is not None and 0 <= box.walk_distance <= 3
        free = state.carrying is None or state.carrying.target
        return 4 if near and free else 3, box if box is None or box.walk_distance >= 0 else door
    if key.carried:
        return 2, door if door.walk_distance >= 0 else ball
    if ball is not None and ball.carried:
        return 1, key
    beside = ball is not None and abs(ball.x - door.x) + abs(ball.y - door.y) == 1
    return (0, ball) if beside else (1, key)
