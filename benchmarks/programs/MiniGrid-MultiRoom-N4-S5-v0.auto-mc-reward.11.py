def sparse(prev, action, state, memory):
    cells = memory.setdefault("cells", set())
    doors = memory.setdefault("doors", set())
    total = 0.0
    pos = (state.agent.x, state.agent.y)
    if pos not in cells:
        cells.add(pos)
        total += 0.05
    if state.event == "opened" and state.event_object.id not in doors:
        doors.add(state.event_object.id)
        total += 1.0
    if state.solved:
        total += 10.0
    return total


def dense(prev, action, state, memory):
    return -0.001
