"""Reward for fetching the object that the mission names.

Components:
  progress   a little for each cell that the agent comes closer, taken back when it moves away
  mistake    a penalty for picking up something else
  success    a bonus on top of what the environment pays
"""

CLOSER = 0.02
WRONG = -0.5
RIGHT = 1.0


def gap(state):
    """Return the city-block distance from the agent to the nearest wanted object."""
    best = None
    for thing in state.objects:
        if not thing.target:
            continue
        distance = abs(thing.x - state.agent.x) + abs(thing.y - state.agent.y)
        if best is None or distance < best:
            best = distance
    return 0 if best is None else best


def reward(prev, action, state, memory):
    progress = CLOSER * (gap(prev) - gap(state))

    mistake = 0.0
    success = 0.0
    if state.event == "picked_up":
        if state.event_object.target:
            success = RIGHT
        else:
            mistake = WRONG

    return {"progress": progress, "mistake": mistake, "success": success}
