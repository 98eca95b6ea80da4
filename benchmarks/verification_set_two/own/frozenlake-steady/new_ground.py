def reward(prev, action, state, memory):
    # one cent for each cell that was not entered before
    visited = memory.setdefault("visited", [0])
    here = state.row * 4 + state.column
    if here in visited:
        return 0.0
    visited.append(here)
    visited.sort()
    return 0.01 if state.cell == "F" else 0.0
