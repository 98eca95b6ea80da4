def reward(prev, action, state, memory):
    route = memory.setdefault("route", [])
    here = (int(state.row), int(state.column))
    known = here in route
    route.append(here)
    return 0.0 if known else 0.02
